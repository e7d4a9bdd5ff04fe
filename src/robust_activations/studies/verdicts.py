"""Verdicts on more than accuracy under attack: measures, generalisation gaps, learned parameters, and combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from scipy import stats

from robust_activations.evaluation import Suite
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.stats import over_seeds
from robust_activations.studies.base import (
    Label,
    Pairs,
    Verdict,
    Wanted,
    counted,
    ids,
    independent,
    matched,
    on_each_dataset,
)


def compare_measure(
    records: Ledger,
    runs: list[Run],
    first: Wanted,
    second: Wanted,
    measure: str,
    *,
    alpha: float = 0.05,
    times: int = 1,
) -> Verdict:
    """Is the mean of a measure (`radius`, `lipschitz`) larger for `first`? On the images that both are right on.

    Supported or contradicted needs a paired t test over all images and pairs below `alpha` and, with two or more
    independent groups of pairs, an interval over groups that excludes 0. A group's differences are averaged by image.
    p is multiplied by `times`, as in `compare`.
    """

    def difference(a: Record, b: Record) -> np.ndarray:
        one, other = a.best.measures[measure].each, b.best.measures[measure].each
        n = min(len(one), len(other))
        return (one[:n] - other[:n]).astype(np.float64)

    def judge(pairs: Pairs) -> Verdict:
        groups = [np.mean([difference(a, b) for a, b in one], axis=0) for one in independent(pairs)]
        found = [values[~np.isnan(values)] for values in groups]
        if min(map(len, found)) < 2:
            return Verdict("not tested here")
        p = min(1.0, times * float(stats.ttest_1samp(np.concatenate(found), 0).pvalue))
        mean, low, high = over_seeds([float(values.mean()) for values in found])
        label: Label = "undecided"
        if p < alpha and (len(found) == 1 or low > 0 or high < 0):
            label = "supported" if mean > 0 else "contradicted"
        images, corrected = sum(map(len, found)), f"(times {times}) " if times > 1 else ""
        measured = f"mean {measure} {mean:+.3g}; paired t p = {p:.2g} {corrected}({counted(pairs)}, {images} images)"
        return Verdict(label, measured, ids(pairs), len(groups))

    return on_each_dataset(_measured(records, runs, first, second, measure), judge)


def _measured(records: Ledger, runs: list[Run], first: Wanted, second: Wanted, measure: str) -> Pairs:
    both = matched(records, runs, first, second)
    return [(a, b) for a, b in both if {measure} <= a.best.measures.keys() & b.best.measures.keys()]


def compare_distance(
    records: Ledger, runs: list[Run], first: Wanted, second: Wanted, measure: str, *, alpha: float = 0.05
) -> Verdict:
    """Are the distances `cw` or `boundary` larger for `first`? On the images that both are right on, image by image.

    Of each image counts which distance is larger, for some are infinite. Supported or contradicted needs a sign test
    over all images and pairs below `alpha` and, with two or more independent groups of pairs, an interval over groups
    of the share that is larger, less the share that is smaller, that excludes 0.
    """

    def signs(a: Record, b: Record) -> np.ndarray:
        one, other = a.best.measures[measure].each, b.best.measures[measure].each
        n = min(len(one), len(other))
        both = ~np.isnan(one[:n]) & ~np.isnan(other[:n])
        return (one[:n] > other[:n]).astype(float)[both] - (one[:n] < other[:n])[both]

    def judge(pairs: Pairs) -> Verdict:
        groups = [np.concatenate([signs(a, b) for a, b in one]) for one in independent(pairs)]
        everything = np.concatenate(groups)
        larger, smaller = int((everything > 0).sum()), int((everything < 0).sum())
        if not larger + smaller:
            return Verdict("not tested here")
        p = float(stats.binomtest(larger, larger + smaller).pvalue)
        _, low, high = over_seeds([float(values.mean()) for values in groups])
        label: Label = "undecided"
        if p < alpha and (len(groups) == 1 or low > 0 or high < 0):
            label = "supported" if larger > smaller else "contradicted"
        one, other = (median_distance([pair[i] for pair in pairs], measure) for i in (0, 1))
        share = 100 * larger / (larger + smaller)
        measured = (
            f"median {measure} distance {one:.3g} against {other:.3g}, larger on {share:.0f} % of "
            f"{larger + smaller} images; sign test p = {p:.2g} ({counted(pairs)})"
        )
        return Verdict(label, measured, ids(pairs), len(groups))

    return on_each_dataset(_measured(records, runs, first, second, measure), judge)


def median_distance(records: Iterable[Record], measure: str) -> float:
    """Over all images that the networks are right on; one that nothing was found for counts as infinitely far."""
    return float(np.nanmedian(np.concatenate([record.best.measures[measure].each for record in records])))


def robust_gap(record: Record) -> tuple[float, float]:
    """Accuracy on attacked training images less that under PGD-10 on held-out ones, last epoch; its standard error."""
    last, n = record.history[-1], record.run.held_out
    held = last["held_pgd10"]
    return last["train_accuracy"] - held, (held * (1 - held) / n) ** 0.5


def compare_gap(records: Ledger, runs: list[Run], first: Wanted, second: Wanted) -> Verdict:
    """Is the robust generalisation gap of `first` smaller? The 95 % interval of the difference must exclude 0.

    Over independent groups of pairs where there are two or more; else from the number of held-out images alone.
    """

    def judge(pairs: Pairs) -> Verdict:
        groups = independent(pairs)
        mean, low, high = over_seeds(
            [float(np.mean([robust_gap(a)[0] - robust_gap(b)[0] for a, b in one])) for one in groups]
        )
        if len(groups) == 1:
            a, b = pairs[0]
            half = 1.96 * (robust_gap(a)[1] ** 2 + robust_gap(b)[1] ** 2) ** 0.5
            low, high = mean - half, mean + half
        label: Label = "supported" if high < 0 else "contradicted" if low > 0 else "undecided"
        interval = f"[{100 * low:+.1f}, {100 * high:+.1f}]"
        return Verdict(label, f"gap {100 * mean:+.1f} points {interval} ({counted(pairs)})", ids(pairs), len(groups))

    both = matched(records, runs, first, second)
    pairs = [pair for pair in both if all("held_pgd10" in record.history[-1] for record in pair)]
    return on_each_dataset(pairs, judge)


def learned_value(record: Record, name: str, epoch: int = -1) -> float:
    """The mean over the network of an activation's parameter, such as `alpha`, after an epoch (the last)."""
    row = record.history[epoch]["activations"]
    found = [value for key, values in row.items() if key.rsplit(".", 1)[-1] == name for value in values]
    return float(np.mean(found))


def moved(
    records: Ledger, runs: list[Run], wanted: Wanted, value: Callable[[Record], float], start: float, *, up: bool
) -> Verdict:
    """Did training move the parameter up (or down) from its start? The interval over runs must exclude the start.

    One run alone has no interval, and shows nothing.
    """
    found = [records[run] for run in runs if wanted(run) and run in records and not records[run].collapsed]
    if not found:
        return Verdict("not tested here")
    mean, low, high = over_seeds([value(record) for record in found])
    label: Label = "undecided"
    if low > start or high < start:
        label = "supported" if (low > start) == up else "contradicted"
    interval = f" [{low:.2f}, {high:.2f}]" if len(found) > 1 else ""
    measured = f"from {start:g} to {mean:.2f}{interval} ({len(found)} run{'s' * (len(found) > 1)})"
    return Verdict(label, measured, tuple(record.id for record in found), len(found))


def tuned(records: Ledger, runs: Iterable[Run]) -> list[Run]:
    """Of runs that differ in weight decay, the one that did best under PGD-10 on the held-out images; one a group.

    Runs that nobody has trained with another weight decay are left out: there was nothing to choose from.
    """
    groups: dict[str, list[tuple[float, Run]]] = {}
    for run in runs:
        if run in records and not records[run].collapsed:
            held = max(row.get("held_pgd10", 0.0) for row in records[run].history)
            key = replace(run, schedule=replace(run.schedule, weight_decay=0.0), suite=Suite()).id
            groups.setdefault(key, []).append((held, run))
    choices = [group for group in groups.values() if len({run.schedule.weight_decay for _, run in group}) > 1]
    return [max(group, key=lambda pair: pair[0])[1] for group in choices]


def some(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Of a claim that one of several, named, will do: supported if one is, contradicted if all are; the best is shown.

    One alone does not contradict that another might, and those that are not tested are left out. The parts are to be
    corrected for their number: `times` of `compare`.
    """
    tested = {name: verdict for name, verdict in verdicts.items() if verdict.label != "not tested here"}
    if not tested:
        return Verdict("not tested here")
    labels = {verdict.label for verdict in tested.values()}
    label: Label = "undecided"
    if "supported" in labels:
        label = "supported"
    elif labels == {"contradicted"} and len(tested) == len(verdicts) > 1:
        label = "contradicted"
    best = max(tested, key=lambda name: float(tested[name].measured.split(maxsplit=1)[0]))
    return Verdict.of_parts(label, tested, f"best of {len(tested)}, {best}: {tested[best].measured}")


def every(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Of a claim with several parts, named: supported if all are, contradicted if one is.

    As one is enough to contradict it, the parts are to be corrected for their number, as in `some`.
    """
    labels = {verdict.label for verdict in verdicts.values()}
    if not labels or "not tested here" in labels:
        return Verdict("not tested here")
    label: Label = "contradicted" if "contradicted" in labels else "undecided"
    return Verdict.of_parts("supported" if labels == {"supported"} else label, verdicts)
