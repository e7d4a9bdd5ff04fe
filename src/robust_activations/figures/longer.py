"""Does a lead last? SiLU less ReLU against the number of epochs that both were trained for (`studies.sat.longer`).

Sentences are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robust_activations.figures import frames, style
from robust_activations.figures.advice import Advice
from robust_activations.figures.comparisons import span
from robust_activations.figures.frames import INK
from robust_activations.figures.prose import counted, listed
from robust_activations.figures.rows import Interval, under
from robust_activations.ledger import Ledger, Record
from robust_activations.stats import mcnemar, over_images, over_seeds
from robust_activations.studies import sat
from robust_activations.studies.base import strongest
from robust_activations.studies.pairs import gain, rights

ASIDE = 0.06  # how far ReLU's and SiLU's dots stand apart, as a share of the epochs


@dataclass(frozen=True)
class Length:
    """SiLU and ReLU after so many epochs, by seed; those from which both are recorded and neither collapsed."""

    epochs: int
    pairs: Mapping[int, tuple[Record, Record]]

    def leads(self, attack: str) -> dict[int, np.ndarray]:
        """By seed the `gain` of SiLU over ReLU, image by image."""
        return {seed: gain(*pair, attack) for seed, pair in self.pairs.items()}

    def accuracies(self, name: str, attack: str) -> list[float]:
        return [
            record.best.outcomes[attack].accuracy
            for pair in self.pairs.values()
            for record in pair
            if record.run.activation == name
        ]


@dataclass(frozen=True)
class Lengths:
    """The shortest first, and the strongest attack that all have been through."""

    scale: str
    attack: str
    found: Sequence[Length]

    def lead(self, one: Length) -> Interval:
        """How far SiLU is ahead; the interval is over seeds, of a single one over the images."""
        return _mean([*one.leads(self.attack).values()])

    def change(self, one: Length, later: Length) -> tuple[Interval, int] | None:
        """How much more it is ahead later, over as many seeds as both have; None if there is no such seed."""
        before, after = one.leads(self.attack), later.leads(self.attack)
        both = [after[seed] - before[seed] for seed in after if seed in before]
        return (_mean(both), len(both)) if both else None


def _mean(each: Sequence[np.ndarray]) -> Interval:
    if len(each) > 1:
        return Interval(*over_seeds([float(one.mean()) for one in each]))
    found = over_images(each, [1.0])
    return Interval(found.mean, *found.interval)


def lengths(scale: str, records: Ledger) -> Lengths:
    """What is recorded of `sat.longer`."""
    found = []
    for own in sat.longer(scale).values():
        both = [
            (records[silu], records[relu])
            for relu, silu in zip(own["relu"], own["silu"], strict=True)
            if relu in records and silu in records
        ]
        pairs = {pair[0].run.seed: pair for pair in both if not any(record.collapsed for record in pair)}
        if pairs:
            found.append(Length(own["relu"][0].schedule.epochs, pairs))
    attack = strongest([record for one in found for pair in one.pairs.values() for record in pair])
    return Lengths(scale, attack or "pgd20", found)


def leads(one: Lengths) -> str:
    """SiLU's lead after each number of epochs."""
    said = (f"{span(one.lead(each))} after {each.epochs} epochs ({_over(len(each.pairs))})" for each in one.found)
    return f"SiLU less ReLU, {under(one.attack)}, in points: {listed(said)}."


def lasts(one: Lengths) -> str:
    """`leads`, and whether the lead has changed since the first; nothing of a single length."""
    if len(one.found) < 2:
        return ""
    first, *others = one.found
    said = [f"**Scale `{one.scale}`.** {leads(one)}"]
    for later in others:
        if change := one.change(first, later):
            at, seeds = change
            told = "**grew**" if at.low > 0 else "**shrank**" if at.high < 0 else "may be unchanged"
            said.append(
                f"From {first.epochs} to {later.epochs} epochs the lead {told}: the change is {span(at)} points "
                f"({_over(seeds)})."
            )
    grown = listed(f"{100 * fmean(each.accuracies('relu', one.attack)):.1f}" for each in one.found)
    return " ".join([*said, f"ReLU itself is right on {grown} % then.", *_looked(one)])


def answer(one: Lengths) -> Advice:
    """For somebody who trains for longer than the usual runs: after the most epochs that several seeds have."""
    last = next((each for each in reversed(one.found[1:]) if len(each.pairs) > 1), None)
    if last is None:
        return Advice("Our records cannot say yet.", "Not measured with several seeds yet.")
    low, high = one.lead(last)[1:]
    if low > 0:
        said = f"SiLU was still ahead of ReLU after {last.epochs} epochs, the most that several seeds had."
    elif high < 0:
        said = f"No: after {last.epochs} epochs SiLU was behind ReLU."
    else:
        said = f"Our records do not tell SiLU from ReLU after {last.epochs} epochs."
    return Advice(said, f"At `{one.scale}`: {leads(one)}")


def under_autoattack(one: Lengths) -> str:
    """What AutoAttack leaves of each pair that went through it, and SiLU's lead under it; on the same images PGD-50."""
    said = []
    for length in one.found:
        for seed, pair in length.pairs.items():
            if strongest(pair) != "autoattack":
                continue
            hard = rights(*pair, "autoattack")
            n = len(hard[0])
            soft = [right[:n] for right in rights(*pair, "pgd50")]
            left = [
                f"{style.title(record.run.activation)} {100 * after.mean():.1f} % (PGD-50 {100 * before.mean():.1f} %)"
                for record, after, before in zip(pair, hard, soft, strict=True)
            ]
            under_it, before = (span(Interval.of(mcnemar(*both))) for both in (hard, soft))
            said.append(
                f"After {length.epochs} epochs at scale `{one.scale}` (seed {seed}, n = {n:,}) AutoAttack leaves "
                f"{listed(left[::-1])}. SiLU less ReLU is {under_it} points under it and {before} under PGD-50."
            )
    return " ".join(said)


def _looked(one: Lengths) -> list[str]:
    """What had been seen when the rest was planned (`sat.LONGER`), and how much of the plan is recorded."""
    twice, planned = one.found[1], len(sat.longer(one.scale)[2]["relu"])
    if planned < 2 or len(twice.pairs) < 2 or 0 not in twice.pairs:
        return []
    seen = span(one.lead(Length(twice.epochs, {0: twice.pairs[0]})))
    said = f"Seed 0 of {twice.epochs} epochs had been seen ({seen}) when the other long trainings were planned."
    left = planned - len(twice.pairs)
    return [f"{said} {left} of these {planned} seeds have no record yet." if left else said]


def _over(seeds: int) -> str:
    return counted(seeds, "seed") + (", interval over the images" if seeds == 1 else "")


def figure(scales: Sequence[Lengths]) -> Figure:
    """Accuracy under attack against epochs, a dot a seed and the line of the means; beside it how far SiLU is ahead, a
    hollow dot a seed, and the mean with the interval of `Lengths.lead`.
    """
    with frames.stacked([2.1] * (2 * len(scales)), 0.35, 2) as (made, axes):
        for one, own in zip(scales, zip(axes[::2], axes[1::2], strict=True), strict=False):
            _accuracy(own[0], one)
            _ahead(own[1], one)
            for ax in own:
                epochs = [length.epochs for length in one.found]
                ax.set(xlabel="epochs", xlim=(0.8 * min(epochs), 1.25 * max(epochs)))
                frames.logarithmic(ax, epochs)
        looks = {name: _look(name) for name in ("relu", "silu")}
        frames.legend(made, [Line2D([], [], label=style.title(name), **look) for name, look in looks.items()])
    return made


def _look(name: str) -> dict:
    return frames.accent(name) | {"lw": 1.4, "ls": "-" if name == "silu" else "--"}


def _accuracy(ax: Axes, one: Lengths) -> None:
    for name, side in (("relu", -1), ("silu", 1)):
        look = _look(name)
        at = [length.epochs * (1 + side * ASIDE) for length in one.found]
        each = [length.accuracies(name, one.attack) for length in one.found]
        ax.plot(at, [fmean(own) for own in each], **look | {"marker": ""})
        for x, own in zip(at, each, strict=True):
            ax.plot([x] * len(own), own, **look | {"ls": "", "ms": 5})
    frames.percent(ax, "y")
    ax.set_title(f"{one.scale}: right {under(one.attack)}", color=INK)


def _ahead(ax: Axes, one: Lengths) -> None:
    ax.axhline(0, color=INK, lw=1.2)
    for length in one.found:
        mean = one.lead(length).times(100)
        each = [100 * float(own.mean()) for own in length.leads(one.attack).values()]
        ax.plot([length.epochs * (1 - ASIDE)] * len(each), each, ls="", marker="o", ms=4, mfc="white", color=INK)
        ax.errorbar(
            length.epochs * (1 + ASIDE), mean.value, [[mean.value - mean.low], [mean.high - mean.value]],
            color=INK, marker="D", ms=5, lw=1.4, capsize=3,
        )  # fmt: skip
    ax.set_title("SiLU less ReLU, points", color=INK)
