"""Success rates, distances, tests and readings of "more robust" against counts made by hand; and what chance gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import tiny
from robust_activations.evaluation import Evaluation, Outcome
from robust_activations.figures import distances, readings
from robust_activations.figures.distances import Duel
from robust_activations.ledger import Ledger, Record
from robust_activations.sensitivity import Measure
from robust_activations.stats import wilson
from robust_activations.studies.verdicts import compare_distance

NAN, INF = float("nan"), float("inf")


def made(
    name: str, clean: list[bool], right: dict[str, list[bool]], far: dict[str, list[float]] | None = None, seed: int = 0
) -> Record:
    outcomes = {attack: Outcome.of(torch.tensor(bits), 0.5) for attack, bits in ({"clean": clean} | right).items()}
    measures = {measure: Measure.of(torch.tensor(values)) for measure, values in (far or {}).items()}
    best = Evaluation(outcomes, (), (), measures)
    return tiny.record(replace(tiny.RUN, activation=name, seed=seed), best=best, last=best)


def first(k: int, n: int = 10) -> list[bool]:
    return [i < k for i in range(n)]


RELU = made("relu", first(8), {"fgsm": first(4), "one_pixel": first(2, 5)}, {"cw": [1.0, 2.0, 3.0, INF, NAN]})
SPLASH = made("splash", first(10), {"fgsm": first(6), "one_pixel": first(3, 5)}, {"cw": [2.0, 1.0, 6.0, INF, 5.0]})
ONE = Duel((SPLASH,), (RELU,))


def test_only_what_was_right_before_can_be_flipped() -> None:
    assert distances.flipped(RELU, "fgsm") == (4, 8)
    assert distances.flipped(RELU, "one_pixel") == (3, 5)  # which saw five images
    assert distances.rate([RELU], "fgsm") == pytest.approx((0.5, *wilson(4, 8)))
    assert distances.rate([RELU], "pgd50") is None
    mean, low, high = distances.rate([RELU, SPLASH], "fgsm")
    assert mean == pytest.approx((0.5 + 0.4) / 2)
    assert 0 <= low < mean < high <= 1


def test_the_median_counts_what_was_not_found_as_infinite_and_leaves_out_what_was_wrong() -> None:
    assert distances.median(RELU, "cw").value == 2.5
    assert distances.median(SPLASH, "cw").value == 5
    value, low, high = distances.median(made("relu", first(3), {}, {"cw": [INF, INF, 1.0]}), "cw")
    assert (value, high) == (INF, INF)
    assert low == 1
    assert np.isnan(distances.median(made("relu", first(0), {}, {"cw": [NAN, NAN]}), "cw").value)


def test_the_interval_of_the_median_is_that_of_theory() -> None:
    values = np.random.default_rng(0).exponential(1, 401)
    _, low, high = distances.median(made("relu", first(401, 401), {}, {"cw": values.tolist()}), "cw")
    rank = 1.96 * 401**0.5 / 2  # of the order statistics that bound the median
    ordered = np.sort(values)
    assert low == pytest.approx(ordered[round(200 - rank)], abs=0.06)
    assert high == pytest.approx(ordered[round(200 + rank)], abs=0.06)


def test_seeds_meet_their_like(tmp_path) -> None:
    runs = {name: [replace(tiny.RUN, activation=name, seed=seed) for seed in (0, 1, 2)] for name in ("relu", "splash")}
    ledger = Ledger(tmp_path)
    there = [*runs["relu"], runs["splash"][2], runs["splash"][1]]
    ledger.records = {run.id: tiny.record(run) for run in there}
    one = distances.duel(runs, ledger)
    assert [(a.run.seed, b.run.seed) for a, b in zip(one.new, one.old, strict=True)] == [(1, 1), (2, 2)]
    fallen = runs["splash"][2]
    ledger.records[fallen.id] = tiny.record(fallen, collapsed="it fell")
    assert [record.run.seed for record in distances.duel(runs, ledger).new] == [1]
    ledger.records = {}
    assert distances.duel(runs, ledger) is None


def test_tests_are_paired_by_image() -> None:
    found = distances.compared(ONE)
    assert list(found) == ["fgsm", "one_pixel", "cw"]  # those that both were given
    test, (mean, low, high) = found["fgsm"]
    assert (test.only_first, test.only_second, test.n, mean) == (2, 0, 10, 0.2)
    assert low < mean < high
    test, _ = found["cw"]  # two larger, one smaller, both infinite once, one wrong already
    assert (test.only_first, test.only_second, test.n) == (2, 1, 4)
    assert test.p == pytest.approx(1)
    twice = Duel((SPLASH, SPLASH), (RELU, RELU))
    assert distances.compared(twice)["cw"][0].n == 8
    assert distances.compared(twice)["cw"][1] == pytest.approx((0.25, 0.25, 0.25))


def test_an_image_counts_once_in_the_sign_test_however_many_seeds_there_are(tmp_path) -> None:
    n = 40
    near, far = [1.0] * n, [2.0] * 26 + [0.5] * 14  # 26 images against 14: p = 0.081

    def pairs(*distances_of_new: list[float]) -> Duel:
        new = [made("splash", first(n, n), {}, {"cw": own}, seed) for seed, own in enumerate(distances_of_new)]
        return Duel(tuple(new), tuple(made("relu", first(n, n), {}, {"cw": near}, seed) for seed in range(len(new))))

    alone, thrice = (distances.compared(pairs(*[far] * seeds))["cw"][0] for seeds in (1, 3))
    assert alone.p == thrice.p == pytest.approx(0.081, abs=5e-4)
    assert (thrice.only_first, thrice.only_second, thrice.n) == (78, 42, 120)  # of all seeds
    against = distances.compared(pairs(far, [1.0 / one for one in far]))["cw"][0]
    assert against.p == 1  # what one seed says of an image the other takes back

    noise = np.random.default_rng(0).exponential(1, (3, n)).tolist()
    noise[1][:9] = [NAN] * 9
    one, ledger = pairs(*noise), Ledger(tmp_path)
    ledger.records = {record.run.id: record for side in one.sides.values() for record in side}
    runs = [record.run for record in ledger.records.values()]
    sides = (lambda run: run.activation == "splash"), (lambda run: run.activation == "relu")
    verdict = compare_distance(ledger, runs, *sides, "cw")
    assert f"sign test p = {distances.compared(one)['cw'][0].p:.2g} (3 seeds)" in verdict.measured


def test_table_of_tests_corrects_for_all_of_them() -> None:
    n = 60
    many = Duel(
        (made("splash", first(n, n), {"fgsm": first(40, n), "pgd50": first(11, n)}),),
        (made("relu", first(n, n), {"fgsm": first(30, n), "pgd50": first(5, n)}),),
    )
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in distances.compared_table(many).splitlines()]
    fgsm, pgd = lines[2:]
    assert fgsm[0] == "FGSM"
    assert fgsm[2:5] == ["10", "0", "60"]
    assert fgsm[5:] == ["0.002", "**0.004**"]  # 2 * 2**-10, times 2
    assert pgd[5:] == ["0.031", "**0.031**"]  # 2 * 2**-6, the last of Holm's
    assert fgsm[1].startswith("+16.7")


def test_readings_by_hand() -> None:
    found = {(one.kind, one.attack): one.at for one in readings.readings(ONE)}
    assert found["points", "fgsm"].value == pytest.approx(0.2)
    assert found["accuracy", "fgsm"].value == pytest.approx(6 / 4 - 1)
    assert found["success", "fgsm"].value == pytest.approx(1 - (4 / 10) / (4 / 8))
    assert found["success", "one_pixel"].value == pytest.approx(1 - (2 / 5) / (3 / 5))
    assert found["distance", "cw"].value == pytest.approx(5 / 2.5 - 1)
    at = found["points", "fgsm"]
    assert at.low <= 0.2 <= at.high
    assert at.low >= 0  # nowhere is ReLU right alone


def test_relative_to_nothing_is_not_defined_or_without_bound() -> None:
    nothing = made("relu", first(10), {"fgsm": first(0)})
    again = {
        r.kind: r.at.value
        for r in readings.readings(Duel((made("splash", first(10), {"fgsm": first(0)}),), (nothing,)))
    }
    assert np.isnan(again["accuracy"])
    assert again["success"] == 0
    some = {
        r.kind: r.at.value
        for r in readings.readings(Duel((made("splash", first(10), {"fgsm": first(1)}),), (nothing,)))
    }
    assert some["accuracy"] == INF
    assert readings.worded("accuracy", INF) == "+∞\N{NO-BREAK SPACE}%"
    assert readings.worded("points", -0.25) == "−25.0\N{NO-BREAK SPACE}points"
    assert readings.worded("points", NAN) == "—"


def noisy(name: str, seed: int, n: int = 200) -> Record:
    draws = np.random.default_rng(seed)
    right = {attack: (draws.random(n) < 0.3).tolist() for attack in distances.COUNTED}
    far = {measure: draws.exponential(1, n).tolist() for measure in distances.MEASURED}
    return made(name, first(n, n), right, far)


def test_the_greatest_of_many_readings_is_positive_by_chance_alone() -> None:
    duels = {f"{i}": Duel((noisy("splash", 2 * i),), (noisy("relu", 2 * i + 1),)) for i in range(5)}
    found = readings.maxima(duels)
    assert set(found) == set(readings.KINDS)
    for kind, one in found.items():
        every = [r.at.value for d in duels.values() for r in readings.readings(d) if r.kind == kind]
        assert one.value == pytest.approx(max(every))
        assert len(one.chance) == 1000
        assert np.median(one.chance) > 0
        assert one.p > 0.01  # there is nothing to be found
    # Points of fifteen comparisons with a deviation of (2 * 0.3 * 0.7 / 200)**0.5 each; the greatest of 15 normal
    # numbers is 1.74 on average.
    assert found["points"].chance.mean() == pytest.approx(1.74 * (2 * 0.3 * 0.7 / 200) ** 0.5, rel=0.15)
    alone = readings.maxima({"": duels["0"]}, ("fgsm",))["points"]
    assert abs(alone.chance.mean()) < 0.01  # one comparison has no luck on average


def test_chance_exchanges_whole_images_and_finds_a_true_effect() -> None:
    n = 100
    same = made("relu", first(80, n), {"fgsm": first(50, n)})
    assert (readings.maxima({"": Duel((same,), (same,))})["points"].chance == 0).all()
    better = readings.maxima({"": Duel((made("splash", first(80, n), {"fgsm": first(80, n)}),), (same,))})["points"]
    assert better.where == "FGSM"
    assert better.p < 0.01
    # An attack that gives the very same results is exchanged with the first, image by image.
    twice = {"fgsm": first(50, n), "one_pixel": first(50, n)}
    more = {"fgsm": first(80, n), "one_pixel": first(80, n)}
    one = Duel((made("splash", first(80, n), more),), (made("relu", first(80, n), twice),))
    assert (readings.maxima({"": one})["points"].chance == better.chance).all()


def test_the_curve_is_the_share_of_images_fooled_within_a_distance() -> None:
    (ax, _) = distances.within({"": Duel((SPLASH,), (RELU,))}, ("cw", "boundary")).axes
    old = ax.lines[0]
    assert old.get_xdata().tolist() == [0, 1, 2, 3]
    assert old.get_ydata().tolist() == [0, 0.25, 0.5, 0.75]  # of four: the fifth was wrong before
    assert (ax.lines[1].get_xdata()[0], ax.lines[1].get_ydata()[0]) == (2.5, 0.5)
    assert ax.lines[2].get_linestyle() == "--"


def test_figures_draw_what_the_tables_say() -> None:
    (ax,) = distances.rates({"MNIST": ONE}, ("fgsm", "one_pixel")).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["FGSM", "One pixel"]
    assert 0.5 in [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    found = {"a": readings.readings(ONE), "b": readings.readings(ONE)}
    axes = readings.meanings(found).axes
    assert [ax.get_title() for ax in axes] == list(readings.KINDS.values())
    marks = [line for line in axes[0].lines if line.get_marker() not in ("", "None", None)]
    assert len(marks) == 4  # two titles, two attacks
    cells = distances.success_table(ONE, ("fgsm",)).splitlines()[2].split("|")
    assert cells[2].strip().startswith("50.0")
    assert "of\N{NO-BREAK SPACE}8" in cells[2]
    cells = distances.median_table(ONE, ("cw",)).splitlines()[2].split("|")
    assert cells[2].strip().startswith("2.5")
    assert "of\N{NO-BREAK SPACE}4" in cells[2]
    assert isinstance(readings.by_chance(readings.maxima({"": ONE})), Figure)
    assert len(readings.maxima_table(readings.maxima({"": ONE})).splitlines()) == 2 + 4


def test_nothing_recorded_is_no_error() -> None:
    for figure in (distances.rates({}), distances.within({}), readings.meanings({}), readings.by_chance({})):
        assert figure.texts[0].get_text() == "nothing recorded yet"
    assert readings.maxima({}) == {}
    bare = Duel((made("splash", first(5), {}),), (made("relu", first(5), {}),))
    assert distances.compared(bare) == {}
    assert readings.readings(bare) == []
    assert readings.maxima({"": bare}) == {}
