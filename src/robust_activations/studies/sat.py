"""Xie, Tan, Gong, Yuille and Le, "Smooth Adversarial Training", arXiv 2006.14536 (2020).

The recipe follows the authors' code, a sister recipe of overlapping authors, and summaries; the paper's own
hyper-parameter paragraph was not available. Each experiment is a function from a scale to runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from robust_activations.activations import REGISTRY
from robust_activations.attacks import PGD, Threat
from robust_activations.data import Augment
from robust_activations.evaluation import Suite
from robust_activations.run import Run
from robust_activations.studies.base import ACTIVATION, Claim, Reported, Study, Wanted, compare
from robust_activations.studies.protocol import LAST, light, recipe, seeds
from robust_activations.studies.verdicts import every
from robust_activations.training import Objective, Schedule

SMOOTH = ("parametric_softplus", "softplus", "smooth_relu", "gelu", "elu", "silu")
GRADIENTS = ("attack", "update", "both")
# ReLU and SiLU with this many times the epochs, and from which seeds. At cpu all but the first seed of twice the epochs
# was planned when that one had been seen: SiLU ahead by 1.8 points under PGD-50 [+0.2, +3.4], by the chance of images.
LONGER = {"cpu": {1: (0, 1, 2, 3, 4), 2: (0, 1, 2, 3, 4), 4: (0,)}}
LARGE = 2.0  # α of ELU, which then has a kink, and of CELU, which never has one; which α the paper took is not known


def gradient_quality(scale: str) -> dict[str, Run]:
    """The 2x2 table: who sees a smooth derivative of ReLU. `none` is ReLU; `forward` is smooth in value too."""
    make = _make(scale)
    smooth = {
        where: make("relu_smooth_gradient", activation_options={} if where == "both" else {"where": where})
        for where in GRADIENTS
    }
    return {"none": make("relu"), **smooth, "forward": make("parametric_softplus")}


def stronger(scale: str) -> list[Run]:
    """ReLU against twice the attack steps in training; none where the training takes one step, which has no half."""
    base = _make(scale)("relu")
    if base.objective.name == "n_fgsm":
        return []
    attack = replace(base.objective.attack, steps=2 * base.objective.attack.steps)
    return [replace(base, objective=replace(base.objective, attack=attack), **light(scale))]


def longer(scale: str) -> dict[int, dict[str, list[Run]]]:
    """ReLU and SiLU by how many times the epochs they have, a run a seed: does a lead last, or was it a quick start?

    Those that were trained longest go through AutoAttack as well.
    """
    make, out = _make(scale), {}
    schedule, suite = make("relu").schedule, make("relu").suite
    thorough = {"suite": replace(suite, attacks=(*suite.attacks, "autoattack"), last=LAST)}
    for times, own in LONGER.get(scale, {1: (0,), 2: (0,)}).items():
        more = {1: {}, 2: light(scale), 4: thorough}[times] | {
            "schedule": replace(schedule, epochs=times * schedule.epochs)
        }
        out[times] = {name: [make(name, seed=seed, **more) for seed in own] for name in ("relu", "silu")}
    return out


def activations(scale: str) -> dict[str, Run]:
    """ReLU and its smooth approximations."""
    make = _make(scale)
    return {name: make(name) for name in ("relu", *SMOOTH)}


def large_alpha(scale: str) -> dict[str, Run]:
    """ELU and CELU at α = 1, where they are one function, and at a large α, where ELU alone has a kink."""
    make = _make(scale)
    out = {"ELU, α = 1": make("elu")}
    for name in ("elu", "celu"):
        title = f"{name.upper()}, α = {LARGE:g}"
        out[title] = make(name, activation_options={"alpha": LARGE}, **light(scale))
    return out


def scaling(scale: str) -> dict[str, dict[str, Run]]:
    """By dimension (depth, width, resolution, compound, family) and member: networks with SiLU, and some with ReLU."""
    if scale == "paper":
        return _published_scaling()
    make = _make(scale)
    sizes: dict[str, dict[str, dict[str, Any]]] = {
        "width": {f"width {width}": {"width": width} for width in (16, 32, 64)},
        "depth": {"ResNet-18": {}, "ResNet-34": {"model": "resnet34"}},
    }
    base = {"width": 64}
    if scale == "digits":
        sizes, base = {"width": {f"width {width}": {"width": width} for width in (4, 8, 16, 32)}}, {"width": 16}
    elif scale == "cpu":
        sizes = {
            "depth": {f"ResNet-{depth}": {"depth": depth} for depth in (8, 20)},
            "width": {f"width {width}": {"width": width} for width in (8, 16)},
        }
        base = {"depth": 20, "width": 16}
    out: dict[str, dict[str, Run]] = {}
    for dimension, members in sizes.items():
        out[dimension] = {}
        for title, options in members.items():
            model = {"model": options["model"]} if "model" in options else {}
            wanted = {key: value for key, value in options.items() if key != "model" and base.get(key) != value}
            for name in ("relu", "silu"):
                extra = light(scale) if wanted else {}
                out[dimension][f"{title}, {name}"] = make(name, model_options=wanted, **model, **extra)
    if scale == "gpu":
        for network in ("imagenet_resnet18", "efficientnet_b0"):
            for name in ("relu", "silu"):
                run = make(name, dataset="imagenette96", model=network, augment=Augment(crop=8, flip=True))
                out.setdefault("family", {})[f"{network}, {name}"] = run
        for side in (48, 64):
            run = make(
                "silu",
                dataset="imagenette96",
                model="imagenet_resnet18",
                image_size=side,
                augment=Augment(crop=side // 12, flip=True),
            )
            out.setdefault("resolution", {})[f"{side} px, silu"] = run
        out["resolution"]["96 px, silu"] = out["family"]["imagenet_resnet18, silu"]
    return out


def elsewhere(scale: str) -> dict[str, list[Run]]:
    """ReLU and SiLU on another dataset, by name, a run a seed: does the lead of the headline pair go with the data?

    The first seed of each is a control of Sparta's study as well. At cpu the others were added (`protocol.ADDED`).
    """
    if scale not in ("cpu", "gpu"):
        return {}
    make, own = _make(scale), seeds(scale, "cifar100")
    return {name: [make(name, dataset="cifar100", seed=seed) for seed in own] for name in ("relu", "silu")}


def runs(scale: str) -> Iterator[Run]:
    """Most valuable first: the headline pair, the other activations, the gradients, controls, and sizes.

    What was added later comes last.
    """
    yield from (activations(scale)[name] for name in ("relu", "silu"))
    yield from gradient_quality(scale).values()
    yield from activations(scale).values()
    yield from large_alpha(scale).values()
    yield from stronger(scale)
    for members in scaling(scale).values():
        yield from members.values()
    for pairs in (elsewhere(scale), *longer(scale).values()):
        for pair in zip(*pairs.values(), strict=True):
            yield from pair


def _make(scale: str) -> Callable[..., Run]:
    return paper if scale == "paper" else recipe(scale)


# ---- as published ---------------------------------------------------------------------------------------------------


def paper(activation: str, **more: Any) -> Run:
    """The ImageNet recipe: ResNet-50, one attack step of ε = 4/255, from the clean image in a fifth of the batches.

    Departures:

    - The epoch is chosen on 1,000 held-out training images, and both it and the last are evaluated.
    - The network sees pixels less the training images' mean, divided by their deviation; theirs from -1 to 1.
    - GELU is exact; theirs is the approximation by tanh.
    - The augmentation is the usual one, for theirs was not found.
    - AutoAttack comes on top of PGD, and PGD-50 has three starts.
    """
    common: dict[str, Any] = dict(
        dataset="imagenet",
        image_size=224,
        model="resnet50",
        model_options={"zero_init": True},
        threat=Threat("linf", "4/255"),
        objective=Objective("pgd_at", PGD(steps=1, step="4/255", clean_share=0.2), label_smoothing=0.1),
        schedule=Schedule(
            epochs=100, batch_size=256, lr=0.1, shape="step", milestones=(0.3, 0.6, 0.9), weight_decay=1e-4
        ),
        suite=Suite(attacks=("clean", "pgd10", "pgd20", "pgd50", "pgd200", "autoattack"), autoattack_n=5000),
        augment=Augment(resized=True, flip=True),
    )
    return Run(activation=activation, **(common | more))


def _published_scaling() -> dict[str, dict[str, Run]]:
    """The networks of the authors' README. EfficientNets: ours is the ResNets' recipe, theirs is not known to us.

    BatchNorm is that of their command for evaluation: ε = 1e-5 and TensorFlow's momentum 0.9, which is PyTorch's 0.1.
    """
    norm = {"slow_norm": False}
    efficient = {
        f"B{i}": paper("silu", model=f"efficientnet_b{i}", image_size=side, model_options=norm) for i, side in _SIDES
    }
    large = paper("silu", model="efficientnet_l1", image_size=600, model_options=norm)
    averaged = replace(large, schedule=replace(large.schedule, ema=0.9999))
    compound = paper("silu", model="resnext152_32x8d", image_size=380)
    return {
        "depth": {f"ResNet-{n}": paper("silu", model=f"resnet{n}") for n in (50, 101, 152)},
        "width": {
            "ResNet-50": paper("silu"),
            **{f"ResNeXt-50 {w}": paper("silu", model=f"resnext50_{w}") for w in ("32x4d", "32x8d")},
        },
        "resolution": {f"{side} px": paper("silu", image_size=side) for side in (224, 299, 380)},
        "compound": {"ResNet-50": paper("silu"), "ResNeXt-152 32x8d, 380 px": compound},
        "family": efficient | {"L1": large, "L1, averaged weights": averaged},
    }


_SIDES = tuple(enumerate((224, 240, 260, 300, 380, 456, 528, 600)))

# ---- claims ---------------------------------------------------------------------------------------------------------


def plain(*names: str) -> Wanted:
    """Adversarially trained on attacked images alone, without options."""
    return lambda run: (
        run.activation in names and not run.activation_options and run.objective.adversarial and run.share is None
    )


def where(place: str) -> Wanted:
    """ReLU with a smooth derivative for the attack, the update or both."""
    return lambda run: run.activation == "relu_smooth_gradient" and run.activation_options.get("where", "both") == place


def with_alpha(name: str) -> Wanted:
    return lambda run: run.activation == name and run.activation_options == {"alpha": LARGE}


def larger(one: Run, other: Run) -> bool:
    """Of one family: deeper at the same width, or wider at the same depth."""
    sizes = [_size(run) for run in (one, other)]
    return sizes[0][0] == sizes[1][0] and sizes[0] != sizes[1] and all(a >= b for a, b in zip(*sizes, strict=True))


# Of networks by default: family, depth or blocks at each size, and width, of all groups in the first stage.
SIZES = {
    "digits_cnn": ("digits_cnn", 1, 16),
    "resnet20": ("resnet20", 20, 16),
    "resnet18": ("resnet", 18, 64),
    "resnet34": ("resnet", 34, 64),
    **{f"resnet{depth}": ("bottleneck", depth, 64) for depth in (50, 101, 152)},
    "resnext50_32x4d": ("bottleneck", 50, 128),
    "resnext50_32x8d": ("bottleneck", 50, 256),
}


def _size(run: Run) -> tuple[Any, ...]:
    family, depth, width = SIZES.get(run.model, (run.model, 0, 0))
    depth = run.model_options.get("depth", run.model_options.get("blocks", depth))
    return family, depth, run.model_options.get("width", width)


TABLE = "table 1, seen as a picture in a third party's review of 2006.14536"
TEASER = "teaser figure of the authors' repository, measured from its pixels"


def _gradient(place: str, reported: str, words: str) -> Claim:
    return Claim(
        id=f"sat-gradient-{place}",
        page="sat_02_gradient_quality",
        statement=f"With ReLU in the forward pass, a smooth derivative for {words} raises robustness.",
        citation="xie2020",
        reported=Reported(reported, TABLE, "SEEN"),
        test=lambda records, runs: compare(records, runs, where(place), plain("relu")),
    )


CLAIMS = (
    Claim(
        id="sat-silu",
        page="sat_03_smooth_activations",
        statement="Under adversarial training SiLU is more robust than ReLU.",
        citation="xie2020",
        reported=Reported(
            "33.0 to 42.3 % (ResNet-50, ImageNet)",
            "abstract of arXiv 2006.14536; PGD-200 at 4/255 according to a summary by others",
            "SEEN",
        ),
        test=lambda records, runs: compare(records, runs, plain("silu"), plain("relu")),
    ),
    Claim(
        id="sat-smooth",
        page="sat_03_smooth_activations",
        statement="Under adversarial training each of six smooth approximations of ReLU is more robust than ReLU.",
        citation="xie2020",
        reported=Reported("33.0 to between 38.7 and 42.3 % (six of them)", TEASER, "DERIVED"),
        test=lambda records, runs: every(
            {
                REGISTRY[name].title: compare(records, runs, plain(name), plain("relu"), times=len(SMOOTH))
                for name in SMOOTH
            }
        ),
    ),
    Claim(
        id="sat-free",
        page="sat_03_smooth_activations",
        statement="Smoothness costs no accuracy: on clean images SiLU is not worse than ReLU by a point or more.",
        citation="xie2020",
        reported=Reported("+0.9 points (ResNet-50, ImageNet)", "abstract of arXiv 2006.14536", "SEEN"),
        test=lambda records, runs: compare(records, runs, plain("silu"), plain("relu"), attack="clean", margin=0.01),
    ),
    _gradient("attack", "+1.5 points (33.0 to 34.5 %), accuracy −0.5", "the attacker alone"),
    _gradient("update", "+2.8 points (33.0 to 35.8 %), accuracy +0.6", "the update alone"),
    _gradient("both", "+3.9 points (33.0 to 36.9 %), accuracy +0.1", "attacker and update"),
    Claim(
        id="sat-below-zero",
        page="sat_03_smooth_activations",
        statement="It is not what happens below zero: SmoothReLU, 0 there as ReLU is, is more robust than ReLU.",
        citation="xie2020",
        reported=Reported("+7.3 points (33.0 to 40.3 %)", TEASER, "DERIVED"),
        test=lambda records, runs: compare(records, runs, plain("smooth_relu"), plain("relu")),
    ),
    Claim(
        id="sat-celu",
        page="sat_03_smooth_activations",
        statement="At a large α, CELU, which stays smooth, is more robust than ELU, which does not.",
        citation="xie2020",
        reported=Reported("", "table 2 of 2006.14536, full text not available to us", "NOT FOUND"),
        test=lambda records, runs: compare(records, runs, with_alpha("celu"), with_alpha("elu")),
    ),
    Claim(
        id="sat-not-longer",
        page="sat_02_gradient_quality",
        statement="Training ReLU for longer is no substitute: SiLU is more robust than ReLU trained twice as long.",
        citation="xie2020",
        reported=Reported("in words only", "a third party's review of 2006.14536", "SEEN-2nd"),
        test=lambda records, runs: compare(
            records,
            runs,
            plain("silu"),
            plain("relu"),
            differ=(*ACTIVATION, "schedule"),
            also=lambda one, other: other.schedule == replace(one.schedule, epochs=2 * one.schedule.epochs),
        ),
    ),
    Claim(
        id="sat-scaling",
        page="sat_05_scaling",
        statement="Larger networks with SiLU are more robust than smaller ones.",
        citation="xie2020",
        reported=Reported(
            "41.9 % (ResNet-50) to 51.0 % (ResNeXt-152 at 380 px), PGD-50", "README of the authors' repository", "SEEN"
        ),
        test=lambda records, runs: compare(
            records,
            runs,
            plain("silu"),
            plain("silu"),
            differ=("model", "model_options"),
            also=larger,
        ),
    ),
    Claim(
        id="bai-autoattack",
        page="sat_06_sanity",
        statement="The gain survives AutoAttack: GELU is more robust than ReLU under it.",
        citation="bai2021",
        reported=Reported("26.41 to 35.51 % (ResNet-50, ImageNet, 4/255)", "README and log of the authors", "SEEN"),
        test=lambda records, runs: compare(records, runs, plain("gelu"), plain("relu"), attack="autoattack"),
    ),
)


STUDY = Study("sat", "Smooth adversarial training (Xie, Tan, Gong, Yuille, Le)", runs, CLAIMS)
