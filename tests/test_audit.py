"""Committed records: canonical data, a clean commit, no collapse, no failed check, or a reason that is written down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from made import entries, held
from robust_activations.evaluation import Check
from robust_activations.figures import audits
from robust_activations.ledger import Ledger
from robust_activations.provenance import Provenance
from robust_activations.studies import Claim, Judged, Reported, Verdict, audit, pictures

ROOT = Path(__file__).parents[1]
MADE = replace(tiny.record().provenance, commit="0123456789", clean=True, canonical=True)
CHECKED = replace(tiny.record().best, checks=(Check("black_box", "?", 0.0, 0.02),))
SOUND = replace(tiny.record(), provenance=MADE, best=CHECKED, last=CHECKED)


def test_every_committed_record_is_fit_or_explained():
    committed = Ledger(ROOT / "data" / "ledger")
    assert len(committed) > 0
    assert not committed.broken
    assert audit.unfit(committed) == {}
    known = {(record.id, kind) for record in committed for kind in audit.faults(record)}
    assert {*audit.EXPLAINED} <= known, "explains what no record has"


def test_what_was_measured_on_saved_networks_is_of_committed_runs_and_as_fit():
    folder = ROOT / "data" / "ledger"
    rows = [row for path in folder.glob("*.json") for row in json.loads(path.read_text())]
    made = [(row["id"], Provenance(**row["provenance"])) for row in rows]
    made += [(run, one.provenance) for path in folder.glob("*.safetensors") for run, one in pictures.read(path).items()]
    assert made
    records = {record.id: record for record in Ledger(folder)}
    assert {run for run, _ in made} <= records.keys()
    assert not [run for run, one in made if audit.faults(replace(SOUND, provenance=one))]
    # The record's own network: trained again on another machine it is another, and right on other images.
    for row in rows:
        right = records[row["id"]].best.outcomes["clean"].right[: row["n"]]
        assert row["correct"][0] == right.sum(), row["run"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"canonical": False}, "not a canonical one"),
        ({"canonical": None}, "not a canonical one"),
        ({"clean": False}, "in no commit"),
        ({"commit": None}, "in no commit"),
    ],
)
def test_faults_of_provenance(changes, words):
    assert audit.faults(SOUND) == {}
    (fault,) = audit.faults(replace(SOUND, provenance=replace(MADE, **changes))).values()
    assert words in fault


def test_faults_of_training_and_checks():
    failed = replace(SOUND.best, checks=(Check("black_box", "?", 0.03, 0.02), Check("unbounded", "?", 0.0, 0.01)))
    assert audit.faults(replace(SOUND, collapsed="it fell")) == {"collapsed": "collapsed: it fell"}
    words = "check black_box, {} epoch: 0.03 is above 0.02"
    assert audit.faults(replace(SOUND, best=failed, last=failed)) == {"black_box": words.format("best")}
    assert audit.faults(replace(SOUND, last=failed)) == {"black_box": words.format("last")}
    left_out = replace(CHECKED, checks=failed.checks[1:])
    assert "not installed" in audit.faults(replace(SOUND, best=left_out))["black_box"]
    assert audit.faults(replace(SOUND, last=replace(CHECKED, checks=()))) == {}  # it need not be checked


def test_what_is_explained_is_fit_and_nothing_else_of_the_record(monkeypatch):
    fallen = replace(SOUND, collapsed="it fell")
    assert audit.unfit([SOUND, fallen]) == {fallen.id: ["collapsed: it fell"]}
    assert "**Not explained.**" in audits.verdict(held(fallen)[0], ())
    monkeypatch.setattr(audit, "EXPLAINED", {(fallen.id, "collapsed"): "It always does."})
    assert audit.unfit([SOUND, fallen]) == {}
    line = f"- `{fallen.id}`: Collapsed: it fell. It always does. "
    assert audits.verdict(held(fallen)[0], ()).endswith(f"{line}**No verdict rests on it.**")
    rests = judged(fallen, SOUND)
    assert audits.verdict(held(fallen)[0], [rests]).endswith(f"{line}**Part of the verdicts `sat-x` at `cpu`.**")
    dirty = replace(fallen, provenance=replace(MADE, clean=False))
    assert audit.unfit([dirty]) == {fallen.id: ["its code is in no commit"]}
    assert audits.verdict(held(SOUND)[0], ()).strip() == "Nothing speaks against 1 of the 1 committed records."


def judged(*records) -> Judged:
    verdict = Verdict("supported", "+1.0 points", tuple(record.id for record in records))
    claim = Claim("sat-x", "x", "x", "xie2020", Reported("", "", "NOT FOUND"), lambda *_: verdict)
    return Judged("sat", claim, "cpu", verdict)


def test_what_rests_on_a_doubted_record_is_found_out():
    failed = replace(SOUND.best, checks=(Check("black_box", "?", 0.03, 0.02),))
    bad, good = replace(SOUND, best=failed, last=failed), replace(SOUND, id=tiny.RUNS[1].id, run=tiny.RUNS[1])
    ledger, _ = held(bad, good)
    assert audits.resting(ledger, [judged(bad, good), judged(good)]) == {bad.id: ["`sat-x` at `cpu`"]}
    words = audits.doubted(ledger, [judged(bad)])
    assert words.startswith("Verdicts rest on 1 record that something speaks against, ReLU in Digits CNN, width 4 on")
    assert audits.doubted(ledger, [judged(good)]) == "Nothing speaks against a record that a verdict rests on."


def test_runs_of_the_same_label_are_told_apart():
    longer = replace(tiny.RUN, schedule=replace(tiny.RUN.schedule, epochs=6))
    other = replace(tiny.RUN, suite=replace(tiny.RUN.suite, n=40))
    usual = replace(tiny.RUN, model_options={})
    found = audits.differences([tiny.RUN, longer, other, tiny.RUNS[1]])
    assert found == {tiny.RUN.id: "", longer.id: ", epochs 6", other.id: ", other attacks", tiny.RUNS[1].id: ""}
    assert audits.differences([tiny.RUN, usual]) == {tiny.RUN.id: ", width 4", usual.id: ""}


def test_sound_counts_a_record_once_and_names_what_failed():
    clean = audits.sound([SOUND, SOUND])
    assert clean.startswith("Of 1 record none collapsed. All passed every check")
    failed = replace(SOUND.best, checks=(Check("black_box", "?", 0.03, 0.02),))
    other = replace(tiny.record(tiny.RUNS[1]), best=failed, collapsed="it fell")
    words = audits.sound([SOUND, other]).replace("\N{NO-BREAK SPACE}", " ")
    assert words.startswith("Of 2 records 1 collapsed. **1 check for masked gradients failed.**")
    assert (
        "PSSiLU (8×8 digits, seed 0, best epoch): a black-box attack breaks nothing that PGD-50 does not (3.0 %"
        in words
    )


def test_the_page_lists_every_record_with_its_machine():
    other = replace(tiny.record(tiny.RUNS[1]), provenance=replace(MADE, started="2026-11-22T08:00:00+00:00"))
    ledger, _ = held(SOUND, other)
    ledger.studies = {SOUND.id: "paf", other.id: "sat"}
    page = audits.every(ledger)
    assert page.count("::::{dropdown}") == 2
    assert all(f"`{record.id}`" in page for record in (SOUND, other))
    (row,) = map(entries, audits.machines([SOUND, other]).splitlines()[2:])
    assert row[2:4] == ["`0123456`", "2"]
