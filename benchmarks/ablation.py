"""What each part of the engine gives, and what was tried in its place: PGD-10 on one batch, one change at a time.

`engine` is what training does: the network folded and channels last, bf16, fused activations. `ratio` is seconds with
the change over seconds of the engine: above 1 the change is slower. `compile_seconds` is the time that `torch.compile`
takes before its first answer, with an empty cache.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import (
    Row,
    after_warm_up,
    chosen,
    cifar10_or_random,
    median,
    parser,
    recorded,
    run,
    significant,
    spread,
    timed,
)
from benchmarks.throughput import STEP, THREAT, config
from robust_activations import data, runs
from robust_activations.activations import fused
from robust_activations.attacks import PGD, attacking, pgd
from robust_activations.precision import precision_context, true_float32

COLUMNS = ("model", "activation", "batch", "change", "seconds", "ratio", "compile_seconds", "repeats")
PARTS = 4


def attack(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    fold: bool = True,
    bf16: bool = True,
    plain: bool = False,
    parts: int = 1,
    steps: int = 10,
) -> None:
    with ExitStack() as stack:
        stack.enter_context(true_float32())
        stack.enter_context(precision_context("bf16" if bf16 else "fp32", x.device)())
        stack.enter_context(fused.plain() if plain else nullcontext())
        stack.enter_context(attacking(model, x if fold else None))
        for some, labels in zip(x.chunk(parts), y.chunk(parts), strict=True):
            pgd(model, some, labels, THREAT, PGD(steps, STEP, start="clean"))


def changes(
    model: nn.Module, contiguous: nn.Module, x: Tensor, y: Tensor, steps: int
) -> dict[str, Callable[[], object]]:
    """By name, the attack as it is and with one change each."""
    return {
        "engine": lambda: attack(model, x, y, steps=steps),
        "BatchNorm not folded": lambda: attack(model, x, y, fold=False, steps=steps),
        "plain formula": lambda: attack(model, x, y, plain=True, steps=steps),
        "channels first": lambda: attack(contiguous, x, y, steps=steps),
        "float32": lambda: attack(model, x, y, bf16=False, steps=steps),
        f"{PARTS} smaller batches": lambda: attack(model, x, y, parts=PARTS, steps=steps),
    }


def compile_attack(folded: nn.Module, x: Tensor, y: Tensor, steps: int) -> tuple[Callable[[], object], float]:
    """The attack on the compiled network, and the seconds until it was."""
    network: Any = torch.compile(folded)

    def call(steps: int = steps) -> None:
        with torch.autocast(x.device.type, torch.bfloat16):
            pgd(network, x, y, THREAT, PGD(steps, STEP, start="clean"))

    with tempfile.TemporaryDirectory() as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty
        start = time.perf_counter()
        call(1)
        waited = time.perf_counter() - start
        del os.environ["TORCHINDUCTOR_CACHE_DIR"]
    return call, significant(waited)


def measure_rows(
    case: Row, dataset: data.Dataset, device: torch.device, *, repeats: int = 5, compiled: bool = True, steps: int = 10
) -> Iterator[Row]:
    models = [runs.build(config(case), dataset).to(device) for _ in range(3)]
    models[1].to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    x = dataset.train_images[: case["batch"]].to(device).float() / 255
    y = dataset.train_labels[: case["batch"]].to(device)
    calls = changes(models[0], models[1], x, y, steps)
    waited = None
    with ExitStack() as stack:
        if compiled:
            # Folded once and for all: new weights at every attack would be compiled anew.
            with torch.autocast(x.device.type, torch.bfloat16):
                stack.enter_context(attacking(models[2], x))
            calls["torch.compile"], waited = compile_attack(models[2], x, y, steps)
        times, _ = after_warm_up({name: timed(recorded(call, device), device) for name, call in calls.items()}, repeats)
    for name, taken in times.items():
        yield case | {"change": name} | spread("seconds", taken) | {
            "ratio": significant(median(taken) / median(times["engine"])),
            "compile_seconds": waited if name == "torch.compile" else None,
            "repeats": len(taken),
            "steps": steps,
            "data": dataset.name,
            "device": device.type,
            "threads": torch.get_num_threads(),
        }  # fmt: skip


def measure(arguments: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    cases = [
        {"model": model, "activation": activation, "batch": arguments.batch}
        for model in arguments.model or ["resnet20"]
        for activation in arguments.activation or ["relu", "pssilu"]
    ]
    dataset = cifar10_or_random()
    for case in chosen(cases, arguments.only):
        yield from measure_rows(case, dataset, device, repeats=arguments.repeats, compiled=not arguments.no_compile)


def options() -> argparse.ArgumentParser:
    one = parser(__doc__ or "", repeats=5)
    one.add_argument("--model", action="append", help="default: resnet20; may be repeated")
    one.add_argument("--activation", action="append", help="default: relu and pssilu; may be repeated")
    one.add_argument("--batch", type=int, default=128, help="default: %(default)s")
    one.add_argument("--no-compile", action="store_true", help="without torch.compile, which takes its time")
    return one


if __name__ == "__main__":
    run("ablation", options(), measure, COLUMNS)
