"""The chapter that answers: only runs that differ from ReLU's in one thing are set beside it, and p counts them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tiny
from made import cells, entries, held, right
from robust_activations import stats, studies
from robust_activations.figures import choice, standings
from robust_activations.figures.measured import Benchmarks, Recorded
from robust_activations.studies import paf, protocol

RECIPE = protocol.recipe("digits")
RELU = RECIPE("relu")


def planned(wanted) -> list:
    return [run for study in studies.get("all") for run in study.runs("digits") if wanted(run)]


LONGER = next(run for run in planned(lambda run: run.schedule.epochs == 2 * RELU.schedule.epochs)
              if run.activation == "relu")  # fmt: skip
WIDER = next(run for run in planned(lambda run: run.model_options == {"width": 32}) if run.activation == "relu")
BOTH = next(run for run in planned(lambda run: run.model_options == {"width": 32}) if run.activation == "silu")
DECAYED = next(run for run in paf.critics("digits") if run.activation == "relu")
FROZEN = next(run for run in planned(lambda run: run.activation_options.get("learn") == [] and run.objective.name
                                     == "pgd_at" and run.activation == "psilu"))  # fmt: skip


def of(*counted) -> list[choice.Change]:
    records, _ = held(*(tiny.record(run, right(count)) for run, count in ((RELU, 100), *counted)))
    return choice.changes("digits", records)


def test_changes_differ_in_one_thing():
    found = of((RECIPE("silu"), 110), (RECIPE("relu", seed=1), 104), (LONGER, 140), (WIDER, 120), (BOTH, 130),
               (DECAYED, 60), (FROZEN, 130))  # fmt: skip
    kinds = {(one.kind, one.label): one.points for one in found}
    assert kinds == pytest.approx(
        {
            ("another activation", "SiLU"): 5.0,
            ("another seed", "seed 1"): 2.0,
            ("longer training", f"{LONGER.schedule.epochs} epochs"): 20.0,
            ("another network", "width 32"): 10.0,
            ("another weight decay", f"{DECAYED.schedule.weight_decay:g}"): -20.0,
        }
    )
    tests = [one.comparison.test.p for one in found]
    assert [one.comparison.holm for one in found] == stats.holm(tests)


def test_changes_leave_out_what_collapsed_and_need_relu():
    fallen = replace(tiny.record(RECIPE("silu"), right(20)), collapsed="it fell")
    records, _ = held(tiny.record(RELU, right(100)), fallen)
    assert choice.changes("digits", records) == []
    records, _ = held(tiny.record(RECIPE("silu"), right(110)))
    assert choice.changes("digits", records) == []


def test_one_run_that_two_studies_evaluate_differently_comes_once():
    trades = [run for run in planned(lambda run: run.objective.name == "trades") if run.activation == "relu"]
    assert len({run.suite for run in trades}) == 2
    found = of(*((run, 130) for run in trades))
    assert [(one.kind, one.label) for one in found] == [("another way of training", "TRADES")]


def test_the_table_counts_and_names_the_ends():
    table = choice.change_table(of((RECIPE("silu"), 140), (RECIPE("gelu"), 101), (RECIPE("elu"), 40), (LONGER, 150)))
    first, second = map(entries, table.splitlines()[2:])
    assert first[:4] == ["Another activation", "3", "1", "1"]
    assert first[4].startswith("+20.0 [")
    assert first[4].endswith(", SiLU")
    assert first[5].startswith("−30.0 [")
    assert first[5].endswith(", ELU")
    assert second[:4] == ["Longer training", "1", "1", "0"]
    assert second[5] == ""


def test_words_weigh_activations_against_the_rest():
    words = choice.weighed("digits", of((RECIPE("silu"), 110), (LONGER, 140), (WIDER, 104)))
    assert "the highest is SiLU with +5.0 points" in words
    assert "Of 2 other changes 1 moved accuracy further than that, most of all 16 epochs" in words
    assert "width 32" not in words
    assert choice.weighed("digits", of((RECIPE("silu"), 150), (WIDER, 104))).endswith(
        "None of the 1 other changes moved accuracy further."
    )
    assert choice.weighed("digits", of((WIDER, 104))) == ""


def test_the_figure_draws_every_run_and_names_what_is_far_at_the_edge():
    found = of((RECIPE("silu"), 110), (RECIPE("gelu"), 108), (RECIPE("elu"), 96), (LONGER, 170))
    figure = choice.levers({"digits": found, "nothing": []})
    (ax,) = figure.axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert sorted(float(line.get_xdata()[0]) for line in dots) == pytest.approx([-2.0, 4.0, 5.0])
    assert [line.get_marker() for line in ax.lines if line.get_marker() in "<>"] == [">"]
    assert {text.get_text() for text in ax.texts} == {"SiLU", "ELU", "16 epochs: +35.0"}
    assert [text.get_text() for text in choice.levers({}).texts] == ["nothing recorded yet"]


def timed(**ratios: float) -> Benchmarks:
    rows = [{"model": RELU.model, "activation": name, "ratio": ratio} for name, ratio in ratios.items()]
    return Benchmarks((Recorded("step_cost", "cpu", {"rows": rows}),))


def scale(*counted) -> standings.Standings:
    records = tuple(tiny.record(run, right(count)) for run, count in ((RELU, 100), *counted))
    return standings.Standings("digits", records)


def test_prices_are_those_of_the_network():
    one = scale((RECIPE("silu"), 110), (RECIPE("gelu"), 90), (RECIPE("elu"), 95))
    found = choice.priced(one, timed(silu=1.2, gelu=1.1))
    assert {row.activation: (row.ratio, row.comparison.at.value) for row in found} == {
        "silu": (1.2, pytest.approx(0.05)),
        "gelu": (1.1, pytest.approx(-0.05)),
    }
    assert [row[0] for row in cells(choice.price_table(found))[2:]] == ["GELU", "SiLU"]
    elsewhere = Benchmarks((Recorded("step_cost", "cpu", {"rows": [{"model": "vgg", "activation": "silu"}]}),))
    assert choice.priced(one, elsewhere) == []
    (ax,) = choice.price({"digits": found, "nothing": []}).axes
    assert {text.get_text() for text in ax.texts} == {"SiLU", "GELU"}


def test_the_answer_follows_the_records():
    none = choice.answer(scale((RECIPE("silu"), 102), (RECIPE("tanh"), 40)), [])
    assert "of 2 activations none is more robust than ReLU beyond chance, and tanh is less." in none
    one = scale((RECIPE("silu"), 150), (RECIPE("gelu"), 101))
    some = choice.answer(one, choice.priced(one, timed(silu=1.2)))
    assert "of 2 activations 1 is more robust than ReLU beyond chance: SiLU (1.20 times the step)." in some


def test_an_answer_takes_all_seeds():
    """A gain that one seed shows and another takes back is none."""
    runs = [(RECIPE("relu", seed=1), 100), (RECIPE("silu"), 150), (RECIPE("silu", seed=1), 96)]
    assert "none is more robust" in choice.answer(scale(*runs), [])


def test_evidence_says_what_can_be_seen():
    (row,) = map(entries, choice.evidence([scale((RECIPE("silu"), 110))]).splitlines()[2:])
    assert row[0] == "`digits`"
    assert row[3:6] == ["2", "1", "200"]
    needed = standings.detectable(10) / 200  # they disagree on ten images
    assert row[6] == f"{100 * needed:.1f}"


def test_every_change_has_a_label():
    """Whatever a study plans that differs from ReLU's run in one thing can be named."""
    for name in ("digits", "cpu", "gpu"):
        records, _ = held(*(tiny.record(run) for study in studies.get("all") for run in study.runs(name)))
        found = choice.changes(name, records)
        assert {one.kind for one in found} >= {"another activation", "another seed", "longer training"}
        assert all(one.label for one in found)
