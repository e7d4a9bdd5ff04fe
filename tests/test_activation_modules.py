"""Activations as modules: state, sharing, what their papers say of PSSiLU and SPLASH, names and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from closed_forms import VALUES, X, arguments, make, points, sigma
from helpers import perturb, unchecked
from robust_activations import activations
from robust_activations.activations import REGISTRY, create, factory
from robust_activations.errors import UserError

NAMES = activations.names()
# All ways of sharing; None where there is nothing to share.
SITES = [(name, share) for name in NAMES for share in (REGISTRY[name].shares or (None,))]
LEARNED = [name for name in NAMES if REGISTRY[name].learned]
# Those whose parameters are numbers by name, which can be set when they are made.
SCALAR = [name for name in LEARNED if REGISTRY[name].cls.learns]


# State and sharing.


@pytest.mark.parametrize(("name", "share"), SITES)
def test_state_dict_round_trip(name, share):
    first, second = perturb(make(name, share)), make(name, share)
    constants = {"places"}  # SPLASH's hinges, given when it is made
    assert set(first.state_dict()) == {n for n, _ in (*first.named_parameters(), *first.named_buffers())} - constants
    second.load_state_dict(first.state_dict(), strict=True)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(first.eval()(x), second.eval()(x))


SHAPES = {
    "maxout": {"weight": (2, "c", "c"), "bias": (2, "c")},
    "apl": {"a": (5, "c"), "b": (5, "c")},
    "splash": {"a_pos": (4, "c"), "a_neg": (4, "c")},
    "sparta": {"weight": ("c", 1, 3, 3)},
    "sparta_relu": {"weight": ("c", 1, 3, 3)},
    "frelu": {"weight": ("c", 1, 3, 3), "norm.weight": ("c",), "norm.bias": ("c",)},
    "pssilu": {"alpha": ("c",), "beta": ("c",)},
    "smooth_relu": {"sharpness": ("c",)},
}


@pytest.mark.parametrize(("name", "share"), [site for site in SITES if site[1]])
def test_shapes_of_parameters(name, share):
    module = make(name, share, channels=7)
    spatial = name in ("sparta", "sparta_relu", "frelu")
    expected = {}
    for key, shape in SHAPES.get(name, {"alpha": ("c",)}).items():
        if share == "channel":
            expected[key] = tuple(7 if size == "c" else size for size in shape)
        elif spatial and key == "weight":
            expected[key] = (1, 1, 3, 3)
        elif not key.startswith("norm"):
            expected[key] = tuple(size for size in shape if size != "c")
    assert {key: tuple(p.shape) for key, p in module.named_parameters()} == expected


PER_CHANNEL = [name for name in LEARNED if name != "maxout"]
INPUTS = {
    "n c": lambda: torch.randn(6, 3),
    "n c h w": lambda: torch.randn(2, 3, 4, 5),
    "channels_last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "transposed": lambda: torch.randn(4, 5, 3, 2).permute(3, 2, 1, 0),
    "strided": lambda: torch.randn(4, 6, 8, 5)[::2, 1::2, ::2],
}


@pytest.mark.parametrize("layout", INPUTS)
@pytest.mark.parametrize("name", PER_CHANNEL)
def test_per_channel_with_one_value_equals_shared(name, layout):
    shared = perturb(make(name, "layer")).eval()
    own = make(name, "channel").eval()
    if name == "frelu":  # BatchNorm comes with channels only
        own.norm = nn.Identity()
    with torch.no_grad():
        for key, parameter in own.named_parameters():
            value = shared.get_parameter(key)
            parameter.copy_(value if value.dim() == parameter.dim() else value[..., None])
    x = INPUTS[layout]().requires_grad_()
    z = x.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    torch.testing.assert_close(own(x), shared(z), rtol=1e-6, atol=1e-6)
    for (key, found), (_, expected) in zip(own.named_parameters(), shared.named_parameters(), strict=True):
        (one,) = torch.autograd.grad(own(x).square().sum(), found)
        (all_,) = torch.autograd.grad(shared(z).square().sum(), expected)
        spread = one.sum(0, keepdim=True) if one.dim() == 4 else one.sum(-1)
        torch.testing.assert_close(spread, all_, rtol=1e-4, atol=1e-4, msg=key)


@pytest.mark.parametrize("layout", INPUTS)
@pytest.mark.parametrize("name", PER_CHANNEL)
def test_each_channel_has_its_own_parameters(name, layout):
    own = perturb(make(name, "channel")).eval()
    if name == "frelu":
        own.norm = nn.Identity()
    x = INPUTS[layout]()
    out = own(x)
    assert out.shape == x.shape
    for channel in range(3):
        one = make(name, "layer").eval()
        with torch.no_grad():
            for key, parameter in one.named_parameters():
                values = own.get_parameter(key)
                parameter.copy_(values[channel : channel + 1] if values.dim() == 4 else values[..., channel])
        torch.testing.assert_close(out[:, channel], one(x[:, channel : channel + 1])[:, 0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layout", INPUTS)
@pytest.mark.parametrize("name", ["maxout", "frelu"])
def test_layouts_of_what_mixes_channels(name, layout):
    module = perturb(make(name)).eval()
    x = INPUTS[layout]()
    torch.testing.assert_close(module(x), module(x.clone(memory_format=torch.contiguous_format)))


@pytest.mark.parametrize("name", NAMES)
def test_factory_shares_as_asked(name):
    for share in REGISTRY[name].shares or (None,):
        build = factory(name, share=share)
        first, second = build(3), build(5)
        assert (first is second) == (share == "network")
        x = torch.randn(2, 5, 4, 4)
        assert second(x).shape == x.shape
    default = factory(name)
    assert (default(3) is default(3)) == (REGISTRY[name].shares[:1] == ("network",))


def test_parameters_of_a_model_come_once():
    shared, own = factory("pssilu", share="network"), factory("prelu", share="channel")
    model = nn.Sequential(nn.Conv2d(1, 3, 3), shared(3), nn.BatchNorm2d(3), own(3), shared(3), nn.ReLU())
    assert [name for name, _ in activations.named_parameters(model)] == ["1.alpha", "1.beta", "3.alpha"]
    assert [p.numel() for p in activations.parameters(model)] == [1, 1, 3]
    assert [name for name, _ in activations.modules(model)] == ["1", "3"]


@pytest.mark.parametrize("name", SCALAR)
def test_the_initial_values_are_the_papers(name):
    module = make(name, "layer")
    assert arguments(module) == pytest.approx(list(VALUES[name][0].values()), rel=1e-7)
    assert {key for key, _ in module.named_parameters()} == set(VALUES[name][0])


# PSSiLU's penalty and clip.


def test_the_penalty_on_beta_is_counted_once():
    build = factory("pssilu", share="network", penalty=10.0, beta=-0.25)
    model = nn.Sequential(build(3), nn.ReLU(), build(5))
    penalty = activations.penalty(model)
    assert penalty.item() == pytest.approx(2.5)
    penalty.backward()
    assert build(3).beta.grad.item() == pytest.approx(-10)
    assert build(3).alpha.grad is None
    own = nn.Sequential(*(create("pssilu", share="channel", channels=4, penalty=2.0, beta=0.5) for _ in range(3)))
    assert activations.penalty(own).item() == pytest.approx(3 * 4 * 2 * 0.5)


@pytest.mark.parametrize("module", [create("pssilu"), create("pssilu", learn=("alpha",), penalty=10.0), nn.ReLU()])
def test_no_penalty(module):
    assert activations.penalty(nn.Sequential(module)) is None


def test_the_clip_limits_the_gradient_of_beta_alone():
    module = create("pssilu", share="channel", channels=4, clip=0.01)
    activations.clip_gradients(module)  # nothing to clip yet
    module.alpha.grad, module.beta.grad = torch.full((4,), 3.0), torch.tensor([3.0, -4.0, 0.0, 0.0])
    activations.clip_gradients(nn.Sequential(module))
    torch.testing.assert_close(module.beta.grad, torch.tensor([0.006, -0.008, 0.0, 0.0]))
    assert (module.alpha.grad == 3).all()
    module.beta.grad = torch.full((4,), 1e-3)
    activations.clip_gradients(module)  # below the limit: left alone
    assert (module.beta.grad == 1e-3).all()


def test_pssilu_with_fixed_beta():
    module = create("pssilu", learn=("alpha",), beta=0.3, clip=0.01)
    assert list(module.state_dict()) == ["alpha"]
    activations.clip_gradients(module)
    frozen = create("pssilu", learn=(), alpha=2.0)
    assert not list(frozen.parameters())
    assert frozen(torch.tensor(1.0)).item() == pytest.approx(sigma(2.0))


# What the papers say of shapes.


def curvature(name: str, **values: float) -> float:
    module = create(name, **values).double()
    x = torch.linspace(-6, 6, 12001, dtype=torch.float64)
    second = activations.shape(module, x)[2].abs()
    assert x[second.argmax()].abs() < 1e-9  # attained at 0
    return second.max().item()


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0, 10.0])
def test_greatest_curvatures(alpha):
    assert curvature("psilu", alpha=alpha) == pytest.approx(alpha / 2)
    assert curvature("psoftplus", alpha=alpha) == pytest.approx(alpha / 4)
    for beta in (0.1, 0.3, 0.42):
        assert curvature("pssilu", alpha=alpha, beta=beta) == pytest.approx(alpha / (2 * (1 - beta)))


def test_curvature_of_those_without_parameters():
    assert curvature("silu") == pytest.approx(0.5)
    assert curvature("softplus") == pytest.approx(0.25)
    assert curvature("parametric_softplus") == pytest.approx(2.5)


def test_the_curvature_of_smooth_relu_jumps_at_zero():
    module = create("smooth_relu", sharpness=3.0).double()
    _, first, second = activations.shape(module, points(np.array([-1e-9, 1e-9])))
    torch.testing.assert_close(first, torch.zeros_like(first), rtol=0, atol=1e-7)
    torch.testing.assert_close(second, torch.tensor([0.0, 9.0], dtype=torch.float64))


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.3), (3.0, 0.42), (0.5, 0.7)])
def test_shape_of_pssilu(alpha, beta):
    module = create("pssilu", alpha=alpha, beta=beta).double()
    root = math.log(beta / (1 - beta)) / alpha
    value, first, _ = activations.shape(module, points(np.array([0.0, root, 60 / alpha, -60 / alpha])))
    assert value[:2].tolist() == pytest.approx([0, 0], abs=1e-7)
    assert first[[0, 2, 3]].tolist() == pytest.approx([(0.5 - beta) / (1 - beta), 1, -beta / (1 - beta)], rel=1e-6)
    assert value[3] > 0


def test_known_values():
    x = points(np.linspace(-6, 6, 120001))
    pssilu = create("pssilu", beta=0.3).double()(x)
    assert pssilu.min().item() == pytest.approx(-0.058, abs=5e-4)
    assert x[pssilu.argmin()].item() == pytest.approx(-0.41, abs=5e-3)
    assert pssilu[0].item() == pytest.approx(2.55, abs=5e-3)
    silu = create("silu")(x)
    assert silu.min().item() == pytest.approx(-0.278, abs=5e-4)
    assert x[silu.argmin()].item() == pytest.approx(-1.278, abs=1e-3)
    zero = torch.zeros(1, dtype=torch.float64)
    assert create("softplus")(zero).item() == pytest.approx(math.log(2))
    assert create("parametric_softplus")(zero).item() == pytest.approx(math.log(2) / 10)


# SPLASH.


@pytest.mark.parametrize(
    ("pos", "neg", "function"),
    [
        ([1, 0, 0, 0], [0, 0, 0, 0], lambda z: np.maximum(z, 0)),
        ([1, 0, 0, 0], [-0.1, 0, 0, 0], lambda z: np.where(z > 0, z, 0.1 * z)),
        ([1, 0, 0, 0], [-1, 0, 0, 0], lambda z: z),
        ([1, 0, 0, 0], [1, 0, 0, 0], np.abs),
        ([1, -1, 0, 0], [-1, 1, 0, 0], lambda z: np.clip(z, -1, 1)),
    ],
    ids=["relu", "leaky relu", "identity", "absolute value", "hard tanh"],
)
def test_splash_contains(pos, neg, function):
    module = create("splash").double()
    with torch.no_grad():
        module.a_pos.copy_(points(pos))
        module.a_neg.copy_(points(neg))
    np.testing.assert_allclose(module(points(X)).detach(), function(X), rtol=1e-12)


def test_splash_hinges():
    assert create("splash").b == (0, 1, 2, 2.5)
    assert create("splash", hinges="even").b == pytest.approx((0, 2.5 / 3, 5 / 3, 2.5))
    assert create("splash", S=5).b == (0, 1.25, 2.5)
    assert create("splash", S=3).b == (0, 2.5)
    assert create("splash", S=1).b == (0,)
    assert create("splash", hinges=[0.0, 0.5, 4.0]).b == (0, 0.5, 4)
    for S in (1, 3, 5, 7, 9, 11):
        module = create("splash", S=S)
        assert sum(p.numel() for p in module.parameters()) == S + 1
        assert len({*module.b, *(-b for b in module.b)}) == S


@pytest.mark.parametrize(("start", "slope"), [("relu", 0.0), ("leaky_relu", 0.01), ("identity", 1.0)])
def test_splash_starts(start, slope):
    x = torch.linspace(-4, 4, 50)
    torch.testing.assert_close(create("splash", start=start)(x), torch.where(x > 0, x, slope * x))


@pytest.mark.parametrize("seed", range(3))
def test_splash_is_grounded_and_its_slopes_are_partial_sums(seed):
    module = perturb(create("splash", S=9), seed, scale=2.0).double()
    assert module(torch.zeros(3, dtype=torch.float64)).eq(0).all()
    edges = np.array([*module.b, 4.0])
    middles = points((edges[1:] + edges[:-1]) / 2)
    right, left = (activations.shape(module, side)[1] for side in (middles, -middles))
    torch.testing.assert_close(right, module.a_pos.detach().cumsum(0))
    torch.testing.assert_close(left, -module.a_neg.detach().cumsum(0))


# Names and errors.


def test_the_names_that_stay():
    stay = (
        "relu leaky_relu elu celu selu softplus silu gelu mish tanh sigmoid maxout apl prelu prelu_plus pelu pelu_plus "
        "reblu psilu psoftplus pssilu parametric_softplus smooth_relu splash sparta sparta_relu frelu"
    )
    assert set(stay.split()) <= set(NAMES)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pssliu", {}, ["unknown activation 'pssliu'", "pssilu", "psilu"]),
        ("xyzzy", {}, ["xyzzy", "relu", "sparta"]),
        ("relu", {"alpha": 1.0}, ["'alpha'", "none"]),
        ("pssilu", {"gamma": 1.0}, ["'gamma'", "alpha, beta"]),
        ("psilu", {"penalty": 1.0}, ["'penalty'"]),
        ("elu", {"learn": ("alpha",)}, ["ELU", "'alpha'", "none"]),
        ("pssilu", {"learn": ("gamma",)}, ["'gamma'", "alpha, beta"]),
        ("pssilu", {"alpha": "high"}, ["pssilu", "high"]),
        ("maxout", {"size": 3}, ["maxout", "size"]),
        ("maxout", {"pieces": 0}, ["pieces is 0"]),
        ("apl", {"S": 0}, ["S is 0"]),
        ("splash", {"S": 4}, ["S is 4", "odd"]),
        ("splash", {"S": -1}, ["S is -1", "odd"]),
        ("splash", {"S": 7.5}, ["S is 7.5", "odd"]),
        ("splash", {"start": "elu"}, ["'elu'", "relu, leaky_relu, identity"]),
        ("splash", {"hinges": "odd"}, ["'odd'", "even"]),
        ("splash", {"hinges": []}, ["rise from 0"]),
        ("splash", {"hinges": [0, 2, 1]}, ["rise from 0"]),
        ("splash", {"hinges": [1, 2]}, ["rise from 0"]),
        ("splash", {"hinges": [0, math.nan]}, ["rise from 0"]),
        ("sparta", {"kernel_size": 2}, ["kernel_size is 2", "odd"]),
        ("relu_smooth_gradient", {"where": "nowhere"}, ["'nowhere'", "attack, update, both"]),
        ("maxout", {"share": "layer"}, ["maxout", "'layer'", "channel"]),
        ("pssilu", {"share": "block"}, ["'block'", "network, layer, channel"]),
        ("relu", {"share": "layr"}, ["'layr'", "layer"]),
        ("pssilu", {"share": "channel", "channels": None}, ["channels="]),
        ("maxout", {"channels": None}, ["channels="]),
    ],
    ids=str,
)
def test_mistakes_are_named_in_one_line(name, options, words):
    with unchecked(), pytest.raises(UserError) as caught:
        create(name, **({"channels": 3} | options))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    if "channels" not in options:
        with unchecked(), pytest.raises(UserError):
            factory(name, **options)  # at once, not at the first site
