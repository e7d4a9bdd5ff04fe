"""torchvision can be imported beside any torch, and is left alone where that needs no help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from robust_activations import _torchvision

DECLARE_NMS = """
import torch
library = torch.library.Library("torchvision", "FRAGMENT")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
IMPORT = """
import importlib
try:
    import torchvision
    whole = True
except RuntimeError:  # leaves half of its modules behind
    whole = False
from robust_activations import _torchvision
assert (_torchvision._declared is None) == whole
_torchvision.torchvision.models.resnet18, _torchvision.torchvision.datasets.MNIST
import torchvision.ops, torchvision.transforms.v2
importlib.reload(_torchvision)
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment)


def test_torchvision_is_importable_beside_any_torch():
    done = python(IMPORT)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(_torchvision._declared is None, reason="torchvision's extension fits this torch")
def test_torchvision_when_someone_else_has_declared_an_operator():
    done = python(DECLARE_NMS + IMPORT)
    assert done.returncode == 0, done.stderr


def test_other_errors_of_torchvision_come_through(tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('something else')")
    done = python("import robust_activations._torchvision", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "something else" in done.stderr


LAZY = """
import sys
import robust_activations.studies
from robust_activations import models
assert not any(name.split(".")[0] == "torchvision" for name in sys.modules), "imported"
assert "denoise" in models.REGISTRY["resnet18"].options()
assert "torchvision" not in sys.modules, "imported for the options of another model"
options = models.REGISTRY["resnet50"].options()
assert "torchvision" in sys.modules, "who wants to know"
assert "zero_init" in options and "depths" not in options, options
"""


def test_studies_do_without_torchvision_until_a_model_needs_it():
    """It takes as long to import as all else together."""
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
