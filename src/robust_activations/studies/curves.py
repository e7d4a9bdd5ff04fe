"""Accuracy against ε of networks that are trained already.

`robust-activations evaluate CHECKPOINT ... --radii K/255 ... --json` prints what `read` reads. Committed are
`data/ledger/curves-<scale>.json`, and `margin-<scale>.json` with `--attack pgd50_margin`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from robust_activations import checkpoints, provenance, runs
from robust_activations.attacks import Threat, pixels
from robust_activations.errors import UserError
from robust_activations.evaluation import AnyImages, Suite, evaluate
from robust_activations.run import Run


@dataclass(frozen=True)
class Curve:
    """Images right of the first `n`, at each of the radii in pixels, of which the first is 0."""

    radii: tuple[float, ...]
    correct: tuple[int, ...]
    n: int


def along(
    model: nn.Module,
    images: AnyImages,
    labels: Int[Tensor, " n"],
    threats: Sequence[Threat],
    *,
    attack: str = "pgd20",
    seed: int = 0,
) -> Curve:
    """Images right without an attack, and then under an attack of the suite at each radius.

    A ball holds all smaller ones. So an image that has fallen stays fallen and is not attacked again, and no attack
    looks weaker for having more room.

    **Raises** `UserError` if the radii do not grow.
    """
    check_radii(threats)
    left, correct = torch.arange(len(labels), device=images.device), []
    for threat in [None, *threats]:
        name = "clean" if threat is None else attack
        if n := len(left):
            suite = Suite(attacks=(name,), autoattack_n=n, square_n=n, one_pixel_n=n)  # all that are left
            found = evaluate(model, images[left], labels[left], threat or threats[0], suite, seed=seed, checked=False)
            left = left[torch.from_numpy(found.outcomes[name].right).to(left.device)]
        correct.append(len(left))
    return Curve((0.0, *(one.radius for one in threats)), tuple(correct), len(labels))


def check_radii(threats: Sequence[Threat]) -> None:
    """**Raises** `UserError` if they do not grow."""
    radii = [one.radius for one in threats]
    if radii != sorted({*radii}):
        raise UserError(f"radii must grow: {' '.join(one.eps for one in threats)}")


def measure(
    checkpoint: Sequence[Path], radii: Sequence[str], attack: str, n: int | None, root: Path, device: torch.device
) -> list[dict[str, Any]]:
    """A row for each saved network: its run, images right at each radius, and where and how that was measured.

    Every mistake shows before the first attack.
    """
    Suite(attacks=(attack,))
    todo = []
    for path in checkpoint:
        run = checkpoints.run_of(path)
        threats = [Threat(run.threat.norm, radius) for radius in radii]
        check_radii(threats)
        todo.append((path, threats))
    rows = []
    for path, threats in todo:
        started, clock = datetime.now(timezone.utc), time.perf_counter()
        run, dataset, model = runs.saved(path, root)
        images, labels = dataset.test_images.to(device)[:n], dataset.test_labels.to(device)[:n]
        curve = along(model.to(device), images, labels, threats, attack=attack, seed=run.seed)
        made = provenance.here(dataset, device, started, time.perf_counter() - clock)
        eps = ["0/255", *(threat.eps for threat in threats)]
        row = {"id": run.id, "run": run.label, "checkpoint": path.stem, "attack": attack, "radii": eps}
        rows.append(row | {"correct": curve.correct, "n": curve.n, "provenance": asdict(made)})
    return rows


def read(path: Path) -> dict[str, Curve]:
    """The curves of a file by the id of their run; of a file that is not there, none."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {row["id"]: Curve(tuple(map(pixels, row["radii"])), tuple(row["correct"]), row["n"]) for row in rows}


def of(kept: Mapping[str, Curve], runs: Iterable[Run]) -> dict[str, Curve]:
    """The curves of these runs by id, in their order; of those whose networks were kept."""
    return {run.id: kept[run.id] for run in runs if run.id in kept}


def first(kept: Mapping[str, Curve], runs: Iterable[Run]) -> tuple[int, Curve] | None:
    """The seed and the curve of the first of these runs whose network was kept; None if there is none."""
    return next(((run.seed, kept[run.id]) for run in runs if run.id in kept), None)
