"""The attack suite, its counts and intervals, and the checklist that must catch masked gradients."""

from __future__ import annotations

import base64
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import digits_cnn, digits_test, same_tensors, tf32, unchecked
from robust_activations import data, runs
from robust_activations.attacks import PGD, Threat
from robust_activations.errors import UserError
from robust_activations.evaluation import (
    ATTACKS,
    SUITE,
    Check,
    Evaluation,
    Outcome,
    Suite,
    check_installed,
    evaluate,
    predictions,
)
from robust_activations.run import Run
from robust_activations.training import Objective, Schedule, train

THREAT = Threat("linf", "38.25/255")
CLEAN = Suite(attacks=("clean",), n=40, square_n=1, square_queries=1)


def spoil(x: Tensor, value: float) -> Tensor:
    x = x.clone()
    x[3, 0, 1, 1] = value
    return x


class Probe(nn.Module):
    """A linear model that remembers in which mode and types it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)
        self.seen: set[tuple[bool, torch.dtype, torch.dtype]] = set()

    def forward(self, x: Tensor) -> Tensor:
        logits = self.fc(x.flatten(1))
        self.seen.add((self.training, x.dtype, logits.dtype))
        return logits


# Outcomes


def test_outcome_counts_and_packs():
    for n in (1, 7, 8, 9, 497):
        right = torch.rand(n, generator=torch.Generator().manual_seed(n)) < 0.5
        outcome = Outcome.of(right, 1.23456)
        assert (outcome.correct, outcome.n, outcome.seconds) == (int(right.sum()), n, 1.235)
        assert len(base64.b64decode(outcome.bits)) == math.ceil(n / 8)
        assert np.array_equal(outcome.right, right.numpy())
        assert outcome.accuracy == int(right.sum()) / n


def test_bits_are_packed_first_image_first():
    """Others read the ledger too: bit 0 of the record is the highest bit of the first byte."""
    right = torch.zeros(10, dtype=torch.bool)
    right[0] = right[9] = True
    assert base64.b64decode(Outcome.of(right, 0.0).bits) == bytes([0b10000000, 0b01000000])


@pytest.mark.parametrize("bits", ["AAAA", "", "A", "AAA*", "ÄÄÄÄ"])
def test_bits_that_are_not_those_of_n_images(bits):
    with pytest.raises(UserError, match="bits"):
        _ = Outcome(0, 4, bits, 0.0).right


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 7), (497, 1000), (1, 1)])
def test_wilson_interval_closed_form(k, n):
    z, p = 1.959963984540054, k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = Outcome(k, n, "", 0.0).interval
    assert low == pytest.approx(max(0, middle - half), abs=1e-12)
    assert high == pytest.approx(min(1, middle + half), abs=1e-12)


def test_outcome_is_written_with_interval_and_n():
    assert str(Outcome(50, 100, "", 0.0)) == "50.0% [40.4%, 59.6%] of 100"


def test_a_check_passes_up_to_its_limit_and_never_on_nan():
    checks = tuple(Check(str(value), "", value, 0.5) for value in (0.4, 0.5, 0.6, math.nan))
    assert Evaluation({}, checks).masked == ("0.6", "nan")


# The suite


def test_counts_are_those_of_a_loop_by_hand():
    model, (x, y) = digits_cnn().eval(), digits_test(40)
    found = evaluate(model, x, y, THREAT, CLEAN).outcomes["clean"]
    by_hand = [int(model(image[None]).argmax()) == int(label) for image, label in zip(x, y, strict=True)]
    assert found.right.tolist() == by_hand
    assert found.correct == sum(by_hand)


def test_batches_do_not_matter_and_the_seed_decides():
    model, (x, y) = digits_cnn(), digits_test(30)
    suite = replace(CLEAN, attacks=("clean", "fgsm"), n=30)
    one, other = (evaluate(model, x, y, THREAT, suite, batch_size=size) for size in (7, 500))
    assert {k: o.bits for k, o in one.outcomes.items()} == {k: o.bits for k, o in other.outcomes.items()}
    suite = replace(CLEAN, attacks=("pgd20",), n=30)
    first, again = (evaluate(model, x, y, THREAT, suite, seed=3) for _ in range(2))
    assert first.outcomes["pgd20"].bits == again.outcomes["pgd20"].bits
    assert first.checks == again.checks

    class Look(Probe):
        def forward(self, x):
            shown.append(x.sum().item())
            return super().forward(x)

    model, starts = Look(), []
    for seed in (3, 3, 4):
        shown: list[float] = []
        evaluate(model, x, y, THREAT, suite, seed=seed, checked=False)
        starts.append(shown[-21])  # of the attack: 20 steps, and a look at what came out
    assert starts[0] == starts[1] != starts[2]


def test_uint8_and_float_images_give_the_same():
    model, dataset = digits_cnn(), data.load("digits", download=False)
    y = dataset.test_labels
    suite = replace(CLEAN, attacks=("clean", "fgsm"))
    whole = evaluate(model, dataset.test_images, y, THREAT, suite)
    share = evaluate(model, dataset.test_images.float() / 255, y, THREAT, suite)
    double = evaluate(model, dataset.test_images.float().double() / 255, y, THREAT, suite)
    bits = [{k: o.bits for k, o in found.outcomes.items()} for found in (whole, share, double)]
    assert bits[0] == bits[1] == bits[2]
    assert whole.checks == share.checks


@pytest.mark.parametrize("mode", [True, False])
def test_always_evaluation_mode_and_float32(mode):
    model, (x, y) = Probe().train(mode), digits_test(20)
    model.fc.bias.requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        evaluate(model, x, y, THREAT, replace(CLEAN, attacks=ATTACKS[:3], n=20))
    assert model.seen == {(False, torch.float32, torch.float32)}
    assert model.training is mode
    assert [p.requires_grad for p in model.parameters()] == [True, False]
    assert all(p.grad is None for p in model.parameters())


def test_no_tf32_meanwhile_and_all_as_before_then():
    seen = []

    class Look(Probe):
        def forward(self, x):
            seen.append(tf32())
            return super().forward(x)

    before, _ = tf32()
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        evaluate(Look(), *digits_test(5), THREAT, replace(CLEAN, n=5))
        assert tf32() == (before, True)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert set(seen) == {(False, False)}


def test_evaluation_changes_nothing_in_the_model():
    model, (x, y) = digits_cnn(), digits_test(20)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model.train(), x, y, THREAT, replace(CLEAN, attacks=("clean", "pgd20"), n=20))
    assert same_tensors(before, model.state_dict())


def test_an_attack_never_makes_a_wrong_image_right():
    """Accuracy under attack counts images that are right before and after."""
    model, (x, y) = digits_cnn(), digits_test(60)
    found = evaluate(model, x, y, THREAT, replace(CLEAN, attacks=("clean", *SUITE), n=60)).outcomes
    for name in SUITE:
        assert not (found[name].right & ~found["clean"].right).any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_diverged_model_is_never_right(norm):
    """Argmax of NaN is class 0, which would give a broken network a tenth of all images, under every attack."""
    model, (x, y) = digits_cnn(), digits_test(40)
    with torch.no_grad():
        model.fc.weight.fill_(math.nan)
    assert (predictions(model.eval(), x) == -1).all()
    suite = replace(CLEAN, attacks=ATTACKS, autoattack_n=10)
    found = evaluate(model, x, y, Threat(norm, "38.25/255"), suite)
    assert {o.correct for o in found.outcomes.values()} == {0}


def test_autoattack_takes_its_own_number_of_images():
    pytest.importorskip("pyautoattack")
    suite = replace(CLEAN, attacks=("clean", "autoattack"), autoattack_n=6)
    found = evaluate(digits_cnn(), *digits_test(40), THREAT, suite)
    assert (found.outcomes["clean"].n, found.outcomes["autoattack"].n) == (40, 6)
    assert list(found.outcomes["autoattack"].left) == ["apgd-ce", "apgd-t", "fab-t", "square"]
    assert found.checks[-1].name == "autoattack"
    assert found.checks[-1].value == len(found.flags)


def test_the_checklist_has_its_own_number_of_images():
    suite = replace(CLEAN, n=None, attacks=("clean",), square_n=None, check_n=4)
    shares = [check.value for check in evaluate(digits_cnn(), *digits_test(40), THREAT, suite).checks]
    assert all(4 * share == int(4 * share) for share in shares)


# Bad input


@pytest.mark.parametrize("value", [math.nan, -0.01, 1.01, math.inf])
def test_bad_pixels(value):
    x, y = digits_test(10)
    with pytest.raises(UserError, match=r"NaN|\[0, 1\]"):
        evaluate(digits_cnn(), spoil(x, value), y, THREAT, CLEAN)


def test_a_bad_pixel_behind_the_first_n_is_not_looked_at():
    x, y = digits_test(50)
    evaluate(digits_cnn(), torch.cat([x[:40], x[40:] + 5]), y, THREAT, CLEAN)


@pytest.mark.parametrize("label", [-1, 10, 255])
def test_labels_out_of_range(label):
    x, y = digits_test(10)
    y[2] = label
    with pytest.raises(UserError, match=r"labels must lie in 0\.\.9"):
        evaluate(digits_cnn(), x, y, THREAT, CLEAN)


def test_images_and_labels_of_different_number():
    x, y = digits_test(50)
    with unchecked(), pytest.raises(UserError, match="50 images and 45 labels"):
        evaluate(digits_cnn(), x, y[:45], THREAT, CLEAN)


def test_no_images():
    x, y = digits_test(5)
    with pytest.raises(UserError, match="empty"):
        evaluate(digits_cnn(), x[:0], y[:0], THREAT, CLEAN)


def test_weights_that_are_not_float32():
    with pytest.raises(UserError, match="bfloat16"):
        evaluate(digits_cnn().bfloat16(), *digits_test(5), THREAT, CLEAN)


def test_unknown_attack_names_the_nearest():
    with pytest.raises(UserError, match="did you mean pgd20"):
        Suite(attacks=("clean", "pgd2"))


@pytest.mark.parametrize("name", ["n", "autoattack_n", "square_n", "square_queries"])
def test_a_suite_of_no_images(name):
    with pytest.raises(UserError, match=f"{name} is 0"):
        Suite(**{name: 0})


# The checklist


@pytest.fixture(scope="module")
def robust() -> nn.Module:
    """Adversarially trained, honestly."""
    run = Run(
        "digits",
        "digits_cnn",
        "silu",
        THREAT,
        Objective("pgd_at", PGD(steps=4)),
        Schedule(epochs=6, batch_size=64, lr=0.2),
        model_options={"width": 8},
        held_out=200,
    )
    dataset = data.load("digits", download=False)
    model = runs.build(run, dataset)
    train(model, runs.images_of(run, dataset, torch.device("cpu")), run.objective, run.threat, run.schedule)
    return model


class Around(nn.Module):
    """A model with something before or behind it."""

    def __init__(self, model: nn.Module, function) -> None:
        super().__init__()
        self.model, self.function = model, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.model, x)


class NoiseForGradient(torch.autograd.Function):
    """The identity, with a gradient that has nothing to do with it."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return torch.randn_like(grad)


MASKS = {
    # Logits so far apart that the loss is exactly 0 in float32.
    "x1e4": (lambda model, x: 1e4 * model(x), {"zero_gradient", "unbounded"}),
    "x1e8": (lambda model, x: 1e8 * model(x), {"zero_gradient", "unbounded", "black_box"}),
    # Rounding has no slope.
    "quantised": (lambda model, x: model((4 * x).round() / 4), {"zero_gradient", "unbounded", "black_box"}),
    "rounded logits": (lambda model, x: (2 * model(x)).round(), {"zero_gradient", "unbounded"}),
    # Slopes without any meaning.
    "random gradient": (lambda model, x: model(NoiseForGradient.apply(x)), {"unbounded", "black_box"}),
    "shattered": (lambda model, x: model(x + 0.05 * torch.sin(2000 * x)), {"unbounded", "black_box"}),
    "reversed": (lambda model, x: model(2 * x.detach() - x), {"unbounded", "black_box"}),
    # Another answer each time: the attack aims at one network and hits another.
    "noise": (lambda model, x: model((x + 0.3 * torch.randn_like(x)).clamp(0, 1)), {"one_step"}),
}
SMALL = Suite(n=60, square_n=60, square_queries=150)


@pytest.fixture(scope="module")
def honest(robust) -> Evaluation:
    return evaluate(robust, *digits_test(), THREAT, replace(SMALL, attacks=("clean", *SUITE)))


def test_checklist_passes_an_honest_model(honest):
    assert honest.masked == ()
    assert [check.name for check in honest.checks] == [
        "zero_gradient", "one_step", "unbounded", "more_steps", "black_box",
    ]  # fmt: skip
    accuracy = {name: outcome.accuracy for name, outcome in honest.outcomes.items()}
    assert accuracy["clean"] > 0.9
    assert accuracy["clean"] >= accuracy["fgsm"] >= accuracy["pgd20"] - 0.01 >= accuracy["pgd50"] - 0.02
    assert accuracy["pgd50"] > 0.4  # withstands something, else there were nothing to tell apart
    more_steps = next(check for check in honest.checks if check.name == "more_steps")
    assert more_steps.value == accuracy["pgd50"] - accuracy["pgd20"]


@pytest.mark.parametrize("mask", MASKS)
def test_checklist_catches_a_masked_model(robust, mask):
    function, symptoms = MASKS[mask]
    torch.manual_seed(0)
    found = evaluate(Around(robust, function), *digits_test(), THREAT, replace(SMALL, attacks=("clean", "pgd20")))
    assert symptoms <= set(found.masked), {check.name: check.value for check in found.checks}


def test_checklist_works_in_l2(robust):
    threat = Threat("l2", "300/255")
    suite = replace(SMALL, attacks=("clean", "pgd20"), n=30, square_n=30)
    assert evaluate(robust, *digits_test(), threat, suite).masked == ()
    found = evaluate(Around(robust, MASKS["x1e4"][0]), *digits_test(), threat, suite)
    assert {"zero_gradient", "unbounded"} <= set(found.masked)


def test_margin_attack_breaks_what_large_logits_hide(robust, honest):
    """The reason why the suite has it: cross-entropy has no slope here, the margin has."""
    suite = replace(SMALL, attacks=("pgd20", "pgd50_margin"), square_n=1, square_queries=1)
    hidden = evaluate(Around(robust, MASKS["x1e4"][0]), *digits_test(), THREAT, suite).outcomes
    assert hidden["pgd20"].accuracy > honest.outcomes["pgd20"].accuracy + 0.1
    assert abs(hidden["pgd50_margin"].correct - honest.outcomes["pgd50_margin"].correct) <= 2


def test_without_pyautoattack_the_black_box_check_is_left_out(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyautoattack", None)
    found = evaluate(digits_cnn(), *digits_test(10), THREAT, replace(CLEAN, n=10))
    assert [check.name for check in found.checks] == ["zero_gradient", "one_step", "unbounded"]
    with pytest.raises(UserError, match="pip install"):
        evaluate(digits_cnn(), *digits_test(10), THREAT, replace(CLEAN, attacks=("autoattack",), n=10))
    with pytest.raises(UserError, match="pip install"):
        check_installed([CLEAN, replace(CLEAN, last=("clean", "autoattack"))])
