"""One run: what its record says, and that it goes on from where it was stopped."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

import tiny
from robust_activations import campaigns, data, paths, provenance, runs
from robust_activations.attacks import Threat
from robust_activations.errors import UserError
from robust_activations.ledger import Ledger
from robust_activations.training import Schedule, Trained
from tiny import campaign, execute, files, numbers


def test_the_peak_of_memory_is_that_of_the_training_too(tmp_path, monkeypatch):
    """AutoAttack, on a GPU, begins to count anew."""
    peaks = iter([30.0, 20.0])
    monkeypatch.setattr(provenance, "peak_memory", lambda device: next(peaks))
    short = replace(tiny.RUN, schedule=replace(tiny.RUN.schedule, epochs=1))
    assert execute(short, tmp_path).provenance.peak_memory == 30


def test_a_run_depends_on_nothing_but_itself(made, tmp_path):
    """Not on the runs before it, nor on the state of PyTorch's generator, which it leaves as it was."""
    torch.manual_seed(123)
    state = torch.get_rng_state()
    record = execute(tiny.RUNS[2], tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert numbers(record) == numbers(Ledger(made / "ledger")[tiny.RUNS[2]])


def test_provenance(made):
    for record in Ledger(made / "ledger"):
        where = record.provenance
        assert (where.code, where.threads, where.torch) == (paths.fingerprint(), 1, torch.__version__)
        assert where.dataset_sha256 == data.CANONICAL["digits"]
        assert where.canonical is True
        assert where.seconds > sum(row["seconds"] for row in record.history) > 0
        assert where.peak_memory > 1
        assert where.device
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", where.started)


def test_record_of_last_and_best(made):
    for run in tiny.RUNS:
        record, saved = Ledger(made / "ledger")[run], tiny.weights(made, run)
        assert len(record.history) == 3
        held = [row["held_pgd10"] for row in record.history]
        assert record.best_epoch == held.index(max(held))
        assert set(saved) == {"best.safetensors"} | ({"last.safetensors"} if record.best_epoch != 2 else set())
        assert record.last.outcomes.keys() == record.best.outcomes.keys() == {"clean", "fgsm", "pgd20"}
        assert {outcome.n for outcome in record.best.outcomes.values()} == {50}
        model = runs.build(run, data.load("digits"))
        assert record.parameters == sum(p.numel() for p in model.parameters())


def test_the_last_epoch_is_attacked_as_its_suite_says(tmp_path, monkeypatch):
    """Where it is the best one it is evaluated once, with everything."""
    asked = []

    def evaluate(model, images, labels, threat, suite, *, checked, **_):
        assert checked == bool(suite.measures)  # the cheap evaluation of the last epoch has no checklist either
        asked.append((suite, model.fc.bias[0].item()))
        return tiny.record().best

    monkeypatch.setattr(runs, "evaluate", evaluate)
    dataset = data.load("digits")
    suite = replace(tiny.RUN.suite, attacks=("clean", "pgd20"), measures=("cw",), last=("clean",))

    def weights(value: float) -> dict[str, torch.Tensor]:
        state = runs.build(tiny.RUN, dataset).state_dict()
        return state | {"fc.bias": torch.full_like(state["fc.bias"], value)}

    for last, best, found in (
        (("clean",), 0, [(replace(suite, attacks=("clean",), measures=()), 1.0), (suite, 2.0)]),
        (None, 0, [(replace(suite, last=None), 1.0), (replace(suite, last=None), 2.0)]),
        (("clean",), 1, [(suite, 2.0)]),
    ):
        run, model = replace(tiny.RUN, suite=replace(suite, last=last)), runs.build(tiny.RUN, dataset)
        out = Trained([{}, {}], weights(1.0), weights(2.0), best, None, True)
        test = dataset.test_images, dataset.test_labels
        runs._evaluate_both(run, model, out, test, tmp_path, lambda: True)
        assert [(replace(asked_of, last=suite.last) if last else asked_of, value) for asked_of, value in asked] == found
        assert model.fc.bias[0] == 2.0  # the best epoch's, of which the record keeps the activations
        asked.clear()


def test_stopped_after_every_epoch(made, tmp_path):
    run = tiny.RUNS[1]
    for answers in ([False], [True, False], [True, False]):  # an epoch each; the first one is not asked for
        assert execute(run, tmp_path, go_on=iter(answers).__next__) is None
    record = execute(run, tmp_path)
    assert numbers(record) == numbers(Ledger(made / "ledger")[run])
    # The seconds of the calls before count, too.
    assert record.provenance.seconds > sum(row["seconds"] for row in record.history)
    runs.tidy(run, tmp_path)
    assert files(tmp_path / "checkpoints" / run.id) == tiny.weights(made, run)


def test_state_of_other_code_is_not_gone_on_from(made, tmp_path, monkeypatch):
    """Half of a run by yesterday's code and half by today's would be no run at all."""
    run = tiny.RUN
    with monkeypatch.context() as patch:
        patch.setattr(paths, "fingerprint", lambda: "other")
        patch.setattr(runs, "build", lambda *_: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)))
        assert execute(run, tmp_path, go_on=lambda: False) is None
    assert list(tmp_path.rglob("resume-other.pt"))
    assert numbers(execute(run, tmp_path)) == numbers(Ledger(made / "ledger")[run])


def test_broken_state_is_named(tmp_path):
    path = tmp_path / "checkpoints" / tiny.RUN.id / f"resume-{paths.fingerprint()}.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK truncated")
    with pytest.raises(UserError, match=r"cannot resume from .*resume-.*delete it to start again"):
        execute(tiny.RUN, tmp_path)
    assert path.read_bytes() == b"PK truncated"


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_diverged_run_is_recorded_as_collapsed(tmp_path, norm):
    run = replace(tiny.RUN, schedule=Schedule(epochs=2, lr=1e9), threat=Threat(norm, "38.25/255"))
    assert campaign(tmp_path, [run]) == campaigns.Progress(made=1)
    record = Ledger(tmp_path / "ledger")[run]
    assert "the loss became" in record.collapsed
    assert record.best.outcomes["pgd20"].correct == 0
    assert campaign(tmp_path, [run]) == campaigns.Progress(present=1)


@pytest.mark.parametrize("name", ["cuda", "cuda:99", "cud", "meta", "", "gpu"])
def test_a_device_that_is_not_there(name):
    if name == "cuda" and torch.cuda.is_available():
        pytest.skip("it is there")
    with pytest.raises(UserError, match=f"no device '{name}' here"):
        runs.device_of(name)


def test_devices():
    assert runs.device_of("cpu") == tiny.CPU
    assert runs.device_of(None).type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_commit_without_git_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("ROBUST_ACTIVATIONS_COMMIT", "abc123")
    assert provenance.git_state() == ("abc123", False)
    monkeypatch.setenv("ROBUST_ACTIVATIONS_CLEAN", "1")
    assert provenance.git_state() == ("abc123", True)
    monkeypatch.delenv("ROBUST_ACTIVATIONS_COMMIT")
    assert provenance.git_state() == (None, False)
