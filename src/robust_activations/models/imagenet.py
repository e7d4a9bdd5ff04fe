"""ImageNet models: torchvision's, with their activations replaced.

torchvision's names stay in the state dict, so its weights can be loaded. A ResNet's calls are split first, because
its blocks call one ReLU two or three times. In an EfficientNet every SiLU is replaced, in squeeze-and-excitation too,
whose sigmoid stays: that is a gate and no activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations._torchvision import torchvision
from robust_activations.activations import Factory
from robust_activations.errors import UserError
from robust_activations.models.layers import Statistics, normalizer
from robust_activations.models.replace import split_calls, swap

_resnet = torchvision.models.resnet
_efficientnet = torchvision.models.efficientnet

# What the replacement runs once to count channels; any size that survives five halvings would do.
_EXAMPLE = (1, 3, 32, 32)


class ResNet(_resnet.ResNet):
    """torchvision's ResNet, on pixels in [0, 1].

    **Arguments**: `depths` of the four stages; `groups` and `width_per_group` of the 3x3 convolutions (ResNeXt);
    `basic` blocks of two 3x3 convolutions (ResNet-18, -34) in place of bottlenecks; `zero_init`: the scale of each
    block's last BatchNorm starts at 0, and so the block at the identity (Goyal et al. 2017).
    """

    def __init__(
        self,
        depths: Sequence[int],
        activation: Factory,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        normalize: Statistics | None = None,
        groups: int = 1,
        width_per_group: int = 64,
        basic: bool = False,
        zero_init: bool = False,
    ) -> None:
        block = _resnet.BasicBlock if basic else _resnet.Bottleneck
        super().__init__(block, list(depths), num_classes, zero_init, groups, width_per_group)
        self.normalize = _first_layer(normalize, in_channels)
        swap(split_calls(self, nn.ReLU), nn.ReLU, activation, torch.zeros(_EXAMPLE))

    # No shapes in the annotation: torch.fx traces this with a proxy, which has none.
    def forward(self, x: Any) -> Any:
        return super().forward(self.normalize(x))


class EfficientNet(_efficientnet.EfficientNet):
    """torchvision's EfficientNet, on pixels in [0, 1].

    **Arguments**: `width` and `depth` are Tan and Le's factors for channels and layers, 1 for B0; `dropout` before
    the last layer; `slow_norm`, TensorFlow's BatchNorm (momentum 0.01, ε = 0.001), as torchvision has it from B5 on.
    """

    def __init__(
        self,
        activation: Factory,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        normalize: Statistics | None = None,
        width: float = 1.0,
        depth: float = 1.0,
        dropout: float = 0.2,
        slow_norm: bool = False,
    ) -> None:
        stage = partial(_efficientnet.MBConvConfig, width_mult=width, depth_mult=depth)
        super().__init__(
            [  # expansion, kernel, stride, channels in and out, layers: Tan and Le (2019), Table 1
                stage(1, 3, 1, 32, 16, 1),
                stage(6, 3, 2, 16, 24, 2),
                stage(6, 5, 2, 24, 40, 2),
                stage(6, 3, 2, 40, 80, 3),
                stage(6, 5, 1, 80, 112, 3),
                stage(6, 5, 2, 112, 192, 4),
                stage(6, 3, 1, 192, 320, 1),
            ],
            dropout,
            num_classes=num_classes,
            norm_layer=partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if slow_norm else None,
        )
        self.normalize = _first_layer(normalize, in_channels)
        swap(self, nn.SiLU, activation, torch.zeros(_EXAMPLE))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return super().forward(self.normalize(x))


def _first_layer(normalize: Statistics | None, in_channels: int) -> nn.Module:
    if in_channels != 3:
        raise UserError(f"ImageNet models take 3 input channels, not {in_channels}; repeat a grey image's channel")
    return normalizer(normalize, in_channels)
