"""Figures and tables of learnable activations: who is compared with whom, and what was learned from where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import tiny
from made import cells, held, right
from robust_activations import activations
from robust_activations.figures import learned
from robust_activations.ledger import Ledger, Record, write
from robust_activations.studies import paf

N = 40


def made(name: str, right: int = N, **changes) -> Record:
    """A record that is right on the first so many of 40 images under every attack."""
    fields = {key: changes.pop(key) for key in ("schedule", "suite", "share", "seed") if key in changes}
    run = replace(tiny.RUN, activation=name, **fields)
    return tiny.record(run, [i < right for i in range(N)], **changes)


def history(*rows: dict[str, list[float]]) -> tuple[dict, ...]:
    return tuple({"epoch": i, "loss": 1.0, "activations": row} for i, row in enumerate(rows))


def test_settings_keep_activations_together_and_all_else_apart():
    main, l2, trades = learned.settings(paf.learnable("digits"))
    assert sorted(run.activation for run in main) == sorted({*paf.REFERENCES, *paf.PAFS})
    assert {(run.threat.norm, run.objective.name) for run in main} == {("linf", "pgd_at")}
    assert {run.threat.norm for run in l2} == {"l2"}
    assert {run.objective.name for run in trades} == {"trades"}
    networks = [
        (runs[0].dataset, runs[0].model, runs[0].extra is None) for runs in learned.settings(paf.learnable("paper"))
    ]
    assert ("cifar10", "wrn28_10", False) in networks
    assert ("cifar10", "wrn28_10", True) in networks


def test_the_plan_counts_runs_and_records(tmp_path):
    runs = list(paf.learnable("digits"))
    write(tiny.record(runs[1]), tmp_path, "paf")
    _, _, first, second, _ = cells(learned.plan({"digits": runs}, {"digits": Ledger(tmp_path)}))
    assert first == ["`digits`", "8×8 digits", "Digits CNN", "ℓ∞ 38.25/255", "PGD-AT, 8 epochs", "12", "1"]
    assert second[-2:] == ["4", "0"]


def test_each_paf_meets_the_form_it_starts_as_and_relu_once():
    found = learned.rows(
        [made("relu", 10), made("pssilu", 30), made("prelu", 12), made("silu", 20), made("psoftplus", 30)]
    )
    assert [row.name for row in found] == ["silu", "pssilu", "relu", "prelu", "psoftplus"]
    compared = {(one.name, one.other): one for one in learned.against_twins(found, "pgd50")}
    # Softplus was not run, so PSoftplus has ReLU alone to meet.
    assert set(compared) == {("pssilu", "silu"), ("prelu", "relu"), ("pssilu", "relu"), ("psoftplus", "relu")}
    twin = compared["pssilu", "silu"]
    assert (twin.test.only_first, twin.test.only_second) == (10, 0)
    assert twin.at.value == pytest.approx(10 / N)
    # Two images are no evidence; twenty are, after Holm's correction for all four.
    assert not compared["prelu", "relu"].differs
    assert compared["pssilu", "relu"].differs
    assert compared["pssilu", "relu"].holm == pytest.approx(4 * compared["pssilu", "relu"].test.p)


def test_one_by_one_names_those_beyond_chance():
    make = paf.recipe("digits")
    counts = {"relu": 90, "prelu": 160, "reblu": 30, "prelu_plus": 91}
    words = learned.one_by_one("digits", held(*(tiny.record(make(name), right(n)) for name, n in counts.items()))[0])
    assert words == (
        "At `digits`, under PGD-50, beyond chance above the form that it starts as: PReLU (ReLU); below: ReBLU (ReLU); "
        "not told from it: PReLU+ (ReLU)."
    )
    assert learned.one_by_one("digits", held()[0]) == "At `digits` nothing of this is recorded yet."


def test_the_table_and_the_figure_say_the_comparisons():
    found = learned.rows([made("relu", 10), made("silu", 20), made("psilu", 30)])
    compared = learned.against_twins(found, "pgd50")
    first, second = cells(learned.comparison_table(compared, "pgd50"))[2:]
    assert first[0] == "PSiLU above SiLU"
    assert first[2:4] == ["10", "0"]
    assert second[1].startswith("+50.0")
    assert second[-1].startswith("**")
    twins, relu = learned.differences(compared).axes
    assert [label.get_text() for label in twins.get_yticklabels()] == ["PSiLU − SiLU"]
    (dot,) = [line for line in relu.lines if line.get_marker() == "o"]
    assert float(np.asarray(dot.get_xdata()).item()) == pytest.approx(50)


def test_shapes_are_drawn_with_the_parameters_of_the_chosen_epoch():
    rows = history({"a.alpha": [2.0], "a.beta": [-0.25]}, {"a.alpha": [9.0], "a.beta": [0.5]})
    record = made("pssilu", history=rows, best_epoch=0)
    assert learned.chosen(record) == {"alpha": 2.0, "beta": -0.25}
    (ax,) = [ax for ax in learned.shapes([record]).axes if ax.lines]
    start, end = ax.lines
    z = torch.as_tensor(start.get_xdata())
    for line, values in ((start, {}), (end, {"alpha": 2.0, "beta": -0.25})):
        expected = activations.create("pssilu", learn=(), **values)(z)
        np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-9)
    assert ax.get_title() == "PSSiLU: α = 2.00, β = 0.25"


def test_ends_are_the_last_epochs_values_scale_by_scale():
    rows = history({"a.alpha": [2.0], "a.beta": [0.1]}, {"a.alpha": [-3.0], "a.beta": [-0.25]})
    digits, cpu = made("pssilu", history=rows), made("pssilu", history=rows, collapsed="it fell")
    table = cells(learned.ends({"digits": [digits, made("prelu", history=history({"a.alpha": [0.5]}))], "cpu": [cpu]}))
    assert table[2] == ["PSSiLU, α", "1", "−3.000", "collapsed"]
    assert table[3] == ["PSSiLU, β", "1e-08", "0.250", "collapsed"]
    assert table[4] == ["PReLU, α", "0", "0.500", "—"]


def test_gaps_are_training_less_held_out_accuracy():
    rows = ({"epoch": 0, "loss": 1.0, "train_accuracy": 0.9, "held_pgd10": 0.6},)
    fallen = made("silu", history=rows, collapsed="it fell")
    ((label, gap, low, high),) = learned.gaps({"ReLU": made("relu", history=rows), "SiLU": fallen, "none": made("elu")})
    half = 1.96 * (0.6 * 0.4 / tiny.RUN.held_out) ** 0.5
    assert label == "ReLU"
    assert (gap, low, high) == pytest.approx((30, 100 * (0.3 - half), 100 * (0.3 + half)))
