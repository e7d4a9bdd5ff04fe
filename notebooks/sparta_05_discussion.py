# %% [markdown]
# # Sparta: what holds
#
# The experiments of this part end here. This page sets what the abstracts of Sparta say beside what our records say of three readings of it, asks the
# questions that a reviewer would ask, and then turns against itself: how much can a verdict on *our* formula say about theirs?
#
# **At the end you will know**
#
# - how every claim stands at each scale that we have records for, and which part of the rule decided it;
# - what held, what did not, and what cannot be said at all;
# - how to attack a network whose activations look at the input, and what an attack that forgets this would report;
# - what to take away if you build networks, and which runs would settle what is open.
#
# *Reading time: 14 minutes. Run time: seconds, once the networks of this part are trained; else several minutes on two cores.*

# %%
from robust_activations import activations, data, paths, runs, studies
from robust_activations.attacks import PGD
from robust_activations.evaluation import under_attack
from robust_activations.figures import claims, comparisons, critics, forest, plans, tables
from robust_activations.figures import sparta as attention
from robust_activations.figures.advice import advice, answered
from robust_activations.figures.style import title
from robust_activations.studies import sparta

records = studies.collect("sparta")  # scale digits: trains what is missing
judged = claims.judged(study="sparta")  # at every scale, by the records there are
trained = sparta.objectives("digits")["pgd_at"]

# %% tags=["remove-cell"]
from IPython.display import Markdown
from myst_nb import glue

from robust_activations.figures.prose import listed, p_value, points, table

ledgers = claims.ledgers(judged)
failed, passed = critics.masking("sparta", ledgers)
glue("claims", str(len({one.claim.id for one in judged})), display=False)

# %% [markdown]
# ## The claims
#
# There are {glue:text}`claims` of them. Where a claim names a reading, R1, R2 or R3, it is a claim on that reading; the transfers use R2.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.summary(judged))

# %% mystnb={"image": {"alt": "One block a claim: its statement, and below it for each scale a dot with a horizontal interval around a short upright line at zero, or at minus one where the claim allows a margin. Most are grey and cross the line."}, "figure": {"caption": "The claims about accuracy, by our records: the difference in percentage points with its 95 % interval, over groups of networks where there are several, else over images. In colour: this mark, by itself, is decided (hollow: on one seed); small and grey: undecided. Where a claim has several marks at a scale, for data sets or rivals, all must agree on it; of many rivals the one on which it turns is shown. The upright line is what the interval has to lie above, 0 or a margin of a point; the p-value over images has to be below 0.05 as well. An arrow: further than 15 points. Attack, ε and n of each stand in the table below, as do claims about other things, such as distances.", "name": "fig-sparta-claims"}} tags=["hide-input"]
forest.forest(judged)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.folded(judged))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.READING)

# %% [markdown]
# ### What cannot be said
#
# A verdict can rest on one seed, and its dot in the figure is hollow then. The images speak for these networks, and nothing guards against
# lucky ones. Where a claim is tested on several datasets, all must give the same verdict; else it is undecided.
#
# R1, R2 and R3 are *our* readings. R3 is the funnel activation of {cite:t}`ma2020`, an independent paper: a claim on R3 that did not hold says nothing
# against {cite:t}`guo2021`, unless R3 is what they meant.
#
# And this cannot be said at any scale, however many runs are added:
#
# - whether Sparta, as its authors define it, does what they report. We have neither their formula nor their numbers.
# - whether a claim that failed here failed because the idea is wrong, or because our reading is.
# - whether one that held here held for the reason that they give: other forms may do the same. The controls narrow it down, and no more.
#
# The claims build on each other. R2 starts as SiLU, so a gain over ReLU alone may be SiLU's: it takes `sparta-silu` and `sparta-smooth` to give it to
# the gate, `sparta-spatial` and `sparta-input` to give it to *attention*, and `sparta-learned-elsewhere` to give a transfer to what was learned. A
# frozen gate beats ReLU for no better reason than SiLU does, if a gate that nobody trained beats it too.
#
# ## What critics would ask
#
# Four reviewers rated the submission of 2020, at 5, 4, 4 and 6, and it was withdrawn (seen: a public collection of ratings; OpenReview). What they wrote
# was not found, so the questions below are ours. What our records say is computed.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
rows = [
    [
        "Where is the formula?",
        "Not in any text that we found; code came with the submission (seen) and is not public.",
        claims.labels(judged, "sparta-relu", "sparta-r1", "sparta-r3"),
        "the paper's own form",
    ],
    [
        "Is it the gate, or smoothness?",
        "Related to Swish (seen: abstract of 2020). Smooth activations alone are reported to gain over ReLU {cite}`xie2020`.",
        claims.labels(judged, "sparta-silu", "sparta-smooth"),
        "full length; several seeds of the smooth rivals above scale `digits`",
    ],
    [
        "Is it attention, or more parameters and more pixels?",
        "A gate adds weights and widens what a unit sees.",
        claims.labels(judged, "sparta-spatial", "sparta-input", "sparta-denoising"),
        "a 3×3 convolution of equal size without a gate",
    ],
    [
        "Does the input-dependent gate mask gradients? {cite:t}`athalye2018`",
        "A function that changes with its input can hide from an attack that follows it.",
        "see *Masked gradients* below",
        "AutoAttack in full, below scale `gpu`, on networks trained with attacks (for three of its four attacks see {doc}`/notebooks/sparta_02_readings`); attacks made for the gate",
    ],
    [
        "Was the attack adaptive? {cite:t}`tramer2020`",
        "White-box robustness is claimed (seen: abstract); whether gradients flowed through the gate was not found.",
        "gradients flow through the gate in all attacks of this book; the next section shows what happens if not",
        "attacks that push a gate shut before they push the logits",
    ],
    [
        "Is the transfer more than a good start?",
        "Compared with ReLU (seen: abstract); with a random gate: not found.",
        claims.labels(judged, "sparta-learned-elsewhere"),
        "gates of several donors; other rules of which gate goes where",
    ],
]
Markdown(table(["Question", "What is known", "Our records", "Still untested here"], rows))

# %% [markdown]
# ### An attack that forgets the gate
#
# The gate is a part of the network, and a white-box attacker knows it. In PyTorch its gradient is taken without further ado. But suppose that an evaluation treats it as a
# constant, by a `detach` in the wrong place or because the gate is computed by code that gradients cannot pass. The network's outputs are the same, and so is
# its true robustness. What is reported?

# %%
digits = data.load("digits")
images, labels = digits.test_images.float() / 255, digits.test_labels
network = runs.trained(trained["sparta"], paths.data("digits"))
threat, attack = trained["sparta"].threat, PGD(steps=20)

right = {"through the gate": under_attack(network, images, labels, threat, attack)}
for _, module in activations.modules(network):
    module.g = lambda x, g=module.g: g(x).detach()  # the same value, no gradient
right["the gate a constant"] = under_attack(network, images, labels, threat, attack)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
from robust_activations.figures.sanity import share
from robust_activations.stats import mcnemar

rows = []
for name, own in right.items():
    value, low, high = share(own)
    rows.append([name, f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]", f"{len(own)}"])
test = mcnemar(right["the gate a constant"].numpy(), right["through the gate"].numpy())
low, high = test.interval
said = (
    f"Of one and the same network the second attack reports a robustness that differs by {points(test.difference)} points "
    f"[{points(low)}, {points(high)}] (McNemar p: {p_value(test.p)}, n = {test.n})."
)
Markdown(table(["PGD-20 with gradients that take", "Right under attack, %", "n"], rows) + f"\n\n{said}")

# %% [markdown]
# Whatever the size of the difference here: the number that counts is that of the stronger attack, image by image the worse of the two. Nothing in an accuracy tells
# which kind of attack it comes from. That is why the claim *white-box* should always say what the gradients went through.
#
# ### Masked gradients
#
# Every record carries checks of its attacks ({doc}`/notebooks/primer_03_honest_evaluation`); one of them is a comparison with Square, which uses no
# gradient: images that it breaks and PGD-50 leaves are the symptom. Has any record of this part failed one?
# Verdicts may rest on records of other parts too; what speaks against any of those stands in {doc}`/notebooks/records`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(f"{failed}\n\n{passed}")

# %% [markdown]
# ## What could be wrong with our reading
#
# The settings first; what a page can say is bounded by them.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.settings("sparta"))

# %% [markdown]
# the formula
# : R1, R2 and R3 are readings of an abstract. A gate with more layers, a softmax over places, one map for all channels: each fits the words as well, and none
#   is tested here.
#
# the transfer
# : which gate goes where is our rule, and the kernels alone are frozen. At `digits` *deeper* means twice as many convolutions of a small network, and *another
#   dataset* means MNIST shrunk to 8×8 pixels: other hands, not another world.
#
# scale
# : small images leave little room for attention. At 8×8 pixels a 3×3 gate sees a seventh of the map in the first layer and all of it in the last.
#
# training
# : one-step training (N-FGSM, at `cpu`) is not PGD adversarial training. It is cheaper and can collapse, and three epochs are
#   short for kernels that have to be learned.
#
# the attack
# : at the two small scales the strongest in the records is PGD, for most runs; AutoAttack comes at `gpu`.
#
# rivals
# : share the recipe and are not tuned one by one.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.caveats(judged))

# %% [markdown]
# ## What to take away if you build networks
#
# Each answer follows the verdict at the largest scale that has one.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
ADVICE = {
    "Should a 3×3 gate (R2) take ReLU's place in adversarial training?": advice(
        judged,
        "sparta-relu",
        supported="It was ahead. Look at the next line before you pay for it.",
        contradicted="No: it was behind.",
        undecided="Our records give no reason to.",
    ),
    "Or is SiLU enough, which costs no convolution?": advice(
        judged,
        "sparta-silu",
        supported="The gate was ahead of SiLU too.",
        contradicted="SiLU is enough: the gate was behind it.",
        undecided="As far as we can see: our records do not show that the gate adds anything to SiLU.",
    ),
    "Does it cost clean accuracy?": advice(
        judged,
        "sparta-clean",
        supported="No, it was more accurate than ReLU on clean images.",
        contradicted="Yes, it was less accurate than ReLU on clean images.",
        undecided="Our records do not tell it from ReLU on clean images.",
    ),
    "Must the gate see neighbours?": advice(
        judged,
        "sparta-spatial",
        supported="Yes, in R1: the 3×3 gate was ahead of one that sees its own place alone.",
        contradicted="No, in R1: the gate that sees its own place alone was ahead.",
        undecided="Our records do not show that it must (R1); a 1×1 gate is cheaper.",
    ),
    "Is it worth freezing the gates of another network?": advice(
        judged,
        "sparta-learned-elsewhere",
        supported="What the donor had learned was better than a random gate.",
        contradicted="No: a random gate was better.",
        undecided="Our records do not tell a donor's gate from a random one.",
    ),
}
Markdown(answered(ADVICE))

# %% [markdown]
# What a gate costs in time is another bill: {doc}`/notebooks/cost`.
#
# ## What would change our mind
#
# - **The formula.** The paper's own, run in the same study, ahead where R2 is not. Then our reading was wrong.
# - **The gate.** R2 ahead of SiLU over several seeds under AutoAttack, at full length.
# - **Attention.** The 3×3 gate ahead of the 1×1 gate *and* of a network that got the same number of weights elsewhere.
# - **The transfer.** A frozen gate of a robust donor ahead of one of a donor trained without attacks, and of a random one.
#
# ## What to run next
#
# ```bash
# # what is missing, and how long it may take
# robust-activations status sparta
# # the rest of the records at cpu
# robust-activations run sparta --scale cpu
# # most valuable first, AutoAttack included
# robust-activations run sparta --scale gpu --budget 9h
# # three seeds of R2 and of SiLU
# robust-activations run protocol --scale gpu --only "*/sparta/*"
# robust-activations run protocol --scale gpu --only "*/silu/*"
# ```
#
# ## Summary

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "\n".join(
        [
            f"- Our reading R2 over ReLU: {claims.labels(judged, 'sparta-relu')}.",
            f"- And over SiLU, as which it starts: {claims.labels(judged, 'sparta-silu')}.",
            f"- What the donor learned: {claims.labels(judged, 'sparta-learned-elsewhere')}.",
            "- All of this is about our readings. The paper's formula and its numbers were not available to us.",
        ]
    ).replace("<br>", "; ")
)

# %% [markdown]
# ## Questionnaire
#
# 1. R2 is ahead of ReLU and level with SiLU. What has been shown?
# 2. Which control separates *attention* from *more parameters*, and which of ours comes closest to it?
# 3. A frozen gate beats ReLU in a new network, and a frozen random gate does too. What does the transfer rest on?
# 4. Why can an attack that treats a gate as a constant only overrate a network, never underrate it?
# 5. What would masked gradients look like under Square, which uses none?
# 6. Which sentence of the abstract could be refuted without knowing the formula? Is there any?
# 7. Why is *withdrawn* no evidence against a claim?
#
# ## Exercises

# %% [markdown]
# ```{exercise} One by one · five minutes
# :label: ex-sparta-discussion-holm
#
# Compare each reading and each rival with ReLU at `digits`, adversarially trained, on the same images, and correct for having made so many
# comparisons. Is any reading ahead of all rivals?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-discussion-holm
# :label: sol-sparta-discussion-holm
# :class: dropdown
# ````

# %% mystnb={"markdown_format": "myst"}
rows = attention.rows(trained, records)
others = [row for name, row in rows.items() if name != "relu"]
Markdown(tables.paired_table(rows["relu"], others))

# %% [markdown]
# Differences to ReLU that overlap do not order the others among themselves. To ask whether a reading is ahead of a rival, the two must be compared with each
# other, on the same images, as the claims do:

# %%
rivals = [row for name, row in rows.items() if name not in sparta.READINGS]
ahead = []
for name in sparta.READINGS:
    tests = comparisons.against(rows[name], rivals)  # Holm's correction
    better, worse, _ = comparisons.told_apart(tests)
    print(f"{title(name)}, of {len(rivals)} rivals beyond chance", end=" ")
    print(f"ahead of {len(worse)}, behind {len(better)}")
    if len(worse) == len(rivals):
        ahead.append(title(name))
print("ahead of all rivals:", listed(ahead))

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} The worse of two attacks · five minutes
# :label: ex-sparta-discussion-worst
#
# On how many images does the attack that forgets the gate succeed where the full one fails? What accuracy is left if an image counts as
# right only when it withstands both?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-discussion-worst
# :label: sol-sparta-discussion-worst
# :class: dropdown
# ````

# %%
full, blind = right.values()
print(
    f"it alone succeeds on {int((full & ~blind).sum())} images, the full attack alone on {int((blind & ~full).sum())}"
)
print(f"{100 * float((full & blind).float().mean()):.1f} % withstand both")

# %% [markdown]
# Weak attacks sometimes find what strong ones miss, because no attack on a network is complete. An ensemble that keeps the worst result for each image uses this, and
# AutoAttack is one {cite}`croce2020`.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read the other discussions: {doc}`/notebooks/splash_06_discussion` on the other paper that we could not read, {doc}`/notebooks/sat_07_discussion` on smooth
#   activations, SiLU among them.
# - Every verdict with its records and commands: {doc}`/notebooks/claims`.
# - Write the reading that you miss: a class of a few lines in `activations/sparta.py`, and a name in `READINGS` of `studies/sparta.py`.
