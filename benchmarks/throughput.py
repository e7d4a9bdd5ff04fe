"""Images per second of PGD-10 adversarial training, against the usual loop with a peer's attack.

Ours is `training.train` in bf16 on images that lie on the device. Theirs is the loop that tutorials show: a DataLoader
with two workers that crop, flip and convert image by image, the peer's PGD-10, and an update, in float32 (PyTorch's
default, TF32 in convolutions on GPUs included), with the activation's plain formula. Both sides train the same network
from the same weights on the same images, in the same batches: ten attack steps and one update each. foolbox's call ends
with one forward more, with which it reports who was fooled.

A turn is `--batches` whole batches. CPU rows that are slow are warmed up on a small batch, all others by a whole turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.measure import (
    Epochs,
    Row,
    Side,
    after_warm_up,
    chosen,
    cifar10_or_random,
    median,
    parser,
    peak_memory,
    run,
    significant,
    timed,
)
from benchmarks.plain import plain_model
from robust_activations import data, runs
from robust_activations._torchvision import torchvision
from robust_activations.attacks import PGD, Threat
from robust_activations.data import Augment
from robust_activations.errors import UserError
from robust_activations.run import Run
from robust_activations.training import Images, Objective, Schedule

THREAT = Threat("linf", "8/255")
STEP = "2/255"
LR, MOMENTUM, DECAY = 0.01, 0.9, 5e-4  # the loss must stay finite; nothing is learned here
MODELS, ACTIVATIONS, BATCHES, PEERS = (
    ("resnet20", "resnet18"),
    ("relu", "pssilu"),
    (128, 512),
    ("torchattacks", "foolbox"),
)
COLUMNS = ("model", "activation", "batch", "peer", "ours", "theirs", "ratio", "repeats", "ratio_min", "ratio_max")


class Pictures(torch.utils.data.Dataset):
    """Image by image through torchvision's transforms, as `torchvision.datasets.CIFAR10` gives them."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images.permute(0, 2, 3, 1).contiguous().numpy(), labels.tolist()
        steps = torchvision.transforms
        crop = steps.RandomCrop(images.shape[-1], padding=4)
        self.transform = steps.Compose([crop, steps.RandomHorizontalFlip(), steps.ToTensor()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def torchattacks_pgd(model: nn.Module, steps: int) -> Callable[[Tensor, Tensor], Tensor]:
    import torchattacks

    return torchattacks.PGD(model, eps=8 / 255, alpha=2 / 255, steps=steps, random_start=True)


def foolbox_pgd(model: nn.Module, steps: int) -> Callable[[Tensor, Tensor], Tensor]:
    import foolbox

    attack = foolbox.attacks.LinfPGD(steps=steps, abs_stepsize=2 / 255, random_start=True)
    wrapped = foolbox.PyTorchModel(model.eval(), bounds=(0, 1), device=next(model.parameters()).device)

    def moved(x: Tensor, y: Tensor) -> Tensor:
        model.eval()
        _, clipped, _ = attack(wrapped, x, y, epsilons=8 / 255)
        model.train()
        return clipped

    return moved


ATTACKS = {"torchattacks": torchattacks_pgd, "foolbox": foolbox_pgd}


class UsualLoop:
    """One epoch of adversarial training at a call, as such loops are written."""

    def __init__(self, model: nn.Module, loader: DataLoader, attack: Callable, device: torch.device) -> None:
        self.model, self.loader, self.attack, self.device = model, loader, attack, device
        self.optimizer = torch.optim.SGD(
            model.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY
        )

    def __call__(self) -> None:
        self.model.train()
        total, correct = 0.0, 0
        for x, y in self.loader:
            x, y = x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)
            moved = self.attack(x, y)
            logits = self.model(moved)
            loss = F.cross_entropy(logits, y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()


def ours(
    case: Row, dataset: data.Dataset, device: torch.device, batches: int, steps: int = 10, precision: str = "bf16"
) -> Epochs:
    """`training.train` with so many batches an epoch."""
    images, labels = first(dataset, batches * case["batch"])
    return Epochs(
        runs.build(config(case), dataset).to(device),
        # The probe after each epoch is not timed; two images keep it short.
        Images(
            images.to(device),
            labels.to(device),
            dataset.test_images[:2].to(device),
            dataset.test_labels[:2].to(device),
            Augment(4, flip=True),
        ),
        Objective("pgd_at", PGD(steps, STEP)),
        THREAT,
        Schedule(10**6, case["batch"], LR, "constant", momentum=MOMENTUM, weight_decay=DECAY),
        precision=precision,
    )


def theirs(
    case: Row, dataset: data.Dataset, device: torch.device, batches: int, steps: int = 10, workers: int = 2
) -> UsualLoop:
    """The usual loop over the same images, from the same weights."""
    model = plain_model(runs.build(config(case), dataset))
    model = model.to(device).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    loader: DataLoader = DataLoader(
        Pictures(*first(dataset, batches * case["batch"])),
        case["batch"],
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )
    return UsualLoop(model, loader, ATTACKS[case["peer"]](model, steps), device)


def taste(case: Row, dataset: data.Dataset, device: torch.device) -> None:
    """One small step of ours, so that what is compiled on first use is there, even where no turn goes uncounted."""
    with ours(case | {"batch": 16}, dataset, device, 1, 1) as training:
        training()


def config(case: Row) -> Run:
    options = case.get("model_options", {})
    return Run("cifar10", case["model"], case["activation"], THREAT, model_options=options)


def first(dataset: data.Dataset, n: int) -> tuple[Tensor, Tensor]:
    """The first n training images and labels."""
    if n > len(dataset.train_labels):
        raise UserError(f"{n} images are wanted, {dataset.name} has {len(dataset.train_labels)}; lower --batches")
    return dataset.train_images[:n], dataset.train_labels[:n]


def measure_row(
    case: Row,
    dataset: data.Dataset,
    device: torch.device,
    *,
    batches: int = 1,
    repeats: int = 5,
    seconds: float | None = None,
    steps: int = 10,
    workers: int = 2,
) -> Row:
    """One row. On a CPU the whole of it keeps to about `seconds`, or to one whole turn a side."""
    taste(case, dataset, device)
    theirs(case | {"batch": 16}, dataset, device, 1, 1, workers=0)()
    training, loop = ours(case, dataset, device, batches, steps), theirs(case, dataset, device, batches, steps, workers)
    peaks: dict[str, float] = {}

    def watched(name: str, side: Side) -> Side:
        def watch() -> float:
            with peak_memory(device) as peak:
                took = side()
            if peak:
                peaks[f"{name}_peak_mib"] = peak[0]
            return took

        return watch

    with training:
        both = {"ours": watched("ours", training.seconds), "theirs": watched("theirs", timed(loop, device))}
        times, warm = after_warm_up(both, repeats, seconds)
    return case | rates(times, batches * case["batch"]) | {
        "batches": batches,
        "warm_up": "a turn" if warm else "a small batch",
        "steps": steps,
        "data": dataset.name,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "workers": workers,
        **peaks,
    }  # fmt: skip


def rates(times: dict[str, list[float]], n: int, epoch: int = 50_000) -> Row:
    """Images per second of both sides, their ratio (ours / theirs, above 1 where we are faster), and the spread.

    The spread of the ratio is that over pairs of neighbouring turns. `*_epoch`: seconds for CIFAR-10's 50,000 images.
    """
    row: Row = {}
    for name, taken in times.items():
        row[name] = significant(n / median(taken))
    row["ratio"] = significant(median(times["theirs"]) / median(times["ours"]))
    pairs = [theirs / ours for ours, theirs in zip(times["ours"], times["theirs"], strict=True)]
    row |= {"repeats": len(pairs), "ratio_min": significant(min(pairs)), "ratio_max": significant(max(pairs))}
    for name, taken in times.items():
        row |= {
            f"{name}_min": significant(n / max(taken)),
            f"{name}_max": significant(n / min(taken)),
            f"{name}_epoch": significant(epoch * median(taken) / n),
        }
    return row


def measure(arguments: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    names = ("model", "activation", "batch", "peer")
    grid: dict[str, Any] = {
        "model": arguments.model or MODELS,
        "activation": arguments.activation or ACTIVATIONS,
        "batch": arguments.batch or BATCHES,
        "peer": arguments.peer or PEERS,
    }
    cases = [dict(zip(names, values, strict=True)) for values in product(*grid.values())]
    dataset = cifar10_or_random()
    cpu = device.type == "cpu"
    batches = arguments.batches or (1 if cpu else 50)
    seconds = arguments.seconds or (60.0 if cpu else None)
    for case in chosen(cases, arguments.only):
        yield measure_row(
            case,
            dataset,
            device,
            batches=batches,
            repeats=arguments.repeats,
            seconds=seconds,
            workers=arguments.workers,
        )


def options() -> argparse.ArgumentParser:
    one = parser(__doc__ or "", repeats=5)
    one.add_argument("--model", action="append", help="resnet20, resnet18 or another; may be repeated")
    one.add_argument("--activation", action="append", help="relu, pssilu or another; may be repeated")
    one.add_argument("--batch", action="append", type=int, help="128, 512 or another; may be repeated")
    one.add_argument("--peer", action="append", choices=PEERS, help="may be repeated")
    one.add_argument("--batches", type=int, help="batches a turn (default: 1 on a CPU, 50 on a GPU)")
    one.add_argument("--seconds", type=float, help="time a row may take, about (default: 60 on a CPU, any on a GPU)")
    one.add_argument("--workers", type=int, default=2, help="of their DataLoader (default: %(default)s)")
    return one


if __name__ == "__main__":
    run("throughput", options(), measure, COLUMNS)
