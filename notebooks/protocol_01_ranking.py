# %% [markdown]
# # Every activation under one protocol
#
# Four papers each put other activations beside ReLU, each with its own network, recipe and attack. So their numbers cannot be
# compared with each other. Here every activation of the book gets the same network, the same recipe and the same attacks,
# and we look not only at who comes first but at whether coming first means anything.
#
# **At the end you will know**
#
# - how the activations rank, with an interval on every number;
# - which of them differ from ReLU beyond chance, image by image and seed by seed;
# - what they learned while they were trained, and what they cost;
# - whether the order on 8×8 digits is the order on photographs;
# - how to tell a ranking from a lottery.
#
# *Reading time: 21 minutes. Run time: several minutes on two cores, in which every network of scale `digits` is
# trained; those of larger scales are not, their records are read.*

# %% tags=["hide-input"]
from pprint import pprint

from robust_activations import models, paths, studies
from robust_activations.figures import answers, claims, critics, margins, measured, prices, robustness, standings
from robust_activations.figures.audits import check_table, sound
from robust_activations.figures.histories import tracks
from robust_activations.ledger import Ledger
from robust_activations.studies import curves, protocol

records = studies.collect("protocol")  # trains what is missing
committed = Ledger(paths.ledger("cpu"))  # all scales but digits share a folder
digits = standings.standings("digits", records)
larger = [one for one in reversed(standings.recorded()) if answers.comparable(one)]
scales = [*larger, digits]  # the largest that is recorded first
main = scales[0]
firm = next(one for one in scales if len(one.core) > 1)  # the largest with several seeds

# %% tags=["remove-cell"]
import numpy as np
from IPython.display import Markdown
from scipy import stats

from robust_activations.figures import style
from robust_activations.figures.plans import TRAINING
from robust_activations.figures.prose import box, listed, note
from robust_activations.figures.rows import ATTACKS, data_title, norm

run = protocol.recipe(main.scale)("relu")
relu, ranked = main.of("relu")[0], main.ranked
n = relu.best.outcomes["pgd50"].n
ledgers = {one.scale: records if one is digits else committed for one in scales}
every = ledgers[main.scale].of(protocol.STUDY.runs(main.scale))
live = records.of(protocol.STUDY.runs("digits"))
steps = run.objective.attack.steps
note("data", data_title(run))
note("main", main.scale)
note("network", models.REGISTRY[run.model].title)
note("training", TRAINING[run.objective.name] + (f", {steps} steps" if run.objective.name == "pgd_at" else ""))
note("attacks", ", ".join(ATTACKS[name] for name in relu.best.outcomes))
decayed = sum(record.run.schedule.weight_decay != run.schedule.weight_decay for record in every)
others = [TRAINING[record.run.objective.name] for record in every if record.run.objective != run.objective]
counted = [f"{len(every)} records of {len({record.run.activation for record in every})} activations: one seed each"]
if main.core:
    counted.append(f"more of {len(main.core)}, the core that the papers are about")
if decayed:
    counted.append(f"{decayed} with another weight decay, which have a section of their own below")
if others:
    counted.append(f"{len(others)} trained in another way ({listed(dict.fromkeys(others))}), which are not ranked here")
note("counted", "; ".join(counted))
note("minutes", f"{sum(record.provenance.seconds for record in live) / 120:.0f}")
note("live", len(live))
note("parameters", f"{relu.parameters:,}")
note("eps", f"{norm(run)} {run.threat.eps}")
note("epochs", run.schedule.epochs)
note("batch", run.schedule.batch_size)
note("lr", f"{run.schedule.lr:g}")
note("decay", f"{run.schedule.weight_decay:g}")
note("held", f"{run.held_out:,}")
note("n", f"{n:,}")
note("shape", run.schedule.shape)
note("digits_n", digits.of("relu")[0].best.outcomes["pgd50"].n)
note("digits_eps", digits.of("relu")[0].run.threat.eps)
options = {name: set(values) for name, values in protocol.OPTIONS.items()}
note("special", standings.words(options) if options else "none")

# %% [markdown]
# ## The protocol
#
# A *run* is one frozen object that says everything that decides its result. This is ReLU's; the other activations' runs differ
# in the name, and those of other seeds in the seed. The exceptions, activations that are trained with options of their own as
# their authors do: {glue:text}`special`.

# %% mystnb={"code_prompt_show": "Show ReLU's run", "code_prompt_hide": "Hide ReLU's run"} tags=["hide-cell"]
pprint(protocol.recipe(main.scale)("relu"), width=76)

# %% [markdown]
# In words, for {glue:text}`data`, the largest scale that is recorded (scale {glue:text}`main`):
#
# network
# : {glue:text}`network`, {glue:text}`parameters` parameters with ReLU.
#
# data
# : {glue:text}`data`: {glue:text}`held` training images held out to choose the epoch, and the first {glue:text}`n` test images.
#
# training
# : {glue:text}`training`, at {glue:text}`eps`. {glue:text}`epochs` epochs of SGD with Nesterov momentum, batches of {glue:text}`batch`, learning
#   rate {glue:text}`lr` ({glue:text}`shape`), weight decay {glue:text}`decay` on weights but not on the activations' parameters.
#
# attacks
# : {glue:text}`attacks`, on the epoch that did best under PGD-10 on the held-out images.
#
# That is {glue:text}`counted`. The same on 8×8 digits, with PGD-7 and a network of three layers, is trained live: {glue:text}`live` runs, for which two
# processes needed about {glue:text}`minutes` minutes on the machine that made this page.

# %% tags=["remove-cell"]
if main.collapsed:
    fallen = "; ".join(
        f"{style.title(record.run.activation)}, seed {record.run.seed} ({record.collapsed})"
        for record in main.collapsed
    )
    fallen = f"**Collapsed, and therefore not ranked:** {fallen}. What follows leaves these runs out."
else:
    fallen = "**No run collapsed**, so none had to be left out."
first, final = ranked[0].run.activation, ranked[-1].run.activation
width = relu.best.outcomes["pgd50"].interval
inside = sum(width[0] <= record.best.outcomes["pgd50"].accuracy <= width[1] for record in ranked) - 1
note("first", style.title(first))
note("first_accuracy", ranked[0].best.outcomes["pgd50"])
note("final", style.title(final))
note("final_accuracy", ranked[-1].best.outcomes["pgd50"])
note("relu_accuracy", relu.best.outcomes["pgd50"])
note("relu_place", [record.run.activation for record in ranked].index("relu") + 1)
note("inside", inside)
note("others", len(ranked) - 1)
note("half_width", f"{50 * (width[1] - width[0]):.1f}")

# %% [markdown]
# ## The ranking
#
# In this one comparison on {glue:text}`data` {glue:text}`first` comes first with {glue:text}`first_accuracy`, {glue:text}`final` last with
# {glue:text}`final_accuracy`, and ReLU is number {glue:text}`relu_place` with {glue:text}`relu_accuracy`.

# %% mystnb={"image": {"alt": "Dot plots, one a scale, the largest first and the digits last, with one row an activation, sorted by accuracy under PGD-50 in the first, the best on top. Each has a dot with a horizontal interval. A grey band marks the interval of ReLU, and most dots lie near or inside it.", "width": "560px"}, "figure": {"caption": "Accuracy of every activation under PGD-50 (50 steps, three starts), with 95 % Wilson intervals; first seed, best epoch; data, ε and n of each panel are in its title. In the order of the first panel. Where the interval of ReLU (grey) covers another activation's dot, the two can hardly be told apart by this figure. Colour: the seven that the book compares most have their own, others that of the part they belong to.", "name": "fig-protocol-ranking"}} tags=["hide-input"]
robustness.ranking(*scales)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(fallen)

# %% [markdown]
# Read the intervals before the order. With {glue:text}`n` images, an accuracy near ReLU's is known to about
# ±{glue:text}`half_width` points. Of the {glue:text}`others` other activations, {glue:text}`inside` have their dot inside
# ReLU's interval.

# %% tags=["remove-cell"]
rows = [*standings.against_relu(main).values()]
raw = [row for row in rows if row.test.p < 0.05]
told = [row for row in rows if row.differs]
discordant = int(np.median([row.test.only_first + row.test.only_second for row in rows]))
note("comparisons", len(rows))
note("raw", len(raw))
note("expected", f"{0.05 * len(rows):.1f}")
note("firm", len(told))
note("discordant", discordant)
note("surplus", standings.detectable(discordant))
note("surplus_points", f"{100 * standings.detectable(discordant) / n:.1f}")
note("surplus_holm", f"{100 * standings.detectable(discordant, 0.05 / len(rows)) / n:.1f}")

# %% [markdown]
# ## Which differ from ReLU?
#
# Overlapping intervals are a crude test: both networks saw *the same* images, and most images are equally easy for both. What
# tells them apart are the images that one gets right under attack and the other does not. McNemar's test
# {cite}`mcnemar1947` asks whether those split more unevenly than a fair coin would.
#
# On {glue:text}`data` that makes {glue:text}`comparisons` comparisons. At a threshold of 0.05 at most {glue:text}`expected` of them would come out
# "significant" on average if no activation differed from ReLU at all. Holm's correction multiplies the smallest p-value by the number of
# comparisons, the next by one less, and so on, so that the chance of even one false alarm stays under 5 %. Without the
# correction {glue:text}`raw` of them are below 0.05, with it {glue:text}`firm`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
titles = {one.scale: f"Scale `{one.scale}` ({one.title()})" for one in scales}
Markdown(
    "\n\n".join(
        f"**{titles[one.scale]}.** {standings.against_relu_in_words(one)}\n\n"
        + (box("The table of the digits", text) if one is digits and one is not main else text)
        for one in scales
        for text in [standings.difference_table(one)]
    )
)

# %% [markdown]
# *Accuracies with 95 % Wilson intervals, first seed, best epoch. The difference, and the images that only one of the two gets right, are under PGD-50;
# p from McNemar's exact test; bold: below 0.05 after Holm's correction.*
#
# How large must a difference be for this test to see it? On {glue:text}`data`, a typical (median) activation disagrees with ReLU on
# {glue:text}`discordant` images. Then one must win {glue:text}`surplus` more of them than the other, which is
# {glue:text}`surplus_points` points, for a single comparison, and {glue:text}`surplus_holm` points to be the one that
# stands out among all. Smaller differences may be real. Here they are invisible.

# %% tags=["remove-cell"]
several = [one for one in scales if len(one.core) > 1]
counts = {len(standings.over(firm, name)[0]) for name in firm.core if name != "relu"}
note("spread", standings.spread_in_words(main))
note("firm_scale", firm.scale)
note("seeds", " to ".join(f"{count}" for count in dict.fromkeys((min(counts), max(counts)))))
note("factor", " or ".join(sorted({f"{stats.t.ppf(0.975, count - 1):.1f}" for count in counts})))

# %% [markdown]
# ## Over seeds
#
# The test above takes two trained networks as given. Train them again from another seed and both change: ReLU's own accuracy
# under PGD-50 on {glue:text}`data` {glue:text}`spread`. A claim about an *activation* must survive that. This is what several seeds of the core
# are for, and we compare within each.

# %% mystnb={"image": {"alt": "One row for each activation of the core. Small open dots show the difference to ReLU in each seed, a vertical tick their mean, and a long horizontal line the interval of the mean. A black vertical line marks no difference.", "width": "560px"}, "figure": {"caption": "Difference to ReLU under PGD-50 on the same test images: each seed (dots, one below the other), mean (tick) and 95 % t interval of the mean over seeds. Data, ε and the images a seed, n, are in the titles; best epoch.", "name": "fig-protocol-seeds"}} tags=["hide-input"]
robustness.differences(*scales)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(
    "\n\n".join(
        f"**{titles[one.scale]}.** {standings.over_seeds_in_words(one)}\n\n{standings.seed_table(one)}"
        for one in several
    )
)

# %% [markdown]
# *Points above ReLU under PGD-50, on the same n images a seed.*
#
# At scale {glue:text}`firm_scale`, with {glue:text}`seeds` seeds, a 95 % t interval reaches {glue:text}`factor` standard errors to either side, where two
# seeds need 12.7 and many 2.0. That is the price of so few numbers, and it is why this page does not call a consistent sign a result. And the
# intervals are several: the more of them, the likelier that one excludes 0 by luck. So what is called *beyond chance after the correction* has both
# p-values below 0.05 after Holm's correction over the core: that of a t test over the seeds and that of one over the images. The latter is needed
# because two or three seeds can agree by luck, and then their interval has no width. Where seeds were added after a look at the first, p is how
# often either of the two looks would come so far by chance; intervals are not adjusted for the first look.

# %% [markdown]
# ## With a weight decay of their own
#
# One recipe serves all here, and {cite:t}`huang2023` object that each activation should have the weight decay that suits it. For those that were trained
# with several we take the one that did best on held-out images, and compare each with ReLU, which has chosen as well.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(critics.tuned_table(ledgers))

# %% tags=["remove-cell"]
redrawn = standings.redrawn(main)
names = [record.run.activation for record in ranked]
wins = (redrawn[:, 0] == 1).mean()
low, high = np.quantile(redrawn[:, names.index("relu")], (0.025, 0.975))
same, pairs = standings.kept(firm)
note("wins", f"{wins:.0%}")
note("relu_low", f"{low:.0f}")
note("relu_high", f"{high:.0f}")
note("same", f"{same} {'stands' if same == 1 else 'stand'}")
note("pairs", pairs)
note("all_seeds", len(firm.seeds))
note("chance", f"{pairs * 2 / 2 ** len(firm.seeds):g}")

# %% [markdown]
# ## How firm is the order?
#
# Suppose that other test images had been drawn. We can imitate that by drawing {glue:text}`n` images with replacement from
# those we have, many times, and ranking anew. {glue:text}`first`, first above, stays first (alone or with others) in
# {glue:text}`wins` of the draws. ReLU's place ranges from {glue:text}`relu_low` to {glue:text}`relu_high`.

# %% mystnb={"image": {"alt": "One row an activation, in the order of the ranking, with a horizontal bar for the range of ranks it takes when the test images are redrawn. Bars in the middle of the table span a large part of all ranks.", "width": "560px"}, "figure": {"caption": "Rank under PGD-50 in 2,000 redraws of the test images: median and central 95 %, first seed, best epoch; data, ε and n are in the title. Two activations whose bars overlap widely have no settled order.", "name": "fig-protocol-redraws"}} tags=["hide-input"]
robustness.redraws(main)

# %% [markdown]
# Other seeds shake the order too. At scale {glue:text}`firm_scale`, of the {glue:text}`pairs` pairs in the core, {glue:text}`same` in the same order in
# all {glue:text}`all_seeds` seeds that these share. If the order were pure chance, about {glue:text}`chance` would.

# %% mystnb={"image": {"alt": "A line for each activation of the core from seed to seed, at the height of its rank, the best on top; names stand at both ends.", "width": "560px"}, "figure": {"caption": "Rank under PGD-50 among the core in each seed; where lines cross, the order depends on the seed. Data, ε and n are in the title; best epoch.", "name": "fig-protocol-places"}} tags=["hide-input"]
robustness.places(firm)

# %% [markdown]
# ## Is the order on digits the order on photographs?

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(standings.across_in_words(digits, main) if main is not digits else "No larger scale is recorded yet.")

# %% mystnb={"image": {"alt": "A line for each activation from its rank on the digits, on the left, to its rank at the largest scale, on the right, best on top, with names at both ends. The lines cross each other many times; those that move most are coloured.", "width": "560px"}, "figure": {"caption": "Rank under PGD-50 at two scales, of the activations that both rank; first seed, best epoch; equal accuracies share the mean rank. In colour: those that move most. Digits: n = {glue:text}`digits_n`, ℓ∞ {glue:text}`digits_eps`; {glue:text}`data`: n = {glue:text}`n`, {glue:text}`eps`.", "name": "fig-protocol-across"}} tags=["hide-input"]
robustness.across(digits, main)

# %% tags=["remove-cell"]
clean = [record.best.outcomes["clean"].accuracy for record in ranked]
robust = [record.best.outcomes["pgd50"].accuracy for record in ranked]
rank_correlation = stats.spearmanr(clean, robust).statistic
if rank_correlation > 0.2:
    relation = "Activations that do better on clean images tend to do better under attack"
elif rank_correlation < -0.2:
    relation = "Activations that do better on clean images tend to do worse under attack"
else:
    relation = "Clean accuracy says little about accuracy under attack"
note("relation", relation)
note("spearman", f"{rank_correlation:.2f}".replace("-", "−"))

# %% [markdown]
# ## Clean against robust
#
# Robustness often costs clean accuracy {cite}`zhang2019`, so an activation that wins on one axis should be looked up on the other.
# {glue:text}`relation` on {glue:text}`data` (rank correlation {glue:text}`spearman`). Dots in ReLU's grey box differ from ReLU on neither axis
# by more than its own interval. {numref}`fig-sat-curvature` plots
# robustness against the curvature of the activation.

# %% mystnb={"image": {"alt": "A scatter plot for each scale, clean accuracy to the right and PGD-50 accuracy upwards, one marker an activation, and a grey box around ReLU. Most markers lie in the box; those outside, most of them below it, have their names beside them.", "width": "560px"}, "figure": {"caption": "Clean accuracy and accuracy under PGD-50; first seed, best epoch. The grey box spans ReLU's two 95 % Wilson intervals. What lies outside has its own intervals, and its name where the legend has none; the intervals of what lies inside are about as wide as the box. Data, ε and n of each panel are in its title.", "name": "fig-protocol-tradeoff"}} tags=["hide-input"]
robustness.tradeoff(*scales)

# %% tags=["remove-cell"]
parametric = standings.parametric(main)


def value(name, parameter="alpha", at=-1):
    row = parametric[name].history[at]["activations"]
    return next(values[0] for key, values in row.items() if key.endswith(parameter))


words = []
if "psilu" in parametric:
    alpha = abs(value("psilu"))
    way = "above, towards ReLU" if alpha > 1.05 else "below, away from ReLU" if alpha < 0.95 else "close to it"
    words.append(f"PSiLU starts as SiLU at α = 1 and ended {way}: at {alpha:.2f}.")
if "pssilu" in parametric:
    beta, held = abs(value("pssilu", "beta")), "pssilu" in protocol.OPTIONS
    words.append(
        f"PSSiLU's α ended at {abs(value('pssilu')):.2f} and its |β| {f'at {beta:.2f}' if beta >= 0.005 else 'below 0.005'}."
    )
    if held and beta < 0.05:
        words.append("The penalty on β that its authors use keeps it there, and what is left is nearly PSiLU.")
if "prelu" in parametric:
    slope = value("prelu")
    side = "negative: outputs for negative inputs became positive" if slope < 0 else "positive, as in leaky ReLU"
    words.append(f"PReLU's slope for negative inputs ended at {slope:.2f}, that is {side}.".replace("-", "−"))
if "smooth_relu" in parametric:
    paths_of = tracks(parametric["smooth_relu"]).values()
    before, after = float(min(path[0, 0] for path in paths_of)), [float(path[-1, 0]) for path in paths_of]
    moved = max(abs(end / before - 1) for end in after)
    end = (
        f"ended between {min(after):.3g} and {max(after):.3g} in its layers"
        if moved > 0.01
        else "stayed there to within 1 %"
    )
    words.append(f"SmoothReLU's s, whose square is the sharpness α of its formula, started at {before:g} and {end}.")

# %% [markdown]
# ## What did they learn?
#
# The history of a run keeps the activations' parameters after every epoch. Does training move them, and where to? On {glue:text}`data`:

# %% mystnb={"image": {"alt": "Small panels, one for each parametric activation, with its parameters from epoch 0 on. Most curves move quickly in the first epochs and level off as the learning rate falls.", "width": "560px"}, "figure": {"caption": "Learned parameters after each epoch; epoch 0 is the start. Several lines of one kind are several layers or coefficients; where two kinds are named, the second is dashed. Of Sparta's kernels the mean is drawn. First seed: {glue:text}`data`, {glue:text}`network`, {glue:text}`epochs` epochs, {glue:text}`eps`.", "name": "fig-protocol-learned"}} tags=["hide-input"]
robustness.learned(parametric)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(" ".join(words))

# %% [markdown]
# A parameter that moved is not yet a parameter that helped: compare each with the activation that it starts as (PSiLU with SiLU, PELU
# with ELU, PReLU with ReLU) in the table above before believing that the learning did it.

# %% [markdown]
# ## What does it cost?
#
# An activation is called for every value in every layer, and adversarial training calls the network many times a step. How long an epoch took
# while this page was made says more about what else the machine was doing, so the times are those of the benchmark `step_cost`: a training step of
# PGD-10 with each activation, alternating with ReLU, the median ratio and its range, on the same network. Beside them what each is worth:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
priced = {one.scale: found for one in scales if (found := prices.priced(one, measured.benchmarks()))}
Markdown("\n\n".join(f"Scale `{scale}`:\n\n{prices.price_table(found)}" for scale, found in priced.items()))

# %% [markdown]
# The same as a picture: {numref}`fig-choice-price`. Machine, other networks, and what compilation changes: {doc}`/notebooks/cost`.

# %% [markdown]
# ## Can the numbers be trusted?
#
# An activation that starves the attack of gradients would climb this ranking without being robust. Saturating ones, tanh and
# the sigmoid, are the usual suspects. So the checkpoints, best and last where both were attacked, went through the checklist of
# {doc}`/notebooks/primer_03_honest_evaluation`; the tables say how many.

# %% tags=["remove-cell"]
checked = [(main, every)] + ([(digits, live)] if digits is not main else [])

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown("\n\n".join(f"**{titles[one.scale]}.**\n\n{check_table(own)}" for one, own in checked))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(f"`{one.scale}`: {sound(own)}" for one, own in checked))

# %% [markdown]
# PGD-50 follows the cross-entropy. Another loss, the margin between the right class and the next, often breaks more, and if it broke more of one
# activation than of another, the ranking would be one of losses. So some networks of scale `cpu`, whose weights were kept, were attacked again:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
hard = curves.of(curves.read(paths.ledger("cpu") / "margin-cpu.json"), protocol.STUDY.runs("cpu"))
Markdown(f"{margins.in_words(hard, committed)}\n\n{margins.order(hard, committed)}")

# %% tags=["remove-cell"]
whole = [record for record in digits.records if not record.collapsed]
gains = [record.best.outcomes["pgd20"].accuracy - record.last.outcomes["pgd20"].accuracy for record in whole]
choices = {data_title(one.records[0].run): standings.epochs_in_words(one) for one in (main, digits)}
note("choices", "; ".join(f"on {place}, {said}" for place, said in choices.items()))
mean, low, high = float(np.mean(gains)), *stats.t.interval(0.95, len(gains) - 1, np.mean(gains), stats.sem(gains))
note("mean_gain", f"{abs(100 * mean):.1f} points {'above' if mean > 0 else 'below'}")
if low > 0:
    overfit = "choosing the epoch helped on average"
elif high < 0:
    overfit = "the epoch chosen on the held-out images did worse on average"
else:
    overfit = "choosing the epoch made no difference that these runs can show"
note("overfit", overfit)

# %% [markdown]
# ## Last or best epoch?
#
# Adversarial training overfits: on CIFAR-10, robust accuracy typically falls in the later part of training {cite}`rice2020`.
# This is why the best epoch is chosen, and why it must be chosen on images that are not the test images. Here,
# {glue:text}`choices`. On average over the runs of the digits the best is {glue:text}`mean_gain` the last on the test images: {glue:text}`overfit`.

# %% mystnb={"image": {"alt": "A scatter plot with the last epoch's PGD-20 accuracy to the right and the best epoch's upwards. The markers lie close to the diagonal line on which the two are equal.", "width": "500px"}, "figure": {"caption": "PGD-20 accuracy on the test images of the last epoch's network and of the best epoch's, every adversarially trained run that did not collapse. Above the line, the epoch chosen on held-out images is the better one. Markers as in {numref}`fig-protocol-tradeoff`. Digits: n = 497, ℓ∞ with ε = 38.25/255.", "name": "fig-protocol-epochs"}} tags=["hide-input"]
robustness.last_and_best(digits)

# %% tags=["remove-cell"]
scale = main.scale
headlines = ("paf-pssilu", "sat-silu", "splash-adversarial", "sparta-relu", "sparta-silu")
judged = [one for one in claims.judged(scale) if one.claim.id in headlines]
assert len(judged) == len(headlines)
labels = [one.verdict.said for one in judged]
note("claims", len(judged))
note("labels", ", ".join(f"{labels.count(label)} {label}" for label in dict.fromkeys(labels)))

# %% [markdown]
# ## The claims, at this scale
#
# Each claim of a paper is a sentence with a rule that computes the verdict. For these the rule is: *supported* or
# *contradicted* needs a paired test over the images (each counts once, however many seeds) below 0.05 **and** an interval over seeds that excludes 0.
# Everything else is *undecided*. Each data set that has records, of this page or of others, is judged by itself, and all must agree. (One seed has no interval; a verdict that rests on one says so.) At scale {glue:text}`main` the {glue:text}`claims` claims about one activation against another that these
# runs bear on come out as: {glue:text}`labels`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.beside(judged))

# %% [markdown]
# What was reported and what was measured stand in separate columns because they are different things: other images, other
# networks, other attacks. The full list, at every scale, with the records behind each verdict, is {doc}`/notebooks/claims`.
#
# ## What digits can tell, and what they cannot
#
# They can show that the machinery works: every activation trains, or says that it does not; attacks and checks run; intervals and
# tests are where they belong. And they can show an effect that is large.
#
# They cannot settle the question of this book:
#
# - **Few images.** They have {glue:text}`digits_n` test images; even with {glue:text}`n`, differences under about {glue:text}`surplus_points` points are
#   invisible to a paired test.
# - **Another problem.** A grey image of 64 pixels, a network of three layers and ε = {glue:text}`digits_eps` are not CIFAR-10 with
#   ResNet-18 at 8/255. An activation can shine on one and not on the other ({numref}`fig-protocol-across`).
# - **One recipe.** One learning rate and one weight decay serve all, and suit some better than others. {cite:t}`pang2021` show that a
#   slightly different weight decay can matter as much as another activation, and {cite:t}`huang2023`, who tune it for each, find
#   that under a baseline recipe smooth activations mostly do not beat ReLU.
# - **Short training.** Effects on overfitting, which {cite:t}`singla2021` credit to low curvature, hardly have time to appear.
#
# Take verdicts at `digits` as a demonstration of how verdicts are made. For answers, look at the larger scales.

# %% [markdown]
# ## Summary
#
# - Under one protocol, an order always comes out. With {glue:text}`n` images, look at the redraws before you believe in its middle.
# - Two networks are compared on the images on which they differ, and many comparisons need a correction.
# - A difference must survive other seeds; a few seeds are a beginning, with wide intervals.
# - Learned parameters move, but that they move does not show that they help.
# - A ranking of robust accuracies is worth as much as the attack; the checklist belongs beside it.
#
# ## Questionnaire
#
# 1. Why can the numbers of two papers not be compared directly, even when both say "CIFAR-10, ε = 8/255"?
# 2. Two intervals overlap. Does that mean that the two activations do not differ?
# 3. Which images enter McNemar's test, and which do not matter?
# 4. What does Holm's correction protect from?
# 5. Why is an interval from three seeds so much wider than one from five with the same spread?
# 6. What does redrawing the test images imitate, and which kind of luck does it leave out?
# 7. Why must the best epoch not be chosen on the test images?
# 8. Which failed check would make you doubt the first place in this ranking?
# 9. Why is a collapsed run not simply ranked last?
#
# ## Exercises

# %% [markdown]
# ```{exercise} How many images would it take?
# :label: ex-protocol-images
#
# Suppose that two networks disagree on 8 % of the test images and that the true difference is 1 point. How many test images
# make McNemar's test see such a difference at p < 0.05? Would CIFAR-10's 10,000 be enough?
# ```

# %% [markdown]
# ````{solution-start} ex-protocol-images
# :label: sol-protocol-images
# :class: dropdown
# ````
#
# The surplus that the test needs grows like the square root of the number of images, the surplus that is there grows with the
# number itself. So we look for the place where they cross.

# %%
for images in (500, 1000, 2000, 3000, 5000, 10_000):
    needed = standings.detectable(round(0.08 * images)) / images
    print(f"{images:6,} images: a difference of {100 * needed:.2f} points is significant")

# %% [markdown]
# A little over 3,000 images, if the sample shows exactly the true difference. To see it *reliably* takes about twice as many, because
# half of all samples show less.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} The same ranking by a weaker attack
# :label: ex-protocol-attack
#
# Rank the activations by FGSM accuracy instead of PGD-50. How similar are the two orders? Which activations gain most places,
# and what could that mean?
# ```

# %% [markdown]
# ````{solution-start} ex-protocol-attack
# :label: sol-protocol-attack
# :class: dropdown
# ````

# %%
accuracy = {
    attack: [record.best.outcomes[attack].accuracy for record in ranked]
    for attack in ("clean", "fgsm", "pgd20", "pgd50")
}
for attack in ("clean", "fgsm", "pgd20"):
    similar = stats.spearmanr(accuracy[attack], accuracy["pgd50"]).statistic
    print(f"rank correlation of {attack} with pgd50: {similar:.2f}")
places = stats.rankdata([-a for a in accuracy["fgsm"]]) - stats.rankdata([-a for a in accuracy["pgd50"]])
gain, name = min(zip(places, (record.run.activation for record in ranked), strict=True))
print(f"most places gained under FGSM: {style.title(name)}, {-gain:g}")

# %% [markdown]
# An activation that looks much better under one step than under fifty has a loss surface that one step does not follow well. That
# is what the check "one step does not beat fifty" looks for from the other side, and what catastrophic overfitting looks like.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Holm by hand
# :label: ex-protocol-holm
#
# Four comparisons give p = 0.004, 0.03, 0.015 and 0.04. Which are below 0.05 after Holm's correction? Which would be after
# Bonferroni's, which multiplies every p-value by the number of comparisons?
# ```

# %% [markdown]
# ````{solution-start} ex-protocol-holm
# :label: sol-protocol-holm
# :class: dropdown
# ````

# %%
from robust_activations.stats import holm

p = [0.004, 0.03, 0.015, 0.04]
print("Holm      ", [f"{value:.3f}" for value in holm(p)])
print("Bonferroni", [f"{min(1.0, 4 * value):.3f}" for value in p])

# %% [markdown]
# The smallest is multiplied by 4, the next by 3, then 2, then 1, and none may be smaller than the one before it.
# So Holm keeps two, Bonferroni one, at the same protection.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Give the core more seeds: add them to `SEEDS` in `studies/protocol.py` and watch the intervals shrink.
# - Run the same study with more: `robust-activations run protocol --scale gpu` can be stopped and started at any moment, and this page then begins
#   with its records.
# - Change the learning rate in `recipe` and see whether the order survives. If it does not, what was it an order of?
# - See which claims stand where: {doc}`/notebooks/claims`.
