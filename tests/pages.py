"""The book's scripts as modules, and small pairs of notebooks for them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import nbformat

ROOT = Path(__file__).parents[1]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"book_{name}", ROOT / "book" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


notebooks = load("notebooks")

CELL = """# %% mystnb={"image": {"alt": "A line."}, "figure": {"caption": "A line.", "name": "fig-line"}}
figures.line()
"""


def pair(folder: Path, name: str, text: str) -> Path:
    """Writes NAME.py and its notebook; the notebook's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    nbformat.write(notebooks.render(folder / f"{name}.py"), folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"
