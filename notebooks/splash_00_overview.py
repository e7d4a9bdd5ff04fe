# %% [markdown]
# # SPLASH: the paper on one page
#
# May an activation be a broken line whose breaks stand still and whose slopes are learned? Tavakoli, Agostinelli and Baldi
# say that such a unit is more accurate than nine others, and that networks become more robust when it simply takes ReLU's place
# {cite}`tavakoli2021`. This page says what they claim, how little of it we could read, which choices are therefore ours, and
# on which page each question is tested.
#
# **At the end you will know**
#
# - what the paper claims in its versions, with source and mark, and what changed between them;
# - what could not be read, and what stands in its place here;
# - which page answers which question, and with how many runs at which scale;
# - which other function goes by the same name.
#
# *Reading time: 14 minutes. Run time: seconds, once the networks of this part are trained; the first page of the part that runs
# trains them, in several minutes on two cores.*

# %%
from robust_activations import activations, studies
from robust_activations.figures import catalogue, claims, plans, style
from robust_activations.figures.prose import table
from robust_activations.studies import splash

studies.collect("splash")  # scale digits: trains what is missing
published = splash.accuracy("paper")["cifar10", "resnet20"]["splash"][0]

# %% tags=["remove-cell"]
import torch
from IPython.display import Markdown
from myst_nb import glue

from robust_activations.figures.rows import data_title

judged = claims.judged(study="splash")
glue("claims", str(len({one.claim.id for one in judged})), display=False)
glue("radius", published.threat.eps, display=False)

# %% [markdown]
# ## The idea
#
# ReLU is a broken line with one hinge. Give it more hinges, on both sides of 0 at the same places $\pm b_s$, and let training set how much the
# slope changes at each of them:
#
# $$
# \varphi(z) = \sum_{s=1}^{(S+1)/2} a^+_s \max(0,\; z - b_s) \;+\; \sum_{s=1}^{(S+1)/2} a^-_s \max(0,\; -z - b_s).
# $$ (eq:splash-overview)
#
# The first hinge is at $b_1 = 0$. $S$ is the number of hinges, odd, because the one at 0 is its own mirror image. Only the $a$ are learned, $S + 1$ numbers. The
# name stands for *simple piecewise linear and adaptive function with symmetric hinges* (seen-2nd: {cite:t}`kunc2024`), and the abstract
# names four properties: continuous; zero at 0; hinges that are symmetric; and hinges whose places come from the data instead of being learned
# (seen). With $a^+ = (1, 0, \dots)$ and $a^- = 0$ it is ReLU.
#
# The argument is one of economy: a broken line with everything free has many parameters, and each of the four properties takes some away. What is left
# is cheap enough to be had in every layer, and rich enough, the authors say, to approximate a wide range of functions (seen: abstract). What
# that is worth is measured in {doc}`/notebooks/splash_01_unit`.
#
# ## One idea, three texts
#
# | | Symmetric-APL, September 2019 {cite}`tavakoli2019` | Preprint, June 2020 {cite}`tavakoli2020` | Journal, 2021 {cite}`tavakoli2021` |
# |---|---|---|---|
# | Where | submitted to ICLR 2020 (seen: OpenReview) | arXiv 2006.08947 (seen) | Neural Networks 140 (seen: PubMed) |
# | Networks of the abstract | LeNet, Network-in-Network, ResNet-18 (seen) | LeNet-5, All-CNN, ResNet-20, Network-in-Network (seen) | the same, and larger ones for ImageNet (seen) |
# | Data of the abstract | | MNIST, CIFAR-10, CIFAR-100 (seen) | and ImageNet (seen) |
# | Places of the hinges | | derived from the data (seen) | *fixed* places, derived from the data (seen) |
# | Headline, against ReLU | up to 51 % more resistant (seen) | up to 31 % more robust (seen) | the same (seen) |
# | Attacks | black-box and open-box (seen) | black-box and open-box (seen) | black-box and white-box (seen) |
#
# Same authors, same question, and the headline went from 51 to 31 % while the networks changed (derived from the abstracts). This
# is no contradiction: *up to* is a maximum over attacks and networks, and a maximum moves when its list does. But it is a first
# hint of how much weight one such number can bear; {doc}`/notebooks/splash_03_robustness` looks at what the percent could mean.
#
# ### What could be read
#
# | Fact | Mark | Source |
# |---|---|---|
# | the four properties; the claims of accuracy and robustness; names of data and networks | seen | abstract of the preprint |
# | a motivation by expressive power against simplicity; hinges as joins of line segments | seen | start of the introduction, some 2,000 characters |
# | {eq}`eq:splash-overview`, $S$ odd, hinges at $\pm b$, one set of coefficients a layer | seen-2nd | {cite:t}`kunc2024`, section 4.30; code of third parties |
# | $(S + 1)/2$ terms a side | seen | later code of one of the authors |
# | $b_1 = 0$; $S + 1$ learned numbers | derived | from the number of segments |
# | $S = 7$ usually works well | seen-2nd | {cite:t}`kunc2024` |
# | hinges at 0, 1, 2, 2.5 for $S = 7$ | seen-2nd | code of a third party |
# | hinges equally spaced up to 2.5 | seen | later code of one of the authors |
# | starts as ReLU | seen | later code of one of the authors, and of a third party |
# | the nine rivals by name | seen-2nd | related work of a later paper |
# | the rule that derives the hinges from the data; whether anything else than ReLU was tried as a start | not found | |
# | optimiser, schedule, augmentation, number of runs, where BatchNorm stood | not found | |
# | attacks, their radius and steps, number of images; 31 % *of what* | not found | |
# | every cell of every result table, ImageNet's too | not found | |
# | whether anything was trained adversarially | not found | the abstract speaks of no such thing |
#
# The list of code at Papers with Code has no entry for it (seen). So nothing in this part reproduces a table: we have seen none. What we can do is to
# take the *question* of the abstract, fix what it leaves open in the sight of all, and run the other choices beside ours.
#
# ```{warning}
# **Another function goes by this name.** A third party's package expands SPLASH as *symmetric piecewise linear adaptive squashing hinge*, names
# another author, and ties the two sides to *one* coefficient (seen: its code). What it implements is an even function,
# $\varphi(-z) = \varphi(z)$. That one can be neither ReLU nor the identity, whatever it learns: the
# exercise below checks it. In the paper the *hinges* are symmetric, and the function need not be. One author's later library, on the other hand,
# adds a learned bias (seen: its code), with which the unit is no longer 0 at 0. Whoever compares with SPLASH should say which one.
# ```
#
# ## The claims
#
# There are {glue:text}`claims` that we test. Some are ours to make: the abstract says nothing of them, and their line says so.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.reported(judged))

# %% [markdown]
# The abstract makes one statement on robustness. We split it by attack, because *up to 31 %* does not say under which one; which
# attacks the paper used, beyond their kinds, was not found. FGSM, Carlini and Wagner's, the boundary and the one-pixel attack are our choice of what was
# usual then, and AutoAttack is what one would ask for today {cite}`croce2020`.
#
# ## The ten activations
#
# SPLASH and the nine that it is compared with. *Swish* is read as SiLU. Slope and pieces of the others follow their own papers, as far
# as these say; those of the comparison were not found.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
torch.manual_seed(0)
rows = []
for name in ("splash", *splash.NINE):
    rows.append([f"**{style.title(name)}**", catalogue.definition(name), catalogue.learned(name)])
Markdown(table(["Activation", "φ(z)", "Learned, at the start"], rows))

# %% [markdown]
# ## What is our choice
#
# Each of these is stated again on the page where it is made. Where the last column is not empty, its alternatives are run beside it.
#
# | Choice | Ours | Because | Run beside it |
# |---|---|---|---|
# | number of hinges | $S = 7$ | a survey says so (seen-2nd) | $S$ = 3, 5, 9, 15 |
# | their places | 0, 1, 2, 2.5 | the only list for $S = 7$ that we found (seen-2nd) | equally spaced; quartiles of the absolute value of a normal; learned |
# | what the data have to do with it | BatchNorm directly before each unit, hinges in its units | third parties' code has it so (seen-2nd) | without BatchNorm, where LeNet-5 is used |
# | start | ReLU | later code of one of the authors (seen) | leaky ReLU; the identity |
# | sharing | one set a layer | the survey's index (seen-2nd) | one a network; one a channel |
# | bias, penalty on $a$ | none | without a bias φ(0) = 0 (seen: abstract) | |
# | when $a$ is learned | always | nothing was found on it | in the second half only; in the first half only, then frozen |
# | radius of the attacks | an eighth of the usual one on CIFAR ({glue:text}`radius`), 0.1 on MNIST, a third on the digits | a network that was never attacked in training is expected to withstand next to nothing at the usual radius | distances, which need no radius |
# | recipe | that of the book | nothing was found | |
#
# (splash-map)=
# ## If you are in a hurry

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
PAGES = {
    "splash_01_unit": "What can the unit represent, and with how many parameters?",
    "splash_02_accuracy": "Is it more accurate than nine others?",
    "splash_03_robustness": "Is it more robust than ReLU without adversarial training, and what can *up to 31 %* mean?",
    "splash_04_choices": "What is each of our choices worth?",
    "splash_05_adversarial": "What is left of it under adversarial training?",
    "splash_06_discussion": "What holds, what cannot be said, and what should be run next?",
    "claims": "Just the verdicts, with their records?",
}
Markdown(plans.pages(PAGES))

# %% [markdown]
# The pages can be read alone. {doc}`/notebooks/splash_01_unit` explains the unit that all the others use;
# {doc}`/notebooks/splash_03_robustness` and {doc}`/notebooks/splash_05_adversarial` belong together, because they ask the same question in two
# worlds: networks that were never attacked in training, and networks that were.
#
# ## What is run
#
# The experiments are functions in `studies/splash.py` that give runs; the pages draw what their records hold. This is how many
# of the runs of each are recorded, and of how many. Experiments share runs: the attacked pairs are among those of the comparison of ten.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
EXPERIMENTS = {
    "Ten activations, clean images: {doc}`/notebooks/splash_02_accuracy`": splash.accuracy,
    "Two of them, read otherwise: {doc}`/notebooks/splash_02_accuracy`": splash.readings,
    "ReLU and SPLASH under every attack: {doc}`/notebooks/splash_03_robustness`": splash.robustness,
    "One choice made otherwise: {doc}`/notebooks/splash_04_choices`": splash.choices,
    "Adversarial training: {doc}`/notebooks/splash_05_adversarial`": splash.adversarial,
    "Its further seeds: {doc}`/notebooks/splash_05_adversarial`": splash.seeds_of,
}
Markdown(plans.experiments(EXPERIMENTS))

# %% [markdown]
# Each scale has its own data, networks and length of training. The table shows the first run of each, and of each
# data set, training and ε that is recorded there.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.settings("splash"))

# %% [markdown]
# And this is what it costs.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.costs("splash"))

# %% [markdown]
# ## The recipe, and what of it was published
#
# For the other papers of this book scale `paper` is the published recipe. Here it is our recipe at full length, printed from the `Run` of
# SPLASH in a ResNet-20 on CIFAR-10. Where nothing stands in brackets, nothing was found.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
SEEN = {name: (word, "seen: abstract") for name, word in (("Data", data_title(published)), ("Network", published.model))}
Markdown(plans.unpublished(published, SEEN))

# %% [markdown]
# The whole grid at scale `paper`:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.grid(splash.STUDY.runs("paper")))

# %% [markdown]
# The two runs on ImageNet stand for the sentence that the journal's abstract adds. Which network it means is not known to us.
#
# ## To run it again
#
# ```bash
# # what is recorded and what is missing
# robust-activations status splash
# # what this book trains live, in minutes
# robust-activations run splash
# # MNIST and CIFAR on two cores
# robust-activations run splash --scale cpu
# # one place of it
# robust-activations run splash --scale cpu --only "mnist/lenet5/*"
# ```
#
# A run can be stopped and started again; what is recorded is not made twice.
#
# ## Summary
#
# - SPLASH is a broken line with fixed, symmetric hinges; training sets the slopes.
# - We could read an abstract and the start of an introduction. The formula is confirmed by secondary texts; no result table was found.
# - {glue:text}`claims` claims are judged from records, scale by scale; the abstract's one sentence on robustness is split by attack.
# - Every choice that the sources leave open is stated, and most have their alternatives run beside them.
#
# ## Questionnaire
#
# 1. Which four properties define the unit, and which of them makes $\varphi(0) = 0$?
# 2. Why is $S$ odd, and why are there $S + 1$ learned numbers?
# 3. Why can the headline fall from 51 to 31 % without anybody having been wrong?
# 4. What does BatchNorm have to do with the places of the hinges?
# 5. Which line of the table of what could be read would you look up first if you had the paper, and why?
# 6. In which sense are the hinges symmetric, and in which is the function not?
#
# ## Exercises

# %% [markdown]
# ```{exercise} One coefficient for both sides
# :label: ex-splash-overview-tied
#
# Build a unit with $a^- = a^+$ and show on random numbers that it is even. How close can such a unit come to ReLU on $[-3, 3]$, in the
# mean square, whatever its coefficients?
# ```

# %% [markdown]
# ````{solution-start} ex-splash-overview-tied
# :label: sol-splash-overview-tied
# :class: dropdown
# ````

# %%
tied = activations.create("splash", share="layer")
z = torch.linspace(-3, 3, 601)
with torch.no_grad():
    tied.a_pos.copy_(torch.randn_like(tied.a_pos))
    tied.a_neg.copy_(tied.a_pos)
    print("even for random coefficients:", torch.allclose(tied(z), tied(-z), atol=1e-6))
nearest = z.abs() / 2  # the mean of ReLU at z and at -z: no even function comes closer
print(f"best even function: root mean square error {(nearest - z.relu()).square().mean().sqrt():.3f}")
print(f"ReLU itself has a root mean square of {z.relu().square().mean().sqrt():.3f}")

# %% [markdown]
# Of all even functions $\lvert z \rvert / 2$ is closest to ReLU, because at each $z$ it takes the mean of what ReLU says at $z$ and at $-z$. A
# network could mend some of this in the layers around it; but the unit is not the paper's, and does not start as ReLU.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} What it adds
# :label: ex-splash-overview-count
#
# How many numbers does SPLASH add to LeNet-5, ResNet-20, All-CNN and Network-in-Network, and what share of all parameters is that?
# ```

# %% [markdown]
# ````{solution-start} ex-splash-overview-count
# :label: sol-splash-overview-count
# :class: dropdown
# ````

# %%
from robust_activations import models

for network in ("lenet5", "resnet20", "all_cnn", "nin"):
    model = models.create(network, activation="splash")
    own = sum(p.numel() for p in activations.parameters(model))
    every = sum(p.numel() for p in model.parameters())
    print(f"{network:9} {own:4} of {every:9,}, {own / every:.3%}")

# %% [markdown]
# $S + 1$ for each place where an activation stands. If such a handful of numbers moved robustness by a third, it would be by their place, not by their
# number.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Go on with the unit, {doc}`/notebooks/splash_01_unit`, or jump to the verdicts, {doc}`/notebooks/splash_06_discussion`.
# - If you have the paper: compare its section on hinges with our table of choices, and its tables with our records. Each line that you can fill
#   turns a choice of ours into a fact.
# - `robust-activations run splash --scale gpu --budget 9h` makes the most valuable runs first.
