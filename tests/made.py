"""Records with given numbers of right images, and what a table says, for the tests of figures and tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

import tiny
from robust_activations.evaluation import Evaluation, Outcome
from robust_activations.figures.results import Row
from robust_activations.ledger import Record

N = 200


def bits(correct: int, n: int = N, seed: int = 0) -> list[bool]:
    right = np.arange(n) < correct
    return np.random.default_rng(seed).permutation(right).tolist()


def made(name: str = "relu", clean: int = 160, pgd50: int = 90, *, seed: int = 0, aa: int = 0, **changes) -> Record:
    """A record with these numbers of right images of 200 (AutoAttack: of 50)."""
    right = {"clean": bits(clean), "pgd50": bits(pgd50, seed=sum(map(ord, name)) + seed)} | (
        {"autoattack": bits(aa, 50)} if aa else {}
    )
    best = Evaluation({attack: Outcome.of(torch.tensor(one), 0.5) for attack, one in right.items()}, ())
    words = {key: changes.pop(key) for key in ("share", "activation_options") if key in changes}
    return tiny.record(
        replace(tiny.RUN, activation=name, seed=seed, **words), **({"best": best, "last": best} | changes)
    )


RELU, SILU, PSSILU = made(), made("silu", 150, 100), made("pssilu", 170, 120)
FALLEN = made("gelu", 20, 15, collapsed="it fell")
ROWS = [Row("ReLU", RELU), Row("GELU", FALLEN), Row("SiLU", SILU), Row("PSSiLU", PSSILU)]


def cells(markdown: str) -> list[list[str]]:
    """A table's cells, row by row; the second row is the line below the heading."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in markdown.splitlines()]


def interval(mean: float, low: float, high: float) -> str:
    """A difference in points, as tables write it."""
    text = f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    return text.replace(" ", "\N{NO-BREAK SPACE}").replace("-", "−")
