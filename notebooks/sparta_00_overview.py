# %% [markdown]
# # Sparta: the paper on one page
#
# ReLU treats every place of an image alike, and every image too. Guo, Juefei-Xu, Zhou, Feng, Liu and Wang say that this harms
# robustness, and propose a *spatially attentive* activation that looks at the place and at the input {cite}`guo2021`. Its formula was not available to us.
# This page says what the abstracts claim, which readings of them we test instead, which choices are ours, and on which page each
# question is tested.
#
# **At the end you will know**
#
# - what the versions of the paper claim, with source and mark, and how their reviewers rated the first;
# - what the abstracts imply about the formula, and the three readings that we test;
# - which page answers which question, and with how many runs at which scale;
# - why nothing in this part can confirm or refute a number of the paper.
#
# *Reading time: 13 minutes. Run time: seconds, once the networks of this part are trained; the first page of the part that runs
# trains them, in several minutes on two cores.*

# %%
from robust_activations import studies
from robust_activations.figures import catalogue, claims, plans, style
from robust_activations.figures.prose import table
from robust_activations.studies import sparta

studies.collect("sparta")  # scale digits: trains what is missing
run = sparta.objectives("paper")["pgd_at"]["sparta"]

# %% tags=["remove-cell"]
from IPython.display import Markdown
from myst_nb import glue

judged = claims.judged(study="sparta")
glue("claims", str(len({one.claim.id for one in judged})), display=False)
glue("noise", f"{sparta.NOISE:g}", display=False)

# %% [markdown]
# ## The argument
#
# 1. **A diagnosis.** ReLU is *spatially shared* and *input-independent*: the same rule at each place and for each image. This hurts robustness against
#    attackers who know the network, after standard and after adversarial training (seen: abstract).
# 2. **A remedy.** Sparta extends ReLU and depends on place and input. It lowers the error on clean *and* on adversarial images, against ReLU and
#    other activations (seen: abstract).
# 3. **It is more than weights.** Learned in one network, say a ResNet-18, then frozen, it helps to train another one, say a ResNet-34;
#    learned on one dataset, say CIFAR-10, it helps on another, say SVHN; both against ReLU (seen: abstract).
#
# The third is the most interesting, because it is so hard to explain away. A gate that serves a network it was not trained with must have learned something
# general. Or so it seems: {doc}`/notebooks/sparta_03_across_networks` asks what a gate that *nobody* trained does in its place.
#
# The paper counts *errors*, lower is better (seen). So do {doc}`/notebooks/sparta_01_attention` and
# {doc}`/notebooks/sparta_02_readings`; most pages of this book count images that are right.
#
# ## One idea, two titles
#
# | | Submission to ICLR 2021 | Preprint {cite}`guo2021` |
# |---|---|---|
# | When | 28 September 2020; withdrawn (seen: OpenReview) | arXiv 2105.08269, 18 May 2021, and again on 3 December 2022 (seen) |
# | Title | *... Activations*, plural (seen) | *... Activation*, singular (seen) |
# | Authors | seven, two of whom the preprint does not name (seen) | six, one of them new (derived from the lists) |
# | Compared in the abstract with | Swish and feature denoising, by their relation to it (seen) | other activations of the state of the art (seen) |
# | Reviewers' ratings | 5, 4, 4, 6 (seen: a public collection, collected twice) | |
# | Length | not found | 25 pages, 5 figures (seen: comment on arXiv) |
# | Code | came with the submission (seen); not public | none found |
#
# Ratings are not arguments, and the reviews themselves were not found. That a paper was withdrawn says nothing about whether it is right.
#
# ### What could be read
#
# | Fact | Mark | Source |
# |---|---|---|
# | diagnosis, remedy and transfer, in words | seen | the abstracts |
# | the keyword *spatially attentive activation* | seen | OpenReview |
# | dates, authors, ratings | seen | arXiv, OpenReview, a public collection of ratings |
# | **the formula** | not found | |
# | sizes and sharing of kernels, sigmoid or not, place in the network, start, number of parameters | not found | |
# | what exactly is frozen, and how a gate of one network finds its place in another | not found | |
# | adversarial training, attacks, ε, steps, epochs | not found | |
# | every cell of every table, every figure | not found | |
#
# So there is nothing here to reproduce, and we do not claim to. We test whether the *idea of the abstract* does, in forms that fit its
# words, what the abstract says.
#
# ## From words to formulas
#
# | What the abstracts say | What follows for the form |
# |---|---|
# | *spatially attentive* | a map over places, computed from the features |
# | not spatially shared, not input-independent | the output depends on more than the value at the place |
# | *extends* ReLU | ReLU is a special case, a limit or a factor |
# | related to Swish, $z\,\sigma(\beta z)$ {cite}`ramachandran2017` | a gate that multiplies; a gate that sees its own place alone is Swish |
# | related to feature denoising {cite}`xie2019` | neighbours are brought together |
# | can be frozen and moved | the parameters are a part of their own, apart from the weights |
#
# The left column is seen, the right one is derived, by us. Three forms satisfy most of it, and none of them all:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
FOR = {
    "sparta": "gate; Swish if $g$ sees the place alone; ReLU only as a limit",
    "sparta_relu": "gate on ReLU, which is the case $g = 0$; Swish is no case of it",
    "frelu": "ReLU is the case $g = 0$ exactly; no attention, no Swish",
}
rows = []
for reading, name in (("R1", "sparta_relu"), ("R2", "sparta"), ("R3", "frelu")):
    rows.append([reading, f"**{style.title(name)}**", catalogue.definition(name), catalogue.learned(name), FOR[name]])
Markdown(
    table(["Reading", "Called here", "φ(z)", "Learned a channel, at the start", "For and against"], rows)
)

# %% [markdown]
# R3 is the funnel activation of {cite:t}`ma2020`, an independent paper. **Where this book says Sparta without more, it means R2**, because it
# alone contains Swish and comes close to ReLU. That is a choice, not a finding, and R1 and R3 are run beside it in
# {doc}`/notebooks/sparta_02_readings`.
#
# ## What is our choice
#
# | Choice | Ours | Because | Run beside it |
# |---|---|---|---|
# | the formula | R2 | see above | R1, R3 |
# | what the gate sees | its own channel, 3×3 places | the smallest neighbourhood | the place alone; the mean over the image; a map that sees no input; nothing |
# | its kernels | one a channel | they move between networks of equal width | |
# | where it stands | wherever ReLU stood | nothing was found | |
# | start | R2 as SiLU, R1 as ReLU | training starts from a known activation | noise of standard deviation {glue:text}`noise` around it, frozen |
# | what is frozen | the kernels of the gates; weights and BatchNorm are trained | *frozen Sparta*, in the abstract's words | gates learned in place |
# | which gate goes where | the same shapes; the same order, or else the same relative depth | ResNet-18 and 34 have as wide stages and different numbers of blocks | |
# | attacks | through the gate, with its gradient | an attack that left it out would be weak | |
# | rivals | ReLU, SiLU, GELU, SmoothReLU, Parametric Softplus; feature denoising | those of the first abstract, and smooth ones | |
# | recipe | that of the book | nothing was found | training without attacks; TRADES |
#
# ## The claims
#
# There are {glue:text}`claims`. What was *not found* is a control of ours, which the abstracts do not speak of.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.reported(judged))

# %% [markdown]
# (sparta-map)=
# ## If you are in a hurry

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
PAGES = {
    "sparta_01_attention": "What does a gate see, and is it the place, the input or the neighbourhood?",
    "sparta_02_readings": "Do three readings of Sparta beat their rivals?",
    "sparta_03_across_networks": "Does a learned gate serve another network?",
    "sparta_04_across_datasets": "Does it serve another dataset?",
    "sparta_05_discussion": "What holds, what cannot be said, and what should be run next?",
    "claims": "Just the verdicts, with their records?",
}
Markdown(plans.pages(PAGES))

# %% [markdown]
# {doc}`/notebooks/sparta_01_attention` explains the gate that all the others use. The two pages on transfer can be read in either order; they share
# their controls.
#
# ## What is run
#
# The experiments are functions in `studies/sparta.py` that give runs; the pages draw what their records hold. This is how many
# of the runs of each are recorded, and of how many, donors included. Experiments share runs: ReLU's is in most of them.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
EXPERIMENTS = {
    "Gates that see less: {doc}`/notebooks/sparta_01_attention`": sparta.properties,
    "Readings and rivals, three objectives: {doc}`/notebooks/sparta_02_readings`": sparta.objectives,
    "Frozen, in another network: {doc}`/notebooks/sparta_03_across_networks`": sparta.across_networks,
    "Frozen, on other data: {doc}`/notebooks/sparta_04_across_datasets`": sparta.across_datasets,
    "Further seeds of R2, ReLU and SiLU: {doc}`/notebooks/sparta_02_readings`": lambda scale: [
        run for run in sparta.STUDY.runs(scale) if run.seed
    ],
    "Donors of the live transfer: {doc}`/notebooks/sparta_04_across_datasets`": lambda scale: [
        sparta.mnist(),
        sparta.untaught("digits", sparta.mnist()),
    ],
}
Markdown(plans.experiments({title: plans.within("sparta", found) for title, found in EXPERIMENTS.items()}))

# %% [markdown]
# Each scale has its own data, networks and length of training. The table shows the first run of each, and of each
# data set, training and ε that is recorded there.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.settings("sparta"))

# %% [markdown]
# And this is what it costs.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.costs("sparta"))

# %% [markdown]
# ## The recipe, and what of it was published
#
# For other papers of this book scale `paper` is the published recipe. Here it is our recipe at full length, printed from the `Run` of
# Sparta (R2) on CIFAR-10. Where nothing stands in brackets, nothing was found.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
EXAMPLE = "seen: abstract, as an example"
Markdown(plans.unpublished(run, {"Data": ("CIFAR-10", EXAMPLE), "Network": ("resnet18", EXAMPLE)}))

# %% [markdown]
# The whole grid at scale `paper`, donors included:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.grid(sparta.STUDY.runs("paper")))

# %% [markdown]
# ## To run it again
#
# ```bash
# # what is recorded and what is missing
# robust-activations status sparta
# # what this book trains live, in minutes; the donors from MNIST are committed records
# robust-activations run sparta
# # CIFAR on two cores
# robust-activations run sparta --scale cpu
# # the transfers alone, which need their donors
# robust-activations run sparta --scale cpu --only "*sparta*<*"
# ```
#
# A run whose donor has no record is left out, and the command says so. A run can be stopped and started again; what is recorded is not made
# twice.
#
# ## Summary
#
# - The abstracts state a diagnosis, a remedy and a transfer; they do not state a formula, and neither does any other text that we found.
# - We test three readings; R2, a gate on the input with one 3×3 kernel a channel, is meant where no reading is named.
# - {glue:text}`claims` claims are judged from records, scale by scale, some of them controls that the abstracts lack.
# - A verdict here is one on the idea in our form. It can make the paper's numbers more or less plausible, and no more.
#
# ## Questionnaire
#
# 1. What do *spatially shared* and *input-independent* mean, for ReLU and for PReLU with one slope a channel?
# 2. Which of the three readings contains Swish, which contains ReLU, and which contains both?
# 3. Why can a gate with one kernel a channel be moved from a ResNet-18 to a ResNet-34, and what must still be decided?
# 4. Which control would show that a frozen gate helps because of what its donor has learned?
# 5. What can a rating of 4 tell you about a paper, and what can it not?
# 6. Suppose all of our verdicts were *contradicted*. What would follow for the paper?
#
# ## Exercises

# %% [markdown]
# ```{exercise} What fits where
# :label: ex-sparta-overview-fit
#
# Count the gates of a ResNet-18 and of a ResNet-34 by their number of channels. Which of them have more than one place to go to?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-overview-fit
# :label: sol-sparta-overview-fit
# :class: dropdown
# ````

# %%
from collections import Counter

import torch

from robust_activations import activations, models

for network in ("resnet18", "resnet34"):
    with torch.device("meta"):  # shapes without numbers
        model = models.create(network, activation="sparta")
    gates = [module.weight for _, module in activations.modules(model)]
    numbers = sum(gate.numel() for gate in gates)
    print(f"{network}, {numbers:,} numbers; gates by channels:")
    print("  ", dict(Counter(len(gate) for gate in gates)))

# %% [markdown]
# The widths are the same, the counts are not: many gates of the smaller network serve more than once in the larger one. `models.transfer` takes the gate at
# the same relative depth within its width. Another rule is as good a guess.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Swish, if it looks at itself
# :label: ex-sparta-overview-swish
#
# Show that R2 with a 1×1 kernel is Swish with one β a channel, and that R2 with a large such kernel is close to ReLU. What does R2 do that
# Swish cannot, on two images that agree at one pixel?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-overview-swish
# :label: sol-sparta-overview-swish
# :class: dropdown
# ````

# %%
torch.manual_seed(0)
x = torch.randn(1, 1, 5, 5)
one, three = (activations.create("sparta", channels=1, kernel_size=k) for k in (1, 3))
with torch.no_grad():
    print("Swish with β = 1:", torch.allclose(one(x), torch.nn.functional.silu(x)))
    one.weight.fill_(100.0)
    print(f"from ReLU, at β = 100, at most {(one(x) - x.relu()).abs().max():.4f}")
    three.weight.normal_()
    other = torch.randn_like(x)
    other[0, 0, 2, 2] = x[0, 0, 2, 2]
    print(f"one value, two outputs: {three(x)[0, 0, 2, 2]:.3f} and {three(other)[0, 0, 2, 2]:.3f}")

# %% [markdown]
# The value in the middle is the same, its neighbours are not, and the gate opens differently. This is what *not input-independent* and *not spatially
# shared* amount to in this reading.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Go on with the gate, {doc}`/notebooks/sparta_01_attention`, or jump to the verdicts, {doc}`/notebooks/sparta_05_discussion`.
# - If you have the paper: write its formula as a class of a few lines beside R1, R2 and R3 in `activations/sparta.py`, and run the same study
#   with it. Everything else stays as it is.
# - `robust-activations run sparta --scale gpu --budget 9h` makes the most valuable runs first.
