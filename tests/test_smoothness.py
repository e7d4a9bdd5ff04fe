"""The chapters on smooth approximations: classes and gaps in closed form, probes of networks known by hand, and memory
counted by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor, nn

from robust_activations import activations
from robust_activations.activations import fused
from robust_activations.figures import measured, memory, smoothness
from robust_activations.figures.catalogue import curve

LOOPS = fused.backend(torch.ones(1)) is not None


# ---- how smooth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("relu", {}, 0),
        ("elu", {}, 1),
        ("elu", {"alpha": 2.0}, 0),
        ("celu", {"alpha": 2.0}, 1),
        ("smooth_relu", {"learn": ()}, 1),
        ("silu", {}, 2),
        ("gelu", {}, 2),
        ("softplus", {}, 2),
        ("parametric_softplus", {}, 2),
    ],
)
def test_smoothness_class_at_zero(name: str, options: dict, order: int) -> None:
    assert smoothness.order(curve(name, **options)) == order


def test_a_jump_of_the_value_is_no_class_at_all() -> None:
    assert smoothness.order(lambda z: z + (z > 0)) == -1
    assert smoothness.order(lambda z: z + (z > 0), at=1.0) == 2


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_jumps_in_closed_form(alpha: float) -> None:
    assert smoothness.jumps(curve("elu", alpha=alpha))[1] == pytest.approx(1 - alpha, abs=1e-6)
    assert smoothness.jumps(curve("celu", alpha=alpha))[1:] == pytest.approx((0, -1 / alpha), abs=1e-6)
    steep = curve("smooth_relu", learn=(), sharpness=alpha**0.5)
    assert smoothness.jumps(steep)[1:] == pytest.approx((0, alpha), abs=1e-6)


def test_of_the_smooth_ones_only_softplus_is_positive_below_zero() -> None:
    shares = {name: smoothness.below_zero(curve(name))[2] for name in smoothness.NAMES}
    assert {name for name, share in shares.items() if share > 0} == {"softplus", "parametric_softplus"}
    assert shares["softplus"] == shares["parametric_softplus"] == 1
    low, high, _ = smoothness.below_zero(curve("silu"))
    assert low == pytest.approx(-0.278465, abs=1e-5)
    assert high < 0


def test_the_gap_between_the_two_gelus() -> None:
    z = np.linspace(-6, 6, 200_001)
    tanh = z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    distance = np.abs(tanh - z * stats.norm.cdf(z))
    (gap, where), *_ = smoothness.gaps(curve("gelu"), lambda z: nn.functional.gelu(z, approximate="tanh"))
    assert gap == pytest.approx(distance.max(), rel=1e-3)
    assert abs(where) == pytest.approx(abs(z[distance.argmax()]), abs=0.02)


def test_tables_of_classes_and_of_the_negative_side() -> None:
    functions = {"corner": curve("relu"), "bend": curve("silu")}
    corner, bend = smoothness.class_table(functions).splitlines()[2:]
    assert "not $C^1$" in corner
    assert corner.split("|")[-2].strip() == "∞"
    assert bend.split("|")[-2].strip() == "0.5"
    assert smoothness.below_zero_table(functions).splitlines()[3].split("|")[2].strip() == "−0.278"


def test_figure_of_slopes_and_the_dial() -> None:
    drawn = smoothness.slopes({"one": ("relu", curve("relu")), "two": ("silu", curve("silu"))})
    assert [ax.get_title() for ax in drawn.axes] == ["one", "two"]
    html = smoothness.dial("a-key").html
    for text in (
        "SmoothReLU, α = 400: greatest curvature 400",
        "ELU, α = 2: slope jumps by −1 at 0",
        "CELU, α = 2: greatest curvature 0.5",
    ):
        assert json.dumps(text)[:-1] in html


# ---- how far a gradient can be trusted --------------------------------------------------------------------------


class Scores(nn.Module):
    """Two classes, whose margin is a function of the pixels."""

    def __init__(self, first: float, second: float, extra: float, place: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([first, second]))
        self.extra, self.place = extra, place

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(1)
        score = pixels @ self.weight + self.extra * torch.relu(pixels[:, 1] - self.place)
        return torch.stack([torch.zeros_like(score), score], 1)


def image(*pixels: float) -> Tensor:
    return torch.tensor(pixels).view(1, 1, 1, -1)


def test_nothing_turns_in_a_linear_network_of_two_classes() -> None:
    model = Scores(3.0, -2.0, 0.0, 0.0)
    x, y = torch.rand(20, 1, 1, 2) * 0.6 + 0.2, torch.arange(20) % 2
    found = smoothness.probe(model, x, y, 0.1)
    assert found.cosine == pytest.approx(1)
    assert found.promised == pytest.approx(0.1 * 5)  # radius times the weights' absolute sum
    assert found.came == pytest.approx(found.promised)
    assert smoothness.missed(found) == pytest.approx((0, 0, 0), abs=1e-9)
    assert model.weight.dtype == torch.float32
    assert model.weight.requires_grad


def test_a_unit_that_switches_turns_the_gradient_by_a_known_angle() -> None:
    # Before the step the margin's gradient is (1, 0.5), after it (1, 2.5), as the unit behind pixel 1 has come on.
    found = smoothness.probe(Scores(1.0, 0.5, 2.0, 0.45), image(0.3, 0.4), torch.tensor([0]), 0.1)
    assert found.cosine[0] == pytest.approx((1 + 0.5 * 2.5) / math.sqrt((1 + 0.5**2) * (1 + 2.5**2)))
    assert found.promised[0] == pytest.approx(0.1 * 1.5)
    assert found.came[0] == pytest.approx(0.1 * 1.5 + 2 * (0.5 - 0.45))
    assert smoothness.missed(found).value == pytest.approx(0.1 / 0.15)


def test_the_step_stays_within_the_pixels() -> None:
    found = smoothness.probe(Scores(1.0, 1.0, 0.0, 0.0), image(0.95, 0.5), torch.tensor([0]), 0.1)
    assert found.came[0] == pytest.approx(0.05 + 0.1)


def test_the_slope_along_a_step_is_that_of_the_cross_entropy() -> None:
    lengths, slopes = smoothness.along(Scores(1.0, 2.0, 0.0, 0.0), image(0.3, 0.4), torch.tensor([0]), 0.1, points=5)
    assert lengths == pytest.approx([0, 0.025, 0.05, 0.075, 0.1])
    margins = 0.3 + 0.8 + 3 * lengths
    assert slopes == pytest.approx(3 / (1 + np.exp(-margins)), rel=1e-6)


def test_bootstrap_agrees_with_theory_and_is_the_same_every_time() -> None:
    values = np.random.default_rng(1).normal(2, 1, 400)
    found = smoothness.bootstrap(values)
    half = 1.96 * values.std() / 20
    assert found == smoothness.bootstrap(values)
    assert found.value == values.mean()
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)
    wide = smoothness.bootstrap(values, level=0.99)
    assert wide.low < found.low < found.high < wide.high
    # a ratio of what is in proportion has no error
    assert smoothness.bootstrap(3 * values, values) == pytest.approx((3, 3, 3))


def made_up(cosine: np.ndarray) -> smoothness.Probe:
    return smoothness.Probe(cosine, np.ones(len(cosine)), np.ones(len(cosine)) * 1.5)


def test_differences_to_relu_are_paired_and_corrected() -> None:
    cosine = np.random.default_rng(0).uniform(0, 1, 300)
    noisy = cosine + np.random.default_rng(1).normal(0, 0.1, 300)
    probes = {"relu": made_up(cosine), "silu": made_up(cosine + 0.01), "gelu": made_up(noisy)}
    gaps = smoothness.against_relu(probes)
    assert set(gaps) == {"silu", "gelu"}
    assert gaps["silu"] == pytest.approx((0.01, 0.01, 0.01))  # on the same images, which differ far more
    alone = smoothness.bootstrap(noisy - cosine)
    assert gaps["gelu"].low < alone.low < alone.high < gaps["gelu"].high


def test_figures_and_table_of_trust() -> None:
    by_radius = {
        name: {radius: made_up(np.full(9, level - radius)) for radius in (0.05, 0.1)}
        for name, level in (("relu", 0.8), ("silu", 0.9))
    }
    sorted_best_first = smoothness.trust({name: probes[0.1] for name, probes in by_radius.items()})
    assert [label.get_text() for label in sorted_best_first.axes[0].get_yticklabels()] == ["SiLU", "ReLU"]
    (ax,) = smoothness.agreement(by_radius, 0.1).axes
    assert ax.lines[0].get_ydata() == pytest.approx([1, 0.75, 0.7])
    assert ax.lines[0].get_xdata() == pytest.approx([0, 0.5, 1])
    lines = smoothness.trust_table(by_radius, 0.1).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[2:5]] == [
        "Cosine after 0.5\N{NO-BREAK SPACE}ε",
        "Cosine after ε",
        "Rise missed after ε",
    ]
    assert "0.700" in lines[2].split("|")[3]
    assert "0.500" in lines[2].split("|")[4]
    assert isinstance(smoothness.dialled({5.0: by_radius["silu"][0.1]}, by_radius["relu"][0.1]), Figure)
    way = (np.array([0.0, 0.1]), np.array([1.0, 2.0]))
    assert [ax.get_title("left") for ax in smoothness.ways({"relu": way, "elu": way}, 0.1).axes] == ["ReLU", "ELU"]


# ---- what it costs ----------------------------------------------------------------------------------------------


def per_image(model: nn.Module, *size: int) -> int:
    few, more = (memory.saved_bytes(model, torch.rand(n, *size), torch.zeros(n, dtype=torch.int64)) for n in (2, 3))
    return more - few


def small(name: str) -> nn.Module:
    first = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2), activations.create(name))
    return nn.Sequential(first, nn.Conv2d(2, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))


LOGITS = 3 * 4  # the log-probabilities
MAP = 2 * 8 * 8 * 4  # two channels of 8×8 in float32


def test_weights_and_batch_do_not_count() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    total = 4  # a number that the loss keeps: by what it divides
    assert memory.saved_bytes(model, torch.rand(2, 1, 2, 2), torch.tensor([0, 1])) == 2 * LOGITS + total
    assert per_image(model, 1, 2, 2) == LOGITS


def test_a_view_of_what_is_kept_already_costs_nothing() -> None:
    inputs = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Tanh())  # keeps its output, four numbers
    model = nn.Sequential(inputs, nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 3, 2, bias=False), nn.Flatten())
    assert per_image(model, 1, 2, 2) == 4 * 4 + LOGITS


def test_relu_shares_its_output_with_the_convolution_behind_it() -> None:
    linear = 2 * 4
    assert per_image(small("relu"), 1, 8, 8) == 2 * MAP + linear + LOGITS  # BatchNorm's input, ReLU's output
    assert per_image(small("silu"), 1, 8, 8) == 3 * MAP + linear + LOGITS  # and SiLU's input


@pytest.mark.skipif(not LOOPS, reason="no compiler for the fused loops")
def test_one_pass_keeps_the_input_alone_where_a_formula_keeps_more() -> None:
    here = memory.bytes_per_image("smooth_relu")
    assert here == memory.bytes_per_image("silu")
    assert memory.bytes_per_image("smooth_relu", plain=True) > 1.5 * here


def test_resnet20_by_hand() -> None:
    sizes = [(16, 32 * 32)] * 7 + [(32, 16 * 16)] * 6 + [(64, 8 * 8)] * 6
    values = sum(channels * pixels for channels, pixels in sizes)
    inputs = [3] + [channels for channels, _ in sizes[:-1]]
    products = sum(9 * before * channels * pixels for before, (channels, pixels) in zip(inputs, sizes, strict=True))
    assert memory.work("resnet20") == (products + 64 * 10, values)
    head = 4 * (64 + 10)  # the linear layer's input and the log-probabilities
    assert memory.bytes_per_image("relu") == 2 * 4 * values + head
    # In the attack no BatchNorm keeps anything, and ReLU shares with the convolutions.
    assert memory.bytes_per_image("relu", attack=True) == 4 * values + 4 * 10


def test_counting_leaves_the_gradients_switched_on() -> None:
    model = small("silu")
    memory.saved_bytes(model, torch.rand(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64))
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_only_the_rows_of_these_activations() -> None:
    rows = [{"activation": "relu"}, {"activation": "silu"}, {"axis": "width"}]
    every = measured.Benchmarks((measured.Recorded("step_cost", "cpu", {"rows": rows, "commit": "abc"}),))
    (left,) = memory.only(every, ["silu"]).files
    assert left.rows == [{"activation": "silu"}]
    assert left.content["commit"] == "abc"
    assert len(every.files[0].rows) == 3


def test_chart_of_memory_puts_the_cheapest_on_top() -> None:
    (ax,) = memory.chart({"silu": (150, 150), "smooth_relu": (150, 250), "relu": (100, 100)}).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ReLU", "SiLU", "SmoothReLU"]
    ends = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert (1.5, 2.5) in ends
