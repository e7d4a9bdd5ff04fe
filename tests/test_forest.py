"""The figure of claims: an interval for each scale and each part, and what it looks like follows the verdict."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from robust_activations.figures.forest import EDGE, LOOKS, dots, forest
from robust_activations.studies import Claim, Judged, Reported, Verdict
from robust_activations.studies.base import Points


def verdict(label: str, value: float, low: float, high: float, limit: float = 0.0, seeds: int = 2) -> Verdict:
    return Verdict(label, seeds=seeds, points=Points(value, low, high, limit))


YES, NO = verdict("supported", 3, 1, 5), verdict("contradicted", -3, -5, -1, seeds=1)
OPEN = verdict("undecided", 0.2, -20, 2, -1)


def judged(found: Verdict, name: str = "a", scale: str = "digits") -> Judged:
    claim = Claim(name, "claims", f"Statement {name}.", "dai2021", Reported("", "", "NOT FOUND"), lambda *_: found)
    return Judged("paf", claim, scale, found)


def test_parts_are_rows_of_their_own():
    both = Verdict.of_parts("undecided", {"mnist": YES, "cifar10": NO})
    assert [*dots(both, "cpu")] == [
        ("cpu, MNIST", "supported", YES.points),
        ("cpu, CIFAR-10", "contradicted, one seed", NO.points),
    ]
    best = Verdict.of_parts("supported", {"silu": YES, "gelu": OPEN}, "silu", one_will_do=True)
    assert [*dots(best, "cpu")] == [("cpu, silu", "supported", YES.points)]
    assert [*dots(Verdict("supported", "mean radius +1"), "cpu")] == []


def test_a_figure_says_what_the_verdicts_say():
    found = [judged(YES), judged(NO, scale="cpu"), judged(OPEN, "b"), judged(Verdict("not tested here"), "c")]
    figure = forest(found)
    (ax,) = figure.axes
    words = [text.get_text() for text in ax.texts]
    assert words == ["Statement a.", "digits", "cpu", "Statement b.", "digits"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["supported", "contradicted, one seed", "undecided"]
    marked = [line for line in ax.lines if line.get_marker() in ("o", "s")]
    assert [float(line.get_xdata()[0]) for line in marked] == [3, -3, 0.2]
    assert [line.get_markerfacecolor() for line in marked] == [
        LOOKS[name]["mfc"] for name in ("supported", "contradicted, one seed", "undecided")
    ]
    uprights = [
        line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2 and len({*line.get_xdata()}) == 1
    ]
    assert uprights == [0, 0, -1]
    (arrow,) = (line for line in ax.lines if line.get_marker() == "<")  # the interval from -20 is cut
    assert float(arrow.get_xdata()[0]) == pytest.approx(-EDGE, rel=0.05)
    assert not [line for line in ax.lines if line.get_marker() == ">"]
    plt.close(figure)


def test_nothing_to_draw():
    figure = forest([judged(Verdict("not tested here"))])
    assert [text.get_text() for text in figure.texts] == ["nothing recorded yet"]
    plt.close(figure)
