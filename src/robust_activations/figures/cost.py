"""Figures of what training costs: the passes of a step, counted; and the benchmarks' measurements. Narrow, for phones.

Devices stand below each other, each a block of its own; what has not been recorded is a figure that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from robust_activations import models
from robust_activations.activations import REGISTRY
from robust_activations.attacks import PGD, Threat
from robust_activations.figures import frames, measured, style
from robust_activations.figures.frames import GREY, INK, ROW, WIDTH
from robust_activations.figures.measured import AXES, Benchmarks, Recorded, Row
from robust_activations.training import Objective, loss_of

KINDS = {"forward": style.BLUE, "backward to the input": style.ORANGE, "backward to the weights": style.VERMILION}
USES = {"input": "to the input,\nas in the attack", "parameters": "and to the parameters,\nas in the update"}
DEVICES = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE)


# ---- passes, counted --------------------------------------------------------------------------------------------

OBJECTIVES = {
    "clean": Objective("standard"),
    "N-FGSM": Objective("n_fgsm"),
    "PGD-10": Objective("pgd_at", PGD(10)),
    "TRADES, 10 steps": Objective("trades", PGD(10)),
}
Loss = Callable[[nn.Module, Tensor, Tensor, Objective], Tensor]


class _Convolutions(TorchDispatchMode):
    """Counts convolutions that are computed: forward, and backward to the input and to the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten.convolution.default:
            self.done["forward"] += 1
        elif function is torch.ops.aten.convolution_backward.default:
            for kind, wanted in zip(list(KINDS)[1:], args[-1], strict=False):
                self.done[kind] += wanted
        return function(*args, **(kwargs or {}))


def ours(model: nn.Module, x: Tensor, y: Tensor, objective: Objective) -> Tensor:
    """The objective as the library computes it."""
    return loss_of(model, x, y, objective, Threat("linf", "8/255"))[0]


def usual(model: nn.Module, x: Tensor, y: Tensor, objective: Objective) -> Tensor:
    """The same passes as loops are often written: `loss.backward()` in the attack, which fills the weights' gradients
    too; and TRADES as in its authors' code, with the clean images passed in every step and twice in the update."""
    moved = x
    trades = objective.name == "trades"
    steps = {"standard": 0, "n_fgsm": 1, "fgsm_rs": 1}.get(objective.name, objective.attack.steps)
    model.eval()
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        if trades:
            loss = F.kl_div(model(moved).log_softmax(1), model(x).softmax(1), reduction="sum")
            grad = torch.autograd.grad(loss, moved)[0]
        else:
            F.cross_entropy(model(moved), y).backward()
            assert moved.grad is not None
            grad = moved.grad
        moved = (moved + 2 / 255 * grad.sign()).clamp(0, 1).detach()
    model.train()
    loss = F.cross_entropy(model(x if trades else moved), y)
    if trades:
        loss = loss + F.kl_div(model(moved).log_softmax(1), model(x).softmax(1), reduction="batchmean")
    return loss


def passes(objective: Objective, loss: Loss = ours) -> dict[str, int]:
    """Passes through the network that a training step makes, by kind, counted in a step on two images.

    Of the update's backward pass to the input the first layer does not need its share; it is counted as whole.
    """
    model = models.create("resnet20", activation="relu", num_classes=10, width=4).train()
    x, y = torch.rand(2, 3, 32, 32), torch.tensor([0, 1])
    ours(model, x, y, objective)  # the first time, the library looks for what folds
    with _Convolutions() as seen:
        loss(model, x, y, objective).backward()
    layers = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    return {kind: round(seen.done[kind] / layers) for kind in KINDS}


# ---- what all figures share -------------------------------------------------------------------------------------


_figure = partial(style.figure, WIDTH)


def _blocks(
    every: Benchmarks,
    name: str,
    rows: Callable[[Recorded], float],
    draw: Callable[[SubFigure, Recorded], None],
    keys: Sequence[Any] = (),
    extra: float = 0.9,
) -> Figure:
    """One block a device, as high as its rows ask for, with its name on top; a line of text where there is none."""
    found = every.of(name)
    heights = [extra + ROW * rows(one) for one in found]
    with _figure(sum(heights) + 0.35 * bool(keys) if found else 0.6) as figure:
        if not found:
            figure.subplots().axis("off")  # without axes there would be no picture
            figure.text(0.5, 0.5, "not recorded yet", ha="center", va="center", color=INK)
            return figure
        for part, one in zip(
            figure.subfigures(len(found), 1, height_ratios=heights, squeeze=False)[:, 0], found, strict=True
        ):
            part.suptitle(one.title, size=10, color=INK, weight="bold")
            draw(part, one)
        if keys:
            figure.legend(
                handles=list(keys), loc="outside lower center", ncol=len(keys), columnspacing=1.1, handletextpad=0.4
            )
    return figure


def _names(ax: Axes, names: Sequence[str]) -> None:
    """One row a name, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)


# ---- figures ----------------------------------------------------------------------------------------------------


def steps(objectives: Mapping[str, Objective] = OBJECTIVES) -> Figure:
    """Passes of a training step: here, and below it as loops are often written."""
    with _figure(0.9 + 0.5 * len(objectives)) as figure:
        ax = figure.subplots()
        for i, objective in enumerate(objectives.values()):
            for y, loss in ((i - 0.19, ours), (i + 0.19, usual)):
                left = 0
                for kind, count in passes(objective, loss).items():
                    ax.barh(y, count, 0.34, left, color=KINDS[kind], alpha=1 if loss is ours else 0.45, lw=0)
                    left += count
                ax.text(
                    left + 0.4, y, f"{left}" + (", usual loop" if loss is usual else ""), va="center", size=9, color=INK
                )
        _names(ax, list(objectives))
        ax.margins(x=0.22)
        ax.set_xlabel("passes through the network, a step")
        keys = [Patch(color=colour, label=kind.replace("backward ", "backward\n")) for kind, colour in KINDS.items()]
        figure.legend(handles=keys, loc="outside lower center", ncol=3, columnspacing=1.1, handlelength=1)
    return figure


def throughput(every: Benchmarks) -> Figure:
    """Images per second, ours and below it theirs, with the ratio; one panel a network."""

    def split(one: Recorded) -> dict[str, list[Row]]:
        return {
            name: [row for row in one.rows if row["model"] == name]
            for name in dict.fromkeys(r["model"] for r in one.rows)
        }

    def draw(part: SubFigure, one: Recorded) -> None:
        parts = split(one)
        axes = part.subplots(len(parts), 1, squeeze=False, height_ratios=[len(rows) + 1 for rows in parts.values()])[
            :, 0
        ]
        for ax, (name, rows) in zip(axes, parts.items(), strict=True):
            for y, row in enumerate(rows):
                ax.barh(y - 0.2, row["ours"], 0.38, color=style.colour(row["activation"]), lw=0)
                ax.barh(y + 0.2, row["theirs"], 0.38, color=GREY, lw=0)
                end = max(row["ours"], row["theirs"])
                ax.annotate(
                    f"{measured.times(row['ratio'])}×",
                    (end, y),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    size=9,
                )
            _names(ax, [f"{style.title(row['activation'])}, {row['batch']}, {row['peer']}" for row in rows])
            ax.margins(x=0.16)
            ax.set_title(measured.model_title(name), color=INK)
        axes[-1].set_xlabel("images per second")

    def rows(one: Recorded) -> float:
        return 1.9 * len(one.rows) + 2.5 * len(split(one))

    keys = [Patch(color=INK, label="this library (colour: activation)"), Patch(color=GREY, label="the usual loop")]
    return _blocks(every, "throughput", rows, draw, keys)


def activations(every: Benchmarks, dtype: str = "bf16") -> Figure:
    """Seconds over those of torch's SiLU, in two uses: ours with its range over the shapes, and the plain formula.

    Only elementwise activations: the others are of another order.
    """

    def own(one: Recorded) -> list[str]:
        there = {row["activation"] for row in one.rows if row["dtype"] == dtype and row["elementwise"]}
        return [name for name in REGISTRY if name in there]

    def draw(part: SubFigure, one: Recorded) -> None:
        names = own(one)
        if not names:
            part.text(0.5, 0.5, f"not recorded in {dtype}", ha="center", va="center", color=INK)
            return
        found = [row for row in one.rows if row["dtype"] == dtype and row["elementwise"] and row["mode"] in USES]
        both = [value for row in found for value in (row["vs_silu"], row["plain"] / row["silu"])]
        for ax, (mode, title) in zip(part.subplots(1, 2, sharey=True), USES.items(), strict=True):
            ax.axvline(1, color="black", lw=1)
            for target in {row["target"] for row in found if row["target"]}:
                ax.axvline(target, color=INK, lw=0.9, ls=(0, (4, 2)) if target < 1.3 else (0, (1, 1.5)))
            for y, name in enumerate(names):
                rows = [row for row in found if row["activation"] == name and row["mode"] == mode]
                if not rows:
                    continue
                ratios = [row["vs_silu"] for row in rows]
                ax.plot(
                    float(np.median([r["plain"] / r["silu"] for r in rows])),
                    y,
                    "D",
                    ms=3.6,
                    mfc="white",
                    mec=GREY,
                    mew=1,
                )
                ax.plot([min(ratios), max(ratios)], [y, y], color=style.colour(name), lw=1.6, solid_capstyle="round")
                ax.plot(float(np.median(ratios)), y, "o", color=style.colour(name), ms=4.2)
            _names(ax, [style.title(name) for name in names])
            ax.set_xlim(0.8 * min(both), 1.25 * max(both))
            frames.ratios(ax)
            ax.set_title(title, color=INK)
        part.supxlabel("times torch's SiLU", size=10)

    keys = [
        Line2D([], [], color=INK, marker="o", ms=4.2, label="here, over the shapes"),
        Line2D([], [], ls="", marker="D", ms=3.6, mfc="white", mec=GREY, label="plain formula"),
    ]
    return _blocks(every, "activations", lambda one: len(own(one)), draw, keys, extra=1.2)


def step_cost(every: Benchmarks) -> Figure:
    """A whole step relative to ReLU's: the ratio of medians, and a line over neighbouring turns."""

    def draw(part: SubFigure, one: Recorded) -> None:
        cases = list(dict.fromkeys((row["model"], row["batch"]) for row in one.rows))
        rows = sorted(one.rows, key=lambda row: row["ratio"])
        names = list(dict.fromkeys(row["activation"] for row in rows))
        low, high = min(row["ratio_min"] for row in rows), max(row["ratio_max"] for row in rows)
        for ax, (model, batch) in zip(part.subplots(1, len(cases), sharey=True, squeeze=False)[0], cases, strict=True):
            ax.axvline(1, color="black", lw=1)
            for target in {row["target"] for row in rows if row["target"]}:
                ax.axvline(target, color=INK, lw=0.9, ls=(0, (4, 2)))
            for row in rows:
                if (row["model"], row["batch"]) == (model, batch):
                    y, colour = names.index(row["activation"]), style.colour(row["activation"])
                    ax.plot([row["ratio_min"], row["ratio_max"]], [y, y], color=colour, lw=1.6, solid_capstyle="round")
                    ax.plot(row["ratio"], y, "o", color=colour, ms=5, mfc=colour if row["elementwise"] else "white")
            _names(ax, [style.title(name) for name in names])
            ax.set_xlim(min(0.9, 0.95 * low), max(1.3, 1.05 * high))
            frames.ratios(ax)
            ax.tick_params(axis="x", labelsize=10 if len(cases) == 1 else 8)
            ax.set_title(f"{measured.model_title(model)}, batch {batch}", color=INK)
        part.supxlabel("seconds a step, times ReLU's", size=10)

    return _blocks(every, "step_cost", lambda one: len({row["activation"] for row in one.rows}), draw, extra=1.1)


def scaling(every: Benchmarks) -> Figure:
    """Cost an image along each axis, relative to its first point; one colour a device."""
    found = every.of("scaling")
    if not found:
        return _blocks(every, "scaling", lambda one: 0, lambda part, one: None)
    looks: list[dict[str, Any]] = [
        {"color": colour, "marker": marker, "ms": 5}
        for _, colour, marker in zip(found, DEVICES * 9, style.MARKERS * 3, strict=False)
    ]
    with _figure(4.4) as figure:
        for ax, (axis, title) in zip(figure.subplots(2, 2).flat, AXES.items(), strict=True):
            ticks: set[float] = set()
            for one, look in zip(found, looks, strict=True):
                rows = [row for row in one.rows if row["axis"] == axis]
                if rows:
                    x, cost = [row["value"] for row in rows], [row["seconds_per_image"] for row in rows]
                    ticks |= {*x}
                    ax.plot(x, np.divide(cost, cost[0]), **look)
            ax.set(xscale="log", yscale="log", title=title)
            few = sorted(ticks)
            frames.logarithmic(ax, few[:: 1 + len(few) // 6])
            low, high = ax.get_ylim()
            levels = [v for v in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100) if low <= v <= high]
            frames.logarithmic(ax, levels[:: 1 + len(levels) // 7], "y")
            ax.tick_params(labelsize=8)
        figure.supylabel("seconds an image, times the first point", size=10)
        keys = [Line2D([], [], label=one.title, **look) for one, look in zip(found, looks, strict=True)]
        figure.legend(handles=keys, loc="outside lower center", ncol=2)
    return figure
