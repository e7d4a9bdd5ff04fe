"""The fused loops of a CPU are compiled once: without a compiler, with one that fails, and with two at once."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from robust_activations.activations import create, fused
from robust_activations.activations.fused import native

pytestmark = pytest.mark.skipif(native.library() is None, reason="no C++ compiler")


@pytest.fixture
def anew(tmp_path, monkeypatch):
    """The library has not been asked for yet, and the cache is empty; gives a way to ask, with such a compiler."""

    def ask(compiler: str, cache: str = "cache") -> tuple[bool, list[str]]:
        monkeypatch.setenv("CXX", compiler)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / cache))
        monkeypatch.setattr(native, "library", functools.cache(own))
        module, x = create("pssilu", beta=0.3), torch.linspace(-3, 3, 50)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            first, second = module(x), module(x)
        with fused.plain():
            assert torch.equal(first, second)
            torch.testing.assert_close(first, module(x))
        return fused.backend(x) is native, [str(warning.message) for warning in caught]

    own = native.library.__wrapped__
    return ask


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_without_a_compiler_nothing_is_said(anew, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert anew("/nonexistent") == (False, [])


def test_a_compiler_that_fails_is_named_once(anew, tmp_path):
    broken = program(tmp_path / "broken", "echo 'out of order' >&2; exit 1")
    assert anew(broken) == (False, ["no fused activations, only the plain formulas: out of order"])
    assert not any((tmp_path / "cache" / "robust-activations").iterdir())
    (tmp_path / "file").write_text("where the cache should be")
    loops, (message,) = anew(broken, "file")
    assert not loops
    assert message.startswith("no fused activations, only the plain formulas: ")
    assert "Not a directory" in message


def test_two_processes_compile_at_the_same_time(anew, tmp_path):
    """The compiler is one that takes its time to copy the library that there is."""
    script = (
        "import torch\nfrom robust_activations.activations import create, fused\n"
        "create('prelu')(torch.ones(3))\nprint(fused.backend(torch.ones(3)) is fused.native)"
    )
    library, calls = native.library()._name, tmp_path / "calls"
    slow = program(tmp_path / "slow", f'for last; do :; done; sleep 1; cp "{library}" "$last"; echo >> "{calls}"')
    env = os.environ | {"CXX": slow, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-W", "error::UserWarning:robust_activations", "-c", script]
    both = [subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate(timeout=120)[0] for process in both] == ["True\n"] * 2
    (made,) = (tmp_path / "cache" / "robust-activations").iterdir()  # nothing else is left behind
    assert made.suffix == ".so"
    before = calls.read_text()
    assert len(before) in (1, 2)
    assert anew(slow) == (True, [])
    assert calls.read_text() == before  # found, not made again
