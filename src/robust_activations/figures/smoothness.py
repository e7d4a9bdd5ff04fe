"""Smooth approximations of ReLU: how smooth they are, and how far the gradients of their networks can be trusted.

Tables are Markdown, for cells with `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor, nn

from robust_activations import activations
from robust_activations.attacks import Threat, attacking, true_gradients
from robust_activations.figures import frames, interactive, style
from robust_activations.figures.catalogue import Curve, curve, grid, number
from robust_activations.figures.frames import GREY, INK, ROW, SHADE, WIDTH, label_rows
from robust_activations.figures.prose import MINUS, NBSP, interval, table
from robust_activations.figures.results import dot
from robust_activations.figures.rows import Interval

NAMES = ("relu", "softplus", "parametric_softplus", "smooth_relu", "silu", "gelu", "elu", "celu")
CLASSES = ("not continuous", "$C^0$, not $C^1$", "$C^1$, not $C^2$", "$C^2$ or smoother")

_figure = partial(style.figure, WIDTH)


# ---- how smooth -------------------------------------------------------------------------------------------------


def jumps(function: Curve, at: float = 0.0, beside: float = 1e-9) -> tuple[float, float, float]:
    """Value, slope and second derivative just right of a point, minus the same just left of it."""
    z = torch.tensor([at - beside, at + beside], dtype=torch.float64)
    value, slope, second = (float(line[1] - line[0]) for line in activations.shape(function, z))
    return value, slope, second


def order(function: Curve, at: float = 0.0) -> int:
    """How often a function is continuously differentiable at a point: 0, 1, or 2 for twice or more; −1 for a jump."""
    return next((i - 1 for i, jump in enumerate(jumps(function, at)) if abs(jump) > 1e-4), 2)


def gaps(first: Curve, second: Curve, reach: float = 6.0) -> list[tuple[float, float]]:
    """The greatest distance of values, slopes and second derivatives of two functions, and the input where it is."""
    z = grid(reach)
    pairs = zip(activations.shape(first, z), activations.shape(second, z), strict=True)
    distances = [(one - other).abs() for one, other in pairs]
    return [(float(distance.max()), float(z[distance.argmax()])) for distance in distances]


def class_table(functions: Mapping[str, Curve]) -> str:
    """What jumps at 0, the class that follows, and the greatest second derivative, by label."""
    rows = []
    for label, function in functions.items():
        _, slope, second = jumps(function)
        kink = abs(slope) > 1e-4
        top = float(activations.shape(function, grid())[2].abs().max())
        cells = [number(slope), "" if kink else number(second), CLASSES[order(function) + 1]]
        rows.append([label, *cells, "∞" if kink else number(top)])
    header = ["Activation", "Jump of $\\varphi'$ at 0", "Jump of $\\varphi''$ at 0", "Class"]
    return table([*header, "$\\sup\\lvert\\varphi''\\rvert$"], rows)


def below_zero(function: Curve, reach: float = 6.0) -> tuple[float, float, float]:
    """Lowest and highest output for 10,000 inputs from `-reach` to −0.001, and the share of them that is positive."""
    z = torch.linspace(-reach, -1e-3, 10_000, dtype=torch.float64)
    with torch.no_grad():
        value = function(z)
    return float(value.min()), float(value.max()), float((value > 0).double().mean())


def below_zero_table(functions: Mapping[str, Curve]) -> str:
    rows = []
    for label, function in functions.items():
        low, high, share = below_zero(function)
        slope = activations.shape(function, torch.tensor([-1.0], dtype=torch.float64))[1]
        ends = (f"{end + 0.0:.3g}".translate(MINUS) for end in (low, high))  # tiny is not 0 here; −0 is
        rows.append([label, *ends, f"{100 * share:.0f}", number(float(slope))])
    return table(["Activation", "Lowest output", "Highest output", "Positive, %", "$\\varphi'(-1)$"], rows)


def slopes(functions: Mapping[str, tuple[str, Curve]], reach: float = 3.0) -> Figure:
    """Slope and second derivative, one panel a label, with the step of ReLU's slope behind; an even number of them.

    `functions` gives for each label the activation's name and its curve.
    """
    near = torch.logspace(-9, 0, 120, dtype=torch.float64)
    right = torch.cat([near, torch.linspace(0, reach, 300, dtype=torch.float64)[1:]]).sort()[0]
    rows = -(-len(functions) // 2)
    with _figure(1.25 * rows + 0.6) as figure:
        panels = figure.subplots(rows, 2, sharex=True, sharey=True).flatten()
        for ax, (label, (name, function)) in zip(panels, functions.items(), strict=True):
            ax.plot([-reach, 0, 0, reach], [0, 0, 1, 1], color=GREY, lw=1)
            for z in (-right.flip(0), right):  # in two pieces, so that no line is drawn across a jump
                _, slope, second = activations.shape(function, z)
                ax.plot(z, slope, color=style.colour(name), lw=2)
                ax.plot(z, second, color=INK, lw=1.2, ls=(0, (3, 1.5)))
            top = float(activations.shape(function, grid())[2].max())
            if top > 1.3:
                ax.text(0.5, 1.36, f"φ″ up to {number(top)}", size=8, color=INK, va="center")
            ax.set(xlim=(-reach, reach), ylim=(-0.3, 1.5), title=label)
        keys = [
            Line2D([], [], color=style.colour("silu"), lw=2, label="slope φ′"),
            Line2D([], [], color=INK, lw=1.2, ls=(0, (3, 1.5)), label="second derivative φ″"),
            Line2D([], [], color=GREY, lw=1, label="ReLU's slope"),
        ]
        for ax in panels[-2:]:
            ax.set_xlabel("input z")
        figure.legend(handles=keys, loc="outside lower center", ncol=3, columnspacing=1.1, handlelength=1.6)
    return figure


def dial(key: str) -> interactive.Interactive:
    """Sliders for the sharpness of four activations: value, slope, and ReLU's slope between −2 and 2."""
    near = torch.tensor([1e-9, 2e-3, 5e-3, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.17], dtype=torch.float64)
    right = torch.cat([near, torch.linspace(0.2, 2, 25, dtype=torch.float64)])
    z = torch.cat([-right.flip(0), right])

    def frame(name: str, alpha: float) -> tuple[list[Float[Tensor, " n"]], str]:
        value = {"sharpness": alpha**0.5} if name == "smooth_relu" else {"alpha": alpha}
        function = curve(name, learn=(), **value)
        height, slope, _ = activations.shape(function, z)
        far, _ = gaps(function, curve("relu"), 4.0)[0]
        kink = jumps(function)[1]
        bend = float(activations.shape(function, grid())[2].abs().max())
        bends = f"slope jumps by {number(kink)} at 0" if abs(kink) > 1e-4 else f"greatest curvature {number(bend)}"
        text = f"{style.title(name)}, α = {alpha:g}: {bends}, at most {far:.3f} from ReLU between −4 and 4"
        return [(z > 0).double(), height, slope], text

    sharp = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 400.0)
    menu = {
        "parametric_softplus": (sharp, 10.0),
        "smooth_relu": (sharp, 400.0),
        "elu": ((0.25, 0.5, 1.0, 1.5, 2.0), 1.0),
        "celu": ((0.25, 0.5, 1.0, 2.0, 4.0), 1.0),
    }
    choices = [
        interactive.Choice(
            style.title(name), (interactive.Slider("α", values, values.index(start)),), partial(frame, name)
        )
        for name, (values, start) in menu.items()
    ]
    lines = (interactive.Line("ReLU's slope", GREY, width=1.5), interactive.VALUE, interactive.SLOPE)
    return interactive.explorer(key, "Value and slope of an activation beside ReLU's slope", z, (-1, 2), lines, choices)


# ---- how far a gradient can be trusted --------------------------------------------------------------------------


@dataclass(frozen=True)
class Probe:
    """What a step did to each image: the cosine between the loss's gradients before and after it, and the margin.

    The margin is the logit of the strongest other class, as seen before the step, minus that of the true class.
    `promised` is the rise that its gradient predicts, the product with the step; `came` is the true one.
    """

    cosine: Float[np.ndarray, " n"]
    promised: Float[np.ndarray, " n"]
    came: Float[np.ndarray, " n"]


def probe(model: nn.Module, x: Float[Tensor, "n c h w"], y: Int[Tensor, " n"], radius: float) -> Probe:
    """One FGSM step on the cross-entropy, of this l-inf radius in pixels, looked at from both ends in float64.

    The model is in evaluation mode and has its own derivatives.
    """
    model, x, threat = copy.deepcopy(model).double(), x.double(), Threat("linf", str(radius))
    with attacking(model), true_gradients(model):
        other = model(x).scatter(1, y[:, None], -torch.inf).argmax(1)

        def margin(logits: Tensor) -> Tensor:
            return (logits.gather(1, other[:, None]) - logits.gather(1, y[:, None]))[:, 0]

        _, here = _gradient(model, x, partial(_cross_entropy, y))
        moved = threat.project(x, x + radius * threat.ascend(here))
        _, there = _gradient(model, moved, partial(_cross_entropy, y))
        before, slope = _gradient(model, x, margin)
        after, _ = _gradient(model, moved, margin)
    cosine = F.cosine_similarity(here.flatten(1), there.flatten(1), eps=0.0)
    promised = (slope * (moved - x)).flatten(1).sum(1)
    return Probe(cosine.numpy(), promised.numpy(), (after - before).numpy())


def _cross_entropy(y: Tensor, logits: Tensor) -> Tensor:
    return F.cross_entropy(logits, y, reduction="none")


def _gradient(model: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Each image's loss, and the gradient by that image."""
    x = x.detach().requires_grad_()
    values = loss(model(x))
    return values.detach(), torch.autograd.grad(values.sum(), x)[0]


def bootstrap(
    top: Float[np.ndarray, " n"], bottom: Float[np.ndarray, " n"] | None = None, level: float = 0.95, draws: int = 4000
) -> Interval:
    """The mean, or the ratio of two means, with a percentile interval over images drawn anew; the same every time."""
    bottom = np.ones(len(top)) if bottom is None else bottom
    index = np.random.default_rng(0).integers(len(top), size=(draws, len(top)))
    low, high = np.quantile(top[index].mean(1) / bottom[index].mean(1), ((1 - level) / 2, (1 + level) / 2))
    return Interval(float(top.mean() / bottom.mean()), float(low), float(high))


def missed(one: Probe) -> Interval:
    """How far the margin's true rise is from the promised one, as a share of the latter; 0 where it is linear."""
    return bootstrap(np.abs(one.came - one.promised), one.promised)


def against_relu(probes: Mapping[str, Probe]) -> dict[str, Interval]:
    """Mean cosine minus ReLU's on the same images; all intervals together hold with 95 % (Bonferroni)."""
    others = {name: one.cosine - probes["relu"].cosine for name, one in probes.items() if name != "relu"}
    return {name: bootstrap(gap, level=1 - 0.05 / len(others)) for name, gap in others.items()}


def trust_table(probes: Mapping[str, Mapping[float, Probe]], eps: float) -> str:
    """Mean cosines at every radius, and the missed rise at the last; by name, then radius."""
    rows = []
    for name, by_radius in probes.items():
        last = list(by_radius.values())[-1]
        rows.append(
            [style.title(name), *(words(bootstrap(one.cosine)) for one in by_radius.values()), words(missed(last))]
        )
    lengths = [f"{radius / eps:g}{NBSP}ε".removeprefix("1\N{NO-BREAK SPACE}") for radius in next(iter(probes.values()))]
    header = ["Activation", *(f"Cosine after {length}" for length in lengths)]
    return table([*header, f"Rise missed after {lengths[-1]}"], rows)


def words(one: Interval) -> str:
    """`0.842 [0.829, 0.855]`."""
    return interval(*one, form=".3f", scale=1)


def along(model: nn.Module, x: Tensor, y: Tensor, radius: float, points: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """The slope of one image's loss on the way of an FGSM step: lengths in pixels, and the slopes.

    `x` is one image (1, c, h, w), `y` its label (1,). No cut to [0, 1], so that the way is straight.
    """
    model, x = copy.deepcopy(model).double(), x.double()
    with attacking(model), true_gradients(model):
        way = _gradient(model, x, partial(_cross_entropy, y))[1].sign()
        lengths = torch.linspace(0, radius, points, dtype=torch.float64)
        images = x + lengths[:, None, None, None] * way
        gradients = _gradient(model, images, partial(_cross_entropy, y.expand(points)))[1]
    return lengths.numpy(), (gradients * way).flatten(1).sum(1).numpy()


def agreement(probes: Mapping[str, Mapping[float, Probe]], eps: float) -> Figure:
    """Mean cosine between the gradients at both ends of an FGSM step, against its length; by name, then radius."""
    with _figure(3.9) as figure:
        ax = figure.subplots()
        for name, by_radius in probes.items():
            x = [0.0, *(radius / eps for radius in by_radius)]
            means = [1.0, *(one.cosine.mean() for one in by_radius.values())]
            look: dict[str, Any] = {"color": style.colour(name), "marker": style.marker(name), "ls": style.line(name)}
            ax.plot(x, means, ms=5, label=style.title(name), **look)
        ax.set(xlabel="length of the step, in ε", ylabel="mean cosine", xlim=(0, 1.02))
        figure.legend(loc="outside lower center", ncol=2, columnspacing=1.1)
    return figure


def trust(probes: Mapping[str, Probe]) -> Figure:
    """Cosine and missed rise of each activation's network with 95 % intervals, the best cosine on top."""
    names = sorted(probes, key=lambda name: -probes[name].cosine.mean())
    both = (
        ("mean cosine", {name: bootstrap(probes[name].cosine) for name in names}),
        ("rise missed, share", {name: missed(probes[name]) for name in names}),
    )
    with _figure(1.0 + ROW * len(names)) as figure:
        for ax, (title, found) in zip(figure.subplots(1, 2, sharey=True), both, strict=True):
            ax.axvspan(found["relu"].low, found["relu"].high, color=SHADE, lw=0, zorder=0)
            for y, name in enumerate(names):
                dot(ax, found[name], y, style.colour(name))
            ax.set_xlabel(title)
            label_rows(ax, [style.title(name) for name in names])
    return figure


def ways(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], eps: float) -> Figure:
    """`along` of several networks, by the activation's name; one panel each."""
    with _figure(1.15 * len(curves) + 0.5) as figure:
        axes = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
        for ax, (name, (lengths, values)) in zip(axes, curves.items(), strict=True):
            ax.plot(lengths / eps, values, color=style.colour(name), lw=0, marker=".", ms=2.5)
            ax.set_title(style.title(name), loc="left")
        axes[-1].set_xlabel("length of the step, in ε")
        figure.supylabel("slope of the loss", size=10)
    return figure


def dialled(by_alpha: Mapping[float, Probe], relu: Probe) -> Figure:
    """Mean cosine of a softened ReLU network against its sharpness, with 95 % intervals; ReLU's own is shaded."""
    with _figure(2.7) as figure:
        ax = figure.subplots()
        itself, found = bootstrap(relu.cosine), [bootstrap(one.cosine) for one in by_alpha.values()]
        ax.axhspan(itself.low, itself.high, color=SHADE, lw=0, zorder=0)
        ax.axhline(itself.value, color="black", lw=1, label="ReLU itself")
        errors = np.array([(one.value - one.low, one.high - one.value) for one in found]).T
        ax.errorbar(
            list(by_alpha),
            [one.value for one in found],
            errors,
            fmt="o-",
            color=style.colour("parametric_softplus"),
            ms=5,
        )
        frames.logarithmic(ax, list(by_alpha))
        ax.set(xlabel="α of Parametric Softplus in place of ReLU", ylabel="mean cosine")
        ax.legend(loc="upper right")
    return figure
