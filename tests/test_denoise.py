"""Feature denoising against the non-local mean written as loops, where it stands in networks, and that it folds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers import digits_cnn, perturb, seeded
from robust_activations import models
from robust_activations.attacks import PGD, Threat, attacking, pgd
from robust_activations.folding import foldable, folded
from robust_activations.models.layers import Denoise


def by_hand(block: Denoise, x: Tensor) -> Tensor:
    """Place by place: the features of all places, weighted by the softmax of their likeness."""
    n, c, h, w = x.shape
    theta, phi = (conv.weight.view(-1, c) for conv in (block.theta, block.phi))
    mean = torch.zeros_like(x)
    for image in range(n):
        places = [x[image, :, i, j] for i in range(h) for j in range(w)]
        for here, (i, j) in enumerate((i, j) for i in range(h) for j in range(w)):
            alike = torch.stack([(theta @ places[here]) @ (phi @ other) for other in places]) / len(theta) ** 0.5
            weights = alike.exp() / alike.exp().sum()
            mean[image, :, i, j] = sum(weight * other for weight, other in zip(weights, places, strict=True))
    out = torch.einsum("dc,nchw->ndhw", block.conv.weight.view(c, c), mean)
    norm = block.bn
    shown = [value.view(1, -1, 1, 1) for value in (norm.running_mean, norm.running_var, norm.weight, norm.bias)]
    return x + (out - shown[0]) / (shown[1] + norm.eps).sqrt() * shown[2] + shown[3]


@pytest.mark.parametrize("channels", [1, 5, 6])
def test_the_non_local_mean(channels):
    torch.manual_seed(0)
    block = perturb(Denoise(channels).double()).eval()
    assert block.theta.out_channels == block.phi.out_channels == max(1, channels // 2)
    x = torch.randn(2, channels, 3, 4, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(block(x), by_hand(block, x))


def test_it_starts_as_the_identity_and_learns():
    block, x = Denoise(6), torch.randn(3, 6, 4, 4, generator=seeded())
    for training in (True, False):
        assert torch.equal(block.train(training)(x), x)
    target = torch.randn(3, 6, 4, 4, generator=seeded(1))
    optimizer = torch.optim.SGD(block.train().parameters(), lr=0.1)
    for _ in range(3):  # the scale first, and then all that it scales
        optimizer.zero_grad()
        (block(x) - target).square().sum().backward()
        optimizer.step()
    assert all(parameter.grad.any() for parameter in block.parameters())
    assert not torch.equal(block(x), x)


def test_every_place_sees_every_place_alike():
    """Places that trade places take their outputs with them; and a change at one is seen at all."""
    torch.manual_seed(0)
    block = perturb(Denoise(4)).eval()
    x, order = torch.randn(1, 4, 3, 3, generator=seeded()), torch.randperm(9, generator=seeded())
    traded = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(block(traded), block(x).flatten(2)[..., order].view_as(x))
    changed = x.clone()
    changed[..., 0, 0] += 1
    assert ((block(changed) - block(x)).abs().amax(1) > 1e-6).all()


# In networks


@pytest.mark.parametrize(("name", "widths"), [("digits_cnn", (4, 8, 16)), ("resnet20", (4, 8, 16)),
                                              ("resnet18", (4, 8, 16, 32))])  # fmt: skip
def test_one_behind_every_size(name, widths):
    options = {"activation": "relu", "num_classes": 10, "width": 4}
    torch.manual_seed(0)
    model = models.create(name, denoise=True, **options)
    found = {name: module for name, module in model.named_modules() if isinstance(module, Denoise)}
    assert tuple(module.conv.in_channels for module in found.values()) == widths
    assert not any("denoise" in key for key in models.create(name, **options).state_dict())
    assert "denoise" in models.REGISTRY[name].options()
    # Behind the last block of its size: the next module, if there is one, is another size's first.
    sides, x = [], torch.rand(2, models.REGISTRY[name].channels, 8, 8)
    for module in found.values():
        module.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    out = model.eval()(x)
    assert sides == [8, 4, 2, 1][: len(widths)]
    for module in found.values():
        module.forward = lambda x: x
    assert torch.equal(model(x), out)  # as the network starts, denoising is not there


def test_without_options_the_digits_cnn_is_as_it_was():
    plain, same = digits_cnn().state_dict(), digits_cnn(blocks=1, denoise=False).state_dict()
    assert [f"features.{i}.{j}.weight" for i in range(3) for j in range(2)] == [
        name for name in plain if name.startswith("features") and name.endswith("weight")
    ]
    assert all(torch.equal(plain[name], same[name]) for name in plain)


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_blocks_of_the_digits_cnn(blocks):
    model = digits_cnn(width=4, blocks=blocks, denoise=True)
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert [conv.out_channels for conv in convs] == [4] * blocks + [8] * blocks + [16] * blocks
    assert [conv.stride[0] for conv in convs] == [*(1,) * blocks, 2, *(1,) * (blocks - 1), 2, *(1,) * (blocks - 1)]
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 10)


def test_options_that_are_not_there():
    assert "blocks" in models.REGISTRY["digits_cnn"].options()
    assert "denoise" not in models.REGISTRY["lenet5"].options()


# Attacked


@pytest.mark.parametrize(
    ("name", "activation", "options", "channels"),
    [
        ("digits_cnn", "relu", {"model": {"denoise": True}}, 1),
        ("resnet20", "silu", {"model": {"denoise": True, "depth": 8}}, 3),
        ("digits_cnn", "sparta", {}, 1),
        ("digits_cnn", "sparta_relu", {"activation": {"gate": "pooled"}}, 1),
        ("digits_cnn", "sparta_relu", {"activation": {"gate": "map"}}, 1),
        ("digits_cnn", "frelu", {}, 1),
        ("digits_cnn", "splash", {"activation": {"learn_hinges": True}}, 1),
    ],
)
def test_folding_leaves_what_the_attacker_sees(name, activation, options, channels):
    torch.manual_seed(0)
    model = models.create(
        name, activation=activation, activation_options=options.get("activation", {}), num_classes=10, width=4,
        **options.get("model", {}),
    )  # fmt: skip
    model = perturb(model).eval()
    x, y = torch.rand(4, channels, 8, 8, generator=seeded()), torch.tensor([0, 1, 2, 3])
    convs = [key for key, module in model.named_modules() if type(module) is nn.Conv2d]
    pairs = dict(foldable(model, x))
    # Behind every convolution but the two that make queries and keys there is a BatchNorm, which folds.
    assert {key for key in convs if pairs[key] is None} == {key for key in convs if key.endswith(("theta", "phi"))}
    model, x = model.double(), x.double()
    with torch.no_grad():
        wanted = model(x)
        with folded(model, x):
            torch.testing.assert_close(model(x), wanted, rtol=1e-10, atol=1e-10 * float(wanted.abs().max()))
    threat, attack = Threat("linf", "8/255"), PGD(2, start="clean")
    with attacking(model):
        moved = pgd(model, x, y, threat, attack)
    with attacking(model, x):
        torch.testing.assert_close(pgd(model, x, y, threat, attack), moved, rtol=0, atol=1e-12)
