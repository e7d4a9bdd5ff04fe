"""What the benchmarks measured: their committed JSON, and the sentences and tables of it.

The tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`. Every function
copes with what has not been recorded, says so, and invents nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from robust_activations import paths
from robust_activations.activations import REGISTRY
from robust_activations.figures import style
from robust_activations.figures.prose import NBSP, counted, interval, listed, table
from robust_activations.figures.rows import Interval

NAMES = ("throughput", "ablation", "activations", "step_cost", "autoattack", "scaling", "speedrun")
FASTER = 3.0  # what we want over the usual loop on a CPU
MODES = {"forward": "forward", "input": "and backward\nto the input", "parameters": "and to the\nparameters"}
MODELS = {"resnet20": "ResNet-20", "resnet18": "ResNet-18", "digits_cnn": "the small CNN on digits"}
AXES = {"batch": "batch", "size": "image side", "width": "width", "steps": "attack steps"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """One file, `<name>-<device>.json`: a benchmark on a device."""

    name: str
    device: str
    content: dict[str, Any]

    @property
    def rows(self) -> list[Row]:
        return self.content["rows"]

    @property
    def hardware(self) -> dict[str, Any]:
        return self.content["hardware"]

    @property
    def title(self) -> str:
        """`CPU, 2 threads`, or the GPU's name."""
        threads = self.hardware["threads"]
        return self.hardware.get("gpu") or f"CPU, {counted(threads, 'thread')}"


@dataclass(frozen=True)
class Benchmarks:
    """All files of a folder; the CPU's come first."""

    files: tuple[Recorded, ...]

    def of(self, name: str) -> list[Recorded]:
        """This benchmark on every device that has rows of it."""
        return [one for one in self.files if one.name == name and one.rows]

    def rows(self, name: str, device: str, **filters: Any) -> list[Row]:
        """The rows of a benchmark on a device with these values; none where nothing was recorded."""
        rows = [row for one in self.of(name) if one.device == device for row in one.rows]
        return [row for row in rows if all(row.get(key) == value for key, value in filters.items())]

    def notice(self, name: str) -> str:
        """What has not been recorded of this benchmark; empty where nothing is missing."""
        there = {one.device for one in self.of(name)}
        missing = [device for device in dict.fromkeys(one.device for one in self.files) if device not in there]
        command = f"`python -m benchmarks.{name} --save` records it."
        if not there:
            return f"**This benchmark has not been recorded yet.** {command}"
        if missing:
            return f"This benchmark has not been recorded on: {listed(map(device_title, missing))}. {command}"
        return ""


def benchmarks(folder: Path | None = None) -> Benchmarks:
    """The files of a folder: `data/ledger/benchmarks`, or another."""
    folder = paths.project() / "data" / "ledger" / "benchmarks" if folder is None else folder
    found = []
    for name in NAMES:
        for path in sorted(folder.glob(f"{name}-*.json")):
            found.append(Recorded(name, path.stem.removeprefix(f"{name}-"), json.loads(path.read_text())))
    return Benchmarks(tuple(sorted(found, key=lambda one: (one.device != "cpu", one.device))))


def targets(every: Benchmarks, name: str) -> list[float]:
    """The greatest ratios that were wanted in this benchmark, the smallest first."""
    return sorted({row["target"] for one in every.of(name) for row in one.rows if row["target"] is not None})


# ---- words ------------------------------------------------------------------------------------------------------


def device_title(device: str) -> str:
    return device.upper().replace("-", " ")


def model_title(name: str) -> str:
    return MODELS.get(name, name)


def times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def seconds(value: float) -> str:
    """Three significant digits in a unit that suits."""
    unit, size = next((one for one in (("s", 1.0), ("ms", 1e-3)) if value >= one[1]), ("µs", 1e-6))
    return f"{number(value / size)}{NBSP}{unit}"


def throughput(every: Benchmarks) -> str:
    """Whether the target holds, row by row, and where it does not."""
    parts = [every.notice("throughput")]
    for one in every.of("throughput"):
        ratios = [row["ratio"] for row in one.rows]
        text = f"**{one.title}.** Over {counted(len(ratios), 'row')} this library is {times(min(ratios))} to "
        text += f"{times(max(ratios))} times as fast (median {times(median(ratios))})."
        if one.device == "cpu":
            below = [case(row) for row in one.rows if row["ratio"] < FASTER]
            text += f" The target of {FASTER:g} holds in {len(ratios) - len(below)} of {len(ratios)}"
            text += f"; it is missed with {'; '.join(below)}." if below else "."
        parts.append(text)
        if any(row.get("data") == "random" for row in one.rows):
            parts.append("These are random images of CIFAR-10's shape.")
    return _paragraphs(parts)


def case(row: Row) -> str:
    """What a row of `throughput` compares."""
    return f"{model_title(row['model'])}, {style.title(row['activation'])}, batch {row['batch']}, {row['peer']}"


def compiled(every: Benchmarks) -> str:
    """What `torch.compile` takes and gives, a sentence for each device and activation."""
    parts = []
    for one in every.of("ablation"):
        for row in one.rows:
            if row["compile_seconds"] is not None:
                parts.append(
                    f"{one.title}, {model_title(row['model'])} with {style.title(row['activation'])}: "
                    f"{seconds(row['compile_seconds'])} of compiling, after which an attack takes "
                    f"{times(row['ratio'])} times as long as without"
                )
    return "; ".join(parts) or "not recorded yet"


def activations(every: Benchmarks) -> str:
    """How many rows hold their target, and which activations miss it."""
    parts = [every.notice("activations")]
    for one in every.of("activations"):
        judged = [row for row in one.rows if row["target"] is not None]
        text = f"**{one.title}.**"
        for dtype in dict.fromkeys(row["dtype"] for row in judged):
            rows = [row for row in judged if row["dtype"] == dtype]
            missed = [row["activation"] for row in rows if not row["holds"]]
            text += f" In {dtype}, {len(rows) - len(missed)} of {len(rows)} rows hold their target"
            names = [f"{style.title(name)} ({missed.count(name)})" for name in REGISTRY if name in missed]
            text += f"; missed by {listed(names)}." if names else "."
        gains = [row["plain"] / row["ours"] for row in judged]
        if gains:
            text += f" The plain formula takes {times(median(gains))} times as long (median)."
        parts.append(text)
    return _paragraphs(parts)


def step_cost(every: Benchmarks, name: str = "pssilu") -> str:
    """What an activation costs in a whole step, a sentence for each device and network; and who misses the target."""
    parts = [every.notice("step_cost")]
    for one in every.of("step_cost"):
        for row in one.rows:
            if row["activation"] == name:
                where = f"{model_title(row['model'])}, batch {row['batch']}, {counted(row['repeats'], 'turn')}"
                spread = f"between {times(row['ratio_min'])} and {times(row['ratio_max'])} over neighbouring turns"
                spread = spread if row["repeats"] > 1 else "so take it with care"
                parts.append(
                    f"**{one.title}.** A step with {style.title(name)} takes **{times(row['ratio'])} times** "
                    f"as long as with ReLU ({where}; {spread})."
                )
        judged = [row for row in one.rows if row["target"] is not None]
        missed = [f"{style.title(row['activation'])} ({times(row['ratio'])})" for row in judged if not row["holds"]]
        if judged:
            verdict = f"{len(judged) - len(missed)} of {len(judged)} rows with elementwise activations hold the target"
            parts.append(f"{one.title}: {verdict}{'; missed by ' + listed(missed) if missed else ''}.")
    return _paragraphs(parts)


def autoattack(every: Benchmarks) -> str:
    """Seconds of both sides and the share of equal verdicts, one sentence a row."""
    parts = [every.notice("autoattack")]
    for one in every.of("autoattack"):
        for row in one.rows:
            who = f"{model_title(row['model'])} with {style.title(row['activation'])}, {row['n']:,} images"
            took = f"{seconds(row['ours'])} here, {seconds(row['theirs'])} with pyautoattack alone"
            same = f"{100 * row['same']:.1f}{NBSP}% of the images get the same verdict"
            parts.append(f"**{one.title}.** On {who}: {took}, {times(row['ratio'])} times as fast; {same}.")
    return _paragraphs(parts)


def scaling(every: Benchmarks) -> str:
    parts = [every.notice("scaling")]
    for one in every.of("scaling"):
        bends = [f"{AXES[row['axis']]}: {_law(row['bend'])}" for row in one.rows if row.get("bend")]
        row = one.rows[0]
        if bends:
            who = f"{model_title(row['model'])} with {style.title(row['activation'])}"
            parts.append(f"**{one.title}**, {who}.\n\n" + "\n".join(f"- {line}" for line in bends))
    return _paragraphs(parts)


def _law(bend: str) -> str:
    """The benchmark's line with its power as a formula."""
    return re.sub(r"cost ~ (\w+)\^(-?[\d.]+)", r"the cost of an image grows like $\\text{\1}^{\2}$", bend)


def speedrun(every: Benchmarks) -> str:
    """The fastest recipe to each target that any reached."""
    parts = [every.notice("speedrun")]
    for one in every.of("speedrun"):
        for target in sorted({row["reached"] for row in one.rows if row["reached"] is not None}):
            best = min((row for row in one.rows if (row["reached"] or 0) >= target), key=lambda row: row["seconds"])
            parts.append(
                f"**{one.title}.** The fastest recipe to {100 * target:g}{NBSP}% is `{best['recipe']}`: "
                f"{number(best['seconds'])}{NBSP}s of training, the median of {counted(best['seeds'], 'seed')}."
            )
        if all(row["reached"] is None for row in one.rows):
            parts.append(f"**{one.title}.** No recipe reached a target.")
    return _paragraphs(parts)


def _paragraphs(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part)


# ---- tables -----------------------------------------------------------------------------------------------------


def throughput_table(every: Benchmarks) -> str:
    rows = []
    for one in every.of("throughput"):
        for row in one.rows:
            holds = ("yes" if row["ratio"] >= FASTER else "**no**") if one.device == "cpu" else ""
            what = (f"{model_title(row['model'])}, {style.title(row['activation'])}", f"{row['peer']}, {row['batch']}")
            rates = (number(row["ours"]), number(row["theirs"]), spread(row, "ratio", times))
            rows.append([one.title, *what, *rates, str(row["repeats"]), holds])
    header = ["Device", "Network", "Against, batch", "Ours, images/s", "Theirs", "Ratio", "Turns", f"≥ {FASTER:g}"]
    return _table(header, rows, common=["Turns"])


def spread(row: Row, key: str, how: Callable[[float], str]) -> str:
    """The number, and the least and the greatest in brackets if they differ."""
    value, low, high = (how(row[name]) for name in (key, f"{key}_min", f"{key}_max"))
    return value if low == high else f"{value} ({low}{NBSP}to{NBSP}{high})"


def ablation_table(every: Benchmarks) -> str:
    """The engine's attack, and with one change each, beside one another for the activations."""
    rows = []
    for one in every.of("ablation"):
        for model in dict.fromkeys(row["model"] for row in one.rows):
            own = [row for row in one.rows if row["model"] == model]
            for change in dict.fromkeys(row["change"] for row in own):
                found = {row["activation"]: row for row in own if row["change"] == change}
                cells = [f"{style.title(name)}: {times(row['ratio'])}" for name, row in found.items()]
                rows.append([one.title, model_title(model), change, ", ".join(cells)])
    return _table(["Device", "Network", "The attack with", "Time relative to the engine"], rows)


def activation_table(every: Benchmarks, dtype: str = "bf16") -> str:
    """Seconds relative to SiLU, the median over the shapes that were measured; and how many rows miss the target."""
    rows = []
    for one in every.of("activations"):
        for name in REGISTRY:
            own = [row for row in one.rows if row["activation"] == name and row["dtype"] == dtype]
            if not own:
                continue
            cells = []
            for mode in MODES:
                ratios = [row["vs_silu"] for row in own if row["mode"] == mode]
                cells.append(times(median(ratios)) if ratios else "")
            target = own[0]["target"]
            missed = f"{sum(not row['holds'] for row in own)} of {len(own)} over {target:g}" if target else ""
            rows.append([one.title, style.title(name), *cells, times(median(_plain(own))), missed])
    header = ["Device", "Activation", "Forward", "Input", "Parameters", "Plain formula", "Rows over the target"]
    return _table(header, rows)


def _plain(rows: Iterable[Row]) -> list[float]:
    """The plain formula's seconds over torch's SiLU's."""
    return [row["plain"] / row["silu"] for row in rows]


def autoattack_table(every: Benchmarks) -> str:
    rows = []
    for one in every.of("autoattack"):
        for row in one.rows:
            what = [model_title(row["model"]), style.title(row["activation"]), f"{row['n']:,}"]
            took = [seconds(row["ours"]), seconds(row["theirs"]), times(row["ratio"])]
            robust = "<br>".join(accuracy(row[f"robust_{side}"], row["n"]) for side in ("ours", "theirs"))
            rows.append([one.title, *what, *took, robust, f"{100 * row['same']:.1f}", str(row["repeats"])])
    header = ["Device", "Network", "Activation", "n", "Ours", "Theirs", "Ratio", "Robust, %: ours<br>and theirs"]
    return _table([*header, "Same verdict, %", "Turns"], rows, common=["Activation", "n", "Turns"])


def accuracy(correct: int, n: int) -> str:
    """In percent, with the 95 % Wilson interval."""
    return interval(*Interval.share(correct, n))


def speedrun_table(every: Benchmarks) -> str:
    """Every recipe that was tried, the fastest first."""
    rows = []
    for one in every.of("speedrun"):
        for row in sorted(one.rows, key=lambda row: row["seconds"]):
            reached = f"{100 * row['reached']:g}{NBSP}%" if row["reached"] is not None else "none"
            robust = accuracy(round(row["accuracy"] * row["n"]), row["n"])
            results = (f"{100 * row['clean']:.1f}", robust, reached)
            attack = {"autoattack": "AutoAttack", "pgd20": "PGD-20, a quick look"}[row["attack"]]
            how = (str(row["seeds"]), str(row["n"]), attack)
            rows.append([one.title, f"`{row['recipe']}`", spread(row, "seconds", number), *results, *how])
    header = ["Device", "Recipe", "Training, s", "Clean, %", "Robust, %", "Target reached", "Seeds", "n", "Attack"]
    return _table(header, rows, common=["Seeds", "n", "Attack"])


def scaling_table(every: Benchmarks) -> str:
    """The first and the last point of each axis: time and memory."""
    rows = []
    for one in every.of("scaling"):
        for axis, title in AXES.items():
            points = [row for row in one.rows if row["axis"] == axis]
            if points:
                first, last = points[0], points[-1]
                shown = {"value": "{:g}".format, "seconds_per_image": seconds, "peak_mib": number}
                ends = (f"{how(first[key])} to {how(last[key])}" for key, how in shown.items())
                rows.append([one.title, title, *ends])
    return _table(["Device", "What grows", "From, to", "An image", "Peak memory, MiB"], rows)


def origins(every: Benchmarks) -> str:
    """Each file: machine, threads, load, versions, when, and the commit."""
    rows = []
    for one in every.files:
        machine, versions = one.hardware, one.content["versions"]
        who = machine.get("gpu") or machine["cpu"]
        commit = f"`{one.content['commit'][:10]}`" if one.content.get("commit") else "not known"
        peers = [
            f"{name} {versions[name]}" for name in ("torchattacks", "foolbox", "pyautoattack") if versions.get(name)
        ]
        commit += "" if one.content.get("clean") else ", changed"
        machines = (f"{who}, {machine['capability']}", str(machine["threads"]), f"{machine['load']:g}")
        started = one.content["started"][:16].replace("T", " ")
        software = (str(versions["python"]), str(versions["torch"]), ", ".join(peers))
        rows.append([one.name.replace("_", " "), *machines, *software, started, commit])
    header = ["Benchmark", "Machine", "Threads", "Load", "Python", "torch", "Peers", "Started, UTC", "Commit"]
    return _table(header, rows, common=["Machine", "Threads", "Python", "torch", "Peers"])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], common: Sequence[str] = ()) -> str:
    """One table a device, with its name above where there are several; a word where there are no rows.

    What all rows have in common in these columns is said once, below: tables have to fit beside the book's menu.
    """
    if not rows:
        return "*no rows yet*"
    if header[0] == "Device":
        own = {row[0]: [other[1:] for other in rows if other[0] == row[0]] for row in rows}
        parts = {title: _table(header[1:], several, common) for title, several in own.items()}
        return "\n\n".join(f"**{title}**\n\n{part}" if len(parts) > 1 else part for title, part in parts.items())
    said = {i: name for i, name in enumerate(header) if name in common and len({row[i] for row in rows}) == 1}
    header, *rest = [[cell for i, cell in enumerate(row) if i not in said] for row in (header, *rows)]
    # The first columns name the row, and are wide enough for it.
    rest = [[row[0].replace(" ", NBSP), row[1].replace("-", "\N{NON-BREAKING HYPHEN}"), *row[2:]] for row in rest]
    text = "; ".join(f"{name}: {rows[0][i]}" for i, name in said.items())
    return table(header, rest) + (f"\n\nIn all rows the same: {text}." if said else "")
