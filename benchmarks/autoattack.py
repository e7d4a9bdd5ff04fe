"""Time and verdicts of `autoattack.autoattack` against pyautoattack's AutoAttack by itself.

Both attack the same network, which this benchmark trains for a short time with the library and keeps in
`data/checkpoints/benchmarks/`: standard version, same seed, radius and batches. Theirs is what its users call, on a
contiguous float32 network with the activation's plain formula, and untouched BatchNorm. `ratio` is their seconds over
ours. `same` is the share of images with the same verdict: AutoAttack is a chaotic algorithm, so that rounding alone
moves some.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Row, chosen, interleaved, median, parser, run, significant, spread, timed
from benchmarks.plain import plain_model
from robust_activations import checkpoints, data, paths, runs
from robust_activations.attacks import Threat
from robust_activations.autoattack import autoattack
from robust_activations.data import Augment
from robust_activations.errors import UserError
from robust_activations.precision import full_precision
from robust_activations.run import Run
from robust_activations.training import Objective, Schedule, train

# Networks of a few minutes on two cores, seconds on a GPU. They need not be good, but must withstand something.
SHORT = {
    "digits_cnn": Run(
        "digits",
        "digits_cnn",
        "pssilu",
        Threat("linf", "38.25/255"),
        Objective("n_fgsm"),
        Schedule(20, 64, 0.1),
        held_out=200,
    ),
    "resnet20": Run(
        "cifar10",
        "resnet20",
        "pssilu",
        Threat("linf", "8/255"),
        Objective("n_fgsm"),
        Schedule(4, 128, 0.2, "cyclic", (0.4,)),
        augment=Augment(4, flip=True),
        held_out=500,
        train_n=10_000,
        precision="bf16",
    ),
}
SHORT["resnet18"] = replace(SHORT["resnet20"], model="resnet18", train_n=None)
NORMS = {"linf": "Linf", "l2": "L2"}
COLUMNS = ("model", "activation", "n", "ours", "theirs", "ratio", "robust_ours", "robust_theirs", "same", "repeats")


def network(config: Run, dataset: data.Dataset, device: torch.device, folder: Path) -> nn.Module:
    """The trained network, from the folder if it is there."""
    model = runs.build(config, dataset)
    path = folder / f"{config.id}.safetensors"
    if path.exists():
        checkpoints.load(path, model)
        return model.to(device).eval()
    model.to(device)
    done = train(
        model,
        runs.images_of(config, dataset, device),
        config.objective,
        config.threat,
        config.schedule,
        precision=config.precision,
    )
    if done.collapsed:
        raise UserError(f"the network to attack has collapsed: {done.collapsed}")
    checkpoints.save(path, model, config)
    return model.eval()


def alone(
    model: nn.Module, x: Tensor, y: Tensor, threat: Threat, seed: int, batch_size: int, only: str | None = None
) -> Tensor:
    """Which images withstand pyautoattack's standard version, called as its users do; or one of its attacks."""
    from pyautoattack import AutoAttack

    which: dict[str, Any] = {"version": "standard"} if only is None else {"version": "custom", "attacks": [only]}
    engine = AutoAttack(model, norm=NORMS[threat.norm], eps=threat.radius, seed=seed, device=x.device, **which)
    _, found = engine.run_standard_evaluation(x, y, batch_size=batch_size)
    return found == y


def measure_row(
    case: Row,
    config: Run,
    dataset: data.Dataset,
    device: torch.device,
    folder: Path,
    *,
    repeats: int = 1,
    seed: int = 0,
    batch_size: int = 250,
) -> Row:
    """One row, after a warm-up of both by the first attack on a few images."""
    logging.getLogger("auto-attack").setLevel(logging.WARNING)
    model = network(config, dataset, device, folder)
    naive = plain_model(runs.build(config, dataset))
    naive.load_state_dict(model.state_dict())
    naive = naive.to(device).to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    x, y = dataset.test_images[: case["n"]].to(device).float() / 255, dataset.test_labels[: case["n"]].to(device)
    verdicts: dict[str, Tensor] = {}

    common: dict[str, Any] = {"threat": config.threat, "seed": seed, "batch_size": batch_size}

    def ours() -> None:
        verdicts["ours"] = autoattack(model, x, y, **common)[0]

    def theirs() -> None:
        verdicts["theirs"] = alone(naive, x, y, **common)

    with full_precision(device):  # for both: TF32 is a matter of its own
        autoattack(model, x[:16], y[:16], attacks=("apgd-ce",), **common)
        alone(naive, x[:16], y[:16], only="apgd-ce", **common)
        times = interleaved({"ours": timed(ours, device), "theirs": timed(theirs, device)}, repeats)
    return case | summary(times, verdicts["ours"], verdicts["theirs"]) | {
        "dataset": config.dataset,
        "threat": str(config.threat),
        "batch_size": batch_size,
        "seed": seed,
        "device": device.type,
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def summary(times: dict[str, list[float]], ours: Tensor, theirs: Tensor) -> Row:
    """Seconds, their ratio, images that withstood, and the share of images with the same verdict."""
    return spread("ours", times["ours"]) | spread("theirs", times["theirs"]) | {
        "ratio": significant(median(times["theirs"]) / median(times["ours"])),
        "repeats": len(times["ours"]),
        "robust_ours": int(ours.sum()),
        "robust_theirs": int(theirs.sum()),
        "same": significant(float((ours == theirs).float().mean())),
    }  # fmt: skip


def measure(arguments: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    root = paths.project() / "data"
    cases = [
        {"model": model, "activation": activation, "n": arguments.n}
        for model in arguments.model or ["digits_cnn"]
        for activation in arguments.activation or ["pssilu"]
    ]
    for case in chosen(cases, arguments.only):
        config = replace(SHORT[case["model"]], activation=case["activation"])
        dataset = data.load(config.dataset, root=root, download=False)
        folder = root / "checkpoints" / "benchmarks"
        yield measure_row(case, config, dataset, device, folder, repeats=arguments.repeats)


def options() -> argparse.ArgumentParser:
    one = parser(__doc__ or "", repeats=1)
    one.add_argument("--model", action="append", choices=list(SHORT), help="default: digits_cnn; may be repeated")
    one.add_argument("--activation", action="append", help="default: pssilu; may be repeated")
    one.add_argument("--n", type=int, default=100, help="of the first test images (default: %(default)s)")
    return one


if __name__ == "__main__":
    run("autoattack", options(), measure, COLUMNS)
