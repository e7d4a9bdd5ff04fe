"""Accuracy against size: what networks cost, counted by code, and what a larger one gains with each activation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch.utils.flop_counter import FlopCounterMode

from robust_activations import models
from robust_activations.figures import frames, style
from robust_activations.figures.gradients import Published
from robust_activations.figures.prose import table
from robust_activations.figures.rows import Interval
from robust_activations.ledger import Record
from robust_activations.run import Run
from robust_activations.stats import over_seeds
from robust_activations.studies.pairs import gain

# ---- what is reported -------------------------------------------------------------------------------------------

README = "README of the authors' repository"
IMAGENET = "SAT with SiLU on ImageNet, ℓ∞ 4/255; accuracy in %"
AGAIN = "SAT with SiLU on ImageNet, ℓ∞ 4/255, evaluated again by the authors; accuracy in %, number of images not given"
RESNETS = Published(
    ("clean", "PGD-10", "PGD-20", "PGD-50"),
    {
        "ResNet-50": (69.7, 43.0, 42.2, 41.9),
        "ResNet-101": (72.9, 46.4, 45.5, 45.2),
        "ResNet-152": (74.0, 47.3, 46.2, 45.8),
        "ResNeXt-50 32x4d": (71.1, 43.3, 42.5, 42.2),
        "ResNeXt-50 32x8d": (73.3, 46.3, 45.2, 44.8),
        "299 px": (70.7, 44.6, 43.8, 43.6),
        "380 px": (71.6, 44.9, 44.1, 43.8),
        "ResNeXt-152 32x8d, 380 px": (78.0, 53.0, 51.7, 51.0),
    },
    AGAIN,
    README,
    "SEEN",
)
EFFICIENT = Published(  # the columns under attack say "TODO" there
    ("clean",),
    {
        **{f"B{i}": (value,) for i, value in enumerate((65.2, 68.6, 70.3, 73.1, 75.9, 77.8, 79.2, 79.8))},
        "L1": (80.7,),
        "L1, averaged weights": (82.2,),
    },
    AGAIN,
    README,
    "SEEN",
)
# What is known from the paper's own evaluation.
ABSTRACT = Published(
    ("clean", "robustness"), {"L1, averaged weights": (82.2, 58.6)}, IMAGENET, "abstract of 2006.14536", "SEEN"
)
NOTES = Published(("clean", "PGD-200"), {"B0": (65.1, 37.6)}, IMAGENET, "a third party's notes", "SEEN-2nd")


def cells(title: str) -> list[str]:
    """The README's row of a network of `studies.sat.scaling("paper")`; empty where it has none."""
    return (EFFICIENT if title in EFFICIENT.rows else RESNETS).cells(_name(title))


def _name(title: str) -> str:
    return "ResNet-50" if title == "224 px" else title  # the README gives no size: the usual one


def reported(dimensions: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The README's clean accuracy and that under PGD-50 along each dimension, by title, and the change in points.

    Without intervals, since a table that gives no number of images allows none.
    """
    looks: dict[str, dict[str, Any]] = {
        "clean": {"ls": "--", "marker": "D", "mfc": "white"},
        "under PGD-50": {"ls": "-", "marker": "o"},
    }
    with frames.stacked([2.0] * len(dimensions), 0.3, 2) as (figure, axes):
        for ax, (dimension, members) in zip(axes, dimensions.items(), strict=False):
            rows = [RESNETS.rows[_name(title)] for title in members]
            for at, look in zip((0, -1), looks.values(), strict=True):
                values = [row[at] for row in rows]
                ax.plot(values, color=style.colour("silu"), ms=5, lw=1.4, **look)
                ax.annotate(
                    f"{values[-1] - values[0]:+.1f}", (len(values) - 1, values[-1]), (3, 5), size=8.5,
                    textcoords="offset points", ha="right", color=frames.INK,
                )  # fmt: skip
            ax.set_xticks(range(len(rows)), [LABELS.get(title, title) for title in members], size=8.5)
            ax.set(title=f"reported: {dimension}", xlim=(-0.4, len(rows) - 0.6), ylim=(36, 90))
            ax.yaxis.set_major_formatter("{x:.0f}%")
        frames.legend(figure, [Line2D([], [], color=style.colour("silu"), label=name, **looks[name]) for name in looks])
    return figure


LABELS = {
    "ResNet-50": "ResNet\n50",
    "ResNet-101": "101",
    "ResNet-152": "152",
    "ResNeXt-50 32x4d": "ResNeXt\n32x4d",
    "ResNeXt-50 32x8d": "ResNeXt\n32x8d",
    "ResNeXt-152 32x8d, 380 px": "ResNeXt-152,\n32x8d, 380 px",
}

# ---- what it costs ----------------------------------------------------------------------------------------------

# Channels, side in pixels and classes of the images of a dataset, which need not be there to count.
IMAGES = {
    "digits": (1, 8, 10),
    "cifar10": (3, 32, 10),
    "cifar100": (3, 32, 100),
    "imagenette96": (3, 96, 10),
    "imagenet": (3, 224, 1000),
}


@dataclass(frozen=True)
class Cost:
    """Learned numbers of a network, and multiply-accumulates of its forward pass of one image."""

    parameters: int
    macs: int


def counted(run: Run) -> Cost:
    """The cost of a run's network, which is built and run on PyTorch's meta device: shapes without numbers.

    Convolutions and matrix products are counted; activations, BatchNorm and pooling are not.
    **Raises** `UserError` for an unknown model.
    """
    channels, side, classes = IMAGES[run.dataset]
    side = run.image_size or side
    with torch.device("meta"):
        network = models.create(
            run.model,
            activation=run.activation,
            share=run.share,
            activation_options=run.activation_options,
            num_classes=classes,
            in_channels=channels,
            **run.model_options,
        ).eval()
        image = torch.zeros(1, channels, side, side)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)


def cost_table(costs: Mapping[str, Cost], first: str = "Network") -> str:
    """Learned numbers and multiply-accumulates, in millions."""
    rows = [[title, _millions(one.parameters), _millions(one.macs)] for title, one in costs.items()]
    return table([first, "Parameters, millions", "Multiply-accumulates, millions"], rows)


def _millions(count: int) -> str:
    return f"{count / 1e6:,.0f}" if count >= 1e8 else f"{count / 1e6:.3g}"


# ---- what it brings ---------------------------------------------------------------------------------------------


def more_gain(first: tuple[Record, Record], second: tuple[Record, Record], attack: str) -> Interval:
    """How much more `first` gains from size than `second`, each a larger and a smaller network.

    A difference of differences on the same images, with Student's 95 % interval over the images: what other trainings
    of the four networks would give is not in it.
    """
    return Interval(*over_seeds((gain(*first, attack) - gain(*second, attack)).tolist()))
