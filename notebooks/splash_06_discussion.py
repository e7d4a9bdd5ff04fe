# %% [markdown]
# # SPLASH: what holds
#
# The experiments of this part end here. This page sets what the abstract of SPLASH says beside what our records say, asks the questions that a
# reviewer of today would ask, and then turns against itself: what could make these verdicts wrong, and what would it take to
# change them?
#
# **At the end you will know**
#
# - how every claim stands at each scale that we have records for, and which part of the rule decided it;
# - what held, what did not, and what cannot be said at all;
# - what a network trained without attacks is worth beside one that was trained with them;
# - what to take away if you build networks, and which runs would settle what is open.
#
# *Reading time: 15 minutes. Run time: seconds, once the networks of this part are trained; else several minutes on two cores.*

# %%
from robust_activations import studies
from robust_activations.figures import claims, critics, forest, plans
from robust_activations.figures.advice import advice, answered
from robust_activations.figures.prose import table
from robust_activations.studies import splash

records = studies.collect("splash")  # scale digits: trains what is missing
judged = claims.judged(study="splash")  # at every scale, by the records there are

# %% tags=["remove-cell"]
from IPython.display import Markdown
from myst_nb import glue

ledgers = claims.ledgers(judged)
failed, passed = critics.masking("splash", ledgers)
glue("claims", str(len({one.claim.id for one in judged})), display=False)

# %% [markdown]
# ## The claims
#
# There are {glue:text}`claims` of them. The abstract's one sentence on robustness is split by attack, and AutoAttack and adversarial
# training, of which it does not speak, are ours to add.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.summary(judged))

# %% mystnb={"image": {"alt": "One block a claim: its statement, and below it for each scale a dot with a horizontal interval around a short upright line at zero, or at minus one where the claim allows a margin. Most are grey and cross the line."}, "figure": {"caption": "The claims about accuracy, by our records: the difference in percentage points with its 95 % interval, over groups of networks where there are several, else over images. In colour: this mark, by itself, is decided (hollow: on one seed); small and grey: undecided. Where a claim has several marks at a scale, for data sets or rivals, all must agree on it; of many rivals the one on which it turns is shown. The upright line is what the interval has to lie above, 0 or a margin of a point; the p-value over images has to be below 0.05 as well. An arrow: further than 15 points. Attack, ε and n of each stand in the table below, as do claims about other things, such as distances.", "name": "fig-splash-claims"}} tags=["hide-input"]
forest.forest(judged)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.folded(judged))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.READING)

# %% [markdown]
# ### What cannot be said
#
# A verdict can rest on one seed, and its dot in the figure is hollow then. The images speak for these networks, and nothing guards against
# lucky ones. And two claims can rest on the same comparison: `splash-standard` takes the strongest attack that both networks have been
# through, and where that is AutoAttack `splash-autoattack` is no second piece of evidence.
#
# Some things cannot be said at any scale, however many runs are added, because the sentence to be tested is not complete:
#
# - *Up to 31 % more robust* names no quantity. Points of accuracy, accuracy relative to ReLU's, successful attacks avoided, longer distances:
#   {doc}`/notebooks/splash_03_robustness` computes several from the same records, and they are far apart.
# - *Superior to nine others* depends on how the nine were set: the slope of leaky ReLU, the pieces of maxout, the
#   hinges of APL. None of these was found.
# - *Places derived from the data* names no rule. {doc}`/notebooks/splash_04_choices` tries several.
#
# A gain under a weak attack that a strong one does not confirm is a gain in *resisting that attack*. The two claims on attackers who only
# query, `splash-boundary` and `splash-one-pixel`, guard against the opposite mistake: if gradients mislead the attacker, attacks that use none do better.
#
# ## What critics would ask
#
# We found no paper that repeats SPLASH's experiments. The questions below are those that the literature on evaluation asks of everybody; what our
# records say is computed.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
rows = [
    [
        "31 % of what?",
        "Quantity, attack, radius and number of images were not found. The predecessor said up to 51 %, with other networks "
        "(seen: abstracts).",
        "attacks, distances and several readings of the percent on {doc}`/notebooks/splash_03_robustness`",
        "the paper's own networks and attacks",
    ],
    [
        "Were the attacks strong enough? {cite:t}`croce2020`",
        "Black-box and open-box attacks, of which we know the kinds alone (seen: abstract). AutoAttack appeared in the same year, and is "
        "what one must test with today.",
        claims.labels(judged, "splash-autoattack"),
        "AutoAttack on all test images",
    ],
    [
        "Are gradients masked? {cite:t}`athalye2018`",
        "A function of many slopes may just be harder to follow.",
        "see *Masked gradients* below",
        "attacks that smooth the hinges away",
    ],
    [
        "Against which baseline?",
        "ReLU (seen: abstract); whether any network was trained adversarially was not found. Adversarial training is the baseline of the field "
        "{cite}`madry2018`.",
        claims.labels(judged, "splash-adversarial"),
        "full length, several radii",
    ],
    [
        "Is it the shape, or the freedom? {cite:t}`kunc2024`",
        "S = 7 usually works well (seen-2nd); what fewer or other hinges give was not found.",
        claims.labels(judged, "splash-seven"),
        "SPLASH frozen at the shape that another run has learned",
    ],
]
Markdown(table(["Question", "What is known", "Our records", "Still untested here"], rows))

# %% [markdown]
# ### Two worlds
#
# The abstract speaks of no adversarial training, so our first comparison is one among networks that were trained without attacks. How robust is any
# of them? The next table sets them beside the same networks after adversarial training, first seed, at each scale that has both. Mind ε: it is much
# larger for the latter.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(critics.levels(ledgers))

# %% [markdown]
# An image that withstands every change of one size withstands every smaller one too. So where the lower rows, at the larger ε, stand above the
# upper ones at the smaller, adversarial training has done more than the activation could, and the comparison without it is one among
# networks that all break easily. Where they do not, the table decides nothing: the larger ε is the harder test.
#
# ### Masked gradients
#
# Every record carries checks of its attacks, the five of {doc}`/notebooks/primer_03_honest_evaluation` as far as the attacks in its suite
# allow, and where AutoAttack ran, that it raised no warning. These are the activations of this part with a record that failed one, the
# nine rivals among them. What speaks against records of other parts that a verdict
# rests on: {doc}`/notebooks/records`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(f"{failed}\n\n{passed}")

# %% [markdown]
# ## What could be wrong with our reading
#
# Two choices of ours may weigh more than the unit itself: BatchNorm before every activation, and where the hinges stand. Trained without attacks, first
# seed, at the scales that have both:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(critics.settings(ledgers))

# %% [markdown]
# Read the first row of a scale beside those below it: where taking BatchNorm away, or spacing the hinges evenly, does more than SPLASH does to ReLU, a
# verdict on "SPLASH against ReLU" is one on our setting as much as on the unit. Bold: McNemar's exact test below 0.05 after Holm's correction.
#
# The settings of each scale, and of each data set, training and ε that is recorded there, bound what a page can say.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.settings("splash"))

# %% [markdown]
# the unit
# : the formula is from secondary texts that agree with each other. The places of the hinges for $S = 7$ are from a third party's code, and
#   later code of one of the authors has others, evenly spaced, which the table above sets beside ours. If the paper's rule is neither, we have
#   tested a relative of SPLASH.
#
# BatchNorm
# : stands before every unit here, of every activation. LeNet-5, All-CNN and Network-in-Network had none when they were published. If the
#   paper's had none either, it may help some of the rivals more than others; the table above says what it does to ReLU.
#
# length
# : training at `cpu` is short, and an activation that learns may need longer than one that does not. All-CNN and Network-in-Network are half as wide
#   there.
#
# radius
# : ours for networks trained without attacks. At a radius where all fall or none does, no difference can show; the distances have no radius
#   and are the better evidence.
#
# rivals
# : share the recipe, which was made for none of them. A rival that needs another learning rate looks worse than it is.
#
# number of images
# : the slow attacks see few of them. *Undecided* under AutoAttack says little; the first exercise says how little at `digits`.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.caveats(judged))

# %% [markdown]
# ## What to take away if you build networks
#
# Each answer follows the verdict at the largest scale that has one.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
ADVICE = {
    "Should SPLASH take ReLU's place to gain robustness, without adversarial training?": advice(
        judged,
        "splash-standard",
        supported="It gained under the strongest attack that we ran. Look at the level in the table above before you rely on it.",
        contradicted="No: it lost.",
        undecided="Our records give no reason to: they do not tell the two apart.",
    ),
    "Does a gain that you see under FGSM mean anything?": advice(
        judged,
        "splash-autoattack",
        supported="Here the gain was there under AutoAttack too.",
        contradicted="Not here: under AutoAttack SPLASH lost.",
        undecided="Do not count on it before AutoAttack has confirmed it. Here it has not, on the few images that it saw.",
    ),
    "Should SPLASH take the place of other activations for accuracy?": advice(
        judged,
        "splash-accuracy",
        supported="It was more accurate than each of its nine rivals.",
        contradicted="No: it was less accurate than one of its nine rivals.",
        undecided="Our records give no reason to.",
    ),
    "Which S?": advice(
        judged,
        "splash-seven",
        supported="Seven are enough: no other number, evenly spaced, was ahead by a point. Fewer may be enough as well: {doc}`/notebooks/splash_04_choices`.",
        contradicted="Not seven: another number was ahead by a point or more.",
        undecided="Seven will do as far as we can see, and fewer may: our records do not tell the numbers apart on clean images. Under attack, which the claim says nothing of, they may differ: {doc}`/notebooks/splash_04_choices`.",
    ),
    "And if you train adversarially anyway?": advice(
        judged,
        "splash-adversarial",
        supported="Then SPLASH was ahead of ReLU. Compare it with SiLU as well, which learns nothing: {doc}`/notebooks/splash_05_adversarial`.",
        contradicted="Then stay with ReLU, or better with a smooth activation: SPLASH lost.",
        undecided="Then our records do not tell SPLASH from ReLU; what is there, and how firm it is: {doc}`/notebooks/splash_05_adversarial`.",
    ),
}
Markdown(answered(ADVICE))

# %% [markdown]
# What a unit costs in time is another bill: {doc}`/notebooks/cost`.
#
# ## What would change our mind
#
# - **Robustness without adversarial training.** A longer distance under Carlini and Wagner's *and* the boundary attack, over several seeds and
#   networks. Or the paper's tables, with radius and number of images.
# - **Accuracy.** A lead over the best of the nine, not over their mean, with every rate tuned for each.
# - **The hinges.** A lead of one rule for their places that repeats over networks: then the rule matters, and ours may be the wrong one.
# - **Adversarial training.** A lead over SiLU at full length under AutoAttack.
#
# ## What to run next
#
# ```bash
# # what is missing, and how long it may take
# robust-activations status splash
# # the rest of the records at cpu
# robust-activations run splash --scale cpu
# # most valuable first, AutoAttack included
# robust-activations run splash --scale gpu --budget 9h
# # the pair alone, on every network
# robust-activations run splash --scale gpu --only "*/standard/splash/*"
# robust-activations run splash --scale gpu --only "*/standard/relu/*"
# ```
#
# ## Summary

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "\n".join(
        [
            f"- The headline, trained without attacks: {claims.labels(judged, 'splash-standard')}.",
            f"- The same under AutoAttack: {claims.labels(judged, 'splash-autoattack')}.",
            f"- With adversarial training: {claims.labels(judged, 'splash-adversarial')}.",
            "- Whether BatchNorm stands before the unit, and where its hinges stand, may move robustness more than the unit does: see the table above.",
            "- None of these numbers reproduces one of the paper's: we have seen none.",
        ]
    ).replace("<br>", "; ")
)

# %% [markdown]
# ## Questionnaire
#
# 1. Name three quantities that *31 % more robust* could be a percentage of.
# 2. Why is a distance better evidence than an accuracy at one radius, for networks that were trained without attacks?
# 3. An activation gains under FGSM and not under AutoAttack. Name two explanations.
# 4. Why does *more accurate than the nine, on average* not say that it is more accurate than the best of them?
# 5. Why do one-pixel and boundary attack help to detect masked gradients?
# 6. Which of our choices, if it were wrong, would change most of the verdicts on this page?
# 7. Under which condition may accuracies at two different ε be compared?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Few images · five minutes
# :label: ex-splash-discussion-few
#
# AutoAttack sees few of the digits. How many of them are there, on how many do ReLU and SPLASH of the first seed disagree, and how large must a difference
# be before McNemar's test can find it, even if all images on which they disagree favour the same side?
# ```

# %% [markdown]
# ````{solution-start} ex-splash-discussion-few
# :label: sol-splash-discussion-few
# :class: dropdown
# ````

# %%
from scipy.stats import binomtest

pair = splash.robustness("digits")["digits", "digits_cnn"]
first, second = (records[pair[name][0]] for name in ("splash", "relu"))
test = studies.paired(first, second, "autoattack")
print(f"{test.n} images; SPLASH alone is right on {test.only_first}, ReLU alone on {test.only_second}")
least = next(k for k in range(1, test.n + 1) if binomtest(k, k).pvalue < 0.05)
print(f"{least} images that all favour one side give p < 0.05: {100 * least / test.n:.0f} points")

# %% [markdown]
# That is the smallest difference that could be found in the best of cases. Images that favour the other side raise it. A smaller effect may well be
# there; this test cannot see it.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Choose your attack · five minutes
# :label: ex-splash-discussion-upto
#
# Judge SPLASH against ReLU at `digits` under every attack that both have been through. Which result would you put into an abstract if you could
# say *up to*, and which if you could not?
# ```

# %% [markdown]
# ````{solution-start} ex-splash-discussion-upto
# :label: sol-splash-discussion-upto
# :class: dropdown
# ````

# %%
runs, sides = splash.STUDY.runs("digits"), (splash.usual("splash"), splash.usual("relu"))
for attack in ("clean", "fgsm", "pgd20", "pgd50", "one_pixel", "autoattack"):
    verdict = studies.compare(records, runs, *sides, attack=attack)
    print(f"{verdict.label}: {claims.measured(verdict)}")

# %% [markdown]
# *Up to* takes the largest, and the largest of several numbers is above their mean even where there is no effect: this is why the claim
# `splash-standard` fixes the attack by a rule that was written before the records were.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read the other discussions: {doc}`/notebooks/paf_06_discussion` on activations with one learned parameter,
#   {doc}`/notebooks/sparta_05_discussion` on one with many.
# - Every verdict with its records and commands: {doc}`/notebooks/claims`.
# - Write the claim that you miss: a `Claim` in `studies/splash.py` is a sentence, a source and a rule, and it appears in the tables above.
