"""Where the project's files are, from wherever in it a command or a notebook is started."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

SCALES = ("digits", "cpu", "gpu", "paper")
PACKAGE = Path(__file__).parent
# What no result depends on: a change here needs no new training.
SHOWS = ("__main__", "campaigns", "cli", "cluster", "estimates", "figures", "stats", "studies")

# What a result depends on besides: whose versions count.
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "foolbox", "pyautoattack")


def project() -> Path:
    """The nearest folder upwards that holds the book's `_toc.yml`; the current one if there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "_toc.yml").exists()), here)


@cache
def fingerprint() -> str:
    """Hash of the code and versions that decide a result: live records of others are never taken for current ones."""
    digest = hashlib.sha256(" ".join(map(version, PACKAGES)).encode())
    for path in sorted((*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.cpp"))):
        name = path.relative_to(PACKAGE)
        if name.parts[0].removesuffix(".py") not in SHOWS:
            digest.update(f"{name.as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def version(package: str) -> str:
    """Of a package that is installed; else `absent`."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def ledger(scale: str) -> Path:
    """Where the records of a scale lie: `data/ledger`, committed; at `digits`, trained live, `data/live/<code>`."""
    return project() / "data" / (f"live/{fingerprint()}" if scale == "digits" else "ledger")


def data(scale: str) -> Path:
    """Where downloads, caches and checkpoints lie: `data`; at `digits`, which downloads nothing, beside the records.

    So weights and records that were trained live come and go together.
    """
    return ledger(scale) if scale == "digits" else project() / "data"
