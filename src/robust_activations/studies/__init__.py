"""The studies of the book: `primer`, `paf`, `sat`, `splash`, `sparta` and `protocol`, all of the same shape.

Beside them, how claims are judged (`base`, `pairs`, `verdicts`), whether records can be relied on (`audit`), and what
is measured of saved networks (`curves`, `pictures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, zip_longest

from robust_activations import campaigns, paths
from robust_activations.errors import UserError, unknown
from robust_activations.ledger import Ledger, path_of
from robust_activations.paths import SCALES
from robust_activations.run import Run
from robust_activations.studies import paf, primer, protocol, sat, sparta, splash
from robust_activations.studies.base import Claim, Reported, Study, Verdict, compare
from robust_activations.studies.pairs import paired

__all__ = [
    "STUDIES",
    "Claim",
    "Reported",
    "Study",
    "Verdict",
    "collect",
    "compare",
    "get",
    "in_turn",
    "ledgers",
    "paired",
    "planned",
    "verdicts",
    "with_study",
]

STUDIES = {module.STUDY.name: module.STUDY for module in (primer, paf, sat, splash, sparta, protocol)}


def get(name: str) -> list[Study]:
    """The study by name, or all of them for `all`. **Raises** `UserError` for an unknown one."""
    if name == "all":
        return list(STUDIES.values())
    if name not in STUDIES:
        raise unknown("study", name, (*STUDIES, "all"))
    return [STUDIES[name]]


def in_turn(wanted: Mapping[str, Sequence[Run]]) -> list[tuple[str, Run]]:
    """Runs by study in the order in which they are worth making: the first of each study, then the second of each.

    A run of several studies comes once, with the study that wants it first.
    """
    rounds = zip_longest(*([(name, run) for run in runs] for name, runs in wanted.items()))
    found: dict[str, tuple[str, Run]] = {}
    for one in filter(None, chain.from_iterable(rounds)):
        found.setdefault(one[1].id, one)
    return list(found.values())


def collect(name: str, scale: str = "digits", *, jobs: int = 2) -> Ledger:
    """The records of a scale, for a notebook. At `digits` what is missing is trained now, in `jobs` processes.

    Waits for runs that another process is making. **Raises** `UserError` if a run cannot be made.
    """
    folder, busy = paths.ledger(scale), True
    before: list[Run] = []
    wanted = {path_of(folder, study.name, run): run for study in get(name) for run in study.runs(scale)}
    while True:
        records = Ledger(folder)
        missing = [run for path, run in wanted.items() if run not in records and path not in records.broken]
        if scale != "digits" or not missing:
            return records
        if missing == before and not busy:  # left out, as a run is whose donor's record is broken
            labels = ", ".join(run.label for run in missing[:3])
            raise UserError(f"runs of {name} were left out: {labels}; `robust-activations run {name}` says why")
        words = ["run", name, "--scale", scale, "--ledger", str(folder), "--quiet"]
        if campaigns.in_parallel(words, min(jobs, len(missing))):
            raise UserError(f"not all runs of {name} could be made; `robust-activations run {name}` says why")
        before, busy = missing, any(campaigns.under_way(run, paths.data(scale)) for run in missing)


def ledgers(scales: Iterable[str] = SCALES) -> dict[str, Ledger]:
    """What is recorded at these scales. Most of them share a folder, which is read once."""
    read = cache(Ledger)
    return {scale: read(paths.ledger(scale)) for scale in scales}


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict at a scale."""

    study: str
    claim: Claim
    scale: str
    verdict: Verdict


def verdicts(scales: tuple[str, ...] = SCALES, name: str = "all") -> Iterator[Judged]:
    """Every claim of a study, or of all, at every scale, judged by the records there are."""
    for scale, records in ledgers(scales).items():
        runs = planned(scale)
        for study in get(name):
            for claim in study.claims:
                yield Judged(study.name, claim, scale, claim.test(records, runs))


@cache
def with_study(scale: str) -> tuple[tuple[str, Run], ...]:
    """The runs of all studies at a scale, each with the study that wants it first."""
    return tuple(in_turn({study.name: study.runs(scale) for study in get("all")}))


@cache
def planned(scale: str) -> tuple[Run, ...]:
    """The runs of all studies at a scale.

    By the records of all of them every claim is judged: a pair that was made for another question counts as well.
    """
    return tuple(run for _, run in with_study(scale))
