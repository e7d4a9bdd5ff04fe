"""What records took, and what is estimated from them: by kind of device, and of two cores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

import tiny
from robust_activations import estimates, provenance
from robust_activations.estimates import estimate
from robust_activations.ledger import Record
from robust_activations.training import Schedule

CARD = "NVIDIA H100 80GB HBM3"


def timed(seconds: float, trained: Sequence[float] = (), device: str = "cpu", threads: int = 2, **changes) -> Record:
    """A record that took so many seconds, of which each epoch's training took so many."""
    one = tiny.record(replace(tiny.RUN, **changes))
    history = tuple({"epoch": epoch, "train_seconds": value} for epoch, value in enumerate(trained)) or one.history
    return replace(
        one, history=history, provenance=replace(one.provenance, seconds=seconds, device=device, threads=threads)
    )


@pytest.mark.parametrize(
    ("device", "gpu"),
    [
        (CARD, True),
        ("8 x NVIDIA A100-SXM4-40GB, synchronised BatchNorm", True),
        ("Tesla V100-SXM2-16GB", True),
        ("GeForce RTX 2080 Ti", True),
        ("AMD Instinct MI250X", True),
        ("AMD Radeon RX 7900 XTX", True),
        ("AMD EPYC", False),
        ("8 x AMD EPYC", False),
        ("AMD Ryzen 7 5800H with Radeon Graphics", False),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", False),
        ("Apple M2", False),
        ("x86_64", False),
        (provenance.cpu_name(), False),
    ],
)
def test_kinds_of_device(device, gpu):
    """On a CPU a thread takes one of two cores. What eight GPUs did together takes one of them eight times as long."""
    count = 8 if device.startswith("8 x") else 1
    assert estimates.on_gpu(timed(1, device=device)) is gpu
    assert estimates.seconds(timed(8, device=device, threads=1)) == count * (8 if gpu else 4)
    assert estimates.seconds(timed(8, device=device, threads=4)) == count * (8 if gpu else 16)


def test_estimate():
    """Training goes by epochs, the rest does not; records of the other kind of device tell nothing."""
    records = [
        timed(10, [2, 2], device=CARD),
        timed(2000, [100, 200], "AMD EPYC"),  # 150 an epoch, 1700 besides
        timed(2400, [400, 200], "AMD EPYC", threads=1, activation="silu"),  # of two cores: 150 an epoch, 900 besides
        timed(90000, [30, 50, 40], "AMD EPYC", seed=1),  # 40 an epoch, and then it slept
        timed(7, [7], "AMD EPYC", model="resnet18"),
    ]
    run = replace(tiny.RUN, schedule=Schedule(epochs=20))
    for scale in ("digits", "cpu"):
        assert estimate(run, records, scale) == pytest.approx(150 * 20 + 1700)
    for scale in ("gpu", "paper"):
        assert estimate(run, records, scale) == pytest.approx(2 * 20 + 6)
        assert estimate(run, records[1:], scale) is None
    assert estimate(run, records[:1], "cpu") is None
    assert estimate(replace(run, dataset="mnist"), records, "cpu") is None


def test_estimate_by_records_with_the_same_suite():
    """One network attacked with everything says little of what a cheap suite takes."""
    dear = replace(tiny.RUN.suite, attacks=(*tiny.RUN.suite.attacks, "autoattack"))
    records = [timed(1000, [10, 10], "AMD EPYC", suite=dear), timed(60, [10, 10], "AMD EPYC", activation="silu")]
    run = replace(tiny.RUN, schedule=Schedule(epochs=3))
    assert estimate(run, records, "cpu") == pytest.approx(30 + 40)
    assert estimate(replace(run, suite=dear), records, "cpu") == pytest.approx(30 + 980)
    assert estimate(run, records[:1], "cpu") == pytest.approx(30 + 980)  # better than nothing


def test_estimate_from_records_that_do_not_say_what_training_took():
    half = Schedule(epochs=10)
    records = [timed(10, schedule=Schedule(epochs=5)), timed(40, activation="silu", schedule=half)]
    assert estimate(replace(tiny.RUN, schedule=Schedule(epochs=20)), records, "cpu") == pytest.approx((2 + 4) / 2 * 20)
