"""Tavakoli, Agostinelli and Baldi, "SPLASH: Learnable Activation Functions", arXiv 2006.08947 (2020), and 2021.

Of the paper's text only the abstract and the start of the introduction were available: datasets, networks and the nine
rivals are theirs, every number below is our choice. Each experiment is a function from a scale to runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from robust_activations.activations import REGISTRY
from robust_activations.attacks import Threat
from robust_activations.data import Augment
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from robust_activations.studies.base import Claim, Reported, Study, Test, Verdict, Wanted, compare
from robust_activations.studies.protocol import SEEDS, light, recipe, standard
from robust_activations.studies.verdicts import compare_distance, every
from robust_activations.training import Objective, Schedule

# "Swish" is read as SiLU.
NINE = ("relu", "leaky_relu", "prelu", "tanh", "sigmoid", "elu", "maxout", "silu", "apl")
PAIR = ("relu", "splash")  # the two that the robustness experiments compare

# Datasets and networks by scale, those with all ten activations first.
PLACES = {
    "digits": {("digits", "digits_cnn"): True, ("digits", "lenet5"): False},
    "cpu": {
        ("mnist", "lenet5"): True,
        ("cifar10", "resnet20"): True,
        ("cifar10", "all_cnn"): False,
        ("cifar10", "nin"): False,
        ("cifar100", "resnet20"): False,
    },
}
PLACES["gpu"] = {("mnist", "lenet5"): True} | {
    (dataset, model): True for dataset in ("cifar10", "cifar100") for model in ("resnet20", "all_cnn", "nin")
}
# Which of the pairs the paper has is not known to us.
PLACES["paper"] = {
    (dataset, model): True
    for dataset in ("mnist", "cifar10", "cifar100")
    for model in ("lenet5", "resnet20", "all_cnn", "nin")
}
# Hinges that cut |N(0, 1)| into four equal shares, a reading of "derived from the data".
QUARTILES = [0.0, 0.319, 0.674, 1.15]
EVEN = "hinges evenly spaced"  # the co-authors' later code at S = 7
CHOICES: dict[str, dict[str, Any]] = {
    "S = 3": {"S": 3},
    "S = 5": {"S": 5},
    "S = 9": {"S": 9},
    "S = 15": {"S": 15},
    "hinges at quartiles": {"hinges": QUARTILES},
    EVEN: {"hinges": "even"},
    "hinges learned": {"learn_hinges": True},
    "start as leaky ReLU": {"start": "leaky_relu"},
    "start as identity": {"start": "identity"},
}
HARDER = ("clean", "fgsm", "pgd20", "pgd50", "autoattack")
# Two of the nine as others read them, with their sharing: Swish with β learned, PReLU with a slope a channel.
READINGS = {"silu": ("psilu", None), "prelu": ("prelu", "channel")}
# When the coefficients are learned, in shares of the run.
PHASES = {"learned from half-way": (0.5, 1.0), "learned, then frozen": (0.0, 0.5)}


# ---- experiments ----------------------------------------------------------------------------------------------------


def accuracy(scale: str) -> dict[tuple[str, str], dict[str, list[Run]]]:
    """By dataset and network: SPLASH and the nine, trained without attacks; by activation one run a seed."""
    out: dict[tuple[str, str], dict[str, list[Run]]] = {}
    for (dataset, model), whole in PLACES[scale].items():
        names = (*PAIR, *(name for name in NINE if name not in PAIR)) if whole else PAIR
        side = (scale, model) == ("digits", "lenet5")  # live, and hence attacked cheaply
        out[dataset, model] = {
            name: [
                standard(scale, dataset, model, name, attacked=name in PAIR and not side, seed=seed)
                for seed in _seeds(scale, model, name)
            ]
            for name in names
        }
    if scale == "paper":
        out["imagenet", "imagenet_resnet18"] = {name: [_imagenet(name)] for name in PAIR}
    return out


def _seeds(scale: str, model: str, name: str) -> tuple[int, ...]:
    if scale == "cpu" or (scale == "digits" and model == "lenet5"):
        return SEEDS[:1]
    return SEEDS if scale == "digits" or name in PAIR else SEEDS[:1]


def readings(scale: str) -> dict[str, Run]:
    """By name, those of the nine that can be read otherwise, so read, where all ten are trained first; one seed."""
    (dataset, model), *_ = PLACES[scale]
    return {
        name: standard(scale, dataset, model, other, share=share, seed=SEEDS[0])
        for name, (other, share) in READINGS.items()
    }


def robustness(scale: str) -> dict[tuple[str, str], dict[str, list[Run]]]:
    """Of those, the pairs of ReLU and SPLASH that were attacked with everything."""
    return {
        place: {name: found[name] for name in PAIR}
        for place, found in accuracy(scale).items()
        if "one_pixel" in found["splash"][0].suite.attacks
    }


def choices(scale: str) -> dict[str, Run]:
    """SPLASH as the paper has it, as far as we know, and with one choice made otherwise, trained without attacks."""
    (dataset, model), *_ = PLACES[scale]
    if scale in ("gpu", "paper"):
        dataset, model = "cifar10", "resnet20"

    def make(name: str = "splash", **more: Any) -> Run:
        return standard(scale, dataset, model, name, **more)

    usual = accuracy(scale)[dataset, model]
    base, attacked = usual["splash"][0].schedule, usual["splash"][0].suite
    # What stands out under PGD-20 must stand before AutoAttack too.
    harder: dict[str, Any] = {"suite": replace(attacked, attacks=HARDER, measures=())} if scale != "digits" else {}
    out = {"S = 7": usual["splash"][0], "ReLU": usual["relu"][0]}
    for title, options in CHOICES.items():
        out[title] = make(activation_options=options, **(harder if title == EVEN else {}))
    out |= {f"one for each {of}": make(share=share) for of, share in (("network", "network"), ("channel", "channel"))}
    out |= {title: make(schedule=replace(base, learn=learn)) for title, learn in PHASES.items()}
    out["coefficients decayed"] = make(schedule=replace(base, decay_activations=True))
    if model == "lenet5":
        for name in PAIR:
            bare = make(name, model_options={"batch_norm": False}, **(harder if name == "relu" else {}))
            out[f"{name}, no BatchNorm"] = bare
    return out


def adversarial(scale: str) -> dict[str, Run]:
    """SPLASH and ReLU under adversarial training, of which the abstract says nothing, and SPLASH with other choices."""
    make = recipe(scale)
    out = {"ReLU": make("relu"), "S = 7": make("splash"), "SiLU": make("silu")}
    out[EVEN] = make("splash", activation_options=CHOICES[EVEN], **light(scale))
    if scale != "cpu":
        for title in ("hinges at quartiles", "hinges learned", "start as leaky ReLU"):
            out[title] = make("splash", activation_options=CHOICES[title], **light(scale))
        schedule = out["S = 7"].schedule
        for title, learn in PHASES.items():
            out[title] = make("splash", schedule=replace(schedule, learn=learn), **light(scale))
    return out


def seeds_of(scale: str) -> Iterator[Run]:
    """The protocol's further seeds of ReLU and SPLASH under adversarial training."""
    if scale != "cpu":
        for seed in SEEDS[1:]:
            yield from (recipe(scale)(name, seed=seed) for name in PAIR)


def _imagenet(name: str) -> Run:
    """The journal version has experiments on ImageNet; which network and recipe is not known to us."""
    return standard(
        "paper",
        "imagenet",
        "imagenet_resnet18",
        name,
        attacked=True,
        threat=Threat("linf", "1/255"),
        image_size=224,
        augment=Augment(resized=True, flip=True),
        schedule=Schedule(epochs=90, batch_size=256, shape="step", milestones=(1 / 3, 2 / 3), weight_decay=1e-4),
    )


def runs(scale: str) -> Iterator[Run]:
    """Most valuable first: the attacked pairs, adversarial training, the nine others, then the choices."""
    for found in robustness(scale).values():
        for name in PAIR:
            yield found[name][0]
    yield from adversarial(scale).values()
    for found in accuracy(scale).values():
        for several in found.values():
            yield from several
    yield from choices(scale).values()
    yield from readings(scale).values()
    yield from seeds_of(scale)


# ---- claims ---------------------------------------------------------------------------------------------------------


def usual(*names: str, objective: Callable[[Objective], bool] = lambda objective: not objective.adversarial) -> Wanted:
    """Without options, trained without attacks."""
    return lambda run: (
        run.activation in names
        and not run.activation_options
        and run.share is None
        and run.schedule.learn == (0.0, 1.0)
        and run.donor is None
        and objective(run.objective)
    )


def seven(run: Run) -> bool:
    """SPLASH with seven hinges, evenly spaced as those of any other number are: by default seven are not."""
    return run.activation == "splash" and run.activation_options == {"hinges": "even"}


def hinged(run: Run) -> bool:
    """SPLASH with another number of hinges."""
    return run.activation == "splash" and run.activation_options.keys() == {"S"}


def enough(records: Ledger, runs: Sequence[Run]) -> Verdict:
    """Is SPLASH with seven hinges less accurate than with none of the other numbers of them, by a point?"""
    others = sorted({run.activation_options["S"] for run in runs if hinged(run)})

    def against(number: int) -> Verdict:
        return compare(
            records,
            runs,
            seven,
            lambda run: hinged(run) and run.activation_options["S"] == number,
            attack="clean",
            margin=0.01,
        )

    return every({f"against S = {number}": against(number) for number in others})


ROBUST = Reported("up to 31 % more robust", "abstract of arXiv 2006.08947", "SEEN")


def _withstands(key: str, words: str, test: Test) -> Claim:
    return Claim(
        id=f"splash-{key}",
        page="splash_03_robustness",
        statement=f"Trained without attacks, SPLASH is more robust than ReLU {words}.",
        citation="tavakoli2021",
        reported=ROBUST,
        test=test,
    )


def _under(attack: str) -> Test:
    return lambda records, runs: compare(records, runs, usual("splash"), usual("relu"), attack=attack)


def _distance(measure: str) -> Test:
    return lambda records, runs: compare_distance(records, runs, usual("splash"), usual("relu"), measure)


CLAIMS = (
    Claim(
        id="splash-standard",
        page="splash_03_robustness",
        statement="Trained without attacks, SPLASH is more robust than ReLU.",
        citation="tavakoli2021",
        reported=ROBUST,
        test=lambda records, runs: compare(records, runs, usual("splash"), usual("relu")),
    ),
    _withstands("fgsm", "under FGSM", _under("fgsm")),
    _withstands("cw", "under the attack of Carlini and Wagner: it takes larger changes", _distance("cw")),
    _withstands("boundary", "under the boundary attack: it takes larger changes", _distance("boundary")),
    _withstands("one-pixel", "under the one-pixel attack", _under("one_pixel")),
    Claim(
        id="splash-autoattack",
        page="splash_03_robustness",
        statement="The gain without adversarial training survives AutoAttack.",
        citation="tavakoli2021",
        reported=Reported("", "AutoAttack is as old as the paper", "NOT FOUND"),
        test=_under("autoattack"),
    ),
    Claim(
        id="splash-accuracy",
        page="splash_02_accuracy",
        statement="On clean images SPLASH is more accurate than each of the nine activations it is compared with.",
        citation="tavakoli2021",
        reported=Reported("superior on 3 datasets and 4 networks", "abstract of arXiv 2006.08947", "SEEN"),
        test=lambda records, runs: every(
            {
                f"against {REGISTRY[name].title}": compare(
                    records, runs, usual("splash"), usual(name), attack="clean", times=len(NINE)
                )
                for name in NINE
            }
        ),
    ),
    Claim(
        id="splash-seven",
        page="splash_04_choices",
        statement="Seven hinges are enough: evenly spaced, they are not less accurate, by a point or more, than any "
        "other number of them that was tried.",
        citation="kunc2024",
        reported=Reported("S = 7 usually works well", "survey arXiv 2402.09092, section 4.30", "SEEN-2nd"),
        test=enough,
    ),
    Claim(
        id="splash-adversarial",
        page="splash_05_adversarial",
        statement="Under adversarial training, of which the abstract says nothing, SPLASH is more robust than ReLU.",
        citation="tavakoli2021",
        reported=Reported("", "the abstract speaks of no adversarial training", "NOT FOUND"),
        test=lambda records, runs: compare(
            records,
            runs,
            usual("splash", objective=lambda objective: objective.adversarial),
            usual("relu", objective=lambda objective: objective.adversarial),
        ),
    ),
)

STUDY = Study("splash", "SPLASH units (Tavakoli, Agostinelli, Baldi)", runs, CLAIMS)
