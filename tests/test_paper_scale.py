"""Every run at scale `paper` is ready to launch: its network, objective and schedule make one real step.

About four minutes in one thread. That an attack stays in its ball is tested in `test_attacks`.
"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import dry
from robust_activations import activations, models
from robust_activations.evaluation import SUITE
from robust_activations.run import Run
from robust_activations.studies import STUDIES, sat

STEPS = list({dry.key(run): run for study in STUDIES.values() for run in study.runs("paper")}.values())
# By far the largest network, in a process of its own, so that what it takes shows.
LARGEST = "efficientnet_l1"
LIMIT = 12  # GB


def check(run: Run) -> None:
    out = dry.step(run)
    assert math.isfinite(out.row["loss"])
    assert out.row["epoch"] >= run.schedule.warmup
    assert out.row["lr"] == run.schedule.rate(out.row["epoch"] / run.schedule.epochs) > 0
    for name, parameter in out.model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.isfinite().all(), name
    weights = [p for p in out.model.parameters() if p.dim() > 1 and p.requires_grad]
    assert all(weight.grad.any() for weight in (weights[0], weights[-1]))
    learned = {name: p for name, p in activations.named_parameters(out.model) if p.requires_grad}
    assert any(p.grad.any() for p in learned.values()) or not learned
    for name, p in learned.items():
        before = out.before[name]
        if not run.schedule.learns(out.row["epoch"]):  # in a phase to come
            assert torch.equal(p.detach(), before), name
            continue
        assert p.grad.any() or unreachable(run, name), name
        # A step below the parameter's own precision, as that of SmoothReLU's large sharpness may be, cannot be seen,
        # nor one of a gradient that weight decay cancels.
        pull = p.grad + (run.schedule.weight_decay * before if run.schedule.decay_activations else 0.0)
        visible = out.row["lr"] * pull.abs() > torch.finfo(p.dtype).eps * before.abs()
        assert (p.detach() != before)[visible].all(), name


def unreachable(run: Run, name: str) -> bool:
    """Whether this parameter of an activation may have no gradient in the first step."""
    # Behind a last BatchNorm whose scale is 0 a block has nothing to learn from; and |β| has no slope at β = 0.
    zero_beta = run.activation == "pssilu" and run.activation_options.get("beta") == 0.0 and name.endswith("beta")
    # A hinge whose coefficients are still 0 may be anywhere.
    no_slope = run.activation == "splash" and name.endswith("hinges")
    return zero_beta or no_slope or bool(run.model_options.get("zero_init"))


@pytest.mark.parametrize("run", [pytest.param(run, id=run.label) for run in STEPS if run.model != LARGEST])
def test_one_step(run: Run) -> None:
    check(run)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the memory from")
@pytest.mark.skipif(not any(run.model == LARGEST for run in STEPS), reason="no study has it")
def test_the_largest_network_needs_less_than_12_gigabytes() -> None:
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 2 < float(done.stdout) < LIMIT  # its weights alone are 2 GB


@pytest.mark.parametrize("run", sat.scaling("paper")["family"].values(), ids=lambda run: run.model)
def test_batchnorm_of_efficientnets_is_that_of_the_authors_command(run: Run) -> None:
    with torch.device("meta"):
        model = models.create(run.model, activation=run.activation, **run.model_options)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.momentum, norm.eps) for norm in norms} == {(0.1, 1e-5)}


def test_smooth_adversarial_training_warms_up_and_evaluates_by_the_authors_rules() -> None:
    for run in STUDIES["sat"].runs("paper"):
        assert run.schedule.lr <= 0.1  # above which they warm up
        assert run.schedule.warmup == 0
        steps = {SUITE[name](run.threat).length(run.threat) for name in run.suite.attacks if name in SUITE}
        assert list(steps) == [pytest.approx(1 / 255)]


if __name__ == "__main__":
    for largest in STEPS:
        if largest.model == LARGEST:
            check(largest)
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(int(peak.split()[1]) / 1e6)
