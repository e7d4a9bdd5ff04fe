"""Any folder of images: PATH/train/CLASS/IMAGE and PATH/val/CLASS/IMAGE, or test/ in place of val/."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from robust_activations.data.cache import cached
from robust_activations.data.dataset import Dataset
from robust_activations.errors import UserError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp"}

Listing = list[tuple[str, list[Path]]]


def folder(name: str, path: Path, image_size: int, cache: Path, classes: tuple[str, ...] | None = None) -> Dataset:
    """The images below `path` as RGB squares of `image_size` pixels, called `name`, and kept in the folder `cache`.

    The shorter side is resized to `image_size` (bicubic), the middle is cut out; images of that size stay as they are.
    Both splits are ordered so that every stretch of images holds the classes in their shares: the first n test images
    are a fair sample. `classes` names the class folders, in alphabetical order; None: the folders' own names.
    The cache is found by name, path, size, and the list of files with their sizes and times.

    Raises `UserError`: no such folders, classes that differ between the splits, an image that cannot be read.
    Everything is held in memory: 3 · image_size² bytes an image.
    """
    if image_size < 1:
        raise UserError(f"image size {image_size} is too small; choose 1 pixel or more")
    path = path.expanduser().resolve()
    train = _listing(path / "train", path)
    test = _listing(path / "val" if (path / "val").is_dir() else path / "test", path)
    found = tuple(label for label, _ in train)
    if found != tuple(label for label, _ in test):
        raise UserError(f"{path}: the splits have different class folders; make them the same")
    key = hashlib.sha256(f"{name}\n{path}\n{image_size}\n".encode())
    for file in (file for _, files in train + test for file in files):
        stat = file.stat()
        key.update(f"{file.relative_to(path).as_posix()} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    target = cache / f"{path.name}-{image_size}-{key.hexdigest()[:16]}.safetensors"
    return cached(
        target, name, lambda: Dataset(name, *_read(train, image_size), *_read(test, image_size), classes or found)
    )


def _listing(split: Path, path: Path) -> Listing:
    """Class folders that hold images, and the images of each; both in alphabetical order."""
    labels = sorted(label for label in split.iterdir() if label.is_dir()) if split.is_dir() else []
    found = [(label, sorted(f for f in label.rglob("*") if f.suffix.lower() in _SUFFIXES)) for label in labels]
    listing = [(label.name, files) for label, files in found if files]
    if not listing:
        raise UserError(f"no images in {split}; expected {path}/train/CLASS/IMAGE and {path}/val/CLASS/IMAGE")
    return listing


def _read(listing: Listing, image_size: int) -> tuple[UInt8[Tensor, "n 3 s s"], Int[Tensor, " n"]]:
    """The images of a split and their labels, the classes evenly interleaved."""
    sizes = np.array([len(files) for _, files in listing])
    labels = np.repeat(np.arange(len(sizes)), sizes)
    place = (np.concatenate([np.arange(size) for size in sizes]) + 0.5) / sizes[labels]  # in its class, in (0, 1)
    order = np.lexsort((labels, place))
    files = [file for _, files in listing for file in files]
    images = torch.empty(len(files), 3, image_size, image_size, dtype=torch.uint8)
    with ThreadPoolExecutor() as threads:  # Pillow decodes outside Python's lock
        squares = threads.map(partial(_square, image_size=image_size), (files[i] for i in order))
        for image, square in zip(images, squares, strict=True):
            image.copy_(square)
    return images, torch.from_numpy(labels[order])


def _square(file: Path, image_size: int) -> UInt8[Tensor, "3 s s"]:
    try:
        with Image.open(file) as image:
            square = ImageOps.fit(image.convert("RGB"), (image_size, image_size), Image.Resampling.BICUBIC)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise UserError(f"{file} cannot be read as an image ({error}); replace or delete it") from error
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)
