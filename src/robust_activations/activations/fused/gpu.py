"""The fused loops on a GPU, in Triton, where each function of `derivatives` serves as it is.

A tensor is the matrix that `Layout` says, cut into tiles of rows and columns, one for each program. The sums for the
parameters' gradients are made tile by tile and added up by a second kernel, in an order that is always the same.
"""

# mypy: allow-untyped-defs

from __future__ import annotations

import inspect
import math
from types import FunctionType
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor

from robust_activations.activations.fused.derivatives import FUNCTIONS

if TYPE_CHECKING:
    from robust_activations.activations.fused import Kernel, Layout

if tuple(map(int, triton.__version__.split(".")[:2])) < (3, 4):
    raise ImportError("Triton passes functions to kernels from 3.4 on, which comes with torch 2.8")

# Half precision is computed in float32.
DTYPES = {
    torch.float32: torch.float32,
    torch.bfloat16: torch.float32,
    torch.float16: torch.float32,
    torch.float64: torch.float64,
}


def _jit(function):
    """Triton reads the function's own text and globals, not those of what a type checker wraps around it."""
    return triton.jit(inspect.unwrap(function))


# Mathematics, under the names of `derivatives`.


@_jit
def where(condition, yes, no):
    return tl.where(condition, yes, no)


@_jit
def absolute(x):
    return tl.abs(x)


@_jit
def erf(x):
    return tl.erf(x)


@_jit
def exp(x):
    return tl.exp(x)


@_jit
def sqrt(x):
    return tl.sqrt(x)


@_jit
def sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@_jit
def sign(x):
    return (x > 0).to(x.dtype) - (x < 0).to(x.dtype)


# Series that the loops below add up from the highest power to the lowest: of sinh(y) / y in y^2; of log(1 + x) / x on
# [0, 1]; and of (log(1 + f) - f + f^2 / 2) / f^3 on [sqrt(1/2) - 1, sqrt(2) - 1]. The last two as in `native.cpp`.
_SINH = tl.constexpr(tuple(1 / math.factorial(2 * k + 1) for k in range(8, -1, -1)))
_LOG_UNIT = tl.constexpr(
    (
        *(0.00518591712, -0.0292099012, 0.0775397395, -0.13583882, 0.190559236),
        *(-0.248256387, 0.33316009, -0.499992558, 0.999999921),
    )
)
_LOG = tl.constexpr(
    (
        *(0.0705496175, -0.114199796, 0.116284669, -0.124298809, 0.14254892),
        *(-0.166678126, 0.200005555, -0.249999952, 0.333333318),
    )
)


@_jit
def expm1(x):
    """2 exp(x / 2) sinh(x / 2) where |x| < 1."""
    e = tl.exp(0.5 * x)
    square = 0.25 * x * x
    series = 0.0
    for k in tl.static_range(0 if x.dtype == tl.float64 else 4, 9):
        series = series * square + _SINH[k]
    return tl.where(tl.abs(x) < 1, x * e * series, e * e - 1)


@_jit
def log1p_unit(x):
    if x.dtype == tl.float64:
        return log1p(x)
    else:
        series = 0.0
        for k in tl.static_range(9):
            series = series * x + _LOG_UNIT[k]
        return series * x


@_jit
def log1p(x):
    """For x >= 0. In float64 by the logarithm of 1 + x as it was rounded, in float32 by that of 2^n (1 + f)."""
    if x.dtype == tl.float64:
        w = 1 + x
        return tl.where(w == 1, x, tl.log(w) * (x / tl.where(w == 1, 1.0, w - 1)))
    else:
        bits = (1 + x).to(tl.int32, bitcast=True)
        n = (bits - 0x3F3504F3) >> 23
        f = tl.where(n == 0, x, (bits - (n << 23)).to(tl.float32, bitcast=True) - 1)
        series = 0.0
        for k in tl.static_range(9):
            series = series * f + _LOG[k]
        return tl.where(x == x, (series * f - 0.5) * (f * f) + f + n.to(tl.float32) * 0.693147181, x)


class _Function(NamedTuple):
    device: triton.JITFunction
    parameters: int
    derivatives: int


def _function(function) -> _Function:
    """The function for Triton: a copy that finds the operations here. Calling it tells how much it gives."""
    code, names = inspect.unwrap(function).__code__, globals() | {"Tensor": tl.tensor}
    given = function(*torch.ones(code.co_argcount))
    return _Function(triton.jit(FunctionType(code, names)), code.co_argcount - 1, len(given) - 2)


_FUNCTIONS = {name: _function(function) for name, function in FUNCTIONS.items()}


# The loops. A name in capitals is known when Triton compiles.


@_jit
def _tile(rows, cols, channels, parts, BY_COLUMN: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr):
    """Of this program's elements: the offsets, and which of them exist. Of its rows, or its columns: the channels,
    where their sums go, and which of them exist.
    """
    block = tl.program_id(0) // parts
    part = tl.program_id(0) % parts
    row = block.to(tl.int64) * ROWS  # the first ones
    col = part.to(tl.int64) * COLS
    r = tl.arange(0, ROWS)[:, None]
    c = tl.arange(0, COLS)[None, :]
    if BY_COLUMN:
        channel = col + c
        place = block.to(tl.int64) * cols + (col + c)
        present = c < cols - col
    else:
        channel = (block % channels * ROWS + r) % channels
        place = (row + r) * parts + part
        present = r < rows - row
    return (row * cols + col) + (r * cols + c), (r < rows - row) & (c < cols - col), channel, place, present


@_jit
def _apply(x, theta, channels, channel, present, FUNCTION: tl.constexpr, PARAMETERS: tl.constexpr):
    """Value, slope and the derivatives with respect to the parameters."""
    if PARAMETERS == 0:
        return FUNCTION(x)
    elif PARAMETERS == 1:
        return FUNCTION(x, tl.load(theta + channel, present, 0.5))
    else:
        first = tl.load(theta + channel, present, 0.5)
        second = tl.load(theta + channels + channel, present, 0.5)
        return FUNCTION(x, first, second)


@_jit
def _forward(
    x, y, theta, rows, cols, channels, parts,
    FUNCTION: tl.constexpr, PARAMETERS: tl.constexpr,
    BY_COLUMN: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    offset, exists, channel, _, present = _tile(rows, cols, channels, parts, BY_COLUMN, ROWS, COLS)
    xi = tl.load(x + offset, exists, 0.0).to(theta.dtype.element_ty)
    results = _apply(xi, theta, channels, channel, present, FUNCTION, PARAMETERS)
    tl.store(y + offset, results[0].to(y.dtype.element_ty), exists)


@_jit
def _backward(
    x, grad, dx, theta, sums, total, rows, cols, channels, parts,
    FUNCTION: tl.constexpr, PARAMETERS: tl.constexpr, SUMS: tl.constexpr,
    BY_COLUMN: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    offset, exists, channel, place, present = _tile(rows, cols, channels, parts, BY_COLUMN, ROWS, COLS)
    xi = tl.load(x + offset, exists, 0.0).to(theta.dtype.element_ty)
    gi = tl.load(grad + offset, exists, 0.0).to(theta.dtype.element_ty)
    results = _apply(xi, theta, channels, channel, present, FUNCTION, PARAMETERS)
    tl.store(dx + offset, (gi * results[1]).to(dx.dtype.element_ty), exists)
    for k in tl.static_range(SUMS):
        tl.store(sums + k * total + place, tl.sum(gi * results[2 + k], 0 if BY_COLUMN else 1, True), present)


@_jit
def _hinge(k, x, theta, channels, channel, present, hinges, positive):
    """Of the k-th hinge: its coefficient a, its slope a s where it is open, and s x - h."""
    a = tl.load(theta + k * channels + channel, present, 0.0)
    h = tl.load(theta + (hinges + k) * channels + channel, present, 0.0)
    s = tl.where(k < positive, 1.0, -1.0)
    return a, a * s, x * s - h


@_jit
def _hinges_forward(
    x, y, theta, rows, cols, channels, parts, positive,
    HINGES: tl.constexpr, BY_COLUMN: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    offset, exists, channel, _, present = _tile(rows, cols, channels, parts, BY_COLUMN, ROWS, COLS)
    xi = tl.load(x + offset, exists, 0.0).to(theta.dtype.element_ty)
    value = tl.zeros_like(xi)
    for k in range(HINGES):  # not unrolled: that would take all registers
        a, _rise, m = _hinge(k, xi, theta, channels, channel, present, HINGES, positive)
        value += a * tl.where(m < 0, 0.0, m)
    tl.store(y + offset, value.to(y.dtype.element_ty), exists)


@_jit
def _hinges_backward(
    x, grad, dx, theta, sums, total, rows, cols, channels, parts, positive,
    HINGES: tl.constexpr, COEFFICIENTS: tl.constexpr, PLACES: tl.constexpr,
    BY_COLUMN: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    offset, exists, channel, place, present = _tile(rows, cols, channels, parts, BY_COLUMN, ROWS, COLS)
    xi = tl.load(x + offset, exists, 0.0).to(theta.dtype.element_ty)
    gi = tl.load(grad + offset, exists, 0.0).to(theta.dtype.element_ty)
    slope = tl.zeros_like(xi)
    for k in range(HINGES):
        a, rise, m = _hinge(k, xi, theta, channels, channel, present, HINGES, positive)
        slope += tl.where(m > 0, rise, 0.0)
        if COEFFICIENTS:
            da = tl.sum(gi * tl.where(m < 0, 0.0, m), 0 if BY_COLUMN else 1, True)
            tl.store(sums + k * total + place, da, present)
        if PLACES:
            dh = tl.sum(tl.where(m > 0, -a * gi, 0.0), 0 if BY_COLUMN else 1, True)
            tl.store(sums + (HINGES + k) * total + place, dh, present)
    tl.store(dx + offset, (gi * slope).to(dx.dtype.element_ty), exists)


class _Tiles(NamedTuple):
    """How a tensor is cut: `blocks` times `parts` tiles."""

    blocks: int
    parts: int
    rows: int
    cols: int
    warps: int

    @classmethod
    def of(cls, layout: Layout, elements: int, warps: int) -> _Tiles:
        # 64 columns are a cache line of 128 bytes in half precision; the taller the tile, the fewer its sums.
        cols = min(triton.next_power_of_2(layout.cols), 64 if layout.by_column else elements)
        rows = elements // cols
        return cls(triton.cdiv(layout.rows, rows), triton.cdiv(layout.cols, cols), rows, cols, warps)


# Elements and warps of a tile: 16 numbers a thread, which keeps its registers below 128 even with hinges and sums.
_FORWARD = 2048, 4
_SUMS = 4096, 8


def forward(kernel: Kernel, x: Tensor, theta: Tensor, layout: Layout) -> Tensor:
    """The function at `x`, dense in memory, with `theta` in the arithmetic's dtype."""
    y, tiles = torch.empty_like(x), _Tiles.of(layout, *_FORWARD)
    if kernel.signs is None:
        function = _FUNCTIONS[kernel.name]
        _launch(_forward, (x, y, theta), layout, tiles, FUNCTION=function.device, PARAMETERS=function.parameters)
    else:
        _launch(_hinges_forward, (x, y, theta), layout, tiles, **_hinges(kernel.signs))
    return y


def backward(
    kernel: Kernel, x: Tensor, grad: Tensor, theta: Tensor, layout: Layout, learned: bool
) -> tuple[Tensor, Tensor | None]:
    """The gradient of `x` and, if `learned`, that of `theta`; `grad` lies in memory as `x` does."""
    dx, sums, tiles = torch.empty_like(x), theta.new_empty(0), _Tiles.of(layout, *(_SUMS if learned else _FORWARD))
    if kernel.signs is None:
        function = _FUNCTIONS[kernel.name]
        count = function.derivatives
    else:
        count = len(kernel.signs) * (2 if kernel.learn_places else 1)
    if learned:
        rows, parts = (tiles.blocks, 1) if layout.by_column else (layout.rows // layout.channels, tiles.parts)
        sums = theta.new_empty(count, rows, layout.channels, parts)
    arguments = (x, grad, dx, theta, sums, sums.numel() // max(count, 1))
    if kernel.signs is None:
        options = {"FUNCTION": function.device, "PARAMETERS": function.parameters, "SUMS": learned * count}
        _launch(_backward, arguments, layout, tiles, **options)
    else:
        options = {"COEFFICIENTS": learned, "PLACES": learned and kernel.learn_places}
        _launch(_hinges_backward, arguments, layout, tiles, **_hinges(kernel.signs), **options)
    # Parameters without a derivative come last.
    return dx, F.pad(sums.sum((1, 3)), (0, 0, 0, len(theta) - count)) if learned else None


def _hinges(signs: tuple[float, ...]) -> dict[str, int]:
    assert list(signs) == sorted(signs, reverse=True), "hinges to the right come first"
    return {"HINGES": len(signs), "positive": signs.count(1.0)}


def _launch(kernel, arguments: tuple[Tensor | int, ...], layout: Layout, tiles: _Tiles, **options) -> None:
    options.update(BY_COLUMN=layout.by_column, ROWS=tiles.rows, COLS=tiles.cols, num_warps=tiles.warps)
    with torch.cuda.device_of(arguments[0]):
        kernel[(tiles.blocks * tiles.parts,)](
            *arguments, layout.rows, layout.cols, layout.channels, tiles.parts, **options
        )
