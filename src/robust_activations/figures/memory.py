"""What an activation costs, counted and not timed: memory for the backward pass, and arithmetic beside the layers'.

Times are in `measured` and `cost`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from robust_activations import activations, models
from robust_activations.activations import fused
from robust_activations.attacks import attacking
from robust_activations.figures import measured, style
from robust_activations.figures.frames import GREY, INK, ROW, WIDTH, label_rows


def saved_bytes(model: nn.Module, x: Float[Tensor, "n c h w"], y: Int[Tensor, " n"]) -> int:
    """Bytes that autograd keeps from the forward pass for the backward pass of the cross-entropy of these images.

    Memory that two operations share counts once; weights, buffers and the batch, which are there anyway, not at all.
    """
    there = {_memory(tensor) for tensor in (*model.parameters(), *model.buffers(), x, y)}
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if _memory(tensor) not in there:
            held[_memory(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = F.cross_entropy(model(x), y)  # which holds them, so that no memory is used twice while we count
    del loss
    return sum(held.values())


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def bytes_per_image(name: str, model: str = "resnet20", *, plain: bool = False, attack: bool = False) -> int:
    """What an image of 32×32 adds to `saved_bytes` in float32: in the update, or in a step of the attack.

    `plain`: the activation as its formula, operation by operation, and not as the library's one pass.
    """
    network = models.create(model, activation=name).train()
    batches = [(torch.rand(n, 3, 32, 32, requires_grad=attack), torch.zeros(n, dtype=torch.int64)) for n in (2, 4)]
    attacked = attacking(network, batches[0][0].detach()) if attack else nullcontext()
    with fused.plain() if plain else nullcontext(), attacked:
        few, more = (saved_bytes(network, x, y) for x, y in batches)
    return (more - few) // 2


def work(name: str, size: int = 32) -> tuple[int, int]:
    """Multiplications of a model's convolutions and linear layers in one forward pass of an image, and the values
    that pass through activations. Nothing is computed: shapes are enough."""
    with torch.device("meta"):
        model = models.create(name, activation="relu").eval()
        image = torch.empty(1, 3, size, size)
    done = [0, 0]

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, activations.Activation):
            done[1] += output.numel()
        elif isinstance(module, nn.Conv2d | nn.Linear):
            done[0] += output.numel() * module.weight[0].numel()

    for module in model.modules():
        module.register_forward_hook(count)
    model(image)
    return done[0], done[1]


def only(every: measured.Benchmarks, names: Sequence[str]) -> measured.Benchmarks:
    """The benchmarks' rows of these activations."""
    files = []
    for one in every.files:
        rows = [row for row in one.rows if row.get("activation") in names]
        files.append(measured.Recorded(one.name, one.device, one.content | {"rows": rows}))
    return measured.Benchmarks(tuple(files))


def chart(sizes: Mapping[str, tuple[int, int]]) -> Figure:
    """What each activation keeps in an update over what ReLU keeps; `sizes` gives this library's and the formula's."""
    relu = sizes["relu"][0]
    names = sorted(sizes, key=lambda name: sizes[name])
    with style.figure(WIDTH, 1.0 + ROW * len(names)) as figure:
        ax = figure.subplots()
        ax.axvline(1, color="black", lw=1)
        for y, name in enumerate(names):
            here, formula = (size / relu for size in sizes[name])
            ax.plot([here, formula], [y, y], color=GREY, lw=1)
            ax.plot(formula, y, "D", ms=4.6, mfc="white", mec=GREY, mew=1.2)
            ax.plot(here, y, "o", ms=5.5, color=style.colour(name))
        label_rows(ax, [style.title(name) for name in names])
        ax.set_xlabel("kept for the backward pass, times ReLU")
        keys = [
            Line2D([], [], ls="", marker="o", color=INK, label="this library"),
            Line2D([], [], ls="", marker="D", mfc="white", mec=GREY, label="plain formula"),
        ]
        figure.legend(handles=keys, loc="outside lower center", ncol=2)
    return figure
