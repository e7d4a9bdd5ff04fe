"""The claims of the papers as tables: what was reported, what was measured, the verdict and why, and how to check it.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`. What a paper reports and what
our records measure never share a column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path

from robust_activations import paths, studies
from robust_activations.figures.prose import MINUS, NOTHING, box, listed, table
from robust_activations.figures.rows import ATTACKS, DATA
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.studies import Judged, Reported, Verdict
from robust_activations.studies.audit import failures
from robust_activations.studies.base import UNTESTED, strongest
from robust_activations.studies.pairs import paired, setting_of

# The runs that a study's claims may rest on at a scale, by id, each with the study that makes it.
Planned = Callable[[str, str], dict[str, tuple[str, Run]]]


def judged(*scales: str, study: str = "all") -> list[Judged]:
    """The claims at these scales; without any at all scales, and without a study those of all."""
    return list(studies.verdicts(scales or paths.SCALES, study))


# ---- sentences ------------------------------------------------------------------------------------------------------


def summary(found: Sequence[Judged]) -> str:
    """A sentence for each scale that tests any of these claims: how many of them got which verdict there."""
    sentences = []
    for scale in _scales(found):
        own = [one.verdict for one in found if one.scale == scale]
        sentences.append(f"Of {len(own)} claims at scale `{scale}`: {listed(_counts(own))}.")
    return " ".join(sentences) or "There are no records yet that test any of these claims."


def _counts(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """`3 supported, 2 of them on one seed`, and so on."""
    for label in LABELS:
        if own := [one for one in verdicts if one.label == label]:
            alone = sum(one.said != label for one in own)
            share = {0: "", len(own): " (on one seed)"}.get(alone, f" ({alone} of them on one seed)")
            yield f"{len(own)} {label}{share}"


DECIDED = ("supported", "contradicted")
LABELS = (*DECIDED, "undecided", UNTESTED)
BADGES = {"supported": "primary", "contradicted": "danger", "undecided": "light"}
# What verdicts call attacks and measures, and what the book does.
WORDS = {"one_pixel": "the one-pixel attack", "cw": "C&W", "inf": "∞"} | ATTACKS | DATA


def stands(found: Sequence[Judged], *ids: str) -> str:
    """What our records say of the claims with these ids: verdict and measurement at each scale that tests them."""
    said = []
    for name in ids:
        own = [one for one in found if one.claim.id == name and one.verdict.tested]
        said += [f"`{name}` at `{one.scale}`: **{one.verdict.said}**, {measured(one.verdict)}" for one in own]
        said += [] if own else [f"`{name}`: not tested at any scale yet"]
    return "<br>".join(said)


def measured(verdict: Verdict) -> str:
    """The measurement, with the attacks' names, minus signs and p-values as the book writes them."""
    text = re.sub(r"under clean\b", "on clean images", verdict.measured)
    text = re.sub(r"\b(mean \w+|gap) (?=[-+])", r"difference in \1 ", text)
    text = re.sub(r"p = (\S+)", lambda found: "p < 0.001" if float(found[1]) < 1e-3 else found[0], text)
    return _named(text.translate(MINUS).replace("; (", " (")) or NOTHING


def _named(text: str) -> str:
    return re.sub(r"\b[a-z]\w*", lambda found: WORDS.get(found[0], found[0]), text)


def why(verdict: Verdict) -> str:
    """What of the rule decided."""
    return _named(verdict.why) or "no records that can be compared, or the runs collapsed"


def held(found: Sequence[Judged]) -> str:
    """The statements that are decided: `Supported: “A”; “B” (one seed). Contradicted: “C”.`"""
    sides = {
        label: [
            f"“{one.claim.statement.rstrip('.')}”{' (one seed)' * (one.verdict.said != label)}"
            for one in found
            if one.verdict.label == label
        ]
        for label in DECIDED
    }
    return " ".join(f"{label.capitalize()}: {'; '.join(own)}." for label, own in sides.items() if own)


def labels(found: Sequence[Judged], *ids: str) -> str:
    """The verdicts on the claims with these ids, without the measurements, at each scale that tests them."""
    said = []
    for name in ids:
        own = [
            f"**{one.verdict.said}** ({', '.join(filter(None, [f'`{one.scale}`', disagreeing(one.verdict)]))})"
            for one in found
            if one.claim.id == name and one.verdict.tested
        ]
        said.append(f"`{name}`: {', '.join(own) or 'not tested at any scale yet'}")
    return "<br>".join(said)


def by_data(verdict: Verdict, between: str = "; ") -> str:
    """`CIFAR-10: supported; CIFAR-100: contradicted, one seed`."""
    return between.join(f"{DATA.get(dataset, dataset)}: {part.said}" for dataset, part in verdict.parts.items())


def disagreeing(verdict: Verdict) -> str:
    """`by_data` of a verdict whose parts are data sets that do not say the same; else nothing."""
    differ = len({part.label for part in verdict.parts.values()}) > 1 and verdict.parts.keys() <= DATA.keys()
    return by_data(verdict, ", ") if differ else ""


# ---- what a discussion counts ---------------------------------------------------------------------------------------


def ledgers(found: Sequence[Judged]) -> dict[str, Ledger]:
    """The ledger of every scale that tests any of these claims."""
    return studies.ledgers(_scales(found))


# What is to be said below every table of verdicts.
READING = (
    "The verdicts are drawn by a rule that is the same for all ({doc}`/notebooks/claims` spells it out), and *why* "
    "names the part of the rule that decided. *Undecided* means that the records do not show it either way, not that "
    "there is no effect. A verdict at `digits` is a demonstration of the method on 8×8 images; it neither confirms nor "
    "refutes a paper about larger ones."
)


def caveats(found: Sequence[Judged]) -> str:
    """What could be wrong with any study's verdicts: seeds, masked gradients, and that there are many of them."""
    every = _own(found)
    seeds = len({record.run.seed for record in every})
    collapsed = sum(bool(record.collapsed) for record in every) or "none"
    masked = len({record.id for record, *_ in failures(every)}) or "none"
    return (
        "seeds\n"
        f": the records of the study, of the protocol and those that these verdicts rest on besides have {seeds} "
        "different ones between them; not every run has several. "
        "Several *pairs* in a verdict are several settings or activations. Those that share a network, as that of "
        "ReLU, count as one group, and a single group has no protection from an unlucky one.\n\n"
        "masked gradients\n"
        f": would flatter whoever has them. Checks for them stand in every record; of the {len(every)} records behind "
        f"this page and the protocol {masked} failed any. This does not prove that none is masked. Collapsed runs are "
        f"left out of verdicts; of these records {collapsed} collapsed.\n\n"
        f"many verdicts\n: {_many(found, every)}"
    )


def _own(found: Sequence[Judged]) -> list[Record]:
    """The records of the studies whose claims these are, of the protocol, and those that these verdicts rest on."""
    behind = [one for name in dict.fromkeys((*(one.study for one in found), "protocol")) for one in studies.get(name)]
    read = ledgers(found)
    records = {record.id: record for scale, own in read.items() for one in behind for record in own.of(one.runs(scale))}
    rest = {name: read[one.scale].records for one in found for name in one.verdict.records}
    return list((records | {name: own[name] for name, own in rest.items() if name in own}).values())


def many(found: Sequence[Judged]) -> str:
    """How many of these verdicts are decided, how many wrong ones are to be expected, and how many share networks."""
    return _many(found, _own(found))


def _many(found: Sequence[Judged], every: Iterable[Record]) -> str:
    tests, drawn = sum(one.verdict.tested for one in found), [one for one in found if one.verdict.label in DECIDED]
    shared = sum(
        any({*one.verdict.records} & {*other.verdict.records} for other in drawn if other is not one) for one in drawn
    )
    alike = f"{shared} share a network with another" if shared else "none shares a network with another"
    return (
        f"{tests} of them stand on this page, and {len(drawn)} are decided. Where no effect exists, each has a risk of "
        f"5 % by the luck of the images alone, so about {0.05 * tests:.1f} wrong ones are to be expected. The luck of "
        f"the training comes on top where there is one seed: {luck(every)} Of the decided ones "
        f"{alike}. They are not corrected for their number, because each is a question of its own; anyone who searches "
        "them for *any* effect must correct."
    )


def luck(records: Iterable[Record]) -> str:
    """How often two trainings of one network that differ in nothing but the seed are told apart by the images."""
    alike: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if not record.collapsed:
            alike.setdefault((setting_of(record), record.provenance.dataset_sha256), []).append(record)
    pairs = [pair for own in alike.values() for pair in combinations(own, 2) if strongest(pair)]
    different = sum(paired(*pair, str(strongest(pair))).p < 0.05 for pair in pairs)
    if not pairs:
        return "none of these networks has been trained with two seeds, so how large it is, is not known."
    alike_but = f"of the {len(pairs)} pairs of these networks that differ in the seed alone"
    return f"{alike_but}, {different or 'none'} differ at p < 0.05."


# ---- tables ---------------------------------------------------------------------------------------------------------


def beside(found: Sequence[Judged]) -> str:
    """Reported and measured, each in its own column, for the claims at one scale."""
    rows = []
    for one in found:
        rows.append([_statement(one), _reported(one), measured(one.verdict), f"**{one.verdict.said}**"])
    return table(["Claim", "Reported", "Measured", "Verdict"], rows)


def reported(found: Sequence[Judged]) -> str:
    """Every claim with what was reported, its source and its mark, and nothing of ours."""
    rows = [[f"{_statement(one)}<br>`{one.claim.id}`", _reported(one)] for one, *_ in _by_claim(found)]
    return table(["Claim, as we test it", "Reported, source (mark)"], rows)


def standing(found: Sequence[Judged]) -> str:
    """Every claim and its page: the verdict, why, and what was measured, at each scale that tests it, then what was
    reported.

    A narrow screen shows the first columns.
    """
    rows = []
    for group in _by_claim(found):
        claim, paper = _linked(group[0]), _reported(group[0])
        tested = [one for one in group if one.verdict.tested]
        for one in tested:
            label = f"**{one.verdict.said}**: {why(one.verdict)}"
            rows.append([claim, label, f"`{one.scale}`: {measured(one.verdict)}", paper])
            claim, paper = "", ""
        if not tested:
            rows.append([claim, f"**{UNTESTED}**: {why(group[0].verdict)}", NOTHING, paper])
    return table(["Claim", "Verdict and why", "Measured", "Reported"], rows)


def _linked(one: Judged) -> str:
    return f"{_statement(one)}<br>`{one.claim.id}`, {{doc}}`/notebooks/{one.claim.page}`"


def folded(found: Sequence[Judged]) -> str:
    """`standing`, in a box to open."""
    return box("Each claim: verdict, why, measured, reported", standing(found))


def details(found: Sequence[Judged]) -> str:
    """A box to open for each claim, those that are decided first, with the verdict at each scale that tests it.

    Inside: what was measured, the records behind it, and the commands that make them.
    """

    @cache
    def planned(study: str, scale: str) -> dict[str, tuple[str, Run]]:
        (one,) = studies.get(study)
        first = {run.id: (name, run) for name, run in studies.with_study(scale)}
        return first | {run.id: (study, run) for run in one.runs(scale)}

    read = cache(Ledger)  # the scales share a folder
    boxes = []
    for group in sorted(_by_claim(found), key=_openness):
        untested = _untested([one for one in group if not one.verdict.tested], planned, read)
        boxes.append(_box(group, planned, untested))
    return "\n\n".join(boxes)


def _openness(group: Sequence[Judged]) -> int:
    """0 for claims that are decided somewhere, 1 for those that are only tested, 2 for the others."""
    labels = {one.verdict.label for one in group}
    return 0 if labels & {*DECIDED} else 1 if "undecided" in labels else 2


def _box(group: Sequence[Judged], planned: Planned, untested: Sequence[str]) -> str:
    first = group[0]
    rows = [
        [f"`{one.scale}`: **{one.verdict.said}**", measured(one.verdict), why(one.verdict)]
        for one in group
        if one.verdict.tested
    ]
    inside = "\n".join(
        [
            f"`{first.claim.id}`, looked into in {{doc}}`/notebooks/{first.claim.page}`",
            "",
            f"**Reported:** {first.claim.reported.value or 'nothing that was available to us'}. {_source(first)}",
            "",
            table(["Scale and verdict", "Measured", "Why"], rows) if rows else "No scale has records that test it yet.",
            "",
            *(line for one in group if one.verdict.tested for line in _rerun(one, planned)),
            *untested,
        ]
    )
    return box(f"{first.claim.statement} {_verdicts(group)}", inside)


def _verdicts(group: Sequence[Judged]) -> str:
    """For the heading of a box, as badges; an outline alone where a verdict rests on one seed."""
    own = [(one.scale, one.verdict) for one in group if one.verdict.tested]
    looks = (f"{BADGES[verdict.label]}{'-line' * (verdict.said != verdict.label)}" for _, verdict in own)
    badges = (f"{{bdg-{look}}}`{scale}: {at.said}`" for look, (scale, at) in zip(looks, own, strict=True))
    return " ".join(badges) or f"{{bdg-light}}`{UNTESTED}`"


def _rerun(one: Judged, planned: Planned) -> list[str]:
    """The records of a verdict, and the commands that make them again, given an empty ledger."""
    runs: dict[str, list[Run]] = {}
    for name in one.verdict.records:
        study, run = planned(one.study, one.scale)[name]
        runs.setdefault(study, []).append(run)
    made = ", ".join(f"`{name}`" for name in one.verdict.records)
    return [
        f"Records at `{one.scale}`: {made}, made by",
        "",
        "```bash",
        *(line for study, some in runs.items() for line in commands(study, one.scale, some)),
        "```",
        "",
    ]


def commands(study: str, scale: str, runs: Sequence[Run]) -> list[str]:
    """For each label of these runs, every seed of it, `robust-activations run ... --only "LABEL/*"` in two lines."""
    labels = dict.fromkeys(run.label.rsplit("/", 1)[0] for run in runs)
    return [f'robust-activations run {study} --scale {scale} \\\n    --only "{label}/*"' for label in labels]


def _untested(untested: Sequence[Judged], planned: Planned, read: Callable[[Path], Ledger]) -> list[str]:
    """Where runs are missing, the commands that make them; and where none is, that these runs cannot test the claim."""
    missing: list[Judged] = []
    whole: list[Judged] = []
    for one in untested:
        if runs := [run for study, run in planned(one.study, one.scale).values() if study == one.study]:
            there = read(paths.ledger(one.scale))
            (whole if all(run in there for run in runs) else missing).append(one)
    lines: list[str] = []
    if whole:
        lines += [f"At {_names(whole)} all of the study's runs are recorded, and none of them can test it.", ""]
    if missing:
        lines += [f"At {_names(missing)} runs of the study are still missing:", "", "```bash"]
        lines += [f"robust-activations run {one.study} --scale {one.scale}" for one in missing] + ["```"]
    return lines


def _names(found: Sequence[Judged]) -> str:
    return ", ".join(f"`{one.scale}`" for one in found)


def _scales(found: Sequence[Judged]) -> list[str]:
    """Those that test any of the claims."""
    return list(dict.fromkeys(one.scale for one in found if one.verdict.tested))


def _by_claim(found: Sequence[Judged]) -> list[list[Judged]]:
    groups: dict[str, list[Judged]] = {}
    for one in found:
        groups.setdefault(one.claim.id, []).append(one)
    return list(groups.values())


def _statement(one: Judged) -> str:
    """For the cell of a table, which a bare bar would end."""
    return one.claim.statement.replace("|", "\\|")


def _reported(one: Judged) -> str:
    return f"{one.claim.reported.value or NOTHING}<br>{_source(one)}"


def _source(one: Judged) -> str:
    reported: Reported = one.claim.reported
    source = re.sub(r", DOI \S+", "", reported.source)  # which the bibliography gives, and no line of a cell can hold
    return f"{{cite:t}}`{one.claim.citation}`, {source} ({reported.mark.lower()})"
