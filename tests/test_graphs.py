"""Steps recorded as CUDA graphs do exactly what they do without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from helpers import digits, digits_cnn, same_tensors
from robust_activations import graphs, training
from robust_activations.attacks import PGD, Threat
from robust_activations.training import Images, Objective, Schedule, train

THREAT = Threat("linf", "0.15")


def on_gpu(n: int = 320) -> Images:
    cpu = digits(n, 64)
    tensors = (cpu.images, cpu.labels, cpu.held_images, cpu.held_labels)
    return Images(*(tensor.cuda() for tensor in tensors))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["standard", "pgd_at", "trades", "fgsm_rs", "n_fgsm"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("activation", ["relu", "pssilu", "splash"])
def test_recorded_is_as_unrecorded(monkeypatch, name, precision, activation):
    def trained() -> training.Trained:
        torch.backends.cudnn.deterministic = True
        model = digits_cnn(activation=activation).cuda().to(memory_format=torch.channels_last)
        schedule = Schedule(epochs=2, batch_size=64, lr=0.05, ema=0.9)
        return train(model, on_gpu(), Objective(name, PGD(3)), THREAT, schedule, precision=precision)

    recorded = trained()
    monkeypatch.setattr(training, "Recorded", lambda step, *rest: step)
    plain = trained()
    for ours, theirs in zip(recorded.history, plain.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
    for key, value in plain.last.items():
        torch.testing.assert_close(recorded.last[key], value, rtol=1e-2, atol=1e-3)


@pytest.mark.gpu
def test_recorded_and_resumed_is_bit_for_bit_the_same(tmp_path):
    def trained(**options) -> training.Trained:
        torch.backends.cudnn.deterministic = True
        model = digits_cnn(activation="pssilu").cuda()
        return train(model, on_gpu(), Objective("pgd_at", PGD(3)), THREAT, Schedule(3, 64, 0.05), **options)

    whole, state = trained(), tmp_path / "state.pt"
    assert not trained(state=state, go_on=lambda: False).finished
    assert same_tensors(trained(state=state).last, whole.last)


@pytest.mark.gpu
def test_batches_of_two_sizes_have_a_recording_each(monkeypatch):
    """Fewer images than a batch, so that none is left out, of which half is synthetic: 32 and 32, then 8 and 8."""
    data, sizes = on_gpu(40), []
    data = replace(data, extra=(data.images.clone(), data.labels.clone()), extra_ratio=0.5)
    monkeypatch.setattr(graphs._Recording, "__init__", spy(graphs._Recording.__init__, sizes))
    result = train(digits_cnn().cuda(), data, Objective("standard"), THREAT, Schedule(2, 64, 0.05))
    assert sizes == [64, 16]
    assert result.history[1]["loss"] < result.history[0]["loss"]


def spy(record: Callable, sizes: list[int]) -> Callable:
    def init(self, of, x, y) -> None:
        sizes.append(len(x))
        record(self, of, x, y)

    return init
