"""How the cost of PGD adversarial training grows: with the batch, the image, the width, and the attack's steps.

One axis at a time around a base case, on random images, through `training.train`. Peak memory is that of the GPU, or on
a CPU the resident set of a process of its own for each point. `bend` says where the law changes:

- batch: the first size from which every doubling gains less than 5 % in images per second.
- size, width: the first value from which the cost grows with the exponent that it has at the end (to within 0.2); the
  exponent is that of the last two points (2 is cost in proportion to the pixels, or to the weights).
- steps: cost = a + b · steps by least squares, and the greatest departure from it.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from benchmarks.measure import Row, chosen, interleaved, median, parser, peak_memory, random_dataset, run, significant
from benchmarks.throughput import ours
from robust_activations.errors import UserError

# The axes' values, on a CPU and on a GPU, and the case that they start from.
AXES = {
    "cpu": {
        "batch": (8, 16, 32, 64, 128, 256),
        "size": (8, 16, 32, 64),
        "width": (4, 8, 16, 32),
        "steps": (1, 2, 5, 10),
    },
    "cuda": {
        "batch": (32, 64, 128, 256, 512, 1024, 2048),
        "size": (16, 32, 64, 128),
        "width": (16, 32, 64, 128),
        "steps": (1, 2, 5, 10, 20),
    },
}
BASE = {
    "cpu": {"batch": 32, "size": 32, "width": 16, "steps": 3},
    "cuda": {"batch": 256, "size": 32, "width": 64, "steps": 10},
}
GAIN = 0.05
COLUMNS = ("model", "axis", "value", "seconds_per_image", "images_per_second", "peak_mib", "repeats", "bend")


def point(case: Row, device: torch.device, *, batches: int = 1, repeats: int = 3) -> Row:
    """Seconds an image and peak memory at one point, after a turn that does not count."""
    dataset = random_dataset(batches * case["batch"], case["size"])
    one = case | {"model_options": {"width": case["width"]}}
    with peak_memory(device) as peak, ours(one, dataset, device, batches, case["steps"]) as training:
        training.seconds()
        taken = interleaved({"ours": training.seconds}, repeats)["ours"]
    if not peak:  # kilobytes, and bytes on a Mac
        peak.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
    n = batches * case["batch"]
    return {
        "seconds_per_image": significant(median(taken) / n),
        "images_per_second": significant(n / median(taken)),
        "seconds_min": significant(min(taken) / n),
        "seconds_max": significant(max(taken) / n),
        "peak_mib": round(peak[0], 1),
        "repeats": len(taken),
    }


def apart(case: Row, threads: int, **options: int) -> Row:
    """The point in a process of its own, so that its memory is its own."""
    words = [sys.executable, "-m", "benchmarks.scaling", "--point", json.dumps(case | options | {"threads": threads})]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{case} failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def bend(axis: str, values: Sequence[float], cost: Sequence[float]) -> str:
    """One line that says where the cost per image bends (see above)."""
    if len(values) < 3:
        return "too few points"
    if axis == "batch":
        gains = [
            (cost[i] / cost[i + 1]) ** (1 / math.log2(values[i + 1] / values[i])) - 1 for i in range(len(cost) - 1)
        ]
        start = next((i for i in range(len(gains)) if max(gains[i:]) < GAIN), None)
        if start is None:
            return f"batch {values[-1]:g} still gains {gains[-1]:.0%}"
        return f"from batch {values[start]:g} on, doubling gains less than {GAIN:.0%}"
    if axis == "steps":
        b, a = np.polyfit(values, cost, 1)
        off = max(abs(a + b * v - c) / c for v, c in zip(values, cost, strict=True))
        return f"{a:.3g} + {b:.3g} · steps seconds, to within {off:.0%}"
    x, y = np.log(values), np.log(cost)
    slopes = np.diff(y) / np.diff(x)
    start = next(i for i in range(len(slopes)) if np.all(np.abs(slopes[i:] - slopes[-1]) <= 0.2))
    return f"cost ~ {axis}^{slopes[-1]:.2f} from {values[start]:g} on"


def measure(arguments: argparse.Namespace, device: torch.device) -> Iterator[Row]:
    model, activation = arguments.model or "resnet20", arguments.activation or "relu"
    base = BASE[device.type] | ({"width": 16} if model == "resnet20" else {})
    cases = [
        {"model": model, "activation": activation, "axis": axis, "value": value}
        for axis, values in AXES[device.type].items()
        for value in values
    ]
    wanted = chosen(cases, arguments.only, axis=arguments.axis)
    for axis in AXES[device.type]:
        rows = []
        for case in (case for case in wanted if case["axis"] == axis):
            full = {"model": model, "activation": activation} | base | {axis: case["value"]}
            batches = arguments.batches or (1 if device.type == "cpu" else 20)
            options = {"batches": batches, "repeats": arguments.repeats}
            if device.type == "cpu":
                found = apart(full, torch.get_num_threads(), **options)
            else:
                found = point(full, device, **options)
            rows.append(case | full | found | {"device": device.type, "threads": torch.get_num_threads()})
        if rows:
            rows[-1]["bend"] = bend(axis, [row["value"] for row in rows], [row["seconds_per_image"] for row in rows])
        yield from rows


def options() -> argparse.ArgumentParser:
    one = parser(__doc__ or "", repeats=3)
    one.add_argument("--model", help="default: resnet20")
    one.add_argument("--activation", help="default: relu")
    one.add_argument("--axis", action="append", choices=list(AXES["cpu"]), help="may be repeated")
    one.add_argument("--batches", type=int, help="batches a turn (default: 1, on a GPU 20)")
    one.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    return one


def main() -> None:
    arguments = options().parse_args()
    if arguments.point is None:
        run("scaling", options(), measure, COLUMNS)
        return
    case = dict(arguments.point)
    torch.set_num_threads(case.pop("threads"))
    how = {name: case.pop(name) for name in ("batches", "repeats")}
    print(json.dumps(point(case, torch.device("cpu"), **how)))


if __name__ == "__main__":
    main()
