"""Gates that were learned elsewhere: where they go, how far from their start they are, whether they help, are alike.

Tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`. A gate is the
kernel of a Sparta-style activation, one for each channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from robust_activations import activations, models
from robust_activations.data import Dataset, floats
from robust_activations.figures import style
from robust_activations.figures.comparisons import Comparison, corrected, paired
from robust_activations.figures.frames import GREY, INK, SHADE, label_rows, legend, row_height, stacked
from robust_activations.figures.prose import MINUS, NOTHING, interval, listed, p_value, table
from robust_activations.figures.rows import Interval, Row, under
from robust_activations.figures.sparta import changes, heat_map
from robust_activations.ledger import Ledger, Record
from robust_activations.models.transfer import packed, transfer
from robust_activations.run import Run
from robust_activations.stats import holm, wilson
from robust_activations.studies.sparta import NOISE

DONOR, FROZEN = "donor", "frozen"  # as `studies.sparta.transfer` names them
INSIDE, AFTER = "o", "s"  # markers of the two places of a residual block


def rows(arms: Mapping[str, Run], records: Ledger) -> dict[str, Row]:
    """The arms of a transfer as far as they are recorded, the donor apart: it was tested elsewhere."""
    return {label: Row(label, records[run]) for label, run in arms.items() if label != DONOR and run in records}


# ---- where they go ----------------------------------------------------------------------------------------------


def network(run: Run) -> nn.Module:
    """Its network, untrained."""
    options: dict[str, Any] = {
        "activation": run.activation,
        "share": run.share,
        "activation_options": run.activation_options,
    }
    return models.create(run.model, **options, **run.model_options)


def name(run: Run) -> str:
    """`ResNet-8`, `ResNet-34`, `Digits CNN, blocks = 2`."""
    options = dict(run.model_options)
    title = f"ResNet-{options.pop('depth')}" if "depth" in options else models.REGISTRY[run.model].title
    return ", ".join([title, *(f"{key} = {value}" for key, value in options.items())])


def sources(donor: nn.Module, model: nn.Module) -> dict[str, str]:
    """For every site of `model` the site of `donor` that it gets its gate from.

    Not by the rule but by what it does: the donor's gates are numbered, moved, and read again in `model`.
    """
    sites = list(activations.modules(donor))
    for i, (_, module) in enumerate(sites):
        for parameter in module.parameters():
            nn.init.constant_(parameter, i)
    transfer(packed(donor), model)
    return {site: sites[int(_gate(module).flatten()[0])][0] for site, module in activations.modules(model)}


def _gate(module: nn.Module) -> Tensor:
    return next(module.parameters()).detach()


def after_sum(site: str) -> bool:
    """Whether a ResNet's site follows the addition of a block; the others lie inside a block, or in the stem."""
    return site.endswith(".act")


def wiring(pairs: Sequence[tuple[Run, Run]]) -> Figure:
    """Donor's sites above, the other network's below, from the image to the left; a line for every gate that moves.

    Colours are numbers of channels. Squares are sites behind the addition of a residual block.
    """
    colour: dict[int, str] = {}
    with stacked([1.3] * len(pairs), 0.7) as (figure, axes):
        for ax, (donor, run) in zip(axes, pairs, strict=True):
            one, other = network(donor), network(run)
            channels = {site: len(_gate(module)) for site, module in activations.modules(one)}
            mapping = sources(one, other)
            for count in channels.values():
                colour.setdefault(count, style.PALETTE[len(colour) % len(style.PALETTE)])
            x = {site: (i + 0.5) / len(channels) for i, site in enumerate(channels)}
            for i, (site, source) in enumerate(mapping.items()):
                look: dict[str, Any] = {"color": colour[channels[source]], "ms": 3.6, "lw": 0.9, "clip_on": False}
                here = (i + 0.5) / len(mapping)
                ax.plot([x[source], here], [1, 0], **look)
                ax.plot(here, 0, marker=AFTER if after_sum(site) else INSIDE, **look)
                ax.plot(x[source], 1, marker=AFTER if after_sum(source) else INSIDE, **look)
            ax.set(xlim=(0, 1), ylim=(-0.15, 1.15), xticks=[])
            ax.set_yticks([1, 0], [f"{len(channels)} sites", f"{len(mapping)} sites"])
            ax.set_title(f"{name(donor)} → {name(run)}", color=INK)
            ax.grid(visible=False)
            for spine in ax.spines.values():
                spine.set_visible(False)
        marks = {INSIDE: "stem, or inside a block", AFTER: "behind a block's sum"}
        keys = [Line2D([], [], ls="", color=INK, marker=m, ms=4, label=words) for m, words in marks.items()]
        keys += [Line2D([], [], color=one, label=f"{count} channels") for count, one in colour.items()]
        legend(figure, keys)
    return figure


# ---- how far from their start -----------------------------------------------------------------------------------


def size(change: Tensor) -> float:
    """Root of the mean square, which for the gates that nobody trained is their noise's standard deviation."""
    return float(change.square().mean().sqrt())


def sizes(panels: Mapping[str, Mapping[str, Record]]) -> Figure:
    """How much the gates have changed, site by site from the image to the logits; the noise of random ones a line."""
    labels = list(dict.fromkeys(label for records in panels.values() for label in records))
    looks: dict[str, dict[str, Any]] = {
        label: {"marker": m, "color": c} for label, m, c in zip(labels, style.MARKERS, SERIES, strict=False)
    }
    with stacked([2.0] * len(panels), 0.3 + 0.19 * len(labels)) as (figure, axes):
        for ax, (title, records) in zip(axes, panels.items(), strict=True):
            for label, record in records.items():
                found = [size(change) for change in changes(record).values()]
                ax.plot((np.arange(len(found)) + 0.5) / len(found), found, lw=1.2, ms=5, mfc="white", **looks[label])
            ax.axhline(NOISE, color=GREY, ls=":", lw=1.4)
            ax.set(xlim=(0, 1), xticks=[0, 0.5, 1], ylabel="change of a kernel, RMS")
            ax.set_ylim(bottom=0)
            ax.set_title(title, color=INK)
        for ax in axes[-1:]:
            ax.set_xlabel("relative depth of the site")
        keys = [Line2D([], [], lw=1.2, mfc="white", ms=5, label=label, **look) for label, look in looks.items()]
        noise = Line2D([], [], color=GREY, ls=":", lw=1.4, label=f"random gates, {NOISE:g}")
        legend(figure, [*keys, noise])
    return figure


SERIES = (style.ORANGE, style.BLUE, style.GREEN, style.PURPLE, style.BLACK)


def moved(record: Record) -> str:
    """`0.12 (0.05 to 0.21 by site)`: the change of all kernels, and the least and greatest of a site."""
    found = changes(record)
    every = size(torch.cat([change.flatten() for change in found.values()]))
    by_site = [size(change) for change in found.values()]
    return f"{every:.2f} ({min(by_site):.2f} to {max(by_site):.2f} by site)"


def means(records: Mapping[str, Record]) -> Figure:
    """What training has added to the kernels, the mean over a site's channels, with numbers.

    A row a record, a column a site.
    """
    found = {label: [change.mean(0) for change in changes(record).values()] for label, record in records.items()}
    most = max((float(one.abs().max()) for every in found.values() for one in every), default=1.0)
    columns = max(map(len, found.values()), default=1)
    with stacked([1.1] * len(found) * columns, 0.1, columns) as (figure, axes):
        image = None
        for row, (label, every) in enumerate(found.items()):
            for column, (ax, one) in enumerate(zip(axes[row * columns :], every, strict=False)):
                image = heat_map(ax, one, "PuOr", most)
                ax.set(xticks=[], yticks=[])
                ax.grid(visible=False)
                if not row:
                    ax.set_title(f"site {column + 1}", color=INK)
            axes[row * columns].set_ylabel(label.replace(", ", ",\n"), rotation=0, ha="right", va="center", labelpad=6)
        if image is not None:
            figure.colorbar(image, ax=axes, shrink=0.5, label="added to the kernel, mean over channels")
    return figure


# ---- do they help -----------------------------------------------------------------------------------------------


def against(found: Mapping[str, Row], attack: str, one: str = FROZEN) -> list[Comparison]:
    """`one` against every other arm on the same images; Holm over all of them."""
    return corrected((one, label, paired(found[one], row, attack)) for label, row in found.items() if label != one)


def against_table(found: Sequence[Comparison], attack: str) -> str:
    """Difference with its interval, the images that only one is right on, p, and p after Holm's correction."""
    lines = [[f"{one.name} − {one.other}", *one.cells] for one in found]
    what = under(attack)
    header = ["", f"{what[0].upper()}{what[1:]}, points", "Only the first right", "Only the second right"]
    return table([*header, "p", "p, Holm"], lines)


def told(found: Sequence[Comparison], attack: str) -> str:
    """A sentence: which arms it is better than, worse than, not told apart from."""
    groups = {
        "better than": [one.other for one in found if one.differs and one.at.value > 0],
        "worse than": [one.other for one in found if one.differs and one.at.value < 0],
        "not told apart from": [one.other for one in found if not one.differs],
    }
    where = "On clean images" if attack == "clean" else f"U{under(attack)[1:]}"
    parts = "; ".join(f"{words} {listed(f'“{label}”' for label in group)}" for words, group in groups.items() if group)
    return (
        f"{where} the frozen gate is {parts}." if parts else f"{where} nothing can be compared: a training collapsed."
    )


def pace(records: Mapping[str, Record], baseline: str = "ReLU", key: str = "held_pgd10") -> str:
    """A table: held-out accuracy after the first epoch, halfway and at its best; when it reached the baseline's best.

    With 95 % Wilson intervals. Not halfway where that is the first epoch too.
    """
    half, n = len(records[baseline].history) // 2, records[baseline].run.held_out
    after = [1, half] if half > 1 else [1]

    def cell(share: float) -> str:
        return interval(share, *wilson(round(n * share), n))

    paths = {label: [row.get(key, 0.0) for row in record.history] for label, record in records.items()}
    lines = []
    for label, path in paths.items():
        reached = next((f"{epoch}" for epoch, value in enumerate(path, 1) if value >= max(paths[baseline])), NOTHING)
        lines.append([label, *map(cell, (*(path[epoch - 1] for epoch in after), max(path))), reached])
    header = [f"Held out, n = {n:,}", *(f"After epoch {epoch}, %" for epoch in after), "Best, %"]
    return table([*header, f"First at {baseline}'s best, epoch"], lines)


# ---- are they alike ---------------------------------------------------------------------------------------------


class Likeness(NamedTuple):
    """Cosine of two layers' changes, channel on channel; and with the channels of one shuffled: mean, 95 %, share.

    `p` is the share of shuffles with at least that cosine.
    """

    cosine: float
    shuffled: Interval
    p: float


def likeness(one: Float[Tensor, "c k k"], other: Float[Tensor, "c k k"], draws: int = 5000, seed: int = 0) -> Likeness:
    """Shuffled channels share what all kernels of a layer have in common; what is above that belongs to channels."""
    a, b = (change.flatten(1).double().numpy() for change in (one, other))
    products = a @ b.T / np.linalg.norm(a) / np.linalg.norm(b)
    places = np.arange(len(products))
    orders = np.random.default_rng(seed).permuted(np.tile(places, (draws, 1)), axis=1)
    shuffled = products[places, orders].sum(1)
    cosine = float(np.trace(products))
    low, high = np.quantile(shuffled, (0.025, 0.975))
    p = (1 + int((shuffled >= cosine - 1e-12).sum())) / (1 + draws)
    return Likeness(cosine, Interval(float(products.sum() / len(products)), float(low), float(high)), p)


def alike(panels: Mapping[str, Mapping[str, Likeness]]) -> Figure:
    """A dot for each cosine, behind it the range of shuffled channels and their mean; a panel a layer, a row a pair."""
    labels = list(dict.fromkeys(label for found in panels.values() for label in found))
    with stacked([0.45 + (0.06 + row_height(labels)) * len(labels)] * len(panels), 0.45) as (figure, axes):
        for ax, (title, found) in zip(axes, panels.items(), strict=True):
            for y, label in enumerate(labels):
                if label in found:
                    cosine, (middle, low, high), _ = found[label]
                    ax.barh(y, high - low, 0.6, low, color=SHADE, zorder=1)
                    ax.plot([middle, middle], [y - 0.3, y + 0.3], color=GREY, lw=1.4, zorder=2)
                    ax.plot(cosine, y, "o", color=style.colour("sparta"), ms=5, zorder=3)
            ax.axvline(0, color=INK, lw=0.8, zorder=0)
            ax.set_xlim(-1, 1)
            label_rows(ax, labels)
            ax.set_title(title, color=INK)
        for ax in axes[-1:]:
            ax.set_xlabel("cosine of the kernels' changes")
        keys = [
            Line2D([], [], ls="", marker="o", color=style.colour("sparta"), ms=5, label="channel on channel"),
            Rectangle((0, 0), 1, 1, color=SHADE, label="channels shuffled, 95 %"),
        ]
        legend(figure, keys)
    return figure


def alike_table(panels: Mapping[str, Mapping[str, Likeness]]) -> str:
    """The numbers of `alike`, with p, also after Holm's correction over all of them."""
    every = [(title, label, one) for title, found in panels.items() for label, one in found.items()]
    adjusted = holm([one.p for *_, one in every])
    lines = []
    for (title, label, one), p in zip(every, adjusted, strict=True):
        cosines = [f"{value:+.2f}".translate(MINUS) for value in (one.cosine, one.shuffled.value)]
        lines.append([title, label, *cosines, p_value(one.p), p_value(p, bold=p < 0.05)])
    return table(["Layer", "Pair", "Cosine", "Shuffled, mean", "p", "p, Holm"], lines)


# ---- images -----------------------------------------------------------------------------------------------------


def beside(datasets: Mapping[str, Dataset], classes: int = 10) -> Figure:
    """The first test image of each class, a row a dataset."""
    with style.figure(4.6, 0.62 * len(datasets)) as figure:
        axes = figure.subplots(len(datasets), classes, squeeze=False)
        for line, (title, dataset) in zip(axes, datasets.items(), strict=True):
            for label, ax in enumerate(line):
                first = int((dataset.test_labels == label).nonzero()[0])
                ax.imshow(floats(dataset.test_images[first : first + 1])[0, 0].numpy(), cmap="gray", vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[])
            line[0].set_ylabel(title, rotation=0, ha="right", va="center")
    return figure
