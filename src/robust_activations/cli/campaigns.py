"""Making records: run."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from robust_activations.cli.reports import needs_of, scales, time_said
from robust_activations.errors import UserError


def run(arguments: argparse.Namespace) -> int:
    from robust_activations import campaigns, distributed, paths, runs, studies

    if arguments.worker:
        campaigns.end_with_parent()
    (scale,) = scales(arguments.scale or "digits")
    there = {study.name: study.runs(scale) for study in studies.get(arguments.study)}
    wanted = {name: [one for one in ones if _matches(one, arguments.only)] for name, ones in there.items()}
    todo = studies.in_turn(wanted)
    if not any(there.values()):
        raise UserError(f"{arguments.study} has no runs at {scale}; choose another scale")
    if not todo:
        labels = ", ".join(sorted({one.label for ones in there.values() for one in ones})[:3])
        raise UserError(f"no run of {arguments.study} at {scale} matches {arguments.only!r}; labels are like {labels}")
    others = {"--ray": arguments.ray, "--jobs": arguments.jobs > 1, "torchrun": distributed.launched()}
    if len(clash := [name for name, asked in others.items() if asked]) > 1:
        raise UserError(f"{clash[0]} and {clash[1]} both start processes; choose one of them")
    for name in ("gpus", "cpus"):
        if getattr(arguments, f"{name}_per_run") is not None and not arguments.ray:
            raise UserError(f"--{name}-per-run goes with --ray ADDRESS")
    if arguments.sync_bn and not others["torchrun"]:
        raise UserError("--sync-bn goes with torchrun, whose processes share each batch; leave it out")
    work: dict[str, Any] = {
        "folder": arguments.ledger or paths.ledger(scale),
        "root": arguments.data or paths.data(scale),
        "budget": arguments.budget,
        "progress": not arguments.quiet,
    }
    if arguments.ray:
        from robust_activations import cluster

        if arguments.device:
            raise UserError("with --ray, --gpus-per-run says whether a run takes a GPU or CPUs; leave out --device")
        cpus = 1 if arguments.cpus_per_run is None else arguments.cpus_per_run
        resources = cluster.Resources(arguments.gpus_per_run, cpus)
        total = cluster.campaign(todo, arguments.ray, resources, **work)
    else:
        device = runs.device_of(distributed.device_name(arguments.device))
        if arguments.jobs > 1:
            status = campaigns.in_parallel(_words(arguments, scale), min(arguments.jobs, len(todo)))
            if not arguments.quiet:
                _say_rest(todo, work["folder"], scale)
            return status
        if distributed.launched():
            distributed.start(device)
        total = campaigns.campaign(todo, device=device, sync_bn=arguments.sync_bn, **work)
    if not arguments.quiet and not distributed.rank():
        print(
            f"{total.made} made, {total.present} there before, {total.elsewhere} under way elsewhere, "
            f"{total.unfinished} left"
        )
        if not arguments.worker:
            _say_rest(todo, work["folder"], scale)
    distributed.stop()
    return 0


def _say_rest(todo: Iterable[tuple[str, Any]], folder: Path, scale: str) -> None:
    from robust_activations.estimates import ON_GPU
    from robust_activations.ledger import Ledger

    needs = needs_of([one for _, one in todo], Ledger(folder), scale)
    if needs["missing"]:
        where = "one GPU" if scale in ON_GPU else "two cores"
        print(f"still missing: {needs['missing']}; on {where} they may take: {time_said(needs)}")


def _matches(one: Any, glob: str | None) -> bool:
    return glob is None or fnmatch(one.label, glob) or fnmatch(one.id, glob)


def _words(arguments: argparse.Namespace, scale: str) -> list[str]:
    """The same command again, for another process."""
    words = ["run", arguments.study, "--scale", scale]
    for name in ("only", "budget", "device", "data", "ledger"):
        if (value := getattr(arguments, name)) is not None:
            words.append(f"--{name}={value}")
    return [*words, *["--quiet"] * arguments.quiet]
