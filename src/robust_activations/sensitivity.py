"""How far an image must be moved to fool a network, and how much the logits move with it, image by image.

After the quantities of Dai, Mahloujifar and Mittal's shape experiment (2021), with a search of our own: see
`minimum_radius`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from robust_activations.attacks import PGD, Threat, attacking, input_gradient, pgd, predicted
from robust_activations.errors import UserError


@dataclass(frozen=True)
class Measure:
    """One number for each of n images, NaN where it is not defined: float32, little-endian, in base64."""

    values: str
    n: int

    @classmethod
    def of(cls, values: Float[Tensor, " n"]) -> Measure:
        packed = values.detach().cpu().numpy().astype("<f4")
        return cls(base64.b64encode(packed.tobytes()).decode(), len(packed))

    @property
    def each(self) -> Float[np.ndarray, " n"]:
        """The numbers. **Raises** `UserError` if they are not those of n images."""
        try:
            found = np.frombuffer(base64.b64decode(self.values, validate=True), dtype="<f4")
        except ValueError as error:
            raise UserError(f"the values of a measure cannot be read: {error}") from error
        if len(found) != self.n:
            raise UserError(f"there are {len(found)} values in a measure of {self.n} images")
        return found

    @property
    def defined(self) -> Float[np.ndarray, " m"]:
        return self.each[~np.isnan(self.each)]

    @property
    def mean(self) -> float:
        """Over the images for which it is defined; NaN without any."""
        return float(self.defined.mean()) if len(self.defined) else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Percentile bootstrap over the images, 95 %, the same every time."""
        values = self.defined.astype(np.float64)
        if not len(values):
            return float("nan"), float("nan")
        draws = np.random.default_rng(0).integers(len(values), size=(2000, len(values)))
        low, high = np.quantile(values[draws].mean(1), (0.025, 0.975))
        return float(low), float(high)


def minimum_radius(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    *,
    first: float = 0.05,
    rounds: int = 7,
    steps: int = 20,
    generator: torch.Generator | None = None,
    batch_size: int = 500,
) -> Float[Tensor, " n"]:
    """The smallest l-inf change, in pixel units, with which PGD fools the model; NaN where it is wrong already.

    Doubles `first` until each image is fooled (1 if it never is), then halves the bracket `rounds` times. The step is
    2.5 ε / `steps` at whatever ε is tried, so that the attack can cross the ball in every round; an attack that
    succeeds with less than ε counts with what it used. Each number belongs to a change that was found, so it is an
    upper bound of the true radius, and within ε / 2**`rounds` of what this attack can find, ε the last one doubled to.
    """
    with attacking(model, x):
        parts = zip(x.split(batch_size), y.split(batch_size), strict=True)
        return torch.cat([_radius(model, a, b, first, rounds, steps, generator) for a, b in parts])


def _radius(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    first: float,
    rounds: int,
    steps: int,
    generator: torch.Generator | None,
) -> Tensor:
    def reach(index: Tensor, eps: Tensor) -> Tensor:
        """The change with which each of these images is fooled within its own ε; infinite if it is not."""
        clean, radius = x[index], eps.view(-1, 1, 1, 1)
        low, high = (clean - radius).clamp(min=0), (clean + radius).clamp(max=1)
        noise = 2 * torch.rand(clean.shape, generator=generator, device=x.device) - 1
        moved = (clean + radius * noise).clamp(0, 1)
        for _ in range(steps):
            grad = input_gradient(model, moved, y[index], "margin")
            moved = (moved + 2.5 / steps * radius * grad.sign()).clamp(low, high)
        with torch.no_grad():
            fooled = predicted(model(moved)) != y[index]
        return torch.where(fooled, (moved - clean).abs().amax((1, 2, 3)), torch.inf)

    with torch.no_grad():
        right = torch.nonzero(predicted(model(x)) == y).squeeze(1)
    low, high = torch.zeros(len(x), device=x.device), torch.full((len(x),), torch.inf, device=x.device)
    eps, left = first, right
    while len(left) and eps < 2:
        found = reach(left, torch.full((len(left),), min(eps, 1.0), device=x.device))
        high[left] = found
        low[left[found.isinf()]] = min(eps, 1.0)
        left, eps = left[found.isinf()], 2 * eps
    high[left] = 1.0  # nothing fools it
    right = right[low[right] < 1]
    for _ in range(rounds if len(right) else 0):
        middle = (low[right] + high[right]) / 2
        found = reach(right, middle)
        low[right] = torch.where(found.isinf(), middle, low[right])
        high[right] = torch.minimum(high[right], found)
    return high.masked_fill(high.isinf(), torch.nan)


def local_lipschitz(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    threat: Threat,
    *,
    generator: torch.Generator | None = None,
    batch_size: int = 500,
) -> Float[Tensor, " n"]:
    r""":math:`\|z(x') - z(x)\|_1 / \|x' - x\|` of logits z, in the threat's norm, at the x' that PGD-10 finds."""
    out = []
    with attacking(model, x):
        for a, b in zip(x.split(batch_size), y.split(batch_size), strict=True):
            moved = pgd(model, a, b, threat, PGD(steps=10), generator=generator)
            with torch.no_grad():
                change = (model(moved) - model(a)).abs().sum(1)
            delta = (moved - a).flatten(1)
            out.append(change / (delta.abs().amax(1) if threat.norm == "linf" else delta.norm(dim=1)))
    return torch.cat(out)


# What the names in a suite stand for.
MEASURES: dict[str, Callable[..., Tensor]] = {
    "radius": lambda model, x, y, threat, generator: minimum_radius(model, x, y, generator=generator),
    "lipschitz": lambda model, x, y, threat, generator: local_lipschitz(model, x, y, threat, generator=generator),
}
