"""Reported numbers agree with the claims; curvature is that of the trained network; figures draw what they say."""

import math
from dataclasses import replace

import pytest
import torch
from tests import tiny

from robust_activations.errors import UserError
from robust_activations.figures import gradients
from robust_activations.figures.rows import Row
from robust_activations.studies.sat import CLAIMS

REPORTED = {claim.id: claim.reported for claim in CLAIMS}


def trained(activation, *epochs, best=0, **options):
    """A record whose activations had these parameters after each epoch."""
    run = replace(tiny.RUN, activation=activation, activation_options=options)
    return tiny.record(run, history=tuple({"activations": learned} for learned in epochs), best_epoch=best)


@pytest.mark.parametrize("place", ["attack", "update", "both"])
def test_the_table_of_gradients_is_the_one_that_the_claims_quote(place):
    (clean, robust), (plain_clean, plain) = (gradients.QUALITY.rows[name] for name in (place, "none"))
    quoted = f"+{robust - plain:.1f} points ({plain:.1f} to {robust:.1f} %), accuracy {clean - plain_clean:+.1f}"
    assert REPORTED[f"sat-gradient-{place}"].value == quoted.replace("-", "−")
    assert (gradients.QUALITY.source, gradients.QUALITY.mark) == (
        REPORTED[f"sat-gradient-{place}"].source,
        REPORTED[f"sat-gradient-{place}"].mark,
    )


def test_the_other_reported_numbers_are_those_of_the_claims():
    robust = {name: row[1] for name, row in gradients.SMOOTH.rows.items()}
    relu = robust.pop("relu")
    assert (
        f"{relu:.1f} to between {min(robust.values()):.1f} and {max(robust.values()):.1f}"
        in REPORTED["sat-smooth"].value
    )
    assert f"+{robust['smooth_relu'] - relu:.1f} points" in REPORTED["sat-below-zero"].value
    assert f"{relu:.1f} to {robust['silu']:.1f}" in REPORTED["sat-silu"].value
    assert f"+{gradients.SMOOTH.rows['silu'][0] - gradients.SMOOTH.rows['relu'][0]:.1f}" in REPORTED["sat-free"].value
    bai = gradients.BAI.rows
    assert f"{bai['relu'][-1]} to {bai['gelu'][-1]}" in REPORTED["bai-autoattack"].value


def test_cells_keep_the_digits_of_the_source_and_a_missing_row_is_empty():
    assert gradients.SMOOTH.cells("relu") == ["68.80", "33.00"]
    assert gradients.QUALITY.cells("none") == ["68.8", "33.0"]
    assert gradients.QUALITY.cells("forward") == []


def test_curvature_is_that_of_the_best_epochs_parameters_layer_by_layer():
    record = trained("psilu", {"a.alpha": [2.0], "b.alpha": [6.0]}, {"a.alpha": [9.0], "b.alpha": [9.0]})
    assert gradients.curvature(record) == pytest.approx([1.0, 3.0])  # α/2
    both = trained("pssilu", {"a.alpha": [2.0], "a.beta": [0.5]}, penalty=10.0, clip=0.01)
    assert gradients.curvature(both) == pytest.approx([2.0])  # α/(2(1 - β))
    assert gradients.curvature(trained("smooth_relu", {"a.sharpness": [-3.0]})) == pytest.approx([9.0])
    assert gradients.curvature(trained("silu", {})) == pytest.approx([0.5])
    assert gradients.curvature(trained("pelu", {"a.alpha": [1.0], "b.alpha": [0.5]})) == pytest.approx([1.0, math.inf])


def test_curvature_takes_one_value_of_a_parameter():
    with pytest.raises(UserError, match=r"2 values of a\.alpha"):
        gradients.curvature(trained("psilu", {"a.alpha": [1.0, 2.0]}))


def test_strength_draws_smooth_less_own():
    own = torch.rand(2, 30)
    figure = gradients.strength((1, 10), {"one": (own, own + 0.5), "two": (own, own - 0.25)}, "")
    points = [line.get_ydata() for line in figure.axes[1].lines if line.get_marker() in ("o", "s")]
    assert points[0] == pytest.approx([0.5, 0.5])
    assert points[1] == pytest.approx([-0.25, -0.25])
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx(own.mean(1).tolist())


def test_bent_has_a_place_for_every_point_and_the_kink_as_a_line():
    rows = [(Row(name, trained(name, {})), bends) for name, bends in (("silu", [0.5]), ("smooth_relu", [100.0, 400.0]))]
    figure = gradients.bent({"": rows}, {"": Row("ReLU", trained("relu", {}))})
    ax = figure.axes[0]
    low, high = ax.get_xlim()
    assert low < 0.5
    assert high > 400
    assert [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1] == pytest.approx([0.5, 200.0])
    (kink,) = (line for line in ax.lines if [*line.get_xdata()] == [0, 1])  # of the panel's width
    assert [*kink.get_ydata()] == [Row("ReLU", trained("relu", {})).accuracy("pgd50").value] * 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ReLU, with its kink"]


def test_bent_shows_a_marker_under_another():
    first, second = (Row(name, trained(name, {})) for name in ("psilu", "pssilu"))
    figure = gradients.bent({"": [(first, [0.5]), (second, [0.5]), (Row("GELU", trained("gelu", {})), [5.0])]}, {})
    markers = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert markers[0].get_markersize() > markers[1].get_markersize() == markers[2].get_markersize()
