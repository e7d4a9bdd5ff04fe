"""The short answer of the book, and what to use in which case: sentences and a table that follow the records.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from robust_activations import models
from robust_activations.figures import style
from robust_activations.figures.choice import ACTIVATION, Levers
from robust_activations.figures.claims import by_data, measured
from robust_activations.figures.comparisons import span, told_apart
from robust_activations.figures.plans import TRAINING
from robust_activations.figures.prose import box, listed, p_value, points, table
from robust_activations.figures.rows import DATA, Interval, data_title
from robust_activations.figures.saved import untrained
from robust_activations.figures.standings import (
    Standings,
    added_in_words,
    against_relu,
    clear,
    firm,
    from_every_seed,
    over,
    words,
)
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from robust_activations.studies import Judged, Verdict
from robust_activations.studies.curves import Curve

COUNTS = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
ALONE = "beyond the chance of the images but by one seed each"
SIDES = {"supported": "ahead", "contradicted": "behind", "undecided": "undecided"}


def comparable(one: Standings) -> bool:
    """ReLU's first seed stands, and at least SiLU and GELU beside it."""
    return 0 in one.of("relu") and {"silu", "gelu"} <= {record.run.activation for record in one.ranked}


# ---- the short answer -------------------------------------------------------------------------------------------


def short(one: Standings, lever: Levers, judged: Iterable[Judged]) -> tuple[str, str]:
    """For a reader who knows no term of this book: a yes or no in a line, and the numbers behind it.

    The numbers are of the same attack and networks, those of `choice.levers`; a gain over several networks is named
    besides, with its attack. A gain is one only beyond the luck of a run: over seeds.
    """
    own = lever.of(ACTIVATION)
    if not own:
        return "Short answer: our records cannot say yet.", ""
    told, silu = told_apart(change.comparison for change in own), _silu(one, judged)
    clean, over_many = _untrained(lever), _over_networks(one, silu)
    headline, text, widest = _headline(one, told.above[::-1], silu), "", max(abs(change.points) for change in own)
    if clean < -widest:
        headline += f" How a network is trained matters {'far ' if clean < -3 * widest else ''}more."
        text = f"On {data_title(_relu(one))}, training without attacks costs {-clean:.0f} points of robust accuracy. "
    low, high = points(own[0].points / 100), points(own[-1].points / 100)
    text += f"Swapping ReLU for one of {len(own)} other activations moves {'it' if text else 'robust accuracy'} by "
    text += f"{low} to {high}"
    text += "." if told.above else f", and no {'single ' if over_many else ''}gain is beyond chance."
    text += over_many
    if told.below:
        behind = _among(told.below, firm(one))
        losers = behind or told.below
        count = COUNTS[len(losers)] if len(losers) < len(COUNTS) else f"{len(losers)}"
        whom = f"ReLU in all {len(one.of('relu'))} of its runs" if behind else f"ReLU {ALONE}"
        text += f" {count} {'was' if len(losers) == 1 else 'were'} less robust than {whom}: {listed(losers)}."
    return f"Short answer: {headline}", f"{text} Where nothing else is said, this rests on {_basis(one)}."


def _headline(one: Standings, above: Sequence[str], silu: Mapping[str, Verdict]) -> str:
    """Follows who is ahead of ReLU, the titles `above` by the first seeds: over seeds, or by one seed each."""
    data, seeds = data_title(_relu(one)), len(one.of("relu"))
    if sure := _among(above, clear(one)):
        return f"some do. More robust than ReLU on {data}, beyond chance over seeds: {listed(sure)}."
    if each := _among(above, firm(one)):
        return f"perhaps. Ahead of each of {seeds} seeds of ReLU on {data}, {ALONE}: {listed(each)}."
    if above:
        return f"perhaps. Ahead of ReLU on {data}, {ALONE}: {listed(above)}."
    if _ahead(one) or any(part.said == "supported" for part in silu.values()):
        labels = {part.label for part in silu.values()}
        but = ""
        if "contradicted" in labels:
            but = ", and not on all data"
        elif labels >= {"supported", "undecided"}:
            but = ", and not clearly on all data"
        return f"a little at most{but}, as far as we can see."
    return "hardly, as far as we can see."


def _among(titles: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those titles that are of one of these activations."""
    own = {style.title(name) for name in names}
    return [title for title in titles if title in own]


def _silu(one: Standings, judged: Iterable[Judged]) -> dict[str, Verdict]:
    """The verdict on SiLU against ReLU at this scale, by data set; nothing where that is not tested."""
    for own in judged:
        if own.claim.id == "sat-silu" and own.scale == one.scale and own.verdict.tested:
            return dict(own.verdict.parts) or {_relu(one).dataset: own.verdict}
    return {}


def _ahead(one: Standings) -> list[str]:
    """The activations that are ahead of ReLU over seeds."""
    return [name for name in clear(one) if over(one, name)[1][0] > 0]


def _over_networks(one: Standings, silu: Mapping[str, Verdict]) -> str:
    """What is told from ReLU over several networks: SiLU by the verdict on it on each data set, if any is decided on
    more than one seed, and what is ahead over seeds; each with its attack.
    """
    said, ahead = "", _ahead(one)
    if any(part.said in ("supported", "contradicted") for part in silu.values()):
        said += " SiLU against ReLU, as a claim by itself (not corrected for other activations), over all pairs of "
        said += "networks that are otherwise alike, trained on attacked images: "
        said += f"{listed(map(_side, silu, silu.values()))}."
    if ahead:
        gains = listed(f"{style.title(name)} by {points(over(one, name)[1][0])}" for name in ahead)
        said += f" Over seeds alone, ahead of ReLU beyond chance under PGD-50: {gains} ({len(ahead)} of "
        said += f"{len(one.core) - 1}, corrected for their number)."
    return said


def _side(dataset: str, part: Verdict) -> str:
    """`ahead on CIFAR-10 (+1.0 points under PGD-50, [+0.5, +1.5])`."""
    said = measured(part)
    numbers, interval = re.split("[,;]", said)[0], re.search(r"\[.*?\]", said)
    numbers += f", {interval[0]}" if interval else ""
    alone = ", one seed" if part.said != part.label else ""
    return f"{SIDES[part.label]} on {DATA.get(dataset, dataset)} ({numbers}{alone})"


def _untrained(lever: Levers) -> float:
    """Points above ReLU of the network that was trained on clean images; 0 if there is none or it may be chance."""
    found = [change for change in lever.found if change.label == TRAINING["standard"] and change.comparison.differs]
    return found[0].points if found else 0.0


def _relu(one: Standings) -> Run:
    return one.of("relu")[0].run


def _basis(one: Standings) -> str:
    """`a small network (ResNet-20), 3 epochs and mostly one seed`."""
    run, names = _relu(one), {record.run.activation for record in one.ranked}
    counts = [len(one.of(name)) for name in names]
    alone = counts.count(1)
    seeds = f"{min(counts)} to {max(counts)} seeds" if min(counts) < max(counts) else f"{max(counts)} seeds"
    if alone:
        seeds = f"{'mostly ' if alone < len(counts) else ''}one seed" if 2 * alone > len(counts) else seeds
    title = models.REGISTRY[run.model].title
    network = f"a small network ({title})" if one.scale in ("digits", "cpu") else f"a {title}"
    return f"{network}, {run.schedule.epochs} epochs and {seeds}"


def reported_gain(judged: Iterable[Judged], *names: str) -> str:
    """What is reported as `26.41 to 35.51 %` for these claims, as gains in whole points: `about +9`."""
    values = {one.claim.id: one.claim.reported.value for one in judged if one.claim.id in names}
    gains = [re.match(r"([\d.]+) to ([\d.]+) %", values[name]) for name in names]
    return f"about {listed(dict.fromkeys(f'{float(one[2]) - float(one[1]):+.0f}' for one in gains if one))}"


def full(one: Standings) -> str:
    """With its tests: which activations the scale's records tell from ReLU, and how high the highest stands."""
    found = against_relu(one)
    more, less, _ = told_apart(found.values())
    count = f"{len(more) + len(less) or 'none'} of {len(found)} activations"
    text = (
        f"At scale {one.scale} ({one.title()}), under PGD-50, the first seed of each, {count} differ from ReLU beyond "
        "the chance of the images, corrected for their number"
    )
    sides = [f"{words(names)} ({how} robust)" for names, how in ((more, "more"), (less, "less")) if names]
    text += f": {listed(sides)}." if sides else "."
    if sides and len(one.of("relu")) > 1:
        text += f" From each of ReLU's {len(one.of('relu'))} seeds: {words(from_every_seed(one))}."
    top = max(found.values(), key=lambda row: row.at.value)
    text += f" The highest is {style.title(top.name)}, {span(top.at)} points from ReLU"
    text += "." if top.differs else f", which after that correction may be chance (p = {p_value(top.holm)})."
    if core := [name for name in one.core if name != "relu"]:
        counts = {len(over(one, name)[0]) for name in core}
        seeds = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"
        told = clear(one)
        text += f" Over {seeds} seeds, corrected for their number, {len(told) or 'none'} of {len(core)} differ from it "
        text += f"beyond chance: {words(told)}." if told else "beyond chance."
        if added := added_in_words(one):
            text += f" {added}"
    return text


def on_clean(one: Standings, name: str) -> str:
    """How far an activation is from ReLU on clean images, where the interval over seeds excludes 0; else nothing."""
    values, (mean, low, high) = over(one, name, "clean")
    if len(values) < 2 or low <= 0 <= high:
        return ""
    return (
        f" On clean images it is {span(Interval(mean, low, high))} points from ReLU over {len(values)} seeds at scale "
        f"`{one.scale}`, which was not asked beforehand."
    )


def scale_names(scales: Iterable[Standings]) -> str:
    """What a scale is, for those that are named: `cpu`: ResNet-20 on CIFAR-10, 3 epochs of N-FGSM."""
    return "; ".join(
        f"`{one.scale}`: {models.REGISTRY[run.model].title} on {data_title(run)}, {run.schedule.epochs} epochs of "
        f"{TRAINING[run.objective.name]}"
        for one in scales
        for run in [_relu(one)]
    )


# ---- case by case -----------------------------------------------------------------------------------------------


def cases(
    scales: Sequence[Standings], judged: Sequence[Judged], kept: Mapping[str, Curve], records: Ledger, imagenet: bool
) -> str:
    """A row for each case, what to use and how sure that is, and in a box below what it rests on; of several scales the
    largest is the last.

    `kept` and `records` are of networks that were trained on clean images; `imagenet`: whether any record is of it.
    """
    ours = "ours: {doc}`/notebooks/claims`" if imagenet else "we have no records of it"
    others = [
        f"{title}: {_reported(judged, name)}" for name, title in (("sat-silu", "SiLU"), ("bai-autoattack", "GELU"))
    ]
    rows = [
        ["Adversarial training on ImageNet", "**SiLU or GELU**", f"Others' evidence; {ours}", " ".join(others)],
        _small(scales[-1], judged),
        _avoid(scales),
        untrained(kept, records),
        [
            "Transformers",
            "What their recipe has",
            "Not tested here",
            "All networks of this book are convolutional. {cite:t}`bai2021` found one no more robust than a ResNet-50 "
            "with its activation, GELU (README, seen).",
        ],
    ]
    reasons = "\n".join(f"- **{case}.** {why}" for case, _, _, why in rows if why)
    return (
        f"{table(['Your case', 'Use', 'How sure'], [row[:3] for row in rows])}\n\n{box('Why, case by case', reasons)}"
    )


def _reported(judged: Iterable[Judged], name: str) -> str:
    claim = next(one.claim for one in judged if one.claim.id == name)
    reported = claim.reported
    return f"{reported.value}, {{cite:t}}`{claim.citation}`, {reported.source} ({reported.mark.lower()})."


def _small(one: Standings, judged: Iterable[Judged]) -> list[str]:
    """SiLU by the verdict on it at the largest scale that has one, others where they gained beyond chance over seeds.

    A gain by one seed, or a verdict that rests on one, recommends nothing: it is named.
    """
    own = [x for x in judged if x.claim.id == "sat-silu" and x.verdict.tested]
    above = told_apart(against_relu(one).values()).above
    use = [name for name in clear(one) if name in above and name != "silu"]
    each = [name for name in firm(one) if name in above and name not in (*use, "silu")]
    sure = [f"{words(use)}: beyond chance over seeds at `{one.scale}`"] if use else []
    if each:
        sure.append(f"{words(each)}: by one seed, but against each of {len(one.of('relu'))} of ReLU, at `{one.scale}`")
    why = ""
    if own:
        verdict, scale = own[-1].verdict, own[-1].scale
        sure.append(f"SiLU: **{verdict.said}** at `{scale}`" + (f" ({by_data(verdict)})" if verdict.parts else ""))
        why = f"SiLU against ReLU: {measured(verdict)}. "
        use = ["silu", *use] if verdict.said == "supported" else use
    what = f"**{words(use)}**"
    if not use:
        what = f"**What you have**, or compare it with {words(['silu', *each])} under *your* recipe, over three seeds"
    why += f"Of {len(against_relu(one))} single runs {len(above) or 'none'} beat ReLU's beyond the chance of the images"
    why += f" ({words(above)})." if above else "."
    return [
        "Adversarial training on small images",
        what,
        "; ".join(sure) or "Not tested yet",
        f"{why} Other changes may be worth more: {{numref}}`fig-choice-levers`.",
    ]


def _avoid(scales: Sequence[Standings]) -> list[str]:
    """What fell behind more than one training of ReLU, or collapsed, at every scale; of one scale alone it is named.

    Another recipe can turn it round: what is advised against has to lose at all scales that are recorded.
    """
    lost = {one.scale: _lost(one) for one in scales}
    everywhere = [name for name in [*lost.values()][-1] if all(name in own for own in lost.values())]
    named = [
        f"on {data_title(_relu(one))} ({len(one.of('relu'))} of them) "
        + listed(f"{style.title(name)} {how}" for name, how in lost[one.scale].items())
        for one in reversed(scales)
        if lost[one.scale]
    ]
    sure = f"Behind every training of ReLU, one network each, points relative to ReLU's first seed: {'; '.join(named)}"
    return [
        "Any adversarial training",
        f"**Not** {words(everywhere)}".replace(" and ", " or ") if everywhere else "Nothing that we are sure of",
        "At every scale that is recorded" if everywhere else "What loses at one scale does not at another",
        f"{sure}." if named else "None is behind ReLU by more than the luck of one training.",
    ]


def _lost(one: Standings) -> dict[str, str]:
    """The activations that are behind every one of several trainings of ReLU, or collapsed, and by how much."""
    found, sure = against_relu(one), firm(one)
    below = [name for name in told_apart(found.values()).below if name in sure]
    fell = dict.fromkeys(record.run.activation for record in one.collapsed if record.run.activation not in found)
    return {name: points(found[name].at.value) for name in below} | dict.fromkeys(fell, "(collapsed)")
