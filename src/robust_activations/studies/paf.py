"""Dai, Mahloujifar and Mittal, "Parameterizing Activation Functions for Adversarial Robustness".

Two papers of one title: arXiv 2110.05626 (2021), and the workshop paper of 2022. What was run follows the authors'
code; neither paper's text beyond its abstract was available. Each experiment is a function from a scale to runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from robust_activations.attacks import PGD, Threat
from robust_activations.data import Augment
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.studies.base import Study
from robust_activations.studies.paf_claims import CLAIMS, PAFS, REFERENCES
from robust_activations.studies.protocol import DECAYS, OPTIONS, STANDARD_DIGITS, light, recipe, trades
from robust_activations.training import Objective, Schedule

HEADLINE = ("relu", "silu", "psilu", "pssilu")

# The sweep of shapes: activation and parameter, the region that it moves, and the value of its twin without parameters.
# Which values the authors took is not known to us; these are ours.
REGIONS = {
    ("prelu", "alpha"): "negative",
    ("pssilu", "beta"): "negative",
    ("psilu", "alpha"): "near zero",
    ("psoftplus", "alpha"): "near zero",
    ("prelu_plus", "alpha"): "positive",
    ("reblu", "alpha"): "positive",
}
TWINS = {
    ("prelu", "alpha", 0.0): "relu",
    ("prelu_plus", "alpha", 1.0): "relu",
    ("reblu", "alpha", 0.0): "relu",
    ("psilu", "alpha", 1.0): "silu",
    ("psoftplus", "alpha", 1.0): "softplus",
    ("pssilu", "beta", 0.0): "silu",
}
SWEEPS: dict[str, dict[tuple[str, str], tuple[float, ...]]] = {
    "digits": {
        ("prelu", "alpha"): (-0.5, -0.25, 0.0, 0.25, 0.5),
        ("pssilu", "beta"): (0.0, 0.1, 0.3),
        ("psilu", "alpha"): (0.5, 1.0, 3.0, 10.0, 40.0),
        ("reblu", "alpha"): (-0.5, 0.0, 0.5, 1.0),
    },
    "cpu": {
        ("psilu", "alpha"): (1.0, 10.0),
        ("prelu", "alpha"): (-0.25, 0.0),
        ("reblu", "alpha"): (0.0, 0.5),
    },
}
SWEEPS["gpu"] = SWEEPS["paper"] = {
    ("prelu", "alpha"): (-0.5, -0.25, 0.0, 0.25, 0.5),
    ("pssilu", "beta"): (0.0, 0.1, 0.3, 0.42),
    ("psilu", "alpha"): (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0),
    ("psoftplus", "alpha"): (1.0, 2.0, 5.0, 10.0, 20.0),
    ("prelu_plus", "alpha"): (0.5, 1.0, 2.0),
    ("reblu", "alpha"): (-0.5, 0.0, 0.5, 1.0),
}


def fixed(name: str, parameter: str, value: float) -> dict[str, Any]:
    """Fields of a Run for this activation with its parameters frozen; the twin without parameters where there is one.

    PSSiLU keeps α = 1 while its β is set.
    """
    if twin := TWINS.get((name, parameter, value)):
        return {"activation": twin, "activation_options": {}}
    return {"activation": name, "activation_options": {"learn": [], parameter: value}}


def sweep(scale: str, make: Callable[..., Run]) -> dict[tuple[str, str], dict[float, Run]]:
    """By activation and parameter: the run for each value, completed by `make`."""
    return {
        (name, parameter): {value: make(**fixed(name, parameter, value)) for value in values}
        for (name, parameter), values in SWEEPS[scale].items()
    }


# ---- experiments ----------------------------------------------------------------------------------------------------


def standard_shapes(scale: str) -> dict[tuple[str, str], dict[float, Run]]:
    """Version of 2021: trained without attacks, parameter frozen; radius, Square and the local Lipschitz constant."""
    n = {"digits": 100, "cpu": 100}.get(scale, 1000)
    suite = Suite(
        attacks=("clean", "fgsm", "pgd20", "square"),
        n=None if scale == "digits" else 1000,
        square_n=n,
        square_queries={"digits": 200, "cpu": 300}.get(scale, 1000),
        measures=("radius", "lipschitz"),
        measure_n=n,
        check_n=200 if scale == "gpu" else None,
    )
    objective = Objective("standard")
    if scale == "paper":
        return sweep(scale, lambda **what: paper(objective=objective, suite=replace(suite, n=None), **what))
    threat = {"threat": STANDARD_DIGITS} if scale == "digits" else {}
    return sweep(scale, lambda **what: recipe(scale)(**threat, objective=objective, suite=suite, **what))


def adversarial_shapes(scale: str) -> dict[tuple[str, str], dict[float, Run]]:
    """Version of 2022: adversarial training, parameter frozen, one region at a time."""
    if scale == "paper":
        return sweep(scale, paper)
    plain = recipe(scale)
    return sweep(scale, lambda **what: plain(**what, **(light(scale) if what["activation_options"] else {})))


def learnable(scale: str) -> Iterator[Run]:
    """Every PAF and its form without parameters under adversarial training; at larger scales other data and norms."""
    make = recipe(scale)
    if scale == "paper":
        yield from _published()
        return
    for name in ("relu", "silu", "pssilu", "psilu", *REFERENCES, *PAFS):
        yield make(name)
    if scale in ("digits", "gpu"):
        l2 = Threat("l2", "153/255" if scale == "digits" else "127.5/255")
        for name in HEADLINE:
            yield make(name, threat=l2, **light(scale))
        for name in ("relu", "silu", "pssilu"):
            yield make(name, **trades(scale))
    if scale == "gpu":
        for name in HEADLINE:
            yield make(name, dataset="cifar100")
        for name in HEADLINE:
            yield make(name, dataset="imagenette96", model="imagenet_resnet18", augment=Augment(crop=8, flip=True))


def what_they_learn(scale: str) -> Iterator[Run]:
    """PSSiLU shared otherwise, its β let loose or started at 0, and PSiLU with weight decay on α where the recipe has
    none, or without where it has."""
    make = paper if scale == "paper" else recipe(scale)
    base = make("pssilu")
    schedule = replace(base.schedule, decay_activations=not base.schedule.decay_activations)
    yield base
    yield make("pssilu", activation_options={}, **light(scale))
    yield make("psilu")
    yield make("psilu", schedule=schedule, **light(scale))
    if scale != "cpu":
        for share in ("layer", "channel"):
            yield make("pssilu", share=share, **light(scale))
        yield make("pssilu", activation_options=OPTIONS["pssilu"] | {"beta": 0.0}, **light(scale))
        yield make("pssilu", schedule=schedule, **light(scale))


def critics(scale: str) -> Iterator[Run]:
    """Weight decay tuned for each activation (Huang et al. 2023, who let BatchNorm go without)."""
    if scale == "paper":
        for decay in (1e-4, 2e-4, 5e-4):
            for name in ("relu", "silu", "softplus", "gelu"):
                run = paper(name, objective=Objective("trades", PGD(steps=10, step="0.0078")))
                yield replace(run, schedule=replace(run.schedule, weight_decay=decay, decay_norm=False))
        return
    make = recipe(scale)
    schedule = make("relu").schedule
    for decay in DECAYS.get(scale, ()):
        for name in ("relu", "silu") if scale != "gpu" else ("relu", "silu", "softplus", "gelu"):
            yield make(name, schedule=replace(schedule, weight_decay=decay), **light(scale))


EXPERIMENTS: dict[str, Callable[[str], Any]] = {
    "learnable": learnable,
    "adversarial_shapes": adversarial_shapes,
    "standard_shapes": standard_shapes,
    "what_they_learn": what_they_learn,
    "critics": critics,
}


def runs(scale: str) -> Iterator[Run]:
    """Most valuable first: learnable activations, then shapes, then what was learned, then the critics' questions."""
    for name, experiment in EXPERIMENTS.items():
        found = experiment(scale)
        if name.endswith("shapes"):
            found = chain.from_iterable(by_value.values() for by_value in found.values())
        yield from found


# ---- as published ---------------------------------------------------------------------------------------------------


def paper(activation: str, **more: Any) -> Run:
    """The authors' configuration for CIFAR-10, l-inf, ResNet-18, from their code of 2021.

    ε = 0.031; every parameter decays alike, α and β too; no normalisation; a clean pass before each attack. One
    departure: the epoch is chosen on 1,000 held-out training images, where the authors chose it on the test images.
    """
    common: dict[str, Any] = dict(
        dataset="cifar10",
        model="resnet18",
        threat=Threat("linf", "0.031"),
        objective=Objective("pgd_at", PGD(steps=10, step="0.0078"), as_authors=True),
        schedule=Schedule(epochs=200, batch_size=256, lr=0.1, final_lr=0.001, decay_activations=True, decay_norm=True),
        suite=Suite(attacks=("clean", "pgd10", "pgd50", "autoattack"), autoattack_n=None),
        augment=Augment(crop=4, flip=True),
        normalize=False,
        activation_options=OPTIONS.get(activation, {}),
    )
    return Run(activation=activation, **(common | more))


# CIFAR-5m, 6 million images of a diffusion model, as one file (arrays image, label) below the data folder. Batches are
# one half real, one half synthetic: 256 + 256.
SYNTHETIC = "cifar5m.npz"


def _published() -> Iterator[Run]:
    """The grid of data, norms, networks and objectives that the authors' code and README name."""
    names = (*REFERENCES, *PAFS)
    schedule = paper("relu").schedule
    double = replace(schedule, batch_size=2 * schedule.batch_size)
    with_extra = {"extra": SYNTHETIC, "schedule": double}
    wide = {"model": "wrn28_10"}
    l2 = {"threat": Threat("l2", "127.5/255"), "objective": Objective("pgd_at", PGD(10, "0.075"), as_authors=True)}
    nette = {
        "dataset": "imagenette",
        "image_size": 224,
        "model": "imagenet_resnet18",
        "schedule": replace(schedule, batch_size=128),
        "augment": Augment(crop=28, flip=True),  # ours: the authors' is not known to us
    }
    trades = {"objective": Objective("trades", PGD(10, "0.0078"), as_authors=True)}
    for more in (with_extra, wide | with_extra, {}, wide, l2, l2 | with_extra, wide | {"dataset": "cifar100"}, nette):
        for name in names:
            yield paper(name, **more)
    for name in names:
        clip = {"activation_options": {"penalty": 10.0, "clip": 0.1}} if name == "pssilu" else {}
        yield paper(name, **trades, **clip)


STUDY = Study("paf", "Parametric activations: PSSiLU and its relatives (Dai, Mahloujifar, Mittal)", runs, CLAIMS)
