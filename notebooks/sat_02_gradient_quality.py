# %% [markdown]
# # Is it the gradient? ReLU forward, smooth backward
#
# Smooth Adversarial Training {cite}`xie2020` says that ReLU hurts robustness through its *gradient*: at the kink the slope
# jumps, and both the attacker and the learner are told something that stops being true a little further on. That can be
# tested without changing the network's function at all. Keep ReLU on the way forward, and pretend on the way back that it had
# been smooth.
#
# **At the end you will know**
#
# - what the experiment is, and how one switch gives the smooth slope to the attack, to the update, or to both;
# - what the paper measured on ImageNet, and what we measure on smaller problems, with a paired test for every difference;
# - whether more attack steps or longer training do the same for plain ReLU, and whether SiLU's lead outlasts a longer one;
# - how much further an attack gets on a ReLU network with a smooth slope, and whether ReLU's own slope hides adversarial
#   examples.
#
# *Reading time: 15 minutes. Run time: half a minute, after some minutes of training the first time that a page on this paper
# is opened.*

# %%
import inspect
from dataclasses import replace

import torch
import torch.nn.functional as F

from robust_activations import attacks, data, paths, runs, studies
from robust_activations.activations import smooth as library
from robust_activations.attacks import PGD
from robust_activations.evaluation import Outcome, under_attack
from robust_activations.figures import claims, comparisons, gradients, longer, margins, results, standings, tables
from robust_activations.figures.rows import Row
from robust_activations.stats import mcnemar, over_seeds
from robust_activations.studies import curves, sat
from robust_activations.studies.base import strongest

records = studies.collect("sat")  # trains what is missing
ledgers = studies.ledgers()  # of all scales
quality = {place: records[run] for place, run in sat.gradient_quality("digits").items()}
relu = quality["none"]

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import MINUS, box, listed, note, p_said, points, titled

LABELS = {
    "none": "plain ReLU",
    "attack": "smooth for the attack",
    "update": "smooth for the update",
    "both": "smooth for both",
    "forward": "Parametric Softplus",
}


def rows_of(scale, found):
    """The five networks of a scale, as far as they are recorded."""
    return {place: Row(LABELS[place], found[run]) for place, run in sat.gradient_quality(scale).items() if run in found}


scales = {scale: rows for scale in paths.SCALES if "none" in (rows := rows_of(scale, ledgers[scale])) and len(rows) > 1}
note("alpha", f"{library.ReLUSmoothGradient.values['alpha']:g}")
note("n", relu.best.outcomes["pgd50"].n)

# %% [markdown]
# ## What was claimed
#
# Training against attacks solves a min-max problem, and uses gradients in two places {cite}`madry2018`:
#
# $$
# \min_\theta \; \mathbb{E}_{(x, y)} \max_{\lVert\delta\rVert_\infty \le \varepsilon} \ell(f_\theta(x + \delta), y)
# \qquad
# \underbrace{\nabla_x \ell}_{\text{attack: finds } \delta}
# \qquad
# \underbrace{\nabla_\theta \ell}_{\text{update: moves } \theta}
# $$
#
# Both are sums of products that contain one factor $\varphi'(z)$ for every activation on the way. For ReLU it is 0 or 1. A unit with
# $z = -0.01$ passes nothing on, although the attack could switch it on with a tiny step; one with $z = +0.01$ passes
# everything, although it is about to switch off. The paper's remedy for the experiment is to put the slope of Parametric
# Softplus in its place,
#
# $$
# \begin{gathered}
# \varphi(z) = \max(0, z), \\
# \text{“}\varphi'(z)\text{”} = \sigma(\alpha z) = \frac{d}{dz}\, \frac{\log(1 + e^{\alpha z})}{\alpha} ,
# \end{gathered}
# $$
#
# and to do so in the attack, in the update, or in both. This gives a table of two by two (ResNet-50 on ImageNet; seen as a
# picture in a third party's review). A review in Japanese adds (seen-2nd) that training for longer does not do the
# same, that the attack alone shows the usual trade of accuracy for robustness while the update improves both, and that using
# Parametric Softplus on the way forward too improves further. Those are words without numbers; the paper's own numbers for
# them were **not found**. Nor was its α: we take {glue:text}`alpha`, which a re-implementation by {cite:t}`singla2021` uses
# (seen).
#
# **If the story is true**, our numbers should show this:
#
# 1. each of the three smooth variants is more robust than plain ReLU, *both* most of all, and the update gives more than the
#    attack;
# 2. the attack alone costs clean accuracy, the update does not;
# 3. plain ReLU with more attack steps, or trained for longer, does *not* catch up;
# 4. with a smooth slope the attack that training uses reaches a higher loss on a ReLU network.
#
# ## The switch
#
# In the library this is one activation. Here is what it pretends, and how it decides whether to:

# %%
print(
    inspect.getsource(library._SmoothBackward.backward), inspect.getsource(library.ReLUSmoothGradient.forward), sep="\n"
)

# %% [markdown]
# `attacking` is set by the context `attacks.attacking` that surrounds every attack of the library, so that `where="attack"`
# needs no change in any attack or training loop. And `switched_on` is what `attacks.true_gradients` turns off: whenever the
# finished network is *evaluated*, be it after an epoch or at the end, the attacks use ReLU's own slope. Otherwise a network
# could look robust because its attacker was lied to.
#
# Does it do what it says? Take a trained ReLU network, and give its weights to three twins that differ in the switch alone.
# The first number is how far the gradient that an attack takes (to the pixels) is from ReLU's, relative to its length; the
# second the same for an update (to the weights); the third is the difference of the logits.

# %%
digits = data.load("digits")
x, y = digits.test_images.float() / 255, digits.test_labels
threat = relu.run.threat
network = runs.trained(relu.run, paths.data("digits"))


def twin(network, where, **options):
    """The same weights in a network whose ReLU has a smooth slope for the attack, the update or both."""
    run = replace(relu.run, activation="relu_smooth_gradient", activation_options={"where": where, **options})
    other = runs.build(run, digits)
    other.load_state_dict(network.state_dict())
    return other.eval()


def phases(network):
    """The gradient of an attack, that of an update, and the logits."""
    with attacks.attacking(network):
        pixels = attacks.input_gradient(network, x, y)
    logits = network(x)
    weights = torch.autograd.grad(F.cross_entropy(logits, y), list(network.parameters()))
    return pixels, torch.cat([gradient.flatten() for gradient in weights]), logits


def distances(one, other):
    return [float((a - b).detach().norm() / b.detach().norm()) for a, b in zip(one, other, strict=True)]


own = phases(network)
apart = {}
for where in sat.GRADIENTS:
    apart[where] = distances(phases(twin(network, where)), own)
with attacks.true_gradients(pretender := twin(network, "both")):
    apart["both, evaluated"] = distances(phases(pretender), own)

for name, (attack, update, logits) in apart.items():
    print(f"{name:17} attack {attack:.3f}   update {update:.3f}   logits {logits:.3f}")

# %% tags=["remove-cell"]
same = 1e-4  # of the length: other code for the same numbers rounds differently
wanted = {"attack": (1, 0, 0), "update": (0, 1, 0), "both": (1, 1, 0), "both, evaluated": (0, 0, 0)}
right = all(tuple(int(value > same) for value in apart[name]) == cells for name, cells in wanted.items())
note(
    "switch",
    "Each twin differs from ReLU in exactly the phases that it names, and in no value; under evaluation it does not differ at all."
    if right
    else "**This is not what the switch promises, and nothing below can be trusted.**",
)

# %% [markdown]
# {glue:text}`switch`
#
# How many units does it concern? Those whose slope is neither nearly 0 nor nearly 1. We count the inputs of all activations
# on the test images for which $\sigma(\alpha z)$ lies between 0.05 and 0.95:

# %%
inputs = []
hooked = twin(network, "both")
for module in hooked.modules():
    if isinstance(module, library.ReLUSmoothGradient):
        module.register_forward_hook(lambda module, given, out: inputs.append(given[0].flatten()))
with torch.no_grad():
    hooked(x)
slope = torch.sigmoid(library.ReLUSmoothGradient.values["alpha"] * torch.cat(inputs))
print(f"{float(((slope > 0.05) & (slope < 0.95)).float().mean()):.1%} of {len(slope):,} inputs")

# %% [markdown]
# ## The table, and ours beside it
#
# The paper's numbers are from ImageNet; ours are from smaller images and networks, one table a scale, the largest first.
# Read down a column, never across. The last row, Parametric Softplus on the way forward as well, is smooth for both *and*
# another function.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(gradients.beside(gradients.QUALITY, scales, first="Slope in training"))

# %% tags=["remove-cell"]
note("quality_source", gradients.QUALITY.note)

# %% [markdown]
# *Reported: {glue:text}`quality_source`. Measured: best epoch, one seed, 95 % Wilson intervals; every attack with ReLU's own
# slope.*

# %% mystnb={"image": {"alt": "Dots with intervals for clean accuracy and accuracy under PGD-50, one row for plain ReLU, three rows for the smooth slope in the attack, the update and both, and one for Parametric Softplus. A grey band marks ReLU's interval. On the digits all dots lie close together.", "width": "560px"}, "figure": {"caption": "Measured: ReLU with a smooth slope in training, and Parametric Softplus, which is smooth in value too. Clean accuracy (open) and accuracy under attack (filled) with 95 % Wilson intervals, first seed, best epoch; data, ε and n of each panel are in its title.", "name": "fig-gradient-quality"}} tags=["hide-input"]
results.dots(titled({scale: list(rows.values()) for scale, rows in scales.items()}), baseline=LABELS["none"])

# %% [markdown]
# ### Are these differences?
#
# All networks saw the same test images, so each is compared with plain ReLU image by image (McNemar's exact test), and the
# p-values of each table are corrected for being several (Holm). First robustness, then clean accuracy.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = {}
for scale, rows in scales.items():
    first, *others = rows.values()
    found = [tables.paired_table(first, others, attack, heading="Slope in training") for attack in ("pgd50", "clean")]
    parts[f"Scale `{scale}`"] = "\n\n".join(found)
Markdown(box("Each against plain ReLU", parts))


# %% tags=["remove-cell"]
def compared(scale, attack="pgd50"):
    """The three variants and the smooth function against plain ReLU, by title."""
    first, *others = scales[scale].values()
    return {one.name: one for one in comparisons.against(first, others, attack)}


def story(scale):
    """The predictions against the numbers of one scale, in words."""
    robust, clean = compared(scale), compared(scale, "clean")
    words = [f"**Scale `{scale}`.**"]
    up, down, _ = comparisons.told_apart(robust.values())
    if up or down:
        words.append(f"Beyond chance more robust than plain ReLU: {listed(up)}; less robust: {listed(down)}.")
    else:
        words.append("None of the differences in robustness to plain ReLU is beyond chance.")
    titles = [LABELS[place] for place in ("none", *sat.GRADIENTS)]
    if {*titles[1:]} <= robust.keys():
        order = sorted(titles, key=lambda title: robust[title].test.difference if title in robust else 0.0)
        ascending = " < ".join(order)
        agrees = order == titles
        words.append(f"The order is {ascending}, which {'is' if agrees else 'is not'} the paper's.")
    alone = [clean[LABELS[place]] for place in ("attack", "update") if LABELS[place] in clean]
    if len(alone) == 2:
        given = [f"{points(one.test.difference)} points ({p_said(one.holm)} after Holm)" for one in alone]
        words.append(
            f"On clean images, the attack alone makes a difference of {given[0]}, the update alone of {given[1]}."
        )
    return " ".join(words)


discordant = sorted(one.test.only_first + one.test.only_second for one in compared("digits").values())
middle = discordant[len(discordant) // 2]
visible = 100 * standings.detectable(middle, 0.05 / len(discordant)) / relu.best.outcomes["pgd50"].n
largest = max(row[1] for row in gradients.QUALITY.rows.values()) - gradients.QUALITY.rows["none"][1]
note("middle", middle)
note("visible", f"{visible:.1f}")
note("largest", f"{largest:.1f}")
note("enough", "large enough to be seen here" if largest >= visible else "too small to be seen here")

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(story(scale) for scale in scales))

# %% [markdown]
# What could the digits have shown? In the middle case the two networks disagree on {glue:text}`middle` of {glue:text}`n`
# images, and then a difference must reach {glue:text}`visible` points to stand out among all. The paper's largest effect,
# {glue:text}`largest` points, would be {glue:text}`enough`. And this is one seed: a test on images says nothing about how
# much another seed would change.
#
# ## Would more attack, or more time, do the same?
#
# A better gradient makes the attack of training stronger and the update better aimed. Perhaps plain ReLU merely needs *more*
# of either. So: ReLU trained against twice as many attack steps, and ReLU trained for twice as many epochs. Both cost about
# twice the time of plain ReLU, so they are not a fair competitor, which is the point: if smoothness wins against them too,
# then more computing is no substitute for it.

# %% tags=["remove-cell"]
STEPS, LONG = CONTROLS = "ReLU, twice the steps", "ReLU, twice as long"


def control_rows(scale):
    """SiLU, also trained longer, and the smooth slope for both, then ReLU plain and with more effort, as recorded."""
    usual, twice = sat.longer(scale)[1], sat.longer(scale)[2]
    wanted = {
        "SiLU": usual["silu"],
        "SiLU, twice as long": twice["silu"],
        LABELS["both"]: [sat.gradient_quality(scale)["both"]],
        LABELS["none"]: usual["relu"],
        STEPS: sat.stronger(scale),
        LONG: twice["relu"],
    }
    return [Row(label, own) for label, plan in wanted.items() if (own := ledgers[scale].of(plan))]


def complete(rows):
    """Is there plain ReLU, and a ReLU with more effort to compare it with?"""
    labels = {row.label for row in rows}
    return LABELS["none"] in labels and bool(labels & {*CONTROLS})


controls = {scale: rows for scale in paths.SCALES if complete(rows := control_rows(scale))}


tests = {scale: strongest(row.records[0] for row in rows) for scale, rows in controls.items()}

# %% mystnb={"image": {"alt": "Dots with intervals for SiLU, SiLU trained twice as long, ReLU with a smooth slope in both phases, plain ReLU, ReLU trained against twice as many attack steps and ReLU trained twice as long: clean accuracy and accuracy under attack.", "width": "560px"}, "figure": {"caption": "Measured: smooth networks, plain ReLU, and plain ReLU with more effort. Best epoch; of one seed with its 95 % Wilson interval, of several the mean with its 95 % interval over the seeds; data, ε and n of each panel are in its title.", "name": "fig-gradient-controls"}} tags=["hide-input"]
results.dots(
    titled(controls),
    attacks=("clean", *dict.fromkeys(tests.values())),
    baseline=LABELS["none"],
)

# %% tags=["remove-cell"]
def worded(one):
    """One comparison: by how much, and whether chance would do."""
    by = f"{points(one.at.value)} points [{points(one.at.low)}, {points(one.at.high)}], {p_said(one.holm)} after Holm"
    return f"{one.name} {'**differs by**' if one.differs else 'may differ by chance:'} {by}"


words, folded = [], {}
for scale, rows in controls.items():
    named = {row.label: row for row in rows}
    efforts = [row for row in rows if row.label in CONTROLS]
    said = {}
    for label in (LABELS["none"], "SiLU", LABELS["both"]):
        if label in named:
            said[label] = "; ".join(worded(one) for one in comparisons.against(named[label], efforts, tests[scale]))
            table = tables.paired_table(named[label], efforts, tests[scale], heading="More effort")
            folded[f"Scale `{scale}`, against {label}"] = table
    words.append(f"**Scale `{scale}`.** " + " ".join(f"From {label}: {one}." for label, one in said.items() if one))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join([*words, box("The same as tables", folded)]))

# %% [markdown]
# The comparison of SiLU with ReLU trained twice as long is the one that a claim below is about. Two cautions. Where ReLU
# trained twice as long beats plain ReLU, the schedule was too short and twice as long is a real advantage; on ImageNet, after
# 100 epochs, it may not be. And a longer schedule also stretches the learning rate's way down, so it is another recipe and
# not merely more of the same.
#
# ## Does a lead last?
#
# A smooth activation could merely learn faster at first, and a short training would then flatter it. So here is SiLU less
# ReLU, both trained as usual and both trained for longer, on the same test images. The *change* is tested as well: how much
# further SiLU is ahead after the longer training than after the usual one, seed by seed.

# %% tags=["remove-cell"]
long = [one for scale in paths.SCALES if len((one := longer.lengths(scale, ledgers[scale])).found) > 1]

# %% mystnb={"image": {"alt": "For each scale two panels over the number of epochs. To the left accuracy under attack, which grows with the epochs, a dot for each seed of ReLU and of SiLU and lines through their means. To the right how many points SiLU is ahead, a hollow dot for each seed, and the mean with its interval.", "width": "560px"}, "figure": {"caption": "Measured: ReLU and SiLU trained for longer. Left: accuracy under attack, a dot for each seed, and lines through the means. Right: SiLU less ReLU, a hollow dot for each seed; diamond: the mean with its 95 % interval, over the seeds where there are several, otherwise over the images.", "name": "fig-gradient-longer"}} tags=["hide-input"]
longer.figure(long)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
note("longest", long[-1].found[-1].epochs)
twice = [run for own in sat.longer("cpu")[2].values() for run in own]
hard = margins.lead(curves.of(curves.read(paths.ledger("cpu") / "margin-cpu.json"), twice), ledgers["cpu"])
said = [longer.lasts(one) for one in long]
Markdown("\n\n".join([*said, *([f"*Twice as long at `cpu`, with another loss.* {hard}"] if hard else [])]))

# %% [markdown]
# The interval of the change says how large a change could have been missed. {glue:text}`longest` epochs are still not many:
# the papers train for a hundred or two. And each length is a recipe of its own, whose learning rate falls to zero at its end:
# these are finished trainings, not one that was watched on its way.
#
# ## Why: is it the attack?
#
# The fourth prediction needs no training. Take finished networks, attack each with $k$ steps twice, once with ReLU's own
# slope and once with the smooth one, from the same random starts, and look at the loss that the attack reaches. A single step
# has length ε, several have ε/4 or more: the rule of the authors' code, $\max(\text{step}, \varepsilon / k)$ (seen). So up to
# four steps can go ε in all, and more can go further, which is why the loss rises from there.

# %%
trained_smooth = runs.trained(quality["both"].run, paths.data("digits"))
networks = {"trained with its own slope": network, "trained with the smooth slope": trained_smooth}
ladder = (1, 2, 4, 7, 20, 50)


def losses(network, steps):
    """Each image's loss after an attack of so many steps."""
    attack = PGD(steps, step=str(threat.radius / min(steps, 4)))
    with attacks.attacking(network):
        moved = attacks.pgd(network, x, y, threat, attack, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            return attacks.loss_per_image("ce", network(moved), y)


reached = {}
for name, model in networks.items():
    smooth = twin(model, "attack")
    with attacks.true_gradients(model):
        plain = torch.stack([losses(model, steps) for steps in ladder])
    reached[name] = plain, torch.stack([losses(smooth, steps) for steps in ladder])


# %% tags=["remove-cell"]
def at(found):
    return (
        f"with {listed(found)} steps"
        if 0 < len(found) < len(ladder)
        else f"with {'every' if found else 'no'} number of steps"
    )


words = []
for name, (plain, smooth) in reached.items():
    found = {steps: over_seeds(row.tolist()) for steps, row in zip(ladder, smooth - plain, strict=True)}
    further = [f"{steps}" for steps, (_, low, high) in found.items() if low > 0]
    behind = [f"{steps}" for steps, (_, low, high) in found.items() if high < 0]
    mean, low, high = found[relu.run.objective.attack.steps]
    level = float(plain[ladder.index(relu.run.objective.attack.steps)].mean())
    more = float(plain[ladder.index(20)].mean()) - level
    words.append(
        f"On the network {name}, the smooth slope gets further {at(further)}{f' and less far {at(behind)}' if behind else ''} "
        f"(intervals that exclude 0). With the {relu.run.objective.attack.steps} steps of training it changes the mean loss "
        f"of {level:.3f} by {mean:+.3f} [{low:+.3f}, {high:+.3f}]; going on to 20 steps with its own slope changes it by {more:+.3f}.".translate(
            MINUS
        )
    )
reach = " ".join(words)
gain, low, high = over_seeds(
    (reached["trained with its own slope"][1] - reached["trained with its own slope"][0])[3].tolist()
)
note("gain", f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]".translate(MINUS))
firm = [title for title, one in compared("digits").items() if one.differs]
note("firm", listed(firm))

# %% mystnb={"image": {"alt": "Two panels over the number of attack steps on a logarithmic axis. Above, the mean loss reached rises with the number of steps and levels off, on two networks, each with a full line for ReLU's own slope and a dashed one for the smooth slope. Below, the difference of the two with intervals around a line at zero.", "width": "560px"}, "figure": {"caption": "Loss that PGD reaches on two ReLU networks with their own slope and with a smooth one (α = 10), same random starts. Above: means over images. Below: what the smooth slope reaches more, mean over images and 95 % t interval. One network each, so the intervals are about images, not about seeds.", "name": "fig-gradient-strength"}} tags=["hide-input"]
gradients.strength(ladder, reached, results.setting([relu], ["pgd50"]))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(reach)

# %% [markdown]
# ### Does ReLU hide adversarial examples behind its kink?
#
# The same tool answers a question about *evaluation*. If a smooth slope finds adversarial examples that ReLU's own slope
# misses, then every PGD accuracy of a ReLU network in this book is too high, and ReLU would have been *flattered*. We attack
# with PGD-50 and three starts, the suite's strongest, with both slopes. Other random starts alone can break some images
# more, so they are the yardstick.

# %% mystnb={"merge_streams": true}
judge = PGD(steps=50, restarts=3)
withstood = {}
for name, model in networks.items():
    with attacks.true_gradients(model):
        withstood[name] = {
            "own slope": under_attack(model, x, y, threat, judge),
            "own slope, other starts": under_attack(model, x, y, threat, judge, seed=1),
        }
    withstood[name]["smooth slope"] = under_attack(twin(model, "attack"), x, y, threat, judge)

for name, found in withstood.items():
    print(name)
    for attacker, right in found.items():
        only = int((found["own slope"] & ~right).sum())
        print(f"  {attacker:24} {Outcome.of(right, 0.0)}; newly broken: {only}")

# %% tags=["remove-cell"]
words = []
for name, found in withstood.items():
    first, again, smooth = (found[key].numpy() for key in ("own slope", "own slope, other starts", "smooth slope"))
    test = mcnemar(smooth, first)
    extra, yardstick = int((first & ~smooth).sum()), int((first & ~again).sum())
    if test.p < 0.05 and test.difference < 0:
        verdict = f"is the stronger attack by {points(-test.difference)} points (McNemar's {p_said(test.p)}): **the accuracy with its own slope is too high**"
    elif test.p < 0.05:
        verdict = f"is the weaker attack by {points(test.difference)} points (McNemar's {p_said(test.p)})"
    else:
        verdict = f"is as strong as its own, as far as {len(first)} images can tell (McNemar's {p_said(test.p)})"
    words.append(
        f"On the network {name}, the smooth slope {verdict}; it breaks {extra} image{'s' * (extra != 1)} that the own slope leaves, where other starts break {yardstick}."
    )
masking = " ".join(words)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(masking)

# %% [markdown]
# This is one check more than the checklist of {doc}`/notebooks/primer_03_honest_evaluation`, and about this pair of networks
# only.
#
# ## Verdicts
#
# What the records say about each claim, scale by scale. Where there is a single seed, a verdict rests on a single pair of
# networks. And each claim is tested by itself: the tables above, which correct for several comparisons, are stricter.

# %% tags=["remove-cell"]
IDS = (*(f"sat-gradient-{place}" for place in sat.GRADIENTS), "sat-not-longer")
mine = [one for one in claims.judged(study="sat") if one.claim.id in IDS]
behind = {(one.scale, name) for one in mine for name in one.verdict.records}
recorded = {
    scale: own for scale in paths.SCALES[1:] if (own := [one for one in ledgers[scale] if (scale, one.id) in behind])
}
made = tables.elsewhere(recorded, "sat", "CIFAR-10")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(mine))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(made)

# %% [markdown]
# ## What critics found, and what to hold against the experiment
#
# - **A surrogate is no gradient.** The update no longer descends the loss that it computes: along $\sigma(\alpha z)$ it
#   descends, roughly, that of *another* network. The same trick carries gradients through rounding, and {cite:t}`athalye2018`
#   use it to break defences. If it helps training, the noise it takes away matters more than the bias it brings. It does not
#   follow that kinks are bad at evaluation.
# - **Smoothness or low curvature?** {cite:t}`singla2021` get much of the gain of smooth activations from *low curvature*,
#   even with a leaky ReLU that has a kink (seen: abstract). The surrogate changes both at once.
#   {doc}`/notebooks/sat_03_smooth_activations` looks at curvature.
# - **One recipe.** {cite:t}`huang2023` tune the weight decay of each activation and find that under baseline adversarial
#   training smooth activations mostly do not beat ReLU (seen: full text). The table above has one recipe for all rows.
# - **One attack, unknown seeds.** The paper's robustness is PGD-200; how many seeds stand behind each cell was not found.
#
# ## Summary
#
# - The slope of an activation is used twice, by the attack and by the update. One switch separates the two, and the
#   demonstration shows that it touches nothing else.
# - The paper reports that both uses profit, the update more, at no cost in clean accuracy when both are smooth.
# - On the digits, where only large effects can be seen, these differ from plain ReLU under PGD-50 beyond chance:
#   {glue:text}`firm`.
# - Plain ReLU with more steps or more time is the comparison that an argument about *gradients* has to survive; SiLU with more
#   time shows whether a lead is more than a quick start.
# - On the finished ReLU network the smooth slope changes the loss that the training attack reaches by {glue:text}`gain`.
#   Whether that matters at evaluation is another question, and the images that only the smooth attack breaks answer it.
#
# ## Questionnaire
#
# 1. In which two places does adversarial training use a gradient, and with respect to what?
# 2. Which part of the network's function does the switch change?
# 3. Why must the attacks of an *evaluation* use ReLU's own slope, and which line of the library sees to that?
# 4. The logits of all twins are equal. Which of the two gradients differs for `where="update"`?
# 5. Why is "ReLU, twice as long" part of an argument about gradients?
# 6. Why are other random starts the yardstick for the smooth attack, and not zero images?
# 7. What does Holm's correction protect from in the paired tables?
#
# ## Exercises

# %% [markdown]
# ```{exercise} The surrogate in one line · five minutes
# :label: ex-gradient-line
#
# Write ReLU with the slope $\sigma(10 z)$ in one expression, with `detach` and without a custom backward pass. Check value and slope against
# the library.
# ```

# %% [markdown]
# ````{solution-start} ex-gradient-line
# :label: sol-gradient-line
# :class: dropdown
# ````
#
# Add to the smooth function what it lacks to ReLU, as a constant: the value is ReLU's, the gradient that of the smooth
# function.

# %%
z = torch.linspace(-2, 2, 401, dtype=torch.float64, requires_grad=True)
smooth = F.softplus(10 * z) / 10
line = smooth + (F.relu(z) - smooth).detach()
theirs = library.ReLUSmoothGradient()(z)
slopes = [torch.autograd.grad(out.sum(), z)[0] for out in (line, theirs)]
for what, (one, other) in {"value": (line, theirs), "slope": slopes}.items():
    print(f"greatest difference of the {what}: {(one - other).detach().abs().max():.0e}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} How smooth may the slope be? · half an hour
# :label: ex-gradient-sharpness
#
# What must happen to the smooth attack when α becomes very large? And when it goes to 0? Measure the loss that the attack of training reaches on the ReLU
# network for α from 0.1 to 1000.
# ```

# %% [markdown]
# ````{solution-start} ex-gradient-sharpness
# :label: sol-gradient-sharpness
# :class: dropdown
# ````
#
# For large α the surrogate is ReLU's own slope, and the attack is the plain one. For α = 0 the slope is 1/2 everywhere: the
# attack sees a linear network, in which no unit is ever off. Whether something in between beats both ends is up to the
# numbers:

# %% mystnb={"merge_streams": true}
steps = relu.run.objective.attack.steps
print(f"own slope: {float(losses(network, steps).mean()):.3f}")
for alpha in (0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0):
    print(f"α = {alpha:6g}: {float(losses(twin(network, 'attack', alpha=alpha), steps).mean()):.3f}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Use the smooth slope in the last layers only, or in the first: where does it matter?
# - Give the twin of SiLU a kinked slope, the other way round: `where` and the two functions can be swapped. Does it lose what
#   it had won?
# - Repeat the table with a one-step attack in training, where a poor gradient cannot be made up for by more steps: the larger
#   scales do.
