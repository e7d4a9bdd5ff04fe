"""Every activation of the book under one protocol: same network, recipe, budget and attacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from robust_activations import activations
from robust_activations.attacks import PGD, Threat
from robust_activations.data import Augment
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.studies.base import Claim, Reported, Study, compare
from robust_activations.training import Objective, Schedule

# These come first and get three seeds: those that the claims compare, and two more.
CORE = ("relu", "silu", "pssilu", "splash", "sparta", "gelu", "psilu")
SEEDS = (0, 1, 2)
# PSSiLU as its authors train it. Without their penalty and clip its beta ran away in our trials on the digits.
OPTIONS = {"pssilu": {"penalty": 10.0, "clip": 0.01}}
# A standard-trained network withstands nothing at the radius of adversarial training.
STANDARD_DIGITS = Threat("linf", "12.75/255")


def core(scale: str) -> tuple[str, ...]:
    """The activations with three seeds; at digits, trained while the book is built, only those of the claims."""
    return CORE[:5] if scale == "digits" else CORE


def recipe(scale: str) -> Callable[..., Run]:
    """A function that completes activation, seed and what else is given to the protocol's Run at this scale."""
    common: dict = {}
    if scale == "digits":
        common = dict(
            dataset="digits",
            model="digits_cnn",
            threat=Threat("linf", "38.25/255"),
            objective=Objective("pgd_at", PGD(steps=7)),
            schedule=Schedule(epochs=12, batch_size=64, lr=0.1),
            suite=Suite(square_n=100, square_queries=200),
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
            suite=Suite(attacks=("clean", "fgsm", "pgd20", "pgd50", "autoattack"), autoattack_n=1000),
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
    """At digits, trained while the book is built, what no ranking shows is attacked more cheaply."""
    if scale != "digits":
        return {}
    return {"suite": Suite(attacks=("clean", "fgsm", "pgd20"), square_n=50, square_queries=100)}


def runs(scale: str) -> Iterator[Run]:
    """Most valuable first: the core once, everything else once, the core's other seeds, then TRADES."""
    make = recipe(scale)
    for name in CORE:
        yield make(name)
    if scale == "digits":  # SPLASH's paper trains without attacks
        for seed in SEEDS:
            for name in ("relu", "splash"):
                yield make(name, seed=seed, objective=Objective("standard"), threat=STANDARD_DIGITS)
    for name in activations.names():
        yield make(name)
    for seed in SEEDS[1:]:
        for name in core(scale):
            yield make(name, seed=seed)
    if scale in ("gpu", "paper"):
        for name in CORE:
            yield make(name, objective=Objective("trades"))


def is_(name: str, objective: str | None = None) -> Callable[[Run], bool]:
    """Runs of the protocol with this activation; adversarially trained unless an objective is named."""

    def matches(run: Run) -> bool:
        trained = run.objective.name == objective if objective else run.objective.name in ("pgd_at", "n_fgsm")
        return run.activation == name and trained

    return matches


CLAIMS = (
    Claim(
        id="splash-standard",
        statement="Trained without attacks, SPLASH is more robust than ReLU.",
        citation="tavakoli2021",
        reported=Reported("up to 31 % more robust", "abstract of arXiv 2006.08947", "SEEN"),
        test=lambda records, runs: compare(records, runs, is_("splash", "standard"), is_("relu", "standard")),
    ),
    Claim(
        id="sparta-relu",
        statement="Under adversarial training Sparta is more robust than ReLU (our reading of Sparta, R2).",
        citation="guo2021",
        reported=Reported("", "arXiv 2105.08269, full text not available to us", "NOT FOUND"),
        test=lambda records, runs: compare(records, runs, is_("sparta"), is_("relu")),
    ),
    Claim(
        id="sparta-silu",
        statement="Under adversarial training Sparta is more robust than Swish (our reading of Sparta, R2).",
        citation="guo2021",
        reported=Reported("", "arXiv 2105.08269, full text not available to us", "NOT FOUND"),
        test=lambda records, runs: compare(records, runs, is_("sparta"), is_("silu")),
    ),
)

STUDY = Study("protocol", "Every activation under one protocol", runs, CLAIMS)
