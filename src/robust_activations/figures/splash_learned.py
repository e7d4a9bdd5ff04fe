"""What networks with SPLASH learned, layer by layer, and what each of its choices changes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from robust_activations.activations.splash import SPLASH
from robust_activations.figures import frames, style
from robust_activations.figures.catalogue import Curve
from robust_activations.figures.frames import GREY, INK, SHADE, label_rows, legend, percent, stacked
from robust_activations.figures.histories import SYMBOLS, epochs, tracks
from robust_activations.figures.prose import COLLAPSED, MINUS, NOTHING, table
from robust_activations.figures.results import SEED, dot
from robust_activations.figures.rows import Row, setting
from robust_activations.figures.splash import GREEN, grid, lipschitz, normal, unit
from robust_activations.figures.tables import cell
from robust_activations.ledger import Record

# One a coefficient, from the hinge at 0 outwards.
SHADES = (style.BLACK, style.VERMILION, style.BLUE, style.PURPLE, style.ORANGE, style.SKY, GREY, style.GREEN)

# ---- what was learned -------------------------------------------------------------------------------------------


class Learned(NamedTuple):
    """One layer's coefficients and hinges."""

    right: list[float]
    left: list[float]
    hinges: Sequence[float]

    @property
    def curve(self) -> SPLASH:
        return unit(self.right, self.left, self.hinges)

    @property
    def lipschitz(self) -> float:
        return lipschitz(self.right, self.left)


def learned(record: Record) -> dict[str, Learned]:
    """Each layer's unit after the chosen epoch; those of channels, kept as means, are left out."""
    row = record.history[record.best_epoch]["activations"]
    options = {key: value for key, value in record.run.activation_options.items() if key != "learn_hinges"}
    places = SPLASH(**options).b
    found = {}
    for site in dict.fromkeys(key.rsplit(".", 1)[0] for key in row):
        right, left = row[f"{site}.a_pos"], row[f"{site}.a_neg"]
        own = [0.0, *row[f"{site}.hinges"]] if f"{site}.hinges" in row else places
        if len(right) == len(places) and record.run.share != "channel":
            found[site] = Learned(right, left, own)
    return found


def unlike(one: Curve, other: Curve) -> float:
    """What of `one` no multiple of `other` explains: root mean square by N(0, 1)'s weight, as a share of `one`'s own.

    Multiples do not count, for the weights behind an activation can undo them.
    """
    z = grid()
    root = normal(z).sqrt()
    with torch.no_grad():
        a, b = root * one(z), root * other(z)
    rest = a - b * (a @ b) / (b @ b)
    return float(rest.norm() / a.norm())


def some(count: int) -> Sequence[int]:
    """Of so many layers those that a figure has room for: all of a few, else the first, the middle one and the last."""
    return range(count) if count <= 4 else (0, count // 2, count - 1)


def layers(panels: Mapping[str, Sequence[Record]], reach: float = 3.0) -> Figure:
    """Learned functions of the chosen epoch, a panel a layer and a line a record, over the ReLU at the start.

    Of many layers there are `some`. Two titles stand side by side, a row a layer.
    """
    z = torch.linspace(-reach, reach, 301, dtype=torch.float64)
    blocks = [
        [(title, i, [list(own.values())[i] for own in every]) for i in some(len(every[0]))]
        for title, records in panels.items()
        if (every := [learned(record) for record in records])
    ]
    cells: list[tuple[str, int, list[Learned]]] = []
    for first, *second in (blocks[i : i + 2] for i in range(0, len(blocks), 2)):
        rows = itertools.zip_longest(first, *second, fillvalue=("", 0, []))
        cells += itertools.chain.from_iterable(rows)
    with stacked([1.6] * len(cells), 0.3, 2) as (figure, axes):
        for ax, (title, i, units) in zip(axes, cells, strict=True):
            if not units:
                ax.axis("off")
                continue
            ax.plot(z, torch.relu(z), color=GREY, lw=3, alpha=0.45)
            for one, dash in zip(units, style.LINES, strict=False):
                with torch.no_grad():
                    ax.plot(z, one.curve(z), color=GREEN, lw=1.5, ls=dash)
            for b in {sign * b for b in units[0].hinges for sign in (1, -1)}:
                ax.axvline(b, ymax=0.05, color=INK, lw=1)
            ax.set_title(": ".join(filter(None, (title, f"layer {i + 1}"))), color=INK)
            ax.set_xticks([-2, 0, 2])
        keys = [Line2D([], [], color=GREY, lw=3, alpha=0.45, label="start")]
        most = max((len(units) for *_, units in cells), default=0)
        for seed, dash in zip(range(most), style.LINES, strict=False):
            keys.append(Line2D([], [], color=GREEN, ls=dash, lw=1.5, label=f"learned, seed {seed}"))
        legend(figure, keys)
    return figure


def coefficients(panels: Mapping[str, Sequence[Record]]) -> Figure:
    """The coefficients after every epoch, 0 being the start: a row a layer, a⁺ left, a⁻ right, a line a record.

    Of many layers there are `some`.
    """
    cells: dict[tuple[str, int, str], list[np.ndarray]] = {}
    for title, records in panels.items():
        for record in records:
            paths, sites = tracks(record), list(learned(record))
            for i in some(len(sites)):
                for which in ("a_pos", "a_neg"):
                    cells.setdefault((title, i + 1, which), []).append(paths[f"{sites[i]}.{which}"])
    most = max((path.shape[1] for own in cells.values() for path in own), default=0)
    with stacked([1.5] * len(cells), 0.3, 2) as (figure, axes):
        for ax, ((title, i, which), own) in zip(axes, cells.items(), strict=True):
            for path, dash in zip(own, style.LINES, strict=False):
                for s in range(path.shape[1]):
                    ax.plot(path[:, s], color=SHADES[s % len(SHADES)], lw=1.2, ls=dash)
            ax.set_title(": ".join(filter(None, (title, f"layer {i}, {SYMBOLS[which]}"))), color=INK)
        epochs(axes, columns=2)
        legend(figure, [Line2D([], [], color=SHADES[s % len(SHADES)], label=f"s = {s + 1}") for s in range(most)])
    return figure


def layer_table(records: Sequence[Record]) -> str:
    """By layer and over records: slopes beside 0, Lipschitz constant, and how far from ReLU and from one another."""
    every = [list(learned(record).values()) for record in records]
    rows = []
    for i, units in enumerate(zip(*every, strict=True), 1):
        away = [unlike(one.curve, torch.relu) for one in units]
        apart = [unlike(a.curve, b.curve) for a in units for b in units if a is not b]
        numbers = ([-one.left[0] for one in units], [one.right[0] for one in units], [one.lipschitz for one in units])
        rows.append([f"layer {i}", *map(_range, numbers), _range(away, 100), _range(apart, 100)])
    header = ["", "Slope left of 0", "right of 0", "Lipschitz", "Unlike ReLU, %", "Unlike another seed, %"]
    return table(header, rows)


def _range(values: Sequence[float], factor: float = 1.0) -> str:
    digits = 0 if factor > 1 else 2
    ends = (
        [f"{factor * value + 0.0:.{digits}f}".translate(MINUS) for value in (min(values), max(values))]
        if values
        else []
    )
    return " to ".join(dict.fromkeys(ends)) or NOTHING


# ---- choices ----------------------------------------------------------------------------------------------------


def compared(panels: Mapping[str, Sequence[Row]], base: str, seeds: Mapping[str, Sequence[Record]]) -> Figure:
    """Error on clean images and accuracy under PGD-20 with their intervals, side by side, a pair of panels a title.

    The interval of the row `base` is shaded; `seeds` are further records of rows by title and label, small rings.
    """
    panels = {title: rows for title, rows in panels.items() if rows}
    heights = [0.8 + sum(frames.row_height([row.label]) + 0.04 for row in rows) for rows in panels.values()]
    with stacked([height for height in heights for _ in range(2)], 0.2, 2) as (figure, axes):
        for i, (title, rows) in enumerate(panels.items()):
            for ax, attack in zip(axes[2 * i : 2 * i + 2], ("clean", "pgd20"), strict=True):
                for y, row in enumerate(rows):
                    _dot(ax, row, y, attack, row.label == base, seeds.get(f"{title}/{row.label}", ()))
                percent(ax, "x")
                ax.xaxis.set_major_locator(MaxNLocator(3, steps=(1, 2, 4, 5, 10)))
                for y, row in enumerate(rows):
                    if row.collapsed:
                        low, high = ax.get_xlim()  # at the bad end, for a collapsed network is far outside
                        frames.crosses(ax, [low + (0.95 if attack == "clean" else 0.05) * (high - low)], [y], COLLAPSED)
                label_rows(ax, [row.label for row in rows])
            where, n = _setting(rows)
            axes[2 * i].set_title(f"{title}\n{n}\nclean error".lstrip(), color=INK, size=9)
            axes[2 * i + 1].set_title(where.replace(", ", "\n", 1) + "\naccuracy, PGD-20", color=INK, size=9)
            axes[2 * i + 1].tick_params(labelleft=False)
    return figure


def _setting(rows: Sequence[Row]) -> tuple[str, str]:
    """Data and threat model; number of images."""
    where, _, n = setting([record for row in rows for record in row.records], ("clean", "pgd20")).rpartition(", n = ")
    return where, f"n = {n}"


def _dot(ax: Axes, row: Row, y: float, attack: str, shaded: bool, more: Sequence[Record]) -> None:
    at = row.accuracy(attack)
    if at is None:
        return
    wrong = attack == "clean"
    at = at.complement if wrong else at
    dot(ax, at, y, row.colour)
    others = [record.best.outcomes[attack].accuracy for record in more if attack in record.best.outcomes]
    ax.plot([1 - value if wrong else value for value in others], [y] * len(others), **SEED)
    if shaded:
        ax.axvspan(at.low, at.high, color=SHADE, lw=0, zorder=0)


def choice_table(rows: Sequence[Row]) -> str:
    """How many numbers the activations learn, the error on clean images and the accuracy under PGD-20, in percent.

    What they learn is what the network has beyond the same one with ReLU, as far as that is among the rows.
    """
    plain = [record for row in rows for record in row.records if record.run.activation == "relu"]
    lines = []
    for row in rows:
        more = _beyond(row.records[0], plain)
        cells = []
        for attack in ("clean", "pgd20"):
            at = row.accuracy(attack)
            at = at.complement if at and attack == "clean" else at
            cells.append(COLLAPSED if row.collapsed else cell(at))
        n = {record.best.outcomes["clean"].n for record in row.records}
        lines.append([row.label, more, *cells, " to ".join(f"{one:,}" for one in sorted(n))])
    return table(["Choice", "Learned numbers", "Clean error, %", "Accuracy under PGD-20, %", "n"], lines)


def _beyond(record: Record, plain: Sequence[Record]) -> str:
    """Parameters more than in the same network with ReLU; with or without BatchNorm is not the same network."""
    model = record.run.dataset, record.run.model, record.run.model_options
    same = [one for one in plain if (one.run.dataset, one.run.model, one.run.model_options) == model]
    return f"{record.parameters - same[0].parameters:,}".translate(MINUS) if same else NOTHING
