"""How numbers are written in sentences and tables, and how activations look."""

from __future__ import annotations

import pytest
import torch

from robust_activations.activations import REGISTRY
from robust_activations.evaluation import Outcome
from robust_activations.figures import prose, style
from robust_activations.figures.rows import Interval

NBSP = "\N{NO-BREAK SPACE}"


def test_an_interval_breaks_before_its_bracket_alone():
    assert prose.interval(0.45, 0.404, 0.496) == f"45.0 [40.4,{NBSP}49.6]"
    assert prose.interval(0.01, -0.002, 0.022, form="+.1f") == f"+1.0 [−0.2,{NBSP}+2.2]"
    assert prose.interval(0.5, 0.25, float("inf"), form=".3g", scale=1) == f"0.5 [0.25,{NBSP}∞]"


def test_an_interval_in_other_terms():
    at = Interval(0.75, 0.5, 0.875)
    assert at.complement == Interval(0.25, 0.125, 0.5)
    assert at.times(100) == Interval(75.0, 50.0, 87.5)


def test_shares_of_one_seed_of_several_and_of_none():
    assert Interval.shares([]) is None
    assert Interval.shares([(30, 40)]) == Interval.share(30, 40)
    assert Interval.shares([(40, 40), (30, 40)]) == pytest.approx((0.875, 0.0, 1.0))  # t's interval is far wider


@pytest.mark.parametrize(("n", "said"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
def test_counted(n: int, said: str):
    assert prose.counted(n, "step") == said


@pytest.mark.parametrize(("p", "cell", "said"), [(0.0004, "<0.001", "p < 0.001"), (0.0126, "0.013", "p = 0.013")])
def test_p(p: float, cell: str, said: str):
    assert (prose.p_value(p), prose.p_said(p)) == (cell, said)
    assert prose.p_value(p, bold=True) == f"**{cell}**"


@pytest.mark.parametrize(("words", "said"), [((), "none"), (("a",), "a"), (("a", "b", "c"), "a, b and c")])
def test_a_list_in_a_sentence(words: tuple[str, ...], said: str):
    assert prose.listed(words) == said


def test_points_have_a_sign_and_a_true_minus():
    assert (prose.points(-0.0123), prose.points(0.0123)) == ("−1.2", "+1.2")


@pytest.mark.parametrize(
    ("value", "said"),
    [(-3, "−3"), ("+1 [-0.5, +2]", "+1 [−0.5, +2]"), ("ResNet-20, PGD-50", "ResNet-20, PGD-50"), ("(-.5)", "(−.5)")],
)
def test_a_note_has_true_minuses_and_keeps_hyphens(monkeypatch: pytest.MonkeyPatch, value: object, said: str):
    kept = {}
    monkeypatch.setattr(prose, "glue", lambda name, words, display: kept.update({name: words}))
    prose.note("name", value)
    assert kept == {"name": said}


def test_a_note_of_which_images_are_right_is_an_accuracy(monkeypatch: pytest.MonkeyPatch):
    kept = {}
    monkeypatch.setattr(prose, "glue", lambda name, words, display: kept.update({name: words}))
    right = torch.tensor([True, True, False, True])
    prose.note("name", right)
    assert kept == {"name": str(Outcome.of(right, 0.0))}


def test_the_digits_alone_need_no_title():
    assert prose.titled({"digits": 1}) == {"": 1}
    assert prose.titled({"digits": 1, "cpu": 2}) == {"scale digits": 1, "scale cpu": 2}
    assert prose.titled({"cpu": 2}) == {"scale cpu": 2}


def test_a_box_with_headings():
    assert prose.box("Tests", "a") == "::::{dropdown} Tests\na\n::::"
    assert prose.box("Tests", {"A": "a", "B": "b"}) == "::::{dropdown} Tests\n*A*\n\na\n\n*B*\n\nb\n::::"


def test_no_two_activations_look_alike_and_those_compared_most_differ_without_colour_too():
    looks = {name: (style.colour(name), style.marker(name)) for name in REGISTRY}
    assert len({*looks.values()}) == len(REGISTRY)
    assert len({looks[name][1] for name in style.OWN}) == len(style.OWN)
