"""Models of the four papers, built with any activation.

create("resnet20", activation="splash")                       # 19 sites, each with its own SPLASH
create("wrn28_10", activation="pssilu", num_classes=10)       # one PSSiLU for the whole network, as in the paper
replace(torchvision.models.vgg16(), nn.ReLU, "prelu", share="layer")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from robust_activations.activations import factory
from robust_activations.errors import UserError, unknown
from robust_activations.models.layers import Normalize, Statistics
from robust_activations.models.plain import NIN, AllCNN, DigitsCNN, LeNet5
from robust_activations.models.preact import load_robustbench, preact_resnet18, wide_resnet
from robust_activations.models.replace import replace, sites, split_calls
from robust_activations.models.resnet import resnet18, resnet20, resnet34

__all__ = [
    "REGISTRY",
    "Entry",
    "Normalize",
    "create",
    "load_robustbench",
    "names",
    "replace",
    "sites",
    "split_calls",
]


@dataclass(frozen=True)
class Entry:
    """A row of the registry: how to build the model, and for which images it was made.

    `size` is the side of the images, in pixels; for ImageNet's models that of the paper they come from.
    """

    build: Callable[..., nn.Module]
    title: str
    size: int = 32
    channels: int = 3
    classes: int = 10

    def options(self) -> dict[str, Any]:
        """The options of `build` with their defaults, beyond those that all models have."""
        return {
            name: parameter.default
            for name, parameter in inspect.signature(self.build).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY and name not in _COMMON
        }


_COMMON = ("num_classes", "in_channels", "normalize")


class _ImageNet:
    """A model of `models.imagenet`, imported when it is asked for: torchvision takes as long as all else together."""

    def __init__(self, cls: str, *args: Any, **keywords: Any) -> None:
        self.cls, self.args, self.keywords = cls, args, keywords

    @property
    def build(self) -> Callable[..., nn.Module]:
        from robust_activations.models import imagenet

        return partial(getattr(imagenet, self.cls), *self.args, **self.keywords)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.build)

    def __call__(self, *args: Any, **options: Any) -> nn.Module:
        return self.build(*args, **options)


def _imagenet(build: _ImageNet, title: str, size: int = 224) -> Entry:
    return Entry(build, title, size, classes=1000)


def _efficientnet(version: str, width: float, depth: float, size: int, dropout: float) -> Entry:
    slow_norm = size >= 456
    build = _ImageNet("EfficientNet", width=width, depth=depth, dropout=dropout, slow_norm=slow_norm)
    return _imagenet(build, f"EfficientNet-{version}", size)


def _resnext(depths: tuple[int, ...], width: int, title: str) -> Entry:
    return _imagenet(_ImageNet("ResNet", depths, groups=32, width_per_group=width), title)


REGISTRY: dict[str, Entry] = {
    "digits_cnn": Entry(DigitsCNN, "Digits CNN", size=8, channels=1),
    "lenet5": Entry(LeNet5, "LeNet-5", size=28, channels=1),
    "all_cnn": Entry(AllCNN, "All-CNN-C"),
    "nin": Entry(NIN, "Network-in-Network"),
    "resnet20": Entry(resnet20, "ResNet-20"),
    "resnet32": Entry(partial(resnet20, depth=32), "ResNet-32"),
    "resnet56": Entry(partial(resnet20, depth=56), "ResNet-56"),
    "resnet18": Entry(resnet18, "ResNet-18"),
    "resnet34": Entry(resnet34, "ResNet-34"),
    "preact_resnet18": Entry(preact_resnet18, "PreAct ResNet-18"),
    "wrn28_10": Entry(wide_resnet, "WRN-28-10"),
    "wrn34_10": Entry(partial(wide_resnet, depth=34), "WRN-34-10"),
    "imagenet_resnet18": _imagenet(_ImageNet("ResNet", (2, 2, 2, 2), basic=True), "ResNet-18 for ImageNet"),
    "resnet50": _imagenet(_ImageNet("ResNet", (3, 4, 6, 3)), "ResNet-50"),
    "resnet101": _imagenet(_ImageNet("ResNet", (3, 4, 23, 3)), "ResNet-101"),
    "resnet152": _imagenet(_ImageNet("ResNet", (3, 8, 36, 3)), "ResNet-152"),
    "resnext50_32x4d": _resnext((3, 4, 6, 3), 4, "ResNeXt-50 32x4d"),
    "resnext50_32x8d": _resnext((3, 4, 6, 3), 8, "ResNeXt-50 32x8d"),
    "resnext101_32x8d": _resnext((3, 4, 23, 3), 8, "ResNeXt-101 32x8d"),
    "resnext152_32x8d": _resnext((3, 8, 36, 3), 8, "ResNeXt-152 32x8d"),
    "efficientnet_b0": _efficientnet("B0", 1.0, 1.0, 224, 0.2),
    "efficientnet_b1": _efficientnet("B1", 1.0, 1.1, 240, 0.2),
    "efficientnet_b2": _efficientnet("B2", 1.1, 1.2, 260, 0.3),
    "efficientnet_b3": _efficientnet("B3", 1.2, 1.4, 300, 0.3),
    "efficientnet_b4": _efficientnet("B4", 1.4, 1.8, 380, 0.4),
    "efficientnet_b5": _efficientnet("B5", 1.6, 2.2, 456, 0.4),
    "efficientnet_b6": _efficientnet("B6", 1.8, 2.6, 528, 0.5),
    "efficientnet_b7": _efficientnet("B7", 2.0, 3.1, 600, 0.5),
    # Smooth Adversarial Training's largest model.
    "efficientnet_l1": _efficientnet("L1", 3.9, 3.7, 600, 0.5),
}


def names() -> list[str]:
    """Every model there is."""
    return list(REGISTRY)


def create(
    name: str,
    *,
    activation: str = "relu",
    share: str | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
    normalize: Statistics | None = None,
    activation_options: dict[str, Any] | None = None,
    **options: Any,
) -> nn.Module:
    """A model by name, with random weights: pixels in [0, 1], (n, c, h, w), to logits (n, k).

    **Arguments**

    - `activation`, `share`, `activation_options`: as in `activations.create`.
    - `num_classes`, `in_channels`: `None` is what the model was made for, 10 classes (ImageNet: 1000) and 3 channels
      (digits, LeNet-5: 1).
    - `normalize`: mean and standard deviation per channel for the first layer, called `normalize`; `None` for none.
    - `options`: the model's own, `REGISTRY[name].options()`, such as `width=8`.

    **Raises** `UserError` for unknown names and options, and for values that no model can have.
    """
    if name not in REGISTRY:
        raise unknown("model", name, REGISTRY)
    entry = REGISTRY[name]
    num_classes = entry.classes if num_classes is None else num_classes
    in_channels = entry.channels if in_channels is None else in_channels
    defaults = entry.options()
    for key, value in options.items():
        if key not in defaults:
            raise unknown(f"option of {name}", key, defaults)
        _check(name, key, value, type(defaults[key]))
    _check(name, "in_channels", in_channels, int)
    _check(name, "num_classes", num_classes, int, least=2)
    make = factory(activation, share=share, **(activation_options or {}))
    try:
        return entry.build(make, num_classes=num_classes, in_channels=in_channels, normalize=normalize, **options)
    except UserError:
        raise
    except ValueError as error:  # torch's and torchvision's own checks, such as a dropout above 1
        raise UserError(f"{name}: {error}") from error


def _check(model: str, name: str, value: Any, kind: type, *, least: int = 1) -> None:
    """Raises `UserError` unless the option's value is of its kind; whole numbers are sizes, `least` or greater."""
    if kind is int and (type(value) is not int or value < least):
        raise UserError(f"{model}: {name} is {value!r}; it must be a whole number, {least} or greater")
    if kind is float and (type(value) not in (int, float) or not value >= 0):
        raise UserError(f"{model}: {name} is {value!r}; it must be a number, 0 or greater")
    if kind in (bool, str) and type(value) is not kind:
        raise UserError(f"{model}: {name} is {value!r}; it must be a {kind.__name__}")
