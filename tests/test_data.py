"""Datasets, their cache, and batches; nothing here needs a network."""

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
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from robust_activations import data
from robust_activations.checks import check_images, check_labels
from robust_activations.data import Augment, Batches, Dataset, cache, sources
from robust_activations.data.dataset import stratified
from robust_activations.errors import UserError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(n: int, c: int = 3, h: int = 8, w: int = 8, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (n, c, h, w), dtype=torch.uint8, generator=seeded(seed))


def numbered(n: int) -> tuple[Tensor, Tensor]:
    """n ≤ 256 images of one pixel each, whose grey level is their label is their index."""
    return torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1), torch.arange(n)


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


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


# Batches.


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


def test_drop_last_order_and_memory_format() -> None:
    images, labels = numbered(25)
    dropped = Batches(images, labels, 10, drop_last=True)
    assert len(dropped) == 2
    assert torch.cat([y for _, y in dropped]).tolist() == list(range(20))
    (x, _) = next(iter(Batches(random_images(4), torch.zeros(4, dtype=torch.int64), 4, channels_last=True)))
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, random_images(4) / 255)


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
    options = {"augment": Augment(2, True), "extra": extra, "extra_ratio": 0.25, "channels_last": True}
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
