# %% [markdown]
# # Which activation?
#
# For somebody who has to choose today. What our records say, what we would use, when the choice matters and when something else matters
# more, and how sure we are. Every number on this page, and every sentence that depends on one, is computed from the records.
#
# **At the end you will know**
#
# - which activation we would use, and for which of your purposes;
# - how far another activation moves robust accuracy, beside what a longer training or another network does;
# - what that costs at every step;
# - what our records are too few to see;
# - and, if you teach, which five figures to show.
#
# *Reading time: 10 minutes. Run time: half a minute, once the networks of the other pages are trained.*

# %%
import torch

from robust_activations import data, evaluation, paths, runs, studies
from robust_activations.attacks import PGD, Threat
from robust_activations.figures import choice, claims, measured, sanity, standings
from robust_activations.ledger import Ledger
from robust_activations.studies import protocol

records = studies.collect("all")  # trains what is missing at scale digits
judged = claims.judged()
digits = standings.standings("digits", records)
scales = [digits, *standings.recorded()]  # and what is kept of larger scales
ledgers = {one.scale: records if one.scale == "digits" else Ledger(paths.ledger(one.scale)) for one in scales}
changes = {scale: choice.changes(scale, ledger) for scale, ledger in ledgers.items()}
priced = {one.scale: choice.priced(one, measured.benchmarks()) for one in scales}

# %% tags=["remove-cell"]
from IPython.display import Markdown
from myst_nb import glue


def note(name, text):
    glue(name, str(text), display=False)


largest = scales[-1].scale
titles = {one.scale: f"scale {one.scale}: {one.title()}" for one in scales}
reported = {one.claim.id: one.claim.reported.value for one in judged}
note("short_answer", choice.answer(scales[-1], priced[largest]).replace("**", ""))
note("xie_gain", reported["sat-silu"])
note("bai_gain", reported["bai-autoattack"])

# %% [markdown]
# ## The short answer

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(choice.answer(scales[-1], priced[largest]))

# %% [markdown]
# That is what *we* measured, in small networks and short trainings. Two groups report more, in ResNet-50 on ImageNet, which no
# record of ours has been near: {cite:t}`xie2020` {glue:text}`xie_gain` from ReLU to SiLU, and {cite:t}`bai2021`
# {glue:text}`bai_gain` from ReLU to GELU, under AutoAttack. We know no measurement on ImageNet that contradicts them. So:
#
# you train adversarially, and the network is large
# : take **SiLU or GELU**. Both are in every framework, have nothing to tune, and cost a little more per step than ReLU. You would be acting
#   on the evidence of others, which is better than ours at that size.
#
# you train adversarially, and the network is small
# : the activation is not what you should think about first; the next section says what is. SiLU is a safe default where its cost does not hurt.
#
# you do not train adversarially
# : no activation makes up for that: {numref}`fig-choice-eps`. Choose it for accuracy and speed.
#
# you want the activation to learn its shape
# : do it out of curiosity, and put the shape that it starts as beside it, which is mostly as good: the table below.
#
# ## Question by question
#
# Each answer follows the verdict at the largest scale that has one; all of them, with their records: {doc}`/notebooks/claims`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
ANSWERS = {
    "ReLU or SiLU, under adversarial training?": claims.advice(
        judged,
        "sat-silu",
        supported="SiLU was more robust.",
        contradicted="ReLU was more robust.",
        undecided="Our records do not tell the two apart.",
    ),
    "Does SiLU cost accuracy on clean images?": claims.advice(
        judged,
        "sat-free",
        supported="No: it was not worse by a point.",
        contradicted="Yes, a point or more.",
        undecided="Our records cannot exclude that it costs a point.",
    ),
    "Is it worth learning the shape?": claims.advice(
        judged,
        "paf-learnable",
        supported="The learned shapes were ahead of those that they start as.",
        contradicted="No: the learned shapes were behind those that they start as.",
        undecided="Our records give no reason to.",
    ),
    "PSSiLU?": claims.advice(
        judged,
        "paf-pssilu",
        supported="It was ahead of ReLU. Compare it with SiLU too, which has nothing to learn.",
        contradicted="No: it was behind ReLU.",
        undecided="Our records do not tell it from ReLU.",
    ),
    "SPLASH?": claims.advice(
        judged,
        "splash-adversarial",
        supported="Under adversarial training it was ahead of ReLU.",
        contradicted="No: under adversarial training it was behind ReLU.",
        undecided="Under adversarial training our records do not tell it from ReLU.",
    ),
    "A gate that sees the neighbourhood (Sparta)?": claims.advice(
        judged,
        "sparta-silu",
        supported="It was ahead of SiLU. Its convolutions have their price: see below.",
        contradicted="No: SiLU, which costs no convolution, was ahead.",
        undecided="Take SiLU, which costs no convolution: our records do not tell the two apart.",
    ),
    "Can SPLASH stand in for adversarial training?": claims.advice(
        judged,
        "splash-autoattack",
        supported="Its gain without adversarial training survives AutoAttack; how little is left of either is in the next figures.",
        contradicted="No: under AutoAttack it lost even against ReLU.",
        undecided="No gain of it without adversarial training is left that AutoAttack would show.",
    ),
    "And with the weight decay tuned for each?": claims.advice(
        judged,
        "huang-tuned",
        supported="Then SiLU was not ahead of ReLU by a point.",
        contradicted="Then, too, SiLU was ahead of ReLU by a point or more.",
        undecided="Our records cannot exclude that SiLU is ahead of a tuned ReLU by a point.",
    ),
    "Does its curvature tell how robust it will be?": claims.advice(
        judged,
        "yu-curvature",
        supported="A second derivative of 5 was ahead of 0.5 and of ReLU's jump.",
        contradicted="Not as proposed: a second derivative of 5 was not ahead of 0.5 and of ReLU's jump.",
        undecided="Our records do not show the optimum that was proposed; {numref}`fig-sat-curvature` has them all.",
    ),
    "Is a longer training a substitute?": claims.advice(
        judged,
        "sat-not-longer",
        supported="No: SiLU was ahead of a ReLU that was trained twice as long.",
        contradicted="Yes, and more than that: ReLU, trained twice as long, was ahead of SiLU.",
        undecided="Our records do not tell SiLU from a ReLU that was trained twice as long.",
    ),
}
Markdown("\n".join(f"- **{question}** {answer}" for question, answer in ANSWERS.items()))

# %% [markdown]
# ## When it matters: one change at a time
#
# The protocol trains a network with ReLU ({doc}`/notebooks/protocol_01_ranking`). Among all runs of all studies we look for those that differ from
# that one *in a single thing*: another activation, another seed, twice the epochs, a narrower network, another way of training. Each is compared
# with it on the same test images under PGD-20, the strongest attack that all of them have been through.

# %% mystnb={"image": {"alt": "A row for each kind of change and a dot for each run, placed at its robust accuracy above that of the ReLU run. The dots of other activations crowd around zero and most are hollow. Dots of other kinds of change, such as longer training or a smaller network, lie further out, many of them filled.", "width": "560px"}, "figure": {"caption": "What one change to the protocol's ReLU run does to accuracy under PGD-20: a dot is a run, and full dots differ from ReLU's run beyond chance (McNemar's test on the same images, Holm's correction over all runs of the panel, and an interval that excludes 0). The outermost of each row are named; what moves accuracy by more than 15 points is an arrow at the edge. One seed each, best epoch; data, ε and n are in the titles.", "name": "fig-choice-levers"}} tags=["hide-input"]
choice.levers({titles[scale]: found for scale, found in changes.items()})

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(choice.weighed(scale, found) for scale, found in changes.items()))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown("\n\n".join(f"Scale `{scale}`:\n\n{choice.change_table(found)}" for scale, found in changes.items()))

# %% [markdown]
# *Points above ReLU's run under PGD-20 with 95 % intervals; above and below count the runs that differ beyond chance. The highest of many is
# flattered by having been chosen: that is what the correction is for.*
#
# The row of seeds is the yardstick: what lies within it, ReLU does to itself.
#
# ## What it costs

# %% mystnb={"image": {"alt": "A scatter plot: the time of a training step relative to ReLU's to the right, points above ReLU under PGD-50 upwards, one dot an activation with a vertical interval. Most elementwise activations stand between 1.05 and 1.3 times ReLU, and their intervals cross zero.", "width": "560px"}, "figure": {"caption": "Gain against price. To the right: the time of a PGD-10 training step over ReLU's, from the benchmark `step_cost` with the same network. Upwards: accuracy under PGD-50 less ReLU's on the same images, with its 95 % interval; full dots differ beyond chance after Holm's correction. First seed, best epoch; scales whose network was not timed are left out.", "name": "fig-choice-price"}} tags=["hide-input"]
choice.price({titles[scale]: found for scale, found in priced.items()})

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown("\n\n".join(f"Scale `{scale}`:\n\n{choice.price_table(found)}" for scale, found in priced.items() if found))

# %% [markdown]
# On which machine the steps were timed, and what compilation changes: {doc}`/notebooks/cost`.
#
# ## When it does not: without adversarial training
#
# The same small network on the digits, attacked at growing ε: above, networks that were trained on attacked images; below, networks that were
# not. A vertical distance between curves of a panel is what an activation is worth there; the distance between the panels is what
# adversarial training is worth.

# %%
digit = data.load("digits")
x, y = digit.test_images[:200].float() / 255, digit.test_labels[:200]
radii = (0.0, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4)
plans = {
    "ε, trained on attacked images": protocol.recipe("digits"),
    "ε, trained on clean images": lambda name: protocol.standard("digits", "digits", "digits_cnn", name, attacked=True),
}


def withstands(network, radius):
    """Accuracy under PGD-20 on the first 200 test images, with Wilson's interval."""
    attack = PGD(steps=20)
    return sanity.share(evaluation.under_attack(network, x, y, Threat("linf", f"{255 * radius:g}/255"), attack))


panels = []
for label, plan in plans.items():
    wanted = [plan(name) for name in ("relu", "silu", "pssilu", "splash", "sparta")]
    recorded = [run for run in wanted if run in records and not records[run].collapsed]
    networks = {run.activation: runs.trained(run, paths.data("digits")) for run in recorded}
    curves = {name: [withstands(network, radius) for radius in radii] for name, network in networks.items()}
    panels.append(sanity.Panel(radii, curves, label))

# %% mystnb={"image": {"alt": "Two panels of curves falling from nearly 100 percent as epsilon grows. In the upper panel, networks trained on attacked images, the curves of all activations lie close together and fall slowly. In the lower, networks trained on clean images, all fall to zero at a small epsilon.", "width": "560px"}, "figure": {"caption": "Accuracy under PGD-20 (one start) against ε, with 95 % Wilson intervals (bands), on the first 200 test images of the digits. The networks above were trained with PGD-7 at ε = 0.15, those below without attacks; first seed, best epoch. Activations that have not been trained in both ways are left out of the lower panel.", "name": "fig-choice-eps"}} tags=["hide-input"]
sanity.curves(*panels)

# %% tags=["remove-cell"]
middle = radii.index(0.1)
spans = []
for panel in panels:
    heights = [curve[middle].value for curve in panel.curves.values()]
    spans.append((min(heights), max(heights)))
note("eps_span", f"{100 * (spans[0][1] - spans[0][0]):.0f}")
note("eps_apart", f"{100 * (spans[0][0] - spans[1][1]):.0f}")

# %% [markdown]
# At ε = 0.1, activations of the upper panel are {glue:text}`eps_span` points apart. The *worst* of the upper panel stands
# {glue:text}`eps_apart` points above the *best* of the lower.
#
# ## How sure are we?

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(choice.evidence(scales))

# %% [markdown]
# *The protocol's records at each scale. Visible: the smallest difference to ReLU that McNemar's test would tell from 0 in a single comparison,
# for an activation that disagrees with ReLU on as many images as the middle one does.*
#
# - **Small effects are out of sight.** An effect below the column *visible* may well be there. Not to see it is not evidence that there is none.
# - **Seeds.** Where ReLU has one seed, the interval is that of the images alone; another training of the same network would move it.
# - **Short training.** What overfits late, or pays late, has no time to do so in a few epochs; {cite:t}`singla2021` and {cite:t}`xie2020` are about
#   long trainings.
# - **One recipe.** {cite:t}`huang2023` tune weight decay for each activation, and the order changes. Ours is tuned for none.
# - **Attacks.** PGD-50 is an upper bound. Where a record holds AutoAttack, the claims are judged by that.
#
# What would change our mind: a gain over ReLU at scale `gpu`, over three seeds, under AutoAttack. `robust-activations run protocol --scale gpu`
# makes these records, and this page changes with them. Which records there are, and where they were made: {doc}`/notebooks/records`.
#
# ## If you teach: five figures
#
# | Show | And ask |
# |---|---|
# | {numref}`fig-p1-gallery`: attacked images | Which of these would *you* get wrong? |
# | {numref}`fig-choice-eps`: accuracy against ε | What do the activations do, and what does the training do? |
# | {numref}`fig-choice-levers`: one change at a time | With a day on one machine, which of these would you change? |
# | {numref}`fig-protocol-redraws`: the ranking, redrawn | Who won? Would the same one win on other images? |
# | {numref}`fig-learned-shapes`: shapes that were learned | It moved. How would you find out whether that helped? |
#
# Each of the five is drawn by a notebook that runs on a laptop in minutes, and each of those ends with exercises.
#
# ## Summary

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "\n".join(
        [
            *(f"- {choice.weighed(scale, found)}" for scale, found in changes.items() if found),
            f"- {claims.summary(judged)}",
            "- The largest gains of smooth activations are reported for ImageNet, where we have no records.",
        ]
    )
)

# %% [markdown]
# ## Questionnaire
#
# 1. Why does a page on activations show seeds and epochs in the same figure?
# 2. The highest of thirty dots is above zero. Why is that no finding?
# 3. Which of the two panels of {numref}`fig-choice-eps` would you need to judge an activation, and which to judge a defence?
# 4. What does *visible* mean, and what must you not conclude about smaller differences?
# 5. An activation gains 1 point and costs a step 1.5 times as long. What else could that time buy?
# 6. On whose evidence would you use SiLU on ImageNet, and why not on ours?
#
# ## Exercises

# %% [markdown]
# ```{exercise} The highest of many
# :label: ex-choice-highest
#
# Suppose that no activation differed from ReLU at all, and that the differences on the test images were normal with the standard error that the
# records show. How high would the highest of the activations be on average?
# ```

# %% [markdown]
# ````{solution-start} ex-choice-highest
# :label: sol-choice-highest
# :class: dropdown
# ````

# %%
for scale, found in changes.items():
    own = [one.comparison for one in found if one.kind == choice.ACTIVATION]
    if own:
        widths = torch.tensor([one.at.high - one.at.low for one in own])
        error = float(widths.median()) / (2 * 1.96)
        draws = error * torch.randn(10_000, len(own), generator=torch.Generator().manual_seed(0))
        highest = 100 * float(draws.max(1).values.mean())
        seen = 100 * max(one.at.value for one in own)
        print(f"{scale}: {len(own)} activations, by chance {highest:+.1f} points, seen {seen:+.1f}")

# %% [markdown]
# The differences share ReLU's network, so they are not independent, and this is a rough figure. But it has the size of what was seen, or it has
# not, and that is what you need to know before you believe in a winner.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} What else the time could buy
# :label: ex-choice-time
#
# A step with GELU takes longer than one with ReLU. If that time went into more epochs of ReLU, how many would it pay for at scale `cpu`? And at
# `cpu`, what did twice the epochs bring?
# ```

# %% [markdown]
# ````{solution-start} ex-choice-time
# :label: sol-choice-time
# :class: dropdown
# ````

# %%
epochs = protocol.recipe("cpu")("relu").schedule.epochs
for one in priced.get("cpu", ()):
    if one.activation == "gelu":
        print(
            f"{(one.ratio - 1) * epochs:.1f} epochs more than {epochs}; GELU itself: {one.comparison.cells[0]} points"
        )
for one in changes.get("cpu", ()):
    if one.kind == "longer training":
        print(f"{one.label}: {one.comparison.cells[0]} points")

# %% [markdown]
# The comparison is not quite fair to GELU: the first epochs of a training bring more than the last. It is the right *question*, and papers on
# activations seldom ask it.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Your own candidate: a formula, a class of a few lines and a row in the registry, and `robust-activations run protocol --only "*mine*"`. It
#   appears on this page, in the ranking and in the tables.
# - More images: evaluate the saved networks on all 10,000 with `robust-activations evaluate`, and see how the column *visible* shrinks.
# - Where every record was made, and whether any should be doubted: {doc}`/notebooks/records`.
