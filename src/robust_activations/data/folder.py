"""Any folder of images: PATH/train/CLASS/IMAGE and PATH/val/CLASS/IMAGE, or test/ in place of val/."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from robust_activations.data.cache import cached
from robust_activations.data.dataset import Dataset
from robust_activations.data.image_files import read_square
from robust_activations.errors import UserError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp"}

# Each class and its images, as paths below the folder.
Listing = list[tuple[str, list[str]]]


def folder(name: str, path: Path, image_size: int, cache: Path, classes: tuple[str, ...] | None = None) -> Dataset:
    """The images below `path` as RGB squares of `image_size` pixels, called `name`, and kept in the folder `cache`.

    The shorter side is resized to `image_size` (bicubic), the middle is cut out; images of that size stay as they are.
    Both splits are ordered so that every stretch of images holds the classes in their shares: the first n test images
    are a fair sample. `classes` names the class folders, in alphabetical order; None: the folders' own names.
    The cache is found by name, path, size, and the list of files with their sizes and times.

    Raises `UserError`: no such folders, classes that differ between the splits, an image that cannot be read.
    Everything is held in memory: 3 · image_size² bytes an image.
    """
    path = path.expanduser().resolve()
    train, test, found = listing(path)
    key = hashlib.sha256(f"{name}\n{path}\n{image_size}\n".encode())
    for file in (file for _, files in train + test for file in files):
        stat = (path / file).stat()
        key.update(f"{file} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    target = cache / f"{path.name}-{image_size}-{key.hexdigest()[:16]}.safetensors"
    read = partial(_read, path, image_size)
    return cached(target, name, lambda: Dataset(name, *read(train), *read(test), classes or found))


def listing(path: Path) -> tuple[Listing, Listing, tuple[str, ...]]:
    """The training and the test images below `path`, and the names of their class folders, which must be the same."""
    train = _split(path, "train")
    test = _split(path, "val" if (path / "val").is_dir() else "test")
    classes = tuple(label for label, _ in train)
    if classes != tuple(label for label, _ in test):
        raise UserError(f"{path}: the splits have different class folders; make them the same")
    return train, test, classes


def _split(path: Path, name: str) -> Listing:
    """Class folders that hold images, and the images of each; both in alphabetical order."""
    split, images = path / name, []
    for label in sorted(split.iterdir()) if split.is_dir() else ():
        files = sorted(file for file in label.rglob("*") if file.suffix.lower() in _SUFFIXES)
        if files:
            images.append((label.name, [file.relative_to(path).as_posix() for file in files]))
    if not images:
        raise UserError(f"no images in {split}; expected {path}/train/CLASS/IMAGE and {path}/val/CLASS/IMAGE")
    return images


def in_order(split: Listing) -> tuple[np.ndarray, Int[Tensor, " n"]]:
    """The images of a split and their labels, the classes evenly interleaved."""
    sizes = np.array([len(files) for _, files in split])
    labels = np.repeat(np.arange(len(sizes)), sizes)
    place = (np.concatenate([np.arange(size) for size in sizes]) + 0.5) / sizes[labels]  # in its class, in (0, 1)
    order = np.lexsort((labels, place))
    files = np.array([file for _, files in split for file in files], dtype=object)
    return files[order], torch.from_numpy(labels[order])


def _read(path: Path, image_size: int, split: Listing) -> tuple[UInt8[Tensor, "n 3 s s"], Int[Tensor, " n"]]:
    files, labels = in_order(split)
    images = torch.empty(len(files), 3, image_size, image_size, dtype=torch.uint8)
    with ThreadPoolExecutor() as threads:  # Pillow decodes outside Python's lock
        squares = threads.map(partial(read_square, size=image_size), (path / file for file in files))
        for image, square in zip(images, squares, strict=True):
            image.copy_(square)
    return images, labels
