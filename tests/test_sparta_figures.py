"""The chapters on attentive activations: curves and gates known by hand, kernels and costs counted by hand, errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import tiny
from made import made
from robust_activations import activations
from robust_activations.figures import sparta
from robust_activations.figures.rows import Interval, Row
from robust_activations.ledger import Ledger, Record
from robust_activations.models.transfer import Packed
from robust_activations.studies import pictures

Z = torch.linspace(-3, 3, 13, dtype=torch.float64)


# ---- the function -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", [-1.0, 0.0, 2.0])
def test_at_a_pixel_each_reading_is_its_formula(around: float) -> None:
    kernel = torch.full((3, 3), 0.25, dtype=torch.float64)
    kernel[1, 1] = 1.5
    g = 1.5 * Z + 8 * 0.25 * around
    expected = {
        "sparta_relu": 2 * Z.clamp(min=0) * torch.sigmoid(g),
        "sparta": Z * torch.sigmoid(g),
        "frelu": torch.maximum(Z, g),
    }
    for name, values in expected.items():
        torch.testing.assert_close(sparta.at_pixel(name, kernel, around)(Z), values)


def test_contexts_draw_relu_and_a_line_for_each_neighbourhood() -> None:
    kernel = torch.zeros(3, 3)
    kernel[0, 1] = 1.0
    (ax,) = sparta.contexts({"frelu": kernel}, (-1.0, 2.0)).axes
    relu, low, high = (torch.tensor(line.get_ydata()) for line in ax.lines)
    assert (relu.min(), low.min(), high.min()) == (0, -1, 2)
    assert ax.get_title() == "FReLU (R3)"


# ---- gates ------------------------------------------------------------------------------------------------------


def network(name: str, **options: object) -> nn.Sequential:
    """Twice the pixels, then an activation."""
    double = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(double.weight, 2.0)
    return nn.Sequential(double, activations.create(name, **options), nn.Flatten(), nn.Linear(9, 2))


def test_gates_are_those_of_the_formula_and_leave_the_network_as_it_was() -> None:
    x = torch.rand(4, 1, 3, 3)
    model = network("sparta", share="layer").train()
    model.get_parameter("1.weight").data[0, 0, 0, 0] = 0.5
    (gate,) = pictures.gates(model, x).values()
    corner = torch.zeros_like(x)
    corner[:, :, 1:, 1:] = 2 * x[:, :, :-1, :-1]  # what stands above and to the left, 0 at the border
    torch.testing.assert_close(gate, torch.sigmoid(2 * x + 0.5 * corner))
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not model[1]._forward_hooks
    (plain,) = pictures.gates(network("silu"), x).values()
    torch.testing.assert_close(plain, torch.sigmoid(2 * x))
    assert not pictures.gates(network("frelu", share="layer"), x)


def test_share_of_the_neighbours_in_g() -> None:
    model = network("sparta", share="layer")
    x = torch.ones(2, 1, 3, 3)
    assert sparta.around(model, x) == {"1": 0}
    model.get_parameter("1.weight").data[0, 0, 0, 1] = -1.0  # six of nine places have one above
    assert sparta.around(model, x)["1"] == pytest.approx(6 / (6 + 9))
    assert sparta.around(network("sparta_relu", share="layer"), x) == {"1": 0}  # g = 0: nothing to share


def test_the_change_of_gates_is_a_mean_of_sizes() -> None:
    before = {"a": torch.zeros(6, 2, 2, 2), "b": torch.zeros(6, 1, 1, 1)}
    signs = torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)
    after = {"a": 0.1 * signs.expand(6, 2, 2, 2), "b": torch.arange(6.0).view(6, 1, 1, 1)}
    found = sparta.moved(before, after)
    assert found["a"] == pytest.approx((0.1, 0.1, 0.1))  # + and − do not cancel
    assert found["b"].value == 2.5
    assert found["b"].low < 2.5 < found["b"].high


def test_maps_show_clean_attacked_and_their_difference() -> None:
    images = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    clean = torch.full((2, 3, 4, 4), 0.25)
    attacked = clean.clone()
    attacked[1, :, 0, 0] = 0.75
    figure = sparta.maps(images, {"gate": (clean, attacked)})
    shown: list[Tensor] = [torch.as_tensor(ax.images[0].get_array()) for ax in figure.axes[:10]]
    assert [ax.get_ylabel() for ax in figure.axes[:10:2]] == ["image", "attacked", "gate", "attacked", "change"]
    assert shown[2].min() == 1
    assert shown[8].abs().max() == 0  # the first image's gate has not changed
    assert shown[9][0, 0] == 0.5
    assert figure.axes[9].images[0].get_clim() == (-0.5, 0.5)


# ---- what they learn --------------------------------------------------------------------------------------------


def with_kernels(name: str, *layers: Tensor, **options: object) -> Record:
    run = replace(tiny.RUN, activation=name, activation_options=options)
    found = {f"features.{i}": {"weight": Packed.of(weight)} for i, weight in enumerate(layers)}
    return tiny.record(run, activations=found)


def test_kernel_table_by_hand() -> None:
    weight = torch.zeros(2, 1, 3, 3)
    weight[:, 0, 1, 1] = torch.tensor([1.0, 4.0])  # R2 starts with 1
    weight[0, 0, 0, 0] = 4.0
    row = sparta.kernel_table({"R2": with_kernels("sparta", weight)}).splitlines()[2]
    cells = [cell.strip().replace("\N{NO-BREAK SPACE}", " ") for cell in row.split("|")[1:-1]]
    assert cells == ["R2, layer 1", "2", "2.50 (1.00 to 4.00)", "0.25 (0.00 to 0.50)", "3.50 (3.00 to 4.00)"]
    assert sparta.start(with_kernels("sparta_relu")).abs().max() == 0
    assert sparta.kernel_table({"none": tiny.record()}) == "No record keeps its kernels."


def test_kernels_show_what_was_added_in_the_first_the_middle_and_the_last_layer() -> None:
    layers = [torch.full((2, 1, 3, 3), float(i)) for i in range(5)]
    (ax,) = sparta.kernels({"R2": with_kernels("sparta", *layers)}).axes
    words = [text.get_text() for text in ax.texts]
    assert [one for one in words if one.startswith("layer")] == ["layer 1", "layer 3", "layer 5"]
    assert [words.count(f"{value}.00") for value in range(5)] == [8, 1, 8, 1, 8]  # R2's centre starts at 1
    assert words.count("−1.00") == 1
    assert [text.get_text() for text in sparta.kernels({}).texts] == ["nothing recorded yet"]


# ---- cost and errors --------------------------------------------------------------------------------------------


def test_parameters_by_hand() -> None:
    channels = 16 + 32 + 64
    assert sparta.parameters("digits_cnn", "sparta")[0] == 9 * channels
    assert sparta.parameters("digits_cnn", "frelu")[0] == (9 + 2) * channels
    assert sparta.parameters("digits_cnn", "sparta", "layer")[0] == 9 * 3
    own, every = sparta.parameters("digits_cnn", "sparta", "network")
    assert (own, every) == (9, sparta.parameters("digits_cnn", "relu")[1] + 9)
    lines = sparta.parameter_table(["sparta"], ["digits_cnn"]).splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:]] == ["channel", "layer", "network"]


ROWS = {"relu": Row("ReLU", made(clean=180, pgd50=100)), "silu": Row("SiLU", made("silu", 160, 120))}


def test_error_is_what_accuracy_leaves() -> None:
    accuracy, error = ROWS["relu"].accuracy("pgd50"), sparta.error(ROWS["relu"], "pgd50")
    assert accuracy
    assert error == pytest.approx((1 - accuracy.value, 1 - accuracy.high, 1 - accuracy.low))
    assert error[1] < error[0] < error[2]
    assert sparta.error(ROWS["relu"], "pgd20") is None
    row = sparta.error_table([ROWS["relu"]], ("clean", "pgd20")).splitlines()[2]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[1].startswith("10.0 [")
    assert cells[2:] == ["—", "200"]  # no column of seeds: one each
    fallen = Row("GELU", made("gelu", 20, 15, collapsed="it fell"))
    assert "collapsed" in sparta.error_table([fallen])
    several = sparta.error_table([Row("ReLU", [ROWS["relu"].records[0]] * 2), ROWS["silu"]])
    assert [line.split("|")[-3].strip() for line in several.splitlines()] == ["Seeds", "---:", "2", "1"]


def test_errors_side_by_side_a_row_a_label() -> None:
    fallen = Row("GELU", made("gelu", 20, 15, collapsed="it fell"))
    clean, attacked = sparta.errors({"": [*ROWS.values(), fallen]}).axes
    for ax, expected in ((clean, [20, 10]), (attacked, [40, 50])):  # SiLU, with less error under attack, is on top
        dots = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"]
        assert [dot[0] for dot in dots] == pytest.approx(expected)
        assert [dot[1] for dot in dots] == [0, 1]
    assert [text.get_text() for text in clean.get_yticklabels()] == ["SiLU", "ReLU"]
    assert (clean.get_xlabel(), attacked.get_xlabel()) == ("clean error, %", "error under PGD-50, %")
    assert sparta.errors({}).axes


def test_dots_of_errors() -> None:
    (ax,) = sparta.left_over({"R1": ROWS}, "pgd50").axes
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == [50, 40]
    assert ax.get_xlabel() == "error under PGD-50, %"


def test_rows_are_the_recorded_runs() -> None:
    silu = replace(tiny.RUN, activation="silu")
    denoise = replace(tiny.RUN, model_options={"denoise": True})
    missing = replace(tiny.RUN, seed=5)
    ledger = Ledger(Path("nowhere"))
    ledger.records = {run.id: tiny.record(run) for run in (silu, denoise)}
    found = sparta.rows({"silu": silu, "denoise": denoise, "relu": missing}, ledger)
    assert {name: row.label for name, row in found.items()} == {"silu": "SiLU", "denoise": "ReLU with denoising"}


def test_movements_share_a_scale_that_begins_at_zero() -> None:
    changes = {
        "R2, attack": {"a": Interval(0.2, 0.1, 0.3), "b": Interval(0.4, 0.3, 0.5)},
        "SiLU, attack": {"x": Interval(0.1, 0.0, 0.2), "y": Interval(0.3, 0.2, 0.4)},  # other names of the same sites
    }
    axes = sparta.movements(changes).axes
    dots = [[line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"] for ax in axes]
    assert dots == [[0.2, 0.1], [0.4, 0.3]]
    assert all(ax.get_xlim() == (0, pytest.approx(0.525)) for ax in axes)
