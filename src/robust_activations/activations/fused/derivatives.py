"""Each activation with its derivatives: the one text from which every fused kernel is made.

A function takes the input and the parameters and gives the value, the slope df/dx, and df/dparameter for each
parameter. It is a list of assignments in a part of Python that three readers understand: run as it is, with the
operations below, it works on tensors; `gpu` hands it to Triton, with Triton's operations; `native` prints it as C++.
So there are no branches but `where`, and no names but its own and those operations.

NaN must come through: `where(x < 0, 0.0, x)` keeps it, `where(x > 0, x, 0.0)` would not.
"""

from __future__ import annotations

import torch
from torch import Tensor

# The operations, as tensors know them; `log1p_unit` is log1p where the argument lies in [0, 1].
absolute, erf, exp, expm1, log1p, log1p_unit, sigmoid, sign, sqrt, where = (
    torch.abs,
    torch.erf,
    torch.exp,
    torch.expm1,
    torch.log1p,
    torch.log1p,
    torch.sigmoid,
    torch.sign,
    torch.sqrt,
    torch.where,
)


def selu(x: Tensor) -> tuple[Tensor, ...]:
    e = expm1(where(x > 0, 0.0, x))
    value = 1.0507009873554805 * where(x > 0, x, 1.6732632423543772 * e)
    slope = 1.0507009873554805 * where(x > 0, 1.0, 1.6732632423543772 * (e + 1))
    return value, slope


def celu(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    e = expm1(where(x > 0, 0.0, x / alpha))
    value = where(x > 0, x, alpha * e)
    slope = where(x > 0, 1.0, e + 1)
    return value, slope


def gelu(x: Tensor) -> tuple[Tensor, ...]:
    distribution = 0.5 + 0.5 * erf(0.7071067811865476 * x)
    density = 0.3989422804014327 * exp(-0.5 * x * x)
    value = x * distribution
    slope = distribution + x * density
    return value, slope


def mish(x: Tensor) -> tuple[Tensor, ...]:
    """With e = exp(-|x|), tanh(log(1 + exp(x))) is a ratio of polynomials of e on either side of 0."""
    e = exp(-absolute(x))
    top = where(x < 0, e * (e + 2), 1 + 2 * e)
    rest = where(x < 0, 2.0, 2 * e * e)
    inverse = 1 / (top + rest)
    tanh = top * inverse
    s = where(x < 0, e, 1.0) / (1 + e)
    value = x * tanh
    slope = tanh + x * (s * ((rest * inverse) * (1 + tanh)))
    return value, slope


def tanh(x: Tensor) -> tuple[Tensor, ...]:
    e = expm1(-2 * absolute(x))
    value = -sign(x) * (e / (e + 2))
    slope = 1 - value * value
    return value, slope


def logistic(x: Tensor) -> tuple[Tensor, ...]:
    value = sigmoid(x)
    slope = value * (1 - value)
    return value, slope


def silu(x: Tensor) -> tuple[Tensor, ...]:
    s = sigmoid(x)
    value = x * s
    slope = s + x * (s * (1 - s))
    return value, slope


def softplus(x: Tensor) -> tuple[Tensor, ...]:
    e = exp(-absolute(x))
    value = where(x < 0, 0.0, x) + log1p_unit(e)
    slope = where(x < 0, e, 1.0) / (1 + e)
    return value, slope


def prelu(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    value = where(x < 0, alpha * x, x)
    slope = where(x > 0, 1.0, alpha)
    d_alpha = where(x < 0, x, 0.0)
    return value, slope, d_alpha


def prelu_plus(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    r = where(x < 0, 0.0, x)
    value = alpha * r
    slope = where(x > 0, alpha, 0.0)
    return value, slope, r


def pelu(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    r = where(x < 0, 0.0, x)
    e = expm1(where(x > 0, 0.0, x))
    value = r + alpha * e
    slope = where(x > 0, 1.0, alpha * (e + 1))
    return value, slope, e


def pelu_plus(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    r = where(x < 0, 0.0, x)
    e = expm1(where(x > 0, 0.0, x))
    value = alpha * r + e
    slope = where(x > 0, alpha, e + 1)
    return value, slope, r


def reblu(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    r = where(x < 0, 0.0, x)
    root = sqrt(r * r + 1)
    curve = r * (r / (root + 1))
    value = r + alpha * curve
    slope = where(x > 0, 1 + alpha * (r / root), 0.0)
    return value, slope, curve


def psilu(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    a = absolute(alpha)
    s = sigmoid(a * x)
    d = x * (s * (1 - s))
    value = x * s
    slope = s + a * d
    d_alpha = sign(alpha) * (x * d)
    return value, slope, d_alpha


def psoftplus(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    a = absolute(alpha)
    inverse = 1 / a
    z = a * x
    e = exp(-absolute(z))
    value = (where(z < 0, 0.0, z) + log1p_unit(e)) * inverse
    slope = where(z < 0, e, 1.0) / (1 + e)
    d_alpha = (sign(alpha) * inverse) * (x * slope - value)
    return value, slope, d_alpha


def pssilu(x: Tensor, alpha: Tensor, beta: Tensor) -> tuple[Tensor, ...]:
    a = absolute(alpha)
    b = absolute(beta)
    scale = 1 / (1 - b)
    s = sigmoid(a * x)
    d = x * (s * (1 - s))
    value = x * ((s - b) * scale)
    slope = ((s - b) + a * d) * scale
    d_alpha = sign(alpha) * (x * d) * scale
    d_beta = sign(beta) * (x * (s - 1)) * (scale * scale)
    return value, slope, d_alpha, d_beta


def smooth_relu(x: Tensor, sharpness: Tensor) -> tuple[Tensor, ...]:
    alpha = sharpness * sharpness
    inverse = 1 / alpha
    r = where(x < 0, 0.0, x)
    u = alpha * r
    log = log1p(u) * inverse
    share = 1 / (1 + u)
    value = r - log
    slope = 1 - share
    d_sharpness = (2 / sharpness) * (log - r * share)
    return value, slope, d_sharpness


def relu_smooth_gradient(x: Tensor, alpha: Tensor) -> tuple[Tensor, ...]:
    """ReLU, with the slope of softplus(alpha x) / alpha; there is no df/dalpha, since the value has none."""
    value = where(x < 0, 0.0, x)
    slope = sigmoid(alpha * x)
    return value, slope


# Every function above, by name.
FUNCTIONS = {
    function.__name__: function
    for function in (
        *(selu, celu, gelu, mish, tanh, logistic, silu, softplus),
        *(prelu, prelu_plus, pelu, pelu_plus, reblu, psilu, psoftplus, pssilu, smooth_relu, relu_smooth_gradient),
    )
}
