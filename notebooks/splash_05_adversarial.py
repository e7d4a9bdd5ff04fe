# %% [markdown]
# # Under adversarial training
#
# What is said of SPLASH's robustness is said of networks that were trained on clean images. Who wants a robust network
# today trains it on attacked ones. Does the unit still help there, where robustness comes from somewhere else? The
# paper does not say; this page asks, with ReLU, SPLASH, SiLU and other choices for SPLASH's open parts, under the
# protocol that every activation of this book goes through.
#
# **At the end you will know**
#
# - how accurate and how robust networks with SPLASH, ReLU and SiLU are after the same adversarial training, over seeds;
# - what other hinges, another start, and learning only in one half of the training change;
# - whether the unit learns another shape under attack than without;
# - whether training with it is stable, and whether its records pass the checks for masked gradients;
# - how large the step from standard to adversarial training is, beside the step from one activation to another.
#
# *Reading time: 14 minutes. Run time: about a quarter of a minute, after some minutes of training the first time that a
# page on this paper is opened.*

# %%
from robust_activations import paths, studies
from robust_activations.figures import claims, comparisons, results, splash_learned, style, tables
from robust_activations.figures.audits import check_table, sound
from robust_activations.figures.rows import Row
from robust_activations.stats import over_seeds
from robust_activations.studies import protocol, splash
from robust_activations.studies.base import strongest
from robust_activations.studies.verdicts import tuned

studies.collect("splash")  # trains what is missing
ledgers = studies.ledgers()
recipe = protocol.recipe("digits")("splash")

# %% tags=["remove-cell"]
import numpy as np
import torch
from IPython.display import Markdown

from robust_activations.figures.prose import MINUS, listed, note, p_said, points, table, titled


def rows_of(scale):
    """By title the recorded runs of this experiment: ReLU and SPLASH with all their seeds, the others with one."""
    records, wanted = ledgers[scale], {title: [run] for title, run in splash.adversarial(scale).items()}
    for title, name in (("ReLU", "relu"), ("S = 7", "splash")):
        wanted[title] = [protocol.recipe(scale)(name, seed=seed) for seed in protocol.seeds(scale)]
    found = {title: [records[run] for run in several if run in records] for title, several in wanted.items()}
    return {title: Row(LABELS.get(title, f"SPLASH, {title}"), own) for title, own in found.items() if own}


LABELS = {"ReLU": "ReLU", "S = 7": "SPLASH", "SiLU": "SiLU"}
scales = {scale: rows for scale in paths.SCALES if "ReLU" in (rows := rows_of(scale)) and len(rows) > 1}
whole = {scale: rows for scale, rows in scales.items() if "S = 7" in rows}
larger = [scale for scale in scales if scale != "digits"]
note("s5_eps", recipe.threat.eps)
note("s5_steps", recipe.objective.attack.steps)
note("s5_epochs", recipe.schedule.epochs)
note("s5_eps_cpu", protocol.recipe("cpu")("splash").threat.eps)
note("s5_seeds", len(scales["digits"]["ReLU"].records))


# %% [markdown]
# ## What was claimed
#
# Of adversarial training with SPLASH: **nothing that we know of**. The abstract {cite}`tavakoli2020` speaks of
# robustness against attacks and of no adversarial training; whether the paper's text has any was **not found**. So this
# page has no column for reported numbers, and its claim is ours: *under adversarial training SPLASH is more robust than
# ReLU*.
#
# There are reasons to expect it, and reasons not to.
#
# For
# : SPLASH contains ReLU and starts as it. Adversarial training needs capacity {cite}`madry2018`, and shape is capacity.
#   Other learned activations have been reported to help there
#   {cite}`dai2021` (seen: abstract).
#
# Against
# : It stays piecewise linear. If smoothness is what helps in adversarial training {cite}`xie2020`, then SPLASH is on
#   ReLU's side, and with up to seven kinks where ReLU has one. SiLU is here as the smooth rival without anything to
#   learn.
#
# **If it helps**, SPLASH's accuracy under PGD-50 should be above ReLU's on the same images, in every seed, without loss
# on clean images, and without a sign of masked gradients.
#
# ## The recipe
#
# The protocol's: at `digits` PGD training {cite}`madry2018` with {glue:text}`s5_steps` steps and ε =
# {glue:text}`s5_eps` for {glue:text}`s5_epochs` epochs; at `cpu` N-FGSM {cite}`dejorge2022`, a single noisy step, with
# ε = {glue:text}`s5_eps_cpu` on CIFAR-10. Both ε are larger than those of {doc}`/notebooks/splash_03_robustness`.
# BatchNorm comes before each activation, coefficients have no weight decay and the learning rate of the weights. The
# experiment in full, with the share of the run in which coefficients are learned, from and to:

# %%
for title, run in splash.adversarial("digits").items():
    print(f"{title:26} {run.schedule.learn} {run.activation_options or ''}")

# %% [markdown]
# ## Robust and clean accuracy

# %% mystnb={"image": {"alt": "Dots with intervals for ReLU, SPLASH, SiLU and SPLASH with other choices: clean accuracy as open diamonds, accuracy under PGD-20 as triangles and under PGD-50 as dots. ReLU's intervals are shaded.", "width": "460px"}, "figure": {"caption": "MEASURED, adversarially trained: accuracy on clean images and under attack. 95 % intervals: Wilson's of one network, t of the mean over seeds (rings). Not every choice was attacked with PGD-50. Data, ε and n are in each title.", "name": "fig-splash5-dots"}} tags=["hide-input"]
results.dots(
    titled({scale: list(rows.values()) for scale, rows in scales.items()}), ("clean", "pgd20", "pgd50"), baseline="ReLU"
)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = []
for scale, rows in scales.items():
    attacks = [
        attack
        for attack in ("clean", "pgd20", "pgd50", "autoattack")
        if any(attack in record.best.outcomes for row in rows.values() for record in row.records)
    ]
    parts += [f"*Scale `{scale}`*", tables.accuracy_table(list(rows.values()), attacks)]
Markdown("\n\n".join(parts))

# %% [markdown]
# ### On the same images
#
# SPLASH and SiLU against ReLU, with Holm's correction over the rows of a table. Of one seed p is McNemar's exact one. Of the seeds that both
# have, all count, and the interval is that of their mean; p is that of a t test then, in which an image counts once.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = []
for scale, rows in scales.items():
    others = [rows[title] for title in ("S = 7", "SiLU") if title in rows]
    if others:
        parts += [
            f"*Scale `{scale}`*",
            *(tables.paired_table(rows["ReLU"], others, attack) for attack in ("pgd50", "clean")),
        ]
Markdown("\n\n".join(parts))


# %% tags=["remove-cell"]
def said(rows, attack, where):
    """SPLASH's difference to ReLU, in words and by Holm's p of the table; nothing where it cannot be compared."""
    others = [rows[title] for title in ("S = 7", "SiLU") if title in rows]
    found = {one.name: one for one in comparisons.against(rows["ReLU"], others, attack)}.get(LABELS["S = 7"])
    if found is None:
        return ""
    test, (mean, low, high) = found.test, found.at
    seeds = {record.run.seed for record in rows["S = 7"].whole} & {record.run.seed for record in rows["ReLU"].whole}
    p = f"Holm's {p_said(found.holm)}"
    if low > 0 or high < 0:
        firm = "beyond chance" if found.differs else "not beyond chance after the correction"
    else:
        firm = "the interval includes 0"
    over = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    n = f"n = {test.n // len(seeds):,} each" if len(seeds) > 1 else f"n = {test.n:,}"
    return f"{points(mean)} points {where} [{points(low)}, {points(high)}] ({over}, {n}, {p}: {firm})"


words = []
for scale, rows in whole.items():
    parts = [said(rows, attack, where) for attack, where in (("pgd50", "under PGD-50"), ("clean", "on clean images"))]
    if any(parts):
        words.append(f"**Scale `{scale}`.** SPLASH's difference to ReLU is {'; '.join(filter(None, parts))}.")
    elif rows["S = 7"].collapsed or rows["ReLU"].collapsed:
        words.append(f"**Scale `{scale}`.** Training collapsed, so nothing can be compared.")
    words.append(tables.later(scale, [*rows["S = 7"].whole, *rows["ReLU"].whole]))
told = "\n\n".join(filter(None, words)) or "SPLASH and ReLU are not both recorded yet."
home = scales["digits"]
note("s5_main", said(home, "pgd50", "under PGD-50") or "not comparable, since training collapsed")
note("s5_clean", said(home, "clean", "on clean images") or "not comparable")
by_seed = [
    (one.run.seed, studies.paired(one, other).difference)
    for one in home["S = 7"].whole
    for other in home["ReLU"].whole
    if one.run.seed == other.run.seed
]
note("s5_by_seed", listed(f"{points(value)} (seed {seed})" for seed, value in by_seed))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(told)

# %% [markdown]
# Seed by seed on the digits, under PGD-50, in points: {glue:text}`s5_by_seed`. The spread of these numbers is what one
# pair of networks cannot show.
#
# ### How firm is it?
#
# Two choices stand behind that number: the epoch, which is the best on held-out images, and the weight decay, which is
# the recipe's for all. So look at the last epoch too, and at ReLU with the weight decay that did best *for ReLU* under
# PGD-10 on held-out images ({doc}`/notebooks/protocol_01_ranking` has such a choice for more activations; for SPLASH
# there is none on the digits). By PGD-20, since not all of these networks have been through PGD-50:

# %% tags=["hide-input"]
ours, theirs = ({record.run.seed: record for record in home[title].whole} for title in ("S = 7", "ReLU"))
seeds = [seed for seed in ours if seed in theirs]
overs = {}
for at, which in (("best epoch", "best"), ("last epoch", "last")):
    found = [[getattr(own[seed], which).outcomes.get("pgd20") for own in (ours, theirs)] for seed in seeds]
    gains = [one.accuracy - other.accuracy for one, other in found if one and other]
    if len(gains) > 1:
        mean, low, high = overs[which] = over_seeds(gains)
        each = "  ".join(map(points, gains))
        print(f"{at}, by seed: {each}; mean {points(mean)} [{points(low)}, {points(high)}]")

same = [run for run in protocol.runs("digits") if run.objective == recipe.objective and run.seed == recipe.seed]
chosen = [ledgers["digits"][run] for run in tuned(ledgers["digits"], same) if run.activation == "relu"]
decayed = (
    comparisons.paired(Row("SPLASH", ours[recipe.seed]), Row("ReLU", chosen), "pgd20") if recipe.seed in ours else None
)
if decayed:
    decay = f"{chosen[0].run.schedule.weight_decay:g}"
    own = f"{recipe.schedule.weight_decay:g}"
    print(f"ReLU chose decay {decay} (recipe {own}); SPLASH to it: {comparisons.span(decayed[1])}")

# %% tags=["remove-cell"]
words, holds = [], {}
if "last" in overs:
    mean, low, high = overs["last"]
    holds["the last epoch"] = low > 0
    if low > 0:
        verdict = "its interval over seeds excludes 0 there too"
    elif high < 0:
        verdict = "there SPLASH is below ReLU, and the interval over seeds excludes 0"
    else:
        verdict = "its interval over seeds includes 0 there"
    words.append(
        f"At the last epoch SPLASH's difference to ReLU under PGD-20 is {points(mean)} points [{points(low)}, {points(high)}]: {verdict}."
    )
if decayed:
    test, at = decayed
    holds["ReLU with the weight decay that it chose"] = test.p < 0.05 and at.low > 0
    if test.p < 0.05 and (at.low > 0 or at.high < 0):
        verdict = f"{'above' if at.low > 0 else 'below'} it beyond chance"
    else:
        verdict = "not told apart from it"
    words.append(
        f"To ReLU with weight decay {decay}, SPLASH (seed {recipe.seed}, the recipe's {own}) differs by {points(at.value)} points under PGD-20 "
        f"[{points(at.low)}, {points(at.high)}] (paired {p_said(test.p)}, n = {test.n:,}): it is {verdict}."
    )
if holds and all(holds.values()):
    words.append("The gain holds against each of these checks.")
elif holds:
    fails = listed(name for name, held in holds.items() if not held)
    words.append(f"So the gain of the chosen epochs under the recipe's weight decay is not shown for: {fails}.")
firm = " ".join(words) or "Neither can be looked at yet: the records are missing."
note("s5_firm", firm)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(firm)

# %% [markdown]
# ## Other choices
#
# Where the hinges lie, how the unit starts and when it is learned are choices of ours
# ({doc}`/notebooks/splash_04_choices` makes them without attacks). Two rows are about *when*: learned in the second
# half means ReLU first; learned, then frozen means that the weights may adapt to a shape that holds still. Each against
# SPLASH as we take it, by the strongest attack that both were given, first seed:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts, choices = [], {}
for scale, rows in whole.items():
    others = [row for title, row in rows.items() if title not in LABELS]
    attack = strongest(record for row in (rows["S = 7"], *others) for record in row.whole)
    if others and attack:
        first = Row("SPLASH", rows["S = 7"].records[:1])
        choices[scale] = (first, others, attack)
        parts += [f"*Scale `{scale}`*", tables.paired_table(first, others, attack, heading="Choice")]
Markdown("\n\n".join(parts) or "No scale has records of them yet.")

# %% tags=["remove-cell"]
words = []
for scale, (first, others, attack) in choices.items():
    if found := comparisons.against(first, others, attack):
        biggest = max(found, key=lambda one: abs(one.at.value))
        said = comparisons.told_in_words(comparisons.told_apart(found), "above it", "below it")
        words.append(
            f"**Scale `{scale}`**, against {first.label}: {said}. The largest difference is {points(biggest.at.value)} points "
            f"({biggest.name})."
        )

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(words) or "Nothing to compare yet.")

# %% [markdown]
# A choice that makes no difference beyond chance may stay as it is; that it makes none at all is not shown. One seed
# each.
#
# ## Does it learn another shape?
#
# The units of the chosen epoch on the digits, first seed, trained without attacks and with them. Mind that a factor of
# the whole function means nothing, because the weights behind it can undo it; what counts is the shape.

# %% mystnb={"image": {"alt": "Learned piecewise linear functions, a row for each layer, trained without attacks to the left and with them to the right, over the ReLU that they started as in grey.", "width": "460px"}, "figure": {"caption": "MEASURED: SPLASH units of the chosen epoch (green) over their start (grey), digits, first seed. Ticks at the bottom are hinges.", "name": "fig-splash5-shapes"}} tags=["hide-input"]
(place, *_) = splash.accuracy("digits")
without = [ledgers["digits"][run] for run in splash.accuracy("digits")[place]["splash"] if run in ledgers["digits"]]
attacked = home["S = 7"].records
splash_learned.layers({"without": without[:1], "with attacks": attacked[:1]})

# %% tags=["remove-cell"]
lines, away = [], {"without": [], "with": []}
for i, units in enumerate(
    zip(*(splash_learned.learned(record).values() for record in [*without, *attacked]), strict=True), 1
):
    groups = {"without": units[: len(without)], "with": units[len(without) :]}
    cells = []
    for name, own in groups.items():
        far = [100 * splash_learned.unlike(one.curve, torch.relu) for one in own]
        left = [-one.left[0] for one in own]
        away[name] += far
        cells += [
            f"{np.mean(far):.0f} ({min(far):.0f} to {max(far):.0f})",
            f"{np.mean(left):.2f} ({min(left):.2f} to {max(left):.2f})".translate(MINUS),
        ]
    lines.append([f"layer {i}", *cells])
means = {name: np.mean(values) for name, values in away.items()}
apart = min(away["with"]) > max(away["without"]) or max(away["with"]) < min(away["without"])
note("s5_away", f"{means['with']:.0f} % with attacks and {means['without']:.0f} % without")
note("s5_apart", "the two do not overlap" if apart else "the two overlap, over layers and seeds")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
header = ["", "Without: unlike ReLU, %", "slope left of 0", "With attacks: unlike ReLU, %", "slope left of 0"]
Markdown(table(header, lines))

# %% [markdown]
# *Mean over seeds, least to greatest in brackets. "Unlike ReLU": the part of the function that no multiple of ReLU
# explains, root mean square under N(0, 1).* On average over layers and seeds the units are unlike ReLU by
# {glue:text}`s5_away`; {glue:text}`s5_apart`.
#
# ## Is training stable?
#
# A unit with eight free slopes could run away, and single-step training can collapse in one epoch {cite}`wong2020`. The
# curves show held-out accuracy after each epoch, the first seed of each.

# %% mystnb={"image": {"alt": "Held-out accuracy, clean and under PGD-10, against the epoch for ReLU, SPLASH and SiLU in colours, and for SPLASH's other choices in thin grey lines, on the digits.", "width": "460px"}, "figure": {"caption": "MEASURED: accuracy on held-out images after each epoch of adversarial training, digits, first seed; dots mark the chosen epoch. Grey, without dots: SPLASH with other choices, which are not told apart here. The panels are scaled for the other three; a line that leaves a panel is named in it.", "name": "fig-splash5-curves"}} tags=["hide-input"]
results.curves(
    {row.label: row.records[0] for row in home.values()}, ("held_clean", "held_pgd10"), main=tuple(LABELS.values())
)

# %% tags=["remove-cell"]
words = []
for scale, rows in scales.items():
    every = {label: row.records for label, row in ((row.label, row) for row in rows.values())}
    fallen = [
        f"{label}, seed {record.run.seed}: {record.collapsed}"
        for label, own in every.items()
        for record in own
        if record.collapsed
    ]
    count = sum(map(len, every.values()))
    steepest = {
        label: max(
            (
                unit.lipschitz
                for record in own
                if not record.collapsed
                for unit in splash_learned.learned(record).values()
            ),
            default=None,
        )
        for label, own in every.items()
        if own[0].run.activation == "splash"
    }
    steepest = {label: value for label, value in steepest.items() if value is not None}
    text = f"**Scale `{scale}`.** Of {count} runs {len(fallen) or 'none'} collapsed" + (
        f" ({'; '.join(fallen)})." if fallen else "."
    )
    if steepest:
        top = max(steepest, key=steepest.get)
        text += f" The steepest segment that SPLASH learned has a slope of {steepest[top]:.2f} ({top}); ReLU's is 1."
    drops = []
    for label, own in every.items():
        falls = [
            max(row["held_pgd10"] for row in record.history) - record.history[-1]["held_pgd10"]
            for record in own
            if not record.collapsed
        ]
        if falls and label in ("ReLU", "SPLASH"):
            drops.append(f"{label} {100 * np.mean(falls):.1f} points")
    if drops:
        text += f" From its best epoch to the last, accuracy under PGD-10 on held-out images fell by: {', '.join(drops)} (mean over seeds)."
    words.append(text)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(words))

# %% [markdown]
# ## Are gradients masked?
#
# The checklist of {doc}`primer 3 <primer_03_honest_evaluation>`, over all records of SPLASH in this experiment and then
# over ReLU's:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = []
for scale, rows in scales.items():
    for name in ("splash", "relu"):
        own = [record for row in rows.values() for record in row.records if record.run.activation == name]
        if own:
            parts += [f"*Scale `{scale}`, {style.title(name)}*", check_table(own)]
Markdown("\n\n".join(parts))

# %% tags=["remove-cell"]
every = [record for rows in scales.values() for row in rows.values() for record in row.records]

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(sound(every))

# %% [markdown]
# Passing shows that these symptoms are absent, and no more.
#
# ## Two steps of different size
#
# The same unit and the same attack, after training without and with attacks. The radii differ between the two
# experiments, so the comparison is by a live attack: PGD-50 on the standard-trained networks at the radius of
# adversarial training.

# %%
import torch

from robust_activations import data, runs
from robust_activations.evaluation import SUITE, Outcome, under_attack

digits = data.load("digits")
some = slice(200)
trained, robust = {}, {}
print(f"{'PGD-50':7} {'trained without attacks':27}  with attacks")
for name in splash.PAIR:
    plain = splash.accuracy("digits")[place][name][0]
    network = runs.trained(plain, paths.data("digits"))
    right = under_attack(
        network, digits.test_images[some], digits.test_labels[some], recipe.threat, SUITE["pgd50"](recipe.threat)
    )
    trained[name] = Outcome.of(right, 0.0)
    right = ledgers["digits"][protocol.recipe("digits")(name)].best.outcomes["pgd50"].right[some]
    robust[name] = Outcome.of(torch.from_numpy(right), 0.0)
    print(f"{style.title(name):7} {trained[name]!s:27}  {robust[name]}")

# %% tags=["remove-cell"]
training = robust["relu"].accuracy - trained["relu"].accuracy
unit = robust["splash"].accuracy - robust["relu"].accuracy
note("s5_training", points(training))
note("s5_unit", points(unit))
if training > 3 * abs(unit):
    lesson = "Training with attacks moves robust accuracy by far more than SPLASH in the place of ReLU does: the unit is no replacement for the training."
else:
    lesson = "Here the two are of similar size."
note("s5_lesson", lesson)

# %% [markdown]
# Attacks in training change ReLU's accuracy at this radius by {glue:text}`s5_training` points, SPLASH in the place of
# ReLU by {glue:text}`s5_unit` (first seed, the first 200 test images). {glue:text}`s5_lesson`
#
# ## Verdict

# %% tags=["remove-cell"]
mine = [one for one in claims.judged(study="splash") if one.claim.id == "splash-adversarial"]
stands = claims.stands(mine, "splash-adversarial").replace("`splash-adversarial` ", "").replace("<br>", "; ")
note("s5_stands", stands.replace("`", "").replace("*", ""))
recorded = {scale: [record for row in scales[scale].values() for record in row.records] for scale in larger}
made = tables.elsewhere(recorded, "splash", "CIFAR-10")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(mine))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(made)

# %% [markdown]
# ## What to hold against the experiment
#
# - **Not the paper's claim.** As far as we know, no verdict here, for or against, is about something that the authors
#   have said.
# - **One recipe** in the tables. A verdict takes all pairs that agree in everything but the activation, so that it may rest on
#   more networks: other weight decays, or TRADES. The recipe was not tuned for SPLASH: its coefficients learn at the rate of the weights, and
#   {cite:t}`huang2023` show how much weight decay decides about activations (seen: full text).
# - **Short trainings.** Coefficients of a few layers get few steps at `digits` and `cpu`. What a long training does to
#   them is what the scales `gpu` and `paper` are for.
# - **Single step at `cpu`.** N-FGSM is not PGD training. A unit that helps under one might not help under the other.
# - **PGD-50 is an upper bound.** At `digits` and `cpu` these records have no AutoAttack; it is part of the two larger
#   scales.
#
# ## Summary
#
# - The abstract does not speak of SPLASH under adversarial training, so the claim is ours.
# - On the digits, over {glue:text}`s5_seeds` seeds, SPLASH's difference to ReLU is {glue:text}`s5_main`, and
#   {glue:text}`s5_clean`.
# - How firm that is: {glue:text}`s5_firm`
# - Verdict so far: {glue:text}`s5_stands`.
# - The learned units are unlike ReLU by {glue:text}`s5_away`; {glue:text}`s5_apart`.
# - {glue:text}`s5_lesson`
#
# ## Questionnaire
#
# 1. Which claim does this page test, and whose is it?
# 2. Which argument speaks against a gain of SPLASH in adversarial training?
# 3. Why is SiLU part of the comparison?
# 4. Why must seeds be shown one by one although there is a test on the images?
# 5. What does "unlike ReLU" leave out, and why?
# 6. What is the difference between "learned from half-way" and "learned, then frozen"?
# 7. Why can the accuracies of this page and of {doc}`/notebooks/splash_03_robustness` not be compared directly?
#
# ## Exercises

# %% [markdown]
# ```{exercise} How many seeds? · five minutes
# :label: ex-splash5-seeds
#
# Suppose that the difference between SPLASH and ReLU varies from seed to seed with a standard deviation of one point.
# How wide is the 95 % t interval of the mean with two, three, five and ten seeds?
# ```

# %% [markdown]
# ````{solution-start} ex-splash5-seeds
# :label: sol-splash5-seeds
# :class: dropdown
# ````

# %%
from scipy.stats import t

for seeds in (2, 3, 5, 10):
    print(f"{seeds:2} seeds: ± {t.ppf(0.975, seeds - 1) / seeds**0.5:.2f} points")

# %% [markdown]
# From two to three seeds it becomes more than three times narrower, because Student's factor falls so fast. With one
# seed there is no interval.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Only a factor · five minutes
# :label: ex-splash5-factor
#
# Multiply all coefficients of a SPLASH unit by 3. What do `unlike` and the Lipschitz constant say? Why may the first be
# the fairer measure here, and when would the second matter?
# ```

# %% [markdown]
# ````{solution-start} ex-splash5-factor
# :label: sol-splash5-factor
# :class: dropdown
# ````

# %%
one = next(iter(splash_learned.learned(attacked[0]).values()))
thrice = splash_learned.Learned([3 * a for a in one.right], [3 * a for a in one.left], one.hinges)
for what, unit in (("as learned", one), ("three times", thrice)):
    print(f"{what:12} unlike ReLU {splash_learned.unlike(unit.curve, torch.relu):.3f}, Lipschitz {unit.lipschitz:.2f}")

# %% [markdown]
# The layer behind can divide its weights by 3, and where BatchNorm follows it does so by itself: the network is the
# same function. The Lipschitz constant of one unit matters only together with the norms of the weights.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read on: {doc}`/notebooks/splash_06_discussion` puts all verdicts on SPLASH together, and
#   {doc}`/notebooks/protocol_01_ranking` ranks it among all activations of the book.
# - `robust-activations run splash --scale gpu` trains ResNet-18 on CIFAR-10 with PGD, three seeds and AutoAttack.
# - Give the coefficients a learning rate of their own, or weight decay (`decay_activations`). Do the shapes change?
