"""The ledger: written whole, never overwritten, and no broken file is trusted, lost or in the way."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from robust_activations import ledger
from robust_activations.errors import UserError
from robust_activations.files import write_atomically
from robust_activations.ledger import Ledger
from tiny import files, full_disk


def content(**changes) -> dict:
    """A sound record as JSON content, with changes at dotted paths."""
    whole = json.loads(ledger.dumps(tiny.record()))
    for path, value in changes.items():
        *folders, name = path.split("__")
        place = whole
        for folder in folders:
            place = place[folder]
        place[name] = value
    return whole


# Round trips


def test_round_trip(tmp_path):
    for run in tiny.RUNS:
        record = tiny.record(run, collapsed="fell", history=({"loss": 0.1 + 0.2, "rate": 1e-30, "n": 3},))
        path = ledger.write(record, tmp_path, "tiny")
        assert path == tmp_path / "tiny" / f"{run.id}.json"
        assert ledger.read_file(path) == record
        assert ledger.dumps(ledger.read_file(path)) == path.read_text()


def test_file_ends_with_a_line_and_is_plain_json():
    text = ledger.dumps(tiny.record())
    assert text.endswith("}\n")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_diverged_run_is_json_too():
    """Its loss is NaN, which JSON has no word for."""
    text = ledger.dumps(tiny.record(history=({"epoch": 0, "loss": float("nan")},), collapsed="the loss became nan"))
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert ledger.loads(text).history == ({"epoch": 0, "loss": None},)


def test_reading_a_ledger(tmp_path):
    for run, study in zip(tiny.RUNS, ("b", "a", "a"), strict=True):
        ledger.write(tiny.record(run), tmp_path, study)
    read = Ledger(tmp_path)
    assert len(read) == 3
    assert {record.id for record in read} == {run.id for run in tiny.RUNS}
    assert all(run in read and read[run].run == run for run in tiny.RUNS)
    assert read.studies == dict(zip((run.id for run in tiny.RUNS), ("b", "a", "a"), strict=True))
    other = replace(tiny.RUN, seed=9)
    assert other not in read
    assert [record.id for record in read.of([tiny.RUNS[2], other, tiny.RUNS[0]])] == [tiny.RUNS[2].id, tiny.RUNS[0].id]
    assert not read.broken


def test_a_ledger_that_is_not_there_is_empty(tmp_path):
    assert len(Ledger(tmp_path / "nowhere")) == 0


# Writing


def test_never_overwrites(tmp_path):
    path = ledger.write(tiny.record(), tmp_path, "tiny")
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"is there already; move it away"):
        ledger.write(tiny.record(collapsed="other"), tmp_path, "tiny")
    path.write_text("broken")
    with pytest.raises(UserError, match="is there already"):
        ledger.write(tiny.record(), tmp_path, "tiny")
    assert (path.read_text(), len(before) > 100) == ("broken", True)


def test_full_disk_leaves_nothing_half_written(tmp_path):
    with full_disk(), pytest.raises(UserError, match=r"cannot write .*json: File too large; the file is as it was"):
        ledger.write(tiny.record(), tmp_path, "tiny")
    assert files(tmp_path) == {}
    ledger.write(tiny.record(), tmp_path, "tiny")


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_an_error_at_any_step_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((Path, step) if step == "write_text" else (os, step)), fail)
    with pytest.raises(UserError, match="No space left on device"):
        write_atomically(path, "new")
    monkeypatch.undo()
    assert files(tmp_path) == {"file": b"old"}


def test_an_interrupt_leaves_the_old_file(tmp_path):
    (tmp_path / "file").write_text("old")

    def interrupted(part: Path) -> None:
        part.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", interrupted)
    assert files(tmp_path) == {"file": b"old"}


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        ledger.write(tiny.record(), tmp_path / "file", "tiny")


# Broken files

GOOD = ledger.dumps(tiny.record())
BITS = "best__outcomes__pgd20"
BROKEN = {
    "empty": (b"", "not JSON"),
    "truncated": (GOOD[:700].encode(), "not JSON"),
    "not JSON": (b"<html>", "not JSON"),
    "not text": (b"\xff\xfe\x00", "utf-8"),
    "nested without end": (b"[" * 100_000, "not JSON"),
    "a list": (b"[]", "file"),
    "a number": (b"7", "file"),
    "no run": (json.dumps({k: v for k, v in content().items() if k != "run"}).encode(), "run: Field required"),
    "wrong id": (json.dumps(content(id="0" * 12)).encode(), "is not that of its run"),
    "another seed": (json.dumps(content(run__seed=1)).encode(), "is not that of its run"),
    "unknown activation": (json.dumps(content(run__activation="rellu")).encode(), "did you mean relu"),
    "radius 0": (json.dumps(content(run__threat={"norm": "linf", "eps": "0/255"})).encode(), "must lie in"),
    "count": (json.dumps(content(**{f"{BITS}__correct": 3})).encode(), "pgd20: the count 3 of 3 does not agree"),
    "negative count": (json.dumps(content(**{f"{BITS}__correct": -1})).encode(), "does not agree"),
    "no images": (json.dumps(content(**{f"{BITS}__n": 0, f"{BITS}__correct": 0})).encode(), "does not agree"),
    "too many images": (json.dumps(content(**{f"{BITS}__n": 10**15})).encode(), "bytes of bits"),
    "bits cut": (json.dumps(content(**{f"{BITS}__bits": "o"})).encode(), "pgd20: .*base64"),
    "bits of more images": (json.dumps(content(**{f"{BITS}__bits": "oAAA"})).encode(), "bytes of bits"),
    "no bits": (json.dumps(content(**{f"{BITS}__bits": None})).encode(), "bits"),
    "future version": (json.dumps(content(version=2)).encode(), "version 2; this library reads version 1"),
    "future fields": (json.dumps({"version": 3, "id": "x", "results": []}).encode(), "version 3; this library"),
    "duplicate name": (json.dumps(content(last=[])).encode(), "last"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_named_skipped_and_left_alone(tmp_path, capfd, kind):
    broken, reason = BROKEN[kind]
    good = ledger.write(tiny.record(tiny.RUNS[1]), tmp_path, "tiny")
    path = tmp_path / "tiny" / f"{tiny.RUN.id}.json"
    path.write_bytes(broken)
    before = files(tmp_path)
    read = Ledger(tmp_path)
    assert [record.id for record in read] == [good.stem]
    assert list(read.broken) == [path]
    out, err = capfd.readouterr()
    assert out == ""  # of --json
    (line,) = err.splitlines()
    assert line.startswith(f"skipped: broken ledger file {path}: ")
    with pytest.raises(UserError, match=reason):
        ledger.read_file(path)
    assert files(tmp_path) == before


def test_a_record_under_another_name_is_not_trusted(tmp_path):
    """Else the run that the name belongs to would count as made."""
    path = ledger.write(tiny.record(), tmp_path, "tiny")
    path.rename(path.with_name(f"{tiny.RUNS[1].id}.json"))
    read = Ledger(tmp_path)
    assert len(read) == 0
    assert "holds the record of run" in next(iter(read.broken.values()))


def test_a_folder_with_the_name_of_a_record(tmp_path):
    (tmp_path / "tiny" / "x.json").mkdir(parents=True)
    assert len(Ledger(tmp_path).broken) == 1


def test_benchmarks_and_half_written_files_are_no_records(tmp_path):
    for name in ("benchmarks/speed.json", "tiny/notes.txt", f"tiny/.{tiny.RUN.id}.json.123", "top.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    read = Ledger(tmp_path)
    assert (len(read), read.broken) == (0, {})


def test_missing_fields_of_a_run_are_its_defaults():
    """So a field may be added to Run and old records stay readable."""
    record = ledger.loads(json.dumps(content(run=json.loads(tiny.RUN.canonical))))
    assert record.run == tiny.RUN


def test_bits_of_the_ledger_by_hand():
    bits = content()["best"]["outcomes"]["pgd20"]["bits"]
    assert base64.b64decode(bits) == bytes([0b10100000])
