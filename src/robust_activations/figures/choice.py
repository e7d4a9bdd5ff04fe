"""What the choice of an activation is worth: beside other changes to the same training, and beside what it costs.

Tables and sentences are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from robust_activations import activations, models, studies
from robust_activations.estimates import ON_GPU
from robust_activations.evaluation import Suite
from robust_activations.figures import frames, style
from robust_activations.figures.catalogue import table
from robust_activations.figures.comparisons import Comparison, corrected, span, told_apart
from robust_activations.figures.frames import INK
from robust_activations.figures.measured import Benchmarks, Recorded, times
from robust_activations.figures.plans import OBJECTIVES
from robust_activations.figures.prose import NBSP, listed, p_value, points
from robust_activations.figures.rows import Interval, under
from robust_activations.figures.standings import Standings, against_relu, clear, from_every_seed, over, words
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.studies import protocol

ACTIVATION = "another activation"
# Each change to the protocol's run of ReLU, and the fields that it may change; a dot leads into a part of the run.
CHANGES = {
    "another seed": ("seed",),
    ACTIVATION: ("activation", "activation_options"),
    "another weight decay": ("schedule.weight_decay",),
    "another number of epochs": ("schedule.epochs",),
    "more attack steps": ("objective.attack.steps",),
    "another network": ("model", "model_options"),
    "another way of training": ("objective",),
}
FAR = 15.0  # points: what moves accuracy further is drawn at the edge
DEAR = 1.5  # times ReLU's step


# ---- the answer -------------------------------------------------------------------------------------------------


def comparable(one: Standings) -> bool:
    """ReLU's first seed stands, and at least SiLU and GELU beside it."""
    return 0 in one.of("relu") and {"silu", "gelu"} <= {record.run.activation for record in one.ranked}


def answer(one: Standings) -> str:
    """For whom must choose: which activations the scale's records tell from ReLU, and how high the highest stands."""
    found = against_relu(one)
    more, less, _ = told_apart(found.values())
    count = f"{len(more) + len(less) or 'none'} of {len(found)} activations"
    text = (
        f"At scale {one.scale} ({one.title()}), under PGD-50, with one seed each and corrected for their number, our "
        f"records tell {count} from ReLU"
    )
    sides = [f"{words(names)} as {how} robust" for names, how in ((more, "more"), (less, "less")) if names]
    text += f": {listed(sides)}." if sides else "."
    if sides and len(one.of("relu")) > 1:
        text += f" From each of ReLU's {len(one.of('relu'))} seeds: {words(from_every_seed(one))}."
    top = max(found.values(), key=lambda row: row.at.value)
    text += f" The highest is {style.title(top.name)}, {span(top.at)} points from ReLU"
    text += "." if top.differs else f", which after that correction may be chance (p = {p_value(top.holm)})."
    if core := [name for name in one.core if name != "relu"]:
        counts = {len(over(one, name)[0]) for name in core}
        seeds = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"
        text += f" Over {seeds} seeds {words(clear(one))} of {len(core)} differ from it beyond chance."
    return text


# ---- one change at a time ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A recorded run that differs from the protocol's run of ReLU in one thing, compared with it on the same images."""

    kind: str
    comparison: Comparison

    @property
    def label(self) -> str:
        return self.comparison.name

    @property
    def points(self) -> float:
        return 100 * self.comparison.at.value

    @property
    def said(self) -> str:
        """`Mish, +1.2`."""
        return f"{self.label}, {points(self.comparison.at.value)}"


@dataclass(frozen=True)
class Levers:
    """All changes that a scale has records of, under the strongest attack that all of them have been through."""

    scale: str
    attack: str
    found: tuple[Change, ...]

    def of(self, kind: str) -> list[Change]:
        """The lowest first."""
        return sorted((one for one in self.found if one.kind == kind), key=lambda one: one.points)

    @property
    def kinds(self) -> dict[str, list[Change]]:
        return {kind: own for kind in CHANGES if (own := self.of(kind))}


def levers(scale: str, records: Ledger) -> Levers:
    """Every recorded run of any study that differs from the protocol's run of ReLU in one thing; of activations, those
    of the protocol.

    p is corrected over all activations, and over all other changes: two questions, two families. What collapsed is left
    out; nothing is there where ReLU's run is not recorded or collapsed.
    """
    recipe = protocol.recipe(scale)
    base = recipe("relu")
    if base not in records or records[base].collapsed:
        return Levers(scale, "pgd20", ())
    usual, ranked = _setting(base), {_setting(recipe(name)) for name in activations.names()}
    found: dict[str, tuple[str, Record]] = {}
    for run in (run for study in studies.get("all") for run in study.runs(scale)):
        if run not in records or records[run].collapsed or (setting := _setting(run)) == usual:
            continue
        kind = next((kind for kind, fields in CHANGES.items() if _setting(run, base, fields) == usual), None)
        if kind and (kind != ACTIVATION or setting in ranked):
            found.setdefault(setting, (kind, records[run]))
    pairs = list(found.values())
    attack = "pgd50" if all("pgd50" in record.best.outcomes for _, record in pairs) else "pgd20"
    made = []
    for family in (True, False):
        own = [(kind, record) for kind, record in pairs if (kind == ACTIVATION) is family]
        # Not `comparisons.paired`, which pairs records of one seed: here another seed is a change like others.
        tests = [studies.paired(record, records[base], attack) for _, record in own]
        compared = corrected(
            (_label(kind, record.run, base), style.title("relu"), (test, Interval.of(test)))
            for (kind, record), test in zip(own, tests, strict=True)
        )
        made += [Change(kind, one) for (kind, _), one in zip(own, compared, strict=True)]
    return Levers(scale, attack, tuple(made))


def _setting(run: Run, base: Run | None = None, fields: Sequence[str] = ()) -> str:
    """What decides the run's result, however it is evaluated; with these fields as in `base`."""
    for field in fields:
        run = _back(run, base, field)
    return replace(run, suite=Suite()).id


def _back(one: Any, other: Any, field: str) -> Any:
    name, _, inner = field.partition(".")
    theirs = getattr(other, name)
    return replace(one, **{name: _back(getattr(one, name), theirs, inner) if inner else theirs})


def _label(kind: str, run: Run, base: Run) -> str:
    if kind == "another network":
        if run.model != base.model:
            return models.REGISTRY[run.model].title
        return ", ".join(key if value is True else f"{key} {value}" for key, value in run.model_options.items())
    return {
        "another seed": f"seed {run.seed}",
        ACTIVATION: style.title(run.activation),
        "another weight decay": f"{run.schedule.weight_decay:g}",
        "another number of epochs": f"{run.schedule.epochs} epochs",
        "more attack steps": f"{run.objective.attack.steps} steps",
        "another way of training": OBJECTIVES[run.objective.name],
    }[kind]


def lever_table(one: Levers) -> str:
    """For each kind of change: how many runs, how many differ from ReLU's beyond chance, the highest and the lowest."""
    rows = []
    for kind, own in one.kinds.items():
        told = told_apart(change.comparison for change in own)
        ends = [f"{end.label}, {span(end.comparison.at)}" for end in (own[-1], own[0])]
        counts = [f"{len(own)}", f"{len(told.above)}", f"{len(told.below)}"]
        rows.append([kind.capitalize(), *counts, ends[0], ends[1] if len(own) > 1 else ""])
    return table(["One change", "Runs", "Above", "Below", "Highest, points", "Lowest, points"], rows)


def weighed(one: Levers) -> str:
    """Sentences: how far other activations reach up and down, and which other changes gain or lose more than these."""
    own = one.of(ACTIVATION)
    if not own:
        return ""
    told = told_apart(change.comparison for change in own)
    low, high = own[0], own[-1]
    text = (
        f"At `{one.scale}`, {under(one.attack)}, {len(told.above) or 'none'} of {len(own)} activations gained on ReLU "
        f"beyond chance and {len(told.below) or 'none'} lost. They reach from {low.said} to {high.said} points."
    )
    others = [change for change in one.found if change.kind != ACTIVATION]
    gains = [change for change in others if change.points > max(high.points, 0)]
    losses = [change for change in others if change.points < min(low.points, 0)]
    if gains:
        text += f" What gained more than the best of them: {_named(gains[::-1])}."
    elif others:
        text += f" None of the other changes that are recorded ({len(others)}) gained more than the best of them."
    return text + (f" What lost more than the worst: {_named(losses)}." if losses else "")


def _named(found: Sequence[Change]) -> str:
    firm = sorted(found, key=lambda change: -abs(change.points))[:4]
    return listed(f"{one.said}{'' if one.comparison.differs else ', which may be chance'}" for one in firm)


def yardstick(one: Levers) -> str:
    """How far other seeds of ReLU move its accuracy, or that none is recorded."""
    seeds = one.of("another seed")
    if not seeds:
        return f"At `{one.scale}` no other seed of ReLU is recorded, so that scale has no such yardstick yet."
    moved = listed(points(change.comparison.at.value) for change in seeds)
    return f"At `{one.scale}` ReLU moves itself, with other seeds, by {moved} points."


def lever_figure(panels: Mapping[str, Levers]) -> Figure:
    """A row for each kind of change, a dot for each run: points above ReLU's run; full dots differ beyond chance.

    What lies beyond `FAR` is an arrow at the edge with its number. The lowest of a row has its name to the left, the
    highest to the right, where no other dot can be meant.
    """
    kinds = {title: one.kinds for title, one in panels.items() if one.found}
    heights = [0.7 + 0.44 * len(own) for own in kinds.values()]
    with frames.stacked(heights, 0.35) as (figure, axes):
        for ax, (title, rows) in zip(axes, kinds.items(), strict=True):
            near = [abs(one.points) for own in rows.values() for one in own if abs(one.points) <= FAR]
            edge = 1.65 * max([2.0, *near])  # with room for names
            ax.axvline(0, color=INK, lw=1.2)
            for y, own in enumerate(rows.values()):
                _dots(ax, own, y, 0.97 * edge)
            frames.label_rows(ax, list(rows))
            ax.set_xlim(-edge, edge)
            ax.xaxis.set_major_locator(MaxNLocator(10, steps=(1, 2, 5, 10)))
            ax.set_title(title, color=INK)
        for ax in axes[-1:]:
            ax.set_xlabel("points above ReLU's run")
        words = {"beyond chance": True, "may be chance": False}
        frames.legend(figure, [Line2D([], [], label=label, **_look(full)) for label, full in words.items()])
    return figure


def _look(full: bool) -> dict[str, Any]:
    return {"ls": "", "marker": "o", "ms": 5, "color": INK, "mfc": INK if full else "white", "mew": 1}


def _dots(ax: Axes, own: Sequence[Change], y: int, edge: float) -> None:
    look: dict[str, Any] = {"size": 8.5, "color": INK, "textcoords": "offset points", "path_effects": frames.HALO}
    for one in own:
        far, up = abs(one.points) > FAR, one.points > 0
        place = (edge if up else -edge) if far else one.points
        ax.plot(place, y, **(_look(one.comparison.differs) | ({"marker": ">" if up else "<"} if far else {})))
        if not far and one in (own[0], own[-1]):
            left = one is own[0] and (len(own) > 1 or not up)
            at, ha = (-6 if left else 6, 0), "right" if left else "left"
            ax.annotate(one.label, (place, y), at, ha=ha, va="center", **look)
    for side, ha in ((-1, "left"), (1, "right")):
        far_out = [one.said for one in own if side * one.points > FAR]
        half = -(-len(far_out) // 2)
        for said, shift, va in ((far_out[:half], 5, "bottom"), (far_out[half:], -5, "top")):  # clear of nearer dots
            if said:
                ax.annotate("\n".join(said), (side * edge, y), (-4 * side, shift), ha=ha, va=va, **look)


# ---- what it costs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Priced:
    """An activation against ReLU under PGD-50, corrected over all activations, timed or not; and its timed step."""

    comparison: Comparison
    clean: float
    row: dict[str, Any]

    @property
    def name(self) -> str:
        return self.comparison.name

    @property
    def ratio(self) -> float:
        """The time of its training step over ReLU's."""
        return self.row["ratio"]

    @property
    def at(self) -> Interval:
        return self.comparison.at


def timed_on(one: Standings, every: Benchmarks) -> Recorded | None:
    """The benchmark of training steps with the scale's network, on the kind of machine that the scale is for."""
    model = one.records[0].run.model
    files = [file for file in every.of("step_cost") if (file.device != "cpu") is (one.scale in ON_GPU)]
    return next((file for file in files if any(row["model"] == model for row in file.rows)), None)


def priced(one: Standings, every: Benchmarks) -> list[Priced]:
    """The protocol's activations at a scale whose step was timed with the scale's network, the cheapest first."""
    file, relu = timed_on(one, every), one.of("relu")[0]
    rows = {row["activation"]: row for row in file.rows if row["model"] == relu.run.model} if file else {}
    clean = against_relu(one, "clean")
    found = [Priced(row, clean[name].at.value, rows[name]) for name, row in against_relu(one).items() if name in rows]
    return sorted(found, key=lambda priced: priced.ratio)


def price_figure(panels: Mapping[str, Sequence[Priced]]) -> Figure:
    """To the right what a step costs, upwards what it gains under PGD-50, both with their spread; ReLU is the cross.

    Those that stand out have names: beyond chance, as dear as `DEAR`, or the last on an axis. The table has all.
    """
    panels = {title: found for title, found in panels.items() if found}
    keys = frames.accents([one.name for found in panels.values() for one in found])
    foot = frames.legend_height([f"{key.get_label()}" for key in keys])
    with frames.stacked([4.0] * len(panels), foot) as (figure, axes):
        for ax, (title, found) in zip(axes, panels.items(), strict=True):
            ax.axhline(0, color=INK, lw=1)
            ax.plot(1, 0, "x", color=style.colour("relu"), ms=8, mew=2)
            ends = [found[0], found[-1], *(end(found, key=lambda one: one.at.value) for end in (min, max))]
            for one in found:
                look, y = frames.accent(one.name), 100 * one.at.value
                ax.plot([one.ratio] * 2, [100 * one.at.low, 100 * one.at.high], color=look["color"], lw=0.9, alpha=0.3)
                ax.plot([one.row["ratio_min"], one.row["ratio_max"]], [y, y], color=look["color"], lw=0.9, alpha=0.3)
                face = look["color"] if one.comparison.differs else "white"
                ax.plot(one.ratio, y, ls="", mfc=face, mew=1.2, **look)
                if one.comparison.differs or one.ratio >= DEAR or one in ends:
                    frames.beside(ax, style.title(one.name), (one.ratio, y), INK)
            if found[-1].ratio > 2:
                frames.ratios(ax)
            ax.set_title(title, color=INK)
            ax.set(xlabel="time of a training step, ReLU = 1", ylabel="points above ReLU, PGD-50")
        frames.legend(figure, keys)
        frames.settle(figure)
    return figure


def price_table(found: Sequence[Priced]) -> str:
    """The same as a table, and the difference on clean images."""
    rows = []
    for one in found:
        low, high = times(one.row["ratio_min"]), times(one.row["ratio_max"])
        spread = f"{times(one.ratio)} ({low}{NBSP}to{NBSP}{high})" if low != high else times(one.ratio)
        above, *_, p = one.comparison.cells
        rows.append([style.title(one.name), spread, points(one.clean), above, p])
    return table(["Activation", "Step, ReLU = 1", "Clean, points", "PGD-50, points", "p, Holm"], rows)
