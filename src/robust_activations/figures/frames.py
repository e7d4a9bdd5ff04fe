"""Frames for figures of results: narrow panels, rows with labels, percent, and words that stay clear of each other."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from robust_activations.figures import style

WIDTH = 4.6  # inches: shrunk to a phone, letters stay of a readable size
ROW = 0.2  # inches a row of a dot plot takes
LETTERS = 22  # of a label before it goes on in the next line
SHADE, INK, GREY = "#E9E9E9", "#333333", "#8A8A8A"
CROSS: dict[str, Any] = {"marker": "X", "ms": 6, "mfc": "white", "mec": GREY, "mew": 1, "ls": "", "zorder": 4}
HALO = (withStroke(linewidth=2, foreground="white"),)
# Ticks of an axis whose end is so many times its start.
RATIOS = {10: (0.1, 0.3, 1, 3, 10, 30, 100), 2.5: (0.5, 1, 1.5, 2, 3, 4, 6), 0: (0.8, 0.9, 1, 1.1, 1.2, 1.5, 2)}
AROUND = (
    (0.7, 0.7, "left", "bottom"), (0.7, -0.7, "left", "top"), (-0.7, 0.7, "right", "bottom"),
    (-0.7, -0.7, "right", "top"),
    (1, 0, "left", "center"), (-1, 0, "right", "center"), (0, 1, "center", "bottom"), (0, -1, "center", "top"),
)  # fmt: skip


@contextmanager
def stacked(heights: Sequence[float], foot: float, columns: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """Panels of these heights in inches, `columns` side by side and otherwise on top of each other.

    `foot` inches are for what stands below. Without a panel the figure says that nothing is recorded yet.
    """
    tall = [max(heights[i : i + columns]) for i in range(0, len(heights), columns)]
    with style.figure(WIDTH, sum(tall) + foot if tall else 0.6) as figure:
        if not tall:
            figure.add_subplot().axis("off")  # notebooks do not show a figure without axes
            figure.text(0.5, 0.5, "nothing recorded yet", ha="center", va="center", color=GREY)
            yield figure, []
            return
        if engine := figure.get_layout_engine():
            engine.set(h_pad=0.07)  # type: ignore[call-arg]
        axes = figure.subplots(len(tall), columns, squeeze=False, height_ratios=tall).flatten()
        for ax in axes[len(heights) :]:
            ax.axis("off")
        yield figure, list(axes[: len(heights)])


def columns(labels: Sequence[str]) -> int:
    """How many columns of a legend are narrow enough, at most three."""
    for number in (3, 2):
        rows = -(-len(labels) // number) or 1
        widest = [max(map(len, labels[i : i + rows])) for i in range(0, len(labels), rows)]
        if sum(widest) + 7 * len(widest) <= 66:
            return number
    return 1


def legend_height(labels: Sequence[str]) -> float:
    """Inches below the panels."""
    return 0.1 + 0.19 * -(-len(labels) // columns(labels))


def legend(figure: Figure, keys: Sequence[Any], **look: float) -> None:
    """Below all panels; nothing where nothing is recorded yet."""
    if keys and any(ax.axison for ax in figure.axes):
        look = {"columnspacing": 1.2, "handletextpad": 0.5} | look
        number = 2 if len(keys) == 4 else 3
        number = min(number, columns([key.get_label() for key in keys]))
        figure.legend(handles=keys, loc="outside lower center", ncol=number, **look)


def wrapped(label: str) -> str:
    return textwrap.fill(label, LETTERS)


def label_rows(ax: Axes, labels: Sequence[str]) -> None:
    """One label a row, the first on top."""
    ax.set_yticks(range(len(labels)), [wrapped(label) for label in labels])
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)


def row_height(labels: Sequence[str]) -> float:
    """Inches that a row needs for the longest of the labels."""
    return ROW + 0.13 * max((wrapped(label).count("\n") for label in labels), default=0)


def percent(ax: Axes, which: str) -> None:
    """Whole percents, over at least six points, since a smaller difference shall not look large; none above 100."""
    low, high = getattr(ax, f"get_{which}lim")()
    half = min(max(high - low, 0.06), 1.018) / 2
    middle = min(max((low + high) / 2, half - 0.009), 1.009 - half)
    getattr(ax, f"set_{which}lim")(middle - half, middle + half)
    style.percent(ax, which)
    getattr(ax, f"{which}axis").set_major_locator(MaxNLocator("auto", steps=(1, 2, 5, 10)))


def logarithmic(ax: Axes, ticks: Sequence[float], which: str = "x", **look: float) -> None:
    """A logarithmic axis with these ticks alone, as plain numbers."""
    getattr(ax, f"set_{which}scale")("log")
    getattr(ax, f"set_{which}ticks")(ticks, [f"{tick:g}" for tick in ticks], **look)
    getattr(ax, f"set_{which}ticks")([], minor=True)


def ratios(ax: Axes) -> None:
    """To the right a logarithmic axis of ratios, with as many ticks as fit."""
    low, high = ax.get_xlim()
    ticks = next(ticks for least, ticks in RATIOS.items() if high / low >= least)
    logarithmic(ax, [tick for tick in ticks if low <= tick <= high])


def crosses(ax: Axes, x: Sequence[float], y: Sequence[float], words: str) -> None:
    """Hollow crosses, and the words beside the outermost, on the side where there is room: here trainings collapsed.

    Those that would lie outside stand at the edge.
    """
    low, high = ax.get_xlim()
    x = [min(max(one, low + 0.03 * (high - low)), high - 0.03 * (high - low)) for one in x]
    ax.plot(x, y, **CROSS)
    side = 1 if max(x) < sum(ax.get_xlim()) / 2 else -1
    outermost = max(zip(x, y, strict=True), key=lambda point: side * point[0])
    ax.annotate(
        words, outermost, (6 * side, 0), textcoords="offset points", size=8, color=GREY, path_effects=HALO,
        ha="left" if side > 0 else "right", va="center", zorder=4,
    )  # fmt: skip


def accent(name: str) -> dict[str, Any]:
    """An activation's colour and marker where many stand close: its own for those of `style.OWN`, grey for the rest."""
    if name in style.OWN:
        size = 10 if style.marker(name) == "*" else 7  # a star is mostly gaps
        return {"marker": style.marker(name), "color": style.colour(name), "ms": size, "zorder": 4}
    return {"marker": "o", "color": GREY, "ms": 5, "zorder": 3}


def accents(names: Collection[str]) -> list[Line2D]:
    """Their keys, one for all that are grey."""
    looks = {style.title(name): accent(name) for name in style.OWN if name in names}
    for other in set(names) - set(style.OWN):
        looks["others"] = accent(other)
    return [Line2D([], [], ls="", label=label, **look) for label, look in looks.items()]


def beside(ax: Axes, words: str, at: tuple[float, float], colour: str) -> None:
    """Words for a point, which `apart` finds a place for."""
    ax.annotate(
        words, at, (0, 0), textcoords="offset points", size=8.5, color=colour, path_effects=HALO, in_layout=False,
        arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.5}, zorder=5,
    )  # fmt: skip


def settle(figure: Figure) -> None:
    """Finds a place for the words of all panels, once it is known where their points are."""
    figure.draw_without_rendering()
    for ax in figure.axes:
        apart(ax)


def apart(ax: Axes) -> None:
    """Moves the words of a drawn panel to the first place around their points that is inside and free.

    Not free is where another word stands, any marker, or a level line across the panel.
    """
    words = [text for text in ax.texts if isinstance(text, Annotation)]
    reach = 4 * ax.figure.dpi / 72
    marked = [line for line in ax.lines if line.get_marker() not in ("", " ", "None", None)]
    points = [ax.transData.transform(text.xy) for text in words]
    for line in marked:
        points += [*ax.transData.transform(line.get_xydata())]
    taken = [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach) for x, y in points]
    drawn = (line.get_window_extent() for line in ax.lines)
    taken += [box.padded(1) for box in drawn if box.height < 1 and box.width >= ax.bbox.width]
    for text in words:
        for distance, (x, y, ha, va) in product((6, 12, 20, 30, 42), AROUND):
            text.set(position=(distance * x, distance * y), ha=ha, va=va)
            text.get_window_extent()  # which moves the line to the point too
            box = Text.get_window_extent(text)
            inside = Bbox.union([box, ax.bbox]).bounds == ax.bbox.bounds
            if inside and not box.count_overlaps(taken):
                break
        taken.append(box)
