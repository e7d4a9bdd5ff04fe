"""One network against another on the same images, and several such comparisons, corrected for being several.

A text that says of two networks that they differ, and a table that prints it bold, follow the same rule:
`Comparison.differs`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from robust_activations import studies
from robust_activations.errors import UserError
from robust_activations.figures.prose import interval, listed, p_value
from robust_activations.figures.rows import Interval, Row
from robust_activations.stats import Paired, holm, mcnemar, over_images, over_seeds


def span(one: Interval) -> str:
    """A difference in points with its interval: `+1.2 [−0.4, +2.8]`."""
    return interval(*one, form="+.1f")


@dataclass(frozen=True)
class Comparison:
    """`name` against `other`: the test, the difference, and p corrected for all comparisons made with this one."""

    name: str
    other: str
    test: Paired
    at: Interval
    holm: float

    @property
    def differs(self) -> bool:
        """Below 0.05 after the correction, and the interval of the difference excludes 0."""
        return self.holm < 0.05 and (self.at.low > 0 or self.at.high < 0)

    @property
    def cells(self) -> list[str]:
        """Of a table: difference with its interval, images that only one is right on, p, and p corrected."""
        return [
            span(self.at),
            *(f"{self.test.only_first}", f"{self.test.only_second}", p_value(self.test.p)),
            p_value(self.holm, bold=self.differs),
        ]


class Told(NamedTuple):
    """Names of those that are above the other beyond chance, of those below, and of the rest."""

    above: list[str]
    below: list[str]
    rest: list[str]


def paired(one: Row, other: Row, attack: str = "pgd50") -> tuple[Paired, Interval] | None:
    """McNemar's test of `one` against `other` on the same images, and their difference.

    Of several seeds that both have: their images counted, p with an image as the unit (`stats.over_images`), and the
    mean difference with its t interval. None if no seed is left: collapsed records and those without the attack
    are left out. **Raises** `UserError` where the test images differ.
    """
    theirs = {record.run.seed: record for record in other.whole if attack in record.best.outcomes}
    pairs = [(r, theirs[r.run.seed]) for r in one.whole if r.run.seed in theirs and attack in r.best.outcomes]
    if not pairs:
        return None
    if any(a.provenance.dataset_sha256 != b.provenance.dataset_sha256 for a, b in pairs):
        raise UserError(f"{one.label} and {other.label} were tested on different images")
    tests = [studies.paired(a, b, attack) for a, b in pairs]
    rights = [[r.best.outcomes[attack].right[: test.n] for r in both] for both, test in zip(pairs, tests, strict=True)]
    total = mcnemar(*(np.concatenate(right) for right in zip(*rights, strict=True)))
    if len(tests) == 1:
        return total, Interval.of(total)
    alike = over_images([a.astype(float) - b for a, b in rights], [1 / len(rights)] * len(rights))
    return replace(total, p=alike.p), Interval(*over_seeds([test.difference for test in tests]))


def corrected(found: Iterable[tuple[str, str, tuple[Paired, Interval] | None]]) -> list[Comparison]:
    """Names of both sides and what `paired` gave, with Holm's correction over those that could be compared."""
    made = [(name, other, *both) for name, other, both in found if both]
    adjusted = holm([test.p for _, _, test, _ in made])
    return [Comparison(*one, p) for one, p in zip(made, adjusted, strict=True)]


def against(base: Row, rows: Iterable[Row], attack: str = "pgd50") -> list[Comparison]:
    """Each row against `base` on the same images, by label, as far as they can be compared."""
    return corrected((row.label, base.label, paired(row, base, attack)) for row in rows)


def told_apart(found: Iterable[Comparison]) -> Told:
    """Which differ beyond chance, and to which side."""
    told = Told([], [], [])
    for one in found:
        (told.rest if not one.differs else told.above if one.at.value > 0 else told.below).append(one.name)
    return told


def told_in_words(told: Told, above: str, below: str) -> str:
    """`A and B with less error than ReLU; not told apart: C and D`, or `none of 4 is told apart beyond chance`."""
    sides = [f"{listed(names)} {side}" for names, side in ((told.above, above), (told.below, below)) if names]
    if not sides:
        return f"none of {len(told.rest)} is told apart beyond chance"
    return "; ".join([*sides, *([f"not told apart: {listed(told.rest)}"] if told.rest else [])])
