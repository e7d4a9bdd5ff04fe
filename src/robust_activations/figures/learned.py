"""Parametric activations beside the forms that they start as: settings, comparisons, what they learn, and gaps.

Tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_activations.evaluation import Suite
from robust_activations.figures import catalogue, results, style
from robust_activations.figures.comparisons import Comparison, corrected, paired, told_apart
from robust_activations.figures.frames import GREY, INK, legend, stacked
from robust_activations.figures.histories import SYMBOLS, kind, tracks
from robust_activations.figures.prose import COLLAPSED, MINUS, NOTHING, listed, table
from robust_activations.figures.rows import ATTACKS, OBJECTIVES, Row, data_title, norm
from robust_activations.ledger import Ledger, Record
from robust_activations.models import REGISTRY as MODELS
from robust_activations.run import Run
from robust_activations.studies.base import strongest
from robust_activations.studies.paf import learnable
from robust_activations.studies.paf_claims import PAFS, REFERENCES
from robust_activations.studies.verdicts import robust_gap

# Each form without parameters, followed by those that start as it.
ORDER = [name for twin in REFERENCES for name in (twin, *(paf for paf, own in PAFS.items() if own == twin))]

# ---- settings ---------------------------------------------------------------------------------------------------


def settings(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs that differ in the activation (its options, its sharing) or the evaluation alone, together; each once."""
    found: dict[str, dict[str, Run]] = {}
    for run in runs:
        plain = replace(run, activation="relu", activation_options={}, share=None, suite=Suite())
        found.setdefault(plain.id, {})[run.id] = run
    return [list(own.values()) for own in found.values()]


def cells(run: Run) -> list[str]:
    """Data, network, threat model and training of a run, as a table names them."""
    data = f"{data_title(run)}, with synthetic images" if run.extra else data_title(run)
    training = f"{OBJECTIVES[run.objective.name]}, {run.schedule.epochs} epochs"
    return [data, MODELS[run.model].title, f"{norm(run)} {run.threat.eps}", training]


def plan(scales: Mapping[str, Sequence[Run]], ledgers: Mapping[str, Ledger]) -> str:
    """What each scale trains, a row a setting: and how many of these runs are recorded."""
    rows = [
        [f"`{scale}`", *cells(runs[0]), f"{len(runs)}", f"{len(ledgers[scale].of(runs))}"]
        for scale, every in scales.items()
        for runs in settings(every)
    ]
    return table(["Scale", "Data", "Network", "Threat", "Training", "Runs", "Recorded"], rows)


def rows(records: Iterable[Record]) -> list[Row]:
    """A row an activation, with a record a seed; each form without parameters before those that start as it."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.run.activation, []).append(record)
    return [Row(style.title(name), own) for name, own in sorted(found.items(), key=lambda item: ORDER.index(item[0]))]


# ---- against the form that it starts as -------------------------------------------------------------------------


def against_twins(found: Sequence[Row], attack: str) -> list[Comparison]:
    """Each PAF against the form without parameters that it starts as, and against ReLU; Holm over all of them."""
    by_name = {row.name: row for row in found}
    pairs = [*PAFS.items(), *((name, "relu") for name, twin in PAFS.items() if twin != "relu")]
    return corrected(
        (one, other, paired(by_name[one], by_name[other], attack))
        for one, other in pairs
        if one in by_name and other in by_name
    )


def one_by_one(scale: str, records: Ledger) -> str:
    """A sentence: which PAFs are above, and which below, the form that they start as; Holm over these comparisons."""
    main = records.of(settings(learnable(scale))[0])
    by_name, attack = {row.name: row for row in rows(main)}, strongest(main)
    pairs = [(paf, twin) for paf, twin in PAFS.items() if paf in by_name and twin in by_name]
    if not pairs or not attack:
        return f"At `{scale}` nothing of this is recorded yet."
    tests = ((f"{style.title(a)} ({style.title(b)})", "", paired(by_name[a], by_name[b], attack)) for a, b in pairs)
    told = told_apart(corrected(tests))
    return (
        f"At `{scale}`, under {ATTACKS[attack]}, beyond chance above the form that it starts as: {listed(told.above)}; "
        f"below: {listed(told.below)}; not told from it: {listed(told.rest)}."
    )


def comparison_table(found: Sequence[Comparison], attack: str) -> str:
    """Difference with its interval, the images that only one is right on, p, and p after Holm's correction."""
    lines = [[f"{style.title(one.name)} above {style.title(one.other)}", *one.cells] for one in found]
    header = ["", f"Under {ATTACKS[attack]}, points", "Only the first right", "Only the second right", "p", "p, Holm"]
    return table(header, lines)


def differences(found: Sequence[Comparison]) -> Figure:
    """The differences with their intervals, two panels: to the form it starts as, and to ReLU."""
    panels: dict[str, list[tuple[str, float, float, float]]] = {}
    for one in found:
        title = "above ReLU" if one.other == "relu" and PAFS[one.name] != "relu" else "above the form it starts as"
        label = f"{style.title(one.name)} − {style.title(one.other)}"
        panels.setdefault(title, []).append((label, *one.at.times(100)))
    figure = results.values(panels, "points")
    for ax in figure.axes:
        ax.axvline(0, color="black", lw=1, zorder=1)
    return figure


# ---- what was learned -------------------------------------------------------------------------------------------


def chosen(record: Record) -> dict[str, float]:
    """The parameters of the chosen epoch's network, by name; for activations that the whole network shares."""
    return {kind(key): values[0] for key, values in record.history[record.best_epoch]["activations"].items()}


def shapes(records: Sequence[Record], reach: float = 3.0) -> Figure:
    """Each activation at its start (grey) and with the parameters of the chosen epoch, in pairs side by side.

    For activations that the whole network shares.
    """
    z = torch.linspace(-reach, reach, 241, dtype=torch.float64)
    with stacked([1.5] * len(records), 0.3, 2) as (figure, axes):
        for ax, record in zip(axes, records, strict=True):
            name, values = record.run.activation, chosen(record)
            ax.plot(z, catalogue.curve(name, learn=())(z), color=GREY, lw=2.6)
            ax.plot(z, catalogue.curve(name, learn=(), **values)(z), color=style.colour(name), ls="--")
            at = ", ".join(f"{SYMBOLS[key]} = {_unsigned(key, value):.2f}" for key, value in values.items())
            ax.set_title(f"{style.title(name)}: {at}".translate(MINUS), color=INK)
        keys = [Line2D([], [], color=GREY, lw=2.6, label="start")]
        legend(figure, [*keys, Line2D([], [], color=INK, ls="--", label="learned, in the activation's colour")])
    return figure


def _unsigned(parameter: str, value: float) -> float:
    """The formulas use β without its sign, which swings around 0 where a penalty holds it."""
    return abs(value) if parameter == "beta" else value


def ends(scales: Mapping[str, Iterable[Record]]) -> str:
    """A table: each parameter at the start, and at the last epoch at each scale; β without its sign."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for scale, records in scales.items():
        for record in records:
            for key, path in tracks(record).items():
                row = found.setdefault((record.run.activation, kind(key)), {"": f"{path[0, 0]:g}"})
                end = f"{_unsigned(kind(key), path[-1, 0]):.3f}".translate(MINUS)
                row[scale] = COLLAPSED if record.collapsed else end
    lines = [
        [f"{style.title(name)}, {SYMBOLS[parameter]}", *(row.get(scale, NOTHING) for scale in ("", *scales))]
        for (name, parameter), row in sorted(found.items(), key=lambda item: ORDER.index(item[0][0]))
    ]
    return table(["Parameter", "Start", *(f"`{scale}`" for scale in scales)], lines)


def gaps(records: Mapping[str, Record]) -> list[tuple[str, float, float, float]]:
    """Robust generalisation gaps in points by label, in the order given, for `results.values`.

    Accuracy on the attacked training images less that under PGD-10 on the held-out ones, last epoch; the interval is
    that of the held-out images alone.
    """
    found = []
    for label, record in records.items():
        if not record.collapsed and "held_pgd10" in record.history[-1]:
            gap, error = robust_gap(record)
            found.append((label, 100 * gap, 100 * (gap - 1.96 * error), 100 * (gap + 1.96 * error)))
    return found
