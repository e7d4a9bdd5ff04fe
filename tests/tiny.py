"""Studies of seconds; as a script, the command line with these alone: `python tests/tiny.py run tiny`."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from robust_activations import campaigns, cli, ledger, runs, studies
from robust_activations.attacks import PGD, Threat
from robust_activations.evaluation import Check, Evaluation, Outcome, Suite
from robust_activations.ledger import Ledger, Record
from robust_activations.provenance import Provenance
from robust_activations.run import Run
from robust_activations.studies import Study
from robust_activations.training import Objective, Schedule

CPU = torch.device("cpu")
RUN = Run(
    dataset="digits",
    model="digits_cnn",
    activation="relu",
    threat=Threat("linf", "38.25/255"),
    objective=Objective("pgd_at", PGD(steps=2)),
    schedule=Schedule(epochs=3, batch_size=128, lr=0.1),
    suite=Suite(attacks=("clean", "fgsm", "pgd20"), n=50, square_n=10, square_queries=20),
    model_options={"width": 4},
    held_out=100,
    train_n=384,
)
RUNS = [RUN, replace(RUN, activation="pssilu"), replace(RUN, activation="silu", seed=1)]
STUDY = Study("tiny", "Runs of a second", lambda scale: RUNS if scale == "digits" else [])
# One whose activations another one takes, frozen.
DONOR = replace(RUN, activation="sparta", schedule=replace(RUN.schedule, epochs=2))
TAKER = replace(DONOR, seed=1, donor=DONOR, schedule=replace(DONOR.schedule, learn=(0.0, 0.0)))
LENT = Study("lent", "A donor and a taker", lambda scale: [DONOR, TAKER] if scale == "digits" else [])


def kept(folder: Path, *records: Record) -> tuple[Ledger, list[Run]]:
    """A ledger of these records, and their runs."""
    for one in records:
        ledger.write(one, folder, "tiny")
    return Ledger(folder), [one.run for one in records]


def is_(*names: str) -> Callable[[Run], bool]:
    """Is a run's activation one of these?"""
    return lambda run: run.activation in names


def record(run: Run = RUN, right: list[bool] | None = None, *, sha256: str = "0" * 64, **changes) -> Record:
    """A record that nobody made: of these images right under every attack."""
    outcome = Outcome.of(torch.tensor([True, False, True] if right is None else right), 0.5)
    checks = (Check("zero_gradient", "Share of images?", 0.0, 0.01),)
    evaluation = Evaluation({name: outcome for name in ("clean", "fgsm", "pgd20", "pgd50")}, checks)
    provenance = Provenance(
        commit="abc", clean=True, code="def", python="3.11", torch="2.13", device="cpu", threads=1,
        dataset_sha256=sha256, canonical=True, started="2026-01-01T00:00:00+00:00", seconds=12.0, peak_memory=1.0,
    )  # fmt: skip
    history = ({"epoch": 0, "loss": 1.5, "activations": {"a.alpha": [0.25]}, "seconds": 3.0},)
    whole = Record(run.id, run, provenance, history, 0, None, 100, evaluation, evaluation)
    return replace(whole, **changes)


def execute(run: Run, root: Path, **options) -> Record | None:
    return runs.execute(run, root=root, device=CPU, **options)


def numbers(record: Record) -> dict:
    """What a record says, without where and how long."""

    def strip(content):
        if isinstance(content, dict):
            return {k: strip(v) for k, v in content.items() if k not in ("provenance", "seconds", "train_seconds")}
        return [strip(value) for value in content] if isinstance(content, list) else content

    return strip(json.loads(ledger.dumps(record)))


def campaign(folder: Path, wanted: list[Run] = RUNS, **options) -> campaigns.Progress:
    """Makes these runs in this process; records go to `ledger`, all else to `data` in the folder."""
    places = {"folder": folder / "ledger", "root": folder / "data", "device": CPU}
    return campaigns.campaign([("tiny", run) for run in wanted], **places, progress=False, **options)


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def weights(folder: Path, run: Run) -> dict[str, bytes]:
    """The checkpoints of a run that was made in this folder."""
    return files(folder / "data" / "checkpoints" / run.id)


def assert_as_in(made: Path, folder: Path) -> None:
    """Every record and every weight is bit for bit the same, and nothing else is left."""
    ours, theirs = Ledger(folder / "ledger"), Ledger(made / "ledger")
    for run in RUNS:
        assert numbers(ours[run]) == numbers(theirs[run])
        assert weights(folder, run) == weights(made, run)
    assert len(files(folder / "ledger")) == len(RUNS)


@contextmanager
def full_disk(room: int = 1000) -> Iterator[None]:
    """No file can grow beyond `room` bytes, which is as real as a full disk and needs no other machine."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def started(folder: Path, *words: str, pause: float = 0.0, launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
    """The command line with this study, in another process; it waits after each epoch."""
    places = ["--data", str(folder / "data"), "--ledger", str(folder / "ledger")]
    command = [sys.executable, *launcher, __file__, *words, *places]
    environment = os.environ | {"TINY_PAUSE": str(pause)}
    pipe = subprocess.PIPE

    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=pipe, stderr=pipe, text=True, preexec_fn=hear_ctrl_c
    )


def hear_ctrl_c() -> None:
    """For a new process: one started in the background, as the tests may be, is deaf to it, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def under_way(folder: Path) -> list[str]:
    """Ids of the runs that have an epoch behind them and no record."""
    return [path.parent.name for path in (folder / "data" / "checkpoints").glob("*/resume-*.pt")]


def slow_train(*words, on_epoch=None, **options):
    """Training that waits after each epoch, so that a test can kill it there."""

    def wait(row: dict) -> None:
        on_epoch(row)
        time.sleep(float(os.environ.get("TINY_PAUSE", "0")))

    return train(*words, on_epoch=wait, **options)


train = runs.train


def install() -> None:
    """Only these studies exist, here and in the workers."""
    studies.STUDIES = {"tiny": STUDY, "lent": LENT}
    campaigns.COMMAND = (sys.executable, __file__)
    runs.train = slow_train


if __name__ == "__main__":
    install()
    cli.main()
