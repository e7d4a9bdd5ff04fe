"""The attack suite, always in float32 and evaluation mode, and the checklist that catches masked gradients."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from robust_activations.attacks import PGD, Threat, attacking, fgsm, input_gradient, pgd, predicted, true_gradients
from robust_activations.autoattack import autoattack
from robust_activations.checks import check_images, check_labels
from robust_activations.data import Pixels, at_once, floats
from robust_activations.distances import DISTANCES, one_pixel
from robust_activations.errors import UserError, unknown
from robust_activations.extras import library
from robust_activations.precision import full_precision
from robust_activations.sensitivity import MEASURES, Measure
from robust_activations.stats import wilson
from robust_activations.steps import Steps

# What the names in a suite stand for that are PGD.
SUITE: dict[str, Callable[[Threat], PGD]] = {
    "fgsm": fgsm,
    "pgd10": lambda threat: PGD(steps=10),
    "pgd20": lambda threat: PGD(steps=20),
    "pgd50": lambda threat: PGD(steps=50, restarts=3),
    "pgd50_margin": lambda threat: PGD(steps=50, restarts=3, loss="margin"),
    "pgd200": lambda threat: PGD(steps=200),
}
ATTACKS = ("clean", *SUITE, "one_pixel", "square", "autoattack")


AnyImages = UInt8[Pixels, "n c h w"] | Float[Tensor, "n c h w"]


@dataclass(frozen=True)
class Suite:
    """Which attacks, on how many of the first test images (`None`: all), with which budget for AutoAttack and Square.

    `autoattack_n` may be smaller, since AutoAttack is by far the dearest. `square_n` images and `square_queries`
    queries are what Square gets, as an attack of the suite and in the checklist, which looks at `check_n` images where
    that is another number; `one_pixel_n`, `one_pixel_queries` are what the one-pixel attack gets. `measures` names what
    of `sensitivity` and `distances` is measured, on the first `measure_n` images, with so many `cw_steps` and
    `boundary_steps`.

    `last`: attacks on the network of the last epoch, where that is not the best one, and then neither measures nor
    checklist; `None` for all the same.
    """

    attacks: tuple[str, ...] = ("clean", "fgsm", "pgd20", "pgd50")
    n: int | None = None
    autoattack_n: int | None = 1000
    square_n: int | None = 200
    square_queries: int = 500
    measures: tuple[str, ...] = ()
    measure_n: int = 200
    one_pixel_n: int | None = 100
    one_pixel_queries: int = 2000
    cw_steps: int = 100
    boundary_steps: int = 3000
    last: tuple[str, ...] | None = None
    check_n: int | None = None

    def __post_init__(self) -> None:
        for name in (*self.attacks, *(self.last or ())):
            if name not in ATTACKS:
                raise unknown("attack", name, ATTACKS)
        for name in self.measures:
            if name not in (known := (*MEASURES, *DISTANCES)):
                raise unknown("measure", name, known)
        for name in (one.name for one in fields(self) if isinstance(getattr(self, one.name), int)):
            if (count := getattr(self, name)) < 1:
                raise UserError(f"the suite's {name} is {count}; it must be at least 1")


def check_installed(suites: Iterable[Suite]) -> None:
    """Before the training: can its network be attacked as these suites say? **Raises** `UserError` if it cannot."""
    names = {name for suite in suites for name in (*suite.attacks, *(suite.last or ()), *suite.measures)}
    for package, wanted in {"pyautoattack": {"autoattack", "square"}, "foolbox": {*DISTANCES}}.items():
        if names & wanted:
            library(package)


@dataclass(frozen=True)
class Outcome:
    """How many of n images were classified right under an attack, and which: bit i of `bits` (base64, packed)."""

    correct: int
    n: int
    bits: str
    seconds: float
    # AutoAttack: how many images were left after each of its attacks.
    left: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, right: Bool[Tensor, " n"], seconds: float, left: dict[str, int] | None = None) -> Outcome:
        packed = np.packbits(right.cpu().numpy())
        return cls(
            int(right.sum()), len(right), base64.b64encode(packed.tobytes()).decode(), round(seconds, 3), left or {}
        )

    @property
    def right(self) -> Bool[np.ndarray, " n"]:
        """Which images. **Raises** `UserError` if the bits are not exactly those of n images."""
        try:
            packed = np.frombuffer(base64.b64decode(self.bits, validate=True), dtype=np.uint8)
        except ValueError as error:
            raise UserError(f"the bits are no base64: {error}") from error
        if len(packed) != (self.n + 7) // 8:
            raise UserError(f"there are {len(packed)} bytes of bits, which is not what {self.n} images take")
        return np.unpackbits(packed, count=self.n).astype(bool)

    @property
    def accuracy(self) -> float:
        return self.correct / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        return wilson(self.correct, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.accuracy:.1%} [{low:.1%}, {high:.1%}] of {self.n}"


@dataclass(frozen=True)
class Check:
    """One line of the gradient-masking checklist: passed when `value` is at most `limit`."""

    name: str
    question: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        return self.value <= self.limit


@dataclass(frozen=True)
class Evaluation:
    """Outcomes by attack, the checklist, what AutoAttack itself warned of, and measures by name."""

    outcomes: dict[str, Outcome]
    checks: tuple[Check, ...]
    flags: tuple[str, ...] = ()
    measures: dict[str, Measure] = field(default_factory=dict)

    @property
    def masked(self) -> tuple[str, ...]:
        """The checks that failed."""
        return tuple(check.name for check in self.checks if not check.passed)


def predictions(model: nn.Module, images: AnyImages, batch_size: int = 500) -> Int[Tensor, " n"]:
    """The class of each image (see `predicted`), of the model in the mode that it is in (`attacking` or `eval()`)."""
    with torch.no_grad():
        return predicted(torch.cat([model(floats(batch)) for batch in images.split(at_once(images, batch_size))]))


@contextmanager
def evaluating(model: nn.Module, device: torch.device) -> Iterator[None]:
    """How a finished network is attacked: in true float32, every activation with its own derivative."""
    with full_precision(device), true_gradients(model):
        yield


def under_attack(
    model: nn.Module,
    images: AnyImages,
    y: Int[Tensor, " n"],
    threat: Threat,
    attack: PGD,
    *,
    seed: int = 0,
    batch_size: int = 500,
) -> Bool[Tensor, " n"]:
    """Which images are classified right after PGD (and, trivially, before it)."""
    generator = torch.Generator(images.device).manual_seed(seed)
    with attacking(model, floats(images[:2])):
        right = predictions(model, images, batch_size) == y
        for index in torch.nonzero(right).squeeze(1).split(at_once(images, batch_size)) if right.any() else ():
            moved = pgd(model, floats(images[index]), y[index], threat, attack, generator=generator)
            right[index] = predictions(model, moved, batch_size) == y[index]
    return right


def evaluate(
    model: nn.Module,
    images: AnyImages,
    labels: Int[Tensor, " n"],
    threat: Threat,
    suite: Suite,
    *,
    seed: int = 0,
    batch_size: int = 500,
    steps: Steps | None = None,
    checked: bool = True,
) -> Evaluation:
    """Runs the suite, and the checklist if `checked`. Images are uint8, in files, or float in [0, 1].

    Each attack, each distance and the checklist is one of `steps`, which with a file can be interrupted and resumed.

    **Raises** `UserError` for images outside [0, 1] or with NaN, labels out of range or not one an image, weights that
    are not in float32, or AutoAttack not installed; `Stopped` when `steps` is not to go on.
    """
    if len(images) != len(labels):
        raise UserError(f"{len(images)} images and {len(labels)} labels; each image needs one")
    if other := {p.dtype for p in model.parameters() if p.is_floating_point()} - {torch.float32}:
        raise UserError(f"the model's weights are {other.pop()}; evaluation is in float32: give it model.float()")
    images, y = images[: suite.n], labels[: suite.n]
    if images.dtype != torch.uint8:
        images = images.float()
    # Pixels of 8 bits cannot be wrong, and of files not all need fit into memory.
    check_images(floats(images[:1] if images.dtype == torch.uint8 else images))
    with evaluating(model, images.device):
        with attacking(model), torch.no_grad():
            check_labels(y, num_classes=model(floats(images[:1])).shape[1])
        return _evaluate(model, images, y, threat, suite, seed, batch_size, steps or Steps(), checked)


def _evaluate(
    model: nn.Module,
    images: Pixels,
    y: Tensor,
    threat: Threat,
    suite: Suite,
    seed: int,
    batch_size: int,
    steps: Steps,
    checked: bool,
) -> Evaluation:
    outcomes: dict[str, Outcome] = {}
    flags: list[str] = []

    def first(n: int | None) -> tuple[Tensor, Tensor]:
        return floats(images[:n]), y[:n]

    def attack(name: str) -> tuple[Outcome, list[str]]:
        start = time.perf_counter()
        left: dict[str, int] | None = None
        warned: list[str] = []
        if name == "clean":
            with attacking(model, first(2)[0]):
                right = predictions(model, images, batch_size) == y
        elif name == "autoattack":
            right, left, warned = autoattack(model, *first(suite.autoattack_n), threat, seed=seed, steps=steps)
        elif name == "one_pixel":
            right = one_pixel(model, *first(suite.one_pixel_n), queries=suite.one_pixel_queries, seed=seed)
        elif name == "square":
            square: dict[str, Any] = {"attacks": ("square",), "queries": suite.square_queries}
            right, _, _ = autoattack(model, *first(suite.square_n), threat, **square, seed=seed)
        else:
            right = under_attack(model, images, y, threat, SUITE[name](threat), seed=seed, batch_size=batch_size)
        return Outcome.of(right, time.perf_counter() - start, left), warned

    def check() -> tuple[Check, ...]:
        few = first(suite.check_n or suite.square_n)
        return checklist(model, *few, threat, suite.square_queries, outcomes, flags, seed=seed)

    def distance(name: str) -> Measure:
        count = {"cw": suite.cw_steps, "boundary": suite.boundary_steps}[name]
        return Measure.of(DISTANCES[name](model, *first(suite.measure_n), steps=count, seed=seed))

    def sensitivities() -> dict[str, Measure]:
        generator = torch.Generator(images.device).manual_seed(seed)  # one for all, in their order
        few = first(suite.measure_n)
        return {
            name: Measure.of(MEASURES[name](model, *few, threat, generator))
            for name in suite.measures
            if name in MEASURES
        }

    for name in suite.attacks:
        outcomes[name], warned = steps(name, tuple[Outcome, list[str]], partial(attack, name))
        flags += warned
    checks = steps("checklist", tuple[Check, ...], check) if checked else ()
    measures = steps("sensitivities", dict[str, Measure], sensitivities)
    measures |= {name: steps(name, Measure, partial(distance, name)) for name in suite.measures if name in DISTANCES}
    return Evaluation(outcomes, checks, tuple(flags), {name: measures[name] for name in suite.measures})


def checklist(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    threat: Threat,
    queries: int,
    outcomes: dict[str, Outcome],
    flags: list[str],
    *,
    seed: int = 0,
) -> tuple[Check, ...]:
    """Symptoms of gradients that mislead the attack instead of a model that withstands it.

    After Athalye et al. (2018) and Carlini et al. (2019). The values are shares of these images. Square has so many
    `queries`.
    """
    n = len(x)
    generator = torch.Generator(x.device).manual_seed(seed)
    with attacking(model, x):
        zero = 0
        for part in torch.arange(n, device=x.device).split(100):
            start = threat.project(x[part], x[part] + threat.random(x[part], generator))
            grad = input_gradient(model, start, y[part])
            zero += int((grad.flatten(1).abs().amax(1) == 0).sum())
    everything = Threat(threat.norm, "255/255" if threat.norm == "linf" else str(x[0].numel() ** 0.5))
    white = under_attack(model, x, y, threat, PGD(steps=50, restarts=2), seed=seed)
    far = under_attack(model, x, y, everything, PGD(steps=50), seed=seed)
    short = under_attack(model, x, y, threat, fgsm(threat), seed=seed)
    checks = [
        Check("zero_gradient", "Share of images on which the loss has no slope at all", zero / n, 0.01),
        Check("one_step", "Share by which FGSM beats PGD-50", float((white & ~short).sum() / n), 0.02),
        Check("unbounded", "Accuracy when the attacker may change everything", float(far.sum() / n), 0.01),
    ]
    if {"pgd20", "pgd50"} <= outcomes.keys():
        gain = outcomes["pgd50"].accuracy - outcomes["pgd20"].accuracy
        checks.append(Check("more_steps", "Accuracy that PGD-50 leaves above PGD-20", gain, 0.005))
    black_box = _square(model, x[white], y[white], threat, queries, seed)
    if black_box is not None:
        broken = float((~black_box).sum() / n)
        checks.append(Check("black_box", "Share that Square breaks and PGD-50 does not", broken, 0.02))
    if "autoattack" in outcomes:
        checks.append(Check("autoattack", "Warnings that AutoAttack itself raised", float(len(flags)), 0.0))
    return tuple(checks)


def _square(
    model: nn.Module, x: Tensor, y: Tensor, threat: Threat, queries: int, seed: int
) -> Bool[Tensor, " n"] | None:
    """Which images withstand the black-box Square attack (Andriushchenko et al. 2020); None if it is not installed."""
    try:
        library("pyautoattack")
    except UserError:
        return None
    if len(x) == 0:
        return torch.ones(0, dtype=torch.bool, device=x.device)
    robust, _, _ = autoattack(model, x, y, threat, attacks=("square",), queries=queries, seed=seed)
    return robust
