"""Verdicts on claims of the PAF papers and their critics: which shapes count, and whose seeds."""

from __future__ import annotations

import tiny
from made import held, right
from robust_activations import ledger, paths, studies
from robust_activations.figures import claims
from robust_activations.studies import Claim, paf, protocol


def claim(name: str) -> Claim:
    return next(one for study in studies.STUDIES.values() for one in study.claims if one.id == name)


def test_a_shape_that_can_beat_relu_is_enough():
    relu = paf.recipe("digits")("relu")
    shapes = paf.adversarial_shapes("digits")["reblu", "alpha"]
    counts = {0.5: 130, 1.0: 60, -0.5: 60}
    records = [tiny.record(relu, right(80)), *(tiny.record(shapes[alpha], right(n)) for alpha, n in counts.items())]
    ledger, _ = held(*records)
    verdict = claim("paf-positive-side").test(ledger, paf.STUDY.runs("digits"))
    assert verdict.label == "supported"
    assert verdict.measured.startswith("best of 3, ReBLU at 0.5: +25.0 points under pgd50")
    assert "against the claim" not in claims.why(verdict)
    alone, _ = held(tiny.record(relu, right(80)), tiny.record(shapes[0.5], right(20)))
    verdict = claim("paf-positive-side").test(alone, paf.STUDY.runs("digits"))
    assert verdict.label == "undecided"
    assert "no other was tried" in claims.why(verdict)


def test_every_frozen_prelu_must_stay_within_the_margin():
    relu = paf.recipe("digits")("relu")
    shapes = paf.adversarial_shapes("digits")["prelu", "alpha"]
    records = [tiny.record(relu, right(80)), *(tiny.record(run, right(60)) for run in shapes.values() if run != relu)]
    ledger, runs = held(*records)
    assert claim("paf-negative-side").test(ledger, runs).label == "supported"
    above = tiny.record(shapes[0.5], right(110))
    ledger.records[above.id] = above
    assert claim("paf-negative-side").test(ledger, runs).label == "contradicted"


def test_yu_s_band_is_compared_with_what_is_sharper_where_that_is_planned():
    planned = paf.STUDY.runs("digits")
    sweep = paf.adversarial_shapes("digits")["psilu", "alpha"]
    relu = paf.recipe("digits")("relu")
    records = [tiny.record(run, right(n)) for run, n in ((relu, 80), (sweep[1.0], 80), (sweep[10.0], 110))]
    ledger, own = held(*records)
    assert claim("yu-curvature").test(ledger, planned).label == "not tested here"
    assert claim("yu-curvature").test(ledger, own).label == "supported"
    sharp = tiny.record(sweep[40.0], right(140))
    ledger.records[sharp.id] = sharp
    assert claim("yu-curvature").test(ledger, planned).label == "contradicted"


def test_verdicts_take_the_protocols_other_seeds(monkeypatch, tmp_path):
    recipe = protocol.recipe("digits")
    every_run = [(recipe(name, seed=seed), n) for seed in (0, 1, 2) for name, n in (("relu", 80), ("silu", 110 + seed))]
    for run, n in every_run:
        ledger.write(tiny.record(run, right(n)), tmp_path / "data" / "ledger", "protocol")
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / "data" / "ledger")
    (found,) = [one.verdict for one in studies.verdicts(("digits",)) if one.claim.id == "sat-silu"]
    assert found.label == "supported"
    assert "(3 seeds, n = 200, ε = 38.25/255)" in found.measured
    assert {*found.records} == {run.id for run, _ in every_run}
    page = claims.details([one for one in claims.judged("digits") if one.claim.id == "sat-silu"])
    assert "robust-activations run sat --scale digits" in page
    assert "robust-activations run protocol --scale digits" in page
