"""Writes the notebooks without the solutions of their exercises: ``python book/handout.py`` -> ``_build/handout``.

A solution is every cell from the one with ``{solution-start}`` to the one with ``{solution-end}``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent


def without_solutions(notebook: NotebookNode) -> tuple[NotebookNode, int]:
    """The notebook, and how many solutions were left out. **Raises** `ValueError` where one is not closed."""
    kept, left_out, inside = [], 0, False
    for cell in notebook.cells:
        if "{solution-start}" in cell.source:
            left_out, inside = left_out + 1, True
        if not inside:
            kept.append(cell)
        if "{solution-end}" in cell.source:
            inside = False
    if inside:
        raise ValueError("a solution has no end")
    return nbformat.from_dict({**notebook, "cells": kept}), left_out


def main(root: Path = ROOT) -> int:
    folder = root / "_build/handout"
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook, left_out = without_solutions(nbformat.read(path, as_version=4))
        nbformat.write(notebook, folder / path.name)
        total += left_out
    print(f"wrote {folder}: solutions left out: {total}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
