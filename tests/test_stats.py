"""Intervals and tests, against their formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as reference

from helpers import unchecked
from robust_activations.errors import UserError
from robust_activations.stats import holm, mcnemar, over_seeds, wilson


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
