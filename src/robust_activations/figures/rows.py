"""Rows: labelled records, one or one a seed, which the figures of `results` and the tables of `tables` are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from robust_activations.figures import style
from robust_activations.figures.frames import GREY
from robust_activations.ledger import Record
from robust_activations.models import REGISTRY as MODELS
from robust_activations.run import Run
from robust_activations.stats import Paired, over_seeds, wilson

ATTACKS = {
    "clean": "clean",
    "fgsm": "FGSM",
    "pgd10": "PGD-10",
    "pgd20": "PGD-20",
    "pgd50": "PGD-50",
    "pgd50_margin": "PGD-50 on the margin",
    "pgd200": "PGD-200",
    "one_pixel": "one pixel",
    "square": "Square",
    "autoattack": "AutoAttack",
}
DATA = {"digits": "8×8 digits", "mnist": "MNIST", "svhn": "SVHN", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"} | {
    "mnist8": "MNIST at 8×8",
    "imagenette96": "Imagenette-96",
    "imagenette": "Imagenette",
    "imagenet": "ImageNet",
}
OBJECTIVES = {"standard": "Standard", "pgd_at": "PGD-AT", "trades": "TRADES", "fgsm_rs": "FGSM-RS", "n_fgsm": "N-FGSM"}


def data_title(run: Run) -> str:
    """The dataset as a sentence has it."""
    return DATA.get(run.dataset, run.dataset)


def place_title(dataset: str, model: str) -> str:
    """Data and network as a title has them: `CIFAR-10, ResNet-20`."""
    return f"{DATA.get(dataset, dataset)}, {MODELS[model].title}"


def norm(run: Run) -> str:
    return {"linf": "ℓ∞", "l2": "ℓ2"}[run.threat.norm]


def under(attack: str) -> str:
    """`clean`, `under PGD-50`."""
    return ATTACKS[attack] if attack == "clean" else f"under {ATTACKS[attack]}"


class Interval(NamedTuple):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    @staticmethod
    def share(correct: int, n: int) -> Interval:
        """Of images right, with Wilson's interval."""
        return Interval(correct / n, *wilson(correct, n))

    @staticmethod
    def shares(counts: Sequence[tuple[int, int]]) -> Interval | None:
        """Of images right and n, one pair a seed: Wilson's interval of one; of several their mean, with its t interval
        as far as it is a share; None of none."""
        if len(counts) < 2:
            return Interval.share(*counts[0]) if counts else None
        mean, low, high = over_seeds([correct / n for correct, n in counts])
        return Interval(mean, max(low, 0.0), min(high, 1.0))

    @staticmethod
    def of(test: Paired) -> Interval:
        """Of a difference between two networks on the same images."""
        return Interval(test.difference, *test.interval)

    @property
    def complement(self) -> Interval:
        """1 less the number: the error rate of an accuracy."""
        return Interval(1 - self.value, 1 - self.high, 1 - self.low)

    def times(self, factor: float) -> Interval:
        """In another unit: 100 for points, 255 for 255ths. The factor is positive."""
        return Interval(factor * self.value, factor * self.low, factor * self.high)


@dataclass(frozen=True)
class Row:
    """A labelled line: one record, or one a seed. `activation` gives the colour; None for that of the record."""

    label: str
    record: Record | Sequence[Record]
    activation: str | None = None

    @property
    def records(self) -> list[Record]:
        return [self.record] if isinstance(self.record, Record) else list(self.record)

    @property
    def whole(self) -> list[Record]:
        """The records that did not collapse."""
        return [record for record in self.records if not record.collapsed]

    @property
    def collapsed(self) -> bool:
        """There are records, and all collapsed."""
        return bool(self.records) and not self.whole

    @property
    def name(self) -> str | None:
        return self.activation or next((record.run.activation for record in self.records), None)

    @property
    def colour(self) -> str:
        return style.colour(self.name) if self.name else GREY

    def accuracies(self, attack: str) -> list[float]:
        """One a record that did not collapse and was attacked so."""
        return [r.best.outcomes[attack].accuracy for r in self.whole if attack in r.best.outcomes]

    def accuracy(self, attack: str) -> Interval | None:
        """Of the records that did not collapse and were attacked so; None if no record is left."""
        outcomes = [r.best.outcomes[attack] for r in self.whole if attack in r.best.outcomes]
        return Interval.shares([(outcome.correct, outcome.n) for outcome in outcomes])


@dataclass(frozen=True)
class Line:
    """Accuracy as a function of a parameter: its values, and the record (or one a seed) of each."""

    label: str
    activation: str | None
    points: Sequence[tuple[float, Record | Sequence[Record]]]

    @property
    def rows(self) -> list[tuple[float, Row]]:
        """In the order of the values."""
        found = sorted(self.points, key=lambda point: point[0])
        return [(x, Row(self.label, record, self.activation)) for x, record in found]

    @property
    def name(self) -> str | None:
        return self.activation or next((row.name for _, row in self.rows if row.name), None)

    @property
    def colour(self) -> str:
        return style.colour(self.name) if self.name else GREY


def ranked(rows: Iterable[Row], attack: str = "pgd50") -> list[Row]:
    """Best first; those that have no accuracy, as the collapsed have none, stay unranked at the end."""

    def place(row: Row) -> tuple[bool, float]:
        accuracy = row.accuracy(attack)
        return accuracy is None, -accuracy.value if accuracy else 0.0

    return sorted(rows, key=place)


def setting(records: Iterable[Record], attacks: Iterable[str] = ("pgd50",), parts: str = ", ") -> str:
    """Data, threat model and number of test images: `8×8 digits, ℓ∞ 38.25/255, n = 497`.

    Attacks that saw fewer images are named: `n = 1,000 (AutoAttack 200)`.
    """
    records = list(records)
    seen = {a: {r.best.outcomes[a].n for r in records if a in r.best.outcomes} for a in attacks}
    counts = {attack: _range(found) for attack, found in seen.items() if found}
    if not counts:
        return ""
    threats = list(dict.fromkeys(f"{norm(record.run)} {record.run.threat.eps}" for record in records))
    n = next(iter(counts.values()))
    fewer = ", ".join(f"{ATTACKS[attack]} {other}" for attack, other in counts.items() if other != n)
    return parts.join(
        (
            " and ".join(dict.fromkeys(data_title(record.run) for record in records)),
            threats[0] if len(threats) == 1 else "several ε",
            f"n = {n}" + (f"{parts[-1]}({fewer})" if fewer else ""),
        )
    )


def _range(n: set[int]) -> str:
    return " to ".join(f"{one:,}" for one in dict.fromkeys((min(n), max(n))))
