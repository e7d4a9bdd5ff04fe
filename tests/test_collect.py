"""Runs that wait for a donor, and what a notebook hears of runs that nobody can make."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest
from filelock import FileLock

import tiny
from robust_activations import campaigns, ledger, paths, studies
from robust_activations.errors import UserError


@pytest.fixture
def _lent(tmp_path, monkeypatch):
    """A project in which only the study of a donor and a taker exists, for the workers, too."""
    paths.fingerprint.cache_clear()
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studies, "STUDIES", {"lent": tiny.LENT})
    monkeypatch.setattr(campaigns, "COMMAND", (sys.executable, tiny.__file__))


@pytest.mark.usefixtures("_lent")
def test_what_is_left_out_is_said_and_not_waited_for(capfd):
    broken = ledger.path_of(paths.ledger("digits"), "lent", tiny.DONOR)
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    with pytest.raises(UserError, match=f"runs of lent were left out: {tiny.TAKER.label}"):
        studies.collect("lent", jobs=1)
    assert f"its donor {tiny.DONOR.id} has no record" in capfd.readouterr().err


@pytest.mark.usefixtures("_lent")
def test_a_run_that_another_process_has_is_waited_for(monkeypatch):
    folder, root, rounds = paths.ledger("digits"), paths.data("digits"), []
    lock = FileLock(root / "checkpoints" / f"{tiny.TAKER.id}.lock")
    ledger.write(tiny.record(tiny.DONOR), folder, "lent")
    lock.acquire()

    def elsewhere(words: list[str], jobs: int) -> int:
        rounds.append(words)
        if len(rounds) == 4:
            ledger.write(tiny.record(tiny.TAKER), folder, "lent")
            lock.release()
        return 0

    monkeypatch.setattr(campaigns, "in_parallel", elsewhere)
    assert len(studies.collect("lent")) == 2
    assert len(rounds) == 4


def test_the_budget_holds_while_another_process_makes_the_donor(tmp_path):
    start = time.monotonic()
    with FileLock(tmp_path / "data" / "checkpoints" / f"{tiny.DONOR.id}.lock"):
        taker = replace(tiny.TAKER, seed=2)
        assert tiny.campaign(tmp_path, [taker], budget=0.3) == campaigns.Progress(unfinished=1)
    assert time.monotonic() - start < 30
