"""Float32 without TF32: while a network is trained and evaluated, and whatever the caller has set by then."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from helpers import digits, digits_cnn
from robust_activations.attacks import PGD, Threat
from robust_activations.precision import full_precision, true_float32
from robust_activations.training import Objective, Schedule, train

newer = pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="this torch has the older settings alone")


def settings() -> tuple[str, str]:
    return torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision


def set_to(convolutions: str, products: str) -> None:
    torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision = convolutions, products


@newer
@pytest.mark.parametrize("value", ["tf32", "ieee"])
def test_a_caller_who_uses_the_newer_settings(value):
    """To read the older ones then is an error."""
    before = settings()
    try:
        set_to(value, value)
        with full_precision(torch.device("cpu")):
            assert settings() == ("ieee", "ieee")
        assert settings() == (value, value)
    finally:
        set_to(*before)


@newer
def test_a_caller_who_uses_the_older_settings():
    torch.set_float32_matmul_precision("high")
    try:
        with true_float32():
            assert settings() == ("ieee", "ieee")
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_torch_that_has_no_newer_settings(monkeypatch):
    cudnn, matmul = SimpleNamespace(allow_tf32=True), SimpleNamespace(allow_tf32=False)
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    with true_float32():
        assert (cudnn.allow_tf32, matmul.allow_tf32) == (False, False)
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, False)


@newer
def test_training_is_in_true_float32_forwards_and_backwards():
    model, seen, before = digits_cnn(), [], settings()
    model.fc.register_forward_hook(lambda *_: seen.append(settings()))
    model.fc.weight.register_hook(lambda _: seen.append(settings()))
    train(model, digits(64, 32), Objective("pgd_at", PGD(2)), Threat("linf", "0.15"), Schedule(1, 32))
    assert len(seen) > 4
    assert set(seen) == {("ieee", "ieee")}
    assert settings() == before
