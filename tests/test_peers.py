"""Our attacks beside torchattacks, our AutoAttack beside pyautoattack itself; its flags, and going on after a stop."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn

from helpers import digits_test, robust_cnn
from robust_activations.attacks import PGD, Threat, attacking, pgd
from robust_activations.autoattack import STANDARD, autoattack
from robust_activations.errors import UserError
from robust_activations.steps import Steps

LINF, L2 = Threat("linf", "0.15"), Threat("l2", "0.8")


@pytest.mark.parametrize("threat", [LINF, L2], ids=str)
def test_pgd_agrees_with_torchattacks(threat):
    torchattacks = pytest.importorskip("torchattacks")
    model, (x, y) = robust_cnn(), digits_test()
    torch.manual_seed(0)
    peer = {"linf": torchattacks.PGD, "l2": torchattacks.PGDL2}[threat.norm]
    other = peer(model, eps=threat.radius, alpha=threat.radius / 4, steps=20)(x, y)
    with attacking(model), torch.no_grad():
        own = pgd(model, x, y, threat, PGD(20), generator=torch.Generator().manual_seed(0))
        accuracies = [(model(moved).argmax(1) == y).float().mean().item() for moved in (own, other)]
    assert 0.2 < accuracies[0] < 0.9
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.01)


pytest.importorskip("pyautoattack")


def direct(model: nn.Module, x: Tensor, y: Tensor, threat: Threat, queries: int, batch_size: int) -> Tensor:
    """Which images withstand the standard version as pyautoattack runs it by itself."""
    from pyautoattack import AutoAttack

    norm = {"linf": "Linf", "l2": "L2"}[threat.norm]
    engine = AutoAttack(model.eval(), norm=norm, eps=threat.radius, seed=0, version="standard")
    assert tuple(engine.attacks_to_run) == STANDARD
    engine.square.n_queries = queries
    _, labels = engine.run_standard_evaluation(x, y, batch_size=batch_size)
    model.zero_grad()
    return labels == y


@pytest.mark.parametrize("threat", [LINF, L2], ids=str)
def test_autoattack_is_pyautoattack(threat):
    """One attack at a time on what is left gives what one run of all four gives, image by image, in several batches."""
    n = 16 if threat is LINF else 8  # linf: two batches at first, then one
    model, (x, y) = robust_cnn(), digits_test(n)
    y[:2] = (y[:2] + 1) % 10  # two that are wrong from the start
    state = torch.get_rng_state()
    robust, left, flags = autoattack(model, x, y, threat, queries=200, batch_size=10)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert torch.equal(robust, direct(model, x, y, threat, queries=200, batch_size=10))
    assert tuple(left) == STANDARD
    counts = list(left.values())
    assert counts == sorted(counts, reverse=True)
    assert 0 < counts[-1] == int(robust.sum()) < n - 2
    assert flags == []


class Stopping(nn.Module):
    """A model that is interrupted after so many passes."""

    def __init__(self, model: nn.Module, after: int | None) -> None:
        super().__init__()
        self.model, self.after, self.passes = model, after, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        if self.passes == self.after:
            raise KeyboardInterrupt
        return self.model(x)


def test_autoattack_goes_on_where_it_was_stopped(tmp_path):
    x, y = digits_test(10)
    state, options = tmp_path / "state.json", {"attacks": ("apgd-ce", "apgd-t", "square"), "queries": 100}
    whole = Stopping(robust_cnn(), None)
    expected = autoattack(whole, x, y, LINF, **options)
    stopped = Stopping(robust_cnn(), whole.passes - 60)  # somewhere in the last attack
    with pytest.raises(KeyboardInterrupt):
        autoattack(stopped, x, y, LINF, steps=Steps(state), **options)
    assert "apgd-t" in state.read_text()
    assert "square" not in state.read_text()
    again = Stopping(robust_cnn(), None)
    found = autoattack(again, x, y, LINF, steps=Steps(state), **options)
    assert torch.equal(found[0], expected[0])
    assert found[1:] == expected[1:]
    assert again.passes < whole.passes / 2
    once_more = Stopping(robust_cnn(), None)
    assert autoattack(once_more, x, y, LINF, steps=Steps(state), **options)[1:] == expected[1:]
    assert once_more.passes == 1


class Random(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return robust_cnn()(x + 0.1 * torch.randn_like(x))


class Probabilities(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return robust_cnn()(x).softmax(1)


class Dynamic(nn.Module):
    """Moves each image against the attack before it classifies it."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            (grad,) = torch.autograd.grad(robust_cnn()(z).logsumexp(1).sum(), z)
        return robust_cnn()(x - 1e-3 * grad.sign())


class Shattered(nn.Module):
    """Eight grey levels: the gradient is zero everywhere, but black-box attacks need none."""

    def forward(self, x: Tensor) -> Tensor:
        return robust_cnn()((8 * x).round() / 8)


@pytest.mark.parametrize(
    ("model", "attacks", "words"),
    [
        (Random(), ("apgd-ce",), "randomized"),
        (Probabilities(), ("apgd-ce",), "probability distribution"),
        (Shattered(), ("apgd-t",), "zero gradient"),
        (Dynamic(), ("apgd-ce",), "dynamic"),
        (Shattered(), ("apgd-ce", "square"), "Square Attack has decreased"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_what_autoattack_warns_of_is_collected(model, attacks, words):
    x, y = digits_test(10 if "square" in attacks else 4)
    _, _, flags = autoattack(model, x, y, LINF, attacks=attacks, queries=100)
    assert any(words in flag for flag in flags), flags
    assert all("\n" not in flag for flag in flags)
    _, _, flags = autoattack(robust_cnn(), x, y, LINF, attacks=("apgd-ce",))
    assert flags == []  # the next model is not blamed


def test_autoattack_leaves_a_trace_alone():
    seen = []

    def trace(frame, event, argument):
        seen.append(frame.f_code.co_name)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        autoattack(robust_cnn(), *digits_test(2), LINF, attacks=("apgd-ce",))
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


def test_autoattack_on_few_classes():
    """AutoAttack's targeted attacks want 9 other classes unless told how many there are."""
    x, y = digits_test(6)
    model = nn.Sequential(robust_cnn(), nn.Linear(10, 5))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(10)[:5] + torch.eye(10)[5:])
        model[1].bias.zero_()
    robust, left, flags = autoattack(model, x, y % 5, LINF, attacks=("apgd-t", "fab-t"))
    assert flags == []
    assert left["fab-t"] == robust.sum()


def test_autoattack_when_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(UserError, match="pip install"):
        autoattack(robust_cnn(), *digits_test(2), LINF)
