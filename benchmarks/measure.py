"""What all benchmarks share: turns that alternate in one process, medians, the machine, the table and the JSON.

A side is a function that does a fixed amount of work and gives the seconds it took. Both sides of a ratio take turns
(ours, theirs, ours, theirs, ...), so what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import datetime, timezone
from fnmatch import fnmatch
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robust_activations import data, paths, provenance, runs
from robust_activations.attacks import Threat
from robust_activations.errors import UserError
from robust_activations.files import write_atomically
from robust_activations.training import Images, Objective, Schedule, train

Side = Callable[[], float]
Row = dict[str, Any]

VERSIONS = ("torch", "torchvision", "numpy", "torchattacks", "foolbox", "pyautoattack", "robust-activations")


# Time


def synchronize(device: torch.device) -> None:
    """Waits until the device has done what it was given; a CPU has, when the call returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(
    call: Callable[[], object], device: torch.device, calls: int = 1, clock: Callable[[], float] = time.perf_counter
) -> Side:
    """A side that makes so many calls in a row and gives the seconds that one of them took."""

    def side() -> float:
        synchronize(device)
        start = clock()
        for _ in range(calls):
            call()
        synchronize(device)
        return (clock() - start) / calls

    return side


def recorded(call: Callable[[], object], device: torch.device, times: int = 1) -> Callable[[], object]:
    """As training makes it: on a GPU so many calls in one CUDA graph, which does not wait for Python; else the call."""
    if device.type != "cuda":
        return call
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):  # what allocates or compiles at a first call does so before the capture
        for _ in range(3):
            call()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream(device)):
        for _ in range(times):
            call()
    return graph.replay


def interleaved(
    sides: Mapping[str, Side],
    repeats: int,
    seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each side in turn, `repeats` times; fewer, but at least once, where another round would take the whole
    beyond `seconds`."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    start = clock()
    for done in range(1, repeats + 1):
        for name, side in sides.items():
            times[name].append(side())
        spent = clock() - start
        if seconds is not None and spent * (done + 1) / done > seconds:
            break
    return times


def after_warm_up(
    sides: Mapping[str, Side],
    repeats: int,
    seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[dict[str, list[float]], bool]:
    """`interleaved` after a turn of each that does not count; where that would take too long, all turns count.

    Gives the seconds, and whether there was a warm-up.
    """
    start = clock()
    times = interleaved(sides, 1)
    spent = clock() - start
    if seconds is None or 3 * spent < seconds:
        return interleaved(sides, repeats, None if seconds is None else seconds - spent, clock), True
    if repeats > 1 and 2 * spent < seconds:
        again = interleaved(sides, 1)
        times = {name: taken + again[name] for name, taken in times.items()}
    return times, False


median = statistics.median


def spread(name: str, times: Sequence[float], digits: int = 6) -> Row:
    """Median, least and greatest as three entries of a row."""
    values = {name: median(times), f"{name}_min": min(times), f"{name}_max": max(times)}
    return {key: significant(value, digits) for key, value in values.items()}


def significant(value: float, digits: int = 6) -> float:
    return float(f"{value:.{digits}g}")


class Epochs:
    """`training.train`, one epoch at a call, so that others have their turn in between.

    A call goes on from the state that the last one saved, and gives the row of the history; its `train_seconds` count,
    which saving and loading are no part of. Nor, on a GPU, is the recording of CUDA graphs: a call is two epochs there,
    of which the second counts. Close it at the end (or use it in a `with`).

    Not a thread that waits: a second thread has OpenMP threads of its own, and with more of these than cores all of
    them go to sleep at every barrier, which cost a fifth of the speed.
    """

    def __init__(
        self, model: nn.Module, images: Images, objective: Objective, threat: Threat, schedule: Schedule, **options: Any
    ) -> None:
        self._train = partial(train, model, images, objective, threat, schedule, **options)
        self._folder = tempfile.TemporaryDirectory()
        self._at_once = 2 if images.images.is_cuda else 1

    def __call__(self) -> Row:
        rows: list[Row] = []
        state = Path(self._folder.name) / "state.pt"
        out = self._train(state=state, on_epoch=rows.append, go_on=lambda: len(rows) < self._at_once)
        if len(rows) < self._at_once:
            raise UserError(out.collapsed or "all epochs are over")
        return rows[-1]

    def seconds(self) -> float:
        """One epoch, as a side."""
        return self()["train_seconds"]

    def __enter__(self) -> Epochs:
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


@contextmanager
def peak_memory(device: torch.device) -> Iterator[list[float]]:
    """A list into which the peak of the GPU's memory within the block comes, in MiB; empty on a CPU."""
    peak: list[float] = []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    yield peak
    if device.type == "cuda":
        peak.append(round(torch.cuda.max_memory_allocated(device) / 2**20, 1))


# Data


def random_dataset(n: int, size: int = 32, channels: int = 3, seed: int = 0) -> data.Dataset:
    """Random uint8 images of CIFAR-10's shape: as dear as any others."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n + 64, channels, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (n + 64,), generator=generator)
    return data.Dataset("random", images[:n], labels[:n], images[n:], labels[n:], tuple("0123456789"))


def cifar10_or_random(n: int = 50_000) -> data.Dataset:
    """CIFAR-10 if it lies in `data/`, else random images; the dataset's name says which."""
    try:
        return data.load("cifar10", root=paths.project() / "data", download=False)
    except UserError:
        return random_dataset(n)


# The command


def parser(about: str, *, repeats: int) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    one = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    one.add_argument("--json", action="store_true", help="one JSON object on stdout, and nothing else there")
    one.add_argument("--save", action="store_true", help="write it to data/ledger/benchmarks/ too")
    one.add_argument("--device", help="cpu, cuda, ... (default: the GPU if there is one)")
    one.add_argument("--threads", type=int, help="threads of the CPU (default: PyTorch's)")
    only = "only rows whose label matches, such as '*pssilu*'; may be repeated"
    one.add_argument("--only", metavar="GLOB", action="append", help=only)
    one.add_argument("--repeats", type=int, default=repeats, help="turns a side, at most (default: %(default)s)")
    return one


def chosen(rows: Iterable[Row], only: Sequence[str] | None, **filters: Any) -> list[Row]:
    """The cases that match. A filter is None or the values that are wanted; a label is a case's values, by slashes."""
    wanted = [row for row in rows if all(values is None or row[key] in values for key, values in filters.items())]
    wanted = [row for row in wanted if only is None or any(fnmatch(label(row), glob) for glob in only)]
    if not wanted:
        raise UserError("no row is left; leave out a filter")
    return wanted


def label(case: Row) -> str:
    return "/".join(str(value) for value in case.values())


def run(
    name: str,
    parser: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace, torch.device], Iterable[Row]],
    columns: Sequence[str],
    words: Sequence[str] | None = None,
) -> None:
    """The whole command: reads the arguments, measures row by row, prints a table or the JSON, and saves it."""
    arguments = parser.parse_args(words)

    def save() -> Path:
        path = paths.project() / "data" / "ledger" / "benchmarks" / f"{name}-{short_name(device)}.json"
        write_atomically(path, json.dumps(result(rows, device, started), indent=1, allow_nan=False) + "\n")
        return path

    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    rows: list[Row] = []
    try:
        device = runs.device_of(arguments.device)
        if arguments.threads is not None:
            torch.set_num_threads(arguments.threads)
        with redirect_stdout(sys.stderr):  # peers print
            for row in measure(arguments, device):
                rows.append(row)
                if arguments.save:  # now: whoever stops a long benchmark keeps its rows
                    save()
                print(f"{name}: " + "  ".join(f"{key} {shown(row.get(key))}" for key in columns), file=sys.stderr)
    except UserError as error:
        print(f"benchmarks.{name}: {error}", file=sys.stderr)
        sys.exit(2)
    if arguments.save:
        print(f"written to {save()}", file=sys.stderr)
    content = result(rows, device, started)
    print(json.dumps(content, indent=1, allow_nan=False) if arguments.json else table(rows, columns))


def result(rows: list[Row], device: torch.device, started: str) -> dict[str, Any]:
    """What `--json` prints."""
    commit, clean = provenance.git_state()
    return {
        "rows": rows,
        "hardware": hardware(device),
        "versions": versions(),
        "started": started,
        "commit": commit,
        "clean": clean,
    }


def hardware(device: torch.device) -> dict[str, Any]:
    """The machine. `load` is the mean number of busy threads in the last minute, ours included."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found: dict[str, Any] = {
        "device": device.type,
        "cpu": provenance.cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(memory, 1),
        "load": round(os.getloadavg()[0], 2),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        found |= {
            "gpu": gpu.name,
            "gpu_memory_gib": round(gpu.total_memory / 2**30, 1),
            "capability": f"{gpu.major}.{gpu.minor}",
        }
    return found


def short_name(device: torch.device) -> str:
    """`cpu`, or the GPU's name as it is in file names: `h200`, `rtx-4090`."""
    if device.type != "cuda":
        return device.type
    words = torch.cuda.get_device_name(device).lower().split()
    return "-".join(word for word in words if word not in ("nvidia", "geforce", "tesla"))


def versions() -> dict[str, str | None]:
    """Versions of Python, of what is compared (None: not installed), of CUDA and cuDNN."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    return found | {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """The rows as a Markdown table."""
    cells = [list(columns), *([shown(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])
