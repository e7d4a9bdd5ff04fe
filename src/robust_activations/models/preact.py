"""Pre-activation residual networks (He et al., "Identity Mappings", 2016) and their wide form (Zagoruyko, 2016).

Layers are named and ordered as in RobustBench's wide ResNets, the first home of the PAF paper's checkpoint
(`Dai2021Parameterizing`), so that `load_robustbench` has nothing to do but to fan out the one shared activation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations import Factory
from robust_activations.errors import UserError
from robust_activations.models.layers import Statistics, initialize, normalizer


class PreActBlock(nn.Module):
    """x + conv2(act(bn2(conv1(act(bn1(x)))))); where the shape changes, a 1x1 convolution of act(bn1(x)) replaces x."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Factory) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.activation1 = activation(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.activation2 = activation(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.convShortcut = None
        if stride != 1 or inputs != outputs:
            self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        out = self.activation1(self.bn1(x))
        shortcut = x if self.convShortcut is None else self.convShortcut(out)
        return shortcut + self.conv2(self.activation2(self.bn2(self.conv1(out))))


class Stage(nn.Module):
    """Blocks of one width, of which the first has the stride."""

    def __init__(self, inputs: int, outputs: int, depth: int, stride: int, activation: Factory) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            *(PreActBlock(outputs if i else inputs, outputs, 1 if i else stride, activation) for i in range(depth))
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d i j"]:
        return self.layer(x)


class PreActResNet(nn.Module):
    """A 3x3 stem, stages `block1`, `block2`, ... of which all but the first halve the image, BatchNorm, activation.

    **Arguments**: `stem`, its width; `widths` and `depths` of the stages.
    """

    def __init__(
        self,
        activation: Factory,
        stem: int,
        widths: Sequence[int],
        depths: Sequence[int],
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        normalize: Statistics | None = None,
    ) -> None:
        super().__init__()
        self.normalize = normalizer(normalize, in_channels)
        self.conv1 = nn.Conv2d(in_channels, stem, 3, padding=1, bias=False)
        stages: list[Stage] = []
        inputs = stem
        for width, depth in zip(widths, depths, strict=True):
            stages.append(Stage(inputs, width, depth, 2 if stages else 1, activation))
            self.add_module(f"block{len(stages)}", stages[-1])
            inputs = width
        self.stages = len(stages)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.activation = activation(inputs)
        self.fc = nn.Linear(inputs, num_classes)
        initialize(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = self.conv1(self.normalize(x))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"block{stage}")(x)
        return self.fc(self.activation(self.bn1(x)).mean((2, 3)))


def preact_resnet18(activation: Factory, *, width: int = 64, **common: Any) -> PreActResNet:
    """Pre-activation ResNet-18 with a stem for CIFAR. `width` of the first stage; `common` to all models."""
    return PreActResNet(activation, width, (width, 2 * width, 4 * width, 8 * width), (2, 2, 2, 2), **common)


def wide_resnet(activation: Factory, *, depth: int = 28, widen: int = 10, **common: Any) -> PreActResNet:
    """Wide ResNet with stages of 16, 32 and 64 times `widen` channels.

    **Arguments**: `depth` 6n + 4, which counts the shortcuts' convolutions; `common` to all models.
    """
    blocks, rest = divmod(depth - 4, 6)
    if rest or blocks < 1:
        raise UserError(f"wide ResNet: depth is {depth}; it must be 6n + 4: 10, 16, 22, 28, 34, ...")
    return PreActResNet(activation, 16, (16 * widen, 32 * widen, 64 * widen), (blocks,) * 3, **common)


def load_robustbench(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Loads RobustBench's state dict of a wide ResNet, such as that of `Dai2021Parameterizing`, in place.

    RobustBench's network has one activation, with parameters of shape (1,), under one name in every block; here each
    site has its own name and scalar parameters (or one a channel), all of which receive that value. Keys may begin
    with `module.`, as DataParallel leaves them.

    **Raises** `UserError` that names what does not fit; the model is then unchanged.
    """
    theirs = {key.removeprefix("module."): value for key, value in state_dict.items()}
    ours = model.state_dict()
    sources = {key: re.sub(r"\bactivation\d?\.", "activation.", key) for key in ours}
    wanted = dict.fromkeys(sources.values())
    problems = [f"{key} is missing" for key in wanted if key not in theirs]
    problems += [f"{key} has no place in the model" for key in theirs if key not in wanted]
    fitted = {}
    for key, source in sources.items():
        value, shape = theirs.get(source, ours[key]), ours[key].shape
        if "activation." in source and value.numel() == 1:
            value = value.reshape(()).expand(shape)
        if value.shape != shape:
            problems.append(f"{source} is {tuple(value.shape)}, not {tuple(shape)}")
        fitted[key] = value
    if problems:
        rest = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(f"this state dict is not of this model: {'; '.join(problems[:3])}{rest}")
    with torch.no_grad():
        model.load_state_dict(fitted)
