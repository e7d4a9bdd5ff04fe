"""Campaigns may be stopped, killed and doubled without changing one bit."""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import replace

import pytest
import torch
from filelock import FileLock

import tiny
from robust_activations import campaigns, distributed, ledger, runs
from robust_activations.errors import CannotWrite, UserError
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from tiny import assert_as_in, campaign, files, full_disk, numbers, started, under_way, wait_for


def test_a_second_campaign_trains_nothing(made, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    assert campaign(made) == campaigns.Progress(present=3)


def test_budget(made, tmp_path):
    assert campaign(tmp_path, budget=1e-9) == campaigns.Progress(unfinished=3)
    assert files(tmp_path) == {}
    assert campaign(tmp_path, budget=0.05) == campaigns.Progress(unfinished=3)  # one epoch of the first
    assert under_way(tmp_path) == [tiny.RUN.id]
    assert not (tmp_path / "ledger").exists() or files(tmp_path / "ledger") == {}
    assert campaign(tmp_path, budget=600.0) == campaigns.Progress(made=3)
    assert_as_in(made, tmp_path)


def test_killed_in_the_middle_and_started_again(made, tmp_path):
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
    assert campaign(tmp_path) == campaigns.Progress(made=2, present=1)
    assert_as_in(made, tmp_path)


def test_two_processes_on_one_ledger(made, tmp_path):
    """Every run is made exactly once."""
    both = [started(tmp_path, "run", "tiny", pause=0.4) for _ in range(2)]
    results = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    assert sum(int(re.search(r"(\d+) made", out)[1]) for out, _ in results) == 3
    assert not any("Traceback" in err for _, err in results)
    assert_as_in(made, tmp_path)


def test_a_run_under_way_elsewhere_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    lock = tmp_path / "data" / "checkpoints" / f"{tiny.RUN.id}.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        assert campaign(tmp_path, [tiny.RUN]) == campaigns.Progress(elsewhere=1)


def test_a_run_that_another_process_made_meanwhile(tmp_path, monkeypatch):
    """For another study even: the ledger is asked again when the lock is held."""
    first, second, _ = tiny.RUNS

    def execute(run, **_):
        ledger.write(tiny.record(second), tmp_path / "ledger", "other")
        return tiny.record(run)

    monkeypatch.setattr(runs, "execute", execute)
    assert campaign(tmp_path, [first, second]) == campaigns.Progress(made=1, present=1)


def test_a_run_in_two_studies_is_made_once(tmp_path, monkeypatch):
    ledger.write(tiny.record(), tmp_path / "ledger", "other")
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    assert campaign(tmp_path, [tiny.RUN]) == campaigns.Progress(present=1)


def test_a_broken_record_is_left_out_and_the_rest_goes_on(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(runs, "execute", lambda run, **_: tiny.record(run))
    path = ledger.path_of(tmp_path / "ledger", "tiny", tiny.RUN)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert campaign(tmp_path) == campaigns.Progress(made=2, unfinished=1)
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
    assert campaign(tmp_path, [tiny.RUN]) == campaigns.Progress(unfinished=1)
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
    assert campaign(tmp_path) == campaigns.Progress(made=1, present=2)  # its lock is free


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


def test_no_space_for_the_record_loses_no_training(made, tmp_path, monkeypatch):
    def full(*_):
        raise CannotWrite("cannot write: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write", full)
        with pytest.raises(UserError, match="No space left"):
            campaign(tmp_path, tiny.RUNS[:1])
    epochs = []
    monkeypatch.setattr("robust_activations.training._epoch", lambda *_: epochs.append(1))
    assert campaign(tmp_path, tiny.RUNS[:1]) == campaigns.Progress(made=1)
    assert epochs == []
    assert numbers(Ledger(tmp_path / "ledger")[tiny.RUN]) == numbers(Ledger(made / "ledger")[tiny.RUN])


def test_no_space_while_training(made, tmp_path):
    with full_disk(), pytest.raises(UserError, match=r"cannot write .*resume-.*the file is as it was before"):
        campaign(tmp_path)
    assert set(files(tmp_path)) == {f"data/checkpoints/{tiny.RUN.id}.lock"}
    assert campaign(tmp_path, tiny.RUNS[:1]) == campaigns.Progress(made=1)
    assert tiny.weights(tmp_path, tiny.RUN) == tiny.weights(made, tiny.RUN)


def test_a_ledger_that_cannot_be_written_is_noticed_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "execute", lambda *_, **__: pytest.fail("trained"))
    (tmp_path / "ledger").write_text("a file")
    with pytest.raises(OSError, match="ledger"):
        campaign(tmp_path)
