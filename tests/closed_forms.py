"""Closed forms of the elementwise activations, written again with numpy, and the parameters to try them at."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import erf
from torch import nn

from robust_activations import activations
from robust_activations.activations import create

# No kink lies on these points.
X = np.linspace(-6.013, 5.987, 97)


def make(name: str, share: str | None = None, channels: int = 3, **options) -> activations.Activation:
    torch.manual_seed(0)  # APL and FReLU start at random
    return create(name, share=share, channels=channels, **options)


def sigma(x):
    return 1 / (1 + np.exp(-x))


def step(x):
    return (x > 0).astype(float)


# Value and derivative at x, given the parameters in their order.
SELU = (1.0507009873554804934193349852946, 1.6732632423543772848170429916717)
CLOSED = {
    "relu": (lambda x: np.maximum(x, 0), step),
    "leaky_relu": (lambda x, alpha: np.where(x > 0, x, alpha * x), lambda x, alpha: np.where(x > 0, 1, alpha)),
    "elu": (
        lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
        lambda x, alpha: np.where(x > 0, 1, alpha * np.exp(x)),
    ),
    "celu": (
        lambda x, alpha: np.maximum(x, 0) + np.minimum(0, alpha * (np.exp(x / alpha) - 1)),
        lambda x, alpha: np.where(x > 0, 1, np.exp(x / alpha)),
    ),
    "selu": (
        lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * (np.exp(x) - 1)),
        lambda x: SELU[0] * np.where(x > 0, 1, SELU[1] * np.exp(x)),
    ),
    "softplus": (lambda x: np.log(1 + np.exp(x)), sigma),
    "silu": (lambda x: x * sigma(x), lambda x: sigma(x) * (1 + x * (1 - sigma(x)))),
    "gelu": (
        lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
        lambda x: (1 + erf(x / math.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    ),
    "mish": (
        lambda x: x * np.tanh(np.log(1 + np.exp(x))),
        lambda x: np.tanh(np.log(1 + np.exp(x))) + x * sigma(x) / np.cosh(np.log(1 + np.exp(x))) ** 2,
    ),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "sigmoid": (sigma, lambda x: sigma(x) * sigma(-x)),
    "apl": (
        lambda x, a, b: np.maximum(x, 0) + sum(s * np.maximum(0, -x + t) for s, t in zip(a, b, strict=True)),
        lambda x, a, b: step(x) - sum(s * step(t - x) for s, t in zip(a, b, strict=True)),
    ),
    "prelu": (lambda x, alpha: np.where(x > 0, x, alpha * x), lambda x, alpha: np.where(x > 0, 1, alpha)),
    "prelu_plus": (lambda x, alpha: np.where(x > 0, alpha * x, 0), lambda x, alpha: np.where(x > 0, alpha, 0)),
    "pelu": (
        lambda x, alpha: np.where(x > 0, x, alpha * (np.exp(x) - 1)),
        lambda x, alpha: np.where(x > 0, 1, alpha * np.exp(x)),
    ),
    "pelu_plus": (
        lambda x, alpha: np.where(x > 0, alpha * x, np.exp(x) - 1),
        lambda x, alpha: np.where(x > 0, alpha, np.exp(x)),
    ),
    "reblu": (
        lambda x, alpha: np.where(x > 0, x + alpha * (np.sqrt(x * x + 1) - 1), 0),
        lambda x, alpha: np.where(x > 0, 1 + alpha * x / np.sqrt(x * x + 1), 0),
    ),
    "psilu": (
        lambda x, alpha: x * sigma(abs(alpha) * x),
        lambda x, alpha: sigma(abs(alpha) * x) * (1 + abs(alpha) * x * sigma(-abs(alpha) * x)),
    ),
    "psoftplus": (
        lambda x, alpha: np.log(1 + np.exp(abs(alpha) * x)) / abs(alpha),
        lambda x, alpha: sigma(abs(alpha) * x),
    ),
    "pssilu": (
        lambda x, alpha, beta: x * (sigma(abs(alpha) * x) - abs(beta)) / (1 - abs(beta)),
        lambda x, alpha, beta: (
            (sigma(abs(alpha) * x) - abs(beta) + abs(alpha) * x * sigma(abs(alpha) * x) * sigma(-abs(alpha) * x))
            / (1 - abs(beta))
        ),
    ),
    "parametric_softplus": (
        lambda x, alpha: np.log(1 + np.exp(alpha * x)) / alpha,
        lambda x, alpha: sigma(alpha * x),
    ),
    "smooth_relu": (
        lambda x, sharpness: np.where(x > 0, x - np.log(sharpness**2 * np.abs(x) + 1) / sharpness**2, 0),
        lambda x, sharpness: np.where(x > 0, sharpness**2 * x / (sharpness**2 * np.abs(x) + 1), 0),
    ),
    # The derivative is the smooth one where it is switched on.
    "relu_smooth_gradient": (lambda x, alpha: np.maximum(x, 0), lambda x, alpha: sigma(alpha * x)),
    "splash": (
        lambda x, pos, neg, b: sum(
            p * np.maximum(0, x - h) + n * np.maximum(0, -x - h) for p, n, h in zip(pos, neg, b, strict=True)
        ),
        lambda x, pos, neg, b: sum(p * step(x - h) - n * step(-x - h) for p, n, h in zip(pos, neg, b, strict=True)),
    ),
}
# The initial values as the papers have them, then others, of both signs where the formula takes them.
VALUES = {
    "leaky_relu": [{"alpha": 0.01}, {"alpha": 0.2}],
    "elu": [{"alpha": 1.0}, {"alpha": 0.4}],
    "celu": [{"alpha": 1.0}, {"alpha": 0.4}],
    "prelu": [{"alpha": 0.0}, {"alpha": 0.25}, {"alpha": -0.3}],
    "prelu_plus": [{"alpha": 1.0}, {"alpha": 1.7}, {"alpha": -0.4}],
    "pelu": [{"alpha": 1.0}, {"alpha": 0.3}, {"alpha": -0.6}],
    "pelu_plus": [{"alpha": 1.0}, {"alpha": 1.4}, {"alpha": -0.2}],
    "reblu": [{"alpha": 0.0}, {"alpha": 0.7}, {"alpha": -0.5}],
    "psilu": [{"alpha": 1.0}, {"alpha": 4.0}, {"alpha": -2.5}, {"alpha": 0.0}],
    "psoftplus": [{"alpha": 1.0}, {"alpha": 5.0}, {"alpha": -0.2}],
    "pssilu": [{"alpha": 1.0, "beta": 1e-8}, {"alpha": 2.0, "beta": 0.42}, {"alpha": -3.0, "beta": -0.3}],
    "parametric_softplus": [{"alpha": 10.0}, {"alpha": 2.0}],
    "smooth_relu": [{"sharpness": 20.0}, {"sharpness": 1.3}, {"sharpness": -2.0}],
    "relu_smooth_gradient": [{"alpha": 10.0}, {"alpha": 3.0}],
}
CASES = [(name, values) for name in CLOSED for values in VALUES.get(name, [{}])]


def arguments(module: nn.Module) -> list:
    """What the closed form of this activation wants after x."""
    if hasattr(module, "a_pos"):
        return [module.a_pos.tolist(), module.a_neg.tolist(), module.b]
    if hasattr(module, "a"):
        return [module.a.tolist(), module.b.tolist()]
    values = (getattr(module, name) for name in module.values)
    return [value.item() if isinstance(value, torch.Tensor) else value for value in values]


def points(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)
