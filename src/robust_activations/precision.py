"""Float32 that is float32, on a GPU too; and bfloat16, on a CPU that has none too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

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
        return lambda: _bfloat16(device)
    raise UserError(f"unknown precision {precision!r}; it is fp32 or bf16")


@contextmanager
def _bfloat16(device: torch.device) -> Iterator[None]:
    rounded = device.type == "cpu" and not has_bfloat16()
    with torch.autocast(device.type, dtype=torch.bfloat16), RoundedConvolutions() if rounded else nullcontext():
        yield


def has_bfloat16() -> bool:
    """Has PyTorch fast convolutions in bfloat16 on this CPU? On x86 that takes AVX-512."""
    return bool(getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)())


class RoundedConvolutions(TorchFunctionMode):
    """Under autocast on a CPU, convolutions in float32 of what was rounded to bfloat16, and rounded again.

    So a CPU with bfloat16 makes them: numbers are bfloat16, sums are float32. One without is more than ten times slower
    at its own bfloat16 (measured with AVX2) than at float32.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.conv2d or not torch.is_autocast_enabled("cpu"):
            return func(*args, **kwargs)
        images = args[0] if args else kwargs["input"]
        if images.dtype is torch.float64:  # which autocast leaves alone
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            rounded = func(*map(_rounded, args), **{name: _rounded(value) for name, value in kwargs.items()})
        return rounded.bfloat16()


def _rounded(value: Any) -> Any:
    return value.bfloat16().float() if isinstance(value, torch.Tensor) else value
