"""What the critics ask for: like is compared with like, and what is not recorded is left out."""

from __future__ import annotations

import re
from dataclasses import replace

import tiny
from made import entries, held, right, whole
from robust_activations.evaluation import Check
from robust_activations.figures import critics
from robust_activations.figures.prose import NOTHING
from robust_activations.ledger import Ledger
from robust_activations.studies import paf, protocol, splash


def test_curvature_table_leaves_out_what_is_not_there(folder):
    assert critics.curvature_table({"cpu": Ledger(folder)}) == "Nothing of this sweep is recorded yet."
    adversarial = paf.adversarial_shapes("cpu")[critics.PSILU]
    records, _ = held(whole(adversarial[1.0]), replace(whole(adversarial[10.0]), collapsed="fell"))
    first, second = map(entries, critics.curvature_table({"cpu": records}).splitlines()[2:])
    outcome = records[adversarial[1.0]].best.outcomes["pgd50"]
    assert first[:4] == ["`cpu`", "1", "0.5", NOTHING]
    assert first[4].startswith(f"{100 * outcome.accuracy:.1f}")
    assert first[4].endswith("under PGD-50, n = 200")
    assert second == ["`cpu`", "10", "5", NOTHING, "collapsed"]


def test_curvatures_are_compared_under_one_attack():
    """At digits α = 1 is SiLU's run, which PGD-50 attacks, and the others' stronger attack is PGD-20."""
    runs = paf.adversarial_shapes("digits")[critics.PSILU]
    assert {"pgd50" in run.suite.attacks for run in runs.values()} == {True, False}
    records, _ = held(*map(whole, runs.values()))
    rows = [*map(entries, critics.curvature_table({"digits": records}).splitlines()[2:])]
    assert len(rows) == len(runs)
    assert all("under PGD-20" in row[4] for row in rows)


def test_weight_decays_are_compared_within_a_setting():
    base = {run.activation: run for run in paf.STUDY.runs("digits")[:2]}
    other = next(run for run in paf.critics("digits") if run.activation == "relu")
    counts = ((base["relu"], 100), (base["silu"], 110), (other, 60))
    records, _ = held(*(tiny.record(run, right(count)) for run, count in counts))
    table, words = critics.weight_decays({"digits": records})
    assert [entries(line)[0] for line in table.splitlines()[2:]] == [
        "ReLU, 0.0005, `digits`", "ReLU, 0.01, `digits`", "SiLU, 0.0005, `digits`",
    ]  # fmt: skip
    assert re.search(r"0\.01 for 0\.0005, moves ReLU by −20\.0 \[\S+,\s\S+\] points under PGD-50 \(n = 200\)", words)
    assert re.search(r"SiLU in its place moves the accuracy by \+5\.0 \[\S+,\s\S+\] points under PGD-50", words)
    records, _ = held(*(tiny.record(run, right(count)) for run, count in counts[:2]))
    assert critics.weight_decays({"digits": records}) == (
        "No scale has records with more than one weight decay yet.", "",
    )  # fmt: skip


def test_tuned_activations_meet_the_tuned_relu():
    make = protocol.recipe("digits")
    other = {run.activation: run for run in protocol.decays("digits")}
    held_out = {make("relu").id: 0.3, other["relu"].id: 0.5, make("silu").id: 0.6, other["silu"].id: 0.2}
    counts = ((make("relu"), 100), (other["relu"], 90), (make("silu"), 140), (other["silu"], 20), (make("gelu"), 190))
    records, _ = held(
        *(tiny.record(run, right(n), history=({"held_pgd10": held_out.get(run.id, 0.9)},)) for run, n in counts)
    )
    first, second = map(entries, critics.tuned_table({"digits": records}).splitlines()[2:])
    assert first[:3] == ["`digits`", "ReLU", "0.01"]
    assert second[:3] == ["`digits`", "SiLU", "0.0005"]
    assert second[4].startswith("+25.0 [")
    assert second[5] == "**<0.001**"
    few, _ = held(*(tiny.record(make(name), right(90)) for name in ("relu", "silu")))
    assert critics.tuned_table({"digits": few}) == "No scale has records of several weight decays yet."


def test_levels_compare_networks_that_were_trained_both_ways():
    """Not at gpu, where the two trainings have different networks."""
    for scale, model, count in (("cpu", "resnet20", 2), ("gpu", "resnet18", 0)):
        runs = [run for run in splash.STUDY.runs(scale) if run.seed == 0 and run.activation in splash.PAIR]
        records, _ = held(*map(whole, runs))
        rows = [*map(entries, critics.levels({scale: records}).splitlines()[2:])]
        assert len(rows) == 2 * count
        assert sum("adversarially, ℓ∞ 8/255" in row[0] for row in rows) == count
        assert splash.adversarial(scale)["S = 7"].model == model
    assert critics.levels({}) == "Nothing of this is recorded yet."


def test_masking_names_who_failed_and_what():
    failed = Check("black_box", "?", 0.2, 0.1)
    relu, unit = (splash.robustness("digits")["digits", "digits_cnn"][name][0] for name in splash.PAIR)
    plain = tiny.record(unit)
    records, _ = held(
        tiny.record(relu),
        replace(plain, best=replace(plain.best, checks=(failed,)), last=replace(plain.last, checks=())),
    )
    table, words = critics.masking("splash", {"digits": records})
    (row,) = map(entries, table.splitlines()[2:])
    assert row == ["`digits`", "SPLASH", "without attacks", "1 of 1", critics.CHECKS["black_box"]]
    assert words == (
        "At `digits` 1 of 2 records passed every check at the best epoch, "
        "and at the last one where that was checked too (1 of 2)."
    )


def test_settings_are_weighed_where_both_are_recorded():
    choices = splash.choices("cpu")
    names = ("S = 7", "ReLU", splash.EVEN, critics.BARE)
    records, _ = held(
        *(tiny.record(choices[name], right(n)) for name, n in zip(names, (85, 80, 120, 140), strict=True))
    )
    rows = [*map(entries, critics.settings({"cpu": records}).splitlines()[2:])]
    said = [(row[2], row[3].split()[0]) for row in rows]
    assert said == [
        ("SPLASH above ReLU", "+2.5"),
        ("SPLASH, evenly spaced above SPLASH", "+17.5"),
        ("ReLU without BatchNorm above ReLU", "+30.0"),
        ("SPLASH, evenly spaced above ReLU without BatchNorm", "−10.0"),
    ]
    assert {row[0] for row in rows} == {"`cpu`, MNIST"}
    few, _ = held(*(tiny.record(choices[name], right(80)) for name in names[:3]))
    assert critics.settings({"cpu": few}) == "No scale has records of these choices yet."
