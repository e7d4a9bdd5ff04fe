"""Pairs of records that are compared on the same test images, and the groups of them that share no record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from jaxtyping import Float

from robust_activations.attacks import Threat
from robust_activations.ledger import Record
from robust_activations.run import Run
from robust_activations.stats import Paired, mcnemar, over_images, over_seeds

Pairs = list[tuple[Record, Record]]
PLAIN = Run("digits", "digits_cnn", "relu", Threat("linf", "8/255"))  # for what two runs may differ in


def independent(pairs: Pairs) -> list[Pairs]:
    """The pairs in groups that share no record; what a record errs by, all its pairs do."""
    groups: list[Pairs] = []
    for pair in pairs:
        joined = [group for group in groups if {*ids(group)} & {*ids([pair])}]
        groups = [group for group in groups if group not in joined] + [[*chain(*joined), pair]]
    return groups


def weights(pairs: Pairs) -> list[float]:
    """Of each pair: groups count alike, and in a group its pairs."""
    groups = independent(pairs)
    return [next(1 / len(groups) / len(group) for group in groups if pair in group) for pair in pairs]


def over_groups(pairs: Pairs, values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval, over independent groups of pairs, of a number that each pair has."""
    own = dict(zip(((a.id, b.id) for a, b in pairs), values, strict=True))
    return over_seeds([float(np.mean([own[a.id, b.id] for a, b in group])) for group in independent(pairs)])


def seeds_of(pairs: Pairs) -> int:
    """How many different seeds these networks were trained with."""
    return len({record.run.seed for pair in pairs for record in pair})


def counted(pairs: Pairs) -> str:
    """How many pairs, and in how many independent groups: `3 seeds`, `1 pair`, `8 pairs in 3 groups`."""
    groups, noun = len(independent(pairs)), _noun(pairs)
    count = f"{len(pairs)} {noun}{'s' * (len(pairs) > 1)}"
    return count if groups == len(pairs) else f"{count} in {groups} group{'s' * (groups > 1)}"


def grouped(pairs: Pairs) -> str:
    """What an interval over `independent` groups is over: `seeds`, `pairs` or `groups`."""
    return f"{_noun(pairs) if len(independent(pairs)) == len(pairs) else 'group'}s"


def _noun(pairs: Pairs) -> str:
    return "seed" if len({(setting_of(a), setting_of(b)) for a, b in pairs}) == 1 else "pair"


def ids(pairs: Pairs) -> tuple[str, ...]:
    """Of the records, each once."""
    return tuple(dict.fromkeys(record.id for pair in pairs for record in pair))


def by_image(pairs: Pairs, names: Sequence[str]) -> tuple[float, tuple[float, float]]:
    """p over the images, and the 95 % interval of the difference."""
    if len(pairs) == 1:
        test = paired(*pairs[0], names[0])
        return test.p, test.interval
    each = [gain(a, b, name) for (a, b), name in zip(pairs, names, strict=True)]
    found = over_images(each, weights(pairs))
    return found.p, found.interval


def accuracy(pairs: Pairs, names: Sequence[str]) -> float:
    """The mean of the first of each pair, under its attack."""
    return float(np.mean([rights(a, b, name)[0].mean() for (a, b), name in zip(pairs, names, strict=True)]))


def setting_of(record: Record) -> str:
    """What two records that differ in the seed alone have in common."""
    return replace(record.run, seed=0, suite=PLAIN.suite).id


def paired(first: Record, second: Record, attack: str = "pgd50") -> Paired:
    """McNemar's test of two records' best checkpoints on the test images that both were attacked on."""
    return mcnemar(*rights(first, second, attack))


def rights(first: Record, second: Record, attack: str) -> tuple[np.ndarray, np.ndarray]:
    """Which of the test images that both were attacked on each gets right."""
    a, b = (record.best.outcomes[attack].right for record in (first, second))
    n = min(len(a), len(b))  # always the first test images
    return a[:n], b[:n]


def gain(first: Record, second: Record, attack: str) -> Float[np.ndarray, " n"]:
    """Image by image: 1 where only the first network is right under the attack, -1 where only the second, else 0."""
    one, other = rights(first, second, attack)
    return one.astype(float) - other
