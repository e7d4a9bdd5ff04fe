"""Who is ranked, over which seeds, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made import held, made
from robust_activations.figures import answers, robustness, standings
from robust_activations.figures.standings import Standings
from robust_activations.studies.curves import Curve

THREE = [made("relu", pgd50=90, seed=seed) for seed in (0, 1, 2)]
TWO = [made("silu", pgd50=90 + 10 * seed, seed=seed) for seed in (0, 1)]
GELU = [made("gelu", pgd50=95 + seed, seed=seed) for seed in (0, 1)]
FELL = [made("gelu", pgd50=95), made("gelu", pgd50=5, seed=1, collapsed="it fell")]


def test_the_core_has_several_seeds_with_relu_of_which_none_collapsed():
    for others in ((), (made("gelu"),), (made("tanh"),), FELL):
        one = Standings("cpu", (*THREE, *TWO, *others))
        assert (one.seeds, one.core) == ((0, 1), ["relu", "silu"])
    assert Standings("digits", (*THREE, *TWO, *GELU)).core == ["relu", "silu"]  # GELU is not of the core there
    assert Standings("cpu", (*THREE, *TWO, *GELU)).core == ["relu", "silu", "gelu"]
    assert Standings("cpu", (*THREE[:1], *TWO)).core == []


def test_each_difference_is_over_the_seeds_that_both_have():
    three = [made("gelu", pgd50=95 + seed, seed=seed) for seed in (0, 1, 2)]
    one = Standings("cpu", (*THREE, *TWO, *three))
    assert one.seeds == (0, 1)
    values, (mean, low, high) = standings.over(one, "gelu")
    assert list(values) == [0, 1, 2]
    assert (mean, high - low) == (pytest.approx(0.03), pytest.approx(2 * 4.3027 * 0.005 / 3**0.5, rel=1e-3))
    rows = [line.split(" | ") for line in standings.seed_table(one).splitlines()[2:]]
    assert [row[3] for row in rows] == ["", "+3.5"]  # SiLU's third is to come
    assert answers.full(one).endswith("Over 2 to 3 seeds 1 of 2 differ from it beyond chance: GELU.")


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
    assert "each of its" not in text  # one seed
    assert "Exactly the same on every image: ELU and CELU. (CELU with α = 1 *is* ELU" in text


def test_what_is_said_of_seeds():
    up = [made("silu", pgd50=150 + seed, seed=seed) for seed in (0, 1)]
    mixed = [made("splash", pgd50=pgd50, seed=seed) for seed, pgd50 in enumerate((80, 100))]
    one = Standings("cpu", (*THREE[:2], *up, *mixed, *FELL))
    text = standings.over_seeds_in_words(one)
    assert text.startswith(
        "The interval excludes 0 for: SiLU. Above ReLU in every seed: SiLU; below it in every seed: none; "
        "now above and now below: SPLASH."
    )
    assert "the last" not in text
    assert text.endswith("because a seed collapsed: GELU.")
    assert "Collapsed, and not compared: GELU." in standings.against_relu_in_words(one)


def test_where_relu_is_last_in_every_seed_its_luck_is_told():
    above = [made(name, pgd50=120 + seed, seed=seed) for name in ("silu", "gelu") for seed in (0, 1, 2)]
    text = standings.over_seeds_in_words(Standings("cpu", (*THREE, *above)))
    assert "ReLU is the last of 3 in each of the 3 seeds that all have." in text
    assert "one time in 27" in text
    fewer = standings.over_seeds_in_words(Standings("cpu", (*THREE, *above[:-1])))
    assert "in each of the 2 seeds that all have" in fewer
    lost = [*above[:-1], made("gelu", pgd50=80, seed=2)]
    assert "the last" not in standings.over_seeds_in_words(Standings("cpu", (*THREE, *lost)))


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
    assert "Over 2 seeds none of 1 differ from it beyond chance." in text


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


def test_what_the_margin_takes():
    records = [made("relu", pgd50=100), made("silu", pgd50=104), made("gelu", pgd50=110)]
    ledger, _ = held(*records)
    left = dict(zip(ledger.records, (80, 90, 110), strict=True))
    kept = {name: Curve((0.0, 0.03), (150, count), 200) for name, count in left.items()}
    words = standings.margins_in_words(kept, ledger)
    assert words.startswith("**The margin loss lowers all 3 networks, by 0.0 to 10.0 points**. By the cross-entropy")
    assert "differ by 5.0 points at most" in words
    assert words.endswith("At the same seed (0) SiLU less ReLU is +5.0 points by the margin; it was +2.0.")
    alike = {name: Curve((0.0, 0.03), (150, count), 200) for name, count in zip(left, (80, 84, 90), strict=True)}
    assert "much alike" in standings.margins_in_words(alike, ledger)
    assert standings.margins_in_words({}, ledger) == ""


def test_who_stays_ahead_over_seeds_is_told_with_the_gain():
    relu = [made(pgd50=90, seed=seed) for seed in range(3)]
    silu = [made("silu", pgd50=100 + seed, seed=seed) for seed in range(3)]
    gelu = [made("gelu", pgd50=90, seed=seed) for seed in range(3)]
    one = Standings("cpu", (*relu, *silu, *gelu))
    said = answers._over_networks(one, [])
    assert said.startswith(" Over seeds alone, ahead of it beyond chance: SiLU by +5.5 (1 of 2, ")
    assert answers.full(one).endswith("Over 3 seeds 1 of 2 differ from it beyond chance: SiLU.")
