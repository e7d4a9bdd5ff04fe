"""The training loop: choosing the epoch, stopping and going on, collapse, and what adversarial training reaches."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from helpers import digits, digits_cnn, digits_test, same_tensors
from robust_activations import activations, data, runs, training
from robust_activations.attacks import PGD, Threat, attacking, fgsm, pgd
from robust_activations.data import Augment
from robust_activations.errors import UserError
from robust_activations.evaluation import SUITE, under_attack
from robust_activations.studies.protocol import recipe
from robust_activations.training import PROBE, Images, Objective, Schedule, Trained, collapse, train

THREAT = Threat("linf", "0.15")
QUICK = Objective("pgd_at", PGD(2, step="0.1"))


def short(epochs: int = 3, **options) -> Schedule:
    return Schedule(**({"epochs": epochs, "batch_size": 32, "lr": 0.05} | options))


# The probe and the choice of the epoch.


def test_the_probe_is_what_attacks_by_hand_give():
    model, images = digits_cnn(width=8), digits(512, 100)
    row = train(model, images, QUICK, THREAT, short(2)).history[-1]
    x, y, generator = images.held_images / 255, images.held_labels, torch.Generator().manual_seed(0)
    with attacking(model), torch.no_grad():
        for name, attack in (("clean", None), ("fgsm", fgsm(THREAT)), ("pgd10", PROBE)):
            moved = x if attack is None else pgd(model, x, y, THREAT, attack, generator=generator)
            assert row[f"held_{name}"] == pytest.approx((model(moved).argmax(1) == y).float().mean().item())
    assert row["held_clean"] > row["held_pgd10"]
    assert row["held_fgsm"] >= row["held_pgd10"]


@pytest.mark.parametrize(
    ("name", "clean", "robust", "best"),
    [
        ("standard", [0.5, 0.9, 0.9, 0.7], [0.4, 0.1, 0.1, 0.1], 1),
        ("pgd_at", [0.5, 0.9, 0.9, 0.7], [0.2, 0.2, 0.4, 0.3], 2),
        ("trades", [0.9, 0.5, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4], 3),
        ("n_fgsm", [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], 0),
    ],
)
def test_the_best_epoch_is_chosen_on_held_out_images(monkeypatch, name, clean, robust, best):
    weights = []

    def probe(model: nn.Module, *_) -> dict:
        epoch = len(weights)
        weights.append({key: value.clone() for key, value in model.state_dict().items()})
        return {"held_clean": clean[epoch], "held_fgsm": robust[epoch], "held_pgd10": robust[epoch], "activations": {}}

    monkeypatch.setattr(training, "_probe", probe)
    result = train(digits_cnn(), digits(64), Objective(name, PGD(1)), THREAT, short(4))
    assert result.best_epoch == best
    assert same_tensors(result.best, weights[best])
    assert same_tensors(result.last, weights[-1])
    assert not same_tensors(weights[0], weights[1])


def test_history_shows_what_activations_learn():
    shared = train(digits_cnn(activation="pssilu"), digits(64), QUICK, THREAT, short(2))
    learned = shared.history[-1]["activations"]
    assert {name.rsplit(".")[-1] for name in learned} == {"alpha", "beta"}
    assert all(len(values) == 1 for values in learned.values())
    assert shared.history[0]["activations"] != learned
    wide = train(digits_cnn(width=8, activation="prelu", share="channel"), digits(64), QUICK, THREAT, short(1))
    slopes = {name: p for name, p in wide.last.items() if name.endswith("alpha")}
    assert [len(v) for v in slopes.values()] == [8, 16, 32]
    for name, values in wide.history[-1]["activations"].items():
        expected = slopes[name] if len(slopes[name]) <= 16 else torch.stack([slopes[name].mean(), slopes[name].std()])
        assert values == pytest.approx(expected.tolist())


# Stopping and going on.


class Dropping(nn.Module):
    """A tiny model with dropout, whose masks come from the global generator."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), activations.create("pssilu"), nn.Flatten(), nn.Dropout(0.3)
        )
        self.fc = nn.Linear(36, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layers(x))


def timeless(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in history]


def assert_same(first: Trained, second: Trained) -> None:
    assert timeless(first.history) == timeless(second.history)
    assert (first.best_epoch, first.collapsed, first.finished) == (second.best_epoch, second.collapsed, second.finished)
    assert same_tensors(first.last, second.last)
    assert same_tensors(first.best, second.best)


def with_extra(images: Images) -> Images:
    images.augment, images.extra = Augment(crop=1, flip=True), (images.held_images, images.held_labels)
    images.extra_ratio = 0.25
    return images


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}], ids=["", "average"])
@pytest.mark.parametrize("objective", [QUICK, Objective("trades", PGD(2))], ids=lambda objective: objective.name)
def test_stopped_and_resumed_is_bit_for_bit_the_same(tmp_path, objective, options):
    schedule, images = short(4, warmup=1.0, **options), with_extra(digits(128))
    straight = train(Dropping(), images, objective, THREAT, schedule, seed=3)
    file, rows = tmp_path / "resume.pt", []
    part = train(
        Dropping(),
        images,
        objective,
        THREAT,
        schedule,
        seed=3,
        state=file,
        on_epoch=rows.append,
        go_on=lambda: len(rows) < 2,
    )
    assert (len(part.history), part.finished, part.collapsed) == (2, False, None)
    model = Dropping()
    torch.manual_seed(7)  # the global generator, from which dropout draws, is elsewhere now
    rest = train(model, images, objective, THREAT, schedule, seed=3, state=file, on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert_same(rest, straight)
    # A finished run is not trained further.
    assert_same(train(Dropping(), images, objective, THREAT, schedule, seed=3, state=file), straight)
    other = train(Dropping(), images, objective, THREAT, schedule, seed=4)
    assert not same_tensors(other.last, straight.last)


KILLED = """
import sys, torch
sys.path.insert(0, {tests!r})
from test_training_loop import *
train(Dropping(), digits(256), QUICK, THREAT, short(25), state=Path(sys.argv[1]),
      on_epoch=lambda row: print(row["epoch"], flush=True))
"""


def test_killed_at_any_moment_it_goes_on_bit_for_bit_the_same(tmp_path):
    file = tmp_path / "resume.pt"
    code = KILLED.format(tests=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "0\n"
        time.sleep(random.uniform(0, 0.3))
        process.kill()
        printed = process.stdout.read().split()
    rows = []
    resumed = train(Dropping(), digits(256), QUICK, THREAT, short(25), state=file, on_epoch=rows.append)
    assert 0 < len(rows) < 25
    assert rows[0]["epoch"] > int((printed or ["0"])[-1])  # what was reported done is not done again
    assert_same(resumed, train(Dropping(), digits(256), QUICK, THREAT, short(25)))


def test_training_leaves_the_global_generator_alone():
    model = Dropping()
    before = torch.get_rng_state()
    train(model, digits(64), QUICK, THREAT, short(1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("damage", ["truncated", "empty", "other model", "no average"])
def test_a_broken_state_is_named_and_kept(tmp_path, damage):
    file, schedule = tmp_path / "resume.pt", short(2)
    train(digits_cnn(), digits(64), QUICK, THREAT, schedule, state=file, go_on=lambda: False)
    content = file.read_bytes()
    model = digits_cnn(width=6 if damage == "other model" else 4)
    if damage == "no average":
        schedule = short(2, ema=0.9)
    elif damage != "other model":
        content = content[: len(content) // 2] if damage == "truncated" else b""
        file.write_bytes(content)
    with pytest.raises(UserError, match="delete it to start again") as caught:
        train(model, digits(64), QUICK, THREAT, schedule, state=file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == content


# Collapse.


def history(*rows: tuple[float, float, float]) -> list[dict]:
    return [{"held_clean": clean, "held_fgsm": one, "held_pgd10": ten} for clean, one, ten in rows]


@pytest.mark.parametrize(
    ("rows", "name", "words"),
    [
        ([(0.9, 0.6, 0.5), (0.9, 0.6, 0.5)], "n_fgsm", None),
        ([(0.9, 0.6, 0.5), (0.9, 0.6, 0.26)], "n_fgsm", None),
        ([(0.9, 0.6, 0.5), (0.9, 0.8, 0.01)], "n_fgsm", "from 50.0% to 1.0%"),
        ([(0.9, 0.6, 0.5), (0.9, 0.8, 0.24)], "pgd_at", "catastrophic overfitting"),
        ([(0.9, 0.6, 0.5), (0.9, 0.2, 0.2)], "pgd_at", None),  # FGSM fell with it: another failure
        ([(0.9, 0.8, 0.0), (0.9, 0.6, 0.5)], "fgsm_rs", None),  # it has recovered
        ([(0.9, 0.6, 0.5), (0.9, 0.8, 0.01)], "standard", None),  # as expected without adversarial training
        ([(0.9, 0.3, 0.09), (0.9, 0.3, 0.01)], "pgd_at", None),  # there was nothing to lose
        ([(0.9, 0.3, 0.09), (0.9, 0.3, 0.04)], "n_fgsm", "FGSM leaves 30.0% right, PGD-10 4.0%"),  # before the first
        ([(0.9, 0.2, 0.11), (0.9, 0.2, 0.11)], "n_fgsm", None),  # above chance
        ([(0.3, 0.12, 0.05), (0.3, 0.12, 0.07)], "n_fgsm", None),  # weak, and against FGSM too
        ([(0.9, 0.09, 0.0)], "n_fgsm", None),  # FGSM is not withstood either
        ([(0.11, 0.1, 0.1)], "pgd_at", "no better than chance"),
        ([(0.9, 0.6, 0.5), (0.1, 0.1, 0.1)], "standard", "no better than chance"),
        ([(0.3, 0.1, 0.05)], "standard", None),
    ],
)
def test_collapse_is_seen_in_the_history(rows, name, words):
    found = collapse(history(*rows), Objective(name), classes=10)
    assert (found is None) == (words is None)
    if words:
        assert words in found


def test_chance_depends_on_the_number_of_classes():
    standard = Objective("standard")
    assert collapse(history((0.6, 0.0, 0.0)), standard, classes=2) is None
    assert collapse(history((0.52, 0.0, 0.0)), standard, classes=2)
    assert collapse(history((0.03, 0.0, 0.0)), standard, classes=100) is None
    assert collapse(history((0.012, 0.0, 0.0)), standard, classes=100)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    file, rows = tmp_path / "resume.pt", []
    result = train(digits_cnn(), digits(128), QUICK, THREAT, short(5, lr=1e20), state=file, on_epoch=rows.append)
    assert result.finished
    assert "the loss became" in result.collapsed
    assert len(result.history) == len(rows) < 5
    assert not math.isfinite(rows[-1]["loss"])
    assert "held_clean" not in rows[-1]
    assert result.best_epoch < len(rows) - 1
    assert all(value.isfinite().all() for value in result.best.values())
    again = train(digits_cnn(), digits(128), QUICK, THREAT, short(5, lr=1e20), state=file)
    assert (again.finished, again.collapsed, len(again.history)) == (True, result.collapsed, len(rows))


def test_a_run_that_learns_nothing_is_collapsed():
    result = train(digits_cnn(), digits(64, 200), Objective("standard"), THREAT, short(1, lr=0.0))
    assert result.finished
    assert "chance" in result.collapsed


# Sizes.


@pytest.mark.parametrize("n", [5, 32, 33, 70])
def test_any_number_of_images(n):
    """A last, smaller batch is left out, unless it is the only one."""
    seen = []
    model = digits_cnn()
    model.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])) if module.training else None)
    train(model, digits(n), Objective("standard"), THREAT, short(1))
    assert seen == ([32] * (n // 32) or [n])


def test_an_attack_with_another_loss_is_otherwise_the_same():
    attack = PGD(7, step="2/255", restarts=2)
    assert replace(attack, loss="kl") == PGD(7, step="2/255", restarts=2, loss="kl")


# What it is for.


def test_adversarial_training_withstands_what_breaks_standard_training():
    """The digits' protocol at radius 0.15: PGD-AT keeps 70 % or more under PGD-50, standard training less than 30 %.

    Processors round differently, and the trainings part: 74.8 % was seen on one, 75 % and more on others.
    """
    make, dataset = recipe("digits"), data.load("digits", download=False)
    x, y = digits_test()
    accuracy = {}
    for objective in (make("relu").objective, Objective("standard")):
        run = make("relu", objective=objective)
        assert run.threat == THREAT
        model = runs.build(run, dataset)
        images = runs.images_of(run, dataset, torch.device("cpu"))
        result = train(model, images, run.objective, run.threat, run.schedule, seed=run.seed)
        assert result.collapsed is None
        model.load_state_dict(result.best)
        accuracy[objective.name] = under_attack(model, x, y, THREAT, SUITE["pgd50"](THREAT)).float().mean().item()
        assert result.history[-1]["held_clean"] > 0.9
    assert accuracy["pgd_at"] >= 0.7
    assert accuracy["standard"] < 0.3
