"""How numbers, lists and tables are written: in one way through the book."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from myst_nb import glue
from torch import Tensor

from robust_activations.evaluation import Outcome

T = TypeVar("T")
MINUS = str.maketrans("-", "−")
NBSP = "\N{NO-BREAK SPACE}"
NOTHING = "—"  # in a cell
COLLAPSED = "collapsed"


def note(name: str, value: object) -> None:
    """Keeps what a page computes for its text, which names it in a `{glue:text}` role. ResNet-20 keeps its hyphen.

    A tensor says which images are right, and is told as an accuracy with n and its interval.
    """
    said = str(Outcome.of(value, 0.0) if isinstance(value, Tensor) else value)
    glue(name, re.sub(r"(?<!\w)-(?=[\d.])", "−", said), display=False)


def titled(panels: Mapping[str, T]) -> dict[str, T]:
    """Panels by scale, by their titles; that of the digits alone needs none."""
    return {"" if {*panels} == {"digits"} else f"scale {scale}": panel for scale, panel in panels.items()}


def listed(words: Iterable[str]) -> str:
    """`a, b and c`; `none` of none."""
    several = list(words)
    return " and ".join([", ".join(several[:-1]), several[-1]] if len(several) > 1 else several) or "none"


def points(share: float) -> str:
    """A difference of shares in points, with its sign."""
    return f"{round(100 * share, 1) + 0.0:+.1f}".translate(MINUS)  # never minus zero


def interval(value: float, low: float, high: float, *, form: str = ".1f", scale: float = 100.0) -> str:
    """`45.0 [40.4, 49.6]`, in percent if nothing else is asked for. A line may end before the bracket alone."""
    number, *ends = (f"{scale * one:{form}}".translate(MINUS).replace("inf", "∞") for one in (value, low, high))
    return f"{number} [{f',{NBSP}'.join(ends)}]"


def counted(n: int, word: str) -> str:
    """`1 record`, `2 records`."""
    return f"{n} {word}{'s' * (n != 1)}"


def p_value(p: float, *, bold: bool = False) -> str:
    """As a table's cell has it."""
    said = "<0.001" if p < 0.001 else f"{p:.3f}"
    return f"**{said}**" if bold else said


def p_said(p: float) -> str:
    """As a sentence has it: `p = 0.012`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; numbers are set to the right."""
    right = [all(re.fullmatch(r"[-+−<\d.,e∞ ]*", row[i]) for row in rows) for i in range(len(header))]
    lines = [header, ["---:" if flag else ":---" for flag in right], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def box(title: str, inside: str | Mapping[str, str]) -> str:
    """A box that a reader opens; of several parts each stands below its heading."""
    if not isinstance(inside, str):
        inside = "\n\n".join(f"*{heading}*\n\n{text}" for heading, text in inside.items())
    return f"::::{{dropdown}} {title}\n{inside}\n::::"
