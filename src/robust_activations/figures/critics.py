"""What the critics ask for: one curvature after another, weight decay against activation, levels, masked gradients.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`. Each takes the ledger of every
scale that it shall look at, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from robust_activations import studies
from robust_activations.evaluation import Suite
from robust_activations.figures import style
from robust_activations.figures.audits import CHECKS
from robust_activations.figures.comparisons import against, corrected, span
from robust_activations.figures.prose import COLLAPSED, NBSP, NOTHING, interval, listed, table
from robust_activations.figures.rows import ATTACKS, Interval, Row, data_title, norm
from robust_activations.figures.standings import percent
from robust_activations.figures.tables import accuracy_table
from robust_activations.ledger import Ledger, Record
from robust_activations.studies import paf, paired, protocol, splash
from robust_activations.studies.audit import failures
from robust_activations.studies.base import strongest
from robust_activations.studies.paf_claims import published
from robust_activations.studies.verdicts import tuned


def curvature_table(ledgers: Mapping[str, Ledger]) -> str:
    """PSiLU's frozen α, whose curvature is α/2: radius without adversarial training, accuracy under attack with it."""
    rows = []
    for scale, records in ledgers.items():
        standard, adversarial = (shapes(scale)[PSILU] for shapes in (paf.standard_shapes, paf.adversarial_shapes))
        attack = strongest(records.of([*adversarial.values()])) or ""
        for alpha, run in adversarial.items():
            cells = [_radius(records.of([standard[alpha]])), _robust(records.of([run]), attack)]
            if cells != [NOTHING, NOTHING]:
                rows.append([f"`{scale}`", f"{alpha:g}", f"{alpha / 2:g}", *cells])
    radius, accuracy = "Trained without attacks: mean radius, /255", "Adversarially trained: accuracy, %"
    header = ["Scale", "α", "max abs. φ″", radius, accuracy]
    return table(header, rows) if rows else "Nothing of this sweep is recorded yet."


PSILU = ("psilu", "alpha")


def _radius(found: list[Record]) -> str:
    """With its interval; of no record, or one that collapsed or did not measure it, nothing."""
    for record in found:
        if record.collapsed is None and (radius := record.best.measures.get("radius")):
            return f"{interval(radius.mean, *radius.interval, form='.2f', scale=255)}, n = {len(radius.defined)}"
    return NOTHING


def _robust(found: list[Record], attack: str) -> str:
    for record in found:
        if record.collapsed is not None:
            return COLLAPSED
        if outcome := record.best.outcomes.get(attack):
            return f"{percent(outcome)} under {ATTACKS[attack]}, n = {outcome.n:,}"
    return NOTHING


def weight_decays(ledgers: Mapping[str, Ledger]) -> tuple[str, str]:
    """Runs of ReLU and SiLU that differ in weight decay: a table of accuracies, and what moves ReLU further.

    The sentence sets ReLU with another weight decay, and SiLU with the usual one, against ReLU with the usual one.
    """
    rows, said = [], []
    for scale, records in ledgers.items():
        usual = paf.STUDY.runs(scale)[0].schedule.weight_decay
        for group in _by_setting(scale, records):
            if len({decay for _, decay in group}) < 2:
                continue
            of = dict(sorted(group.items()))
            rows += [Row(f"{style.title(name)}, {decay:g}, `{scale}`", record) for (name, decay), record in of.items()]
            for decay in dict.fromkeys(decay for _, decay in of):
                three = ("relu", usual), ("relu", decay), ("silu", usual)
                if decay != usual and {*three} <= of.keys() and (attack := strongest(of[key] for key in three)):
                    by_decay, by_shape = (_difference(of[key], of["relu", usual], attack) for key in three[1:])
                    said.append(
                        f"At `{scale}`, another weight decay, {decay:g} for {usual:g}, moves ReLU by {by_decay}; "
                        f"SiLU in its place moves the accuracy by {by_shape}."
                    )
    if not rows:
        return "No scale has records with more than one weight decay yet.", ""
    attacks = ("clean", strongest(record for row in rows for record in row.records) or "pgd20")
    return accuracy_table(rows, attacks, first="Activation, weight decay, scale"), " ".join(said)


def tuned_table(ledgers: Mapping[str, Ledger]) -> str:
    """The protocol's activations with the weight decay that did best on held-out images, against ReLU with its own.

    Of those alone that were trained with several. Holm's correction is over the activations of a scale.
    """
    rows = []
    for scale, records in ledgers.items():
        objective = protocol.recipe(scale)("relu").objective
        runs = [run for run in protocol.STUDY.runs(scale) if run.objective == objective and run.seed == 0]
        chosen = {run.activation: records[run] for run in tuned(records, runs)}
        attack = strongest(chosen.values())
        relu = chosen.pop("relu", None)
        if relu is None or not attack:
            continue
        base, *others = (Row(style.title(record.run.activation), record) for record in (relu, *chosen.values()))
        cells = {one.name: [one.cells[0], one.cells[-1]] for one in against(base, others, attack)}
        for row in (base, *others):
            (record,) = row.records
            decay = f"{record.run.schedule.weight_decay:g}"
            own = [row.label, decay, _robust([record], attack)]
            rows.append([f"`{scale}`", *own, *cells.get(row.label, ["", ""])])
    header = ["Scale", "Activation", "Weight decay", "Accuracy, %", "Above tuned ReLU, points", "p, Holm"]
    return table(header, rows) if rows else "No scale has records of several weight decays yet."


def _by_setting(scale: str, records: Ledger) -> list[dict[tuple[str, float], Record]]:
    """Records of ReLU and SiLU by activation and weight decay, apart for whatever else decides a result."""
    groups: dict[str, dict[tuple[str, float], Record]] = {}
    for run in paf.STUDY.runs(scale):
        if published("relu", "silu")(run) and run in records and not records[run].collapsed:
            schedule = replace(run.schedule, weight_decay=0.0)
            setting = replace(run, activation="relu", schedule=schedule, suite=Suite()).id
            groups.setdefault(setting, {})[run.activation, run.schedule.weight_decay] = records[run]
    return list(groups.values())


def _difference(one: Record, other: Record, attack: str) -> str:
    test = paired(one, other, attack)
    return f"{span(Interval.of(test))} points under {ATTACKS[attack]} (n = {test.n:,})"


def settings(ledgers: Mapping[str, Ledger]) -> str:
    """SPLASH above ReLU beside what two choices of ours move, BatchNorm and the places of the hinges; first seed.

    At the scales that have both choices, under PGD-50 and AutoAttack or else PGD-20, corrected within the table.
    """
    sides = (("S = 7", "ReLU"), (splash.EVEN, "S = 7"), (BARE, "ReLU"), (splash.EVEN, BARE))
    found, where = [], []
    for scale, records in ledgers.items():
        planned = splash.choices(scale)
        made = {name: records[run] for name, run in planned.items() if run in records and not records[run].collapsed}
        if not {BARE, splash.EVEN} <= made.keys():
            continue
        for one, other in sides:
            both = made[one].best.outcomes.keys() & made[other].best.outcomes.keys()
            for attack in sorted(both & {"pgd50", "autoattack"}, reverse=True) or ["pgd20"]:
                test = paired(made[one], made[other], attack)
                found.append((CALLED[one], CALLED[other], (test, Interval.of(test))))
                where.append(
                    [f"`{scale}`, {data_title(made[one].run)}", f"{ATTACKS[attack]}, n{NBSP}={NBSP}{test.n:,}"]
                )
    rows = [
        [*place, f"{one.name} above {one.other}", one.cells[0], one.cells[-1]]
        for place, one in zip(where, corrected(found), strict=True)
    ]
    header = ["Scale, data", "Attack", "Compared", "Points", "p, Holm"]
    return table(header, rows) if rows else "No scale has records of these choices yet."


BARE = "relu, no BatchNorm"
CALLED = {"S = 7": "SPLASH", "ReLU": "ReLU", splash.EVEN: "SPLASH, evenly spaced", BARE: "ReLU without BatchNorm"}


def levels(ledgers: Mapping[str, Ledger]) -> str:
    """ReLU and SPLASH, trained without attacks and adversarially, each attacked at the radius of its own study.

    Of networks that are recorded both ways; the first seed of each.
    """
    rows = []
    for scale, records in ledgers.items():
        adversarial = splash.adversarial(scale)
        trained = {"relu": adversarial["ReLU"], "splash": adversarial["S = 7"]}
        place = trained["relu"].dataset, trained["relu"].model
        plain = {name: runs[0] for name, runs in splash.robustness(scale).get(place, {}).items()}
        if not (records.of([*plain.values()]) and records.of([*trained.values()])):
            continue
        for how, found in (("without attacks", plain), ("adversarially", trained)):
            for name, run in found.items():
                for record in records.of([run]):
                    label = f"{style.title(name)}, {how}, {norm(run)} {run.threat.eps}, `{scale}`"
                    rows.append(Row(label, record))
    if not rows:
        return "Nothing of this is recorded yet."
    return accuracy_table(rows, ("clean", "pgd50"), first="Activation, training, ε of the attack, scale")


def masking(study: str, ledgers: Mapping[str, Ledger]) -> tuple[str, str]:
    """Which activations of a study failed checks for masked gradients: a table of these, and a sentence on all."""
    (one,) = studies.get(study)
    rows, said = [], []
    for scale, ledger in ledgers.items():
        groups: dict[tuple[str, str], list[Record]] = {}
        for record in (own := ledger.of(one.runs(scale))):
            how = "adversarially" if record.run.objective.adversarial else "without attacks"
            groups.setdefault((how, record.run.activation), []).append(record)
        for (how, name), records in groups.items():
            if failed := failures(records):
                hit, checks = {record.id for record, *_ in failed}, dict.fromkeys(check.name for *_, check in failed)
                count = f"{len(hit)} of {len(records)}"
                words = listed(CHECKS.get(check, check) for check in checks)
                rows.append([f"`{scale}`", style.title(name), how, count, words])
        passed = len(own) - len({record.id for record, *_ in failures(own)})
        last = sum(record.last.checks != () for record in own)
        said.append(
            f"At `{scale}` {passed} of {len(own)} records passed every check at the best epoch, and at the last one "
            f"where that was checked too ({last} of {len(own)})."
        )
    header = ["Scale", "Activation", "Trained", "Records that failed a check", "What did not hold"]
    none = "No record of this study failed a check."
    return table(header, rows) if rows else none, " ".join(said) or "There are no records yet."
