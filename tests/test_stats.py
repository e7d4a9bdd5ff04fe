"""Intervals and tests, against their formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as reference

from helpers import unchecked
from robust_activations.errors import UserError
from robust_activations.stats import holm, looked_twice, mcnemar, over_images, over_seeds, wilson


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (10, 10), (1, 497), (373, 497), (6155, 10000), (1, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_its_formula(correct, n, level):
    z, share = reference.norm.ppf((1 + level) / 2), correct / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = wilson(correct, n, level)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert 0 <= low <= share <= high <= 1
    assert low < high


def answers(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Which images two models get right, so many of each kind, shuffled."""
    kinds = [(1, 1)] * both + [(1, 0)] * only_first + [(0, 1)] * only_second + [(0, 0)] * neither
    first, second = np.random.default_rng(0).permutation(np.array(kinds, dtype=bool)).T
    return first, second


@pytest.mark.parametrize(("a", "b"), [(5, 0), (0, 5), (12, 3), (7, 7), (1, 1), (40, 22)])
def test_mcnemar_is_the_exact_two_sided_binomial_test(a, b):
    paired = mcnemar(*answers(30, a, b, 20))
    tail = sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)
    assert paired.p == pytest.approx(min(1, 2 * tail))
    assert (paired.only_first, paired.only_second, paired.n) == (a, b, 50 + a + b)
    assert paired.difference == pytest.approx((a - b) / (50 + a + b))


def test_mcnemar_of_equal_answers():
    first, _ = answers(3, 4, 0, 2)
    paired = mcnemar(first, first.copy())
    assert (paired.p, paired.difference) == (1.0, 0.0)


def test_mcnemar_wants_the_same_images():
    with unchecked(), pytest.raises(UserError, match="3 and 4 images"):
        mcnemar(np.ones(3, dtype=bool), np.ones(4, dtype=bool))


def test_over_images_of_the_same_images_is_a_t_test_of_their_means():
    pairs = np.random.default_rng(0).integers(-1, 2, (3, 60)).astype(float)
    share = [0.5, 0.25, 0.25]
    found, mean = over_images([*pairs], share), np.average(pairs, axis=0, weights=share)
    expected = reference.ttest_1samp(mean, 0)
    assert (found.mean, found.p) == pytest.approx((mean.mean(), expected.pvalue))
    assert found.interval == pytest.approx(tuple(expected.confidence_interval()))


def test_over_images_counts_an_image_once_and_leaves_out_what_is_missing():
    own = np.random.default_rng(1).normal(0.2, 1, 50)
    once, twice = over_images([own], [1.0]), over_images([own, own], [0.5, 0.5])
    assert (once.p, *once.interval) == pytest.approx((twice.p, *twice.interval))
    gaps = np.insert(own, 7, np.nan)
    assert over_images([gaps], [1.0]).p == pytest.approx(once.p)


def test_over_images_of_pairs_on_more_and_on_fewer_images():
    """Its error is how much the mean scatters when it is drawn again."""
    draws = np.random.default_rng(3).normal(0, 1, (2000, 50))
    found = [over_images([own, own[:20]], [0.5, 0.5]) for own in draws]
    assert [one.mean for one in found] == pytest.approx((draws.mean(1) + draws[:, :20].mean(1)) / 2)
    reach = np.mean([one.interval[1] - one.mean for one in found])
    assert reach / reference.t.ppf(0.975, 19) == pytest.approx(np.std([one.mean for one in found]), rel=0.05)


def test_over_images_keeps_its_promise_where_pooled_pairs_do_not():
    """Six pairs of models that are as robust as each other, all with the same odd images: 5 % come out below 0.05."""
    draw, tests, pooled = np.random.default_rng(2), [], []
    for _ in range(400):
        odd = draw.choice([-1, 0, 1], 200, p=[0.1, 0.8, 0.1])
        pairs = [np.where(draw.random(200) < 0.5, odd, 0) for _ in range(6)]
        tests.append(over_images([one.astype(float) for one in pairs], [1 / 6] * 6).p < 0.05)
        ahead, behind = (int(sum((sign * one > 0).sum() for one in pairs)) for sign in (1, -1))
        pooled.append(reference.binomtest(ahead, ahead + behind).pvalue < 0.05)
    assert 0.02 < np.mean(tests) < 0.08
    assert np.mean(pooled) > 0.2


def test_over_images_without_any_difference():
    found = over_images([np.zeros(5), np.zeros(3)], [0.5, 0.5])
    assert (found.mean, found.interval, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_keeps_order_and_controls_errors():
    generator = np.random.default_rng(0)
    p = list(generator.uniform(size=20) ** 3)
    adjusted = holm(p)
    assert all(p <= q <= 1 for p, q in zip(p, adjusted, strict=True))
    order = np.argsort(p)
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    # Of 2000 families of 5 true hypotheses, about 5 % have a false rejection; never many more.
    false = np.mean([min(holm(list(generator.uniform(size=5)))) < 0.05 for _ in range(2000)])
    assert 0.03 < false < 0.065


@pytest.mark.parametrize("values", [[0.5, 0.52, 0.47], [0.3, 0.4], [0.6, 0.6, 0.6, 0.6]])
def test_over_seeds_is_students_interval(values):
    mean, low, high = over_seeds(values)
    deviation = math.sqrt(sum((v - sum(values) / len(values)) ** 2 for v in values) / (len(values) - 1))
    half = {2: 12.7062, 3: 4.30265, 4: 3.18245}[len(values)] * deviation / math.sqrt(len(values))
    assert mean == pytest.approx(sum(values) / len(values))
    assert (low, high) == pytest.approx((mean - half, mean + half), rel=1e-4)


def test_one_seed_says_nothing_of_spread():
    assert over_seeds([0.5]) == (0.5, -math.inf, math.inf)


def test_a_second_look_raises_the_risk_of_a_false_alarm():
    assert looked_twice(3, 3, 0.05) == pytest.approx(0.05, abs=0.002)
    assert looked_twice(3, 5, 0.05) == pytest.approx(0.081, abs=0.002)
    assert looked_twice(3, 5, 0.005) == pytest.approx(0.0095, abs=0.001)  # nearly twice: the looks rarely agree
