"""Is a record fit to be committed? Every number of the book comes from one, and a verdict changes only through them."""

from __future__ import annotations

from collections.abc import Iterable

from robust_activations.evaluation import Check, Evaluation
from robust_activations.ledger import Record

# Why a committed record stays although something is wrong with it: by run id and fault, printed with it. Which verdicts
# rest on it is not written here but computed, by `figures.audits.resting`.
LOOSE = (
    "This run lets β go, without the authors' penalty and clip, to show what they are for. β ended beyond 300,000, "
    "where PSSiLU is the identity, and the network is right on 18 % of clean images. Its accuracy under attack means "
    "nothing."
)
EXPLAINED: dict[tuple[str, str], str] = {
    ("b004088d1418", "zero_gradient"): LOOSE,
    ("b004088d1418", "unbounded"): "As above.",
    ("b004088d1418", "black_box"): "As above.",
    ("32d27686af80", "collapsed"): (
        "SPLASH in LeNet-5 without BatchNorm, a choice that is made otherwise to see what it does: it diverges."
    ),
    ("48983e9b65d4", "collapsed"): (
        "The control of the transfer to CIFAR-100 whose gates are random and frozen: one-step adversarial training "
        "overfits catastrophically there, from the second epoch on."
    ),
    ("c399014d2c28", "collapsed"): (
        "One-step adversarial training overfits catastrophically with tanh, from the first epoch on. That is a finding "
        "about the recipe; tanh is not ranked there."
    ),
    ("f422ced41652", "black_box"): (
        "Trained again, to the same bits, and attacked once more: three of its first 100 test images withstand PGD-50 "
        "on the cross-entropy and not Square. PGD-50 on the margin makes all three wrong (29 right in all, against 35; "
        "APGD-CE and APGD-T leave 27), ten starts on the cross-entropy none of them. So gradients do find them, and it "
        "is the loss that is weak there: nothing is masked, but its accuracy under PGD-50 is some points too high."
    ),
    ("114de0e215b1", "black_box"): (
        "Three of its first 100 test images withstand PGD-50 on the cross-entropy and not Square. PGD-50 on the margin "
        "makes all three wrong (32 right in all, against 35), ten starts on the cross-entropy none of them: the loss "
        "is weak there, and nothing is masked."
    ),
    ("a767216ef2ab", "black_box"): (
        "On CIFAR-100 three of its first 100 test images withstand PGD-50 on the cross-entropy and not Square. PGD-50 "
        "on the margin makes all three wrong (4 right in all, against 10; APGD-CE and APGD-T leave 4 as well), ten "
        "starts on the cross-entropy none of them: the loss is weak there, and nothing is masked."
    ),
}


BLACK_BOX = "black_box"  # the check that is left out where AutoAttack is not installed


def faults(record: Record) -> dict[str, str]:
    """What speaks against the record, in words by kind; nothing, if its data are the canonical ones, its code a commit
    without changes, its training did not collapse, and no check for masked gradients failed or was left out.
    """
    made, found = record.provenance, {}
    if made.canonical is not True:
        found["data"] = "its dataset's hash is not a canonical one"
    if made.commit is None or not made.clean:
        found["commit"] = "its code is in no commit"
    if record.collapsed:
        found["collapsed"] = f"collapsed: {record.collapsed}"
    checked = [{check.name for check in one.checks} for one in evaluations(record).values() if one.checks]
    if any(BLACK_BOX not in names for names in checked):
        found[BLACK_BOX] = "no attack without gradients was made, for AutoAttack was not installed"
    for _, which, check in failures([record]):
        said = f"check {check.name}, {which} epoch: {check.value:.3g} is above {check.limit:g}"
        found[check.name] = f"{found[check.name]}; {said}" if check.name in found else said
    return found


def unfit(records: Iterable[Record]) -> dict[str, list[str]]:
    """By run id, the faults that are not `EXPLAINED`, of records that have any."""
    found = {one.id: [said for kind, said in faults(one).items() if (one.id, kind) not in EXPLAINED] for one in records}
    return {name: wrong for name, wrong in found.items() if wrong}


def evaluations(record: Record) -> dict[str, Evaluation]:
    """The best and the last epoch's; one, where they are the same."""
    return {"best": record.best} | ({} if record.best == record.last else {"last": record.last})


def failures(records: Iterable[Record]) -> list[tuple[Record, str, Check]]:
    """Every check that failed: the record, which checkpoint, and the check."""
    return [
        (record, which, check)
        for record in records
        for which, evaluation in evaluations(record).items()
        for check in evaluation.checks
        if not check.passed
    ]
