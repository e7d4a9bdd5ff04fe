"""The radius search against networks whose radii are known, the Lipschitz constant of a linear one, their record."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import digits_cnn, digits_test
from robust_activations.attacks import Threat
from robust_activations.errors import UserError
from robust_activations.evaluation import Suite, evaluate
from robust_activations.sensitivity import Measure, local_lipschitz, minimum_radius


class Linear(nn.Module):
    """Two classes; an image is at distance |margin| / |w1 - w0|_1 from the boundary, in l-inf."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.fc = nn.Linear(64, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc((x - 0.5).flatten(1))


@pytest.fixture
def linear() -> tuple[Linear, Tensor, Tensor, Tensor]:
    """The model, images far from 0 and 1, their labels as the model has them, and their true radii."""
    model = Linear()
    x = 0.5 + 0.05 * torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model(x)
        width = (model.fc.weight[1] - model.fc.weight[0]).abs().sum()
        return model, x, logits.argmax(1), (logits[:, 1] - logits[:, 0]).abs() / width


@pytest.mark.parametrize("first", [0.001, 0.05, 1.0])
def test_radius_of_a_linear_network(linear, first):
    model, x, y, true = linear
    found = minimum_radius(model, x, y, first=first, rounds=10)
    assert (found >= true * (1 - 1e-4)).all()  # an upper bound: a change that fools it was found
    assert (found <= true * 1.02 + 2 * max(first, 0.1) / 2**10).all()


def test_radius_needs_an_image_that_is_right(linear):
    model, x, y, _ = linear
    y = y.clone()
    y[:3] = 1 - y[:3]
    found = minimum_radius(model, x, y)
    assert found.isnan().tolist() == [True] * 3 + [False] * 37
    whole = minimum_radius(model, x, y, generator=torch.Generator().manual_seed(0))
    again = minimum_radius(model, x, y, generator=torch.Generator().manual_seed(0))
    assert torch.equal(whole.nan_to_num(-1), again.nan_to_num(-1))


def test_radius_of_what_cannot_be_fooled():
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([[1.0, 0.0]]).expand(len(x), 2) + 0 * x.sum()

    assert minimum_radius(Constant(), torch.rand(3, 1, 4, 4), torch.zeros(3, dtype=torch.long)).tolist() == [1.0] * 3


def test_a_network_that_gives_nan_withstands_nothing(linear):
    """The argmax of NaN is class 0."""
    model, *_ = linear
    with torch.no_grad():
        model.fc.weight.fill_(torch.nan)
    assert minimum_radius(model, torch.rand(3, 1, 8, 8), torch.zeros(3, dtype=torch.long)).isnan().all()


def test_radius_needs_no_other_than_a_change_inside_the_box():
    """At the edge of the box half of the moves are cut off, and more is needed than the margin says."""
    model = Linear()
    x = torch.zeros(8, 1, 8, 8)
    with torch.no_grad():
        y = model(x).argmax(1)
        step = (model.fc.weight[1] - model.fc.weight[0]) * (1 - 2 * y[0])
        margin = (model(x)[0, 1] - model(x)[0, 0]).abs()
    true = margin / step.clamp(min=0).sum()  # only upward moves are left
    assert minimum_radius(model, x, y, rounds=12) == pytest.approx(float(true), rel=0.01)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_lipschitz_of_a_linear_network(linear, norm):
    model, x, y, _ = linear
    found = local_lipschitz(model, x, y, Threat(norm, "0.01"))
    weight = model.fc.weight.detach()
    most = weight.abs().sum() if norm == "linf" else weight.norm(dim=1).sum()
    assert (found <= most * 1.001).all()
    # PGD moves along w1 - w0, which is the steepest change of the two logits' difference.
    least = (weight[1] - weight[0]).abs().sum() if norm == "linf" else (weight[1] - weight[0]).norm()
    assert (found >= least * 0.95).all()


def test_measure_round_trip():
    values = torch.tensor([0.5, math.nan, 0.25, 1.0])
    measure = Measure.of(values)
    assert measure.n == 4
    assert np.array_equal(measure.each, values.numpy(), equal_nan=True)
    assert measure.mean == pytest.approx(1.75 / 3)
    low, high = measure.interval
    assert 0.25 <= low < measure.mean < high <= 1.0
    assert measure.interval == (low, high)
    assert math.isnan(Measure.of(torch.tensor([math.nan])).mean)
    assert all(map(math.isnan, Measure.of(torch.tensor([math.nan])).interval))


def test_interval_is_that_of_a_mean():
    values = torch.randn(400, generator=torch.Generator().manual_seed(0))
    low, high = Measure.of(values).interval
    half = 1.96 * float(values.std()) / 20
    assert (low, high) == pytest.approx((float(values.mean()) - half, float(values.mean()) + half), abs=0.02)


@pytest.mark.parametrize(("values", "n"), [("AAAA", 1), ("AAAAAA==", 2), ("***", 1)])
def test_values_that_are_not_those_of_n_images(values, n):
    with pytest.raises(UserError, match="values"):
        _ = Measure(values, n).each


def test_a_suite_measures_and_attacks_with_square():
    model, (x, y) = digits_cnn(), digits_test(30)
    suite = Suite(
        attacks=("clean", "square"), n=30, square_n=12, square_queries=5, measures=("radius", "lipschitz"), measure_n=10
    )
    found = evaluate(model, x, y, Threat("linf", "38.25/255"), suite)
    assert {name: measure.n for name, measure in found.measures.items()} == {"radius": 10, "lipschitz": 10}
    right = found.outcomes["clean"].right[:10]
    assert np.array_equal(~np.isnan(found.measures["radius"].each), right)
    assert found.outcomes["square"].n == 12
    assert not (found.outcomes["square"].right & ~found.outcomes["clean"].right[:12]).any()
    again = evaluate(model, x, y, Threat("linf", "38.25/255"), suite)
    assert again.measures == found.measures


def test_a_suite_of_unknown_measures():
    with pytest.raises(UserError, match="unknown measure 'radios'; did you mean radius"):
        Suite(measures=("radios",))
