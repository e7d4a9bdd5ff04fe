"""The short answer of the book, and what to use in which case: sentences and a table that follow the records.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from robust_activations import models
from robust_activations.figures import style
from robust_activations.figures.catalogue import table
from robust_activations.figures.choice import ACTIVATION, Levers
from robust_activations.figures.claims import UNTESTED, measured
from robust_activations.figures.comparisons import span, told_apart
from robust_activations.figures.plans import OBJECTIVES
from robust_activations.figures.prose import NBSP, listed, p_value, points
from robust_activations.figures.rows import data_title
from robust_activations.figures.standings import Standings, against_relu, clear, from_every_seed, over, words
from robust_activations.run import Run
from robust_activations.studies import Judged, protocol
from robust_activations.studies.curves import Curve

COUNTS = ("None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def comparable(one: Standings) -> bool:
    """ReLU's first seed stands, and at least SiLU and GELU beside it."""
    return 0 in one.of("relu") and {"silu", "gelu"} <= {record.run.activation for record in one.ranked}


# ---- the short answer -------------------------------------------------------------------------------------------


def short(one: Standings, lever: Levers, judged: Iterable[Judged]) -> tuple[str, str]:
    """For a reader who knows no term of this book: a yes or no in a line, and the numbers behind it.

    The numbers are of the same attack and networks, those of `choice.levers`; a gain over several networks is named
    besides.
    """
    own = lever.of(ACTIVATION)
    if not own:
        return "Short answer: our records cannot say yet.", ""
    told = told_apart(change.comparison for change in own)
    clean = _untrained(lever)
    headline = "hardly, as far as we can see."
    if told.above:
        headline = f"some do. More robust than ReLU beyond chance: {listed(told.above[::-1])}."
    over_many = _over_networks(one, judged)
    if over_many and not told.above:
        headline = "a little at most, as far as we can see."
    text, widest = "", max(abs(change.points) for change in own)
    if clean < -widest:
        headline += f" How a network is trained matters {'far ' if clean < -3 * widest else ''}more."
        text = f"On {data_title(_relu(one))}, training without attacks costs {-clean:.0f} points of robust accuracy. "
    low, high = points(own[0].points / 100), points(own[-1].points / 100)
    text += f"Swapping ReLU for one of {len(own)} other activations moves it by {low} to {high}"
    text += "." if told.above else f", and no {'single ' if over_many else ''}gain is beyond chance."
    text += over_many
    if told.below:
        count = COUNTS[len(told.below)] if len(told.below) < len(COUNTS) else f"{len(told.below)}"
        text += f" {count} {'is' if len(told.below) == 1 else 'are'} worse: {listed(told.below)}."
    return f"Short answer: {headline}", f"{text} This rests on {_basis(one)}."


def _over_networks(one: Standings, judged: Iterable[Judged]) -> str:
    """What is ahead of ReLU over several networks: SiLU by the verdict on it, others by their interval over seeds."""
    said = ""
    for own in judged:
        silu = own.claim.id == "sat-silu" and own.scale == one.scale and own.verdict.said == "supported"
        if silu and own.verdict.points:
            gain = points(own.verdict.points.value / 100)
            said += f" Over all networks that are recorded with both, SiLU is ahead of ReLU by {gain} points."
    ahead = [name for name in clear(one) if over(one, name)[1][0] > 0]
    if ahead:
        gains = listed(f"{style.title(name)} by {points(over(one, name)[1][0])}" for name in ahead)
        said += f" Over seeds alone, ahead of it beyond chance: {gains} ({len(ahead)} of {len(one.core) - 1}, "
        said += "not corrected for their number)."
    return said


def _untrained(lever: Levers) -> float:
    """Points above ReLU of the network that was trained on clean images; 0 if there is none or it may be chance."""
    found = [change for change in lever.found if change.label == OBJECTIVES["standard"] and change.comparison.differs]
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
        f"At scale {one.scale} ({one.title()}), under PGD-50, the first seed of each, corrected for their number, our "
        f"records tell {count} from ReLU"
    )
    sides = [f"{words(names)} as {how} robust" for names, how in ((more, "more"), (less, "less")) if names]
    text += f": {listed(sides)}." if sides else "."
    if sides and len(one.of("relu")) > 1:
        text += f" From each of ReLU's {len(one.of('relu'))} seeds: {words(from_every_seed(one))}."
    top = max(found.values(), key=lambda row: row.at.value)
    text += f" The highest is {style.title(top.name)}, {span(top.at)} points from ReLU"
    text += "." if top.differs else f", which after that correction may be chance (p = {p_value(top.holm)})."
    if core := [name for name in one.core if name != "relu"]:
        counts = {len(over(one, name)[0]) for name in core}
        seeds = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"
        firm = clear(one)
        text += f" Over {seeds} seeds {len(firm) or 'none'} of {len(core)} differ from it beyond chance"
        text += f": {words(firm)}." if firm else "."
    return text


# ---- case by case -----------------------------------------------------------------------------------------------


def cases(one: Standings, judged: Sequence[Judged], kept: Mapping[str, Curve], imagenet: bool) -> str:
    """A row for each case: what to use, how sure that is, and why. `imagenet`: whether any record is of it."""
    ours = "ours: {doc}`/notebooks/claims`" if imagenet else "we have no records of it"
    others = [
        f"{title}: {_reported(judged, name)}" for name, title in (("sat-silu", "SiLU"), ("bai-autoattack", "GELU"))
    ]
    rows = [
        ["Adversarial training on ImageNet", "**SiLU or GELU**", f"Others' evidence; {ours}", "<br>".join(others)],
        _small(one, judged),
        _avoid(one),
        _untrained_case(kept),
        [
            "Transformers",
            "What their recipe has",
            "Not tested here",
            "All networks of this book are convolutional. {cite:t}`bai2021` found one no more robust than a ResNet-50 "
            "with its activation, GELU (README, seen).",
        ],
    ]
    return table(["Your case", "Use", "How sure", "Why"], rows)


def _reported(judged: Iterable[Judged], name: str) -> str:
    claim = next(one.claim for one in judged if one.claim.id == name)
    reported = claim.reported
    return f"{reported.value}, {{cite:t}}`{claim.citation}`, {reported.source} ({reported.mark.lower()})."


def _small(one: Standings, judged: Iterable[Judged]) -> list[str]:
    """Follows the verdict on SiLU at the largest scale that has one, and whether anything gained beyond chance."""
    above, own = told_apart(against_relu(one).values()).above, [x for x in judged if x.claim.id == "sat-silu"]
    tested = [x for x in own if x.verdict.label != UNTESTED]
    sure, why, use = "Not tested yet", "", "**What you have**"
    if tested:
        verdict, scale = tested[-1].verdict, tested[-1].scale
        sure = f"SiLU: **{verdict.said}** at `{scale}`"
        why = f"SiLU against ReLU: {measured(verdict)}. "
        use = "**SiLU**" if verdict.label == "supported" else use
    if above:
        use = f"**{words(above)}**"
        sure = f"Beyond chance at `{one.scale}`, on the first seed. {sure}"
    elif use == "**What you have**":
        use += ", or compare it with SiLU under *your* recipe, over three seeds"
    count = f"Of {len(against_relu(one))} single runs {len(above) or 'none'} gained on ReLU beyond chance."
    return [
        "Adversarial training on small images",
        use,
        sure,
        f"{why}{count} Other changes may be worth more: {{numref}}`fig-choice-levers`.",
    ]


def _avoid(one: Standings) -> list[str]:
    found = against_relu(one)
    below = told_apart(found.values()).below
    fell = [name for name in dict.fromkeys(record.run.activation for record in one.collapsed) if name not in found]
    seeds = len(one.of("relu"))
    firm = [name for name in from_every_seed(one) if name in below]
    sure = f"At `{one.scale}`, beyond chance"
    sure += f", from each of ReLU's {seeds} seeds: {words(firm)}" if seeds > 1 and below else ""
    values = [points(found[name].at.value) for name in below]
    why = f"{listed(values)} points under PGD-50" if below else "None is below ReLU beyond chance"
    why += f"; training collapsed with {words(fell)}" if fell else ""
    use = f"**Not** {words([*below, *fell])}" if below or fell else "Nothing to avoid that we know of"
    return ["Any adversarial training", use, sure, f"{why}."]


def _untrained_case(kept: Mapping[str, Curve]) -> list[str]:
    """What is left at the radius of adversarial training of networks that were trained on clean images."""
    radius, shares, names = protocol.recipe("cpu")("relu").threat, [], []
    for name in ("relu", "silu", "splash", "sparta"):
        run = protocol.standard("cpu", "cifar10", "resnet20", name, attacked=True)
        if (curve := kept.get(run.id)) and radius.radius in curve.radii:
            shares.append(100 * curve.correct[curve.radii.index(radius.radius)] / curve.n)
            names.append(name)
    case = ["No adversarial training", "**Whatever is accurate and fast**"]
    if not shares:
        return [*case, "Not measured yet", ""]
    why = f"On CIFAR-10, at ε = {radius.eps}, {left(shares)}: {words(names)}"
    return [*case, f"{len(names)} networks, one seed each", f"{why} ({{numref}}`fig-choice-eps`)."]


def left(shares: Sequence[float]) -> str:
    """Percent of images: `all are at 0 %`, or the range."""
    low, high = (f"{end(shares):.1f}".removesuffix(".0") for end in (min, max))
    return f"all are at {low}{NBSP}%" if low == high else f"they lie between {low} and {high}{NBSP}%"
