"""Threat models, FGSM, PGD and relatives; AutoAttack and Square are in `autoattack`.

Images are pixels in [0, 1]; perturbations live in pixel space. An attack never trains: it runs inside `attacking`,
which freezes the parameters and sets the mode, and restores both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from robust_activations import distributed
from robust_activations.activations.smooth import ReLUSmoothGradient
from robust_activations.errors import UserError
from robust_activations.folding import folded

Norm = Literal["linf", "l2"]
Loss = Literal["ce", "margin", "kl"]
Start = Literal["clean", "uniform", "gauss"]


def _fraction(value: str | float) -> Fraction:
    try:
        top, slash, bottom = str(value).partition("/")
        if "/" in bottom:
            raise ValueError
        number = Fraction(top) / Fraction(bottom if slash else 1)
        float(number)  # must fit
        return number
    except (ValueError, ArithmeticError) as error:
        raise UserError(f"{value!r} is no length in pixels; write it like 8/255") from error


def pixels(value: str | float) -> float:
    """A length in pixel units as a number: `"8/255"`, `"0.031"` or 0.5."""
    return float(_fraction(value))


def k255(value: str | float) -> str:
    """The same as the book writes it, `k/255`, whatever way it came in: 0.15 is `38.25/255`."""
    return f"{float(_fraction(value) * 255):.10g}/255"


@dataclass(frozen=True)
class Threat:
    """What the attacker may do: move an image by at most `eps` in the norm, staying in [0, 1].

    `eps` is kept as `k/255`; an l-inf radius lies in (0, 1], an l2 radius is any positive number.
    """

    norm: Norm
    eps: str

    def __post_init__(self) -> None:
        if self.norm not in ("linf", "l2"):
            raise UserError(f"unknown norm {self.norm!r}; it is linf or l2")
        object.__setattr__(self, "eps", k255(self.eps))
        if self.radius <= 0 or (self.norm == "linf" and self.radius > 1):
            bounds = "lie in (0, 1]" if self.norm == "linf" else "be positive"
            raise UserError(f"eps is {self.eps}; it must {bounds}, in pixel units, like 8/255")

    @cached_property
    def radius(self) -> float:
        return pixels(self.eps)

    def __str__(self) -> str:
        return f"{self.norm} {self.eps}"

    def random(self, x: Float[Tensor, "n c h w"], generator: torch.Generator | None) -> Float[Tensor, "n c h w"]:
        """A perturbation drawn uniformly from the ball."""
        if self.norm == "linf":
            return self.radius * (2 * distributed.draw(torch.rand, x.shape, generator, x.device) - 1)
        delta = distributed.draw(torch.randn, x.shape, generator, x.device)
        length = distributed.draw(torch.rand, (len(x), 1, 1, 1), generator, x.device) ** (1 / math.prod(x.shape[1:]))
        return delta * (self.radius * length / _l2(delta))

    def ascend(self, grad: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The steepest direction of length 1 in the norm; 0 where the gradient is 0."""
        if self.norm == "linf":
            return grad.sign()
        # Scaled to a largest entry of 1 first: the squares of a confident model's gradient vanish in float32.
        grad = grad / grad.abs().amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(grad.dtype).tiny)
        return grad / _l2(grad).clamp(min=1)

    def project(self, x: Float[Tensor, "n c h w"], moved: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The image nearest to `moved` in the ball around `x`, then cut to [0, 1] (which cannot leave the ball)."""
        delta = moved - x
        if self.norm == "linf":
            delta = delta.clamp(-self.radius, self.radius)
        else:
            delta = delta * (self.radius / _l2(delta).clamp(min=self.radius))
        return (x + delta).clamp(0, 1)


def _l2(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


@dataclass(frozen=True)
class PGD:
    """Projected gradient descent, written as in the papers. FGSM is one step of length ε from the clean image.

    `step` is kept as `k/255`; `None` is ε/4, which is 2/255 at 8/255. `clean_share` of the batches, chosen at random,
    start from the clean images all the same, as in Smooth Adversarial Training.

    **Raises** `UserError` for no steps, no starts, a step that leads nowhere or back, or a share outside [0, 1].
    """

    steps: int
    step: str | None = None
    restarts: int = 1
    loss: Loss = "ce"
    start: Start = "uniform"
    clean_share: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.restarts < 1:
            raise UserError(f"PGD with {self.steps} steps and {self.restarts} restarts; both must be at least 1")
        if self.step is not None:
            object.__setattr__(self, "step", k255(self.step))
            if pixels(self.step) <= 0:
                raise UserError(f"PGD with steps of {self.step}; they must be positive, in pixel units, like 2/255")
        if not 0 <= self.clean_share <= 1:
            raise UserError(f"PGD with a clean share of {self.clean_share}; it must lie in [0, 1]")

    def length(self, threat: Threat) -> float:
        return threat.radius / 4 if self.step is None else pixels(self.step)


def fgsm(threat: Threat) -> PGD:
    """Goodfellow et al. (2015): one step of length ε from the clean image."""
    return PGD(steps=1, step=threat.eps, start="clean")


def predicted(logits: Float[Tensor, "n classes"]) -> Int[Tensor, " n"]:
    """The class of each image; -1, which is never right, where logits hold NaN: argmax would say class 0, say."""
    return logits.argmax(1).where(~logits.isnan().any(1), -1)


@contextmanager
def attacking(model: nn.Module, x: Float[Tensor, "n c h w"] | None = None, *, training: bool = False) -> Iterator[None]:
    """Freezes every parameter, puts the model in evaluation (or training) mode, and restores both at the end.

    Given any images `x` that the model takes, the attack is cheaper in evaluation mode: see `folding`.
    """
    modes = [(module, module.training) for module in model.modules()]
    frozen = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.train(training)
        for parameter, _ in frozen:
            parameter.requires_grad_(False)
        with _switched(model, "attacking", True), nullcontext() if training or x is None else folded(model, x):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in frozen:
            parameter.requires_grad_(flag)


@contextmanager
def true_gradients(model: nn.Module) -> Iterator[None]:
    """Every activation with its own derivative, as an attacker of the finished network meets it."""
    with _switched(model, "switched_on", False):
        yield


@contextmanager
def _switched(model: nn.Module, name: str, value: bool) -> Iterator[None]:
    """Sets a switch of every ReLU with a smooth gradient, and restores it."""
    before = [(module, getattr(module, name)) for module in model.modules() if isinstance(module, ReLUSmoothGradient)]
    try:
        for module, _ in before:
            setattr(module, name, value)
        yield
    finally:
        for module, old in before:
            setattr(module, name, old)


def loss_per_image(
    loss: Loss, logits: Float[Tensor, "n k"], y: Int[Tensor, " n"], clean: Float[Tensor, "n k"] | None = None
) -> Float[Tensor, " n"]:
    r"""What the attacker raises: cross-entropy; the margin :math:`\max_{j \ne y} z_j - z_y`; or the divergence
    :math:`KL(p_{clean} \,\|\, p)` from the clean probabilities (TRADES)."""
    logits = logits.float()
    if loss == "ce":
        return F.cross_entropy(logits, y, reduction="none")
    if loss == "margin":
        own = logits.gather(1, y[:, None]).squeeze(1)
        return logits.scatter(1, y[:, None], -math.inf).amax(1) - own
    if clean is None:
        raise UserError("the loss 'kl' needs the clean probabilities")
    return F.kl_div(logits.log_softmax(1), clean, reduction="none").sum(1)


def input_gradient(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    loss: Loss = "ce",
    clean: Float[Tensor, "n k"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """Gradient of each image's loss with respect to that image."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        total = loss_per_image(loss, model(x), y, clean).sum()
    return torch.autograd.grad(total, x)[0]


def pgd(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    threat: Threat,
    attack: PGD,
    *,
    generator: torch.Generator | None = None,
    clean: Float[Tensor, "n k"] | None = None,
) -> Float[Tensor, "n c h w"]:
    """The last iterate of PGD; with restarts, only for the images that no earlier start has broken.

    Call it inside `attacking`. One forward and one backward to the input a step, and with restarts one forward more.
    """
    out = x.clone()
    left = torch.arange(len(x), device=x.device)
    for restart in range(attack.restarts):
        moved = _pgd_once(model, x[left], y[left], threat, attack, generator, None if clean is None else clean[left])
        out[left] = moved
        if restart + 1 < attack.restarts:
            with torch.no_grad():
                left = left[predicted(model(moved)) == y[left]]
            if len(left) == 0:
                break
    return out


def _pgd_once(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    attack: PGD,
    generator: torch.Generator | None,
    clean: Tensor | None,
) -> Tensor:
    moved = x
    if attack.start == "uniform":
        delta = threat.random(x, generator)
        if attack.clean_share:  # decided on the device, which nothing has to wait for
            lucky = torch.rand((1, 1, 1, 1), generator=generator, device=x.device)  # the same on every rank
            delta = delta * (lucky >= attack.clean_share)
        moved = threat.project(x, x + delta)
    elif attack.start == "gauss":  # TRADES: the divergence has no slope at the clean image itself
        moved = threat.project(x, x + 0.001 * distributed.draw(torch.randn, x.shape, generator, x.device))
    length = attack.length(threat)
    for _ in range(attack.steps):
        grad = input_gradient(model, moved, y, attack.loss, clean)
        moved = threat.project(x, moved + length * threat.ascend(grad))
    return moved


def fgsm_rs(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    threat: Threat,
    generator: torch.Generator | None,
) -> Float[Tensor, "n c h w"]:
    """Wong et al. (2020), for fast training: a uniform start, then one step of 1.25 ε, projected to the ball."""
    start = threat.project(x, x + threat.random(x, generator))
    grad = input_gradient(model, start, y)
    return threat.project(x, start + 1.25 * threat.radius * threat.ascend(grad))


def n_fgsm(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    threat: Threat,
    generator: torch.Generator | None,
) -> Float[Tensor, "n c h w"]:
    """De Jorge et al. (2022), for fast training: uniform noise of 2 ε, then one step of ε, without projection.

    Only to [0, 1] are both cut, the noisy start too, as in the authors' code.
    """
    start = (x + 2 * threat.random(x, generator)).clamp(0, 1)
    grad = input_gradient(model, start, y)
    return (start + threat.radius * threat.ascend(grad)).clamp(0, 1)
