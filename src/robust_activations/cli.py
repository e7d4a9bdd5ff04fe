"""The command line: list, run, status, evaluate, picture, claims.

Everything a user can mend is one line on stderr and exit status 2, never a traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from robust_activations.errors import UserError, unknown
from robust_activations.paths import SCALES


class Parser(argparse.ArgumentParser):
    """Reports a wrong word as every other mistake: in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def main(words: Sequence[str] | None = None) -> None:
    """Entry point of `robust-activations`."""
    try:
        arguments = parser().parse_args(words)
        status = arguments.command(arguments)
        sys.stdout.flush()
    except UserError as error:
        print(f"robust-activations: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print(
            "\nrobust-activations: stopped; the same command goes on from the last epoch or attack",
            file=sys.stderr,
        )
        status = 130
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:  # no space or no permission, where nothing else says so
        print(f"robust-activations: {error}; check the path and the space left", file=sys.stderr)
        status = 2
    sys.exit(status or 0)


def parser() -> Parser:
    top = Parser(prog="robust-activations", description="Activation functions and adversarial robustness.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Any, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about)
        one.set_defaults(command=function)
        return one

    def places(one: argparse.ArgumentParser) -> None:
        one.add_argument("--scale", help="digits (default), cpu, gpu or paper")
        one.add_argument("--data", type=Path, metavar="DIR", help="downloads, checkpoints (default: data)")
        one.add_argument("--ledger", type=Path, metavar="DIR", help="records (default: data/ledger; digits: data/live)")

    def networks(one: argparse.ArgumentParser) -> None:
        one.add_argument("checkpoint", nargs="+", type=Path)
        one.add_argument("--data", type=Path, metavar="DIR", help="downloads and caches (default: data)")
        one.add_argument("--device", help="cpu, cuda, ... (default: the GPU if there is one)")

    one = command("list", list_all, "Activations, models, datasets and studies.")
    one.add_argument("--json", action="store_true")
    one = command("run", run, "Makes the records that the ledger lacks. Safe to kill and to start again.")
    one.add_argument("study", help="a study, or all")
    places(one)
    one.add_argument("--only", metavar="GLOB", help="only runs whose label or id matches")
    one.add_argument("--budget", type=duration, metavar="TIME", help="stop after 90s, 9m or 2h")
    one.add_argument("--jobs", type=positive, default=1, help="processes that share the work (default: 1)")
    one.add_argument("--sync-bn", action="store_true", help="under torchrun: BatchNorm over the batch of all processes")
    one.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="spread the runs over a Ray cluster: auto, HOST:PORT, or local, which starts one here; all machines need "
        "this library and --data in a folder that they share",
    )
    one.add_argument(
        "--gpus-per-run", type=processors, metavar="N", help="with --ray; 0.5: two runs a GPU (default: 1 or 0)"
    )
    one.add_argument("--cpus-per-run", type=processors, metavar="N", help="with --ray (default: 1)")
    one.add_argument("--device", help="cpu, cuda, ... (default: the GPU if there is one)")
    one.add_argument("--quiet", action="store_true", help="no progress bars")
    one.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    one = command(
        "status", status, "What is recorded, what is missing, and how long it may take on two cores or one GPU."
    )
    one.add_argument("study", nargs="?", default="all", help="a study (default: all)")
    places(one)
    one.add_argument("--json", action="store_true")
    one = command("evaluate", evaluate, "Attacks saved checkpoints.")
    networks(one)
    one.add_argument("--attack", action="append", metavar="NAME", help="fgsm, pgd (which is pgd50), autoattack, ...")
    one.add_argument("--eps", metavar="K/255", help="another radius than that of the training")
    one.add_argument(
        "--radii", nargs="+", metavar="K/255", help="instead: accuracy at each, growing, under one attack (pgd20)"
    )
    one.add_argument("--samples", type=positive, metavar="N", help="the first N test images (default: all)")
    one.add_argument("--json", action="store_true")
    one = command("picture", picture, "Images attacked, landscapes around them and gates, of saved checkpoints.")
    networks(one)
    one.add_argument("--save", type=Path, metavar="FILE", required=True, help="a .safetensors that pages read")
    one.add_argument("--radii", nargs="+", metavar="K/255", default=["8/255", "32/255"], help="growing")
    one.add_argument("--images", type=positive, metavar="N", default=5, help="each of another class (default: 5)")
    one = command("claims", claims, "What the papers report, what our records measure, and the verdict.")
    one.add_argument("--json", action="store_true")
    return top


def duration(text: str) -> float:
    """Seconds in `90s`, `9m`, `2h` or plain `540`."""
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1)
    try:
        seconds = float(number) * unit
    except ValueError:
        seconds = -1
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 9m or 2h")
    return seconds


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def processors(text: str) -> float:
    """Of a GPU or CPU: a whole number, or a part below 1; which is how Ray counts them."""
    number = float(text) if text.replace(".", "", 1).isdecimal() else -1
    if number < 0 or (number > 1 and number % 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processors; write 0, 0.5, 1, 2 ...")
    return number


def show(rows: Iterable[Sequence[object]]) -> None:
    """Prints rows as columns."""
    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_json(content: object) -> None:
    print(json.dumps(content, indent=1, ensure_ascii=False, default=str))


def scales(given: str | None) -> tuple[str, ...]:
    if given is not None and given not in SCALES:
        raise unknown("scale", given, SCALES)
    return SCALES if given is None else (given,)


def list_all(arguments: argparse.Namespace) -> None:
    from robust_activations import activations, data, models, studies

    content = {
        "activations": {
            name: {"title": entry.title, "family": entry.family, "source": entry.source, "shares": entry.shares}
            for name, entry in activations.REGISTRY.items()
        },
        "models": models.names(),
        "datasets": data.names(),
        "studies": {
            name: {"title": study.title, "runs": {scale: len(study.runs(scale)) for scale in SCALES}}
            for name, study in studies.STUDIES.items()
        },
    }
    if arguments.json:
        return show_json(content)
    shares = ((name, one, ", ".join(one.shares) or "none to share") for name, one in activations.REGISTRY.items())
    head = ("ACTIVATION", "TITLE", "FAMILY", "PARAMETERS SHARED BY")
    show([head, *((name, one.title, one.family, shared) for name, one, shared in shares)])
    print(f"\nMODELS    {' '.join(models.names())}\nDATASETS  {' '.join(data.names())}\n")
    sizes = ((name, one.title, *(len(one.runs(scale)) for scale in SCALES)) for name, one in studies.STUDIES.items())
    show([("STUDY", "TITLE", *(f"RUNS AT {scale}" for scale in SCALES)), *sizes])
    return None


def run(arguments: argparse.Namespace) -> int:
    from robust_activations import distributed, paths, runs, studies

    if arguments.worker:
        runs.end_with_parent()
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
            status = runs.in_parallel(_words(arguments, scale), min(arguments.jobs, len(todo)))
            if not arguments.quiet:
                _say_rest(todo, work["folder"], scale)
            return status
        if distributed.launched():
            distributed.start(device)
        total = runs.campaign(todo, device=device, sync_bn=arguments.sync_bn, **work)
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

    needs = _needs([one for _, one in todo], Ledger(folder), scale)
    if needs["missing"]:
        where = "one GPU" if scale in ON_GPU else "two cores"
        print(f"still missing: {needs['missing']}; on {where} they may take: {_time(needs)}")


def _needs(wanted: Iterable[Any], records: Any, scale: str) -> dict[str, Any]:
    """How many of these runs have no record, and how long they may take, as far as records of their like tell."""
    from robust_activations.estimates import estimate

    missing = [one for one in wanted if one not in records]
    costs = [estimate(one, records, scale) for one in missing]
    return {
        "missing": len(missing),
        "estimated_seconds": round(sum(cost for cost in costs if cost is not None), 1),
        "not_estimated": costs.count(None),
        "missing_runs": {one.id: one.label for one in missing},
    }


def _matches(one: Any, glob: str | None) -> bool:
    return glob is None or fnmatch(one.label, glob) or fnmatch(one.id, glob)


def _words(arguments: argparse.Namespace, scale: str) -> list[str]:
    """The same command again, for another process."""
    words = ["run", arguments.study, "--scale", scale]
    for name in ("only", "budget", "device", "data", "ledger"):
        if (value := getattr(arguments, name)) is not None:
            words.append(f"--{name}={value}")
    return [*words, *["--quiet"] * arguments.quiet]


def status(arguments: argparse.Namespace) -> None:
    from robust_activations import paths, studies
    from robust_activations.ledger import Ledger
    from robust_activations.studies import audit

    rows, read = [], cache(Ledger)  # most scales share a folder
    kept: dict[str, Any] = {}
    for scale in scales(arguments.scale):
        records = read(arguments.ledger or paths.ledger(scale))
        if scale != "digits":  # whose records are made live, and not committed
            kept |= records.records
        for study in studies.get(arguments.study):
            wanted = study.runs(scale)
            needs = _needs(wanted, records, scale)
            counts = {
                "study": study.name,
                "scale": scale,
                "recorded": len(wanted) - needs["missing"],
                "missing": needs["missing"],
                "collapsed": sum(bool(record.collapsed) for record in records.of(wanted)),
            }
            rows.append(counts | needs)
    if arguments.json:
        return show_json(rows)
    show(
        [("STUDY", "SCALE", "RECORDED", "MISSING", "COLLAPSED", "ESTIMATED TIME")]
        + [(*tuple(row[key] for key in list(row)[:5]), _time(row)) for row in rows]
    )
    for name, wrong in audit.unfit(kept.values()).items():
        print(f"do not commit record {name}: {'; '.join(wrong)}")
    return None


def _time(row: dict[str, Any]) -> str:
    if not row["missing"]:
        return "-"
    seconds, blind = row["estimated_seconds"], row["not_estimated"]
    text = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
    if blind == row["missing"]:
        return "unknown until a run like these is recorded"
    return text + (f" and {blind} runs of unknown cost" if blind else "")


def evaluate(arguments: argparse.Namespace) -> None:
    from robust_activations import checkpoints, evaluation, paths, runs
    from robust_activations.attacks import Threat
    from robust_activations.studies import curves

    device, root = runs.device_of(arguments.device), arguments.data or paths.project() / "data"
    usual = ["pgd20"] if arguments.radii else ["fgsm", "pgd20", "pgd50"]
    asked = ["pgd50" if name == "pgd" else name for name in arguments.attack or usual]
    if arguments.radii:
        if arguments.eps:
            raise UserError("--radii says the radii; leave out --eps")
        attack, *more = asked
        if more:
            raise UserError(f"--radii goes with one attack, not with {attack} and {more[0]}")
        rows = curves.measure(arguments.checkpoint, arguments.radii, attack, arguments.samples, root, device)
        table = [("RIGHT OF", *rows[0]["radii"], "RUN"), *((row["n"], *row["correct"], row["run"]) for row in rows)]
        return show_json(rows) if arguments.json else show(table)
    attacks = tuple(dict.fromkeys(("clean", *asked)))  # each once
    n, usually = arguments.samples, evaluation.Suite()
    # All that were asked for are attacked; the checklist stays as small as it is.
    sizes = {"autoattack_n": n, "square_n": n, "one_pixel_n": n, "check_n": usually.square_n}
    suite = evaluation.Suite(attacks=attacks, n=n, **sizes)
    todo = []
    for path in arguments.checkpoint:  # every mistake shows before the first attack
        run = checkpoints.run_of(path)
        todo.append((path, run.threat if arguments.eps is None else Threat(run.threat.norm, arguments.eps)))
    rows = []
    for path, threat in todo:
        run, dataset, model = runs.saved(path, root)
        result = evaluation.evaluate(
            model.to(device),
            dataset.test_images.to(device),
            dataset.test_labels.to(device),
            threat,
            suite,
            seed=run.seed,
        )
        rows.append(
            {
                "checkpoint": str(path),
                "run": run.label,
                "threat": str(threat),
                "attacks": {
                    name: {"correct": o.correct, "n": o.n, "accuracy": o.accuracy, "interval": o.interval}
                    for name, o in result.outcomes.items()
                },
                "checks": [asdict(check) | {"passed": check.passed} for check in result.checks],
                "flags": result.flags,
            }
        )
        if not arguments.json:
            print(f"{path}  {run.label}  {threat}")
            show((f"  {name}", outcome) for name, outcome in result.outcomes.items())
            failed = ", ".join(result.masked)
            print(f"  gradient-masking checklist: {f'FAILED {failed}' if failed else 'passed'}")
    if arguments.json:
        show_json(rows)
    return None


def picture(arguments: argparse.Namespace) -> None:
    from robust_activations import paths, runs
    from robust_activations.studies import pictures

    device, root = runs.device_of(arguments.device), arguments.data or paths.project() / "data"
    found = pictures.measure(arguments.checkpoint, arguments.radii, arguments.images, root, device)
    pictures.save(arguments.save, found)
    for one in found:
        print(one.run.label)
        show((f"  {eps}", *(one.classes[at] for at in seen)) for eps, seen in zip(one.eps, one.seen, strict=True))


def claims(arguments: argparse.Namespace) -> None:
    from robust_activations import studies

    rows = [
        {
            "claim": judged.claim.id,
            "study": judged.study,
            "statement": judged.claim.statement,
            "citation": judged.claim.citation,
            "reported": asdict(judged.claim.reported),
            "scale": judged.scale,
            "measured": judged.verdict.measured,
            "verdict": judged.verdict.label,
            "seeds": judged.verdict.seeds,
            "records": judged.verdict.records,
            "page": f"notebooks/{judged.claim.page}",
            "command": f"robust-activations run {judged.study} --scale {judged.scale}",
        }
        for judged in studies.verdicts()
    ]
    if arguments.json:
        return show_json(rows)
    show(
        [("CLAIM", "SCALE", "VERDICT", "MEASURED")]
        + [(row["claim"], row["scale"], row["verdict"], row["measured"]) for row in rows]
    )
    return None
