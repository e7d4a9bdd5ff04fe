"""torchvision, importable beside any torch: `from robust_activations._torchvision import torchvision`.

PyPI's torchvision is compiled for PyPI's torch, which is the CUDA one on Linux. Beside a CPU-only torch its
C++ extension does not load, and the import dies because its Python part gives fake kernels to two operators
that only the extension declares. Nothing here calls these operators, so their schemas are declared when, and
only when, the plain import has failed for that reason: a complete torchvision is imported untouched.
"""

from __future__ import annotations

import sys

import torch

# Kept for the life of the process: torch forgets a declaration when its Library is collected.
_declared: torch.library.Library | None = None

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

try:
    import torchvision
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    _declared = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            _declared.define(schema)
    import torchvision

__all__ = ["torchvision"]
