"""Figures and tables of the two PAF papers' experiments: activations whose parameter is frozen at one value.

A sweep holds the records of an activation's parameter by its value: `{("prelu", "alpha"): {-0.5: record, ...}}`. Where
a value makes the activation one without parameters, its record is that of this twin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy import stats

from robust_activations import studies
from robust_activations.figures import catalogue, claims, frames, results, style
from robust_activations.figures.distances import flipped
from robust_activations.figures.frames import GREY, INK, SHADE
from robust_activations.figures.histories import SYMBOLS
from robust_activations.figures.prose import MINUS, NBSP, NOTHING, p_value, table
from robust_activations.figures.rows import Interval, Line, Row, under
from robust_activations.figures.tables import cell
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.stats import holm
from robust_activations.studies import paired
from robust_activations.studies.base import LADDER, strongest
from robust_activations.studies.paf_claims import published

Sweeps = Mapping[tuple[str, str], Mapping[float, Record]]
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": style.VERMILION, "marker": "x"},
    {"color": style.BLUE, "marker": "+"},
    {"color": style.BLACK, "marker": "."},
)


def recorded(planned: Mapping[tuple[str, str], Mapping[float, Run]], records: Ledger) -> Sweeps:
    """What there is of a planned sweep, without collapsed records."""
    found = {
        key: {value: records[run] for value, run in runs.items() if run in records and not records[run].collapsed}
        for key, runs in planned.items()
    }
    return {key: points for key, points in found.items() if points}


def every(planned: Mapping[tuple[str, str], Mapping[float, Run]], records: Ledger) -> list[Record]:
    """All records of a planned sweep, each once, collapsed ones too."""
    return records.of(list({run.id: run for runs in planned.values() for run in runs.values()}.values()))


def rows(sweeps: Sweeps) -> list[Row]:
    """Each record once, ReLU's first; a twin by its own name."""
    found: dict[str, Row] = {}
    for (name, parameter), points in sweeps.items():
        for value, record in points.items():
            own = record.run.activation
            label = f"{style.title(name)}, {SYMBOLS[parameter]} = {value:g}".translate(MINUS)
            found.setdefault(record.id, Row(label if own == name else style.title(own), record))
    return sorted(found.values(), key=lambda row: row.name != "relu")


def lines(sweeps: Sweeps, keys: Iterable[tuple[str, str]]) -> list[Line]:
    """One line an activation and parameter, of those asked for that were recorded."""
    return [
        Line(f"{style.title(name)}, {SYMBOLS[parameter]}", name, list(sweeps[name, parameter].items()))
        for name, parameter in keys
        if (name, parameter) in sweeps
    ]


def relu(sweeps: Sweeps) -> Record | None:
    return next((row.records[0] for row in rows(sweeps) if row.name == "relu"), None)


def attack(*sweeps: Sweeps) -> str:
    """The strongest attack that all records of the sweeps hold."""
    return strongest(record for one in sweeps for points in one.values() for record in points.values()) or LADDER[-1]


# ---- the version of 2021: radius, Lipschitz constant, success of attacks ----------------------------------------


def measure(name: str, times: float = 1.0) -> Callable[[Record], Interval | None]:
    """Reads a measure, `radius` or `lipschitz`, of a record's best epoch, `times` as much: 255, for parts of 255."""

    def read(record: Record) -> Interval | None:
        found = record.best.measures.get(name)
        return Interval(found.mean, *found.interval).times(times) if found and len(found.defined) else None

    return read


def success(name: str, of: int | None = None) -> Callable[[Record], Interval | None]:
    """Reads an attack's success rate: of the images classified right before it, the share that is wrong after it.

    Of the first `of` images, so that attacks which saw different numbers can be compared; with Wilson's interval.
    """

    def read(record: Record) -> Interval | None:
        broken, n = flipped(record, name, of) if name in record.best.outcomes else (0, 0)
        return Interval.share(broken, n) if n else None

    return read


def against_value(
    sweeps: Sweeps, reads: Mapping[str, Callable[[Record], Interval | None]], ylabel: str, percent: bool = False
) -> Figure:
    """What `reads` find, by label, against the parameter's value: a panel for each parameter, with one y axis for all.

    ReLU's value is a horizontal line and, where there is one line only, its interval a grey band.
    """
    dashes = dict(zip(reads, ("-", ":", "--"), strict=False))
    base = relu(sweeps)
    with frames.stacked([1.75] * len(sweeps), 0.25, 2) as (figure, axes):
        for ax in axes[1:]:
            ax.sharey(axes[0])
        for ax, ((name, parameter), points) in zip(axes, sweeps.items(), strict=True):
            for label, read in reads.items():
                look: dict[str, Any] = {"color": style.colour(name), "ls": dashes[label]}
                at = {value: found for value, record in sorted(points.items()) if (found := read(record))}
                ax.plot(list(at), [one.value for one in at.values()], marker=style.marker(name), ms=5, lw=1.4, **look)
                for value, one in at.items():
                    ax.plot([value, value], [one.low, one.high], color=look["color"], lw=1.1)
                if base and (level := read(base)):
                    if len(reads) == 1:
                        ax.axhspan(level.low, level.high, color=SHADE, lw=0, zorder=0)
                    ax.axhline(level.value, color=INK, lw=1, ls=dashes[label], zorder=1)
            ax.set_title(f"{style.title(name)}, {SYMBOLS[parameter]}", color=INK)
            _values(ax, sorted(points))
        for ax in axes[::2]:
            ax.set_ylabel(ylabel)
        for ax in axes[1::2]:
            ax.tick_params(labelleft=False)
        if axes and percent:
            style.percent(axes[0], "y")
        keys: list[Any] = [
            Line2D([], [], color=GREY, ls=dashes[label], marker="o", ms=4, label=label) for label in reads
        ]
        band = Rectangle((0, 0), 1, 1, color=SHADE, label="ReLU's interval")
        frames.legend(figure, [*keys, band if len(reads) == 1 else Line2D([], [], color=INK, lw=1, label="ReLU")])
    return figure


def _values(ax: Axes, values: Sequence[float]) -> None:
    """The values themselves as ticks; a logarithmic axis where they are positive and span more than a factor of 5."""
    if values[0] > 0 and values[-1] / values[0] > 5:
        ax.set_xscale("log")
        ax.set_xticks([], minor=True)
    ax.set_xticks(values, [f"{value:g}".translate(MINUS) for value in values], size=8.5)


def paired_measure(first: Record, second: Record, name: str = "radius") -> tuple[Interval, float, int] | None:
    """The mean difference of a measure on the images that both networks are right on, p of the paired t test, and n."""
    one, other = _on_both(first, second, name)
    if len(one) < 2:
        return None
    test = stats.ttest_1samp(one - other, 0)
    low, high = test.confidence_interval(0.95)
    return Interval(float((one - other).mean()), float(low), float(high)), float(test.pvalue), len(one)


def _on_both(first: Record, second: Record, name: str) -> Float[np.ndarray, "2 n"]:
    """A measure of two networks where it is defined for both."""
    if not {name} <= first.best.measures.keys() & second.best.measures.keys():
        return np.empty((2, 0))
    one, other = first.best.measures[name].each, second.best.measures[name].each
    n = min(len(one), len(other))
    both = np.stack([one[:n], other[:n]]).astype(np.float64)
    return both[:, ~np.isnan(both).any(0)]


def radius_table(sweeps: Sweeps) -> str:
    """Every shape's mean radius with its interval, and the paired difference to ReLU with Holm's correction."""
    base = relu(sweeps)
    others = [row for row in rows(sweeps) if row.name != "relu"]
    digits = 1 if base and base.best.measures["radius"].mean >= 10 / 255 else 2
    found = [paired_measure(row.records[0], base) if base else None for row in others]
    adjusted = iter(holm([one[1] for one in found if one]))
    body = []
    for row, one in zip([*([Row("ReLU", base)] if base else []), *others], [*[None] * bool(base), *found], strict=True):
        own, clean = measure("radius")(row.records[0]), row.accuracy("clean")
        label = row.label.replace(" = ", f"{NBSP}={NBSP}")
        cells = [label, cell(own, form=f".{digits}f", scale=255), cell(clean)]
        if one is None:
            body.append([*cells, *[NOTHING] * 4])
            continue
        at, p, n = one
        corrected = next(adjusted)
        above, bold = cell(at, form=f"+.{digits}f", scale=255), p_value(corrected, bold=corrected < 0.05)
        body.append([*cells, above, f"{n}", p_value(p), bold])
    header = ["Shape", "Mean radius, /255", "Clean, %", "Above ReLU, same images, /255", "n", "p", "p, Holm"]
    return table(header, body)


def ratios(
    truth: Float[np.ndarray, " n"], found: Mapping[str, Float[np.ndarray, " n"]], xlabel: str, ylabel: str
) -> Figure:
    """What each search found divided by `truth`, image by image, both axes logarithmic; 1 is a black line."""
    with frames.stacked([3.0], 0.25) as (figure, (ax,)):
        ax.axhline(1, color="black", lw=1)
        for (label, radius), look in zip(found.items(), LOOKS, strict=False):
            ax.plot(truth, radius / truth, ls="", ms=4.5, mew=0.9, label=label, **look)
        ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        for axis, ticks in (
            ("x", (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
            ("y", (0.5, 1, 1.6, 2, 3.2)),
        ):
            low, high = getattr(ax, f"get_{axis}lim")()
            frames.logarithmic(ax, [tick for tick in ticks if low <= tick <= high], axis)
        frames.legend(figure, list(ax.lines[1:]))
    return figure


# ---- both versions ----------------------------------------------------------------------------------------------


def contrast(standard: Sweeps, adversarial: Sweeps) -> Figure:
    """Each shape against ReLU: left the radius after standard training, right the accuracy after adversarial training.

    Both on the same images: radii in percent of ReLU's mean, accuracies under the strongest common attack in points.
    """
    name = attack(adversarial)
    sides = {
        ("radius,\nstandard training", "%"): _above_relu(standard, _radius),
        (f"accuracy {under(name)},\nadversarial training", "points"): _above_relu(
            adversarial, lambda one, base: _accuracy(one, base, name)
        ),
    }
    labels = list(dict.fromkeys(row for side in sides.values() for row in side))
    with frames.stacked([0.75 + 0.2 * len(labels)] * 2 if labels else [], 0.1, 2) as (figure, axes):
        for ax, ((title, unit), side) in zip(axes, sides.items(), strict=False):
            ax.axvline(0, color="black", lw=1)
            for y, (label, colour) in enumerate(labels):
                if at := side.get((label, colour)):
                    results.dot(ax, at.times(100), y, colour)
            frames.label_rows(ax, [label for label, _ in labels])
            ax.set_title(title, color=INK)
            ax.set_xlabel(f"above ReLU, {unit}")
        for ax in axes[1:]:
            ax.tick_params(labelleft=False)
    return figure


def _above_relu(
    sweeps: Sweeps, difference: Callable[[Record, Record], Interval | None]
) -> dict[tuple[str, str], Interval]:
    """By label and colour: every shape's difference to ReLU, as far as it is defined."""
    base = relu(sweeps)
    found = {(row.label, row.colour): difference(row.records[0], base) for row in rows(sweeps)[1:] if base}
    return {row: at for row, at in found.items() if at}


def _radius(one: Record, base: Record) -> Interval | None:
    found = paired_measure(one, base)
    return found[0].times(1 / float(_on_both(one, base, "radius")[1].mean())) if found else None


def _accuracy(one: Record, base: Record, name: str) -> Interval | None:
    if not {name} <= one.best.outcomes.keys() & base.best.outcomes.keys():
        return None
    return Interval.of(paired(one, base, name))


# ---- the version of 2022: accuracy against curvature ------------------------------------------------------------


def greatest_curvature(run: Run) -> float:
    """The greatest second derivative of a run's activation as it starts, measured; infinite where it has a kink."""
    words = {key: value for key, value in run.activation_options.items() if key not in ("penalty", "clip")}
    return catalogue.measure(catalogue.curve(run.activation, **words)).sup_curvature


def curvature(panels: Mapping[str, Sequence[Row]], best: tuple[float, float] = (4.0, 10.0)) -> Figure:
    """Accuracy against the greatest second derivative of smooth activations; the range `best` is shaded.

    ReLU, whose curvature is infinite, is a horizontal band: its accuracy under the attack, with the interval.
    """
    panels = {title: rows for title, rows in panels.items() if rows}
    name = attack({("", ""): dict(enumerate(row.records[0] for rows in panels.values() for row in rows))})
    with frames.stacked([2.7] * len(panels), 0.45) as (figure, axes):
        drawn: dict[str, str] = {}
        for ax, (title, own) in zip(axes, panels.items(), strict=True):
            ax.axvspan(*best, color="#FFE680", alpha=0.45, lw=0, zorder=0.5)  # the grey band stays visible below it
            for row in own:
                x, at = greatest_curvature(row.records[0].run), row.accuracy(name)
                if at and row.name == "relu":
                    ax.axhspan(at.low, at.high, color=SHADE, lw=0, zorder=0)
                    ax.axhline(at.value, color=INK, lw=1, zorder=1)
                elif at and row.name and math.isfinite(x):
                    drawn[row.name] = style.title(row.name)
                    ax.plot([x, x], [at.low, at.high], color=row.colour, lw=1.1)
                    ax.plot(x, at.value, ls="", marker=style.marker(row.name), color=row.colour, ms=6)
            frames.logarithmic(ax, (0.25, 0.5, 1, 2, 4, 10, 20))
            ax.set(xlim=(0.2, 30), ylabel=f"accuracy {under(name)}")
            frames.percent(ax, "y")
            results.set_title(ax, title, [row.records[0] for row in own], (name,))
        for ax in axes[-1:]:
            ax.set_xlabel("greatest second derivative")
        keys: list[Any] = [
            Line2D([], [], ls="", marker=style.marker(one), color=style.colour(one), label=words)
            for one, words in drawn.items()
        ]
        keys += [Rectangle((0, 0), 1, 1, color=SHADE, label="ReLU")]
        keys += [Rectangle((0, 0), 1, 1, color="#FFE680", alpha=0.45, lw=0, label=f"{best[0]:g} to {best[1]:g}")]
        frames.legend(figure, keys)
    return figure


def without_parameters(ledgers: Mapping[str, Ledger]) -> str:
    """SiLU against PSiLU and PSSiLU one by one, by the rule of the claim `peng-no-parameters`, which pools the two.

    A sentence and a list.
    """
    said = []
    for scale, records in ledgers.items():
        runs = studies.planned(scale)
        for name in ("psilu", "pssilu"):
            verdict = studies.compare(records, runs, published("silu"), published(name), margin=0.01)
            if verdict.tested:
                words = f"{verdict.said}, {claims.measured(verdict)}"
                said.append(f"- SiLU not worse than {style.title(name)} by a point, at `{scale}`: {words}")
    return (
        "`peng-no-parameters` pools PSiLU and PSSiLU: its interval is that of the mean of both, and says less about "
        "each of them alone. One by one:\n\n" + ("\n".join(said) or "- nothing recorded yet")
    )
