"""Figures of the chapter on shapes: every activation with its slope and curvature, narrow enough for a phone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import seaborn as sns
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from robust_activations import activations
from robust_activations.attacks import attacking
from robust_activations.figures import catalogue, style
from robust_activations.figures.catalogue import SYMBOLS, Curve, curve
from robust_activations.figures.prose import MINUS

WIDTH = 4.2  # inches: shrunk to a phone, letters stay of a readable size
ORDERS = ("$\\varphi$", "$\\varphi'$", "$\\varphi''$")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), "-.", (0, (4, 1, 1, 1, 1, 1)), (0, (8, 2)))
INK = "#333333"


_figure = partial(style.figure, WIDTH)


def _pieces(low: float, high: float, breaks: Sequence[float]) -> Iterator[Float[Tensor, " n"]]:
    """Points between `low` and `high`, cut at the breaks, so that no line is drawn across a jump."""
    ends = [low, *sorted(b for b in breaks if low < b < high), high]
    for left, right in itertools.pairwise(ends):
        inside = torch.logspace(-9, 0, 60, dtype=torch.float64) * (right - left) / 2
        even = torch.linspace(left, right, 200, dtype=torch.float64)[1:-1]
        yield torch.cat([left + inside, even, right - inside]).sort()[0]


def _draw(ax: Axes, function: Curve, order: int, reach: float, breaks: Sequence[float] = (0.0,), **look: Any) -> None:
    """Value (0), slope (1) or second derivative (2), in which a kink is an arrow as high as the slope's jump."""
    for z in _pieces(-reach, reach, breaks):
        ax.plot(z, activations.shape(function, z)[order], **look)
        look.pop("label", None)
    for at in breaks if order == 2 else ():
        jump = float(catalogue.jump(function, at))
        if abs(jump) > 1e-3:
            arrow = {"arrowstyle": "-|>", "color": look["color"], "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (at, jump), (at, 0), arrowprops=arrow)


def _frame(ax: Axes, reach: float, low: float, high: float) -> None:
    ax.set(xlim=(-reach, reach), ylim=(low, high))
    ax.axhline(0, color="#999999", lw=0.8, zorder=0)
    ax.axvline(0, color="#999999", lw=0.8, zorder=0)


def fixed(names: Sequence[str]) -> Figure:
    """One panel an activation: value, slope and second derivative together. The first panel is the legend."""
    rows = len(names) // 2 + 1
    with _figure(1.5 * rows) as figure:
        legend, *panels = figure.subplots(rows, 2, sharex=True, sharey=True).flatten()
        for ax, name in zip(panels, names, strict=False):
            _frame(ax, 4, -1.5, 3)
            for order in range(3):
                look = {"color": style.colour(name), "lw": (2.6, 1.7, 1.7)[order], "ls": DASHES[order]}
                _draw(ax, curve(name), order, 4, label=ORDERS[order], **look)
            ax.set_title(style.title(name))
        handles, labels = panels[0].get_legend_handles_labels()
        words = [f"{a}  {b}" for a, b in zip(labels, ("value", "slope", "second derivative"), strict=True)]
        legend.legend(handles, words, loc="center", title="An arrow: a kink", alignment="left")
        for ax in (legend, *panels[len(names) :]):
            ax.axis("off")
        figure.supxlabel("input z", size=10)
    return figure


def parametric(
    cases: Sequence[tuple[str, str, Sequence[float], Mapping[str, float]]], tops: Sequence[float] = ()
) -> Figure:
    """One row for each (name, parameter, its values, the others' values): value, slope and second derivative.

    The value at which training starts is drawn thick; `tops` are the upper ends of the second derivatives' axes.
    """
    with _figure(2.0 * len(cases)) as figure:
        parts = figure.subfigures(len(cases), 1, squeeze=False).flatten()
        for row, (part, (name, parameter, values, others)) in enumerate(zip(parts, cases, strict=True)):
            start = activations.REGISTRY[name].cls.values[parameter]
            axes = part.subplots(1, 3)
            dashes = iter(DASHES[1:])
            for value, shade in zip(values, _shades(name, len(values)), strict=True):
                first = abs(value - start) < 1e-6
                look = {"ls": "-", "lw": 3.2, "zorder": 2} if first else {"ls": next(dashes), "lw": 1.7, "zorder": 3}
                label = f"{value:g}{' (start)' if first else ''}".translate(MINUS)
                for order, ax in enumerate(axes):
                    function = curve(name, learn=(), **{parameter: value}, **others)
                    _draw(ax, function, order, 4, color=shade, label=label if order == 0 else None, **look)
            top = tops[row] if tops else 2.2
            for ax, label, (low, high) in zip(axes, ORDERS, ((-2, 4), (-1.2, 2.2), (-0.3 * top, top)), strict=True):
                _frame(ax, 4, low, high)
                ax.set_xticks([-3, 0, 3])
                ax.set_title(label)
            given = "".join(f" with {SYMBOLS[key]} = {value:g}" for key, value in others.items())
            part.legend(
                loc="outside upper left",
                ncol=len(values),
                title=f"{style.title(name)}{given}, {SYMBOLS[parameter]} =",
                alignment="left",
                title_fontsize=10,
                handlelength=1.8,
                columnspacing=0.9,
            )
    return figure


def _shades(name: str, number: int) -> list[tuple[float, float, float]]:
    own = style.colour(name)
    light, dark = sns.light_palette(own, 5)[2], sns.dark_palette(own, 5)[2]
    return list(sns.blend_palette([light, own, dark], number))


def influence(rows: Mapping[str, Sequence[tuple[str, str]]]) -> Figure:
    """How much the output moves with a parameter, at its start: the regions in which it acts.

    Each row has a title and its (name, parameter).
    """
    z = torch.cat([*_pieces(-4, 4, [0.0])])
    columns = max(len(cases) for cases in rows.values())
    with _figure(1.7 * len(rows)) as figure:
        grid = figure.subplots(len(rows), columns, sharex=True, sharey="row", squeeze=False)
        for axes, (heading, cases) in zip(grid, rows.items(), strict=True):
            for ax, (name, parameter) in zip(axes, cases, strict=True):
                moved = catalogue.sensitivity(name, parameter, z)
                ax.axvspan(-1, 1, color="#F0E442", alpha=0.25, lw=0)
                ax.plot(z, moved, color=style.colour(name))
                ax.fill_between(z, moved, color=style.colour(name), alpha=0.25, lw=0)
                ax.axhline(0, color="#999999", lw=0.8, zorder=0)
                ax.set(xlim=(-4, 4), xticks=[-3, 0, 3], title=f"{style.title(name)}, {SYMBOLS[parameter]}")
            axes[0].set_ylabel(heading)
        figure.supxlabel("input z", size=10)
    return figure


def positive_outputs(betas: Sequence[float], alpha: float = 1.0) -> Figure:
    """PSSiLU left of 0 for several β, with the points at which its output changes sign."""
    with _figure(3.2) as figure:
        ax = figure.subplots()
        shades = _shades("pssilu", len(betas))
        z = torch.linspace(-6, 1.5, 600, dtype=torch.float64)
        for beta, shade, dash in zip(betas, shades, DASHES, strict=False):
            value = curve("pssilu", learn=(), alpha=alpha, beta=beta)(z)
            ax.plot(z, value, color=shade, ls=dash, lw=2.2, label=f"β = {beta:g}")
            if 0 < beta < 0.5:
                ax.plot(catalogue.sign_change(alpha, beta), 0, "o", color=shade, mec=INK, ms=7, clip_on=False)
            ax.fill_between(z, value, where=((value > 0) & (z < 0)).tolist(), color=shade, alpha=0.18, lw=0)
        _frame(ax, 6, -0.5, 3)
        ax.set(xlim=(-6, 1.5), xlabel="input z", ylabel="output $\\varphi(z)$")
        ax.legend(loc="upper right")
    return figure


def ladder(
    names: Sequence[str], more: Mapping[str, Curve] | None = None, band: tuple[float, float] = (4, 10)
) -> Figure:
    """Curvature of every activation at its start, from flat to sharp; those with a kink stand at the right."""
    rows = [(style.title(name), style.colour(name), catalogue.measure(curve(name)).sup_curvature) for name in names]
    for label, function in (more or {}).items():
        rows.append((label, style.colour("psilu"), catalogue.measure(function).sup_curvature))
    rows.sort(key=lambda row: row[2])
    wall = 3000.0
    with _figure(0.6 + 0.235 * len(rows)) as figure:
        ax = figure.subplots()
        ax.axvspan(*band, color="#F0E442", alpha=0.35, lw=0)
        for height, (_, colour, curvature) in enumerate(rows):
            at = min(curvature, wall)
            ax.plot([0.03, at], [height, height], color=colour, lw=1, alpha=0.4)
            ax.plot(at, height, ">" if at == wall else "o", color=colour, ms=7)
        ticks = [0.1, 1, 10, 100, wall]
        ax.set(
            xscale="log",
            xlim=(0.05, 6000),
            ylim=(-0.7, len(rows) - 0.3),
            xlabel="greatest curvature $\\max|\\varphi''|$",
        )
        ax.set_xticks(ticks, ["0.1", "1", "10", "100", "kink"])
        ax.minorticks_off()
        ax.set_yticks(range(len(rows)), [row[0] for row in rows])
        ax.grid(axis="y", visible=False)
    return figure


def near_zero(functions: Mapping[str, tuple[str, Curve]], reach: float) -> Figure:
    """Value and slope of a few activations close to 0; `functions` gives for each label its name and curve."""
    with _figure(5.2) as figure:
        value, slope = figure.subplots(2, 1, sharex=True)
        for (label, (name, function)), dash in zip(functions.items(), DASHES, strict=False):
            look = {"color": style.colour(name), "ls": dash, "lw": 2.0, "label": label}
            _draw(value, function, 0, reach, **look)
            _draw(slope, function, 1, reach, **look)
        _frame(value, reach, -0.1 * reach, reach)
        _frame(slope, reach, -0.05, 1.1)
        value.set_ylabel("value $\\varphi(z)$")
        slope.set(xlabel="input z", ylabel="slope $\\varphi'(z)$")
        value.legend(loc="upper left")
    return figure


def switch() -> Figure:
    """The slope that the attack and the update see through ReLU, for each setting of the switch."""
    modules = {
        "neither: plain ReLU": activations.create("relu"),
        'where="attack"': activations.create("relu_smooth_gradient", where="attack"),
        'where="update"': activations.create("relu_smooth_gradient", where="update"),
        'where="both"': activations.create("relu_smooth_gradient", where="both"),
    }
    with _figure(4.2) as figure:
        panels = figure.subplots(2, 2, sharex=True, sharey=True).flatten()
        for ax, (title, module) in zip(panels, modules.items(), strict=True):
            _frame(ax, 1, -0.1, 1.1)
            with attacking(module):
                _draw(ax, module, 1, 1, color=style.ATTACKED, lw=3.6, label="attack")
            _draw(ax, module, 1, 1, color="black", ls=DASHES[1], lw=1.7, label="update")
            ax.set_title(title)
        figure.supxlabel("input z", size=10)
        figure.supylabel("slope that it sees", size=10)
        panels[0].legend(loc="center left")
    return figure


def hinged(functions: Mapping[str, tuple[str, Curve, Sequence[float]]]) -> Figure:
    """Piecewise linear functions and their slopes; `functions` gives the name, the curve and its hinges."""
    with _figure(1.5 * len(functions)) as figure:
        axes = figure.subplots(len(functions), 2, sharex=True, squeeze=False)
        for (left, right), (label, (name, function, hinges)) in zip(axes, functions.items(), strict=True):
            for order, ax in enumerate((left, right)):
                _draw(ax, function, order, 4, breaks=hinges, color=style.colour(name), lw=2.2)
            at = torch.tensor([b for b in hinges if abs(b) < 4], dtype=torch.float64)
            with torch.no_grad():
                left.plot(at, function(at), "o", color=style.colour(name), mec="white", ms=6)
            _frame(left, 4, -2.4, 4.2)
            _frame(right, 4, -2.2, 2.2)
            right.set_xticks([-3, 0, 3])
            left.set_title(label, loc="left")
        axes[0, 1].set_title("slope", loc="left")
        figure.supxlabel("input z", size=10)
    return figure


def neighbours(
    image: Float[Tensor, "h w"], outputs: Mapping[str, tuple[str, Float[Tensor, "h w"]]], mark: tuple[int, int]
) -> Figure:
    """What activations make of an image, and output against input for each of its pixels, the marked one ringed.

    `outputs` gives for each label the activation's name and what came out.
    """
    row, column = mark
    top = max(float(output.max()) for _, output in outputs.values())
    with _figure(1.75 * (len(outputs) + 1)) as figure:
        axes = figure.subplots(len(outputs) + 1, 2, width_ratios=(1, 1.25))
        for left, (label, output) in zip(
            axes[:, 0], [("Input", image), *((label, pair[1]) for label, pair in outputs.items())], strict=True
        ):
            picture = left.imshow(output, cmap="RdBu_r", vmin=-top, vmax=top)
            left.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, ec=INK, lw=2))
            left.set_axis_off()
            left.set_title(label, loc="left")
        for right, (name, output) in zip(axes[1:, 1], outputs.values(), strict=True):
            _frame(right, 2.2, -1, top * 1.1)
            look = {"color": style.colour(name), "ms": 4, "alpha": 0.7}
            right.plot(image.flatten(), output.flatten(), style.marker(name), **look)
            right.plot(image[mark], output[mark], "o", mfc="none", mec=INK, mew=2, ms=11)
            right.set_ylabel("output")
        axes[-1, 1].set_xlabel("input of the same pixel")
        axes[0, 1].set_axis_off()
        bar = figure.colorbar(picture, ax=axes[0, 1], orientation="horizontal", fraction=0.2, pad=-0.5)
        bar.set_label("value of a pixel")
    return figure
