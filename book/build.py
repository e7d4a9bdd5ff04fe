"""Builds the book: ``python book/build.py`` -> ``_build/html/index.html``.

Jupyter Book keeps executed notebooks, and Sphinx keeps pages, without noticing that the library or the ledger they were
made from has changed. Here a fingerprint of everything that decides a page is compared with that of the last build, and
whatever was made from something else is removed first.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

sys.path.insert(0, str(Path(__file__).parent))
import execute
import notebooks

from robust_activations import paths

# What decides the numbers: a change here makes every executed notebook worthless. (Runs trained live are kept by the
# library under a hash of the code that made them.)
CODE = ("src", "data/ledger", "constraints.txt")
PACKAGES = (*paths.PACKAGES, "matplotlib", "seaborn")
EXECUTED = (execute.CACHE,)
# What decides the pages besides. (A changed notebook alone is executed again: the cache does not know it.)
PAGES = ("book", "notebooks", "_config.yml", "_toc.yml")
TYPESET = ("_build/html", "_build/.doctrees", "_build/jupyter_execute", "_build/failed")
JUPYTER_BOOK = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "-W", "--keep-going"]
SKIPPED = ("__pycache__", ".ipynb_checkpoints", ".egg-info", ".lock", ".pyc")


def fingerprints(root: Path) -> dict[str, str]:
    """Two hashes (sha256, hex): ``code`` of what decides the numbers, ``pages`` of what decides their typesetting."""
    versions = [f"python {platform.python_version()}", *(f"{name} {paths.version(name)}" for name in PACKAGES)]
    return {"code": _hash(root, CODE, versions), "pages": _hash(root, PAGES, [])}


def _hash(root: Path, names: tuple[str, ...], extra: list[str]) -> str:
    digest = hashlib.sha256("\n".join(extra).encode())
    for path in sorted(path for name in names for path in _files(root / name)):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir() and not path.name.endswith(SKIPPED):
        for child in path.iterdir():
            if not child.name.endswith(SKIPPED):
                yield from _files(child)


def build(root: Path) -> int:
    """Builds the book of the repository at ``root``; 0 when every notebook ran and nothing gave a warning.

    A failed build leaves no ``_build/html`` behind: its pages are in ``_build/failed``.
    """
    (root / "_build").mkdir(exist_ok=True)
    try:
        with FileLock(root / "_build/lock", timeout=0):
            return _build(root)
    except Timeout:
        return _complain(["another build of this book is running; wait for it to end"])


def _build(root: Path) -> int:
    start, state = time.monotonic(), root / "_build/fingerprints.json"
    if found := notebooks.faults(root / "notebooks"):
        return _complain(found)

    before, known = fingerprints(root), _read(state)
    if known.get("code") != before["code"]:
        _remove(root, EXECUTED, "the library, the ledger or the versions have changed")
    if known != before:
        _remove(root, TYPESET, "the book's sources have changed")
    # Only now: were this process killed during the removal, the old fingerprint must still stand.
    state.write_text(json.dumps({"code": before["code"]}))

    print(f"book: building; a notebook that changed takes a minute or more ({root})", flush=True)
    environment = _environment(root)
    if status := execute.prepare(root, environment):
        print("book: not all live runs could be made", file=sys.stderr)
    else:
        status = subprocess.run([*JUPYTER_BOOK, str(root)], cwd=root, env=environment, check=False).returncode

    if status:
        html = root / "_build/html"
        reports = [path.read_text().splitlines()[-12:] for path in sorted(html.rglob("reports/**/*.err.log"))]
        if html.is_dir():
            html.rename(root / "_build/failed")
        # The state names no pages now, so that the next build reads them all: Sphinx warns of a page only once.
        return _complain([line for report in reports for line in report] + ["failed; as far as it got: _build/failed"])
    after = fingerprints(root)
    if after["code"] != before["code"]:
        state.unlink()
        return _complain(["the library or the ledger changed during the build; run it again"])
    if after == before:
        state.write_text(json.dumps(before))
    else:
        print("book: a page's source changed during the build; the next build reads every page again")
    print(f"book: _build/html/index.html in {time.monotonic() - start:.0f} s")
    return 0


def _environment(root: Path) -> dict[str, str]:
    """The kernel is this environment's; the user's kernels, start-up files and backend stay out of the book."""
    profile = root / "_build/.ipython/profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    # It warns, once a notebook, that it talks to this machine over TCP.
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'ERROR'\n")
    own = {"JUPYTER_PREFER_ENV_PATH": "1", "IPYTHONDIR": str(profile.parent)}
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | own | quiet


def _read(state: Path) -> dict[str, str]:
    try:
        return dict(json.loads(state.read_text()))
    except (OSError, ValueError):
        return {}


def _remove(root: Path, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if (root / name).is_dir():
            print(f"book: {why}: removing {name}", flush=True)
            shutil.rmtree(root / name)


def _complain(lines: list[str]) -> int:
    for line in lines:
        print(f"book: {line}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(build(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()))
    except KeyboardInterrupt:
        sys.exit("book: interrupted; the next build goes on with what was finished")
