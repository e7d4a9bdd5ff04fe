"""Figures of any records: dots with intervals, sweeps, trade-offs, what was learned, and histories. Narrow, for phones.

A `Row` is a labelled record (or one a seed); the tables of the same rows are in `figures.tables`. Figures take their
panels by title, and those of accuracies add the data, the threat model and the number of images. Every interval is
one of 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from robust_activations.activations import REGISTRY
from robust_activations.figures import frames, style
from robust_activations.figures.frames import INK, SHADE, label_rows, legend, percent, stacked
from robust_activations.figures.histories import curves, trajectories
from robust_activations.figures.rows import Interval, Line, Row, ranked, setting, under
from robust_activations.ledger import Record

__all__ = ["Line", "Row", "curves", "dots", "ranked", "setting", "sweep", "tradeoff", "trajectories", "under", "values"]

MARKERS = {
    **{"clean": "D", "fgsm": "^", "pgd10": "<", "pgd20": "v", "pgd50": "o"},
    **{"pgd50_margin": "P", "pgd200": ">", "one_pixel": "*", "square": "p", "autoattack": "s"},
}
SEED: dict[str, Any] = {"ls": "", "marker": "o", "ms": 2.6, "mfc": "white", "mec": INK, "mew": 0.8, "zorder": 3}


def set_title(ax: Axes, title: str, records: Iterable[Record], attacks: Sequence[str], parts: str = ", ") -> None:
    """The panel's title and its setting, in as many lines as a panel is wide."""
    line = setting(records, attacks, parts)
    line = line.replace(", n = ", "\nn = ") if len(line) > 36 else line
    ax.set_title("\n".join(filter(None, (title, line))), color=INK)


def _records(rows: Iterable[Row]) -> list[Record]:
    return [record for row in rows for record in row.records]


# ---- dots -------------------------------------------------------------------------------------------------------


def dots(
    panels: Mapping[str, Sequence[Row]], attacks: Sequence[str] = ("clean", "pgd50"), baseline: str | None = None
) -> Figure:
    """Accuracies with their intervals, one row a label, in the order given.

    The intervals of the row labelled `baseline` are shaded. Of several seeds, each is a small ring and their mean is
    the dot. Collapsed records are grey crosses, their rows at the end. Panels that share their labels stand in pairs
    side by side.
    """
    panels = {title: [row for row in rows if row.records] for title, rows in panels.items()}
    panels = {title: rows for title, rows in panels.items() if rows}
    every = [row for rows in panels.values() for row in rows]
    longest = {row.label for row in max(panels.values(), key=len, default=[])}
    pairs = len(panels) > 1 and longest >= {row.label for row in every} and max(map(len, longest)) <= frames.LETTERS
    labels = [_labels(every if pairs else rows) for rows in panels.values()]
    attacks = [attack for attack in attacks if any(attack in record.best.outcomes for record in _records(every))]
    room = 0.08 * max(0, len(attacks) - 2) + 0.06 * any(len(row.records) > 1 for row in every)  # for rings
    heights = [0.7 + 0.2 * pairs + (frames.row_height(own) + room) * len(own) for own in labels]
    with stacked(heights, 0.5, 1 + pairs) as (figure, axes):
        for ax, own, (title, rows) in zip(axes, labels, panels.items(), strict=True):
            for row in rows:
                _dots(ax, row, own.index(row.label), attacks, row.label == baseline)
            percent(ax, "x")
            for row in rows:
                fallen, words = _fallen(row, attacks)
                if fallen:
                    frames.crosses(ax, fallen, [own.index(row.label)] * len(fallen), words)
            label_rows(ax, own)
            set_title(ax, title, _records(rows), attacks, "\n" if pairs else ", ")
        for ax in axes[1::2] if pairs else ():
            ax.tick_params(labelleft=False)
        legend(figure, _dot_keys(every, attacks, baseline))
    return figure


def _labels(rows: Sequence[Row]) -> list[str]:
    """Each label once; those under which everything collapsed at the end."""
    standing = {row.label for row in rows if not row.collapsed}
    return sorted(dict.fromkeys(row.label for row in rows), key=lambda label: label not in standing)


def _dots(ax: Axes, row: Row, y: float, attacks: Sequence[str], shaded: bool) -> None:
    attacked = [attack for attack in attacks if attack != "clean"]
    for attack in attacks:
        if at := row.accuracy(attack):
            shift = 0.3 * (attacked.index(attack) - (len(attacked) - 1) / 2) if attack in attacked else 0
            _bar(ax, at, y + shift, row.colour)
            ax.plot(at.value, y + shift, ls="", **_look(attack, row.colour))
            if len(values := row.accuracies(attack)) > 1:
                ax.plot(values, [y + shift] * len(values), **SEED)
            if shaded:
                ax.axvspan(at.low, at.high, color=SHADE, lw=0, zorder=0)


def _bar(ax: Axes, at: Interval, y: float, colour: str) -> None:
    if math.isfinite(at.low) and math.isfinite(at.high):
        ax.plot([at.low, at.high], [y, y], color=colour, lw=1.6, solid_capstyle="round")


def dot(ax: Axes, at: Interval, y: float, colour: str) -> None:
    """A number with its interval, as a row has it."""
    _bar(ax, at, y, colour)
    ax.plot(at.value, y, "o", color=colour, ms=5)


def _look(attack: str, colour: str) -> dict[str, Any]:
    """The marker of an attack; open for none."""
    face, size = ("white", 4.2) if attack == "clean" else (colour, 5)
    return {"marker": MARKERS[attack], "color": colour, "mfc": face, "ms": size, "mew": 1.4}


def _fallen(row: Row, attacks: Sequence[str]) -> tuple[list[float], str]:
    """The accuracies of the collapsed records, each under the last of the attacks that it has, and the words."""
    collapsed = [record.best.outcomes for record in row.records if record.collapsed]
    found = [[outcomes[attack].accuracy for attack in attacks if attack in outcomes] for outcomes in collapsed]
    words = "collapsed" if row.collapsed else f"{len(collapsed)} of {len(row.records)} collapsed"
    return [accuracies[-1] for accuracies in found if accuracies], words


def _dot_keys(rows: Sequence[Row], attacks: Sequence[str], baseline: str | None) -> list[Any]:
    keys: list[Any] = [Line2D([], [], label=under(attack), **_look(attack, INK)) for attack in reversed(attacks)]
    if any(len(row.accuracies(attack)) > 1 for row in rows for attack in attacks):
        keys.append(Line2D([], [], label="each seed", **SEED))
    if any(row.label == baseline and row.whole for row in rows):
        keys.append(Rectangle((0, 0), 1, 1, color=SHADE, label=f"{baseline}'s interval"))
    return keys


def values(panels: Mapping[str, Sequence[tuple[str, float, float, float]]], xlabel: str) -> Figure:
    """A dot and an interval for each label, number, lower and upper end; no interval where an end is not finite.

    A label that begins with an activation's title has its colour.
    """
    panels = {title: rows for title, rows in panels.items() if rows}
    heights = [0.6 + (0.04 + frames.row_height([row[0] for row in rows])) * len(rows) for rows in panels.values()]
    with stacked(heights, 0.2) as (figure, axes):
        for ax, (title, rows) in zip(axes, panels.items(), strict=True):
            for y, (label, value, low, high) in enumerate(rows):
                dot(ax, Interval(value, low, high), y, _colour(label))
            label_rows(ax, [label for label, *_ in rows])
            ax.set_title(title, color=INK)
        for ax in axes[-1:]:
            ax.set_xlabel(xlabel)
    return figure


def _colour(label: str) -> str:
    titled = {
        entry.title: name
        for name, entry in REGISTRY.items()
        if f"{label},".startswith((f"{entry.title} ", f"{entry.title},"))
    }
    return style.colour(titled[max(titled, key=len)]) if titled else INK


# ---- sweeps and trade-offs --------------------------------------------------------------------------------------


def sweep(
    panels: Mapping[str, Sequence[Line]],
    parameter: str,
    attacks: Sequence[str] = ("clean", "pgd50"),
    log: bool = False,
) -> Figure:
    """Accuracy with its intervals against the value of a parameter; clean dashed with open markers, attacks full.

    Where a record collapsed, the line is broken by a grey cross.
    """
    panels = {title: lines for title, lines in panels.items() if any(line.points for line in lines)}
    dashes = _dashes(attacks)
    looks = _looks([line for lines in panels.values() for line in lines])
    with stacked([2.7] * len(panels), 0.3 + frames.legend_height([*looks, *map(under, attacks)])) as (figure, axes):
        for ax, (title, lines) in zip(axes, panels.items(), strict=True):
            for line in lines:
                for attack, dash in dashes.items():
                    _sweep(ax, line, attack, looks[line.label] | {"ls": dash})
            if log:
                places = sorted({x for line in lines for x, _ in line.points})
                frames.logarithmic(ax, places[:: -(-len(places) // 8) or 1])
            percent(ax, "y")
            for line in lines:
                for x, row in line.rows:
                    fallen, words = _fallen(row, attacks)
                    if fallen:
                        frames.crosses(ax, [x] * len(fallen), fallen, words)
            records = _records(row for line in lines for _, row in line.rows)
            set_title(ax, title, records, attacks)
            ax.set_ylabel("accuracy")
        for ax in axes[-1:]:
            ax.set_xlabel(parameter)
        keys = [Line2D([], [], label=label, **look) for label, look in looks.items()]
        keys += [Line2D([], [], color=INK, ls=dash, label=under(attack)) for attack, dash in dashes.items()]
        legend(figure, keys)
    return figure


def _dashes(attacks: Sequence[str]) -> dict[str, str]:
    attacked = [attack for attack in attacks if attack != "clean"]
    return {attack: "--" if attack == "clean" else ("-", ":", "-.")[attacked.index(attack) % 3] for attack in attacks}


def _looks(lines: Sequence[Line]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each label: those of the activation, and other markers where several share it."""
    looks: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line.label not in looks:
            first = style.MARKERS.index(style.marker(line.name)) if line.name else 0
            looks[line.label] = style.apart(looks.values(), line.colour, "marker", style.MARKERS, first)
    return looks


def _sweep(ax: Axes, line: Line, attack: str, look: Mapping[str, Any]) -> None:
    found = [(x, row.accuracy(attack) or Interval(math.nan, math.nan, math.nan)) for x, row in line.rows]
    x, at = [x for x, _ in found], [accuracy for _, accuracy in found]
    face: dict[str, Any] = {"ms": 6, "mfc": "white" if attack == "clean" else look["color"]}
    ax.plot(x, [one.value for one in at], lw=1.4, **look, **face)
    ax.vlines(x, [one.low for one in at], [one.high for one in at], color=look["color"], lw=1.2, zorder=1.9)


def tradeoff(panels: Mapping[str, Sequence[Row]], attack: str = "pgd50") -> Figure:
    """Clean accuracy to the right, robust accuracy upwards, with both intervals; collapsed records are left out.

    Labels stand beside the points; of many points numbers do, and a legend below says whose they are.
    """
    placed = {title: [at for row in rows if (at := _both(row, attack))] for title, rows in panels.items()}
    placed = {title: points for title, points in placed.items() if points}
    labels = list(dict.fromkeys(row.label for row in ranked((p[0] for ps in placed.values() for p in ps), attack)))
    many = len(labels) > 8
    words = {label: f"{i}" if many else label for i, label in enumerate(labels, 1)}
    with stacked([3.4] * len(placed), frames.legend_height(labels) if many else 0.0) as (figure, axes):
        for ax, (title, points) in zip(axes, placed.items(), strict=True):
            for row, x, y in points:
                ax.plot([x.low, x.high], [y.value] * 2, color=row.colour, lw=0.8, alpha=0.6)
                ax.plot([x.value] * 2, [y.low, y.high], color=row.colour, lw=0.8, alpha=0.6)
                ax.plot(x.value, y.value, "o", color=row.colour, ms=6, mec="white", mew=0.6, zorder=3)
                frames.beside(ax, words[row.label], (x.value, y.value), row.colour)
            percent(ax, "x")
            percent(ax, "y")
            set_title(ax, title, _records(row for row, *_ in points), ("clean", attack))
            ax.set(xlabel="clean accuracy", ylabel=f"accuracy {under(attack)}")
        if many:
            keys = [Line2D([], [], ls="", label=f"{number} {label}") for label, number in words.items()]
            legend(figure, keys, handlelength=0, columnspacing=0.8)
        frames.settle(figure)
    return figure


def _both(row: Row, attack: str) -> tuple[Row, Interval, Interval] | None:
    x, y = row.accuracy("clean"), row.accuracy(attack)
    return (row, x, y) if x and y else None
