"""Activations in one pass over memory forward, one backward, with only the input kept in between.

The backward pass makes the gradients of the parameters along the way, and only where they are asked for: not in an
attack. On a CPU the loops are C++ (`native`), on a GPU Triton (`gpu`); both are made from `derivatives`.

What cannot take this way takes the plain formula: tensors inside `torch.compile` (which fuses by itself), other
dtypes, machines without a compiler, and everything inside `plain()`. Second derivatives are taken of the formula.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from robust_activations.activations.fused import native
from robust_activations.errors import UserError

_enabled = True


@contextmanager
def plain() -> Iterator[None]:
    """Everything by the plain formulas, to compare with, and for forward-mode derivatives, which the loops lack."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


class Kernel(NamedTuple):
    """A fused function: its name in `derivatives`, and its plain formula of x and theta, which holds the parameters in
    rows: (parameters,) or (parameters, channels).

    Or "hinges", with the sign of each, first those of 1 and then those of -1, and whether their places are learned
    (see `base.hinges`).
    """

    name: str
    formula: Callable[[Tensor, Tensor], Tensor]
    signs: tuple[float, ...] | None = None
    learn_places: bool = True


class Layout(NamedTuple):
    """A tensor as the loops see it: a matrix whose channel is row % channels, or the column itself."""

    rows: int
    cols: int
    channels: int
    by_column: bool

    @classmethod
    def of(cls, x: Tensor, theta: Tensor) -> Layout:
        """The parameters' channels lie along axis 1 of x; there is one channel if theta has none.

        **Raises** `UserError` where x has another number of channels.
        """
        if theta.dim() == 1:
            return cls(1, x.numel(), 1, False)
        channels = theta.shape[1]
        if channels != 1 and x.shape[1:2] != (channels,):
            raise UserError(f"an activation for {channels} channels, on axis 1, was given an input of {tuple(x.shape)}")
        inner = math.prod(x.shape[2:]) if x.is_contiguous() else 1
        cols = channels if inner == 1 else inner
        return cls(x.numel() // cols, cols, channels, inner == 1)


def backend(x: Tensor) -> Any:
    """The module that computes on this tensor, `native` or `gpu`; None for the plain formula."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing() or is_in_torch_dispatch_mode()
    if not _enabled or traced or type(x) not in (Tensor, Parameter) or x.numel() == 0:  # no memory behind it, perhaps
        return None
    return _loops(x)


def _loops(x: Tensor) -> Any:
    module = _gpu() if x.is_cuda else native if x.is_cpu else None
    if module is None or x.dtype not in module.DTYPES or (module is native and native.library() is None):
        return None
    return module


@cache
def _gpu() -> Any:
    try:
        from robust_activations.activations.fused import gpu

        # Triton also wants a C compiler, and may not know this GPU; which shows at the first launch.
        one = torch.ones(1, device="cuda")
        gpu.forward(Kernel("prelu", F.prelu), one, one, Layout(1, 1, 1, False))
    except ImportError:  # no Triton
        return None
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        warnings.warn(f"no fused activations, only the plain formulas: {reason}", stacklevel=2)
        return None
    return gpu


def function(kernel: Kernel, x: Tensor, theta: Tensor) -> Tensor:
    """The function at x, elementwise; only where there is a `backend`."""
    return _apply(_Forward, kernel, x, theta)


# Function.apply binds its arguments by name for torch.func, which costs more than the loops do on a small tensor.
_in_torch_func = getattr(torch._C, "_are_functorch_transforms_active", lambda: True)


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Any:
    return function.apply(*inputs) if _in_torch_func() else super(torch.autograd.Function, function).apply(*inputs)  # type: ignore[misc]


class _Forward(torch.autograd.Function):
    @staticmethod
    def forward(kernel: Kernel, x: Tensor, theta: Tensor) -> Tensor:
        x = _dense(x)
        return _loops(x).forward(kernel, x, _arithmetic(theta, x), Layout.of(x, theta))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Kernel, Tensor, Tensor], output: Tensor) -> None:
        ctx.kernel, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, theta = ctx.saved_tensors
        inputs = (ctx.kernel, x, theta, grad, ctx.needs_input_grad[2])
        again = torch.is_grad_enabled() or _in_torch_func()  # this pass is to be differentiated, or mapped
        dx, dtheta = _apply(_Backward, *inputs) if again else _Backward.forward(*inputs)
        return None, dx, dtheta

    @staticmethod
    def vmap(info: Any, dims: tuple[Any, ...], kernel: Kernel, x: Tensor, theta: Tensor) -> tuple[Tensor, int]:
        _, x_dim, theta_dim = dims
        if theta_dim is not None:  # an ensemble: every member has its own parameters
            return torch.vmap(kernel.formula, in_dims=(x_dim, theta_dim))(x, theta), 0
        x = x.movedim(x_dim, 0)
        if theta.dim() == 1:
            return _Forward.apply(kernel, x, theta), 0
        return _Forward.apply(kernel, x.flatten(0, 1), theta).view(x.shape), 0


class _Backward(torch.autograd.Function):
    """The gradients of x and, if `learned`, theta. Differentiable again, by the plain formula."""

    @staticmethod
    def forward(kernel: Kernel, x: Tensor, theta: Tensor, grad: Tensor, learned: bool) -> tuple[Tensor, Tensor | None]:
        x = _dense(x)
        grad = grad.to(x.dtype)
        if grad.stride() != x.stride():
            grad = torch.empty_like(x).copy_(grad)
        dx, dtheta = _loops(x).backward(kernel, x, grad, _arithmetic(theta, x), Layout.of(x, theta), learned)
        return dx, None if dtheta is None else dtheta.to(theta.dtype).view(theta.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor | None]) -> None:
        ctx.kernel, x, theta, grad, ctx.learned = inputs
        ctx.save_for_backward(x, theta, grad)

    @staticmethod
    def backward(ctx: Any, *seconds: Tensor | None) -> Any:  # type: ignore[override]
        go_on = torch.is_grad_enabled()
        with torch.enable_grad():
            tensors = [t if t.requires_grad else t.detach().requires_grad_() for t in ctx.saved_tensors]
            x, theta, grad = tensors
            value = ctx.kernel.formula(x, theta)
            firsts = torch.autograd.grad(value, (x, theta), grad, create_graph=True, materialize_grads=True)
            pairs = [pair for pair in zip(firsts, seconds, strict=True) if pair[1] is not None]
            outputs, weights = zip(*pairs, strict=True)
            found = torch.autograd.grad(outputs, tensors, weights, create_graph=go_on, allow_unused=True)
        return None, *found, None

    @staticmethod
    def vmap(
        info: Any, dims: tuple[Any, ...], kernel: Kernel, x: Tensor, theta: Tensor, grad: Tensor, learned: bool
    ) -> tuple[Any, Any]:
        _, x_dim, theta_dim, grad_dim, _ = dims

        def one(x: Tensor, theta: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
            return torch.func.vjp(kernel.formula, x, theta)[1](grad)

        # Gradients of parameters one by one, and parameters one by one, are rare; the formula serves for them.
        dx, dtheta = torch.vmap(one, in_dims=(x_dim, theta_dim, grad_dim))(x, theta, grad)
        return (dx, dtheta if learned else None), (0, 0 if learned else None)


def _dense(x: Tensor) -> Tensor:
    """The tensor itself if its elements fill their memory without gaps, rows or channels last; else a copy."""
    if x.is_contiguous() or (x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return x
    return x.contiguous()


def _arithmetic(theta: Tensor, x: Tensor) -> Tensor:
    return theta.to(_loops(x).DTYPES[x.dtype]).contiguous()
