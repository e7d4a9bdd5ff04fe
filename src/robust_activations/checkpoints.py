"""Trained weights as safetensors, with the Run that made them inside the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from robust_activations.errors import UserError
from robust_activations.files import write_atomically
from robust_activations.run import Run


def save(path: Path, model: nn.Module, run: Run) -> None:
    """Writes the weights. A tensor that several modules share is written once. The same weights give the same file."""
    seen: set[int] = set()
    tensors = {}
    for name, value in model.state_dict().items():
        if value.data_ptr() not in seen or value.numel() == 0:
            tensors[name] = value.detach().cpu().contiguous()
        seen.add(value.data_ptr())
    # Of several words safetensors would choose the order by chance.
    write_atomically(path, lambda part: save_file(tensors, part, {"run": run.canonical}))


def run_of(path: Path) -> Run:
    """The Run a checkpoint says it comes from. **Raises** `UserError` if it is no checkpoint of this library."""
    try:
        with _reading(path), safe_open(path, "pt") as file:
            return TypeAdapter(Run).validate_json((file.metadata() or {})["run"])
    except (KeyError, ValidationError) as error:
        raise UserError(f"{path} does not say which run it comes from; it was not written by this library") from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint {path}; check the path") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no whole safetensors file: {error}") from error


def load(path: Path, model: nn.Module) -> None:
    """Loads the weights into a model of the same run. **Raises** `UserError` if they are another model's."""
    with _reading(path):
        tensors = load_file(path)
    own = model.state_dict()
    seen: dict[int, str] = {}
    aliases = {name for name, value in own.items() if seen.setdefault(value.data_ptr(), name) != name}
    wrong = [
        name
        for name in (own.keys() - aliases) | tensors.keys()
        if name not in own or name not in tensors or own[name].shape != tensors[name].shape
    ]
    if wrong:
        raise UserError(f"{path} is a checkpoint of another model: {len(wrong)} tensors differ, such as {min(wrong)}")
    model.load_state_dict(tensors, strict=False)
