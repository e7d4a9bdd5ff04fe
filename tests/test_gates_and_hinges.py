"""Sparta's gates that see less, and SPLASH's hinges where they are learned."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import loops
from helpers import digits, digits_cnn, one_line, perturb, seeded, unchecked
from robust_activations.activations import create, fused
from robust_activations.attacks import PGD, Threat
from robust_activations.errors import UserError
from robust_activations.training import Objective, Schedule, train

SPATIAL = ("sparta", "sparta_relu", "frelu")
GATES = ({}, {"kernel_size": 1}, {"gate": "pooled"}, {"gate": "map"})


def images(n: int = 3, c: int = 4, side: int = 8) -> Tensor:
    return torch.randn(n, c, side, side, generator=seeded())


def noisy(name: str, **options):
    torch.manual_seed(0)
    return create(name, **({"channels": 4, "noise": 0.3} | options))


def depends(module, x: Tensor, i: int, j: int) -> Tensor:
    """At which places the gate of the first image changes when all its channels change at (i, j)."""
    changed = x.clone()
    changed[0, :, i, j] += 1
    return ((module.g(changed) - module.g(x))[0].abs() > 1e-7).all(0)


# What the gates see


@pytest.mark.parametrize("name", SPATIAL)
def test_a_pooled_gate_is_the_same_at_every_place(name):
    module, x = noisy(name, gate="pooled"), images()
    g = module.g(x)
    torch.testing.assert_close(g, (module.weight.view(1, 4, 1, 1) * x.mean((2, 3), keepdim=True)).expand_as(x))
    assert len(g[:, :, 0, 0].unique()) == 12  # another one in every image and channel
    assert depends(module, x, 3, 5).all()
    assert torch.equal(module.g(x)[1:], g[1:])


@pytest.mark.parametrize("name", SPATIAL)
def test_a_map_does_not_look_at_the_image(name):
    module, x = noisy(name, gate="map"), images()
    assert torch.equal(module.g(x), module.g(torch.zeros_like(x)))
    assert torch.equal(module.g(x), module.weight.transpose(0, 1).expand(3, 4, 8, 8))  # at its own size
    x = x.requires_grad_()
    assert not module.g(x).requires_grad or torch.autograd.grad(module.g(x).sum(), x, allow_unused=True)[0] is None


def test_a_map_is_stretched_to_the_image():
    """Between two of its numbers it is linear, and a map of one number is that number everywhere."""
    module = noisy("sparta_relu", gate="map")
    large, small = module.g(images(side=16)), module.weight.transpose(0, 1)
    torch.testing.assert_close(large[..., 1, 1], (9 * small[..., 0, 0] + 3 * (small[..., 0, 1] + small[..., 1, 0])
                                                  + small[..., 1, 1])[0].expand(3, 4) / 16)  # fmt: skip
    nn.init.constant_(module.weight, 0.7)
    for side in (1, 2, 4, 7, 32):
        torch.testing.assert_close(module.g(images(side=side)), torch.full((3, 4, side, side), 0.7))


@pytest.mark.parametrize("name", SPATIAL)
@pytest.mark.parametrize("k", [1, 3, 5])
def test_a_convolution_sees_its_neighbourhood_alone(name, k):
    module, x = noisy(name, kernel_size=k), images()
    seen = depends(module, x, 3, 4)
    wanted = torch.zeros(8, 8, dtype=torch.bool)
    wanted[max(0, 3 - k // 2) : 4 + k // 2, 4 - k // 2 : 5 + k // 2] = True
    assert torch.equal(seen, wanted)
    if k == 1:
        torch.testing.assert_close(module.g(x), module.weight.view(1, 4, 1, 1) * x)


@pytest.mark.parametrize("options", GATES, ids=str)
@pytest.mark.parametrize("name", SPATIAL)
def test_every_number_of_a_noisy_gate_is_learned_from(name, options):
    module, x = noisy(name, **options), images(n=40)
    module(x).square().sum().backward()
    # R3's BatchNorm takes away what scale one number gives to its gate: of that only the sign is left.
    single = name == "frelu" and module.weight[0].numel() == 1
    assert module.weight.grad.any() if single else (module.weight.grad.abs() > 0).all()


@pytest.mark.parametrize("options", GATES, ids=str)
def test_what_a_gate_makes_of_the_image(options):
    x = images()
    for name, formula in (
        ("sparta", lambda x, g: x * torch.sigmoid(g)),
        ("sparta_relu", lambda x, g: 2 * F.relu(x) * torch.sigmoid(g)),
        ("frelu", lambda x, g: torch.maximum(x, g / (1 + 1e-5) ** 0.5)),  # its BatchNorm has seen nothing yet
    ):
        module = noisy(name, **options).eval()
        torch.testing.assert_close(module(x), formula(x, module.g(x)))


# How they start


@pytest.mark.parametrize("options", GATES, ids=str)
def test_how_gates_start_without_noise(options):
    x = images()
    assert torch.equal(create("sparta_relu", channels=4, **options)(x), F.relu(x))
    start = {"pooled": x * torch.sigmoid(x.mean((2, 3), keepdim=True)), "map": x / 2}
    torch.testing.assert_close(create("sparta", channels=4, **options)(x), start.get(options.get("gate"), F.silu(x)))


@pytest.mark.parametrize("name", SPATIAL)
@pytest.mark.parametrize("options", GATES, ids=str)
def test_noise_around_the_start(name, options):
    start = create(name, share="layer", **options).weight.detach()  # without channels all of them start so
    torch.manual_seed(0)
    weight = create(name, channels=2000, noise=0.5, **options).weight.detach()
    assert ((weight - start).std() - 0.5).abs() < 0.02
    assert (weight - start).mean().abs() < 0.05
    torch.manual_seed(0)
    assert torch.equal(create(name, channels=2000, noise=0.5, **options).weight, weight)


@pytest.mark.parametrize("options", GATES, ids=str)
@pytest.mark.parametrize("name", SPATIAL)
def test_vectors_and_types(name, options):
    """An image of one pixel is what a vector is taken for; and the type is that of the input."""
    module = noisy(name, **options).eval()
    x = images(side=1)
    assert torch.equal(module(x[..., 0, 0]), module(x)[..., 0, 0])
    shared = noisy(name, share="layer", channels=None, **options).eval()
    assert shared.weight.shape[0] == 1
    assert shared(images()).shape == (3, 4, 8, 8)
    assert module.g(images().bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gate": "pool"}, "gate is 'pool'; it is conv, pooled or map"),
        ({"noise": -0.1}, "noise is -0.1; it must not be negative"),
        ({"kernel_size": 2, "gate": "map"}, "kernel_size is 2; it must be odd: 1, 3, 5, ..."),
        ({"gates": "map"}, "unexpected keyword argument 'gates'"),
    ],
)
@pytest.mark.parametrize("name", SPATIAL)
def test_gates_that_there_are_not(name, options, words):
    with unchecked(), pytest.raises(UserError) as error:
        create(name, channels=4, **options)
    assert words in one_line(error)


# Hinges that are learned


@pytest.mark.parametrize("options", [{}, {"S": 9}, {"hinges": [0.0, 0.5]}, {"channels": 4}], ids=str)
def test_learned_hinges_start_where_fixed_ones_are(options):
    fixed, learned, x = create("splash", **options), create("splash", learn_hinges=True, **options), images()
    assert torch.equal(learned(x), fixed(x))
    assert fixed.hinges is None
    assert len(learned.hinges) == len(fixed.b) - 1
    assert set(dict(learned.named_parameters())) == {"a_pos", "a_neg", "hinges"}
    assert create("splash", S=1, learn_hinges=True).hinges is None  # that at 0 stays


@pytest.mark.parametrize("channels", [None, 3])
def test_gradients_of_hinges(channels):
    """Of a, b and x in float64, away from the corners."""
    share = {} if channels is None else {"channels": channels}
    module = perturb(create("splash", learn_hinges=True, **share).double(), scale=0.1)
    x = torch.linspace(-4, 4, 24, dtype=torch.float64).view(4, 3, 2, 1).requires_grad_()
    names, parameters = zip(*module.named_parameters(), strict=True)
    with fused.plain():
        assert torch.autograd.gradcheck(
            lambda x, *given: torch.func.functional_call(module, dict(zip(names, given, strict=True)), (x,)),
            (x, *parameters),
        )
    module(x).sum().backward()
    assert all(p.grad.any() for p in parameters)


def test_one_hinge_for_both_sides():
    module, x = create("splash", learn_hinges=True), torch.linspace(0, 4, 41)
    with torch.no_grad():
        module.a_pos.copy_(torch.tensor([0.5, 1.0, -2.0, 3.0]))
        module.a_neg.copy_(module.a_pos)
        module.hinges.copy_(torch.tensor([0.75, 1.5, 3.25]))
    wanted = 0.5 * x + F.relu(x - 0.75) - 2 * F.relu(x - 1.5) + 3 * F.relu(x - 3.25)
    torch.testing.assert_close(module(x), wanted)
    torch.testing.assert_close(module(-x), wanted)
    assert module(torch.zeros(1)) == 0


@pytest.mark.parametrize("channels", [None, 4])
def test_the_fused_loop_learns_hinges_too(channels):
    module = loops.make("splash", channels, learn_hinges=True)
    x = 2 * images()
    weight = torch.randn(x.shape, generator=seeded(1))
    loops.agree(module, x, weight, 1e-5, 1e-5)
    plain = loops.gradients(module, x, weight)
    assert len(plain) == 5
    assert plain[-1].any()


def test_training_moves_hinges():
    model = digits_cnn(activation="splash", activation_options={"learn_hinges": True})
    before = [p.detach().clone() for name, p in model.named_parameters() if name.endswith("hinges")]
    threat = Threat("linf", "0.15")
    out = train(model, digits(96, 32), Objective("pgd_at", PGD(1)), threat, Schedule(epochs=1, batch_size=32))
    after = [p for name, p in model.named_parameters() if name.endswith("hinges")]
    assert len(after) == 3
    assert all((one != other).any() for one, other in zip(before, after, strict=True))
    shown = [values for name, values in out.history[0]["activations"].items() if name.endswith("hinges")]
    assert shown == [pytest.approx(one.tolist()) for one in after]
