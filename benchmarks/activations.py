"""What an activation costs at the layers of ResNet-18 and ResNet-20, against ReLU, SiLU and its own plain formula.

Three modes: `forward` (no gradients); `input`, forward and backward to the input with frozen parameters, as an attack
does; `parameters`, forward and backward to the input and to the parameters, as the update does. All sides of a row take
turns in one process. The ratios are ours / theirs in seconds, below 1 where we are faster.

`share` is the share of the memory bandwidth: bytes that must move (each tensor once: 2 forward, 5 with the backward)
over seconds, over the rate of `clone`, which too reads one tensor and writes a new one of this shape. Tensors that fit
into a cache can make it exceed 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import Row, chosen, interleaved, median, parser, recorded, run, significant, spread, timed
from benchmarks.plain import plain
from robust_activations.activations import REGISTRY, create
from robust_activations.attacks import attacking

SHAPES = ((128, 64, 32, 32), (128, 16, 32, 32), (128, 128, 16, 16), (128, 256, 8, 8), (128, 512, 4, 4))
FEW = SHAPES[:2]
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
MODES = ("forward", "input", "parameters")
# These look at more than one number.
NOT_ELEMENTWISE = ("maxout", "sparta", "sparta_relu", "frelu")
PARAMETRIC, HINGES = 1.15, 1.5
COLUMNS = (
    "activation", "shape", "dtype", "mode",
    "ours", "vs_relu", "vs_silu", "vs_plain", "vs_compiled", "share", "target", "holds",
)  # fmt: skip


def target(name: str) -> float | None:
    """The greatest ratio to SiLU that we want; None where nothing is promised."""
    if name == "splash":
        return HINGES
    return PARAMETRIC if REGISTRY[name].family in ("paf", "smooth") else None


def moves(mode: str, x: Tensor) -> int:
    """Bytes that any implementation moves: reads x, writes y; backward reads x and dy, writes dx."""
    return x.nbytes * (2 if mode == "forward" else 5)


def work(function: Callable[[Tensor], Tensor], mode: str, x: Tensor, dy: Tensor) -> Callable[[], object]:
    """One call of the function in this mode."""
    if mode == "forward":

        def forward() -> Tensor:
            with torch.no_grad():
                return function(x)

        return forward
    x = x.detach().requires_grad_()
    learned = list(function.parameters()) if mode == "parameters" and isinstance(function, nn.Module) else []

    def both() -> object:
        return torch.autograd.grad(function(x), [x, *learned], dy)

    return both


def measure_row(
    case: Row,
    device: torch.device,
    *,
    repeats: int = 7,
    seconds: float = 0.01,
    compiled: bool = False,
    options: dict[str, Any] | None = None,
) -> Row:
    """One row. Each turn of a side lasts for `seconds` at least, or one call."""
    name, mode = case["activation"], case["mode"]
    shape = tuple(int(size) for size in case["shape"].split("x"))
    torch.manual_seed(0)
    x, dy = (
        torch.randn(shape, device=device).to(DTYPES[case["dtype"]], memory_format=torch.channels_last) for _ in range(2)
    )
    channels = shape[1] if "channel" in REGISTRY[name].shares[:1] else None
    ours = create(name, channels=channels, **(options or {})).to(device)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "ours": ours,
        "plain": plain(ours).to(device),
        "relu": F.relu,
        "silu": F.silu,
    }
    if compiled:
        torch._dynamo.reset()  # each gets its own, however many there are
        functions["compiled"] = torch.compile(plain(ours).to(device), dynamic=False)
    calls = {key: work(function, mode, x, dy) for key, function in functions.items()}
    calls["clone"] = x.clone
    if mode == "parameters":
        times = turns(calls, device, repeats, seconds)
    else:
        with attacking(ours), attacking(nn.ModuleList(f for f in functions.values() if isinstance(f, nn.Module))):
            times = turns(calls, device, repeats, seconds)
    return case | summary(times, name, mode, x) | {"device": device.type, "threads": torch.get_num_threads()}


def turns(
    calls: dict[str, Callable[[], object]], device: torch.device, repeats: int, seconds: float
) -> dict[str, list[float]]:
    """Warms each up, chooses how many calls make a turn, and lets them take turns."""
    sides, at_once = {}, 20 if device.type == "cuda" else 1  # a kernel is shorter there than the start of a graph
    for key, call in calls.items():
        several = recorded(call, device, at_once)
        timed(several, device, 2)()
        once = timed(several, device, 2)()
        sides[key] = timed(several, device, max(1, round(seconds / once)))
    return {key: [one / at_once for one in taken] for key, taken in interleaved(sides, repeats).items()}


def summary(times: dict[str, list[float]], name: str, mode: str, x: Tensor) -> Row:
    """Seconds of each side, the ratios of the medians, bandwidth, and whether the target holds."""
    row: Row = spread("ours", times["ours"])
    middle = {key: median(taken) for key, taken in times.items()}
    for key in ("relu", "silu", "plain", "compiled"):
        row[key] = significant(middle[key]) if key in middle else None
        row[f"vs_{key}"] = significant(middle["ours"] / middle[key]) if key in middle else None
    pairs = [ours / silu for ours, silu in zip(times["ours"], times["silu"], strict=True)]
    row |= {"vs_silu_min": significant(min(pairs)), "vs_silu_max": significant(max(pairs))}
    bandwidth = 2 * x.nbytes / middle["clone"]
    wanted = target(name)
    return row | {
        "repeats": len(times["ours"]),
        "bytes": moves(mode, x),
        "clone_gb_s": significant(bandwidth / 1e9),
        "share": significant(moves(mode, x) / middle["ours"] / bandwidth),
        "elementwise": name not in NOT_ELEMENTWISE,
        "target": wanted,
        "holds": None if wanted is None else row["vs_silu"] <= wanted,
    }


def cases(shapes: tuple[tuple[int, ...], ...]) -> list[Row]:
    return [
        {"activation": name, "shape": "x".join(map(str, shape)), "dtype": dtype, "mode": mode}
        for name, entry in REGISTRY.items()
        for shape in shapes
        for dtype in DTYPES
        for mode in MODES
        if mode != "parameters" or entry.learned
    ]


def measure(arguments: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    everything = arguments.all_shapes or device.type == "cuda" or bool(arguments.shape)
    wanted = chosen(
        cases(SHAPES if everything else FEW),
        arguments.only,
        activation=arguments.activation,
        shape=arguments.shape,
        dtype=arguments.dtype,
        mode=arguments.mode,
    )
    for case in wanted:
        yield measure_row(
            case, device, repeats=arguments.repeats, seconds=arguments.seconds, compiled=arguments.compile
        )


def options() -> argparse.ArgumentParser:
    one = parser(__doc__ or "", repeats=7)
    one.add_argument("--activation", action="append", choices=list(REGISTRY), help="may be repeated")
    one.add_argument("--shape", action="append", help="such as 128x64x32x32; may be repeated")
    one.add_argument("--all-shapes", action="store_true", help="all five on a CPU too (default there: two)")
    one.add_argument("--dtype", action="append", choices=list(DTYPES), help="may be repeated")
    one.add_argument("--mode", action="append", choices=MODES, help="may be repeated")
    one.add_argument("--compile", action="store_true", help="against torch.compile of the plain formula too")
    one.add_argument("--seconds", type=float, default=0.01, help="a turn of one side (default: %(default)s)")
    return one


if __name__ == "__main__":
    run("activations", options(), measure, COLUMNS)
