"""Saved networks under PGD-50 on the margin of the logits, beside PGD-50 on the cross-entropy in their records.

Text and tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from robust_activations.figures import style
from robust_activations.figures.comparisons import span
from robust_activations.figures.prose import listed, points, table
from robust_activations.figures.rows import Interval
from robust_activations.figures.tables import cell
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from robust_activations.stats import over_seeds
from robust_activations.studies.curves import Curve


def pairs(kept: Mapping[str, Curve], records: Ledger) -> list[tuple[Run, int, int, int]]:
    """Saved networks under two attacks on the same n images: the run, how many are right under PGD-50 on the
    cross-entropy, by its record, and on the margin, and n."""
    found = []
    for run, curve in kept.items():
        if run in records.records and (outcome := records.records[run].best.outcomes.get("pgd50")):
            usual = int(outcome.right[: curve.n].sum())
            found.append((records.records[run].run, usual, curve.correct[-1], curve.n))
    return found


def in_words(kept: Mapping[str, Curve], records: Ledger) -> str:
    """How much lower PGD-50 on the margin finds saved networks of one dataset, one an activation and seed, than PGD-50
    on the cross-entropy; and at the same seed, how far SiLU is above ReLU by either.
    """
    found = _accuracies(kept, records)
    if not found:
        return ""
    low, high = (100 * end(before - after for before, after in found.values()) for end in (min, max))
    accuracies = [before for before, _ in found.values()]
    widest = 100 * (max(accuracies) - min(accuracies))
    text = f"**The margin loss lowers all {len(found)} networks tried, by {low:.1f} to {high:.1f} points**"
    if high - low >= widest / 4:
        text += (
            f". By the cross-entropy they differ by {widest:.1f} points at most; what one loses more, up to "
            f"{high - low:.1f}, can reverse their order. So small gaps are not safe."
        )
    else:
        text += ", all of them much alike, so that the order hardly depends on it."
    seeds = [
        f"{points(hard - relu[1])} (seed {seed}; it was {points(soft - relu[0])})"
        for seed, (soft, hard), relu in _beside_relu(found, "silu")
    ]
    said = f" SiLU less ReLU by the margin, at the same seed, in points: {listed(seeds)}." if seeds else ""
    return " ".join(filter(None, [text + said, lead(kept, records)]))


def lead(kept: Mapping[str, Curve], records: Ledger) -> str:
    """How far activations are above ReLU over three seeds or more of which both were kept, on the margin and on the
    cross-entropy."""
    found = _accuracies(kept, records)
    said = []
    for name in dict.fromkeys(name for name, _ in found if name != "relu"):
        gaps = [[own - relu[i] for i, own in enumerate(both)] for _, both, relu in _beside_relu(found, name)]
        if len(gaps) > 2:  # of two an interval is many times as wide as they are apart
            soft, hard = (span(Interval(*over_seeds(values))) for values in zip(*gaps, strict=True))
            said.append(
                f"Over these {len(gaps)} seeds {style.title(name)} is {hard} points above ReLU under PGD-50 on the "
                f"margin, and {soft} on the cross-entropy."
            )
    return " ".join(said)


Accuracies = dict[tuple[str, int], tuple[float, float]]


def _accuracies(kept: Mapping[str, Curve], records: Ledger) -> Accuracies:
    """By activation and seed, the accuracy on the cross-entropy and on the margin."""
    return {(run.activation, run.seed): (usual / n, hard / n) for run, usual, hard, n in pairs(kept, records)}


def _beside_relu(found: Accuracies, name: str) -> list[tuple[int, tuple[float, float], tuple[float, float]]]:
    """Seeds of which this activation and ReLU were kept, with the accuracies of both on cross-entropy and margin."""
    return [
        (seed, both, found["relu", seed])
        for (own, seed), both in found.items()
        if own == name and ("relu", seed) in found
    ]


def order(kept: Mapping[str, Curve], records: Ledger) -> str:
    """Saved networks under PGD-50 on the margin of the logits, beside PGD-50 on the cross-entropy in their records.

    On the same images; with a sentence on what becomes of the order.
    """

    def name(run: Run) -> str:
        return f"{style.title(run.activation)} (seed {run.seed})"

    found = pairs(kept, records)
    if not found:
        return "No saved network has been attacked on the margin yet."
    found.sort(key=lambda one: -one[1])
    rows = [
        [
            name(run),
            *(cell(Interval.share(count, n)) for count in (usual, hard)),
            points((hard - usual) / n),
        ]
        for run, usual, hard, n in found
    ]
    grouped = groupby(sorted(found, key=lambda one: -one[2]), key=lambda one: one[2])
    order = ", ".join(" = ".join(name(run) for run, *_ in alike) for _, alike in grouped)
    n = listed(f"{n:,}" for n in {n for *_, n in found})
    header = ["Network", "PGD-50, %", "PGD-50 on the margin, %", "Points lower"]
    return f"{table(header, rows)}\n\nBy the margin, n = {n}, the order is {order}."
