"""Notebooks come in pairs: NAME.py (percent format, the one to edit) and NAME.ipynb (which Jupyter and the book open).

Run as a program, writes every .ipynb that disagrees with its .py; with ``--check`` it only says which do.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# A cell that calls one of these draws, unless it is tagged `no-figure`.
DRAWS = re.compile(r"^[^#\n]*\b(figures|plt|sns)\.\w+\(", re.MULTILINE)


def render(script: Path) -> NotebookNode:
    """The notebook that ``script`` (py:percent) stands for: no outputs, and the same cell ids every time."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(
        {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        # Ids made from the text: adding a cell leaves the others' ids, and so the diff, alone.
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
    return notebook


def faults(folder: Path) -> list[str]:
    """What is wrong with the pairs in ``folder``, one line a fault: a missing twin, a pair that disagrees, a stored
    output, another kernel, a figure without alt text, caption or name."""
    names = {path.stem for suffix in ("py", "ipynb") for path in folder.glob(f"*.{suffix}")}
    return [line for name in sorted(names) for line in _pair_faults(folder / f"{name}.py", folder / f"{name}.ipynb")]


def _pair_faults(script: Path, twin: Path) -> list[str]:
    pair = ((script, twin), (twin, script))
    if missing := [f"{other.name}: {path.name} is missing" for path, other in pair if not path.exists()]:
        return missing
    notebook = nbformat.read(twin, as_version=4)
    return [f"{twin.name}: {line}" for line in (*_disagreement(render(script), notebook), *_notebook_faults(notebook))]


def _disagreement(ours: NotebookNode, theirs: NotebookNode) -> list[str]:
    pairs = itertools.zip_longest(_essence(ours), _essence(theirs))
    numbers = [str(number) for number, (one, other) in enumerate(pairs, 1) if one != other]
    return [f"disagrees with its .py in cells {', '.join(numbers)}; `make notebooks` renews it"] if numbers else []


def _essence(notebook: NotebookNode) -> list[tuple[str, str, dict]]:
    # Through jupytext and back: it leaves out what editors write into a notebook.
    bare = nbformat.from_dict({**notebook, "metadata": {}})
    cells = jupytext.reads(jupytext.writes(bare, fmt="py:percent"), fmt="py:percent").cells
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in cells]


def _notebook_faults(notebook: NotebookNode) -> list[str]:
    found = []
    if notebook.metadata.get("kernelspec", {}).get("name") != KERNEL["name"]:
        found.append(f"its kernel is not {KERNEL['name']!r}, the one every environment has")
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        if cell.outputs or cell.execution_count is not None:
            found.append(f"cell {number} holds outputs; the book makes its own")
        tags = cell.metadata.get("tags", [])
        if DRAWS.search(cell.source) and "no-figure" not in tags:
            mystnb = cell.metadata.get("mystnb", {})
            for group, key in (("image", "alt"), ("figure", "caption"), ("figure", "name")):
                if not str(mystnb.get(group, {}).get(key, "")).strip():
                    found.append(f"cell {number} draws but has no mystnb.{group}.{key}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[1] / "notebooks")
    parser.add_argument("--check", action="store_true", help="change nothing, only report")
    options = parser.parse_args()
    if not options.check:
        for script in sorted(options.folder.glob("*.py")):
            twin = script.with_suffix(".ipynb")
            if _pair_faults(script, twin):
                nbformat.write(render(script), twin)
                print(f"wrote {twin}")
    found = faults(options.folder)
    print("\n".join(found) or f"the pairs in {options.folder} agree")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
