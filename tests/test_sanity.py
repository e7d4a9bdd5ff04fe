"""Networks are counted right, gains are those of the records, and attacks are carried over as the tables say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import tiny
from robust_activations.attacks import PGD, Threat
from robust_activations.evaluation import under_attack
from robust_activations.figures import memory, primers, sanity, scaling, style
from robust_activations.figures.sanity import Panel
from robust_activations.stats import wilson
from robust_activations.studies import sat
from robust_activations.studies.curves import Curve
from robust_activations.studies.pairs import gain

THREAT = Threat("linf", "51/255")


@pytest.mark.parametrize("width", [1, 4])
def test_a_network_is_counted_as_by_hand(width):
    counted = scaling.counted(replace(tiny.RUN, model_options={"width": width}))
    convolutions = 9 * (width + 2 * width**2 + 8 * width**2)
    linear, norms = 16 * width * 10 + 10, 2 * (width + 2 * width + 4 * width)
    assert counted.parameters == convolutions + linear + norms
    assert counted.macs == 9 * (64 * width + 16 * 2 * width**2 + 4 * 8 * width**2) + 160 * width


def test_groups_and_image_sizes_are_counted_as_by_the_hooks_of_another_page():
    for name, side in (("resnext50_32x4d", 96), ("efficientnet_b0", 64)):
        run = replace(tiny.RUN, dataset="imagenet", model=name, model_options={}, image_size=side)
        assert scaling.counted(run).macs == memory.work(name, side)[0]


def test_gains_from_size_are_image_by_image():
    def record(right):
        return tiny.record(right=[bool(one) for one in right])

    silu = record([1, 1, 1, 0]), record([0, 0, 1, 1])
    relu = record([1, 1, 0, 0]), record([0, 1, 0, 0])
    assert gain(*silu, "pgd20").tolist() == [1, 1, 0, -1]
    more = scaling.more_gain(silu, relu, "pgd20")  # images: 0, 1, 0, -1
    assert (more.value, more.low) == (0, pytest.approx(-more.high))
    assert more.high == pytest.approx(3.182446 * np.std([0, 1, 0, -1], ddof=1) / 2)


class Brightness(nn.Module):
    """Two classes; which of the two pixels is brighter, `swapped` or not."""

    def __init__(self, swapped=False):
        super().__init__()
        self.order = [1, 0] if swapped else [0, 1]

    def forward(self, x):
        return x.flatten(1)[:, self.order]


def test_attacks_are_made_on_one_network_and_shown_to_another():
    x = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.1, 0.9]]).reshape(3, 1, 1, 2)
    y = torch.tensor([0, 0, 0])  # the last is wrong for the first network, and nothing is to make it right
    networks = {"a": Brightness(), "b": Brightness(swapped=True)}
    found = sanity.transfers(networks, x, y, THREAT, PGD(steps=5))
    own = under_attack(networks["a"], x, y, THREAT, PGD(steps=5))
    assert found["a"]["a"].right.tolist() == own.tolist() == [True, False, False]
    assert found["a"]["b"].right.tolist() == [True, True, False]  # what harms the one helps the other
    assert found["b"]["b"].right.tolist() == [False, False, True]
    lines = sanity.transfer_table(found).splitlines()
    assert [cell.startswith(" **") for cell in lines[2].split("|")[2:4]] == [True, False]


def test_curves_draw_shares_with_their_intervals():
    rights = [torch.arange(10) < k for k in (9, 4)]
    panel = Panel(
        (1, 10), {name: [sanity.share(one) for one in rights] for name in ("relu", "silu")}, "steps", log=True
    )
    (ax,) = sanity.curves(panel).axes
    assert [line.get_color() for line in ax.lines] == [style.colour("silu"), style.colour("relu")]
    assert ax.lines[0].get_markersize() > ax.lines[1].get_markersize()  # what lies below sticks out
    assert ax.lines[0].get_ydata().tolist() == pytest.approx([0.9, 0.4])
    band = ax.collections[0].get_paths()[0].vertices
    assert {tuple(np.round(point, 6)) for point in ((1, wilson(9, 10)[0]), (10, wilson(4, 10)[1]))} <= {
        tuple(np.round(point, 6)) for point in band
    }


def test_falling_panels_can_be_compared():
    curve = Curve((0.0, 0.1), (9, 4), 10)
    (ax,) = sanity.curves(sanity.falling({"relu": curve}, "Digits", curve.radii[1])).axes
    assert ([*ax.lines[0].get_xdata()], ax.get_xlabel()) == ([0, 25.5], "ε · 255")
    assert [*ax.lines[0].get_ydata()] == pytest.approx([0.9, 0.4])
    low, high = ax.get_ylim()
    assert (low < 0, high > 1) == (True, True)


def test_the_readme_is_drawn_as_it_is_reported():
    published = sat.scaling("paper")
    figure = scaling.reported({name: published[name] for name in ("depth", "compound")})
    depth, compound = figure.axes
    assert depth.lines[1].get_ydata().tolist() == [41.9, 45.2, 45.8]
    assert [text.get_text() for text in compound.texts] == ["+8.3", "+9.1"]
    assert all(scaling.cells(title) for members in published.values() for title in members)


def test_all_strongest_attacks_of_a_row_are_boxed_whatever_their_precision():
    row = {"PGD": 0.79, "Square": float(torch.tensor(0.79)), "FGSM": 0.81, "BPDA": float("nan")}
    (axes,) = primers.matrix({"one": row}).axes
    assert [round(box.get_x() + 0.46) for box in axes.patches] == [0, 1]
