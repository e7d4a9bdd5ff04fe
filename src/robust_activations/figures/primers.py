"""Figures of the primers. They are narrow and tall, so that their letters stay legible on a phone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, Rectangle
from scipy.stats import chi2_contingency
from torch import Tensor, nn

from robust_activations.attacks import PGD, Threat, attacking, pgd
from robust_activations.evaluation import Evaluation, Outcome, predictions
from robust_activations.figures import frames, pictures, prose, style
from robust_activations.figures.pictures import Column
from robust_activations.figures.rows import OBJECTIVES
from robust_activations.figures.standings import percent
from robust_activations.ledger import Record
from robust_activations.stats import Paired, mcnemar, wilson

WIDTH = 5.2
INK, PUSH = "gray_r", "RdBu_r"  # digits; perturbations and margins, which have two signs
# Beside its colour of the palette, every curve has a marker and a line of its own.
MARKERS, LINES = "osD^vP", ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))

PICTURED = PGD(
    steps=20, loss="margin", start="clean"
)  # what pictures show: no chance, so that they can be chosen by it


# ---- pictures of images ------------------------------------------------------------------------------------------


def gallery(
    x: Float[Tensor, "n 1 h w"],
    y: Int[Tensor, " n"],
    attacked: Mapping[str, tuple[nn.Module, Threat]],
    scale: float,
) -> Figure:
    """A row a digit: the image; then, for each network and threat, what `PICTURED` added and what came out of it.

    Full colour in what was added is ±`scale`. Under each image stands what the network sees in it.
    """
    columns: list[Column] = []
    for name, (model, threat) in attacked.items():
        with attacking(model):
            moved = pgd(model, x, y, threat, PICTURED)
            before, after = predictions(model, x), predictions(model, moved)
        if not columns:
            columns.append(Column("clean", x, before, INK))
        columns.append(Column(name, moved - x, None, PUSH, -scale, scale))
        columns.append(Column("attacked", moved, after, INK))
    return pictures.gallery(columns, y, "0123456789")


def balls() -> Figure:
    """The two balls in a space of two pixels, the gradient, and the step that raises a linear loss the most."""
    gradient = np.array([0.9, 0.35])
    steps = {r"$\ell_\infty$": np.sign(gradient), r"$\ell_2$": gradient / np.linalg.norm(gradient)}
    shapes = {r"$\ell_\infty$": Rectangle((-1, -1), 2, 2), r"$\ell_2$": Circle((0, 0), 1)}
    with style.figure(WIDTH, WIDTH * 0.58) as figure:
        both = figure.subplots(1, 2)
        for axes, (name, step) in zip(both, steps.items(), strict=True):
            shapes[name].set(facecolor=style.BLUE, alpha=0.15, edgecolor=style.BLUE)
            axes.add_patch(shapes[name])
            along = np.linspace(-2, 2, 2)
            for level in np.linspace(-1.5, 1.5, 7):  # of the loss: straight lines across the gradient
                axes.plot(along, (level - gradient[0] * along) / gradient[1], color="#DDDDDD", linewidth=1, zorder=0)
            for vector, colour, width in ((step, style.VERMILION, 0.022), (0.62 * gradient, style.BLACK, 0.014)):
                axes.quiver(0, 0, *vector, angles="xy", scale_units="xy", scale=1, color=colour, width=width)
            axes.annotate("gradient", 0.62 * gradient, (0.05, -0.35))
            axes.annotate("step", step, (step[0] - 0.15, step[1] + 0.12), color=style.VERMILION, weight="bold")
            axes.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal", title=f"{name} ball")
            axes.set(xlabel="first pixel", ylabel="second pixel" if axes is both[0] else "")
            axes.set(xticks=[-1, 0, 1], xticklabels=["$-ε$", "0", "$ε$"], yticks=[-1, 0, 1])
            axes.set_yticklabels(["$-ε$", "0", "$ε$"])
            axes.grid(False)
    return figure


# ---- accuracy against something ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """Accuracy against `x`: for each curve, which images were right at each x. Bands are 95 % Wilson intervals."""

    x: Sequence[float]
    curves: Mapping[str, Sequence[Bool[Tensor, " n"]]]
    xlabel: str
    title: str = ""
    log: bool = False
    top: float = 1.0


def accuracy(*panels: Panel, height: float = 3.1) -> Figure:
    """Panels below one another; a name has the same colour, marker and line in all of them."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.curves))
    shown: set[str] = set()
    with style.figure(WIDTH, height * len(panels)) as figure:
        column = figure.subplots(len(panels), 1, squeeze=False)
        figure.set_layout_engine("constrained", h_pad=0.1)
        for axes, panel in zip(column[:, 0], panels, strict=True):
            for name, curve in panel.curves.items():
                at = names.index(name)
                counts = [(int(right.sum()), len(right)) for right in curve]
                low, high = np.array([wilson(*count) for count in counts]).T
                shares = [correct / n for correct, n in counts]
                axes.fill_between(panel.x, low, high, color=style.PALETTE[at], alpha=0.12, linewidth=0)
                (line,) = axes.plot(panel.x, shares, label=name, color=style.PALETTE[at], linestyle=LINES[at])
                line.set(marker=MARKERS[at], markersize=5, markerfacecolor="white")
            axes.set(xlabel=panel.xlabel, ylabel="correct", title=panel.title)
            axes.set_ylim(-0.02 * panel.top, 1.02 * panel.top)
            if panel.log:
                frames.logarithmic(axes, panel.x)
            style.percent(axes)
            if not set(panel.curves) <= shown:
                axes.legend(loc="best")
            shown |= set(panel.curves)
    return figure


def histories(records: Sequence[Record]) -> Figure:
    """Held-out accuracy by epoch, a panel an objective; the dotted line is the epoch that was kept as best."""
    curves = {"held_clean": "clean", "held_fgsm": "FGSM", "held_pgd10": "PGD-10"}
    rows = (len(records) + 2) // 2
    with style.figure(WIDTH, 2.1 * rows) as figure:
        grid = figure.subplots(rows, 2, sharex=True, sharey=True)
        for axes, record in zip(grid.flat, records, strict=False):
            epochs = [row["epoch"] + 1 for row in record.history]
            for at, (key, name) in enumerate(curves.items()):
                values = [row.get(key, np.nan) for row in record.history]
                axes.plot(epochs, values, color=style.PALETTE[at], linestyle=LINES[at], label=name)
            axes.axvline(record.best_epoch + 1, color="#555555", linestyle=":", linewidth=1.2)
            collapsed = " (collapsed)" if record.collapsed else ""
            axes.set(title=OBJECTIVES[record.run.objective.name] + collapsed, ylim=(-0.02, 1.02))
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.tick_params(labelbottom=True)
            style.percent(axes)
        for axes in grid.flat[len(records) :]:
            axes.axis("off")
        grid.flat[len(records)].legend(*grid.flat[0].get_legend_handles_labels(), loc="center", fontsize=11)
        figure.supxlabel("epoch", fontsize=10)
        figure.supylabel("held-out images, correct", fontsize=10)
    return figure


def one_step(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """What a training by single steps says of itself (FGSM) and what PGD-10 says, epoch by epoch, a panel a run."""
    with style.figure(WIDTH, 2.5 * len(histories)) as figure:
        column = figure.subplots(len(histories), 1, sharex=True, squeeze=False)
        for axes, (name, history) in zip(column[:, 0], histories.items(), strict=True):
            epochs = [row["epoch"] + 1 for row in history]
            fgsm, strong = ([row[key] for row in history] for key in ("held_fgsm", "held_pgd10"))
            axes.fill_between(epochs, strong, fgsm, color="#999999", alpha=0.15, linewidth=0)
            axes.plot(epochs, fgsm, color=style.VERMILION, linestyle="--", marker="s", markersize=4, label="FGSM")
            axes.plot(epochs, strong, color=style.BLUE, linestyle="-.", marker="D", markersize=4, label="PGD-10")
            axes.set(title=name, ylim=(-0.02, 1.02), ylabel="held-out, correct")
            style.percent(axes)
        column[0, 0].legend(loc="best")
        column[-1, 0].set_xlabel("epoch")
    return figure


# ---- how good, how sure, and compared with what ------------------------------------------------------------------


def intervals(outcomes: Mapping[str, Outcome], *, zoom: bool = False) -> Figure:
    """A line a name: the share of correct images with its 95 % Wilson interval; `zoom` leaves out what is empty."""
    with style.figure(WIDTH, 0.7 + 0.48 * len(outcomes)) as figure:
        axes = figure.subplots()
        for place, outcome in enumerate(outcomes.values()):
            low, high = outcome.interval
            axes.plot([low, high], [place, place], color=style.BLUE, linewidth=2.5, solid_capstyle="round")
            axes.plot(outcome.accuracy, place, "o", color=style.BLUE, markersize=7)
            middle = min(0.93, max(0.05, outcome.accuracy))
            axes.annotate(f"{outcome.accuracy:.1%}", (middle, place - 0.18), ha="center", va="bottom")
        axes.set_yticks(range(len(outcomes)), list(outcomes))
        lowest = min(outcome.interval[0] for outcome in outcomes.values()) if zoom else 0
        highest = max(outcome.interval[1] for outcome in outcomes.values()) if zoom else 1
        axes.set(xlim=(lowest - 0.02, highest + 0.02), ylim=(len(outcomes) - 0.6, -0.75), xlabel="correct")
        axes.grid(axis="y", visible=False)
        style.percent(axes, "x")
    return figure


def matrix(accuracies: Mapping[str, Mapping[str, float]]) -> Figure:
    """Accuracy of each model (row) under each attack (column), NaN where there is none to make. A box marks the
    strongest attack of the row."""
    attacks = list(next(iter(accuracies.values())))
    values = np.array([[row[attack] for attack in attacks] for row in accuracies.values()])
    with style.figure(WIDTH, 1.3 + 0.55 * len(values)) as figure:
        axes = figure.subplots()
        axes.imshow(values, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if np.isnan(value):
                axes.text(column, row, "–", ha="center", va="center", color="#777777")
                continue
            strongest = np.isclose(value, np.nanmin(values[row]))  # shares come in float32 and in float64
            colour, weight = "white" if value > 0.7 else "black", "bold" if strongest else "normal"
            axes.text(column, row, f"{value:.0%}", ha="center", va="center", color=colour, weight=weight)
            if strongest:
                corner = (column - 0.46, row - 0.44)
                axes.add_patch(Rectangle(corner, 0.92, 0.88, fill=False, edgecolor=style.VERMILION, linewidth=2.2))
        axes.set_xticks(range(len(attacks)), attacks)
        axes.set_yticks(range(len(values)), list(accuracies))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


def widths(shares: Sequence[float], marks: Sequence[int]) -> Figure:
    """Half the width of Wilson's 95 % interval against the number of images, for several accuracies."""
    n = 20 * np.unique(np.geomspace(2.5, 1000, 60).astype(int))  # of which 5 % is a whole number
    with style.figure(WIDTH, 3.2) as figure:
        axes = figure.subplots()
        for at, share in enumerate(shares):
            half = [np.diff(wilson(round(share * size), int(size)))[0] / 2 for size in n]
            axes.plot(
                n, 100 * np.array(half), color=style.PALETTE[at], linestyle=LINES[at], label=f"accuracy {share:.0%}"
            )
        for mark in marks:
            axes.axvline(mark, color="#999999", linestyle=":", linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="test images n", ylabel="± points")
        axes.set_xticks(marks, [f"{mark:,}" for mark in marks])
        axes.set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
        axes.set_ylim(0.25, 16)
        axes.minorticks_off()
        axes.legend()
    return figure


def image_by_image(
    names: tuple[str, str], first: Bool[np.ndarray, " n"], second: Bool[np.ndarray, " n"], paired: Paired
) -> Figure:
    """Every test image as a square: right with both networks, with one only, or with neither."""
    kinds = ("both", f"only {names[0]}", f"only {names[1]}", "neither")
    colours = ("#DCE6EE", style.BLUE, style.VERMILION, "#555555")
    counts = (int((first & second).sum()), paired.only_first, paired.only_second, int((~first & ~second).sum()))
    across = 36
    cells = np.full(-(-len(first) // across) * across, np.nan)
    cells[: len(first)] = np.select([first & second, first, second], [0, 1, 2], 3)
    with style.figure(WIDTH, 3.0) as figure:
        axes = figure.subplots()
        grid = cells.reshape(-1, across)
        axes.pcolormesh(grid, cmap=ListedColormap(colours), vmin=-0.5, vmax=3.5, edgecolors="white", linewidth=1)
        axes.set(aspect="equal", ylim=(len(grid), 0), xticks=[], yticks=[])
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        patches = [
            Patch(color=c, label=f"{kind}: {count}") for kind, count, c in zip(kinds, counts, colours, strict=True)
        ]
        figure.legend(handles=patches, loc="outside lower center", ncols=2, fontsize=10)
    return figure


# ---- tables, in Markdown, for cells with `mystnb={"markdown_format": "myst"}` -------------------------------------


def table(records: Sequence[Record]) -> str:
    """Percent of test images right, with 95 % Wilson intervals, of the best epoch; and seconds of training."""
    columns = {"clean": "Clean", "fgsm": "FGSM", "pgd20": "PGD-20", "pgd50": "PGD-50"}
    rows = []
    for record in records:
        row = [OBJECTIVES[record.run.objective.name] + (", collapsed" if record.collapsed else "")]
        for key in columns:
            row.append(percent(record.best.outcomes[key]))
        rows.append([*row, f"{sum(epoch['train_seconds'] for epoch in record.history):.1f} s"])
    return prose.table(["Objective", *columns.values(), "Training"], rows)


def checklists(evaluations: Mapping[str, Evaluation]) -> str:
    """The gradient-masking checklist, a row a check and a column a model."""
    questions = [check.question for check in next(iter(evaluations.values())).checks]
    rows = []
    for at, question in enumerate(questions):
        checks = [evaluation.checks[at] for evaluation in evaluations.values()]
        rows.append([question, *(f"{c.value:.0%}" if c.passed else f"**{c.value:.0%}, caught**" for c in checks)])
    return prose.table(["Check", *evaluations], rows)


def pairs(records: Sequence[Record], attack: str = "pgd50") -> str:
    """Every two records: the difference in points, and its p with and without regard to the images being the same."""
    rows = []
    for one, other in combinations(records, 2):
        a, b = (record.best.outcomes[attack].right for record in (one, other))
        paired, unpaired = mcnemar(a, b), chi2_contingency([[a.sum(), (~a).sum()], [b.sum(), (~b).sum()]], False)
        names = " − ".join(OBJECTIVES[record.run.objective.name] for record in (one, other))
        rows.append([names, f"{100 * paired.difference:+.1f}", f"{unpaired.pvalue:.2g}", f"{paired.p:.2g}"])
    return prose.table(["Pair", "Points", "p, unpaired", "p, McNemar"], rows)
