"""The claims of the papers as tables: what was reported, what was measured, the verdict, and how to check it.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`. What a paper reports and what
our records measure never share a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from robust_activations import paths, studies
from robust_activations.figures.catalogue import table
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from robust_activations.studies import Judged, Reported

NOTHING = "—"


def judged(*scales: str, study: str | None = None) -> list[Judged]:
    """The claims at these scales; without any at all scales, and without a study those of all."""
    return [one for one in studies.verdicts(scales or paths.SCALES) if study in (None, one.study)]


def beside(found: Sequence[Judged]) -> str:
    """Reported and measured, each in its own column, for the claims at one scale."""
    rows = []
    for one in found:
        reported = f"{one.claim.reported.value or NOTHING}<br>{_source(one)}"
        rows.append([one.claim.statement, reported, _measured(one.verdict.measured), f"**{one.verdict.label}**"])
    return table(["Claim", "Reported", "Measured", "Verdict"], rows)


def overview(found: Sequence[Judged]) -> str:
    """Every claim once, with its verdict at each scale."""
    scales = list(dict.fromkeys(one.scale for one in found))
    rows = []
    for group in _by_claim(found):
        labels = {one.scale: f"**{one.verdict.label}**" if _tested(one) else NOTHING for one in group}
        claim = group[0].claim
        rows.append([claim.statement, f"{{cite:t}}`{claim.citation}`", *(labels[scale] for scale in scales)])
    return table(["Claim", "Paper", *(f"`{scale}`" for scale in scales)], rows)


def details(found: Sequence[Judged]) -> str:
    """A box for each claim: what was measured at each scale, the records behind it, and the commands that rerun it."""
    return "\n\n".join(_box(group) for group in _by_claim(found))


def _box(group: Sequence[Judged]) -> str:
    first = group[0]
    tested = [one for one in group if _tested(one)]
    missing = ", ".join(f"`{one.scale}`" for one in group if not _tested(one))
    rows = [[f"`{one.scale}`: **{one.verdict.label}**", _measured(one.verdict.measured)] for one in tested]
    return "\n".join(
        [
            f"::::{{admonition}} {first.claim.statement}",
            f"**Reported:** {first.claim.reported.value or 'nothing that was available to us'}. {_source(first)}",
            "",
            table(["Scale and verdict", "Measured"], rows) if rows else "",
            "",
            f"Not tested here: {missing}." if missing else "",
            "",
            ":::{dropdown} Records and commands",
            *(line for one in group for line in _rerun(one, group)),
            ":::",
            "::::",
        ]
    )


def _tested(one: Judged) -> bool:
    return one.verdict.label != "not tested here"


def _rerun(one: Judged, group: Sequence[Judged]) -> Iterable[str]:
    """The records of the verdict, and the command that makes them (again, if given an empty ledger)."""
    runs = planned(one, group)
    if not runs:
        yield f"**{one.scale}**: no runs of this kind are planned at this scale."
    else:
        made = ", ".join(f"`{name}`" for name in dict.fromkeys(one.verdict.records)) or "none yet"
        yield f"**{one.scale}**, records: {made}"
        yield "```bash"
        for label in dict.fromkeys(run.label.rsplit("/", 1)[0] for run in runs):
            yield f'robust-activations run {one.study} --scale {one.scale} --only "{label}/*"'
        yield "```"
    yield ""


def planned(one: Judged, group: Sequence[Judged]) -> list[Run]:
    """The runs that test a claim at this scale: those like the ones behind its verdict at any scale that has one."""
    tested = [other for other in group if other.verdict.records]
    if not tested:
        return []
    records = Ledger(paths.ledger(tested[0].scale)).records
    kinds = {_kind(records[name].run) for name in tested[0].verdict.records}
    (study,) = studies.get(one.study)
    runs = [run for run in study.runs(one.scale) if _kind(run) in kinds]
    return runs if {_kind(run) for run in runs} == kinds else []


def _kind(run: Run) -> tuple[str, str]:
    """Activation, and how it was trained; the ways of adversarial training on attacked images alone count as one."""
    return run.activation, run.objective.name if run.objective.name in ("standard", "trades") else "adversarial"


def _by_claim(found: Sequence[Judged]) -> list[list[Judged]]:
    groups: dict[str, list[Judged]] = {}
    for one in found:
        groups.setdefault(one.claim.id, []).append(one)
    return list(groups.values())


def _source(one: Judged) -> str:
    reported: Reported = one.claim.reported
    return f"{{cite:t}}`{one.claim.citation}`, {reported.source} ({reported.mark.lower()})"


def _measured(text: str) -> str:
    return text.replace("-", "−").replace("pgd50", "PGD-50") or NOTHING
