"""Where datasets come from: scikit-learn, torchvision, a folder; and synthetic images from an .npz."""

from __future__ import annotations

import errno
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int, UInt8
from torch import Tensor

from robust_activations.checks import check_labels
from robust_activations.data.cache import cached
from robust_activations.data.dataset import Dataset, stratified
from robust_activations.data.folder import folder
from robust_activations.data.imagenet import imagenet
from robust_activations.errors import UserError, unknown

CANONICAL = {
    "digits": "1540ad87692533b409538ca11055bf55cfeaa9d588cde9f9eff90162cdd773f7",
    "mnist": "3ce129e09b0c3e7c682e2c8fa6a9c7cdc77cb628559db2c2ac0a556fa938db79",
    "mnist8": "720f51418de307de361e140d4692eb212c3388e2d5f3da172ed472f9e7a6bb1f",
    "cifar10": "175123ed684663cdd63755b670da5b7795503fe4b5327e6d115b28e91b77c554",
    "cifar100": "d76437e11e29971f61bcc5d53d475880276e6932ced6343fe7773e741d2003a4",
    "imagenette96": "32fc81552b9b383db80781e10436316f541d265f018d3bb41a0c48994ca956ef",
}
"""`Dataset.sha256` of the data as they should be; of those of torchvision `load` gives exactly these or an error."""

_DIGITS = tuple("0123456789")
_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_CIFAR10 = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
# Ten classes of ImageNet in the order of their WordNet ids, which name the folders.
_IMAGENETTE = (
    "tench", "English springer", "cassette player", "chain saw", "church",
    "French horn", "garbage truck", "gas pump", "golf ball", "parachute",
)  # fmt: skip


@dataclass(frozen=True)
class _Official:
    """A dataset of torchvision: its class there, and the files which that reads, below the data folder."""

    cls: str
    place: str
    files: tuple[str, ...]

    def missing(self, root: Path) -> list[str]:
        return [file for file in self.files if not (root / self.place / file).is_file()]


_OFFICIAL = {
    "mnist": _Official("MNIST", "MNIST/raw", _IDX),
    "fashion_mnist": _Official("FashionMNIST", "FashionMNIST/raw", _IDX),
    "cifar10": _Official("CIFAR10", "cifar-10-batches-py", _CIFAR10),
    "cifar100": _Official("CIFAR100", "cifar-100-python", ("train", "test", "meta")),
    "svhn": _Official("SVHN", "", ("train_32x32.mat", "test_32x32.mat")),
}


def names() -> list[str]:
    """The names `load` knows; ``folder:PATH`` comes on top."""
    return ["digits", *_OFFICIAL, "mnist8", "imagenette", "imagenette96", "imagenet"]


def load(name: str, root: str | Path = "data", *, download: bool = True, image_size: int | None = None) -> Dataset:
    """The dataset `name`, on the CPU.

    - ``digits``: embedded in scikit-learn, see `digits`.
    - ``mnist``, ``fashion_mnist``, ``cifar10``, ``cifar100``, ``svhn``: torchvision's files below `root`, downloaded
      where they are missing and `download` allows it. Official splits in official order.
    - ``mnist8``: MNIST at 8x8, as digits were made: on a canvas of 32x32, averaged over squares of 4x4 pixels.
    - ``imagenette``: fast.ai's folder ``imagenette2`` below `root`, the official images, at `image_size` pixels, 224
      unless it is given.
    - ``imagenette96``: the folder ``imagenette-96`` below `root`, at 96 pixels unless `image_size` is given. A lossy
      copy and not the official files: call it Imagenette-96 and say so.
    - ``imagenet``: the folder ``imagenet`` below `root`, ``train/CLASS/`` and ``val/CLASS/``, at `image_size` pixels,
      224 unless it is given. Its images stay in their files, see `robust_activations.data.imagenet`.
    - ``folder:PATH``: any folder of images at `image_size` pixels, see `robust_activations.data.folder.folder`.

    All but digits, mnist8 and ImageNet are kept in ``root/cache`` as one uint8 file each, verified whenever it is read.
    Raises `UserError`: an unknown name; files missing, truncated or altered; no network; no disk space; an
    `image_size` that is not the dataset's own.
    """
    root = Path(root)
    if image_size is not None and image_size < 1:
        raise UserError(f"image size {image_size} is too small; choose 1 pixel or more")
    large = 224 if image_size is None else image_size
    if name == "digits":
        dataset = digits()
    elif name in _OFFICIAL:
        path = root / "cache" / f"{name}.safetensors"
        dataset = cached(path, name, partial(_official, name, root, download))
        _require_canonical(dataset, f"delete {path}")
    elif name == "mnist8":
        dataset = _averaged(name, load("mnist", root, download=download))
    elif name == "imagenet":
        dataset = imagenet(name, root / "imagenet", large)
    elif name == "imagenette":
        dataset = folder(name, root / "imagenette2", large, root / "cache", _IMAGENETTE)
    elif name == "imagenette96":
        side = 96 if image_size is None else image_size
        dataset = folder(name, root / "imagenette-96", side, root / "cache", _IMAGENETTE)
    elif name.startswith("folder:"):
        if image_size is None:
            raise UserError(f"{name} needs an image size, in pixels")
        dataset = folder(name, Path(name.removeprefix("folder:")), image_size, root / "cache")
    else:
        raise unknown("dataset", name, [*names(), "folder:PATH"])
    own = dataset.train_images.shape[-1]
    if image_size not in (None, own):
        raise UserError(f"{name} has images of {own} pixels, not {image_size}; leave the image size out")
    return dataset


def digits() -> Dataset:
    """Handwritten digits, 8x8, 1300 training and 497 test images; grey levels 0 … 16 scaled to 0 … 255 and rounded.

    The test images are evenly spaced over the images sorted by class: a fixed, stratified split without chance. Each
    split keeps scikit-learn's order. Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI
    1998 (the test part), as scikit-learn ships it.
    """
    from sklearn.datasets import load_digits

    levels, labels = load_digits(return_X_y=True)
    pixels = (levels.reshape(-1, 1, 8, 8).astype(np.int64) * 255 + 8) // 16
    test = np.isin(np.arange(len(labels)), stratified(labels, 497))
    images, targets = torch.from_numpy(pixels.astype(np.uint8)), torch.from_numpy(labels.astype(np.int64))
    return Dataset("digits", images[~test], targets[~test], images[test], targets[test], _DIGITS)


def _averaged(name: str, mnist: Dataset) -> Dataset:
    def small(images: Any) -> UInt8[Tensor, "n 1 8 8"]:
        return F.avg_pool2d(F.pad(images, (2, 2, 2, 2)).float(), 4).round().to(torch.uint8)

    images = small(mnist.train_images), small(mnist.test_images)
    return Dataset(name, images[0], mnist.train_labels, images[1], mnist.test_labels, mnist.classes)


def _official(name: str, root: Path, download: bool) -> Dataset:
    """Reads torchvision's dataset; files that are there are never downloaded again, whatever is in them."""
    from robust_activations._torchvision import torchvision

    source = _OFFICIAL[name]
    files, place = ", ".join(source.files), root / source.place
    missing = source.missing(root)
    if missing and not download:
        raise UserError(f"{name}: {', '.join(missing)} not in {place}; allow the download or put the files there")
    cls = getattr(torchvision.datasets, source.cls)
    sides: tuple[dict[str, Any], ...] = ({"train": True}, {"train": False})
    if name == "svhn":
        sides = ({"split": "train"}, {"split": "test"})
    try:
        splits = [cls(root, download=bool(missing), **side) for side in sides]
        classes = tuple(splits[0].classes) if name in ("fashion_mnist", "cifar10", "cifar100") else _DIGITS
        dataset = Dataset(name, *_tensors(splits[0]), *_tensors(splits[1]), classes)
    except Exception as error:  # whatever torchvision, pickle or scipy make of a broken file or connection
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        reason = shorten(str(error), 120, placeholder=" …") or type(error).__name__
        if source.missing(root):
            raise UserError(
                f"cannot download {name} ({reason}); find a network, or put {files} into {place}"
            ) from error
        raise UserError(
            f"{name} in {place} is truncated or altered ({reason}); delete {files} there and load again"
        ) from error
    # torchvision checks MNIST only while it downloads it.
    _require_canonical(dataset, f"delete {files} in {place}")
    return dataset


def _tensors(split: Any) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"]]:
    """Images and labels of a torchvision dataset: grey ones come as n h w, CIFAR as n h w c, SVHN as n c h w."""
    images = torch.as_tensor(split.data)
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[-1] == 3:
        images = images.permute(0, 3, 1, 2).contiguous()
    return images, torch.as_tensor(split.targets if hasattr(split, "targets") else split.labels, dtype=torch.int64)


def canonical(dataset: Dataset) -> bool | None:
    """Whether these are the data as they should be; None where nobody has said what their hash is.

    SVHN's is not known to us, but torchvision compares its files with their md5 sums whenever it reads them.
    """
    if dataset.name == "svhn":
        return True
    return dataset.sha256 == CANONICAL[dataset.name] if dataset.name in CANONICAL else None


def _require_canonical(dataset: Dataset, remedy: str) -> None:
    if canonical(dataset) is False:
        raise UserError(
            f"{dataset.name} is not the official data (sha256 {dataset.sha256[:12]}…, not "
            f"{CANONICAL[dataset.name][:12]}…); {remedy} and load again"
        )


def load_extra(path: str | Path, like: Dataset) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"]]:
    """Synthetic images for `Batches`, from an .npz with ``image`` (n, h, w, c; uint8) and ``label`` (n; integers).

    Raises `UserError` unless the file can be read and its images and labels are such as `like` has.
    """
    try:
        with open(path, "rb") as raw, np.load(raw) as file:
            images, labels = file["image"], file["label"]
    except FileNotFoundError as error:
        raise UserError(f"no extra images at {path}; check the path") from error
    except KeyError as error:
        raise UserError(f"{path} needs the arrays image and label; {error.args[0]}") from error
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read as an .npz (truncated or altered?); make or copy it again") from error
    c, h, w = like.train_images.shape[1:]
    if images.dtype != np.uint8 or images.shape[1:] != (h, w, c) or not len(images):
        raise UserError(
            f"{path}: image must be uint8 of shape (n, {h}, {w}, {c}), as {like.name} has them, "
            f"not {images.dtype} of shape {images.shape}"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != images.shape[:1]:
        raise UserError(
            f"{path}: label must be integers of shape ({len(images)},), not {labels.dtype} of shape {labels.shape}"
        )
    targets = torch.from_numpy(labels.astype(np.int64))
    try:
        check_labels(targets, like.num_classes)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    # A view: there may be millions, and batches are copied out of it anyway.
    return torch.from_numpy(images).permute(0, 3, 1, 2), targets
