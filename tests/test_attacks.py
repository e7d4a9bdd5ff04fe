"""Attacks: their balls and formulas, worst cases in closed form, losses, cost and side effects."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from helpers import digits_cnn, digits_test, robust_cnn, same_tensors
from robust_activations import activations
from robust_activations.attacks import (
    PGD,
    Threat,
    attacking,
    fgsm,
    fgsm_rs,
    input_gradient,
    loss_per_image,
    n_fgsm,
    pgd,
)
from robust_activations.errors import UserError

LINF, L2 = Threat("linf", "38.25/255"), Threat("l2", "0.8")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distance(norm: str, first: Tensor, second: Tensor) -> Tensor:
    return (first - second).flatten(1).norm(p=math.inf if norm == "linf" else 2, dim=1)


ATTACKS = {
    "fgsm": lambda *a: pgd(*a[:4], fgsm(a[3]), generator=a[4]),
    "pgd": lambda *a: pgd(*a[:4], PGD(7), generator=a[4]),
    "pgd clean start": lambda *a: pgd(*a[:4], PGD(3, start="clean"), generator=a[4]),
    "pgd margin": lambda *a: pgd(*a[:4], PGD(3, loss="margin", restarts=3), generator=a[4]),
    "pgd kl": lambda *a: pgd(
        *a[:4], PGD(3, loss="kl", start="gauss", restarts=2), generator=a[4], clean=a[0](a[1]).softmax(1)
    ),
    "pgd large step": lambda *a: pgd(*a[:4], PGD(3, step="1"), generator=a[4]),
    "fgsm_rs": fgsm_rs,
}


@pytest.fixture(scope="module")
def images() -> tuple[Tensor, Tensor]:
    """Digits, whose background lies on the edge of [0, 1], and one image of each extreme."""
    x, y = digits_test(30)
    x[0], x[1] = 0, 1
    return x, y


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return robust_cnn()


@pytest.mark.parametrize("threat", [LINF, L2], ids=str)
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_stays_in_its_ball_and_raises_the_loss(name, threat, model, images):
    x, y = images
    before = x.clone()
    with attacking(model):
        moved = ATTACKS[name](model, x, y, threat, seeded())
    assert torch.equal(x, before)
    assert moved.shape == x.shape
    assert not moved.requires_grad
    assert moved.min() >= 0
    assert moved.max() <= 1
    lengths = distance(threat.norm, x, moved)
    assert (lengths <= threat.radius + 1e-6).all()
    assert lengths.mean() > 0.5 * threat.radius
    with torch.no_grad():
        assert loss_per_image("ce", model(moved), y).mean() > loss_per_image("ce", model(x), y).mean()


@pytest.mark.parametrize("threat", [LINF, L2], ids=str)
def test_n_fgsm_leaves_the_ball_but_not_the_pixels(threat, model, images):
    x, y = images
    with attacking(model):
        moved = n_fgsm(model, x, y, threat, seeded())
    assert moved.min() >= 0
    assert moved.max() <= 1
    lengths = distance(threat.norm, x, moved)
    assert threat.radius < lengths.max() <= 3 * threat.radius + 1e-6


def test_one_step_attacks_are_their_formulas(model, images):
    x, y = images
    eps = LINF.radius

    def sign(at: Tensor) -> Tensor:
        at = at.clone().requires_grad_()
        return torch.autograd.grad(nn.functional.cross_entropy(model(at), y), at)[0].sign()

    def near(found: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)

    def noise() -> Tensor:
        return 2 * torch.rand(x.shape, generator=seeded()) - 1

    near(ATTACKS["fgsm"](model, x, y, LINF, seeded()), (x + eps * sign(x)).clamp(0, 1))
    start = (x + eps * noise()).clamp(0, 1)
    delta = (start + 1.25 * eps * sign(start) - x).clamp(-eps, eps)
    near(fgsm_rs(model, x, y, LINF, seeded()), (x + delta).clamp(0, 1))
    start = (x + 2 * eps * noise()).clamp(0, 1)
    near(n_fgsm(model, x, y, LINF, seeded()), (start + eps * sign(start)).clamp(0, 1))


# Worst cases known in closed form.


class Linear(nn.Module):
    """Two classes; the logit of class 1 is w·x, that of class 0 is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(9, generator=seeded(3)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), x.flatten(1) @ self.w], dim=1)


@pytest.mark.parametrize("loss", ["ce", "margin"])
@pytest.mark.parametrize("label", [0, 1])
def test_pgd_finds_the_worst_case_of_a_linear_model(label, loss):
    model, w = Linear(), Linear().w.detach()
    y, side = torch.full((8,), label), 2 * label - 1
    x = 0.4 + 0.2 * torch.rand(8, 1, 3, 3, generator=seeded())
    margin = side * (x.flatten(1) @ w)
    small = {"linf": Threat("linf", "0.1"), "l2": Threat("l2", "0.3")}  # the edges of [0, 1] are farther away
    for threat, dual in ((small["linf"], w.abs().sum()), (small["l2"], w.norm())):
        for attack in (PGD(10, start="clean", loss=loss), PGD(100, loss=loss), fgsm(threat)):
            with attacking(model):
                moved = pgd(model, x, y, threat, attack, generator=seeded())
            worst = margin - threat.radius * dual
            tolerance = 1e-5 if attack.start == "clean" or threat.norm == "linf" else 1e-3
            torch.testing.assert_close(side * (moved.flatten(1) @ w), worst, rtol=0, atol=tolerance)
    # Where the edges of [0, 1] are nearer, they bound each pixel.
    x = torch.rand(8, 1, 3, 3, generator=seeded())
    with attacking(model):
        moved = pgd(model, x, y, LINF, PGD(10, loss=loss), generator=seeded())
    corner = (x - side * LINF.radius * w.sign().view(1, 1, 3, 3)).clamp(0, 1)
    torch.testing.assert_close(moved, corner, rtol=0, atol=1e-6)


@pytest.mark.parametrize("threat", [LINF, L2], ids=str)
def test_no_images_at_all(threat, model, images):
    x, y = (tensor[:0] for tensor in images)
    with attacking(model):
        for attack in (PGD(2, restarts=2), fgsm(threat)):
            assert pgd(model, x, y, threat, attack, generator=seeded()).shape == x.shape


# Losses.


def test_losses_are_their_formulas():
    logits = 3 * torch.randn(20, 5, generator=seeded())
    y, clean = torch.arange(20) % 5, torch.randn(20, 5, generator=seeded(1)).softmax(1)
    for n in range(20):
        p = logits[n].double().exp() / logits[n].double().exp().sum()
        others = max(logits[n, j].item() for j in range(5) if j != y[n])
        kl = sum(c * math.log(c / q) for c, q in zip(clean[n].tolist(), p.tolist(), strict=True))
        expected = {"ce": -math.log(p[y[n]]), "margin": others - logits[n, y[n]].item(), "kl": kl}
        for loss, value in expected.items():
            found = loss_per_image(loss, logits, y, clean if loss == "kl" else None)
            assert found[n].item() == pytest.approx(value, rel=1e-4, abs=1e-5)
    with pytest.raises(UserError, match="clean"):
        loss_per_image("kl", logits, y)


def test_the_divergence_has_no_slope_at_the_clean_image_but_beside_it(model, images):
    x, y = images
    clean = model(x).softmax(1).detach()
    with attacking(model):
        assert input_gradient(model, x, y, "kl", clean).abs().max() < 1e-5
        beside = x + 0.001 * torch.randn(x.shape, generator=seeded())
        assert input_gradient(model, beside, y, "kl", clean).abs().max() > 1e-5


def test_losses_are_taken_in_float32():
    logits = torch.tensor([[30.0, 30.1]], dtype=torch.bfloat16)
    assert loss_per_image("ce", logits, torch.tensor([0])).dtype is torch.float32


# Cost and side effects.


class _Count(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, log):
        ctx.log = log
        log["forwards"].append(len(x))
        return x * weight

    @staticmethod
    def backward(ctx, grad):
        ctx.log["backwards"].append(tuple(ctx.needs_input_grad[:2]))
        return grad, None, None


class Counting(nn.Module):
    """A model that counts its passes, with the number of images, and which gradients were asked for."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.model, self.log = model, {"forwards": [], "backwards": []}

    def forward(self, x: Tensor) -> Tensor:
        return self.model(_Count.apply(x, self.weight, self.log))


@pytest.mark.parametrize("restarts", [1, 3])
def test_a_step_costs_one_forward_and_one_backward_to_the_input(restarts, model, images):
    counting = Counting(model)
    with attacking(counting):
        pgd(counting, *images, LINF, PGD(5, restarts=restarts), generator=seeded())
    assert len(counting.log["forwards"]) == 5 * restarts + restarts - 1
    assert counting.log["backwards"] == [(True, False)] * 5 * restarts


def test_restarts_attack_only_what_is_unbroken_and_never_lose(model):
    x, y = digits_test()
    counting, threat = Counting(model), LINF
    with attacking(counting), torch.no_grad():
        once = pgd(counting, x, y, threat, PGD(4), generator=seeded())
        broken = model(once).argmax(1) != y
        counting.log["forwards"].clear()
        again = pgd(counting, x, y, threat, PGD(4, restarts=3), generator=seeded())
        both = model(again).argmax(1) != y
    assert 0 < broken.sum() < len(x)
    assert torch.equal(again[broken], once[broken])
    assert (both | ~broken).all()
    assert both.sum() > broken.sum()
    left = int((~broken).sum())
    sizes = counting.log["forwards"]
    assert sizes[:5] == [len(x)] * 5  # four steps, and the look at what is broken
    assert sizes[5:10] == [left] * 5
    assert sizes[10] < left


def test_restarts_end_when_all_is_broken(model, images):
    counting = Counting(model)
    x, _ = images
    with attacking(counting), torch.no_grad():
        y = (model(x).argmax(1) + 1) % 10  # wrong from the start
        everything = Threat("linf", "1e-6")
        pgd(counting, x, y, everything, PGD(2, restarts=9), generator=seeded())
    assert len(counting.log["forwards"]) == 3


def test_the_generator_decides_all_randomness(model, images):
    state = torch.get_rng_state()
    with attacking(model):
        for name, attack in ATTACKS.items():
            first, second, other = (attack(model, *images, LINF, seeded(seed)) for seed in (0, 0, 1))
            assert torch.equal(first, second), name
            assert torch.equal(first, other) == (name in ("fgsm", "pgd clean start")), name
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_attacking_restores_everything(fails, training):
    build = activations.factory("relu_smooth_gradient", where="attack")
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), build(2), nn.Sequential(nn.Dropout(), nn.Flatten()))
    model.train()
    model[1].eval()  # frozen statistics in a training model
    model[0].bias.requires_grad_(False)
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]

    def state() -> tuple:
        return [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()], model[2].attacking

    def inside() -> None:
        with attacking(model, training=training):
            assert state() == ([training] * len(modes), [False] * len(flags), True)
            with attacking(model):
                assert state() == ([False] * len(modes), [False] * len(flags), True)
            assert state() == ([training] * len(modes), [False] * len(flags), True)
            if fails:
                raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            inside()
    else:
        inside()
    assert state() == (modes, flags, False)


def test_an_attack_never_trains(images):
    model = digits_cnn(activation="frelu").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with attacking(model):
        pgd(model, *images, LINF, PGD(3, restarts=2), generator=seeded())
        fgsm_rs(model, *images, LINF, seeded())
        n_fgsm(model, *images, LINF, seeded())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert same_tensors(before, model.state_dict())


def test_a_share_of_the_batches_starts_clean():
    """After one tiny step the start shows: the clean images for about a fifth of the batches, else noise."""
    model, (x, y) = digits_cnn().eval(), digits_test(4)
    generator = torch.Generator().manual_seed(0)
    attack = PGD(steps=1, step="0.0001/255", clean_share=0.2)
    clean = 0
    for _ in range(300):
        with attacking(model):
            moved = pgd(model, x, y, LINF, attack, generator=generator)
        near = (moved - x).abs().amax((1, 2, 3)) < 1e-5
        assert near.all() or not near.any()  # a whole batch or none of it
        clean += bool(near.all())
    assert 35 <= clean <= 85  # a binomial of 300 and 0.2 has mean 60 and deviation 7
    with pytest.raises(UserError, match="clean share"):
        PGD(steps=1, clean_share=1.2)
