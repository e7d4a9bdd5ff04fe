"""Every activation of the book under one protocol: same network, recipe, budget and attacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from robust_activations import activations
from robust_activations.attacks import PGD, Threat
from robust_activations.data import Augment
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.studies.base import Study
from robust_activations.training import Objective, Schedule

# These come first and get three seeds: those that the claims compare, and two more.
CORE = ("relu", "silu", "pssilu", "splash", "sparta", "gelu", "psilu")
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Added:
    """Seeds of these activations that were added after a look: when what had been seen."""

    scale: str
    dataset: str
    names: tuple[str, ...]
    seeds: tuple[int, ...]
    seen: str


# On CIFAR-10 first ReLU and SiLU, on which the answer turns; then what the other papers propose; then the rest.
ADDED = (
    Added(
        "cpu",
        "cifar10",
        CORE[:2],
        (3, 4),
        "three had been seen, in each of which SiLU was ahead under PGD-50, with an interval that included 0",
    ),
    Added(
        "cpu",
        "cifar10",
        ("pssilu", "splash", "sparta"),
        (3, 4),
        "three had been seen, in each of which PSSiLU, SPLASH and Sparta were ahead of ReLU under PGD-50, with "
        "intervals that included 0",
    ),
    Added(
        "cpu",
        "cifar10",
        ("gelu", "psilu"),
        (3, 4),
        "three had been seen, in each of which GELU and PSiLU were ahead of ReLU under PGD-50, with intervals that "
        "included 0, and five of the others",
    ),
    Added(
        "cpu",
        "cifar100",
        CORE[:2],
        (1, 2),
        "the first had been seen, in which SiLU was behind by more than the chance of the images, and more than one "
        "verdict turned on it",
    ),
    Added(
        "cpu",
        "cifar100",
        CORE[:2],
        (3, 4),
        "three had been seen, with an interval that reached to about two points on either side of 0",
    ),
)
# PSSiLU as its authors train it. Without their penalty and clip its beta ran away in our trials on the digits.
OPTIONS = {"pssilu": {"penalty": 10.0, "clip": 0.01}}
# A standard-trained network withstands nothing at the radius of adversarial training.
STANDARD_DIGITS = Threat("linf", "12.75/255")

# What an activation may choose from besides the recipe's weight decay.
DECAYS = {"digits": (1e-2,), "cpu": (2e-3, 5e-3), "gpu": (1e-4, 2e-4, 1e-3)}  # the shorter a training, the larger

# What the last epoch's network is attacked with, where it is not the best: AutoAttack takes longer than the training.
LAST = ("clean", "pgd20")


def core(scale: str) -> tuple[str, ...]:
    """The activations with three seeds; at digits, trained while the book is built, only those of the claims."""
    return CORE[:5] if scale == "digits" else CORE


def added(scale: str, dataset: str = "cifar10") -> list[Added]:
    """What of `ADDED` is of this scale and dataset."""
    return [one for one in ADDED if (one.scale, one.dataset) == (scale, dataset)]


def seeds(scale: str, dataset: str = "cifar10") -> tuple[int, ...]:
    """All that an activation may have at this scale; those that were added only some have."""
    return tuple(sorted({*SEEDS, *(seed for one in added(scale, dataset) for seed in one.seeds)}))


def recipe(scale: str) -> Callable[..., Run]:
    """A function that completes activation, seed and what else is given to the protocol's Run at this scale."""
    common: dict = {}
    if scale == "digits":
        common = dict(
            dataset="digits",
            model="digits_cnn",
            threat=Threat("linf", "38.25/255"),
            objective=Objective("pgd_at", PGD(steps=7)),
            schedule=Schedule(epochs=8, batch_size=64, lr=0.1),
            suite=Suite(square_n=50, square_queries=100, last=LAST),
            held_out=200,
        )
    elif scale == "cpu":
        common = dict(
            dataset="cifar10",
            model="resnet20",
            threat=Threat("linf", "8/255"),
            objective=Objective("n_fgsm"),
            schedule=Schedule(epochs=3, lr=0.2, shape="cyclic", milestones=(0.4,)),
            augment=Augment(crop=4, flip=True),
            suite=Suite(attacks=("clean", "fgsm", "pgd20", "pgd50"), n=1000, square_n=100, square_queries=200),
            precision="bf16",
        )
    elif scale == "gpu":
        common = dict(
            dataset="cifar10",
            model="resnet18",
            threat=Threat("linf", "8/255"),
            schedule=Schedule(epochs=30),
            augment=Augment(crop=4, flip=True),
            suite=Suite(attacks=("clean", "fgsm", "pgd20", "pgd50", "autoattack"), autoattack_n=1000, last=LAST),
            precision="bf16",
        )
    else:
        common = dict(
            dataset="cifar10",
            model="resnet18",
            threat=Threat("linf", "8/255"),
            schedule=Schedule(epochs=200, shape="step"),
            augment=Augment(crop=4, flip=True),
            suite=Suite(attacks=("clean", "fgsm", "pgd20", "pgd50", "autoattack"), autoattack_n=None),
        )
    return lambda activation, **more: Run(
        activation=activation, **({"activation_options": OPTIONS.get(activation, {})} | common | more)
    )


def light(scale: str) -> dict[str, Any]:
    """What no ranking shows is attacked more cheaply at digits, trained while the book is built, and at gpu, where by
    arithmetic AutoAttack and PGD-50 on all images take longer than the training."""
    if scale == "digits":
        return {"suite": Suite(attacks=("clean", "fgsm", "pgd20"), square_n=50, square_queries=100, last=LAST)}
    if scale == "gpu":
        return {"suite": Suite(n=2000, last=LAST)}
    return {}


def trades(scale: str) -> dict[str, Any]:
    """TRADES in place of the recipe's objective; attacked as the rest of the protocol, at digits more cheaply."""
    if scale == "digits":
        return {"objective": Objective("trades", PGD(steps=7)), **light(scale)}
    return {"objective": Objective("trades")}


# Half as wide, to be trained on two cores.
NARROW = {"all_cnn": {"width": 48}, "nin": {"width": 96}}


def standard(scale: str, dataset: str, model: str, activation: str, *, attacked: bool = False, **more: Any) -> Run:
    """A run without attacks in training; `attacked` afterwards with everything, else with what is cheap.

    The radius of adversarial training leaves nothing of such a network: attacks get an eighth of it (CIFAR), a third
    (digits) or 0.1 (MNIST). The distances have no radius.
    """
    common: dict[str, Any] = {
        "dataset": dataset,
        "model": model,
        "objective": Objective("standard"),
        "threat": STANDARD_DIGITS,
        "suite": _standard_suite(scale, attacked),
    }
    if dataset == "mnist":
        common |= {"threat": Threat("linf", "25.5/255"), "augment": Augment(crop=2), "precision": "fp32"}
    elif dataset.startswith("cifar"):
        common["threat"] = Threat("linf", "1/255")
    if scale == "cpu":
        schedule = Schedule(epochs=3, lr=0.1, shape="cyclic", milestones=(0.4,))
        common |= {"schedule": schedule, "model_options": NARROW.get(model, {})}
    elif scale != "digits":
        common["schedule"] = Schedule(epochs=30 if scale == "gpu" else 200)
    return recipe(scale)(activation, **(common | more))


def _standard_suite(scale: str, attacked: bool) -> Suite:
    small = scale in ("digits", "cpu")
    n = 1000 if scale == "cpu" else None
    if not attacked:
        return Suite(("clean", "fgsm", "pgd20"), n=n, square_n=50, square_queries=100, last=("clean",))
    few = 100 if small else 1000
    # These go image by image, or step by step: nothing at gpu may take longer than a slice of its campaign.
    slow = 200 if scale == "gpu" else few
    return Suite(
        attacks=("clean", "fgsm", "pgd20", "pgd50", "one_pixel", "autoattack"),
        n=n,
        autoattack_n=50 if scale == "digits" else few,
        square_n=few,
        square_queries=200 if small else 500,
        measures=("cw", "boundary"),
        measure_n=slow,
        one_pixel_n=slow,
        one_pixel_queries=1500 if small else 10_000,
        boundary_steps={"digits": 1000, "cpu": 3000, "gpu": 5000}.get(scale, 25_000),
        last=("clean",),
    )


def decays(scale: str) -> Iterator[Run]:
    """The core with other weight decays, from which each may choose its own (the objection of Huang et al. 2023).

    At digits and cpu ReLU and SiLU alone: hours are few there.
    """
    make, schedule = recipe(scale), recipe(scale)("relu").schedule
    for decay in DECAYS.get(scale, ()):
        for name in CORE[:2] if scale in ("digits", "cpu") else CORE:
            yield make(name, schedule=replace(schedule, weight_decay=decay), **light(scale))


def runs(scale: str) -> Iterator[Run]:
    """Most valuable first: the core once, the others once, the core's other seeds and weight decays, then TRADES.

    What was added later comes last.
    """
    make = recipe(scale)
    for name in CORE:
        yield make(name)
    for name in activations.names():
        yield make(name)
    for seed in SEEDS[1:]:
        for name in core(scale):
            yield make(name, seed=seed)
    yield from decays(scale)
    if scale in ("gpu", "paper"):
        for name in CORE:
            yield make(name, **trades(scale))
    for one in added(scale):
        for seed in one.seeds:
            for name in one.names:
                yield make(name, seed=seed)


STUDY = Study("protocol", "Every activation under one protocol", runs)
