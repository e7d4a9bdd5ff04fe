"""What the book is made of: pairs of notebooks that agree, a whole table of contents, citations with an entry."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import yaml

from pages import CELL, ROOT, notebooks, pair


def test_every_pair_of_notebooks_agrees() -> None:
    assert notebooks.faults(ROOT / "notebooks") == []


def test_the_table_of_contents_names_every_notebook_and_only_what_exists() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    missing = [name for name in files if not any((ROOT / f"{name}{end}").exists() for end in (".md", ".ipynb"))]
    assert missing == []
    assert {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= set(files)


def test_every_citation_has_its_entry() -> None:
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "book/references.bib").read_text(), re.MULTILINE)
    assert len(keys) == len(set(keys))
    pages = [*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/*.py")]
    cited = {
        key.strip()
        for page in pages
        for keys_of_role in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", page.read_text())
        for key in keys_of_role.split(",")
    }
    assert cited - set(keys) == set()


def test_a_good_pair_has_no_faults_and_is_written_the_same_way_every_time(tmp_path: Path) -> None:
    notebook = pair(tmp_path, "good", f"# %% [markdown]\n# # Title\n\n{CELL}")
    before = notebook.read_text()
    assert notebooks.faults(tmp_path) == []
    assert pair(tmp_path, "good", (tmp_path / "good.py").read_text()).read_text() == before


def test_what_an_editor_adds_to_a_notebook_is_no_fault(tmp_path: Path) -> None:
    path = pair(tmp_path, "edited", CELL)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["collapsed"] = False
    notebook.cells[0].id = "another"
    notebook.metadata["language_info"]["version"] = "3.12.1"
    nbformat.write(notebook, path)
    assert notebooks.faults(tmp_path) == []


def test_faults_of_pairs_are_named(tmp_path: Path) -> None:
    def spoil(name: str, text: str = CELL, **changes: object) -> None:
        path = pair(tmp_path, name, text)
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[0].update(changes)
        nbformat.write(notebook, path)

    spoil("alone")
    (tmp_path / "alone.py").unlink()
    spoil("caption", CELL.replace('"caption": "A line."', '"caption": " "'))
    spoil("changed", source="figures.curve()")
    spoil("output", outputs=[nbformat.v4.new_output("stream", text="hello")], execution_count=1)
    spoil("plain", "# %%\nx = 1\nfigures.line(x)\n")
    spoil("silent", '# %% tags=["no-figure"]\nfigures.style()\n# figures.line()\n')
    faults = "\n".join(notebooks.faults(tmp_path))
    for expected in (
        "alone.ipynb: alone.py is missing",
        "caption.ipynb: cell 1 draws but has no mystnb.figure.caption",
        "changed.ipynb: disagrees with its .py in cells 1",
        "output.ipynb: cell 1 holds outputs",
        "plain.ipynb: cell 1 draws but has no mystnb.image.alt",
    ):
        assert expected in faults
    assert "silent" not in faults


def test_what_the_tools_leave_behind_is_no_page() -> None:
    # pytest writes a README.md into its cache, which failed the build that came after the tests
    kept_out = yaml.safe_load((ROOT / "_config.yml").read_text())["exclude_patterns"]
    hidden = re.findall(r"^/?(\.\w+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    assert {".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache"} <= set(hidden)
    assert [name for name in hidden if name not in kept_out and f"**/{name}" not in kept_out] == []
