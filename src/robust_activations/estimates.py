"""How long a run may take, by the records of runs like it: in seconds of two cores, or of one GPU."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import median

from robust_activations.ledger import Record
from robust_activations.run import Run

ON_GPU = ("gpu", "paper")  # the scales that are made for one; the others are for CPUs
# A record has only the name of its device. "AMD Ryzen 7 with Radeon Graphics" is a CPU.
GPU = re.compile(r"NVIDIA|Tesla|Quadro|GeForce|TITAN|AMD (Instinct|Radeon)")


def on_gpu(record: Record) -> bool:
    return GPU.search(record.provenance.device) is not None


def seconds(record: Record) -> float:
    """What a record took, as if it had had one GPU, or two cores, of which each thread takes one.

    Of many processes, `8 x NVIDIA ...`, each has had as much.
    """
    made = record.provenance
    together = re.match(r"(\d+) x ", made.device)
    return made.seconds * (int(together[1]) if together else 1) * (1.0 if on_gpu(record) else made.threads / 2)


def estimate(run: Run, records: Iterable[Record], scale: str) -> float | None:
    """Seconds that a run may take: of a GPU at `gpu` and `paper`, else of two cores; None if no record tells.

    Records on such a device with the same dataset, model and objective tell: the median of an epoch's training, times
    the epochs, and the median of the rest, mostly evaluation, where it can be of those with the same suite. No means: a
    process that was suspended counts its sleep.
    """
    alike, epochs, rests, same = (run.dataset, run.model, run.objective.name), [], [], []
    for record in records:
        other = record.run
        if (other.dataset, other.model, other.objective.name) != alike or on_gpu(record) != (scale in ON_GPU):
            continue
        trained = [row["train_seconds"] for row in record.history if "train_seconds" in row]
        share = sum(trained) / record.provenance.seconds if trained else 1.0
        epochs.append(seconds(record) * share / (len(trained) or other.schedule.epochs))
        rests.append(seconds(record) * (1 - share))
        if other.suite == run.suite:
            same.append(rests[-1])
    return median(epochs) * run.schedule.epochs + median(same or rests) if epochs else None
