"""The parts that several families of models are built from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations import Factory
from robust_activations.errors import UserError

# Mean and standard deviation per channel; a Normalize is made of them.
Statistics = tuple[Sequence[float], Sequence[float]]


class Normalize(nn.Module):
    r""":math:`(x - \mu) / \sigma` per channel: the first layer of a model, so that attacks act on pixels.

    **Arguments**: `mean` and `std`, one number for each channel, in units of pixels in [0, 1].

    **Raises** `UserError` when they differ in length or a standard deviation is not positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(s > 0 for s in std):
            raise UserError(f"normalize takes as many means as positive standard deviations, not {mean}, {std}")
        # Constants of the model, not weights: they stay out of the state dict, which keeps its layout.
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor([[[float(value)]] for value in values]), persistent=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return (x - self.mean) / self.std

    def extra_repr(self) -> str:
        return f"mean={self.mean.flatten().tolist()}, std={self.std.flatten().tolist()}"


def normalizer(statistics: Statistics | None, channels: int) -> nn.Module:
    """The first layer of a model with so many input channels; the identity for None."""
    if statistics is None:
        return nn.Identity()
    if len(statistics[0]) != channels:
        raise UserError(f"normalize has {len(statistics[0])} means for {channels} input channels")
    return Normalize(*statistics)


def conv_unit(
    inputs: int,
    outputs: int,
    kernel: int,
    activation: Factory,
    *,
    stride: int = 1,
    padding: int | None = None,
    batch_norm: bool = True,
) -> nn.Sequential:
    """Convolution, BatchNorm, activation. `padding` None keeps the image's size (at stride 1)."""
    padding = kernel // 2 if padding is None else padding
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not batch_norm)
    norm = [nn.BatchNorm2d(outputs)] if batch_norm else []
    return nn.Sequential(conv, *norm, activation(outputs))


class Denoise(nn.Module):
    r"""Feature denoising of Xie et al. (2019): :math:`x + \mathrm{BN}(w * m(x))`, m the non-local mean.

    m averages the features of all places, weighted by the softmax of :math:`\theta(x_i) \cdot \phi(x_j) / \sqrt d`;
    :math:`w, \theta, \phi` are 1x1 convolutions, the last two to half as many channels d. Starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        d = max(1, channels // 2)
        self.theta, self.phi = nn.Conv2d(channels, d, 1, bias=False), nn.Conv2d(channels, d, 1, bias=False)
        self.conv, self.bn = nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn.weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        query, key, value = (one.flatten(2).transpose(1, 2)[:, None] for one in (self.theta(x), self.phi(x), x))
        # Zeros change no product, and make all three as wide as the fused kernels want them.
        d, pad = query.shape[-1], (0, value.shape[-1] - query.shape[-1])
        mean = F.scaled_dot_product_attention(F.pad(query, pad), F.pad(key, pad), value, scale=d**-0.5)
        return x + self.bn(self.conv(mean[:, 0].transpose(1, 2).reshape(x.shape)))


def initialize(model: nn.Module) -> None:
    r"""He et al. (2015) for convolutions, :math:`\mathcal N(0, 2 / (k^2 c_{out}))`; linear biases start at 0."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
