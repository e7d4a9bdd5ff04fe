"""The book's own machinery: no stale page, and a page check that catches what it is there for."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

import tiny
from pages import ROOT, load, pair
from robust_activations import cli, paths

build = load("build")


def test_a_handout_has_the_exercises_and_not_their_solutions(tmp_path):
    handout = load("handout")
    exercise = "# %% [markdown]\n# ```{exercise} A\n# ```\n#\n# ````{solution-start} a\n# ````\n\n# %%\nanswer = 42\n\n"
    after = "# %% [markdown]\n# So.\n#\n# ````{solution-end}\n# ````\n#\n# What next?\n\n# %%\nafter = 1\n"
    pair(tmp_path / "notebooks", "page", exercise + after)
    handout.main(tmp_path)
    cells = nbformat.read(tmp_path / "_build/handout/page.ipynb", as_version=4).cells
    assert [cell.source.strip() for cell in cells] == ["```{exercise} A\n```", "What next?", "after = 1"]
    with pytest.raises(ValueError, match="no end"):
        handout.without_solutions(nbformat.from_dict({"cells": [*cells[:1], {"source": "```{solution-start} a\n```"}]}))


def test_every_exercise_of_the_book_is_handed_out_without_its_solution():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        handed, left_out = load("handout").without_solutions(nbformat.read(path, as_version=4))
        text = "\n".join(cell.source for cell in handed.cells)
        assert "{solution" not in text, path.name
        assert len(re.findall(r"{exercise(?:-start)?}", text)) == left_out, path.name
        assert "What to try next" in text or not left_out, path.name


# ---- no stale pages ---------------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of one page, which imports a module of its own and counts how often it is executed."""
    root = tmp_path / "book"
    (root / "src").mkdir(parents=True)
    (root / "src/answer.py").write_text("NUMBER = 1111\n")
    (root / "_toc.yml").write_text("format: jb-book\nroot: notebooks/page\n")
    (root / "_config.yml").write_text("title: T\nexecute: {execute_notebooks: cache}\nonly_build_toc_files: true\n")
    code = 'import sys\nsys.path.insert(0, "../src")\nimport answer\n'
    count = 'with open("../executions", "a") as file:\n    file.write("x")\n'
    check = 'assert answer.NUMBER > 0, "a number below zero"\nprint("the number is", answer.NUMBER)\n'
    pair(root / "notebooks", "page", f"# %% [markdown]\n# # Page\n\n# %%\n{code}{count}{check}")
    return root


def _start_build(root: Path, **environment: str) -> subprocess.Popen[str]:
    # A home whose Jupyter offers another, broken kernel under the usual name.
    kernel = root.parent / "home/.local/share/jupyter/kernels/python3"
    kernel.mkdir(parents=True, exist_ok=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    environment = {**os.environ, "HOME": str(root.parent / "home"), **environment}
    command = [sys.executable, str(ROOT / "book/build.py"), str(root)]
    pipe = subprocess.PIPE
    # In a session of its own it can be interrupted as in a terminal: with all that it started.
    options = {"start_new_session": True, "preexec_fn": tiny.hear_ctrl_c}
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, **options)


def _run_build(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    with _start_build(root, **environment) as process:
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _executions(root: Path) -> int:
    return len((root / "executions").read_text())


def test_a_change_in_the_library_reaches_the_page(book: Path) -> None:
    page = book / "_build/html/notebooks/page.html"

    first = _run_build(book)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "the number is 1111" in page.read_text()
    assert (book / "_build/html/index.html").exists()

    assert _run_build(book).returncode == 0
    assert _executions(book) == 1, "nothing has changed, yet the notebook was executed again"

    (book / "src/answer.py").write_text("NUMBER = -1\n")
    failed = _run_build(book)
    assert failed.returncode != 0
    assert "a number below zero" in failed.stderr
    assert not page.exists(), "a page of a failed build looks like a good one"
    assert _run_build(book).returncode != 0, "the same fault passed the second time"

    (book / "src/answer.py").write_text("NUMBER = 2222\n")
    assert _run_build(book).returncode == 0
    assert "the number is 2222" in page.read_text()
    assert "1111" not in page.read_text()


# ---- side by side -----------------------------------------------------------------------------------------------

START = """# %% [markdown]
# # Page

# %%
import os
import time
from pathlib import Path

with open("../executions", "a") as file:
    file.write(Path("me").name)
Path("me").write_text(str(os.getpid()))
"""
MEET = """
for _ in range(600):
    if Path("other").exists():
        break
    time.sleep(0.1)
else:
    raise TimeoutError("alone")
print("me met the other;", "threads:", os.environ["OMP_NUM_THREADS"])
"""
needs_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core executes one notebook at a time")


@pytest.fixture
def two(tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes a book of the pages a and b from the code of each, in which `me` and `other` are the pages' names."""

    def make(a: str, b: str) -> Path:
        root = tmp_path / "book"
        for me, other, code in (("a", "b", a), ("b", "a", b)):
            text = (START + code).replace('"me', f'"{me}').replace('"other', f'"{other}')
            pair(root / "notebooks", me, text)
        pair(root / "notebooks", "unnamed", START.replace('"me', '"unnamed'))
        (root / "_toc.yml").write_text("format: jb-book\nroot: notebooks/a\nchapters:\n- file: notebooks/b\n")
        config = "title: T\nexecute: {execute_notebooks: cache, timeout: 100}\nonly_build_toc_files: true\n"
        (root / "_config.yml").write_text(config)
        return root

    return make


def _executed(root: Path) -> str:
    """The name of a page for each of its executions, sorted."""
    return "".join(sorted((root / "executions").read_text()))


@needs_cores
def test_notebooks_run_side_by_side_and_once(two: Callable[[str, str], Path]) -> None:
    root = two(MEET, MEET)

    done = _run_build(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _executed(root) == "ab", "executed again by Jupyter Book, or not named by the table of contents"
    threads = max(1, (os.cpu_count() or 1) // 2)
    for name in "ab":
        assert f"{name} met the other; threads: {threads}" in (root / f"_build/html/notebooks/{name}.html").read_text()

    pair(root / "notebooks", "b", (root / "notebooks/b.py").read_text() + "print('a new line')\n")
    assert _run_build(root).returncode == 0
    assert _executed(root) == "abb", "only b has changed"
    assert "a new line" in (root / "_build/html/notebooks/b.html").read_text()


def test_a_notebook_that_fails_fails_the_build_and_no_other(two: Callable[[str, str], Path]) -> None:
    root = two('raise ValueError("a number below zero")\n', "")

    done = _run_build(root)
    assert done.returncode != 0
    assert "notebooks/a failed" in done.stdout
    assert "a number below zero" in done.stderr
    assert not (root / "_build/html").exists()
    assert _executed(root) == "aab", "Jupyter Book executes the one that failed, and only that, to report it"

    pair(root / "notebooks", "a", START.replace('"me', '"a'))
    assert _run_build(root).returncode == 0
    assert _executed(root) == "aaab"


def test_a_cell_may_take_as_long_as_the_configuration_says(two: Callable[[str, str], Path]) -> None:
    root = two("time.sleep(60)\n", "")
    (root / "_config.yml").write_text((root / "_config.yml").read_text().replace("timeout: 100", "timeout: 2"))

    done = _run_build(root)
    assert done.returncode != 0
    assert "notebooks/a failed" in done.stdout
    assert "CellTimeoutError" in done.stderr


def test_an_interrupt_ends_the_notebooks(two: Callable[[str, str], Path]) -> None:
    root = two("time.sleep(90)\n", "time.sleep(90)\n")
    pids = [root / "notebooks/a"]

    with _start_build(root) as process:
        _wait_until(lambda: all(path.exists() and path.read_text() for path in pids), 100)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert "interrupted" in err
    assert "Traceback" not in err
    _wait_until(lambda: not any(_alive(int(path.read_text())) for path in pids), 20)


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("status", [0, 3])
def test_live_runs_are_trained_first(two: Callable[[str, str], Path], status: int) -> None:
    root = two("# studies.collect('paf')\n", "")
    package = root / "fake/robust_activations"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(paths.__file__, package)  # which the build takes the packages from
    (package / "__main__.py").write_text(
        "import sys\nfrom pathlib import Path\n"
        "assert not Path('executions').exists()\n"
        f"Path('words').write_text(' '.join(sys.argv[1:]))\nsys.exit({status})\n"
    )

    done = _run_build(root, PYTHONPATH=str(root / "fake"))
    assert (done.returncode != 0) == (status != 0), done.stdout + done.stderr
    words = (root / "words").read_text().split()
    asked = cli.parser().parse_args(words)
    assert (asked.study, asked.scale, asked.jobs) == ("all", "digits", os.cpu_count())
    if status:
        assert "not all live runs could be made" in done.stderr
        assert not (root / "executions").exists()
        return
    (root / "words").unlink()
    assert _run_build(root, PYTHONPATH=str(root / "fake")).returncode == 0
    assert not (root / "words").exists(), "no notebook was executed, so that none needed a run"


# ---- what the fingerprints cover --------------------------------------------------------------------------------


def test_the_library_and_the_book_know_the_same_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that are not installed."""
    assert set(paths.PACKAGES) < set(build.PACKAGES)
    before, version = paths.fingerprint.__wrapped__(), paths.version
    for name in ("scipy", "foolbox", "pyautoattack"):
        with monkeypatch.context() as patch:
            patch.setattr(paths, "version", lambda one, name=name: "another" if one == name else version(one))
            assert paths.fingerprint.__wrapped__() != before, name
    assert paths.version("no-such-package") == "absent"


@pytest.mark.parametrize(
    ("path", "numbers", "pages"),
    [
        ("src/package/module.py", True, False),
        ("data/ledger/study/run.json", True, False),
        ("constraints.txt", True, False),
        ("notebooks/page.ipynb", False, True),
        ("book/preface.md", False, True),
        ("_toc.yml", False, True),
        ("src/package/__pycache__/module.cpython-311.pyc", False, False),
        ("src/package.egg-info/PKG-INFO", False, False),
        ("data/ledger/study/run.json.lock", False, False),
        ("README.md", False, False),
    ],
)
def test_what_the_fingerprints_cover(tmp_path: Path, path: str, numbers: bool, pages: bool) -> None:
    before = build.fingerprints(tmp_path)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("new")
    after = build.fingerprints(tmp_path)
    assert (after["code"] != before["code"], after["pages"] != before["pages"]) == (numbers, pages)


def test_one_build_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "_build").mkdir()
    with build.FileLock(tmp_path / "_build/lock"):
        assert build.build(tmp_path) == 1
    assert "another build" in capsys.readouterr().err


# ---- the page check ---------------------------------------------------------------------------------------------

PAGE = """<!doctype html><html lang="en">
<head><meta name="viewport" content="width=device-width"><title>T</title></head>
<body>{body}</body></html>"""
IMAGE = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E"
PLANTED = {
    "console: ": "<script>undefinedFunction()</script>",
    "request to a foreign host: https://example.invalid/a.js": '<script src="https://example.invalid/a.js"></script>',
    "broken link: gone.html": '<a href="gone.html">x</a>',
    "broken link, no such anchor: good.html#gone": '<a href="good.html#gone">x</a>',
    "link out of the book: ../outside.html": '<a href="../outside.html">x</a>',
    "broken image: gone.png": '<img src="gone.png" alt="A picture.">',
    "image without alt text: data:": f'<img src="{IMAGE}" alt=" ">',
    "image without alt text: plot.svg": '<img src="plot.svg" alt="../_images/plot.svg">',
    "mathematics not typeset: \\(x^2\\)": '<span class="math">\\(x^2\\)</span>',
    "mathematics not typeset: with $$": "<p>with $$ x</p>",
    "mathematics not typeset: a \\varepsilon": "<p>a \\varepsilon b</p>",
    "error in mathematics: Missing close": "<mjx-merror>Missing close brace</mjx-merror>",
    "wider than a phone: table.wide": '<table class="wide" style="width: 600px"><tr><td>x</td></tr></table>',
}
GOOD = f"""<h1 id="top">T</h1><a href="#top">x</a><a href="sub/page.html#here">x</a><a href="https://example.invalid">x</a>
<img src="{IMAGE}" alt="A small square."><code>\\alpha $$</code>
<div style="overflow-x: auto"><table style="width: 600px"><tr><td>x</td></tr></table></div>"""


@pytest.mark.site
def test_the_page_check_catches_every_planted_fault(tmp_path: Path) -> None:
    pytest.importorskip("selenium")
    check_pages = load("check_pages")
    if check_pages.browser_paths() is None:
        pytest.skip("no Chromium here")
    html = tmp_path / "html"
    (html / "sub").mkdir(parents=True)
    (html / "good.html").write_text(PAGE.format(body=GOOD))
    (html / "sub/page.html").write_text(PAGE.format(body='<p id="here">x</p>'))
    (html / "index.html").write_text('<meta http-equiv="Refresh" content="0; url=good.html" />')
    (html / "plot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    (tmp_path / "outside.html").write_text("x")
    for number, body in enumerate(PLANTED.values()):
        (html / f"planted{number:02}.html").write_text(PAGE.format(body=body))

    pages = check_pages.check(html)

    for name in ("good.html", "sub/page.html", "index.html"):
        assert pages[name].faults == []
    for number, expected in enumerate(PLANTED):
        faults = pages[f"planted{number:02}.html"].faults
        assert any(fault.startswith(expected) or expected in fault for fault in faults), (expected, faults)


# ---- the commands -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ('case "$*" in --version) echo Python 3.9.1;; *version_info*) exit 1;; esac', "Python 3.9.1 is too old"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "cannot make virtual environments"),
        (None, "was not found"),
    ],
)
def test_make_says_in_one_line_what_is_missing(tmp_path: Path, python: str | None, expected: str) -> None:
    fake = tmp_path / "python"
    if python is not None:
        fake.write_text(f"#!/bin/sh\n{python}\n")
        fake.chmod(0o755)
    command = ["make", "--no-print-directory", "book", f"PYTHON={fake}", f"VENV={tmp_path / 'venv'}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert result.returncode != 0
    assert len(lines) == 1
    assert expected in lines[0]
