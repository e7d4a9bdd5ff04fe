"""Verdicts on more than accuracy under attack: measures, generalisation gaps, learned parameters, and combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from robust_activations.evaluation import Suite
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.stats import over_images, over_seeds
from robust_activations.studies.base import (
    UNTESTED,
    Label,
    Verdict,
    Wanted,
    agreed,
    decided,
    matched,
    on_each_dataset,
)
from robust_activations.studies.pairs import (
    Pairs,
    counted,
    grouped,
    ids,
    over_groups,
    seeds_of,
    setting_of,
    weights,
)

MANY = 4  # parts that a sentence can still hold


def compare_measure(
    records: Ledger,
    runs: Sequence[Run],
    first: Wanted,
    second: Wanted,
    measure: str,
    *,
    times: int = 1,
) -> Verdict:
    """Is the mean of a measure (`radius`, `lipschitz`) larger for `first`? On the images that both are right on.

    Supported or contradicted needs a paired t test below 0.05 with an image as the unit (`stats.over_images`) and,
    with two or more independent groups of pairs, an interval over groups that excludes 0. p is multiplied by `times`,
    as in `compare`.
    """

    def judge(pairs: Pairs) -> Verdict:
        each = [_difference(a, b, measure, np.subtract) for a, b in pairs]
        if min((~np.isnan(own)).sum() for own in each) < 2:
            return Verdict(UNTESTED)
        p = min(1.0, times * over_images(each, weights(pairs)).p)
        mean, low, high = over_groups(pairs, [float(np.nanmean(own)) for own in each])
        label, why = decided(p, mean, (low, high) if np.isfinite(low) else None, grouped(pairs))
        images, corrected = _seen(each), f"(corrected for {times}) " if times > 1 else ""
        shown = f"{255 * mean:+.3g}/255" if measure == "radius" else f"{mean:+.3g}"
        measured = f"mean {measure} {shown}; over images p = {p:.2g} {corrected}({counted(pairs)}, {images} images)"
        return Verdict(label, measured, ids(pairs), why, seeds_of(pairs))

    return on_each_dataset(_measured(records, runs, first, second, measure), judge)


def _difference(a: Record, b: Record, measure: str, of: Callable[..., np.ndarray]) -> np.ndarray:
    """Of the measure on the first images that both have been measured on; NaN where one is wrong."""
    one, other = (record.best.measures[measure].each.astype(np.float64) for record in (a, b))
    n = min(len(one), len(other))
    wrong = np.isnan(one[:n]) | np.isnan(other[:n])
    with np.errstate(invalid="ignore"):  # infinite distances
        return np.where(wrong, np.nan, of(one[:n], other[:n]))


def _seen(each: Sequence[np.ndarray]) -> int:
    """On how many images any of the pairs has been measured."""
    return int((~np.isnan(_stacked(each))).any(0).sum())


def _stacked(each: Sequence[np.ndarray]) -> np.ndarray:
    n = max(map(len, each))
    return np.stack([np.pad(own, (0, n - len(own)), constant_values=np.nan) for own in each])


def _measured(records: Ledger, runs: Sequence[Run], first: Wanted, second: Wanted, measure: str) -> Pairs:
    return matched(records, runs, first, second, holds=lambda record: measure in record.best.measures)


def compare_distance(records: Ledger, runs: Sequence[Run], first: Wanted, second: Wanted, measure: str) -> Verdict:
    """Are the distances `cw` or `boundary` larger for `first`? On the images that both are right on, image by image.

    Of each image counts in more of the pairs which distance is larger, for some are infinite. Supported or contradicted
    needs a sign test over the images below 0.05 and, with two or more independent groups of pairs, an interval over
    groups of the share that is larger, less the share that is smaller, that excludes 0.
    """

    def judge(pairs: Pairs) -> Verdict:
        each = [_difference(a, b, measure, lambda one, other: 1.0 * (one > other) - (one < other)) for a, b in pairs]
        by_image = np.nansum(_stacked(each), axis=0)
        larger, smaller = int((by_image > 0).sum()), int((by_image < 0).sum())
        if not larger + smaller or any(np.isnan(own).all() for own in each):
            return Verdict(UNTESTED)
        p = float(stats.binomtest(larger, larger + smaller).pvalue)
        _, low, high = over_groups(pairs, [float(np.nanmean(own)) for own in each])
        interval = (low, high) if np.isfinite(low) else None
        label, why = decided(p, larger - smaller, interval, grouped(pairs))
        one, other = (median_distance([pair[i] for pair in pairs], measure) for i in (0, 1))
        share = 100 * larger / (larger + smaller)
        measured = (
            f"median {measure} distance {one:.3g} against {other:.3g}, larger on {share:.0f} % of "
            f"{larger + smaller} images; sign test p = {p:.2g} ({counted(pairs)})"
        )
        return Verdict(label, measured, ids(pairs), why, seeds_of(pairs))

    return on_each_dataset(_measured(records, runs, first, second, measure), judge)


def median_distance(records: Iterable[Record], measure: str) -> float:
    """Over all images that the networks are right on; one that nothing was found for counts as infinitely far."""
    return float(np.nanmedian(np.concatenate([record.best.measures[measure].each for record in records])))


def robust_gap(record: Record) -> tuple[float, float]:
    """Accuracy on attacked training images less that under PGD-10 on held-out ones, last epoch; its standard error."""
    last, n = record.history[-1], record.run.held_out
    held = last["held_pgd10"]
    return last["train_accuracy"] - held, (held * (1 - held) / n) ** 0.5


def compare_gap(records: Ledger, runs: Sequence[Run], first: Wanted, second: Wanted) -> Verdict:
    """Is the robust generalisation gap of `first` smaller? The 95 % intervals of the difference must exclude 0.

    Over independent groups of pairs, where there are two or more, and from the number of held-out images: these are the
    same for all, and a record does not tell which it had right, so that pairs do not make it any smaller. And there
    must be a gap: where the other does no worse on held-out images, none is seen that could be smaller.
    """

    def judge(pairs: Pairs) -> Verdict:
        mean, low, high = over_groups(pairs, [robust_gap(a)[0] - robust_gap(b)[0] for a, b in pairs])
        share = weights(pairs)
        errors = [np.hypot(robust_gap(a)[1], robust_gap(b)[1]) for a, b in pairs]
        half, several = 1.959964 * float(np.dot(share, errors)), np.isfinite(low)
        low, high = (min(low, mean - half), max(high, mean + half)) if several else (mean - half, mean + half)
        other = float(np.dot(share, [robust_gap(b)[0] for _, b in pairs]))
        label: Label = "undecided"
        sides = "excludes" if low > 0 or high < 0 else "includes"
        why = f"the interval {sides} 0" + (", against the claim" if low > 0 else "")
        if other <= 0:
            why = "no gap is seen: PGD-10 leaves no less on held-out images than the training's own attack in training"
        elif sides == "excludes":
            label = "supported" if high < 0 else "contradicted"
        interval = f"[{100 * low:+.1f}, {100 * high:+.1f}]"
        measured = f"gap {100 * mean:+.1f} points {interval} from {100 * other:+.1f} ({counted(pairs)})"
        return Verdict(label, measured, ids(pairs), why, seeds_of(pairs))

    pairs = matched(records, runs, first, second, holds=lambda record: "held_pgd10" in record.history[-1])
    return on_each_dataset(pairs, judge)


def learned_value(record: Record, name: str, epoch: int = -1) -> float:
    """The mean over the network of an activation's parameter, such as `alpha`, after an epoch (the last)."""
    row = record.history[epoch]["activations"]
    found = [value for key, values in row.items() if key.rsplit(".", 1)[-1] == name for value in values]
    return float(np.mean(found))


def moved(
    records: Ledger, runs: Sequence[Run], wanted: Wanted, value: Callable[[Record], float], start: float, *, up: bool
) -> Verdict:
    """Did training move the parameter up (or down) from its start? The interval over seeds must exclude the start.

    Of each dataset, those of the runs that differ in the seed alone, where most do; of as many, the first. A run alone
    has no interval, and shows nothing.
    """
    settings: dict[tuple[str, str], list[Record]] = {}
    for record in (records[run] for run in runs if wanted(run) and run in records):
        if not record.collapsed:
            settings.setdefault((record.run.dataset, setting_of(record)), []).append(record)
    most: dict[str, list[Record]] = {}
    for (dataset, _), found in settings.items():
        most[dataset] = max(most.get(dataset, []), found, key=len)

    def judge(found: Sequence[Record]) -> Verdict:
        mean, low, high = over_seeds([value(record) for record in found])
        label: Label = "undecided"
        why = "the interval includes the start" if len(found) > 1 else "a single run has no interval"
        if low > start or high < start:
            label = "supported" if (low > start) == up else "contradicted"
            why = "the interval excludes the start" + ("" if label == "supported" else ", against the claim")
        interval = f" [{low:.2f}, {high:.2f}]" if len(found) > 1 else ""
        seeds = len({record.run.seed for record in found})
        measured = f"from {start:g} to {mean:.2f}{interval} ({seeds} seed{'s' * (seeds > 1)})"
        return Verdict(label, measured, tuple(record.id for record in found), why, seeds)

    return agreed({dataset: judge(found) for dataset, found in most.items()})


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
    tested = {name: verdict for name, verdict in verdicts.items() if verdict.tested}
    if not tested:
        return Verdict(UNTESTED)
    labels = {verdict.label for verdict in tested.values()}
    label: Label = "undecided"
    if "supported" in labels:
        label = "supported"
    elif labels == {"contradicted"} and len(tested) == len(verdicts) > 1:
        label = "contradicted"
    best = max(_deciding(label, tested), key=lambda name: (_somewhere(tested[name]), _lead(tested[name])))
    verdict = Verdict.of_parts(label, tested, best, one_will_do=label == "supported")
    if label == "undecided" and tested[best].label == "contradicted":
        rest = "no other was tried" if len(tested) == 1 else "not for every one that was tried"
        return replace(verdict, why=f"{verdict.why}, but {rest}")
    return verdict


def _deciding(label: Label, verdicts: Mapping[str, Verdict]) -> list[str]:
    """The names of those that say what all of them come to; all names, if none does."""
    return [name for name, verdict in verdicts.items() if verdict.label == label] or [*verdicts]


def _somewhere(verdict: Verdict) -> bool:
    """Supported on one of its datasets, if not on all."""
    return any(part.label == "supported" for part in verdict.parts.values())


def _lead(verdict: Verdict) -> float:
    """By how much; of several datasets the least."""
    own = [verdict.points.value] if verdict.points else [_lead(part) for part in verdict.parts.values()]
    return min(own, default=-np.inf)


def every(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Of a claim with several parts, named: supported if all are, contradicted if one is; of many the worst is shown.

    As one is enough to contradict it, the parts are to be corrected for their number, as in `some`.
    """
    labels = {verdict.label for verdict in verdicts.values()}
    if not labels or UNTESTED in labels:
        return Verdict(UNTESTED)
    label: Label = "contradicted" if "contradicted" in labels else "undecided"
    label = "supported" if labels == {"supported"} else label
    worst = min(_deciding(label, verdicts), key=lambda name: _lead(verdicts[name])) if len(verdicts) > MANY else None
    return Verdict.of_parts(label, verdicts, worst, extreme="worst", one_will_do=label == "contradicted")
