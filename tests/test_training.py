"""Training: learning rates, parameter groups, objectives, the average of the weights, precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from helpers import digits, digits_cnn, same_tensors, unchecked
from robust_activations import activations
from robust_activations.attacks import PGD, Threat, attacking, pgd
from robust_activations.errors import UserError
from robust_activations.precision import precision_context
from robust_activations.training import Objective, Schedule, loss_of, parameter_groups, train

THREAT = Threat("linf", "0.15")
QUICK = Objective("pgd_at", PGD(2, step="0.1"))
NAMES = ("standard", "pgd_at", "trades", "fgsm_rs", "n_fgsm")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def short(epochs: int = 3, **options) -> Schedule:
    return Schedule(**({"epochs": epochs, "batch_size": 32, "lr": 0.05} | options))


def batch(n: int = 16) -> tuple[Tensor, Tensor]:
    images = digits(n)
    return images.images.float() / 255, images.labels


# The learning rate.


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Schedule(epochs=10, lr=0.4, final_lr=0.1), {0.0: 0.4, 1 / 3: 0.325, 0.5: 0.25, 1.0: 0.1}),
        (
            Schedule(epochs=10, lr=0.4, shape="step", milestones=(0.5, 0.75)),
            {0.0: 0.4, 0.49: 0.4, 0.5: 0.04, 0.74: 0.04, 0.75: 0.004, 0.99: 0.004},
        ),
        (
            Schedule(epochs=10, lr=0.4, shape="cyclic", milestones=(0.4,), final_lr=0.1),
            {0.0: 0.1, 0.2: 0.25, 0.4: 0.4, 0.7: 0.25, 1.0: 0.1},
        ),
        (Schedule(epochs=10, lr=0.3, shape="constant"), {0.0: 0.3, 0.9: 0.3}),
        # After a warm-up the cosine has what is left of the run.
        (Schedule(epochs=10, lr=0.4, warmup=2.0), {0.0: 0.0, 0.05: 0.1, 0.1: 0.2, 0.2: 0.4, 0.6: 0.2, 1.0: 0.0}),
        (Schedule(epochs=10, lr=0.4, shape="step", warmup=2.0), {0.0: 0.0, 0.1: 0.2, 0.2: 0.4, 0.5: 0.04}),
    ],
    ids=lambda value: value.shape if isinstance(value, Schedule) else "",
)
def test_learning_rates(schedule, rates):
    assert [schedule.rate(progress) for progress in rates] == pytest.approx(list(rates.values()))


def test_the_rate_of_every_step_is_the_schedules():
    def rates(optimizer: torch.optim.Optimizer) -> list[float]:
        return [group["lr"] for group in optimizer.param_groups]

    schedule, seen = short(2, warmup=1.0, lr=0.3), []
    hook = register_optimizer_step_post_hook(lambda optimizer, *_: seen.append(rates(optimizer)))
    try:
        result = train(digits_cnn(), digits(64), Objective("standard"), THREAT, schedule)
    finally:
        hook.remove()
    assert seen == [[schedule.rate(step / 4)] * 3 for step in range(4)]
    assert result.history[-1]["lr"] == schedule.rate(3 / 4)


# Weight decay.


def groups(model: nn.Module, **options: bool) -> tuple[set[str], set[str]]:
    """Names of the parameters with and without weight decay."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = parameter_groups(model, Schedule(weight_decay=1e-3, **options))
    assert {group["weight_decay"] for group in found} <= {1e-3, 0}
    assert sum(len(group["params"]) for group in found) == len(names)  # each once
    decayed = {names[p] for group in found if group["weight_decay"] for p in group["params"]}
    return decayed, set(names.values()) - decayed


KINDS = ("pssilu", "splash", "sparta", "frelu", "apl")


@pytest.mark.parametrize(
    ("activation", "share"), [("maxout", None), *((name, share) for name in KINDS for share in (None, "layer"))]
)
def test_what_decays(activation, share):
    model = digits_cnn(activation=activation, share=share)
    own = {name for name, _ in activations.named_parameters(model)}
    weights = {f"features.{i}.0.weight" for i in range(3)} | {"fc.weight"}
    norm = {name for name, _ in model.named_parameters()} - own - weights
    assert norm == {f"features.{i}.1.{kind}" for i in range(3) for kind in ("weight", "bias")} | {"fc.bias"}
    assert groups(model) == (weights, norm | own)
    assert groups(model, decay_activations=True) == (weights | own, norm)
    assert groups(model, decay_norm=True) == (weights | norm, own)
    assert groups(model, decay_norm=True, decay_activations=True) == (weights | norm | own, set())


def test_what_is_frozen_is_in_no_group():
    model = digits_cnn(activation="pssilu")
    model.fc.weight.requires_grad_(False)
    found = [p for group in parameter_groups(model, Schedule()) for p in group["params"]]
    assert len(found) == len(list(model.parameters())) - 1
    before = model.fc.weight.clone()
    train(model, digits(64), Objective("standard"), THREAT, short(1))
    assert torch.equal(model.fc.weight, before)


# Objectives.


class Counter:
    """Counts a model's passes in training and in evaluation mode."""

    def __init__(self, model: nn.Module) -> None:
        self.train = self.eval = 0
        model.register_forward_pre_hook(lambda module, _: self.count(module))

    def count(self, model: nn.Module) -> None:
        self.train, self.eval = self.train + model.training, self.eval + (not model.training)
        # Some versions of torch keep the weights that autocast casts here, without gradient, for the next pass.
        assert torch.is_grad_enabled() or not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "as_authors", "in_training", "in_evaluation"),
    [
        ("standard", False, 1, 0),
        ("pgd_at", False, 1, 3),
        ("pgd_at", True, 2, 3),
        ("trades", False, 2, 4),
        ("trades", True, 3, 4),
        ("fgsm_rs", False, 1, 1),
        ("n_fgsm", False, 1, 1),
    ],
)
def test_passes_of_an_objective(name, as_authors, in_training, in_evaluation):
    """The attack in evaluation mode; BatchNorm's statistics move with every pass in training mode."""
    model = digits_cnn().train()
    counter = Counter(model)
    loss_of(model, *batch(), Objective(name, PGD(3), as_authors=as_authors), THREAT, seeded())
    assert (counter.train, counter.eval) == (in_training, in_evaluation)
    assert model.features[0][1].num_batches_tracked == in_training
    assert model.training


def cross_entropy(logits: Tensor, y: Tensor, smoothing: float) -> Tensor:
    k = logits.shape[1]
    target = (1 - smoothing) * F.one_hot(y, k) + smoothing / k
    return -(target * logits.log_softmax(1)).sum(1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_adversarial_training_is_cross_entropy_on_what_the_attack_finds(smoothing):
    model, other = digits_cnn().train(), digits_cnn().train()
    x, y = batch()
    for name in ("standard", "pgd_at"):
        objective = Objective(name, PGD(3), label_smoothing=smoothing)
        loss, logits = loss_of(model, x, y, objective, THREAT, seeded())
        with attacking(other):
            moved = pgd(other, x, y, THREAT, PGD(3), generator=seeded()) if name == "pgd_at" else x
        expected = other(moved)
        torch.testing.assert_close(logits, expected)
        torch.testing.assert_close(loss, cross_entropy(expected, y, smoothing))
    assert same_tensors(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("as_authors", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_trades_is_its_formula(smoothing, as_authors):
    model, other = digits_cnn().train(), digits_cnn().train()
    x, y = batch()
    objective = Objective("trades", PGD(4), beta=6.0, label_smoothing=smoothing, as_authors=as_authors)
    loss, logits = loss_of(model, x, y, objective, THREAT, seeded())
    with attacking(other):
        moved = pgd(
            other, x, y, THREAT, PGD(4, loss="kl", start="gauss"), generator=seeded(), clean=other(x).softmax(1)
        )
    clean, adversarial = other(x), other(moved)
    p = (other(x) if as_authors else clean).softmax(1)
    divergence = (p * (p.log() - adversarial.log_softmax(1))).sum() / len(x)
    expected = cross_entropy(clean, y, smoothing) + 6 * divergence
    torch.testing.assert_close(logits, adversarial)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for (name, found), wanted in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-3, atol=1e-5, msg=name)
    assert same_tensors(model.state_dict(), other.state_dict())  # and the same running statistics


@pytest.mark.parametrize("where", ["attack", "update", "both"])
def test_the_smooth_gradient_reaches_attack_and_update_as_switched(where):
    """With the smooth derivative in the attack, the attack differs from ReLU's; in the update, the gradients do."""
    x, y = batch()

    def run(activation: str, **options) -> tuple[Tensor, Tensor]:
        model = digits_cnn(activation=activation, activation_options=options).train()
        loss, logits = loss_of(model, x, y, Objective("pgd_at", PGD(1, start="clean")), THREAT)
        loss.backward()
        return logits.detach(), model.features[0][0].weight.grad

    hard, found = run("relu"), run("relu_smooth_gradient", where=where)
    same_attack, same_update = (torch.equal(a, b) for a, b in zip(hard, found, strict=True))
    assert same_attack == (where == "update")
    assert not same_update


# PSSiLU.


def betas(**options) -> list[tuple[float, float]]:
    """β's gradient as the optimiser sees it and its value, after each step."""
    model = digits_cnn(activation="pssilu", activation_options=options)
    seen: list[tuple[float, float]] = []
    (beta,) = (p for name, p in activations.named_parameters(model) if name.endswith("beta"))
    hook = register_optimizer_step_post_hook(lambda *_: seen.append((beta.grad.item(), beta.item())))
    try:
        train(model, digits(128), Objective("standard"), THREAT, short(1))
    finally:
        hook.remove()
    return seen


def test_penalty_and_clip_act_in_the_loop():
    start = 0.2
    plain, penal = betas(beta=start), betas(beta=start, penalty=10.0)
    assert penal[0][0] - plain[0][0] == pytest.approx(10, rel=1e-4)
    assert penal[0][1] < plain[0][1]
    assert max(abs(grad) for grad, _ in plain) > 0.01
    clipped = betas(beta=start, penalty=10.0, clip=0.01)
    assert clipped[0][0] == pytest.approx(0.01, rel=1e-3)
    assert max(abs(grad) for grad, _ in clipped) <= 0.01 + 1e-8
    assert all(
        abs(value - start) <= 4 * 0.05 * 0.01 * 10 for _, value in clipped
    )  # steps of lr · clip / (1 - momentum)


# The average of the weights.


def test_the_average_is_what_a_hand_computes():
    model, seen = digits_cnn(activation="psilu"), []
    hook = register_optimizer_step_post_hook(
        lambda *_: seen.append({name: p.detach().clone() for name, p in model.named_parameters()})
    )
    images = digits(96)
    try:
        result = train(model, images, QUICK, THREAT, short(2, ema=0.7))
    finally:
        hook.remove()
    assert len(seen) == 6
    average = seen[0]
    for weights in seen[1:]:
        average = {name: 0.7 * average[name] + 0.3 * weights[name] for name in average}
    for name, value in average.items():
        torch.testing.assert_close(result.last[name], value, msg=name)
        assert not torch.equal(result.last[name], seen[-1][name])
    for name, value in model.named_buffers():  # BatchNorm's statistics are the model's own
        if name in result.last:
            assert torch.equal(result.last[name], value)
    assert result.last.keys() == model.state_dict().keys()
    # What is probed is the average, not the model.
    model.load_state_dict(result.last)
    with attacking(model), torch.no_grad():
        right = (model(images.held_images / 255).argmax(1) == images.held_labels).float().mean()
    assert result.history[-1]["held_clean"] == pytest.approx(right.item())


# Precision.


@pytest.mark.parametrize("as_authors", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_trains_every_parameter(name, as_authors):
    """A pass without gradients, or with frozen parameters, must not leave its casts behind for the update."""
    model = digits_cnn(activation="pssilu").train()
    kinds = set()
    model.fc.register_forward_hook(lambda module, inputs, output: kinds.add(output.dtype))
    with precision_context("bf16", torch.device("cpu"))():
        loss, _ = loss_of(model, *batch(), Objective(name, PGD(2), as_authors=as_authors), THREAT, seeded())
    loss.backward()
    assert kinds == {torch.bfloat16}
    assert loss.dtype is torch.float32
    for key, parameter in model.named_parameters():
        assert parameter.dtype is torch.float32
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all()


def test_bfloat16_learns():
    images = digits(1000, 100)
    row = train(digits_cnn(), images, Objective("standard"), THREAT, short(3, lr=0.2), precision="bf16").history[-1]
    assert row["held_clean"] > 0.8
    with unchecked(), pytest.raises(UserError, match="fp32 or bf16"):
        precision_context("fp16", torch.device("cpu"))
