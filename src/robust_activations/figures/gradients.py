"""Smooth adversarial training: what its authors and others report, and figures of gradients and curvature.

The reported numbers are in percent, each table with its source and mark. They are never drawn on the axes of ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from robust_activations import models
from robust_activations.errors import UserError
from robust_activations.figures import catalogue, frames, plans, prose, results, style
from robust_activations.figures.frames import INK, SHADE, legend, percent, stacked
from robust_activations.figures.rows import Row, setting, under
from robust_activations.figures.tables import reported_beside
from robust_activations.ledger import Record
from robust_activations.stats import over_seeds
from robust_activations.studies.sat import TABLE, TEASER

# ---- what is reported -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """A table that somebody else made: percent by row and column, where it stands, and how sure we are of it."""

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float, ...]]
    setting: str
    source: str
    mark: str

    def cells(self, name: str) -> list[str]:
        """A row as words, with the digits that the source has; empty for a row that it lacks."""
        digits = 1 if all(round(number, 1) == number for row in self.rows.values() for number in row) else 2
        return [f"{number:.{digits}f}" for number in self.rows.get(name, ())]

    @property
    def note(self) -> str:
        return f"{self.setting}; source: {self.source} ({self.mark.lower()})"


IMAGENET = "ResNet-50 on ImageNet, ℓ∞ 4/255"
QUALITY = Published(
    ("accuracy, %", "under PGD-200, %"),
    {"none": (68.8, 33.0), "attack": (68.3, 34.5), "update": (69.4, 35.8), "both": (68.9, 36.9)},
    IMAGENET,
    TABLE,
    "SEEN",
)
SMOOTH = Published(
    ("accuracy, %", "under PGD-200, %"),
    {
        "relu": (68.80, 33.00), "parametric_softplus": (68.80, 38.70), "softplus": (68.36, 40.00),
        "smooth_relu": (69.40, 40.30), "gelu": (69.95, 41.65), "elu": (69.20, 41.70), "silu": (69.73, 42.30),
    },
    f"{IMAGENET}, to about ±0.03 points",
    TEASER,
    "DERIVED",
)  # fmt: skip
AGAIN = Published(
    ("clean", "PGD-10", "PGD-20", "PGD-50"),
    {
        "relu": (68.7, 35.3, 33.7, 33.1), "silu": (69.7, 43.0, 42.2, 41.9), "elu": (69.0, 41.6, 40.9, 40.7),
        "gelu": (69.9, 42.6, 41.8, 41.5), "smooth_relu": (69.3, 41.3, 40.4, 40.1),
    },
    f"{IMAGENET}, evaluated again by the authors with another image loader; accuracy in %",
    "README of the authors' repository",
    "SEEN",
)  # fmt: skip
BAI = Published(
    ("clean", "PGD-100", "AutoAttack"),
    {"relu": (66.77, 32.26, 26.41), "gelu": (67.38, 40.27, 35.51)},
    f"{IMAGENET}; accuracy in %",
    "README and log of the authors' repository",
    "SEEN",
)


def published_table(table: Published) -> str:
    """A reported table by itself, activations as the book writes them."""
    header = ["Activation", *(f"*Reported*<br>{words}" for words in table.columns)]
    return prose.table(header, [[style.title(name), *table.cells(name)] for name in table.rows])


def beside(table: Published, scales: Mapping[str, Mapping[str, Row]], first: str = "Activation") -> str:
    """A reported table beside ours, one a scale, the largest first; rows by the names that the table has."""
    parts = []
    for scale, rows in reversed(list(scales.items())):
        records = [record for row in rows.values() for record in row.records]
        run = records[0].run
        how = f"{plans.ours(run)['Training']}, {run.schedule.epochs} epochs of {models.REGISTRY[run.model].title}"
        parts.append(f"*Scale `{scale}`: {how}; {setting(records)}*")
        lines = [(row.label, table.cells(name), row.record) for name, row in rows.items()]
        words = {"first": first, "theirs": "Reported, ImageNet", "ours": f"Measured, {scale}"}
        parts.append(reported_beside(lines, table.columns, **words))
    return "\n\n".join(parts)


def published_tradeoff(table: Published) -> Figure:
    """Reported points of accuracy (to the right) and robustness: open markers, no intervals, axes of their own."""
    with stacked([3.4], 0.0) as (figure, (ax,)):
        for name, (x, y, *_) in table.rows.items():
            ax.plot(x, y, style.marker(name), mfc="white", mec=style.colour(name), ms=6, mew=1.4)
            frames.beside(ax, style.title(name), (x, y), style.colour(name))
        ax.margins(0.12)
        ax.set_title(f"reported ({table.mark.lower()}): {IMAGENET}", color=INK)
        ax.set(xlabel=f"reported {table.columns[0]}", ylabel=f"reported accuracy {table.columns[1]}")
        frames.settle(figure)
    return figure


# ---- how far an attack gets -------------------------------------------------------------------------------------


def strength(
    steps: Sequence[int], reached: Mapping[str, tuple[Float[Tensor, "k n"], Float[Tensor, "k n"]]], words: str
) -> Figure:
    """Loss of every image after so many attack steps, on each network with its own derivative and with a smooth one.

    Above, the means over images; below, what the smooth one reaches more, with a 95 % t interval over images.
    """
    with stacked([2.3, 2.2], 0.5) as (figure, (top, bottom)):
        for i, (own, smooth) in enumerate(reached.values()):
            look: dict[str, Any] = {"color": style.PALETTE[i], "marker": "os^"[i], "ms": 4.5, "lw": 1.4}
            top.plot(steps, own.mean(1), **look)
            top.plot(steps, smooth.mean(1), ls="--", **look | {"mfc": "white"})
            found = [over_seeds(row.tolist()) for row in smooth - own]
            x = [step * 1.04 ** (2 * i - len(reached) + 1) for step in steps]
            bottom.plot(x, [mean for mean, *_ in found], **look | {"ls": ""})
            bottom.vlines(x, [low for _, low, _ in found], [high for *_, high in found], color=style.PALETTE[i], lw=1.4)
        bottom.axhline(0, color=INK, lw=1)
        for ax in (top, bottom):
            frames.logarithmic(ax, steps)
        top.set_title(words, color=INK)
        top.set_ylabel("loss reached, mean")
        bottom.set(xlabel="steps of the attack", ylabel="smooth less own")
        keys = [Line2D([], [], color=style.PALETTE[i], marker="os^"[i], label=label) for i, label in enumerate(reached)]
        keys += [Line2D([], [], color=INK, ls=ls, label=label) for ls, label in (("-", "own slope"), ("--", "smooth"))]
        legend(figure, keys)
    return figure


# ---- curvature --------------------------------------------------------------------------------------------------


def curvature(record: Record) -> list[float]:
    r""":math:`\max |\varphi''|` of a record's activations as its best epoch left them: one number for each set of
    learned parameters, in the network's order; a single one where nothing is learned; infinite where there is a kink.

    **Raises** `UserError` where an activation has more than one value of a parameter: one a channel, say.
    """
    run, found = record.run, record.history[record.best_epoch]["activations"]
    sets: dict[str, dict[str, float]] = {}
    for key, values in found.items():
        if len(values) != 1:
            raise UserError(f"{run.activation} has {len(values)} values of {key}; curvature takes one")
        place, _, name = key.rpartition(".")
        sets.setdefault(place, {})[name] = values[0]
    fixed = {"learn": ()} if sets else {}
    options = [run.activation_options | fixed | learned for learned in sets.values() or [{}]]
    return [catalogue.measure(catalogue.curve(run.activation, **one)).sup_curvature for one in options]


def _close(one: tuple[float, float], other: tuple[float, float], height: float) -> bool:
    """Whether two markers of a panel of such a height would cover each other."""
    return abs(math.log(one[0] / other[0])) < 0.08 and abs(one[1] - other[1]) < 0.03 * height


def bent(
    panels: Mapping[str, Sequence[tuple[Row, Sequence[float]]]], baseline: Mapping[str, Row], attack: str = "pgd50"
) -> Figure:
    """Accuracy against the greatest second derivative of each row's activations: from the least to the greatest of
    the network's layers, a point at their geometric mean. The row in `baseline` is a band: it has a kink."""
    placed = {title: [(*p, at) for p in points if (at := p[0].accuracy(attack))] for title, points in panels.items()}
    placed = {title: points for title, points in placed.items() if points}
    with stacked([3.6] * len(placed), 0.2) as (figure, axes):
        for ax, (title, points) in zip(axes, placed.items(), strict=True):
            ax.axvspan(4, 10, color="#FFF3C4", lw=0, zorder=0)
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter("{x:g}")
            spots = [(math.exp(sum(map(math.log, bends)) / len(bends)), at.value) for _, bends, at in points]
            height = max(at.high for *_, at in points) - min(at.low for *_, at in points)
            for i, (row, bends, at) in enumerate(points):
                x, hiding = spots[i][0], sum(_close(spots[i], other, height) for other in spots[i + 1 :])
                ax.plot([min(bends), max(bends)], [at.value] * 2, color=row.colour, lw=1)
                ax.plot([x, x], [at.low, at.high], color=row.colour, lw=0.8, alpha=0.6)
                ax.plot(
                    x,
                    at.value,
                    style.marker(row.name or "relu"),
                    color=row.colour,
                    ms=6 + 5 * hiding,  # sticks out below what is drawn over it
                    mec="white",
                    mew=0.6,
                    zorder=3,
                )
                frames.beside(ax, row.label, (x, at.value), row.colour)
            kinked = baseline.get(title)
            if kinked and (at_kink := kinked.accuracy(attack)):
                ax.axhspan(at_kink.low, at_kink.high, color=SHADE, lw=0, zorder=-1)
                ax.axhline(at_kink.value, color=kinked.colour, lw=1.2, zorder=1.9)
            percent(ax, "y")
            results.set_title(ax, title, [record for row, *_ in points for record in row.records], (attack,))
            ax.set(xlabel="greatest second derivative", ylabel=f"accuracy {under(attack)}")
        lines = {row.label: row.colour for row in baseline.values()} if placed else {}
        legend(figure, [Line2D([], [], color=c, lw=1.2, label=f"{label}, with its kink") for label, c in lines.items()])
        frames.settle(figure)
    return figure
