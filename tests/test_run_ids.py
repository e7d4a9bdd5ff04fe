"""What decides a result, and the id that stands for it for good."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from pydantic import TypeAdapter

import tiny
from helpers import unchecked
from robust_activations.attacks import PGD, Threat
from robust_activations.data import Augment
from robust_activations.errors import UserError
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.training import Objective, Schedule

THREAT = Threat("linf", "8/255")
PLAIN = Run("cifar10", "resnet18", "relu", THREAT)
FULL = Run(
    "cifar10",
    "wrn28_10",
    "pssilu",
    Threat("l2", "128/255"),
    Objective("trades", PGD(steps=7, step="2/255"), beta=5.0, label_smoothing=0.1, as_authors=True),
    Schedule(epochs=200, lr=0.2, shape="step", milestones=(0.5, 0.9), ema=0.995),
    Suite(attacks=("clean", "autoattack"), n=1000),
    seed=3,
    share="channel",
    activation_options={"penalty": 10.0, "clip": 0.01},
    model_options={"dropout": 0.3},
    augment=Augment(crop=4, flip=True),
    extra="data/ddpm.npz",
    extra_ratio=0.7,
    precision="bf16",
)

LENT = replace(
    PLAIN, activation="sparta", donor=FULL, schedule=Schedule(learn=(0.0, 0.5)), suite=Suite(last=("clean",))
)


def loosely(cls: type, **values):
    """As somebody writes who is not checked: 1 for 1.0."""
    with unchecked():
        return cls(**values)


def test_ids_are_these_for_good():
    """If this fails, every record of the ledger has lost its run. Change the code, not the test."""
    assert PLAIN.canonical == (
        '{"activation":"relu","dataset":"cifar10","model":"resnet18","threat":{"eps":"8/255","norm":"linf"}}'
    )
    assert PLAIN.id == "242565827d6e"
    assert FULL.id == "8eaa9cc0b637"
    assert LENT.id == "bdfc19f9cfe1"


def test_defaults_are_these_for_good():
    """A default does not show in an id; so another default would change what old ids mean."""
    defaults = {
        "objective": {
            "name": "pgd_at", "beta": 6.0, "label_smoothing": 0.0, "as_authors": False,
            "attack": {"steps": 10, "step": None, "restarts": 1, "loss": "ce", "start": "uniform"},
        },
        "schedule": {
            "epochs": 30, "batch_size": 128, "lr": 0.1, "shape": "cosine", "milestones": [0.5, 0.75], "final_lr": 0.0,
            "warmup": 0.0, "momentum": 0.9, "weight_decay": 5e-4, "decay_activations": False, "decay_norm": False,
            "ema": None, "learn": [0.0, 1.0],
        },
        "suite": {
            "attacks": ["clean", "fgsm", "pgd20", "pgd50"], "n": None, "autoattack_n": 1000, "square_n": 200,
            "square_queries": 500, "measures": [], "measure_n": 200, "one_pixel_n": 100, "one_pixel_queries": 2000,
            "cw_steps": 100, "boundary_steps": 3000, "last": None,
        },
        "seed": 0, "share": None, "activation_options": {}, "model_options": {}, "augment": None, "normalize": True,
        "held_out": 1000, "train_n": None, "image_size": None, "extra": None, "extra_ratio": 0.5, "precision": "fp32",
        "donor": None,
    }  # fmt: skip

    def same(old, new) -> None:
        for name, value in old.items():
            same(value, new[name]) if isinstance(value, dict) and value else None
            assert (isinstance(value, dict) and value) or new[name] == value, name

    same(defaults, TypeAdapter(Run).dump_python(PLAIN, mode="json"))


def test_id_is_the_hash_of_sorted_json():
    assert hashlib.sha256(FULL.canonical.encode()).hexdigest()[:12] == FULL.id
    assert json.dumps(json.loads(FULL.canonical), sort_keys=True, separators=(",", ":")) == FULL.canonical


def test_id_does_not_depend_on_the_order_of_options():
    one, other = {"penalty": 10.0, "clip": 0.01}, {"clip": 0.01, "penalty": 10.0}
    assert replace(FULL, activation_options=one).id == replace(FULL, activation_options=other).id


@pytest.mark.parametrize(
    "written",
    [
        {"objective": Objective()},
        {"schedule": Schedule(epochs=30)},
        {"suite": Suite()},
        {"activation_options": {}},
        {"share": "network"},  # ReLU has nothing to share
        {"share": "channel"},
        {"threat": Threat("linf", str(8 / 255))},
        {"threat": Threat("linf", "16/510")},
        {"objective": Objective(attack=PGD(steps=10, step=None))},
        {"objective": loosely(Objective, beta=6)},
        {"seed": 0, "extra_ratio": 0.5, "precision": "fp32"},
        {"donor": None, "schedule": Schedule(learn=(0.0, 1.0)), "suite": Suite(last=None, cw_steps=100)},
    ],
)
def test_what_is_as_by_default_does_not_change_the_id(written):
    assert replace(PLAIN, **written).id == PLAIN.id


def test_the_papers_way_of_sharing_is_written_in_one_way():
    for name, own, other in (
        ("pssilu", "network", "layer"),
        ("splash", "layer", "network"),
        ("apl", "channel", "layer"),
    ):
        run = replace(PLAIN, activation=name)
        assert replace(run, share=own) == run
        assert replace(run, share=other).id != run.id


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"dataset": "cifar100"},
        {"model": "resnet34"},
        {"activation": "silu"},
        {"threat": Threat("linf", "8.5/255")},
        {"threat": Threat("l2", "8/255")},
        {"objective": Objective(attack=PGD(steps=9))},
        {"objective": Objective(beta=5.0)},
        {"schedule": Schedule(ema=0.99)},
        {"suite": Suite(n=10)},
        {"suite": Suite(last=("clean", "fgsm", "pgd20", "pgd50"))},
        {"suite": Suite(boundary_steps=1000)},
        {"schedule": Schedule(learn=(0.0, 0.0))},
        {"donor": PLAIN},
        {"augment": Augment()},
        {"normalize": False},
        {"precision": "bf16"},
        {"model_options": {"width": 8}},
        {"activation_options": {"alpha": 0.5}},
    ],
)
def test_what_decides_a_result_changes_the_id(change):
    assert replace(PLAIN, **change).id != PLAIN.id


@pytest.mark.parametrize(
    "run", [PLAIN, FULL, LENT, tiny.RUN, tiny.TAKER, replace(PLAIN, schedule=loosely(Schedule, lr=1))]
)
def test_json_round_trip(run):
    adapter = TypeAdapter(Run)
    for text in (adapter.dump_json(run), run.canonical):
        back = adapter.validate_json(text)
        assert back == run
        assert back.id == run.id


def test_options_are_copies_without_tuples():
    given = {"hinges": (0, 1, 2.5), "alpha": 0.5}
    run = replace(PLAIN, activation="splash", activation_options=given)
    given["alpha"] = 1.0
    assert run.activation_options == {"hinges": [0, 1, 2.5], "alpha": 0.5}
    assert TypeAdapter(Run).validate_json(run.canonical) == run


def test_bad_runs():
    with pytest.raises(UserError, match="did you mean pssilu"):
        replace(PLAIN, activation="pssillu")
    with pytest.raises(UserError, match="model_options must be numbers"):
        replace(PLAIN, model_options={"width": torch.tensor(3)})


def test_what_the_donor_is_decides_too():
    assert json.loads(LENT.canonical)["donor"] == json.loads(FULL.canonical)
    assert replace(LENT, donor=replace(FULL, seed=4)).id != LENT.id
    assert replace(LENT, donor=replace(FULL, share=None)).id != LENT.id
    assert replace(LENT, donor=None).id != LENT.id


def test_an_id_does_not_change_when_it_has_been_used():
    """A threat keeps its radius once it has been asked for it."""
    run = replace(PLAIN, threat=Threat("linf", "4/255"))
    before = run.id
    assert run.threat.radius == 4 / 255
    assert (run.id, replace(run)) == (before, run)
    assert TypeAdapter(Run).dump_python(run)["threat"] == {"norm": "linf", "eps": "4/255"}


def test_label():
    assert PLAIN.label == "cifar10/resnet18/pgd_at/relu/seed0"
    assert FULL.label == "cifar10/wrn28_10/trades/pssilu@channel(clip=0.01,penalty=10.0)/seed3"
    assert LENT.label == "cifar10/resnet18/pgd_at/sparta<cifar10:wrn28_10/seed0"
