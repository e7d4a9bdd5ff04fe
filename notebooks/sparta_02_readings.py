# %% [markdown]
# # The readings against their rivals
#
# An attentive activation is said to be better on both counts: less error on clean images, less error on attacked ones. Here
# our three readings of *Sparta* {cite}`guo2021` meet what the paper names, ReLU and Swish, what the book knows besides, the
# smooth activations {cite}`xie2020`, and the relative that stands outside the activation, feature denoising
# {cite}`xie2019`.
#
# **At the end you will know**
#
# - the error rates of R1, R2, R3 and of their rivals, on clean and attacked images, with intervals;
# - which differences are beyond chance, over images and over seeds;
# - what is left of them under another objective, and without adversarial training;
# - whether the comparison survives AutoAttack, and whether any network masks its gradients;
# - what the attention costs.
#
# *Reading time: 13 minutes. Run time: under a minute, after some minutes of training the first time that a page on this
# paper is opened.*

# %%
import inspect

from robust_activations import data, models, paths, runs, studies
from robust_activations.autoattack import autoattack
from robust_activations.evaluation import Outcome
from robust_activations.figures import claims, comparisons, measured, memory, results, scaling, style, tables
from robust_activations.figures import sparta as attention
from robust_activations.figures.audits import check_table, sound
from robust_activations.stats import mcnemar
from robust_activations.studies import protocol, sparta

records = studies.collect("sparta")  # trains what is missing
records = studies.collect("protocol")  # and its seeds

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import box, listed, note, p_said, points, table, titled
from robust_activations.figures.rows import ATTACKS, Row


def less(share):
    """A difference of errors in points: the other way round than one of accuracies."""
    return points(0.0 if abs(share) < 5e-4 else -share)


ledgers = studies.ledgers()


def rows_of(scale, objective):
    """The study's rows at a scale under an objective, as far as they are recorded."""
    return attention.rows(sparta.objectives(scale).get(objective, {}), ledgers[scale])


def at_scales(objective):
    """By scale, where ReLU and another one are recorded."""
    return {s: rows for s in paths.SCALES if "relu" in (rows := rows_of(s, objective)) and len(rows) > 1}


adversarial = at_scales("pgd_at")


# %% [markdown]
# ## What was claimed
#
# In words, by the abstracts: *lower* error than existing activations, on clean and on adversarial examples (seen: abstract
# of arXiv 2105.08269; error rate is the paper's measure, and this page follows it). Which activations it was compared with
# in which table, on which data, under which attack and training: **not found**. No number of the paper is known to us, so no
# column on this page is a reported one, and nothing here reproduces a table.
#
# **If the claim is true of a reading**, our records should show that
#
# 1. its error is lower than ReLU's and than Swish's, under attack, in every seed;
# 2. its error on clean images is lower too: it does not buy robustness with accuracy;
# 3. both hold after standard and after adversarial training;
# 4. it is not smoothness alone: it also beats GELU, Parametric Softplus and SmoothReLU, which see no neighbour.
#
# R1 is $2 \max(0, z)\, \sigma(g(z))$, R2 $z\, \sigma(g(z))$, R3 $\max(z, \mathrm{BN}(g(z)))$, with $g$ a depthwise 3×3
# convolution. The evidence for each is on {doc}`the page before </notebooks/sparta_01_attention>`.
#
# ## The rival outside the activation
#
# Feature denoising {cite}`xie2019` leaves the activation alone and puts a block behind some layers, that adds to each place a
# learned combination of an average over *all* places $j$ of the image (form: seen in the code of its authors):
#
# $$
# \begin{aligned}
# a_{ij} &= \operatorname{softmax}_j \bigl( q(x_i) \cdot k(x_j) / \sqrt d \bigr), \\
# m_i &= \sum_j a_{ij} \, x_j, \\
# y &= x + \mathrm{BN}(w * m) .
# \end{aligned}
# $$
#
# $q$, $k$ and $w$ are 1×1 convolutions; BatchNorm's scale starts at 0, so the block starts as the identity. In the library, where
# $q$ and $k$ are `theta` and `phi`, as their authors call them:

# %%
print(inspect.getsource(models.layers.Denoise.forward))

# %% [markdown]
# Our half as many channels in $q$ and $k$ are a choice. On the digits the block stands behind each of the three convolutions of a
# network with ReLU. It sees more than a 3×3 gate, and costs more, as the section on cost counts.
#
# ## ReLU, Swish and Sparta, over seeds
#
# First what the claim is about, with all seeds that there are: R2, ReLU, and Swish as SiLU ($\beta = 1$), which is also what R2
# was before it learned anything.


# %% tags=["remove-cell"]
def seeded(scale):
    """ReLU, SiLU and R2 with a record a seed."""
    make, found = protocol.recipe(scale), {}
    for name in ("relu", "silu", "sparta"):
        own = ledgers[scale].of([make(name, seed=seed) for seed in protocol.seeds(scale)])
        if own:
            found[name] = Row(style.title(name), own)
    return found


seeds = {scale: rows for scale in paths.SCALES if {"relu", "sparta"} <= (rows := seeded(scale)).keys()}
words, short = [], []
for scale, rows in seeds.items():
    for other in [name for name in ("relu", "silu") if name in rows]:
        for attack in ("pgd50", "clean"):
            both = comparisons.paired(rows["sparta"], rows[other], attack)
            if both is None:
                continue
            pairs = [
                studies.paired(a, b, attack).difference
                for a in rows["sparta"].whole
                for b in rows[other].whole
                if a.run.seed == b.run.seed
            ]
            _, (mean, low, high) = both
            where = "on clean images" if attack == "clean" else f"under {ATTACKS[attack]}"
            error = f"{less(mean)} points [{less(high)}, {less(low)}]"
            if len(pairs) > 1 and high - low < 1e-9:
                tail = f"over {len(pairs)} seeds, the same in each: the interval has no width, and says nothing"
            elif len(pairs) > 1:
                same = "of one sign in all" if min(pairs) > 0 or max(pairs) < 0 else "not of one sign in all"
                firm = "excludes 0" if low > 0 or high < 0 else "includes 0"
                tail = f"over {len(pairs)} seeds, {same}; the interval over seeds {firm}"
            else:
                tail = f"with one seed, and the interval is that of the images ({p_said(both[0].p)})"
            words.append(f"At scale `{scale}`, {where}, R2's error less {style.title(other)}'s is {error}, {tail}.")
            if scale == "digits" and attack == "pgd50":
                short.append(f"{error} for {style.title(other)}")
over = "\n".join(f"- {one}" for one in words) or "No scale has records of both yet."
later = [tables.later(scale, [one for row in rows.values() for one in row.whole]) for scale, rows in seeds.items()]
note("sp2_short", " and ".join(short))
note("sp2_seeds", len(seeds["digits"]["sparta"].records) if "digits" in seeds else 0)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = []
for scale, rows in seeds.items():
    parts.append(f"*Scale `{scale}`: {results.setting([r for row in rows.values() for r in row.records])}*")
    parts.append(attention.error_table(list(rows.values()), ("clean", "pgd20", "pgd50")))
Markdown("\n\n".join(parts))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "*Adversarially trained; best epoch. Several seeds: mean and 95 % t interval over seeds; one seed: 95 % Wilson interval "
    "over the images. An interval over seeds without width means that the seeds have the same count by chance, not "
    f"certainty.* {' '.join(filter(None, later))}"
)

# %% [markdown]
# A difference takes the seeds that both have. Below zero is good for R2:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(over)

# %% [markdown]
# ## All of them
#
# Now everything with one seed, the first: the three readings, the smooth activations, and ReLU with denoising.

# %% mystnb={"image": {"alt": "Dots with intervals, a row for each reading and rival: error on clean images in the left panel, error under PGD-50 in the right one. On the digits most lie within each other's intervals.", "width": "560px"}, "figure": {"caption": "MEASURED: error on clean images and under PGD-50 with 95 % Wilson intervals, first seed, best epoch; left is better, and least error under PGD-50 is on top. Data, ε and n are above the panels.", "name": "fig-sp2-errors"}} tags=["hide-input"]
attention.errors(titled({scale: list(rows.values()) for scale, rows in adversarial.items()}))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = {}
for scale, rows in adversarial.items():
    ordered = results.ranked(rows.values())
    heading = f"Scale `{scale}`: {results.setting([row.record for row in ordered])}"
    parts[heading] = attention.error_table(ordered, ("clean", "pgd20", "pgd50"))
Markdown(box("Errors", parts))

# %% [markdown]
# *Lowest error under PGD-50 first. 95 % Wilson intervals.*
#
# Each against ReLU, and then R2 against each, on the same images (McNemar's exact test), corrected for being several (Holm).
# These tables count in points of *accuracy*: above zero means a lower error.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = {}
for scale, rows in adversarial.items():
    others = [row for name, row in rows.items() if name != "relu"]
    both = [tables.paired_table(rows["relu"], others, attack) for attack in ("pgd50", "clean")]
    parts[f"Scale `{scale}`"] = "\n\n".join(both)
Markdown(box("Each against ReLU", parts))


# %% tags=["remove-cell"]
def against(rows, baseline, attack, names=None):
    """Whose error is lower or higher than the baseline's beyond chance, with Holm's correction, in words."""
    others = [row for name, row in rows.items() if name != baseline and (names is None or name in names)]
    found = comparisons.told_apart(comparisons.against(rows[baseline], others, attack))
    than = "R2" if baseline == "sparta" else rows[baseline].label
    return comparisons.told_in_words(found, f"with a lower error than {than}", f"with a higher error than {than}")


words, brief = [], []
for scale, rows in adversarial.items():
    said = [
        f"{what}: {against(rows, 'relu', attack)}."
        for attack, what in (("pgd50", "Under PGD-50, against ReLU"), ("clean", "On clean images"))
    ]
    words.append(f"**Scale `{scale}`.** {' '.join(said)}")
    ordered = [row.label for row in results.ranked(rows.values()) if not row.collapsed]
    brief.append(
        f"at scale `{scale}`, against ReLU: {against(rows, 'relu', 'pgd50')} (the least error has {ordered[0]}, the most "
        f"{ordered[-1]})"
    )

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(words))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = {}
for scale, rows in adversarial.items():
    if "sparta" in rows:
        others = [row for name, row in rows.items() if name not in ("sparta", "relu")]
        parts[f"Scale `{scale}`"] = tables.paired_table(rows["sparta"], others)
Markdown(box("Each against R2", parts))

# %% tags=["remove-cell"]
words = []
for scale, rows in adversarial.items():
    if "sparta" not in rows:
        continue
    said = against(rows, "sparta", "pgd50", [name for name in rows if name != "relu"])
    words.append(f"At scale `{scale}`, under PGD-50, against R2: {said}.")
rivals = " ".join(words)
both = comparisons.paired(adversarial["digits"]["sparta"], adversarial["digits"]["denoise"])
test, (mean, low, high) = both
denoising = (
    f"R2's error less that of feature denoising is {less(mean)} points [{less(high)}, {less(low)}] under PGD-50 on "
    f"the digits (paired {p_said(test.p)}, n = {test.n})."
)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"{rivals} {denoising}")

# %% [markdown]
# The fourth question, whether it is smoothness alone, needs a rival that is smooth and sees no neighbour. Its cleanest form is
# SiLU, for R2 *is* SiLU until its kernels move. The other smooth ones differ in more than that.
#
# ## Without attacks in training, and TRADES
#
# The abstract says that ReLU's two properties hurt after standard training too (seen). Trained without attacks, little is left
# of a network at the ε above ({doc}`/notebooks/primer_03_honest_evaluation` has one), so the attacks on these have a smaller
# one, which stands above each table. Networks trained with TRADES are attacked at the usual one.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = {}
titles = {"standard": "Trained without attacks", "trades": "Trained with TRADES"}
others = {objective: at_scales(objective) for objective in titles}
for objective, by_scale in others.items():
    for scale, rows in by_scale.items():
        setting = results.setting([row.record for row in rows.values()], ("pgd20",))
        error = attention.error_table(results.ranked(rows.values(), "pgd20"), ("clean", "pgd20"))
        rest = [row for name, row in rows.items() if name != "relu"]
        paired = tables.paired_table(rows["relu"], rest, "pgd20")
        parts[f"{titles[objective]}, scale `{scale}`: {setting}"] = f"{error}\n\n{paired}"
Markdown(box("Errors, and each against ReLU", parts))

# %% tags=["remove-cell"]
words = []
for objective, by_scale in others.items():
    for scale, rows in by_scale.items():
        said = against(rows, "relu", "pgd20")
        words.append(f"{titles[objective]}, scale `{scale}`, under PGD-20, against ReLU: {said}.")
elsewise = " ".join(words)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(elsewise)

# %% [markdown]
# *One seed each, best epoch.* That networks without adversarial training differ at a small ε says little about withstanding an
# attacker who may do more.
#
# ## Does it survive AutoAttack?
#
# An activation whose gate multiplies and saturates is a suspect for masked gradients: where $\sigma(g)$ is nearly 0 or 1 the
# way through the gate is nearly flat. PGD would not notice. So here is AutoAttack {cite}`croce2020`, live, on the networks of
# the first seed: APGD on the cross-entropy, APGD towards each other class, and Square. FAB, the dearest of its four, is left
# out to save time, and Square has 500 queries, a tenth of the standard.

# %% mystnb={"merge_streams": true}
digits = data.load("digits")
few = 100
x, y = digits.test_images[:few].float() / 255, digits.test_labels[:few]
robust, warned = {}, {}
print("errors under PGD-50, and under AutoAttack without FAB")
for name in ("sparta", "relu", "silu"):
    record = adversarial["digits"][name].record
    network = runs.trained(record.run, paths.data("digits"))
    parts = ("apgd-ce", "apgd-t", "square")
    robust[name], _, warned[name] = autoattack(network, x, y, record.run.threat, attacks=parts, queries=500)
    pgd = Outcome.of(~robust[name], 0.0)
    before = int((~record.best.outcomes["pgd50"].right[:few]).sum())
    print(f"{style.title(name):11} {before / few:.1%}   {pgd}")

# %% tags=["remove-cell"]
words = []
for other in ("relu", "silu"):
    test = mcnemar(robust["sparta"].numpy(), robust[other].numpy())
    low, high = test.interval
    words.append(
        f"R2's error less {style.title(other)}'s under AutoAttack without FAB is {less(test.difference)} points "
        f"[{less(high)}, {less(low)}] (McNemar's {p_said(test.p)}, n = {test.n})."
    )
drops = {
    name: int((adversarial["digits"][name].record.best.outcomes["pgd50"].right[:few] & ~right.numpy()).sum())
    for name, right in robust.items()
}
words.append(
    "Beyond PGD-50, it fools "
    + listed(f"{style.title(name)} on {drop}" for name, drop in drops.items())
    + f" of the first {few} images, and itself warned of "
    + (listed(sorted({flag for flags in warned.values() for flag in flags})) if any(warned.values()) else "nothing")
    + "."
)
auto = " ".join(words)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(auto)

# %% [markdown]
# This is an answer for 100 images, and its intervals are wide. The checklist of {doc}`/notebooks/primer_03_honest_evaluation` stands in every record. Over all adversarially trained networks of
# this page:

# %% tags=["remove-cell"]
behind = {
    record.id: record
    for by_scale in (adversarial, seeds, others["trades"])
    for rows in by_scale.values()
    for row in rows.values()
    for record in row.records
}

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(check_table(behind.values()))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(sound(behind.values()))

# %% [markdown]
# ## Is it worth it?
#
# The gate is cheap on paper. A depthwise 3×3 kernel has nine numbers a channel, and multiplies nine times for each number that
# passes through the activation. `memory.work` counts, for ResNet-20 on images of 32×32 pixels, the multiply-adds of
# convolutions and linear layers, and those numbers. By hand:

# %%
multiply_adds, values = memory.work("resnet20")
print(f"numbers through the activations: {values / 1e3:.0f} thousand")
print(f"multiply-adds: {multiply_adds / 1e6:.1f} million")
print(f"with 3x3 gates: {9 * values / 1e6:.2f} million more, {9 * values / multiply_adds:.1%}")

# %% tags=["remove-cell"]
wanted = {
    name: run for name, run in sparta.objectives("cpu")["pgd_at"].items() if name in ("relu", "sparta", "denoise")
}
counted = {name: scaling.counted(run) for name, run in wanted.items()}
assert counted["sparta"].macs - counted["relu"].macs == 9 * values
plain = counted["relu"]
note("sp2_gate_macs", f"{100 * (counted['sparta'].macs / plain.macs - 1):.1f} %")
note("sp2_gate_parameters", f"{100 * (counted['sparta'].parameters / plain.parameters - 1):.1f} %")
note("sp2_block_macs", f"{100 * (counted['denoise'].macs / plain.macs - 1):.1f} %")
note("sp2_block_parameters", f"{100 * (counted['denoise'].parameters / plain.parameters - 1):.1f} %")

every = measured.benchmarks()
lines = []
for one in every.of("step_cost"):
    for row in sorted(one.rows, key=lambda row: row["ratio"]):
        if row["activation"] in (*sparta.READINGS, *sparta.RIVALS):
            where = f"{one.title}, {measured.model_title(row['model'])}, batch {row['batch']}"
            spread = f"{row['ratio_min']:.2f} to {row['ratio_max']:.2f}"
            lines.append([style.title(row["activation"]), f"{row['ratio']:.2f}", spread, f"{row['repeats']}", where])
header = ["Activation", "Times ReLU's step", "Least to greatest", "Turns", "Measured on"]
timing = table(header, lines) if lines else every.notice("step_cost")

# %% [markdown]
# So R2 adds {glue:text}`sp2_gate_macs` multiply-adds and {glue:text}`sp2_gate_parameters` parameters to ResNet-20, and
# denoising blocks {glue:text}`sp2_block_macs` and {glue:text}`sp2_block_parameters` (counted by running the network's shapes,
# and the same as by hand for the gate). What it takes in seconds is another matter, for a depthwise convolution moves much
# memory for little arithmetic. A whole step of adversarial training, measured in turns with ReLU's
# ({doc}`/notebooks/cost` has all activations):

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(timing)

# %% tags=["remove-cell"]
worth = []
for scale, rows in seeds.items():
    for one in comparisons.against(rows["relu"], [rows["sparta"]]):
        if not one.differs:
            said = "we cannot say that the cost buys anything: R2 and ReLU are not told apart under PGD-50."
        elif one.at.value > 0:
            bought = points(one.at.value).lstrip("+")
            said = f"the cost buys {bought} points: so much lower is R2's error under PGD-50 than ReLU's."
        else:
            said = "the cost buys nothing: R2's error under PGD-50 is higher than ReLU's."
        worth.append(f"At scale `{scale}` {said}")
worth = " ".join(worth)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(worth)

# %% [markdown]
# ## Verdicts

# %% tags=["remove-cell"]
KEYS = ("relu", "silu", "clean", "smooth", "r1", "r3", "standard", "denoising")
mine = [one for one in claims.judged(study="sparta") if one.claim.id in [f"sparta-{key}" for key in KEYS]]
recorded = {
    scale: [row.record for found in (adversarial, *others.values()) for row in found.get(scale, {}).values()]
    for scale in paths.SCALES[1:]
}
made = tables.elsewhere(recorded, "sparta", "CIFAR-10")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(mine))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(made)

# %% [markdown]
# Each verdict takes all pairs of networks that agree in everything but what is compared, whatever study they were made for
# and whatever objective and depth they share; so it may rest on more pairs than the tables above. Every dataset is judged by itself, and where two disagree the
# claim is undecided. Each claim is tested by itself, too: the tables, which correct for several comparisons, are stricter.
#
# R1, R2 and R3 are *our* readings of an abstract. R3 is moreover another paper's activation, the funnel activation of
# {cite:t}`ma2020`: a verdict on R3, for or against, says nothing about {cite:t}`guo2021` unless R3 is what they meant.
#
# ## What critics would ask
#
# - **Is it Sparta?** The formula is ours. A verdict here is one on R1, R2 or R3.
# - **More parameters, more robustness?** R2 learns more numbers than ReLU. Of the gates that see less, on
#   {doc}`/notebooks/sparta_01_attention`, the map learns more numbers than a 3×3 kernel, the others fewer.
# - **One recipe for all.** Learning rate, weight decay and length were chosen for no reading. {cite:t}`pang2021` find that
#   weight decay alone can move robust accuracy by more than 7 points (seen: abstract), which is more than most differences on
#   this page.
# - **Swish has a β.** The paper may have meant Swish with a β that is learned. R2 with a 1×1 gate is just that, one β a channel,
#   and is on {doc}`the page before </notebooks/sparta_01_attention>`.
# - **Small images.** The digits are a demonstration.
#
# ## Summary
#
# - The paper reports, in words, lower error on clean and on attacked images than existing activations. We know none of its
#   numbers.
# - On the digits, over {glue:text}`sp2_seeds` seeds, R2's error under PGD-50 less the other's is {glue:text}`sp2_short` (below
#   zero is better for R2).
# - The gate adds {glue:text}`sp2_gate_macs` multiply-adds to ResNet-20.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"- First seed, under PGD-50: {'; '.join(brief)}.\n- AutoAttack: {auto}\n- {worth}")

# %% [markdown]
# ## Questionnaire
#
# 1. In which measure does the paper report, and which direction is good?
# 2. Why is SiLU the cleanest rival of R2, and ReLU that of R1?
# 3. What does feature denoising average over, and how does it start?
# 4. Why are networks that were trained without attacks attacked at a smaller ε?
# 5. Why might a saturated gate hide robustness that is not there, and which of the checks would notice?
# 6. What does the interval over seeds say that McNemar's test does not?
# 7. Why may nine multiplications for each number cost more time than their share of the multiply-adds?
#
# ## Exercises

# %% [markdown]
# ```{exercise} An interval without width · five minutes
# :label: ex-readings-ties
#
# Two activations err on equally many of 497 test images, in each of three seeds. The t interval over seeds is [0, 0]. Suppose that
# each is alone right on 0.4 % of all images there are. How often do three seeds tie like that? And how often if one is truly
# better, by 0.2 points?
# ```

# %% [markdown]
# ````{solution-start} ex-readings-ties
# :label: sol-readings-ties
# :class: dropdown
# ````
#
# Draw the counts of images on which one alone is right, and then the other:

# %%
import numpy as np

rng = np.random.default_rng(0)
for first, second in ((0.004, 0.004), (0.005, 0.003)):
    drawn = rng.multinomial(497, (first, second, 1 - first - second), size=(100_000, 3))
    tied = (drawn[..., 0] == drawn[..., 1]).all(1).mean()
    print(f"truly {100 * (first - second):.1f} points apart: three ties in {tied:.1%} of the cases")

# %% [markdown]
# It is rare, and not much rarer if one is better. So [0, 0] does not speak for a difference of exactly 0. A t interval knows only the
# spread of its three numbers, and three whole numbers may have none by chance; the images still know how little they can tell.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Feature denoising by hand · pencil
# :label: ex-readings-denoise
#
# Give the block of this page features that are the same at every place. What is $m$, and what does the block add once BatchNorm's scale is 1?
# What does that say about the noise that it can remove?
# ```

# %% [markdown]
# ````{solution-start} ex-readings-denoise
# :label: sol-readings-denoise
# :class: dropdown
# ````
#
# Every average of equal features is that feature, so $m = x$ and the block adds $\mathrm{BN}(w * x)$, a pointwise function of
# the features. Averaging removes what differs between places that look alike; a change that all places share stays.

# %%
import torch

torch.manual_seed(0)
block = models.layers.Denoise(4).eval()
block.bn.weight.data.fill_(1.0)
same = torch.randn(1, 4, 1, 1).expand(1, 4, 5, 5)
with torch.no_grad():
    gap = (block(same) - (same + block.bn(block.conv(same)))).abs().max()
print(f"largest difference from x + BN(w * x): {float(gap):.1e}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - {doc}`/notebooks/sparta_03_across_networks` freezes the gates and moves them to a deeper network.
# - Train R1 and R3 from the seeds 1 and 2 too: `make = protocol.recipe("digits")`, then `make("sparta_relu", seed=1)`.
# - Give R2 denoising blocks: `model_options={"denoise": True}`. Do the two add up?
# - `robust-activations run sparta --scale gpu` trains all of them with ResNet-18 on CIFAR-10, AutoAttack included.
