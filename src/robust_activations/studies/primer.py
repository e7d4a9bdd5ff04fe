"""The runs of the primers: one small network, trained in the ways that the book compares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from robust_activations.attacks import PGD
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.studies.base import Study
from robust_activations.studies.protocol import recipe
from robust_activations.training import Objective

OBJECTIVES = (
    Objective("standard"),
    Objective("pgd_at", PGD(steps=7)),
    Objective("trades", PGD(steps=7)),
    Objective("n_fgsm"),
    Objective("fgsm_rs"),
)


def runs(scale: str) -> Iterator[Run]:
    """ReLU in every objective; the primers exist at scale `digits` alone. AutoAttack for PGD-AT, on 100 images."""
    if scale == "digits":
        suite = Suite(square_n=100, square_queries=200, last=("clean", "pgd20", "pgd50"))
        dear = replace(suite, attacks=(*suite.attacks, "autoattack"), autoattack_n=100)
        for objective in OBJECTIVES:
            yield recipe(scale)("relu", objective=objective, suite=dear if objective.name == "pgd_at" else suite)


STUDY = Study("primer", "Primers: training objectives on one small network", runs)
