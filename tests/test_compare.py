"""Which runs are compared, and what the verdict on their difference in accuracy is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tiny
from made import right
from robust_activations.attacks import Threat
from robust_activations.evaluation import Outcome
from robust_activations.figures import claims
from robust_activations.ledger import Record
from robust_activations.run import Run
from robust_activations.stats import mcnemar
from robust_activations.studies import base, compare
from tiny import is_, kept

RELU, SILU = tiny.RUN, replace(tiny.RUN, activation="silu")


def seeds(*differences: int) -> list[Record]:
    """SiLU with so many more images right than ReLU's 80, seed by seed."""
    return [
        tiny.record(replace(run, seed=seed), right(80 + more * (run is SILU)))
        for seed, more in enumerate(differences)
        for run in (SILU, RELU)
    ]


# Which runs are compared


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"threat": Threat("l2", "1")},
        {"schedule": replace(RELU.schedule, weight_decay=1e-3)},
        {"model_options": {"width": 8}},
        {"held_out": 50},
    ],
)
def test_only_runs_that_agree_in_all_else(tmp_path, change):
    records, runs = kept(tmp_path, tiny.record(SILU, right(120)), tiny.record(replace(RELU, **change), right(80)))
    assert compare(records, runs, is_("silu"), is_("relu")).label == "not tested here"
    name = next(iter(change))
    if name != "seed":
        found = compare(records, runs, is_("silu"), is_("relu"), differ=(*base.ACTIVATION, name))
        assert found.label == "supported"


def test_suites_options_and_sharing_may_differ(tmp_path):
    one = replace(RELU, activation="psilu", activation_options={"alpha": 2.0}, share="layer")
    other = replace(RELU, suite=replace(RELU.suite, n=40))
    records, runs = kept(tmp_path, tiny.record(one, right(120)), tiny.record(other, right(80)))
    assert compare(records, runs, is_("psilu"), is_("relu")).label == "supported"


def test_a_condition_on_pairs(tmp_path):
    records, runs = kept(tmp_path, *seeds(40))
    assert compare(records, runs, is_("silu"), is_("relu"), also=lambda a, b: a.seed > 0).label == "not tested here"


def test_the_strongest_attack_that_both_have(tmp_path):
    strong, weak = tiny.record(SILU, right(120)), tiny.record(RELU, right(80))
    assert base.strongest([strong, weak]) == "pgd50"
    outcome = Outcome.of(torch.tensor(right(10)), 1.0)
    with_auto = replace(strong.best, outcomes=strong.best.outcomes | {"autoattack": outcome})
    assert base.strongest([replace(strong, best=with_auto), weak]) == "pgd50"
    both = [replace(record, best=with_auto) for record in (strong, weak)]
    assert base.strongest(both) == "autoattack"
    only_clean = replace(weak, best=replace(weak.best, outcomes={"clean": outcome}))
    assert base.strongest([strong, only_clean]) is None
    records, runs = kept(tmp_path, strong, only_clean)
    assert compare(records, runs, is_("silu"), is_("relu")).label == "not tested here"


def test_a_network_that_was_evaluated_twice_is_one(tmp_path):
    """Of its two records that with more attacks counts, in whichever order they come."""
    silu, relu = tiny.record(SILU, right(120)), tiny.record(RELU, right(80))
    suite = replace(SILU.suite, attacks=(*SILU.suite.attacks, "square"))
    fuller = tiny.record(replace(SILU, suite=suite), right(119))
    more = fuller.best.outcomes | {"square": Outcome.of(torch.tensor(right(119)), 1.0)}
    fuller = replace(fuller, best=replace(fuller.best, outcomes=more))
    records, runs = kept(tmp_path, silu, fuller, relu)
    for order in (runs, runs[::-1]):
        found = compare(records, order, is_("silu"), is_("relu"))
        assert found.records == (fuller.id, relu.id)
        assert (found.seeds, found.said) == (1, "supported, one seed")
    # But not where it lacks what is compared.
    for name in ("fgsm", "clean"):
        more.pop(name)
    outcomes = more | {f"more {i}": more["square"] for i in range(4)}
    fuller = replace(fuller, best=replace(fuller.best, outcomes=outcomes))
    records.records[fuller.id] = fuller
    assert compare(records, runs, is_("silu"), is_("relu"), attack="fgsm").records == (silu.id, relu.id)
    assert compare(records, runs, is_("silu"), is_("relu")).records == (fuller.id, relu.id)


def test_every_dataset_must_say_so(tmp_path):
    """Two datasets are two experiments; no interval is taken over them, and both must agree."""

    def of(dataset: str, more: int) -> list[Record]:
        both = ((SILU, 80 + more), (RELU, 80))
        return [tiny.record(replace(run, dataset=dataset), right(count)) for run, count in both]

    records, runs = kept(tmp_path / "a", *of("mnist", 40), *of("cifar10", 35))
    found = compare(records, runs, is_("silu"), is_("relu"))
    assert (found.label, found.said, list(found.parts)) == ("supported", "supported, one seed", ["mnist", "cifar10"])
    assert "over" not in found.measured
    assert found.measured.endswith("(1 seed, n = 200, ε = 38.25/255, cifar10)")
    assert claims.why(found) == "p is below 0.05"
    records, runs = kept(tmp_path / "b", *of("mnist", 40), *of("cifar10", -35))
    found = compare(records, runs, is_("silu"), is_("relu"))
    assert (found.label, found.said, len(found.records)) == ("undecided", "undecided", 4)
    assert claims.why(found) == "MNIST: p is below 0.05; CIFAR-10: p is below 0.05, against the claim"


def test_beside_autoattack_on_few_images_stands_a_weaker_attack_on_more(tmp_path):
    def with_auto(run: Run, count: int, few: int) -> Record:
        record = tiny.record(run, right(count))
        auto = {"autoattack": Outcome.of(torch.tensor(right(few, 20)), 1.0)}
        return replace(record, best=replace(record.best, outcomes=record.best.outcomes | auto))

    records, runs = kept(tmp_path, with_auto(SILU, 120, 10), with_auto(RELU, 80, 9))
    found = compare(records, runs, is_("silu"), is_("relu"))
    assert found.label == "undecided"
    assert "+5.0 points under autoattack" in found.measured
    assert "(1 seed, n = 20, ε = 38.25/255; under pgd50 +0.0 on the same, +20.0 on 200)" in found.measured
    assert "pgd50" not in compare(records, runs, is_("silu"), is_("relu"), attack="autoattack").measured


# Margins


@pytest.mark.parametrize(
    ("first", "margin", "label"),
    [
        (80, 0.01, "supported"),
        (84, 0.01, "supported"),
        (79, 0.01, "undecided"),
        (60, 0.01, "contradicted"),
        (199, 0.01, "undecided"),
    ],  # nothing could be ahead of it by the margin
)
def test_not_worse_by_a_margin(tmp_path, first, margin, label):
    records, runs = kept(tmp_path, tiny.record(SILU, right(first)), tiny.record(RELU, right(80)))
    found = compare(records, runs, is_("silu"), is_("relu"), margin=margin)
    assert found.label == label
    assert "McNemar" not in found.measured


def test_a_margin_over_seeds(tmp_path):
    records, runs = kept(tmp_path / "a", *seeds(0, 1, -1, 0))
    assert compare(records, runs, is_("silu"), is_("relu"), margin=0.02).label == "supported"
    records, runs = kept(tmp_path / "b", *seeds(0, 30, -30))
    assert compare(records, runs, is_("silu"), is_("relu"), margin=0.02).label == "undecided"


def test_interval_of_a_paired_difference():
    """Closed forms: 30 images more of 200; 50 against 50 of 100; none of 200, which does not exclude a small one."""
    cases = [
        ((right(110), right(80)), 30 / 202, 1.96 * (31 - 30**2 / 202) ** 0.5 / 202),
        (([True, False] * 50, [False, True] * 50), 0.0, 1.96 * 101**0.5 / 102),
        ((right(80), right(80)), 0.0, 1.96 / 202),
    ]
    for (first, second), middle, half in cases:
        found = mcnemar(torch.tensor(first).numpy(), torch.tensor(second).numpy()).interval
        assert found == pytest.approx((middle - half, middle + half), abs=1e-5)


def test_a_margin_over_seeds_is_one_over_images_too(tmp_path):
    """Seeds that agree to the image do not make the images any more."""
    records, runs = kept(tmp_path, *seeds(-1, -1, -1))
    found = compare(records, runs, is_("silu"), is_("relu"), margin=0.01)
    assert found.label == "undecided"
    assert "over seeds and images" in found.measured
    assert compare(records, runs, is_("silu"), is_("relu"), margin=0.02).label == "supported"


# Several pairs


def test_the_same_images_count_once(tmp_path):
    """Six images that all seeds are ahead on are six, not eighteen."""
    records, runs = kept(tmp_path, *seeds(5, 5, 5))
    found = compare(records, runs, is_("silu"), is_("relu"))
    pooled = mcnemar(*(torch.tensor(right(count)).repeat(3).numpy() for count in (85, 80)))
    alone = mcnemar(*(torch.tensor(right(count)).numpy() for count in (85, 80)))
    assert pooled.p < 1e-3 < 0.02 < float(found.measured.split("p = ")[1].split()[0]) < alone.p


def test_pairs_in_a_chain_are_one_group(tmp_path):
    """The wider of one pair is the narrower of another."""
    sizes = [replace(RELU, model_options={"width": width}) for width in (4, 8, 16)]
    records, runs = kept(tmp_path, *(tiny.record(run, right(60 + 20 * i)) for i, run in enumerate(sizes)))
    any_ = {"differ": ("model_options",), "also": lambda a, b: a.model_options["width"] > b.model_options["width"]}
    found = compare(records, runs, is_("relu"), is_("relu"), **any_)
    assert found.said == "supported, one seed"
    assert "(3 pairs in 1 group, n = 200, ε = 38.25/255)" in found.measured
    assert "[" not in found.measured


def test_settings_are_not_seeds(tmp_path):
    """Three pairs in three settings agree, and yet all have the luck of one seed."""
    rows = [
        tiny.record(replace(run, threat=Threat("linf", f"{eps}/255")), right(80 + 40 * (run is SILU) + eps))
        for eps in (1, 2, 3)
        for run in (SILU, RELU)
    ]
    records, runs = kept(tmp_path, *rows)
    found = compare(records, runs, is_("silu"), is_("relu"))
    assert (found.said, found.why) == (
        "supported, one seed",
        "p is below 0.05 and the interval over pairs excludes 0",
    )


def test_p_of_one_test_among_several_is_multiplied_by_their_number(tmp_path):
    relu, silu = tiny.record(RELU, right(80)), tiny.record(SILU, right(87))
    records, runs = kept(tmp_path, relu, silu)
    p = mcnemar(*(one.best.outcomes["pgd50"].right for one in (silu, relu))).p
    alone, among = (compare(records, runs, is_("silu"), is_("relu"), times=times) for times in (1, 4))
    assert p < 0.05 < 4 * p
    assert (alone.label, among.label) == ("supported", "undecided")
    assert f"p = {4 * p:.2g} (corrected for 4)" in among.measured
    assert claims.why(among) == "p is not below 0.05"
