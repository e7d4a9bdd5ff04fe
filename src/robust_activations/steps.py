"""Work in steps: what each gave is kept in a file, from which interrupted work goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from robust_activations.errors import UserError
from robust_activations.files import write_atomically

T = TypeVar("T")


class Stopped(Exception):
    """There is no time for another step; what is done is kept."""


class Steps:
    """What each step gave, by its name: in memory, and in the file `path` if there is one, written after each step.

    `earlier` is how many seconds were spent on the steps that the file already had.

    **Raises** `Stopped` before a step when `go_on` says no; `UserError` for a file that is not whole.
    """

    def __init__(self, path: Path | None = None, go_on: Callable[[], bool] = lambda: True) -> None:
        self.path, self.go_on, self.start = path, go_on, time.perf_counter()
        self.values: dict[str, Any] = {}
        self.earlier = 0.0
        if path is not None and path.exists():
            try:
                state = json.loads(path.read_text(encoding="utf-8"))
                self.values, self.earlier = state["values"], float(state["seconds"])
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"cannot go on from {path}; delete it to start this evaluation again") from error

    def __call__(self, name: str, kind: Any, make: Callable[[], T]) -> T:
        """What `make()` gives, which is of type `kind` and can be told in JSON; or gave, if this step was done."""
        adapter: TypeAdapter[T] = TypeAdapter(kind)
        if name not in self.values:
            if not self.go_on():
                raise Stopped(name)
            self.values[name] = adapter.dump_python(make(), mode="json")
            if self.path is not None:
                seconds = self.earlier + time.perf_counter() - self.start
                write_atomically(self.path, json.dumps({"seconds": seconds, "values": self.values}))
        return adapter.validate_python(self.values[name])
