"""A study is data: which runs, at which scale, and which claims they test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy import stats

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
    """What our records say of a claim at one scale.

    `groups`: how many independent groups of networks it rests on. `parts`: the verdicts it was made of, by name.
    """

    label: Label
    measured: str = ""
    records: tuple[str, ...] = ()
    groups: int = 0
    parts: Mapping[str, Verdict] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The label, and whether it rests on one training, whose luck nothing shows: `supported, one seed`."""
        decided = self.label in ("supported", "contradicted")
        return f"{self.label}, one seed" if decided and self.groups == 1 else self.label

    @classmethod
    def of_parts(cls, label: Label, parts: Mapping[str, Verdict], measured: str = "") -> Verdict:
        """Rests on all that its parts rest on; if `measured` is empty it is theirs, each with its name at the end."""
        records = dict.fromkeys(name for one in parts.values() for name in one.records)
        measured = measured or "; ".join(f"{one.measured.removesuffix(')')}, {name})" for name, one in parts.items())
        return cls(label, measured, tuple(records), min(one.groups for one in parts.values()), dict(parts))


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, the notebook that looks into it, and how the verdict is computed from records."""

    id: str
    page: str
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
Pairs = list[tuple[Record, Record]]
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
    hold of the two runs besides. Collapsed runs are left out. A network that was evaluated more than once counts once,
    with its fullest evaluation.
    """

    def setting(run: Run, *free: str) -> str:
        return replace(run, **{name: getattr(_PLAIN, name) for name in (*free, "suite")}).id

    def networks(wanted: Wanted) -> list[Record]:
        fullest: dict[str, Record] = {}
        for record in (records[run] for run in runs if wanted(run) and run in records):
            if not record.collapsed:
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
    times: int = 1,
) -> Verdict:
    """Is `first` more robust than `second`? On the same images, pair by pair of `matched` records.

    Supported or contradicted needs both: a p below `alpha` for the images, and, with two or more groups of pairs, a
    95 % interval of the difference over groups that excludes 0. Pairs that share a record are one group, for they err
    together; seeds are groups of one pair each. p is McNemar's exact one over all pairs, or, for several pairs of a
    single group, that of a t test of the images' mean differences. The images are the same in every pair: the interval
    is what guards against a lucky seed. `attack` is the strongest that both have. Of several datasets each must say so
    (`on_each_dataset`).

    Where it is one of several tests for a claim, p is multiplied by their number, `times` (Bonferroni's correction).

    With a `margin`, the claim is that `first` is not worse by so much: supported if the interval of the difference
    (over groups, or over the images for a single one) lies above -margin, contradicted if below.
    """

    def name(a: Record, b: Record) -> str | None:
        one = attack or strongest(a, b)
        return one if all(one in record.best.outcomes for record in (a, b)) else None

    def judge(pairs: Pairs) -> Verdict:
        names = {(a.id, b.id): str(name(a, b)) for a, b in pairs}
        tests = {(a.id, b.id): paired(a, b, names[a.id, b.id]) for a, b in pairs}
        groups = independent(pairs)
        mean, low, high = over_seeds([float(np.mean([tests[a.id, b.id].difference for a, b in one])) for one in groups])
        p, over_images = _over_images(pairs, names, single=len(groups) == 1)
        p = min(1.0, times * p)
        label: Label = "undecided"
        if margin:
            low, high = (low, high) if len(groups) > 1 else over_images
            label = "supported" if low > -margin else "contradicted" if high < -margin else "undecided"
        elif p < alpha and (len(groups) == 1 or low > 0 or high < 0):
            label = "supported" if mean > 0 else "contradicted"
        interval = ""
        if len(groups) > 1 or margin:
            noun = _noun(pairs) if len(groups) == len(pairs) else "group"
            over = f" over {noun}s" if len(groups) > 1 else ""
            interval = f",{over} [{100 * low:+.1f}, {100 * high:+.1f}]"
        kind = "McNemar" if len(groups) > 1 or len(pairs) == 1 else "paired t"
        test = f"{kind} p = {p:.2g} {f'(times {times}) ' if times > 1 else ''}" if not margin else ""
        gain, attacks = round(100 * mean, 1) + 0.0, "/".join(dict.fromkeys(names.values()))  # no -0.0
        measured = f"{gain:+.1f} points under {attacks}{interval}; {test}"
        seen = f"{counted(pairs)}, n = {_sizes(tests.values())}{'' if attack else _on_more_images(pairs)}"
        return Verdict(label, f"{measured}({seen})", ids(pairs), len(groups))

    return on_each_dataset([pair for pair in matched(records, runs, first, second, differ, also) if name(*pair)], judge)


def on_each_dataset(pairs: Pairs, judge: Callable[[Pairs], Verdict]) -> Verdict:
    """The verdict on pairs: what every dataset says, undecided where they do not say the same.

    Other data are another experiment, not another seed, so that no interval is taken over datasets. And as all of them
    must say so, no p needs to be corrected for their number.
    """
    own: dict[str, Pairs] = {}
    for pair in pairs:
        own.setdefault(pair[0].run.dataset, []).append(pair)
    parts = {dataset: one for dataset, some in own.items() if (one := judge(some)).label != "not tested here"}
    if len(parts) < 2:
        return next(iter(parts.values()), Verdict("not tested here"))
    labels = {one.label for one in parts.values()}
    return Verdict.of_parts(labels.pop() if len(labels) == 1 else "undecided", parts)


def _on_more_images(pairs: Pairs) -> str:
    """Where AutoAttack, being dear, saw fewer images than a weaker attack did: the difference under that one."""
    if any(strongest(*pair) != "autoattack" for pair in pairs):
        return ""
    n = max(paired(*pair, "autoattack").n for pair in pairs)
    for attack in LADDER[1:]:
        if all(attack in record.best.outcomes for pair in pairs for record in pair):
            tests = [paired(*pair, attack) for pair in pairs]
            if min(test.n for test in tests) > n:
                mean = 100 * float(np.mean([test.difference for test in tests]))
                return f"; {mean:+.1f} under {attack}, n = {_sizes(tests)}"
    return ""


def _sizes(tests: Iterable[Paired]) -> str:
    return "/".join(dict.fromkeys(f"{test.n:,}" for test in tests))


def independent(pairs: Pairs) -> list[Pairs]:
    """The pairs in groups that share no record of the side that has fewer; what a record errs by, all its pairs do."""
    side = min((0, 1), key=lambda side: len({pair[side].id for pair in pairs}))
    groups: dict[str, Pairs] = {}
    for pair in pairs:
        groups.setdefault(pair[side].id, []).append(pair)
    return list(groups.values())


def counted(pairs: Pairs) -> str:
    """How many pairs, and in how many independent groups: `3 seeds`, `1 pair`, `8 pairs in 3 groups`."""
    groups, noun = len(independent(pairs)), _noun(pairs)
    count = f"{len(pairs)} {noun}{'s' * (len(pairs) > 1)}"
    return count if groups == len(pairs) else f"{count} in {groups} group{'s' * (groups > 1)}"


def _noun(pairs: Pairs) -> str:
    return "seed" if len({(setting_of(a), setting_of(b)) for a, b in pairs}) == 1 else "pair"


def ids(pairs: Pairs) -> tuple[str, ...]:
    return tuple(dict.fromkeys(record.id for pair in pairs for record in pair))


def _over_images(pairs: Pairs, names: dict[tuple[str, str], str], *, single: bool) -> tuple[float, tuple[float, float]]:
    """p over the images, and for a single group the 95 % interval of the difference."""
    rights = [_rights(a, b, names[a.id, b.id]) for a, b in pairs]
    if single and len(pairs) > 1:  # of one record, hence on the same images
        n = min(len(one) for one, _ in rights)
        each = np.mean([one[:n].astype(float) - other[:n] for one, other in rights], axis=0)
        middle, half = each.mean(), 1.959964 * each.std(ddof=1) / n**0.5
        p = float(stats.ttest_1samp(each, 0).pvalue) if half else 1.0
        return p, (float(middle - half), float(middle + half))
    total = mcnemar(np.concatenate([one for one, _ in rights]), np.concatenate([other for _, other in rights]))
    return total.p, total.interval


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
