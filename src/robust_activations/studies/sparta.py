"""Guo, Juefei-Xu, Zhou, Feng, Liu and Wang, "Sparta", arXiv 2105.08269 (2021).

Of the paper only the abstracts of its versions were available, and neither its formula nor its recipe: R1, R2 and R3
are our readings (see `activations.sparta`), every number below is our choice, and nothing here reproduces its tables.
Each experiment is a function from a scale to runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from robust_activations.data import Augment
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.studies.base import ACTIVATION, Claim, Reported, Study, Wanted, compare
from robust_activations.studies.protocol import SEEDS, STANDARD_DIGITS, light, recipe, standard, trades
from robust_activations.training import Objective

READINGS = ("sparta_relu", "sparta", "frelu")  # R1, R2, R3
RIVALS = ("relu", "silu", "gelu", "smooth_relu", "parametric_softplus")
# Gates with something taken away, by what is left.
GATES: dict[str, dict[str, Any]] = {
    "3×3": {},
    "1×1": {"kernel_size": 1},
    "pooled": {"gate": "pooled"},
    "map": {"gate": "map"},
}
# Standard deviation around its start of the gate that nobody trained.
NOISE = 0.3


def properties(scale: str) -> dict[str, dict[str, Run]]:
    """By reading and gate, under adversarial training: what is left when the gate sees less. And what has none.

    `1×1` sees the place alone, `pooled` the image and not the place, `map` the place and not the input. R2 has no
    `map`: without input its gate makes the activation linear.
    """
    make = recipe(scale)
    out: dict[str, dict[str, Run]] = {}
    for reading, without in (("sparta_relu", "relu"), ("sparta", "silu")):
        out[reading] = {"none": make(without)}
        for gate, options in GATES.items():
            if reading == "sparta_relu" or gate in (("3×3", "1×1", "pooled") if scale != "cpu" else ("3×3",)):
                out[reading][gate] = make(reading, activation_options=options, **(light(scale) if options else {}))
    return out


def objectives(scale: str) -> dict[str, dict[str, Run]]:
    """By objective: the readings, what they are compared with, and feature denoising."""
    make = recipe(scale)
    names = (*READINGS, *RIVALS)
    usual = make("relu")

    def plain(name: str) -> Run:
        attacked = scale == "cpu" or name in ("relu", "sparta")
        return standard(scale, usual.dataset, usual.model, name, attacked=attacked)

    out = {"pgd_at": {name: make(name) for name in names} | {"denoise": make("relu", model_options={"denoise": True})}}
    out["standard"] = {name: plain(name) for name in (names if scale != "cpu" else ("relu", "sparta", "silu"))}
    if scale != "cpu":
        few = ("sparta", "relu", "silu") if scale == "digits" else names
        out["trades"] = {name: make(name, **trades(scale)) for name in few}
    return out


def transfer(
    make: Callable[..., Run], scale: str, donor: Run, *, control: bool = True, known: bool = False, **where: Any
) -> dict[str, Run]:
    """The gates of `donor`, frozen, in the adversarial training of the network and dataset `where`, and controls.

    SiLU is what the gate was before anybody trained it. `control`: also the gates of a donor that was trained without
    attacks. `known`: what has no donor is in another study as well, attacked as there.
    """
    cheap = light(scale)
    rest = where | ({} if known else cheap)
    schedule = replace(make("sparta").schedule, learn=(0.0, 0.0))
    frozen = {"schedule": schedule, **where, **cheap}
    out = {
        "donor": donor,
        "frozen": make("sparta", donor=donor, **frozen),
        "ReLU": make("relu", **rest),
        "SiLU": make("silu", **rest),
        "learned here": make("sparta", **rest),
        "random, frozen": make("sparta", activation_options={"noise": NOISE}, **frozen),
    }
    if control:
        out["frozen, donor without attacks"] = make("sparta", donor=untaught(scale, donor), **frozen)
    return out


def untaught(scale: str, donor: Run) -> Run:
    """The same donor trained without attacks."""
    if small(donor):
        suite = replace(donor.suite, attacks=("clean", "fgsm", "pgd20"))
        return replace(donor, objective=Objective("standard"), threat=STANDARD_DIGITS, suite=suite)
    return standard(scale, donor.dataset, donor.model, donor.activation, model_options=donor.model_options)


def across_networks(scale: str) -> dict[str, Run]:
    """Gates learned in one network, frozen, in the adversarial training of a deeper one, and controls."""
    make = recipe(scale)
    if scale == "digits":
        return transfer(make, scale, make("sparta"), model_options={"blocks": 2})
    if scale == "cpu":
        return transfer(make, scale, make("sparta", model_options={"depth": 8}), control=False)
    return transfer(make, scale, make("sparta"), known=True, model="resnet34")


def across_datasets(scale: str) -> dict[str, dict[str, Run]]:
    """Gates learned on one dataset, frozen, in adversarial training on another one, and controls.

    The live run on the digits takes its gates from a record: MNIST, at the digits' size, is no part of the book.
    """
    make = recipe(scale)
    if scale == "digits":
        return {"MNIST → digits": transfer(make, scale, mnist(), known=True)}
    donor = make("sparta")
    out = {"CIFAR-10 → CIFAR-100": transfer(make, scale, donor, control=scale != "cpu", known=True, dataset="cifar100")}
    if scale != "cpu":  # as in the abstract; SVHN has to be downloaded, and a mirrored digit is another one
        augment = Augment(crop=4)
        out["CIFAR-10 → SVHN"] = transfer(make, scale, donor, dataset="svhn", augment=augment)
    return out


def mnist() -> Run:
    """Sparta adversarially trained on MNIST at 8x8 pixels, the donor of the live transfer; recorded at scale cpu."""
    suite = Suite(attacks=("clean", "fgsm", "pgd20", "pgd50"), n=1000, square_n=100, square_queries=200)
    return recipe("digits")("sparta", dataset="mnist8", train_n=12_000, held_out=1000, suite=suite)


def runs(scale: str) -> Iterator[Run]:
    """Most valuable first: the readings and their rivals, the transfers, then properties and objectives."""
    found = objectives(scale)
    yield from (found["pgd_at"][name] for name in ("sparta", "relu", "silu", *READINGS, "denoise"))
    if scale == "cpu":
        yield from (mnist(), untaught("digits", mnist()))
    for runs in (across_networks(scale), *across_datasets(scale).values()):
        for run in runs.values():
            yield from (one for one in (run.donor, run) if one is not None and (scale == "cpu" or not small(one)))
    for gates in properties(scale).values():
        yield from gates.values()
    for name in ("standard", "trades"):
        yield from found.get(name, {}).values()
    yield from found["pgd_at"].values()
    if scale != "cpu":
        for seed in SEEDS[1:]:  # as the protocol has them
            yield from (recipe(scale)(name, seed=seed) for name in ("sparta", "relu", "silu"))


def small(run: Run) -> bool:
    """A donor of the live transfer, which belongs to scale cpu."""
    return run.dataset == "mnist8"


# ---- claims ---------------------------------------------------------------------------------------------------------


def plain(*names: str, **options: Any) -> Wanted:
    """Adversarially trained, with these options of the activation, learned in the run itself."""
    return lambda run: (
        run.activation in names
        and run.activation_options == options
        and run.objective.adversarial
        and run.donor is None
        and run.schedule.learn == (0.0, 1.0)
        and "denoise" not in run.model_options
    )


def borrowed(*, network: bool) -> Wanted:
    """Frozen gates of an adversarially trained donor: of another network, or from another dataset."""
    return lambda run: (
        run.donor is not None
        and run.donor.objective.adversarial
        and run.schedule.learn == (0.0, 0.0)
        and (run.donor.dataset == run.dataset) == network
    )


def without_attacks(name: str) -> Wanted:
    return lambda run: run.activation == name and not run.objective.adversarial and run.donor is None


def as_long(one: Run, other: Run) -> bool:
    """Trained alike, but that the activation's parameters were frozen in the first."""
    return replace(one.schedule, learn=other.schedule.learn) == other.schedule


UNSEEN = "arXiv 2105.08269, full text not available to us"
MISSING = Reported("", UNSEEN, "NOT FOUND")
LOWER = Reported("lower error, clean and adversarial", "abstract of arXiv 2105.08269, in words", "SEEN")
RIVAL = Reported("lower error than state-of-the-art activations, which are not named", LOWER.source, "DERIVED")
READING = Reported("lower error, of Sparta; that this reading is Sparta is our guess", LOWER.source, "DERIVED")
TRANSFER = Reported("better than ReLU", "abstract of arXiv 2105.08269, in words", "SEEN")
WIRING = (*ACTIVATION, "donor", "schedule")


PAGES = {
    "spatial": "sparta_01_attention",
    "input": "sparta_01_attention",
    "networks": "sparta_03_across_networks",
    "datasets": "sparta_04_across_datasets",
    "learned-elsewhere": "sparta_04_across_datasets",
}


def _claim(key: str, statement: str, reported: Reported, first: Wanted, second: Wanted, **options: Any) -> Claim:
    return Claim(
        id=f"sparta-{key}",
        page=PAGES.get(key, "sparta_02_readings"),
        statement=statement,
        citation="guo2021",
        reported=reported,
        test=lambda records, runs: compare(records, runs, first, second, **options),
    )


CLAIMS = (
    _claim(
        "relu",
        "Under adversarial training Sparta is more robust than ReLU (our reading of Sparta, R2).",
        LOWER,
        plain("sparta"),
        plain("relu"),
    ),
    _claim(
        "silu",
        "Under adversarial training Sparta is more robust than Swish (our reading of Sparta, R2).",
        RIVAL,
        plain("sparta"),
        plain("silu"),
    ),
    _claim(
        "clean",
        "Under adversarial training Sparta is more accurate than ReLU on clean images (R2).",
        LOWER,
        plain("sparta"),
        plain("relu"),
        attack="clean",
    ),
    _claim(
        "smooth",
        "Under adversarial training Sparta is more robust than smooth activations (R2).",
        RIVAL,
        plain("sparta"),
        plain("gelu", "smooth_relu", "parametric_softplus"),
    ),
    _claim(
        "r1",
        "Under adversarial training the reading R1, which starts as ReLU, is more robust than ReLU.",
        READING,
        plain("sparta_relu"),
        plain("relu"),
    ),
    _claim(
        "r3",
        "Under adversarial training the reading R3, the funnel activation of others, is more robust than ReLU.",
        READING,
        plain("frelu"),
        plain("relu"),
    ),
    _claim(
        "standard",
        "Trained without attacks, too, Sparta is more robust than ReLU (R2).",
        LOWER,
        without_attacks("sparta"),
        without_attacks("relu"),
    ),
    _claim(
        "denoising",
        "Sparta is more robust than feature denoising with ReLU (R2).",
        MISSING,
        plain("sparta"),
        lambda run: run.model_options.get("denoise") is True and run.objective.adversarial,
        differ=(*ACTIVATION, "model_options"),
        also=lambda one, other: one.model_options | {"denoise": True} == other.model_options,
    ),
    _claim(
        "spatial",
        "It takes the neighbourhood: a 3×3 gate is more robust than one that sees the place alone (R1).",
        Reported("ReLU is spatially shared", "abstract of arXiv 2105.08269, in words", "SEEN"),
        plain("sparta_relu"),
        plain("sparta_relu", kernel_size=1),
    ),
    _claim(
        "input",
        "It takes the input: a gate that depends on it is more robust than a learned map that does not (R1).",
        Reported("ReLU is input-independent", "abstract of arXiv 2105.08269, in words", "SEEN"),
        plain("sparta_relu"),
        plain("sparta_relu", gate="map"),
    ),
    _claim(
        "networks",
        "Learned in one network, frozen, and used to train a deeper one, Sparta is more robust than ReLU.",
        TRANSFER,
        borrowed(network=True),
        plain("relu"),
        differ=WIRING,
        also=as_long,
    ),
    _claim(
        "datasets",
        "Learned on one dataset, frozen, and used to train on another, Sparta is more robust than ReLU.",
        TRANSFER,
        borrowed(network=False),
        plain("relu"),
        differ=WIRING,
        also=as_long,
    ),
    _claim(
        "learned-elsewhere",
        "It is what the donor has learned that counts: its frozen gate is more robust than a random one.",
        MISSING,
        lambda run: borrowed(network=True)(run) or borrowed(network=False)(run),
        lambda run: run.activation_options.keys() == {"noise"} and run.objective.adversarial,
        differ=WIRING,
        also=as_long,
    ),
)

STUDY = Study("sparta", "Sparta, spatially attentive activations (Guo et al.)", runs, CLAIMS)
