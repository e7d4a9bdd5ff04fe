"""What an activation costs at every step, beside what it gains.

Tables and sentences are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robust_activations.estimates import ON_GPU
from robust_activations.figures import frames, style
from robust_activations.figures.comparisons import Comparison
from robust_activations.figures.frames import INK
from robust_activations.figures.measured import Benchmarks, Recorded, times
from robust_activations.figures.prose import MINUS, NBSP, counted, listed, points, table
from robust_activations.figures.rows import Interval
from robust_activations.figures.standings import Standings, against_relu

CUT, EDGE = 2.0, 1.97  # times ReLU's step: what takes longer is drawn at the edge
DEAR = 1.5


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

    Dearer ones than `CUT` are arrows at the edge with their number. Names have those of `style.OWN` and those that
    stand out: beyond chance, as dear as `DEAR`, or the last on an axis; the rest is small and grey, and the table has
    all.
    """
    panels = {title: found for title, found in panels.items() if found}
    with frames.stacked([4.4] * len(panels), 0.1) as (figure, axes):
        for ax, (title, found) in zip(axes, panels.items(), strict=True):
            ax.axhline(0, color=INK, lw=1)
            ax.plot(1, 0, "x", color=style.colour("relu"), ms=8, mew=2)
            frames.beside(ax, style.title("relu"), (1, 0), INK)
            ends = [found[0], *(end(found, key=lambda one: one.at.value) for end in (min, max))]
            for one in found:
                _price(
                    ax, one, named=one.comparison.differs or one.name in style.OWN or one.ratio >= DEAR or one in ends
                )
            ax.set_xlim(min(0.95, *(one.row["ratio_min"] - 0.02 for one in found)), CUT)
            ax.set_title(title, color=INK)
            ax.set(xlabel="time of a training step, ReLU = 1", ylabel="points above ReLU, PGD-50")
        frames.settle(figure)
    return figure


def _price(ax: Axes, one: Priced, *, named: bool) -> None:
    look, y, far = frames.accent(one.name), 100 * one.at.value, one.ratio > CUT
    x, words = min(one.ratio, EDGE), style.title(one.name)
    if far:
        look |= {"marker": ">", "ms": 6}
        words += f", {times(one.ratio)}×"
    else:
        ax.plot([one.row["ratio_min"], one.row["ratio_max"]], [y, y], color=look["color"], lw=0.9, alpha=0.3)
    ax.plot([x, x], [100 * one.at.low, 100 * one.at.high], color=look["color"], lw=0.9, alpha=0.3)
    ax.plot(x, y, ls="", clip_on=False, mfc=look["color"] if one.comparison.differs else "white", mew=1.2, **look)
    if named or far:
        frames.beside(ax, words, (x, y), look["color"] if one.name in style.OWN else INK)


def said(found: Sequence[Priced], one: Standings, every: Benchmarks) -> str:
    """What a step costs beside ReLU's, on which machine, and what it would as a plain formula; empty if not timed."""
    file, model = timed_on(one, every), one.records[0].run.model
    if not file or not found:
        return ""
    own = [row for row in found if row.name in style.OWN]
    costs = listed(f"{_percent(row.ratio)} with {style.title(row.name)}" for row in own)
    dearest = found[-1]
    text = f"**On {_machine(file)} a training step takes longer than with ReLU by {costs}.** The most expensive "
    text += f"is {style.title(dearest.name)}: {times(dearest.ratio)} times ReLU's step."
    if all(other.device == "cpu" for other in every.of("step_cost")):
        text += " GPUs were not measured: time a step of your own with both before you switch."
    rows = every.rows("ablation", file.device, model=model, change="plain formula")
    slower = [f"{times(row['ratio'])} times as long with {style.title(row['activation'])}" for row in rows
              if row["activation"] != "relu"]  # fmt: skip
    if slower:
        text += " SiLU and GELU are part of PyTorch; for others these times need our fused kernels: as a plain "
        text += f"formula, an attack takes {listed(slower)}."
    return text


def _machine(file: Recorded) -> str:
    """`2 CPU threads`, or the GPU's name."""
    threads = file.hardware["threads"]
    return file.hardware.get("gpu") or counted(threads, "CPU thread")


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):.0f}{NBSP}%".translate(MINUS)


def price_table(found: Sequence[Priced]) -> str:
    """The same as a table, and the difference on clean images."""
    rows = []
    for one in found:
        low, high = times(one.row["ratio_min"]), times(one.row["ratio_max"])
        spread = f"{times(one.ratio)} ({low}{NBSP}to{NBSP}{high})" if low != high else times(one.ratio)
        above, *_, p = one.comparison.cells
        rows.append([style.title(one.name), spread, p, above, points(one.clean)])
    return table(["Activation", "Step, ReLU = 1", "p, Holm", "PGD-50, points", "Clean, points"], rows)
