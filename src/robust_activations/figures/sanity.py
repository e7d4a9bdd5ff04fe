"""Is a gain real? Accuracy against an attack's effort, and attacks carried over from other networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor, nn

from robust_activations.attacks import PGD, Threat, attacking, pgd
from robust_activations.evaluation import Outcome, predictions
from robust_activations.figures import frames, style
from robust_activations.figures.prose import table
from robust_activations.figures.rows import Interval
from robust_activations.figures.standings import percent
from robust_activations.studies.curves import Curve


@dataclass(frozen=True)
class Panel:
    """Accuracy with its interval against `x`, for each activation."""

    x: Sequence[float]
    curves: Mapping[str, Sequence[Interval]]
    xlabel: str
    log: bool = False
    whole: bool = False  # from 0 to 100 %, so that panels can be compared
    title: str = ""  # a panel with one has a legend of its own
    mark: float | None = None  # a dotted line


def falling(curves: Mapping[str, Curve], title: str, mark: float) -> Panel:
    """Accuracy against ε with Wilson's interval, for each activation; all at the same radii. `mark` is one of them."""
    (radii,) = {curve.radii for curve in curves.values()}
    x = [round(255 * radius, 4) for radius in radii]
    heights = {name: [Interval.share(count, curve.n) for count in curve.correct] for name, curve in curves.items()}
    return Panel(x, heights, "ε · 255", whole=True, title=title, mark=x[radii.index(mark)])


def share(right: Bool[Tensor, " n"]) -> Interval:
    """Of images right, with Wilson's interval."""
    return Interval.share(int(right.sum()), len(right))


def curves(*panels: Panel) -> Figure:
    """Panels below one another, in the activations' colours; bands are the 95 % intervals.

    A panel with a title has a legend of its own, of what it shows.
    """
    names = list(dict.fromkeys(name for panel in panels if not panel.title for name in panel.curves))
    foot = frames.legend_height([style.title(name) for name in names]) if names else 0.0
    with frames.stacked([2.3] * len(panels), foot) as (figure, axes):
        for ax, panel in zip(axes, panels, strict=True):
            for over, (name, curve) in enumerate(reversed([*panel.curves.items()])):
                value, low, high = zip(*curve, strict=True)
                ax.fill_between(panel.x, low, high, color=style.colour(name), alpha=0.12, lw=0)
                # The first is on top; where they coincide, those below stick out.
                below = len(panel.curves) - 1 - over
                ax.plot(panel.x, value, lw=1.4, ms=5 + 2 * below, label=style.title(name), **_look(name))
            if panel.log:
                frames.logarithmic(ax, panel.x, size=9)
            frames.percent(ax, "y")
            ax.set(xlabel=panel.xlabel, ylabel="correct")
            if panel.whole:
                ax.set_ylim(-0.03, 1.03)
            if panel.mark:
                ax.axvline(panel.mark, color=frames.GREY, lw=1.2, ls=":", zorder=1)
            if panel.title:
                ax.set_title(panel.title, color=frames.INK)
                ax.legend(*(one[::-1] for one in ax.get_legend_handles_labels()), loc="upper right")
        frames.legend(figure, [Line2D([], [], label=style.title(name), **_look(name)) for name in names])
    return figure


def _look(name: str) -> dict[str, Any]:
    return {"color": style.colour(name), "marker": style.marker(name), "mfc": "white", "ls": style.line(name)}


def transfers(
    networks: Mapping[str, nn.Module],
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    threat: Threat,
    attack: PGD,
    *,
    seed: int = 0,
) -> dict[str, dict[str, Outcome]]:
    """Each network (outer name) on images made to fool each network (inner name), all from the same random start.

    An image that a network has wrong before anybody attacks it counts as wrong, whatever is done to it.
    """
    made = {}
    for name, network in networks.items():
        generator = torch.Generator(x.device).manual_seed(seed)
        with attacking(network):
            made[name] = pgd(network, x, y, threat, attack, generator=generator)
    out: dict[str, dict[str, Outcome]] = {}
    for name, network in networks.items():
        with attacking(network):
            clean = predictions(network, x) == y
            right = {source: clean & (predictions(network, moved) == y) for source, moved in made.items()}
        out[name] = {source: Outcome.of(one, 0.0) for source, one in right.items()}
    return out


def transfer_table(found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Accuracies in percent with Wilson's intervals, a row a network; bold: its most harmful images."""
    rows = []
    for name, row in found.items():
        lowest = min(outcome.correct for outcome in row.values())
        cells = [f"**{percent(one)}**" if one.correct == lowest else percent(one) for one in row.values()]
        rows.append([name, *cells])
    return table(["Shown to", *(f"Made on {source}" for source in next(iter(found.values())))], rows)
