"""Activations that the four papers are compared with."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations.base import Activation, hinges
from robust_activations.errors import UserError

# Native softplus is x + 0 beyond this threshold; at 50 the difference is below float64's resolution.
EXACT = 50.0


class ReLU(Activation):
    r""":math:`\max(0, x)`."""

    formula = staticmethod(F.relu)


class LeakyReLU(Activation):
    r""":math:`x` for :math:`x > 0`, :math:`\alpha x` below, with fixed :math:`\alpha` = 0.01."""

    values: ClassVar = {"alpha": 0.01}
    kernel = "prelu"
    formula = staticmethod(F.leaky_relu)


class ELU(Activation):
    r""":math:`x` for :math:`x > 0`, :math:`\alpha (e^x - 1)` below (Clevert et al. 2016)."""

    values: ClassVar = {"alpha": 1.0}
    kernel = "pelu"
    formula = staticmethod(F.elu)


class CELU(Activation):
    r""":math:`x` for :math:`x > 0`, :math:`\alpha (e^{x/\alpha} - 1)` below: smooth for every α (Barron 2017)."""

    values: ClassVar = {"alpha": 1.0}
    kernel = "celu"
    formula = staticmethod(F.celu)


class SELU(Activation):
    r""":math:`\lambda x` for :math:`x > 0`, :math:`\lambda \alpha (e^x - 1)` below, with λ = 1.0507 and α = 1.6733.

    These keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017).
    """

    kernel = "selu"
    formula = staticmethod(F.selu)


class Softplus(Activation):
    r""":math:`\log(1 + e^x)`."""

    kernel = "softplus"

    @staticmethod
    def formula(x: Tensor) -> Tensor:
        return F.softplus(x, threshold=EXACT)


class SiLU(Activation):
    r""":math:`x \, \sigma(x)`, also called Swish (Elfwing et al. 2018)."""

    kernel = "silu"
    formula = staticmethod(F.silu)


class GELU(Activation):
    r""":math:`x \, \Phi(x)` with the normal distribution function Φ (Hendrycks and Gimpel 2016)."""

    kernel = "gelu"
    formula = staticmethod(F.gelu)


class Mish(Activation):
    r""":math:`x \tanh(\log(1 + e^x))` (Misra 2020)."""

    kernel = "mish"
    formula = staticmethod(F.mish)


class Tanh(Activation):
    r""":math:`\tanh x`."""

    kernel = "tanh"
    formula = staticmethod(torch.tanh)


class Sigmoid(Activation):
    r""":math:`\sigma(x) = 1 / (1 + e^{-x})`."""

    kernel = "logistic"
    formula = staticmethod(torch.sigmoid)


class Maxout(Activation):
    r""":math:`\max_j (W_j x + b_j)` over `pieces` linear maps of the channels (Goodfellow et al. 2013).

    The maps are 1x1 convolutions, our reading of maxout as a drop-in activation. The last starts as the identity and
    the others at zero, so that it starts as ReLU. It is no elementwise function: it adds `pieces * (c + 1) * c`
    parameters for c channels.
    """

    def __init__(self, channels: int, *, pieces: int = 2) -> None:
        super().__init__()
        if pieces < 1:
            raise UserError(f"maxout: pieces is {pieces}; it must be 1 or greater")
        weight = torch.zeros(pieces, channels, channels)
        weight[-1] = torch.eye(channels)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(pieces, channels))

    def forward(self, x: Float[Tensor, "n c *space"]) -> Float[Tensor, "n c *space"]:
        flat = x.flatten(2) if x.dim() > 2 else x.unsqueeze(2)
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        pieces = torch.einsum("pdc,ncs->pnds", weight, flat) + bias[:, None, :, None]
        # Not amax, which shares the gradient at ties: the first takes it all, so that the start has ReLU's 0 at 0.
        return pieces.max(dim=0).values.reshape(x.shape)


class APL(Activation):
    r""":math:`\max(0, x) + \sum_{s=1}^{S} a_s \max(0, -x + b_s)` with learned a and b (Agostinelli et al. 2015).

    Starts as the authors' published example: a uniform in ±0.2, b normal with deviation 0.5.
    """

    def __init__(self, channels: int | None = None, *, S: int = 5) -> None:
        super().__init__()
        if S < 1:
            raise UserError(f"apl: S is {S}; it must be 1 or greater")
        shape = (S,) if channels is None else (S, channels)
        self.a = nn.Parameter(torch.empty(shape).uniform_(-0.2, 0.2))
        self.b = nn.Parameter(torch.empty(shape).normal_(0, 0.5))

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        # As hinges: the first is max(0, x) itself.
        slopes = torch.cat([torch.ones_like(self.a[:1]), self.a])
        places = torch.cat([torch.zeros_like(self.b[:1]), -self.b])
        return hinges(x, slopes, places, (1.0,) + (-1.0,) * len(self.a))
