"""Float32 that is float32, on a GPU too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from robust_activations.errors import UserError


@contextmanager
def true_float32() -> Iterator[None]:
    """No TF32, of which PyTorch makes its float32 convolutions on a GPU unless told not to."""
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    # Of two ways to say it the newer, which torch has from 2.9 on: a caller who uses that cannot read the older one.
    newer = hasattr(cudnn, "conv")
    name, off = ("fp32_precision", "ieee") if newer else ("allow_tf32", False)
    kept = (cudnn.conv if newer else cudnn, matmul)
    before = [getattr(one, name) for one in kept]
    try:
        for one in kept:
            setattr(one, name, off)
        yield
    finally:
        for one, value in zip(kept, before, strict=True):
            setattr(one, name, value)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """True float32 everywhere: no TF32 and no autocast."""
    with true_float32(), torch.autocast(device.type, enabled=False):
        yield


def precision_context(precision: str, device: torch.device) -> Callable[[], AbstractContextManager]:
    """`fp32`, or `bf16` by autocast: weights stay in float32, convolutions and products run in bfloat16."""
    if precision == "fp32":
        return nullcontext
    if precision == "bf16":
        return lambda: torch.autocast(device.type, dtype=torch.bfloat16)
    raise UserError(f"unknown precision {precision!r}; it is fp32 or bf16")
