"""A figure with sliders that needs no kernel, no library and no network: inline SVG and a few lines of JavaScript.

Every position of the sliders is computed beforehand by the library, so that what a reader sees is what the library
does. Without JavaScript the figure shows the start. It takes the page's own text colour, light or dark.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from robust_activations import activations
from robust_activations.figures import catalogue, style
from robust_activations.figures.prose import MINUS

# The drawing's size and margins in its own units; a phone shows about one unit a pixel.
WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 360, 270, 30, 8, 8, 36
SCALE = 1000  # values travel as whole thousandths


@dataclass(frozen=True)
class Slider:
    """A control with its label, the values it steps through, and the index at which it starts."""

    label: str
    values: tuple[float, ...]
    start: int = 0


@dataclass(frozen=True)
class Choice:
    """One entry of the menu: `frame(*values of the sliders)` gives the values of every line at x, and a text.

    NaN interrupts a line.
    """

    label: str
    sliders: tuple[Slider, ...]
    frame: Callable[..., tuple[Sequence[Float[Tensor, " n"]], str]]


@dataclass(frozen=True)
class Line:
    """How a line looks; `dash` as in SVG's stroke-dasharray. Its colour must be legible on white and on black."""

    label: str
    colour: str
    dash: str = ""
    width: float = 2.0


VALUE, SLOPE = Line("value φ", style.VERMILION, width=3), Line("slope φ′", "#0088C7", "9 4")


@dataclass(frozen=True)
class Interactive:
    """What a notebook shows as HTML."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def explorer(
    key: str,
    title: str,
    x: Float[Tensor, " n"],
    limits: tuple[float, float],
    lines: Sequence[Line],
    choices: Sequence[Choice],
    menu_label: str = "Activation",
) -> Interactive:
    """A drawing of `lines` over `x` with a menu of `choices` and a slider for each of the chosen one's parameters.

    **Arguments**

    - `key`: the element's id, unique on its page.
    - `title`: what a screen reader says of the drawing; the text of the current frame follows it.
    - `limits`: lowest and highest value that the drawing shows.
    - `menu_label`: what the menu chooses from.
    """
    low, high = limits
    left, right = float(x[0]), float(x[-1])
    menu: list[dict[str, Any]] = []
    for choice in choices:
        frames = []
        for values in itertools.product(*(slider.values for slider in choice.sliders)):
            drawn, text = choice.frame(*values)
            frames.append([text, *(_thousandths(line, low, high) for line in drawn)])
        sliders = [{"label": s.label, "values": s.values, "start": s.start} for s in choice.sliders]
        menu.append({"label": choice.label, "sliders": sliders, "frames": frames})

    across = [LEFT + (float(at) - left) / (right - left) * (WIDE - LEFT - RIGHT) for at in x]
    # y = offset + slope * thousandths
    slope = -(HIGH - TOP - BOTTOM) / (high - low) / SCALE
    data = {"x": [round(at, 1) for at in across], "slope": slope, "offset": TOP - slope * SCALE * high, "menu": menu}

    index = 0
    for slider in choices[0].sliders:
        index = index * len(slider.values) + slider.start
    first = menu[0]["frames"][index]
    paths = "".join(
        f'<path d="{_path(data, values)}" fill="none" stroke="{line.colour}" stroke-width="{line.width}" '
        f'stroke-dasharray="{line.dash}" stroke-linejoin="round"/>'
        for line, values in zip(lines, first[1:], strict=True)
    )
    legend = "".join(
        f'<span><svg width="30" height="10" aria-hidden="true"><path d="M0 5H30" stroke="{line.colour}" '
        f'stroke-width="{line.width}" stroke-dasharray="{line.dash}"/></svg> {escape(line.label)}</span> '
        for line in lines
    )
    options = "".join(f"<option>{escape(choice.label)}</option>" for choice in choices)
    html = (
        f'<div id="{escape(key)}" class="explorer"><style>{STYLE}</style>'
        f'<p><label>{escape(menu_label)} <select autocomplete="off">{options}</select></label></p>'
        '<div class="sliders"></div>'
        f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{escape(title)}. {escape(first[0])}">'
        f"{_axes(left, right, low, high)}{paths}</svg><p>{legend}</p>"
        f'<p class="readout" aria-live="polite">{escape(first[0])}</p>'
        "<noscript><p>The controls need JavaScript; shown is the start.</p></noscript>"
        f"<script>({SCRIPT})({', '.join(_json(part) for part in (key, title, data))});</script></div>"
    )
    return Interactive(html)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")  # nothing may end the script element


def _thousandths(values: Float[Tensor, " n"], low: float, high: float) -> list[int | None]:
    margin = high - low  # far enough outside that a clipped line leaves the drawing at the right angle
    return [None if math.isnan(v) else round(SCALE * min(max(v, low - margin), high + margin)) for v in values.tolist()]


def _path(data: dict[str, Any], values: Sequence[int | None]) -> str:
    steps, move = [], "M"
    for x, value in zip(data["x"], values, strict=True):
        if value is not None:
            steps.append(f"{move}{x} {data['offset'] + data['slope'] * value:.1f}")
        move = "M" if value is None else "L"
    return "".join(steps)


def _axes(left: float, right: float, low: float, high: float) -> str:
    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - left) / (right - left) * (WIDE - LEFT - RIGHT),
            TOP + (high - y) / (high - low) * (HIGH - TOP - BOTTOM),
        )

    parts = []
    for x in range(math.ceil(left), math.floor(right) + 1):
        if x % 2 == 0:
            px = at(x, 0)[0]
            parts.append(f'<path d="M{px:.1f} {TOP}V{HIGH - BOTTOM}" stroke-opacity="{0.5 if x == 0 else 0.12}"/>')
            parts.append(f'<text x="{px:.1f}" y="{HIGH - BOTTOM + 15}" text-anchor="middle">{_minus(x)}</text>')
    for y in range(math.ceil(low), math.floor(high) + 1):
        py = at(0, y)[1]
        parts.append(f'<path d="M{LEFT} {py:.1f}H{WIDE - RIGHT}" stroke-opacity="{0.5 if y == 0 else 0.12}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{_minus(y)}</text>')
    middle = (LEFT + WIDE - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HIGH - 4}" text-anchor="middle">input z</text>')
    return f'<g class="axes" stroke="currentColor" aria-hidden="true">{"".join(parts)}</g>'


def _minus(number: float) -> str:
    return f"{number:g}".translate(MINUS)


def shapes(key: str, choices: Sequence[tuple[str, dict[str, tuple[float, ...]]]]) -> Interactive:
    """An explorer of activations: value, slope and second derivative of each (name, its parameters' values)."""
    near = torch.tensor([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8], dtype=torch.float64)
    right = torch.cat([torch.tensor([1e-9], dtype=torch.float64), near, torch.linspace(1, 6, 21).double()])
    z = torch.cat([-right.flip(0), torch.zeros(1, dtype=torch.float64), right])
    middle = len(right)

    def frame(name: str, keys: Sequence[str], *values: float) -> tuple[list[Float[Tensor, " n"]], str]:
        function = catalogue.curve(name, learn=(), **dict(zip(keys, values, strict=True)))
        drawn = list(activations.shape(function, z))
        for line in drawn[1:]:
            if abs(line[middle + 1] - line[middle - 1]) > 1e-3:
                line[middle] = math.nan
        shape = catalogue.measure(function)
        kink = f"slope jump {_minus(round(shape.jump, 2) + 0.0)} at 0" if shape.kinked else "no kink at 0"
        return drawn, (
            f"{style.title(name)}: value {_minus(round(shape.at_zero, 2) + 0.0)} at 0, {kink}, "
            f"greatest slope {shape.lipschitz:.2f}, greatest curvature {shape.curvature:.2f}"
        )

    menu = []
    for name, parameters in choices:
        starts = activations.REGISTRY[name].cls.values
        sliders = tuple(
            Slider(
                catalogue.SYMBOLS[parameter],
                values,
                min(range(len(values)), key=lambda i: abs(values[i] - starts[parameter])),
            )
            for parameter, values in parameters.items()
        )
        menu.append(Choice(style.title(name), sliders, _bound(frame, name, tuple(parameters))))
    lines = (VALUE, SLOPE, Line("second derivative φ″", "#B55C93", "2 3"))
    return explorer(key, "Value, slope and second derivative of an activation", z, (-2, 4), lines, menu)


def _bound(frame: Callable[..., Any], *given: Any) -> Callable[..., Any]:
    return lambda *values: frame(*given, *values)


STYLE = """
.explorer{max-width:520px;margin:auto}
.explorer p{margin:.4rem 0}
.explorer>svg{width:100%;height:auto;overflow:hidden}
.explorer text{font:12px sans-serif;fill:currentColor;stroke:none}
.explorer label{display:flex;gap:.6rem;align-items:center;min-height:2.2rem}
.explorer input{flex:1;min-width:6rem}
.explorer select{font:inherit;padding:.2rem}
.explorer output{min-width:3.2rem;font-variant-numeric:tabular-nums}
.explorer span{white-space:nowrap;margin-right:.8rem}
"""

SCRIPT = """function (key, title, data) {
  const root = document.getElementById(key), svg = root.querySelector(":scope > svg");
  const select = root.querySelector("select"), box = root.querySelector(".sliders");
  const paths = svg.querySelectorAll(":scope > path"), readout = root.querySelector(".readout");
  const path = (values) => {
    let out = "", move = "M";
    values.forEach((v, i) => {
      if (v !== null) out += move + data.x[i] + " " + (data.offset + data.slope * v).toFixed(1);
      move = v === null ? "M" : "L";
    });
    return out;
  };
  const draw = () => {
    const chosen = data.menu[select.selectedIndex];
    let index = 0;
    box.querySelectorAll("input").forEach((input, i) => {
      const slider = chosen.sliders[i], value = slider.values[+input.value];
      index = index * slider.values.length + +input.value;
      input.nextSibling.textContent = String(value).replace("-", "\\u2212");
      input.setAttribute("aria-valuetext", slider.label + " = " + value);
    });
    const [text, ...lines] = chosen.frames[index];
    lines.forEach((values, i) => paths[i].setAttribute("d", path(values)));
    readout.textContent = text;
    svg.setAttribute("aria-label", title + ". " + text);
  };
  const choose = () => {
    box.replaceChildren(...data.menu[select.selectedIndex].sliders.map((slider) => {
      const label = document.createElement("label"), input = document.createElement("input");
      Object.assign(input, {type: "range", min: 0, max: slider.values.length - 1, step: 1});
      input.value = slider.start;
      input.addEventListener("input", draw);
      label.append(slider.label, input, document.createElement("output"));
      return label;
    }));
    draw();
  };
  select.addEventListener("change", choose);
  choose();
}"""
