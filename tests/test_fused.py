"""The fused loops on a CPU against the plain formulas in float64: values, gradients, layouts, and what torch does."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import loops
from helpers import perturb, unchecked
from loops import SHARP, gradients, make
from robust_activations.activations import REGISTRY, Activation, create, fused
from robust_activations.activations.fused import native
from robust_activations.errors import UserError

pytestmark = pytest.mark.skipif(native.library() is None, reason="no C++ compiler")

OPTIONS = {"splash": [{"S": S} for S in (1, 3, 7, 15)], "apl": [{"S": 1}, {"S": 5}]}
# Every activation that has a kernel, in every way of sharing that computes differently.
CASES = [
    (name, channels, options)
    for name, entry in REGISTRY.items()
    if entry.cls.kernel or name in OPTIONS
    for channels in ((None, 3) if entry.shares else (None,))
    for options in OPTIONS.get(name, [{}])
]
# One of each kind: without parameters, with one and two, with hinges that stay, and that move; shared and not.
FEW = [("gelu", None), ("pelu", None), ("pssilu", 3), ("splash", None), ("splash", 3), ("apl", 3)]
LEARNED = [case for case in FEW if case[0] != "gelu"]


def normal(*shape: int, seed: int = 0, scale: float = 3.0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)


# By how much a number may be off: relative to itself, and to the largest of its tensor or, in a sum, its terms.
TOLERANCE = {torch.float64: (1e-13, 1e-13), torch.float32: (3e-7, 5e-7), torch.bfloat16: (2**-8, 1e-6)}


def agree(module: Activation, x: Tensor, weight: Tensor) -> None:
    """The loops give what the formula gives in float64, at the same x."""
    assert fused.backend(x) is native or x.numel() == 0
    loops.agree(module, x, weight, *TOLERANCE[x.dtype])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("name", "channels", "options"), CASES, ids=str)
def test_values_and_gradients_are_the_formulas(name, channels, options, dtype):
    module = make(name, channels, **options)
    if dtype == torch.float64:
        module.double()
    x, weight = normal(3, 3, 7, 9, dtype=dtype), normal(3, 3, 7, 9, seed=1, dtype=dtype)
    agree(module, x, weight)
    agree(module, x.to(memory_format=torch.channels_last), weight)


SHAPES = [
    (1,),
    (3,),
    (2, 5),
    (4097,),
    (0, 3, 4, 4),
    (2, 3, 1, 1),
    (3, 5, 7, 9),
    (2, 1, 3, 3),
    (9, 3, 65, 65),
    (3, 3, 2),
]


SHAPED = [(*case, shape) for case in FEW for shape in SHAPES if len(shape) > 1 or not case[1]]


@pytest.mark.parametrize(("name", "channels", "shape"), SHAPED, ids=str)
def test_shapes(name, channels, shape):
    module = make(name, channels and shape[1])
    agree(module, normal(*shape, dtype=torch.float32), normal(*shape, seed=1, dtype=torch.float32))
    agree(module.double(), normal(*shape), normal(*shape, seed=1))


LAYOUTS = {
    "channels_last": lambda: normal(4, 3, 6, 5).to(memory_format=torch.channels_last),
    "channels_last of many rows": lambda: normal(70, 3, 33, 31).to(memory_format=torch.channels_last),
    "sliced": lambda: normal(8, 4, 12, 10)[::2, 1:, ::2, 1::2],
    "transposed": lambda: normal(5, 6, 3, 4).permute(3, 2, 1, 0),
    "expanded": lambda: normal(1, 3, 1, 5).expand(4, 3, 6, 5),
    "offset": lambda: normal(4 * 3 * 6 * 5 + 1)[1:].view(4, 3, 6, 5),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "channels"), FEW)
def test_layouts(name, channels, layout):
    module, x = make(name, channels).double(), LAYOUTS[layout]()
    for other in LAYOUTS.values():  # of the gradient
        if other().shape == x.shape:
            agree(module, x, other())
    agree(module, x, torch.ones(()).double().expand_as(x))
    if layout.startswith("channels_last"):
        assert module(x).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("name", "channels"), LEARNED)
def test_frozen_parameters_get_no_gradient_and_none_is_computed(name, channels, monkeypatch):
    module, x, asked = make(name, channels), normal(2, 3, 4, 4, dtype=torch.float32).requires_grad_(), []
    monkeypatch.setattr(native, "backward", lambda *args, own=native.backward: asked.append(args[-1]) or own(*args))
    module(x).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    expected = x.grad
    module.requires_grad_(False).zero_grad()
    x.grad = None
    module(x).sum().backward()
    assert asked == [True, False]
    assert torch.equal(x.grad, expected)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_places_of_hinges_are_left_out_unless_they_are_learned(monkeypatch):
    given = []
    own = native.backward
    monkeypatch.setattr(native, "backward", lambda *args: given.append(own(*args)) or given[-1])
    for name in ("splash", "apl"):
        make(name, 3)(normal(2, 3, 4, 4)).sum().backward()
    (_, splash), (_, apl) = given
    assert splash.shape == (16, 3)
    assert splash[8:].eq(0).all()
    assert apl.shape == (12, 3)
    assert apl[7:].ne(0).all()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("name", "channels", "options"), CASES, ids=str)
def test_extremes(name, channels, options, dtype):
    module = make(name, channels, **options).to(torch.float64 if dtype == torch.float64 else torch.float32)
    x = torch.tensor([-1e4, -90.0, 0.0, 90.0, 1e4], dtype=dtype).view(1, 1, 5).repeat(2, 3, 1).requires_grad_()
    found = gradients(module, x, torch.ones_like(x))
    assert all(tensor.isfinite().all() for tensor in found)
    with torch.no_grad():
        x[..., 1::2] = torch.nan
    for format in (x, x.unsqueeze(-1).to(memory_format=torch.channels_last)):
        assert torch.equal(module(format).isnan(), format.isnan())


# Errors of float32 over a dense grid and very near 0, as measured with GCC 12: values below 3e-7 (GELU) and slopes
# below 1e-6 (SiLU), relative to 1 or, if larger, the number itself.
GRID = torch.cat([torch.linspace(-100, 100, 200_001), *(sign * torch.logspace(-30, 0, 10_001) for sign in (1.0, -1.0))])


@pytest.mark.parametrize("name", [name for name, entry in REGISTRY.items() if entry.cls.kernel])
def test_float32_is_exact_to_a_few_units_in_the_last_place(name):
    module = create(name)
    value, slope = gradients(module, GRID, torch.ones_like(GRID))[:2]
    with fused.plain():
        exact_value, exact_slope = gradients(module.double(), GRID.double(), torch.ones_like(GRID).double())[:2]
    torch.testing.assert_close(value.double(), exact_value, rtol=4e-7, atol=4e-7)
    torch.testing.assert_close(slope.double(), exact_slope, rtol=1.5e-6, atol=1.5e-6)
    if name in SHARP:
        torch.testing.assert_close(value.double(), exact_value, rtol=5e-7, atol=1e-30)


@pytest.mark.parametrize(("name", "channels"), FEW)
@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_number_of_threads_does_not_matter(name, channels, format):
    module = make(name, channels)
    x, weight = (normal(9, 3, 65, 65, seed=s, dtype=torch.float32).to(memory_format=format) for s in (0, 1))
    one = gradients(module, x, weight)
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert all(torch.equal(a, b) for a, b in zip(one, gradients(module, x, weight), strict=True))
    finally:
        torch.set_num_threads(1)


# Automatic differentiation.


def smooth_point(module: Activation) -> Tensor:
    """Where no kink is near."""
    return torch.tensor([-2.3, -1.37, -0.41, 0.37, 1.6, 2.7], dtype=torch.float64).view(1, 1, 6).repeat(2, 3, 1)


# The slope of the one that is left out is not its derivative: that is its point.
DIFFERENTIABLE = [case for case in CASES if case[0] != "relu_smooth_gradient"]


@pytest.mark.parametrize(("name", "channels", "options"), DIFFERENTIABLE, ids=str)
def test_gradcheck_and_gradgradcheck(name, channels, options):
    module = make(name, channels, **options).double()
    names = [key for key, _ in module.named_parameters()]
    inputs = (
        smooth_point(module).requires_grad_(),
        *(p.detach().clone().requires_grad_() for p in module.parameters()),
    )

    def function(x, *parameters):
        return functional_call(module, dict(zip(names, parameters, strict=True)), (x,))

    assert fused.backend(inputs[0]) is native
    torch.autograd.gradcheck(function, inputs, fast_mode=True)
    torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def second_derivatives(module: Activation, x: Tensor, weight: Tensor) -> list[Tensor]:
    x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
    inputs = [x, *module.parameters()]
    firsts = torch.autograd.grad(module(x), inputs, weight, create_graph=True)
    total = sum((normal(*first.shape, seed=k) * first).sum() for k, first in enumerate(firsts))
    seconds = torch.autograd.grad(total, [weight, *inputs], allow_unused=True)
    return [torch.zeros(()) if second is None else second for second in seconds]


@pytest.mark.parametrize(("name", "channels"), [case for case in FEW if case[0] not in ("splash", "apl")])
def test_second_derivatives_are_the_formulas(name, channels):
    module, x, weight = make(name, channels).double(), normal(2, 3, 4, 4), normal(2, 3, 4, 4, seed=1)
    found = second_derivatives(module, x, weight)
    with fused.plain():
        expected = second_derivatives(module, x, weight)
    assert found[0].abs().max() > 0.1
    assert found[1].abs().max() > 0.1
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("name", "channels"), FEW)
def test_only_the_input_is_kept_for_the_backward_pass(name, channels):
    module, x, kept = make(name, channels), normal(4, 3, 8, 8, dtype=torch.bfloat16).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        module(x)
    large = [tensor for tensor in kept if tensor.numel() >= x.numel()]
    assert [tensor.data_ptr() for tensor in large] == [x.data_ptr()]
    assert sum(tensor.numel() for tensor in kept) - x.numel() <= 4 * sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("name", "channels"), FEW)
def test_function_transforms(name, channels):
    module, x = make(name, channels).double(), normal(5, 2, 3, 4, 4)
    members = [perturb(copy.deepcopy(module), seed) for seed in (1, 2)]
    parameters = dict(module.named_parameters())
    ensemble = stack_module_state(members)[0] if parameters else {}

    def value(parameters, x):
        return functional_call(module, parameters, (x,))

    def loss(parameters, x):
        return value(parameters, x).square().sum()

    def all_of_them() -> list[Tensor]:
        found = [vmap(module)(x), vmap(module, in_dims=1, out_dims=1)(x), grad(loss, argnums=1)(parameters, x[0])]
        found += vmap(grad(loss), in_dims=(None, 0))(parameters, x).values()  # of every sample
        found.append(vmap(grad(loss, argnums=1), in_dims=(None, 0))(parameters, x))
        if ensemble:
            found += vmap(grad(loss), in_dims=(0, None))(ensemble, x[0]).values()
            found += [vmap(value, in_dims=(0, None))(ensemble, x[0]), vmap(value)(ensemble, x[:2])]
        return found

    with unchecked():
        found = all_of_them()
        with fused.plain():
            expected = all_of_them()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


# What torch does with modules.


@pytest.mark.parametrize(("name", "channels"), [("pssilu", 3), ("splash", None)])
def test_compiled_without_a_break(name, channels):
    module, x = make(name, channels), normal(2, 3, 4, 4, dtype=torch.float32)
    torch._dynamo.reset()
    with unchecked():
        found = gradients(torch.compile(module, backend="aot_eager", fullgraph=True), x, torch.ones_like(x))
    for a, b in zip(found, gradients(module, x, torch.ones_like(x)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_autocast_keeps_half_precision():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(3, 4, 3), make("pssilu", 4)), normal(2, 3, 6, 6, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model[0](x)
        y = model[1](hidden)
        assert fused.backend(hidden) is native
    assert y.dtype == hidden.dtype == torch.bfloat16
    y.sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters())
    torch.testing.assert_close(y.float(), model(x), rtol=3e-2, atol=3e-2)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize(("name", "channels"), FEW)
def test_copies(name, channels, again):
    module, x = make(name, channels), normal(2, 3, 4, 4, dtype=torch.float32)
    assert torch.equal(again(module)(x), module(x))


def test_the_switch_to_the_plain_formula():
    x = normal(4)
    assert fused.backend(x) is native
    with fused.plain():
        with fused.plain():
            assert fused.backend(x) is None
        assert fused.backend(x) is None
    with pytest.raises(KeyError), fused.plain():
        raise KeyError
    assert fused.backend(x) is native
    assert fused.backend(x.half()) is None
    assert fused.backend(x.to("meta")) is None


def test_a_backward_pass_may_run_inside_the_switch():
    x = normal(2, 3, 4, 4).requires_grad_()
    y = make("pssilu", 3).double()(x)
    with fused.plain():
        y.sum().backward()
    assert x.grad.isfinite().all()


def test_tensors_without_memory_take_the_formula():
    module, x = make("pssilu", 3), normal(2, 3, 4, 4, dtype=torch.float32)
    with unchecked(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.trace
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            assert module(mode.from_tensor(x)).shape == x.shape
        traced = torch.jit.trace(module, x)
        exported = torch.export.export(module, (x,)).module()
        other = normal(2, 3, 4, 4, seed=1, dtype=torch.float32)
        for function in (traced, exported, make_fx(module)(x)):
            torch.testing.assert_close(function(other), module(other))


@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (2, 6), (3,)], ids=str)
def test_another_number_of_channels_is_named(shape):
    for name in ("prelu", "splash"):
        with unchecked(), pytest.raises(UserError, match="3 channels"):
            make(name, 3)(torch.ones(shape))
