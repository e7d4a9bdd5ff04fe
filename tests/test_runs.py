"""One run, and campaigns that may be stopped, killed and doubled without changing one bit."""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock

import tiny
from robust_activations import data, distributed, ledger, paths, provenance, runs
from robust_activations.attacks import Threat
from robust_activations.errors import CannotWrite, UserError
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from robust_activations.training import Schedule, Trained
from tiny import campaign, execute, files, full_disk, numbers, started, under_way, wait_for


def weights(root: Path, run: Run) -> dict[str, bytes]:
    return files(root / "checkpoints" / run.id)


@pytest.fixture(scope="module")
def reference(made) -> SimpleNamespace:
    """What the tiny study gives when nothing interrupts it."""
    folder, records = made, Ledger(made / "ledger")
    return SimpleNamespace(
        folder=folder,
        root=folder / "data",
        records=records,
        numbers={run.id: numbers(records[run]) for run in tiny.RUNS},
        weights={run.id: weights(folder / "data", run) for run in tiny.RUNS},
    )


def assert_as_in(reference: SimpleNamespace, folder: Path) -> None:
    """Every record and every weight is bit for bit the same, and nothing else is left."""
    records = Ledger(folder / "ledger")
    assert {run.id: numbers(records[run]) for run in tiny.RUNS} == reference.numbers
    assert {run.id: weights(folder / "data", run) for run in tiny.RUNS} == reference.weights
    assert len(files(folder / "ledger")) == len(tiny.RUNS)


# One run


def test_the_peak_of_memory_is_that_of_the_training_too(tmp_path, monkeypatch):
    """AutoAttack, on a GPU, begins to count anew."""
    peaks = iter([30.0, 20.0])
    monkeypatch.setattr(provenance, "peak_memory", lambda device: next(peaks))
    short = replace(tiny.RUN, schedule=replace(tiny.RUN.schedule, epochs=1))
    assert execute(short, tmp_path).provenance.peak_memory == 30


def test_a_run_depends_on_nothing_but_itself(reference, tmp_path):
    """Not on the runs before it, nor on the state of PyTorch's generator, which it leaves as it was."""
    torch.manual_seed(123)
    state = torch.get_rng_state()
    record = execute(tiny.RUNS[2], tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert numbers(record) == reference.numbers[tiny.RUNS[2].id]


def test_provenance(reference):
    for record in reference.records:
        where = record.provenance
        assert (where.code, where.threads, where.torch) == (paths.fingerprint(), 1, torch.__version__)
        assert where.dataset_sha256 == data.CANONICAL["digits"]
        assert where.canonical is True
        assert where.seconds > sum(row["seconds"] for row in record.history) > 0
        assert where.peak_memory > 1
        assert where.device
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", where.started)


def test_record_of_last_and_best(reference):
    for run in tiny.RUNS:
        record, saved = reference.records[run], reference.weights[run.id]
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


def test_stopped_after_every_epoch(reference, tmp_path):
    run = tiny.RUNS[1]
    for answers in ([False], [True, False], [True, False]):  # an epoch each; the first one is not asked for
        assert execute(run, tmp_path, go_on=iter(answers).__next__) is None
    record = execute(run, tmp_path)
    assert numbers(record) == reference.numbers[run.id]
    # The seconds of the calls before count, too.
    assert record.provenance.seconds > sum(row["seconds"] for row in record.history)
    runs.tidy(run, tmp_path)
    assert weights(tmp_path, run) == reference.weights[run.id]


def test_state_of_other_code_is_not_gone_on_from(reference, tmp_path, monkeypatch):
    """Half of a run by yesterday's code and half by today's would be no run at all."""
    run = tiny.RUN
    with monkeypatch.context() as patch:
        patch.setattr(paths, "fingerprint", lambda: "other")
        patch.setattr(runs, "build", lambda *_: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)))
        assert execute(run, tmp_path, go_on=lambda: False) is None
    assert list(tmp_path.rglob("resume-other.pt"))
    assert numbers(execute(run, tmp_path)) == reference.numbers[run.id]


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
    assert campaign(tmp_path, [run]) == runs.Progress(made=1)
    record = Ledger(tmp_path / "ledger")[run]
    assert "the loss became" in record.collapsed
    assert record.best.outcomes["pgd20"].correct == 0
    assert campaign(tmp_path, [run]) == runs.Progress(present=1)


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


# Campaigns


def test_a_second_campaign_trains_nothing(reference, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    assert campaign(reference.folder) == runs.Progress(present=3)


def test_budget(reference, tmp_path):
    assert campaign(tmp_path, budget=1e-9) == runs.Progress(unfinished=3)
    assert files(tmp_path) == {}
    assert campaign(tmp_path, budget=0.05) == runs.Progress(unfinished=3)  # one epoch of the first
    assert under_way(tmp_path) == [tiny.RUN.id]
    assert not (tmp_path / "ledger").exists() or files(tmp_path / "ledger") == {}
    assert campaign(tmp_path, budget=600.0) == runs.Progress(made=3)
    assert_as_in(reference, tmp_path)


def test_killed_in_the_middle_and_started_again(reference, tmp_path):
    process = started(tmp_path, "run", "tiny", "--quiet", pause=0.5)
    try:
        # The first run is recorded, the second has an epoch behind it.
        wait_for(lambda: process.poll() is not None or tiny.RUNS[1].id in under_way(tmp_path))
    finally:
        process.kill()
        out, err = process.communicate()
    assert (process.returncode, out, err) == (-signal.SIGKILL, "", "")
    assert len(Ledger(tmp_path / "ledger")) == 1
    half = tmp_path / "data" / "checkpoints" / tiny.RUNS[1].id / ".resume.pt.123"
    half.write_bytes(b"what a process leaves that is killed while it writes")
    assert campaign(tmp_path) == runs.Progress(made=2, present=1)
    assert_as_in(reference, tmp_path)


def test_two_processes_on_one_ledger(reference, tmp_path):
    """Every run is made exactly once."""
    both = [started(tmp_path, "run", "tiny", pause=0.4) for _ in range(2)]
    results = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    made = [int(re.search(r"(\d+) made", out)[1]) for out, _ in results]
    assert sum(made) == 3
    assert not any("Traceback" in err for _, err in results)
    assert_as_in(reference, tmp_path)


def test_a_run_under_way_elsewhere_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    lock = tmp_path / "data" / "checkpoints" / f"{tiny.RUN.id}.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        assert campaign(tmp_path, [tiny.RUN]) == runs.Progress(elsewhere=1)


def test_a_run_that_another_process_made_meanwhile(tmp_path, monkeypatch):
    """For another study even: the ledger is asked again when the lock is held."""
    first, second, _ = tiny.RUNS

    def execute(run, **_):
        ledger.write(tiny.record(second), tmp_path / "ledger", "other")
        return tiny.record(run)

    monkeypatch.setattr(runs, "execute", execute)
    assert campaign(tmp_path, [first, second]) == runs.Progress(made=1, present=1)


def test_a_run_in_two_studies_is_made_once(tmp_path, monkeypatch):
    ledger.write(tiny.record(), tmp_path / "ledger", "other")
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    assert campaign(tmp_path, [tiny.RUN]) == runs.Progress(present=1)


def test_a_broken_record_is_left_out_and_the_rest_goes_on(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(runs, "execute", lambda run, **_: tiny.record(run))
    path = ledger.path_of(tmp_path / "ledger", "tiny", tiny.RUN)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert campaign(tmp_path) == runs.Progress(made=2, unfinished=1)
    assert path.read_text() == "{"
    out, err = capfd.readouterr()
    assert out == ""
    skipped, left_out = err.splitlines()
    assert skipped.startswith(f"skipped: broken ledger file {path}")
    assert left_out.endswith(f"its record {path} is broken; move it away to run it again")


def test_so_is_one_that_another_study_made(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(runs, "execute", lambda run, **_: tiny.record(run))
    path = ledger.path_of(tmp_path / "ledger", "other", tiny.RUN)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert campaign(tmp_path, [tiny.RUN]) == runs.Progress(unfinished=1)
    assert f"its record {path} is broken" in capfd.readouterr().err


OUT_OF_MEMORY = torch.cuda.OutOfMemoryError("CUDA out of memory.\nSee the documentation")


def failing(monkeypatch, error: BaseException) -> list[Run]:
    """The first run of the study raises this error, the others are made; gives what is executed."""
    asked = []

    def execute(run: Run, **_) -> ledger.Record:
        asked.append(run)
        if run == tiny.RUN:
            raise error
        return tiny.record(run)

    monkeypatch.setattr(runs, "execute", execute)
    return asked


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UserError("cannot download svhn"), "cannot download svhn"),
        (OUT_OF_MEMORY, "CUDA out of memory."),
        (RuntimeError("cuDNN error"), "cuDNN error"),
    ],
    ids=["data", "memory", "mistake"],
)
def test_a_run_that_fails_is_named_and_the_others_go_on(tmp_path, monkeypatch, capfd, error, reason):
    asked = failing(monkeypatch, error)
    with pytest.raises(UserError, match=r"^1 of 3 runs failed, as said above; 2 were made$"):
        campaign(tmp_path)
    out, err = capfd.readouterr()
    *where, last = err.splitlines()
    assert (out, last) == ("", f"failed: {tiny.RUN.label}: {reason}")
    assert bool(where) == ("Traceback (most recent call last):" in where) == (type(error) is RuntimeError)
    assert asked == tiny.RUNS
    monkeypatch.setattr(runs, "execute", lambda run, **_: tiny.record(run))
    assert campaign(tmp_path) == runs.Progress(made=1, present=2)  # its lock is free


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        CannotWrite("cannot write x: No space left"),
        KeyboardInterrupt(),
    ],
    ids=["disk", "file", "keyboard"],
)
def test_what_every_run_would_meet_stops_at_once(tmp_path, monkeypatch, error):
    asked = failing(monkeypatch, error)
    with pytest.raises(type(error)):
        campaign(tmp_path)
    assert asked == [tiny.RUN]


def test_what_the_attacks_need_is_missed_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    run = replace(tiny.RUN, suite=replace(tiny.RUN.suite, attacks=("clean", "autoattack")))
    with pytest.raises(UserError, match="pyautoattack is not installed: pip install"):
        campaign(tmp_path, [tiny.RUN, run])
    assert files(tmp_path) == {}


def test_a_run_that_fails_among_many_ranks_stops_at_once(tmp_path, monkeypatch):
    """The others are in the middle of it, and hear of no other one."""
    monkeypatch.setattr(distributed, "announce", lambda run: run)
    monkeypatch.setattr(distributed, "world", lambda: 2)
    asked = failing(monkeypatch, UserError("cannot download svhn"))
    with pytest.raises(UserError, match="cannot download svhn"):
        campaign(tmp_path)
    assert asked == [tiny.RUN]


def test_no_space_for_the_record_loses_no_training(reference, tmp_path, monkeypatch):
    def full(*_):
        raise CannotWrite("cannot write: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write", full)
        with pytest.raises(UserError, match="No space left"):
            campaign(tmp_path, tiny.RUNS[:1])
    epochs = []
    monkeypatch.setattr("robust_activations.training._epoch", lambda *_: epochs.append(1))
    assert campaign(tmp_path, tiny.RUNS[:1]) == runs.Progress(made=1)
    assert epochs == []
    assert numbers(Ledger(tmp_path / "ledger")[tiny.RUN]) == reference.numbers[tiny.RUN.id]


def test_no_space_while_training(reference, tmp_path):
    with full_disk(), pytest.raises(UserError, match=r"cannot write .*resume-.*the file is as it was before"):
        campaign(tmp_path)
    assert set(files(tmp_path)) == {f"data/checkpoints/{tiny.RUN.id}.lock"}
    assert campaign(tmp_path, tiny.RUNS[:1]) == runs.Progress(made=1)
    assert weights(tmp_path / "data", tiny.RUN) == reference.weights[tiny.RUN.id]


def test_a_ledger_that_cannot_be_written_is_noticed_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    (tmp_path / "ledger").write_text("a file")
    with pytest.raises(OSError, match="ledger"):
        campaign(tmp_path)
