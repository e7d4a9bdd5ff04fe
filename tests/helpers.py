"""Small things that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from robust_activations import data, models
from robust_activations.attacks import PGD, Threat
from robust_activations.errors import UserError
from robust_activations.training import Images, Objective, Schedule, train


@contextmanager
def unchecked() -> Iterator[None]:
    """Without the check of annotations, which torch.compile cannot follow and which sees wrong types before we do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(n: int, c: int = 3, h: int = 8, w: int = 8, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (n, c, h, w), dtype=torch.uint8, generator=seeded(seed))


def numbered(n: int) -> tuple[Tensor, Tensor]:
    """n ≤ 256 images of one pixel each, whose grey level is their label is their index."""
    return torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1), torch.arange(n)


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def perturb(module: nn.Module, seed: int = 0, scale: float = 0.3) -> nn.Module:
    """Moves every parameter and every running statistic away from where it starts, and gives the module back."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += scale * (0.5 + torch.rand(parameter.shape, generator=generator)).to(parameter.dtype)
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point() and "running" in name:
                buffer += scale * torch.rand(buffer.shape, generator=generator).to(buffer.dtype)
    return module


def digits_cnn(width: int = 4, seed: int = 0, **options) -> nn.Module:
    """A small digits CNN, the same for the same seed; normalised, as the protocol's."""
    dataset = data.load("digits", download=False)
    torch.manual_seed(seed)
    return models.create("digits_cnn", width=width, normalize=(dataset.mean, dataset.std), **options)


def digits(n: int = 256, held: int = 64) -> Images:
    """The first training images of digits, and others held out."""
    images, labels, held_images, held_labels = data.hold_out(data.load("digits", download=False), held)
    return Images(images[:n], labels[:n], held_images, held_labels)


def digits_test(n: int | None = None) -> tuple[Tensor, Tensor]:
    """Test images of digits as floats in [0, 1], and labels."""
    dataset = data.load("digits", download=False)
    return dataset.test_images[:n].float() / 255, dataset.test_labels[:n]


def tf32() -> tuple[bool, bool]:
    """Whether convolutions, and products of matrices, may be made of it."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    if hasattr(cudnn, "conv"):
        return cudnn.conv.fp32_precision == "tf32", matmul.fp32_precision == "tf32"
    return cudnn.allow_tf32, matmul.allow_tf32


def same_tensors(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Bit for bit the same tensors under the same names."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@cache
def robust_cnn() -> nn.Module:
    """A digits CNN that withstands a part of the attacks of radius 0.15. Leave it as it is: it is made only once."""
    model = digits_cnn(width=8, activation="silu")
    schedule = Schedule(epochs=5, batch_size=64, lr=0.2)
    threat = Threat("linf", "0.15")
    train(model, digits(1000, 100), Objective("pgd_at", PGD(3, step="0.1")), threat, schedule)
    model.zero_grad()
    return model.eval()
