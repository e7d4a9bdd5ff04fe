"""The chapters on SPLASH: fits in closed form, where hinges lie, and what is drawn of made-up records."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

import tiny
from made import bits
from robust_activations import activations, models
from robust_activations.evaluation import Evaluation, Outcome
from robust_activations.figures import catalogue, splash, splash_learned
from robust_activations.figures.results import Row
from robust_activations.ledger import Record

# ---- the unit -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hinges", [splash.LISTED, splash.even(5), splash.quantiles(7)])
def test_slopes_and_lipschitz_constant_are_those_of_the_unit(hinges):
    generator = torch.Generator().manual_seed(0)
    right, left = torch.randn(2, len(hinges), generator=generator).tolist()
    unit = splash.unit(right, left, hinges)
    ends = [-4.0, *sorted({sign * b for b in hinges for sign in (1, -1)}), 4.0]
    middles = torch.tensor([(a + b) / 2 for a, b in itertools.pairwise(ends)], dtype=torch.float64)
    measured = activations.shape(unit, middles)[1].tolist()
    assert splash.slopes(right, left) == pytest.approx(measured, abs=1e-6)
    assert splash.lipschitz(right, left) == pytest.approx(catalogue.measure(unit).lipschitz, abs=1e-6)


def test_hinges_of_both_rules():
    assert splash.even(7) == pytest.approx(activations.create("splash", hinges="even").b)
    assert splash.even(1) == splash.quantiles(1) == [0.0]
    assert [splash.masses(splash.quantiles(S)) for S in (3, 7)] == [
        pytest.approx([0.25] * 2),
        pytest.approx([0.125] * 4),
    ]
    assert sum(splash.masses(splash.LISTED)) == pytest.approx(0.5)
    assert splash.masses(splash.LISTED)[-1] == pytest.approx(0.0062, abs=1e-4)


# ---- what it can represent --------------------------------------------------------------------------------------


def test_a_fit_finds_the_coefficients_of_a_unit():
    right, left = [0.5, 0.6, -1.2, 0.4], [0.7, -0.5, -0.9, 0.2]
    found = splash.fit(splash.unit(right, left), splash.LISTED)
    assert found.right == pytest.approx(right)
    assert found.left == pytest.approx(left)
    assert found.greatest < 1e-9


def test_the_hat_is_exact_where_its_knots_are_hinges():
    assert splash.fit(splash.TARGETS["hat"], splash.LISTED).rms < 1e-9
    assert splash.fit(splash.TARGETS["hat"], splash.even(7)).rms > 0.01
    assert splash.fit(splash.TARGETS["hat"], splash.LISTED).right == pytest.approx([1, -2, 1, 0], abs=1e-9)


def test_no_number_of_hinges_lifts_the_unit_at_zero():
    errors = [splash.fit(splash.TARGETS["Softplus"], splash.even(S)).greatest for S in (1, 7, 63)]
    assert min(errors) >= np.log(2) - 1e-9


def test_the_weight_decides_where_a_fit_is_good():
    def target(z):
        return z**3 / 9

    middle, everywhere = (splash.fit(target, [0.0, 1.0], weight) for weight in (splash.normal, torch.ones_like))
    assert middle.greatest > everywhere.greatest
    z = splash.grid()
    assert everywhere.rms == pytest.approx(
        float(
            (splash.unit(everywhere.right, everywhere.left, [0.0, 1.0])(z) - target(z)).detach().square().mean().sqrt()
        )
    )


def test_the_table_says_exact_of_what_is():
    rows = [[cell.strip() for cell in line.replace("\\|", "").split("|")] for line in splash.fits_table().splitlines()]
    by_name = {row[1]: row[2:-1] for row in rows}
    assert set(by_name["ReLU"][1:]) == {"exact"}
    assert by_name["Softplus"][0] == "0.693"
    assert [cell == "exact" for cell in by_name["hat"][1:]] == [False, False, False, True, False, True]


def test_figures_of_fits_draw_the_target_and_the_fits():
    named = {"0, 1, 2, 2.5": splash.LISTED, "quartiles": splash.quantiles(7)}
    ax = splash.fits(["hat"], named).axes[0]
    target, listed, quartiles = (line.get_ydata() for line in ax.lines)
    assert listed == pytest.approx(target, abs=1e-9)
    assert np.abs(quartiles - target).max() > 0.05
    even, quantiles, star = splash.errors(["sine"], (1, 7)).axes[0].lines
    assert star.get_ydata()[0] == pytest.approx(splash.fit(splash.TARGETS["sine"], splash.LISTED).rms)
    assert even.get_ydata()[0] == pytest.approx(quantiles.get_ydata()[0])
    assert even.get_ydata()[1] < even.get_ydata()[0]


def test_sliders_name_the_functions_that_they_reach():
    html = splash.by_hand("a-key").html
    for text in (
        "Slopes from left to right: 0, 0, 1, 1. Lipschitz constant 1. This is ReLU.",
        "Slopes from left to right: 0, 1, 1, 0. Lipschitz constant 1. This is hard tanh.",
        "Slopes from left to right: −2, −1, 1, 0. Lipschitz constant 2.",
    ):
        assert json.dumps(text)[1:-1] in html
    assert (
        json.dumps("|z|, S = 7: error 0.000 (root mean square), greatest 0.000")[1:-1]
        in splash.nearest("b", ["|z|"]).html
    )


# ---- where the hinges lie ---------------------------------------------------------------------------------------


def test_the_inputs_of_each_activation_are_seen_and_the_hooks_are_gone():
    model = models.create("digits_cnn", activation="splash", width=4)
    images = torch.rand(3, 1, 8, 8)
    seen = splash.inputs(model, images)
    assert [*seen] == [name for name, _ in activations.modules(model)]
    assert len(next(iter(seen.values()))) % 3 == 0
    assert all(not module._forward_pre_hooks for _, module in activations.modules(model))
    z = torch.tensor([-3.0, -1.5, 0.0, 0.5])
    first, promised = splash.inputs_table({"a": z}).splitlines()[2:]
    assert [cell.strip() for cell in first.split("|")[4:7]] == ["50.0", "25.0", "25.0"]
    assert [cell.strip() for cell in promised.split("|")[4:7]] == ["31.7", "4.6", "1.2"]


def test_the_density_is_cut_at_the_hinges():
    ax = splash.on_normal({"a": splash.LISTED}).axes[0]
    assert {text.get_text() for text in ax.texts} == {"34.1", "13.6", "1.7", "0.6"}
    assert {round(float(line.get_xdata()[0]), 3) for line in ax.lines} == {-2.5, -2.0, -1.0, 0.0, 1.0, 2.0, 2.5}


# ---- what was learned -------------------------------------------------------------------------------------------

START = {"a.a_pos": [1.0, 0.0, 0.0, 0.0], "a.a_neg": [0.0] * 4}
BENT = {"a.a_pos": [1.0, 0.5, 0.0, 0.0], "a.a_neg": [-0.25, 0.0, 0.0, 0.0]}
WILD = {"a.a_pos": [3.0, -9.0, 0.0, 0.0], "a.a_neg": [1.0, 0.0, 0.0, 0.0]}


def made(*rows: dict, best_epoch: int = 0, **fields) -> Record:
    history = tuple({"epoch": i, "loss": 1.0, "activations": row} for i, row in enumerate(rows or (START,)))
    run = replace(tiny.RUN, activation="splash", **fields)
    return tiny.record(run, history=history, best_epoch=best_epoch)


def test_learned_is_that_of_the_chosen_epoch():
    record = made(BENT, WILD)
    (one,) = splash_learned.learned(record).values()
    assert (one.right, one.left, one.hinges) == ([1, 0.5, 0, 0], [-0.25, 0, 0, 0], splash.LISTED)
    assert one.lipschitz == 1.5


def test_learned_places_and_other_hinges_are_the_runs_own():
    moved = {**BENT, "a.hinges": [0.5, 2.0, 3.0]}
    (one,) = splash_learned.learned(made(moved, activation_options={"learn_hinges": True})).values()
    assert one.hinges == [0, 0.5, 2, 3]
    three = {"a.a_pos": [1.0, 0.0], "a.a_neg": [0.0, 0.0]}
    (one,) = splash_learned.learned(made(three, activation_options={"S": 3})).values()
    assert tuple(one.hinges) == (0, 2.5)
    assert splash_learned.learned(made(BENT, share="channel")) == {}


def test_what_no_multiple_explains():
    assert splash_learned.unlike(lambda z: 3 * torch.relu(z), torch.relu) == pytest.approx(0, abs=1e-7)
    # |z| is ReLU of both sides, of which one half of the mean square is explained.
    assert splash_learned.unlike(torch.abs, torch.relu) == pytest.approx(0.5**0.5, abs=1e-3)


def test_layers_are_drawn_over_the_start():
    ax = splash_learned.layers({"": [made(BENT, WILD)]}).axes[0]
    start, line, *marks = ax.lines
    z = torch.as_tensor(start.get_xdata())
    assert start.get_ydata() == pytest.approx(torch.relu(z).numpy())
    assert line.get_ydata() == pytest.approx(splash.unit([1, 0.5, 0, 0], [-0.25, 0, 0, 0])(z).detach().numpy())
    assert len(marks) == 7


def test_layers_of_two_titles_stand_side_by_side():
    two = {key.replace("a.", "b.", 1): value for key, value in BENT.items()}
    every = splash_learned.layers({"without": [made(BENT, WILD)], "with": [made(BENT | two, WILD | two)]}).axes
    assert [ax.get_title() for ax in every] == ["without: layer 1", "with: layer 1", "", "with: layer 2"]
    assert [ax.axison for ax in every] == [True, True, False, True]


def test_coefficients_start_as_relu_and_end_where_training_ended():
    right, left = splash_learned.coefficients({"": [made(BENT, WILD)]}).axes
    assert [ax.get_title() for ax in (right, left)] == ["layer 1, a⁺", "layer 1, a⁻"]
    assert [tuple(line.get_ydata()) for line in right.lines][:2] == [(1, 1, 3), (0, 0.5, -9)]
    assert tuple(left.lines[0].get_ydata()) == (0, -0.25, 1)


def test_of_many_layers_the_first_the_middle_one_and_the_last_are_drawn():
    names = [f"{i:02}" for i in range(9)]
    deep = made({key.replace("a.", f"{name}.", 1): value for name in names for key, value in BENT.items()})
    shown = [f"layer {i}" for i in (1, 5, 9)]
    assert [ax.get_title() for ax in splash_learned.layers({"": [deep]}).axes if ax.axison] == shown
    both = [f"{title}, {sign}" for title in shown for sign in ("a⁺", "a⁻")]
    assert [ax.get_title() for ax in splash_learned.coefficients({"": [deep]}).axes] == both


def test_the_table_of_layers_spans_the_seeds():
    (row,) = splash_learned.layer_table([made(START), made(BENT, seed=1)]).splitlines()[2:]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:4] == ["layer 1", "0.00 to 0.25", "1.00", "1.00 to 1.50"]
    assert cells[4].startswith("0 to ")


# ---- choices ----------------------------------------------------------------------------------------------------


def attacked(label: str, clean: int, pgd20: int, **changes) -> Row:
    outcomes = {
        name: Outcome.of(torch.tensor(bits(right)), 0.5) for name, right in (("clean", clean), ("pgd20", pgd20))
    }
    run = replace(tiny.RUN, activation="splash", activation_options={"S": 3 + 2 * len(label)})
    return Row(label, tiny.record(run, best=Evaluation(outcomes, ()), **changes))


def dots(ax: Axes) -> list[float]:
    return [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o" and line.get_markersize() > 4]


def test_compared_draws_errors_left_and_accuracies_right():
    rows = [attacked("S = 7", 190, 100), attacked("another", 180, 120), attacked("fallen", 20, 10, collapsed="it fell")]
    seed = attacked("S = 7", 170, 90).record
    error, accuracy = splash_learned.compared({"": rows}, "S = 7", {"/S = 7": [seed]}).axes
    assert dots(error) == pytest.approx([0.05, 0.1])
    assert dots(accuracy) == pytest.approx([0.5, 0.6])
    ring = next(line for line in error.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata()))
    assert ring.get_xdata()[0] == pytest.approx(0.15)
    bar = error.lines[0].get_xdata()
    low, high = rows[0].record.best.outcomes["clean"].interval
    assert tuple(bar) == pytest.approx((1 - high, 1 - low))
    assert [text.get_text() for text in error.texts] == ["collapsed"]
    assert error.get_title() == "n = 200\nclean error"


def cells(rows: list[Row]) -> list[list[str]]:
    lines = splash_learned.choice_table(rows).splitlines()[2:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_the_table_of_choices_compares_parameters_of_the_same_network():
    def without(name: str, parameters: int) -> Row:
        run = replace(tiny.RUN, activation=name, model_options={"batch_norm": False})
        return Row(f"{name}, no BatchNorm", tiny.record(run, parameters=parameters))

    rows = [
        attacked("S = 7", 190, 100, parameters=124),
        Row("ReLU", tiny.record(parameters=100)),
        without("splash", 50),
    ]
    assert [row[1] for row in cells(rows)] == ["24", "0", "—"]
    assert [row[1] for row in cells([*rows, without("relu", 26)])] == ["24", "0", "24", "0"]


def test_the_table_of_choices_counts_learned_numbers():
    rows = [attacked("S = 7", 190, 100, parameters=124), attacked("fallen", 20, 10, collapsed="it fell")]
    rows.append(Row("ReLU", tiny.record(parameters=100)))
    first, fallen, relu = cells(rows)
    assert first[:2] == ["S = 7", "24"]
    assert relu[:2] == ["ReLU", "0"]
    assert first[2].startswith("5.0")
    assert first[3].startswith("50.0")
    assert fallen[2:4] == ["collapsed", "collapsed"]
