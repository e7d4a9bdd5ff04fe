"""What the two PAF papers and their critics claim, and how our records judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robust_activations.activations import REGISTRY
from robust_activations.ledger import Ledger
from robust_activations.run import Run
from robust_activations.studies.base import ACTIVATION, Claim, Reported, Verdict, Wanted, compare
from robust_activations.studies.protocol import OPTIONS
from robust_activations.studies.verdicts import compare_gap, compare_measure, every, learned_value, moved, some, tuned

# Each parametric activation and the one without parameters that it starts as.
PAFS = {
    "pssilu": "silu",
    "psilu": "silu",
    "prelu": "relu",
    "prelu_plus": "relu",
    "reblu": "relu",
    "psoftplus": "softplus",
    "pelu": "elu",
    "pelu_plus": "elu",
}
REFERENCES = tuple(dict.fromkeys(PAFS.values()))
V1, V2 = "abstract of arXiv 2110.05626", "abstract of the workshop paper, DOI 10.1109/SPW54247.2022.9833884"


NO_CLIP = {"clip": None}


def published(*names: str) -> Wanted:
    """Adversarially trained, with the options and the sharing of its paper, whose clip of β is not always the same."""
    return lambda run: (
        run.activation in names
        and run.activation_options | NO_CLIP == OPTIONS.get(run.activation, {}) | NO_CLIP
        and run.share is None
        and run.objective.adversarial
    )


def shape(name: str, values: set[float] | None = None, *, adversarial: bool, parameter: str = "alpha") -> Wanted:
    """A parameter frozen at one of these values (any, if none are named)."""

    def matches(run: Run) -> bool:
        options = run.activation_options
        frozen = run.activation == name and options.get("learn") == [] and parameter in options
        return frozen and run.objective.adversarial == adversarial and (values is None or options[parameter] in values)

    return matches


def standard(*names: str) -> Wanted:
    return lambda run: run.activation in names and not run.activation_options and not run.objective.adversarial


def huang(records: Ledger, runs: Sequence[Run]) -> Verdict:
    """The best weight decay of each, chosen on held-out images; the claim is that SiLU then is not better."""
    best = tuned(records, (run for run in runs if published("relu", "silu")(run)))
    return compare(records, best, published("relu"), published("silu"), differ=(*ACTIVATION, "schedule"), margin=0.01)


def title(name: str) -> str:
    return REGISTRY[name].title


def frozen(runs: Sequence[Run], *names: str) -> dict[str, Wanted]:
    """Each adversarially trained shape of these activations with α frozen, by what it is called in a verdict."""
    found = (run for name in names for run in runs if shape(name, adversarial=True)(run))
    values = sorted({(run.activation, run.activation_options["alpha"]) for run in found})
    return {
        f"{title(name)} at {value:g}".replace("-", "−"): shape(name, {value}, adversarial=True)
        for name, value in values
    }


def one_beats_relu(records: Ledger, runs: Sequence[Run], shapes: Mapping[str, Wanted]) -> Verdict:
    """One of the shapes is more robust than ReLU, corrected for their number."""
    relu, number = published("relu"), len(shapes)
    return some({name: compare(records, runs, one, relu, times=number) for name, one in shapes.items()})


def yu(records: Ledger, runs: Sequence[Run]) -> Verdict:
    """A second derivative of 5 against what is flatter and what is sharper, as far as the scale has planned it."""
    sharp = shape("psilu", {40.0}, adversarial=True)
    rivals = {f"against {title(name)}": published(name) for name in ("silu", "relu")}
    rivals |= {"against α = 40": sharp} if any(map(sharp, runs)) else {}
    best, number = shape("psilu", {10.0}, adversarial=True), len(rivals)
    return every({name: compare(records, runs, best, rival, times=number) for name, rival in rivals.items()})


CLAIMS = (
    Claim(
        id="paf-pssilu",
        page="paf_04_learnable",
        statement="Under adversarial training PSSiLU is more robust than ReLU.",
        citation="dai2021",
        reported=Reported(
            "+4.54 points (ResNet-18), +2.69 (WRN-28-10), CIFAR-10 with synthetic images, ℓ∞", V1, "SEEN"
        ),
        test=lambda records, runs: compare(records, runs, published("pssilu"), published("relu")),
    ),
    Claim(
        id="paf-learnable",
        page="paf_04_learnable",
        statement="Under adversarial training the parametric activations are more robust than the ones without "
        "parameters that they start as.",
        citation="dai2021",
        reported=Reported("", "result tables of arXiv 2110.05626, full text not available to us", "NOT FOUND"),
        test=lambda records, runs: compare(
            records,
            runs,
            published(*PAFS),
            published(*REFERENCES),
            also=lambda one, other: PAFS[one.activation] == other.activation,
        ),
    ),
    Claim(
        id="paf-positive-outputs",
        page="paf_02_direct_effect",
        statement="Trained without attacks, positive outputs for negative inputs raise robustness (version of 2021): "
        "PReLU with a negative slope below zero has a larger radius than ReLU.",
        citation="dai2021",
        reported=Reported("in words only", V1, "SEEN"),
        test=lambda records, runs: compare_measure(
            records, runs, shape("prelu", {-0.5, -0.25}, adversarial=False), standard("relu"), "radius"
        ),
    ),
    Claim(
        id="paf-high-curvature",
        page="paf_02_direct_effect",
        statement="Trained without attacks, high finite curvature raises robustness (version of 2021): PSiLU with "
        "α = 10 has a larger radius than SiLU, and than ReLU.",
        citation="dai2021",
        reported=Reported("in words only", V1, "SEEN"),
        test=lambda records, runs: every(
            {
                f"against {title(name)}": compare_measure(
                    records, runs, shape("psilu", {10.0}, adversarial=False), standard(name), "radius", times=2
                )
                for name in ("silu", "relu")
            }
        ),
    ),
    Claim(
        id="paf-near-zero",
        page="paf_03_frozen_shapes",
        statement="Under adversarial training a smooth shape near zero can beat ReLU (version of 2022): one of PSiLU "
        "and PSoftplus with α frozen, SiLU and softplus.",
        citation="dai2022",
        reported=Reported("in words only", V2, "SEEN"),
        test=lambda records, runs: one_beats_relu(
            records,
            runs,
            frozen(runs, "psilu", "psoftplus") | {title(name): published(name) for name in ("silu", "softplus")},
        ),
    ),
    Claim(
        id="paf-positive-side",
        page="paf_03_frozen_shapes",
        statement="Under adversarial training the shape for positive inputs can beat ReLU (version of 2022): one of "
        "ReBLU and PReLU+ with α frozen.",
        citation="dai2022",
        reported=Reported("in words only", V2, "SEEN"),
        test=lambda records, runs: one_beats_relu(records, runs, frozen(runs, "reblu", "prelu_plus")),
    ),
    Claim(
        id="paf-negative-side",
        page="paf_03_frozen_shapes",
        statement="Under adversarial training the shape for negative inputs alone does not beat ReLU (version of "
        "2022): ReLU is not worse, by a point or more, than PReLU with any frozen α.",
        citation="dai2022",
        reported=Reported("in words only", V2, "SEEN"),
        test=lambda records, runs: every(
            {
                f"against {name}": compare(records, runs, published("relu"), one, margin=0.01)
                for name, one in frozen(runs, "prelu").items()
            }
        ),
    ),
    Claim(
        id="paf-learned-negative",
        page="paf_05_what_they_learn",
        statement="Training moves the parameters towards the shapes found good: PReLU's α becomes negative.",
        citation="dai2021",
        reported=Reported("in words only", V1, "SEEN"),
        test=lambda records, runs: moved(
            records, runs, published("prelu"), lambda record: learned_value(record, "alpha"), 0.0, up=False
        ),
    ),
    Claim(
        id="paf-learned-curvature",
        page="paf_05_what_they_learn",
        statement="Training moves the parameters towards the shapes found good: PSiLU's |α| grows beyond 1.",
        citation="dai2021",
        reported=Reported("in words only", V1, "SEEN"),
        test=lambda records, runs: moved(
            records, runs, published("psilu"), lambda record: abs(learned_value(record, "alpha")), 1.0, up=True
        ),
    ),
    Claim(
        id="peng-no-parameters",
        page="paf_04_learnable",
        statement="Smooth activations without parameters are preferable: SiLU is not worse, by a point or more, than "
        "PSiLU and PSSiLU.",
        citation="peng2023",
        reported=Reported("in words only", "a note on the BMVC 2023 paper", "SEEN-2nd"),
        test=lambda records, runs: compare(records, runs, published("silu"), published("psilu", "pssilu"), margin=0.01),
    ),
    Claim(
        id="huang-tuned",
        page="paf_06_discussion",
        statement="With the weight decay tuned for each, SiLU does not beat ReLU: ReLU is not worse by a point or "
        "more.",
        citation="huang2023",
        reported=Reported("figures only, under TRADES", "full text of the CVPR 2023 paper, figure 6", "SEEN"),
        test=huang,
    ),
    Claim(
        id="singla-gap",
        page="paf_05_what_they_learn",
        statement="Low curvature shrinks the robust generalisation gap: SiLU's is smaller than ReLU's.",
        citation="singla2021",
        reported=Reported("in words only", "abstract of arXiv 2102.07861", "SEEN"),
        test=lambda records, runs: compare_gap(records, runs, published("silu"), published("relu")),
    ),
    Claim(
        id="singla-leaky",
        page="paf_05_what_they_learn",
        statement="Low curvature, not smoothness, shrinks the robust generalisation gap: leaky ReLU's is smaller than "
        "ReLU's.",
        citation="singla2021",
        reported=Reported("in words only", "abstract of arXiv 2102.07861", "SEEN"),
        test=lambda records, runs: compare_gap(records, runs, published("leaky_relu"), published("relu")),
    ),
    Claim(
        id="yu-curvature",
        page="paf_03_frozen_shapes",
        statement="Robustness is best for a greatest second derivative in [4, 10]: PSiLU with α = 10 (second "
        "derivative 5) beats SiLU (0.5) and ReLU (a jump), and α = 40 (20) where that is run.",
        citation="yu2026",
        reported=Reported("4 to 10", "abstract of arXiv 2603.23860", "SEEN"),
        test=yu,
    ),
)
