"""What the records of the protocol say: who is ranked, who differs, how firm an order is; and the tables of it.

The tables are Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int
from scipy import stats

from robust_activations import models, paths
from robust_activations.activations import REGISTRY
from robust_activations.evaluation import Outcome
from robust_activations.figures import style
from robust_activations.figures.comparisons import Comparison, corrected, span, told_apart
from robust_activations.figures.prose import MINUS, NBSP, interval, listed, p_value, points, table
from robust_activations.figures.rows import Interval, data_title, norm
from robust_activations.ledger import Ledger, Record
from robust_activations.run import Run
from robust_activations.stats import holm, looked_twice, over_images, over_seeds
from robust_activations.studies import paired, protocol
from robust_activations.training import Objective, Schedule


@dataclass(frozen=True)
class Standings:
    """The protocol's adversarially trained runs at one scale, collapsed ones apart."""

    scale: str
    records: tuple[Record, ...]

    @cached_property
    def ranked(self) -> list[Record]:
        """The first seed of every activation that did not collapse, best under PGD-50 first."""
        first = [record for record in self.records if record.run.seed == 0 and not record.collapsed]
        return sorted(first, key=lambda record: -record.best.outcomes["pgd50"].accuracy)

    @cached_property
    def collapsed(self) -> list[Record]:
        return [record for record in self.records if record.collapsed]

    def of(self, name: str) -> dict[int, Record]:
        """The records of an activation by seed, without collapsed ones."""
        own = [record for record in self.records if record.run.activation == name and not record.collapsed]
        return {record.run.seed: record for record in sorted(own, key=lambda record: record.run.seed)}

    @cached_property
    def core(self) -> list[str]:
        """The activations with two seeds or more that ReLU has too, of which none collapsed; ReLU is among them."""
        fell, relu = {record.run.activation for record in self.collapsed}, {*self.of("relu")}
        names = (name for name in protocol.core(self.scale) if name not in fell)
        return [name for name in names if len(relu & {*self.of(name)}) > 1]

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Those that all of the core has: a ranking can be made of each."""
        return tuple(seed for seed in self.of("relu") if all(seed in self.of(name) for name in self.core))

    def title(self, parts: str = ", ") -> str:
        """Data, threat model and number of images."""
        run, n = self.records[0].run, self.records[0].best.outcomes["pgd50"].n
        return parts.join((data_title(run), f"{norm(run)} {run.threat.eps}", f"n = {n:,}"))


def recipe_of(run: Run) -> tuple[Objective, Schedule]:
    return run.objective, run.schedule


def standings(scale: str, records: Ledger) -> Standings:
    """What the ledger holds of the protocol's main objective at a scale."""
    usual = protocol.recipe(scale)("relu")
    wanted = [run for run in protocol.STUDY.runs(scale) if recipe_of(run) == recipe_of(usual)]
    return Standings(scale, tuple(records.of(wanted)))


def recorded() -> list[Standings]:
    """The other scales that have records of the protocol, ReLU's first of all."""
    kept = Ledger(paths.ledger("cpu"))  # all scales but digits share a folder
    found = [standings(scale, kept) for scale in paths.SCALES if scale != "digits"]
    return [one for one in found if one.of("relu")]


# ---- differences ------------------------------------------------------------------------------------------------


def against_relu(one: Standings, attack: str = "pgd50", *, seed: int = 0) -> dict[str, Comparison]:
    """Every ranked activation but ReLU, in the order of the ranking, against this seed of ReLU; corrected for all."""
    relu = one.of("relu")[seed]
    tests = {
        record.run.activation: paired(record, relu, attack) for record in one.ranked if record.run.activation != "relu"
    }
    found = corrected((name, "relu", (test, Interval.of(test))) for name, test in tests.items())
    return {row.name: row for row in found}


def from_every_seed(one: Standings) -> list[str]:
    """The activations whose first seed differs, to the same side, from every recorded seed of ReLU."""
    sides: dict[str, set[int]] = {}
    for seed in one.of("relu"):
        for name, row in against_relu(one, seed=seed).items():
            side = (1 if row.at.value > 0 else -1) if row.differs else 0
            sides.setdefault(name, set()).add(side)
    return [name for name, own in sides.items() if own in ({1}, {-1})]


def over(one: Standings, name: str, attack: str = "pgd50") -> tuple[dict[int, float], tuple[float, float, float]]:
    """Difference to ReLU by seed, of the seeds that both have, and its mean with the t interval."""
    own, relu = one.of(name), one.of("relu")
    values = {seed: paired(own[seed], relu[seed], attack).difference for seed in relu if seed in own}
    return values, over_seeds([*values.values()])


def clear(one: Standings) -> list[str]:
    """The activations of the core that differ from ReLU beyond chance: over seeds and over images, after Holm's
    correction over the core.

    Either alone can err: seeds that happen to agree have no spread at all, and many images hide how much a training
    varies. Where seeds were added after a look at the first, p is that of both looks (`stats.looked_twice`).
    """
    names = [name for name in one.core if name != "relu"]
    return [name for name, p in zip(names, holm([p_over_seeds(one, name) for name in names]), strict=True) if p < 0.05]


def p_over_seeds(one: Standings, name: str, attack: str = "pgd50", *, looks: int = 2) -> float:
    """The larger p of two t tests that the difference to ReLU is 0, of the seeds that both have: one whose unit is a
    seed and one whose unit is an image; of seeds that were added after a look, that of both looks, or of one."""
    own, relu = one.of(name), one.of("relu")
    both = [[own[seed].best.outcomes[attack], relu[seed].best.outcomes[attack]] for seed in relu if seed in own]
    each = [a.right.astype(float) - b.right for a, b in both]
    by_seed = over_images([np.array([values.mean() for values in each])], [1.0])  # the same test, of seeds
    p = max(by_seed.p, over_images(each, [1 / len(each)] * len(each)).p)
    first = len(protocol.SEEDS)
    return looked_twice(first, len(both), p) if looks == 2 and len(both) > first else p


def firm(one: Standings) -> list[str]:
    """The activations that differ from ReLU by more than the luck of its one run: those of the core over seeds
    (`clear`), others whose first seed differs from every one of several seeds of ReLU.

    The latter have the luck of their own one run still.
    """
    several = from_every_seed(one) if len(one.of("relu")) > 1 else []
    return [*clear(one), *(name for name in several if name not in one.core)]


def detectable(discordant: int, level: float = 0.05) -> int:
    """The smallest surplus that McNemar's exact test calls significant among so many images on which two differ."""
    for surplus in range(discordant % 2, discordant + 1, 2):
        if stats.binomtest((discordant + surplus) // 2, discordant).pvalue < level:
            return surplus
    return discordant + 1


def twins(one: Standings) -> list[tuple[str, str]]:
    """Pairs of activations with the very same outcome on every image under every attack."""
    return [
        (a.run.activation, b.run.activation)
        for a, b in itertools.combinations(one.ranked, 2)
        if all(a.best.outcomes[attack].bits == b.best.outcomes[attack].bits for attack in a.best.outcomes)
    ]


# ---- how firm an order is ---------------------------------------------------------------------------------------


def redrawn(one: Standings, times: int = 2000, attack: str = "pgd50") -> Int[np.ndarray, "times k"]:
    """Ranks (1 is best) of the ranked activations when the test images are drawn anew, with replacement.

    Equal counts share the better rank. The networks stay as they are: this is the images' share of the luck alone.
    """
    right = np.stack([record.best.outcomes[attack].right for record in one.ranked]).astype(float)
    n = right.shape[1]
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=times) @ right.T
    return stats.rankdata(-counts, method="min", axis=1).astype(int)


def ranks(one: Standings, attack: str = "pgd50") -> dict[str, list[float]]:
    """Rank within the core, seed by seed; equal counts share the mean rank."""
    counts = [[one.of(name)[seed].best.outcomes[attack].correct for name in one.core] for seed in one.seeds]
    by_seed = [stats.rankdata([-count for count in row]) for row in counts]
    return {name: [float(row[i]) for row in by_seed] for i, name in enumerate(one.core)}


def kept(one: Standings) -> tuple[int, int]:
    """How many pairs of the core stand in the same strict order in every seed, and how many pairs there are."""
    signs = [np.sign(np.subtract(x, y)) for x, y in itertools.combinations(ranks(one).values(), 2)]
    return sum(bool(abs(sign.sum()) == len(sign)) for sign in signs), len(signs)


def across(one: Standings, other: Standings, attack: str = "pgd50") -> tuple[dict[str, tuple[float, float]], float]:
    """Ranks at two scales of the activations that both rank, by name, and Spearman's correlation of them."""
    accuracy = [{r.run.activation: r.best.outcomes[attack].accuracy for r in scale.ranked} for scale in (one, other)]
    names = [name for name in accuracy[1] if name in accuracy[0]]
    both = [stats.rankdata([-own[name] for name in names]) for own in accuracy]
    ranks = {name: (float(a), float(b)) for name, a, b in zip(names, *both, strict=True)}
    return ranks, float(stats.spearmanr(*both).statistic)


def movers(ranks: Mapping[str, tuple[float, float]], count: int = 3) -> list[str]:
    """The names that move most from the first rank to the second, the farthest first."""
    return sorted(ranks, key=lambda name: -abs(ranks[name][1] - ranks[name][0]))[:count]


# ---- what was learned --------------------------------------------------------------------------------------------


def parametric(one: Standings) -> dict[str, Record]:
    """The ranked activations of the four papers that learn something of their own, in the registry's order."""
    found = {record.run.activation: record for record in one.ranked if record.history[-1].get("activations")}
    order = [name for name, entry in REGISTRY.items() if name in found and entry.family != "reference"]
    return {name: found[name] for name in order if name != "frelu"}  # FReLU's numbers are a BatchNorm's too


# ---- words ------------------------------------------------------------------------------------------------------


def words(names: Iterable[str]) -> str:
    """Titles as a sentence lists them: `SiLU, GELU and Mish`; `none` of none."""
    return listed(style.title(name) for name in names)


def against_relu_in_words(one: Standings) -> str:
    """Which activations differ from ReLU under PGD-50, from one of its seeds and from each, and which are the same."""
    rows = [*against_relu(one).values()]
    better, worse, _ = told_apart(rows)
    said = [f"After Holm's correction {len(better) + len(worse)} of {len(rows)} activations differ from ReLU."]
    said.append(f"**More robust:** {words(better)}. **Less robust:** {words(worse)}.")
    if (seeds := len(one.of("relu"))) > 1:
        every = words(from_every_seed(one))
        said.append(
            f"That is against one ReLU. What differs, to the same side, from each of its {seeds} seeds: {every}."
        )
    else:
        said.append("That is against one ReLU, beyond the chance of the images alone; no other seed of it is recorded.")
    if fell := dict.fromkeys(record.run.activation for record in one.collapsed):
        said.append(f"Collapsed, and not compared: {words(fell)}.")
    if same := twins(one):
        said.append(f"Exactly the same on every image: {'; '.join(map(words, same))}.")
        if {"elu", "celu"} in map(set, same):
            said.append("(CELU with α = 1 *is* ELU, so anything else would have been a bug.)")
    return " ".join(said)


def over_seeds_in_words(one: Standings) -> str:
    """The core: which intervals over seeds of the difference to ReLU exclude 0, which activations differ beyond chance
    after the correction, which keep their side, which differ on clean images, and whether ReLU is last in all seeds;
    and whether seeds were added.
    """
    found = {name: over(one, name) for name in one.core if name != "relu"}
    outside = [name for name, (_, (_, low, high)) in found.items() if low > 0 or high < 0]
    by_seed = {name: values for name, (values, _) in found.items()}
    above = [name for name, own in by_seed.items() if min(own.values()) > 0]
    below = [name for name, own in by_seed.items() if max(own.values()) < 0]
    mixed = [name for name in by_seed if name not in (*above, *below)]
    said = f"The interval excludes 0 for: {words(outside)}. Beyond chance after the correction: {words(clear(one))}. "
    said += f"Above ReLU in every seed: {words(above)}; below it in every seed: {words(below)}; now above and now "
    said += f"below: {words(mixed)}. "
    clean = {name: Interval(*over(one, name, "clean")[1]) for name in found}
    apart = [f"{style.title(name)} ({span(at)})" for name, at in clean.items() if at.low > 0 or at.high < 0]
    said += f"On clean images it excludes 0 for: {listed(apart)}."
    count, seeds = len(one.core), one.seeds
    if count > 2 and seeds and all(own[seed] > 0 for own in by_seed.values() for seed in seeds):
        said += f" ReLU is the last of {count} in each of the {len(seeds)} seeds that all have. That is less than it "
        said += "seems: within a seed all are compared with one and the same ReLU, and those that are much alike "
        said += "(PSiLU starts as SiLU) rise and fall together."
    if added := added_in_words(one):
        said += f" {added}"
    fell = {record.run.activation for record in one.collapsed}
    lost = [name for name in protocol.core(one.scale) if name in fell]
    return said + (f" Not shown, because a seed collapsed: {words(lost)}." if lost else "")


def added_in_words(one: Standings) -> str:
    """Where intervals over seeds have some that were added after a look at the first ones (`protocol.ADDED`): that they
    were, what the first look showed, and what the second one does to p. Else nothing.
    """
    first, by_seed = protocol.SEEDS, {name: over(one, name)[0] for name in one.core if name != "relu"}
    more = {name: own for name, own in by_seed.items() if not {*own} <= {*first}}
    if not more:
        return ""
    looks = listed(
        f"{style.title(name)} {span(Interval(*over_seeds([own[seed] for seed in first if seed in own])))}"
        for name, own in more.items()
    )
    now = listed(f"{style.title(name)} {span(Interval(*over(one, name)[1]))}" for name in more)
    seeds = listed(map(str, sorted({seed for own in more.values() for seed in own} - {*first})))
    both = listed(
        f"{style.title(name)} {p_value(p_over_seeds(one, name))} ({p_value(p_over_seeds(one, name, looks=1))})"
        for name in more
    )
    return (
        f"Of {words(['relu', *more])} the seeds {seeds} were added after a look at the first {len(first)} "
        f"({looks}). With all seeds: {now}. p over seeds allows for both looks (in brackets: for one alone), before "
        f"the correction: {both}."
    )


def spread_in_words(one: Standings) -> str:
    """How far apart ReLU's own seeds are under PGD-50: `varied by 1.6 points over 5 seeds`."""
    own = [record.best.outcomes["pgd50"].accuracy for record in one.of("relu").values()]
    if len(own) < 2:
        return "is known of one seed alone"
    return f"varied by {100 * (max(own) - min(own)):.1f} points over {len(own)} seeds"


def epochs_in_words(one: Standings) -> str:
    """In how many of the runs that did not collapse the best epoch was the last, and whether there was a choice."""
    own = [record for record in one.records if not record.collapsed]
    last = sum(record.best_epoch == len(record.history) - 1 for record in own)
    said = f"in {one.records[0].run.schedule.epochs} epochs, the best epoch was the last in {last} of {len(own)} runs"
    return said + (": there was hardly anything to choose" if last > 0.9 * len(own) else "")


def across_in_words(one: Standings, other: Standings) -> str:
    """How alike the orders at two scales are, and who moves most."""
    ranks, rho = across(one, other)
    alike = "hardly" if abs(rho) < 0.3 else "somewhat" if rho < 0.7 else "largely"
    verdict = f"**{alike.capitalize()}: the rank correlation is {rho:.2f}**".translate(MINUS)
    if rho <= -0.3:
        verdict = f"**No, rather the reverse: the rank correlation is {rho:.2f}**".translate(MINUS)
    moved = listed(f"{style.title(name)} (from {ranks[name][0]:g} to {ranks[name][1]:g})" for name in movers(ranks))
    data = [data_title(scale.records[0].run) for scale in (one, other)]
    return (
        f"{verdict} (Spearman's, of {len(ranks)} activations on {data[0]} and on {data[1]}; 1 is the same order). "
        f"Those that move most: {moved}."
    )


# ---- tables -----------------------------------------------------------------------------------------------------


def percent(outcome: Outcome) -> str:
    return interval(outcome.accuracy, *outcome.interval)


def difference_table(one: Standings) -> str:
    """Every ranked activation: the paired comparison with ReLU under PGD-50, and the accuracy with its interval.

    A narrow screen shows the first columns.
    """
    found, rows = against_relu(one), []
    for record in one.ranked:
        name = record.run.activation
        above, only, other, p, holm = found[name].cells if name in found else [""] * 5
        rows.append([style.title(name), above, holm, percent(record.best.outcomes["pgd50"]), p, only, other])
    header = ["Activation", "Above ReLU, points", "p, Holm", "PGD-50, %", "p", "Only it right", "Only ReLU right"]
    return table(header, rows)


def seed_table(one: Standings) -> str:
    """The core's difference to ReLU under PGD-50: the mean, the t interval, and each seed.

    A narrow screen shows the first columns.
    """
    rows = []
    for name in one.core:
        if name != "relu":
            values, (mean, low, high) = over(one, name)
            cells = [points(values[seed]) if seed in values else "" for seed in one.of("relu")]
            rows.append([style.title(name), points(mean), f"[{points(low)},{NBSP}{points(high)}]", *cells])
    return table(["Activation", "Mean", "95 % interval", *(f"Seed {seed}" for seed in one.of("relu"))], rows)


def evidence(found: Sequence[Standings]) -> str:
    """What the answer rests on at each scale: data, network, seeds, images, and the smallest difference to be seen."""
    rows, attacked = [], []
    for one in found:
        relu = one.of("relu")[0]
        run, outcomes = relu.run, relu.best.outcomes
        data, network = f"{data_title(run)}, {norm(run)} {run.threat.eps}", models.REGISTRY[run.model].title
        counts = [f"{len(one.ranked)}", f"{len(one.of('relu'))}", f"{outcomes['pgd50'].n:,}"]
        rows.append([f"`{one.scale}`", visible(one), *counts, data, f"{network}, {run.schedule.epochs}"])
        if "autoattack" in outcomes:
            attacked.append(f"{outcomes['autoattack'].n:,} images at `{one.scale}`")
    header = ["Scale", "Visible, points", "Activations", "Seeds", "n", "Data, ε", "Network, epochs"]
    words = "Seeds are those of ReLU, n the images attacked with PGD-50. With AutoAttack"
    return f"{table(header, rows)}\n\n{words}: {listed(attacked)}."


def visible(one: Standings) -> str:
    """In points, the smallest difference to ReLU under PGD-50 that McNemar's test tells from 0 in one comparison.

    For an activation that disagrees with ReLU on as many images as the middle one does.
    """
    tests = [row.test for row in against_relu(one).values()]
    split = sorted(test.only_first + test.only_second for test in tests)
    return f"{100 * detectable(split[len(split) // 2]) / tests[0].n:.1f}"
