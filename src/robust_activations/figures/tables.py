"""Tables of any records, in words: accuracies, paired comparisons, what a paper reports beside ours, and provenance.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`. Rows are those of
`figures.rows`. What a paper reports and what our records measure never share a column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from robust_activations import paths, studies
from robust_activations.errors import UserError
from robust_activations.figures import style
from robust_activations.figures.comparisons import corrected, paired
from robust_activations.figures.prose import COLLAPSED, NOTHING, counted, interval, listed, table
from robust_activations.figures.rows import ATTACKS, DATA, Interval, Row
from robust_activations.ledger import Record
from robust_activations.run import Run
from robust_activations.studies import protocol


def accuracy_table(rows: Sequence[Row], attacks: Sequence[str] = ("clean", "pgd50"), first: str = "Activation") -> str:
    """Accuracies in percent with their 95 % intervals: Wilson's of one record, t of the mean over several seeds."""
    seeded = any(len(row.records) > 1 for row in rows)
    header = [first, *map(_heading, attacks), *["Seeds"] * seeded, "n"]
    return table(header, [[row.label, *_measured(row, attacks, seeded)] for row in rows])


def reported_beside(
    rows: Sequence[tuple[str, Sequence[str], Record | Sequence[Record] | None]],
    reported: Sequence[str],
    attacks: Sequence[str] = ("clean", "pgd50"),
    *,
    first: str = "Activation",
    theirs: str = "Reported",
    ours: str = "Measured here",
) -> str:
    """A paper's columns, under the headings `reported`, then ours.

    A row is a label, the paper's cells as words (empty where it has none), and our record, one a seed, or None.
    **Raises** `UserError` for more cells than headings.
    """
    found = [(label, cells, Row(label, () if record is None else record)) for label, cells, record in rows]
    seeded = any(len(row.records) > 1 for *_, row in found)
    header = [first, *(f"*{theirs}*<br>{words}" for words in reported)]
    header += [f"*{ours}*<br>{words}" for words in (*map(_heading, attacks), *["seeds"] * seeded, "n")]
    lines = []
    for label, cells, row in found:
        if len(cells) > len(reported):
            raise UserError(f"{label}: {len(cells)} reported cells for {len(reported)} headings")
        own = [*cells, *[""] * (len(reported) - len(cells))]
        lines.append([label, *(cell or NOTHING for cell in own), *_measured(row, attacks, seeded)])
    return table(header, lines)


def _heading(attack: str) -> str:
    return f"{ATTACKS[attack][0].upper()}{ATTACKS[attack][1:]}, %"


def _measured(row: Row, attacks: Sequence[str], seeded: bool) -> list[str]:
    """Accuracies, number of seeds, n."""
    cells = [cell(row.accuracy(attack)) for attack in attacks]
    if row.collapsed:
        cells = [COLLAPSED for _ in attacks]
    fallen = len(row.records) - len(row.whole)
    seeds = f"{len(row.records)}" + (f", {fallen} {COLLAPSED}" if fallen and len(row.records) > 1 else "")
    return [*cells, *([seeds if row.records else NOTHING] if seeded else []), _n(row, attacks)]


def cell(at: Interval | None, *, form: str = ".1f", scale: float = 100.0) -> str:
    """An interval, in percent if nothing else is asked for; a dash for none."""
    return NOTHING if at is None else interval(*at, form=form, scale=scale)


def _n(row: Row, attacks: Sequence[str]) -> str:
    """Test images, and those of an attack that had fewer."""
    found = {a: r.best.outcomes[a].n for r in row.records for a in attacks if a in r.best.outcomes}
    if not found:
        return NOTHING
    most = max(found.values())
    return "; ".join([f"{most:,}", *(f"{ATTACKS[attack]} {n:,}" for attack, n in found.items() if n < most)])


# ---- paired -----------------------------------------------------------------------------------------------------


def paired_table(first: Row, others: Sequence[Row], attack: str = "pgd50", heading: str = "Activation") -> str:
    """Each of `others` against `first` on the same images; p from McNemar's exact test, also after Holm's correction.

    Of several seeds the images are counted together and the interval is that of the mean. Bold: p is below 0.05 after
    the correction and, as for the claims, the interval excludes 0.
    """
    found = [(row.label, first.label, paired(row, first, attack)) for row in others]
    made = iter(corrected(found))
    lines = []
    for row, (*_, both) in zip(others, found, strict=True):
        if both is None:
            lines.append([row.label, COLLAPSED if row.collapsed or first.collapsed else NOTHING, *[""] * 4])
        else:
            lines.append([row.label, *next(made).cells])
    where = "on clean images" if attack == "clean" else f"under {ATTACKS[attack]}"
    header = [heading, f"Above {first.label} {where}, points", "Only it right"]
    return table([*header, f"Only {first.label} right", "p", "p, Holm"], lines)


# ---- where records come from ------------------------------------------------------------------------------------


def scales_with(study: str, wanted: Callable[[Run], bool] = lambda run: True) -> dict[str, list[Record]]:
    """The larger scales that hold records of a study's wanted runs, with these records in the study's order."""
    found = {}
    for scale, ledger in studies.ledgers(paths.SCALES[1:]).items():
        runs = [run for one in studies.get(study) for run in one.runs(scale) if wanted(run)]
        if records := ledger.of(runs):
            found[scale] = records
    return found


def later(scale: str, records: Iterable[Record]) -> str:
    """What is to be said of intervals over the seeds of these records, where some are those of `protocol.ADDED`."""
    found = {(record.run.dataset, record.run.activation, record.run.seed) for record in records}
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in protocol.ADDED:
        names = tuple(name for name in one.names if found & {(one.dataset, name, seed) for seed in one.seeds})
        if one.scale == scale and names:
            why = f"{listed(map(str, one.seeds))} after {one.seen}"
            groups.setdefault((one.dataset, names), []).append(why)
    said = [
        f"Of {listed(map(style.title, names))} on {DATA[dataset]} the seeds "
        f"{'; and '.join(own).replace(' after ', ' were added after ', 1)}."
        for (dataset, names), own in groups.items()
    ]
    if not said:
        return ""
    return (
        f"At scale `{scale}` some seeds were added after a look at others, and an interval with them promises a little "
        f"more than it holds. {' '.join(said)}"
    )


def elsewhere(found: Mapping[str, Iterable[Record]], study: str, data: str) -> str:
    """Where the records of each larger scale come from; without any, the command that makes them on `data`."""
    made = "\n\n".join(f"Scale `{scale}`: {provenance(own)}" for scale, own in found.items() if own)
    return made or (
        "No larger scale has records of this experiment yet. "
        f"`robust-activations run {study} --scale cpu` makes them on {data}."
    )


def provenance(records: Iterable[Record]) -> str:
    """A sentence: how many records, where, with what and when they were made, how long it took, how many collapsed."""
    records = list(records)
    if not records:
        return "There are no records of this yet."
    made = [record.provenance for record in records]
    days = [_day(found(one.started for one in made)) for found in (min, max)]
    when = f"on {days[0]}" if days[0] == days[1] else f"from {days[0]} to {days[1]}"
    named = dict.fromkeys(f"`{one.commit[:7]}`{'' if one.clean else ' with changes'}" for one in made if one.commit)
    commits = f"commit{'s' * (len(named) > 1)} {listed(named)}" if named else "commit not recorded"
    seconds = sum(one.seconds for one in made)
    took = f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
    fallen = sum(record.collapsed is not None for record in records)
    devices, versions = (
        listed(dict.fromkeys(words)) for words in zip(*((o.device, o.torch) for o in made), strict=True)
    )
    return (
        f"{counted(len(records), 'record')}, made {when} on {devices} with torch {versions}, {commits}, "
        f"in {took} in all; {fallen or 'none'} collapsed."
    )


def _day(started: str) -> str:
    day = datetime.fromisoformat(started)
    return f"{day.day} {day:%B %Y}"
