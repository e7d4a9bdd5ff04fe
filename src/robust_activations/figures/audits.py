"""The committed records one by one: where and when each was made, and whether anything speaks against it.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Iterable

from robust_activations.figures import style
from robust_activations.figures.catalogue import table
from robust_activations.figures.prose import NBSP
from robust_activations.figures.standings import CHECKS
from robust_activations.ledger import Ledger, Record
from robust_activations.studies import STUDIES, audit


def verdict(ledger: Ledger) -> str:
    """How many records nothing speaks against, what is said of the others, and which files cannot be read."""
    wrong = {record.id: found for record in ledger if (found := audit.faults(record))}
    lines = [f"Nothing speaks against {len(ledger) - len(wrong)} of the {len(ledger)} committed records."]
    for name, found in wrong.items():
        for kind, said in found.items():
            lines.append(f"- `{name}`: {said}. {audit.EXPLAINED.get((name, kind), '**Not explained.**')}")
    lines += [f"- `{path.name}` cannot be read." for path in ledger.broken]
    return "\n".join([lines[0], "", *lines[1:]])


def sound(records: Iterable[Record]) -> str:
    """How many of these records collapsed, and which checks for masked gradients failed, in whom."""
    every = {record.id: record for record in records}.values()
    fallen, failed = sum(bool(record.collapsed) for record in every), audit.failures(every)
    text = f"Of {_counted(len(every))} {fallen or 'none'} collapsed. "
    if not failed:
        return f"{text}All passed every check for masked gradients: that proves nothing, but no known symptom is there."
    found = "; ".join(
        f"{style.title(record.run.activation)} ({record.run.dataset}, seed {record.run.seed}, {which} epoch): "
        f"{CHECKS[check.name]} ({100 * check.value:.1f}{NBSP}%, limit {100 * check.limit:g}{NBSP}%)"
        for record, which, check in failed
    )
    checks = f"{len(failed)} check{'s' * (len(failed) > 1)} for masked gradients"
    advice = "Read the accuracies of these under PGD as upper bounds that may be too high."
    return f"{text}**{checks} failed.** What did not hold: {found}. {advice}"


def machines(records: Iterable[Record]) -> str:
    """For each machine, torch and commit: how many records, from when to when, and the hours they took."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in sorted(records, key=lambda record: record.provenance.started):
        made = record.provenance
        threads = f"{made.threads} thread{'s' * (made.threads != 1)}"
        commit = f"`{(made.commit or 'none')[:7]}`{'' if made.clean else ', changed'}"
        groups.setdefault((f"{made.device}, {threads}", made.torch, commit), []).append(record)
    rows = []
    for key, own in groups.items():
        hours = sum(record.provenance.seconds for record in own) / 3600
        days = dict.fromkeys(record.provenance.started[:10] for record in (own[0], own[-1]))
        rows.append([*key, f"{len(own)}", " to ".join(days), f"{hours:.1f}"])
    return table(["Machine", "torch", "Commit", "Records", "Started", "Hours"], rows)


def every(ledger: Ledger) -> str:
    """A box to open for each study: all records in its folder, in the order in which they were made."""
    boxes = []
    for name, study in STUDIES.items():
        own = [record for record in ledger if ledger.studies[record.id] == name]
        if own:
            own.sort(key=lambda record: record.provenance.started)
            boxes.append(f"::::{{dropdown}} {study.title} (`{name}`): {_counted(len(own))}\n{_table(own)}\n::::")
    return "\n\n".join(boxes)


def _table(records: Iterable[Record]) -> str:
    """What speaks against a record stands in `verdict`, which is where it is explained."""
    rows = []
    for record in records:
        made, flag = record.provenance, " (see above)" if audit.faults(record) else ""
        rows.append(
            [
                f"`{record.run.label}`<br>`{record.id}`{flag}",
                f"{made.started[:16].replace('T', NBSP)}<br>{made.device}, `{(made.commit or 'none')[:7]}`",
                f"{made.seconds / 60:.0f}",
            ]
        )
    return table(["Run and record", "Started (UTC), machine, commit", "Minutes"], rows)


def _counted(n: int) -> str:
    return f"{n} record{'s' * (n != 1)}"
