"""Threat models: how radii are written, bad input, and the geometry of the balls."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from helpers import unchecked
from robust_activations.attacks import PGD, Threat, fgsm, k255, pixels
from robust_activations.errors import UserError

LINF, L2 = Threat("linf", "38.25/255"), Threat("l2", "0.8")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distance(norm: str, first: Tensor, second: Tensor) -> Tensor:
    return (first - second).flatten(1).norm(p=math.inf if norm == "linf" else 2, dim=1)


# Lengths and threats.


@pytest.mark.parametrize(
    ("given", "eps", "radius"),
    [
        ("8/255", "8/255", 8 / 255),
        (" 8 / 255 ", "8/255", 8 / 255),
        (8 / 255, "8/255", 8 / 255),
        ("0.031", "7.905/255", 0.031),
        (0.15, "38.25/255", 0.15),
        ("1", "255/255", 1.0),
        ("255/255", "255/255", 1.0),
        ("1/3", "85/255", 1 / 3),
        ("1e-3", "0.255/255", 0.001),
    ],
)
def test_a_radius_is_kept_as_k_of_255(given, eps, radius):
    threat = Threat("linf", given if isinstance(given, str) else str(given))
    assert threat.eps == eps == k255(given)
    assert threat.radius == pytest.approx(radius, rel=1e-9)
    assert str(threat) == f"linf {eps}"
    assert threat == Threat("linf", eps)


NO_RADIUS = ["0", "-8/255", "nan", "inf", "-inf", "abc", "", "8/0", "8/", "/255", "1/2/3", "1e400"]


@pytest.mark.parametrize("eps", [*NO_RADIUS, "256/255", "1.0001", "8"])
def test_no_linf_radius(eps):
    with pytest.raises(UserError) as caught:
        Threat("linf", eps)
    assert "8/255" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("eps", NO_RADIUS)
def test_no_l2_radius(eps):
    with pytest.raises(UserError):
        Threat("l2", eps)


def test_other_threats():
    assert Threat("l2", "3").radius == 3
    with unchecked(), pytest.raises(UserError, match="linf or l2"):
        Threat("l1", "8/255")


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"steps": 5, "restarts": 0}, *({"steps": 5, "step": s} for s in ("0", "-1/255", "x"))]
)
def test_no_pgd(options):
    with pytest.raises(UserError):
        PGD(**options)


def test_the_step_of_pgd():
    assert PGD(10).length(Threat("linf", "8/255")) == pytest.approx(2 / 255)
    assert PGD(10, step="0.0078") == PGD(10, step="1.989/255")
    assert PGD(10, step="0.0078").length(LINF) == pytest.approx(0.0078)
    assert fgsm(LINF) == PGD(1, step="38.25/255", start="clean")
    assert pixels("2/255") == pytest.approx(2 / 255)


# Geometry.


def test_the_random_start_fills_the_ball_evenly():
    x = torch.zeros(4000, 1, 2, 2)
    box = LINF.random(x, seeded())
    assert all(stats.kstest(v, stats.uniform(-0.15, 0.3).cdf).pvalue > 1e-3 for v in box.flatten(1).T.numpy())
    ball = L2.random(x, seeded()).flatten(1)
    radius = ball.norm(dim=1) / L2.radius
    assert radius.max() <= 1
    assert stats.kstest((radius**4).numpy(), "uniform").pvalue > 1e-3  # in 4 dimensions
    direction = ball / ball.norm(dim=1, keepdim=True)
    assert direction.mean(0).abs().max() < 0.05
    torch.testing.assert_close(direction.T @ direction / 4000, torch.eye(4) / 4, rtol=0, atol=0.02)


@pytest.mark.parametrize("threat", [LINF, L2], ids=str)
def test_projection_is_nearest_in_the_ball(threat):
    x = 0.5 * torch.ones(200, 1, 3, 3)
    moved = x + 0.3 * torch.randn(x.shape, generator=seeded())
    found = threat.project(x, moved)
    assert (distance(threat.norm, x, found) <= threat.radius + 1e-6).all()
    inside = distance(threat.norm, x, moved) <= threat.radius
    assert 0 < inside.sum() < 200 or threat is LINF
    torch.testing.assert_close(found[inside], moved[inside].clamp(0, 1))
    torch.testing.assert_close(threat.project(x, found), found)
    other = threat.project(x, x + threat.random(x, seeded(1)))  # no other point of the ball is nearer
    assert ((found - moved).flatten(1).norm(dim=1) <= (other - moved).flatten(1).norm(dim=1) + 1e-6).all()


@pytest.mark.parametrize("scale", [1e20, 1.0, 1e-12, 1e-30])
def test_the_direction_does_not_depend_on_the_gradients_size(scale):
    """A confident model's gradient is tiny; the attack must not become weak on it."""
    grad = torch.randn(5, 1, 3, 3, generator=seeded())
    grad[2] = 0
    for threat in (LINF, L2):
        found = threat.ascend(grad * scale)
        assert (found[2] == 0).all()
        expected = (
            grad.sign() if threat is LINF else grad / grad.flatten(1).norm(dim=1).clamp(min=1e-9).view(-1, 1, 1, 1)
        )
        torch.testing.assert_close(found, expected)
