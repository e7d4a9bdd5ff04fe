"""Dry runs: a run's own network at full size makes one step of the run's own training, on two images of noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from unittest import mock

import torch
from torch import Tensor, nn

from robust_activations import activations, folding, models, runs, training
from robust_activations.data import Dataset
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.training import Images

# Channels and classes of the datasets, and the side of their images unless the run names another.
SHAPES = {
    "digits": (1, 10, 8),
    "mnist": (1, 10, 28),
    "mnist8": (1, 10, 8),
    "fashion_mnist": (1, 10, 28),
    "cifar10": (3, 10, 32),
    "cifar100": (3, 100, 32),
    "svhn": (3, 10, 32),
    "imagenette96": (3, 10, 96),
    "imagenette": (3, 10, 224),
    "imagenet": (3, 1000, 224),
}


def side(run: Run) -> int:
    """Pixels a side in the dry run: as few as leave the network four places to look at before it takes their average.

    The run's own size would take minutes, and the network is the same: ImageNet's halve an image five times, wide
    residual networks twice, the others not more than three times.
    """
    most = 64 if models.REGISTRY[run.model].classes == 1000 else 8 if run.model.startswith("wrn") else 16
    return min(SHAPES[run.dataset][2] if run.image_size is None else run.image_size, most)


def key(run: Run) -> str:
    """The same for runs that make the same step.

    It is taken for the same with more classes, with another weight decay, and with an average that follows it.
    """
    decay = 5e-4 if run.schedule.weight_decay else 0.0
    same = {"seed": 0, "suite": Suite(), "dataset": "", "image_size": side(run), "held_out": 1, "train_n": None}
    schedule = replace(run.schedule, epochs=100, batch_size=2, weight_decay=decay, ema=None)
    return f"{SHAPES[run.dataset][0]} {replace(run, **same, schedule=schedule).id}"


FOLDABLE: dict[str, list] = {}


def foldable(run: Run) -> Callable[..., list]:
    """What to fold for the attack is searched for once in all networks that differ only in numbers: it takes long."""
    kind = f"{run.model} {run.model_options} {run.activation} {run.share}"
    search = folding.foldable

    def found(model: nn.Module, x: Tensor) -> list:
        if kind not in FOLDABLE:
            FOLDABLE[kind] = search(model, x)
        return FOLDABLE[kind]

    return found


@dataclass
class Step:
    """What the step found and left: the model, the activations' parameters before it, and the row of its epoch."""

    model: nn.Module
    before: dict[str, Tensor]
    row: dict


def step(run: Run) -> Step:
    """One step, in the first epoch after the warm-up, of the training loop; nothing is evaluated."""
    dataset = noise(run)
    model = runs.build(run, dataset)
    before = {name: parameter.detach().clone() for name, parameter in activations.named_parameters(model)}
    started = {"held_clean": 0.0, "held_fgsm": 0.0, "held_pgd10": 0.0}
    warm = max(1, int(run.schedule.warmup))
    behind = training.Trained([started | {"epoch": epoch} for epoch in range(warm)], {}, {}, -1, None, False)
    again = iter((True, False))
    with (
        mock.patch.multiple(training, Trained=lambda *_: behind, _probe=lambda *_: dict(started)),
        mock.patch.object(folding, "foldable", foldable(run)),
    ):
        out = training.train(
            model,
            images_of(run, dataset),
            run.objective,
            run.threat,
            replace(run.schedule, batch_size=2),
            seed=run.seed,
            precision=run.precision,
            go_on=lambda: next(again),
        )
    return Step(model, before, out.history[-1])


def noise(run: Run) -> Dataset:
    """Random images of the run's shape, three for training and one for testing."""
    channels, classes, _ = SHAPES[run.dataset]
    pixels = torch.randint(256, (4, channels, side(run), side(run)), dtype=torch.uint8)
    labels = torch.arange(4) % classes
    return Dataset(
        run.dataset, pixels[:3], labels[:3], pixels[3:], labels[3:], tuple(str(label) for label in range(classes))
    )


def images_of(run: Run, dataset: Dataset) -> Images:
    """Two images for training, of which synthetic ones take their share, and one held out."""
    images = runs.images_of(replace(run, held_out=1, train_n=None, extra=None), dataset, torch.device("cpu"))
    if run.extra is None:
        return images
    synthetic = round(2 * run.extra_ratio)
    extra = images.images[:synthetic], images.labels[:synthetic]
    return replace(images, images=images.images[synthetic:], labels=images.labels[synthetic:], extra=extra,
                   extra_ratio=run.extra_ratio)  # fmt: skip
