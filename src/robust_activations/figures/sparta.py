"""Attentive activations: what their gates see, do under attack and learn, what they cost, and error rates.

Tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from robust_activations import activations, models
from robust_activations.figures import frames, results, style
from robust_activations.figures.catalogue import Curve
from robust_activations.figures.frames import INK, legend, stacked
from robust_activations.figures.pictures import show
from robust_activations.figures.prose import COLLAPSED, MINUS, NBSP, NOTHING, table
from robust_activations.figures.rows import ATTACKS, Interval, Row, under
from robust_activations.figures.smoothness import bootstrap
from robust_activations.figures.tables import cell
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.studies.pictures import gate_inputs

# Runs of the study that are named by something else than their activation.
TITLES = {"denoise": "ReLU with denoising"}
WAYS = ("channel", "layer", "network")  # of sharing a kernel, the most kernels first

# ---- the function -----------------------------------------------------------------------------------------------


def at_pixel(name: str, kernel: Float[Tensor, "k k"], around: float) -> Curve:
    """A reading, with this kernel, at a pixel whose neighbours all have the value `around`: a function of its own.

    R3 is without its BatchNorm.
    """
    module = activations.create(name, share="layer", kernel_size=len(kernel)).double().eval()
    with torch.no_grad():
        module.get_parameter("weight").copy_(kernel)
    middle = len(kernel) // 2

    def function(z: Tensor) -> Tensor:
        image = torch.full((len(z), 1, *kernel.shape), around, dtype=z.dtype)
        image[:, 0, middle, middle] = z
        with torch.no_grad():
            return module(image)[:, 0, middle, middle]

    return function


def contexts(kernels: Mapping[str, Float[Tensor, "k k"]], around: Sequence[float], reach: float = 4.0) -> Figure:
    """A panel a reading: its output at a pixel against the pixel's own value, a line for each value of the neighbours.

    Grey is ReLU.
    """
    z = torch.linspace(-reach, reach, 241, dtype=torch.float64)
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(around)))
    looks = [{"color": shade, "ls": ls} for shade, ls in zip(shades, style.LINES[: len(around)], strict=True)]
    with stacked([1.75] * len(kernels), 0.45) as (figure, axes):
        for ax, (name, kernel) in zip(axes, kernels.items(), strict=True):
            ax.plot(z.numpy(), z.clamp(min=0).numpy(), color="#D5D5D5", lw=4, solid_capstyle="round")
            for value, look in zip(around, looks, strict=True):
                ax.plot(z.numpy(), at_pixel(name, kernel, value)(z).numpy(), lw=1.5, **look)
            ax.set_title(style.title(name), color=INK)
            ax.set_ylabel("output")
        axes[-1].set_xlabel("the pixel's own value")
        keys = [Line2D([], [], color="#D5D5D5", lw=4, label="ReLU")]
        for value, look in zip(around, looks, strict=True):
            keys.append(Line2D([], [], label=f"neighbours {value:g}".translate(MINUS), **look))
        legend(figure, keys)
    return figure


# ---- gates ------------------------------------------------------------------------------------------------------


def around(model: nn.Module, x: Float[Tensor, "n c h w"]) -> dict[str, float]:
    """How much of R1's or R2's g comes from the neighbours, by site: a share of the sizes, summed over all places.

    With a centre w, g is w z, the pixel's own part, and the rest.
    """
    found = {}
    for site, (z, g) in gate_inputs(model, x).items():
        weight = model.get_parameter(f"{site}.weight").detach()
        middle = weight.shape[-1] // 2
        own = weight[:, 0, middle, middle].view(1, -1, 1, 1) * z
        rest, mine = float((g - own).abs().sum()), float(own.abs().sum())
        found[site] = rest / (rest + mine) if rest + mine else 0.0
    return found


def moved(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, Interval]:
    """By site: the mean absolute change of the gates, over channels, places and images.

    The 95 % interval is a bootstrap one over the images.
    """
    changes = {site: (after[site] - gate).abs().flatten(1).mean(1) for site, gate in before.items()}
    return {site: bootstrap(change.double().numpy()) for site, change in changes.items()}


def movements(changes: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """Mean changes of gates, by label, at each site: a panel a layer, all on one scale that begins at 0."""
    layers = [list(own.values()) for own in changes.values()]
    panels = {
        f"layer {number}": [(label, *at) for label, at in zip(changes, own, strict=True)]
        for number, own in enumerate(zip(*layers, strict=True), 1)
    }
    figure = results.values(panels, "mean absolute change of the gate")
    most = max((at.high for own in layers for at in own), default=1.0)
    for ax in figure.axes:
        ax.set_xlim(0, 1.05 * most)
    return figure


def maps(images: Sequence[Float[Tensor, "n c h w"]], gates: Mapping[str, Sequence[Float[Tensor, "n k a b"]]]) -> Figure:
    """A column an image. Rows: clean, attacked; then, for each title of gates, clean, attacked, and the change.

    `images` and each of `gates` are pairs, clean and attacked; gates are shown as their mean over the channels.
    """
    rows: list[tuple[str, Tensor, str, float, float]] = [
        ("image", images[0], "gray", 0, 1),
        ("attacked", images[1], "gray", 0, 1),
    ]
    for title, pair in gates.items():
        clean, attacked = (gate.mean(1, keepdim=True) for gate in pair)
        low, high = (float(end) for end in torch.aminmax(torch.stack([clean, attacked])))
        change = attacked - clean
        most = float(change.abs().max()) or 1.0
        rows += [(title, clean, "viridis", low, high), ("attacked", attacked, "viridis", low, high)]
        rows.append(("change", change, "RdBu_r", -most, most))
    n = len(images[0])
    with style.figure(frames.WIDTH, 0.78 * len(rows)) as figure:
        axes = figure.subplots(len(rows), n, squeeze=False)
        for line, (title, values, colours, low, high) in zip(axes, rows, strict=True):
            for ax, value in zip(line, values, strict=True):
                shown = show(ax, value, colours, low, high)
            line[0].set_ylabel(title, rotation=0, ha="right", va="center", color=INK)
            bar = figure.colorbar(shown, ax=list(line), fraction=0.03, pad=0.02)
            bar.set_ticks([low, high], labels=[f"{end:.2g}".translate(MINUS) for end in (low, high)])
            bar.ax.tick_params(labelsize=8)
            bar.ax.set_visible(values.shape[1] == 1)  # it says nothing of an image in colours
    return figure


# ---- what they learn --------------------------------------------------------------------------------------------


def kernel(record: Record) -> dict[str, Float[Tensor, "c k k"]]:
    """The gates' kernels of the chosen epoch by site; none where the record keeps none."""
    found = {site: own["weight"].tensor for site, own in record.activations.items() if "weight" in own}
    return {site: weight[:, 0] for site, weight in found.items()}


def start(record: Record) -> Float[Tensor, "k k"]:
    """The kernel that every channel of such a record begins with."""
    made = activations.create(record.run.activation, share="layer", **record.run.activation_options)
    return made.get_parameter("weight").detach()[0, 0]


def changes(record: Record) -> dict[str, Float[Tensor, "c k k"]]:
    """By site, what training has added to each channel's kernel; for records whose gates have not started at random."""
    return {site: weight - start(record) for site, weight in kernel(record).items()}


def kernels(records: Mapping[str, Record], most: int = 3) -> Figure:
    """A row a record, a column a layer: what training has added to the kernels, mean over the channels, with numbers.

    Of more than `most` layers the first, the last, and some evenly between them. A frame marks the centre.
    """
    found = {title: [change.mean(0) for change in changes(record).values()] for title, record in records.items()}
    found = {title: layers for title, layers in found.items() if layers}
    top = max((float(mean.abs().max()) for layers in found.values() for mean in layers), default=1.0)
    with stacked([1.75] * len(found), 0.1) as (figure, axes):
        for ax, (title, layers) in zip(axes, found.items(), strict=True):
            _kernel_row(ax, layers, most, top)
            ax.set_title(title, color=INK)
    return figure


def _kernel_row(ax: Axes, layers: Sequence[Float[Tensor, "k k"]], most: int, top: float) -> None:
    places = sorted({round(i) for i in np.linspace(0, len(layers) - 1, min(most, len(layers)))})
    k = len(layers[0])
    for column, place in enumerate(places):
        left = column * (k + 0.8)
        heat_map(ax, layers[place], "RdBu_r", top, left)
        ax.add_patch(Rectangle((left + k / 2 - 0.5, k / 2 - 0.5), 1, 1, fill=False, ec=INK, lw=1))
        ax.text(left + k / 2, k + 0.15, f"layer {place + 1}", ha="center", va="top", size=9, color=INK)
    ax.set(xlim=(-0.1, len(places) * (k + 0.8) - 0.7), ylim=(k + 0.7, -0.1))
    ax.axis("off")


def heat_map(ax: Axes, kernel: Float[Tensor, "k k"], colours: str, top: float, left: float = 0.0) -> AxesImage:
    """A kernel from x = `left` on, in colours from -`top` to `top` and with its numbers."""
    k = len(kernel)
    for (row, column), value in np.ndenumerate(kernel.numpy()):
        look: dict[str, Any] = {"size": 7.5, "color": "w" if abs(value) > 0.6 * top else INK}
        ax.text(left + column + 0.5, row + 0.5, decimals(value), ha="center", va="center", **look)
    return ax.imshow(kernel.numpy(), cmap=colours, vmin=-top, vmax=top, extent=(left, left + k, k, 0))


def kernel_table(records: Mapping[str, Record]) -> str:
    """By record and layer: centre and neighbours of the kernels, and how far each channel's is from its start."""
    rows = []
    for title, record in records.items():
        for number, weight in enumerate(kernel(record).values(), 1):
            begin = start(record)
            middle = len(begin) // 2
            centre = weight[:, middle, middle]
            others = weight.flatten(1).sum(1) - centre
            count = weight[0].numel() - 1
            far = (weight - begin).flatten(1).norm(dim=1)
            rows.append(
                [
                    f"{title}, layer {number}",
                    f"{len(weight)}",
                    _spread(centre),
                    _spread(others / count) if count else NOTHING,
                    _spread(far),
                ]
            )
    if not rows:
        return "No record keeps its kernels."
    header = ["", "Channels", "Centre", "Mean of the neighbours", "Distance from the start"]
    return table(header, rows)


def _spread(values: Tensor) -> str:
    """Mean over the channels, and the least and the greatest."""
    mean, low, high = (float(value) for value in (values.mean(), values.min(), values.max()))
    extent = f"({decimals(low)} to {decimals(high)})".replace(" ", NBSP)
    return f"{decimals(mean)} {extent}"  # may break here: five columns are too wide for a page otherwise


def decimals(value: float) -> str:
    """Two of them."""
    return f"{round(float(value), 2) + 0.0:.2f}".translate(MINUS)  # + 0.0: no negative zero


# ---- what they cost ---------------------------------------------------------------------------------------------


def parameter_table(names: Iterable[str], networks: Sequence[str] = ("digits_cnn", "resnet20", "resnet18")) -> str:
    """Learned numbers of the activations, by network and way of sharing, and their share of all of the network's."""
    rows = []
    for name in names:
        for share in WAYS:
            cells = []
            for network in networks:
                own, every = parameters(network, name, share)
                part = 100 * own / every
                cells.append(f"{own:,} ({f'{part:.2g}' if part >= 0.01 else '<0.01'} %)".replace(" ", NBSP))
            rows.append([style.title(name), share, *cells])
    return table(["Activation", "One kernel a", *(models.REGISTRY[one].title for one in networks)], rows)


def parameters(network: str, name: str, share: str | None = None) -> tuple[int, int]:
    """Learned numbers of a network's activations, and of the whole network."""
    with torch.device("meta"):  # shapes are enough
        made = models.create(network, activation=name, share=share)
    return sum(own.numel() for own in activations.parameters(made)), sum(own.numel() for own in made.parameters())


# ---- error rates ------------------------------------------------------------------------------------------------


def rows(runs: Mapping[str, Run], records: Ledger) -> dict[str, Row]:
    """The recorded ones of a study's named runs, as rows of the same names."""
    return {
        name: Row(TITLES.get(name) or style.title(run.activation), records[run], run.activation)
        for name, run in runs.items()
        if run in records
    }


def error(row: Row, attack: str) -> Interval | None:
    """1 less the accuracy, with its interval: the paper's measure, of which less is better."""
    at = row.accuracy(attack)
    return at and at.complement


def error_table(rows: Sequence[Row], attacks: Sequence[str] = ("clean", "pgd50"), first: str = "Activation") -> str:
    """Error rates in percent with their 95 % intervals: Wilson's of one record, t of the mean over several seeds.

    Without a column of seeds where every row has one.
    """
    lines, several = [], any(len(row.records) > 1 for row in rows)
    for row in rows:
        found = [error(row, attack) for attack in attacks]
        cells = [cell(at) for at in found] if not row.collapsed else [COLLAPSED] * len(attacks)
        n = {r.best.outcomes[attack].n for r in row.records for attack in attacks if attack in r.best.outcomes}
        seeds = [f"{len(row.records)}"] if several else []
        lines.append([row.label, *cells, *seeds, " to ".join(f"{one:,}" for one in sorted(n))])
    header = [first, *(f"Error {'on clean images' if one == 'clean' else under(one)}, %" for one in attacks)]
    return table([*header, *(["Seeds"] if several else []), "n"], lines)


def errors(panels: Mapping[str, Sequence[Row]], attack: str = "pgd50") -> Figure:
    """Error on clean images and under an attack, side by side, with their intervals: a row a label, left is good.

    Least error under attack on top. Many networks have nearly the same errors, so that points of a plane would hide
    each other. Collapsed records are left out.
    """
    shown = {
        title: results.ranked([row for row in rows if error(row, attack)], attack) for title, rows in panels.items()
    }
    shown = {title: rows for title, rows in shown.items() if rows}
    heights = [
        0.75 + 0.04 * len(rows) + frames.row_height([r.label for r in rows]) * len(rows) for rows in shown.values()
    ]
    with stacked([height for height in heights for _ in range(2)], 0.0, 2) as (figure, axes):
        for place, (title, rows) in enumerate(shown.items()):
            for ax, name in zip(axes[2 * place :], ("clean", attack), strict=False):
                for y, row in enumerate(rows):
                    if at := error(row, name):
                        results.dot(ax, at.times(100), y, row.colour)
                frames.label_rows(ax, [row.label for row in rows])
                ax.set_xlabel("clean error, %" if name == "clean" else f"error {under(name)}, %")
            axes[2 * place + 1].tick_params(labelleft=False)
            axes[2 * place].set_title(
                f"{title}\n{results.setting([one for r in rows for one in r.whole])}".strip(), color=INK, loc="left"
            )
    return figure


def left_over(panels: Mapping[str, Mapping[str, Row]], attack: str = "pgd20") -> Figure:
    """Error rates under an attack with their intervals: a panel a title, a dot a label."""
    shown = {}
    for title, own in panels.items():
        shown[title] = [(label, *at.times(100)) for label, row in own.items() if (at := error(row, attack))]
    return results.values(shown, f"error under {ATTACKS[attack]}, %")
