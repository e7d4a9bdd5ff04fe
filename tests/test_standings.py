"""Who is ranked, over which seeds, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from made import made, right
from robust_activations.figures import answers, robustness, standings, tables
from robust_activations.figures.standings import Standings
from robust_activations.ledger import Ledger
from robust_activations.studies import protocol, sat

THREE = [made("relu", pgd50=90, seed=seed) for seed in (0, 1, 2)]
TWO = [made("silu", pgd50=90 + 10 * seed, seed=seed) for seed in (0, 1)]
GELU = [made("gelu", pgd50=95 + seed, seed=seed) for seed in (0, 1)]
COMMITTED = Path(__file__).parents[1] / "data" / "ledger"
FELL = [made("gelu", pgd50=95), made("gelu", pgd50=5, seed=1, collapsed="it fell")]


def seeds(name: str, *counts: int) -> list:
    """A record a seed, right on the first so many of 200 images."""
    runs = (replace(tiny.RUN, activation=name, seed=seed) for seed in range(len(counts)))
    return [tiny.record(run, right(count)) for run, count in zip(runs, counts, strict=True)]


def test_the_core_has_several_seeds_with_relu_of_which_none_collapsed():
    for others in ((), (made("gelu"),), (made("tanh"),), FELL):
        one = Standings("cpu", (*THREE, *TWO, *others))
        assert (one.seeds, one.core) == ((0, 1), ["relu", "silu"])
    assert Standings("digits", (*THREE, *TWO, *GELU)).core == ["relu", "silu"]  # GELU is not of the core there
    assert Standings("cpu", (*THREE, *TWO, *GELU)).core == ["relu", "silu", "gelu"]
    assert Standings("cpu", (*THREE[:1], *TWO)).core == []


def test_each_difference_is_over_the_seeds_that_both_have():
    one = Standings("cpu", (*seeds("relu", 90, 90, 90), *seeds("silu", 90, 100), *seeds("gelu", 99, 100, 101)))
    assert one.seeds == (0, 1)
    values, (mean, low, high) = standings.over(one, "gelu")
    assert list(values) == [0, 1, 2]
    assert (mean, high - low) == (pytest.approx(0.05), pytest.approx(2 * 4.3027 * 0.005 / 3**0.5, rel=1e-3))
    rows = [line.split(" | ") for line in standings.seed_table(one).splitlines()[2:]]
    assert [row[-1].rstrip(" |") for row in rows] == ["", "+5.5"]  # SiLU's third is to come
    assert answers.full(one).endswith(
        "Over 2 to 3 seeds, corrected for their number, 1 of 2 differ from it beyond chance: GELU."
    )


def test_relus_own_seeds_count_where_the_core_has_fewer():
    one = Standings("cpu", (*THREE, made("silu", pgd50=92)))
    assert "from each of its 3 seeds: none" in standings.against_relu_in_words(one)
    assert "| 3 |" in standings.evidence([one]).replace("`", "")


def test_what_is_said_of_differences():
    strong, weak = made("silu", pgd50=190), made("tanh", pgd50=5)
    same = [replace(made("elu"), run=replace(made().run, activation=name)) for name in ("elu", "celu")]
    text = standings.against_relu_in_words(Standings("cpu", (made(), strong, weak, *same)))
    assert "2 of 4 activations differ" in text
    assert "**More robust:** SiLU. **Less robust:** tanh." in text
    assert "That is against one ReLU, beyond the chance of the images alone;" in text  # one seed
    assert "Exactly the same on every image: ELU and CELU. (CELU with α = 1 *is* ELU" in text


def test_what_is_said_of_seeds():
    up, mixed = seeds("silu", 150, 151), seeds("splash", 80, 100)
    one = Standings("cpu", (*seeds("relu", 90, 90), *up, *mixed, *FELL))
    text = standings.over_seeds_in_words(one)
    assert text.startswith(
        "The interval excludes 0 for: SiLU. Beyond chance after the correction: SiLU. Above ReLU in every seed: SiLU; "
        "below it in every seed: none; now above and now below: SPLASH."
    )
    assert "the last" not in text
    assert text.endswith("because a seed collapsed: GELU.")
    assert "Collapsed, and not compared: GELU." in standings.against_relu_in_words(one)


def test_seeds_that_agree_by_luck_are_not_beyond_the_chance_of_the_images():
    """Two equal differences have an interval without width."""
    one = Standings("cpu", (*seeds("relu", 90, 90), *seeds("silu", 93, 93)))
    _, (mean, low, high) = standings.over(one, "silu")
    assert low == mean == high
    assert standings.clear(one) == []
    assert "excludes 0 for: SiLU. Beyond chance after the correction: none." in standings.over_seeds_in_words(one)
    assert "none of 1 differ from it" in answers.full(one)
    assert standings.clear(Standings("cpu", (*seeds("relu", 90, 90), *seeds("silu", 110, 110)))) == ["silu"]
    assert standings.clear(Standings("cpu", (*seeds("relu", 90, 90), *seeds("silu", 90, 90)))) == []


def test_what_is_beyond_chance_is_corrected_for_the_number_of_the_core():
    """An interval that just excludes 0 does so among one, and not among three."""
    relu, silu = seeds("relu", 90, 90, 90), seeds("silu", 100, 104, 108)
    _, (_, low, _) = standings.over(Standings("cpu", (*relu, *silu)), "silu")
    assert 0 < low < 0.05
    assert standings.clear(Standings("cpu", (*relu, *silu))) == ["silu"]
    others = [*seeds("gelu", 80, 100, 90), *seeds("splash", 100, 85, 90)]
    several = Standings("cpu", (*relu, *silu, *others))
    assert standings.clear(several) == []
    assert answers._over_networks(several, {}) == ""
    words = standings.over_seeds_in_words(several)
    assert "excludes 0 for: SiLU. Beyond chance after the correction: none." in words
    assert "On clean images it excludes 0 for: SiLU (+7.0 [+2.0," in words


def test_who_is_firm_has_more_than_one_run_of_relu_against_it():
    gelu, tanh = seeds("gelu", 120, 90), seeds("tanh", 60)
    assert standings.firm(Standings("cpu", (*seeds("relu", 90), *gelu[:1], *tanh))) == []
    assert standings.firm(Standings("cpu", (*seeds("relu", 90, 88), *gelu[:1], *tanh))) == ["gelu", "tanh"]
    # Over its own seeds GELU is now above and now below: its first one is not asked.
    assert standings.firm(Standings("cpu", (*seeds("relu", 90, 92), *gelu, *tanh))) == ["tanh"]


def test_that_relu_is_last_in_every_seed_is_told_without_odds():
    """The others are compared with one ReLU in each seed, and some start as the same function: no independent draws."""
    above = [made(name, pgd50=120 + seed, seed=seed) for name in ("silu", "gelu") for seed in (0, 1, 2)]
    text = standings.over_seeds_in_words(Standings("cpu", (*THREE, *above)))
    assert "ReLU is the last of 3 in each of the 3 seeds that all have. That is less than it seems: " in text
    assert "one time in" not in text
    assert "On clean images it excludes 0 for: none." in text
    fewer = standings.over_seeds_in_words(Standings("cpu", (*THREE, *above[:-1])))
    assert "in each of the 2 seeds that all have" in fewer
    lost = [*above[:-1], made("gelu", pgd50=80, seed=2)]
    assert "the last" not in standings.over_seeds_in_words(Standings("cpu", (*THREE, *lost)))


def test_seeds_that_were_added_after_a_look_are_told_wherever_they_count():
    gelu = seeds("gelu", 95, 80, 100)
    first = (*seeds("relu", 90, 90, 90), *seeds("silu", 92, 94, 97), *gelu)
    more = (*seeds("relu", *[90] * 5), *seeds("silu", 100, 101, 102, 101, 100), *gelu)
    assert standings.added_in_words(Standings("cpu", first)) == ""
    words = standings.added_in_words(Standings("cpu", more)).replace("\N{NO-BREAK SPACE}", " ")
    assert words == (
        "Of ReLU and SiLU the seeds 3 and 4 were added after a look at the first 3 (SiLU +5.5 [+4.3, +6.7]). With "
        "all seeds: SiLU +5.4 [+4.9, +5.9]. p over seeds allows for both looks (in brackets: for one alone), before "
        "the correction: SiLU 0.001 (<0.001)."
    )
    one = Standings("cpu", more)
    for said in (standings.over_seeds_in_words(one), answers.full(one)):
        assert said.replace("\N{NO-BREAK SPACE}", " ").endswith(words)
    once, twice = (standings.p_over_seeds(one, "silu", looks=looks) for looks in (1, 2))
    assert once < twice < 3 * once
    alone = Standings("cpu", (*seeds("relu", *[90] * 5), *first[3:]))
    assert standings.added_in_words(alone) == ""  # ReLU's own seeds enter no difference


def test_what_had_been_seen_before_seeds_were_added_is_said_of_each_dataset():
    make, pair = protocol.recipe("cpu"), zip(*sat.elsewhere("cpu").values(), strict=True)
    here = [tiny.record(make(name, seed=seed)) for seed in range(5) for name in ("relu", "silu")]
    first, second, third, *rest = [tiny.record(run) for both in pair for run in both][1::2]
    assert tables.later("cpu", [*here[:6], first]) == ""
    assert tables.later("gpu", [*here, first, *rest]) == ""  # planned from the start
    said = tables.later("cpu", [*here, first, second, third])
    assert said.startswith("At scale `cpu` some seeds were added after a look")
    assert "Of ReLU and SiLU on CIFAR-10 the seeds 3 and 4 were added after three had been seen" in said
    assert "Of SiLU on CIFAR-100 the seeds 1 and 2 were added after the first had been seen" in said
    assert said.count("3 and 4") == 1
    assert "; and 3 and 4 after three had been seen, with" in tables.later("cpu", [second, *rest])
    later = tables.later("cpu", [tiny.record(make("splash", seed=seed)) for seed in (0, 3)])
    assert "Of SPLASH on CIFAR-10 the seeds 3 and 4 were added after three had been seen, in each of which" in later


def test_what_the_committed_seeds_say():
    """SiLU was ahead in each of the first three seeds and their interval included 0. With two more it would be beyond
    chance if there had been one look; with both it is not.
    """
    one = standings.standings("cpu", Ledger(COMMITTED))
    values, _ = standings.over(one, "silu")
    assert {3, 4} <= {*values}
    assert "SiLU +1.4 [−0.1," in standings.added_in_words(one)
    assert min(values.values()) > 0
    once, twice = (standings.p_over_seeds(one, "silu", looks=looks) for looks in (1, 2))
    tried = len(one.core) - 1
    assert tried * once < 0.05 < tried * twice
    assert standings.clear(one) == []


def test_the_figure_over_seeds_has_the_cores_of_all_scales():
    digits = Standings("digits", (*THREE[:2], *TWO))
    cpu = Standings("cpu", (*THREE[:2], *(made("gelu", seed=seed) for seed in (0, 1)), *TWO))
    left, right = robustness.differences(digits, cpu).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["SiLU", "GELU"]
    assert len(left.lines) == 1 + 3  # ReLU's line, and SiLU's interval, mean and seeds
    assert len(right.lines) == 1 + 6


def test_the_answer_counts_relus_seeds_and_the_cores():
    text = answers.full(Standings("cpu", (*THREE, *TWO, made("elu", pgd50=190))))
    assert "From each of ReLU's 3 seeds: ELU." in text
    assert "Over 2 seeds, corrected for their number, none of 1 differ from it beyond chance." in text


def test_the_orders_of_two_scales():
    few = [made("silu", pgd50=100), made("gelu", pgd50=80), made("tanh", pgd50=60)]
    turned = [made("silu", pgd50=60), made("gelu", pgd50=80), made("elu", pgd50=90)]
    one, other = Standings("digits", (made(pgd50=90), *few)), Standings("cpu", (made(pgd50=90), *turned))
    ranks, rho = standings.across(one, other)
    assert ranks == {"relu": (2, 1), "gelu": (3, 2), "silu": (1, 3)}
    assert rho == pytest.approx(-0.5)
    assert standings.movers(ranks, 1) == ["silu"]
    words = standings.across_in_words(one, other)
    assert words.startswith("**No, rather the reverse: the rank correlation is −0.50**")
    assert "SiLU (from 1 to 3)" in words
    (ax,) = robustness.across(one, other).axes
    assert len(ax.lines) == 3
    assert [text.get_text() for text in ax.texts] == ["SiLU", "ReLU", "GELU", "ReLU", "GELU", "SiLU"]


def test_who_stays_ahead_over_seeds_is_told_with_the_gain():
    relu, gelu = seeds("relu", 90, 90, 90), seeds("gelu", 90, 90, 90)
    one = Standings("cpu", (*relu, *seeds("silu", 110, 111, 112), *gelu))
    said = answers._over_networks(one, {})
    assert said == (
        " Over seeds alone, ahead of ReLU beyond chance under PGD-50: SiLU by +10.5 (1 of 2, corrected for their "
        "number)."
    )
    assert answers.full(one).endswith("1 of 2 differ from it beyond chance: SiLU.")


def test_how_far_relus_seeds_are_apart_needs_two():
    assert standings.spread_in_words(Standings("gpu", tuple(seeds("relu", 90)))) == "is known of one seed alone"
    assert standings.spread_in_words(Standings("gpu", tuple(seeds("relu", 90, 95, 92)))) == (
        "varied by 2.5 points over 3 seeds"
    )


def test_whether_there_was_an_epoch_to_choose_follows_the_records():
    early, late = (replace(made(), history=({},) * 4, best_epoch=epoch) for epoch in (1, 3))
    epochs = late.run.schedule.epochs
    words = standings.epochs_in_words(Standings("gpu", (late, early, FELL[1])))
    assert words == f"in {epochs} epochs, the best epoch was the last in 1 of 2 runs"
    assert standings.epochs_in_words(Standings("gpu", (late, late))).endswith(
        "in 2 of 2 runs: there was hardly anything to choose"
    )
