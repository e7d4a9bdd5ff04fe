"""Batches of uint8 images: shuffled, augmented and mixed on the device, without workers; files are read on threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from robust_activations import distributed
from robust_activations.data.image_files import ImageFiles, Pixels, crop_box
from robust_activations.errors import UserError


@dataclass(frozen=True)
class Augment:
    """Random crop and horizontal flip, image by image.

    crop: pixels of padding on each side; a window of the image's own size is cut from a uniformly random place.
    flip: mirror left and right with probability 1/2.
    padding: what lies outside the image, "zero" (black) or "reflect" (the edge row is not repeated).
    resized: before that, a random part of the image, 8 to 100 % of its area, is resized to the image's size (bicubic),
        as is usual on ImageNet, see `image_files.crop_box`; of an image in a file it is a part of the whole image.
    """

    crop: int = 0
    flip: bool = False
    padding: Literal["zero", "reflect"] = "zero"
    resized: bool = False

    def __post_init__(self) -> None:
        if self.crop < 0 or self.padding not in ("zero", "reflect"):
            raise UserError(f"no crop of {self.crop} with padding {self.padding!r}; give 0 or more, zero or reflect")

    def draw(self, n: int, generator: torch.Generator) -> Int[Tensor, "n moves"]:
        """Random moves for n images: shift down, shift right (pixels), mirrored (0 or 1); and a seed, if resized."""
        device = generator.device
        shifts = torch.randint(-self.crop, self.crop + 1, (n, 2), generator=generator, device=device)
        mirrored = torch.randint(0, 1 + self.flip, (n, 1), generator=generator, device=device)
        seeds = [torch.randint(2**31, (n, 1), generator=generator, device=device)] if self.resized else []
        return torch.cat([shifts, mirrored, *seeds], dim=1)

    def apply(self, images: UInt8[Tensor, "n c h w"], moves: Int[Tensor, "n moves"]) -> UInt8[Tensor, "n c h w"]:
        """The images after their moves. Raises `UserError` where "reflect" has too few pixels to pad with."""
        return self.shift(_cut(images, moves[:, 3]) if self.resized else images, moves)

    def shift(self, images: UInt8[Tensor, "n c h w"], moves: Int[Tensor, "n moves"]) -> UInt8[Tensor, "n c h w"]:
        """The same without the resized crop."""
        _, c, h, w = images.shape
        if self.padding == "reflect" and self.crop >= min(h, w):
            raise UserError(f"cannot reflect {self.crop} pixels of {h}x{w} images; choose a smaller crop")
        # For every image the row and the column of the original that each place shows.
        rows = torch.arange(h, device=images.device) + moves[:, 0:1]
        columns = torch.arange(w, device=images.device) + moves[:, 1:2]
        columns = torch.where(moves[:, 2:3] == 1, columns.flip(1), columns)
        inside_h, inside_w = (rows >= 0) & (rows < h), (columns >= 0) & (columns < w)
        # Folded at both edges: the reflection, and for "zero" a valid place whose value is struck out below.
        rows, columns = _fold(rows, h), _fold(columns, w)
        moved = images.gather(2, rows[:, None, :, None].expand(-1, c, -1, w))
        moved = moved.gather(3, columns[:, None, None, :].expand(-1, c, h, -1))
        if self.padding == "reflect":
            return moved
        return moved * (inside_h[:, None, :, None] & inside_w[:, None, None, :])


def _cut(images: UInt8[Tensor, "n c h w"], seeds: Int[Tensor, " n"]) -> UInt8[Tensor, "n c h w"]:
    """Random parts of the images at the images' size: as from files, to within a grey level."""
    h, w = images.shape[2:]
    boxes = [crop_box(seed, w, h) for seed in seeds.tolist()]
    parts = [image[None, :, y : y + b, x : x + a].float() for image, (x, y, a, b) in zip(images, boxes, strict=True)]
    parts = [F.interpolate(part, (h, w), mode="bicubic", antialias=True) for part in parts]
    return torch.cat(parts).round_().clamp_(0, 255).to(torch.uint8)


def _fold(index: Tensor, size: int) -> Tensor:
    """Reflects indices at 0 and size - 1; those that lie farther out than one reflection reaches are clamped."""
    return ((size - 1) - ((size - 1) - index.abs()).abs()).clamp(min=0)


@dataclass(eq=False)
class Batches:
    """One epoch per iteration: pairs of images (float32 in [0, 1], n c h w) and labels, on the device of `images`.

    Of many processes each gets its share of every batch, and reads no more files than that.

    generator: makes every random choice, all of them when the iteration starts: put its state back, and the same epoch
        comes again, bit by bit. A CPU generator gives the same epoch on every device. None: in order, nothing random.
    augment: applied to the real images only.
    extra, extra_ratio: synthetic (images, labels), on any device, and the share of each batch that is made of them:
        round(batch_size · extra_ratio) images, put behind the real ones, not augmented, as in the code of the PAF
        paper. They are taken in random order, all of them before any comes again. One epoch is one pass over the real
        images, whatever the ratio.
    drop_last: leave out a last, smaller batch (which has the same ratio, to within one image).

    Raises `UserError` for sizes and ratios that cannot be met, and for random options without a generator.
    """

    images: UInt8[Pixels, "n c h w"]
    labels: Int[Tensor, " n"]
    batch_size: int
    _: KW_ONLY
    generator: torch.Generator | None = None
    augment: Augment | None = None
    extra: tuple[UInt8[Tensor, "m c h w"], Int[Tensor, " m"]] | None = None
    extra_ratio: float = 0.0
    drop_last: bool = False

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UserError(f"batch size {self.batch_size} is too small; choose 1 or more")
        if not 0 <= self.extra_ratio < 1:
            raise UserError(f"extra ratio {self.extra_ratio} is outside [0, 1); choose the synthetic share of a batch")
        if self.extra_ratio and (self.extra is None or not len(self.extra[1])):
            raise UserError(f"extra ratio {self.extra_ratio} without extra images; give them, or ratio 0")
        if self.generator is None and (self.augment is not None or self.extra_ratio):
            raise UserError("augmentation and extra images are random; give a generator")
        self._synthetic = round(self.batch_size * self.extra_ratio)
        self._real = self.batch_size - self._synthetic
        if not self._real:
            raise UserError(
                f"batch size {self.batch_size} at extra ratio {self.extra_ratio} has no room for real images"
            )

    def __len__(self) -> int:
        """Number of batches."""
        whole, rest = divmod(len(self.labels), self._real)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[Float[Tensor, "b c h w"], Int[Tensor, " b"]]]:
        # Everything is drawn here and not batch by batch, so that other users of the generator cannot come between;
        # and it crosses to the device once.
        order, moves, others = (draw.to(self.labels.device) for draw in self._draw())
        rows = list(self._rows())
        for images, (real, synthetic) in zip(self._moved(order, moves, [real for real, _ in rows]), rows, strict=True):
            labels = self.labels[order[real]]
            if self._synthetic:
                assert self.extra is not None
                pick = others[synthetic].to(self.extra[1].device)
                images = torch.cat([images, self.extra[0][pick].to(images.device)])
                labels = torch.cat([labels, self.extra[1][pick].to(labels.device)])
            yield images.to(torch.float32, memory_format=torch.contiguous_format).div_(255), labels

    def _rows(self) -> Iterator[tuple[slice, slice]]:
        """For each batch what this process takes of the epoch's real images, and of its synthetic ones behind them.

        Not a block but every so many-th row: so all processes have as many synthetic ones, to within one.
        """
        rank, world = distributed.rank(), distributed.world()
        for batch in range(len(self)):
            first, extra = batch * self._real, batch * self._synthetic
            size = min(self._real, len(self.labels) - first)
            count = round(size * self._synthetic / self._real)
            if (size + count) % world:
                raise UserError(
                    f"a batch of {size + count} cannot be shared by {world} processes; start a number that divides it"
                )
            yield slice(first + rank, first + size, world), slice(extra + (rank - size) % world, extra + count, world)

    def _moved(self, order: Tensor, moves: Tensor, rows: list[slice]) -> Iterator[UInt8[Tensor, "b c h w"]]:
        """The real images of each batch, augmented."""
        augment = self.augment
        if not isinstance(self.images, ImageFiles):
            for real in rows:
                images = self.images[order[real]]
                yield images if augment is None else augment.apply(images, moves[real])
            return
        chosen, there = order.cpu(), moves.cpu()
        seeds = [there[real, 3] for real in rows] if augment is not None and augment.resized else None
        for images, real in zip(self.images.batches([chosen[real] for real in rows], seeds), rows, strict=True):
            yield images if augment is None else augment.shift(images, moves[real])

    def _draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """The epoch's order of the real images, their moves, and the synthetic images to take."""
        n, none = len(self.labels), torch.empty(0, dtype=torch.int64)
        if self.generator is None:
            return torch.arange(n), none, none
        order = self._permutation(n)
        moves = none if self.augment is None else self.augment.draw(n, self.generator)
        if not self._synthetic:
            return order, moves, none
        assert self.extra is not None
        m, needed = len(self.extra[1]), len(self) * self._synthetic
        passes = -(-needed // m)
        return order, moves, torch.cat([self._permutation(m) for _ in range(passes)])[:needed]

    def _permutation(self, n: int) -> Tensor:
        assert self.generator is not None
        return torch.randperm(n, generator=self.generator, device=self.generator.device)
