"""Who is ranked, over which seeds, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

from made import made
from robust_activations.figures import choice, robustness, standings
from robust_activations.figures.standings import Standings

THREE = [made("relu", pgd50=90, seed=seed) for seed in (0, 1, 2)]
TWO = [made("silu", pgd50=90 + 10 * seed, seed=seed) for seed in (0, 1)]
FELL = [made("gelu", pgd50=95), made("gelu", pgd50=5, seed=1, collapsed="it fell")]


def test_seeds_are_those_that_the_core_was_trained_with():
    assert Standings("cpu", (*THREE, *TWO)).seeds == (0, 1)
    assert Standings("cpu", (*THREE, *TWO)).core == ["relu", "silu"]
    assert Standings("cpu", (*THREE, *TWO, made("gelu"))).seeds == (0,)  # its other seeds are to come
    assert Standings("cpu", (*THREE, *TWO, made("gelu"))).core == []
    assert Standings("cpu", (*THREE, *TWO, made("tanh"))).seeds == (0, 1)  # not of the core
    assert Standings("digits", (*THREE, *TWO, made("gelu"))).seeds == (0, 1)  # not of the core of this scale
    fell = Standings("cpu", (*THREE, *TWO, *FELL))
    assert (fell.seeds, fell.core) == ((0, 1), ["relu", "silu"])


def test_relus_own_seeds_count_where_the_core_has_fewer():
    one = Standings("cpu", (*THREE, made("silu", pgd50=92)))
    assert one.seeds == (0,)
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
    assert text.startswith("The interval excludes 0 for: SiLU. The sign changes from seed to seed for: SPLASH.")
    assert text.endswith("because a seed collapsed: GELU.")
    assert "Collapsed, and not compared: GELU." in standings.against_relu_in_words(one)


def test_the_figure_over_seeds_has_the_cores_of_all_scales():
    digits = Standings("digits", (*THREE[:2], *TWO))
    cpu = Standings("cpu", (*THREE[:2], *(made("gelu", seed=seed) for seed in (0, 1)), *TWO))
    left, right = robustness.differences(digits, cpu).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["SiLU", "GELU"]
    assert len(left.lines) == 1 + 3  # ReLU's line, and SiLU's interval, mean and seeds
    assert len(right.lines) == 1 + 6


def test_the_answer_counts_relus_seeds_and_the_cores():
    text = choice.answer(Standings("cpu", (*THREE, *TWO, made("elu", pgd50=190))))
    assert "From each of ReLU's 3 seeds: ELU." in text
    assert "Over 2 seeds none of 1 differ from it beyond chance." in text
