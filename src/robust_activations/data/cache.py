"""One verified safetensors file a dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from robust_activations.data.dataset import Dataset
from robust_activations.errors import CannotWrite, UserError
from robust_activations.files import write_atomically


def cached(path: Path, name: str, build: Callable[[], Dataset]) -> Dataset:
    """The dataset `name` in the file `path`, which is made by `build` where it is missing.

    A lock beside the file lets one process at a time download and write; a file that is there is complete.
    Raises `CannotWrite`, and `UserError` where the file is not what was written.
    """
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not path.exists():
                    write(path, build())
        except OSError as error:
            raise CannotWrite(
                f"cannot write {path} ({error.strerror or error}); make room there or choose another data folder"
            ) from error
    return read(path, name)


def write(path: Path, dataset: Dataset) -> None:
    """Writes `dataset` to `path`, whole or not at all; raises `UserError` where that fails."""
    metadata = {"name": dataset.name, "classes": json.dumps(dataset.classes), "sha256": dataset.sha256}
    tensors = {key: tensor.cpu().contiguous() for key, tensor in dataset.tensors.items()}
    write_atomically(path, lambda part: save_file(tensors, part, metadata))


def read(path: Path, name: str) -> Dataset:
    """The dataset in `path`; raises `UserError` unless it is `name` and hashes to what was written."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        dataset = Dataset(metadata["name"], classes=tuple(json.loads(metadata["classes"])), **tensors)
        intact = dataset.sha256 == metadata["sha256"] and dataset.name == name
    except (OSError, SafetensorError, LookupError, TypeError, ValueError):
        intact = False
    if not intact:
        raise UserError(f"{path} is not the {name} it should be (truncated or altered); delete it and load again")
    return dataset
