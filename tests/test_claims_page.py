"""The tables of claims and plans: the words follow the verdicts, and the commands match the records they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch

import tiny
from robust_activations import paths, studies
from robust_activations.evaluation import Check, Evaluation, Outcome
from robust_activations.figures import claims, critics, plans
from robust_activations.ledger import Ledger, Record, write
from robust_activations.run import Run
from robust_activations.sensitivity import Measure
from robust_activations.studies import Claim, Judged, Reported, Verdict, compare, paf, smooth, sparta, splash
from robust_activations.studies.verdicts import compare_distance, compare_gap, compare_measure, every, moved

ROOT = Path(__file__).parents[1]
SILU, RELU, GELU = (replace(tiny.RUN, activation=name) for name in ("silu", "relu", "gelu"))


def is_(*names: str):
    return lambda run: run.activation in names


def right(count: int, n: int = 200) -> list[bool]:
    return [index < count for index in range(n)]


def pair(first: int, second: int, seed: int = 0, **changes) -> list[Record]:
    both = ((replace(SILU, seed=seed), first), (replace(RELU, seed=seed), second))
    return [tiny.record(run, right(count), **changes) for run, count in both]


def held(*records: Record) -> tuple[Ledger, list[Run]]:
    ledger = Ledger(Path("nowhere"))
    ledger.records = {record.id: record for record in records}
    return ledger, [record.run for record in records]


def judge(*records: Record, **options) -> Verdict:
    return compare(*held(*records), is_("silu"), is_("relu"), **options)


def judged(
    verdict: Verdict, name: str = "paf-x", scale: str = "digits", study: str = "paf", value: str = "+9 points"
) -> Judged:
    mark = "SEEN" if value else "NOT FOUND"
    claim = Claim(name, f"Statement of {name}.", "dai2021", Reported(value, "abstract", mark), lambda *_: verdict)
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
        (lambda: judge(*pair(101, 100), margin=0.05), "supported", "the interval lies within the margin"),
        (lambda: judge(*pair(60, 120), margin=0.05), "contradicted", "the interval lies beyond the margin"),
        (lambda: judge(*pair(100, 101), margin=0.001), "undecided", "the interval reaches across the margin"),
        (lambda: judge(), "not tested here", "no records that can be compared, or the runs collapsed"),
        (
            lambda: every(judge(*pair(120, 80)), judge(*pair(101, 100))),
            "undecided",
            "p is below 0.05; p is not below 0.05",
        ),
        (
            lambda: every(judge(*pair(120, 80)), judge(*pair(80, 120))),
            "contradicted",
            "p is below 0.05; p is below 0.05, against the claim",
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
    assert claims.measured(Verdict("not tested here")) == claims.NOTHING


def test_summary_counts_each_scale_apart():
    yes, no, none = judge(*pair(120, 80)), judge(*pair(80, 120)), Verdict("not tested here")
    found = [
        judged(yes, "a"), judged(no, "b"), judged(none, "c"),
        judged(none, "a", "cpu"), judged(yes, "b", "cpu"), judged(none, "c", "cpu"),
        *(judged(none, name, "gpu") for name in "abc"),
    ]  # fmt: skip
    assert claims.summary(found) == (
        "Of 3 claims at scale `digits`: 1 supported, 1 contradicted, 1 not tested here. "
        "Of 3 claims at scale `cpu`: 1 supported, 2 not tested here."
    )
    assert claims.summary([judged(none)]) == "There are no records yet that test any of these claims."
    assert claims.stands(found, "b", "c").split("<br>") == [
        f"`b` at `digits`: **contradicted**, {claims.measured(no)}",
        f"`b` at `cpu`: **supported**, {claims.measured(yes)}",
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
    said = {"supported": "Yes.", "contradicted": "No.", "undecided": "Perhaps."}
    assert claims.advice(found, "a", **said) == (
        f"No. (`a` at `cpu`: {claims.measured(no)}; but supported at `digits`.)"
    )
    assert claims.advice(found, "b", **said).startswith("Yes. (`b` at `cpu`")
    assert "but" not in claims.advice(found, "b", **said)
    assert claims.advice([judged(none, "c")], "c", **said) == "Our records cannot say yet (`c`)."
    assert claims.labels(found, "a", "c") == (
        "`a`: **supported** (`digits`), **contradicted** (`cpu`)<br>`c`: not tested at any scale yet"
    )


def test_outcomes_sort_claims_over_all_scales():
    yes, no, none = judge(*pair(120, 80)), judge(*pair(80, 120)), Verdict("not tested here")
    open_ = judge(*pair(101, 100))
    by = {"a": (yes, open_), "b": (no, none), "c": (yes, no), "d": (open_, none), "e": (none, none)}
    found = [judged(two[i], name, scale) for i, scale in enumerate(("digits", "cpu")) for name, two in by.items()]
    rows = [*map(cells, claims.outcomes(found).splitlines()[2:])]
    assert [row[0].strip("*") for row in rows] == [*claims.OUTCOMES.values()]
    assert [row[1][len("Statement of ")] for row in rows] == [*"abcde"]
    assert rows[0][1].endswith("(supported at `digits`, undecided at `cpu`)")
    assert cells(claims.reported(found).splitlines()[2])[1].startswith("+9 points<br>")


def test_caveats_count_each_record_once(folder):
    first, second = paf.STUDY.runs("cpu")[:2]
    write(replace(tiny.record(first), collapsed="fell"), folder / "ledger", "paf")
    write(tiny.record(second), folder / "ledger", "paf")
    words = claims.caveats("paf", [judged(judge(*pair(120, 80)), scale=scale) for scale in ("cpu", "gpu")])
    assert "of 2 records behind" in words
    assert "of these records 1 collapsed" in words
    assert "2 of them stand on this page" in words


# Tables


def cells(line: str) -> list[str]:
    return line.replace("\N{NO-BREAK SPACE}", " ")[2:-2].split(" | ")


def test_reported_and_measured_never_share_a_column():
    yes, none = judge(*pair(120, 80)), Verdict("not tested here")
    found = [judged(yes, "a"), judged(yes, "a", "cpu"), judged(none, "b", value=""), judged(none, "b", "cpu")]
    header, _, *rows = map(cells, claims.standing(found).splitlines())
    assert header == ["Claim", "Reported", "Measured", "Verdict and why"]
    assert [row[2].split(":")[0] for row in rows] == ["`digits`", "`cpu`", claims.NOTHING]
    assert [row[0] for row in rows] == ["Statement of a.<br>`a`", "", "Statement of b.<br>`b`"]
    assert [row[3].split(":")[0] for row in rows] == ["**supported**", "**supported**", "**not tested here**"]
    for row in rows:
        assert "+9" not in row[2] + row[3]
        assert "+20.0" not in row[1]
    assert [row[1].split("<br>")[0] for row in rows] == ["+9 points", "", claims.NOTHING]


def test_a_bar_in_a_statement_ends_no_cell():
    """`|α|`, which one claim says."""
    found = [one for one in claims.judged("paper", study="paf") if "|" in one.claim.statement]
    assert found
    for made in (claims.beside, claims.overview, claims.standing):
        header, _, *rows = made(found).splitlines()
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in (header, *rows)}
        assert len(bars) == 1


def test_overview_has_a_column_for_each_scale_that_tests_something():
    yes, none = judge(*pair(120, 80)), Verdict("not tested here")
    found = [judged(yes, "a"), judged(none, "a", "cpu"), judged(none, "b"), judged(none, "b", "cpu")]
    header, _, *rows = map(cells, claims.overview(found).splitlines())
    assert header == ["Claim", "Paper", "`digits`"]
    assert [row[2] for row in rows] == ["**supported**", claims.NOTHING]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where the ledger of every scale is."""
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / ("live" if scale == "digits" else "ledger"))
    return tmp_path


def test_rerun_commands_match_the_records_of_the_verdict(folder):
    """All claims of both papers, with a record of every run: each record is matched by a command of its own box."""
    for study in (paf.STUDY, smooth.STUDY):
        for run in study.runs("digits"):
            if not (folder / "live" / study.name / f"{run.id}.json").exists():
                write(made(run), folder / "live", study.name)
        found = [one for one in studies.verdicts(("digits", "gpu")) if one.study == study.name]
        planned = {run.id: run for run in study.runs("digits")}
        boxes = claims.details(found).split("\n::::{dropdown} ")
        assert len(boxes) == len(study.claims)
        tested = [one for one in found if one.scale == "digits"]
        assert sum(one.verdict.label != claims.UNTESTED for one in tested) >= 10
        for one, box in zip(tested, boxes, strict=True):
            globs = re.findall(rf'^robust-activations run {study.name} --scale digits --only "(.*)"$', box, re.M)
            for name in one.verdict.records:
                assert f"`{name}`" in box
                assert any(fnmatch(planned[name].label, glob) for glob in globs)
            assert f"robust-activations run {study.name} --scale gpu\n" in box
            if one.verdict.label == claims.UNTESTED:
                assert "At `digits` all of the study's runs are recorded, and none of them can test it." in box
                assert "--scale digits" not in box


def made(run: Run) -> Record:
    """A record of all that the run's suite asks for, with a number of right images that differs between runs."""
    share = 40 + int(run.id, 16) % 120
    generator = torch.Generator().manual_seed(int(run.id, 16) % 2**31)
    outcome = Outcome.of(torch.randperm(200, generator=generator) < share, 0.5)
    measures = {name: Measure.of(torch.rand(50, generator=generator)) for name in run.suite.measures}
    best = Evaluation(dict.fromkeys(run.suite.attacks, outcome), (), measures=measures)
    activations = {"act.alpha": [share / 80], "act.beta": [0.1]}
    history = ({"activations": activations, "train_accuracy": share / 200, "held_pgd10": 0.4},)
    return tiny.record(run, best=best, last=best, history=history)


# Plans


def every_run(experiment: object) -> Iterator[str]:
    return (run.id for run in plans.each(experiment))


def test_plan_counts_and_adds_up(folder):
    first, *rest = paf.STUDY.runs("cpu")
    write(
        replace(tiny.record(first), provenance=replace(tiny.record().provenance, seconds=7200.0)),
        folder / "ledger",
        "paf",
    )
    rows = {row[0]: row[1:] for row in map(cells, plans.plan("paf").splitlines()[2:])}
    like = [run for run in rest if (run.model, run.objective.name) == (first.model, first.objective.name)]
    hours = sum(2.0 * run.schedule.epochs / first.schedule.epochs for run in like)
    assert rows["`cpu`"][:3] == [f"{1 + len(rest)}", "1", "2.0 h"]
    assert rows["`cpu`"][3] == f"{hours:,.1f} h for {len(like)} of {len(rest)}"
    assert rows["`digits`"][:4] == [f"{len(paf.STUDY.runs('digits'))}", "0", claims.NOTHING, claims.NOTHING]
    assert rows["`gpu`"][4] == "`robust-activations run paf --scale gpu`"


@pytest.mark.parametrize("scale", paths.SCALES)
def test_the_experiments_are_the_study(scale):
    """What the overview pages list by experiment is all that the study runs, and nothing else."""
    own = (smooth.gradient_quality, smooth.controls, smooth.activations, smooth.large_alpha, smooth.scaling)
    units = (splash.accuracy, splash.robustness, splash.choices, splash.adversarial, splash.seeds_of)
    live = [sparta.mnist(), sparta.untaught("digits", sparta.mnist())]
    others = (lambda scale: live, lambda scale: [run for run in sparta.STUDY.runs(scale) if run.seed])
    gates = (sparta.properties, sparta.objectives, sparta.across_networks, sparta.across_datasets, *others)
    whole = [plans.within("sparta", piece) for piece in gates]
    studied = ((paf.STUDY, paf.EXPERIMENTS.values()), (smooth.STUDY, own), (splash.STUDY, units), (sparta.STUDY, whole))
    for study, pieces in studied:
        assert {name for piece in pieces for name in every_run(piece(scale))} == {run.id for run in study.runs(scale)}


def test_experiments_count_each_run_once(folder):
    write(tiny.record(smooth.activations("cpu")["relu"]), folder / "ledger", "sat")
    (row,) = map(cells, plans.experiments({"Controls": lambda scale: [smooth.activations(scale)] * 2}).splitlines()[2:])
    assert row == ["Controls", "0 of 7", "1 of 7", "0 of 7", "0 of 7"]


def test_recipe_marks_what_differs():
    rows = [("Epochs", "200", "seen", "200"), ("Seeds", "", "not found", "1"), ("ε", "0.031", "seen", "8/255")]
    assert [cells(line)[3] for line in plans.recipe(rows).splitlines()[2:]] == ["the same", "**1**", "**8/255**"]


def test_ours_follows_the_run():
    run = replace(tiny.RUN, schedule=replace(tiny.RUN.schedule, epochs=12, shape="step"), augment=None)
    rows = dict(cells(line)[:1] + cells(line)[3:] for line in plans.unpublished(run, {}).splitlines()[2:])
    assert rows["Epochs"] == "**12**"
    assert rows["Learning rate"].endswith("× 0.1 after epochs 6, 9**")
    assert rows["Augmentation"] == "**none**"
    found = plans.unpublished(run, {"Data": (run.dataset, "seen: abstract")}).splitlines()[2]
    assert cells(found) == ["Data", run.dataset, "seen: abstract", "the same"]
    counted = [cells(line)[-1] for line in plans.grid([run, run, replace(run, model="lenet5")]).splitlines()[2:]]
    assert counted == ["2", "1"]


def test_pages_give_the_minutes_of_the_page():
    said = re.search(r"Reading time: (\d+) minutes", (ROOT / "notebooks/paf_06_discussion.py").read_text())
    rows = [*map(cells, plans.pages({"paf_06_discussion": "What holds?", "nowhere": "And else?"}).splitlines()[2:])]
    assert [row[2] for row in rows] == [said and said[1], claims.NOTHING]


def test_unready_names_what_is_wanting(monkeypatch):
    assert plans.unready("primer").startswith("All of these runs can be started")
    monkeypatch.setattr(plans.data, "names", lambda: ["digits"])
    words = plans.unready("sat")
    runs = len(smooth.STUDY.runs("cpu"))
    assert f"{runs} of {runs} at `cpu`, for want of cifar10" in words
    assert "digits" not in words


# What the critics ask for


def test_curvature_table_leaves_out_what_is_not_there(folder):
    assert critics.curvature_table({"cpu": Ledger(folder)}) == "Nothing of this sweep is recorded yet."
    adversarial = paf.adversarial_shapes("cpu")[critics.PSILU]
    records, _ = held(made(adversarial[1.0]), replace(made(adversarial[10.0]), collapsed="fell"))
    first, second = map(cells, critics.curvature_table({"cpu": records}).splitlines()[2:])
    outcome = records[adversarial[1.0]].best.outcomes["pgd50"]
    assert first[:4] == ["`cpu`", "1", "0.5", claims.NOTHING]
    assert first[4].startswith(f"{100 * outcome.accuracy:.1f}")
    assert first[4].endswith("under PGD-50, n = 200")
    assert second == ["`cpu`", "10", "5", claims.NOTHING, "collapsed"]


def test_curvatures_are_compared_under_one_attack():
    """At digits α = 1 is SiLU's run, which PGD-50 attacks, and the others' stronger attack is PGD-20."""
    runs = paf.adversarial_shapes("digits")[critics.PSILU]
    assert {"pgd50" in run.suite.attacks for run in runs.values()} == {True, False}
    records, _ = held(*map(made, runs.values()))
    rows = [*map(cells, critics.curvature_table({"digits": records}).splitlines()[2:])]
    assert len(rows) == len(runs)
    assert all("under PGD-20" in row[4] for row in rows)


def test_weight_decays_are_compared_within_a_setting():
    base = {run.activation: run for run in paf.STUDY.runs("digits")[:2]}
    other = next(run for run in paf.critics("digits") if run.activation == "relu")
    counts = ((base["relu"], 100), (base["silu"], 110), (other, 60))
    records, _ = held(*(tiny.record(run, right(count)) for run, count in counts))
    table, words = critics.weight_decays({"digits": records})
    assert [cells(line)[0] for line in table.splitlines()[2:]] == [
        "ReLU, 0.0005, `digits`", "ReLU, 0.01, `digits`", "SiLU, 0.0005, `digits`",
    ]  # fmt: skip
    assert re.search(r"0\.01 for 0\.0005, moves ReLU by −20\.0 points \[\S+, \S+\] under PGD-50 \(n = 200\)", words)
    assert re.search(r"SiLU in its place moves the accuracy by \+5\.0 points \[\S+, \S+\] under PGD-50", words)
    records, _ = held(*(tiny.record(run, right(count)) for run, count in counts[:2]))
    assert critics.weight_decays({"digits": records}) == (
        "No scale has records with more than one weight decay yet.", "",
    )  # fmt: skip


def test_levels_compare_networks_that_were_trained_both_ways():
    """Not at gpu, where the two trainings have different networks."""
    for scale, model, count in (("cpu", "resnet20", 2), ("gpu", "resnet18", 0)):
        runs = [run for run in splash.STUDY.runs(scale) if run.seed == 0 and run.activation in splash.PAIR]
        records, _ = held(*map(made, runs))
        rows = [*map(cells, critics.levels({scale: records}).splitlines()[2:])]
        assert len(rows) == 2 * count
        assert sum("adversarially, ℓ∞ 8/255" in row[0] for row in rows) == count
        assert splash.adversarial(scale)["S = 7"].model == model
    assert critics.levels({}) == "Nothing of this is recorded yet."


def test_masking_names_who_failed_and_what():
    failed = Check("black_box", "?", 0.2, 0.1)
    relu, unit = (splash.robustness("digits")["digits", "digits_cnn"][name][0] for name in splash.PAIR)
    records, _ = held(tiny.record(relu), tiny.record(unit, best=replace(tiny.record(unit).best, checks=(failed,))))
    table, words = critics.masking("splash", {"digits": records})
    (row,) = map(cells, table.splitlines()[2:])
    assert row == ["`digits`", "SPLASH", "without attacks", "1 of 1", critics.CHECKS["black_box"]]
    assert words == "At `digits` 1 of 2 records passed every check at both checkpoints."


# The preface


def test_the_preface_gives_the_minutes_that_the_pages_give():
    rows = re.findall(r"^\| (\d+) \| \{doc\}`/(notebooks/\w+)`", (ROOT / "book/preface.md").read_text(), re.M)
    said = {page: re.search(r"Reading(?: time)?: (\d+) minutes", (ROOT / f"{page}.py").read_text()) for _, page in rows}
    assert {page: minutes for minutes, page in rows} == {page: found and found[1] for page, found in said.items()}
    listed = set(re.findall(r"file: (notebooks/\w+)", (ROOT / "_toc.yml").read_text()))
    assert {page for _, page in rows} == listed
