"""Accuracy against ε of saved networks: from the command to the file that a page reads."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

import tiny
from robust_activations import data, paths, runs
from robust_activations.attacks import Threat
from robust_activations.errors import UserError
from robust_activations.evaluation import SUITE, under_attack
from robust_activations.ledger import Ledger
from robust_activations.studies import curves

N = 40
RADII = ("12.75/255", "38.25/255", "76.5/255")


@pytest.fixture(scope="module")
def network(made):
    return runs.trained(tiny.RUN, made / "data")


def test_an_image_that_has_fallen_stays_fallen(network):
    digits = data.load("digits")
    images, labels = digits.test_images[:N], digits.test_labels[:N]
    threats = [Threat("linf", radius) for radius in RADII]
    clean, *right = curves.along(network, images, labels, threats).correct
    alone = [int(under_attack(network, images, labels, one, SUITE["pgd20"](one)).sum()) for one in threats]
    assert clean > right[0] == alone[0] > right[-1]
    assert right == sorted(right, reverse=True)
    assert all(count <= other for count, other in zip(right, alone, strict=True))


def test_a_network_in_training_mode_is_measured_in_evaluation_mode(network, made):
    """And with the counts of its record."""
    digits, record = data.load("digits"), Ledger(made / "ledger")[tiny.RUN]
    n = record.best.outcomes["clean"].n
    model = copy.deepcopy(network).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = curves.along(model, digits.test_images[:n], digits.test_labels[:n], [tiny.RUN.threat], seed=tiny.RUN.seed)
    assert found.correct == (record.best.outcomes["clean"].correct, record.best.outcomes["pgd20"].correct)
    assert model.training
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_attacks_that_are_given_few_images_get_all_that_are_left(network):
    digits, tight = data.load("digits"), [Threat("linf", "2/255")]
    clean, after = curves.along(
        network, digits.test_images[:120], digits.test_labels[:120], tight, attack="one_pixel"
    ).correct
    assert clean > after > 0


@pytest.mark.parametrize("radii", [("2/255", "1/255"), ("2/255", "2/255")])
def test_radii_grow(network, radii):
    digits = data.load("digits")
    with pytest.raises(UserError, match=rf"radii must grow: {' '.join(radii)}"):
        curves.along(network, digits.test_images[:2], digits.test_labels[:2], [Threat("linf", one) for one in radii])


def test_what_the_command_prints_is_what_is_read(call, made, tmp_path):
    path = made / "data" / "checkpoints" / tiny.RUN.id / "best.safetensors"
    status, out, err = call("evaluate", path, "--radii", *RADII, "--samples", N, "--json")
    assert (status, err) == (0, "")
    (row,) = json.loads(out)
    assert (row["run"], row["provenance"]["code"]) == (tiny.RUN.label, paths.fingerprint())
    (tmp_path / "curves.json").write_text(out)
    ((run, curve),) = curves.read(tmp_path / "curves.json").items()
    assert (run, curve.n, list(curve.correct)) == (tiny.RUN.id, N, row["correct"])
    assert curve.radii == pytest.approx((0, 0.05, 0.15, 0.3))
    assert curves.read(tmp_path / "none.json") == {}
    status, out, _ = call("evaluate", path, "--radii", RADII[0], "--samples", N)
    assert (status, out.split()[:4]) == (0, ["RIGHT", "OF", "0/255", "12.75/255"])
    assert out.split()[5:8] == [f"{count}" for count in (N, *curve.correct[:2])]


def test_the_first_seed_that_was_kept_comes_with_its_curve():
    seeds = [replace(tiny.RUN, seed=seed) for seed in range(3)]
    kept = {seeds[seed].id: curves.Curve((0.0,), (seed,), 10) for seed in (1, 2)}
    assert curves.first(kept, seeds) == (1, kept[seeds[1].id])
    assert curves.first(kept, seeds[:1]) is None
