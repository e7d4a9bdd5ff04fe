"""Figures of the protocol: rankings, differences, seeds, what was learned and what it cost. Narrow, for phones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from robust_activations.figures import frames, results, standings, style
from robust_activations.figures.frames import INK, ROW, SHADE, WIDTH, label_rows
from robust_activations.figures.histories import SYMBOLS, kind, tracks
from robust_activations.figures.rows import Row, data_title
from robust_activations.figures.standings import Standings
from robust_activations.ledger import Record
from robust_activations.studies import protocol

MOVED = style.PALETTE[1:4]  # those that move most between two scales


def _figure(height: float, panels: int = 1) -> AbstractContextManager[Figure]:
    """Scales stand side by side."""
    return style.figure(min(style.WIDTH, WIDTH + 1.6 * (panels - 1)), height)


def _rows(ax: Axes, names: Sequence[str]) -> None:
    """One activation a row, the first on top."""
    label_rows(ax, [style.title(name) for name in names])


def _title(ax: Axes, one: Standings, panels: int) -> None:
    ax.set_title(f"scale {one.scale}\n{one.title(chr(10))}" if panels > 1 else one.title(), color=INK)


def ranking(*scales: Standings) -> Figure:
    """Accuracy under PGD-50 of every activation with Wilson intervals, best first; `tradeoff` has the clean one beside.

    ReLU's interval is shaded. Collapsed runs are left out. Scales side by side have the order of the first.
    """
    panels = {
        f"scale {one.scale}" if len(scales) > 1 else "": [Row(style.title(r.run.activation), r) for r in one.ranked]
        for one in scales
    }
    figure = results.dots(panels, ("pgd50",), baseline=style.title("relu"))
    for ax in figure.axes:
        ax.set_xlabel("accuracy")
    return figure


def tradeoff(*scales: Standings) -> Figure:
    """Clean against PGD-50 accuracy; the grey box is ReLU's two intervals.

    What stands outside of the box has its intervals, and its name if it shares a marker. Inside, intervals are as wide
    as the box.
    """
    names = {record.run.activation for one in scales for record in one.ranked}
    keys = frames.accents(names)
    foot = frames.legend_height([f"{key.get_label()}" for key in keys])
    with frames.stacked([3.7] * len(scales), foot) as (figure, axes):
        for ax, one in zip(axes, scales, strict=True):
            box = None
            if relu := one.of("relu").get(0):
                sides = (relu.best.outcomes[attack].interval for attack in ("clean", "pgd50"))
                box = Bbox(list(zip(*sides, strict=True)))
                ax.add_patch(Rectangle(box.p0, box.width, box.height, color=SHADE, lw=0, zorder=0))
            for record in one.ranked:
                name, outcomes = record.run.activation, record.best.outcomes
                x, y = outcomes["clean"], outcomes["pgd50"]
                look = frames.accent(name)
                ax.plot(x.accuracy, y.accuracy, ls="", mec="white", mew=0.6, **look)
                if not (box and box.contains(x.accuracy, y.accuracy)):
                    for xs, ys in ((x.interval, [y.accuracy] * 2), ([x.accuracy] * 2, y.interval)):
                        ax.plot(xs, ys, color=look["color"], lw=0.7, alpha=0.5, zorder=1)
                    if name not in style.OWN:
                        frames.beside(ax, style.title(name), (x.accuracy, y.accuracy), INK)
            frames.percent(ax, "x")
            frames.percent(ax, "y")
            ax.set_title(f"scale {one.scale}: {one.title()}" if len(scales) > 1 else one.title(), color=INK)
            ax.set(xlabel="clean accuracy", ylabel="accuracy under PGD-50")
        frames.legend(figure, keys)
        frames.settle(figure)
    return figure


def differences(*scales: Standings) -> Figure:
    """The core's paired difference to ReLU under PGD-50: every seed, their mean, and its t interval."""
    scales = tuple(one for one in scales if len(one.core) > 1)  # somebody beside ReLU
    names = [name for name in protocol.CORE if name != "relu" and any(name in one.core for one in scales)]
    with _figure(1.2 + 0.36 * len(names), len(scales)) as figure:
        for ax, one in zip(figure.subplots(1, len(scales), sharey=True, squeeze=False)[0], scales, strict=True):
            ax.axvline(0, color="black", lw=1.2)
            for y, name in enumerate(names):
                if name in one.core:
                    values, (mean, low, high) = standings.over(one, name)
                    ax.plot([100 * low, 100 * high], [y, y], color=style.colour(name), lw=2.4)
                    ax.plot(100 * mean, y, "|", color=style.colour(name), ms=14, mew=2.6)
                    dots = 100 * np.array([*values.values()])
                    apart = y + np.linspace(-0.2, 0.2, len(dots))  # seeds may coincide
                    ax.plot(dots, apart, "o", ms=4, mfc="white", mec=INK, mew=1, zorder=3)
            _rows(ax, names)
            ax.set_xlabel("points above ReLU")
            _title(ax, one, len(scales))
    return figure


def redraws(one: Standings) -> Figure:
    """Ranks of all activations when the test images are drawn anew: median and central 95 %."""
    names = [record.run.activation for record in one.ranked]
    quantiles = np.quantile(standings.redrawn(one), (0.025, 0.5, 0.975), axis=0).T
    with _figure(1.0 + ROW * len(names)) as figure:
        ax = figure.subplots()
        for y, (name, (low, middle, high)) in enumerate(zip(names, quantiles, strict=True)):
            ax.plot([low, high], [y, y], color=style.colour(name), lw=3, solid_capstyle="round")
            ax.plot(middle, y, "o", color=style.colour(name), ms=6, mec="white", mew=1)
        _rows(ax, names)
        ax.set(xlim=(0, len(names) + 1), xlabel="rank under PGD-50", title=one.title())
    return figure


def places(one: Standings) -> Figure:
    """The core's ranks under PGD-50, seed by seed."""
    ranks = standings.ranks(one)
    with _figure(1.0 + 0.28 * len(ranks)) as figure:
        ax = figure.subplots()
        for name, row in ranks.items():
            ax.plot(row, marker=style.marker(name), color=style.colour(name), ls="-", ms=7)
        ax.set_yticks(*zip(*_ends(ranks, 0), strict=True))
        for place, text in _ends(ranks, -1):
            ax.text(len(one.seeds) - 0.9, place, text, va="center", color=INK)
        ax.set(xlim=(-0.15, len(one.seeds) - 0.1), ylim=(len(ranks) + 0.5, 0.5), title=one.title())
        ax.set_xticks(range(len(one.seeds)), [f"seed {seed}" for seed in one.seeds])
        ax.grid(axis="x", visible=False)
    return figure


def _ends(ranks: Mapping[str, Sequence[float]], at: int) -> list[tuple[float, str]]:
    """The ranks on one side with the names that hold them, one a line: as many lines as they hold ranks."""
    held = sorted({row[at] for row in ranks.values()})
    return [(rank, "\n".join(style.title(name) for name in ranks if ranks[name][at] == rank)) for rank in held]


def across(one: Standings, other: Standings) -> Figure:
    """Ranks under PGD-50 at two scales, of the activations that both rank; in colour those that move most."""
    ranks, _ = standings.across(one, other)
    moved = standings.movers(ranks)
    with _figure(1.0 + ROW * len(ranks)) as figure:
        ax = figure.subplots()
        for name, row in ranks.items():
            colour = MOVED[moved.index(name)] if name in moved else frames.GREY
            look: dict[str, Any] = {"lw": 2.2, "zorder": 3} if name in moved else {"lw": 1.0, "alpha": 0.55}
            ax.plot(row, marker="o", ms=4, color=colour, **look)
        for at, (x, ha) in enumerate(((-0.05, "right"), (1.05, "left"))):
            for place, text in _ends(ranks, at):
                ax.text(x, place, text, ha=ha, va="center", size=8.5, color=INK)
        ax.set(xlim=(-0.75, 1.75), ylim=(len(ranks) + 0.6, 0.4), yticks=[])
        ax.set_xticks([0, 1], [_place(scale) for scale in (one, other)])
        ax.grid(visible=False)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
    return figure


def _place(one: Standings) -> str:
    return f"{data_title(one.records[0].run)}\n(scale {one.scale})"


def learned(records: Mapping[str, Record]) -> Figure:
    """The activations' parameters after every epoch, epoch 0 being the start; one panel an activation.

    A full line and a dashed one tell two kinds of parameters apart. Of sets with more than 16 numbers, the mean.
    """
    columns = 2
    rows = -(-len(records) // columns)
    with _figure(0.3 + 1.5 * rows) as figure:
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False).flatten()
        for ax, (name, record) in zip(axes, records.items(), strict=False):
            paths = tracks(record)
            kinds = list(dict.fromkeys(map(kind, paths)))
            for key, path in paths.items():
                look = {"ls": ("-", (0, (3, 1.5)))[kinds.index(kind(key)) % 2], "lw": 1.8 if len(paths) < 3 else 1.1}
                ax.plot(path, color=style.colour(name), **look)
            ax.set_title(f"{style.title(name)}: {', '.join(SYMBOLS.get(one, one) for one in kinds)}")
            ax.margins(y=0.15)
            ax.ticklabel_format(useOffset=False)
            low, high = ax.get_ylim()
            if high - low < abs(high + low) / 20:  # hardly moved: let it look like that
                ax.set_ylim(0.95 * (low + high) / 2, 1.05 * (low + high) / 2)
        for ax in axes[len(records) :]:
            ax.axis("off")
        figure.supxlabel("epoch", size=10)
    return figure


def last_and_best(one: Standings) -> Figure:
    """PGD-20 accuracy of the last epoch's network against the best epoch's, every run; on the line they are equal."""
    with _figure(4.2) as figure:
        ax = figure.subplots()
        runs = [record for record in one.records if not record.collapsed]
        pairs = [(r.last.outcomes["pgd20"].accuracy, r.best.outcomes["pgd20"].accuracy) for r in runs]
        ends = min(map(min, pairs)), max(map(max, pairs))
        ax.plot(ends, ends, color="black", lw=1)
        for record, (last, best) in zip(runs, pairs, strict=True):
            name = record.run.activation
            ax.plot(last, best, ls="", mec="white", mew=0.6, **frames.accent(name))
        for axis in ("x", "y"):
            style.percent(ax, axis)
        ax.set(xlabel="PGD-20 accuracy, last epoch", ylabel="PGD-20 accuracy, best epoch", title=one.title())
        ax.set_aspect("equal")
    return figure
