"""Values and gradients of the activations: closed forms, loops, differences, extremes, compiled."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

from closed_forms import CASES, CLOSED, X, arguments, make, points, sigma, step
from helpers import perturb
from robust_activations import activations
from robust_activations.activations import REGISTRY, create
from robust_activations.attacks import attacking, true_gradients

NAMES = activations.names()
# All ways of sharing; None where there is nothing to share.
SITES = [(name, share) for name in NAMES for share in (REGISTRY[name].shares or (None,))]


def test_every_activation_has_a_closed_form_or_loops():
    assert set(CLOSED) | {"maxout", "sparta", "sparta_relu", "frelu"} == set(NAMES)


@pytest.mark.parametrize(("name", "values"), CASES, ids=str)
def test_value_and_derivatives_are_the_closed_form(name, values):
    module = make(name, share="layer" if REGISTRY[name].learned else None, **values).double()
    if name == "splash":
        perturb(module)
    own = arguments(module)
    if values:
        assert own == pytest.approx(list(values.values()), rel=1e-7)
    value, derivative = CLOSED[name]
    found = activations.shape(module, points(X))
    np.testing.assert_allclose(found[0], value(X, *own), rtol=1e-12, atol=1e-13)
    # PyTorch rounds CELU's 1/alpha to float32 in the derivative.
    np.testing.assert_allclose(found[1], derivative(X, *own), rtol=1e-6 if name == "celu" else 1e-12, atol=1e-13)
    h = 1e-5
    second = (derivative(X + h, *own) - derivative(X - h, *own)) / (2 * h)
    np.testing.assert_allclose(found[2], second, rtol=1e-6, atol=1e-7)


STARTS = {
    "prelu": "relu",
    "prelu_plus": "relu",
    "reblu": "relu",
    "splash": "relu",
    "maxout": "relu",
    "sparta_relu": "relu",
    "pelu": "elu",
    "pelu_plus": "elu",
    "psilu": "silu",
    "pssilu": "silu",
    "sparta": "silu",
    "psoftplus": "softplus",
}


@pytest.mark.parametrize("name", STARTS)
def test_the_start_is_a_known_function(name):
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(make(name).double()(x), create(STARTS[name])(x), rtol=1e-6, atol=1e-7)


# Spatial activations, with the convolution as a matrix that loops write down.


def convolution(weight: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of a depthwise convolution with zeros around the image; `weight` is (c, k, k)."""
    c, h, w = shape
    matrix = np.zeros((c, h, w, c, h, w))
    k = weight.shape[-1]
    for channel in range(c):
        for i in range(h):
            for j in range(w):
                for u in range(k):
                    for v in range(k):
                        row, column = i + u - k // 2, j + v - k // 2
                        if 0 <= row < h and 0 <= column < w:
                            matrix[channel, i, j, channel, row, column] = weight[channel, u, v]
    return matrix.reshape(c * h * w, c * h * w)


SHAPE = (3, 4, 5)


@pytest.mark.parametrize("kernel_size", [3, 1])
@pytest.mark.parametrize("share", ["channel", "layer"])
@pytest.mark.parametrize("name", ["sparta", "sparta_relu", "frelu"])
def test_spatial_value_and_jacobian_are_those_of_loops(name, share, kernel_size):
    module = perturb(make(name, share, kernel_size=kernel_size)).double().eval()
    x = torch.randn(SHAPE, dtype=torch.float64)
    weight = np.broadcast_to(module.weight.detach().numpy()[:, 0], (3, kernel_size, kernel_size))
    matrix, flat = convolution(weight, SHAPE), x.numpy().ravel()
    gate = matrix @ flat
    if name == "sparta":
        value = flat * sigma(gate)
        jacobian = np.diag(sigma(gate)) + (flat * sigma(gate) * sigma(-gate))[:, None] * matrix
    elif name == "sparta_relu":
        value = 2 * np.maximum(flat, 0) * sigma(gate)
        outer = 2 * np.maximum(flat, 0) * sigma(gate) * sigma(-gate)
        jacobian = np.diag(2 * step(flat) * sigma(gate)) + outer[:, None] * matrix
    else:
        scale, shift = np.ones(60), np.zeros(60)
        if share == "channel":  # BatchNorm in evaluation mode
            norm = module.norm
            one = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            scale = one.detach().numpy().repeat(20)
            shift = (norm.bias - norm.running_mean * one).detach().numpy().repeat(20)
        gate = scale * gate + shift
        value = np.maximum(flat, gate)
        jacobian = np.where((flat > gate)[:, None], np.eye(60), scale[:, None] * matrix)
    np.testing.assert_allclose(module(x[None])[0].detach().numpy().ravel(), value, rtol=1e-12, atol=1e-13)
    found = torch.autograd.functional.jacobian(lambda z: module(z[None])[0], x).reshape(60, 60)
    np.testing.assert_allclose(found, jacobian, rtol=1e-12, atol=1e-13)


def test_frelu_normalises_by_the_batch_while_it_trains():
    module = perturb(make("frelu")).double().train()
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    matrix = convolution(module.weight.detach().numpy()[:, 0], SHAPE)
    g = np.stack([(matrix @ image.numpy().ravel()).reshape(SHAPE) for image in x])
    mean, var = g.mean((0, 2, 3), keepdims=True), g.var((0, 2, 3), keepdims=True)
    scale, shift = (p.detach().numpy().reshape(1, 3, 1, 1) for p in (module.norm.weight, module.norm.bias))
    expected = np.maximum(x.numpy(), scale * (g - mean) / np.sqrt(var + module.norm.eps) + shift)
    np.testing.assert_allclose(module(x).detach(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("pieces", [1, 2, 4])
def test_maxout_is_the_greatest_of_its_maps(pieces):
    module = perturb(make("maxout", pieces=pieces)).double()
    x = torch.randn(2, *SHAPE, dtype=torch.float64, requires_grad=True)
    out = module(x)
    weight, bias, values = module.weight.detach().numpy(), module.bias.detach().numpy(), x.detach().numpy()
    upstream = torch.randn_like(out)
    (grad,) = torch.autograd.grad(out, x, upstream)
    for n in range(2):
        for i in range(4):
            for j in range(5):
                maps = weight @ values[n, :, i, j] + bias
                np.testing.assert_allclose(out[n, :, i, j].detach(), maps.max(0), rtol=1e-12)
                chosen = weight[maps.argmax(0), np.arange(3)]
                np.testing.assert_allclose(grad[n, :, i, j], upstream[n, :, i, j].numpy() @ chosen, rtol=1e-11)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "relu_smooth_gradient"])
def test_gradients_of_input_and_parameters_are_those_of_differences(name):
    module = perturb(make(name)).double()
    x = torch.randn(2, 3, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    keys, parameters = zip(*module.named_parameters(), strict=True) if REGISTRY[name].learned else ((), ())
    inputs = [x, *(p.detach().clone() for p in parameters)]
    assert torch.autograd.gradcheck(
        lambda x, *p: functional_call(module, dict(zip(keys, p, strict=True)), (x,)),
        [tensor.requires_grad_() for tensor in inputs],
    )


# Extremes.


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "share"), SITES)
def test_finite_at_extremes(name, share, dtype):
    """Value and gradients, for parameters in float32 as under autocast, and for those in the input's own type."""
    extremes = torch.tensor([-1e4, 1e4, 0.0, -1e-4, 1e-4, 3.0]).repeat(6).reshape(2, 3, 2, 3).transpose(1, 3)
    for module in (make(name, share), make(name, share).to(dtype)):
        x = extremes.to(dtype).requires_grad_()
        out = module(x)
        assert out.dtype is dtype
        out.sum().backward()
        for tensor in (out, x.grad, *(p.grad for p in module.parameters())):
            assert tensor.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "values"), CASES, ids=str)
def test_low_precision_is_near_the_closed_form(name, values, dtype):
    module = make(name, share="layer" if REGISTRY[name].learned else None, **values)
    x = torch.tensor([*X, -1e4, -100.0, -30.0, 30.0, 100.0, 1e4]).to(dtype).requires_grad_()
    out = module(x)
    (grad,) = torch.autograd.grad(out.sum(), x)
    exact = x.detach().double().numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # in the closed forms
        value, derivative = (form(exact, *arguments(module)) for form in CLOSED[name])
    tolerance = {"rtol": 2e-5, "atol": 2e-6} if dtype is torch.float32 else {"rtol": 0.02, "atol": 0.02}
    ok = np.isfinite(value) & np.isfinite(derivative)
    assert ok.sum() > len(exact) - 4
    np.testing.assert_allclose(out.detach().double()[ok], value[ok], **tolerance)
    np.testing.assert_allclose(grad.double()[ok], derivative[ok], **tolerance)


# Gradients where they must be, and where they must not.


@pytest.mark.parametrize(("name", "share"), [site for site in SITES if site[1]])
def test_every_parameter_learns_from_the_start(name, share):
    module = make(name, share)
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(64, 3, 5, 5, generator=generator)
    (module(x) * torch.randn(x.shape, generator=generator)).sum().backward()
    for parameter in module.parameters():
        assert parameter.grad.isfinite().all()
        assert (parameter.grad != 0).all()


@pytest.mark.parametrize("beta", [0.0, 1e-8])
def test_the_beta_of_pssilu_learns_unless_it_starts_at_zero(beta):
    """The trap of the authors' code of 2023: |beta| has no slope at 0."""
    module = create("pssilu", beta=beta)
    module(torch.randn(100)).square().sum().backward()
    assert (module.beta.grad != 0) == (beta != 0)
    assert module.alpha.grad != 0


ZERO_LEFT = ["relu", "prelu", "prelu_plus", "reblu", "smooth_relu", "splash", "sparta_relu"]


@pytest.mark.parametrize("name", ZERO_LEFT)
def test_no_value_and_no_slope_left_of_zero(name):
    module = make(name)
    x = -torch.logspace(-30, 4, 24).reshape(2, 3, 2, 2)
    x.requires_grad_()
    out = module(x)
    out.sum().backward()
    assert (out == 0).all()
    assert (x.grad == 0).all()
    if name not in ("prelu", "splash"):  # these could learn to have one
        assert all((p.grad == 0).all() for p in module.parameters())


@pytest.mark.parametrize("name", [*ZERO_LEFT, "maxout", "frelu", "relu_smooth_gradient"])
def test_slope_at_zero(name):
    """ReLU's slope at 0 is 0 by convention, SmoothReLU's by its formula; the smooth gradient's is 1/2."""
    x = torch.zeros(2, 3, 2, 2, requires_grad=True)
    make(name, "layer" if name == "frelu" else None)(x).sum().backward()
    expected = 0.5 if name == "relu_smooth_gradient" else 0.0
    torch.testing.assert_close(x.grad, torch.full_like(x, expected))


@pytest.mark.parametrize("where", ["attack", "update", "both"])
def test_the_smooth_gradient_is_seen_where_its_switch_says(where):
    module = create("relu_smooth_gradient", where=where, alpha=10.0)
    points = torch.linspace(-1, 1, 10)

    def slope() -> torch.Tensor:
        x = points.clone().requires_grad_()
        out = module(x)
        torch.testing.assert_close(out, points.relu(), rtol=0, atol=0)
        return torch.autograd.grad(out.sum(), x)[0]

    hard, smooth = (points > 0).float(), torch.sigmoid(10 * points)
    with attacking(module):
        torch.testing.assert_close(slope(), hard if where == "update" else smooth)
        with attacking(module):
            pass
        torch.testing.assert_close(slope(), hard if where == "update" else smooth)
    torch.testing.assert_close(slope(), hard if where == "attack" else smooth)
    with true_gradients(module):  # whoever evaluates the network meets ReLU's own
        torch.testing.assert_close(slope(), hard)
        with attacking(module):
            torch.testing.assert_close(slope(), hard)
    torch.testing.assert_close(slope(), hard if where == "attack" else smooth)


# Compiled.


class Everything(nn.Module):
    """All activations side by side on one input."""

    def __init__(self) -> None:
        super().__init__()
        self.all = nn.ModuleList(perturb(make(name)) for name in NAMES)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [module(x) for module in self.all]


def compare_compiled() -> None:
    """Compiled and not compiled, values and gradients; run without the check of annotations, which cannot be traced."""
    module = Everything().eval()
    keys = [key for key, _ in module.named_parameters()]
    backend = "inductor" if shutil.which("g++") or shutil.which("clang++") else "aot_eager"

    def run(function) -> list[torch.Tensor]:
        x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
        out = function(x)
        grads = torch.autograd.grad(sum(y.square().sum() for y in out), [x, *module.parameters()])
        return [*out, *grads]

    found = run(torch.compile(module, backend=backend, fullgraph=True))
    for name, one, other in zip([*NAMES, "x", *keys], found, run(module), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    print(f"the same by {backend}")


def test_compiled_gives_the_same_numbers():
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("the same by"), done.stderr[-3000:]


if __name__ == "__main__":
    compare_compiled()
