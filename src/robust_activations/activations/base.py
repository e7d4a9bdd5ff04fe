"""What every activation of the book has in common: parameters that are shared by network, layer or channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations import fused
from robust_activations.errors import UserError

# A parameter as a formula sees it: a Tensor, or a plain number where it is not learned.
Value = Any


class Activation(nn.Module):
    r"""An elementwise function :math:`f(x; \theta)` whose parameters may be learned.

    A subclass names its parameters and their initial values in `values`, says in `learns` which of them are
    learned unless asked otherwise, and gives the function as `formula(x, *parameters)`. A parameter that is not
    learned is a plain number: it costs nothing and does not appear in the state dict. `kernel` names the same function
    in `fused.derivatives`, if it is there.

    **Arguments**

    - `channels`: one parameter for each channel (axis 1 of the input) if given, else one scalar.
    - `learn`: names of the parameters to learn; `()` freezes them all.
    - `values`: initial (or fixed) values by name, e.g. `alpha=0.25`.

    **Raises** `UserError` for a name that is no parameter of this activation, or one to learn that is always fixed.
    """

    values: ClassVar[dict[str, float]] = {}
    learns: ClassVar[Sequence[str]] = ()
    formula: Callable[..., Tensor]
    kernel: ClassVar[str | None] = None

    def __init__(self, channels: int | None = None, *, learn: Sequence[str] | None = None, **values: float) -> None:
        super().__init__()
        learn = self.learns if learn is None else learn
        for what, given, own in (("parameter", values, self.values), ("learned parameter", learn, self.learns)):
            for name in given:
                if name not in own:
                    known = ", ".join(own) or "none"
                    raise UserError(f"{type(self).__name__} has no {what} {name!r}; it has: {known}")
        shape = () if channels is None else (channels,)
        for name, default in self.values.items():
            value = float(values.get(name, default))
            if name in learn:
                self.register_parameter(name, nn.Parameter(torch.full(shape, value)))
            else:
                setattr(self, name, value)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        parameters = [getattr(self, name) for name in self.values]
        if self.kernel is None or fused.backend(x) is None:
            return self._formula(x, parameters)
        return fused.function(fused.Kernel(self.kernel, self._formula), x, _rows(parameters, x))

    def _formula(self, x: Tensor, parameters: Iterable[Value]) -> Tensor:
        """The formula with parameters of shape () or (channels,); of those that are not learned, the number itself."""
        own = (getattr(self, name) for name in self.values)
        pairs = zip(own, parameters, strict=True)
        return type(self).formula(x, *(per_channel(row, x) if isinstance(v, Tensor) else v for v, row in pairs))

    def penalty(self) -> Float[Tensor, ""] | None:
        """What this activation adds to the training loss; None for nothing."""
        return None

    def clip_gradients(self) -> None:
        """Called between backward and optimiser step, for activations that limit their own gradients."""

    def extra_repr(self) -> str:
        fixed = {name: getattr(self, name) for name in self.values}
        return ", ".join(
            f"{name}={value}" if isinstance(value, float) else f"{name}: learned {tuple(value.shape)}"
            for name, value in fixed.items()
        )


def per_channel(value: Tensor | float, x: Tensor) -> Tensor | float:
    """A scalar as it is; a tensor (..., c) shaped so that its last axis meets axis 1 of x; both in x's dtype."""
    if not isinstance(value, Tensor):
        return value
    value = value.to(x.dtype)
    return value if value.dim() == 0 else value.reshape(*value.shape, *(1,) * (x.dim() - 2))


def hinges(
    x: Float[Tensor, "*shape"],
    slopes: Float[Tensor, "*theta"],
    places: Float[Tensor, "*theta"],
    signs: tuple[float, ...],
) -> Float[Tensor, "*shape"]:
    r""":math:`\sum_k a_k \max(0, s_k x - h_k)` with slopes a, places h and signs s of 1 or -1."""
    theta = torch.cat([slopes, places])
    kernel = fused.Kernel("hinges", partial(_hinges, signs), signs, learn_places=places.requires_grad)
    return kernel.formula(x, theta) if fused.backend(x) is None else fused.function(kernel, x, theta)


def _hinges(signs: tuple[float, ...], x: Tensor, theta: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for sign, slope, place in zip(signs, *theta.chunk(2), strict=True):
        out = out + per_channel(slope, x) * F.relu(sign * x - per_channel(place, x))
    return out


def _rows(parameters: Sequence[Value], x: Tensor) -> Tensor:
    """Parameters of one shape, and plain numbers among them, on top of each other."""
    if not parameters:
        return x.new_empty(0)
    like = next((value for value in parameters if isinstance(value, Tensor)), None)
    shape, dtype = ((), torch.promote_types(x.dtype, torch.float32)) if like is None else (like.shape, like.dtype)
    return torch.stack(
        [v if isinstance(v, Tensor) else torch.full(shape, v, dtype=dtype, device=x.device) for v in parameters]
    )


def modules(model: nn.Module) -> Iterator[tuple[str, Activation]]:
    """Every activation of the model with its name, each object once."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Activation))


def named_parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Every parameter that belongs to an activation, with its name in the model, each once."""
    seen: set[nn.Parameter] = set()
    for prefix, module in modules(model):
        for name, parameter in module.named_parameters(prefix=prefix):
            if parameter not in seen:
                seen.add(parameter)
                yield name, parameter


def parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    """Every parameter that belongs to an activation."""
    return (parameter for _, parameter in named_parameters(model))


def penalty(model: nn.Module) -> Float[Tensor, ""] | None:
    """Sum of what the activations add to the training loss; None when they add nothing."""
    terms = [term for _, module in modules(model) if (term := module.penalty()) is not None]
    return torch.stack(terms).sum() if terms else None


def clip_gradients(model: nn.Module) -> None:
    """Lets every activation limit its own gradients."""
    for _, module in modules(model):
        module.clip_gradients()


def shape(
    activation: Callable[[Tensor], Tensor], x: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Value, first and second derivative at the points `x`, by automatic differentiation.

    A jump of the slope (ReLU at 0) does not show in the second derivative, which is taken on either side of it.
    """
    x = x.detach().clone().requires_grad_()
    value = activation(x)
    (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    second = torch.zeros_like(x)
    if first.requires_grad:
        (grad,) = torch.autograd.grad(first.sum(), x, allow_unused=True)
        second = second if grad is None else grad
    return value.detach(), first.detach(), second.detach()
