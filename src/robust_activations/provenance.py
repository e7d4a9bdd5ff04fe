"""Where, when and with what a number was measured."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch

from robust_activations import data, distributed, paths


@dataclass(frozen=True)
class Provenance:
    """Where, when and with what a record was made. `code` is the hash of the library's sources; memory in MiB."""

    commit: str | None
    clean: bool
    code: str
    python: str
    torch: str
    device: str
    threads: int
    dataset_sha256: str
    canonical: bool | None
    started: str
    seconds: float
    peak_memory: float


def here(
    dataset: data.Dataset,
    device: torch.device,
    started: datetime,
    seconds: float,
    sync_bn: bool = False,
    memory: float = 0.0,
) -> Provenance:
    """Where and how this record comes to be. `seconds` counts what earlier, interrupted calls trained too; `memory` is
    a peak seen before, if anything has begun to count anew since."""
    commit, clean = git_state()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    return Provenance(
        commit=commit,
        clean=clean,
        code=paths.fingerprint(),
        python=platform.python_version(),
        torch=torch.__version__,
        device=distributed.together(name, sync_bn),
        threads=torch.get_num_threads(),
        dataset_sha256=dataset.sha256,
        canonical=data.canonical(dataset),
        started=started.isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        peak_memory=round(max(memory, peak_memory(device)), 1),
    )


def peak_memory(device: torch.device) -> float:
    """MiB: of a GPU what tensors took at most, since that was last reset; else what this process did."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def git_state() -> tuple[str | None, bool]:
    """The commit of the sources, and whether they are as committed. Without git, the environment may say both."""

    def git(*words: str) -> str | None:
        done = subprocess.run(["git", "-C", str(paths.PACKAGE), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        commit = git("rev-parse", "HEAD")
        if commit is not None:
            return commit, git("status", "--porcelain", "--", str(paths.PACKAGE)) == ""
    except OSError:  # no git
        pass
    named, clean = (os.environ.get(f"ROBUST_ACTIVATIONS_{what}") for what in ("COMMIT", "CLEAN"))
    return named, named is not None and clean == "1"


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
