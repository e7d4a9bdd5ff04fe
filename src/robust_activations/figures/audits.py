"""The committed records one by one: where and when each was made, and whether anything speaks against it.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from robust_activations.evaluation import Check
from robust_activations.figures import style
from robust_activations.figures.prose import MINUS, NBSP, box, counted, listed, table
from robust_activations.figures.rows import data_title
from robust_activations.ledger import Ledger, Record
from robust_activations.models import REGISTRY
from robust_activations.run import Run
from robust_activations.studies import STUDIES, Judged, audit

CHECKS = {
    "zero_gradient": "the loss has a slope on every image",
    "one_step": "one step does not beat fifty",
    "unbounded": "an attacker without limits wins on every image",
    "more_steps": "more steps never help the defender",
    "black_box": "a black-box attack breaks nothing that PGD-50 does not",
    "autoattack": "AutoAttack raised no warning of its own",
}


def verdict(ledger: Ledger, judged: Iterable[Judged]) -> str:
    """How many records nothing speaks against, what is said of the others, and which files cannot be read."""
    wrong, own = {record.id: found for record in ledger if (found := audit.faults(record))}, resting(ledger, judged)
    lines = [f"Nothing speaks against {len(ledger) - len(wrong)} of the {len(ledger)} committed records."]
    for name, found in wrong.items():
        said = " ".join(
            f"{words[0].upper()}{words[1:]}. {audit.EXPLAINED.get((name, kind), '**Not explained.**')}"
            for kind, words in found.items()
        )
        lines.append(f"- `{name}`: {said} **{_part(own[name])}**")
    lines += [f"- `{path.name}` cannot be read." for path in ledger.broken]
    return "\n".join([lines[0], "", *lines[1:]])


def resting(ledger: Ledger, judged: Iterable[Judged]) -> dict[str, list[str]]:
    """By the id of each record that something speaks against, the verdicts that it is part of: `sat-silu` at `cpu`."""
    every = list(judged)
    return {
        record.id: [f"`{one.claim.id}` at `{one.scale}`" for one in every if record.id in one.verdict.records]
        for record in ledger
        if audit.faults(record)
    }


def _part(verdicts: Iterable[str]) -> str:
    own = list(verdicts)
    return f"Part of the verdicts {listed(own)}." if own else "No verdict rests on it."


def doubted(ledger: Ledger, judged: Iterable[Judged]) -> str:
    """How many of the records that verdicts rest on something speaks against, and of what these are."""
    own = [ledger.records[name].run for name, claims in resting(ledger, judged).items() if claims]
    if not own:
        return "Nothing speaks against a record that a verdict rests on."
    what = listed(
        f"{style.title(run.activation)} in {_network(run)} on {data_title(run)} (seed {run.seed})" for run in own
    )
    why = "Why they stay: {doc}`/notebooks/records`."
    return f"Verdicts rest on {counted(len(own), 'record')} that something speaks against, {what}. {why}"


def _network(run: Run) -> str:
    """`ResNet-20`, `ResNet-20, depth 8`."""
    options = "".join(f", {key.replace('_', ' ')} {value}" for key, value in run.model_options.items())
    return f"{REGISTRY[run.model].title}{options}"


def sound(records: Iterable[Record]) -> str:
    """How many of these records collapsed, and which checks for masked gradients failed, in whom."""
    every = {record.id: record for record in records}.values()
    fallen, failed = sum(bool(record.collapsed) for record in every), audit.failures(every)
    text = f"Of {counted(len(every), 'record')} {fallen or 'none'} collapsed. "
    if not failed:
        return f"{text}All passed every check for masked gradients: that proves nothing, but no known symptom is there."
    found = "; ".join(
        f"{style.title(record.run.activation)} ({data_title(record.run)}, seed {record.run.seed}, {which} epoch): "
        f"{CHECKS[check.name]} ({100 * check.value:.1f}{NBSP}%, limit {100 * check.limit:g}{NBSP}%)"
        for record, which, check in failed
    )
    checks = f"{counted(len(failed), 'check')} for masked gradients"
    advice = "Read the accuracies of these under PGD as upper bounds that may be too high."
    return f"{text}**{checks} failed.** What did not hold: {found}. {advice}"


def check_table(records: Iterable[Record]) -> str:
    """The gradient-masking checklist over all runs, best and last checkpoints: how many pass, and the worst."""
    found: dict[str, list[tuple[Check, Record]]] = {}
    for record in records:
        for evaluation in audit.evaluations(record).values():
            for check in evaluation.checks:
                found.setdefault(check.name, []).append((check, record))
    rows = []
    for name, cases in found.items():
        worst, record = max(cases, key=lambda case: case[0].value)
        run = record.run
        options = "".join(f", {key} {value}" for key, value in run.model_options.items())
        how = f"{data_title(run)}, {run.objective.name.replace('_', '-')}, seed {run.seed}"
        rows.append(
            [
                CHECKS.get(name, cases[0][0].question),
                f"{sum(check.passed for check, _ in cases)} of {len(cases)}",
                f"{100 * worst.limit:g}{NBSP}%",
                f"{100 * worst.value:.1f} %".translate(MINUS),
                f"{style.title(run.activation)}{options}, {how}" if worst.value > 0 else "",
            ]
        )
    return table(["What should hold", "Checkpoints that pass", "Limit", "Greatest value", "Found in"], rows)


def machines(records: Iterable[Record]) -> str:
    """For each machine, torch and commit: how many records, from when to when, and the hours they took."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in sorted(records, key=lambda record: record.provenance.started):
        made = record.provenance
        commit = f"`{(made.commit or 'none')[:7]}`{'' if made.clean else ', changed'}"
        groups.setdefault((f"{made.device}, {counted(made.threads, 'thread')}", made.torch, commit), []).append(record)
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
            boxes.append(box(f"{study.title} (`{name}`): {counted(len(own), 'record')}", _table(own)))
    return "\n\n".join(boxes)


def _table(records: Iterable[Record]) -> str:
    """What speaks against a record stands in `verdict`, which is where it is explained."""
    rows, records = [], list(records)
    apart = differences([record.run for record in records])
    for record in records:
        made, flag = record.provenance, " (see above)" if audit.faults(record) else ""
        rows.append(
            [
                f"`{record.run.label}`{apart[record.id]}<br>`{record.id}`{flag}",
                f"{made.started[:16].replace('T', NBSP)}<br>{made.device}, `{(made.commit or 'none')[:7]}`",
                f"{made.seconds / 60:.0f}",
            ]
        )
    return table(["Run and record", "Started (UTC), machine, commit", "Minutes"], rows)


def differences(runs: Iterable[Run]) -> dict[str, str]:
    """By run id, in what a run differs from most of those that share its label: `, epochs 6`; mostly nothing."""
    groups: dict[str, dict[str, dict[str, str]]] = {}
    for run in runs:
        groups.setdefault(run.label, {})[run.id] = _flat(asdict(run))
    found = {}
    for own in groups.values():
        names = dict.fromkeys(name for values in own.values() for name in values)
        usual = {name: _usual([values.get(name) for values in own.values()]) for name in names}
        for run_id, values in own.items():
            words = [f"{key.replace('_', ' ')} {text}" for key, text in values.items() if text != usual[key]]
            attacks = [word for word in words if word.startswith("suite ")]
            words = [word for word in words if word not in attacks] or ["other attacks"] * bool(attacks)
            found[run_id] = "".join(f", {word}" for word in words)
    return found


def _usual(values: Iterable[str | None]) -> str | None:
    """The most frequent; of equally frequent ones rather none."""
    return Counter(sorted(values, key=lambda value: value is not None)).most_common(1)[0][0]


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Nested fields by their own name, those of the suite with its name in front; a donor stands in the label."""
    found: dict[str, str] = {}
    for key, inner in value.items():
        if key == "donor":
            continue
        if isinstance(inner, Mapping):
            found |= _flat(inner, "suite " if key == "suite" else before)
        else:
            found[before + key] = f"{inner:g}" if isinstance(inner, float) else f"{inner}"
    return found
