"""Float32 without TF32, while a network is trained and evaluated and whatever the caller has set; bfloat16 on a CPU."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from helpers import digits, digits_cnn
from robust_activations import precision
from robust_activations.attacks import PGD, Threat
from robust_activations.precision import full_precision, precision_context, true_float32
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


# ---- bfloat16 on a CPU ----------------------------------------------------------------------------------------------

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_convolutions_are_exact_but_for_the_rounding_of_operands_and_result(monkeypatch, dtype):
    """To half a spacing of bfloat16 or, where sums cancel, of a hundredth of the greatest number."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    torch.manual_seed(0)
    parts = torch.randn(4, 8, 9, 9, dtype=dtype), torch.randn(16, 8, 3, 3), torch.randn(16)
    leaves = [one.clone().requires_grad_() for one in parts]
    exact = [one.bfloat16().double().requires_grad_() for one in parts]
    with precision_context("bf16", CPU)():
        out = F.conv2d(*leaves[:2], bias=leaves[2], padding=1)
    wanted = F.conv2d(*exact, padding=1)
    slope = torch.randn_like(out)
    out.backward(slope)
    wanted.backward(slope.double())
    assert out.dtype is torch.bfloat16
    assert [leaf.grad.dtype for leaf in leaves] == [leaf.dtype for leaf in leaves]
    found = out.detach(), *(leaf.grad for leaf in leaves)
    for own, usual in zip(found, (wanted.detach(), *(leaf.grad for leaf in exact)), strict=True):
        torch.testing.assert_close(own.double(), usual, rtol=2**-8, atol=2**-8 * 0.01 * float(usual.abs().max()))


def test_sums_are_kept_in_float32(monkeypatch):
    """256 ones and 3 · 2⁻⁸ are 256 in bfloat16 however they are added; a bias of −256 shows whether it was rounded."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    x, weight = torch.ones(1, 257, 1, 1), torch.ones(1, 257, 1, 1)
    x[0, -1] = 3 * 2**-8
    with precision_context("bf16", CPU)():
        out = F.conv2d(x, weight, torch.tensor([-256.0]))
    assert out.dtype is torch.bfloat16
    assert out.item() == 3 * 2**-8


def test_what_is_rounded_is_what_autocast_rounds(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    x, weight = torch.rand(2, 3, 5, 5) + 1e-3, torch.rand(4, 3, 3, 3)
    with precision_context("bf16", CPU)():
        assert F.conv2d(x.double(), weight.double()).dtype is torch.float64
        with full_precision(CPU):
            assert torch.equal(F.conv2d(x, weight), torch.conv2d(x, weight))
        assert F.conv2d(x, weight).dtype is torch.bfloat16
        assert torch.equal(F.conv2d(input=x, weight=weight), F.conv2d(x, weight))
    assert F.conv2d(x, weight).dtype is torch.float32


def test_a_cpu_says_whether_it_has_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    assert not precision.has_bfloat16()
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace(_is_mkldnn_bf16_supported=lambda: True))
    assert precision.has_bfloat16()
