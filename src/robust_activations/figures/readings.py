"""What "up to so many percent more robust" can mean, and how much of it chance alone gives.

Tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from robust_activations.figures import frames, style
from robust_activations.figures.distances import COUNTED, MEASURED, NAMES, Duel, held, medians
from robust_activations.figures.frames import INK, label_rows, legend, stacked
from robust_activations.figures.prose import MINUS, NBSP, NOTHING, p_value, table
from robust_activations.figures.rows import Interval
from robust_activations.ledger import Record

# What a share of "more robust" can be a share of.
KINDS = {
    "points": "more accurate under attack, in points",
    "accuracy": "more accurate under attack, relative",
    "success": "fewer attacks succeed, relative",
    "distance": "greater median distance, relative",
}


@dataclass(frozen=True)
class Reading:
    """By how much `new` is more robust under an attack, in one of the `KINDS`, with a 95 % interval over the images."""

    kind: str
    attack: str
    at: Interval


@dataclass(frozen=True)
class Maximum:
    """The greatest of all readings of a kind, where it was found, and the greatest that chance gave, each time."""

    value: float
    where: str
    chance: Float[np.ndarray, " times"]

    @property
    def p(self) -> float:
        """The share of times that chance alone gave as much, what was seen counted as one of them."""
        return float((1 + (self.chance >= self.value - 1e-12).sum()) / (1 + len(self.chance)))


Images = Float[np.ndarray, "seeds features *times n"]


def readings(one: Duel, attacks: Sequence[str] = (*COUNTED, *MEASURED)) -> list[Reading]:
    """All readings, seeds together; the interval is a percentile bootstrap over the images, which all share."""
    out = []
    for attack in (attack for attack in attacks if held(one, attack)):
        old, new = _images(one, attack)
        draws = np.random.default_rng(0)
        n, times = old.shape[-1], _times([one])
        drawn = [draws.integers(n, size=(some, n)) for some in _parts(times)]
        found = [_changes(old[..., index], new[..., index], attack) for index in drawn]
        for kind, value in _changes(old, new, attack).items():
            every = np.concatenate([part[kind] for part in found])
            every = every[~np.isnan(every)]
            ends = np.quantile(every, (0.025, 0.975), method="nearest") if len(every) else (np.nan, np.nan)
            out.append(Reading(kind, attack, Interval(float(value), *map(float, ends))))
    return out


def maxima(duels: Mapping[str, Duel], attacks: Sequence[str] = (*COUNTED, *MEASURED)) -> dict[str, Maximum]:
    """The "up to" of each kind over all places and attacks, and what it is if the two activations were the same.

    Then, of each image, it is a matter of chance which of two networks is which: for all attacks on an image together,
    a coin says whether its results are exchanged. Luck that a whole network has is not in it.
    """
    found: dict[str, list[tuple[float, str, np.ndarray]]] = {}
    times = _times(duels.values())
    for number, (place, one) in enumerate(duels.items()):
        for attack in (attack for attack in attacks if held(one, attack)):
            old, new = _images(one, attack)
            first, second = old[:, :, None], new[:, :, None]
            parts = [
                _changes(np.where(swap, second, first), np.where(swap, first, second), attack)
                for swap in _coins(one, old.shape[-1], times, number)
            ]
            for kind, value in _changes(old, new, attack).items():
                where = ", ".join(filter(None, (place, NAMES[attack])))
                row = (float(value), where, np.concatenate([part[kind] for part in parts]))
                found.setdefault(kind, []).append(row)
    out = {}
    for kind, rows in found.items():
        defined = [row for row in rows if not np.isnan(row[0])]
        if defined:
            greatest, where, _ = max(defined, key=lambda row: row[0])
            out[kind] = Maximum(greatest, where, np.fmax.reduce([row[2] for row in rows]))
    return out


def _coins(one: Duel, n: int, times: int, number: int) -> Iterator[Bool[np.ndarray, "1 1 times n"]]:
    """The same coins for all attacks on these networks, of every seed: an image is the same in all."""
    draws, every = np.random.default_rng(number), max(outcome.n for outcome in one.old[0].best.outcomes.values())
    for some in _parts(times):
        yield (draws.random((1, 1, some, every)) < 0.5)[..., :n]


def _times(duels: Iterable[Duel]) -> int:
    """How often to draw: less where there are very many images."""
    most = max((len(one.old) * one.old[0].best.outcomes["clean"].n for one in duels), default=0)
    return 1000 if most < 5000 else 200


def _parts(times: int) -> list[int]:
    return [50] * (times // 50)


def _images(one: Duel, attack: str) -> tuple[Images, Images]:
    """Of each seed and image: 1, right before, right after; or the distance. Old, then new."""

    def features(record: Record) -> np.ndarray:
        if attack in MEASURED:
            return record.best.measures[attack].each[None].astype(np.float64)
        right = record.best.outcomes[attack].right
        return np.stack([np.ones(len(right)), record.best.outcomes["clean"].right[: len(right)], right])

    old, new = (np.stack([features(record) for record in side]) for side in one.sides.values())
    return old, new


def _changes(old: Images, new: Images, attack: str) -> dict[str, Float[np.ndarray, "*times"]]:
    """By how much new is more robust than old, by kind; seeds and images together. NaN where it is not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if attack in MEASURED:
            before, after = (medians(np.concatenate(list(side[:, 0]), axis=-1)) for side in (old, new))
            return {"distance": after / before - 1}
        (n, clean_old, old_right), (_, clean_new, new_right) = (side.sum((0, -1)) for side in (old, new))
        return {
            "points": (new_right - old_right) / n,
            "accuracy": new_right / old_right - 1,
            "success": 1 - (1 - new_right / clean_new) / (1 - old_right / clean_old),
        }


def worded(kind: str, value: float) -> str:
    """`+12.0 %`, or points, with a true minus; `∞` for what has no bound, and a dash for what is not defined."""
    if np.isnan(value):
        return NOTHING
    unit = "points" if kind == "points" else "%"
    return f"{100 * value + 0.0:+.1f}{NBSP}{unit}".replace("inf", "∞").translate(MINUS)


def maxima_table(found: Mapping[str, Maximum]) -> str:
    """Ours, where it was found, what chance alone gives in the middle and at the upper end, and how often as much."""
    rows = []
    for kind in (kind for kind in KINDS if kind in found):
        one = found[kind]
        middle, high = np.nanquantile(one.chance, (0.5, 0.95), method="nearest")
        value, usual, rare = (worded(kind, number) for number in (one.value, middle, high))
        rows.append([KINDS[kind], value, one.where, usual, rare, p_value(one.p)])
    return table(["Up to so much", "Here", "Found with", "Chance: median", "Chance: 95th percentile", "p"], rows)


def meanings(panels: Mapping[str, Sequence[Reading]]) -> Figure:
    """A panel for each kind of reading and a row for each attack; a marker for each title, if there are several."""
    markers = dict(zip(panels, itertools.cycle(style.MARKERS), strict=False))
    kinds = [kind for kind in KINDS if any(one.kind == kind for found in panels.values() for one in found)]
    of = {kind: list(dict.fromkeys(r.attack for rs in panels.values() for r in rs if r.kind == kind)) for kind in kinds}
    room = 0.16 + 0.12 * len(panels)
    heights = [0.55 + room * len(of[kind]) for kind in kinds]
    several = len(panels) > 1
    with stacked(heights, frames.legend_height([*panels]) if several else 0.0) as (figure, axes):
        for ax, kind in zip(axes, kinds, strict=True):
            for place, (title, found) in enumerate(panels.items()):
                shift = 0.7 * ((place + 0.5) / len(panels) - 0.5)
                for one in (one for one in found if one.kind == kind and np.isfinite(one.at.value)):
                    y = of[kind].index(one.attack) + shift
                    if np.isfinite(one.at).all():
                        ax.plot([one.at.low, one.at.high], [y, y], color=INK, lw=1.2)
                    ax.plot(one.at.value, y, markers[title], color=INK, ms=4.5, mfc="white")
            ax.axvline(0, color=INK, lw=1, zorder=1)
            label_rows(ax, [NAMES[attack] for attack in of[kind]])
            _axis(ax, kind)
            ax.set_title(KINDS[kind], color=INK)
        if several:
            legend(figure, [Line2D([], [], ls="", marker=markers[t], color=INK, mfc="white", label=t) for t in panels])
    return figure


def by_chance(found: Mapping[str, Maximum]) -> Figure:
    """Histograms of the greatest reading that chance gives, a panel a kind; a line marks the one that was measured."""
    kinds = [kind for kind in KINDS if kind in found]
    with stacked([1.7] * len(kinds), 0.3, 2) as (figure, axes):
        for ax, kind in zip(axes, kinds, strict=True):
            one = found[kind]
            ax.hist(one.chance[np.isfinite(one.chance)], bins=24, color=frames.GREY, alpha=0.55, lw=0)
            if np.isfinite(one.value):
                ax.axvline(one.value, color=INK, lw=1.6)
            ax.set_title(KINDS[kind].replace(", ", ",\n"), color=INK)
            ax.set_yticks([])
            _axis(ax, kind)
        measured = Line2D([], [], color=INK, lw=1.6, label="measured")
        chance = Line2D([], [], color=frames.GREY, lw=6, alpha=0.55, label="by chance alone")
        legend(figure, [measured, chance])
    return figure


def _axis(ax: Axes, kind: str) -> None:
    """Percent, or the bare number of points; as many digits as a tick has."""
    unit = "" if kind == "points" else "%"
    ax.xaxis.set_major_formatter(lambda x, _: f"{round(100 * x, 6) + 0.0:g}{unit}".translate(MINUS))
    ax.xaxis.set_major_locator(MaxNLocator(5))
