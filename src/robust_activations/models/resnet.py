"""Residual networks for small images (He, Zhang, Ren and Sun, "Deep Residual Learning", 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations import Factory
from robust_activations.errors import UserError
from robust_activations.models.layers import Denoise, Statistics, conv_unit, initialize, normalizer


class ZeroPadShortcut(nn.Module):
    """He et al.'s option A: every second pixel, and zeros for the channels that are new. It has no parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.new_channels = outputs - inputs
        self.stride = stride

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        # Every second pixel as a pooling of one pixel, whose gradient, unlike that of a slice, keeps channels_last.
        return F.pad(F.avg_pool2d(x, 1, self.stride), (0, 0, 0, 0, 0, self.new_channels))


def projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    """He et al.'s option B: a 1x1 convolution and BatchNorm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """act(shortcut(x) + BN(conv(act(BN(conv(x)))))), both convolutions 3x3."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Factory, option_a: bool) -> None:
        super().__init__()
        self.first = conv_unit(inputs, outputs, 3, activation, stride=stride)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = (ZeroPadShortcut if option_a else projection)(inputs, outputs, stride)
        self.act = activation(outputs)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        return self.act(self.shortcut(x) + self.bn(self.conv(self.first(x))))


class ResNet(nn.Module):
    """A 3x3 stem, stages of blocks of which all but the first halve the image, average, linear layer.

    **Arguments**: `widths` and `depths` of the stages; `option_a` for shortcuts without parameters; `denoise` puts
    feature denoising behind every stage.
    """

    def __init__(
        self,
        activation: Factory,
        widths: Sequence[int],
        depths: Sequence[int],
        *,
        option_a: bool = False,
        denoise: bool = False,
        num_classes: int = 10,
        in_channels: int = 3,
        normalize: Statistics | None = None,
    ) -> None:
        super().__init__()
        self.normalize = normalizer(normalize, in_channels)
        self.stem = conv_unit(in_channels, widths[0], 3, activation)
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(Block(inputs, width, stride, activation, option_a))
                inputs = width
            if denoise:
                blocks.append(Denoise(width))
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, num_classes)
        initialize(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.fc(self.blocks(self.stem(self.normalize(x))).mean((2, 3)))


def resnet20(activation: Factory, *, depth: int = 20, width: int = 16, denoise: bool = False, **common: Any) -> ResNet:
    """ResNet for CIFAR with three stages and shortcuts without parameters (option A).

    **Arguments**: `depth` 6n + 2: 20, 32, 44, 56, 110; `width` of the first stage; `denoise`, see `ResNet`; `common`
    to all models.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise UserError(f"resnet20: depth is {depth}; it must be 6n + 2: 8, 14, 20, 32, ...")
    return ResNet(activation, (width, 2 * width, 4 * width), (blocks,) * 3, option_a=True, denoise=denoise, **common)


def resnet18(activation: Factory, *, width: int = 64, denoise: bool = False, **common: Any) -> ResNet:
    """ImageNet's ResNet-18 with a stem for CIFAR: 3x3, stride 1, no pooling.

    **Arguments**: `width` of the first stage; `denoise`, see `ResNet`; `common` to all models.
    """
    return ResNet(activation, (width, 2 * width, 4 * width, 8 * width), (2, 2, 2, 2), denoise=denoise, **common)


def resnet34(activation: Factory, *, width: int = 64, **common: Any) -> ResNet:
    """ResNet-34 with the same stem."""
    return ResNet(activation, (width, 2 * width, 4 * width, 8 * width), (3, 4, 6, 3), **common)
