# %% [markdown]
# # Smooth adversarial training: what holds
#
# The paper's argument has four steps: better gradients, therefore smooth activations, not because of the negative side, and at every
# size. This page sets each step beside our records, lets the critics speak, and then asks what could make these verdicts wrong.
#
# **At the end you will know**
#
# - how each step stands at each scale that we have records for, and which part of the rule decided it;
# - who confirmed the effect, who objects, and what our records say to each;
# - where this reproduction is weak;
# - which runs would settle what is open, and the commands that make them.
#
# *Reading time: 10 minutes. Run time: seconds, once the networks of this part are trained; else several minutes on two cores.*

# %%
from robust_activations import paths, studies
from robust_activations.figures import claims, comparisons, forest, gradients, plans, tables
from robust_activations.figures.prose import points, table
from robust_activations.figures.rows import Row
from robust_activations.figures.style import title
from robust_activations.ledger import Ledger
from robust_activations.studies import sat

studies.collect("sat")  # scale digits: trains what is missing
judged = claims.judged(study="sat")  # at every scale, by the records there are

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import note

ledgers = claims.ledgers(judged)
elsewhere = claims.judged(study="paf")  # where the claims of Singla and Huang are tested
note("claims", len({one.claim.id for one in judged}))
note("large", f"{sat.LARGE:g}")

# %% [markdown]
# ## The claims
#
# There are {glue:text}`claims` of them; the last is that of {cite:t}`bai2021`, who look at the same effect under a stronger attack.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.summary(judged))

# %% mystnb={"image": {"alt": "One block a claim: its statement, and below it for each scale a dot with a horizontal interval around a short upright line at zero, or at minus one where the claim allows a margin. Most are grey and cross the line."}, "figure": {"caption": "The claims about accuracy, by our records: the difference in percentage points with its 95 % interval, over groups of networks where there are several, else over images. In colour: this mark, by itself, is decided (hollow: on one seed); small and grey: undecided. Where a claim has several marks at a scale, for data sets or rivals, all must agree on it; of many rivals the one on which it turns is shown. The upright line is what the interval has to lie above, 0 or a margin of a point; the p-value over images has to be below 0.05 as well. An arrow: further than 15 points. Attack, ε and n of each stand in the table below, as do claims about other things, such as distances.", "name": "fig-sat-claims"}} tags=["hide-input"]
forest.forest(judged)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.folded(judged))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.READING)

# %% [markdown]
# ### Step by step
#
# An argument is as strong as its weakest step, so it helps to read the verdicts in its order. Longer training and stronger
# attacks are controls of it.
#
# | Step | Claims | Page |
# |---|---|---|
# | It is the gradient | `sat-gradient-attack`, `sat-gradient-update`, `sat-gradient-both` | {doc}`/notebooks/sat_02_gradient_quality` |
# | Longer training is no substitute | `sat-not-longer` | {doc}`/notebooks/sat_02_gradient_quality` |
# | So be smooth: more robust, and for free | `sat-silu`, `sat-smooth`, `sat-free` | {doc}`/notebooks/sat_03_smooth_activations`, {doc}`/notebooks/sat_04_cost` |
# | It is not the negative side | `sat-below-zero`, `sat-celu` | {doc}`/notebooks/sat_03_smooth_activations` |
# | It scales | `sat-scaling` | {doc}`/notebooks/sat_05_scaling` |
# | It survives stronger attacks | `bai-autoattack` | {doc}`/notebooks/sat_06_sanity` |
#
# Two of these are about more than smoothness. *It scales* holds for any network that grows more robust with size; to say that
# it scales *better* with SiLU, ReLU must be beside it at every size, as it is on {doc}`/notebooks/sat_05_scaling`. And *for free* is about accuracy
# here; time and memory are another bill, on {doc}`/notebooks/sat_04_cost`.
#
# ## The critics, and a confirmation
#
# What they say is theirs, with source and mark; what our records say is computed.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
(_, pgd_gelu, auto_gelu), (_, pgd_relu, auto_relu) = (gradients.BAI.rows[name] for name in ("gelu", "relu"))
rows = [
    [
        "{cite:t}`bai2021`",
        f"Under AutoAttack GELU keeps a lead of {auto_gelu - auto_relu:.2f} points over ReLU, {auto_gelu:.2f} to {auto_relu:.2f} %, "
        f"where PGD-100 says {pgd_gelu:.2f} to {pgd_relu:.2f} % (seen: README and log). The gain survives, and both levels drop, by "
        f"{pgd_gelu - auto_gelu:.2f} and {pgd_relu - auto_relu:.2f} points (derived).",
        claims.labels(judged, "bai-autoattack"),
        "ImageNet; AutoAttack below scale `gpu`",
    ],
    [
        "{cite:t}`gowal2020`",
        "Names SiLU (Swish) as an ingredient beside larger models and averaged weights (seen: abstract; the ablation by "
        "activation was not found).",
        "no records: the averaged weights are planned at `paper` alone",
        "the three ingredients apart from each other",
    ],
    [
        "{cite:t}`singla2021`",
        "It is low curvature, not smoothness, that shrinks the generalisation gaps: Leaky ReLU, with a kink, does it too in an "
        "approximate sense (seen: abstract; numbers not found).",
        claims.labels(elsewhere, "singla-gap", "singla-leaky"),
        "long training; the gap on clean images",
    ],
    [
        "{cite:t}`huang2023`",
        "With the weight decay tuned for each activation, smooth ones mostly do not beat ReLU under TRADES; under an advanced recipe "
        "SiLU does (seen: full text; figures only).",
        claims.labels(elsewhere, "huang-tuned"),
        "their three weight decays under TRADES at full length; the advanced recipe",
    ],
    [
        "{cite:t}`peng2023`",
        "Agree that smooth is better: they prefer SiLU and GELU to ReLU (seen: abstract and README); SiLU as the last step of their design gives "
        "36.43 to 39.65 % under PGD-10 at 4/255 on ImageNet (seen-2nd: a note).",
        claims.labels(judged, "sat-silu"),
        "ImageNet, their networks",
    ],
    [
        "{cite:t}`yu2026`",
        "Robustness is best where max abs. φ″ lies in [4, 10] (seen: abstract). SiLU has 0.5, Parametric Softplus with α = 10 has "
        "2.5 (derived): both would be too flat.",
        claims.labels(elsewhere, "yu-curvature"),
        "SmoothReLU, whose sharpness is learned, at a fixed one",
    ],
    [
        "{cite:t}`pang2021`",
        "A slightly different weight decay can move robust accuracy by more than 7 points; fix it before "
        "comparing (seen: abstract and README).",
        "what a weight decay moves: {doc}`/notebooks/paf_06_discussion`",
        "weight decays between and beyond ours",
    ],
]
Markdown(table(["Who", "What they say", "Our records", "Still untested here"], rows))

# %% [markdown]
# The claims of Singla, Huang and Yu are tested in the study on parametric activations, with the same recipe; what was measured stands in
# {doc}`/notebooks/paf_06_discussion`. Note how the explanations compete. If it is the *gradient*, a smooth backward pass alone must help. If it is
# *low curvature*, then softplus should be as good as SiLU, and the gain should be in the generalisation gap. If it is *the right
# curvature*, sharper than SiLU should be better still. One table of accuracies cannot tell these apart; the steps above can.
#
# ## What could be wrong
#
# The settings first; what a page can say is bounded by them.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.settings("sat"))

# %% [markdown]
# scale
# : the paper's networks are ResNet-50 and larger on ImageNet, 100 epochs long. `digits` is three layers and 64 pixels; `cpu` is a ResNet-20
#   in its first epochs. A claim can fail here and hold there, and the other way round.
#
# training
# : the paper trains with one step, and so does `cpu` (N-FGSM, which adds more noise); `digits` trains with several PGD steps. With a better
#   attacker in training, a better gradient *for the attacker* has less to add. One-step training can collapse.
#
# the attack
# : a smooth activation may be easier to attack, so ReLU could be *overrated* by a weak attack and the gain be larger than it looks; or
#   a gain could be masked gradients. Both are looked at on {doc}`/notebooks/sat_06_sanity`.
#
# choice of the epoch
# : on held-out training images, for all alike. How the authors chose theirs is not known to us.
#
# our readings
# : which α the paper took for the table on ELU and CELU is not known to us; ours is {glue:text}`large`. SmoothReLU follows the code, where the
#   number s is learned and starts at 20; the formula's α is its square, 400, so that it starts close to ReLU.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.caveats(judged))

# %% [markdown]
# ## What would change our mind
#
# - **The gradient.** A gain from the backward pass alone, for attacker and learner, over several seeds. If only the forward change helps, it is
#   not the gradient of ReLU that hurt.
# - **Smoothness.** A gain of *every* smooth activation, or of none. If SiLU and GELU gain and softplus does not, smoothness is not the reason.
#   So `sat-smooth` asks for each of the six.
# - **The negative side.** SmoothReLU ahead of ReLU at full length, under AutoAttack.
# - **For free.** Clean accuracy that is no lower within a narrow interval, at equal training time.
#
# ## What to run next
#
# ```bash
# # what is missing, and how long it may take
# robust-activations status sat
# # the rest of the records at cpu
# robust-activations run sat --scale cpu
# # most valuable first, AutoAttack included
# robust-activations run sat --scale gpu --budget 9h
# # three seeds of GELU, for the confirmation
# robust-activations run protocol --scale gpu --only "*/gelu/*"
# # the gradient alone
# robust-activations run sat --scale gpu --only "*relu_smooth_gradient*"
# ```
#
# ## Summary

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "\n".join(
        [
            f"- The headline, SiLU over ReLU: {claims.labels(judged, 'sat-silu')}.",
            f"- The mechanism, a smooth backward pass for both: {claims.labels(judged, 'sat-gradient-both')}.",
        ]
    ).replace("<br>", "; ")
)

# %% [markdown]
# ## Questionnaire
#
# 1. Which of the four steps would fail first if low curvature, and not smoothness, were the reason?
# 2. Why is the gain under AutoAttack more convincing than the one under PGD-200?
# 3. Why can a better gradient for the attacker matter less when training uses many attack steps?
# 4. What does *it scales* show if ReLU is not beside SiLU at every size?
# 5. Several pairs share ReLU's network. Why do they count as one group?
# 6. Which of the objections concern the recipe, and which the mechanism?
#
# ## Exercises

# %% [markdown]
# ```{exercise} One by one · five minutes
# :label: ex-sat-discussion-holm
#
# The claim `sat-smooth` is that *each* of six smooth activations is more robust than ReLU, and its verdict shows the worst. Compare each
# with ReLU on the same images, and correct for having made six comparisons. What would their mean have said?
# ```

# %% [markdown]
# ````{solution-start} ex-sat-discussion-holm
# :label: sol-sat-discussion-holm
# :class: dropdown
# ````

# %% mystnb={"markdown_format": "myst"}
records = Ledger(paths.ledger("digits"))
rows = {name: Row(title(name), records[run]) for name, run in sat.activations("digits").items()}
relu, *six = rows.values()
mean = sum(comparisons.paired(row, relu)[1].value for row in six) / len(six)
Markdown(f"{tables.paired_table(relu, six)}\n\nTheir mean is {points(mean)} points from ReLU.")

# %% [markdown]
# A mean asks whether smoothness helps *on average over these six*, and can be pulled by one of them. And where one has more pairs than the
# others, as SiLU has here, a mean over all pairs is mostly about that one. The list asks six questions, and pays for it with Holm's
# correction.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read the other part's discussion, {doc}`/notebooks/paf_06_discussion`: is a *learned* smooth shape better than SiLU?
# - Every verdict with its records and commands: {doc}`/notebooks/claims`.
# - Write the claim that you miss: a `Claim` in `studies/sat.py` is a sentence, a source and a rule, and it appears in the tables above.
