"""Images that stay in their files: the same pixels, epochs and results as in memory, of which little is needed."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor

import tiny
from helpers import one_line, random_images, same_tensors, seeded
from robust_activations import data, distributed, models, runs
from robust_activations.attacks import PGD, Threat
from robust_activations.data import Augment, Batches, Dataset, ImageFiles, image_files
from robust_activations.data.image_files import AHEAD, crop_box, read_square
from robust_activations.errors import UserError
from robust_activations.evaluation import Suite, evaluate, under_attack
from robust_activations.run import Run
from robust_activations.training import Images, Objective, Schedule, train

SIDE = 16
RUN = Run(
    dataset="imagenet",
    model="resnet20",
    activation="relu",
    threat=Threat("linf", "4/255"),
    objective=Objective("pgd_at", PGD(steps=1, step="4/255"), label_smoothing=0.1),
    schedule=Schedule(epochs=2, batch_size=8, lr=0.05),
    suite=Suite(attacks=("clean", "fgsm"), n=6, square_n=4, square_queries=5),
    model_options={"depth": 8, "width": 4},
    augment=Augment(flip=True, resized=True),
    held_out=6,
    image_size=SIDE,
)


def picture(seed: int, width: int, height: int) -> Image.Image:
    """Something smooth, as photographs are: noise of a few pixels, enlarged."""
    noise = random_images(1, 3, 4, 5, seed=seed)[0].permute(1, 2, 0).numpy()
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose ImageNet has three classes, 36 training and 12 test images, all of different sizes."""
    root = tmp_path_factory.mktemp("data")
    for split, count in (("train", 12), ("val", 4)):
        for label in range(3):
            folder = root / "imagenet" / split / f"n0000{label}"
            folder.mkdir(parents=True)
            for i in range(count):
                seed = 100 * label + i
                picture(seed, 40 + seed % 7, 36 + seed % 5).save(folder / f"{i}.JPEG", quality=95)
    return root


@pytest.fixture
def imagenet(root: Path) -> Dataset:
    return data.load("imagenet", root, image_size=SIDE)


@pytest.fixture
def in_memory(imagenet: Dataset) -> Dataset:
    """The same pixels as tensors."""
    train, test = imagenet.train_images.read(), imagenet.test_images.read()
    return Dataset("imagenet", train, imagenet.train_labels, test, imagenet.test_labels, imagenet.classes)


def batches(images: ImageFiles | Tensor, labels: Tensor, seed: int = 0, **options) -> Batches:
    return Batches(images, labels, 5, generator=seeded(seed), **options)


def same(one: Batches, other: Batches) -> bool:
    return all(torch.equal(x, a) and torch.equal(y, b) for (x, y), (a, b) in zip(one, other, strict=True))


# What the files hold.


def test_it_stands_where_a_tensor_stands(imagenet: Dataset) -> None:
    files = imagenet.train_images
    assert isinstance(files, ImageFiles)
    assert (files.shape, files.ndim, files.dtype, len(files)) == ((36, 3, SIDE, SIDE), 4, torch.uint8, 36)
    assert imagenet.train_labels[:6].tolist() == [0, 1, 2, 0, 1, 2]  # the first n test images are a fair sample, too
    whole = files.read()
    for index in (slice(3, 9), torch.tensor([5, 1, 5]), torch.arange(36) % 5 == 0):
        assert torch.equal(files[index].read(), whole[index])
    assert torch.equal(torch.cat([part.float() for part in files.split(7)]), whole.float())
    assert data.load("imagenet", root=files.root.parent).train_images.shape[2:] == (224, 224)
    assert (imagenet.mean[0], imagenet.std[2]) == (0.485, 0.225)


def test_its_pixels_are_those_of_the_folder_in_memory(root: Path, imagenet: Dataset, tmp_path: Path) -> None:
    """A file of which the eighth that the middle leaves out has been cut off already."""
    for split in ("train", "val"):
        (tmp_path / split / "a").mkdir(parents=True)
        picture(3, 64, 64).crop((4, 4, 60, 60)).save(tmp_path / split / "a" / "0.png")
    in_memory = data.load(f"folder:{tmp_path}", tmp_path / "data", image_size=SIDE)
    picture(3, 64, 64).save(tmp_path / "whole.png")
    (there,) = ImageFiles(tmp_path, np.array(["whole.png"], dtype=object), SIDE).read()
    # Not to the last level: only here does the resizing see what lies beyond the middle.
    inside = (slice(None), slice(2, -2), slice(2, -2))
    assert (there.int() - in_memory.train_images[0].int())[inside].abs().max() <= 1
    file = root / "imagenet" / "train" / "n00001" / "3.JPEG"
    plain = ImageOps.fit(Image.open(file), (SIDE, SIDE), Image.Resampling.BICUBIC)
    assert np.array_equal(read_square(file, size=SIDE).permute(1, 2, 0).numpy(), np.asarray(plain))


def test_the_middle_is_224_of_256(tmp_path: Path) -> None:
    """White but for a frame as broad as what the middle leaves out: no frame is seen, and a broader one is."""
    for name, frame in (("thin", 16), ("broad", 20)):
        pixels = np.zeros((256, 320, 3), np.uint8)
        pixels[frame : 256 - frame, 32 + frame : 288 - frame] = 255
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    thin, broad = ImageFiles(tmp_path, np.array(["thin.png", "broad.png"], dtype=object), 224).read()
    assert (thin == 255).all()
    assert all((edge == 0).all() for edge in (broad[:, 0], broad[:, -1], broad[:, :, 0], broad[:, :, -1]))


def test_every_kind_of_jpeg(tmp_path: Path) -> None:
    """ImageNet has grey ones, some in CMYK, and a PNG that is called JPEG."""
    for mode, kind in (("L", "jpeg"), ("CMYK", "jpeg"), ("RGBA", "png")):
        picture(1, 40, 40).convert(mode).save(tmp_path / f"{mode}.JPEG", kind)
    names = np.array(["L.JPEG", "CMYK.JPEG", "RGBA.JPEG"], dtype=object)
    assert ImageFiles(tmp_path, names, 8).read().shape == (3, 3, 8, 8)


def test_the_sum_says_which_files(root: Path, imagenet: Dataset, tmp_path: Path) -> None:
    assert imagenet.sha256 == data.load("imagenet", root, image_size=32).sha256
    (tmp_path / "imagenet").symlink_to(root / "imagenet")
    assert data.load("imagenet", tmp_path, image_size=SIDE).sha256 == imagenet.sha256
    file = root / "imagenet" / "val" / "n00002" / "0.JPEG"
    content = file.read_bytes()
    try:
        file.write_bytes(content + b"\0")
        assert data.load("imagenet", root, image_size=SIDE).sha256 != imagenet.sha256
    finally:
        file.write_bytes(content)
    assert data.load("imagenet", root, image_size=SIDE).sha256 == imagenet.sha256


# Random parts.


def test_boxes_are_as_described() -> None:
    width, height = 500, 375
    boxes = np.array([crop_box(seed, width, height) for seed in range(4000)])
    left, top, w, h = boxes.T
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (left + w <= width).all()
    assert (top + h <= height).all()
    share, ratio = w * h / (width * height), w / h
    assert 0.07 < share.min() < 0.1
    assert 0.9 < share.max() <= 1
    assert 0.74 < ratio.min() < 0.76
    assert 1.32 < ratio.max() < 1.35
    assert len(np.unique(left)) > 300
    # Shares and ratios that do not fit are drawn anew; among small parts all do, and their shares are uniform.
    small = share[share < 0.4]
    assert np.median(small) == pytest.approx(0.24, abs=0.01)
    assert abs(np.log(ratio[share < 0.4])).mean() == pytest.approx(np.log(4 / 3) / 2, abs=0.01)


def test_of_an_image_too_long_for_any_box_the_middle_is_cut() -> None:
    assert crop_box(0, 1000, 30) == (480, 0, 40, 30)
    assert crop_box(0, 30, 1000) == (0, 480, 30, 40)


def test_random_parts_from_files_and_from_memory_agree(tmp_path: Path) -> None:
    """Where the file is as large as the image, its part is that of the tensor, to within a grey level."""
    for i in range(4):
        picture(i, 32, 32).save(tmp_path / f"{i}.png")
    files = ImageFiles(tmp_path, np.array([f"{i}.png" for i in range(4)], dtype=object), 32)
    whole = torch.stack([read_square(tmp_path / f"{i}.png", size=32) for i in range(4)])
    augment = Augment(flip=True, resized=True)
    options = {"augment": augment, "drop_last": False}
    ours, theirs = (list(batches(images, torch.arange(4), 7, **options)) for images in (files, whole))
    for (x, y), (other_x, other_y) in zip(ours, theirs, strict=True):
        assert torch.equal(y, other_y)
        assert (x - other_x).abs().max() <= 1.01 / 255
        assert (x - whole[y] / 255).abs().max() > 0.1, "nothing was cut"


def test_a_drawn_number_more_changes_no_other_augmentation() -> None:
    plain, resized = (Augment(2, True, resized=more).draw(50, seeded()) for more in (False, True))
    assert torch.equal(resized[:, :3], plain)
    assert (plain.shape, resized.shape) == ((50, 3), (50, 4))
    assert len(resized[:, 3].unique()) == 50


# Epochs.


@pytest.mark.parametrize("augment", [None, Augment(crop=2, flip=True)])
def test_the_same_epoch_from_files_and_from_memory(
    imagenet: Dataset, in_memory: Dataset, augment: Augment | None
) -> None:
    extra = random_images(7, 3, SIDE, SIDE), torch.zeros(7, dtype=torch.int64)
    options = {"augment": augment, "extra": extra, "extra_ratio": 0.4}
    labels = imagenet.train_labels
    assert same(batches(imagenet.train_images, labels, **options), batches(in_memory.train_images, labels, **options))


def test_the_generator_state_brings_the_same_epoch_back(imagenet: Dataset) -> None:
    options = {"augment": Augment(flip=True, resized=True)}
    labels = imagenet.train_labels
    first, again, other = (list(batches(imagenet.train_images, labels, seed, **options)) for seed in (0, 0, 1))
    assert all(torch.equal(x, a) and torch.equal(y, b) for (x, y), (a, b) in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], other[0][0])
    assert sorted(torch.cat([y for _, y in first]).tolist()) == sorted(labels.tolist())


@pytest.mark.parametrize("ratio", [0.0, 0.5])
@pytest.mark.parametrize("world", [2, 4])
def test_processes_share_a_batch_and_read_only_their_share(
    imagenet: Dataset, monkeypatch: pytest.MonkeyPatch, world: int, ratio: float
) -> None:
    extra = (random_images(9, 3, SIDE, SIDE), torch.arange(9)) if ratio else None
    options = {"augment": Augment(flip=True, resized=True), "extra": extra, "extra_ratio": ratio}

    def epoch() -> list[tuple[Tensor, Tensor]]:
        files, labels = imagenet.train_images, imagenet.train_labels
        return list(Batches(files, labels, 8, generator=seeded(), drop_last=True, **options))

    whole = epoch()
    read: list[Path] = []

    def counted(file: Path, *words, **more) -> Tensor:
        read.append(file)
        return read_square(file, *words, **more)

    monkeypatch.setattr(image_files, "read_square", counted)
    monkeypatch.setattr(distributed, "world", lambda: world)
    for rank in range(world):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        for (x, y), (all_x, all_y) in zip(epoch(), whole, strict=True):
            assert torch.equal(x, all_x[rank::world])
            assert torch.equal(y, all_y[rank::world])
    assert len(read) == len(set(read)) == len(whole) * round(8 * (1 - ratio))


# Reading ahead.


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the files, as they are read; the threads must end with the reading."""
    read: list[str] = []

    def counted(file: Path, *words, **more) -> Tensor:
        read.append(file.name)
        return read_square(file, *words, **more)

    monkeypatch.setattr(image_files, "read_square", counted)
    before = threading.active_count()
    yield read
    assert threading.active_count() == before


def test_some_batches_are_read_ahead_and_no_more(imagenet: Dataset, reads: list[str]) -> None:
    epoch = iter(Batches(imagenet.train_images, imagenet.train_labels, 2))
    next(epoch)
    tiny.wait_for(lambda: len(reads) == 2 * (1 + AHEAD), 20)
    time.sleep(0.1)
    assert len(reads) == 2 * (1 + AHEAD) < 36
    epoch.close()  # as when training stops in the middle of an epoch


def test_a_broken_file_is_one_clear_line(root: Path, imagenet: Dataset, reads: list[str]) -> None:
    broken = root / "imagenet" / "train" / "n00001" / "5.JPEG"
    whole = broken.read_bytes()
    try:
        for content in (whole[: len(whole) // 2], b"", b"no image", None):
            broken.unlink() if content is None else broken.write_bytes(content)
            with pytest.raises(UserError, match=r"cannot be read as an image .*replace or delete it") as error:
                list(batches(imagenet.train_images, imagenet.train_labels))
            assert str(broken) in one_line(error)
    finally:
        broken.write_bytes(whole)


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    for name, folder in (("imagenet", "imagenet"), ("imagenette", "imagenette2"), ("imagenette96", "imagenette-96")):
        with pytest.raises(UserError, match=rf"no images in .*{folder}/train") as error:
            data.load(name, tmp_path)
        one_line(error)
    with pytest.raises(UserError, match="too small"):
        data.load("imagenet", tmp_path, image_size=0)


def test_imagenette_is_in_memory_at_224_pixels_or_another_size(tmp_path: Path) -> None:
    for folder in ("imagenette2", "imagenette-96"):
        for split in ("train", "val"):
            for label in range(10):
                place = tmp_path / folder / split / f"n{label}"
                place.mkdir(parents=True)
                picture(label, 40, 30).save(place / "0.JPEG")
    sizes = {("imagenette", None): 224, ("imagenette", 32): 32, ("imagenette96", None): 96, ("imagenette96", 48): 48}
    for (name, asked), side in sizes.items():
        loaded = data.load(name, tmp_path, image_size=asked)
        assert isinstance(loaded.train_images, Tensor)
        assert loaded.train_images.shape == (10, 3, side, side)
        assert loaded.classes[0] == "tench"


def test_memory_stays_flat(tmp_path: Path) -> None:
    """However many images there are, only those of a few batches are in memory."""
    n, size, image = 800, 8, 3 * 64 * 64
    picture(0, 60, 60).save(tmp_path / "one.JPEG")
    files = ImageFiles(tmp_path, np.array(["one.JPEG"] * n, dtype=object), 64)
    epoch = Batches(files, torch.zeros(n, dtype=torch.int64), size, generator=seeded())
    tracemalloc.start()  # of NumPy's memory, in which all pixels arrive
    assert sum(len(y) for _, y in epoch) == n
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Twice, because Pillow hands its pixels over as a copy.
    assert size * image < peak < 2 * (AHEAD + 2) * size * image < n * image / 8


# Training and evaluation.


def test_chunks_of_large_images_are_smaller() -> None:
    def images(side: int) -> Tensor:
        return torch.empty(1, 3, side, side, dtype=torch.uint8, device="meta")

    assert [data.at_once(images(side), 500) for side in (8, 32, 96, 224, 380, 600, 3000)] == [500] * 3 + [109, 13, 2, 1]


def test_training_and_evaluation_are_those_of_memory(imagenet: Dataset, in_memory: Dataset) -> None:
    outs, evaluations = [], []
    for dataset in (imagenet, in_memory):
        run = replace(RUN, augment=Augment(crop=2, flip=True))
        torch.manual_seed(0)
        model = models.create(run.model, num_classes=3, **run.model_options)
        images = runs.images_of(run, dataset, torch.device("cpu"))
        assert type(images.images) is type(dataset.train_images)
        outs.append(train(model, images, run.objective, run.threat, run.schedule))
        evaluations.append(evaluate(model, dataset.test_images, dataset.test_labels, run.threat, run.suite))
        right = under_attack(model, dataset.test_images, dataset.test_labels, run.threat, PGD(2), batch_size=5)
        evaluations.append(right.tolist())
    assert same_tensors(outs[0].last, outs[1].last)
    assert [row["loss"] for row in outs[0].history] == [row["loss"] for row in outs[1].history]
    assert [row["held_pgd10"] for row in outs[0].history] == [row["held_pgd10"] for row in outs[1].history]
    assert {k: o.bits for k, o in evaluations[0].outcomes.items()} == {
        k: o.bits for k, o in evaluations[2].outcomes.items()
    }
    assert evaluations[0].checks == evaluations[2].checks
    assert evaluations[1] == evaluations[3]


def test_a_run_is_made_and_resumed_bit_by_bit(root: Path, imagenet: Dataset, tmp_path: Path) -> None:
    def make() -> tuple[torch.nn.Module, Images]:
        return runs.build(RUN, imagenet), runs.images_of(RUN, imagenet, torch.device("cpu"))

    def trained(**options) -> dict[str, Tensor]:
        model, images = make()
        return train(model, images, RUN.objective, RUN.threat, RUN.schedule, **options).last

    state = tmp_path / "state.pt"
    straight = trained()
    trained(state=state, go_on=lambda: False)
    assert same_tensors(trained(state=state), straight)
    record = runs.execute(RUN, root=root, device=torch.device("cpu"))
    assert record is not None
    assert len(record.history) == 2
    assert record.last.outcomes["clean"].n == 6
    assert record.provenance.dataset_sha256 == imagenet.sha256
    assert record.provenance.canonical is None
