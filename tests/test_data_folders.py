"""Folders of images and files of extra ones; nothing here needs a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import one_line, random_images
from robust_activations import data
from robust_activations.data import Dataset
from robust_activations.errors import UserError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An ImageFolder of two classes, 6 and 3 training images of 10x14 pixels, one colour a class."""
    for split, counts in (("train", (6, 3)), ("val", (2, 1))):
        for label, colour, count in zip(("blue", "red"), ((0, 0, 255), (255, 0, 0)), counts, strict=True):
            folder = tmp_path / "tree" / split / label
            folder.mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (14, 10), colour).save(folder / f"{i}.png")
    (tmp_path / "tree" / "train" / "red" / "notes.txt").write_text("not an image")
    return tmp_path / "tree"


def test_folder(tree: Path, tmp_path: Path) -> None:
    root, name = tmp_path / "data", f"folder:{tree}"
    loaded = data.load(name, root, image_size=8)
    assert loaded.classes == ("blue", "red")
    assert loaded.train_images.shape == (9, 3, 8, 8)
    assert loaded.train_labels.tolist() == [0, 1, 0, 0, 1, 0, 0, 1, 0]  # interleaved
    assert loaded.test_labels.tolist() == [0, 1, 0]
    assert (loaded.train_images[:, 0, 4, 4] == 255 * loaded.train_labels).all()
    assert data.load(name, root, image_size=8).sha256 == loaded.sha256
    assert len(list((root / "cache").glob("*.safetensors"))) == 1
    # Another size, and another content, are another cache file.
    assert data.load(name, root, image_size=4).train_images.shape[-1] == 4
    Image.new("RGB", (9, 9), (0, 255, 0)).save(tree / "val" / "red" / "0.png")
    assert data.load(name, root, image_size=8).sha256 != loaded.sha256
    assert len(list((root / "cache").glob("*.safetensors"))) == 3


def test_folder_keeps_images_of_its_size_and_cuts_the_middle(tree: Path, tmp_path: Path) -> None:
    pixels = random_images(1, 3, 8, 8)[0].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(tree / "val" / "red" / "0.png")
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = pixels
    Image.fromarray(wide).save(tree / "val" / "blue" / "0.png")
    (tree / "val" / "blue" / "1.png").unlink()
    loaded = data.load(f"folder:{tree}", tmp_path, image_size=8)
    assert np.array_equal(loaded.test_images[1].permute(1, 2, 0).numpy(), pixels)
    assert np.array_equal(loaded.test_images[0].permute(1, 2, 0).numpy(), pixels)


def test_folder_errors(tree: Path, tmp_path: Path) -> None:
    name = f"folder:{tree}"
    with pytest.raises(UserError, match="needs an image size"):
        data.load(name, tmp_path)
    with pytest.raises(UserError, match="too small"):
        data.load(name, tmp_path, image_size=0)
    with pytest.raises(UserError, match=r"no images in .*imagenette-96"):
        data.load("imagenette96", tmp_path)
    broken = tree / "train" / "red" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(UserError, match="cannot be read as an image") as error:
        data.load(name, tmp_path, image_size=8)
    assert str(broken) in one_line(error)
    (tree / "val" / "red").rename(tree / "val" / "green")
    with pytest.raises(UserError, match="different class folders"):
        data.load(name, tmp_path, image_size=8)
    assert not list((tmp_path / "cache").glob("*.safetensors"))


def test_extra_images(tmp_path: Path, small: Dataset) -> None:
    path = tmp_path / "extra.npz"
    pixels = random_images(5).permute(0, 2, 3, 1).numpy()
    np.savez(path, image=pixels, label=np.array([0, 1, 2, 3, 0], np.uint8))
    images, labels = data.load_extra(path, like=small)
    assert torch.equal(images, random_images(5))
    assert labels.tolist() == [0, 1, 2, 3, 0]
    assert labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"image": np.zeros((2, 3, 8, 8), np.uint8), "label": np.zeros(2, int)}, "image must be uint8 of shape"),
        ({"image": np.zeros((2, 8, 8, 3)), "label": np.zeros(2, int)}, "image must be uint8"),
        ({"image": np.zeros((0, 8, 8, 3), np.uint8), "label": np.zeros(0, int)}, "image must be uint8"),
        ({"image": np.zeros((2, 8, 8, 3), np.uint8), "label": np.zeros(3, int)}, "label must be integers"),
        ({"image": np.zeros((2, 8, 8, 3), np.uint8), "label": np.zeros(2)}, "label must be integers"),
        ({"image": np.zeros((2, 8, 8, 3), np.uint8), "label": np.array([0, 4])}, r"labels must lie in 0\.\.3"),
        ({"images": np.zeros((2, 8, 8, 3), np.uint8)}, "needs the arrays image and label"),
        (None, "no extra images at"),
        (b"PK\x03\x04 cut", "cannot be read"),
        (b"", "cannot be read"),
        (np.zeros(3), "cannot be read"),
    ],
)
def test_extra_images_that_do_not_fit(tmp_path: Path, small: Dataset, arrays: object, said: str) -> None:
    path = tmp_path / "extra.npz"
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif isinstance(arrays, dict):
        np.savez(path, **arrays)
    elif arrays is not None:
        with path.open("wb") as file:
            np.save(file, arrays)
    with pytest.raises(UserError, match=said) as error:
        data.load_extra(path, like=small)
    assert str(path) in one_line(error)
