"""When the parameters of activations are learned: all the time, never, from the middle on, or up to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from helpers import digits, digits_cnn, same_tensors
from robust_activations import activations
from robust_activations.attacks import PGD, Threat
from robust_activations.training import Objective, Schedule, Trained, parameter_groups, train

THREAT = Threat("linf", "0.15")
QUICK = Objective("pgd_at", PGD(1, step="0.1"))
ALWAYS, NEVER, SECOND, FIRST = (0.0, 1.0), (0.0, 0.0), (0.5, 1.0), (0.0, 0.5)


def short(learn: tuple[float, float], **options) -> Schedule:
    return Schedule(**({"epochs": 4, "batch_size": 32, "lr": 0.1, "learn": learn} | options))


def trained(learn: tuple[float, float], activation: str = "splash", **options) -> tuple[nn.Module, Trained]:
    model = digits_cnn(activation=activation)
    return model, train(model, digits(96, 32), QUICK, THREAT, short(learn, **options))


def learned(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in activations.named_parameters(model)}


def changes(activation: str, result: Trained) -> list[bool]:
    """By epoch: do the activations come out of it other than they went in? What the probe shows is rounded to nothing.

    The history shows every number of an activation that has few.
    """
    start = {name: value.flatten().tolist() for name, value in learned(digits_cnn(activation=activation)).items()}
    rows = [start, *(row["activations"] for row in result.history)]
    return [before != after for before, after in zip(rows, rows[1:])]  # noqa: B905, RUF007


@pytest.mark.parametrize(
    ("epochs", "learn", "when"),
    [
        (4, ALWAYS, [True] * 4),
        (4, NEVER, [False] * 4),
        (4, SECOND, [False, False, True, True]),
        (4, FIRST, [True, True, False, False]),
        (3, SECOND, [False, False, True]),  # every epoch is in one of the halves
        (3, FIRST, [True, True, False]),
        (1, ALWAYS, [True]),
        (10, (0.2, 0.5), [False] * 2 + [True] * 3 + [False] * 5),
    ],
)
def test_whole_epochs(epochs, learn, when):
    schedule = Schedule(epochs=epochs, learn=learn)
    assert [schedule.learns(epoch) for epoch in range(epochs)] == when


@pytest.mark.parametrize("activation", ["splash", "pssilu"])
@pytest.mark.parametrize(
    ("learn", "when"), [(ALWAYS, [1, 1, 1, 1]), (NEVER, [0, 0, 0, 0]), (SECOND, [0, 0, 1, 1]), (FIRST, [1, 1, 0, 0])]
)
def test_activations_move_when_they_are_learned_and_only_then(activation, learn, when):
    """Nor does what momentum has gathered move them afterwards."""
    model, result = trained(learn, activation)
    assert changes(activation, result) == [bool(one) for one in when]
    rates = [row["lr"] for row in result.history]
    assert rates == sorted(rates, reverse=True)  # what is shown is everybody else's
    assert rates[-1] > 0
    before = digits_cnn(activation=activation).state_dict()
    own = {name for name, _ in activations.named_parameters(model)}
    assert not any(torch.equal(before[name], p) for name, p in model.named_parameters() if name not in own)


@pytest.mark.parametrize("learn", [NEVER, SECOND])
def test_weight_decay_moves_nothing_that_is_not_learned(learn):
    """The first two epochs: as it starts, to the bit."""
    model, result = trained(learn, weight_decay=0.1, decay_activations=True, momentum=0.0)
    assert changes("splash", result)[:2] == [False, False]
    if learn == NEVER:
        assert same_tensors(learned(model), learned(digits_cnn(activation="splash")))


def test_what_is_never_learned_has_no_gradient_and_no_optimiser():
    model, result = trained(NEVER)
    own = set(activations.parameters(model))
    assert own
    assert all(p.grad is None and not p.requires_grad for p in own)
    assert all(p.grad is not None and p.requires_grad for p in model.parameters() if p not in own)
    assert parameter_groups(model, short(NEVER))[2]["params"] == []
    assert same_tensors({name: result.best[name] for name in learned(model)}, learned(digits_cnn(activation="splash")))


def test_what_follows_the_data_goes_on_without_learning():
    """Frozen are parameters; the statistics of FReLU's BatchNorm are none."""
    model, _ = trained(NEVER, "frelu", epochs=1)
    norms = [module.norm for _, module in activations.modules(model)]
    assert all(norm.running_mean.any() for norm in norms)
    assert all(torch.equal(norm.weight, torch.ones_like(norm.weight)) for norm in norms)


def test_penalties_and_clips_bear_with_what_is_not_learned():
    model = digits_cnn(activation="pssilu", activation_options={"penalty": 10.0, "clip": 0.01})
    before = learned(model)
    train(model, digits(64, 32), QUICK, THREAT, short(NEVER, epochs=1))
    assert same_tensors(learned(model), before)


@pytest.mark.parametrize("learn", [SECOND, FIRST, NEVER])
def test_stopped_and_gone_on_in_every_phase(tmp_path, learn):
    whole = trained(learn)[1]
    for answers in ([False], [True, False], [True, False], [True]):
        model = digits_cnn(activation="splash")
        again = train(
            model,
            digits(96, 32),
            QUICK,
            THREAT,
            short(learn),
            state=tmp_path / "state.pt",
            go_on=iter(answers).__next__,
        )
    assert again.finished
    assert same_tensors(again.last, whole.last)
    assert [row["activations"] for row in again.history] == [row["activations"] for row in whole.history]


def test_the_average_of_the_weights_keeps_what_is_frozen():
    _, result = trained(NEVER, ema=0.5)
    own = learned(digits_cnn(activation="splash"))
    assert same_tensors({name: result.last[name] for name in own}, own)


def test_a_second_phase_starts_with_the_rate_of_its_epoch():
    """Without momentum, the first step of the second half is rate times gradient: no rate is left over from before."""
    model, seen = digits_cnn(activation="splash"), []
    schedule = short(SECOND, epochs=2, batch_size=96, momentum=0.0, weight_decay=0.0)
    start = learned(model)

    def watch(row: dict) -> None:
        gradient = {name: p.grad.clone() for name, p in activations.named_parameters(model)}
        seen.append((row["lr"], gradient, learned(model)))

    train(model, digits(96, 32), QUICK, THREAT, schedule, on_epoch=watch)
    (_, _, first), (rate, gradient, second) = seen
    assert same_tensors(first, start)
    assert rate == pytest.approx(schedule.rate(0.5))
    for name, value in second.items():
        torch.testing.assert_close(value, first[name] - rate * gradient[name])


def test_three_groups_and_the_activations_in_one_of_their_own():
    model = digits_cnn(activation="prelu", share="channel")
    for own in (False, True):
        groups = parameter_groups(model, Schedule(weight_decay=1e-3, decay_activations=own))
        assert [group["name"] for group in groups] == ["decayed", "free", "activations"]
        assert [group["weight_decay"] for group in groups] == [1e-3, 0.0, 1e-3 * own]
        assert set(groups[2]["params"]) == set(activations.parameters(model))
