"""Spatially attentive activations after Guo et al., "Sparta" (2021).

The paper's formula was not available to us. R1, R2 and R3 are three readings of its abstract: an activation that
depends on the input's spatial neighbourhood, extends ReLU, and relates to Swish and to feature denoising.
None of them is a reproduction of the paper's own form.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations.base import Activation
from robust_activations.errors import UserError

SIDE = 8  # of the learned map that depends on the place alone


class _Spatial(Activation):
    """An activation with a k x k convolution g: depthwise if `channels` is given, else one kernel for all channels.

    **Arguments**

    - `kernel_size`: k, odd. With 1, g(x) at a place depends on x at that place alone.
    - `gate`: what g sees. `"conv"` is the convolution; `"pooled"` convolves the average of x over the image instead
      (k = 1), so that g is the same at every place; `"map"` is a learned map of 8 x 8 numbers, stretched to the
      image, which does not depend on the input (`kernel_size` has no meaning then).
    - `noise`: standard deviation of the normal noise that is added to g's weights at the start.

    **Raises** `UserError` for an even `kernel_size`, an unknown `gate`, or negative noise.
    """

    centre = 0.0

    def __init__(
        self,
        channels: int | None = None,
        *,
        kernel_size: int = 3,
        gate: Literal["conv", "pooled", "map"] = "conv",
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if kernel_size < 1 or kernel_size % 2 != 1:
            raise UserError(f"{name}: kernel_size is {kernel_size}; it must be odd: 1, 3, 5, ...")
        if gate not in ("conv", "pooled", "map"):
            raise UserError(f"{name}: gate is {gate!r}; it is conv, pooled or map")
        if noise < 0:
            raise UserError(f"{name}: noise is {noise}; it must not be negative")
        self.gate = gate
        size = {"conv": kernel_size, "pooled": 1, "map": SIDE}[gate]
        self.weight = nn.Parameter(torch.zeros(channels or 1, 1, size, size))
        if gate != "map":
            nn.init.constant_(self.weight[:, :, size // 2, size // 2], self.centre)
        if noise:
            self.weight.data += noise * torch.randn(self.weight.shape)

    def g(self, x: Tensor) -> Tensor:
        """The convolution, or what stands for it; an input without spatial axes counts as one pixel."""
        image = x if x.dim() == 4 else x[..., None, None]
        channels = image.shape[1]
        weight = self.weight.to(x.dtype).expand(channels, *self.weight.shape[1:])
        if self.gate == "map":
            size = (image.shape[2], image.shape[3])
            stretched = F.interpolate(weight.transpose(0, 1), size, mode="bilinear", align_corners=False)
            return stretched.expand(image.shape).reshape(x.shape)
        seen = image.mean((2, 3), keepdim=True) if self.gate == "pooled" else image
        out = F.conv2d(seen, weight, padding=self.weight.shape[-1] // 2, groups=channels)
        return out.expand(image.shape).reshape(x.shape)


class Sparta(_Spatial):
    r"""R2: :math:`x \, \sigma(g(x))`, g a k x k convolution. Starts as SiLU (the centre of the kernel is 1)."""

    centre = 1.0

    def forward(self, x: Float[Tensor, "n c *space"]) -> Float[Tensor, "n c *space"]:
        return x * torch.sigmoid(self.g(x))


class SpartaReLU(_Spatial):
    r"""R1: :math:`2 \max(0, x) \, \sigma(g(x))`, g a k x k convolution. Starts as ReLU (g = 0)."""

    def forward(self, x: Float[Tensor, "n c *space"]) -> Float[Tensor, "n c *space"]:
        return 2 * F.relu(x) * torch.sigmoid(self.g(x))


class FReLU(_Spatial):
    r"""R3: :math:`\max(x, \mathrm{BN}(g(x)))`, the funnel activation of Ma et al. (2020).

    g starts small and random, but its BatchNorm brings it to unit scale in training from the first step on, so this
    one does not start as ReLU. BatchNorm needs the number of channels: with one kernel for all there is none, and
    g starts at 0, as ReLU.
    """

    def __init__(self, channels: int | None = None, **options: Any) -> None:
        super().__init__(channels, **options)
        self.norm = nn.Identity() if channels is None else nn.BatchNorm2d(channels)
        if channels is not None and not options.get("noise"):
            # BatchNorm of a constant has an ill-conditioned gradient.
            nn.init.normal_(self.weight, std=0.01)

    def forward(self, x: Float[Tensor, "n c *space"]) -> Float[Tensor, "n c *space"]:
        g = self.g(x)
        g = self.norm(g if g.dim() == 4 else g[..., None, None]).reshape(x.shape)
        # Not torch.maximum: it halves the gradient where both are equal, as at the start.
        return torch.where(x > g, x, g)
