"""A study is data: which runs, at which scale, and which claims they test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from robust_activations.errors import unknown
from robust_activations.ledger import Ledger, Record
from robust_activations.paths import SCALES
from robust_activations.run import Run
from robust_activations.stats import Paired
from robust_activations.studies.pairs import (
    PLAIN,
    Pairs,
    accuracy,
    by_image,
    counted,
    grouped,
    ids,
    independent,
    over_groups,
    paired,
    rights,
    seeds_of,
    weights,
)

Label = Literal["supported", "contradicted", "undecided", "not tested here"]
UNTESTED: Label = "not tested here"


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
class Points:
    """A difference in accuracy, in percentage points, with its 95 % interval, and what that is to lie above."""

    value: float
    low: float
    high: float
    limit: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """What our records say of a claim at one scale.

    `why`: what of the rule decided. `seeds`: how many different ones the networks that decide it have. `points`:
    where it is about a difference in accuracy. `parts`: the verdicts it was made of, by name; where one of several is
    shown, this one.
    """

    label: Label
    measured: str = ""
    records: tuple[str, ...] = ()
    why: str = ""
    seeds: int = 0
    points: Points | None = None
    parts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def tested(self) -> bool:
        return self.label != UNTESTED

    @property
    def said(self) -> str:
        """The label, and whether it rests on one seed, whose luck nothing shows: `supported, one seed`."""
        decided = self.label in ("supported", "contradicted")
        return f"{self.label}, one seed" if decided and self.seeds == 1 else self.label

    @classmethod
    def of_parts(
        cls,
        label: Label,
        parts: Mapping[str, Verdict],
        shown: str | None = None,
        *,
        extreme: str = "best",
        one_will_do: bool = False,
    ) -> Verdict:
        """Rests on all that its parts rest on, and shows what was measured in the one `shown`, or in each.

        Where `one_will_do` to decide, it has the seeds of the part that has most of those that say so.
        """
        records = tuple(dict.fromkeys(name for one in parts.values() for name in one.records))
        seeds = [one.seeds for one in parts.values() if one.label == label or not one_will_do]
        own = cls(label, records=records, seeds=(max if one_will_do else min)(seeds), parts=dict(parts))
        if shown is not None:
            one = parts[shown]
            measured = f"{extreme} of {len(parts)}, {shown}: {one.measured}"
            return replace(own, measured=measured, why=one.why, points=one.points, parts={shown: one})
        reasons = {name: one.why for name, one in parts.items()}
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        if len(set(reasons.values())) == 1:
            why = next(iter(reasons.values()))
        # Of each part, and of each part of that.
        measured = "; ".join(re.sub(r"\)(?=; |$)", f", {name})", one.measured) for name, one in parts.items())
        return replace(own, measured=measured, why=why)


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, the notebook that looks into it, and how the verdict is computed from records."""

    id: str
    page: str
    statement: str
    citation: str
    reported: Reported
    test: Callable[[Ledger, Sequence[Run]], Verdict]


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


Test = Callable[[Ledger, Sequence[Run]], Verdict]
Wanted = Callable[[Run], bool]
# Strongest first: a verdict rests on the strongest attack that both networks have been through.
LADDER = ("autoattack", "pgd200", "pgd50", "pgd20")
ACTIVATION = ("activation", "activation_options", "share")


def matched(
    records: Ledger,
    runs: Sequence[Run],
    first: Wanted,
    second: Wanted,
    differ: tuple[str, ...] = ACTIVATION,
    also: Callable[[Run, Run], bool] = lambda one, other: True,
    holds: Callable[[Record], bool] = lambda record: True,
) -> list[tuple[Record, Record]]:
    """Records of `first` and `second` that agree in seed, test images and all else that decides a result.

    `differ` names the fields of a Run that may differ; how a network was evaluated may differ too. `also` is what must
    hold of the two runs besides. Collapsed runs are left out. Runs that differ in their evaluation alone, trained anew
    by two studies, count once: the fullest that holds what is to be compared, as `holds` says.
    """

    def setting(run: Run, *free: str) -> str:
        return replace(run, **{name: getattr(PLAIN, name) for name in (*free, "suite")}).id

    def networks(wanted: Wanted) -> list[Record]:
        fullest: dict[str, Record] = {}
        for record in (records[run] for run in runs if wanted(run) and run in records):
            if not record.collapsed and holds(record):
                known = fullest.setdefault(setting(record.run), record)
                fullest[setting(record.run)] = max(known, record, key=_fullness)
        return list(fullest.values())

    others: dict[str, list[Record]] = {}
    for record in networks(second):
        others.setdefault(setting(record.run, *differ), []).append(record)
    return [
        (record, other)
        for record in networks(first)
        for other in others.get(setting(record.run, *differ), ())
        if other.id != record.id
        and also(record.run, other.run)
        and other.provenance.dataset_sha256 == record.provenance.dataset_sha256
    ]


def _fullness(record: Record) -> int:
    """How many attacks and measures the best checkpoint was tested with."""
    return len(record.best.outcomes) + len(record.best.measures)


def strongest(records: Iterable[Record]) -> str | None:
    """The strongest attack that all of these records hold, so that they can be compared; None if there is none."""
    held = [record.best.outcomes.keys() for record in records]
    return next((attack for attack in LADDER if held and all(attack in own for own in held)), None)


def compare(
    records: Ledger,
    runs: Sequence[Run],
    first: Wanted,
    second: Wanted,
    *,
    attack: str | None = None,
    differ: tuple[str, ...] = ACTIVATION,
    also: Callable[[Run, Run], bool] = lambda one, other: True,
    margin: float = 0.0,
    times: int = 1,
) -> Verdict:
    """Is `first` more robust than `second`? On the same images, pair by pair of `matched` records.

    Supported or contradicted needs both: a p below 0.05 for the images, and, with two or more groups of pairs, a
    95 % interval of the difference over groups that excludes 0, which guards against a lucky training. Pairs that share
    a record are one group, for they err together; seeds are groups of one pair each. p is McNemar's exact one for a
    pair; for several that of a t test with an image as the unit, for the images are the same in every pair
    (`stats.over_images`). `attack` is the strongest that both of a pair have. Of several datasets each must say so
    (`on_each_dataset`).

    Where it is one of several tests for a claim, p is multiplied by their number, `times` (Bonferroni's correction).

    With a `margin`, the claim is that `first` is not worse by so much: supported if the intervals of the difference,
    over groups and over images, lie above -margin, contradicted if below; undecided where `first` errs so rarely that
    nothing could be ahead by the margin.
    """

    def holds(record: Record) -> bool:
        return (attack or strongest([record])) in record.best.outcomes

    def judge(pairs: Pairs) -> Verdict:
        names = [attack or str(strongest(pair)) for pair in pairs]
        tests = [paired(a, b, attack) for (a, b), attack in zip(pairs, names, strict=True)]
        mean, low, high = over_groups(pairs, [test.difference for test in tests])
        p, spread = by_image(pairs, names)
        p = min(1.0, times * p)
        several, over = len(independent(pairs)) > 1, grouped(pairs)
        if margin and several:
            low, high, over = min(low, spread[0]), max(high, spread[1]), f"{over} and images"
        elif not several:
            low, high = spread
        if margin:
            label, why = within(margin, low, high, 1 - accuracy(pairs, names))
        else:
            label, why = decided(p, mean, (low, high) if several else None, over)
        interval = f",{f' over {over}' if several else ''} [{100 * low:+.1f}, {100 * high:+.1f}]"
        kind = "McNemar" if len(pairs) == 1 else "over images"
        test = f"{kind} p = {p:.2g} {f'(corrected for {times}) ' if times > 1 else ''}" if not margin else ""
        gain, attacks = round(100 * mean, 1) + 0.0, "/".join(dict.fromkeys(names))  # no -0.0
        measured = f"{gain:+.1f} points under {attacks}{interval if several or margin else ''}; {test}"
        seen = f"{counted(pairs)}, n = {_sizes(tests)}{_radii(pairs, names)}{'' if attack else _on_more_images(pairs)}"
        points = Points(*(100 * one for one in (mean, low, high, -margin)))
        return Verdict(label, f"{measured}({seen})", ids(pairs), why, seeds_of(pairs), points)

    both = matched(records, runs, first, second, differ, also, holds)
    return on_each_dataset([pair for pair in both if attack or strongest(pair)], judge)


def decided(p: float, mean: float, interval: tuple[float, float] | None, over: str) -> tuple[Label, str]:
    """The verdict, and why, on a difference with this p; with the interval `over` groups of networks."""
    if not p < 0.05:
        return "undecided", "p is not below 0.05"
    if interval and interval[0] <= 0 <= interval[1]:
        return "undecided", f"p is below 0.05, but the {over} disagree: the interval over them includes 0"
    also = f" and the interval over {over} excludes 0" if interval else ""
    if mean > 0:
        return "supported", f"p is below 0.05{also}"
    return "contradicted", f"p is below 0.05{also}, against the claim"


def within(margin: float, low: float, high: float, errors: float) -> tuple[Label, str]:
    """The verdict, and why, on not being worse by a margin for one that errs on this share of the images."""
    if errors <= margin:
        return "undecided", f"nothing could be ahead by the margin: it errs on {100 * errors:.1f} % of the images"
    if low > -margin:
        return "supported", "the interval lies above the margin"
    if high < -margin:
        return "contradicted", "the interval lies below the margin"
    return "undecided", "the interval reaches across the margin"


def on_each_dataset(pairs: Pairs, judge: Callable[[Pairs], Verdict]) -> Verdict:
    """The verdict on pairs: what every dataset says, undecided where they do not say the same.

    Other data are another experiment, not another seed, so that no interval is taken over datasets. And as all of them
    must say so, no p needs to be corrected for their number.
    """
    own: dict[str, Pairs] = {}
    for pair in pairs:
        own.setdefault(pair[0].run.dataset, []).append(pair)
    return agreed({dataset: judge(some) for dataset, some in own.items()})


def agreed(verdicts: Mapping[str, Verdict]) -> Verdict:
    """What the verdicts on several datasets say together; those that are not tested are left out."""
    parts = {dataset: one for dataset, one in verdicts.items() if one.tested}
    if len(parts) < 2:
        return next(iter(parts.values()), Verdict(UNTESTED))
    labels = {one.label for one in parts.values()}
    return Verdict.of_parts(labels.pop() if len(labels) == 1 else "undecided", parts)


def _on_more_images(pairs: Pairs) -> str:
    """Where AutoAttack, being expensive, saw fewer images than a weaker attack: the difference under that one, on the
    same images and on all.
    """

    def gain(attack: str, n: int | None = None) -> float:
        both = [rights(*pair, attack) for pair in pairs]
        return 100 * float(np.dot(weights(pairs), [one[:n].mean() - other[:n].mean() for one, other in both]))

    if any(strongest(pair) != "autoattack" for pair in pairs):
        return ""
    n = max(paired(*pair, "autoattack").n for pair in pairs)
    for attack in LADDER[1:]:
        if all(attack in record.best.outcomes for pair in pairs for record in pair):
            tests = [paired(*pair, attack) for pair in pairs]
            if min(test.n for test in tests) > n:
                return f"; under {attack} {gain(attack, n):+.1f} on the same, {gain(attack):+.1f} on {_sizes(tests)}"
    return ""


def _radii(pairs: Pairs, attacks: Iterable[str]) -> str:
    """`, ε = 8/255`, of every radius that these were attacked with; nothing where no attack has one."""
    if {*attacks} <= {"clean", "one_pixel"}:
        return ""
    threats = (record.run.threat for pair in pairs for record in pair)
    return f", ε = {' and '.join(dict.fromkeys(one.eps + ' (ℓ₂)' * (one.norm == 'l2') for one in threats))}"


def _sizes(tests: Iterable[Paired]) -> str:
    return "/".join(dict.fromkeys(f"{test.n:,}" for test in tests))
