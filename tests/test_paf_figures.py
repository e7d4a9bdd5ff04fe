"""Figures of frozen shapes: what they read from records, and the searches for a radius that their page compares."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import tiny
from robust_activations.attacks import attacking, input_gradient
from robust_activations.evaluation import Evaluation, Outcome
from robust_activations.figures import paf
from robust_activations.ledger import Ledger, Record, write
from robust_activations.run import Run
from robust_activations.sensitivity import Measure, minimum_radius
from robust_activations.studies.paf import fixed

NAN = math.nan


def made(name: str, parameter: str, value: float, radius: list[float], collapsed: str | None = None, **right) -> Record:
    """A record of this shape, with a radius an image and which images are right under each attack."""
    outcomes = {attack: Outcome.of(torch.tensor(bits, dtype=torch.bool), 0.5) for attack, bits in right.items()}
    best = Evaluation(outcomes, (), measures={"radius": Measure.of(torch.tensor(radius))})
    run = replace(tiny.RUN, **fixed(name, parameter, value))
    return tiny.record(run, best=best, last=best, collapsed=collapsed)


RELU = made("prelu", "alpha", 0.0, [0.2, 0.1, NAN, 0.3], clean=[1, 1, 0, 1, 1], pgd20=[1, 0, 0, 0, 1], square=[1, 1, 0])
STEEP = made("prelu", "alpha", 0.5, [0.1, NAN, 0.4, 0.1], clean=[1, 0, 1, 1, 1], pgd20=[0, 0, 1, 0, 1])
SWEEPS = {("prelu", "alpha"): {0.5: STEEP, 0.0: RELU}, ("reblu", "alpha"): {0.0: RELU}}


def test_success_counts_images_that_were_right_before():
    rate = paf.success("pgd20")(RELU)
    assert rate is not None
    assert rate.value == 2 / 4
    assert rate.low < rate.value < rate.high
    assert paf.success("pgd20", 3)(RELU).value == 1 / 2  # of the images that Square saw
    assert paf.success("square")(RELU).value == 0
    assert paf.success("square")(STEEP) is None


def test_measures_are_compared_where_both_are_defined():
    difference, p, n = paf.paired_measure(STEEP, RELU)
    assert n == 2
    assert difference.value == pytest.approx(-0.15)
    assert p == pytest.approx(stats.ttest_rel([0.1, 0.1], [0.2, 0.3]).pvalue, rel=1e-5)
    low, high = stats.ttest_1samp([-0.1, -0.2], 0).confidence_interval()
    assert (difference.low, difference.high) == pytest.approx((low, high), rel=1e-5)


def test_radii_are_drawn_in_the_unit_that_is_asked_for():
    plain, times = paf.measure("radius")(RELU), paf.measure("radius", 255)(RELU)
    assert plain
    assert times == pytest.approx([255 * one for one in plain])


def test_rows_hold_each_network_once_and_relu_first():
    assert [row.label for row in paf.rows(SWEEPS)] == ["ReLU", "PReLU, α = 0.5"]
    assert paf.relu(SWEEPS) is RELU
    assert paf.attack(SWEEPS) == "pgd20"
    line, *others = paf.lines(SWEEPS, [("prelu", "alpha"), ("psilu", "alpha")])
    assert not others
    assert [value for value, _ in line.rows] == [0.0, 0.5]


def test_recorded_leaves_out_what_collapsed_or_is_missing(tmp_path):
    fallen = made("prelu", "alpha", -0.5, [NAN], "it fell", clean=[0])
    for record in (RELU, fallen):
        write(record, tmp_path, "paf")
    planned = {
        ("prelu", "alpha"): {0.0: RELU.run, -0.5: fallen.run, 0.5: STEEP.run},
        ("psilu", "alpha"): {2.0: replace(tiny.RUN, **fixed("psilu", "alpha", 2.0))},
    }
    planned["psilu", "alpha"] |= {0.0: RELU.run}
    assert {one.id for one in paf.every(planned, Ledger(tmp_path))} == {RELU.id, fallen.id}
    assert len(paf.every(planned, Ledger(tmp_path))) == 2
    del planned["psilu", "alpha"][0.0]
    found = paf.recorded(planned, Ledger(tmp_path))
    assert {key: list(points) for key, points in found.items()} == {("prelu", "alpha"): [0.0]}


def test_contrast_draws_percent_of_relu_and_points():
    figure = paf.contrast(SWEEPS, SWEEPS)
    dots = [[line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"] for ax in figure.axes]
    assert dots[0] == [pytest.approx(100 * -0.15 / 0.25)]  # the radius: of ReLU's mean on the images of both
    assert dots[1] == [pytest.approx(0)]  # PGD-20: each is right on one image that the other is wrong on


def test_the_table_corrects_for_all_comparisons():
    other = made("reblu", "alpha", 0.5, [0.21, 0.12, 0.1, 0.33], clean=[1])
    table = paf.radius_table({**SWEEPS, ("reblu", "alpha"): {0.5: other}})
    rows = {
        cells[0]: cells for line in table.splitlines() if (cells := line.replace("\xa0", " ").strip("| ").split(" | "))
    }
    p = [stats.ttest_1samp(differences, 0).pvalue for differences in ([-0.1, -0.2], [0.01, 0.02, 0.03])]
    assert rows["ReBLU, α = 0.5"][-1] == f"{2 * min(p):.3f}"
    assert rows["PReLU, α = 0.5"][-1] == f"{max(*p, 2 * min(p)):.3f}"
    assert rows["PReLU, α = 0.5"][3].startswith("−38.")
    assert rows["ReLU"][1].startswith("51.0 ")
    assert rows["ReLU"][-1] == "—"


@pytest.mark.parametrize(
    ("name", "options", "curvature"),
    [
        ("psilu", {"alpha": 10.0}, 5.0),
        ("psoftplus", {"alpha": 10.0}, 2.5),
        ("pssilu", {"alpha": 1.0, "beta": 0.3, "penalty": 10.0, "clip": 0.01}, 1 / (2 * 0.7)),
        ("elu", {}, 1.0),
        ("relu", {}, math.inf),
        ("reblu", {"alpha": 0.5}, math.inf),
    ],
)
def test_greatest_curvature(name: str, options: dict, curvature: float):
    run: Run = replace(tiny.RUN, activation=name, activation_options=options)
    assert paf.greatest_curvature(run) == pytest.approx(curvature, rel=1e-3)


def test_ratios_divide_by_the_truth():
    truth = np.array([0.01, 0.02])
    (ax,) = paf.ratios(truth, {"a": np.array([0.025, 0.05]), "b": truth}, "x", "y").axes
    assert [line.get_ydata().tolist() for line in ax.lines[1:]] == [[2.5, 2.5], [1.0, 1.0]]


# ---- the searches of the page -----------------------------------------------------------------------------------


def on_page(*names: str, **known) -> list:
    """Functions as the page on the direct effect shows them."""
    page = Path(__file__).parents[1] / "notebooks" / "paf_02_direct_effect.py"
    body = [node for node in ast.parse(page.read_text()).body if getattr(node, "name", None) in names]
    space = {"torch": torch, "attacking": attacking, "input_gradient": input_gradient} | known
    exec(compile(ast.Module(body, []), str(page), "exec"), space)
    return [space[name] for name in names]


def test_searches_where_the_radius_is_known():
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).requires_grad_(False)
    x = 0.4 + 0.2 * torch.rand(400, 1, 4, 4)
    linear[1].bias[0] -= (linear(x) @ torch.tensor([1.0, -1.0])).median()  # the boundary through the middle of them
    y = linear(x).argmax(1)
    halving_search, true_radius = on_page("halving_search", "true_radius", linear=linear)
    truth, w = true_radius(x, y), linear[1].weight
    for factor, fooled in ((0.999, False), (1.001, True)):
        moved = x + (factor * truth).view(-1, 1, 1, 1) * (w[1 - y] - w[y]).sign().view_as(x)
        assert bool(((linear(moved).argmax(1) != y) == fooled)[truth > 0.001].all())
    clear = (truth > 0.003) & (truth < 0.09)
    assert int(clear.sum()) > 100
    x, y, truth = x[clear], y[clear], truth[clear]
    # Two classes: a round succeeds exactly if the attack reaches far enough; what failures add up to is known.
    successes = sum((0.0312 / 2**k > truth).int() for k in range(12))
    edge = torch.stack([(truth / (0.0312 / 2**k) - 1).abs() for k in range(5)]).amin(0) < 1e-3
    assert halving_search(linear, x, y)[~edge].allclose((0.1 / 2**successes)[~edge], rtol=1e-2)
    kept = halving_search(linear, x, y, halve=False)
    assert kept[truth < 0.031].allclose(truth[truth < 0.031], atol=5e-5)
    ours = minimum_radius(linear, x, y, generator=torch.Generator().manual_seed(0))
    assert bool((ours > 0.9999 * truth).all())
    assert bool((ours < 1.1 * truth + 1e-3).all())
