"""Many runs over a Ray cluster: each in a worker process of its own; only the driver writes the ledger."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from robust_activations import campaigns, paths, runs
from robust_activations.errors import UserError
from robust_activations.evaluation import check_installed
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run

RETRIES = 3  # after a worker or its machine was lost; a run that kills its worker every time must come to an end


@dataclass(frozen=True)
class Resources:
    """What a run takes. `gpus` None: one, if the cluster has any."""

    gpus: float | None = None
    cpus: float = 1


def campaign(
    work: Sequence[tuple[str, Run]],
    address: str,
    resources: Resources = Resources(),
    *,
    folder: Path,
    root: Path,
    budget: float | None = None,
    progress: bool = True,
) -> campaigns.Progress:
    """Makes the records that the ledger lacks, the first ones first, until `budget` seconds are over.

    Each run comes with the name of its study. All machines need this library, and `root` in a folder that they share:
    there lie the checkpoints, and the state from which a run goes on that has lost its worker. A run that fails is
    named, and the others go on. One whose donor has no record yet is left out with a note: call this again when it has.

    **Raises** `UserError` if Ray is not installed, not there, or too small, and at the end if a run has failed.
    """
    ray, deadline = _ray(), None if budget is None else time.time() + budget
    done, known, failed, total = campaigns.Progress(), Ledger(folder), 0, len(work)
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=total, desc="cluster", disable=not progress, unit="run"))
        todo = []
        for study, run in work:
            # Locked here, where the records are written, until the end: a worker may be lost.
            if claimed := campaigns.claim(run, study, known, root, done, lambda: not _over(deadline)):
                stack.enter_context(claimed)
                todo.append((study, run))
            else:
                bar.update()
        if not todo:
            return done
        _connect(ray, address, stack)
        task, device = _task(ray, resources)
        pending = {
            task.remote(run, root.resolve(), device, deadline, paths.fingerprint(), runs.donor_of(run, folder)): (
                study,
                run,
            )
            for study, run in todo
        }
        stack.callback(lambda: [ray.cancel(ref, force=True) for ref in pending])
        while pending:
            (ready,), _ = ray.wait(list(pending), num_returns=1)
            study, run = pending.pop(ready)
            try:
                record = ray.get(ready)
            except ray.exceptions.RayError as error:
                failed += 1
                tqdm.write(f"failed: {run.label}: {_reason(error)}", file=sys.stderr)
            else:
                campaigns.keep(record, run, study, folder, root, done)
            bar.update()
    if failed:
        raise UserError(f"{failed} of {total} runs failed, as said above; {done.made} were made")
    return done


def _execute(
    run: Run, root: Path, device: str, deadline: float | None, code: str, donor: Record | None
) -> Record | None:
    """On a worker: the record of a run; None if there was no time."""
    if paths.fingerprint() != code:
        raise UserError(f"{socket.gethostname()} has another version of this library or of torch; install the same")
    check_installed([run.suite])
    if _over(deadline):
        return None
    return runs.execute(run, root=root, device=torch.device(device), go_on=lambda: not _over(deadline), donor=donor)


def _over(deadline: float | None) -> bool:
    return deadline is not None and time.time() >= deadline


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError("Ray is not installed: pip install 'robust-activations[cluster]'") from error
    return ray


def _connect(ray: Any, address: str, stack: ExitStack) -> None:
    """Joins a cluster, or starts one here, until the stack ends."""
    # Records are small, so a cluster of one machine takes little memory for objects.
    local = {"include_dashboard": False, "object_store_memory": 100 * 2**20} if address == "local" else {}
    host, colon, port = address.rpartition(":")
    try:
        if colon and "/" not in host:  # Ray itself would wait for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"no Ray cluster at {address!r}; start one by `ray start --head`, or use local") from error
    stack.callback(ray.shutdown)


def _task(ray: Any, resources: Resources) -> tuple[Any, str]:
    """`_execute` as a task, and its device. It starts again elsewhere if its worker is lost, not if it raises."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = any(machine.get("GPU") for machine in machines) if resources.gpus is None else resources.gpus
    need = {"GPU": float(gpus), "CPU": resources.cpus}
    if not any(all(machine.get(name, 0) >= amount for name, amount in need.items()) for machine in machines):
        raise UserError(f"no machine of the cluster has {need['GPU']:g} GPUs and {need['CPU']:g} CPUs for a run")
    options = {"num_gpus": need["GPU"], "num_cpus": need["CPU"], "max_retries": RETRIES, "max_calls": 1}
    return ray.remote(**options)(_execute), "cuda" if gpus else "cpu"


def _reason(error: Exception) -> str:
    """Of an exception in a run its own words, in one line; of a lost worker Ray's first."""
    cause = getattr(error, "cause", None) or error
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[0] if text else 'no reason given'}"
