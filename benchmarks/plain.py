"""Activations as a user without this library writes them: tensor operation by tensor operation, autograd's backward."""

from __future__ import annotations

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robust_activations.activations import Activation, reference, smooth, sparta, splash


def plain(activation: Activation) -> nn.Module:
    """The same function with the same parameters (copies), as a naive module."""
    if isinstance(activation, reference.ReLU):
        return nn.ReLU()
    for kind, module in NAIVE.items():
        if isinstance(activation, kind):
            return module(activation)
    return Formula(activation)


def plain_model(model: nn.Module) -> nn.Module:
    """The model, changed in place, with every activation plain; what was shared stays shared."""
    made: dict[nn.Module, nn.Module] = {}
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, Activation):
                if child not in made:
                    made[child] = plain(child)
                setattr(module, name, made[child])
    return model


class Formula(nn.Module):
    """`Activation.formula` with autograd."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.formula, self.names = type(activation).formula, tuple(activation.values)
        for name in self.names:
            setattr(self, name, deepcopy(getattr(activation, name)))

    def forward(self, x: Tensor) -> Tensor:
        return self.formula(x, *(along_channels(getattr(self, name), x) for name in self.names))


def along_channels(value: Tensor | float, x: Tensor) -> Tensor | float:
    if not isinstance(value, Tensor):
        return value
    value = value.to(x.dtype)
    return value.view(-1, *(1,) * (x.dim() - 2)) if value.dim() else value


class _Copy(nn.Module):
    """With the parameters (and submodules) of an activation, under their names."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        for name, part in (*activation.named_parameters(recurse=False), *activation.named_children()):
            setattr(self, name, deepcopy(part))


class Hinges(_Copy):
    """SPLASH: a loop over the hinges."""

    a_pos: Tensor
    a_neg: Tensor

    def __init__(self, activation: splash.SPLASH) -> None:
        super().__init__(activation)
        self.b = activation.b

    def forward(self, x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for i, b in enumerate(self.b):
            out = out + along_channels(self.a_pos[i], x) * F.relu(x - b)
            out = out + along_channels(self.a_neg[i], x) * F.relu(-x - b)
        return out


class APL(_Copy):
    a: Tensor
    b: Tensor

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(x)
        for a, b in zip(self.a, self.b, strict=True):
            out = out + along_channels(a, x) * F.relu(along_channels(b, x) - x)
        return out


class Surrogate(nn.Module):
    """ReLU forward, softplus backward, by the usual trick of a difference that is cut from the graph."""

    def __init__(self, activation: smooth.ReLUSmoothGradient) -> None:
        super().__init__()
        self.alpha = activation.alpha

    def forward(self, x: Tensor) -> Tensor:
        soft = F.softplus(self.alpha * x) / self.alpha
        return soft + (F.relu(x) - soft).detach()


class Maxout(_Copy):
    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        pieces = [F.conv2d(x, w[:, :, None, None], b) for w, b in zip(weight, bias, strict=True)]
        return torch.stack(pieces).max(dim=0).values


class Sparta(_Copy):
    weight: Tensor

    def g(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype).expand(x.shape[1], -1, -1, -1)
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=x.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.g(x))


class SpartaReLU(Sparta):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * F.relu(x) * torch.sigmoid(self.g(x))


class FReLU(Sparta):
    norm: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.norm(self.g(x)))


NAIVE: dict[type[Activation], type[nn.Module]] = {
    splash.SPLASH: Hinges,
    reference.APL: APL,
    smooth.ReLUSmoothGradient: Surrogate,
    reference.Maxout: Maxout,
    sparta.Sparta: Sparta,
    sparta.SpartaReLU: SpartaReLU,
    sparta.FReLU: FReLU,
}
