"""The fused loops of `native.cpp`, compiled by the machine's C++ compiler when they are first used, each in a
second, and kept in the user's cache.

Without a compiler, or elsewhere than on Linux, nothing is lost but speed: the plain formulas are used.
"""

from __future__ import annotations

import ast
import ctypes
import hashlib
import inspect
import math
import os
import platform
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from robust_activations.activations.fused.derivatives import FUNCTIONS

if TYPE_CHECKING:
    from robust_activations.activations.fused import Kernel, Layout

# bfloat16 is computed in float32; float16 is left to the plain formula, since compilers differ in it.
DTYPES = {torch.float32: torch.float32, torch.bfloat16: torch.float32, torch.float64: torch.float64}
SOURCE = Path(__file__).with_name("native.cpp")


class _Shape(ctypes.Structure):
    _fields_ = (
        ("rows", ctypes.c_int64),
        ("cols", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        ("by_column", ctypes.c_bool),
    )


def printed(function: Callable[..., Any]) -> str:
    """The function of `derivatives` as a C++ struct."""
    tree = ast.parse(inspect.getsource(function)).body[0]
    assert isinstance(tree, ast.FunctionDef)
    _, *parameters = (argument.arg for argument in tree.args.args)
    lines: list[str] = []
    results: list[str] = []
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            assert isinstance(statement.targets[0], ast.Name)
            lines.append(f"const T {statement.targets[0].id}_ = {_expression(statement.value)};")
        elif isinstance(statement, ast.Return):
            assert isinstance(statement.value, ast.Tuple)
            results = [_expression(item) for item in statement.value.elts]
    names = ["value", "slope", "d0", "d1"][: len(results)]
    lines += [f"{name} = {result};" for name, result in zip(names, results, strict=True)]
    members = "".join(f"T {name}_; " for name in parameters)
    initial = "".join(f"{name}_ = clean(theta[{k} * C]); " for k, name in enumerate(parameters))
    body = "\n        ".join(lines)
    return f"""template <class T> struct {function.__name__} {{
    static constexpr int K = {len(results) - 2};
    {members}
    INLINE {function.__name__}(const T* theta, index C) {{ {initial}}}
    INLINE void all(T x_, T& value, T& slope, T& d0, T& d1) const {{
        {body}
    }}
}};
"""


def _expression(node: ast.expr) -> str:
    """C++ of an expression. Names get an underscore, so that none is a word of C++; numbers are of the type T."""
    if isinstance(node, ast.BinOp):
        sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}[type(node.op)]
        return f"({_expression(node.left)} {sign} {_expression(node.right)})"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"(-{_expression(node.operand)})"
    if isinstance(node, ast.Compare):
        sign = {ast.Lt: "<", ast.Gt: ">"}[type(node.ops[0])]
        return f"({_expression(node.left)} {sign} {_expression(node.comparators[0])})"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return f"{node.func.id}({', '.join(map(_expression, node.args))})"
    if isinstance(node, ast.Constant):
        return f"T({node.value!r})"
    if isinstance(node, ast.Name):
        return f"{node.id}_"
    raise TypeError(f"derivatives are written without {ast.unparse(node)}")


def source(name: str) -> str:
    """The C++ text of one kernel."""
    hinges = name == "hinges"
    function, export = ("", "EXPORT_HINGES") if hinges else (printed(FUNCTIONS[name]), f"EXPORT({name})")
    return SOURCE.read_text().replace("// FUNCTION\n", function).replace("// EXPORT\n", f"{export}\n")


@cache
def library(name: str = "prelu") -> ctypes.CDLL | None:
    """The compiled loops of a kernel; None where they cannot be had, which the simplest one shows."""
    compiler = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++")
    if platform.system() != "Linux" or compiler is None:
        return None
    levels = {"AVX512": ["-march=x86-64-v4", "-mprefer-vector-width=512"], "AVX2": ["-march=x86-64-v3"]}
    flags = ["-std=c++17", "-O3", "-fPIC", "-shared", "-fopenmp", "-fno-math-errno", "-fno-trapping-math"]
    flags += levels.get(torch.backends.cpu.get_cpu_capability(), [])
    text = source(name)
    key = hashlib.sha256("\0".join([platform.machine(), compiler, *flags, text]).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "robust-activations"
    path = folder / f"{key}.so"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                code, out = Path(scratch) / "fused.cpp", Path(scratch) / "fused.so"
                code.write_text(text)
                command = [compiler, *flags, str(code), "-o", str(out)]
                subprocess.run(command, check=True, capture_output=True, text=True)
                out.replace(path)  # at once, since another process may be doing the same
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[:1]
        warnings.warn(f"no fused activations, only the plain formulas: {''.join(reason)}", stacklevel=2)
        return None


@cache
def _entry(name: str, dtype: torch.dtype, direction: str) -> Any:
    entry = getattr(library(name), f"{name}_{str(dtype).removeprefix('torch.')}_{direction}")
    entry.restype = None
    return entry


def _pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(0 if tensor is None else tensor.data_ptr())


def forward(kernel: Kernel, x: Tensor, theta: Tensor, layout: Layout) -> Tensor:
    """The function at `x`, dense in memory, with `theta` in the arithmetic's dtype."""
    y = torch.empty_like(x)
    layout, theta = _widened(layout, theta)
    _call(kernel, x.dtype, "forward", (x, y, theta), (), layout)
    return y


def backward(
    kernel: Kernel, x: Tensor, grad: Tensor, theta: Tensor, layout: Layout, learned: bool
) -> tuple[Tensor, Tensor | None]:
    """The gradient of `x` and, if `learned`, that of `theta`; `grad` lies in memory as `x` does."""
    channels = layout.channels
    layout, theta = _widened(layout, theta)
    dx, dtheta = torch.empty_like(x), torch.zeros_like(theta) if learned else None
    _call(kernel, x.dtype, "backward", (x, grad, dx, theta), (dtheta,), layout)
    return dx, None if dtheta is None else dtheta.view(len(theta), -1, channels).sum(1)


def _widened(layout: Layout, theta: Tensor) -> tuple[Layout, Tensor]:
    """Several rows as one, if the channels lie along them and are few: the inner loop is then worth its start."""
    rows, cols, channels, by_column = layout
    if not by_column:
        return layout, theta
    times = math.gcd(rows, 1 << max(0, (256 // cols).bit_length() - 1))
    return layout._replace(rows=rows // times, cols=cols * times, channels=channels * times), theta.repeat(1, times)


def _call(
    kernel: Kernel,
    dtype: torch.dtype,
    direction: str,
    tensors: tuple[Tensor, ...],
    optional: tuple[Tensor | None, ...],
    layout: Layout,
) -> None:
    hinges: tuple[Any, ...] = ()
    if kernel.signs is not None:
        kind = ctypes.c_double if dtype == torch.float64 else ctypes.c_float
        hinges = ((kind * len(kernel.signs))(*kernel.signs), len(kernel.signs), kernel.learn_places)
    pointers, outputs = map(_pointer, tensors), map(_pointer, optional)
    shape = ctypes.byref(_Shape(*layout))
    _entry(kernel.name, dtype, direction)(*pointers, *hinges, *outputs, shape, torch.get_num_threads())
