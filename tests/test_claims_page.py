"""The tables of claims: the words follow the verdicts, and the commands match the records they name."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch

import tiny
from made import entries, held, right, whole
from robust_activations import studies
from robust_activations.figures import claims
from robust_activations.figures.advice import advice, answered
from robust_activations.figures.prose import NOTHING
from robust_activations.ledger import Ledger, Record, write
from robust_activations.run import Run
from robust_activations.sensitivity import Measure
from robust_activations.studies import Claim, Judged, Reported, Verdict, compare, paf, sat
from robust_activations.studies.verdicts import compare_distance, compare_gap, compare_measure, every, moved
from tiny import is_

ROOT = Path(__file__).parents[1]
SILU, RELU, GELU = (replace(tiny.RUN, activation=name) for name in ("silu", "relu", "gelu"))


def pair(first: int, second: int, seed: int = 0, **changes) -> list[Record]:
    both = ((replace(SILU, seed=seed), first), (replace(RELU, seed=seed), second))
    return [tiny.record(run, right(count), **changes) for run, count in both]


def judge(*records: Record, **options) -> Verdict:
    return compare(*held(*records), is_("silu"), is_("relu"), **options)


def judged(
    verdict: Verdict, name: str = "paf-x", scale: str = "digits", study: str = "paf", value: str = "+9 points"
) -> Judged:
    mark = "SEEN" if value else "NOT FOUND"
    reported = Reported(value, "abstract", mark)
    claim = Claim(name, "claims", f"Statement of {name}.", "dai2021", reported, lambda *_: verdict)
    return Judged(study, claim, scale, verdict)


# Words


@pytest.mark.parametrize(
    ("verdict", "label", "words"),
    [
        (lambda: judge(*pair(120, 80)), "supported", "p is below 0.05"),
        (lambda: judge(*pair(80, 120)), "contradicted", "p is below 0.05, against the claim"),
        (lambda: judge(*pair(101, 100)), "undecided", "p is not below 0.05"),
        (
            lambda: judge(*(record for seed, first in enumerate((118, 120, 122)) for record in pair(first, 80, seed))),
            "supported",
            "p is below 0.05 and the interval over seeds excludes 0",
        ),
        (
            lambda: judge(*pair(140, 80), *pair(90, 80, seed=1)),
            "undecided",
            "p is below 0.05, but the seeds disagree: the interval over them includes 0",
        ),
        (lambda: judge(*pair(101, 100), margin=0.05), "supported", "the interval lies above the margin"),
        (lambda: judge(*pair(60, 120), margin=0.05), "contradicted", "the interval lies below the margin"),
        (lambda: judge(*pair(100, 101), margin=0.001), "undecided", "the interval reaches across the margin"),
        (lambda: judge(), "not tested here", "no records that can be compared, or the runs collapsed"),
        (
            lambda: every({"a": judge(*pair(120, 80)), "b": judge(*pair(101, 100))}),
            "undecided",
            "a: p is below 0.05; b: p is not below 0.05",
        ),
        (
            lambda: every({"a": judge(*pair(120, 80)), "b": judge(*pair(80, 120))}),
            "contradicted",
            "a: p is below 0.05; b: p is below 0.05, against the claim",
        ),
    ],
)
def test_why_a_comparison_came_out_so(verdict, label, words):
    found = verdict()
    assert (found.label, claims.why(found)) == (label, words)


@pytest.mark.parametrize(("count", "words"), [(120, "p is below 0.05"), (81, "p is not below 0.05")])
def test_why_several_pairs_of_one_network_are_one_group(count, words):
    """Two activations against one ReLU: they share its luck, and no interval over them is taken."""
    others = [tiny.record(run, right(count)) for run in (SILU, GELU)]
    found = compare(*held(*others, tiny.record(RELU, right(80))), is_("silu", "gelu"), is_("relu"))
    assert "2 pairs in 1 group" in found.measured
    assert claims.why(found) == words


def with_alpha(*values: float) -> tuple[Ledger, list[Run]]:
    runs = [replace(SILU, activation="psilu", seed=seed) for seed in range(len(values))]
    history = [({"activations": {"a.alpha": [value]}},) for value in values]
    return held(*(tiny.record(run, history=own) for run, own in zip(runs, history, strict=True)))


@pytest.mark.parametrize(
    ("values", "up", "label", "words"),
    [
        ((1.5, 1.6, 1.7), True, "supported", "the interval excludes the start"),
        ((1.5, 1.6, 1.7), False, "contradicted", "the interval excludes the start, against the claim"),
        ((0.5, 0.4, 0.3), False, "supported", "the interval excludes the start"),
        ((0.5, 1.5, 1.2), True, "undecided", "the interval includes the start"),
        ((1.8,), True, "undecided", "a single run has no interval"),
    ],
)
def test_why_a_parameter_moved(values, up, label, words):
    records, runs = with_alpha(*values)
    found = moved(records, runs, is_("psilu"), lambda r: r.history[-1]["activations"]["a.alpha"][0], 1.0, up=up)
    assert (found.label, claims.why(found)) == (label, words)


@pytest.mark.parametrize(
    ("gap", "label", "words"),
    [
        (0.1, "supported", "excludes 0"),
        (0.7, "contradicted", "excludes 0, against the claim"),
        (0.42, "undecided", "includes 0"),
    ],
)
def test_why_a_gap_is_smaller(gap, label, words):
    history = {name: ({"train_accuracy": 0.5 + own, "held_pgd10": 0.5},) for name, own in (("s", gap), ("r", 0.4))}
    records = tiny.record(SILU, history=history["s"]), tiny.record(RELU, history=history["r"])
    found = compare_gap(*held(*records), is_("silu"), is_("relu"))
    assert (found.label, claims.why(found)) == (label, f"the interval {words}")


def test_why_a_measure_is_larger():
    def measuring(run: Run, shift: float) -> Record:
        values = torch.linspace(0.0, 1.0, 50) ** 2 * (1 + shift) + shift
        best = replace(tiny.record(run).best, measures={"radius": Measure.of(values)})
        return tiny.record(run, best=best)

    def found(shift: float) -> tuple[str, str]:
        records = held(measuring(SILU, shift), measuring(RELU, 0.0))
        verdict = compare_measure(*records, is_("silu"), is_("relu"), "radius")
        return verdict.label, claims.why(verdict)

    assert found(0.2) == ("supported", "p is below 0.05")
    assert found(-0.2) == ("contradicted", "p is below 0.05, against the claim")


@pytest.mark.parametrize(
    ("shift", "label", "against"), [(0.3, "supported", ""), (-0.3, "contradicted", ", against the claim")]
)
def test_why_a_distance_is_larger(shift, label, against):
    """The share of images decides, not a sign: a small p brings a minus of its own."""

    def record(run: Run, values: torch.Tensor) -> Record:
        return tiny.record(run, best=replace(tiny.record(run).best, measures={"cw": Measure.of(values)}))

    values = torch.linspace(0.5, 1.0, 50)
    values[-30:] = torch.inf
    values[:20] += shift
    other = torch.linspace(0.5, 1.0, 50)
    other[-30:] = torch.inf
    found = compare_distance(*held(record(SILU, values), record(RELU, other)), is_("silu"), is_("relu"), "cw")
    assert (found.label, claims.why(found)) == (label, f"p is below 0.05{against}")
    assert claims.measured(found).startswith("median C&W distance ∞ against ∞, larger on ")


def test_measured_names_attacks_as_the_book_does():
    verdict = Verdict(
        "undecided", "-0.5 points under pgd50/pgd20, over pairs [-1.0, +0.1]; McNemar p = 1.8e-12 (2 pairs, n = 200)"
    )
    assert claims.measured(verdict) == (
        "−0.5 points under PGD-50/PGD-20, over pairs [−1.0, +0.1]; McNemar p < 0.001 (2 pairs, n = 200)"
    )
    assert claims.measured(Verdict("undecided", "mean radius -0.2; paired t p = 0.5 (1 seed, 9 images)")) == (
        "difference in mean radius −0.2; paired t p = 0.5 (1 seed, 9 images)"
    )
    assert claims.measured(judge(*pair(120, 80), attack="clean", margin=0.01)).startswith(
        "+20.0 points on clean images"
    )
    for attack, title in claims.ATTACKS.items():
        if attack != "clean":
            assert f"under {title} (1 pair" in claims.measured(
                Verdict("undecided", f"+1.0 points under {attack}; (1 pair")
            )
    assert claims.measured(Verdict("not tested here")) == NOTHING


def test_summary_counts_each_scale_apart():
    yes, no, none = judge(*pair(120, 80)), judge(*pair(80, 120)), Verdict("not tested here")
    found = [
        judged(yes, "a"), judged(no, "b"), judged(none, "c"),
        judged(none, "a", "cpu"), judged(yes, "b", "cpu"), judged(none, "c", "cpu"),
        *(judged(none, name, "gpu") for name in "abc"),
    ]  # fmt: skip
    assert claims.summary(found) == (
        "Of 3 claims at scale `digits`: 1 supported (on one seed), 1 contradicted (on one seed) and 1 not tested here. "
        "Of 3 claims at scale `cpu`: 1 supported (on one seed) and 2 not tested here."
    )
    assert claims.summary([judged(none)]) == "There are no records yet that test any of these claims."
    assert claims.stands(found, "b", "c").split("<br>") == [
        f"`b` at `digits`: **contradicted, one seed**, {claims.measured(no)}",
        f"`b` at `cpu`: **supported, one seed**, {claims.measured(yes)}",
        "`c`: not tested at any scale yet",
    ]


def test_advice_follows_the_largest_scale_and_says_where_others_differ():
    yes, no, none = judge(*pair(120, 80)), judge(*pair(80, 120)), Verdict("not tested here")
    found = [
        judged(yes, "a"),
        judged(no, "a", "cpu"),
        judged(none, "a", "gpu"),
        judged(yes, "b"),
        judged(yes, "b", "cpu"),
    ]
    words = {"supported": "Yes.", "contradicted": "No.", "undecided": "Perhaps."}
    said, test = advice(found, "a", **words, besides=" More.")
    assert said == "No. More."
    assert test == f"`a` at `cpu`: **contradicted, one seed**, {claims.measured(no)}; but supported at `digits`."
    said, test = advice(found, "b", **words)
    assert (said, "but" in test) == ("Yes.", False)
    nothing = advice([judged(none, "c")], "c", **words)
    assert nothing == ("Our records cannot say yet.", "`c`: not tested at any scale yet.")
    said = answered({"Is it?": advice(found, "b", **words), "And now?": nothing}).splitlines()
    assert said[:2] == ["- **Is it?** Yes.", "- **And now?** Our records cannot say yet."]
    assert said[3].startswith("::::{dropdown}")
    assert said[-2:] == ["- And now? `c`: not tested at any scale yet.", "::::"]
    assert claims.labels(found, "a", "c") == (
        "`a`: **supported, one seed** (`digits`), **contradicted, one seed** (`cpu`)<br>"
        "`c`: not tested at any scale yet"
    )


def test_advice_says_that_data_sets_do_not_agree():
    """Each gets its own sentence."""
    yes, even = judge(*pair(120, 80)), judge(*pair(100, 100))
    words = {"supported": "Yes.", "contradicted": "No.", "undecided": "Perhaps."}

    def said(**parts: Verdict) -> str:
        return advice([judged(Verdict.of_parts("undecided", parts), "a")], "a", **words).said

    assert said(cifar10=yes, cifar100=even) == ("*CIFAR-10, one seed:* Yes. *CIFAR-100:* Perhaps.")
    assert said(cifar10=even, cifar100=even) == said(silu=yes, gelu=even) == "Perhaps."  # the latter are no data sets


def test_decided_claims_are_named():
    yes, no, open_ = judge(*pair(120, 80)), judge(*pair(80, 120)), judge(*pair(101, 100))
    found = [judged(yes, "a"), judged(no, "b"), judged(open_, "c")]
    assert claims.held(found) == "Supported: “Statement of a” (one seed). Contradicted: “Statement of b” (one seed)."
    assert claims.held(found[2:]) == ""


def test_what_was_reported_stands_apart():
    assert entries(claims.reported([judged(judge(*pair(120, 80)))]).splitlines()[2])[1].startswith("+9 points<br>")


def test_caveats_count_each_record_once(folder):
    first, second = paf.STUDY.runs("cpu")[:2]
    write(replace(tiny.record(first), collapsed="fell"), folder / "ledger", "paf")
    write(tiny.record(second), folder / "ledger", "paf")
    words = claims.caveats([judged(judge(*pair(120, 80)), scale=scale) for scale in ("cpu", "gpu")])
    assert "of the 2 records behind this page and the protocol" in words
    assert "of these records 1 collapsed" in words
    assert "2 of them stand on this page" in words


# Tables


def test_reported_and_measured_never_share_a_column():
    yes, none = judge(*pair(120, 80)), Verdict("not tested here")
    found = [judged(yes, "a"), judged(yes, "a", "cpu"), judged(none, "b", value=""), judged(none, "b", "cpu")]
    header, _, *rows = map(entries, claims.standing(found).splitlines())
    assert header == ["Claim", "Verdict and why", "Measured", "Reported"]
    assert [row[2].split(":")[0] for row in rows] == ["`digits`", "`cpu`", NOTHING]
    assert [row[0] for row in rows] == [
        "Statement of a.<br>`a`, {doc}`/notebooks/claims`",
        "",
        "Statement of b.<br>`b`, {doc}`/notebooks/claims`",
    ]
    assert [row[1].split(":")[0] for row in rows] == ["**supported, one seed**"] * 2 + ["**not tested here**"]
    for row in rows:
        assert "+9" not in row[1] + row[2]
        assert "+20.0" not in row[3]
    assert [row[3].split("<br>")[0] for row in rows] == ["+9 points", "", NOTHING]


def test_a_bar_in_a_statement_ends_no_cell():
    """`|α|`, which one claim says."""
    found = [one for one in claims.judged("paper", study="paf") if "|" in one.claim.statement]
    assert found
    for made in (claims.beside, claims.standing):
        header, _, *rows = made(found).splitlines()
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in (header, *rows)}
        assert len(bars) == 1


def test_boxes_say_the_verdicts_and_decided_claims_come_first():
    yes, none, open_ = judge(*pair(120, 80)), Verdict("not tested here"), judge(*pair(101, 100))
    by = {"paf-pssilu": (none, none), "paf-learnable": (open_, open_), "paf-near-zero": (open_, yes)}
    found = [judged(two[i], name, scale) for i, scale in enumerate(("digits", "gpu")) for name, two in by.items()]
    found = [replace(one, verdict=replace(one.verdict, records=())) for one in found]
    titles = re.findall(r"^::::\{dropdown\} (.*)$", claims.details(found), re.M)
    assert titles == [
        "Statement of paf-near-zero. {bdg-light}`digits: undecided` {bdg-primary-line}`gpu: supported, one seed`",
        "Statement of paf-learnable. {bdg-light}`digits: undecided` {bdg-light}`gpu: undecided`",
        "Statement of paf-pssilu. {bdg-light}`not tested here`",
    ]


def test_luck_is_counted_over_pairs_of_seeds():
    one, other, third = (
        tiny.record(replace(RELU, seed=seed), right(count)) for seed, count in ((0, 80), (1, 81), (2, 99))
    )
    assert "of the 3 pairs of these networks" in claims.luck([one, other, third])
    assert claims.luck([one, other, third]).endswith("2 differ at p < 0.05.")
    assert claims.luck([one, other]).endswith("none differ at p < 0.05.")
    assert claims.luck([one, replace(other, collapsed="fell")]).startswith("none of these networks has been trained")
    assert claims.luck([one, tiny.record(SILU, right(99))]).startswith("none of these networks")


def test_rerun_commands_match_the_records_of_the_verdict(folder):
    """All claims of both papers, with a record of every run: each record is matched by a command of its own box."""
    for study in (paf.STUDY, sat.STUDY):
        for run in study.runs("digits"):
            if not (folder / "live" / study.name / f"{run.id}.json").exists():
                write(whole(run), folder / "live", study.name)
        found = list(studies.verdicts(("digits", "gpu"), study.name))
        planned = {run.id: run for run in studies.planned("digits")}
        boxes = claims.details(found).split("\n::::{dropdown} ")
        assert len(boxes) == len(study.claims)
        tested = [one for one in found if one.scale == "digits"]
        assert sum(one.verdict.tested for one in tested) >= 10
        for one in tested:
            (box,) = (box for box in boxes if f"`{one.claim.id}`, looked into" in box)
            globs = re.findall(r'^robust-activations run \w+ --scale digits \\\n    --only "(.*)"$', box, re.M)
            for name in one.verdict.records:
                assert f"`{name}`" in box
                assert any(fnmatch(planned[name].label, glob) for glob in globs)
            assert f"robust-activations run {study.name} --scale gpu\n" in box
            if not one.verdict.tested:
                assert "At `digits` all of the study's runs are recorded, and none of them can test it." in box
                assert "--scale digits" not in box
