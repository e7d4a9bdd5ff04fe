"""The chapter that answers: only runs that differ from ReLU's in one thing are set beside it, and p counts them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tiny
from made import entries, held, right
from robust_activations import stats, studies
from robust_activations.figures import choice, standings
from robust_activations.studies import paf, protocol, sat

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


def of(*counted) -> choice.Levers:
    records, _ = held(*(tiny.record(run, right(count)) for run, count in ((RELU, 100), *counted)))
    return choice.levers("digits", records)


def test_levers_differ_in_one_thing():
    found = of((RECIPE("silu"), 110), (RECIPE("relu", seed=1), 104), (LONGER, 140), (WIDER, 120), (BOTH, 130),
               (DECAYED, 60), (FROZEN, 130)).found  # fmt: skip
    kinds = {(one.kind, one.label): one.points for one in found}
    assert kinds == pytest.approx(
        {
            ("another activation", "SiLU"): 5.0,
            ("another seed", "seed 1"): 2.0,
            ("another number of epochs", f"{LONGER.schedule.epochs} epochs"): 20.0,
            ("another network", "width 32"): 10.0,
            ("another weight decay", f"{DECAYED.schedule.weight_decay:g}"): -20.0,
        }
    )


def test_activations_are_one_family_and_other_changes_another():
    found = of((RECIPE("silu"), 106), (RECIPE("gelu"), 108), (LONGER, 110), (WIDER, 107)).found
    for family in ([one for one in found if (one.kind == choice.ACTIVATION) is side] for side in (True, False)):
        assert len(family) == 2
        assert [one.comparison.holm for one in family] == stats.holm([one.comparison.test.p for one in family])


def test_levers_leave_out_what_collapsed_and_need_relu():
    fallen = replace(tiny.record(RECIPE("silu"), right(20)), collapsed="it fell")
    for records in (
        (tiny.record(RELU, right(100)), fallen),
        (tiny.record(RECIPE("silu"), right(110)),),
        (replace(tiny.record(RELU, right(100)), collapsed="it fell"), tiny.record(RECIPE("silu"), right(110))),
    ):
        found = choice.levers("digits", held(*records)[0])
        assert found.found == ()
        assert choice.weighed(found) == ""


def test_the_attack_is_the_strongest_that_all_have_been_through():
    weak = tiny.record(LONGER, right(140))
    weak = replace(weak, best=replace(weak.best, outcomes={"pgd20": weak.best.outcomes["pgd20"]}))
    base = tiny.record(RELU, right(100))
    assert choice.levers("digits", held(base, weak)[0]).attack == "pgd20"
    assert of((LONGER, 140)).attack == "pgd50"


def test_one_run_that_two_studies_evaluate_differently_comes_once():
    trades = [run for run in planned(lambda run: run.objective.name == "trades") if run.activation == "relu"]
    assert len({run.suite for run in trades}) == 2
    found = of(*((run, 130) for run in trades)).found
    assert [(one.kind, one.label) for one in found] == [("another way of training", "TRADES")]


def test_the_table_counts_and_names_the_ends():
    found = of((RECIPE("silu"), 140), (RECIPE("gelu"), 101), (RECIPE("elu"), 40), (LONGER, 150))
    first, second = map(entries, choice.lever_table(found).splitlines()[2:])
    assert (first[0], *first[3:]) == ("Another activation", "3", "1", "1")
    assert first[1].startswith("SiLU:<br>+20.0 [")
    assert first[2].startswith("ELU:<br>−30.0 [")
    assert (second[0], *second[2:]) == ("Another number of epochs", "", "1", "1", "0")
    assert second[1].startswith("*only run:* 16 epochs:<br>+25.0 [")


def test_the_conclusion_names_what_gains_most():
    found = of((RECIPE("silu"), 110), (LONGER, 140), (WIDER, 104), (RECIPE("relu", seed=1), 97))
    assert choice.conclusion(found) == (
        "At `digits`, on 8×8 digits, doubling the epochs gained more (+20.0) than any of 1 activations (at most +5.0; "
        "the two are told apart by the images, p < 0.001); another seed alone moves ReLU by −1.5 points."
    )
    small = choice.conclusion(of((RECIPE("silu"), 106), (WIDER, 104)))
    assert small == (
        "At `digits`, on 8×8 digits, SiLU gained more (+3.0) than any other change that is recorded, at most +2.0 by "
        "another network (width 32); the two are not told apart by the images, p = 0.500; no other seed of ReLU is "
        "recorded."
    )
    chance = choice.conclusion(of((RECIPE("silu"), 101), (WIDER, 104)))
    assert "another network (width 32) gained more (+2.0, which may be chance) than any" in chance
    assert choice.conclusion(of((WIDER, 104))) == ""


def test_a_training_that_is_not_twice_as_long_is_told_with_both_lengths():
    plan = sat.longer("cpu")
    counted = ((1, "relu", 100), (1, "silu", 105), (2, "relu", 120), (4, "relu", 150))
    records, _ = held(*(tiny.record(plan[times][name][0], right(count)) for times, name, count in counted))
    said = choice.conclusion(choice.levers("cpu", records))
    assert "on CIFAR-10, training for 12 epochs instead of 3 gained more (+25.0) than any of 1" in said
    assert "doubling the epochs, +10.0." in choice.weighed(choice.levers("cpu", records))


def test_words_weigh_gains_with_gains_and_losses_with_losses():
    words = choice.weighed(of((RECIPE("silu"), 110), (RECIPE("elu"), 98), (LONGER, 140), (WIDER, 104), (DECAYED, 60)))
    assert "1 of 2 activations gained on ReLU's run beyond the chance of the images and none lost." in words
    assert "They range from ELU, −1.0 to SiLU, +5.0 points." in words
    assert "Larger gains than the best activation: doubling the epochs, +20.0." in words
    assert "Larger losses than the worst: another weight decay (0.01), −20.0." in words
    assert "width 32" not in words
    small = choice.weighed(of((RECIPE("silu"), 100), (WIDER, 101)))
    assert "Larger gains than the best activation: another network (width 32), +0.5, which may be chance." in small
    assert "None of the other changes that are recorded (1) gained more" in choice.weighed(
        of((RECIPE("silu"), 150), (WIDER, 104))
    )
    assert choice.weighed(of((WIDER, 104))) == ""


def test_a_loss_is_no_gain_even_where_every_activation_loses():
    words = choice.weighed(of((RECIPE("silu"), 80), (WIDER, 95)))
    assert "gained more than the best of them" in words
    assert "width 32" not in words


def test_the_figure_draws_every_run_and_names_what_is_far_at_the_edge():
    found = of((RECIPE("silu"), 110), (RECIPE("gelu"), 108), (RECIPE("elu"), 96), (LONGER, 170))
    figure = choice.lever_figure({"digits": found, "nothing": choice.Levers("cpu", "pgd20", ())})
    (ax,) = figure.axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert sorted(float(line.get_xdata()[0]) for line in dots) == pytest.approx([-2.0, 4.0, 5.0])
    assert [line.get_marker() for line in ax.lines if line.get_marker() in "<>"] == [">"]
    assert {text.get_text() for text in ax.texts} == {"SiLU", "GELU", "ELU", "16 epochs, +35.0"}
    assert [text.get_text() for text in choice.lever_figure({}).texts] == ["nothing recorded yet"]


def scale(*counted, name: str = "digits") -> standings.Standings:
    records = tuple(tiny.record(run, right(count)) for run, count in ((RELU, 100), *counted))
    return standings.Standings(name, records)


def test_evidence_says_what_can_be_seen():
    rows, words = standings.evidence([scale((RECIPE("silu"), 110))]).split("\n\n")
    (row,) = map(entries, rows.splitlines()[2:])
    assert row[0] == "`digits`"
    assert row[2:5] == ["2", "1", "200"]
    assert row[6] == f"Digits CNN, {RELU.schedule.epochs}"
    needed = standings.detectable(10) / 200  # they disagree on ten images
    assert row[1] == f"{100 * needed:.1f}"
    assert words.endswith("With AutoAttack: none.")


def test_every_change_has_a_label():
    """Whatever a study plans that differs from ReLU's run in one thing can be named."""
    for name in ("digits", "cpu", "gpu"):
        records, _ = held(*(tiny.record(run) for study in studies.get("all") for run in study.runs(name)))
        found = choice.levers(name, records).found
        assert {one.kind for one in found} >= {"another activation", "another seed", "another number of epochs"}
        assert all(one.label for one in found)
