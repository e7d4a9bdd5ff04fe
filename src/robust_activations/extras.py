"""The libraries of the extra `attacks`, imported when an attack is asked for."""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from typing import Any

from robust_activations.errors import UserError


def library(name: str) -> Any:
    """The module. **Raises** `UserError` if it is not installed, or cannot be imported."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # of foolbox's imports, one else demands that git is there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of SciPy, where foolbox imports from it
            return import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed: pip install 'robust-activations[attacks]'") from error
    except ImportError as error:
        raise UserError(f"{name} cannot be imported: {error}") from error
