"""A study is data: which runs, at which scale, and which claims they test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from robust_activations.attacks import Threat
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


Test = Callable[[Ledger, list[Run]], Verdict]
Wanted = Callable[[Run], bool]
# Strongest first: a verdict rests on the strongest attack that both networks have been through.
LADDER = ("autoattack", "pgd200", "pgd50", "pgd20")
ACTIVATION = ("activation", "activation_options", "share")


def matched(
    records: Ledger,
    runs: list[Run],
    first: Wanted,
    second: Wanted,
    differ: tuple[str, ...] = ACTIVATION,
    also: Callable[[Run, Run], bool] = lambda one, other: True,
) -> list[tuple[Record, Record]]:
    """Records of `first` and `second` that agree in seed, test images and all else that decides a result.

    `differ` names the fields of a Run that may differ; how a network was evaluated may differ too. `also` is what must
    hold of the two runs besides. Collapsed runs are left out.
    """

    def setting(run: Run) -> Run:
        plain = {name: getattr(_PLAIN, name) for name in (*differ, "suite")}
        return replace(run, **plain)

    others: dict[str, list[Record]] = {}
    for run in runs:
        if second(run) and run in records and not records[run].collapsed:
            others.setdefault(setting(run).id, []).append(records[run])
    return [
        (records[run], other)
        for run in runs
        if first(run) and run in records and not records[run].collapsed
        for other in others.get(setting(run).id, ())
        if other.id != run.id
        and also(run, other.run)
        and other.provenance.dataset_sha256 == records[run].provenance.dataset_sha256
    ]


_PLAIN = Run("digits", "digits_cnn", "relu", Threat("linf", "8/255"))


def strongest(first: Record, second: Record) -> str | None:
    """The strongest attack that both records hold; None if there is none."""
    return next((name for name in LADDER if {name} <= first.best.outcomes.keys() & second.best.outcomes.keys()), None)


def compare(
    records: Ledger,
    runs: list[Run],
    first: Wanted,
    second: Wanted,
    *,
    attack: str | None = None,
    differ: tuple[str, ...] = ACTIVATION,
    also: Callable[[Run, Run], bool] = lambda one, other: True,
    margin: float = 0.0,
    alpha: float = 0.05,
) -> Verdict:
    """Is `first` more robust than `second`? On the same images, pair by pair of `matched` records.

    Supported or contradicted needs both: McNemar's exact test over all images and pairs below `alpha`, and, with two or
    more pairs, a 95 % interval of the difference over pairs that excludes 0. The image counts of several pairs share
    images, so the interval over pairs is what guards against a lucky one. `attack` is the strongest that both have.

    With a `margin`, the claim is that `first` is not worse by so much: supported if the interval of the difference
    (over pairs, or that of the paired difference for a single one) lies above -margin, contradicted if below.
    """
    pairs = []
    for a, b in matched(records, runs, first, second, differ, also):
        name = attack or strongest(a, b)
        if name is not None and {name} <= a.best.outcomes.keys() & b.best.outcomes.keys():
            pairs.append((a, b, name))
    if not pairs:
        return Verdict("not tested here")
    tests = [paired(a, b, name) for a, b, name in pairs]
    rights = [_rights(a, b, name) for a, b, name in pairs]
    total = mcnemar(np.concatenate([one for one, _ in rights]), np.concatenate([other for _, other in rights]))
    mean, low, high = over_seeds([test.difference for test in tests])
    label: Label = "undecided"
    if margin:
        low, high = (low, high) if len(pairs) > 1 else tests[0].interval
        label = "supported" if low > -margin else "contradicted" if high < -margin else "undecided"
    elif total.p < alpha and (len(pairs) == 1 or low > 0 or high < 0):
        label = "supported" if mean > 0 else "contradicted"
    noun = "seed" if len({setting_of(a) for a, _, _ in pairs}) == 1 else "pair"
    count = f"{len(pairs)} {noun}{'s' * (len(pairs) > 1)}"
    interval = f", over {noun}s [{100 * low:+.1f}, {100 * high:+.1f}]" if len(pairs) > 1 else ""
    if margin and len(pairs) == 1:
        interval = f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    names = "/".join(dict.fromkeys(name for _, _, name in pairs))
    sizes = "/".join(dict.fromkeys(str(test.n) for test in tests))
    test = f"McNemar p = {total.p:.2g} " if not margin else ""
    measured = f"{100 * mean:+.1f} points under {names}{interval}; {test}({count}, n = {sizes})"
    return Verdict(label, measured, tuple(dict.fromkeys(record.id for a, b, _ in pairs for record in (a, b))))


def setting_of(record: Record) -> str:
    """What two records that differ in the seed alone have in common."""
    return replace(record.run, seed=0, suite=_PLAIN.suite).id


def paired(first: Record, second: Record, attack: str = "pgd50") -> Paired:
    """McNemar's test of two records' best checkpoints on the test images that both were attacked on."""
    return mcnemar(*_rights(first, second, attack))


def _rights(first: Record, second: Record, attack: str) -> tuple[np.ndarray, np.ndarray]:
    a, b = (record.best.outcomes[attack].right for record in (first, second))
    n = min(len(a), len(b))  # always the first test images
    return a[:n], b[:n]
