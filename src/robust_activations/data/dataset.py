"""A dataset, the digest that names its content, and stratified choices from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from robust_activations.checks import check_labels
from robust_activations.data.image_files import Pixels
from robust_activations.errors import UserError


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hexadecimal) of named tensors, the same on every machine.

    Tensor by tensor in the order given: the ASCII line ``name dtype 60000x1x28x28`` with a line feed, then the
    elements in row-major order, little-endian.
    """
    sha = hashlib.sha256()
    for name, tensor in tensors.items():
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        sha.update(f"{name} {array.dtype.name} {'x'.join(map(str, array.shape))}\n".encode())
        sha.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)
    return sha.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of both splits, as they are stored: uint8 pixels, no augmentation, no normalisation.

    The images are tensors in memory, or `ImageFiles`, which stand for them.
    Raises `UserError` where the splits do not fit together or a label is out of range.
    """

    name: str
    train_images: UInt8[Pixels, "n c h w"]
    train_labels: Int[Tensor, " n"]
    test_images: UInt8[Pixels, "m c h w"]
    test_labels: Int[Tensor, " m"]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        for split, images, labels in (
            ("train", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            if images.dtype != torch.uint8 or images.ndim != 4 or len(images) != len(labels) or not len(images):
                raise UserError(
                    f"{self.name}: the {split} split needs uint8 images (n, c, h, w) and n labels, "
                    f"not {tuple(images.shape)} and {tuple(labels.shape)}"
                )
            check_labels(labels, self.num_classes)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise UserError(f"{self.name}: the images of the two splits differ in shape; make them alike")

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def tensors(self) -> dict[str, Any]:
        """The four tensors by name, in the order in which they are hashed and stored."""
        return {key: getattr(self, key) for key in ("train_images", "train_labels", "test_images", "test_labels")}

    @cached_property
    def sha256(self) -> str:
        """`digest` of the four tensors: says in a record which data it was made from (names of classes left out)."""
        return digest(self.tensors)

    @cached_property
    def mean(self) -> tuple[float, ...]:
        """Mean of the training pixels, in [0, 1], per channel."""
        return tuple((self._histogram @ _LEVELS).tolist())

    @cached_property
    def std(self) -> tuple[float, ...]:
        """Standard deviation (divided by n, not n - 1) of the training pixels, in [0, 1], per channel."""
        mean = torch.tensor(self.mean, dtype=torch.float64)
        return tuple((self._histogram @ _LEVELS.square() - mean.square()).sqrt().tolist())

    @cached_property
    def _histogram(self) -> Tensor:
        """Share of each of the 256 levels, (c, 256): counts are exact on any device and any number of threads."""
        assert isinstance(self.train_images, Tensor)
        channels = self.train_images.transpose(0, 1).flatten(1)
        counts = torch.stack([torch.bincount(channel, minlength=256) for channel in channels])
        return counts.cpu().double() / channels.shape[1]


_LEVELS = torch.arange(256, dtype=torch.float64) / 255


def stratified(labels: Int[np.ndarray, " n"], k: int, seed: int | None = None) -> Int[np.ndarray, " k"]:
    """Indices, ascending, of `k` labels spread over the classes as all of them are (to within one).

    The labels are sorted by class, within a class in the order given (`seed` None) or shuffled by `seed`; of that
    list k evenly spaced places are taken.
    """
    n = len(labels)
    # RandomState, because NumPy has frozen its stream: another version must not move an image to another split.
    order = np.arange(n) if seed is None else np.random.RandomState(seed).permutation(n)
    by_class = order[np.argsort(labels[order], kind="stable")]
    return np.sort(by_class[(2 * np.arange(k) + 1) * n // (2 * k)])


def hold_out(
    dataset: Dataset, n: int, seed: int = 0
) -> tuple[UInt8[Pixels, "k c h w"], Int[Tensor, " k"], UInt8[Pixels, "n c h w"], Int[Tensor, " n"]]:
    """Keeps `n` training images back, for choosing the best epoch: (images, labels) to train on, then those kept.

    Stratified, fixed by `seed`, disjoint, each part in the order of the dataset; the test split is never touched.
    Raises `UserError` unless 0 < n < number of training images.
    """
    images, labels = dataset.train_images, dataset.train_labels
    if not 0 < n < len(labels):
        raise UserError(f"cannot hold out {n} of {len(labels)} training images; choose 1 to {len(labels) - 1}")
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[torch.from_numpy(stratified(labels.cpu().numpy(), n, seed))] = True
    held = held.to(labels.device)
    return images[~held], labels[~held], images[held], labels[held]
