"""Records with given numbers of right images, and what a table says, for the tests of figures and tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import tiny
from robust_activations.evaluation import Evaluation, Outcome
from robust_activations.figures.results import Row
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.sensitivity import Measure

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
    return f"{100 * mean:+.1f} [{100 * low:+.1f},\N{NO-BREAK SPACE}{100 * high:+.1f}]".replace("-", "−")


def entries(line: str) -> list[str]:
    """The cells of one line of a table, with ordinary spaces."""
    return line.replace("\N{NO-BREAK SPACE}", " ")[2:-2].split(" | ")


def right(count: int, n: int = 200) -> list[bool]:
    """Right on the first so many images."""
    return [index < count for index in range(n)]


def held(*records: Record) -> tuple[Ledger, list[Run]]:
    """A ledger of these records, and their runs."""
    ledger = Ledger(Path("nowhere"))
    ledger.records = {record.id: record for record in records}
    return ledger, [record.run for record in records]


def whole(run: Run) -> Record:
    """A record of all that the run's suite asks for, with a number of right images that differs between runs."""
    share = 40 + int(run.id, 16) % 120
    generator = torch.Generator().manual_seed(int(run.id, 16) % 2**31)
    outcome = Outcome.of(torch.randperm(200, generator=generator) < share, 0.5)
    measures = {name: Measure.of(torch.rand(50, generator=generator)) for name in run.suite.measures}
    best = Evaluation(dict.fromkeys(run.suite.attacks, outcome), (), measures=measures)
    activations = {"act.alpha": [share / 80], "act.beta": [0.1]}
    history = ({"activations": activations, "train_accuracy": share / 200, "held_pgd10": 0.4},)
    return tiny.record(run, best=best, last=best, history=history)
