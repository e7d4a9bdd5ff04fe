"""Does a lead last: SiLU less ReLU after longer trainings, over seeds, and the change."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tiny
from made import held, right
from robust_activations.evaluation import Outcome
from robust_activations.figures import longer
from robust_activations.stats import over_seeds
from robust_activations.studies import sat


def trained(times: int, name: str, seed: int, correct: int, **changes):
    """The record of a run of `sat.longer("cpu")`, right on so many of 200 images."""
    (run,) = (run for run in sat.longer("cpu")[times][name] if run.seed == seed)
    return replace(tiny.record(run, right(correct)), **changes)


def pairs(times: int, *leads: int, silu: int = 100) -> list:
    """ReLU and SiLU with these differences in images, from seed 0 on."""
    return [
        record
        for seed, lead in enumerate(leads)
        for record in (trained(times, "silu", seed, silu), trained(times, "relu", seed, silu - lead))
    ]


def found(*records) -> longer.Lengths:
    return longer.lengths("cpu", held(*records)[0])


def test_the_lead_is_told_over_seeds_and_of_one_over_images():
    one = found(*pairs(1, 2, 4, 6), *pairs(2, 8))
    assert [(length.epochs, len(length.pairs)) for length in one.found] == [(3, 3), (6, 1)]
    several, single = (one.lead(length) for length in one.found)
    assert several == pytest.approx(over_seeds([0.01, 0.02, 0.03]))
    assert single.value == pytest.approx(0.04)
    assert 0 < single.low < 0.04 < single.high < 0.08


def test_the_change_is_that_of_the_seeds_that_both_have():
    one = found(*pairs(1, 2, 4, 6), *pairs(2, 4, 8, 12))
    change, seeds = one.change(*one.found)
    assert seeds == 3
    assert change == pytest.approx(over_seeds([0.01, 0.02, 0.03]))
    late = found(*pairs(1, 2, 4), *pairs(2, 4, 8, 12)[4:])
    assert late.change(*late.found) is None


def test_a_pair_of_which_one_is_missing_or_collapsed_does_not_count():
    whole = pairs(2, 2, 2, 2)
    fallen = replace(whole[0], collapsed="it fell")
    one = found(*pairs(1, 2), fallen, whole[1], whole[2], *whole[4:])
    assert [[*length.pairs] for length in one.found] == [[0], [2]]


@pytest.mark.parametrize(
    ("later", "told"), [((8, 10, 12), "**grew**"), ((-2, 0, 2), "**shrank**"), ((2, 10, -2), "may be unchanged")]
)
def test_words_say_whether_it_lasts(later, told):
    said = longer.lasts(found(*pairs(1, 2, 4, 6), *pairs(2, *later, silu=120)))
    assert f"From 3 to 6 epochs the lead {told}" in said
    assert "SiLU less ReLU, under PGD-50, in points: +2.0 [" in said
    assert "after 3 epochs (3 seeds) and +" in said.replace("−", "+")
    relu = 60 - sum(later) / 6
    assert f"ReLU itself is right on 48.0 and {relu:.1f} % then." in said
    first = f"{later[0] / 2:+.1f} [".replace("-", "−")
    assert f"Seed 0 of 6 epochs had been seen ({first}" in said
    assert said.endswith("2 of these 5 seeds have no record yet.")


def test_words_need_two_lengths_and_tell_of_a_look_only_where_seeds_were_added():
    assert longer.lasts(found()) == longer.lasts(found(*pairs(1, 2, 4))) == ""
    said = longer.lasts(found(*pairs(1, 2, 4), *pairs(2, 4)))
    assert "(1 seed, interval over the images)" in said
    assert "had been seen" not in said


def test_the_figure_has_a_dot_a_seed_and_the_mean_beside_them():
    one = found(*pairs(1, 2, 4, 6), *pairs(2, 8, 8))
    accuracy, ahead = longer.figure([one]).axes
    dots = [line for line in accuracy.lines if line.get_linestyle() == "None"]
    assert [len(line.get_xdata()) for line in dots] == [3, 2, 3, 2]
    hollow = [line.get_ydata() for line in ahead.lines if line.get_markerfacecolor() == "white"]
    assert [list(own) for own in hollow] == [pytest.approx([1, 2, 3]), pytest.approx([4, 4])]
    assert accuracy.get_title() == "cpu: right under PGD-50"


def test_what_is_planned_differs_in_the_epochs_alone():
    usual, *others = sat.longer("cpu").values()
    for own in others:
        for name in ("relu", "silu"):
            for run, short in zip(own[name], usual[name], strict=False):
                assert replace(run, schedule=short.schedule, suite=short.suite) == short
                assert run.schedule.epochs % short.schedule.epochs == 0


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ((8, 10, 12), "SiLU was still ahead of ReLU after 6 epochs, the most that several seeds had."),
        ((-8, -10, -12), "No: after 6 epochs SiLU was behind ReLU."),
        ((-8, 10, 2), "Our records do not tell SiLU from ReLU after 6 epochs."),
        ((8,), "Our records cannot say yet."),
    ],
)
def test_the_answer_is_that_of_the_longest_training_with_several_seeds(later, said):
    assert longer.answer(found(*pairs(1, 2, 4, 6), *pairs(2, *later), *pairs(4, -20))).said == said


def test_autoattack_stands_beside_pgd_on_the_same_images():
    def hard(record, left: int):
        outcomes = {**record.best.outcomes, "autoattack": Outcome.of(torch.tensor(right(left, 100)), 0.5)}
        return replace(record, best=replace(record.best, outcomes=outcomes))

    silu, relu = pairs(4, 4)
    assert longer.under_autoattack(found(silu, relu)) == ""
    said = longer.under_autoattack(found(hard(silu, 80), hard(relu, 74)))
    assert said.startswith(
        "After 12 epochs at scale `cpu` (seed 0, n = 100) AutoAttack leaves ReLU 74.0 % (PGD-50 96.0 %)"
    )
    assert " and SiLU 80.0 % (PGD-50 100.0 %). SiLU less ReLU is +6.0 [" in said
    assert "under it and +4.0 [" in said
