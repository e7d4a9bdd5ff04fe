"""Writes the notebooks without the solutions of their exercises: ``python book/handout.py`` -> ``_build/handout``.

A solution reaches from ``{solution-start}`` to ``{solution-end}``, over several cells; what stands beside it stays.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
START = re.compile(r"`{3,}{solution-start}.*", re.DOTALL)
END = re.compile(r".*?{solution-end}\s*`{3,}\n*", re.DOTALL)


def without_solutions(notebook: NotebookNode) -> tuple[NotebookNode, int]:
    """The notebook, and how many solutions were left out. **Raises** `ValueError` where one is not closed."""
    kept, left_out, inside = [], 0, False
    for cell in notebook.cells:
        text, before = cell.source, ""
        if not inside and (start := START.search(text)):
            before, text = text[: start.start()], start[0]
            left_out, inside = left_out + 1, True
        if inside:
            end = END.match(text)
            inside, text = end is None, text[end.end() :] if end else ""
        if before + text or not cell.source:
            kept.append(nbformat.from_dict({**cell, "source": before + text}))
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
