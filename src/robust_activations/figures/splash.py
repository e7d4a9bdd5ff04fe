"""The SPLASH unit: what it can represent, and where its hinges lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats
from torch import Tensor, nn

from robust_activations import activations
from robust_activations.activations.splash import LISTED, SPLASH
from robust_activations.figures import frames, style
from robust_activations.figures.catalogue import Curve
from robust_activations.figures.frames import GREY, INK, legend, stacked
from robust_activations.figures.interactive import SLOPE, Choice, Interactive, Line, Slider, explorer
from robust_activations.figures.prose import MINUS, table

GREEN = style.colour("splash")

# ---- the unit -------------------------------------------------------------------------------------------------------


def unit(right: Sequence[float], left: Sequence[float], hinges: Sequence[float] = LISTED) -> SPLASH:
    """The library's SPLASH with these coefficients a⁺ and a⁻ and hinges, in float64."""
    made = SPLASH(hinges=list(hinges)).double()
    with torch.no_grad():
        made.a_pos.copy_(torch.tensor(right, dtype=torch.float64))
        made.a_neg.copy_(torch.tensor(left, dtype=torch.float64))
    return made


def slopes(right: Sequence[float], left: Sequence[float]) -> list[float]:
    """Of the straight pieces, from left to right: partial sums, those of the left side with the sign turned round."""
    outwards = [0.0 - value for value in np.cumsum(left).tolist()]
    return [*outwards[::-1], *np.cumsum(right).tolist()]


def lipschitz(right: Sequence[float], left: Sequence[float]) -> float:
    """The largest absolute partial sum."""
    return max(map(abs, slopes(right, left)))


def even(S: int, last: float = 2.5) -> list[float]:
    """Hinges at equal distances from 0 to `last`."""
    return torch.linspace(0, last, (S + 1) // 2, dtype=torch.float64).tolist()


def quantiles(S: int) -> list[float]:
    """Hinges that cut |N(0, 1)| into (S + 1) / 2 equal shares: quartiles at S = 7."""
    parts = (S + 1) // 2
    return [float(stats.norm.ppf(0.5 + s / parts / 2)) for s in range(parts)]


# ---- what it can represent --------------------------------------------------------------------------------------

# All grow slowly enough for the same axes. The step is 0 at 0, so that all but Softplus pass through the origin.
TARGETS: dict[str, Curve] = {
    "ReLU": torch.relu,
    "leaky ReLU (0.1)": lambda z: nn.functional.leaky_relu(z, 0.1),
    "|z|": torch.abs,
    "hat": lambda z: torch.relu(1 - (z - 1).abs()),
    "sine": lambda z: torch.sin(math.pi / 2 * z),
    "tanh": torch.tanh,
    "SiLU": nn.functional.silu,
    "GELU": nn.functional.gelu,
    "cubic": lambda z: z**3 / 9,
    "step": torch.sign,
    "Softplus": nn.functional.softplus,
}


def grid(points: int = 1201) -> Float[Tensor, " n"]:
    """From -3 to 3."""
    return torch.linspace(-3, 3, points, dtype=torch.float64)


def normal(z: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """N(0, 1)'s density, as a weight."""
    return torch.exp(-(z**2) / 2)


_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": GREEN, "ls": "-", "lw": 1.5},
    {"color": style.BLUE, "ls": "--", "lw": 1.5},
    {"color": style.VERMILION, "ls": ":", "lw": 1.7},
)


class Fit(NamedTuple):
    """The unit nearest to a function: coefficients, hinges, and the error's root mean square and greatest value."""

    right: list[float]
    left: list[float]
    hinges: Sequence[float]
    rms: float
    greatest: float


@torch.no_grad()
def fit(
    target: Curve,
    hinges: Sequence[float],
    weight: Callable[[Tensor], Tensor] = normal,
    z: Float[Tensor, " n"] | None = None,
) -> Fit:
    """Weighted least squares on a grid. One column a coefficient, for the unit is linear in them."""
    z = grid() if z is None else z
    columns = [torch.relu(sign * z - b) for sign in (1, -1) for b in hinges]
    basis, root = torch.stack(columns, 1), (weight(z) / weight(z).sum()).sqrt()
    solved = torch.linalg.lstsq(root[:, None] * basis, root * target(z), driver="gelsd").solution
    error = basis @ solved - target(z)
    right, left = solved.view(2, -1).tolist()
    return Fit(right, left, hinges, float((root * error).norm()), float(error.abs().max()))


def fits_table(targets: Mapping[str, Curve] = TARGETS) -> str:
    """Each target's value at 0 and the error of the nearest unit, for numbers and places of hinges, and two weights."""
    settings: dict[str, tuple[Sequence[float], Callable[[Tensor], Tensor]]] = {
        "S = 3": (even(3), normal),
        "S = 7, even": (even(7), normal),
        "S = 7, quartiles": (quantiles(7), normal),
        "S = 7, listed": (LISTED, normal),
        "S = 15, even": (even(15), normal),
        "S = 7, listed, uniform weight": (LISTED, torch.ones_like),
    }
    rows = []
    for title, target in targets.items():
        zero = float(target(torch.zeros(1, dtype=torch.float64)))
        errors = [fit(target, hinges, weight).rms for hinges, weight in settings.values()]
        rows.append([title.replace("|", "\\|"), f"{zero:.3g}", *("exact" if e < 1e-6 else f"{e:.4f}" for e in errors)])
    return table(["Target", "at 0", *settings], rows)


def fits(targets: Sequence[str], named: Mapping[str, Sequence[float]]) -> Figure:
    """Targets (grey) and the nearest unit for each set of hinges, by N(0, 1)'s weight."""
    z = grid(601)
    looks = dict(zip(named, _LOOKS, strict=False))
    with stacked([1.5] * len(targets), 0.3, 2) as (figure, axes):
        for ax, title in zip(axes, targets, strict=True):
            ax.plot(z, TARGETS[title](z), color=GREY, lw=4, alpha=0.45)
            for label, hinges in named.items():
                found = fit(TARGETS[title], hinges)
                with torch.no_grad():
                    ax.plot(z, unit(found.right, found.left, hinges)(z), **looks[label])
            ax.set_title(title, color=INK)
            ax.set_xticks([-2, 0, 2])
        _label(axes, "input z", "φ(z)")
        keys = [Line2D([], [], color=GREY, lw=4, alpha=0.45, label="target")]
        legend(figure, [*keys, *(Line2D([], [], label=label, **look) for label, look in looks.items())])
    return figure


def errors(targets: Sequence[str], numbers: Sequence[int], least: float = 1e-4) -> Figure:
    """Root mean square error against S for both rules of spacing, and the listed hinges at S = 7, as a star.

    What is below `least` stands there.
    """
    rules = (
        ("evenly spaced up to 2.5", even, "o-", style.BLUE),
        ("at quantiles of N(0, 1)", quantiles, "s--", style.VERMILION),
    )
    with stacked([1.5] * len(targets), 0.3, 2) as (figure, axes):
        for ax, title in zip(axes, targets, strict=True):
            for label, rule, look, shade in rules:
                found = [max(fit(TARGETS[title], rule(S)).rms, least) for S in numbers]
                ax.plot(numbers, found, look, color=shade, ms=3.5, lw=1.3, label=label, clip_on=False)
            listed = max(fit(TARGETS[title], LISTED).rms, least)
            star: dict[str, Any] = {"color": GREEN, "ms": 11, "mec": "white", "mew": 0.6, "zorder": 4, "clip_on": False}
            ax.plot(7, listed, "*", label="0, 1, 2, 2.5", **star)
            frames.logarithmic(ax, numbers)
            ax.set(yscale="log", ylim=(least, 1))
            ax.set_title(title, color=INK)
        _label(axes, "number of hinges S", "error (RMS)")
        legend(figure, axes[0].get_legend_handles_labels()[0])
    return figure


def _label(axes: Sequence[Axes], x: str, y: str) -> None:
    """The axes of panels in two columns, at the outer ones."""
    for ax in axes[-2:]:
        ax.set_xlabel(x)
    for ax in axes[::2]:
        ax.set_ylabel(y)


# ---- sliders ----------------------------------------------------------------------------------------------------

KNOWN: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "ReLU": ((1, 0), (0, 0)),
    "a leaky ReLU": ((1, 0), (-0.5, 0)),
    "the identity": ((1, 0), (-1, 0)),
    "|z|": ((1, 0), (1, 0)),
    "hard tanh": ((1, -1), (-1, 1)),
    "0 everywhere": ((0, 0), (0, 0)),
}


def by_hand(key: str) -> Interactive:
    """Sliders for the first two coefficients of each side; the others are 0."""
    corners = sorted({sign * b for b in LISTED[:2] for sign in (1, -1)})
    beside = [b + step for b in corners for step in (-1e-6, 0.0, 1e-6)]
    z = torch.tensor(sorted([-4.0, *beside, 4.0]), dtype=torch.float64)
    names = {coefficients: name for name, coefficients in KNOWN.items()}

    def frame(*values: float) -> tuple[list[Float[Tensor, " n"]], str]:
        right, left = values[:2], values[2:]
        value, slope, _ = activations.shape(unit([*right, 0, 0], [*left, 0, 0]), z)
        for b in corners:
            slope[z == b] = math.nan
        pieces = ", ".join(f"{one:g}" for one in slopes(right, left)).translate(MINUS)
        name = f" This is {names[right, left]}." if (right, left) in names else ""
        return [
            value,
            slope,
        ], f"Slopes from left to right: {pieces}. Lipschitz constant {lipschitz(right, left):g}.{name}"

    steps = (-1.0, -0.5, 0.0, 0.5, 1.0)
    sliders = tuple(Slider(label, steps, start) for label, start in (("a⁺₁", 4), ("a⁺₂", 2), ("a⁻₁", 2), ("a⁻₂", 2)))
    lines = (Line("value φ", GREEN, width=3), SLOPE)
    return explorer(key, "Value and slope of SPLASH", z, (-2, 4), lines, [Choice("SPLASH by hand", sliders, frame)])


def nearest(key: str, targets: Sequence[str]) -> Interactive:
    """A menu of targets, and sliders for the number of hinges and for the outermost, evenly spaced up to there."""
    z = grid(61)

    def frame(title: str, S: float, last: float) -> tuple[list[Float[Tensor, " n"]], str]:
        found = fit(TARGETS[title], even(int(S), last))
        with torch.no_grad():
            drawn = unit(found.right, found.left, found.hinges)(z)
        text = f"{title}, S = {S:g}: error {found.rms:.3f} (root mean square), greatest {found.greatest:.3f}"
        return [TARGETS[title](z), drawn], text

    sliders = (Slider("S", (1, 3, 5, 7, 9, 15), 3), Slider("outermost hinge", (1.0, 1.5, 2.0, 2.5, 3.0), 3))
    lines = (Line("target", GREY, width=5), Line("nearest SPLASH", GREEN))
    menu = [Choice(title, sliders, partial(frame, title)) for title in targets]
    return explorer(key, "A function and the SPLASH unit nearest to it", z, (-2, 3), lines, menu, "Target")


# ---- where the hinges lie ---------------------------------------------------------------------------------------


def masses(hinges: Sequence[float]) -> list[float]:
    """The shares of N(0, 1) between neighbouring hinges on one side, the last beyond the outermost."""
    tails = [float(stats.norm.sf(b)) for b in hinges]
    return [one - other for one, other in zip(tails, [*tails[1:], 0.0], strict=True)]


def on_normal(named: Mapping[str, Sequence[float]], reach: float = 3.4) -> Figure:
    """The density of N(0, 1), cut at the hinges, with the share of each piece in percent."""
    z = np.linspace(-reach, reach, 401)
    density = stats.norm.pdf(z)
    with stacked([1.3] * len(named), 0.1) as (figure, axes):
        for ax, (title, hinges) in zip(axes, named.items(), strict=True):
            ax.fill_between(z, density, color=GREEN, alpha=0.25, lw=0)
            ends = [*hinges, reach]
            for (low, high), mass in zip(itertools.pairwise(ends), masses(hinges), strict=True):
                for sign in (1, -1):
                    ax.axvline(sign * low, color=GREEN, lw=1.4)
                    ax.text(
                        sign * (low + high) / 2,
                        0.42,
                        f"{100 * mass:.1f}",
                        size=7.5,
                        rotation=90,
                        ha="center",
                        va="bottom",
                    )
            ax.set(xlim=(-reach, reach), ylim=(0, 0.66), yticks=[])
            ax.set_title(title, color=INK)
            ax.grid(visible=False)
        for ax in axes[-1:]:
            ax.set_xlabel("input z; numbers are percent")
    return figure


@torch.no_grad()
def inputs(model: nn.Module, images: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, " m"]]:
    """What the activations of a network see, site by site."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, given: seen.__setitem__(name, given[0].detach().flatten())

    hooks = [module.register_forward_pre_hook(keep(name)) for name, module in activations.modules(model)]
    model.eval()(images)
    for hook in hooks:
        hook.remove()
    return seen


def inputs_table(seen: Mapping[str, Float[Tensor, " m"]], places: Sequence[float] = LISTED[1:]) -> str:
    """Mean, deviation, and the share beyond ±b for each layer; last what N(0, 1) promises. In percent."""
    rows = []
    for i, z in enumerate(seen.values(), 1):
        shares = [f"{100 * float((z.abs() > b).double().mean()):.1f}" for b in places]
        rows.append([f"layer {i}", f"{float(z.mean()):.2f}".translate(MINUS), f"{float(z.std()):.2f}", *shares])
    rows.append(["N(0, 1)", "0", "1", *(f"{200 * float(stats.norm.sf(b)):.1f}" for b in places)])
    return table(["", "Mean", "Deviation", *(f"beyond ±{b:g}, %" for b in places)], rows)
