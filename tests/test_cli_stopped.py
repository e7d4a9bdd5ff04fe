"""The command line when it is stopped, and in several processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

import tiny
from robust_activations import campaigns, cli
from tiny import files, started, under_way, wait_for


def checkpoint(folder: Path, run=tiny.RUN) -> Path:
    return folder / "data" / "checkpoints" / run.id / "best.safetensors"


def test_ctrl_c_anywhere_is_one_line(call, only_tiny, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(campaigns, "campaign", interrupted)
    status, out, err = call("run", "tiny")
    assert (status, out) == (130, "")
    assert err.strip() == "robust-activations: stopped; the same command goes on from the last epoch or attack"


def finish(folder: Path, made: Path) -> campaigns.Progress:
    """Goes on with what was stopped, and compares the weights with those of an undisturbed study."""
    done = tiny.campaign(folder)
    for run in tiny.RUNS:
        assert files(checkpoint(folder, run).parent) == files(checkpoint(made, run).parent)
    return done


def test_ctrl_c_while_training(made, tmp_path):
    process = started(tmp_path, "run", "tiny", "--quiet", pause=30)
    try:
        wait_for(lambda: process.poll() is not None or under_way(tmp_path))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "robust-activations: stopped; the same command goes on from the last epoch or attack"
    assert finish(tmp_path, made) == campaigns.Progress(made=3)


def free(folder: Path) -> bool:
    """Whether no process works on any run."""
    try:
        for lock in (folder / "data" / "checkpoints").glob("*.lock"):
            with FileLock(lock, timeout=0):
                pass
    except Timeout:
        return False
    return True


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_the_workers_end_with_their_parent(tmp_path, name):
    process = started(tmp_path, "run", "tiny", "--quiet", "--jobs", "2", pause=30)
    try:
        wait_for(lambda: process.poll() is not None or len(under_way(tmp_path)) == 2)  # both workers are at work
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=60)  # the workers hold these pipes: their end, too
    finally:
        process.kill()
    assert free(tmp_path)
    assert out == ""
    if name == "SIGINT":
        assert process.returncode == 130
        assert err.strip() == "robust-activations: stopped; the same command goes on from the last epoch or attack"
    else:
        assert (process.returncode, err) == (-signal.SIGKILL, "")


def test_a_worker_that_is_killed_is_no_success(monkeypatch):
    monkeypatch.setattr(campaigns, "COMMAND", (sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"))
    assert campaigns.in_parallel([], 2) != 0


def test_jobs_get_the_same_words(call, only_tiny, monkeypatch):
    told = []
    monkeypatch.setattr(campaigns, "in_parallel", lambda words, jobs: told.append((words, jobs)) or 0)
    words = ["--only", "*", "--budget", "9m", "--device", "cpu", "--data", "d", "--ledger", "l", "--quiet"]
    assert call("run", "tiny", *words, "--jobs", "64") == (0, "", "")
    ((passed, jobs),) = told
    assert jobs == 3  # as many as there are runs
    again = cli.parser().parse_args([*passed, "--jobs", "1", "--worker"])
    first = cli.parser().parse_args(["run", "tiny", *words, "--jobs", "1", "--worker", "--scale", "digits"])
    assert again == first


def test_as_a_module():
    """`python -m robust_activations`, and a reader that does not want to know."""
    command = [sys.executable, "-m", "robust_activations", "list", "--json"]
    pipe = subprocess.PIPE
    deaf = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    deaf.stdout.close()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["studies"]
    assert (deaf.stderr.read(), deaf.wait(timeout=120)) == ("", 0)
