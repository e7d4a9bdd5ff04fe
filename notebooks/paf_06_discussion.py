# %% [markdown]
# # Parametric activations: what holds
#
# The experiments of this part end here. This page sets what the two papers report beside what our records say, lets the critics speak, and
# then turns against itself: what could make these verdicts wrong, and what would it take to change them?
#
# **At the end you will know**
#
# - how every claim of both versions stands at each scale that we have records for, and which part of the rule decided it;
# - what five other papers object, and what our records say to each;
# - where this reproduction is weak;
# - which runs would settle what is open, and the commands that make them.
#
# *Reading time: 12 minutes. Run time: seconds, once the networks of this part are trained; else several minutes on two cores.*

# %%
from robust_activations import studies
from robust_activations.figures import claims, critics, forest, learned, plans, style
from robust_activations.figures import paf as frozen
from robust_activations.studies import paf_claims

studies.collect("paf")  # scale digits: trains what is missing
judged = claims.judged(study="paf")  # at every scale, by the records there are

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import note, table

ledgers = claims.ledgers(judged)
authors = [one for one in judged if one.claim.citation in ("dai2021", "dai2022")]
others = [one for one in judged if one not in authors]
note("claims", len({one.claim.id for one in authors}))

# %% [markdown]
# ## The claims
#
# The authors' own come first, {glue:text}`claims` from both versions; where only one version makes a claim, the statement says which. The others
# are claims of other papers about the same question.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"**The authors' claims.** {claims.summary(authors)}\n\n**Their critics' claims.** {claims.summary(others)}")

# %% mystnb={"image": {"alt": "One block a claim: its statement, and below it for each scale a dot with a horizontal interval around a short upright line at zero, or at minus one where the claim allows a margin. Most are grey and cross the line."}, "figure": {"caption": "The claims about accuracy, by our records: the difference in percentage points with its 95 % interval, over groups of networks where there are several, else over images. In colour: this mark, by itself, is decided (hollow: on one seed); small and grey: undecided. Where a claim has several marks at a scale, for data sets or rivals, all must agree on it; of many rivals the one on which it turns is shown. The upright line is what the interval has to lie above, 0 or a margin of a point; the p-value over images has to be below 0.05 as well. An arrow: further than 15 points. Attack, ε and n of each stand in the table below, as do claims about other things, such as distances.", "name": "fig-paf-claims"}} tags=["hide-input"]
forest.forest([*authors, *others])

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.folded([*authors, *others]))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.READING)

# %% [markdown]
# ### Eight activations, one verdict
#
# `paf-learnable` takes all eight together, and they need not go the same way. One by one, on the same images, against what each starts as:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(learned.one_by_one(scale, records) for scale, records in ledgers.items()))

# %% [markdown]
# Their accuracies are in {doc}`/notebooks/paf_04_learnable`, and where their parameters went, in {doc}`/notebooks/paf_05_what_they_learn`.
#
# ### The two versions against each other
#
# The versions differ on the negative side, and our records hold both experiments: that of 2021 (`paf-positive-outputs`, `paf-high-curvature`) in
# networks trained on clean images, and that of 2022 (`paf-negative-side`, `paf-near-zero`) in adversarially trained ones.
# # Both versions can be right at once: they speak of different networks. What would be a mistake is to carry a finding over from networks
# trained on clean images, which were never asked to withstand anything, to adversarially trained ones.
#
# ## The critics
#
# Five papers have something to say to these claims; two of them, of 2021, are older than the preprint. What they say is theirs, with source and mark; what our records say is computed.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
rows = [
    [
        "{cite:t}`singla2021`",
        "Low curvature shrinks the standard and the robust generalisation gap, even that of Leaky ReLU, which has a kink (seen: "
        "abstract; numbers not found). Against *high finite curvature*.",
        claims.labels(judged, "singla-gap", "singla-leaky"),
        "long training, where robust overfitting shows; the gap on clean images",
    ],
    [
        "{cite:t}`huang2023`",
        "Earlier comparisons used small models and one set of hyper-parameters. With the weight decay tuned for each activation, smooth "
        "ones mostly do not beat ReLU under TRADES; under an advanced recipe SiLU does (seen: full text; figures only).",
        claims.labels(judged, "huang-tuned"),
        "their three weight decays under TRADES at full length; the advanced recipe",
    ],
    [
        "{cite:t}`peng2023`",
        "Smooth activations without parameters are to be preferred, over PSiLU and PSSiLU too (seen-2nd: a note; numbers not found). In "
        "their code weight decay acts on α and β (derived from it).",
        claims.labels(judged, "peng-no-parameters"),
        "ImageNet, their networks",
    ],
    [
        "{cite:t}`yu2026`",
        "Robustness is best where max abs. φ″ lies in [4, 10] (seen: abstract). For PSiLU, whose curvature is α/2, that is α from 8 "
        "to 20 (derived).",
        claims.labels(judged, "yu-curvature"),
        "other families of the same curvature",
    ],
    [
        "{cite:t}`pang2021`",
        "A slightly different weight decay can move robust accuracy by more than 7 points, as much as an activation; fix it before "
        "comparing (seen: abstract and README).",
        "see the table on weight decay below",
        "weight decays between and beyond ours",
    ],
]
Markdown(table(["Who", "What they say", "Our records", "Still untested here"], rows))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(frozen.without_parameters(ledgers))

# %% [markdown]
# ### Three papers, one parameter
#
# Low, high but finite, between 4 and 10: three papers recommend three curvatures, and one parameter visits them all. PSiLU's curvature
# is α/2, and as α grows it becomes ReLU.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(critics.curvature_table(ledgers))

# %% [markdown]
# The two right columns are two different experiments, the first of them that of 2021. A radius is how far an image must be moved
# before the network errs; it exists only for images that the network gets right. {doc}`/notebooks/paf_02_direct_effect` and
# {doc}`/notebooks/paf_03_frozen_shapes` show the other activations.

# %% [markdown]
# ### Weight decay or activation?
#
# Pang's caution can be put in numbers: how far does robust accuracy move when only the weight decay changes, and how far when only
# the activation does?

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
decays, moved = critics.weight_decays(ledgers)
Markdown(decays)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(moved)

# %% [markdown]
# Where a change of weight decay moves as much as a change of activation, a comparison of activations under one weight decay is a
# comparison of activation *and* its luck with that weight decay.
#
# ## What could be wrong
#
# The settings first; what a page can say is bounded by them, and by the few pairs that other parts of the book add to its verdicts.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.settings("paf"))

# %% [markdown]
# scale
# : `digits` is three layers and 64 pixels; `cpu` is a ResNet-20 in its first epochs. The papers' networks are larger and are trained
#   for 200 epochs, with millions of synthetic images for the headline. A claim can fail here and hold there, and the other way round.
#
# training
# : one-step training (N-FGSM, at `cpu`) is not PGD adversarial training. It is cheaper and can collapse.
#
# the attack
# : at the two small scales the strongest is PGD.
#
# choice of the epoch
# : on held-out training images, for all alike. The authors' code chooses on the test images.
#
# our readings
# : the values of the frozen parameters are ours. β of PSSiLU is trained with the penalty and the clip of the authors' code, which hold it
#   near 0; {doc}`/notebooks/paf_05_what_they_learn` shows it without them.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.caveats(judged))

# %% [markdown]
# ## What would change our mind
#
# - **PSSiLU over ReLU.** A gain over several seeds at scale `gpu` under AutoAttack, larger than what tuning ReLU's weight decay
#   gives. Or none, over the same seeds.
# - **Learning the shape.** PSiLU or PSSiLU above SiLU, not only above ReLU: otherwise the gain belongs to smoothness.
# - **Positive outputs for negative inputs.** PReLU with α below 0 ahead of ReLU under adversarial training at full length.
# - **Curvature.** A peak in the sweep of PSiLU's α that stays where it is when the recipe changes.
#
# ## What to run next
#
# ```bash
# # what is missing, and how long it may take
# robust-activations status paf
# # the rest of the records at cpu
# robust-activations run paf --scale cpu
# # most valuable first, AutoAttack included
# robust-activations run paf --scale gpu --budget 9h
# # three seeds of PSSiLU
# robust-activations run protocol --scale gpu --only "*/pssilu*"
# # as published
# robust-activations run paf --scale paper --only "cifar10/resnet18/pgd_at/*"
# ```
#
# ## Summary

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "\n".join(
        [
            f"- The headline, PSSiLU over ReLU: {claims.labels(judged, 'paf-pssilu')}.",
            "- Each of these sentences is computed from the records that were there when this page was made.",
        ]
    )
)

# %% [markdown]
# ## Questionnaire
#
# 1. Can the versions of 2021 and 2022 both be right about the negative side?
# 2. A claim is *undecided* although p is tiny. What happened?
# 3. Why is SiLU, and not ReLU, the right opponent for PSSiLU?
# 4. Which of the critics would not be answered by any number of seeds at one weight decay?
# 5. Why does a claim of the form "is not worse by a point" need another rule than "is better"?
# 6. Which threat on the list concerns all claims alike, and which favours one side?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Undecided is not equal · five minutes
# :label: ex-paf-discussion-margin
#
# Judge PSSiLU against ReLU at `digits` by another rule: *PSSiLU is not worse than ReLU by more than so many points*. `compare` takes the
# margin as an argument. How large must the margin be before the records support the sentence?
# ```

# %% [markdown]
# ````{solution-start} ex-paf-discussion-margin
# :label: sol-paf-discussion-margin
# :class: dropdown
# ````

# %%
records, runs = studies.collect("paf"), studies.planned("digits")  # as the verdict does
sides = paf_claims.published("pssilu"), paf_claims.published("relu")
for margin in (0.005, 0.01, 0.02, 0.03, 0.05, 0.1):
    verdict = studies.compare(records, runs, *sides, margin=margin)
    print(f"{100 * margin:4.1f} points: {verdict.label}")

# %% [markdown]
# The first margin that is supported is how much worse PSSiLU could still be, as far as these records know. An *undecided* difference with a
# wide interval says little; with a narrow one around 0 it says a lot.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Three seeds instead of one · five minutes
# :label: ex-paf-discussion-seeds
#
# {doc}`/notebooks/protocol_01_ranking` trains ReLU, SiLU and PSSiLU with three seeds at `digits`. Judge PSSiLU against both on all
# seeds. What does the interval over seeds add?
# ```

# %% [markdown]
# ````{solution-start} ex-paf-discussion-seeds
# :label: sol-paf-discussion-seeds
# :class: dropdown
# ````

# %% mystnb={"markdown_format": "myst"}
(protocol,) = studies.get("protocol")
records, runs = studies.collect("protocol"), protocol.runs("digits")
said = []
for name in ("relu", "silu"):
    verdict = studies.compare(records, runs, paf_claims.published("pssilu"), paf_claims.published(name))
    said.append(f"- PSSiLU against {style.title(name)}: {verdict.said}, {claims.measured(verdict)}")
Markdown("\n".join(said))

# %% [markdown]
# The p-value asks what other images would say of these networks; that there are three seeds does not make the images any more. The interval over
# seeds asks what other networks would say, from three differences alone. Where they lie far apart it is wide; where they happen to lie close
# together it is narrow, and then the images have a veto: *supported* needs both.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read the other part's discussion, {doc}`/notebooks/sat_07_discussion`: the two papers share SiLU and most of their critics.
# - Every verdict with its records and commands: {doc}`/notebooks/claims`.
# - Write the claim that you miss: a `Claim` in `studies/paf_claims.py` is a sentence, a source and a rule, and it appears in the tables above.
