"""Images that stay in their files and are read batch by batch, on threads, some batches ahead of whoever needs them."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from robust_activations.errors import UserError

# Batches that are read before they are asked for: so many lie in memory at once, and one more in use.
AHEAD = 4
# Of each side, what a centre crop leaves out: the shorter side is worth 256 pixels where 224 are shown.
_BORDER = (1 - 224 / 256) / 2


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Stands where a uint8 tensor of images (n, 3, size, size) stands, and reads them when they are needed.

    An index, as of a tensor's first dimension, gives fewer files; `read` and `float` give their pixels, on `device`:
    the shorter side of the image resized to 256/224 of `size` (bicubic), and the middle cut out.

    root: the folder that `names`, an array of strings, start from.
    """

    root: Path
    names: np.ndarray
    size: int
    device: torch.device = torch.device("cpu")

    dtype = torch.uint8
    ndim = 4

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self), 3, self.size, self.size))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: slice | Tensor) -> ImageFiles:
        return replace(self, names=self.names[index if isinstance(index, slice) else index.cpu().numpy()])

    def split(self, size: int) -> list[ImageFiles]:
        return [self[i : i + size] for i in range(0, len(self), size)]

    def to(self, device: torch.device | str) -> ImageFiles:
        """The same files, whose pixels come to lie on `device`."""
        return replace(self, device=torch.device(device))

    def read(self) -> UInt8[Tensor, "n 3 s s"]:
        """The pixels of all of them, at least one. Raises `UserError` for a file that is no image."""
        return next(self.batches([torch.arange(len(self))]))

    def float(self) -> Float[Tensor, "n 3 s s"]:
        return self.read().float()

    def batches(
        self, chosen: Sequence[Int[Tensor, " _"]], seeds: Sequence[Int[Tensor, " _"]] | None = None
    ) -> Iterator[UInt8[Tensor, "b 3 s s"]]:
        """`self[index].read()` for each index of `chosen`, read ahead.

        With a seed for each image, not the middle but a random part of it, see `crop_box`.
        """
        read = partial(read_square, size=self.size, border=_BORDER)
        threads = ThreadPoolExecutor()  # Pillow decodes outside Python's lock
        try:
            coming: deque[Iterator[Tensor]] = deque()
            for index, own in zip(chosen, repeat(None) if seeds is None else seeds):  # noqa: B905 (one has no end)
                files = (self.root / name for name in self[index].names)
                coming.append(threads.map(read, files, repeat(None) if own is None else own.tolist()))
                if len(coming) > AHEAD:
                    yield torch.stack(list(coming.popleft())).to(self.device)
            while coming:
                yield torch.stack(list(coming.popleft())).to(self.device)
        finally:
            threads.shutdown(cancel_futures=True)


def read_square(file: Path, seed: int | None = None, *, size: int, border: float = 0.0) -> UInt8[Tensor, "3 s s"]:
    """The middle of an image, or with a seed a random part of it, as an RGB square of `size` pixels (bicubic).

    The middle is as large as fits, once the share `border` is cut off each side. Raises `UserError` for no image.
    """
    square, bicubic = (size, size), Image.Resampling.BICUBIC
    try:
        with Image.open(file) as image:
            rgb = image.convert("RGB")
        if seed is None:
            rgb = ImageOps.fit(rgb, square, bicubic, border)
        else:
            left, top, width, height = crop_box(seed, *rgb.size)
            rgb = rgb.crop((left, top, left + width, top + height)).resize(square, bicubic)
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise UserError(f"{file} cannot be read as an image ({error}); replace or delete it") from error
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1)


def crop_box(seed: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random part of an image, in pixels.

    Its area is 8 to 100 % of the image's, its ratio of width to height 3/4 to 4/3 (Szegedy et al. 2015). After ten that
    do not fit into the image it is the largest in the middle whose ratio is allowed, as in torchvision.
    """
    uniform = random.Random(seed).random  # which Python promises to keep as it is
    for _ in range(10):
        area = width * height * (0.08 + 0.92 * uniform())
        ratio = (4 / 3) ** (2 * uniform() - 1)
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(uniform() * (width - w + 1)), int(uniform() * (height - h + 1)), w, h
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (width - w) // 2, (height - h) // 2, w, h


Pixels = Tensor | ImageFiles
"""What a dataset's images are: in memory, or in files."""


def floats(images: Pixels) -> Float[Tensor, "n c h w"]:
    """Pixels in [0, 1], read where they are in files; images that are no uint8 stay as they are."""
    return images.float() / 255 if isinstance(images, ImageFiles) or images.dtype == torch.uint8 else images


def at_once(images: Pixels, most: int) -> int:
    """How many such images go through a network together: `most`, and fewer of those above 150 pixels.

    At 224 pixels 109, at 600 two: the networks for large images are larger, too.
    """
    return max(1, min(most, 2**38 // (images.shape[-1] * images.shape[-2]) ** 2))
