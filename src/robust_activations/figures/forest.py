"""Every claim about a difference in accuracy as a dot with its interval, by scale."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from robust_activations.figures import style
from robust_activations.figures.frames import GREY, HALO, INK, SHADE, WIDTH, legend, stacked
from robust_activations.figures.prose import MINUS
from robust_activations.figures.rows import DATA
from robust_activations.studies import Judged, Verdict
from robust_activations.studies.base import Points

EDGE = 15.0  # points: what goes further is cut, with an arrow
LOOKS: dict[str, dict[str, Any]] = {
    "supported": {"marker": "o", "color": style.CLEAN, "mfc": style.CLEAN},
    "supported, one seed": {"marker": "o", "color": style.CLEAN, "mfc": "white"},
    "contradicted": {"marker": "s", "color": style.ATTACKED, "mfc": style.ATTACKED},
    "contradicted, one seed": {"marker": "s", "color": style.ATTACKED, "mfc": "white"},
    "undecided": {"marker": "o", "color": GREY, "mfc": GREY, "ms": 2.5},
}
LINE, ROW, GAP = 0.15, 0.17, 0.1  # inches: a line of a statement, an interval, what stands between two claims
LETTERS = 74  # of a statement in a line
LETTER = 0.05  # inches of one, of what an interval is of
Dot = tuple[str, str, Points]  # of what it is, the verdict, what was measured


def dots(verdict: Verdict, where: str) -> Iterator[Dot]:
    """A verdict's own interval, or those of its parts."""
    for name, part in verdict.parts.items():
        yield from dots(part, f"{where}, {DATA.get(name, name)}")
    if verdict.points and not verdict.parts:
        yield where, verdict.said, verdict.points


def forest(found: Sequence[Judged]) -> Figure:
    """A statement and below it an interval for each scale, and for each part where all of them must say so.

    In colour where the verdict is decided, hollow where it rests on one seed. The upright line is what the interval
    is to lie above: 0, or a margin. Untested claims, and those about other things than accuracy, are left out.
    """
    rows: dict[str, list[Dot]] = {}
    for one in found:
        rows.setdefault(one.claim.statement, []).extend(dots(one.verdict, one.scale))
    blocks = [(textwrap.wrap(statement, LETTERS), own) for statement, own in rows.items() if own]
    height = sum(LINE * len(lines) + ROW * len(own) + GAP for lines, own in blocks)
    with stacked([height + 0.3] if blocks else [], 0.5) as (figure, panels):
        for ax in panels:
            _draw(ax, blocks, height)
            there = {said for _, own in blocks for _, said, _ in own}
            keys = [Line2D([], [], lw=1.2, label=name, **{"ms": 5} | LOOKS[name]) for name in LOOKS if name in there]
            legend(figure, keys, fontsize=8.5)
    return figure


def _draw(ax: Axes, blocks: Sequence[tuple[list[str], list[Dot]]], height: float) -> None:
    """Downwards in inches; on the left is room for what the intervals are of."""
    ends = [end for _, own in blocks for *_, at in own for end in (at.value, at.low, at.high) if np.isfinite(end)]
    low, high = max(-EDGE, min(-1.0, *ends)) * 1.03, min(EDGE, max(1.0, *ends)) * 1.03
    room = LETTER * max(len(where) for _, own in blocks for where, *_ in own) / (WIDTH - 0.2)
    ax.set(ylim=(height, 0), xlim=(low - (high - low) * room / (1 - room), high), yticks=[])
    ax.set_xticks([tick for tick in MaxNLocator(7, steps=(1, 2, 5, 10)).tick_values(low, high) if low <= tick <= high])
    ax.set_xlabel("difference in accuracy, points", size=9)
    ax.tick_params(labelsize=9)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    place = 0.0
    for number, (lines, own) in enumerate(blocks):
        middle = place + GAP / 2 + LINE * len(lines)
        end = middle + ROW * len(own) + GAP / 2
        if number % 2 == 0:
            ax.axhspan(place, end, color=SHADE, alpha=0.45, lw=0, zorder=0)
        words: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "size": 7.5, "path_effects": HALO}
        ax.text(0.01, place + GAP / 2, "\n".join(lines), va="top", color=INK, **words)
        for row, (where, said, at) in enumerate(own):
            y = middle + ROW * (row + 0.5)
            ax.text(0.01, y, where, va="center", color=INK, alpha=0.8, **words)
            _interval(ax, at, y, (low, high), LOOKS[said])
        place = end


def _interval(ax: Axes, at: Points, y: float, reach: tuple[float, float], look: dict[str, Any]) -> None:
    ax.plot([at.limit] * 2, [y - 0.4 * ROW, y + 0.4 * ROW], color=INK, lw=1, zorder=1)
    if at.high < reach[0] or at.low > reach[1]:  # all of it is cut off: where it lies stands beside an arrow
        left, value = at.high < reach[0], f"{at.value:+.1f}".translate(MINUS)
        text, side = (f"◂ {value}", "left") if left else (f"{value} ▸", "right")
        look = {"color": look["color"], "size": 7.5, "path_effects": HALO}
        ax.annotate(text, (reach[0] if left else reach[1], y), (4 if left else -4, 0), ha=side, va="center",
                    textcoords="offset points", **look)  # fmt: skip
        return
    ends = np.clip([at.low, at.high], *reach)
    ax.plot(ends, [y, y], color=look["color"], lw=1.2, zorder=2)
    for end, own, arrow in zip(ends, (at.low, at.high), "<>", strict=True):
        if end != own:
            ax.plot(end, y, marker=arrow, color=look["color"], ms=4, clip_on=False, zorder=2)
    if reach[0] <= at.value <= reach[1]:
        ax.plot(at.value, y, zorder=3, **{"ms": 5} | look)
