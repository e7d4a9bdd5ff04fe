"""What saved networks keep as ε grows: sentences on their curves, which `robust-activations evaluate --radii` measures.

Markdown, as in `answers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from robust_activations.figures import style
from robust_activations.figures.advice import Advice
from robust_activations.figures.comparisons import against, span
from robust_activations.figures.prose import NBSP, listed, points
from robust_activations.figures.rows import Interval, Row
from robust_activations.figures.standings import Standings, words
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from robust_activations.studies import curves, protocol
from robust_activations.studies.curves import Curve


def untrained(kept: Mapping[str, Curve], records: Ledger) -> list[str]:
    """Networks that were trained on clean images: what is left at the radius of adversarial training, and who is ahead
    of ReLU at a radius that leaves something.
    """
    radius = protocol.recipe("cpu")("relu").threat
    runs = {name: _unattacked(name) for name in ("relu", "silu", "splash", "sparta")}
    found = {name: at.value for name, run in runs.items() if (at := _at(curves.first(kept, [run]), radius.radius))}
    shares, names = [100 * share for share in found.values()], [*found]
    case = ["No adversarial training", "**No activation saves it**; take what is accurate and fast"]
    if not shares:
        return [*case, "Not measured yet", ""]
    why = f"On CIFAR-10, at ε = {radius.eps}, {left(shares)}: {words(names)} ({{numref}}`fig-choice-eps`)."
    rows = [Row(style.title(name), records[run]) for name, run in runs.items() if run in records]
    if len(rows) > 1 and runs["relu"] in records:
        gains = listed(f"{one.name} {span(one.at)}" for one in against(rows[0], rows[1:]))
        why += f" At {runs['relu'].threat.eps} they differ; points above ReLU under PGD-50: {gains}."
    return [*case, f"{len(names)} networks, one seed each", why]


def stand_in(kept: Mapping[str, Curve], name: str) -> Advice:
    """Whether this activation, in a network that was trained on clean images, keeps as much at the radius of
    adversarial training as ReLU in one that was trained on attacked images.
    """
    recipe = protocol.recipe("cpu")
    threat = recipe("relu").threat
    alone = _at(curves.first(kept, [_unattacked(name)]), threat.radius)
    attacked = _at(curves.first(kept, [recipe("relu", seed=seed) for seed in protocol.seeds("cpu")]), threat.radius)
    if not alone or not attacked:
        return Advice("Our records cannot say yet.", "Not measured yet.")
    test = (
        f"On CIFAR-10, under PGD-20 at ε = {threat.eps}, one network each: {style.title(name)}, trained on clean "
        f"images, keeps {_percent(alone)}; ReLU, trained on attacked ones, {_percent(attacked)} "
        "({numref}`fig-choice-eps`)."
    )
    if alone.high < attacked.low:
        most, least = (f"{100 * one.value:.0f}{NBSP}%" for one in (attacked, alone))
        said = f"No: without attacks in training it keeps {least} of the images where ReLU with them keeps {most}."
    else:
        said = "Our records do not show that it keeps less."
    return Advice(said, test)


def _unattacked(name: str) -> Run:
    return protocol.standard("cpu", "cifar10", "resnet20", name, attacked=True)


def _at(found: tuple[int, Curve] | None, radius: float) -> Interval | None:
    """What the curve of `curves.first` has at a radius."""
    if found is None or radius not in found[1].radii:
        return None
    _, curve = found
    return Interval.share(curve.correct[curve.radii.index(radius)], curve.n)


def _percent(one: Interval) -> str:
    return f"{100 * one.value:.1f} % [{100 * one.low:.1f}, {100 * one.high:.1f}]"


def left(shares: Sequence[float]) -> str:
    """Percent of images: `all are at 0 %`, or the range."""
    low, high = (f"{end(shares):.1f}".removesuffix(".0") for end in (min, max))
    return f"all are at {low}{NBSP}%" if low == high else f"they lie between {low} and {high}{NBSP}%"


def of_seeds(seeds: Mapping[str, int]) -> str:
    """Activations with the seeds of their networks: `ReLU and SiLU, seed 0`, `ReLU (seed 1) and SiLU (seed 0)`."""
    if len(alike := {*seeds.values()}) == 1:
        return f"{words(seeds)}, seed {alike.pop()}"
    return listed(f"{style.title(name)} (seed {seed})" for name, seed in seeds.items())


def beside_mean(one: Standings, seeds: Mapping[str, int]) -> str:
    """How far these seeds of these activations lie from the mean of all seeds of the same activation, under PGD-50."""
    said = []
    for name, seed in seeds.items():
        own = {key: record.best.outcomes["pgd50"].accuracy for key, record in one.of(name).items()}
        if seed in own and len(own) > 1:
            off = points(own[seed] - fmean(own.values()))
            said.append(f"{style.title(name)} {off} points ({len(own)} seeds)")
    return f"Against the mean of all seeds of the same activation, under PGD-50: {listed(said)}." if said else ""
