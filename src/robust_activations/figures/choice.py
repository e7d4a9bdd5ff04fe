"""What the choice of an activation is worth beside other changes to the same training: one change at a time.

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
from robust_activations.evaluation import Suite
from robust_activations.figures import frames, style
from robust_activations.figures.comparisons import Comparison, corrected, span, told_apart
from robust_activations.figures.frames import INK
from robust_activations.figures.plans import TRAINING
from robust_activations.figures.prose import listed, p_said, points, table
from robust_activations.figures.rows import Interval, data_title, under
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.studies import protocol
from robust_activations.studies.base import strongest

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
OPTIONS = {"denoise": "denoising blocks", "depth": "{} layers", "blocks": "{} blocks"}
FAR = 15.0  # points: what moves accuracy further is drawn at the edge
LONG = 9  # dots of a row that need more than one line, at these levels
LEVELS = (-0.13, 0.0, 0.13)
NAMED = ("silu", "gelu")  # whatever their place in the row


# ---- one change at a time ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A recorded run that differs from the protocol's run of ReLU in one thing, compared with it on the same images."""

    kind: str
    comparison: Comparison
    record: Record

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
    attack = strongest([records[base], *(record for _, record in pairs)]) or "pgd20"
    made = []
    for family in (True, False):
        own = [(kind, record) for kind, record in pairs if (kind == ACTIVATION) is family]
        # Not `comparisons.paired`, which pairs records of one seed: here another seed is a change like others.
        tests = [studies.paired(record, records[base], attack) for _, record in own]
        compared = corrected(
            (_label(kind, record.run, base), style.title("relu"), (test, Interval.of(test)))
            for (kind, record), test in zip(own, tests, strict=True)
        )
        made += [Change(kind, one, record) for (kind, record), one in zip(own, compared, strict=True)]
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
        return ", ".join(OPTIONS.get(key, f"{key} {{}}").format(value) for key, value in run.model_options.items())
    return {
        "another seed": f"seed {run.seed}",
        ACTIVATION: style.title(run.activation),
        "another weight decay": f"{run.schedule.weight_decay:g}",
        "another number of epochs": f"{run.schedule.epochs} epochs",
        "more attack steps": f"{run.objective.attack.steps} steps",
        "another way of training": TRAINING[run.objective.name],
    }[kind]


def lever_table(one: Levers) -> str:
    """For each kind of change the highest and the lowest, or the only run; how many there are, and how many differ.

    A narrow screen shows the first columns.
    """
    rows = []
    for kind, own in one.kinds.items():
        told = told_apart(change.comparison for change in own)
        high, low = (f"{end.label}:<br>{span(end.comparison.at)}" for end in (own[-1], own[0]))
        ends = [high, low] if len(own) > 1 else [f"*only run:* {high}", ""]
        rows.append([kind.capitalize(), *ends, f"{len(own)}", f"{len(told.above)}", f"{len(told.below)}"])
    return table(["One change", "Highest, points", "Lowest, points", "Runs", "Above", "Below"], rows)


def conclusion(one: Levers) -> str:
    """A sentence: what gains most, an activation or another change, and how far another seed alone moves ReLU."""
    own, seeds = one.of(ACTIVATION), one.of("another seed")
    others = [change for change in one.found if change.kind not in (ACTIVATION, "another seed")]
    if not own or not others:
        return ""
    base, high, best = protocol.recipe(one.scale)("relu"), own[-1], max(others, key=lambda change: change.points)
    text = f"At `{one.scale}`, on {data_title(base)}, "
    if best.points > high.points:
        text += f"{_done(best, base)} gained more ({_gain(best)}) than any of {len(own)} "
        text += f"activations (at most {points(high.points / 100)}; {_apart(best, high, one.attack)})"
    else:
        text += f"{high.label} gained more ({_gain(high)}) than any other change that is recorded, at most "
        text += f"{points(best.points / 100)} by {_done(best, base)}; {_apart(high, best, one.attack)}"
    moved = listed(points(change.comparison.at.value) for change in seeds)
    alone = f"another seed alone moves ReLU by {moved} points" if seeds else "no other seed of ReLU is recorded"
    return f"{text}; {alone}."


def _apart(one: Change, other: Change, attack: str) -> str:
    p = studies.paired(one.record, other.record, attack).p
    return f"the two are {'told apart' if p < 0.05 else 'not told apart'} by the images, {p_said(p)}"


def _gain(change: Change) -> str:
    return points(change.points / 100) + ("" if change.comparison.differs else ", which may be chance")


def _done(change: Change, base: Run) -> str:
    """`doubling the epochs`, `training for 12 epochs instead of 3`, `another weight decay (0.01)`."""
    if change.label == f"{2 * base.schedule.epochs} epochs":
        return "doubling the epochs"
    if change.kind == "another number of epochs":
        return f"training for {change.label} instead of {base.schedule.epochs}"
    return f"{change.kind} ({change.label})"


def weighed(one: Levers) -> str:
    """Sentences: how far other activations reach up and down, and which other changes gain or lose more than these."""
    own = one.of(ACTIVATION)
    if not own:
        return ""
    told = told_apart(change.comparison for change in own)
    low, high = own[0], own[-1]
    text = (
        f"At `{one.scale}`, {under(one.attack)}, {len(told.above) or 'none'} of {len(own)} activations gained on "
        f"ReLU's run beyond the chance of the images and {len(told.below) or 'none'} lost. They range from {low.said} "
        f"to {high.said} points."
    )
    others = [change for change in one.found if change.kind != ACTIVATION]
    gains = [change for change in others if change.points > max(high.points, 0)]
    losses = [change for change in others if change.points < min(low.points, 0)]
    base = protocol.recipe(one.scale)("relu")
    if gains:
        text += f" Larger gains than the best activation: {_named(gains[::-1], base)}."
    elif others:
        text += f" None of the other changes that are recorded ({len(others)}) gained more than the best of them."
    return text + (f" Larger losses than the worst: {_named(losses, base)}." if losses else "")


def _named(found: Sequence[Change], base: Run) -> str:
    far = sorted(found, key=lambda change: -abs(change.points))[:4]
    return "; ".join(f"{_done(one, base)}, {_gain(one)}" for one in far)


def lever_figure(panels: Mapping[str, Levers]) -> Figure:
    """A row for each kind of change, a dot for each run: points above ReLU's run; full dots differ beyond chance.

    What lies beyond `FAR` is an arrow at the edge with its number. The lowest of a row has its name to the left, the
    highest to the right, where no other dot can be meant; those of `NAMED` have theirs above and below. Dots of a long
    row take turns in height, so that they do not hide each other.
    """
    kinds = {title: one.kinds for title, one in panels.items() if one.found}
    heights = [1.0 + 0.46 * len(own) for own in kinds.values()]
    with frames.stacked(heights, 0.35) as (figure, axes):
        for ax, (title, rows) in zip(axes, kinds.items(), strict=True):
            near = [abs(one.points) for own in rows.values() for one in own if abs(one.points) <= FAR]
            edge = 1.65 * max([2.0, *near])  # with room for names
            ax.axvline(0, color=INK, lw=1.2)
            for y, own in enumerate(rows.values()):
                _dots(ax, own, y, 0.97 * edge)
            ax.set_xlabel("points above ReLU's run")
            frames.label_rows(ax, list(rows))
            ax.set_xlim(-edge, edge)
            ax.xaxis.set_major_locator(MaxNLocator(10, steps=(1, 2, 5, 10)))
            ax.set_title(title, color=INK)
        words = {"beyond chance": True, "may be chance": False}
        frames.legend(figure, [Line2D([], [], label=label, **_look(full)) for label, full in words.items()])
    return figure


def _look(full: bool) -> dict[str, Any]:
    return {"ls": "", "marker": "o", "ms": 5, "color": INK, "mfc": INK if full else "white", "mew": 1}


def _dots(ax: Axes, own: Sequence[Change], y: int, edge: float) -> None:
    look: dict[str, Any] = {"size": 8.5, "color": INK, "textcoords": "offset points", "path_effects": frames.HALO}
    named = {style.title(name): side for name, side in zip(NAMED, (-1, 1), strict=True)}
    for i, one in enumerate(own):
        far, up = abs(one.points) > FAR, one.points > 0
        place = (edge if up else -edge) if far else one.points
        side = named.get(one.label, 0)
        level = LEVELS[i % len(LEVELS)] if not side else side * LEVELS[-1]
        high = y if far or len(own) < LONG else y + level
        ax.plot(place, high, **(_look(one.comparison.differs) | ({"marker": ">" if up else "<"} if far else {})))
        if side and not far:
            ax.annotate(
                one.label, (place, high), (0, -18 * side), ha="center", va="center",
                arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 2}, **look,
            )  # fmt: skip
            continue
        if not far and one in (own[0], own[-1]):
            left = one is own[0] and (len(own) > 1 or not up)
            at, ha = (-6 if left else 6, 0), "right" if left else "left"
            ax.annotate(one.label, (place, high), at, ha=ha, va="center", **look)
    for side, ha in ((-1, "left"), (1, "right")):
        far_out = [one.said for one in own if side * one.points > FAR]
        half = -(-len(far_out) // 2)
        clear = 9 if len(own) >= LONG else 5  # of nearer dots
        for said, shift, va in ((far_out[:half], clear, "bottom"), (far_out[half:], -clear, "top")):
            if said:
                ax.annotate("\n".join(said), (side * edge, y), (-4 * side, shift), ha=ha, va=va, **look)
