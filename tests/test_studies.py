"""Studies as data, verdicts as functions of records, and the ledgers that notebooks ask for."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from helpers import unchecked
from robust_activations import activations, campaigns, data, ledger, models, paths, studies
from robust_activations.errors import UserError
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.studies import base, compare, primer, protocol, sat
from robust_activations.training import Schedule
from tiny import files

SMALL = ("digits", "mnist8")  # of 8x8 pixels, where a shift by one is much
EVERY = [(study, scale) for study in studies.STUDIES.values() for scale in paths.SCALES]


# Studies


def test_a_claim_is_judged_by_the_runs_of_every_study():
    every = studies.planned("cpu")
    assert {run.id for run in every} == {run.id for one in studies.STUDIES.values() for run in one.runs("cpu")}
    assert len(every) == len({run.id for run in every})
    own = {run.id for run in studies.STUDIES["sat"].runs("cpu")}
    judged = {one.claim.id: one.verdict for one in studies.verdicts(("cpu",), "sat")}
    datasets = {run.dataset for run in every if run.id in judged["sat-silu"].records}
    assert datasets == {"cifar10", "cifar100"}
    assert {*judged["sat-smooth"].records} - own  # seeds of GELU, which the protocol trains


@pytest.mark.parametrize(("scale", "seeds"), [("cpu", 5), ("gpu", 3)])
def test_the_seeds_on_another_dataset_continue_a_pair_that_sparta_s_study_has(scale, seeds):
    pairs = sat.elsewhere(scale)
    controls = {run.id for run in studies.STUDIES["sparta"].runs(scale)}
    assert [[run.id in controls for run in own] for own in pairs.values()] == 2 * [[True, *[False] * (seeds - 1)]]


@pytest.mark.parametrize(("study", "scale"), EVERY, ids=lambda value: getattr(value, "name", value))
def test_runs_are_such_as_can_be_made(study, scale):
    ones = study.runs(scale)
    assert len({run.id for run in ones}) == len(ones)
    assert [run.id for run in study.runs(scale)] == [run.id for run in ones]
    for run in ones:
        assert run.dataset in data.names()
        assert run.model in models.names()
        assert run.activation in activations.names()
        assert run.held_out > 0
        assert {*base.LADDER} & {*run.suite.attacks}  # what the claims are judged by
        assert (run.augment is None) == (run.dataset in SMALL)
    built = set()
    for run in ones:
        key = (run.model, run.activation, run.share, str(run.activation_options), str(run.model_options))
        if key not in built:
            built.add(key)
            # SPLASH computes its hinges, for which there must be numbers.
            with torch.device("cpu" if run.activation == "splash" else "meta"):
                models.create(
                    run.model,
                    activation=run.activation,
                    share=run.share,
                    activation_options=run.activation_options,
                    num_classes=10,
                    in_channels=1 if run.dataset in (*SMALL, "mnist") else 3,
                    **run.model_options,
                )


def test_primer_is_for_digits_alone():
    (study,) = studies.get("primer")
    assert {scale: len(study.runs(scale)) > 0 for scale in paths.SCALES} == {
        "digits": True, "cpu": False, "gpu": False, "paper": False,
    }  # fmt: skip
    assert {run.objective.name for run in study.runs("digits")} == {
        "standard", "pgd_at", "trades", "n_fgsm", "fgsm_rs",
    }  # fmt: skip
    assert [run.objective.name for run in study.runs("digits") if "autoattack" in run.suite.attacks] == ["pgd_at"]
    assert primer.STUDY is study


@pytest.mark.parametrize("scale", paths.SCALES)
def test_protocol_has_every_activation_and_three_seeds_of_the_core(scale):
    every = [run for run in studies.get("protocol")[0].runs(scale) if run.objective.name in ("pgd_at", "n_fgsm")]
    tuned = {run.id for run in protocol.decays(scale)}
    ones = [run for run in every if run.id not in tuned]
    assert {run.id for run in every} - {run.id for run in ones} == tuned
    assert [run.activation for run in ones[: len(protocol.CORE)]] == list(protocol.CORE)
    assert {run.activation for run in ones} == set(activations.names())
    for name in activations.names():
        more = [3, 4] if scale == "cpu" else []
        assert [run.seed for run in ones if run.activation == name] == (
            [0, 1, 2, *more] if name in protocol.core(scale) else [0]
        )
    # One protocol: but for activation and seed, all runs are the same.
    assert len({replace(run, activation="relu", activation_options={}, seed=0).id for run in ones}) == 1


def test_unknown_names():
    with pytest.raises(UserError, match="unknown study 'protocl'; did you mean protocol"):
        studies.get("protocl")
    with pytest.raises(UserError, match="unknown scale 'digts'; did you mean digits"):
        studies.get("protocol")[0].runs("digts")
    assert studies.get("all") == list(studies.STUDIES.values())


def test_claims_name_the_notebook_that_looks_into_them():
    for study in studies.STUDIES.values():
        for claim in study.claims:
            notebook = Path(__file__).parents[1] / "notebooks" / f"{claim.page}.py"
            assert notebook.exists(), claim.id


def test_claims_have_sources():
    claims = [claim for study in studies.STUDIES.values() for claim in study.claims]
    assert len({claim.id for claim in claims}) == len(claims)
    keys = set(re.findall(r"@\w+\{(\w+),", (Path(__file__).parents[1] / "book" / "references.bib").read_text()))
    for claim in claims:
        assert claim.citation in keys
        assert claim.statement.endswith(".")
        assert claim.reported.source
        assert bool(claim.reported.value) == (claim.reported.mark != "NOT FOUND")


# Verdicts

FIRST, SECOND = replace(tiny.RUN, activation="silu"), tiny.RUN


def right(count: int, n: int = 200) -> list[bool]:
    """The first `count` of n images."""
    return [index < count for index in range(n)]


def judge(*records: Record, folder: Path, **options) -> studies.Verdict:
    for record in records:
        ledger.write(record, folder, "tiny")
    wanted = [replace(run, seed=seed) for seed in range(4) for run in (FIRST, SECOND)]
    is_first, is_second = (lambda run, name=run.activation: run.activation == name for run in (FIRST, SECOND))
    return compare(Ledger(folder), wanted, is_first, is_second, **options)


def pair(first: int, second: int, seed: int = 0, **changes) -> list[Record]:
    one, other = replace(FIRST, seed=seed), replace(SECOND, seed=seed)
    return [tiny.record(one, right(first), **changes), tiny.record(other, right(second))]


@pytest.mark.parametrize(
    ("first", "second", "label", "measured"),
    [
        (120, 80, "supported", "+20.0 points under pgd50; McNemar p = 1.8e-12 (1 seed, n = 200, ε = 38.25/255)"),
        (80, 120, "contradicted", "-20.0 points under pgd50; McNemar p = 1.8e-12 (1 seed, n = 200, ε = 38.25/255)"),
        (100, 100, "undecided", "+0.0 points under pgd50; McNemar p = 1 (1 seed, n = 200, ε = 38.25/255)"),
        (105, 100, "undecided", "+2.5 points under pgd50; McNemar p = 0.062 (1 seed, n = 200, ε = 38.25/255)"),
        (106, 100, "supported", "+3.0 points under pgd50; McNemar p = 0.031 (1 seed, n = 200, ε = 38.25/255)"),
    ],
)
def test_one_seed(tmp_path, first, second, label, measured):
    verdict = judge(*pair(first, second), folder=tmp_path)
    assert (verdict.label, verdict.measured) == (label, measured)
    assert verdict.records == (FIRST.id, SECOND.id)


def test_nothing_recorded(tmp_path):
    assert judge(folder=tmp_path) == studies.Verdict("not tested here", "", ())
    assert judge(pair(120, 80)[0], folder=tmp_path).label == "not tested here"  # only one of the two
    assert judge(pair(120, 80, seed=1)[1], folder=tmp_path).label == "not tested here"  # the other with another seed


def test_seeds_must_agree(tmp_path):
    """However small McNemar's p, seeds that differ in sign leave it undecided."""
    assert judge(*pair(140, 80), folder=tmp_path).label == "supported"
    verdict = judge(*pair(90, 80, seed=1), folder=tmp_path)
    assert (verdict.label, len(verdict.records)) == ("undecided", 4)
    low, high = map(float, re.search(r"over seeds \[(.*), (.*)\]; over images", verdict.measured).groups())
    # Mean 17.5, deviation 17.68, t(1) = 12.706.
    assert (low, high) == pytest.approx((17.5 - 158.8, 17.5 + 158.8), abs=0.06)
    assert "(2 seeds, n = 200, ε = 38.25/255)" in verdict.measured


def test_seeds_that_agree(tmp_path):
    records = [record for seed, first in enumerate((118, 120, 122)) for record in pair(first, 80, seed)]
    verdict = judge(*records, folder=tmp_path)
    assert verdict.label == "supported"
    assert verdict.measured.startswith("+20.0 points under pgd50, over seeds [+17.5, +22.5]; over images p = ")


def test_collapsed_runs_are_never_compared(tmp_path):
    assert judge(*pair(10, 120, collapsed="fell"), folder=tmp_path).label == "not tested here"
    verdict = judge(*pair(120, 80, seed=1), folder=tmp_path)
    assert (verdict.label, len(verdict.records)) == ("supported", 2)


def test_other_images_and_other_attacks_are_never_compared(tmp_path):
    other = [tiny.record(FIRST, right(120), sha256="1" * 64), tiny.record(SECOND, right(80))]
    assert judge(*other, folder=tmp_path / "images").label == "not tested here"
    assert judge(*pair(120, 80), folder=tmp_path / "attack", attack="autoattack").label == "not tested here"
    assert judge(folder=tmp_path / "attack", attack="clean").label == "supported"


def test_paired_on_different_numbers_of_images():
    """The suites may differ: both then count on the first images, which they share."""
    with unchecked():
        found = studies.paired(tiny.record(FIRST, right(2, 3)), tiny.record(SECOND, [False] * 200))
    assert (found.n, found.only_first, found.only_second) == (3, 2, 0)


def test_verdicts_follow_the_records_and_nothing_else(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / ("live" if scale == "digits" else "ledger"))

    def verdicts() -> dict[tuple[str, str], str]:
        return {(judged.claim.id, judged.scale): judged.verdict.label for judged in studies.verdicts()}

    empty = verdicts()
    assert set(empty.values()) == {"not tested here"}
    relu, pssilu, splash = (protocol.recipe("cpu")(name) for name in ("relu", "pssilu", "splash"))
    for run, count in ((relu, 80), (pssilu, 120), (splash, 200)):
        ledger.write(tiny.record(run, right(count)), tmp_path / "ledger", "protocol")
    after = verdicts()
    judged = {key for key in after if after[key] != empty[key]}
    assert judged == {("paf-pssilu", "cpu"), ("splash-adversarial", "cpu")}
    assert {after[key] for key in judged} == {"supported"}
    (tmp_path / "ledger" / "protocol" / "0.json").write_text("{")
    assert verdicts() == after == verdicts()
    capfd.readouterr()
    verdicts()
    assert capfd.readouterr().err.count("skipped:") == 1  # three scales share the folder


# What notebooks ask for


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project in which only the tiny study exists, for the workers, too."""
    paths.fingerprint.cache_clear()  # the workers take their own
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studies, "STUDIES", {"tiny": tiny.STUDY})
    monkeypatch.setattr(campaigns, "COMMAND", (sys.executable, tiny.__file__))
    return tmp_path


def test_collect_trains_what_is_missing_and_no_more(project, monkeypatch, capfd):
    folder = paths.ledger("digits")
    planted = tiny.record(tiny.RUNS[2])
    ledger.write(planted, folder, "tiny")
    records = studies.collect("tiny", jobs=2)
    assert [record.id for record in records.of(tiny.RUNS)] == [run.id for run in tiny.RUNS]
    assert records[tiny.RUNS[2]] == planted
    assert records[tiny.RUNS[0]].provenance.code == paths.fingerprint()
    assert {path.parent.name for path in project.glob("data/live/*/checkpoints/*/best.safetensors")} == {
        tiny.RUNS[0].id, tiny.RUNS[1].id,
    }  # fmt: skip
    assert capfd.readouterr() == ("", "")  # nothing that would stand in the page
    before = files(project)
    monkeypatch.setattr(campaigns, "in_parallel", lambda *_: pytest.fail("trained"))
    assert list(studies.collect("tiny")) == list(records)
    assert files(project) == before


def test_collect_waits_for_what_another_process_makes(project, monkeypatch):
    todo = list(tiny.RUNS)

    def elsewhere(words: list[str], jobs: int) -> int:
        assert jobs == min(2, len(todo))
        ledger.write(tiny.record(todo.pop()), paths.ledger("digits"), "tiny")
        return 0

    monkeypatch.setattr(campaigns, "in_parallel", elsewhere)
    assert len(studies.collect("all", jobs=2)) == 3


def test_collect_says_when_training_fails(project, monkeypatch):
    monkeypatch.setattr(campaigns, "in_parallel", lambda *_: 2)
    with pytest.raises(UserError, match="robust-activations run tiny"):
        studies.collect("tiny")


def test_collect_does_not_wait_for_broken_files(project, monkeypatch, capfd):
    folder = paths.ledger("digits")
    for run in tiny.RUNS[1:]:
        ledger.write(tiny.record(run), folder, "tiny")
    ledger.path_of(folder, "tiny", tiny.RUN).write_text("{")
    monkeypatch.setattr(campaigns, "in_parallel", lambda *_: pytest.fail("trained"))
    assert len(studies.collect("tiny")) == 2
    assert capfd.readouterr().err.count("skipped:") == 1


def test_collect_trains_live_at_digits_alone(project, monkeypatch):
    monkeypatch.setattr(campaigns, "in_parallel", lambda *_: pytest.fail("trained"))
    monkeypatch.setattr(studies, "STUDIES", {"tiny": replace(tiny.STUDY, at=lambda scale: tiny.RUNS)})
    assert len(studies.collect("tiny", "cpu")) == 0
    with pytest.raises(UserError, match="did you mean gpu"):
        studies.collect("tiny", "gpuu")


# Where things are


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the library's sources, which the fingerprint then is of."""
    paths.fingerprint.cache_clear()
    copy = tmp_path / "copy"
    shutil.copytree(paths.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(paths, "PACKAGE", copy)
    return copy


fingerprint = paths.fingerprint.__wrapped__


def test_fingerprint_is_of_the_content(package, monkeypatch):
    before = fingerprint()
    assert re.fullmatch("[0-9a-f]{12}", before)
    monkeypatch.setattr(paths, "PACKAGE", package.rename(package.with_name("elsewhere")))
    assert fingerprint() == before


@pytest.mark.parametrize(
    "name",
    ["training.py", "attacks.py", "evaluation.py", "runs.py", "run.py", "activations/smooth.py", "models/plain.py",
     "data/sources.py", "new.py", "activations/new.py"],
)  # fmt: skip
def test_fingerprint_changes_with_what_decides_a_result(package, name):
    before = fingerprint()
    with (package / name).open("a") as file:
        file.write("# changed\n")
    assert fingerprint() != before


@pytest.mark.parametrize(
    "name",
    ["cli.py", "__main__.py", "stats.py", "figures.py", "figures/new.py", "studies/protocol.py", "studies/new.py"],
)
def test_fingerprint_stays_with_what_shows_it(package, name):
    before = fingerprint()
    (package / name).parent.mkdir(exist_ok=True)
    with (package / name).open("a") as file:
        file.write("# changed\n")
    assert fingerprint() == before


def test_fingerprint_changes_with_torch(package, monkeypatch):
    before = fingerprint()
    monkeypatch.setattr(paths.metadata, "version", lambda name: f"{name} 0")
    assert fingerprint() != before


def test_ledgers(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "notebooks").mkdir()
    for folder in (tmp_path, tmp_path / "notebooks"):
        monkeypatch.chdir(folder)
        assert paths.ledger("digits") == tmp_path / "data" / "live" / paths.fingerprint()
        assert {paths.ledger(scale) for scale in ("cpu", "gpu", "paper")} == {tmp_path / "data" / "ledger"}


def test_a_schedule_is_part_of_what_is_shared():
    """Two studies that ask for the same run share it, however it is written down."""
    one = protocol.recipe("gpu")("pssilu", schedule=Schedule(epochs=30))
    assert one.id == protocol.recipe("gpu")("pssilu").id
    assert isinstance(one, Run)
