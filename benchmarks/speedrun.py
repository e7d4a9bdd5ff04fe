"""The robust speedrun: the least training time from random weights to a given accuracy under AutoAttack.

A recipe is a Run. Its time is that of training alone, summed over the epochs, as in airbench: a warm-up on other
weights comes before, and neither the loading of the data nor the evaluation counts. It is repeated with several seeds;
the time is the median, and a target is reached if the mean accuracy over the seeds is at least the target. No epoch is
chosen: the weights of the last one are attacked, by AutoAttack's standard version in float32, on the first `n` test
images. They were looked at while the recipes were chosen, so the accuracy is that of a race, not a result.

`digits`: 497 test images, l-inf 38.25/255, on a CPU. `gpu`: CIFAR-10, l-inf 8/255, 1,000 test images, on one GPU.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from benchmarks.measure import Row, chosen, median, parser, run, significant
from robust_activations import data, paths, runs
from robust_activations.attacks import PGD, Threat
from robust_activations.autoattack import autoattack
from robust_activations.data import Augment
from robust_activations.evaluation import evaluating, under_attack
from robust_activations.run import Run
from robust_activations.stats import wilson
from robust_activations.training import Objective, Schedule, train

DIGITS = Run("digits", "digits_cnn", "relu", Threat("linf", "38.25/255"), model_options={"width": 8}, held_out=10)
CIFAR10 = Run(
    "cifar10",
    "resnet18",
    "relu",
    Threat("linf", "8/255"),
    augment=Augment(4, flip=True),
    held_out=100,
    precision="bf16",
)


def cyclic(epochs: int, batch_size: int, lr: float, top: float = 0.3) -> Schedule:
    return Schedule(epochs, batch_size, lr, "cyclic", (top,))


RS, N = Objective("fgsm_rs"), Objective("n_fgsm")
RECIPES: dict[str, dict[str, Run]] = {
    "digits": {
        # The fastest that we found to 45, 60 and 75 %.
        "fgsm_rs-1": replace(DIGITS, objective=RS, schedule=cyclic(1, 32, 0.1)),
        "fgsm_rs-3": replace(DIGITS, objective=RS, schedule=cyclic(3, 64, 0.2)),
        "n_fgsm-9": replace(DIGITS, objective=N, schedule=cyclic(9, 64, 0.2)),
        # Others that come close, or that these are to be compared with.
        "fgsm_rs-1-larger-batch": replace(DIGITS, objective=RS, schedule=cyclic(1, 48, 0.15)),
        "fgsm_rs-2": replace(DIGITS, objective=RS, schedule=cyclic(2, 32, 0.1)),
        "fgsm_rs-5": replace(DIGITS, objective=RS, schedule=cyclic(5, 128, 0.2)),
        "fgsm_rs-14": replace(DIGITS, objective=RS, schedule=cyclic(14, 128, 0.3)),
        "n_fgsm-1": replace(DIGITS, objective=N, schedule=cyclic(1, 32, 0.1)),
        "fgsm_rs-1-silu": replace(DIGITS, activation="silu", objective=RS, schedule=cyclic(1, 32, 0.1)),
        "pgd2-1": replace(DIGITS, objective=Objective("pgd_at", PGD(2)), schedule=cyclic(1, 32, 0.1)),
        "pgd3-3": replace(DIGITS, objective=Objective("pgd_at", PGD(3)), schedule=cyclic(3, 64, 0.2)),
        # What the book trains on the digits: PGD-7 for 12 epochs, no race.
        "pgd7-12": replace(
            DIGITS, objective=Objective("pgd_at", PGD(7)), schedule=Schedule(12, 64, 0.1), model_options={}
        ),
    },
    "gpu": {
        "n_fgsm": replace(CIFAR10, objective=N, schedule=cyclic(15, 128, 0.2)),
        "n_fgsm-silu": replace(CIFAR10, activation="silu", objective=N, schedule=cyclic(12, 128, 0.2)),
        "n_fgsm-large": replace(CIFAR10, objective=N, schedule=cyclic(15, 512, 0.4)),
        "pgd2": replace(CIFAR10, objective=Objective("pgd_at", PGD(2, "5/255")), schedule=cyclic(12, 128, 0.2)),
        "pgd10": replace(CIFAR10, schedule=cyclic(12, 128, 0.2)),
    },
}
TARGETS = {"digits": (0.45, 0.60, 0.75), "gpu": (0.45,)}
IMAGES = {"digits": 497, "gpu": 1000}
COLUMNS = (
    "recipe",
    "seconds",
    "seconds_min",
    "seconds_max",
    "clean",
    "accuracy",
    "accuracy_min",
    "n",
    "seeds",
    "reached",
)


def trained(config: Run, dataset: data.Dataset, device: torch.device) -> tuple[nn.Module, float]:
    """The network from random weights, and the seconds of training."""
    model = runs.build(config, dataset).to(device)
    out = train(
        model,
        runs.images_of(config, dataset, device),
        config.objective,
        config.threat,
        config.schedule,
        seed=config.seed,
        precision=config.precision,
    )
    if out.last:  # those of the average, where there is one
        model.load_state_dict(out.last)
    return model.eval(), sum(row["train_seconds"] for row in out.history)


def right(model: nn.Module, config: Run, dataset: data.Dataset, n: int, device: torch.device, attack: str) -> Row:
    """How many of the first n test images are classified right: clean and under the attack."""
    x, y = dataset.test_images[:n].to(device).float() / 255, dataset.test_labels[:n].to(device)
    with evaluating(model, device):
        with torch.no_grad():
            clean = torch.cat([model(batch) for batch in x.split(500)]).argmax(1) == y
        if attack == "autoattack":
            robust, _, _ = autoattack(model, x, y, config.threat, batch_size=500)
        else:
            robust = under_attack(model, x, y, config.threat, PGD(20, loss="margin"))
    return {"clean": int(clean.sum()) / len(y), "robust": int(robust.sum()) / len(y)}


def measure_row(
    case: Row,
    config: Run,
    dataset: data.Dataset,
    device: torch.device,
    *,
    seeds: int,
    n: int,
    attack: str = "autoattack",
    targets: tuple[float, ...] = (0.45,),
) -> Row:
    """One recipe with all its seeds."""
    trained(replace(config, schedule=replace(config.schedule, epochs=1), seed=1000), dataset, device)
    seconds, found = [], []
    for seed in range(seeds):
        one = replace(config, seed=seed)
        model, spent = trained(one, dataset, device)
        seconds.append(spent)
        found.append(right(model, one, dataset, n, device, attack))
    return case | summary(seconds, found, min(n, len(dataset.test_labels)), targets) | {
        "attack": attack,
        "config": config.canonical,
        "device": device.type,
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def summary(seconds: list[float], found: list[Row], n: int, targets: tuple[float, ...]) -> Row:
    """Median seconds, mean accuracies, their least, and the highest target that the mean reaches (None: none)."""
    robust = [one["robust"] for one in found]
    accuracy = statistics.mean(robust)
    low, high = wilson(round(accuracy * n), n)
    return {
        "seconds": significant(median(seconds)),
        "seconds_min": significant(min(seconds)),
        "seconds_max": significant(max(seconds)),
        "clean": significant(statistics.mean(one["clean"] for one in found)),
        "accuracy": significant(accuracy),
        "accuracy_min": significant(min(robust)),
        "interval": [significant(low), significant(high)],
        "n": n,
        "seeds": len(seconds),
        "reached": max((target for target in targets if accuracy >= target), default=None),
    }


def measure(arguments: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    scale = arguments.scale or ("gpu" if device.type == "cuda" else "digits")
    recipes = RECIPES[scale]
    cases = [{"scale": scale, "recipe": name} for name in recipes]
    config = next(iter(recipes.values()))
    dataset = data.load(config.dataset, root=paths.project() / "data", download=False)
    for case in chosen(cases, arguments.only, recipe=arguments.recipe):
        yield measure_row(
            case,
            recipes[case["recipe"]],
            dataset,
            device,
            seeds=arguments.repeats,
            n=arguments.n or IMAGES[scale],
            attack=arguments.attack,
            targets=TARGETS[scale] if arguments.attack == "autoattack" else (),
        )


def options() -> argparse.ArgumentParser:
    one = parser(__doc__ or "", repeats=5)
    one.add_argument("--scale", choices=list(RECIPES), help="default: gpu if there is one, else digits")
    one.add_argument("--recipe", action="append", help="default: all of the scale; may be repeated")
    one.add_argument("--n", type=int, help="of the first test images (default: 497 or 1000)")
    one.add_argument(
        "--attack",
        choices=("autoattack", "pgd20"),
        default="autoattack",
        help="pgd20, on the margin, is a quick look while recipes are tried",
    )
    return one


if __name__ == "__main__":
    run("speedrun", options(), measure, COLUMNS)
