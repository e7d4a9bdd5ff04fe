"""One look for every figure: an activation keeps its colour, marker and name through the whole book.

The seven that are compared most have the colours of Okabe and Ito, which colour-blind readers can tell apart, and a
marker each. The others have their family's colour and differ by marker and line; no figure relies on colour alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from robust_activations import activations

BLACK, VERMILION, BLUE, GREEN = "#000000", "#D55E00", "#0072B2", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = (BLACK, VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)  # for what has no colour of its own
OWN = {  # colour and marker
    "relu": (BLACK, "o"),
    "silu": (BLUE, "*"),
    "gelu": (SKY, "X"),
    "psilu": (PURPLE, "P"),
    "pssilu": (VERMILION, "D"),
    "splash": (GREEN, "s"),
    "sparta": (ORANGE, "^"),
}
FAMILY = {"reference": "#7F7F7F", "paf": "#B5537F", "smooth": "#2F6DA3", "splash": GREEN, "sparta": "#B07A00"}
MARKERS = "osD^vP*Xphd<>8"
LINES = ("-", "--", "-.", ":")
# Two states that many figures set side by side.
CLEAN, ATTACKED = BLUE, VERMILION
WIDTH = 7.2  # inches: the width of the text


def title(name: str) -> str:
    """The activation as the book writes it."""
    return activations.REGISTRY[name].title


def colour(name: str) -> str:
    return OWN[name][0] if name in OWN else FAMILY[activations.REGISTRY[name].family]


def _rank(name: str) -> int:
    family = activations.REGISTRY[name].family
    return [other for other, entry in activations.REGISTRY.items() if entry.family == family].index(name)


def marker(name: str) -> str:
    return OWN[name][1] if name in OWN else MARKERS[-1 - _rank(name) % len(MARKERS)]


def line(name: str) -> str:
    return "-" if name in OWN else LINES[_rank(name) % len(LINES)]


def apart(
    taken: Collection[dict[str, Any]], colour: str, key: str, kinds: Sequence[Any], first: int = 0
) -> dict[str, Any]:
    """A look of this colour that is not taken: of the kinds of markers or dashes, from the first one on, the next."""
    order = [{"color": colour, key: kind} for kind in (*kinds[first:], *kinds[:first])]
    return next((look for look in order if look not in taken), order[0])


BOOK: Any = {  # of which stubs differ from version to version
    "figure.dpi": 200,
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E3E3E3",
    "lines.linewidth": 1.8,
    "figure.constrained_layout.use": True,
}


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure in the book's style that only its cell shows: pyplot forgets it. Sizes in inches."""
    with sns.axes_style("whitegrid"), mpl.rc_context(BOOK):
        made = plt.figure(figsize=(width, height))
        yield made
        plt.close(made)


def percent(axes: Axes, which: str = "y") -> None:
    """Shares as percent on an axis."""
    getattr(axes, f"{which}axis").set_major_formatter(PercentFormatter(1.0, decimals=0))
