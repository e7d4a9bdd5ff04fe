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

from robust_activations import activations, models, studies
from robust_activations.evaluation import Suite
from robust_activations.figures import frames, style
from robust_activations.figures.catalogue import table
from robust_activations.figures.claims import NOTHING
from robust_activations.figures.comparisons import Comparison, against, corrected, told_apart
from robust_activations.figures.frames import INK
from robust_activations.figures.measured import Benchmarks, listed, times
from robust_activations.figures.plans import OBJECTIVES
from robust_activations.figures.rows import ATTACKS, Interval, Row
from robust_activations.figures.standings import Standings, against_relu, detectable, norm, points, words
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.studies import protocol

ACTIVATION = "another activation"
# Each change to the protocol's run of ReLU, and the fields that it may change; a dot leads into a part of the run.
CHANGES = {
    "another seed": ("seed",),
    ACTIVATION: ("activation", "activation_options"),
    "another weight decay": ("schedule.weight_decay",),
    "longer training": ("schedule.epochs",),
    "more attack steps": ("objective.attack.steps",),
    "another network": ("model", "model_options"),
    "another way of training": ("objective",),
}
FAR = 15.0  # points: what moves accuracy further is drawn at the edge


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
        """`+1.2 [−0.4, +2.8], Mish`."""
        return f"{self.comparison.cells[0]}, {self.label}"


# ---- one change at a time ---------------------------------------------------------------------------------------


def changes(scale: str, records: Ledger, attack: str = "pgd20") -> list[Change]:
    """Every recorded run of any study that differs from the protocol's run of ReLU in one thing, p corrected for all.

    Of activations those of the protocol. What collapsed is left out; none where ReLU's run is not recorded.
    """
    recipe = protocol.recipe(scale)
    base = recipe("relu")
    if base not in records:
        return []
    ranked = {_setting(recipe(name)) for name in activations.names()}
    found: dict[str, tuple[str, Record]] = {}
    for run in (run for study in studies.get("all") for run in study.runs(scale)):
        kind = next((kind for kind, fields in CHANGES.items() if _setting(run, base, fields) == _setting(base)), None)
        same, known = _setting(run) == _setting(base), kind != ACTIVATION or _setting(run) in ranked
        if kind and known and not same and run in records and not records[run].collapsed:
            found.setdefault(_setting(run), (kind, records[run]))
    # Not `comparisons.paired`, which pairs records of one seed: here another seed is a change like others.
    tests = [studies.paired(record, records[base], attack) for _, record in found.values()]
    made = corrected(
        (_label(kind, record.run, base), style.title("relu"), (test, Interval(test.difference, *test.interval)))
        for (kind, record), test in zip(found.values(), tests, strict=True)
    )
    return [Change(kind, one) for (kind, _), one in zip(found.values(), made, strict=True)]


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
        "longer training": f"{run.schedule.epochs} epochs",
        "more attack steps": f"{run.objective.attack.steps} steps",
        "another way of training": OBJECTIVES[run.objective.name],
    }[kind]


def by_kind(found: Sequence[Change]) -> dict[str, list[Change]]:
    """In the order of `CHANGES`, and of the difference."""
    ordered = sorted(found, key=lambda one: one.points)
    groups = {kind: [one for one in ordered if one.kind == kind] for kind in CHANGES}
    return {kind: own for kind, own in groups.items() if own}


def change_table(found: Sequence[Change]) -> str:
    """For each kind of change: how many runs, how many differ from ReLU's beyond chance, the lowest and the highest."""
    rows = []
    for kind, own in by_kind(found).items():
        told = told_apart(one.comparison for one in own)
        ends = [own[-1].said, own[0].said if len(own) > 1 else ""]
        rows.append([kind.capitalize(), f"{len(own)}", f"{len(told.above)}", f"{len(told.below)}", *ends])
    return table(["One change", "Runs", "Above", "Below", "Highest, points", "Lowest, points"], rows)


def weighed(scale: str, found: Sequence[Change]) -> str:
    """A sentence: how far other activations reach at this scale, and how far the other changes do."""
    groups = by_kind(found)
    own = groups.pop(ACTIVATION, [])
    if not own:
        return ""
    told = told_apart(one.comparison for one in own)
    text = (
        f"At `{scale}`, of {len(own)} other activations {len(told.above) or 'none'} gained on ReLU beyond chance and "
        f"{len(told.below) or 'none'} lost; the highest is {own[-1].label} with {points(own[-1].points / 100)} points."
    )
    others = sorted((one for group in groups.values() for one in group), key=lambda one: -abs(one.points))
    further = [one for one in others if abs(one.points) > own[-1].points]
    if others and not further:
        return f"{text} None of the {len(others)} other changes moved accuracy further."
    if further:
        named = listed(f"{one.label} ({one.kind}, {points(one.points / 100)})" for one in further[:4])
        text += f" Of {len(others)} other changes {len(further)} moved accuracy further than that, most of all {named}."
    return text


def levers(panels: Mapping[str, Sequence[Change]]) -> Figure:
    """A row for each kind of change, a dot for each run: points above ReLU's run; full dots differ beyond chance.

    What lies beyond `FAR` is an arrow at the edge with its number. The highest and the lowest of a row are named.
    """
    groups = {title: by_kind(found) for title, found in panels.items() if found}
    heights = [0.7 + 0.44 * len(kinds) for kinds in groups.values()]
    with frames.stacked(heights, 0.35) as (figure, axes):
        for ax, (title, kinds) in zip(axes, groups.items(), strict=True):
            near = [abs(one.points) for own in kinds.values() for one in own if abs(one.points) <= FAR]
            edge = 1.25 * max([2.0, *near])
            ax.axvline(0, color=INK, lw=1.2)
            for y, own in enumerate(kinds.values()):
                for one in own:
                    _dot(ax, one, y, edge)
                for one in {own[0], own[-1]}:
                    if abs(one.points) <= edge:
                        frames.beside(ax, one.label, (one.points, y), INK)
            frames.label_rows(ax, list(kinds))
            ax.set_xlim(-edge, edge)
            ax.set_title(title, color=INK)
        for ax in axes[-1:]:
            ax.set_xlabel("points above ReLU's run")
        keys = [Line2D([], [], label="beyond chance", **_look(True))]
        keys.append(Line2D([], [], label="may be chance", **_look(False)))
        frames.legend(figure, keys)
        figure.draw_without_rendering()  # now it is known where the points are
        for ax in axes:
            frames.apart(ax)
    return figure


def _look(full: bool) -> dict[str, Any]:
    return {"ls": "", "marker": "o", "ms": 5, "color": INK, "mfc": INK if full else "white", "mew": 1}


def _dot(ax: Axes, one: Change, y: int, edge: float) -> None:
    if abs(one.points) <= edge:
        ax.plot(one.points, y, **_look(one.comparison.differs))
        return
    side = 1 if one.points > 0 else -1
    ax.plot(side * 0.97 * edge, y, **(_look(one.comparison.differs) | {"marker": ">" if side > 0 else "<"}))
    ax.annotate(
        f"{one.label}: {points(one.points / 100)}", (side * 0.97 * edge, y), (-side * 7, 0), size=8.5, color=INK,
        textcoords="offset points", ha="right" if side > 0 else "left", va="center", path_effects=frames.HALO,
    )  # fmt: skip


# ---- what it costs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Priced:
    """An activation's robust accuracy less ReLU's, and the time of its training step over that of ReLU's."""

    activation: str
    ratio: float
    comparison: Comparison


def priced(one: Standings, every: Benchmarks, attack: str = "pgd50") -> list[Priced]:
    """The protocol's activations at a scale whose step was timed with the scale's network; ReLU's first seed is 1."""
    relu = one.of("relu")[0]
    timed = {row["activation"]: row["ratio"] for file in every.of("step_cost") for row in file.rows
             if row["model"] == relu.run.model}  # fmt: skip
    names = [record.run.activation for record in one.ranked if record.run.activation in timed]
    rows = [Row(name, one.of(name)[0]) for name in names]
    return [Priced(found.name, timed[found.name], found) for found in against(Row("relu", relu), rows, attack)]


def answer(one: Standings, found: Sequence[Priced]) -> str:
    """For whom must choose: which activations are ahead of ReLU at this scale over all seeds, and at what price."""
    rows = [Row(r.run.activation, [*one.of(r.run.activation).values()]) for r in one.ranked]
    (relu,) = (row for row in rows if row.label == "relu")
    compared = against(relu, (row for row in rows if row is not relu))
    told = told_apart(compared)
    text = f"**At `{one.scale}` ({one.title()}), of {len(compared)} activations "
    if not told.above:
        text += "none is more robust than ReLU beyond chance"
        text += f", and {words(told.below)} {'is' if len(told.below) == 1 else 'are'} less.**" if told.below else ".**"
        return f"{text} Keep ReLU, or take what suits you for other reasons."
    ratios = {one.activation: f" ({times(one.ratio)} times the step)" for one in found}
    names = listed(f"{style.title(name)}{ratios.get(name, '')}" for name in told.above)
    are = "is" if len(told.above) == 1 else "are"
    return f"{text}{len(told.above)} {are} more robust than ReLU beyond chance: {names}.** Take the cheapest."


def price(panels: Mapping[str, Sequence[Priced]]) -> Figure:
    """To the right what a step costs, upwards what it gains under PGD-50, with the interval; ReLU is the cross."""
    panels = {title: found for title, found in panels.items() if found}
    with frames.stacked([3.6] * len(panels), 0.0) as (figure, axes):
        for ax, (title, found) in zip(axes, panels.items(), strict=True):
            ax.axhline(0, color=INK, lw=1)
            ax.plot(1, 0, "x", color=style.colour("relu"), ms=8, mew=2)
            for one in found:
                colour, at = style.colour(one.activation), one.comparison.at
                ax.plot([one.ratio] * 2, [100 * at.low, 100 * at.high], color=colour, lw=0.9, alpha=0.6)
                face = colour if one.comparison.differs else "white"
                ax.plot(one.ratio, 100 * at.value, "o", color=colour, mfc=face, ms=6, mew=1.2, zorder=3)
                frames.beside(ax, style.title(one.activation), (one.ratio, 100 * at.value), colour)
            if max(one.ratio for one in found) > 2:
                ax.set_xscale("log")
                ax.set_xticks([1, 1.5, 2, 3, 5], ["1", "1.5", "2", "3", "5"])
                ax.minorticks_off()
            ax.set_title(title, color=INK)
            ax.set(xlabel="time of a training step, ReLU = 1", ylabel="points above ReLU, PGD-50")
        figure.draw_without_rendering()
        for ax in axes:
            frames.apart(ax)
    return figure


def price_table(found: Sequence[Priced]) -> str:
    """The same as a table, the cheapest first."""
    rows = [
        [style.title(one.activation), times(one.ratio), one.comparison.cells[0], one.comparison.cells[-1]]
        for one in sorted(found, key=lambda one: one.ratio)
    ]
    return table(["Activation", "Step, ReLU = 1", "Above ReLU, points", "p, Holm"], rows) if rows else NOTHING


# ---- how sure ---------------------------------------------------------------------------------------------------


def evidence(found: Sequence[Standings]) -> str:
    """What the answer rests on at each scale: data, network, seeds, images, and the smallest difference to be seen."""
    rows = []
    for one in found:
        relu = one.of("relu")[0]
        run, n = relu.run, relu.best.outcomes["pgd50"].n
        rows.append(
            [
                f"`{one.scale}`",
                f"{run.dataset}, {norm(run)} {run.threat.eps}",
                models.REGISTRY[run.model].title,
                f"{len(one.ranked)}",
                f"{len(one.seeds)}",
                f"{n:,}",
                f"{visible(one)}",
                f"{run.schedule.epochs}",
                ATTACKS[run.suite.attacks[-1]],
            ]
        )
    header = ["Scale", "Data, ε", "Network", "Activations", "Seeds of ReLU", "n", "Visible, points", "Epochs", "Attack"]
    return table(header, rows)


def visible(one: Standings, attack: str = "pgd50") -> str:
    """In points, the smallest difference to ReLU that McNemar's test tells from 0 in a single comparison."""
    split = sorted(row.paired.only_first + row.paired.only_second for row in against_relu(one, attack))
    n = one.of("relu")[0].best.outcomes[attack].n
    return f"{100 * detectable(split[len(split) // 2]) / n:.1f}" if split else NOTHING
