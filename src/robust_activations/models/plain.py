"""Models without shortcuts: the digits CNN, LeNet-5, All-CNN-C and Network-in-Network.

The three published ones had no BatchNorm. Here it stands before each activation unless `batch_norm=False`:
activations with fixed places in input space, such as SPLASH's hinges at 0, ±1, ±2, ±2.5, presuppose inputs of unit
scale, and one form for all keeps activations comparable. The activation on the logits that two of them had is left
out: an attack's margin needs logits of both signs.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations import Factory
from robust_activations.errors import UserError
from robust_activations.models.layers import Denoise, Statistics, conv_unit, initialize, normalizer


class DigitsCNN(nn.Module):
    """Three convolutions for 8x8 images, made to be trained adversarially in seconds on a CPU.

    **Arguments**: `width` of the first layer; the next two have 2 and 4 times as many channels at half the size.
    `blocks` convolutions at each size; `denoise` puts feature denoising behind each size.
    """

    def __init__(
        self,
        activation: Factory,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        normalize: Statistics | None = None,
        width: int = 16,
        image_size: int = 8,
        blocks: int = 1,
        denoise: bool = False,
    ) -> None:
        super().__init__()
        self.normalize = normalizer(normalize, in_channels)
        features: list[nn.Module] = []
        inputs = in_channels
        for outputs in (width, 2 * width, 4 * width):
            features.append(conv_unit(inputs, outputs, 3, activation, stride=1 if outputs == width else 2))
            features += [conv_unit(outputs, outputs, 3, activation) for _ in range(blocks - 1)]
            features += [Denoise(outputs)] if denoise else []
            inputs = outputs
        self.features = nn.Sequential(*features, nn.Flatten())
        side = (image_size + 3) // 4
        self.fc = nn.Linear(4 * width * side * side, num_classes)
        initialize(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.fc(self.features(self.normalize(x)))


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998) as it is built today: convolutions of 6, 16, 120 maps, then 84 units.

    Images smaller than 32x32 are padded to that size, as MNIST's were; what is left of larger ones is averaged.
    Fully connected layers are written as convolutions, as C5 was, so that every activation sees maps.

    **Arguments**: `pool`, "max" as usual today or "avg", close to the original's subsampling.
    """

    def __init__(
        self,
        activation: Factory,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        normalize: Statistics | None = None,
        batch_norm: bool = True,
        pool: str = "max",
    ) -> None:
        super().__init__()
        if pool not in ("max", "avg"):
            raise UserError(f"lenet5: pool is {pool!r}; it must be 'max' or 'avg'")
        self.normalize = normalizer(normalize, in_channels)

        def unit(inputs: int, outputs: int, kernel: int) -> nn.Module:
            return conv_unit(inputs, outputs, kernel, activation, padding=0, batch_norm=batch_norm)

        def subsample() -> nn.Module:
            return nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2)

        self.features = nn.Sequential(
            unit(in_channels, 6, 5), subsample(), unit(6, 16, 5), subsample(), unit(16, 120, 5), unit(120, 84, 1)
        )
        self.fc = nn.Linear(84, num_classes)
        initialize(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        x = self.normalize(x)
        rows, columns = (max(0, 32 - size) for size in x.shape[2:])
        x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return self.fc(self.features(x).mean((2, 3)))


class AllCNN(nn.Module):
    """All-CNN-C (Springenberg et al. 2015): strided convolutions in place of pooling, and no linear layer.

    **Arguments**: `width` of the first three convolutions, the others have twice as many channels; `dropout`
    after each halving of the image (the original: 0.5, and 0.2 on the image, left out here).
    """

    def __init__(
        self,
        activation: Factory,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        normalize: Statistics | None = None,
        batch_norm: bool = True,
        width: int = 96,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()

        def unit(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int | None = None) -> nn.Module:
            return conv_unit(inputs, outputs, kernel, activation, stride=stride, padding=padding, batch_norm=batch_norm)

        self.normalize = normalizer(normalize, in_channels)
        self.features = nn.Sequential(
            unit(in_channels, width, 3),
            unit(width, width, 3),
            unit(width, width, 3, stride=2),
            nn.Dropout(dropout),
            unit(width, 2 * width, 3),
            unit(2 * width, 2 * width, 3),
            unit(2 * width, 2 * width, 3, stride=2),
            nn.Dropout(dropout),
            unit(2 * width, 2 * width, 3, padding=0),
            unit(2 * width, 2 * width, 1),
            nn.Conv2d(2 * width, num_classes, 1),
        )
        initialize(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.features(self.normalize(x)).mean((2, 3))


class NIN(nn.Module):
    """Network-in-Network (Lin et al. 2014) for CIFAR: three convolutions, each followed by two of size 1x1.

    **Arguments**: `width`, 192, from which the narrower 160 and 96 follow in proportion; `dropout` after each
    pooling (the original: 0.5).
    """

    def __init__(
        self,
        activation: Factory,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        normalize: Statistics | None = None,
        batch_norm: bool = True,
        width: int = 192,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()

        def unit(inputs: int, outputs: int, kernel: int) -> nn.Module:
            return conv_unit(inputs, outputs, kernel, activation, batch_norm=batch_norm)

        middle, narrow = (width * 5 + 5) // 6, (width + 1) // 2
        self.normalize = normalizer(normalize, in_channels)
        self.features = nn.Sequential(
            unit(in_channels, width, 5),
            unit(width, middle, 1),
            unit(middle, narrow, 1),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(dropout),
            unit(narrow, width, 5),
            unit(width, width, 1),
            unit(width, width, 1),
            nn.AvgPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(dropout),
            unit(width, width, 3),
            unit(width, width, 1),
            nn.Conv2d(width, num_classes, 1),
        )
        initialize(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k"]:
        return self.features(self.normalize(x)).mean((2, 3))
