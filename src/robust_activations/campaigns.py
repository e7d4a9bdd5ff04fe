"""Campaigns: the runs that a ledger lacks, in one process or several, with a time budget."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from robust_activations import distributed, ledger, runs
from robust_activations.errors import CannotWrite, UserError
from robust_activations.evaluation import check_installed
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run

# What every run would meet: nothing can be written any more, or the GPU must be started anew.
FATAL = (CannotWrite, OSError, getattr(torch, "AcceleratorError", CannotWrite))  # the last from torch 2.8 on


@dataclass
class Progress:
    """What a campaign did."""

    made: int = 0
    present: int = 0
    elsewhere: int = 0
    unfinished: int = 0


def campaign(
    work: Iterable[tuple[str, Run]],
    *,
    folder: Path,
    root: Path,
    device: torch.device | None = None,
    budget: float | None = None,
    progress: bool = True,
    sync_bn: bool = False,
) -> Progress:
    """Makes the records that the ledger lacks, in the order given, until `budget` seconds are over.

    Each run comes with the name of the study to which its record goes.

    Safe to kill and to start again, and to start several times at once: a run is locked by the process that has it.
    Of processes that make each run together, rank 0 decides, and what it did comes back to it alone.

    A run that fails is named, and the others go on, unless processes make it together or the disk takes no more.
    **Raises** `UserError` then, and otherwise at the end if a run has failed.
    """
    if distributed.rank():
        distributed.follow(lambda run: runs.execute(run, root=root, device=device, sync_bn=sync_bn))
        return Progress()
    deadline = None if budget is None else time.monotonic() + budget
    done, failed = Progress(), 0

    def in_time() -> bool:
        return deadline is None or time.monotonic() < deadline

    make = partial(runs.execute, root=root, device=device, go_on=in_time, progress=progress, sync_bn=sync_bn)
    todo, known = list(work), Ledger(folder)
    check_installed(run.suite for _, run in todo if run not in known)
    names = ", ".join(dict.fromkeys(study for study, _ in todo))
    with tqdm(total=len(todo), desc=names, disable=not progress, unit="run") as bar:
        for study, run in todo:
            if run.donor and run not in known and in_time():
                # Another process may be making the donor: its lock is the sign.
                under_way(run.donor, root, timeout=None if deadline is None else deadline - time.monotonic())
            if claimed := claim(run, study, known, root, done, in_time):
                with claimed:
                    distributed.announce(run)
                    try:
                        record = make(run, donor=runs.donor_of(run, folder))
                    except Exception as error:
                        # The other ranks are in the middle of the run.
                        if distributed.world() > 1 or isinstance(error, FATAL):
                            raise
                        failed += 1
                        if not isinstance(error, (UserError, torch.cuda.OutOfMemoryError)):  # a fault of ours
                            _note(traceback.format_exc())
                        _note(f"failed: {run.label}: {error}".partition("\n")[0])
                    else:
                        keep(record, run, study, folder, root, done)
            bar.update()
    distributed.announce(None)
    if failed:
        raise UserError(f"{failed} of {len(todo)} runs failed, as said above; {done.made} were made")
    return done


def _note(text: str) -> None:
    """A line on stderr, beside the bars."""
    tqdm.write(text, file=sys.stderr)


def claim(
    run: Run, study: str, known: Ledger, root: Path, done: Progress, in_time: Callable[[], bool]
) -> AbstractContextManager | None:
    """The lock of a run that is to be made now, held until the context ends; or None, and `done` counts why not."""
    path = ledger.path_of(known.folder, study, run)
    broken = next((one for one in known.broken if one.stem == run.id), None)  # another study may have made it
    if run in known or (path.exists() and not broken):
        done.present += 1
    elif broken:
        done.unfinished += 1
        _note(f"left out {run.label}: its record {broken} is broken; move it away to run it again")
    elif not in_time():
        done.unfinished += 1
    elif run.donor and runs.donor_of(run, known.folder) is None:
        done.unfinished += 1
        _note(f"left out {run.label}: its donor {run.donor.id} has no record to take activations from; run that first")
    else:
        lock = _lock(run, root)
        for place in (Path(lock.lock_file).parent, path.parent):  # before the work: can all of it be kept?
            place.mkdir(parents=True, exist_ok=True)
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            done.elsewhere += 1
            return None
        if not any(known.folder.glob(f"*/{run.id}.json")):
            return held
        lock.release()  # another process made it since
        done.present += 1
    return None


def keep(record: Record | None, run: Run, study: str, folder: Path, root: Path, done: Progress) -> None:
    """Writes the record of a run, whose state is then no longer needed; without one, the time was over."""
    if record is None:
        done.unfinished += 1
    else:
        ledger.write(record, folder, study)
        runs.tidy(run, root)
        done.made += 1


def _lock(run: Run, root: Path) -> FileLock:
    return FileLock(root / "checkpoints" / f"{run.id}.lock")


def under_way(run: Run, root: Path, timeout: float | None = 0) -> bool:
    """Whether a process is making this run, and goes on for longer than `timeout` seconds; `None` waits for it."""
    try:
        with _lock(run, root).acquire(timeout=-1 if timeout is None else max(0, timeout)):
            return False
    except Timeout:
        return True


COMMAND = (sys.executable, "-m", "robust_activations")


def in_parallel(words: list[str], jobs: int) -> int:
    """The same command in `jobs` processes, which share the cores and, by the runs' locks, the work.

    Gives an exit status, 0 if all went well. The workers end with this process, in whatever way it ends.
    """
    cores = os.cpu_count() or 1
    environment = os.environ | {"OMP_NUM_THREADS": str(max(1, cores // jobs))}
    command = [*COMMAND, *words, "--jobs", "1", "--worker"]
    # In a session of their own, Ctrl-C reaches this process alone, which says so once for all.
    workers = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True) for _ in range(jobs)
    ]
    try:
        return max(abs(worker.wait()) for worker in workers)
    finally:
        for worker in workers:
            worker.terminate()
            worker.communicate()


def end_with_parent() -> None:
    """For a worker: its standard input is a pipe from the process that started it, and ends when that process does."""

    def wait() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
