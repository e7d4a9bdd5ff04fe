"""What an activation adds to a whole step of PGD-10 adversarial training (attack and update, bf16), against ReLU.

Both are `training.train` on the same images and take turns; a turn is `--batches` whole steps. `ratio` is seconds with
the activation over seconds with ReLU; at most 1.10 is wanted of the elementwise ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

from benchmarks.activations import NOT_ELEMENTWISE
from benchmarks.measure import Row, after_warm_up, chosen, cifar10_or_random, median, parser, run, significant, spread
from benchmarks.throughput import ours, taste
from robust_activations import data
from robust_activations.activations import REGISTRY

TARGET = 1.10
COLUMNS = (
    "model", "activation", "batch", "ours", "relu", "ratio", "ratio_min", "ratio_max", "repeats", "target", "holds"
)  # fmt: skip


def measure_row(
    case: Row,
    dataset: data.Dataset,
    device: torch.device,
    *,
    batches: int = 1,
    repeats: int = 5,
    seconds: float | None = None,
    steps: int = 10,
) -> Row:
    """One row: seconds a step with the activation (`ours`) and with ReLU."""
    for name in ("relu", case["activation"]):
        taste(case | {"activation": name}, dataset, device)
    with (
        ours(case, dataset, device, batches, steps) as one,
        ours(case | {"activation": "relu"}, dataset, device, batches, steps) as other,
    ):
        sides = {"ours": lambda: one.seconds() / batches, "relu": lambda: other.seconds() / batches}
        times, warm = after_warm_up(sides, repeats, seconds)
    return case | summary(times, case["activation"]) | {
        "batches": batches,
        "warm_up": "a turn" if warm else "a small batch",
        "steps": steps,
        "data": dataset.name,
        "device": device.type,
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def summary(times: dict[str, list[float]], activation: str) -> Row:
    """Medians, their ratio with its spread over neighbouring turns, and whether the target holds."""
    pairs = [ours / relu for ours, relu in zip(times["ours"], times["relu"], strict=True)]
    ratio = median(times["ours"]) / median(times["relu"])
    target = None if activation in NOT_ELEMENTWISE else TARGET
    return spread("ours", times["ours"]) | spread("relu", times["relu"]) | {
        "ratio": significant(ratio),
        "ratio_min": significant(min(pairs)),
        "ratio_max": significant(max(pairs)),
        "repeats": len(pairs),
        "elementwise": activation not in NOT_ELEMENTWISE,
        "target": target,
        "holds": None if target is None else ratio <= target,
    }  # fmt: skip


def measure(arguments: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    cpu = device.type == "cpu"
    batch = arguments.batch or 128
    models = arguments.model or ["resnet20"]
    cases = [
        {"model": model, "activation": name, "batch": batch} for model in models for name in REGISTRY if name != "relu"
    ]
    dataset = cifar10_or_random()
    for case in chosen(cases, arguments.only, activation=arguments.activation):
        yield measure_row(
            case,
            dataset,
            device,
            batches=arguments.batches or (1 if cpu else 20),
            repeats=arguments.repeats,
            seconds=arguments.seconds or (30.0 if cpu else None),
        )


def options() -> argparse.ArgumentParser:
    one = parser(__doc__ or "", repeats=5)
    one.add_argument("--model", action="append", help="default: resnet20; may be repeated")
    one.add_argument("--activation", action="append", choices=list(REGISTRY), help="may be repeated")
    one.add_argument("--batch", type=int, help="default: 128")
    one.add_argument("--batches", type=int, help="steps a turn (default: 1 on a CPU, 20 on a GPU)")
    one.add_argument("--seconds", type=float, help="time a row may take, about (default: 30 on a CPU, any on a GPU)")
    return one


if __name__ == "__main__":
    run("step_cost", options(), measure, COLUMNS)
