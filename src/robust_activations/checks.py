"""Checks of what comes from outside: one line that says what is wrong, instead of a wrong number later."""

from __future__ import annotations

import torch
from torch import Tensor

from robust_activations.errors import UserError


def check_images(images: Tensor) -> None:
    """Raises `UserError` unless `images` is a floating tensor (n, c, h, w), not empty, of values in [0, 1], no NaN."""
    if images.ndim != 4 or images.numel() == 0:
        raise UserError(
            f"images must have the shape (n, c, h, w), none of it empty, not {tuple(images.shape)}; reshape them"
        )
    if not images.is_floating_point():
        raise UserError(f"images must be floating point in [0, 1], not {_name(images)}; divide pixels by 255")
    low, high = (bound.item() for bound in images.detach().aminmax())
    if low != low:  # aminmax hands a NaN on
        raise UserError("images contain NaN; repair or remove them")
    if low < 0 or high > 1:
        raise UserError(
            f"images must lie in [0, 1], not [{low:.4g}, {high:.4g}]; divide pixels by 255 and leave the "
            "normalisation to the model's first layer"
        )


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Raises `UserError` unless `labels` is an int64 tensor (n,) of values in 0 … `num_classes` - 1."""
    if labels.ndim != 1 or labels.dtype != torch.int64:
        raise UserError(
            f"labels must be int64 of shape (n,), not {_name(labels)} of shape {tuple(labels.shape)}; convert them"
        )
    if labels.numel() == 0:
        return
    low, high = (int(bound.item()) for bound in labels.aminmax())
    if low < 0 or high >= num_classes:
        raise UserError(
            f"labels must lie in 0..{num_classes - 1}, not {low}..{high}; check the labels or the number of classes"
        )


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
