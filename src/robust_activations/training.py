"""Objectives (standard, PGD-AT, TRADES, fast AT) and the one training loop.

An epoch starts from its own seed, so a run that is stopped and resumed at an epoch gives bit for bit what it would
have given (on a CPU, with the same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from robust_activations import activations, distributed
from robust_activations.attacks import PGD, Threat, attacking, fgsm, fgsm_rs, n_fgsm, pgd, predicted, true_gradients
from robust_activations.data import Augment, Batches, Pixels, at_once
from robust_activations.errors import UserError
from robust_activations.files import write_atomically
from robust_activations.graphs import Recorded, Step
from robust_activations.precision import precision_context, true_float32


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    - `standard`: cross-entropy on clean images.
    - `pgd_at`: cross-entropy on PGD images (Madry et al. 2018).
    - `trades`: cross-entropy on clean images + `beta` times KL(clean || adversarial) (Zhang et al. 2019).
    - `fgsm_rs` (Wong et al. 2020), `n_fgsm` (de Jorge et al. 2022): one-step fast adversarial training.

    The attack always sees BatchNorm in evaluation mode, and the running statistics move in the update alone. There,
    PGD-AT passes the adversarial images once; TRADES the clean, then the adversarial ones. `as_authors` adds the
    passes in training mode that the authors' codes make and that move the statistics too: TRADES' second clean pass
    in its loss, and PAF's clean pass before each attack.
    """

    name: Literal["standard", "pgd_at", "trades", "fgsm_rs", "n_fgsm"] = "pgd_at"
    attack: PGD = field(default_factory=lambda: PGD(steps=10))
    beta: float = 6.0
    label_smoothing: float = 0.0
    as_authors: bool = False

    @property
    def adversarial(self) -> bool:
        return self.name != "standard"


@dataclass(frozen=True)
class Schedule:
    """SGD with Nesterov momentum; the learning rate as a function of the step.

    - `shape`: `cosine` to `final_lr`; `step`, x0.1 at each of `milestones` (shares of the run); `cyclic`, up to `lr`
      until the first milestone and down to `final_lr`; `constant`.
    - `warmup`: epochs of linear rise at the start.
    - `weight_decay` acts on weights; on the activations' parameters and on BatchNorm's scale and shift (and all
      biases) only if `decay_activations`, `decay_norm`.
    - `ema`: decay of an average of the weights, which is then what is evaluated.
    - `learn`: from which to which share of the run the activations' parameters are learned, by whole epochs. (0, 0)
      leaves them as they start, (0.5, 1) is a second phase, (0, 0.5) freezes what was learned in the first half. What
      else an activation carries, such as the statistics of FReLU's BatchNorm, follows the data all the same.
    """

    epochs: int = 30
    batch_size: int = 128
    lr: float = 0.1
    shape: Literal["cosine", "step", "cyclic", "constant"] = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.75)
    final_lr: float = 0.0
    warmup: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay_activations: bool = False
    decay_norm: bool = False
    ema: float | None = None
    learn: tuple[float, float] = (0.0, 1.0)

    def learns(self, epoch: int) -> bool:
        """Whether the activations' parameters are learned in this epoch."""
        first, end = self.learn
        return first * self.epochs <= epoch < end * self.epochs

    def rate(self, progress: float) -> float:
        """Learning rate when the share `progress` in [0, 1) of the run is over."""
        if progress * self.epochs < self.warmup:
            return self.lr * progress * self.epochs / self.warmup
        if self.shape == "cosine":
            start = self.warmup / self.epochs
            share = (progress - start) / (1 - start)
            return self.final_lr + (self.lr - self.final_lr) * (1 + math.cos(math.pi * share)) / 2
        if self.shape == "step":
            return self.lr * 0.1 ** sum(progress >= milestone for milestone in self.milestones)
        if self.shape == "cyclic":
            top = self.milestones[0]
            up = min(progress / top, (1 - progress) / (1 - top))
            return self.final_lr + (self.lr - self.final_lr) * up
        return self.lr


@dataclass
class Images:
    """What training sees: uint8 images on the device, or files; those held out choose the epoch; never the test set."""

    images: UInt8[Pixels, "n c h w"]
    labels: Int[Tensor, " n"]
    held_images: UInt8[Pixels, "m c h w"]
    held_labels: Int[Tensor, " m"]
    augment: Augment | None = None
    extra: tuple[UInt8[Tensor, "e c h w"], Int[Tensor, " e"]] | None = None
    extra_ratio: float = 0.0


@dataclass
class Trained:
    """What came out: the history, and the weights of the last and the best epoch (EMA weights where asked for)."""

    history: list[dict[str, Any]]
    last: dict[str, Tensor]
    best: dict[str, Tensor]
    best_epoch: int
    collapsed: str | None
    finished: bool


PROBE = PGD(steps=10)


def parameter_groups(model: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Three groups: with weight decay, without, and the activations'; only what is trained, each parameter once."""
    own = set(activations.parameters(model))
    groups: dict[str, list[nn.Parameter]] = {"decayed": [], "free": [], "activations": []}
    for parameter in model.parameters():
        # BatchNorm's scale and shift and all biases are vectors, weights are not.
        decays = parameter.dim() > 1 or schedule.decay_norm
        name = "activations" if parameter in own else "decayed" if decays else "free"
        if parameter.requires_grad:
            groups[name].append(parameter)
    decay = {"decayed": schedule.weight_decay, "activations": schedule.weight_decay * schedule.decay_activations}
    return [{"name": name, "params": group, "weight_decay": decay.get(name, 0.0)} for name, group in groups.items()]


def loss_of(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    objective: Objective,
    threat: Threat,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, ""], Float[Tensor, "n k"]]:
    """The objective on one batch, and the logits it was taken from (the adversarial ones where there are any)."""
    smooth = objective.label_smoothing
    update, model = model, distributed.unwrap(model)  # of many processes, each attacks on its own
    if objective.name == "standard":
        logits = update(x)
        return F.cross_entropy(logits, y, label_smoothing=smooth), logits
    if objective.name == "trades":
        with attacking(model, x):
            with torch.no_grad():
                clean = model(x).float().softmax(1)
            attack = replace(objective.attack, loss="kl", start="gauss")
            moved = pgd(model, x, y, threat, attack, generator=generator, clean=clean)
        logits = update(x)
        moved_logits = update(moved)
        # The authors' loss runs the clean images through the network a second time for the divergence.
        reference = (update(x) if objective.as_authors else logits).float().log_softmax(1)
        divergence = F.kl_div(moved_logits.float().log_softmax(1), reference, log_target=True, reduction="batchmean")
        return F.cross_entropy(logits, y, label_smoothing=smooth) + objective.beta * divergence, moved_logits
    if objective.as_authors:
        # Moves the running statistics. Frozen, because autocast may keep the casts of weights that it makes here for
        # the update, where they would have no gradient (as some versions of torch do).
        with attacking(model, training=True), torch.no_grad():
            model(x)
    with attacking(model, x):
        if objective.name == "pgd_at":
            moved = pgd(model, x, y, threat, objective.attack, generator=generator)
        else:
            one_step = {"fgsm_rs": fgsm_rs, "n_fgsm": n_fgsm}[objective.name]
            moved = one_step(model, x, y, threat, generator)
    logits = update(moved)
    return F.cross_entropy(logits, y, label_smoothing=smooth), logits


@true_float32()
def train(
    model: nn.Module,
    data: Images,
    objective: Objective,
    threat: Threat,
    schedule: Schedule,
    *,
    seed: int = 0,
    precision: str = "fp32",
    state: Path | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> Trained:
    """Trains `model` in place.

    With `state`, a file, everything is saved after each epoch and an interrupted run goes on from there. `go_on` is
    asked after each epoch; if it says no the result comes back unfinished. A PGD-10 probe on the held-out images after
    each epoch chooses the best epoch and shows catastrophic overfitting. Float32 is true float32, on a GPU too.
    """
    device = data.images.device
    context = precision_context(precision, device)
    if not any(schedule.learns(epoch) for epoch in range(schedule.epochs)):
        for parameter in activations.parameters(model):
            parameter.requires_grad_(False)
    optimizer = torch.optim.SGD(
        parameter_groups(model, schedule), lr=schedule.lr, momentum=schedule.momentum, nesterov=schedule.momentum > 0
    )
    average = None if schedule.ema is None else AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(schedule.ema))
    evaluated = model if average is None else average.module
    update = distributed.wrap(model)
    trained = Trained([], {}, {}, -1, None, False)
    if state is not None:
        _load(state, trained, model, optimizer, average)
    generator = distributed.generator(device)

    def step(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """Leaves the gradients; gives the loss and the number of correct images."""
        optimizer.zero_grad(set_to_none=True)
        with context():
            loss, logits = loss_of(update, x, y, objective, threat, generator)
            extra = activations.penalty(model)
        (loss if extra is None else loss + extra).backward()
        activations.clip_gradients(model)
        return loss.detach(), (logits.detach().argmax(1) == y).sum()

    # Restarts look at which images are broken, and processes at each other: neither can be recorded.
    recordable = device.type == "cuda" and objective.attack.restarts == 1 and update is model
    run_step = Recorded(step, model, generator) if recordable else step
    for epoch in range(len(trained.history), schedule.epochs):
        if trained.collapsed or (trained.history and not distributed.from_first(go_on)):
            break
        start = time.perf_counter()
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed * 10_007 + epoch + 1_000_003 * distributed.rank())  # dropout
            generator.manual_seed(seed * 10_007 + epoch)  # order, augmentation, attack
            row = {"epoch": epoch} | _epoch(update, run_step, average, optimizer, data, schedule, epoch, generator)
        distributed.send_buffers(model, evaluated)
        row["train_seconds"] = time.perf_counter() - start
        if math.isfinite(row["loss"]):
            row |= distributed.from_first(lambda: _probe(evaluated, data, threat, seed, context))
            _keep(trained, row, evaluated, objective)
        else:
            trained.collapsed = f"the loss became {row['loss']} in epoch {epoch}"
        row["seconds"] = time.perf_counter() - start
        trained.history.append(row)
        if state is not None:
            distributed.from_first(lambda: _save(state, trained, model, optimizer, average))
        if on_epoch is not None:
            on_epoch(row)
    trained.finished = trained.collapsed is not None or len(trained.history) >= schedule.epochs
    if trained.finished and trained.collapsed is None:
        trained.collapsed = collapse(trained.history, objective, int(data.labels.max()) + 1)
    return trained


def _epoch(
    model: nn.Module,
    step: Step,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    data: Images,
    schedule: Schedule,
    epoch: int,
    generator: torch.Generator,
) -> dict[str, float]:
    model.train()
    batches = Batches(
        data.images,
        data.labels,
        schedule.batch_size,
        augment=data.augment,
        generator=generator,
        extra=data.extra,
        extra_ratio=data.extra_ratio,
        drop_last=len(data.images) >= schedule.batch_size,
    )
    # On the device until the end of the epoch, so that nothing waits for it: the loss and the correct images, summed.
    device = data.images.device
    total = torch.zeros(2, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    seen, rate = 0, 0.0
    for number, (x, y) in enumerate(batches):
        rate = schedule.rate((epoch + number / len(batches)) / schedule.epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate if group["name"] != "activations" or schedule.learns(epoch) else 0.0
        loss, correct = step(x, y)
        optimizer.step()
        if average is not None:
            # Copies the buffers: BatchNorm's running statistics are averages already.
            average.update_parameters(model)
        total += torch.stack([loss.to(total) * len(y), correct.to(total)])
        seen += len(y)
        if number % 20 == 19 and not distributed.mean(total[0]).isfinite():
            break
    mean_loss, accuracy = (distributed.mean(total) / max(seen, 1)).tolist()
    return {"loss": mean_loss, "train_accuracy": accuracy, "lr": rate}


def _probe(
    model: nn.Module, data: Images, threat: Threat, seed: int, context: Callable[[], AbstractContextManager]
) -> dict[str, Any]:
    """Accuracy on the held-out images: clean, FGSM and PGD-10; and what the activations have learned."""
    generator = torch.Generator(data.images.device).manual_seed(seed)
    correct = {"clean": 0, "fgsm": 0, "pgd10": 0}
    with true_gradients(model), context(), attacking(model, data.held_images[:2].float() / 255):
        size = at_once(data.held_images, 512)
        for images, y in zip(data.held_images.split(size), data.held_labels.split(size), strict=True):
            x = images.float() / 255
            for name, attack in (("clean", None), ("fgsm", fgsm(threat)), ("pgd10", PROBE)):
                moved = x if attack is None else pgd(model, x, y, threat, attack, generator=generator)
                with torch.no_grad():
                    correct[name] += int((predicted(model(moved)) == y).sum())
    row: dict[str, Any] = {f"held_{name}": count / len(data.held_labels) for name, count in correct.items()}
    row["activations"] = learned(model)
    return row


def learned(model: nn.Module, limit: int = 16) -> dict[str, list[float]]:
    """The activations' parameters by name: all values of small ones, mean and deviation of the others."""
    out = {}
    for name, parameter in activations.named_parameters(model):
        values = parameter.detach().float().flatten().cpu()
        out[name] = (values if len(values) <= limit else torch.stack([values.mean(), values.std()])).tolist()
    return out


def _keep(trained: Trained, row: dict[str, Any], model: nn.Module, objective: Objective) -> None:
    """Keeps the weights, as last and, if the held-out accuracy that counts is the highest yet, as best."""
    key = "held_pgd10" if objective.adversarial else "held_clean"
    best = max((old[key] for old in trained.history), default=-1.0)
    trained.last = {name: value.detach().clone() for name, value in model.state_dict().items()}
    if row[key] > best:
        trained.best, trained.best_epoch = trained.last, row["epoch"]


def collapse(history: list[dict[str, Any]], objective: Objective, classes: int) -> str | None:
    """Why the run has collapsed, or None: no better than chance, or catastrophic overfitting.

    Catastrophic overfitting (Wong et al. 2020) is a fall of the PGD probe to under half of its best, while FGSM stays.
    Trained on single steps, it may come before the first probe: PGD ends below chance and under half of FGSM, which
    is above.
    """
    last = history[-1]
    chance = 1 / classes
    if last["held_clean"] <= chance + min(chance / 2, 0.05):
        return f"clean accuracy {last['held_clean']:.1%} is no better than chance"
    best = max(row["held_pgd10"] for row in history)
    if objective.adversarial and best > chance and last["held_pgd10"] < best / 2 < last["held_fgsm"]:
        return f"catastrophic overfitting: PGD-10 fell from {best:.1%} to {last['held_pgd10']:.1%}"
    single = objective.name in ("fgsm_rs", "n_fgsm")
    if single and last["held_pgd10"] < min(chance, last["held_fgsm"] / 2) and last["held_fgsm"] > chance:
        return f"catastrophic overfitting: FGSM leaves {last['held_fgsm']:.1%} right, PGD-10 {last['held_pgd10']:.1%}"
    return None


def _parts(model: nn.Module, optimizer: Any, average: AveragedModel | None) -> Iterator[tuple[str, Any]]:
    yield from (("model", model), ("optimizer", optimizer))
    if average is not None:
        yield "average", average


def _save(path: Path, trained: Trained, model: nn.Module, optimizer: Any, average: AveragedModel | None) -> None:
    content: dict[str, Any] = {name: part.state_dict() for name, part in _parts(model, optimizer, average)}
    content |= {"trained": {**vars(trained)}}
    write_atomically(path, lambda part: torch.save(content, part))


def _load(path: Path, trained: Trained, model: nn.Module, optimizer: Any, average: AveragedModel | None) -> None:
    try:
        # Rank 0 reads for all: the others may lie on machines without this file.
        content = distributed.from_first(
            lambda: torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
        )
        if content is None:
            return
        for name, part in _parts(model, optimizer, average):
            part.load_state_dict(content[name])
        vars(trained).update(content["trained"])
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UserError(f"cannot resume from {path}: {reason}; delete it to start again") from error
