"""Tables of records: the numbers are the records' own, and the tests those of `stats`."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tiny
from made import FALLEN, RELU, ROWS, SILU, cells, interval, made
from robust_activations import paths, stats, studies
from robust_activations.errors import UserError
from robust_activations.evaluation import Outcome
from robust_activations.figures import tables
from robust_activations.figures.results import Row
from robust_activations.ledger import Ledger, write


def percent(outcome: Outcome) -> str:
    low, high = (100 * bound for bound in outcome.interval)
    return f"{100 * outcome.accuracy:.1f} [{low:.1f},\N{NO-BREAK SPACE}{high:.1f}]"


def test_the_accuracy_table_has_the_records_numbers():
    header, _, relu, gelu, *_ = cells(
        tables.accuracy_table([Row("ReLU", made(aa=20)), ROWS[1]], ("clean", "pgd50", "autoattack"))
    )
    assert header == ["Activation", "Clean, %", "PGD-50, %", "AutoAttack, %", "n"]
    record = made(aa=20)
    assert relu == [
        "ReLU",
        *(percent(record.best.outcomes[a]) for a in ("clean", "pgd50", "autoattack")),
        "200; AutoAttack 50",
    ]
    assert gelu == ["GELU", "collapsed", "collapsed", "collapsed", "200"]


def test_the_accuracy_table_counts_seeds():
    seeds = [made(pgd50=80), made(pgd50=100, seed=1), made(pgd50=10, seed=2, collapsed="it fell")]
    header, _, row, other = cells(tables.accuracy_table([Row("ReLU", seeds), ROWS[2]], ("pgd50",)))
    assert header[2:] == ["Seeds", "n"]
    assert row[1:] == ["45.0 [0.0,\N{NO-BREAK SPACE}100.0]", "3, 1 collapsed", "200"]
    assert other[2] == "1"


def test_the_paired_table_is_mcnemars_test_with_holms_correction():
    others = [Row("SiLU", SILU), Row("PSSiLU", made("pssilu", 170, 160)), Row("GELU", FALLEN)]
    header, _, *rows = cells(tables.paired_table(ROWS[0], others))
    tests = [
        stats.mcnemar(row.records[0].best.outcomes["pgd50"].right, RELU.best.outcomes["pgd50"].right) for row in others
    ]
    adjusted = stats.holm([test.p for test in tests[:2]])
    assert adjusted[1] < 0.05 < adjusted[0]
    for row, test, p in zip(rows, tests, adjusted, strict=False):
        assert row[1] == interval(test.difference, *test.interval)
        assert row[2:4] == [f"{test.only_first}", f"{test.only_second}"]
        assert row[5].strip("*") == ("<0.001" if p < 0.001 else f"{p:.3f}")
    assert [row[5].startswith("**") for row in rows] == [False, True, False]
    assert rows[2][:2] == ["GELU", "collapsed"]
    assert header[1] == "Above ReLU under PGD-50, points"


def test_reported_and_measured_have_columns_of_their_own():
    rows = [("ReLU", ("84.2", ""), RELU), ("Mish", ("80.0",), None), ("GELU", ("", ""), FALLEN)]
    text = tables.reported_beside(rows, ("natural", "PGD-20"), theirs="A paper (SEEN)")
    header, _, relu, mish, gelu = cells(text)
    assert header[1:3] == ["*A paper (SEEN)*<br>natural", "*A paper (SEEN)*<br>PGD-20"]
    assert header[3:] == [f"*Measured here*<br>{word}" for word in ("Clean, %", "PGD-50, %", "n")]
    assert relu == ["ReLU", "84.2", "—", *(percent(RELU.best.outcomes[a]) for a in ("clean", "pgd50")), "200"]
    assert mish == ["Mish", "80.0", "—", "—", "—", "—"]
    assert gelu[3:] == ["collapsed", "collapsed", "200"]
    with pytest.raises(UserError, match="ReLU: 2 reported cells for 1"):
        tables.reported_beside(rows, ("natural",))


def test_provenance_in_a_sentence():
    later = {"commit": "0123456789", "clean": False, "started": "2026-02-03T04:05:06+00:00"}
    other = replace(RELU.provenance, device="NVIDIA H200", seconds=7200.0, **later)
    text = tables.provenance([RELU, replace(FALLEN, provenance=other)])
    assert text == (
        "2 records, made from 1 January 2026 to 3 February 2026 on cpu and NVIDIA H200 with torch 2.13, "
        "commits `abc` and `0123456` with changes, in 2.0 hours in all; 1 collapsed."
    )
    unknown = replace(RELU, provenance=replace(RELU.provenance, commit=None))
    assert "commit not recorded, in 0.2 minutes in all; none collapsed" in tables.provenance([unknown])
    assert "no records" in tables.provenance([])


def test_scales_with_records_in_the_studys_order(tmp_path, monkeypatch):
    runs = [replace(tiny.RUN, activation=name) for name in ("silu", "relu", "gelu")]
    study = studies.Study("some", "Some", lambda scale: [] if scale == "cpu" else runs)
    monkeypatch.setattr(studies, "STUDIES", {"some": study})
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / ("live" if scale == "digits" else "ledger"))
    for run in runs[:2]:
        write(tiny.record(run), tmp_path / "ledger", "some")
    write(tiny.record(runs[2]), tmp_path / "live", "some")  # at digits, which is none of the larger scales
    found = tables.scales_with("some")
    assert {scale: [record.run for record in records] for scale, records in found.items()} == {
        "gpu": runs[:2],
        "paper": runs[:2],
    }
    assert [r.run for r in tables.scales_with("some", lambda run: run.activation == "relu")["gpu"]] == runs[1:2]
    assert tables.scales_with("some", lambda run: run.activation == "gelu") == {}
    assert len(Ledger(tmp_path / "ledger")) == 2


def test_elsewhere_names_the_scales_with_records_or_the_command_that_makes_them():
    said = tables.elsewhere({"cpu": [RELU, SILU], "gpu": []}, "some", "CIFAR-10")
    assert said == f"Scale `cpu`: {tables.provenance([RELU, SILU])}"
    both = tables.elsewhere({"cpu": [RELU], "gpu": [SILU]}, "some", "CIFAR-10")
    assert [part.split(":")[0] for part in both.split("\n\n")] == ["Scale `cpu`", "Scale `gpu`"]
    for nothing in ({}, {"cpu": []}):
        assert "`robust-activations run some --scale cpu` makes them on CIFAR-10." in tables.elsewhere(
            nothing, "some", "CIFAR-10"
        )
