"""A study is data: which runs, at which scale, and which claims they test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robust_activations.errors import unknown
from robust_activations.ledger import Ledger, Record
from robust_activations.paths import SCALES
from robust_activations.run import Run
from robust_activations.stats import Paired, mcnemar, over_seeds

Label = Literal["supported", "contradicted", "undecided", "not tested here"]


@dataclass(frozen=True)
class Reported:
    """What a paper says: the words or the figure, where it stands, and how sure we are of that.

    Marks: SEEN (read in the named text), SEEN-2nd (read in a secondary text), DERIVED (computed from what was seen),
    NOT FOUND (looked for; then `value` is empty).
    """

    value: str
    source: str
    mark: Literal["SEEN", "SEEN-2nd", "DERIVED", "NOT FOUND"]


@dataclass(frozen=True)
class Verdict:
    """What our records say of a claim at one scale."""

    label: Label
    measured: str = ""
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, and how the verdict on it is computed from records."""

    id: str
    statement: str
    citation: str
    reported: Reported
    test: Callable[[Ledger, list[Run]], Verdict]


@dataclass(frozen=True)
class Study:
    """Runs by scale, most valuable first, and claims."""

    name: str
    title: str
    at: Callable[[str], Iterable[Run]]
    claims: tuple[Claim, ...] = ()

    def runs(self, scale: str) -> list[Run]:
        """The runs at a scale, each once. **Raises** `UserError` for an unknown scale."""
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        return list({run.id: run for run in self.at(scale)}.values())


def compare(
    records: Ledger,
    runs: list[Run],
    first: Callable[[Run], bool],
    second: Callable[[Run], bool],
    *,
    attack: str = "pgd50",
    alpha: float = 0.05,
) -> Verdict:
    """Is `first` more robust than `second`? On the same images, seed by seed.

    Supported or contradicted needs both: McNemar's exact test over all images and seeds below `alpha`, and, with two or
    more seeds, a 95 % interval of the difference over seeds that excludes 0. The image counts of several seeds share
    images, so the interval over seeds is what guards against a lucky one. Collapsed runs are left out.
    """
    pairs = []
    for one in runs:
        for other in runs:
            if first(one) and second(other) and one.seed == other.seed and one in records and other in records:
                a, b = records[one], records[other]
                attacked = attack in a.best.outcomes and attack in b.best.outcomes
                same_images = a.provenance.dataset_sha256 == b.provenance.dataset_sha256
                if attacked and same_images and not (a.collapsed or b.collapsed):
                    pairs.append((a, b))
    if not pairs:
        return Verdict("not tested here")
    tests = [paired(a, b, attack) for a, b in pairs]
    total = mcnemar(
        np.concatenate([a.best.outcomes[attack].right for a, _ in pairs]),
        np.concatenate([b.best.outcomes[attack].right for _, b in pairs]),
    )
    mean, low, high = over_seeds([test.difference for test in tests])
    consistent = len(pairs) == 1 or low > 0 or high < 0
    label: Label = "undecided"
    if total.p < alpha and consistent:
        label = "supported" if mean > 0 else "contradicted"
    seeds = f"{len(pairs)} seed{'s' * (len(pairs) > 1)}"
    interval = f", over seeds [{100 * low:+.1f}, {100 * high:+.1f}]" if len(pairs) > 1 else ""
    n = pairs[0][0].best.outcomes[attack].n
    measured = f"{100 * mean:+.1f} points under {attack}{interval}; McNemar p = {total.p:.2g} ({seeds}, n = {n})"
    return Verdict(label, measured, tuple(record.id for pair in pairs for record in pair))


def paired(first: Record, second: Record, attack: str = "pgd50") -> Paired:
    """McNemar's test of two records' best checkpoints on the same test images."""
    return mcnemar(first.best.outcomes[attack].right, second.best.outcomes[attack].right)
