"""The command line: every command, every mistake in one line, and what happens when it is stopped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from robust_activations import activations, campaigns, checkpoints, cli, data, evaluation, ledger, models, runs, studies
from robust_activations.ledger import Ledger
from tiny import files, full_disk


def checkpoint(folder: Path, run=tiny.RUN) -> Path:
    return folder / "data" / "checkpoints" / run.id / "best.safetensors"


def assert_one_line(result: tuple[int, str, str], pattern: str) -> None:
    status, out, err = result
    lines = [line for line in err.splitlines() if not line.startswith("skipped: ")]
    assert len(lines) == 1, err
    assert re.search(pattern, lines[0]), lines[0]
    assert lines[0].startswith("robust-activations: ")
    assert (status, out) == (2, "")


# What works


def test_list(call):
    status, out, err = call("list")
    assert (status, err) == (0, "")
    for name in (*activations.names(), *models.names(), *data.names(), "protocol", "primer"):
        assert re.search(rf"\b{name}\b", out), name


def test_list_json(call):
    status, out, err = call("list", "--json")
    content = json.loads(out)
    assert (status, err) == (0, "")
    assert list(content) == ["activations", "models", "datasets", "studies"]
    assert list(content["activations"]) == activations.names()
    assert content["activations"]["pssilu"]["shares"] == ["network", "layer", "channel"]
    assert set(content["activations"]["relu"]) == {"title", "family", "source", "shares"}
    assert (content["models"], content["datasets"]) == (models.names(), data.names())
    assert set(content["studies"]["protocol"]["runs"]) == {"digits", "cpu", "gpu", "paper"}


def test_run_and_again(call, only_tiny, made):
    places = ("--data", made / "data", "--ledger", made / "ledger")
    status, out, err = call("run", "tiny", "--scale", "digits", *places)
    assert (status, out) == (0, "0 made, 3 there before, 0 under way elsewhere, 0 left\n")
    assert "tiny" in err  # the bar
    assert call("run", "all", "--quiet", *places) == (0, "", "")


def test_run_by_default_keeps_to_the_project(call, only_tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda run, **_: tiny.record(run))
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    assert call("run", "tiny", "--only", "*/relu/*")[1].startswith("1 made, ")
    (record,) = tmp_path.glob("data/live/*/tiny/*.json")
    assert record.stem == tiny.RUN.id
    assert not list((tmp_path / "deep" / "down").iterdir())


def test_only_matches_labels_and_ids(call, only_tiny, tmp_path, monkeypatch):
    wanted = []
    monkeypatch.setattr(
        campaigns, "campaign", lambda todo, **__: wanted.append([run for _, run in todo]) or campaigns.Progress()
    )
    for glob in ("*silu*", "*/silu/*", "*seed1", tiny.RUNS[2].id, f"{tiny.RUN.id[:6]}*", "*"):
        call("run", "tiny", "--only", glob)
    relu, pssilu, silu = tiny.RUNS
    assert wanted == [[pssilu, silu], [silu], [silu], [silu], [relu], [relu, pssilu, silu]]


def test_studies_take_turns(call, monkeypatch):
    """Of all studies the first run of each comes first, and a run of two comes once, with the first that wants it."""
    relu, pssilu, silu = tiny.RUNS
    other = replace(tiny.STUDY, name="other", at=lambda scale: [silu, replace(relu, seed=1)])
    monkeypatch.setattr(studies, "STUDIES", {"tiny": tiny.STUDY, "other": other})
    work = []
    monkeypatch.setattr(campaigns, "campaign", lambda todo, **__: work.extend(todo) or campaigns.Progress())
    call("run", "all", "--quiet")
    assert work == [("tiny", relu), ("other", silu), ("tiny", pssilu), ("other", replace(relu, seed=1))]


def test_a_budget_that_is_over_says_what_is_left_and_how_long_it_may_take(call, only_tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(campaigns, "in_parallel", lambda words, jobs: 0)
    ledger.write(tiny.record(), tmp_path / "ledger", "tiny")
    places = ("--data", tmp_path, "--ledger", tmp_path / "ledger")
    for words in ((), ("--jobs", "2")):
        status, out, _ = call("run", "tiny", "--budget", "0.0001s", *places, *words)
        assert status == 0
        assert out.splitlines()[-1] == "still missing: 2; on two cores they may take: 0.2 min"
    assert call("run", "tiny", "--budget", "0.0001s", *places, "--quiet")[1] == ""


def test_status(call, only_tiny, made, tmp_path):
    record = ledger.write(tiny.record(tiny.RUNS[0], collapsed="fell"), tmp_path / "some", "tiny")
    status, out, err = call("status", "tiny", "--scale", "digits", "--ledger", tmp_path / "some", "--json")
    assert (status, err) == (0, "")
    # Seconds of two cores; one of them alone takes 24.
    assert json.loads(out) == [
        {
            "study": "tiny",
            "scale": "digits",
            "recorded": 1,
            "missing": 2,
            "collapsed": 1,
            "estimated_seconds": 12.0,
            "not_estimated": 0,
            "missing_runs": {run.id: run.label for run in tiny.RUNS[1:]},
        }
    ]
    _, out, _ = call("status", "--scale", "digits", "--ledger", tmp_path / "some")
    header, row = out.splitlines()
    assert header.split()[:2] == ["STUDY", "SCALE"]
    assert row.split() == ["tiny", "digits", "1", "2", "1", "0.2", "min"]
    _, out, _ = call("status", "--scale", "cpu", "--ledger", tmp_path / "some")  # what is made live is not committed
    assert re.search(rf"^do not commit record {record.stem}: .*collapsed: ", out, re.MULTILINE)
    _, out, _ = call("status", "--scale", "digits", "--ledger", tmp_path / "nowhere")
    assert "unknown until a run like these is recorded" in out
    _, out, _ = call("status", "--scale", "digits", "--ledger", made / "ledger")
    assert out.splitlines()[1].split() == ["tiny", "digits", "3", "0", "0", "-"]
    assert record.exists()


def test_status_of_all(call):
    rows = json.loads(call("status", "--json")[1])
    assert {(row["study"], row["scale"]) for row in rows} == {
        (study, scale) for study in studies.STUDIES for scale in ("digits", "cpu", "gpu", "paper")
    }


@pytest.mark.parametrize("run", tiny.RUNS, ids=lambda run: run.activation)
def test_evaluate_counts_what_the_record_counts(call, made, run):
    record = Ledger(made / "ledger")[run]
    words = ["--attack", "fgsm", "--attack", "pgd20", "--samples", "50", "--json"]
    status, out, err = call("evaluate", checkpoint(made, run), *words)
    assert (status, err) == (0, "")
    (found,) = json.loads(out)
    assert set(found) == {"checkpoint", "run", "threat", "attacks", "checks", "flags"}
    assert (found["run"], found["threat"]) == (run.label, "linf 38.25/255")
    for name, outcome in record.best.outcomes.items():
        assert found["attacks"][name] == {
            "correct": outcome.correct,
            "n": 50,
            "accuracy": outcome.accuracy,
            "interval": list(outcome.interval),
        }
    assert [set(check) for check in found["checks"]] == [{"name", "question", "value", "limit", "passed"}] * 4


def test_evaluate_attacks_all_the_images_asked_for(call, made, monkeypatch):
    """And only the checklist stays with a few."""
    asked = []

    def evaluate(*rest, **options):
        asked.append(rest[4])
        return tiny.record().best

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    for words in (("--samples", "1000"), ()):
        status, _, err = call("evaluate", checkpoint(made), "--attack", "square", "--attack", "one_pixel", *words)
        assert (status, err) == (0, "")
    sizes = [(suite.n, suite.square_n, suite.one_pixel_n, suite.autoattack_n, suite.check_n) for suite in asked]
    assert sizes == [(1000, 1000, 1000, 1000, 200), (None, None, None, None, 200)]


def test_evaluate_several(call, made):
    """Another radius, in words; `pgd` is the strongest PGD without a loss of its own."""
    words = ("--attack", "clean", "--attack", "pgd", "--attack", "pgd", "--eps", "1/255", "--samples", "5")
    status, out, err = call("evaluate", checkpoint(made), checkpoint(made, tiny.RUNS[1]), *words)
    assert (status, err) == (0, "")
    assert out.count("linf 1/255") == out.count("gradient-masking checklist") == 2
    assert re.findall(r"^  (\w+) .* of 5$", out, re.MULTILINE) == ["clean", "pgd50"] * 2


def test_claims(call):
    status, out, err = call("claims", "--json")
    rows = json.loads(out)
    assert (status, err) == (0, "")
    assert {row["claim"] for row in rows} >= {"paf-pssilu", "sat-silu", "splash-standard", "sparta-relu"}
    for row in rows:
        assert list(row) == [
            "claim", "study", "statement", "citation", "reported", "scale", "measured", "verdict", "seeds", "records",
            "page", "command",
        ]  # fmt: skip
        assert set(row["reported"]) == {"value", "source", "mark"}
        assert (row["verdict"], row["records"]) == ("not tested here", [])
    status, out, _ = call("claims")
    assert status == 0
    assert len(out.splitlines()) == len(rows) + 1


@pytest.mark.parametrize("text", ["90s", "1.5m", "2h", "540"])
def test_times(text):
    assert cli.duration(text) == {"90s": 90, "1.5m": 90, "2h": 7200, "540": 540}[text]


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["evaluate", "-h"]])
def test_help(call, words):
    status, out, err = call(*words)
    assert (status, err) == (0, "")
    assert out.startswith("usage: robust-activations")
    assert "--worker" not in out


# What does not


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        ("", "required: COMMAND"),
        ("rnu tiny", "invalid choice: 'rnu'"),
        ("run", "required: study"),
        ("run tniy", "unknown study 'tniy'; did you mean tiny"),
        ("run tiny --scale digit", "unknown scale 'digit'; did you mean digits"),
        ("run tiny --scale cpu", "tiny has no runs at cpu"),
        ("run tiny --only *nothing*", r"no run of tiny at digits matches '\*nothing\*'; labels are like digits/"),
        ("run all --only *nothing*", "no run of all at digits matches"),
        ("run tiny --only *nothing* --jobs 2", "no run of tiny at digits matches"),
        ("run tiny --budget x", "'x' is no time; write 90s, 9m or 2h"),
        ("run tiny --budget 0", "'0' is no time"),
        ("run tiny --budget=-5m", "'-5m' is no time"),
        ("run tiny --budget nan", "'nan' is no time"),
        ("run tiny --budget inf", "'inf' is no time"),
        ("run tiny --budget 1e999h", "is no time"),
        ("run tiny --budget=", "'' is no time"),
        ("run tiny --jobs 0", "'0' is no whole number from 1 on"),
        ("run tiny --jobs=-1", "'-1' is no whole number"),
        ("run tiny --jobs 1.5", "'1.5' is no whole number"),
        ("run tiny --jobs two", "'two' is no whole number"),
        ("run tiny --device cud", "no device 'cud' here; leave out --device or use cpu"),
        ("run tiny --device cuda:99 --jobs 2", "no device 'cuda:99' here"),
        ("run tiny --device meta", "no device 'meta' here"),
        ("run tiny --bogus", "unrecognized arguments: --bogus"),
        ("run tiny --ledger", "expected one argument"),
        ("status tniy", "did you mean tiny"),
        ("status --scale gpuu", "unknown scale 'gpuu'; did you mean gpu"),
        ("list --jsn", "unrecognized arguments"),
        ("evaluate", "required: checkpoint"),
        ("evaluate nowhere.safetensors", r"no checkpoint nowhere\.safetensors"),
        ("evaluate .", "is no whole safetensors file"),
        ("evaluate CHECKPOINT --eps 0", r"eps is 0/255; it must lie in \(0, 1\]"),
        ("evaluate CHECKPOINT --eps 300/255", r"eps is 300/255; it must lie in \(0, 1\]"),
        ("evaluate CHECKPOINT --eps 8", "it must lie in"),
        ("evaluate CHECKPOINT --eps=-8/255", "it must lie in"),
        ("evaluate CHECKPOINT --eps x", "'x' is no length in pixels; write it like 8/255"),
        ("evaluate CHECKPOINT --eps 1/0", "'1/0' is no length"),
        ("evaluate CHECKPOINT --eps nan", "'nan' is no length"),
        ("evaluate CHECKPOINT --eps=", "'' is no length"),
        ("evaluate CHECKPOINT --attack pdg20", "unknown attack 'pdg20'; did you mean pgd20"),
        ("evaluate CHECKPOINT --samples 0", "'0' is no whole number from 1 on"),
        ("evaluate CHECKPOINT --device cuda:99", "no device"),
        ("evaluate CHECKPOINT nowhere", "no checkpoint nowhere"),
        ("evaluate CHECKPOINT --radii 2/255 1/255", "radii must grow: 2/255 1/255"),
        ("evaluate CHECKPOINT nowhere --radii 1/255", "no checkpoint nowhere"),
        ("evaluate CHECKPOINT --radii 1/255 --attack pdg20", "unknown attack 'pdg20'; did you mean pgd20"),
        ("evaluate CHECKPOINT --radii 1/255 --eps 1/255", "--radii says the radii; leave out --eps"),
        (
            "evaluate CHECKPOINT --radii 1/255 --attack fgsm --attack pgd20",
            "not with fgsm and pgd20",
        ),
    ],
)
def test_mistakes_take_one_line_and_do_nothing(call, only_tiny, made, tmp_path, monkeypatch, words, pattern):
    monkeypatch.setattr(campaigns, "campaign", lambda *_, **__: pytest.fail("worked"))
    monkeypatch.setattr(campaigns, "in_parallel", lambda *_, **__: pytest.fail("worked"))
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: pytest.fail("worked"))
    assert_one_line(call(*words.replace("CHECKPOINT", str(checkpoint(made))).split()), pattern)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_the_gpu_asked_for_is_the_current_one(monkeypatch, name):
    current = []
    monkeypatch.setattr(torch, "ones", lambda *_, device: torch.zeros(1))
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    assert runs.device_of(name) == torch.device(name)
    assert current == [torch.device("cuda:1")] * (name == "cuda:1")


def test_no_cuda_where_asked(call, only_tiny, made):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert_one_line(call("run", "tiny", "--device", "cuda"), "no device 'cuda' here; leave out --device or use cpu")
    assert_one_line(call("evaluate", checkpoint(made), "--device", "cuda"), "no device 'cuda' here")


def test_a_checkpoint_of_another_model(call, made, tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    model = runs.build(tiny.RUN, data.load("digits"))
    checkpoints.save(wrong, model, replace(tiny.RUN, model_options={"width": 8}))
    assert_one_line(call("evaluate", wrong), "is a checkpoint of another model: 1. tensors differ")
    checkpoints.save(wrong, model, replace(tiny.RUN, dataset="folder:/nowhere", image_size=8))
    assert_one_line(call("evaluate", wrong), "no images in /nowhere")
    wrong.write_bytes(checkpoint(made).read_bytes()[:-1])
    assert_one_line(call("evaluate", wrong), "is no whole safetensors file")
    wrong.write_text("text")
    assert_one_line(call("evaluate", wrong), "is no whole safetensors file")


def test_a_broken_ledger_file_is_named_and_the_rest_works(call, only_tiny, tmp_path, monkeypatch):
    folder = tmp_path / "ledger"
    ledger.write(tiny.record(tiny.RUNS[1]), folder, "tiny")
    broken = ledger.path_of(folder, "tiny", tiny.RUN)
    broken.write_text("{")
    status, out, err = call("status", "tiny", "--ledger", folder, "--json")
    assert status == 0
    assert err.splitlines() == [f"skipped: broken ledger file {broken}: {err.strip().split(': ', 2)[2]}"]  # once
    assert json.loads(out)[0]["recorded"] == 1
    monkeypatch.setattr(runs, "execute", lambda run, **_: tiny.record(run))
    status, out, err = call("run", "tiny", "--ledger", folder, "--quiet")
    assert (status, out, len(err.splitlines())) == (0, "", 2)
    assert broken.read_text() == "{"
    assert len(Ledger(folder)) == 2


def test_a_run_that_cannot_be_made_stops_no_other(call, tmp_path, monkeypatch):
    lost = replace(tiny.RUN, dataset="folder:/nowhere", image_size=8)
    study = replace(tiny.STUDY, at=lambda scale: [lost, *tiny.RUNS[:2]])
    monkeypatch.setattr(studies, "STUDIES", {"tiny": study})
    status, out, err = call("run", "tiny", "--quiet", "--data", "data", "--ledger", "ledger")
    first, last = err.splitlines()
    assert first.startswith(f"failed: {lost.label}: no images in /nowhere")
    assert last == "robust-activations: 1 of 3 runs failed, as said above; 2 were made"
    assert (status, out) == (2, "")
    assert {record.id for record in Ledger(tmp_path / "ledger")} == {run.id for run in tiny.RUNS[:2]}


def test_places_that_are_files(call, only_tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda run, **_: pytest.fail("trained"))
    (tmp_path / "file").write_text("precious")
    assert_one_line(call("run", "tiny", "--quiet", "--data", "file"), "file.*check the path")
    assert_one_line(call("run", "tiny", "--quiet", "--ledger", "file"), "file.*check the path")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_full_disk(call, only_tiny, tmp_path):
    with full_disk(2000):
        result = call("run", "tiny", "--quiet", "--data", "data", "--ledger", "ledger")
    assert_one_line(result, r"cannot write data/checkpoints/.*resume-\w+\.pt: .*; the file is as it was before")
    assert set(files(tmp_path)) == {f"data/checkpoints/{tiny.RUN.id}.lock"}
