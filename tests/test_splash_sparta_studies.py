"""The studies of SPLASH and Sparta: what is compared differs in what the claim is about, and can be judged at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from importlib import import_module
from unittest import mock

import numpy as np
import pytest
import torch

import tiny
from robust_activations import data, paths, runs, studies
from robust_activations.data import sources
from robust_activations.evaluation import Outcome
from robust_activations.ledger import Ledger, Record
from robust_activations.models.transfer import MOST, packed, transfer
from robust_activations.run import Run
from robust_activations.sensitivity import Measure
from robust_activations.studies import Claim, base, protocol, sparta, splash

verdicts = import_module("robust_activations.studies.verdicts")  # a function of this name hides it
BOTH = {"splash": splash.STUDY, "sparta": sparta.STUDY}
CLAIMS = {claim.id: claim for study in BOTH.values() for claim in study.claims}
ACTIVATION = {"activation", "activation_options", "share"}


class Whole(Ledger):
    """A record of every run, attacked and measured as its suite says."""

    def __init__(self, ones: tuple[Run, ...]) -> None:
        right = np.random.default_rng(0).random(60) < 0.5
        outcome = Outcome.of(torch.from_numpy(right), 1.0)
        self.records: dict[str, Record] = {}
        for run in ones:
            record = tiny.record(run)
            best = replace(
                record.best,
                outcomes=dict.fromkeys(run.suite.attacks, outcome),
                measures={name: Measure.of(torch.rand(60)) for name in run.suite.measures},
            )
            self.records[run.id] = replace(record, best=best)


@cache
def whole(name: str, scale: str) -> tuple[Ledger, tuple[Run, ...]]:
    ones = studies.planned(scale)
    return Whole(ones), ones


@cache
def judged(claim: Claim, scale: str) -> list[tuple[Run, Run]]:
    """The pairs that the verdict rests on, if every run of the claim's study, and of the protocol, had a record."""
    (records, ones), seen = whole(claim.id.split("-")[0], scale), []

    def watched(*words, **options):
        found = matched(*words, **options)
        seen.extend((first.run, second.run) for first, second in found)
        return found

    matched = base.matched
    with mock.patch.object(base, "matched", watched), mock.patch.object(verdicts, "matched", watched):
        verdict = claim.test(records, ones)
    return [pair for pair in seen if {run.id for run in pair} <= set(verdict.records)]


def differing(one: Run, other: Run) -> set[str]:
    fields = (name for name in Run.__dataclass_fields__ if name != "suite")
    return {name for name in fields if getattr(one, name) != getattr(other, name)}


# Claims


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_every_claim_can_be_judged(claim):
    assert all(judged(claim, scale) for scale in paths.SCALES)


@pytest.mark.parametrize("scale", paths.SCALES)
@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_pairs_differ_in_what_the_claim_is_about(claim, scale):
    for one, other in judged(claim, scale):
        assert one.seed == other.seed
        assert (one.dataset, one.threat, one.objective) == (other.dataset, other.threat, other.objective)
        assert differing(one, other) - ACTIVATION <= {
            "sparta-networks": {"donor", "schedule"},
            "sparta-datasets": {"donor", "schedule"},
            "sparta-learned-elsewhere": {"donor"},
            "sparta-denoising": {"model_options"},
        }.get(claim.id, set())
        assert replace(one.schedule, learn=(0.0, 1.0)) == replace(other.schedule, learn=(0.0, 1.0))  # weight decay too
        if claim.id == "sparta-denoising":  # of the same network
            assert one.model_options | {"denoise": True} == other.model_options


@pytest.mark.parametrize(
    ("claim", "first", "second", "adversarial"),
    [
        ("splash-standard", {"splash"}, {"relu"}, False),
        ("splash-cw", {"splash"}, {"relu"}, False),
        ("splash-accuracy", {"splash"}, set(splash.NINE), False),
        ("splash-seven", {"splash"}, {"splash"}, False),
        ("splash-adversarial", {"splash"}, {"relu"}, True),
        ("sparta-relu", {"sparta"}, {"relu"}, True),
        ("sparta-smooth", {"sparta"}, {"gelu", "smooth_relu", "parametric_softplus"}, True),
        ("sparta-r1", {"sparta_relu"}, {"relu"}, True),
        ("sparta-r3", {"frelu"}, {"relu"}, True),
        ("sparta-standard", {"sparta"}, {"relu"}, False),
        ("sparta-spatial", {"sparta_relu"}, {"sparta_relu"}, True),
        ("sparta-learned-elsewhere", {"sparta"}, {"sparta"}, True),
    ],
)
def test_what_is_compared(claim, first, second, adversarial):
    pairs = judged(CLAIMS[claim], "digits")
    assert {one.activation for one, _ in pairs} == first
    assert {other.activation for _, other in pairs} == second
    assert {run.objective.adversarial for pair in pairs for run in pair} == {adversarial}


def test_seeds_of_what_is_compared():
    """Three of the pair at digits; the first network, which alone has three, is what the distances are measured on."""
    count = {name: Counter(one.seed for one, _ in judged(claim, "digits")) for name, claim in CLAIMS.items()}
    for claim in ("splash-cw", "splash-boundary", "splash-one-pixel", "splash-autoattack", "splash-adversarial"):
        assert count[claim] == {0: 1, 1: 1, 2: 1}, claim
    assert set(count["splash-accuracy"]) == {0, 1, 2}


def test_hinges_other_than_seven():
    for one, other in judged(CLAIMS["splash-seven"], "cpu"):
        assert one.activation_options == {"hinges": "even"}  # as the others' are
        assert other.activation_options.keys() == {"S"}
        assert other.activation_options["S"] != 7


# Runs


@pytest.mark.parametrize("scale", paths.SCALES)
def test_what_a_page_shows_is_in_the_study(scale):
    def flat(found) -> list[Run]:
        ones = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
        return [found] if isinstance(found, Run) else [run for one in ones for run in flat(one)]

    everywhere = {run.id for study in studies.STUDIES.values() for run in study.runs(scale)}
    ids = {"splash": {run.id for run in splash.STUDY.runs(scale)}, "sparta": everywhere}
    for part in (splash.accuracy, splash.readings, splash.robustness, splash.choices, splash.adversarial):
        shown = flat(part(scale))
        assert shown
        assert {run.id for run in shown} <= ids["splash"], part.__name__
    for part in (sparta.properties, sparta.objectives, sparta.across_networks, sparta.across_datasets):
        shown = [run for run in flat(part(scale)) if scale == "cpu" or not sparta.small(run)]
        assert shown
        assert {run.id for run in shown} <= ids["sparta"], part.__name__


def test_the_donors_of_the_live_transfer_are_recorded_at_cpu():
    ids = {run.id for run in sparta.STUDY.runs("cpu")}
    donors = {run.donor.id: run.donor for run in sparta.STUDY.runs("digits") if run.donor and sparta.small(run.donor)}
    assert len(donors) == 2
    assert donors.keys() <= ids
    assert not any(sparta.small(run) for scale in ("digits", "gpu", "paper") for run in sparta.STUDY.runs(scale))


@pytest.mark.parametrize("scale", paths.SCALES)
def test_donors_come_first(scale):
    """A campaign makes runs in their order."""
    seen: set[str] = set()
    lent = 0
    for run in sparta.STUDY.runs(scale):
        seen.add(run.id)
        if run.donor is not None and not (scale == "digits" and sparta.small(run.donor)):
            lent += 1
            assert run.donor.id in seen, run.label
    assert lent == {"digits": 2, "cpu": 2}.get(scale, 6)


@pytest.mark.parametrize("scale", ["digits", "cpu", "gpu"])
def test_what_donors_learn_fits_into_records_and_takers(scale):
    class Seen:
        """A dataset of this shape."""

        def __init__(self, run: Run) -> None:
            self.num_classes = 100 if run.dataset == "cifar100" else 10
            channels = 3 if run.dataset.startswith("cifar") or run.dataset == "svhn" else 1
            self.train_images = torch.zeros(1, channels, 8, 8)
            self.mean, self.std = (0.5,) * channels, (0.25,) * channels

    takers = {(run.model, str(run.model_options), run.dataset, run.donor.id): run
              for run in sparta.STUDY.runs(scale) if run.donor}  # fmt: skip
    for run in takers.values():
        given = runs.build(run.donor, Seen(run.donor))
        learned = packed(given)
        assert 0 < sum(value.tensor.numel() for own in learned.values() for value in own.values()) <= MOST
        for own in learned.values():
            assert own.keys() == {"weight"}
        model = runs.build(replace(run, seed=1), Seen(run))
        transfer(learned, model)
        assert not run.schedule.learns(0)


def test_controls_of_a_transfer():
    """All in the adversarial training of the same network: other gates, or none, and nothing else."""
    for scale in paths.SCALES:
        for found in (sparta.across_networks(scale), *sparta.across_datasets(scale).values()):
            usual = found["ReLU"]
            assert usual.objective.adversarial
            for title in found.keys() - {"donor", "ReLU"}:
                assert differing(found[title], usual) <= ACTIVATION | {"donor", "schedule"}, (scale, title)
            assert found["frozen"].donor == found["donor"]
            if other := found.get("frozen, donor without attacks"):
                assert not other.donor.objective.adversarial
                assert differing(other.donor, found["donor"]) <= {"objective", "threat", "schedule"}
            for title, run in found.items():
                frozen = title in ("frozen", "random, frozen", "frozen, donor without attacks")
                assert (run.schedule.learn == (0.0, 0.0)) == frozen, (scale, title)
                assert (run.donor is not None) == (frozen and "random" not in title)
            assert found["random, frozen"].activation_options == {"noise": sparta.NOISE}


def test_the_deeper_network_is_deeper():
    for scale in paths.SCALES:
        found = sparta.across_networks(scale)
        assert found["donor"].dataset == found["frozen"].dataset
        one, other = ((run.model, run.model_options) for run in (found["donor"], found["frozen"]))
        assert (one, other) in (
            (("digits_cnn", {}), ("digits_cnn", {"blocks": 2})),
            (("resnet20", {"depth": 8}), ("resnet20", {})),
            (("resnet18", {}), ("resnet34", {})),
        )


@pytest.mark.parametrize("scale", paths.SCALES)
def test_standard_runs_are_attacked_as_the_study_says(scale):
    """The same suite and radius for both of a pair; without adversarial training a radius that leaves something."""
    for found in splash.robustness(scale).values():
        for relu, other in zip(found["relu"], found["splash"], strict=True):
            assert relu.suite == other.suite
            assert relu.suite.measures == ("cw", "boundary")
            assert {"fgsm", "one_pixel", "autoattack"} <= set(relu.suite.attacks)
            assert differing(relu, other) == {"activation"}
    usual = protocol.recipe(scale)("relu").threat.radius
    for run in (*splash.STUDY.runs(scale), *sparta.STUDY.runs(scale)):
        if not run.objective.adversarial:
            assert run.threat.radius < usual or run.dataset.startswith("mnist")


def test_every_choice_is_one_change():
    for scale in paths.SCALES:
        found = splash.choices(scale)
        usual = found["S = 7"]
        assert usual.activation_options == {}
        for title, run in found.items():
            if title not in ("S = 7", "ReLU") and "BatchNorm" not in title:
                assert len(differing(run, usual)) == 1, (scale, title)
        others = {title for title, run in found.items() if run.schedule != usual.schedule}
        assert others == {*splash.PHASES, "coefficients decayed"}


def test_other_readings_of_rivals_differ_in_the_activation_alone():
    for scale in paths.SCALES:
        (place, *_), found = splash.PLACES[scale], splash.readings(scale)
        usual = splash.accuracy(scale)[place]
        assert found.keys() < set(splash.NINE)
        for name, run in found.items():
            assert differing(run, usual[name][0]) <= {"activation", "share", "suite"}
            assert not splash.usual(*splash.NINE)(run)  # no verdict rests on them


# The donor's dataset


def test_mnist_at_the_size_of_the_digits():
    """On a canvas of 32x32, averaged over squares of 4x4 pixels; labels and splits are MNIST's."""
    generator = torch.Generator().manual_seed(0)
    train, test = (torch.randint(256, (n, 1, 28, 28), dtype=torch.uint8, generator=generator) for n in (5, 3))
    mnist = data.Dataset("mnist", train, torch.arange(5), test, torch.tensor([4, 0, 2]), tuple("01234"))
    found = sources._averaged("mnist8", mnist)
    assert (found.name, found.classes) == ("mnist8", mnist.classes)
    assert torch.equal(found.train_labels, mnist.train_labels)
    assert torch.equal(found.test_labels, mnist.test_labels)
    for small, large in ((found.train_images, train), (found.test_images, test)):
        assert (small.dtype, small.shape) == (torch.uint8, (len(large), 1, 8, 8))
        canvas = np.zeros((len(large), 32, 32))
        canvas[:, 2:30, 2:30] = large[:, 0].numpy()
        wanted = [[canvas[:, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4].mean((1, 2)) for j in range(8)] for i in range(8)]
        assert np.abs(small[:, 0].numpy() - np.array(wanted).transpose(2, 0, 1)).max() <= 0.5
    assert "mnist8" in data.names()
    assert "mnist8" in data.CANONICAL
