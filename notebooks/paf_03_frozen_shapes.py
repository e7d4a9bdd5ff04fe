# %% [markdown]
# # One region at a time
#
# The workshop paper of 2022 {cite}`dai2022` repeats the question of the preprint, *which shape helps?*, where it matters:
# under adversarial training. The parameter stays frozen, and each activation moves one region of the curve only: negative
# inputs, inputs near zero, or positive ones. We run that experiment, and put its answers beside those of {doc}`the page
# before </notebooks/paf_02_direct_effect>`.
#
# **At the end you will know**
#
# - how clean and robust accuracy change with the shape in each of the three regions;
# - which shapes differ from ReLU beyond chance, and whether robustness is best at a greatest second derivative of 4 to 10;
# - which of the two versions' statements survive when attacks enter the training;
# - what BatchNorm makes of an activation that only rescales, and why a shortcut brings the scale back.
#
# *Reading time: 15 minutes. Run time: a few seconds, and several minutes of training the first time that a page on these
# activations is opened.*

# %%
import torch
from torch import nn

from robust_activations import activations, data, models, paths, studies
from robust_activations.figures import claims, comparisons, results, style, tables
from robust_activations.figures import paf as frozen
from robust_activations.studies import paf, protocol

records = studies.collect("paf")  # trains what is missing
digits = frozen.recorded(paf.adversarial_shapes("digits"), records)
regions = {
    region: [key for key, other in paf.REGIONS.items() if other == region]
    for region in dict.fromkeys(paf.REGIONS.values())
}
for region, keys in regions.items():
    print(f"{region:10} {', '.join(f'{name} ({parameter})' for name, parameter in keys)}")

# %% tags=["remove-cell"]
import numpy as np
from IPython.display import Markdown

from robust_activations.figures.prose import note
from robust_activations.figures.rows import ATTACKS, setting

relu = frozen.relu(digits)
run = relu.run
strong = frozen.attack(digits)
shapes = frozen.rows(digits)
note("eps", run.threat.eps)
note("strong", ATTACKS[strong])
note("n", relu.best.outcomes[strong].n)
note("steps", run.objective.attack.steps)
note("epochs", run.schedule.epochs)
fallen = [record for record in frozen.every(paf.adversarial_shapes("digits"), records) if record.collapsed]
note("fallen", ", ".join(record.run.label for record in fallen) or "none")
ledgers = studies.ledgers()
larger = {
    scale: found
    for scale in paths.SCALES[1:]
    if (found := frozen.recorded(paf.adversarial_shapes(scale), ledgers[scale]))
}


def lines(region):
    return frozen.lines(digits, regions[region])


def beyond(region):
    """The same region at the larger scales, a panel each; no line before there are two values of it."""
    return {
        f"scale {scale}": [line for line in frozen.lines(sweeps, regions[region]) if len(line.points) > 1]
        for scale, sweeps in larger.items()
    }


common = frozen.attack(*larger.values())


def extremes(region):
    """In words: which value did best and worst under the strongest common attack, and ReLU's place."""
    values = {
        row.label: row.accuracy(strong)
        for row in frozen.rows({key: digits[key] for key in regions[region] if key in digits})
    }
    if not values:
        return "Nothing was recorded in this region."
    best, worst = max(values, key=values.get), min(values, key=values.get)
    shown = {name: "{:.1f} % [{:.1f}, {:.1f}]".format(*(100 * share for share in at)) for name, at in values.items()}
    own = relu.best.outcomes[strong]
    tail = "" if "ReLU" in (best, worst) else f"; ReLU has {100 * own.accuracy:.1f} %"
    return f"In this sweep {best} comes first with {shown[best]} under {ATTACKS[strong]} and {worst} last with {shown[worst]}{tail}."


# %% [markdown]
# ## What was claimed
#
# This page is about the **workshop paper of 2022**. Its abstract says (seen):
#
# - the shape in every region matters for robustness;
# - but only changes *near zero* and for *positive inputs* can beat ReLU;
# - the smooth activations are those that clearly do.
#
# The body of the paper was not available to us. Which values were tried and what came out is *not found*, so no number of
# theirs stands on this page. What the authors' code shows is the training: PGD with 10 steps in $\ell_\infty$, ε = 0.031,
# ResNet-18 on CIFAR-10, and one activation shared by the whole network (seen: code of 2021). That is our scale `paper`.
# Live on this page is the digits network: PGD with {glue:text}`steps` steps at ε = {glue:text}`eps`, {glue:text}`epochs`
# epochs, otherwise the recipe of {doc}`/notebooks/protocol_01_ranking`.
#
# A run of the sweep is the protocol's run with a frozen parameter:

# %% mystnb={"merge_streams": true}
for key in (("psilu", "alpha", 10.0), ("psilu", "alpha", 1.0), ("pssilu", "beta", 0.3)):
    print(*key, "->", *paf.fixed(*key).values())

# %% [markdown]
# At α = 1 PSiLU is SiLU, so it shares SiLU's run, as other values share ReLU's and softplus's: where a line of the
# figures passes such a value, it passes the same network as the other lines do. Trainings that collapsed, and are left
# out: {glue:text}`fallen`.
#
# The attack is the strongest that all of them went through, {glue:text}`strong` on {glue:text}`n` test images at the
# training's ε.
#
# ## Negative inputs
#
# PReLU's α is the slope on the negative side. Below 0 it gives positive outputs for negative inputs, the shape that the
# preprint of 2021 spoke for and this version does not. PSSiLU's β (with α = 1) does something similar far from zero.

# %% mystnb={"image": {"alt": "Accuracy against the parameter's value: a line with dots for PReLU's alpha and another for PSSiLU's beta, each once dashed for clean images near the top and once full for the attack lower down, with vertical intervals.", "width": "500px"}, "figure": {"caption": "Negative side: accuracy on clean images and under attack against the frozen parameter, 95 % Wilson intervals; best epoch, one seed.", "name": "fig-paf3-negative"}} tags=["hide-input"]
results.sweep({"negative side": lines("negative")}, "α or β", ("clean", strong))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(extremes("negative"))

# %% [markdown]
# ## Near zero
#
# PSiLU's α is the sharpness of the bend at zero: the greatest second derivative is α/2 (derived on
# {doc}`/notebooks/paf_01_shapes`). With growing α the curve tends to ReLU, and yet never has its kink.

# %% mystnb={"image": {"alt": "Accuracy against alpha of PSiLU on a logarithmic axis, dashed for clean images near the top and full for the attack lower down, with vertical intervals.", "width": "500px"}, "figure": {"caption": "Near zero: accuracy against the sharpness of the bend, as {numref}`fig-paf3-negative`. The horizontal axis is logarithmic.", "name": "fig-paf3-zero"}} tags=["hide-input"]
results.sweep({"near zero": lines("near zero")}, "α", ("clean", strong), log=True)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(extremes("near zero"))

# %% [markdown]
# ## Positive inputs
#
# ReBLU adds $\alpha(\sqrt{z^2 + 1} - 1)$ to ReLU for positive $z$: a slope that starts at 1 and goes to 1 + α. PReLU+
# multiplies by α, which is a case of its own, {ref}`below <sec-paf3-batchnorm>`. PReLU+ and PSoftplus are swept at scales
# `gpu` and `paper` only.

# %% mystnb={"image": {"alt": "Accuracy against alpha of ReBLU, dashed for clean images near the top and full for the attack lower down, with vertical intervals.", "width": "500px"}, "figure": {"caption": "Positive side: accuracy against ReBLU's α, as {numref}`fig-paf3-negative`.", "name": "fig-paf3-positive"}} tags=["hide-input"]
results.sweep({"positive side": lines("positive")}, "α", ("clean", strong))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(extremes("positive"))

# %% [markdown]
# ## Which differ from ReLU?
#
# Figures of intervals invite stories. So: every shape against ReLU on the same images, McNemar's
# exact test, and Holm's correction over all of them.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
base, others = shapes[0], shapes[1:]
Markdown(tables.paired_table(base, others, strong, "Shape"))

# %% tags=["remove-cell"]
tests = comparisons.against(base, others, strong)
better, worse, _ = comparisons.told_apart(tests)
found = f"After Holm's correction {len(better) + len(worse)} of {len(tests)} shapes differ from ReLU under {ATTACKS[strong]}."
if better:
    found += f" **More robust:** {'; '.join(better)}."
if worse:
    found += f" **Less robust:** {'; '.join(worse)}."
if not better:
    found += " None is more robust than ReLU beyond what chance explains."
decided = [one.test.only_first + one.test.only_second for one in tests]
note("decided", int(np.median(decided)))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(found)

# %% [markdown]
# In the middle case the two networks disagree on {glue:text}`decided` of {glue:text}`n` images, and these alone decide.
# One seed a shape: the table says whether these two networks differ, not whether the shapes do. For that, a claim has to
# hold over several pairs of networks; the verdicts below say how many there are.
#
# ## Curvature
#
# {cite:t}`yu2026` put the near-zero question into one number. Robustness, they say, is best if the greatest second
# derivative of the activation lies between 4 and 10; less is too flat, more is too sharp (seen: abstract). PSiLU gets
# there with α from 8 to 20 (derived). {numref}`fig-paf3-curvature` shows every smooth activation of this study by its
# greatest second derivative, measured by automatic differentiation at the start of training:


# %% mystnb={"merge_streams": true}
for name, options in (
    ("silu", {}),
    ("softplus", {}),
    ("elu", {}),
    ("psilu", {"alpha": 10.0}),
    ("reblu", {"alpha": 0.5}),
):
    run = protocol.recipe("digits")(name, activation_options=options | ({"learn": []} if options else {}))
    print(f"{style.title(name):9} {options or ''!s:16} greatest second derivative {frozen.greatest_curvature(run):.3g}")


# %% tags=["remove-cell"]
def smooth(scale, sweeps, found):
    """The sweep's shapes and the references without parameters, each record once."""
    references = [protocol.recipe(scale)(name) for name in paf.REFERENCES] if scale != "paper" else []
    own = frozen.rows(sweeps)
    known = {row.records[0].id for row in own}
    extra = [found[one] for one in references if one in found and one.id not in known and not found[one].collapsed]
    return [*own, *(results.Row(style.title(record.run.activation), record) for record in extra)]


panels = {"": smooth("digits", digits, records)}
wide = {f"scale {scale}": smooth(scale, sweeps, ledgers[scale]) for scale, sweeps in larger.items()}

# %% mystnb={"image": {"alt": "Robust accuracy against the greatest second derivative on a logarithmic axis from 0.2 to 30. Markers with vertical intervals for smooth activations, most of them at or below 1, one at 5, inside a yellow band from 4 to 10, and one at 20, to the right of it. A grey band across marks ReLU.", "width": "500px"}, "figure": {"caption": "Accuracy under attack against the greatest second derivative, smooth activations only, 95 % Wilson intervals. Yellow: the range from 4 to 10. Grey: ReLU, whose curvature is infinite.", "name": "fig-paf3-curvature"}} tags=["hide-input"]
frozen.curvature(panels)

# %% [markdown]
# An activation with a kink has no place on this axis, ReBLU and PReLU included, whatever their second derivative is
# elsewhere. And the points of the figure differ in more than curvature: softplus is positive everywhere, SiLU dips below
# zero. Only the markers of one activation belong to one experiment.
#
# ## Two versions, one figure
#
# The preprint trained without attacks and measured radii, the workshop paper trained with attacks.
# {numref}`fig-paf3-contrast` puts both experiments side by side, shape by shape, each against its own ReLU.

# %% tags=["remove-cell"]
standard = frozen.recorded(paf.standard_shapes("digits"), records)

# %% mystnb={"image": {"alt": "Two panels with one row a shape and a vertical line at 0 for ReLU. Left the change of the mean radius in percent after standard training, right the change of accuracy under attack in points after adversarial training; dots with horizontal intervals.", "width": "500px"}, "figure": {"caption": "Every frozen shape against ReLU on the same images. Left, as in 2021: radius after standard training, in percent of ReLU's. Right, as in 2022: accuracy under attack after adversarial training, in points. Digits, 95 % intervals, one seed.", "name": "fig-paf3-contrast"}} tags=["hide-input"]
frozen.contrast(standard, digits)

# %% tags=["remove-cell"]
judged = {(one.claim.id, one.scale): one for one in claims.judged(study="paf")}
pairs = {
    "the negative side (PReLU)": ("paf-positive-outputs", "paf-negative-side"),
    "a sharp but finite bend at zero (PSiLU with α = 10)": ("paf-high-curvature", "yu-curvature"),
}
beaten = {"supported": "it beats SiLU and ReLU", "contradicted": "it is behind SiLU or ReLU"}
without = {
    "supported": "PReLU with α of either sign does not beat ReLU by a point",
    "contradicted": "PReLU with α of either sign beats ReLU by a point",
}
sentences = []
for words, (first, second) in pairs.items():
    one, other = (judged[name, "digits"].verdict for name in (first, second))
    negative = second == "paf-negative-side"
    lead, subject = ("; ReLU's lead is", "α below 0") if negative else (":", "it")
    meaning = (without if negative else beaten).get(other.label, "no side is proven right")
    sentences.append(
        f"- **{words[0].upper()}{words[1:]}.** Without attacks, that {subject} enlarges the radius is *{one.label}*: "
        f"{claims.measured(one)}. With attacks, {meaning}: *{other.label}*{lead} {claims.measured(other)}."
    )
ids = ("paf-near-zero", "paf-positive-side", "paf-negative-side", "yu-curvature")

# %% [markdown]
# At scale `digits` the records say:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n".join(sentences))

# %% [markdown]
# Where the two sides differ, that is no contradiction between two papers. A radius after standard training and an accuracy after adversarial training
# are two quantities, and a shape that moves one need not move the other: adversarial training chooses its own margins and
# slopes, and whatever the shape gave for free, the training can give to any other shape too. What would be wrong is to
# carry the first result over to the second.
#
# (sec-paf3-batchnorm)=
# ## What BatchNorm absorbs
#
# PReLU+ is $\alpha \max(0, z)$: ReLU times a number. A linear layer behind it can undo the number exactly. And BatchNorm
# behind that layer undoes it by itself: what comes in α times as large has α times the mean and deviation, and leaves as
#
# $$
# \frac{\alpha v - \alpha \mu}{\sqrt{\alpha^2 \sigma^2 + \epsilon}} = \frac{v - \mu}{\sqrt{\sigma^2 + \epsilon / \alpha^2}} ,
# $$
#
# which is what it was before, but for $\epsilon$. Only the last linear layer, with no BatchNorm after it, sees the
# factor. So here is a network with PReLU+ and its twin with ReLU: the same weights, but for those of the last layer,
# which are multiplied by α.


# %% mystnb={"merge_streams": true}
def twins(architecture, alpha, epsilon, **options):
    """Logits of a network with PReLU+ and of its twin with ReLU, in training mode, where BatchNorm uses the batch."""
    x = data.load("digits").train_images[:128].double() / 255
    networks = []
    for name, words in (("prelu_plus", {"learn": [], "alpha": alpha}), ("relu", {})):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            networks.append(
                models.create(architecture, activation=name, activation_options=words, in_channels=1, num_classes=10)
            )
        networks[-1].double().train()
        for module in networks[-1].modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = epsilon
    plus, twin = networks
    with torch.no_grad():
        twin.fc.weight *= alpha
        return plus(x), twin(x)


def difference(one, other):
    """Relative, and after the best common factor, which changes no decision."""
    factor = (one * other).sum() / (other * other).sum()
    return float((one - factor * other).norm() / one.norm())


for epsilon in (1e-5, 1e-12):
    for alpha in (0.1, 0.5, 2.0, 10.0):
        print(
            f"BatchNorm's ε = {epsilon:g}, α = {alpha:4}: difference {difference(*twins('digits_cnn', alpha, epsilon)):.1e}"
        )

# %% [markdown]
# With BatchNorm's usual ε of $10^{-5}$ the twins are the same to about a tenth of a percent or better, and the difference
# goes away with ε, in proportion. In such a network PReLU+ has no shape of its own. What α can still do is change the
# learning: the last layer's effective step, and how soon weight decay makes the weights so small that ε counts.
#
# So is PReLU+ pointless? Here is the same comparison in a network with shortcuts, as the papers' ResNets are; it is
# untrained, like the twins above:

# %% mystnb={"merge_streams": true}
for alpha in (0.5, 2.0):
    one, other = twins("resnet20", alpha, 1e-12)
    same = (one.argmax(1) == other.argmax(1)).double().mean()
    print(
        f"ResNet-20, α = {alpha:3}: difference {difference(one, other):.2f}, same decision for {100 * float(same):.0f} % of the images"
    )

# %% tags=["remove-cell"]
blocks = sum(type(module).__name__ == "Block" for module in models.create("resnet20", activation="relu").modules())
note("blocks", blocks)
for alpha in (0.5, 2.0):
    note(f"power_{alpha:g}", f"{alpha**blocks:.3g}")

# %% [markdown]
# These are no twins. A block of a ResNet computes $\varphi(x + \mathrm{BN}(\dots))$. BatchNorm fixes the size of the
# branch, but nobody fixes the size of the shortcut: what comes in through it is multiplied by α in every block, while
# each branch adds something of size 1 (at the start of training). After {glue:text}`blocks` blocks the first one's contribution has been multiplied
# by {glue:text}`power_0.5` at α = 0.5, and by {glue:text}`power_2` at α = 2. So in a ResNet, α of PReLU+ is a knob for
# how much early blocks count against late ones (derived: by this computation), which has little to do with the shape of a
# curve.
#
# ReBLU is different. Its slope bends from 1 to 1 + α at $z$ around 1, and no rescaling makes a straight line of it.
#
# ## On larger images

# %% tags=["remove-cell"]
if larger:
    parts = []
    for scale, sweeps in larger.items():
        attack, own = frozen.attack(sweeps), frozen.rows(sweeps)
        head = f"**Scale `{scale}`** ({setting([row.records[0] for row in own], (attack,))}). {tables.provenance(frozen.every(paf.adversarial_shapes(scale), ledgers[scale]))}"
        if own[0].name == "relu" and len(own) > 1:
            head += f"\n\n{tables.paired_table(own[0], own[1:], attack, 'Shape')}"
        parts.append(head)
    listing = "\n\n".join(parts)
else:
    listing = "There are no records of this experiment at a larger scale yet."

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(listing)

# %% mystnb={"image": {"alt": "Accuracy against the parameter of the negative side at the larger scales, a panel each; or the words that nothing is recorded yet.", "width": "500px"}, "figure": {"caption": "As {numref}`fig-paf3-negative`, at the larger scales, for parameters of which two values are recorded; so are the next two figures.", "name": "fig-paf3-negative-larger"}} tags=["hide-input"]
results.sweep(beyond("negative"), "α or β", ("clean", common))

# %% mystnb={"image": {"alt": "Accuracy against the sharpness of the bend near zero at the larger scales, a panel each; or the words that nothing is recorded yet.", "width": "500px"}, "figure": {"caption": "As {numref}`fig-paf3-zero`, at the larger scales.", "name": "fig-paf3-zero-larger"}} tags=["hide-input"]
results.sweep(beyond("near zero"), "α", ("clean", common), log=True)

# %% mystnb={"image": {"alt": "Accuracy against the parameter of the positive side at the larger scales, a panel each; or the words that nothing is recorded yet.", "width": "500px"}, "figure": {"caption": "As {numref}`fig-paf3-positive`, at the larger scales.", "name": "fig-paf3-positive-larger"}} tags=["hide-input"]
results.sweep(beyond("positive"), "α", ("clean", common))

# %% mystnb={"image": {"alt": "Robust accuracy against the greatest second derivative at the larger scales, with the yellow band from 4 to 10 and a grey band for ReLU; or the words that nothing is recorded yet.", "width": "500px"}, "figure": {"caption": "As {numref}`fig-paf3-curvature`, at the larger scales.", "name": "fig-paf3-curvature-larger"}} tags=["hide-input"]
frozen.curvature(wide)

# %% [markdown]
# ## Verdicts
#
# *Supported* and *contradicted* need a p below 0.05 over the images and, where independent pairs of networks test a
# claim, an interval over these that excludes 0. Pairs that share a network, as all shapes of one seed share their ReLU,
# count as one, and what rests on a single training says so: *one seed*. That the negative side does *not* beat ReLU is judged with a margin of one point.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details([judged[name, scale] for name in ids for scale in paths.SCALES]))

# %% [markdown]
# The first two claims are that a shape of the region *can* beat ReLU. One that does is enough, so the best is shown, and its p
# is multiplied by the number of shapes that were tried; of a shape that was tried on several data sets, all must say so. *Contradicted* they are only if every shape is behind ReLU beyond
# chance. The third is about all shapes of its region, and every one of them must keep above the margin.
#
# ## What critics found
#
# - {cite:t}`huang2023` tune the weight decay for each activation, and under their baseline recipe smooth activations
#   mostly do not beat ReLU (seen: full text).
# - {cite:t}`singla2021` credit *low* curvature, not smoothness: even a leaky ReLU, which has a kink, shares the benefit
#   (seen: abstract).
# - {cite:t}`pang2021` show that a slightly different weight decay can move robust accuracy by as much as an activation
#   does (seen: abstract and README). Every shape of this page had the same one.
#
# ## Summary
#
# - A frozen parameter makes the shape the cause: nothing else differs between the runs of a sweep,
#   except their luck.
# - Intervals of single accuracies invite stories; paired tests and a correction decide what is worth one.
# - What holds after standard training need not hold after adversarial training. The two versions of the paper are two
#   experiments.
# - PReLU+ is ReLU for a network with BatchNorm and no shortcuts. With shortcuts it is a knob for the balance of early and
#   late blocks.
#
# ## Questionnaire
#
# 1. Which region does each of the six parameters move?
# 2. Which values of the sweeps stand for activations without parameters?
# 3. Why must the parameter be frozen in this experiment, and what would be compared if it were not?
# 4. Which α gives PSiLU a greatest second derivative of 4, and which gives it to PSoftplus?
# 5. Why does ReBLU have no place in {numref}`fig-paf3-curvature`?
# 6. Why may a shape that enlarges the radius after standard training be useless under adversarial training?
# 7. What is left of PReLU+'s α after BatchNorm, and where does it come back in a ResNet?
# 8. The 2022 claim says "can". How does that change what a verdict means?
#
# ## Exercises

# %% [markdown]
# ```{exercise} The twin after training · pencil
# :label: ex-paf3-twin
#
# The twins above share their weights in *training* mode. In evaluation mode, BatchNorm uses stored means and variances.
# What has to be done to the stored statistics of the PReLU+ network to get a ReLU network with the same function,
# exactly?
# ```

# %% [markdown]
# ````{solution-start} ex-paf3-twin
# :label: sol-paf3-twin
# :class: dropdown
# ````
#
# Nothing, if the factor goes into the weights instead: every layer that *receives* an output of PReLU+ is multiplied by
# α. That is exact in any network without shortcuts, BatchNorm or not. Or keep the weights: in every BatchNorm behind a PReLU+
# divide the stored mean by α, and the variance and its ε by α², and multiply the weights of the last layer by α.

# %%
x = data.load("digits").test_images[:100].double() / 255
torch.manual_seed(0)
options = {"learn": [], "alpha": 3.0}
plus = models.create("digits_cnn", activation="prelu_plus", activation_options=options, num_classes=10, in_channels=1)
twin = models.create("digits_cnn", activation="relu", num_classes=10, in_channels=1)
plus, twin = plus.double().eval(), twin.double().eval()
twin.load_state_dict(plus.state_dict())
layers = [module for module in twin.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
with torch.no_grad():
    for layer in layers[1:]:  # the first receives the image
        layer.weight *= options["alpha"]
    print(f"weights:    greatest difference of the logits {float((plus(x) - twin(x)).abs().max()):.1e}")
    twin.load_state_dict(plus.state_dict())
    for norm in [module for module in twin.modules() if isinstance(module, nn.BatchNorm2d)][1:]:
        norm.running_mean /= options["alpha"]
        norm.running_var /= options["alpha"] ** 2
        norm.eps /= options["alpha"] ** 2
    layers[-1].weight *= options["alpha"]
    print(f"statistics: greatest difference of the logits {float((plus(x) - twin(x)).abs().max()):.1e}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Sharp, and sharper · five minutes
# :label: ex-paf3-sharp
#
# For which α does PSiLU differ from ReLU by less than 0.01 everywhere? How large is its second derivative then? What
# does that say about the difference between "close to ReLU" and "smooth"?
# ```

# %% [markdown]
# ````{solution-start} ex-paf3-sharp
# :label: sol-paf3-sharp
# :class: dropdown
# ````
#
# The distance is $\lvert z\rvert\,\sigma(-\alpha\lvert z\rvert)$, a function of $\alpha\lvert z\rvert$ divided by α, so
# it shrinks as 1/α:

# %% mystnb={"merge_streams": true}
z = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
for alpha in (1.0, 10.0, 28.0, 100.0):
    near = activations.create("psilu", learn=(), alpha=alpha)
    print(
        f"α = {alpha:4.0f}: distance {float((near(z) - z.relu()).abs().max()):.4f}, second derivative up to {alpha / 2:g}"
    )

# %% [markdown]
# From α = 28 on. The second derivative is 14 then: values can be as close as one likes while the curvature grows without
# bound. A network can hardly tell the values apart. Its gradients can.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Put more values between α = 3 and α = 20 of PSiLU into `SWEEPS` in `studies/paf.py`, and look whether anything rises
#   at 8.
# - Give every shape three seeds before believing any single value.
# - Let the parameters go, and see whether learning them helps: {doc}`/notebooks/paf_04_learnable`.
