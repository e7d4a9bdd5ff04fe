"""Shapes and types in annotations are checked while the tests run."""

import os
from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

# The modules that handle tensors.
TENSORS = (
    "activations",
    "attacks",
    "checks",
    "data",
    "distances",
    "evaluation",
    "folding",
    "models",
    "stats",
    "training",
)
install_import_hook([f"robust_activations.{name}" for name in TENSORS], "beartype.beartype")


# Tests run side by side; with one thread each, they and the processes that they start do not fight for the cores.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder in which the tiny study has been run without any interruption."""
    import tiny

    folder = tmp_path_factory.mktemp("made")
    assert tiny.campaign(folder).made == len(tiny.RUNS)
    return folder


@pytest.fixture
def only_tiny(monkeypatch):
    """No study exists but the tiny one."""
    import tiny
    from robust_activations import studies

    monkeypatch.setattr(studies, "STUDIES", {"tiny": tiny.STUDY})


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    """Runs a command in an empty folder; gives its exit status and what it wrote."""
    from robust_activations import cli

    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as exited:
            cli.main([str(word) for word in words])
        return exited.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where the ledger of every scale is."""
    from robust_activations import paths

    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / ("live" if scale == "digits" else "ledger"))
    return tmp_path


@pytest.fixture
def small():
    """A dataset of 40 and 8 images of four classes."""
    from helpers import random_images
    from robust_activations.data import Dataset

    labels = torch.arange(40) % 4
    return Dataset(
        "tiny", random_images(40), labels, random_images(8, seed=1), labels[:8].clone(), ("a", "b", "c", "d")
    )


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
