"""Activations of Xie et al., "Smooth Adversarial Training" (2020)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from robust_activations.activations.base import Activation, Value
from robust_activations.activations.parametric import PSoftplus
from robust_activations.errors import UserError


class ParametricSoftplus(Activation):
    r""":math:`\log(1 + e^{\alpha x}) / \alpha` with fixed α = 10, whose derivative is :math:`\sigma(\alpha x)`."""

    values: ClassVar = {"alpha": 10.0}
    kernel = "psoftplus"
    formula = staticmethod(PSoftplus.formula)


class SmoothReLU(Activation):
    r""":math:`x - \log(\alpha x + 1) / \alpha` for :math:`x \ge 0`, 0 below, with :math:`\alpha = s^2`.

    The sharpness s is learned and starts at 20, so that α starts at 400 and stays positive, as in the authors' code.
    Continuously differentiable; the second derivative jumps from 0 to α at 0.
    """

    values: ClassVar = {"sharpness": 20.0}
    learns = ("sharpness",)
    kernel = "smooth_relu"

    @staticmethod
    def formula(x: Tensor, sharpness: Value) -> Tensor:
        alpha = sharpness * sharpness
        r = F.relu(x)
        return r - torch.log1p(alpha * r) / alpha


class _SmoothBackward(torch.autograd.Function):
    """ReLU forward; backward as if it had been softplus(alpha x) / alpha."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, alpha: float) -> Tensor:
        return F.relu(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.alpha = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return grad * torch.sigmoid(ctx.alpha * x), None


class ReLUSmoothGradient(Activation):
    r"""ReLU forward, :math:`\sigma(\alpha x)` for its derivative: the paper's experiment on gradient quality.

    `where` says who sees the smooth derivative in training: the `attack`, the parameter `update`, or `both`.
    `attacks.attacking` tells the module which of the two is under way. Whoever evaluates the network attacks it with
    its own derivative: `attacks.true_gradients` switches the smooth one off.
    """

    values: ClassVar = {"alpha": 10.0}
    kernel = "relu_smooth_gradient"
    formula = staticmethod(_SmoothBackward.apply)
    alpha: float

    def __init__(self, channels: int | None = None, *, where: str = "both", alpha: float = 10.0) -> None:
        if where not in ("attack", "update", "both"):
            raise UserError(f"relu_smooth_gradient: where is {where!r}; it is one of attack, update, both")
        super().__init__(alpha=alpha)
        self.where = where
        self.attacking = False
        self.switched_on = True

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        smooth = self.where == "both" or (self.where == "attack") == self.attacking
        return super().forward(x) if smooth and self.switched_on else F.relu(x)
