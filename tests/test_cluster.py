"""Runs spread over Ray: each record once and as an ordinary campaign makes it, whatever is lost on the way."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from threading import Thread

import psutil
import pytest

import tiny
from robust_activations import campaigns, cluster, ledger
from robust_activations.errors import UserError
from robust_activations.ledger import Ledger
from tiny import campaign, files, numbers, under_way, wait_for

# Long enough to be killed in the middle.
LONG = [replace(run, schedule=replace(run.schedule, epochs=12)) for run in tiny.RUNS[:2]]
WORK = [("tiny", run) for run in LONG]
HALF = cluster.Resources(gpus=0, cpus=0.5)  # so that one core has two workers


def on_cluster(folder, wanted, **options) -> campaigns.Progress:
    places = {"folder": folder / "ledger", "root": folder / "data"}
    return cluster.campaign(wanted, "local", HALF, **places, progress=False, **options)


def workers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if "ray::_execute" in " ".join(one.cmdline())]


def test_a_worker_is_killed_and_a_run_fails(tmp_path, capfd):
    pytest.importorskip("ray")
    killed, lost = [], replace(tiny.RUN, dataset="folder:/nowhere", image_size=8)

    def kill() -> None:
        wait_for(lambda: under_way(tmp_path), 600)  # Ray's workers give way to whatever else runs
        killed.append(max(workers(), key=lambda one: sum(one.cpu_times()[:2])))  # the one that is farthest
        killed[0].kill()

    killer = Thread(target=kill)
    killer.start()
    with pytest.raises(UserError, match="1 of 4 runs failed, as said above; 2 were made"):
        on_cluster(tmp_path, [*WORK, ("other", lost), ("other", LONG[0])])
    killer.join()
    assert killed
    (line,) = (line for line in capfd.readouterr().err.splitlines() if line.startswith("failed: "))
    assert line.startswith(f"failed: {lost.label}: UserError: no images in /nowhere")
    records = Ledger(tmp_path / "ledger")
    assert sorted(files(tmp_path / "ledger")) == sorted(f"tiny/{run.id}.json" for run in LONG)
    assert campaign(tmp_path / "alone", LONG) == campaigns.Progress(made=2)
    expected = Ledger(tmp_path / "alone" / "ledger")
    for run in LONG:
        assert numbers(records[run]) == numbers(expected[run])
    checkpoints = [files(folder / "data" / "checkpoints") for folder in (tmp_path, tmp_path / "alone")]
    (own, alone) = ({name: content for name, content in all.items() if "/" in name} for all in checkpoints)
    assert own == alone
    assert not workers()


def test_what_needs_no_worker(tmp_path, monkeypatch):
    """What is recorded, and what there is no time for."""
    pytest.importorskip("ray")
    monkeypatch.setattr(cluster, "_connect", lambda *_: pytest.fail("started Ray"))
    ledger.write(tiny.record(), tmp_path / "ledger", "tiny")
    assert on_cluster(tmp_path, [("tiny", tiny.RUN), *WORK], budget=1e-9) == campaigns.Progress(present=1, unfinished=2)


def test_without_ray(call, only_tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    status, out, err = call("run", "tiny", "--ray", "local")
    assert (status, out) == (2, "")
    assert err == "robust-activations: Ray is not installed: pip install 'robust-activations[cluster]'\n"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:x", "nowhere.invalid:6379"])
def test_no_cluster_there(tmp_path, address):
    pytest.importorskip("ray")
    with pytest.raises(UserError, match=f"no Ray cluster at '{address}'; start one by `ray start --head`"):
        cluster.campaign(WORK, address, folder=tmp_path / "ledger", root=tmp_path, progress=False)


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        ("--ray local --jobs 2", "--ray and --jobs both start processes"),
        ("--ray local --device cpu", "leave out --device"),
        ("--ray local --gpus-per-run 1.5", "'1.5' is no number of processors; write 0, 0.5, 1"),
        ("--ray local --cpus-per-run=-1", "'-1' is no number of processors"),
        ("--ray local --cpus-per-run nan", "'nan' is no number of processors"),
        ("--gpus-per-run 1", "--gpus-per-run goes with --ray ADDRESS"),
        ("--cpus-per-run 1", "--cpus-per-run goes with --ray ADDRESS"),
        ("--sync-bn", "--sync-bn goes with torchrun"),
        ("--sync-bn --jobs 2", "--sync-bn goes with torchrun"),
        ("--sync-bn --ray local", "--sync-bn goes with torchrun"),
        ("--ray", "expected one argument"),
    ],
)
def test_mistakes_take_one_line(call, only_tiny, monkeypatch, words, pattern):
    monkeypatch.setattr(cluster, "campaign", lambda *_, **__: pytest.fail("worked"))
    status, out, err = call("run", "tiny", *words.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert re.search(pattern, err)
