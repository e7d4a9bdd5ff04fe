"""What the studies of parametric and smooth activations plan: frozen shapes, published recipes, larger networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tiny
from robust_activations import activations
from robust_activations.studies import paf, sat


def test_a_frozen_shape_at_the_value_of_its_twin_is_the_twin():
    for scale in ("digits", "cpu", "gpu", "paper"):
        for (name, parameter), by_value in paf.adversarial_shapes(scale).items():
            for value, run in by_value.items():
                twin = paf.TWINS.get((name, parameter, value))
                assert run.activation == (twin or name)
                assert twin or run.activation_options == {"learn": [], parameter: value}


@pytest.mark.parametrize(("name", "parameter", "value"), paf.TWINS)
def test_twins_are_equal_functions(name, parameter, value):
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    one = activations.create(name, learn=[], **{parameter: value})
    other = activations.create(paf.TWINS[name, parameter, value])
    assert torch.allclose(one(x), other(x), atol=1e-12)


def test_published_recipe_of_paf():
    run = paf.paper("pssilu")
    assert run.threat.radius == pytest.approx(0.031)
    assert run.objective.attack.length(run.threat) == pytest.approx(0.0078)
    assert (run.schedule.epochs, run.schedule.batch_size, run.schedule.final_lr) == (200, 256, 0.001)
    assert run.schedule.decay_activations
    assert run.schedule.decay_norm
    assert run.activation_options == {"penalty": 10.0, "clip": 0.01}
    assert not run.normalize
    halves = [run for run in paf.learnable("paper") if run.extra]
    assert halves
    assert {(run.schedule.batch_size, run.extra_ratio) for run in halves} == {(512, 0.5)}


def test_published_recipe_of_sat():
    run = sat.paper("silu")
    rates = [run.schedule.rate(epoch / 100) for epoch in (0, 29, 30, 59, 60, 90, 99)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.0001, 0.0001])
    assert run.objective.attack.length(run.threat) == run.threat.radius == 4 / 255
    assert (run.objective.attack.steps, run.objective.attack.clean_share) == (1, 0.2)
    assert (run.objective.label_smoothing, run.schedule.weight_decay) == (0.1, 1e-4)
    assert not run.schedule.decay_norm
    assert run.model_options == {"zero_init": True}


def test_larger_networks():
    small, deep, wide = (
        replace(tiny.RUN, model="resnet20", model_options=options) for options in ({}, {"depth": 32}, {"width": 32})
    )
    assert sat.larger(deep, small)
    assert sat.larger(wide, small)
    assert not sat.larger(small, deep)
    assert not sat.larger(deep, wide)
    assert not sat.larger(small, small)
    assert sat.larger(replace(tiny.RUN, model="resnet34"), replace(tiny.RUN, model="resnet18"))


def test_published_networks_are_larger_than_one_another_where_only_their_size_differs():
    found = sat.scaling("paper")
    fifty, deep, deepest = found["depth"].values()
    _, wide, wider = found["width"].values()
    for one, other in ((deep, fifty), (deepest, deep), (wide, fifty), (wider, wide)):
        assert sat.larger(one, other)
        assert not sat.larger(other, one)
    assert not sat.larger(wide, deep)  # wider, but not as deep
    assert not sat.larger(found["family"]["B1"], found["family"]["B0"])  # which see other images
