"""Records: one JSON file a run, `<ledger>/<study>/<run id>.json`, written whole, validated when read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from robust_activations.errors import UserError
from robust_activations.evaluation import Evaluation
from robust_activations.files import write_atomically
from robust_activations.models.transfer import Packed
from robust_activations.provenance import Provenance
from robust_activations.run import Run

VERSION = 1


@dataclass(frozen=True)
class Record:
    """What came out of a run. `best` is the epoch with the highest held-out accuracy, chosen without the test set.

    `activations` are what the activations of that epoch have learned, by site, unless it is very much.
    """

    id: str
    run: Run
    provenance: Provenance
    history: tuple[dict[str, Any], ...]
    best_epoch: int
    collapsed: str | None
    parameters: int
    last: Evaluation
    best: Evaluation
    version: int = VERSION
    activations: dict[str, dict[str, Packed]] = field(default_factory=dict)


@cache
def _adapter() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def dumps(record: Record) -> str:
    return json.dumps(_adapter().dump_python(record, mode="json"), indent=1, allow_nan=False) + "\n"


def loads(text: str) -> Record:
    """The record, validated: types, the id, and that every count agrees with its bits.

    **Raises** `UserError` that says what is wrong with it.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON: {error}") from error
    version = content.get("version", VERSION) if isinstance(content, dict) else VERSION
    if version != VERSION:
        raise UserError(f"version {version}; this library reads version {VERSION}")
    try:
        record = _adapter().validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise UserError(f"{where}: {first['msg']}") from error
    if record.id != record.run.id:
        raise UserError(f"its id {record.id} is not that of its run, {record.run.id}")
    for evaluation in (record.last, record.best):
        for name, outcome in evaluation.outcomes.items():
            try:
                agrees = outcome.n > 0 and outcome.right.sum() == outcome.correct
            except UserError as error:
                raise UserError(f"{name}: {error}") from error
            if not agrees:
                raise UserError(f"{name}: the count {outcome.correct} of {outcome.n} does not agree with the bits")
        for measure in evaluation.measures.values():
            measure.each  # noqa: B018 (raises)
    for values in record.activations.values():
        for value in values.values():
            value.tensor  # noqa: B018 (raises)
    return record


def path_of(folder: Path, study: str, run: Run) -> Path:
    return folder / study / f"{run.id}.json"


def write(record: Record, folder: Path, study: str) -> Path:
    """Writes the record. **Raises** `UserError` if the file is there already: a ledger is never overwritten."""
    path = path_of(folder, study, record.run)
    if path.exists():
        raise UserError(f"{path} is there already; move it away to record this run again")
    write_atomically(path, dumps(record))
    return path


def read_file(path: Path) -> Record:
    """The record in a file named after its run. **Raises** `UserError` that names the file."""
    try:
        record = loads(path.read_text(encoding="utf-8"))
        if path.stem != record.id:
            raise UserError(f"it holds the record of run {record.id}")
    except (UserError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"broken ledger file {path}: {error}") from error
    return record


class Ledger:
    """All records of a folder by run id, whatever study they were made for. Broken files are named and skipped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: dict[str, Record] = {}
        self.studies: dict[str, str] = {}
        self.broken: dict[Path, str] = {}
        for path in sorted(folder.glob("*/*.json")):
            if path.parent.name == "benchmarks":
                continue
            try:
                record = read_file(path)
            except UserError as error:
                self.broken[path] = str(error)
                tqdm.write(f"skipped: {error}", file=sys.stderr)
                continue
            self.records[record.id] = record
            self.studies[record.id] = path.parent.name

    def __contains__(self, run: Run) -> bool:
        return run.id in self.records

    def __getitem__(self, run: Run) -> Record:
        return self.records[run.id]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records.values())

    def __len__(self) -> int:
        return len(self.records)

    def of(self, runs: list[Run]) -> list[Record]:
        """The records there are of these runs, in their order."""
        return [self.records[run.id] for run in runs if run in self]
