"""SPLASH and ReLU, or any two activations, under many attacks: success rates, distances, and tests.

Tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from robust_activations.figures import style
from robust_activations.figures.comparisons import corrected, paired
from robust_activations.figures.frames import INK, label_rows, legend, percent, stacked
from robust_activations.figures.prose import NBSP, NOTHING, interval, table
from robust_activations.figures.results import SEED
from robust_activations.figures.rows import Interval, Row, setting
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.stats import Paired, over_seeds

# Attacks that count the images which they flip, and those that measure how far they had to go.
COUNTED, MEASURED = ("fgsm", "pgd50", "one_pixel"), ("cw", "boundary")
NAMES = {
    "fgsm": "FGSM",
    "pgd50": "PGD-50",
    "one_pixel": "One pixel",
    "cw": "Carlini and Wagner",
    "boundary": "Boundary",
    "autoattack": "AutoAttack",
}
MARKS: dict[str, dict[str, Any]] = {"old": {"marker": "o", "mfc": "white"}, "new": {"marker": "s"}}


@dataclass(frozen=True)
class Duel:
    """Records of two activations that agree in all else, seed by seed; `new` is compared with `old`."""

    new: tuple[Record, ...]
    old: tuple[Record, ...]

    @property
    def sides(self) -> dict[str, tuple[Record, ...]]:
        return {"old": self.old, "new": self.new}

    @property
    def titles(self) -> dict[str, str]:
        return {side: style.title(records[0].run.activation) for side, records in self.sides.items()}


def duel(found: Mapping[str, Sequence[Run]], records: Ledger, new: str = "splash", old: str = "relu") -> Duel | None:
    """Of the seeds that both are recorded with, and did not collapse in; None if there is no such seed."""
    by_seed = [{run.seed: records[run] for run in found[name] if run in records} for name in (new, old)]
    pairs = [(by_seed[0][seed], by_seed[1][seed]) for seed in by_seed[0] if seed in by_seed[1]]
    pairs = [pair for pair in pairs if not any(record.collapsed for record in pair)]
    if not pairs:
        return None
    ours, theirs = zip(*pairs, strict=True)
    return Duel(ours, theirs)


# ---- success rates and distances --------------------------------------------------------------------------------


def flipped(record: Record, attack: str, of: int | None = None) -> tuple[int, int]:
    """How many images the attack flips, of the first `of` that it saw, and how many of these were right before."""
    right = record.best.outcomes[attack].right[:of]
    clean = record.best.outcomes["clean"].right[: len(right)]
    return int((clean & ~right).sum()), int(clean.sum())


def rate(records: Sequence[Record], attack: str) -> Interval | None:
    """The attack's success: the share of rightly classified images that it flips.

    Wilson's interval of one record; of several the mean with its t interval. None without such records.
    """
    counts = [flipped(record, attack) for record in records if attack in record.best.outcomes]
    return Interval.shares([(fooled, right) for fooled, right in counts if right])


def median(record: Record, measure: str, times: int = 1000) -> Interval:
    """The median distance over the images that the network is right on, and its percentile bootstrap interval.

    An image for which nothing was found counts as infinitely far.
    """
    values = record.best.measures[measure].defined.astype(np.float64)
    if not len(values):
        return Interval(np.nan, np.nan, np.nan)
    draws = np.random.default_rng(0).integers(len(values), size=(times, len(values)))
    low, high = np.quantile(medians(values[draws]), (0.025, 0.975), method="nearest")
    return Interval(float(medians(values)), float(low), float(high))


def medians(values: Float[np.ndarray, "*shape n"]) -> Float[np.ndarray, "*shape"]:
    """Along the last axis, without what is not a number; infinity is one."""
    ordered, many = np.sort(values, axis=-1), (~np.isnan(values)).sum(-1, keepdims=True)
    below, above = (np.take_along_axis(ordered, np.maximum(at, 0), -1)[..., 0] for at in ((many - 1) // 2, many // 2))
    return np.where(many[..., 0] > 0, (below + above) / 2, np.nan)


def success_table(one: Duel, attacks: Sequence[str] = (*COUNTED, "autoattack")) -> str:
    """Success rates in percent with Wilson's intervals, a row a seed, and how many images were right before."""

    def cell(record: Record, attack: str) -> str:
        if (at := rate([record], attack)) is None:
            return NOTHING
        return f"{interval(*at)}{NBSP}of{NBSP}{flipped(record, attack)[1]:,}"

    return _by_seed(one, attacks, cell, "success, %")


def median_table(one: Duel, measures: Sequence[str] = MEASURED) -> str:
    """Median distances with bootstrap intervals, a row a seed, and of how many images."""

    def cell(record: Record, measure: str) -> str:
        if measure not in record.best.measures:
            return NOTHING
        n = len(record.best.measures[measure].defined)
        return f"{interval(*median(record, measure), form='.3g', scale=1)}{NBSP}of{NBSP}{n:,}"

    return _by_seed(one, measures, cell, "median ℓ2 distance")


def _by_seed(one: Duel, attacks: Sequence[str], cell: Callable[[Record, str], str], heading: str) -> str:
    rows = []
    for attack in attacks:
        for both in zip(*one.sides.values(), strict=True):
            seed = f", seed{NBSP}{both[0].run.seed}" if len(one.new) > 1 else ""
            rows.append([NAMES[attack] + seed, *(cell(record, attack) for record in both)])
    return table(["Attack", *(f"{title}, {heading}" for title in one.titles.values())], rows)


def rates(panels: Mapping[str, Duel], attacks: Sequence[str] = (*COUNTED, "autoattack")) -> Figure:
    """Success rates with intervals, a row an attack; of several seeds each is a small ring and their mean the mark."""
    with stacked([0.6 + 0.36 * len(attacks)] * len(panels), 0.4) as (figure, axes):
        for ax, (title, one) in zip(axes, panels.items(), strict=True):
            for y, attack in enumerate(attacks):
                for shift, (side, records) in zip((-0.17, 0.17), one.sides.items(), strict=True):
                    _rate(ax, records, attack, y + shift, side)
            label_rows(ax, [NAMES[attack] for attack in attacks])
            percent(ax, "x")
            _title(ax, title, one)
        for ax in axes[-1:]:
            ax.set_xlabel("share of rightly classified images that the attack flips")
        legend(figure, _keys(panels))
    return figure


def _rate(ax: Axes, records: Sequence[Record], attack: str, y: float, side: str) -> None:
    if at := rate(records, attack):
        colour = style.colour(records[0].run.activation)
        ax.plot([at.low, at.high], [y, y], color=colour, lw=1.6, solid_capstyle="round")
        ax.plot(at.value, y, color=colour, ls="", ms=5, mew=1.4, **MARKS[side])
        if len(records) > 1:
            each = [one.value for record in records if (one := rate([record], attack))]
            ax.plot(each, [y] * len(each), **SEED)


def within(panels: Mapping[str, Duel], measures: Sequence[str] = MEASURED) -> Figure:
    """The share of images fooled within a distance, of those that the network is right on; one line a seed.

    A row of panels for each title, a column for each attack. A mark on each line is its median.
    """
    cells = [(title, one, measure) for title, one in panels.items() for measure in measures]
    with stacked([2.2] * len(cells), 0.5, len(measures)) as (figure, axes):
        for ax, (title, one, measure) in zip(axes, cells, strict=True):
            for side, records in one.sides.items():
                for record in records:
                    if measure in record.best.measures:
                        _within(ax, record, measure, side)
            words = [*title.split(", "), NAMES[measure]]
            ax.set_title("\n".join(filter(None, words)), color=INK)
            ax.set(ylim=(0, 1), xlim=(0, None))
            style.percent(ax)
        for ax in axes[-len(measures) :]:
            ax.set_xlabel("ℓ2 distance")
        legend(figure, _keys(panels))
    return figure


def _within(ax: Axes, record: Record, measure: str, side: str) -> None:
    values = np.sort(record.best.measures[measure].defined)
    x = values[np.isfinite(values)]
    y = np.arange(1, len(x) + 1) / max(len(values), 1)
    colour, dash = style.colour(record.run.activation), "-" if side == "old" else "--"
    ax.step([0, *x], [0, *y], where="post", color=colour, ls=dash, lw=1.2)
    if len(values) and np.isfinite(middle := float(medians(values.astype(np.float64)))):
        ax.plot(middle, 0.5, color=colour, ls="", ms=4.5, mew=1.2, zorder=3, **MARKS[side])


def _keys(panels: Mapping[str, Duel]) -> list[Line2D]:
    dashes = {"old": "-", "new": "--"}
    found = {(side, title): one for one in panels.values() for side, title in one.titles.items()}
    return [
        Line2D(
            [], [], color=style.colour(one.sides[side][0].run.activation), label=title, ls=dashes[side], **MARKS[side]
        )
        for (side, title), one in found.items()
    ]


def _title(ax: Axes, title: str, one: Duel) -> None:
    line = setting([*one.old, *one.new], [attack for attack in ("fgsm", "autoattack") if held(one, attack)])
    line = line.split(", ", 1)[-1] if title else line  # which says what data they are
    ax.set_title("\n".join(filter(None, (title, line))), color=INK)


def held(one: Duel, attack: str) -> bool:
    """Whether all of these records have been through the attack."""
    return all(
        attack in record.best.outcomes or attack in record.best.measures
        for side in one.sides.values()
        for record in side
    )


# ---- tests ------------------------------------------------------------------------------------------------------


def compared(one: Duel, attacks: Sequence[str] = tuple(NAMES)) -> dict[str, tuple[Paired, Interval]]:
    """`new` against `old` under each attack that all were given, on the same images; and the difference.

    McNemar's test of who is right; for a distance the sign test of whose is larger, on the images that both are right
    on. Of several seeds an image counts once in p. The interval is that of the mean over seeds, or over the images of a
    single one.
    """
    those = [attack for attack in attacks if held(one, attack)]
    rows = Row("", one.new), Row("", one.old)
    every = {attack: _signs(one, attack) if attack in MEASURED else paired(*rows, attack) for attack in those}
    return {attack: found for attack, found in every.items() if found}


def _signs(one: Duel, measure: str) -> tuple[Paired, Interval] | None:
    """Images of all seeds are counted; in p an image counts once, as in `verdicts.compare_distance`."""
    first, second = (np.stack([record.best.measures[measure].each for record in side]) for side in (one.new, one.old))
    wrong = np.isnan(first) | np.isnan(second)
    each = np.where(wrong, np.nan, 1.0 * (first > second) - (first < second))
    if np.isnan(each).all(1).any():
        return None
    net = np.nansum(each, axis=0)  # of an image: in how many seeds more the new one's distance is the larger
    more, fewer = int((net > 0).sum()), int((net < 0).sum())
    p = float(stats.binomtest(more, more + fewer).pvalue) if more + fewer else 1.0
    total = Paired(int((each > 0).sum()), int((each < 0).sum()), int((~np.isnan(each)).sum()), p)
    if len(each) == 1:
        return total, Interval.of(total)
    return total, Interval(*over_seeds(list(np.nanmean(each, axis=1))))


def compared_table(one: Duel, attacks: Sequence[str] = tuple(NAMES)) -> str:
    """Every test, p also after Holm's correction for all of them; bold: below 0.05, and the interval excludes 0.

    An image is for the one that alone is right on it, or whose distance is the larger.
    """
    rows = []
    for test in corrected((attack, "", both) for attack, both in compared(one, attacks).items()):
        label = f"{NAMES[test.name]}, distance" if test.name in MEASURED else NAMES[test.name]
        difference, first, second, *p = test.cells
        rows.append([label, difference, first, second, f"{test.test.n:,}", *p])
    new, old = one.titles["new"], one.titles["old"]
    return table(
        [
            "Attack", f"For {new} less for {old}, points", f"Images for {new}", f"Images for {old}", "n, all seeds",
            "p", "p, Holm",
        ],
        rows,
    )  # fmt: skip
