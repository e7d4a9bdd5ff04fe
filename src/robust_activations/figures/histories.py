"""Figures of what happened in training: the activations' parameters, accuracies and losses, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from robust_activations import activations
from robust_activations.activations import REGISTRY
from robust_activations.figures import style
from robust_activations.figures.frames import GREY, HALO, INK, legend, legend_height, percent, stacked
from robust_activations.ledger import Record

TITLES = {
    "held_clean": "held-out images, clean",
    "held_fgsm": "held-out images, FGSM",
    "held_pgd10": "held-out images, PGD-10",
    "train_accuracy": "training images, as trained on",
    "loss": "training loss",
    "lr": "learning rate",
}
SYMBOLS = {"alpha": "α", "beta": "β", "sharpness": "sharpness", "a_pos": "a⁺", "a_neg": "a⁻", "weight": "gate, mean"}
DASHES = (*style.LINES, (0, (6, 1)), (0, (1, 3)), (0, (6, 1, 1, 1, 1, 1)))
MUTED: dict[str, Any] = {"color": GREY, "ls": "-", "lw": 0.9, "alpha": 0.7, "zorder": 1.5}


def kind(key: str) -> str:
    """The parameter's own name, without that of its layer."""
    return key.rsplit(".", 1)[-1]


def tracks(record: Record) -> dict[str, np.ndarray]:
    """The activations' parameters by name, (epochs + 1, k): at the start, then after every epoch.

    Of sets with more than 16 numbers the mean. Where the start is left to chance, the first row is not a number.
    """
    rows = [row["activations"] for row in record.history if "activations" in row]
    found = {}
    for key in rows[0] if rows else ():
        first = np.array(_start(record, key))
        after = np.array([row[key] for row in rows], dtype=float)
        if _summarised(record, after.shape[1], len(first)):
            first, after = first.mean(keepdims=True), after[:, :1]
        found[key] = np.vstack([first.repeat(max(1, after.shape[1] // len(first))), after])
    return found


def _start(record: Record, key: str) -> list[float]:
    """What the activation's class sets a parameter of one channel to; not a number where chance does."""
    run = record.run
    words: dict[str, Any] = {"share": run.share, "channels": 1} | run.activation_options
    with torch.random.fork_rng(devices=[]):
        made = [dict(activations.create(run.activation, **words).named_parameters()) for _ in range(2)]
    for name, value in made[0].items():
        if f".{key}".endswith(f".{name}") and value.equal(made[1][name]):
            return value.flatten().tolist()
    return [math.nan]


def _summarised(record: Record, numbers: int, own: int) -> bool:
    """Whether a pair of numbers is a mean and a deviation, as the history keeps of large sets, and not the numbers."""
    shares: tuple[str, ...] = REGISTRY[record.run.activation].shares
    by_channel = (record.run.share or (*shares, "")[0]) == "channel"
    return numbers == 2 and (by_channel or own != 2)


def trajectories(panels: Mapping[str, Mapping[str, Record]], parameters: Sequence[str] = ("alpha", "beta")) -> Figure:
    """The activations' parameters after every epoch, 0 being the start; a panel for each title and parameter.

    One thin line a layer (or a channel, or what else shares a parameter), in the colour of the activation.
    """
    cells = []
    for title, records in panels.items():
        every = {label: tracks(record) for label, record in records.items()}
        for parameter in parameters:
            found = {
                label: [path for key, path in own.items() if kind(key) == parameter] for label, own in every.items()
            }
            if any(found.values()):
                cells.append((title, parameter, found))
    labelled = {label: record for records in panels.values() for label, record in records.items()}
    labelled = {label: record for label, record in labelled.items() if any(found.get(label) for *_, found in cells)}
    looks = _looks(labelled)
    wide = len({parameter for _, parameter, _ in cells}) > 1
    with stacked([2.0] * len(cells), 0.2 + legend_height([*labelled]), 1 + wide) as (figure, axes):
        for ax, (title, parameter, found) in zip(axes, cells, strict=True):
            for label, paths in found.items():
                for path in paths:
                    ax.plot(path, lw=1, **looks[label])
            ax.set_title(": ".join(filter(None, (title, SYMBOLS.get(parameter, parameter)))), color=INK)
            ax.ticklabel_format(useOffset=False)
        epochs(axes, 1 + wide)
        legend(figure, _keys(looks))
    return figure


def curves(
    records: Mapping[str, Record],
    keys: Sequence[str] = ("held_clean", "held_pgd10", "train_accuracy"),
    main: Sequence[str] = (),
) -> Figure:
    """Training histories by label, a panel for each key; a dot at the epoch that was chosen.

    With labels `main` the other lines are grey, without dots, and each panel is scaled for `main` and names those of
    the others that leave it.
    """
    keys = [key for key in keys if any(key in row for record in records.values() for row in record.history)]
    looks = _looks({label: record for label, record in records.items() if not main or label in main})
    shown = _keys(looks)
    if others := len(records) - len(looks):
        shown.append(Line2D([], [], label=f"the other {others}", **MUTED))
    with stacked([1.7] * len(keys), 0.2 + legend_height([str(line.get_label()) for line in shown])) as (figure, axes):
        for ax, key in zip(axes, keys, strict=True):
            paths = {}
            for label, record in records.items():
                at = paths[label] = {row["epoch"] + 1: row[key] for row in record.history if row.get(key) is not None}
                ax.plot(list(at), list(at.values()), **({"lw": 1.4} | looks.get(label, MUTED)))
                if label in looks and (chosen := record.best_epoch + 1) in at:
                    ax.plot(chosen, at[chosen], "o", ms=4, color=looks[label]["color"])
            held = {record.run.held_out for record in records.values()}
            n = f", n = {min(held):,}" if key.startswith("held") and len(held) == 1 else ""
            ax.set_title(TITLES.get(key, key) + n, color=INK)
            values = {label: [value for value in at.values() if math.isfinite(value)] for label, at in paths.items()}
            if others:
                _for_main(ax, key, values, looks)
            if key == "train_accuracy" or key.startswith("held"):
                percent(ax, "y")
            if others:
                _outside(ax, key, values)
        epochs(axes)
        legend(figure, shown)
    return figure


def _for_main(ax: Axes, key: str, values: Mapping[str, Sequence[float]], main: Iterable[str]) -> None:
    """Half the range of `main` further to both sides, unless all others are within; a loss by its logarithm."""
    own, every = ([v for label in labels for v in values.get(label, ())] for labels in (main, values))
    if not own:
        return
    log = key == "loss" and min(every) > 0
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
        own, every = ([math.log(value) for value in found] for found in (own, every))
        few = max(every) - min(every) < 5  # about two decades, which have few powers of ten
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 3) if few else (1,), numticks=20))
    room = (max(own) - min(own)) / 2
    low, high = max(min(own) - room, min(every)), min(max(own) + room, max(every))
    low, high = low - 0.04 * (high - low) - 1e-6, high + 0.04 * (high - low) + 1e-6
    ax.set_ylim(*((math.exp(low), math.exp(high)) if log else (low, high)))


def _outside(ax: Axes, key: str, values: Mapping[str, Sequence[float]]) -> None:
    low, high = ax.get_ylim()
    left = [label for label, found in values.items() if any(not low <= value <= high for value in found)]
    if left:
        y, va = (0.97, "top") if key == "loss" else (0.04, "bottom")
        words = "leaves the panel: " if len(left) == 1 else "leave the panel: "
        ax.text(
            0.99, y, words + ", ".join(left), ha="right", va=va, size=8, color=INK, transform=ax.transAxes,
            path_effects=HALO,
        )  # fmt: skip


def epochs(axes: Sequence[Axes], columns: int = 1) -> None:
    """To the right whole epochs, named below the last panels."""
    for ax in axes:
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10), integer=True))
    for ax in axes[-columns:]:
        ax.set_xlabel("epoch")


def _looks(records: Mapping[str, Record]) -> dict[str, dict[str, Any]]:
    """The colour of the activation, and dashes that no other line has, or no other of that colour if lines are many."""
    looks: dict[str, dict[str, Any]] = {}
    for i, (label, record) in enumerate(records.items()):
        looks[label] = style.apart(
            looks.values(), style.colour(record.run.activation), "ls", DASHES, first=i % len(DASHES)
        )
    return looks


def _keys(looks: Mapping[str, dict[str, Any]]) -> list[Line2D]:
    return [Line2D([], [], label=label, **look) for label, look in looks.items()]
