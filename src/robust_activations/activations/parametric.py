"""Parametric activations of Dai, Mahloujifar and Mittal, "Parameterizing Activation Functions" (2021, 2022).

Formulas and initial values follow the authors' code, which shares one activation by the whole network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations.base import Activation, Value
from robust_activations.activations.reference import EXACT


class PReLU(Activation):
    r""":math:`x` for :math:`x > 0`, :math:`\alpha x` below. Starts as ReLU, α = 0; He et al. (2015) start at 0.25."""

    values: ClassVar = {"alpha": 0.0}
    learns = ("alpha",)
    kernel = "prelu"

    @staticmethod
    def formula(x: Tensor, alpha: Value) -> Tensor:
        # The native kernel wants the slopes as a vector.
        return F.prelu(x, alpha.reshape(-1)) if isinstance(alpha, Tensor) else F.leaky_relu(x, alpha)


class PReLUPlus(Activation):
    r"""PReLU+: :math:`\alpha \max(0, x)`. Starts as ReLU, α = 1."""

    values: ClassVar = {"alpha": 1.0}
    learns = ("alpha",)
    kernel = "prelu_plus"

    @staticmethod
    def formula(x: Tensor, alpha: Value) -> Tensor:
        return alpha * F.relu(x)


class PELU(Activation):
    r""":math:`x` for :math:`x > 0`, :math:`\alpha (e^x - 1)` below. Starts as ELU, α = 1."""

    values: ClassVar = {"alpha": 1.0}
    learns = ("alpha",)
    kernel = "pelu"

    @staticmethod
    def formula(x: Tensor, alpha: Value) -> Tensor:
        # Clamped before the exponential: a mask after it would multiply infinity by zero for large x.
        return F.relu(x) + alpha * torch.expm1(x.clamp(max=0))


class PELUPlus(Activation):
    r"""PELU+: :math:`\alpha x` for :math:`x > 0`, :math:`e^x - 1` below. Starts as ELU, α = 1."""

    values: ClassVar = {"alpha": 1.0}
    learns = ("alpha",)
    kernel = "pelu_plus"

    @staticmethod
    def formula(x: Tensor, alpha: Value) -> Tensor:
        return alpha * F.relu(x) + torch.expm1(x.clamp(max=0))


class ReBLU(Activation):
    r""":math:`x + \alpha (\sqrt{x^2 + 1} - 1)` for :math:`x > 0`, 0 below. Starts as ReLU, α = 0."""

    values: ClassVar = {"alpha": 0.0}
    learns = ("alpha",)
    kernel = "reblu"

    @staticmethod
    def formula(x: Tensor, alpha: Value) -> Tensor:
        # sqrt(r^2 + 1) - 1 = r * r / (sqrt(r^2 + 1) + 1), without the cancellation near zero.
        r = F.relu(x)
        return r + alpha * (r * (r / (torch.sqrt(r * r + 1) + 1)))


class PSiLU(Activation):
    r""":math:`x \, \sigma(|\alpha| x)`. Starts as SiLU, α = 1; the greatest curvature is |α|/2, at 0."""

    values: ClassVar = {"alpha": 1.0}
    learns = ("alpha",)
    kernel = "psilu"

    @staticmethod
    def formula(x: Tensor, alpha: Value) -> Tensor:
        return x * torch.sigmoid(abs(alpha) * x)


class PSoftplus(Activation):
    r""":math:`\log(1 + e^{|\alpha| x}) / |\alpha|`. Starts as softplus, α = 1. Without bound as α goes to 0.

    The absolute value is that of the authors' code of 2023; in 2021 it had none.
    """

    values: ClassVar = {"alpha": 1.0}
    learns = ("alpha",)
    kernel = "psoftplus"

    @staticmethod
    def formula(x: Tensor, alpha: Value) -> Tensor:
        return F.softplus(abs(alpha) * x, threshold=EXACT) / abs(alpha)


class PSSiLU(Activation):
    r""":math:`x \, (\sigma(|\alpha| x) - |\beta|) / (1 - |\beta|)`, the parametric shifted SiLU.

    Starts at α = 1 and β = 1e-8, almost SiLU. β must not start at 0, where the slope of \|β\| is zero and it never
    moves. Nothing in the formula stops \|β\| from reaching 1; the authors hold it down with a penalty and a clip.

    **Arguments**

    - `learn`: `("alpha", "beta")`; `("alpha",)` is the authors' PSSiLU with fixed β (their values: 0.1, 0.3, 0.42).
    - `penalty`: adds `penalty * |beta|` to the training loss; the authors use 10.
    - `clip`: clips the gradient of β to this norm; the authors use 0.01 for PGD training, 0.1 for TRADES.
    """

    values: ClassVar = {"alpha": 1.0, "beta": 1e-8}
    learns = ("alpha", "beta")
    kernel = "pssilu"
    alpha: Tensor | float
    beta: Tensor | float

    def __init__(
        self,
        channels: int | None = None,
        *,
        learn: Sequence[str] | None = None,
        penalty: float = 0.0,
        clip: float | None = None,
        **values: float,
    ) -> None:
        super().__init__(channels, learn=learn, **values)
        self.penalty_weight, self.clip = penalty, clip

    @staticmethod
    def formula(x: Tensor, alpha: Value, beta: Value) -> Tensor:
        return x * ((torch.sigmoid(abs(alpha) * x) - abs(beta)) / (1 - abs(beta)))

    def penalty(self) -> Float[Tensor, ""] | None:
        if self.penalty_weight and isinstance(self.beta, Tensor):
            return self.penalty_weight * self.beta.abs().sum()
        return None

    def clip_gradients(self) -> None:
        if self.clip is not None and isinstance(self.beta, Tensor):
            nn.utils.clip_grad_norm_([self.beta], self.clip)
