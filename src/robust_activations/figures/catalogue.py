"""Every activation as a function of one number: measured by automatic differentiation, and listed in tables.

The tables are Markdown with LaTeX, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from robust_activations import activations
from robust_activations.figures import style
from robust_activations.figures.prose import MINUS, table

Curve = Callable[[Tensor], Tensor]

SYMBOLS = {"alpha": "α", "beta": "β", "sharpness": "s"}
# The activations that do not look at one number alone, and what they look at.
NEIGHBOURS = {"maxout": "channels", "sparta": "pixels", "sparta_relu": "pixels", "frelu": "pixels"}


def curve(name: str, **options: Any) -> Curve:
    """The activation as a function of one number, in float64 and in evaluation mode.

    One that looks at other channels has just one; one that looks at neighbouring pixels sees an image that has the
    same value everywhere, and is read off in the middle.
    """
    entry = activations.REGISTRY[name]
    if "layer" in entry.shares and name not in NEIGHBOURS:
        return activations.create(name, share="layer", **options)
    module = activations.create(name, channels=1, **options).double().eval()
    if NEIGHBOURS.get(name) == "channels":
        return lambda z: module(z[:, None])[:, 0]
    if NEIGHBOURS.get(name) == "pixels":
        return lambda z: module(z[:, None, None, None].expand(-1, 1, 5, 5))[:, 0, 2, 2]
    return module


def grid(reach: float = 10.0, points: int = 2001) -> Float[Tensor, " n"]:
    """Points from `-reach` to `reach`, 0 among them, and ever closer ones on both sides of 0."""
    near = torch.logspace(-12, -1, 221, dtype=torch.float64)
    right = torch.cat([near, torch.linspace(0, reach, points // 2 + 1, dtype=torch.float64)[1:]]).unique()
    return torch.cat([-right.flip(0), torch.zeros(1, dtype=torch.float64), right])


def jump(function: Curve, at: Float[Tensor, " n"] | float = 0.0, step: float = 1e-8) -> Float[Tensor, " n"]:
    """Slope right of the points minus slope left of them, from values alone: what a derivative cannot hide."""
    z = torch.as_tensor(at, dtype=torch.float64).reshape(-1)
    with torch.no_grad():
        return (function(z + step) - 2 * function(z) + function(z - step)) / step


def bends(function: Curve, reach: float = 4.0) -> list[float]:
    """Where a piecewise linear function bends between `-reach` and `reach`, to a thousandth."""
    z = torch.linspace(-reach, reach, round(2000 * reach) + 1, dtype=torch.float64) + 0.0003
    slope = activations.shape(function, z)[1]
    return ((z[1:] + z[:-1]) / 2)[slope.diff().abs() > 1e-6].tolist()


@dataclass(frozen=True)
class Shape:
    """What was measured on a grid: `curvature` is the greatest absolute second derivative away from kinks and `where`
    it is, `jump` the jump of the slope at 0, `lipschitz` the greatest absolute slope."""

    at_zero: float
    slope_left: float
    slope_right: float
    lipschitz: float
    curvature: float
    where: float
    jump: float
    lowest: float

    @property
    def kinked(self) -> bool:
        return abs(self.jump) > 1e-3

    @property
    def sup_curvature(self) -> float:
        """The curvature, infinite where there is a kink at 0."""
        return math.inf if self.kinked else self.curvature


def measure(function: Curve, reach: float = 10.0) -> Shape:
    """The shape of a function between `-reach` and `reach`."""
    z = grid(reach)
    value, slope, second = activations.shape(function, z)
    top = int(second.abs().argmax())
    return Shape(
        at_zero=float(value[len(z) // 2]),
        slope_left=float(slope[0]),
        slope_right=float(slope[-1]),
        lipschitz=float(slope.abs().max()),
        curvature=float(second[top].abs()),
        where=float(z[top]),
        jump=float(jump(function)),
        lowest=float(value.min()),
    )


def sensitivity(name: str, parameter: str, z: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Derivative of the output by one of the activation's parameters, all of them at their start."""
    cls = activations.REGISTRY[name].cls
    values = {key: torch.tensor(value, dtype=z.dtype) for key, value in cls.values.items()}
    other = [key for key in values if key != parameter]

    def moved(value: Tensor) -> Tensor:
        return cls.formula(z, *(values[key] if key in other else value for key in values))

    return torch.autograd.functional.jvp(moved, values[parameter], torch.ones((), dtype=z.dtype))[1]


def definition(name: str) -> str:
    """The formula as the class states it, in Markdown, with the book's z for the input."""
    text = " ".join((inspect.getdoc(activations.REGISTRY[name].cls) or "").split())
    if block := re.search(r"\.\. math:: (.+?) (?=Only)", text):
        return _maths(block[1])
    text = re.sub(r" \([A-Z][^()]*\d{4}\)", "", text)  # who and when
    sentence = re.split(r"\.(?:\s|$)", text)[0]
    sentence = re.sub(
        r"^\S+: (?=:math:)|, (?:also|whose) .*|[,:] the .*| (?:over|with the|with learned) .*", "", sentence
    )
    sentence = sentence.replace("k x k", "k×k")
    return re.sub(r":math:`([^`]+)`", lambda match: _maths(match[1]), sentence)


def _maths(latex: str) -> str:
    latex = re.sub(r"_\{s=1\}\^\{[^ ]+\}", "_s", latex)  # over all s
    latex = re.sub(r"\|([^|]+)\|", r"\\lvert \1\\rvert ", latex)  # a bare bar would end the table's cell
    return f"${re.sub(r'(?<![a-zA-Z])x(?![a-zA-Z])', 'z', latex).strip()}$"


def equals_at_start(name: str) -> str:
    """The fixed activation that one with learned parameters starts as, or the closest one and how far it is."""
    z = grid(6.0)
    with torch.no_grad():
        start = curve(name)(z)
        fixed = [other for other, entry in activations.REGISTRY.items() if not entry.learned]
        distance = {other: float((curve(other)(z) - start).abs().max()) for other in fixed}
    nearest = min(fixed, key=lambda other: round(distance[other], 6))
    if distance[nearest] > 0.1:
        return "none of the fixed ones"
    return style.title(nearest) + ("" if distance[nearest] < 1e-6 else f", to within {distance[nearest]:.1g}")


def learned(name: str) -> str:
    """The learned parameters of one channel with their values at the start, or how many there are of them."""
    parts = []
    for key, tensor in activations.create(name, channels=1).named_parameters():
        start = f" = {tensor.item():.3g}".replace("e-0", "e-") if tensor.numel() == 1 else f": {tensor.numel()}"
        parts.append(SYMBOLS.get(key, f"`{key}`") + start)
    return ", ".join(parts) or "none"


def summary() -> str:
    """All activations of the registry in two tables: definition and parameters, then shape at the start."""
    definitions, shapes = [], []
    for name, entry in activations.REGISTRY.items():
        torch.manual_seed(0)  # APL's start is random
        shape = measure(curve(name))
        shared = entry.shares[0] if entry.learned else ""
        definitions.append([f"**{entry.title}** `{name}`", definition(name), learned(name), shared])
        start = equals_at_start(name) if entry.learned else ""
        shapes.append([f"**{entry.title}**", number(shape.curvature), number(shape.jump), start])
    first = table(["Activation", "Definition", "Learned, at the start", "Shared by"], definitions)
    header = ["Activation", "$\\max\\lvert\\varphi''\\rvert$ away from kinks", "Slope jump at 0", "Starts as"]
    return f"{first}\n\n{table(header, shapes)}"


def extremes(names: Sequence[str] | None = None) -> str:
    """Value at 0, slopes far out, Lipschitz constant and lowest output of activations at their start."""
    rows = []
    for name in names or activations.names():
        torch.manual_seed(0)
        shape = measure(curve(name), reach=50.0)
        numbers = (shape.at_zero, shape.slope_left, shape.slope_right, shape.lipschitz, shape.lowest)
        rows.append([style.title(name), *map(number, numbers)])
    header = ["Activation", "$\\varphi(0)$", "$\\varphi'(-50)$", "$\\varphi'(50)$", "Lipschitz", "Lowest output"]
    return table(header, rows)


# The curvature that mathematics promises, by name and parameters.
CLOSED: dict[str, tuple[str, Callable[..., float]]] = {
    "psilu": ("\\alpha/2", lambda alpha: alpha / 2),
    "psoftplus": ("\\alpha/4", lambda alpha: alpha / 4),
    "pssilu": ("\\alpha/(2(1-\\beta))", lambda alpha, beta: alpha / (2 * (1 - beta))),
    "smooth_relu": ("s^2", lambda sharpness: sharpness**2),
}


def curvatures(cases: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Measured curvature beside its closed form, for activations with given parameters."""
    rows = []
    for name, values in cases:
        shape = measure(curve(name, learn=(), **values))
        formula, closed = CLOSED[name]
        given = ", ".join(f"{SYMBOLS[key]} = {value:g}" for key, value in values.items())
        off = abs(shape.curvature / closed(**values) - 1)
        rows.append(
            [
                style.title(name),
                given,
                f"{shape.curvature:.6f}",
                f"${formula}$ = {closed(**values):.6f}",
                f"{off:.0e}" if off else "0",
            ]
        )
    header = [
        "Activation",
        "Parameters",
        "Measured $\\max\\lvert\\varphi''\\rvert$",
        "Closed form",
        "Relative difference",
    ]
    return table(header, rows)


def sign_change(alpha: float, beta: float) -> float:
    r"""Where PSSiLU's output turns positive again left of 0: :math:`\mathrm{logit}(\beta) / \alpha`."""
    return math.log(beta / (1 - beta)) / alpha


def number(value: float) -> str:
    """At most three significant digits; rounding errors are zero."""
    return "0" if abs(value) < 1e-5 else f"{value:.3g}".translate(MINUS)
