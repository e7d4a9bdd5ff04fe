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

from helpers import one_line, random_images
from robust_activations import data
from robust_activations.data import Dataset, cache, sources
from robust_activations.data.dataset import stratified
from robust_activations.errors import UserError

# Digits and the dataset itself.


def test_what_is_canonical() -> None:
    """SVHN by torchvision's md5 sums; None where nobody knows the hash."""
    digits = data.load("digits")
    assert data.canonical(digits) is True
    for name, found in (("mnist", False), ("imagenette96", False), ("svhn", True), ("fashion_mnist", None)):
        other = Dataset(name, classes=digits.classes, **digits.tensors)
        assert data.canonical(other) is found


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


def test_statistics(small: Dataset) -> None:
    pixels = small.train_images.double() / 255
    assert small.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert small.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist(), abs=1e-12)


def test_digest_follows_its_description_and_sees_every_change(small: Dataset) -> None:
    sha = hashlib.sha256()
    for name, tensor, kind in (
        ("train_images", small.train_images, "uint8"),
        ("train_labels", small.train_labels, "int64"),
        ("test_images", small.test_images, "uint8"),
        ("test_labels", small.test_labels, "int64"),
    ):
        sha.update(f"{name} {kind} {'x'.join(map(str, tensor.shape))}\n".encode())
        values = tensor.flatten().tolist()
        sha.update(bytes(values) if kind == "uint8" else struct.pack(f"<{len(values)}q", *values))
    assert small.sha256 == sha.hexdigest()
    strided = small.train_images.to(memory_format=torch.channels_last)
    assert data.digest({"x": strided}) == data.digest({"x": small.train_images})
    assert data.digest({"x": small.train_images.transpose(2, 3)}) != data.digest({"x": small.train_images})


def test_dataset_refuses_what_does_not_fit(small: Dataset) -> None:
    with pytest.raises(UserError, match=r"labels must lie in 0\.\.2") as error:
        Dataset("bad", **small.tensors, classes=("a", "b", "c"))
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


def test_two_at_once_build_once(tmp_path: Path, small: Dataset) -> None:
    built: list[int] = []
    loaded: list[Dataset] = []

    def build() -> Dataset:
        built.append(1)
        time.sleep(0.2)
        return small

    path = tmp_path / "cache" / "tiny.safetensors"
    threads = [threading.Thread(target=lambda: loaded.append(cache.cached(path, "tiny", build))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert [one.sha256 for one in loaded] == [small.sha256] * 4


def test_names_and_sizes(mnist: Path) -> None:
    assert data.names()[0] == "digits"
    with pytest.raises(UserError, match=r"unknown dataset 'cifar'; did you mean .*cifar10"):
        data.load("cifar")
    with pytest.raises(UserError, match="28 pixels, not 32"):
        data.load("mnist", mnist, image_size=32)
