"""Datasets and their cache; nothing here needs a network."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import pickle
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import one_line, random_images
from robust_activations import data
from robust_activations.data import Dataset, cache, sources
from robust_activations.data.dataset import stratified
from robust_activations.errors import UserError


@pytest.fixture
def tiny() -> Dataset:
    labels = torch.arange(40) % 4
    return Dataset(
        "tiny", random_images(40), labels, random_images(8, seed=1), labels[:8].clone(), ("a", "b", "c", "d")
    )


# Digits and the dataset itself.


def test_digits_are_the_published_ones() -> None:
    from sklearn.datasets import load_digits

    start = time.perf_counter()
    digits = data.load("digits")
    print(f"digits loaded in {time.perf_counter() - start:.3f} s")
    assert digits.sha256 == data.CANONICAL["digits"]
    assert digits.train_images.shape == (1300, 1, 8, 8)
    assert digits.test_images.shape == (497, 1, 8, 8)
    assert digits.num_classes == 10
    # Every image of scikit-learn once, in one split or the other, and its level found again.
    levels, labels = load_digits(return_X_y=True)
    both = torch.cat([digits.train_images, digits.test_images]).flatten(1).double() * 16 / 255
    ours = sorted(
        zip(both.round().tolist(), torch.cat([digits.train_labels, digits.test_labels]).tolist(), strict=True)
    )
    assert ours == sorted(zip(levels.tolist(), labels.tolist(), strict=True))
    share = digits.test_labels.bincount() / (digits.test_labels.bincount() + digits.train_labels.bincount())
    assert share.sub(497 / 1797).abs().max() < 1 / 170  # one image in the smallest class


def test_statistics_and_device(tiny: Dataset) -> None:
    pixels = tiny.train_images.double() / 255
    assert tiny.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert tiny.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist(), abs=1e-12)
    moved = tiny.to("cpu")
    assert moved.sha256 == tiny.sha256
    assert torch.equal(moved.test_images, tiny.test_images)


def test_digest_follows_its_description_and_sees_every_change(tiny: Dataset) -> None:
    sha = hashlib.sha256()
    for name, tensor, kind in (
        ("train_images", tiny.train_images, "uint8"),
        ("train_labels", tiny.train_labels, "int64"),
        ("test_images", tiny.test_images, "uint8"),
        ("test_labels", tiny.test_labels, "int64"),
    ):
        sha.update(f"{name} {kind} {'x'.join(map(str, tensor.shape))}\n".encode())
        values = tensor.flatten().tolist()
        sha.update(bytes(values) if kind == "uint8" else struct.pack(f"<{len(values)}q", *values))
    assert tiny.sha256 == sha.hexdigest()
    strided = tiny.train_images.to(memory_format=torch.channels_last)
    assert data.digest({"x": strided}) == data.digest({"x": tiny.train_images})
    assert data.digest({"x": tiny.train_images.transpose(2, 3)}) != data.digest({"x": tiny.train_images})


def test_dataset_refuses_what_does_not_fit(tiny: Dataset) -> None:
    with pytest.raises(UserError, match=r"labels must lie in 0\.\.2") as error:
        Dataset("bad", **tiny.tensors, classes=("a", "b", "c"))
    one_line(error)


def test_hold_out_is_stratified_disjoint_and_fixed() -> None:
    digits = data.load("digits")
    kept_images, kept_labels, held_images, held_labels = data.hold_out(digits, 130, seed=3)
    assert len(kept_images) == len(kept_labels) == 1170
    assert len(held_images) == len(held_labels) == 130
    assert (held_labels.bincount() - digits.train_labels.bincount() / 10).abs().max() < 1
    # Together exactly the training images, as a multiset (the digits hold no two equal images).
    as_rows = {bytes(image.flatten().tolist()) for image in digits.train_images}
    kept, held = ({bytes(i.flatten().tolist()) for i in part} for part in (kept_images, held_images))
    assert kept | held == as_rows
    assert not kept & held
    again, other = data.hold_out(digits, 130, seed=3), data.hold_out(digits, 130, seed=4)
    assert torch.equal(again[2], held_images)
    assert not torch.equal(other[2], held_images)
    # Pinned: another version of NumPy must not choose others.
    assert stratified(np.arange(20) % 2, 4, seed=0).tolist() == [10, 11, 16, 17]
    for n in (0, 1300, -1):
        with pytest.raises(UserError, match="hold out"):
            data.hold_out(digits, n)


# Files. Torchvision's own checks stay on; only its tables of md5s are replaced.


def write_mnist(root: Path, side: int = 28) -> None:
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 20), ("t10k", 10)):
        pixels = random_images(n, 1, side, side, seed=n).numpy().tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, n, side, side) + pixels)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, n) + bytes(i % 10 for i in range(n)))


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a small MNIST, which counts as the official one."""
    monkeypatch.delitem(sources.CANONICAL, "mnist")
    write_mnist(tmp_path)
    return tmp_path


def test_mnist_is_read_once_and_then_from_the_cache(mnist: Path) -> None:
    first = data.load("mnist", mnist, download=False)
    assert first.train_images.shape == (20, 1, 28, 28)
    assert torch.equal(first.test_images, random_images(10, 1, 28, 28, seed=10))
    assert first.train_labels.tolist() == [i % 10 for i in range(20)]
    for file in (mnist / "MNIST" / "raw").iterdir():
        file.unlink()
    again = data.load("mnist", mnist, download=False)
    assert again.sha256 == first.sha256
    assert again.classes == first.classes == tuple("0123456789")
    assert sorted(path.suffix for path in (mnist / "cache").iterdir()) == [".lock", ".safetensors"]


def test_cifar_layout_and_altered_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robust_activations._torchvision import torchvision

    folder, md5 = tmp_path / "cifar-10-batches-py", {}
    folder.mkdir()
    images = random_images(60, 3, 32, 32).flatten(1).numpy()
    for i, file in enumerate(sources._OFFICIAL["cifar10"].files[:-1]):
        rows = slice(10 * i, 10 * i + 10)
        (folder / file).write_bytes(pickle.dumps({"data": images[rows], "labels": list(range(10))}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}))
    for file in sources._OFFICIAL["cifar10"].files:
        md5[file] = hashlib.md5((folder / file).read_bytes()).hexdigest()
    cls = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cls, "train_list", [[f, md5[f]] for f in md5 if f.startswith("data_batch")])
    monkeypatch.setattr(cls, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(cls, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]})

    # The canonical digest catches other data even where the files' md5s agree.
    with pytest.raises(UserError, match="not the official data"):
        data.load("cifar10", tmp_path)
    monkeypatch.delitem(sources.CANONICAL, "cifar10")
    loaded = data.load("cifar10", tmp_path)
    assert np.array_equal(loaded.train_images.flatten(1).numpy(), images[:50])
    assert np.array_equal(loaded.test_images.flatten(1).numpy(), images[50:])
    assert loaded.classes[9] == "class 9"

    (tmp_path / "cache" / "cifar10.safetensors").unlink()
    whole = (folder / "test_batch").read_bytes()
    for broken in (whole[:-1], whole[:-1] + b"?", b""):
        (folder / "test_batch").write_bytes(broken)
        with pytest.raises(UserError, match=r"truncated or altered.*delete") as error:
            data.load("cifar10", tmp_path)
        assert str(folder) in one_line(error)
        assert (folder / "test_batch").read_bytes() == broken, "a file that was there was touched"


def test_svhn_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat

    from robust_activations._torchvision import torchvision

    table, images = {}, {"train": random_images(12, 3, 32, 32), "test": random_images(10, 3, 32, 32, seed=1)}
    for split, pixels in images.items():
        file = tmp_path / f"{split}_32x32.mat"
        labels = np.arange(1, len(pixels) + 1).clip(max=10)[:, None]  # 10 stands for the digit 0
        savemat(file, {"X": pixels.permute(2, 3, 1, 0).numpy(), "y": labels})
        table[split] = ["", file.name, hashlib.md5(file.read_bytes()).hexdigest()]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", table)
    loaded = data.load("svhn", tmp_path, download=False)
    assert torch.equal(loaded.train_images, images["train"])
    assert torch.equal(loaded.test_images, images["test"])
    assert loaded.test_labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def test_altered_mnist_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    with pytest.raises(UserError, match="not the official data") as error:  # torchvision itself would take it
        data.load("mnist", tmp_path)
    assert str(tmp_path / "MNIST" / "raw") in one_line(error)
    monkeypatch.delitem(sources.CANONICAL, "mnist")
    images = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-100])
    with pytest.raises(UserError, match="truncated or altered") as error:
        data.load("mnist", tmp_path)
    assert images.name in one_line(error)
    labels = tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x0a")
    write_mnist(tmp_path / "other")
    images.write_bytes((tmp_path / "other" / "MNIST" / "raw" / images.name).read_bytes())
    with pytest.raises(UserError, match=r"labels must lie in 0\.\.9"):
        data.load("mnist", tmp_path)
    assert not list((tmp_path / "cache").glob("*.safetensors"))


def test_missing_files_with_and_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody answers there
        monkeypatch.delenv(variable.upper(), raising=False)
    for name in ("mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"):
        for download, said in ((False, "allow the download"), (True, "cannot download")):
            with pytest.raises(UserError, match=said) as error:
                data.load(name, tmp_path, download=download)
            message = one_line(error)
            assert sources._OFFICIAL[name].files[-1] in message
            assert str(tmp_path / sources._OFFICIAL[name].place) in message


def test_download_that_arrives_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robust_activations._torchvision import torchvision

    served = tmp_path / "served"
    served.mkdir()
    for file, _ in torchvision.datasets.MNIST.resources:
        (served / file).write_bytes(gzip.compress(b"not MNIST"))
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [served.as_uri() + "/"])
    with pytest.raises(UserError, match="cannot download mnist") as error:
        data.load("mnist", tmp_path / "data")
    one_line(error)


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: whole[:-1] + bytes([whole[-1] ^ 1]),
        lambda whole: whole.replace(b'"name":"mnist"', b'"name":"other"'),
        lambda whole: b"x" * len(whole),
    ],
    ids=["half", "empty", "one bit", "another dataset", "rubbish"],
)
def test_damaged_cache_is_never_used(mnist: Path, damage: Callable[[bytes], bytes]) -> None:
    data.load("mnist", mnist)
    path = mnist / "cache" / "mnist.safetensors"
    broken = damage(path.read_bytes())
    path.write_bytes(broken)
    with pytest.raises(UserError, match=r"truncated or altered.*delete it") as error:
        data.load("mnist", mnist)
    assert str(path) in one_line(error)
    assert path.read_bytes() == broken


def test_cache_of_other_data_is_not_taken_for_the_official(mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data.load("mnist", mnist)
    monkeypatch.setitem(sources.CANONICAL, "mnist", "0" * 64)
    with pytest.raises(UserError, match=r"not the official data.*mnist\.safetensors"):
        data.load("mnist", mnist)


@pytest.mark.parametrize("where", ["save", "replace"])
def test_full_disk_leaves_nothing_behind(mnist: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def full(*arguments: object) -> None:
        if where == "save":
            Path(str(arguments[1])).write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*((cache, "save_file") if where == "save" else (os, "replace")), full)
        with pytest.raises(UserError, match="No space left on device") as error:
            data.load("mnist", mnist)
        one_line(error)
    assert [path.name for path in (mnist / "cache").iterdir()] == ["mnist.lock"]
    assert len(data.load("mnist", mnist).test_labels) == 10  # and with room again it works


def test_unwritable_data_folder(mnist: Path) -> None:
    (mnist / "cache").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot write") as error:
        data.load("mnist", mnist)
    one_line(error)


def test_two_at_once_build_once(tmp_path: Path, tiny: Dataset) -> None:
    built: list[int] = []
    loaded: list[Dataset] = []

    def build() -> Dataset:
        built.append(1)
        time.sleep(0.2)
        return tiny

    path = tmp_path / "cache" / "tiny.safetensors"
    threads = [threading.Thread(target=lambda: loaded.append(cache.cached(path, "tiny", build))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert [one.sha256 for one in loaded] == [tiny.sha256] * 4


def test_names_and_sizes(mnist: Path) -> None:
    assert data.names()[0] == "digits"
    with pytest.raises(UserError, match=r"unknown dataset 'cifar'; did you mean .*cifar10"):
        data.load("cifar")
    with pytest.raises(UserError, match="28 pixels, not 32"):
        data.load("mnist", mnist, image_size=32)


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


def test_extra_images(tmp_path: Path, tiny: Dataset) -> None:
    path = tmp_path / "extra.npz"
    pixels = random_images(5).permute(0, 2, 3, 1).numpy()
    np.savez(path, image=pixels, label=np.array([0, 1, 2, 3, 0], np.uint8))
    images, labels = data.load_extra(path, like=tiny)
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
def test_extra_images_that_do_not_fit(tmp_path: Path, tiny: Dataset, arrays: object, said: str) -> None:
    path = tmp_path / "extra.npz"
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif isinstance(arrays, dict):
        np.savez(path, **arrays)
    elif arrays is not None:
        with path.open("wb") as file:
            np.save(file, arrays)
    with pytest.raises(UserError, match=said) as error:
        data.load_extra(path, like=tiny)
    assert str(path) in one_line(error)
