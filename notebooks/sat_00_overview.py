# %% [markdown]
# # Smooth adversarial training: the paper on one page
#
# ReLU has a corner. Xie, Tan, Gong, Yuille and Le say that this corner makes gradients poor, that adversarial training lives on good
# gradients, and that rounding the corner gives robustness for free {cite}`xie2020`. This page says what they claim, how much of it
# we could read, on which page each claim is tested, and what the tests cost.
#
# **At the end you will know**
#
# - the argument, in four steps, and the numbers that come with it, with source and mark;
# - what could not be read, and what stands in its place here;
# - which page answers which question, and with how many runs at which scale;
# - how the published recipe differs from ours at scale `paper`.
#
# *Reading time: 8 minutes. Run time: seconds, once the networks of this part are trained; the first page of the part that runs
# trains them, in several minutes on two cores.*

# %%
from robust_activations import studies
from robust_activations.attacks import k255, pixels
from robust_activations.evaluation import SUITE
from robust_activations.figures import catalogue, claims, plans, style
from robust_activations.figures.prose import table
from robust_activations.studies import sat

studies.collect("sat")  # scale digits: trains what is missing
run = sat.paper("silu")

# %% tags=["remove-cell"]
import torch
from IPython.display import Markdown
from myst_nb import glue

judged = claims.judged(study="sat")
glue("claims", str(len({one.claim.id for one in judged})), display=False)
large = f"{sat.LARGE:g}"
glue("large", large, display=False)

# %% [markdown]
# ## The argument
#
# Adversarial training uses gradients twice: the attacker follows one with respect to the pixels, the learner one with respect
# to the weights. ReLU's slope jumps from 0 to 1, so a tiny step can change the gradient a lot. The paper goes on in four steps.
#
# 1. **It is the gradient.** Keep ReLU in the forward pass and give only the *backward* pass a smooth slope, that of Parametric Softplus:
#    robustness rises, whether the attacker gets it, the learner, or both.
# 2. **So make the activation itself smooth.** Softplus, SmoothReLU, GELU, ELU and SiLU all beat ReLU, SiLU most.
# 3. **It is not the negative side.** SmoothReLU is 0 below zero, as ReLU is, and gains all the same. And CELU, which never has a kink,
#    makes adversarial training stable where ELU does not.
# 4. **It scales.** Deeper, wider, finer images, all together: robustness grows with a smooth network's size.
#
# The paper exists as a preprint of June 2020 and, under the title *Revisiting Activation Function Design for Improving
# Adversarial Robustness at Scale*, as a submission to ICLR 2023 with the same headline numbers (seen: OpenReview). The first version calls
# SiLU *Swish*; it is the same function.
#
# ## The numbers that come with it
#
# All of them are in percent and on ImageNet. As far as the sources say, ε is 4/255 in ℓ∞, and robust means right under PGD with 200 steps,
# unless another number is named.
#
# | What | Reported | Mark and source |
# |---|---|---|
# | ReLU, ResNet-50 | 68.8 clean, 33.0 robust | seen: table 1, as a picture in a third party's review |
# | smooth slope for the attacker alone | 68.3 clean, 34.5 robust | the same |
# | smooth slope for the learner alone | 69.4 clean, 35.8 robust | the same |
# | smooth slope for both | 68.9 clean, 36.9 robust | the same |
# | SiLU in place of ReLU | +9.3 robust, +0.9 clean | seen: abstract |
# | Parametric Softplus, Softplus, SmoothReLU, GELU, ELU, SiLU | 38.7, 40.0, 40.3, 41.7, 41.7, 42.3 robust | derived: measured from the pixels of the teaser figure |
# | ResNet-50 to ResNeXt-152 at 380 pixels, SiLU, PGD-50 | 41.9 to 51.0 robust | seen: README of the code, re-evaluated |
# | EfficientNet-L1 with averaged weights | 82.2 clean, 58.6 robust | seen: abstract |
# | ELU and CELU | | not found |
# | longer training for ReLU | in words only | seen-2nd: a review |
#
# No number of theirs that we found is under a stronger attack than PGD. {cite:t}`bai2021`, two of the authors among them, report one: GELU and ReLU on
# ResNet-50 stand at 35.51 and 26.41 % under AutoAttack (seen: README and log). The gain survives; the level is lower.
#
# ### What could be read
#
# read
# : the abstract; the authors' TensorFlow code, of which the ResNets' adversarial training is marked as not released; its README
#   and teaser figure; table 1 as a picture; reviews and summaries by others.
#
# not found
# : the text beyond that, the table on ELU and CELU, the numbers of the controls and of the sanity checks, the results on CIFAR-10,
#   robustness in most of the scaling tables, the number of seeds.
#
# ## The activations
#
# One table for the formulas; how smooth each of them is, and where, is the subject of {doc}`/notebooks/sat_01_smooth_approximations`. The
# curvatures are those of the activation at its start.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
torch.manual_seed(0)
rows = []
for name in ("relu", "relu_smooth_gradient", *sat.SMOOTH, "celu"):
    shape = catalogue.measure(catalogue.curve(name))
    curvature = f"{shape.curvature:.3g}" if name != "relu_smooth_gradient" else "as ReLU"
    rows.append([f"**{style.title(name)}**", catalogue.definition(name), catalogue.learned(name), curvature])
Markdown(table(["Activation", "φ(z)", "Learned, at the start", "max abs. φ″ away from kinks"], rows))

# %% [markdown]
# ELU and CELU are one function at α = 1. The experiment on the kink needs another α; which one the paper took is not known to us,
# and ours is {glue:text}`large`.
#
# (sat-map)=
# ## If you are in a hurry
#
# | You ask | Page |
# |---|---|
# | What is smooth about these curves, and how much? | {doc}`/notebooks/sat_01_smooth_approximations` |
# | Is it the gradient? ReLU forward, smooth backward | {doc}`/notebooks/sat_02_gradient_quality` |
# | Do smooth activations beat ReLU, and is it the negative side? | {doc}`/notebooks/sat_03_smooth_activations` |
# | Is it really for free? Time and memory | {doc}`/notebooks/sat_04_cost` |
# | Does it scale with depth, width and resolution? | {doc}`/notebooks/sat_05_scaling` |
# | Could the gain be an illusion of a weak attack? | {doc}`/notebooks/sat_06_sanity` |
# | What holds, what do the critics say, and what should be run next? | {doc}`/notebooks/sat_07_discussion` |
# | Just the verdicts, with their records? | {doc}`/notebooks/claims` |
#
# ## What is run
#
# The experiments are functions in `studies/sat.py` that give runs; the pages draw what their records hold. This is how many
# of the runs of each are recorded, and of how many. Experiments share runs: ReLU's is in several of them.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(
    plans.experiments(
        {
            "Smooth slope in the backward pass: {doc}`/notebooks/sat_02_gradient_quality`": sat.gradient_quality,
            "Twice the attack steps: {doc}`/notebooks/sat_02_gradient_quality`": sat.stronger,
            "Longer training: {doc}`/notebooks/sat_02_gradient_quality`": sat.longer,
            "Smooth activations: {doc}`/notebooks/sat_03_smooth_activations`": sat.activations,
            "SiLU on another data set: {doc}`/notebooks/sat_03_smooth_activations`": sat.elsewhere,
            "ELU and CELU: {doc}`/notebooks/sat_03_smooth_activations`": sat.large_alpha,
            "Larger networks and images: {doc}`/notebooks/sat_05_scaling`": sat.scaling,
        }
    )
)

# %% [markdown]
# And this is what it costs.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.costs("sat"))

# %% tags=["remove-cell"]
schedule, objective = run.schedule, run.objective
attack = objective.attack
drops = [f"{share * schedule.epochs:.0f}" for share in schedule.milestones]
decayed = "weights of layers alone" if not (schedule.decay_activations or schedule.decay_norm) else "more than weights"
warm = 5 if schedule.lr > 0.1 else 0  # by the authors' rule
steps = {k255(SUITE[name](run.threat).length(run.threat)) for name in run.suite.attacks if name in SUITE}
efficient = [one for one in sat.STUDY.runs("paper") if one.model.startswith("efficientnet")]
slow = any(one.model_options.get("slow_norm", True) for one in efficient)
CODE, SISTER = "seen: the authors' code", "seen-2nd: a summary; seen: code of {cite:t}`bai2021`"
README = "seen: README of the code"
RULE = "5 epochs where the learning rate is above 0.1, else none"
NORM = "momentum 0.9 as TensorFlow counts it, ε = 1e-5"
recipe = [
    ("Network", "resnet50", "seen: table 1", run.model),
    ("ε, ℓ∞", "4/255", README, run.threat.eps),
    ("Attack in training", "1 step of 4/255", SISTER, f"{attack.steps} step of {attack.step}"),
    ("Start of the attack", "20 % of batches from the clean image, others random", CODE, f"{attack.clean_share:.0%} of batches from the clean image, others random".replace("%", " %")),
    ("Epochs", "100", CODE, f"{schedule.epochs}"),
    ("Learning rate", "0.1 for a batch of 256", CODE, f"{schedule.lr:g} for a batch of {schedule.batch_size}"),
    ("Its schedule", "× 0.1 after epochs 30, 60, 90", CODE, f"× 0.1 after epochs {', '.join(drops)}"),
    ("Warm-up", RULE, CODE, RULE if schedule.warmup == warm else f"{schedule.warmup:g} epochs"),
    ("Nesterov momentum", "0.9", CODE, f"{schedule.momentum:g}"),
    ("Weight decay", "1e-4 on weights of layers alone", CODE, f"{schedule.weight_decay:.0e} on {decayed}".replace("e-0", "e-")),
    ("Label smoothing", "0.1", CODE, f"{objective.label_smoothing:g}"),
    ("Last BatchNorm of a block", "starts at 0", CODE, "starts at 0" if run.model_options.get("zero_init") else "starts at 1"),
    ("BatchNorm in the attack", "statistics frozen", CODE, "statistics frozen"),
    ("BatchNorm of EfficientNets", NORM, f"{README}, command for evaluation", "momentum 0.99 and ε = 1e-3 in some" if slow else NORM),
    ("GELU", "approximated by tanh", CODE, "exact"),
    ("Pixels that the network sees", "from −1 to 1", CODE, "training images' mean subtracted, divided by their deviation" if run.normalize else "from 0 to 1"),
    ("Image size", "224", f"{README}, command for evaluation", f"{run.image_size}"),
    ("Augmentation", "", "not found", f"{'a resized random crop' if run.augment.resized else 'the middle of the image'}{', flip' if run.augment.flip else ''}"),
    ("Epoch that is evaluated", "", "not found", f"best under PGD-10 on {run.held_out:,} held-out training images, and the last"),
    ("Final attack", "PGD-200", "seen-2nd: a summary", f"PGD-200, and AutoAttack on {run.suite.autoattack_n:,} images"),
    ("Its step", "1/255", f"{README}, for 10 to 50 steps", " and ".join(sorted(steps))),
    ("Seeds", "", "not found", f"{len({one.seed for one in sat.STUDY.runs('paper')})}"),
]  # fmt: skip

# %% [markdown]
# ## The published recipe
#
# Scale `paper` is the recipe of the authors' code, confirmed by that of {cite:t}`bai2021`, with whom they share two authors. The right
# column is printed from the `Run` of SiLU, and is bold where it is not what was published, or where nothing was found.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.recipe(recipe))

# %% [markdown]
# **Our departures.** The epoch is chosen on held-out training images, and the last is evaluated too. The network sees pixels less
# their mean, divided by their deviation; GELU is exact; the augmentation is ours. AutoAttack comes on top of PGD. The EfficientNets
# are trained by the ResNets' recipe, because theirs is not known to us; the README gives BatchNorm's numbers and the averaging alone.
#
# The smaller scales do not follow this recipe. They use that of {doc}`/notebooks/protocol_01_ranking`, the same for every
# activation of the book. What carries over is the *kind* of training where it is one-step, as at `cpu`; ImageNet does not.
#
# ## Summary
#
# - The paper's argument runs from the gradient over the activation to scale, and each step is a claim that can be tested alone.
# - Reported numbers are from ImageNet and PGD; two of the authors, with others, report the gain under AutoAttack for GELU.
# - {glue:text}`claims` claims are judged from records, scale by scale.
# - Where the recipe was not found, the choice is ours and is bold in the table.
#
# ## Questionnaire
#
# 1. Which two gradients does adversarial training use, and which of them does the update need?
# 2. Why does the experiment with a smooth *backward* pass test more than a comparison of activations?
# 3. What does SmoothReLU rule out that SiLU cannot?
# 4. Which of the reported numbers were measured from a picture, and does it matter?
# 5. Which entries of the recipe were not found?
#
# ## Exercises

# %% [markdown]
# ```{exercise} One step of which length?
# :label: ex-sat-overview-step
#
# The authors attack with a single step of length ε from a random start in the ball (or, in a fifth of the batches, from the clean
# image). How far from the clean pixel can such a step end before it is projected? And how far on average, if the start is uniform and the
# sign of the gradient has nothing to do with it?
# ```

# %% [markdown]
# ````{solution-start} ex-sat-overview-step
# :label: sol-sat-overview-step
# :class: dropdown
# ````

# %%
radius, step = run.threat.radius, pixels(run.objective.attack.step)
start = radius * (2 * torch.rand(1_000_000, generator=torch.Generator().manual_seed(0)) - 1)
moved = start + step
print(
    f"farthest {moved.abs().max() / radius:.2f} ε, on average {moved.abs().mean() / radius:.2f} ε before the projection,"
)
print(f"and {moved.clamp(-radius, radius).abs().mean() / radius:.2f} ε after it")

# %% [markdown]
# A step of ε from a uniform start leaves the ball half of the time and is then projected onto its surface. From the clean image it ends
# exactly on the surface. So more than half of the pixels of a training attack move by all that is allowed.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Go on with the curves, {doc}`/notebooks/sat_01_smooth_approximations`, or jump to the verdicts, {doc}`/notebooks/sat_07_discussion`.
# - `robust-activations status sat` says what is recorded and what is missing on your machine.
# - With a GPU and an evening: `robust-activations run sat --scale gpu --budget 9h` makes the most valuable runs first.
