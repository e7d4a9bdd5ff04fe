"""Shapes and types in annotations are checked while the tests run."""

import pytest
import torch
from jaxtyping import install_import_hook

# The modules that handle tensors.
TENSORS = ("activations", "attacks", "checks", "data", "evaluation", "models", "stats", "training")
install_import_hook([f"robust_activations.{name}" for name in TENSORS], "beartype.beartype")


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run side by side; with one thread each they do not fight for the cores."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))
