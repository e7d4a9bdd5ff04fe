"""Intervals and tests for counts of correct images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import stats

from robust_activations.errors import UserError


def wilson(correct: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share of `correct` in `n` images (Wilson 1927)."""
    interval = stats.binomtest(correct, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Paired:
    """Two models on the same images: how many only the first, only the second gets right, and McNemar's exact p."""

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
