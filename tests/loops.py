"""What the tests of the fused loops share, on whichever device they run."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from helpers import perturb
from robust_activations.activations import REGISTRY, Activation, create, fused

# Those whose values are good to a few units in the last place wherever they are: near 0 and far on the left.
SHARP = (
    "elu",
    "celu",
    "selu",
    "pelu",
    "pelu_plus",
    "softplus",
    "psoftplus",
    "silu",
    "psilu",
    "mish",
    "tanh",
    "sigmoid",
)


def make(name: str, channels: int | None = None, **options) -> Activation:
    torch.manual_seed(0)
    share = {} if channels is None else {"share": "channel", "channels": channels}
    if channels is None and REGISTRY[name].shares:
        share = {"share": "layer"}
    return perturb(create(name, **share, **options))


def gradients(module: nn.Module, x: Tensor, weight: Tensor) -> list[Tensor]:
    """The value, and the gradients of x and of the parameters."""
    x = x.detach().requires_grad_()
    y = module(x)
    return [y.detach(), *torch.autograd.grad(y, [x, *module.parameters()], weight)]


def agree(module: Activation, x: Tensor, weight: Tensor, relative: float, absolute: float) -> None:
    """The loops give what the formula gives in float64, at the same x.

    By how much a number may be off: relative to itself, and to the largest of its tensor or, in a sum, its terms.
    """
    value, *found = gradients(module, x, weight)
    with fused.plain():
        assert fused.backend(x) is None
        expected, *others = gradients(copy.deepcopy(module).double(), x.double(), weight.double())
    assert [tensor.dtype for tensor in (value, *found)] == [x.dtype, x.dtype, *(p.dtype for p in module.parameters())]
    terms = float((weight.double().abs() * (1 + x.double().abs())).sum())
    for k, (a, b) in enumerate(zip((value, *found), (expected, *others), strict=True)):
        scale = max(1.0, float(b.abs().max()) if b.numel() else 0.0) if k < 2 else terms
        torch.testing.assert_close(a.double(), b, rtol=relative, atol=absolute * scale)
