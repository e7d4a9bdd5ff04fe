"""Images in rows and columns, and the landscape around one. What they show is made by `studies.pictures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from torch import Tensor

from robust_activations.attacks import pixels
from robust_activations.data import floats
from robust_activations.figures import frames, style
from robust_activations.figures.prose import table
from robust_activations.studies.pictures import REACH, Picture

WRONG = "#B03A00"


def show(ax: Axes, image: Float[Tensor, "c h w"], colours: str = "gray", low: float = 0, high: float = 1) -> AxesImage:
    """Three channels as they are, one in these colours from `low` to `high`; no ticks, a thin frame."""
    shown = ax.imshow(image.permute(1, 2, 0).squeeze(2).numpy(), cmap=colours, vmin=low, vmax=high)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set(visible=True, color="#BBBBBB")
    return shown


@dataclass(frozen=True)
class Column:
    """Images below a title and, below each, the class that is `seen` in it; without `seen`, no word.

    Images of one channel have the colours of a map that goes from `low` to `high`.
    """

    title: str
    images: Float[Tensor, "n c h w"]
    seen: Int[Tensor, " n"] | None = None
    colours: str = "gray"
    low: float = 0
    high: float = 1


def clean(picture: Picture) -> Column:
    """What all networks have right."""
    return Column("clean", floats(picture.images[0]), picture.seen[0])


def attacked(picture: Picture, eps: str, title: str) -> Column:
    """What this ε made of the images, and what the network sees in them."""
    at = picture.eps.index(eps)
    return Column(title, floats(picture.images[at]), picture.seen[at])


def added(picture: Picture, eps: str, title: str) -> Column:
    """What this ε has added, from grey: the brightest and the darkest there is are ± ε."""
    before, after = (floats(picture.images[at]) for at in (0, picture.eps.index(eps)))
    return Column(title, (0.5 + (after - before) / (2 * pixels(eps))).clamp(0, 1))


def gallery(columns: Sequence[Column], labels: Int[Tensor, " n"], classes: Sequence[str]) -> Figure:
    """A row an image; what a network sees in it wrongly is in colour and in bold."""
    width = frames.WIDTH / len(columns)
    with style.figure(frames.WIDTH, 0.25 + len(labels) * (width + 0.16)) as figure:
        grid = figure.subplots(len(labels), len(columns), squeeze=False)
        for column, axes in zip(columns, grid.T, strict=True):
            axes[0].set_title(column.title, size=9)
            for row, ax in enumerate(axes):
                show(ax, column.images[row], column.colours, column.low, column.high)
                if column.seen is not None:
                    seen = int(column.seen[row])
                    look = {"color": frames.INK} if seen == labels[row] else {"color": WRONG, "weight": "bold"}
                    ax.set_xlabel(classes[seen], size=8.5, labelpad=2, **look)
    return figure


def _moved(picture: Picture, eps: str) -> Int[Tensor, "n c h w"]:
    """Of every pixel, whether it was raised (1), lowered (-1) or left as it was (0)."""
    before, after = (picture.images[at].int() for at in (0, picture.eps.index(eps)))
    return (after - before).sign()


def neighbours(picture: Picture, eps: str) -> Float[Tensor, " n"]:
    """By image: of neighbours (beside, below) that were both moved, the share moved the same way. By chance half."""
    moved = _moved(picture, eps)
    pairs = [moved[..., 1:] * moved[..., :-1], moved[..., 1:, :] * moved[..., :-1, :]]
    both = torch.cat([pair.flatten(1) for pair in pairs], 1)
    return (both > 0).sum(1) / (both != 0).sum(1)


def agreement(one: Picture, other: Picture, eps: str) -> Float[Tensor, " n"]:
    """By image: of pixels moved by the attacks on both networks, the share moved the same way. By chance half."""
    both = (_moved(one, eps) * _moved(other, eps)).flatten(1)
    return (both > 0).sum(1) / (both != 0).sum(1)


def likeness(pictures: Mapping[str, Picture], to: str, eps: str) -> str:
    """A row a network: `neighbours`, and `agreement` with the one that is called `to`; in percent, mean and range."""
    rows = []
    for name, picture in pictures.items():
        shares = [neighbours(picture, eps)] + ([agreement(picture, pictures[to], eps)] if name != to else [])
        cells = [f"{100 * one.mean():.0f} ({100 * one.min():.0f} to {100 * one.max():.0f})" for one in shares]
        rows.append([name, *cells, *[""] * (2 - len(cells))])
    return table(["Network", "Neighbours moved alike, %", f"Pixels moved as for {to}, %"], rows)


def landscape(leads: Mapping[str, Float[Tensor, "s s"]]) -> Figure:
    """The lead of the true class around an image (see `studies.pictures.lead`), a panel a network, in units of ε; 0,
    the black line, is where the image is lost. All on one scale, cut where the deepest losses would drown the rest."""
    highest = max(float(lead.max()) for lead in leads.values())
    lowest = max(-highest, min(float(lead.min()) for lead in leads.values()))
    norm = TwoSlopeNorm(0, min(-1e-6, lowest), max(1e-6, highest))
    across = min(2, len(leads))
    down = -(-len(leads) // across)
    width = 5.2
    with style.figure(width, down * width / across + (0.7 if across > 1 else -0.22 * width)) as figure:
        axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for ax, (name, lead) in zip(axes.flat, leads.items(), strict=False):
            ticks, heights = np.linspace(-REACH, REACH, len(lead)), lead.numpy()
            mesh = ax.pcolormesh(ticks, ticks, heights, cmap="RdBu", norm=norm, shading="gouraud", rasterized=True)
            ax.contour(ticks, ticks, heights, [0], colors="black", linewidths=1.8)
            ax.add_patch(Rectangle((-1, -1), 2, 2, fill=False, ec=frames.INK, linestyle=":", linewidth=1.4))
            ax.plot(0, 0, "k+", markersize=9)
            ax.set(aspect="equal", title=name, xticks=[-1, 0, 1], yticks=[-1, 0, 1])
            ax.grid(visible=False)
        for ax in axes.flat[len(leads) :]:
            ax.axis("off")
        place = "bottom" if across > 1 else "right"
        bar = figure.colorbar(mesh, ax=axes.ravel().tolist(), location=place, shrink=0.8, aspect=30)
        bar.set_label("lead of the true class")
        bar.ax.locator_params(nbins=6)
        for ax in axes[-1]:
            ax.set_xlabel("random direction / ε")
        for ax in axes[:, 0]:
            ax.set_ylabel("worst direction / ε")
    return figure
