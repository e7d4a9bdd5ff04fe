"""Batches, their augmentation and mixing; checks of what comes from outside."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers import numbered, one_line, random_images, seeded
from robust_activations.checks import check_images, check_labels
from robust_activations.data import Augment, Batches
from robust_activations.errors import UserError


def test_an_epoch_is_every_image_once_shuffled_and_scaled() -> None:
    images, labels = numbered(103)
    batches = Batches(images, labels, 10, generator=seeded())
    seen = list(batches)
    assert len(batches) == len(seen) == 11
    assert [len(y) for _, y in seen] == [10] * 10 + [3]
    x, y = (torch.cat(parts) for parts in zip(*seen, strict=True))
    assert x.dtype == torch.float32
    assert torch.equal(x.flatten(), y / torch.tensor(255.0))
    assert sorted(y.tolist()) == list(range(103))
    assert y.tolist() != list(range(103))
    assert [y.tolist() for _, y in batches] != [y.tolist() for _, y in seen], "every epoch is another"


def test_drop_last_and_order() -> None:
    images, labels = numbered(25)
    dropped = Batches(images, labels, 10, drop_last=True)
    assert len(dropped) == 2
    assert torch.cat([y for _, y in dropped]).tolist() == list(range(20))


@pytest.mark.parametrize("padding", ["zero", "reflect"])
@pytest.mark.parametrize(("crop", "shape"), [(0, (8, 8)), (2, (8, 8)), (4, (5, 9))])
def test_augmentation_equals_pad_crop_and_flip_one_by_one(padding: str, crop: int, shape: tuple[int, int]) -> None:
    images = random_images(64, 3, *shape)
    augment = Augment(crop, flip=True, padding=padding)
    moves = augment.draw(64, seeded())
    h, w = shape
    expected = []
    for image, (down, right, mirrored) in zip(images, moves.tolist(), strict=True):
        mode = "constant" if padding == "zero" else "reflect"
        padded = F.pad(image[None].float(), (crop,) * 4, mode=mode)[0].to(torch.uint8)
        window = padded[:, crop + down : crop + down + h, crop + right : crop + right + w]
        expected.append(window.flip(2) if mirrored else window)
    assert torch.equal(augment.apply(images, moves), torch.stack(expected))


def test_moves_are_uniform() -> None:
    moves = Augment(crop=2, flip=True).draw(20_000, seeded())
    for column, values in ((0, range(-2, 3)), (1, range(-2, 3)), (2, range(2))):
        share = torch.tensor([(moves[:, column] == value).float().mean() for value in values])
        assert share.sum() == pytest.approx(1)
        assert share.sub(1 / len(values)).abs().max() < 0.02  # > 5 standard deviations
    assert not Augment().draw(100, seeded()).any()


def test_augmentation_errors() -> None:
    with pytest.raises(UserError, match="crop"):
        Augment(crop=-1)
    moves = torch.zeros(1, 3, dtype=torch.int64)
    with pytest.raises(UserError, match="smaller crop"):
        Augment(crop=8, padding="reflect").apply(random_images(1), moves)


@pytest.mark.parametrize(("ratio", "batch_size"), [(0.5, 16), (0.3, 10), (0.7, 10)])
def test_extra_images_fill_their_share_and_are_not_augmented(ratio: float, batch_size: int) -> None:
    images, labels = torch.full((50, 1, 4, 4), 10, dtype=torch.uint8), torch.zeros(50, dtype=torch.int64)
    extra = torch.full((30, 1, 4, 4), 200, dtype=torch.uint8), torch.arange(1, 31)
    augment = Augment(crop=3, flip=True)
    batches = Batches(
        images, labels, batch_size, generator=seeded(), augment=augment, extra=extra, extra_ratio=ratio, drop_last=True
    )
    synthetic = round(ratio * batch_size)
    picked, real = [], 0
    for x, y in batches:
        assert len(y) == batch_size
        assert (y > 0).sum() == synthetic
        assert (y[:-synthetic] == 0).all(), "the real images come first"
        assert torch.equal(x[y > 0], torch.full_like(x[y > 0], 200 / 255))
        assert (x[y == 0] == 0).any(), "the real ones were moved"
        picked += y[y > 0].tolist()
        real += int((y == 0).sum())
    assert len(batches) == 50 // (batch_size - synthetic)
    assert real == len(batches) * (batch_size - synthetic)
    counts = torch.tensor(picked).bincount(minlength=31)[1:]
    assert counts.max() - counts.min() <= 1, "none comes again before all have come"


def test_last_batch_keeps_the_ratio() -> None:
    images, labels = numbered(20)
    extra = torch.zeros(9, 1, 1, 1, dtype=torch.uint8), torch.full((9,), 100)
    sizes = [
        (int((y < 100).sum()), int((y == 100).sum()))
        for _, y in Batches(images, labels, 16, generator=seeded(), extra=extra, extra_ratio=0.5)
    ]
    assert sizes == [(8, 8), (8, 8), (4, 4)]


def test_the_generator_state_brings_the_same_epoch_back() -> None:
    extra = random_images(30, seed=2), torch.arange(30)

    def make(generator: torch.Generator) -> Batches:
        augment = Augment(crop=2, flip=True)
        return Batches(
            random_images(70), torch.arange(70), 16, generator=generator, augment=augment, extra=extra, extra_ratio=0.25
        )

    generator = seeded(5)
    batches = make(generator)
    list(batches)  # the first epoch
    state = generator.get_state()
    second = []
    for batch in batches:
        torch.rand(3, generator=generator)  # an attack that draws from the same generator changes nothing here
        second.append(batch)
    resumed = seeded(99)
    resumed.set_state(state)
    for (x, y), (again_x, again_y) in zip(second, make(resumed), strict=True):
        assert torch.equal(x, again_x)
        assert torch.equal(y, again_y)


def test_impossible_batches() -> None:
    images, labels = numbered(8)
    extra = numbered(4)
    for options, said in (
        ({"batch_size": 0}, "batch size"),
        ({"extra_ratio": 1.0, "extra": extra}, "outside"),
        ({"extra_ratio": 0.5}, "without extra"),
        ({"extra_ratio": 0.9, "extra": extra, "generator": seeded()}, "no room"),
        ({"augment": Augment(1)}, "generator"),
    ):
        with pytest.raises(UserError, match=said) as error:
            Batches(images, labels, **{"batch_size": 2, **options})
        one_line(error)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_same_epoch_on_the_gpu() -> None:
    images, labels, extra = random_images(70), torch.arange(70), (random_images(30, seed=2), torch.arange(30))
    options = {"augment": Augment(2, True), "extra": extra, "extra_ratio": 0.25}
    here = Batches(images, labels, 16, generator=seeded(), **options)
    there = Batches(images.cuda(), labels.cuda(), 16, generator=seeded(), **options)
    for (x, y), (cuda_x, cuda_y) in zip(here, there, strict=True):
        assert cuda_x.is_cuda
        assert torch.equal(x, cuda_x.cpu())
        assert torch.equal(y, cuda_y.cpu())


# Checks of what comes from outside.


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.full((1, 1, 2, 2), 1.001), "must lie in"),
        (torch.full((1, 1, 2, 2), -1e-6), "must lie in"),
        (torch.full((1, 1, 2, 2), float("inf")), "must lie in"),
        (torch.tensor([0.5, float("nan")]).view(1, 1, 1, 2), "NaN"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.uint8), "floating point"),
        (torch.zeros(1, 2, 2), "shape"),
        (torch.zeros(0, 1, 2, 2), "shape"),
    ],
)
def test_bad_images(images: Tensor, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        check_images(images)
    one_line(error)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (torch.tensor([0, 3]), r"0\.\.2"),
        (torch.tensor([-1, 0]), r"0\.\.2"),
        (torch.tensor([0.0, 1.0]), "int64"),
        (torch.tensor([[0, 1]]), "shape"),
    ],
)
def test_bad_labels(labels: Tensor, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        check_labels(labels, 3)
    one_line(error)


def test_good_input_passes() -> None:
    check_images(torch.tensor([0.0, 1.0], dtype=torch.bfloat16).view(1, 1, 1, 2))
    check_labels(torch.tensor([0, 2]), 3)
    check_labels(torch.empty(0, dtype=torch.int64), 3)
