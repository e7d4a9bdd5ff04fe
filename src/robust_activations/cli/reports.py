"""Records in columns or in JSON: list, status, claims; and how runs, scales and times are written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from robust_activations.errors import unknown
from robust_activations.paths import SCALES


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
            needs = needs_of(wanted, records, scale)
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
        + [(*tuple(row[key] for key in list(row)[:5]), time_said(row)) for row in rows]
    )
    for name, wrong in audit.unfit(kept.values()).items():
        print(f"do not commit record {name}: {'; '.join(wrong)}")
    return None


def needs_of(wanted: Iterable[Any], records: Any, scale: str) -> dict[str, Any]:
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


def time_said(row: dict[str, Any]) -> str:
    if not row["missing"]:
        return "-"
    seconds, blind = row["estimated_seconds"], row["not_estimated"]
    text = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"
    if blind == row["missing"]:
        return "unknown until a run like these is recorded"
    return text + (f" and {blind} runs of unknown cost" if blind else "")


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
