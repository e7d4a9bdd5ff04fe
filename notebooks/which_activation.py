# %% [markdown]
# # Which activation?
#
# For somebody who has to choose today: what our records say, what others report, when the choice matters and when something else matters more, and
# how sure we are.
#
# ## The short answer

# %% tags=["hide-input"]
from dataclasses import replace

import torch

from robust_activations import data, paths, runs, studies
from robust_activations.attacks import Threat
from robust_activations.figures import answers, choice, claims, measured, prices, sanity, saved, standings
from robust_activations.figures.advice import advice, answered
from robust_activations.figures.rows import ATTACKS, under
from robust_activations.studies import curves, protocol, sat

records = studies.collect("all")  # trains what is missing at scale digits
judged = claims.judged()
digits = standings.standings("digits", records)
scales = [one for one in (digits, *standings.recorded()) if answers.comparable(one)]  # the largest last
ledgers = studies.ledgers(one.scale for one in scales)
levers = {scale: choice.levers(scale, ledger) for scale, ledger in reversed(ledgers.items())}
priced = {one.scale: prices.priced(one, measured.benchmarks()) for one in reversed(scales)}
kept = curves.read(paths.ledger("cpu") / "curves-cpu.json")  # made by `robust-activations evaluate --radii`

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures import longer, margins
from robust_activations.figures.audits import doubted, sound
from robust_activations.figures.prose import box, listed, note

best = scales[-1]
headline, short = answers.short(best, levers[best.scale], judged)
attack = f"{under(levers[best.scale].attack)} (where no other attack is named)"
imagenet = any(record.run.dataset == "imagenet" for record in ledgers[best.scale])
gain = answers.reported_gain(judged, "sat-silu", "bai-autoattack")
tested = "see our own records of it" if imagenet else "which we have not tested"
note("short_headline", headline)
note("short_answer", short)
note("short_attack", attack)
note("full_answer", answers.full(best))
note("others_gain", gain)
at_best = [one for one in judged if one.scale == best.scale]
note("claims_said", f"{claims.summary(at_best)} {claims.held(at_best)}".replace("`", ""))
note("others_tested", tested)
note("levers_attacks", listed(dict.fromkeys(ATTACKS[one.attack] for one in levers.values())))
hard = curves.read(paths.ledger("cpu") / f"margin-{best.scale}.json")
note("margin_lead", margins.lead(curves.of(hard, [record.run for record in best.records]), ledgers[best.scale]))
note("epochs", best.of("relu")[0].run.schedule.epochs)
note("next_scale", "paper" if best.scale in ("gpu", "paper") and best.core else "gpu")
titles = {one.scale: f"scale {one.scale}: {one.title()}" for one in scales}

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    f"**{headline}** {short} Others report {gain} points for SiLU {{cite}}`xie2020` and GELU {{cite}}`bai2021` on "
    f"ImageNet (seen), {tested}.\n\n{answers.cases(scales, judged, kept, ledgers[best.scale], imagenet)}\n\n"
    f"*{answers.scale_names(reversed(scales))}.*\n\n"
    + box(
        "The short answer with its tests",
        f"The numbers above are {attack}, run on all of these networks. {answers.full(best)}",
    )
)

# %% [markdown]
# Failing to tell two activations apart does not make them equal: look at the interval. More of what others found:
#
# - {cite:t}`peng2023` end their list of changes to a ResNet-50 with SiLU, and prefer it to PSiLU and PSSiLU too (seen, secondary).
# - On CIFAR and Tiny-ImageNet, {cite:t}`huang2023` find that under a baseline recipe smooth activations mostly do not win, while under an advanced
#   one SiLU does.
# - {cite:t}`gowal2020` use SiLU together with larger networks and averaged weights, so that its share of their gain cannot be told.
#
# **At the end you will know**
#
# - which activation we would use, for which purpose, and on whose evidence;
# - how far another activation moves robust accuracy, beside what a longer training or another network does;
# - what that costs at every step;
# - what our records are too few to see;
# - and, if you teach, which five figures to show.
#
# *Reading time: 14 minutes. Run time: half a minute, once the networks of the other pages are trained.*
#
# ## Question by question
#
# Each answer follows the verdict at the largest scale that has one; all of them, with their records: {doc}`/notebooks/claims`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
ANSWERS = {
    "ReLU or SiLU, under adversarial training?": advice(
        judged,
        "sat-silu",
        supported="SiLU was ahead. What other changes bring: {numref}`fig-choice-levers`.",
        contradicted="ReLU was ahead. What other changes bring: {numref}`fig-choice-levers`.",
        undecided="Our records do not tell the two apart.",
    ),
    "Does SiLU's lead last when the training is longer?": longer.answer(longer.lengths(best.scale, ledgers[best.scale])),
    "Does SiLU cost accuracy on clean images?": advice(
        judged,
        "sat-free",
        supported="No: it was not worse by a point.",
        contradicted="Yes, a point or more.",
        undecided="Our records cannot exclude that it costs a point.",
    ),
    "Is it worth learning the shape?": advice(
        judged,
        "paf-learnable",
        supported="The learned shapes were ahead of those that they start as.",
        contradicted="No: the learned shapes were behind those that they start as.",
        undecided="Our records give no reason to.",
    ),
    "PSSiLU?": advice(
        judged,
        "paf-pssilu",
        supported="It was ahead of ReLU. Compare it with SiLU too, which has nothing to learn.",
        contradicted="No: it was behind ReLU.",
        undecided="Our records do not tell it from ReLU.",
    ),
    "SPLASH?": advice(
        judged,
        "splash-adversarial",
        supported="Under adversarial training it was ahead of ReLU.",
        contradicted="No: under adversarial training it was behind ReLU.",
        undecided="Under adversarial training our records do not tell it from ReLU.",
        besides=answers.on_clean(best, "splash"),
    ),
    "A gate that sees the neighbourhood (Sparta)?": advice(
        judged,
        "sparta-silu",
        supported="It was ahead of SiLU. Its convolutions have their price: see below.",
        contradicted="No: SiLU, which costs no convolution, was ahead.",
        undecided="No reason to: our records do not tell it from SiLU, which needs no convolution.",
        besides=f" Against ReLU: {claims.labels(judged, 'sparta-relu').split(': ', 1)[1]}.",
    ),
    "Can SPLASH stand in for adversarial training?": saved.stand_in(kept, "splash"),
    "Does it gain anything without, at a small ε?": advice(
        judged,
        "splash-autoattack",
        supported="Under AutoAttack it was ahead of ReLU.",
        contradicted="No: under AutoAttack it was behind ReLU.",
        undecided="Under AutoAttack our records do not tell it from ReLU.",
    ),
    "And with the weight decay tuned for each?": advice(
        judged,
        "huang-tuned",
        supported="Then SiLU was not ahead of ReLU by a point.",
        contradicted="Then, too, SiLU was ahead of ReLU by a point or more.",
        undecided="Our records cannot exclude that SiLU is ahead of a tuned ReLU by a point.",
    ),
    "Does its curvature tell how robust it will be?": advice(
        judged,
        "yu-curvature",
        supported="A second derivative of 5 was ahead of 0.5 and of ReLU's jump.",
        contradicted="Not as proposed: a second derivative of 5 was behind one of those that it was to beat.",
        undecided="Our records do not show the optimum that was proposed; {numref}`fig-sat-curvature` has them all.",
    ),
    "Is a longer training a substitute?": advice(
        judged,
        "sat-not-longer",
        supported="No: SiLU was ahead of a ReLU that was trained twice as long.",
        contradicted="Yes, and more than that: ReLU, trained twice as long, was ahead of SiLU.",
        undecided="It may be: our records do not tell SiLU from a ReLU that was trained twice as long.",
    ),
}
caveat = f"*These are {len(ANSWERS)} tests without correction; one in twenty would come out by chance.*"
Markdown(f"{answered(ANSWERS)}\n\n{caveat}")

# %% [markdown]
# ## When it matters: one change at a time

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(f"**{said}**" for one in levers.values() if (said := choice.conclusion(one))))

# %% [markdown]
# The protocol trains a network with ReLU ({doc}`/notebooks/protocol_01_ranking`). Among all runs of all studies we look for those that differ from
# that one *in a single thing*: another activation, another seed, more epochs, a narrower or wider network, another way of training. Each is
# compared with it on the same test images, under the strongest attack that all of them have been through.

# %% mystnb={"image": {"alt": "A panel for each scale, the largest on top and the digits below, with a row for each kind of change, such as another activation, another seed, another number of epochs, another network. In each row a dot for each run, placed at its robust accuracy above that of the ReLU run; a vertical line marks no difference. Full dots differ beyond chance, hollow ones may not. The outermost dots of a row are named, and SiLU and GELU.", "width": "560px"}, "figure": {"caption": "What one change to the protocol's ReLU run does to robust accuracy. A dot is a run; full dots differ from ReLU's run by more than the chance of the test images (McNemar's exact test, Holm's correction over all activations and over all other changes, an interval that excludes 0). What lies far out is an arrow at the edge with its number. The dots of a long row take turns in height, which means nothing. One seed each, best epoch; data, ε, n and attack are in the titles.", "name": "fig-choice-levers"}} tags=["hide-input"]
choice.lever_figure({f"{titles[scale]},\n{under(one.attack)}": one for scale, one in levers.items()})

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(choice.weighed(one) for one in levers.values()))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown("\n\n".join(f"Scale `{scale}`:\n\n{choice.lever_table(one)}" for scale, one in levers.items()))

# %% [markdown]
# *Points above ReLU's run with 95 % intervals; above and below count the runs that differ beyond chance. The highest of many is flattered by having
# been chosen: that is what the correction is for, and the first exercise. Every dot shares the luck of ReLU's one run. A width is the number of channels
# of the first stage, layers count the convolutions of a ResNet, and denoising blocks are those of {cite:t}`xie2019`, which average over the image.*
#
# ## What it costs

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(said for one in scales if (said := prices.said(priced[one.scale], one, measured.benchmarks()))))

# %% mystnb={"image": {"alt": "A scatter plot: the time of a training step relative to ReLU's to the right, points above ReLU under PGD-50 upwards; one dot an activation with lines for the spread of the time and the interval of the difference, and a cross for ReLU. Arrows at the right edge are activations that take more than twice ReLU's step.", "width": "560px"}, "figure": {"caption": "Gain against price. To the right: the time of a PGD-10 training step over ReLU's with its spread over turns, from the benchmark `step_cost` with the same network: CPU threads, bfloat16, this library's fused kernels. Arrows: more than twice ReLU's step. Upwards: accuracy under PGD-50 less ReLU's on the same images with its 95 % interval; full dots differ beyond the chance of the images, after Holm's correction over all activations. Named: the activations that this book compares most, and what stands out. First seed, best epoch. Scales whose network was not timed are left out.", "name": "fig-choice-price"}} tags=["hide-input"]
prices.price_figure({titles[scale]: found for scale, found in priced.items()})

# %% [markdown]
# Every activation in numbers: {doc}`/notebooks/protocol_01_ranking`. On which machine the steps were timed, what an activation costs without training, and what compilation changes: {doc}`/notebooks/cost`.
#
# ## Without adversarial training
#
# The same network attacked at growing ε: on CIFAR-10 as measured once from saved networks, on the digits live. Of each data set the last panel
# shows networks that were trained on clean images (PSSiLU was trained on attacked images alone). Between the curves
# of a panel lies the activation (and the luck of each training), between the panels lies the training. At the small ε where a network that was trained on clean images still gets something
# right, activations differ there too ({doc}`/notebooks/sparta_02_readings`, {doc}`/notebooks/splash_03_robustness`); none of them lasts to the dotted line.
# How an attack on each looks: {doc}`/notebooks/pictures`.

# %% tags=["hide-input"]
digit = data.load("digits")
images, labels = digit.test_images[:200], digit.test_labels[:200]
threats = [Threat("linf", f"{255 * radius:g}/255") for radius in (0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4)]
LONGER = "trained on attacked images for longer"
plans = {  # functions from an activation to runs, by seed
    "CIFAR-10": {
        "trained on attacked images": lambda name: [protocol.recipe("cpu")(name, seed=s) for s in protocol.seeds("cpu")],
        LONGER: lambda name: sat.longer("cpu")[4][name],
        "trained on clean images": lambda name: [protocol.standard("cpu", "cifar10", "resnet20", name, attacked=True)],
    },
    "Digits": {
        "trained on attacked images": lambda name: [protocol.recipe("digits")(name)],
        "trained on clean images": lambda name: [protocol.standard("digits", "digits", "digits_cnn", name)],
    },
}
shown_names = {
    "trained on attacked images": ("relu", "silu", "pssilu", "splash", "sparta"),
    LONGER: ("relu", "silu"),
    "trained on clean images": ("relu", "silu", "splash", "sparta"),
}


def live(run):
    """Of the network as the studies trained it, however they evaluated it; None if it collapsed."""
    same = (one for one in records if replace(one.run, suite=run.suite) == run and not one.collapsed)
    network = next((runs.trained(one.run, paths.data("digits")) for one in same), None)
    return network and curves.along(network, images, labels, threats)


def curve(several):
    """The first seed that there is, and its curve: at the digits seed 0, elsewhere one whose network was kept."""
    if several[0].dataset == "digits":
        return (one := live(several[0])) and (0, one)
    return curves.first(kept, several)


panels, absent, seeds = {}, {}, {}
for place, both in plans.items():
    radius = both["trained on attacked images"]("relu")[0].threat.radius
    for how, make in both.items():
        found = {name: curve(make(name)) for name in shown_names[how]}
        own = {name: one for name, one in found.items() if one}
        absent[f"{place}, {how}"] = [name for name in shown_names[how] if name not in own]
        if own:
            seeds[place, how] = {name: seed for name, (seed, _) in own.items()}
            title = f"{place}, {how}, n = {own[next(iter(own))][1].n}"
            panels[place, how] = sanity.falling({name: one for name, (_, one) in own.items()}, title, radius)

# %% mystnb={"image": {"alt": "Panels of curves, for CIFAR-10 and for the digits: accuracy against epsilon, one curve with a band for each activation. Of each data set the first panel is of networks trained on attacked images, for CIFAR-10 a second one of ReLU and SiLU trained so for longer, the last of networks trained on clean images, where all curves fall to 0 much earlier. A dotted line marks the epsilon of adversarial training.", "width": "560px"}, "figure": {"caption": "Accuracy under PGD-20 (one start) against ε, with 95 % Wilson intervals (bands); an image that has fallen stays fallen. Dotted: the ε of adversarial training. Where curves coincide, the larger marker lies below. The first n test images. Digits: trained with PGD-7 at ε = 38.25/255 or on clean images, eight epochs. CIFAR-10: ResNet-20, trained with N-FGSM at ε = 8/255 or on clean images, three epochs, and for longer twelve. One network each, best epoch; the list below says of which seed.", "name": "fig-choice-eps"}} tags=["hide-input"]
sanity.curves(*panels.values())

# %% tags=["remove-cell"]
words, small = [], next((one for one in scales if one.scale == "cpu"), None)
for (place, how), panel in panels.items():
    at = panel.x.index(panel.mark)
    left = saved.left([100 * own[at].value for own in panel.curves.values()])
    words.append(f"{place} at ε = {panel.x[at]:g}/255, {how}: {left} ({saved.of_seeds(seeds[place, how])}).")
    if small and (place, how) == ("CIFAR-10", "trained on attacked images"):
        words[-1] += f" {saved.beside_mean(small, seeds[place, how])}"
words += [
    f"{place}: no curve of {standings.words(names)}: none was measured while a network was kept, or it collapsed."
    for place, names in absent.items()
    if names
]

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n".join(f"- {line}" for line in words))

# %% [markdown]
# ## How sure are we?

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(standings.evidence(scales))

# %% [markdown]
# *The protocol's records at each scale. Visible: the smallest difference to ReLU under PGD-50 that McNemar's test would tell from 0 in a single comparison,
# for an activation that disagrees with ReLU on as many images as the median one does. An effect of just that size would be seen in about half of all
# test sets, and less often after the correction.*

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "\n\n".join(
        [
            *(f"`{one.scale}`, the runs of the ranking and their seeds: {sound(one.records)}" for one in scales),
            doubted(ledgers[best.scale], judged),
        ]
    )
)

# %% [markdown]
# - **Small effects cannot be detected here.** Absence of evidence is not evidence of absence.
# - **Seeds.** Where ReLU has one seed, the interval is that of the images alone; another training of the same network would move it.
# - **Short training.** What overfits late, or pays late, has little time to do so in {glue:text}`epochs` epochs, those of the largest scale here;
#   {cite:t}`singla2021` and {cite:t}`xie2020` are about long trainings. What we have of longer ones: {numref}`fig-gradient-longer`.
# - **One recipe.** {cite:t}`huang2023` tune weight decay for each activation. The figures here do not; {doc}`/notebooks/protocol_01_ranking` has a table
#   of those that were tuned.
# - **Attacks.** {numref}`fig-choice-levers` rests on {glue:text}`levers_attacks`, {numref}`fig-choice-eps` on PGD-20 and {numref}`fig-choice-price` on
#   PGD-50. PGD on the cross-entropy gives upper bounds, and differences of a point or two may be those of the attack.
#   {glue:text}`margin_lead` How much more a margin loss breaks: {doc}`/notebooks/protocol_01_ranking`. Where a record holds AutoAttack, the claims are judged
#   by that.
#
# What would change our mind: a difference to ReLU at scale {glue:text}`next_scale`, over three seeds, under AutoAttack. The command
# `robust-activations run protocol --scale SCALE` makes these records, and this page changes with them. Which records there are, and where they were made: {doc}`/notebooks/records`.
#
# ## If you teach: five figures
#
# | Show | And ask |
# |---|---|
# | {numref}`fig-pictures-attacked`: attacked images | Which of these would *you* get wrong? Which network was trained adversarially, A or B? |
# | {numref}`fig-choice-eps`: accuracy against ε | What do the activations do, and what does the training do? |
# | {numref}`fig-choice-levers`: one change at a time | With a day on one machine, which of these would you change? |
# | {numref}`fig-protocol-redraws`: the ranking on CIFAR-10, redrawn | Who won? Would the same one win on other images? |
# | {numref}`fig-learned-shapes`: shapes that were learned on the digits | It moved. How would you find out whether that helped? |
#
# Each of the five is drawn by a notebook that runs on a laptop in minutes once its networks are trained; how long that took stands in
# {doc}`/notebooks/records`. Each of those ends with exercises.
#
# ## Summary

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    "\n".join(
        [
            f"- {headline}",
            f"- All claims of this book. {claims.summary(judged)}",
            f"- The largest gains of smooth activations are reported for ImageNet, {tested}.",
        ]
    )
)

# %% [markdown]
# ## Questionnaire
#
# 1. Why does a page on activations show seeds and epochs in the same figure?
# 2. The highest of many dots is above zero. Why is that no finding?
# 3. In {numref}`fig-choice-eps`, where do you look to judge an activation, and where to judge a defence?
# 4. What does *visible* mean, and what must you not conclude about smaller differences?
# 5. An activation gains 1 point and costs a step 1.5 times as long. What else could that time buy?
# 6. On whose evidence would you use SiLU on ImageNet, and why not on ours?
#
# ## Exercises

# %% [markdown]
# ```{exercise} The highest of many · five minutes
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
for scale, lever in levers.items():
    own = [one.comparison for one in lever.of(choice.ACTIVATION)]
    if own:
        widths = torch.tensor([one.at.high - one.at.low for one in own])
        error = float(widths.median()) / (2 * 1.96)
        draws = error * torch.randn(10_000, len(own), generator=torch.Generator().manual_seed(0))
        highest = 100 * float(draws.max(1).values.mean())
        seen = 100 * max(one.at.value for one in own)
        print(f"{scale}: {len(own)} activations, by chance {highest:+.1f} points, seen {seen:+.1f}")

# %% [markdown]
# The differences share ReLU's network, so they are not independent, and this is a rough figure. Compare the two columns before you believe in a winner.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} What else the time could buy · five minutes
# :label: ex-choice-time
#
# A step with GELU takes longer than one with ReLU. If that time went into more epochs of ReLU, how many would it pay for at scale `cpu`? And what
# does another number of epochs bring there, under the same attack?
# ```

# %% [markdown]
# ````{solution-start} ex-choice-time
# :label: sol-choice-time
# :class: dropdown
# ````

# %%
epochs = protocol.recipe("cpu")("relu").schedule.epochs
for one in priced.get("cpu", ()):
    if one.name == "gelu":
        print(
            f"the time of {(one.ratio - 1) * epochs:.1f} epochs beside {epochs}; GELU, PGD-50: {choice.span(one.at)} points"
        )
for one in levers["cpu"].of("another number of epochs") if "cpu" in levers else ():
    print(f"{one.label}, {under(levers['cpu'].attack)}: {choice.span(one.comparison.at)} points")

# %% [markdown]
# The comparison is not quite fair to GELU. Twice the epochs cost more than GELU does, the first epochs of a training bring more than the last, and the
# steps that were timed have ten steps of attack, where those at `cpu` have one. It is the right *question*, and papers on activations seldom ask it.
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
