"""Intervals and tests for counts of correct images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from robust_activations.errors import UserError


def wilson(correct: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share of `correct` in `n` images (Wilson 1927)."""
    interval = stats.binomtest(correct, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Paired:
    """Two models on the same images: how many only the first, only the second gets right, and McNemar's exact p.

    Of several such pairs, one a seed, the counts of all, and p as `over_images` has it.
    """

    only_first: int
    only_second: int
    n: int
    p: float

    @property
    def difference(self) -> float:
        """Accuracy of the first minus that of the second."""
        return (self.only_first - self.only_second) / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference, 95 %: Wald's with half an image added to each of the four cells (Agresti and Min 2005)."""
        n, net = self.n + 2, self.only_first - self.only_second
        half = 1.959964 * ((self.only_first + self.only_second + 1) - net * net / n) ** 0.5 / n
        return net / n - half, net / n + half


def mcnemar(first: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " n"]) -> Paired:
    """McNemar's exact test: among the images on which the two differ, is either right more often than by chance?"""
    if first.shape != second.shape:
        raise UserError(f"paired comparison of {len(first)} and {len(second)} images; they must be the same ones")
    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    return Paired(a, b, len(first), float(stats.binomtest(a, a + b).pvalue) if a + b else 1.0)


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval and the p of a t test that it is 0."""

    mean: float
    interval: tuple[float, float]
    p: float


def over_images(differences: Sequence[Float[np.ndarray, " _"]], weights: Sequence[float]) -> Mean:
    """The weighted mean of the mean differences of several pairs of models, each on the first of the same images.

    An image is the unit: it is the same in all pairs, and what is odd about it is odd in all. With the difference
    $d_{ki}$ of pair k on image i, of $n_k$, and weights that sum to 1, the mean is $\\sum_k w_k \\bar d_k$ and its
    variance $\\frac{n}{n-1} \\sum_i (\\sum_k w_k (d_{ki} - \\bar d_k) / n_k)^2$ (cluster-robust: Liang and Zeger 1986);
    where all pairs have the same n images, that of the images' mean differences. NaN: not an image of this pair.
    """
    n = max(map(len, differences))
    off, mean, fewest = np.zeros(n), 0.0, n
    for weight, own in zip(weights, differences, strict=True):
        there = ~np.isnan(own)
        middle, count = float(own[there].mean()), int(there.sum())
        off[: len(own)][there] += weight * (own[there] - middle) / count
        mean, fewest = mean + weight * middle, min(fewest, count)
    error = float(np.sqrt(fewest / (fewest - 1) * (off**2).sum()))
    if not error:
        return Mean(mean, (mean, mean), float(mean == 0))
    reach = float(stats.t.ppf(0.975, fewest - 1)) * error
    return Mean(mean, (mean - reach, mean + reach), float(2 * stats.t.sf(abs(mean) / error, fewest - 1)))


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted for having made `len(p)` comparisons (Holm 1979), in the order given."""
    adjusted, running = [0.0] * len(p), 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = running
    return adjusted


def over_seeds(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Mean and Student's t interval of one number a seed; with a single seed the interval is unbounded."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, -np.inf, np.inf
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return mean, mean - half, mean + half


@cache
def looked_twice(first: int, seeds: int, p: float, times: int = 400_000) -> float:
    """How often a t test comes to `p` or less where nothing is, if it is made again with more seeds when the first ones
    agree in sign; by simulation. So it is the p of both looks.
    """
    values = np.random.default_rng(0).normal(size=(times, seeds))
    early, late = (stats.ttest_1samp(own, 0.0, axis=1).pvalue <= p for own in (values[:, :first], values))
    agree = abs(np.sign(values[:, :first]).sum(1)) == first
    return float((early | (agree & late)).mean())
