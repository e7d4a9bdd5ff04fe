"""Verdicts on measures, distances, histories and learned parameters, and on claims of several parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tiny
from made import right
from robust_activations import ledger
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.sensitivity import Measure
from robust_activations.studies import Verdict, base, compare
from robust_activations.studies.verdicts import (
    compare_distance,
    compare_gap,
    compare_measure,
    every,
    learned_value,
    median_distance,
    moved,
    some,
    tuned,
)
from tiny import is_, kept

RELU, SILU = tiny.RUN, replace(tiny.RUN, activation="silu")


# Measures


def measured(run: Run, values: torch.Tensor) -> Record:
    record = tiny.record(run)
    return replace(record, best=replace(record.best, measures={"radius": Measure.of(values)}))


def test_measures_are_compared_image_by_image(tmp_path):
    noise = torch.rand(100, generator=torch.Generator().manual_seed(0))  # between images, and far larger than the gain
    gain = 0.01 + 0.01 * torch.rand(100, generator=torch.Generator().manual_seed(1))
    wrong = torch.zeros(100)
    wrong[:7] = torch.nan
    records, runs = kept(tmp_path, measured(SILU, noise + gain + wrong), measured(RELU, noise))
    found = compare_measure(records, runs, is_("silu"), is_("relu"), "radius")
    assert (found.label, found.records) == ("supported", (SILU.id, RELU.id))
    assert "93 images" in found.measured
    assert compare_measure(records, runs, is_("relu"), is_("silu"), "radius").label == "contradicted"
    assert compare_measure(records, runs, is_("silu"), is_("relu"), "lipschitz").label == "not tested here"


def test_measures_of_seeds_must_agree(tmp_path):
    noise = torch.rand(100, generator=torch.Generator().manual_seed(0))
    jitter = 0.001 * torch.rand(100)
    records, runs = kept(
        tmp_path,
        *(
            measured(replace(run, seed=seed), noise + (gain + jitter) * (run is SILU))
            for seed, gain in enumerate((0.5, -0.2))
            for run in (SILU, RELU)
        ),
    )
    assert compare_measure(records, runs, is_("silu"), is_("relu"), "radius").label == "undecided"


# Distances


def far(run: Run, values: list[float], name: str = "cw") -> Record:
    record = tiny.record(run)
    return replace(record, best=replace(record.best, measures={name: Measure.of(torch.tensor(values))}))


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("first", "second", "label", "measured"),
    [
        # 0.5**n of two sides: six of six are enough, five are not.
        ([2.0] * 6, [1.0] * 6, "supported", "larger on 100 % of 6 images; sign test p = 0.031"),
        ([1.0] * 6, [2.0] * 6, "contradicted", "larger on 0 % of 6 images; sign test p = 0.031"),
        ([2.0] * 5, [1.0] * 5, "undecided", "larger on 100 % of 5 images; sign test p = 0.062"),
        # What nothing fools is further than what something does, and no further than another such.
        ([INF] * 6 + [INF], [1.0] * 6 + [INF], "supported", "larger on 100 % of 6 images"),
        ([1.0] * 6 + [INF], [INF] * 6 + [INF], "contradicted", "larger on 0 % of 6 images"),
        # An image that one of them is wrong on does not count; nor do equal distances.
        ([2.0] * 6 + [NAN, 2.0], [1.0] * 6 + [2.0, NAN], "supported", "of 6 images"),
        ([2.0] * 5 + [NAN, 2.0], [1.0] * 5 + [1.0, NAN], "undecided", "of 5 images"),
        ([2.0] * 5 + [1.0], [1.0] * 6, "undecided", "of 5 images"),
        # By how much does not matter: a mean would be on the side of the one image.
        ([0.9] * 7 + [1e6], [1.0] * 8, "undecided", "larger on 12 % of 8 images"),
        ([0.9] * 9 + [1e6], [1.0] * 10, "contradicted", "larger on 10 % of 10 images"),
        # One was measured on more images.
        ([2.0] * 6, [1.0] * 9, "supported", "of 6 images"),
    ],
)
def test_distances_of_one_pair(tmp_path, first, second, label, measured):
    records, runs = kept(tmp_path, far(SILU, first), far(RELU, second))
    found = compare_distance(records, runs, is_("silu"), is_("relu"), "cw")
    assert found.label == label
    assert measured in found.measured
    assert found.records == (SILU.id, RELU.id)
    assert compare_distance(records, runs, is_("silu"), is_("relu"), "boundary").label == "not tested here"


def test_medians_of_distances(tmp_path):
    records, runs = kept(tmp_path, far(SILU, [0.5, INF, 1.5, NAN]), far(RELU, [0.25, 0.5, 0.75, 1.0]))
    silu, relu = (records[run] for run in runs)
    assert (median_distance([silu], "cw"), median_distance([relu], "cw")) == (1.5, 0.625)
    assert median_distance([silu, relu], "cw") == 0.75
    assert median_distance([far(RELU, [1.0, INF, INF, INF, NAN])], "cw") == INF
    measured = compare_distance(records, runs, is_("silu"), is_("relu"), "cw").measured
    assert measured.startswith("median cw distance 1.5 against 0.625, larger on 100 % of 3 images")


@pytest.mark.parametrize(
    ("seeds", "label"),
    [
        ([[1.0] * 20, [1.0] * 18 + [-1.0] * 2], "undecided"),  # two say little of a third
        ([[1.0] * 20, [1.0] * 19 + [-1.0], [1.0] * 18 + [-1.0] * 2], "supported"),
        ([[-1.0] * 20, [-1.0] * 19 + [1.0], [-1.0] * 18 + [1.0] * 2], "contradicted"),
        ([[1.0] * 20, [-1.0] * 8 + [1.0] * 12, [1.0] * 20], "undecided"),
        ([[1.0] * 20, [1.0] * 20, [-1.0] * 20], "undecided"),  # whatever the images say
    ],
)
def test_distances_of_seeds_must_agree(tmp_path, seeds, label):
    pairs = [
        far(replace(run, seed=seed), [2.0 + (run is SILU) * one for one in gains])
        for seed, gains in enumerate(seeds)
        for run in (SILU, RELU)
    ]
    records, runs = kept(tmp_path, *pairs)
    found = compare_distance(records, runs, is_("silu"), is_("relu"), "cw")
    assert found.label == label, found.measured
    assert f"({len(seeds)} seeds)" in found.measured


def test_a_pair_without_an_image_that_both_are_right_on_tests_nothing(tmp_path):
    pairs = [(0, [2.0] * 6, [1.0] * 6), (1, [NAN, 2.0], [1.0, NAN])]
    rows = [far(replace(run, seed=s), own) for s, *both in pairs for run, own in zip((SILU, RELU), both, strict=True)]
    records, runs = kept(tmp_path, *rows)
    assert compare_distance(records, runs, is_("silu"), is_("relu"), "cw").label == "not tested here"


def test_equal_distances_test_nothing(tmp_path):
    records, runs = kept(tmp_path, far(SILU, [1.0, INF, NAN]), far(RELU, [1.0, INF, 1.0]))
    assert compare_distance(records, runs, is_("silu"), is_("relu"), "cw").label == "not tested here"


# Histories


def trained(run: Run, train: float, held: float, alphas: list[float] | None = None) -> Record:
    row = {"epoch": 0, "train_accuracy": train, "held_pgd10": held, "activations": {"act.alpha": alphas or []}}
    return tiny.record(run, history=(row,))


@pytest.mark.parametrize(("held", "label"), [(0.60, "supported"), (0.50, "undecided"), (0.20, "contradicted")])
def test_gaps(tmp_path, held, label):
    """With 100 held-out images the difference of two gaps has a half width of about 14 points."""
    records, runs = kept(tmp_path, trained(SILU, 0.7, held), trained(RELU, 0.7, 0.4))
    assert compare_gap(records, runs, is_("silu"), is_("relu")).label == label


def test_gaps_of_seeds_that_agree_have_the_error_of_their_images(tmp_path):
    rows = [trained(replace(run, seed=s), 0.7, 0.4 + 0.1 * (run is SILU)) for s in range(3) for run in (SILU, RELU)]
    records, runs = kept(tmp_path, *rows)
    found = compare_gap(records, runs, is_("silu"), is_("relu"))
    assert (found.label, found.why) == ("undecided", "the interval includes 0")


def test_where_there_is_no_gap_none_is_smaller(tmp_path):
    records, runs = kept(tmp_path, trained(SILU, 0.3, 0.9), trained(RELU, 0.4, 0.4))
    found = compare_gap(records, runs, is_("silu"), is_("relu"))
    assert (found.label, found.why.split(":")[0]) == ("undecided", "no gap is seen")


def test_tuned_is_chosen_on_held_out_images_and_never_on_test_images(tmp_path):
    runs = [replace(RELU, schedule=replace(RELU.schedule, weight_decay=decay)) for decay in (1e-4, 1e-3, 1e-2)]
    best = trained(runs[1], 0.7, 0.5)
    others = [replace(trained(runs[0], 0.7, 0.4), best=tiny.record(RELU, right(200)).best), trained(runs[2], 0.9, 0.3)]
    records, _ = kept(tmp_path, *others, best)
    assert tuned(records, runs) == [runs[1]]
    assert tuned(records, runs[1:2]) == []  # nothing to choose from
    light = replace(runs[2], suite=replace(RELU.suite, n=40))  # how it was evaluated makes no other group
    ledger.write(trained(light, 0.9, 0.6), tmp_path, "tiny")
    assert tuned(Ledger(tmp_path), [*runs, light]) == [light]
    assert tuned(Ledger(tmp_path / "none"), runs) == []


def test_learned_parameters(tmp_path):
    record = trained(replace(RELU, activation="psilu"), 0.7, 0.4, [1.5, 2.5])
    assert learned_value(record, "alpha") == 2.0
    records, runs = kept(
        tmp_path,
        *(trained(replace(RELU, activation="psilu", seed=seed), 0.7, 0.4, [1.8 + 0.1 * seed]) for seed in range(3)),
    )

    def alpha(record: Record) -> float:
        return learned_value(record, "alpha")

    assert moved(records, runs, is_("psilu"), alpha, 1.0, up=True).label == "supported"
    assert moved(records, runs, is_("psilu"), alpha, 1.0, up=False).label == "contradicted"
    assert moved(records, runs, is_("psilu"), alpha, 3.0, up=False).label == "supported"
    assert moved(records, runs, is_("psilu"), alpha, 1.9, up=True).label == "undecided"
    assert moved(records, runs[:1], is_("psilu"), alpha, 1.0, up=True).label == "undecided"  # one run shows nothing
    assert moved(records, runs, is_("relu"), alpha, 1.0, up=True).label == "not tested here"


def test_learned_parameters_of_one_setting_and_dataset_by_dataset(tmp_path):
    psilu = replace(RELU, activation="psilu")
    longer, other = (replace(psilu, schedule=replace(psilu.schedule, epochs=9))), replace(psilu, dataset="cifar10")
    records, runs = kept(
        tmp_path,
        trained(longer, 0.7, 0.4, [9.0]),  # planned first, but a setting with one seed
        *(trained(replace(psilu, seed=seed), 0.7, 0.4, [1.8 + 0.1 * seed]) for seed in range(3)),
        *(trained(replace(other, seed=seed), 0.7, 0.4, [0.5 + 0.1 * seed]) for seed in range(2)),
    )

    def found(start: float) -> Verdict:
        return moved(records, runs, is_("psilu"), lambda record: learned_value(record, "alpha"), start, up=True)

    assert (
        found(1.0).measured
        == "from 1 to 1.90 [1.65, 2.15] (3 seeds, digits); from 1 to 0.55 [-0.09, 1.19] (2 seeds, cifar10)"
    )
    assert [part.label for part in found(1.0).parts.values()] == ["supported", "undecided"]
    assert (found(1.0).label, found(-1.0).label) == ("undecided", "supported")


def test_claims_of_several_parts():
    yes, no, open_, never = (
        Verdict(label, f"+1 ({label})", (label,))
        for label in ("supported", "contradicted", "undecided", "not tested here")
    )
    parts = {"a": yes, "b": yes}
    assert every(parts) == Verdict("supported", "+1 (supported, a); +1 (supported, b)", ("supported",), parts=parts)
    assert every({"a": yes, "b": no}).label == "contradicted"
    assert every({"a": yes, "b": open_}).label == "undecided"
    assert every({"a": no, "b": never}).label == every({}).label == "not tested here"
    both = base.agreed({"mnist": yes, "cifar10": no})
    assert every({"a": yes, "b": both}).measured.endswith("+1 (supported, mnist, b); +1 (contradicted, cifar10, b)")


def test_of_many_parts_the_worst_is_shown_of_those_that_decide():
    def of(label: base.Label, points: float) -> Verdict:
        return Verdict(
            label, f"{points:+g} points", (f"{points:g}",), points=base.Points(points, points - 1, points + 1)
        )

    parts = {str(points): of("supported", points) for points in range(1, 6)}
    found = every(parts)
    assert (found.label, found.measured, len(found.records)) == ("supported", "worst of 5, 1: +1 points", 5)
    undecided, against = {"open": of("undecided", -9)}, {"no": of("contradicted", -3)}
    assert every(parts | undecided).measured == "worst of 6, open: -9 points"
    found = every(parts | undecided | against)
    assert (found.label, found.measured) == ("contradicted", "worst of 7, no: -3 points")


def test_a_claim_that_one_of_several_will_do():
    yes, no, open_ = (
        Verdict(label, f"{points:+.1f} points", (label,), label, seeds, base.Points(points, points - 1, points + 1))
        for label, points, seeds in (("supported", 3.0, 2), ("contradicted", -4.0, 1), ("undecided", 5.0, 1))
    )
    never = Verdict("not tested here")
    parts = {"a": no, "b": yes, "c": open_}
    found = some(parts)
    # What is shown is what decides, however far ahead another is, and so are its seeds.
    assert (found.label, found.said, found.measured) == ("supported", "supported", "best of 3, b: +3.0 points")
    assert (found.why, found.points, found.parts) == ("supported", yes.points, {"b": yes})
    assert found.records == ("contradicted", "supported", "undecided")
    assert some({"a": no, "b": no}).said == "contradicted, one seed"
    assert (some({"a": no, "b": open_}).label, some({"a": no, "b": open_}).why) == ("undecided", "undecided")
    assert some({"a": no}).label == "undecided"  # another shape might
    lone = some({"a": no, "b": never})
    assert (lone.measured, lone.why) == ("best of 1, a: -4.0 points", "contradicted, but no other was tried")
    assert some({"a": never}).label == some({}).label == "not tested here"


def test_the_best_of_several_on_several_datasets(tmp_path):
    """First what is ahead on one of them at least, then by the least."""

    def of(first: Run, more: int, dataset: str) -> list[Record]:
        both = ((first, 80 + more), (RELU, 80))
        return [tiny.record(replace(run, dataset=dataset), right(count)) for run, count in both]

    gelu = replace(RELU, activation="gelu")

    def best(folder: str, silu: int) -> str:
        rows = [*of(SILU, silu, "mnist"), *of(SILU, -30, "cifar10"), *of(gelu, 3, "mnist")]
        records, runs = kept(tmp_path / folder, *{record.id: record for record in rows}.values())
        return some({name: compare(records, runs, is_(name), is_("relu")) for name in ("silu", "gelu")}).measured

    assert best("ahead", 40).startswith("best of 2, silu: +20.0 points")
    assert best("perhaps", 4).startswith("best of 2, gelu: +1.5 points")
