"""Of saved networks: evaluate, picture."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from robust_activations.cli.reports import show, show_json
from robust_activations.errors import UserError


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
