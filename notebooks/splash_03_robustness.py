# %% [markdown]
# # Robustness without adversarial training
#
# The second half of the promise: put SPLASH in the place of ReLU, train as usual, on clean images alone, and the
# network is "up to 31 %" harder to fool, with black-box and with white-box attacks. This page attacks such networks in
# six ways, asks what the 31 % may be 31 % of, what an "up to" is worth, and whether the gain survives an attack that
# was made to find out.
#
# **At the end you will know**
#
# - what each attack does and what budget it gets here;
# - how often each succeeds against ReLU and SPLASH, how far it has to go, and which differences are beyond chance;
# - how many different numbers "31 % more robust" can mean, and how far apart they lie in our records;
# - what the largest of many noisy comparisons is when there is nothing to be found;
# - how a piecewise linear function could hide its slope from an attack, and whether ours does.
#
# *Reading time: 18 minutes. Run time: about a quarter of a minute, after some minutes of training the first time that a
# page on this paper is opened.*

# %%
import numpy as np

from robust_activations import paths, studies
from robust_activations.figures import audits, claims, comparisons, critics, distances, readings, tables
from robust_activations.figures.distances import COUNTED, MEASURED, NAMES
from robust_activations.studies import splash
from robust_activations.studies.audit import evaluations, failures

studies.collect("splash")  # trains what is missing
ledgers = studies.ledgers()
duels = {
    (scale, place): duel
    for scale in paths.SCALES
    for place, found in splash.robustness(scale).items()
    if (duel := distances.duel(found, ledgers[scale]))
}

# %% tags=["remove-cell"]
import inspect

from IPython.display import Markdown

from robust_activations.distances import cw
from robust_activations.evaluation import SUITE
from robust_activations.figures.prose import MINUS, NOTHING, box, listed, note, p_said, points, table
from robust_activations.figures.rows import place_title

titles = {(scale, place): place_title(*place) + (f" ({scale})" if scale != "digits" else "") for scale, place in duels}
shown = {titles[key]: duel for key, duel in duels.items()}
by_scale = {scale: {titles[key]: duel for key, duel in duels.items() if key[0] == scale} for scale in paths.SCALES}
by_scale = {scale: found for scale, found in by_scale.items() if found}
home = next(iter(shown))  # the digits
run = shown[home].old[0].run


def budget(key):
    """One number where all scales agree, otherwise one for each."""
    found = {scale: getattr(next(iter(own.values())).old[0].run.suite, key) for scale, own in by_scale.items()}
    if len(set(found.values())) == 1:
        return f"{next(iter(found.values())):,}"
    return listed(f"{n:,} (scale {scale})" for scale, n in found.items())


note("s3_eps", run.threat.eps)
note("s3_cifar", splash.robustness("cpu")["cifar10", "resnet20"]["relu"][0].threat.eps)
note("s3_mnist", splash.robustness("cpu")["mnist", "lenet5"]["relu"][0].threat.eps)
note("s3_searches", inspect.signature(cw).parameters["searches"].default)
note("s3_starts", SUITE["pgd50"](run.threat).restarts)
note("s3_cw_steps", budget("cw_steps"))
note("s3_boundary_steps", budget("boundary_steps"))
note("s3_queries", budget("one_pixel_queries"))
note("s3_few", budget("measure_n"))
note("s3_auto", budget("autoattack_n"))
note("s3_seeds", len(shown[home].old))

# %% [markdown]
# ## What was claimed
#
# The abstract {cite}`tavakoli2020` says that exchanging ReLU for SPLASH makes deep networks up to 31 % more robust, and
# that the attacks are of both kinds, black-box and open-box (seen: abstract; the journal version {cite}`tavakoli2021`
# says white-box). The attacks' list, their budgets, the number of images, what counts as success, and what the 31 % are
# a share of: **not found**.
#
# A predecessor by the same authors, Symmetric-APL {cite}`tavakoli2019`, said *up to 51 %*, of LeNet, Network-in-Network
# and ResNet-18 (seen: abstract). Nothing that we could read speaks of adversarial training. We train without it here,
# and with it on {doc}`/notebooks/splash_05_adversarial`.
#
# **If the claim is true**, then under each of several attacks, with each network,
#
# 1. fewer of SPLASH's images are flipped, or they must be changed more;
# 2. the difference is more than chance makes, over images and over seeds;
# 3. and it stays when the attack is one that does not rely on one gradient and one loss.
#
# ## The attacks
#
# The abstract names no attack. **The list is ours**: two with gradients inside a ball, one with gradients and no ball,
# and two that ask for the network's answers alone. AutoAttack, which is as old as the paper, comes last.
#
# FGSM {cite}`goodfellow2015`
# : one step of ε along the sign of the loss's gradient. White-box. It succeeds if the class changes.
#
# PGD-50 {cite}`madry2018`
# : fifty small steps inside the ball of radius ε, from {glue:text}`s3_starts` random starts. White-box.
#
# Carlini and Wagner's ℓ2 attack {cite}`carlini2017`
# : looks for the *smallest* change that flips the image, with gradients, and gives its ℓ2 length. White-box, without a
#   radius. {glue:text}`s3_searches` values of its constant, steps with each: {glue:text}`s3_cw_steps`. First test
#   images alone: {glue:text}`s3_few`.
#
# One pixel {cite}`su2019`
# : any one pixel may take any colour, and differential evolution looks for it. Black-box: it sees the class scores.
#   Questions an image: {glue:text}`s3_queries`. On 8×8 pixels one pixel is a sixty-fourth of the image and on 32×32 a
#   thousandth, so it is a much stronger attack on the digits.
#
# Boundary {cite}`brendel2018`
# : starts at an image of another class and walks along the boundary towards the original. Black-box: it sees the class
#   alone. Steps: {glue:text}`s3_boundary_steps`, from the nearest test image that the network calls something else. Its
#   ℓ2 length is what counts.
#
# AutoAttack {cite}`croce2020`
# : two PGDs with steps of their own choosing and different losses, a boundary-seeking attack and a black-box one; the
#   worst of the four counts. First images alone: {glue:text}`s3_auto`.
#
# A network trained on clean images withstands next to nothing at the radius that adversarial training is judged by, so
# nearly every attack would succeed on every network. Therefore ε is smaller here: {glue:text}`s3_eps` on the digits, {glue:text}`s3_mnist`
# on MNIST, {glue:text}`s3_cifar` on CIFAR. **That is a choice of ours too.** The distances need none, which is their
# advantage.
#
# *Success* of an attack means, on this page, the share it flips of the images that the network had *right*. An image
# that was wrong from the start is no success of the attack.

# %% [markdown]
# ## How often they succeed

# %% mystnb={"image": {"alt": "For each attack two dots with intervals, the upper with an open circle for ReLU, the lower with a square for SPLASH: the share of rightly classified images that are flipped. Small rings show seeds.", "width": "460px"}, "figure": {"caption": "MEASURED: success of the attacks, further left is more robust. Trained without attacks. 95 % intervals: Wilson's over the images for one network, t over the seeds for several (rings). The one-pixel attack saw as many images as the table says.", "name": "fig-splash3-rates"}} tags=["hide-input"]
distances.rates(shown)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(box("Success in %", {title: distances.success_table(duel) for title, duel in shown.items()}))

# %% tags=["remove-cell"]
fallen = [
    place_title(*place) + (f" ({scale})" if scale != "digits" else "")
    for scale in paths.SCALES
    for place, found in splash.robustness(scale).items()
    if (scale, place) not in duels
    and any(run in ledgers[scale] and ledgers[scale][run].collapsed for several in found.values() for run in several)
]
left_out = f" Left out, because a training collapsed: {listed(fallen)}." if fallen else ""

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f'*With 95 % Wilson intervals, "of" the images that were right before.*{left_out}')

# %% [markdown]
#
# ## How far they have to go
#
# The curves show which share of the images, of those that a network has right, is fooled within a distance $d$. A more
# robust network's curve lies further to the right. A median is where it crosses one half.

# %% mystnb={"image": {"alt": "Rising curves, a pair of panels for each place: the share of images fooled within an l2 distance, left by the attack of Carlini and Wagner, right by the boundary attack. Full lines ReLU, dashed lines SPLASH, a line a seed.", "width": "460px"}, "figure": {"caption": "MEASURED: share of rightly classified images that are fooled within an ℓ2 distance, one line a seed; marks are medians. In pixel units from 0 to 1; how many images stands in the table below. Trained without attacks.", "name": "fig-splash3-within"}} tags=["hide-input"]
distances.within(shown)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(box("Median ℓ2 distances", {title: distances.median_table(duel) for title, duel in shown.items()}))

# %% [markdown]
# *With 95 % bootstrap intervals over the images. Medians and not means: where an attack finds nothing, the distance is
# infinite.* Every distance belongs to a change that was found, so it is an upper bound of the smallest one. The
# boundary attack's bounds are looser the fewer steps it has.

# %% tags=["remove-cell"]
looser = []
for title, duel in shown.items():
    found = {
        name: [distances.median(record, name).value for record in duel.old if name in record.best.measures]
        for name in MEASURED
    }
    if all(found.values()):
        ratio = np.mean(found["boundary"]) / np.mean(found["cw"])
        looser.append(f"{ratio:.1f} for {title}".replace("inf", "∞"))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(
    f"For ReLU, the boundary attack's median divided by that of Carlini and Wagner (means over seeds): {'; '.join(looser)}."
)

# %% [markdown]
# ## Which differences are beyond chance?
#
# All six comparisons on the same images. Whether an image withstands is tested by McNemar, whose distance is larger by
# a sign test, image by image, and Holm's correction is over the six. With several seeds the images of all are counted,
# but in p an image counts once: with its mean difference over the seeds, in a t test, or with the sign of whose distance
# is larger in more of them. For a bold p the interval has to exclude 0 too; with several seeds it is that of their mean.
# An image is *for* the network that alone is right on it, or, in the two lines about a distance, for the one whose
# distance is the larger. Points are the share of images for SPLASH less the share for ReLU; under an attack that is the
# difference in accuracy.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(box("The comparisons", {title: distances.compared_table(duel) for title, duel in shown.items()}))


# %% tags=["remove-cell"]
def firm(duel):
    """Attacks under which SPLASH is more robust beyond chance, those where it is less, and the rest."""
    found = ((NAMES[attack], "ReLU", both) for attack, both in distances.compared(duel).items())
    return map(listed, comparisons.told_apart(comparisons.corrected(found)))


words = []
for title, duel in shown.items():
    better, worse, rest = firm(duel)
    seeds = len(duel.old)
    words.append(
        f"**{title}** ({seeds} seed{'s' * (seeds > 1)}). SPLASH is more robust beyond chance under: {better}; less robust under: {worse}; not told apart under: {rest}."
    )
told = "\n\n".join(words)
better, worse, rest = firm(shown[home])
note("s3_better", better)
note("s3_worse", worse)
note("s3_rest", rest)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(told)

# %% [markdown]
# **A yardstick.** How much do two choices of *ours* move the same networks? LeNet-5 had no BatchNorm when it was published, and where the hinges stand is
# not known. At the scales that have both choices, first seed (more of them: {doc}`/notebooks/splash_04_choices`):

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(critics.settings(ledgers))

# %% [markdown]
# Where a lower row of a scale moves more than the first, a gain of SPLASH over ReLU is smaller than what our setting decides.

# %% [markdown]
# ## 31 % of what?
#
# Let $a$ be the accuracy under an attack, $s$ the attack's success and $d$ the median distance it needs. "SPLASH is
# 31 % more robust" can mean any of
#
# $$
# \begin{gathered}
# a_{\text{S}} - a_{\text{R}}, \qquad
# \frac{a_{\text{S}}}{a_{\text{R}}} - 1, \\
# 1 - \frac{s_{\text{S}}}{s_{\text{R}}}, \qquad
# \frac{d_{\text{S}}}{d_{\text{R}}} - 1 .
# \end{gathered}
# $$
#
# They are different things. Where ReLU keeps 10 of 100 images and SPLASH 13, the first is 3 points, the second 30 %,
# the third about 3 %. The second can be made as large as one likes by choosing ε so that ReLU keeps next to nothing;
# the third by choosing it so small that the attack hardly ever succeeds. Which one the abstract means: **not found**.
# So here are all, for our networks and every attack but AutoAttack, which has its own section below.

# %%
found = {title: readings.readings(duel) for title, duel in shown.items()}

# %% mystnb={"image": {"alt": "Four panels, one for each reading of more robust by so many percent, with a row for each attack and a mark with an interval for each place around a line at zero.", "width": "460px"}, "figure": {"caption": "MEASURED: four readings of \"x % more robust\", SPLASH against ReLU, right of 0 in favour of SPLASH. Seeds together, 95 % bootstrap intervals over the images, which all seeds share; the seeds' own luck is not in them. What is relative to 0 is left out.", "name": "fig-splash3-readings"}} tags=["hide-input"]
readings.meanings(found)

# %% tags=["remove-cell"]
words = []
for title, every in found.items():
    finite = [one for one in every if np.isfinite(one.at.value)]
    if finite:
        low, high = min(finite, key=lambda one: one.at.value), max(finite, key=lambda one: one.at.value)
        least, most = (
            f"{readings.worded(one.kind, one.at.value)} ({readings.KINDS[one.kind]}; {NAMES[one.attack]})"
            for one in (low, high)
        )
        words.append(f"**{title}.** From {least} to {most}.")

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("The same pair of activations gives, by the choice of reading and attack:\n\n" + "\n\n".join(words))

# %% [markdown]
# ## What an "up to" is worth
#
# "Up to" announces the largest of several numbers: of so many attacks on so many networks. Each of them has noise, and
# the largest has the luckiest. So it would mostly be positive even if SPLASH and ReLU were the same. How large?
#
# If they were the same, it would be a matter of chance which of the two networks is called SPLASH. So toss a coin for
# each image, and where it falls on heads, exchange the two networks' results on this image, under these attacks together.
# Then take all readings again, and their largest; a thousand times, or fewer where there are very many images:

# %%
upto = {scale: readings.maxima(found) for scale, found in by_scale.items()}

# %% mystnb={"image": {"alt": "Four grey histograms of the largest reading that chance gives, most of it right of zero, each with a black line at the one that was measured.", "width": "460px"}, "figure": {"caption": "MEASURED and SIMULATED: the largest of each kind of reading over all attacks but AutoAttack, on the digits (line), and what it is when images are exchanged between the two networks at random (grey).", "name": "fig-splash3-upto"}} tags=["hide-input"]
readings.by_chance(upto["digits"])

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = []
for scale, one in upto.items():
    networks = f"{len(by_scale[scale])} network{'s' * (len(by_scale[scale]) > 1)}"
    parts += [
        f"*Scale `{scale}`: {networks}, {len(COUNTED) + len(MEASURED)} attacks, all but AutoAttack*",
        readings.maxima_table(one),
    ]
Markdown("\n\n".join(parts))

# %% tags=["remove-cell"]
digits = upto["digits"]
note(
    "s3_chance",
    listed(
        f"{readings.worded(kind, float(np.nanmedian(one.chance)))} ({readings.KINDS[kind]})"
        for kind, one in digits.items()
    ),
)
above = []
for scale, found_there in upto.items():
    kinds = [readings.KINDS[kind] for kind, one in found_there.items() if one.p < 0.05]
    above.append(
        f"At scale `{scale}`, of {len(found_there)} kinds of reading, ours is larger than what chance gives in 19 of 20 cases for: {'; '.join(kinds) or 'none'}{' (uncorrected for their number)' if kinds else ''}."
    )

# %% [markdown]
# *p: how often chance alone gave as much.* On the digits, chance alone gives in the middle: {glue:text}`s3_chance`.
# Where an attack flips a handful of images, chance alone can make its success 100 % smaller.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(" ".join(above))

# %% [markdown]
# This game is generous to SPLASH in one respect: it knows only the luck of images. A network has luck as a whole, from
# its seed. How much? Compare ReLU with itself, seed against seed, as if one of the two were a new activation:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
itself = {}
for title, duel in shown.items():
    for i, one in enumerate(duel.old):
        for other in duel.old[i + 1 :]:
            pair = distances.Duel((one,), (other,))
            itself[f"{title}, seed {one.run.seed} against {other.run.seed}"] = pair
rows = []
for title, pair in itself.items():
    own = readings.readings(pair)
    cells = []
    for kind in readings.KINDS:
        values = [abs(one.at.value) for one in own if one.kind == kind and np.isfinite(one.at.value)]
        cells.append(readings.worded(kind, max(values)).lstrip("+") if values else NOTHING)
    rows.append([title, *cells])
Markdown(
    table(["ReLU against ReLU", *readings.KINDS.values()], rows)
    if rows
    else "There are no records of ReLU with several seeds yet."
)

# %% [markdown]
# *The largest absolute difference over the same attacks.* A paper that reports one run a network would report numbers
# like these with a name on them.
#
# ## Does it survive AutoAttack?
#
# An attack that fails has two explanations: the network is robust, or the attack got lost {cite}`athalye2018`. A
# piecewise linear unit offers a way to get lost. **Where its slope is zero, no gradient passes.** ReLU has one such
# region, left of 0. SPLASH can make more: with $a^+ = (1, -1, 0, 0)$ it is flat right of 1, and an input that lies well
# beyond a hinge stays there under small steps, with no hint which way leads out. FGSM and PGD would stand still while
# the boundary attack, which uses no gradient, walks through. On the other side it can give a slope to the region where
# ReLU has none, and then the attack gets *better* information than from ReLU.
#
# So look at the slopes that were learned, from the records:

# %%
from robust_activations.figures.splash import slopes
from robust_activations.figures.splash_learned import learned

for site, unit in learned(shown[home].new[0]).items():
    print(f"{site:10}", " ".join(f"{slope:6.2f}" for slope in slopes(unit.right, unit.left)))

# %% tags=["remove-cell"]
FLAT = 0.05


def slope_words(value):
    return f"{value:.2f}".translate(MINUS)


words = []
for title, duel in shown.items():
    layers = [slopes(unit.right, unit.left) for record in duel.new for unit in learned(record).values()]
    every = [slope for layer in layers for slope in layer]
    left = [slope for layer in layers for slope in layer[: len(layer) // 2]]
    if every:
        flat = sum(abs(value) < FLAT for value in every)
        words.append(
            f"**{title}.** Segments with a slope below {FLAT:g} in absolute value: {flat} of {len(every)} (ReLU: {len(every) // 2}). Left of 0 the slopes lie between "
            f"{slope_words(min(left))} and {slope_words(max(left))}, all of them between {slope_words(min(every))} and {slope_words(max(every))}."
        )

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(words) or "No records keep the slopes.")

# %% [markdown]
# *Printed: the first seed of the digits, best epoch; segments run from left of −2.5 to right of 2.5. The sentences count all seeds.* A flat segment
# alone proves nothing; what matters is whether inputs are there, and whether the loss still has a slope. The checklist
# of {doc}`primer 3 <primer_03_honest_evaluation>` is in every record:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
sides = {
    name: [record for duel in shown.values() for record in getattr(duel, side)]
    for name, side in (("SPLASH", "new"), ("ReLU", "old"))
}
rows = {}
for name, records in sides.items():
    for check in (one for record in records for at in evaluations(record).values() for one in at.checks):
        rows.setdefault(check.name, {}).setdefault(name, []).append(check)
lines = []
for check, by_side in rows.items():
    first = next(iter(by_side.values()))[0]
    cells = [audits.CHECKS.get(check, first.question), f"{100 * first.limit:g} %"]
    for own in (by_side.get(name, []) for name in sides):
        most = f"{100 * max(one.value for one in own):.1f} %".translate(MINUS) if own else ""
        cells += [f"{sum(one.passed for one in own)} of {len(own)}", most]
    lines.append(cells)
header = [f"{name}: {what}" for name in sides for what in ("checkpoints that pass", "greatest value")]
Markdown(table(["What should hold, over all networks above", "Limit", *header], lines))

# %% tags=["remove-cell"]
failed = {name: [] for name in ("SPLASH", "ReLU")}
for title, duel in shown.items():
    for name, records in (("SPLASH", duel.new), ("ReLU", duel.old)):
        failed[name] += [
            f"{audits.CHECKS.get(check.name, check.question)} ({title}, seed {record.run.seed}, {which} epoch: {100 * check.value:.1f} %)"
            for record, which, check in failures(records)
        ]
checks = "\n\n".join(
    f"**{name}.** " + (f"Did not hold: {'; '.join(found)}." if found else "Every check is passed.")
    for name, found in failed.items()
)
words = []
for title, duel in shown.items():
    tests = distances.compared(duel, ("pgd50", "autoattack"))
    said = []
    for attack, (test, (mean, low, high)) in tests.items():
        interval = f" [{points(low)}, {points(high)}]"
        said.append(f"{points(mean)}{interval} points under {NAMES[attack]} (n = {test.n:,}, {p_said(test.p)})")
    broken = []
    for records, name in ((duel.new, "SPLASH"), (duel.old, "ReLU")):
        drops = []
        for record in records:
            outcomes = record.best.outcomes
            if {"pgd50", "autoattack"} <= outcomes.keys():
                right = outcomes["autoattack"].right
                drops.append(int((outcomes["pgd50"].right[: len(right)] & ~right).sum()))
        if drops:
            broken.append(f"{sum(drops)} of {name}")
    if broken:
        said.append(f"images that withstand PGD-50 and not AutoAttack: {listed(broken)}")
    if said:
        words.append(f"**{title}.** SPLASH above ReLU: {'; '.join(said)}.")
survives = "\n\n".join(words) or "No records with AutoAttack yet."

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(checks)

# %% [markdown]
# And AutoAttack itself, on the same networks:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(survives)

# %% [markdown]
# A difference under PGD that vanishes under AutoAttack, on the same images, was the attack's weakness. One that stays is
# the network's. One that was not there before has nothing to survive. Where many images withstand PGD-50 and not
# AutoAttack, PGD-50 was too weak for these networks, and its accuracies are too high. With as few images as AutoAttack
# sees here, only large differences can be told apart.
#
# ## Verdicts

# %% tags=["remove-cell"]
IDS = ("splash-standard", "splash-fgsm", "splash-cw", "splash-boundary", "splash-one-pixel", "splash-autoattack")
mine = [one for one in claims.judged(study="splash") if one.claim.id in IDS]
note("s3_summary", claims.summary(mine).replace("`", ""))
attacked = {record.run.id for duel in shown.values() for side in (duel.new, duel.old) for record in side}
recorded = tables.scales_with("splash", lambda run: run.id in attacked)
made = tables.elsewhere(recorded, "splash", "MNIST, CIFAR-10 and CIFAR-100")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(mine))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(made)

# %% [markdown]
# Each verdict is for itself; the corrected p-values are in the tables above and are the stricter ones. A verdict takes
# all pairs that agree in everything but the activation, so that it may rest on more networks than the tables.
# `splash-standard` takes the strongest attack that both networks have been through. So where all have
# been through AutoAttack, it and `splash-autoattack` judge by the same numbers.
#
# ## What critics would ask
#
# - **Is it robustness at all?** A network that falls at an ε that nobody can see has none to speak of. "More robust"
#   compares two fragile networks. What adversarial training gives is of another size
#   ({doc}`/notebooks/splash_05_adversarial`).
# - **Larger margins or larger numbers?** Multiply all logits by ten and the classes stay, but the cross-entropy's
#   gradient may vanish in rounding, and attacks that use it fail {cite}`carlini2017,croce2020`. A learned slope above 1
#   does the same as that factor where no BatchNorm comes behind it, as before the last layer. The attacks of Carlini
#   and Wagner, Boundary and AutoAttack are not fooled by it: they look at differences of logits or at classes.
# - **Which attack was tuned to what?** All budgets here are the same for both activations. If one network needs more
#   steps than the other, equal budgets are not equal strength. The check *more steps never help* looks for that.
# - **Was it the activation or the accuracy?** A network with fewer errors has more images that can withstand. Success
#   rates take only images that were right, accuracies under attack take all; the two readings can differ in sign.
# - **From 51 to 31.** The predecessor's headline was larger, on another set of networks (seen: abstract). A maximum
#   over another set is another number; the comparison of the two says nothing about progress.
#
# ## Summary
#
# - The abstract says "up to 31 % more robust" without adversarial training; of what, under which attacks and budgets
#   was not found.
# - On the digits, over {glue:text}`s3_seeds` seeds, SPLASH is more robust beyond chance under: {glue:text}`s3_better`;
#   less under: {glue:text}`s3_worse`; not told apart under: {glue:text}`s3_rest`.
# - The same pair of networks gives very different percentages by choice of reading, attack and ε.
# - The largest of several noisy comparisons is positive by chance alone. It needs a comparison with chance of its own.
# - Flat segments can hide gradients. AutoAttack, black-box attacks and the checklist are how one finds out.
# - {glue:text}`s3_summary`
#
# ## Questionnaire
#
# 1. What does the abstract say about the attacks, and what on this page is our choice?
# 2. Why is ε smaller here than on the pages about adversarial training?
# 3. Why does an image that was wrong from the start not count as success?
# 4. Name three readings of "31 % more robust". Which can be made large by choosing ε?
# 5. What does the game with the coin assume, and which luck is not in it?
# 6. How could SPLASH make FGSM fail without being robust, and which of the six attacks would notice?
# 7. Why do we compare medians of distances and not means?
#
# ## Exercises

# %% [markdown]
# ```{exercise} A wall of zero slope · pencil
# :label: ex-splash3-flat
#
# Give a SPLASH unit coefficients that make it flat right of 1 and left of −1. What gradient does a network of a single
# such unit give at an input of 1.5, and where could the boundary attack still go?
# ```

# %% [markdown]
# ````{solution-start} ex-splash3-flat
# :label: sol-splash3-flat
# :class: dropdown
# ````

# %%
import torch

from robust_activations import activations

unit = activations.create("splash")
with torch.no_grad():
    unit.a_pos[:2] = torch.tensor([1.0, -1.0])
    unit.a_neg[:2] = torch.tensor([-1.0, 1.0])
for start in (0.5, 1.5):
    z = torch.tensor(start, requires_grad=True)
    unit(z).backward()
    print(f"at {start}: value {unit(z).item():.2f}, slope {z.grad.item():.2f}")

# %% [markdown]
# This is the hard tanh. At 1.5 the slope is exactly 0, and so is whatever a chain rule multiplies with it. The boundary
# attack compares classes at two points and needs no slope: a step to 0.5 changes the value, and it will notice.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} The luckiest of twenty · five minutes
# :label: ex-splash3-lucky
#
# Five attacks on four networks, each on 100 images of which both activations truly keep 30. How large is the largest
# *relative* gain on average, and how often does it reach 31 %?
# ```

# %% [markdown]
# ````{solution-start} ex-splash3-lucky
# :label: sol-splash3-lucky
# :class: dropdown
# ````
#
# Take the twenty comparisons as independent, which is a little too many chances for luck, since attacks on one network
# agree.

# %%
rng = np.random.default_rng(0)
ours, theirs = rng.binomial(100, 0.3, size=(2, 10_000, 20))
largest = (ours / theirs - 1).max(1)
print(f"mean {largest.mean():+.0%}; at least 31 % in {(largest >= 0.31).mean():.0%} of the cases")

# %% [markdown]
# Without any effect. It takes a number of images, or an interval, to tell such a number from a finding.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read on: {doc}`/notebooks/splash_04_choices` changes what we had to choose, {doc}`/notebooks/splash_05_adversarial`
#   trains with attacks.
# - Choose another ε: `robust-activations evaluate CHECKPOINT --attack pgd --eps 6/255` attacks a saved network. How do
#   the four readings move?
# - `robust-activations run splash --scale gpu` attacks these networks on CIFAR-10 and CIFAR-100, and LeNet-5 on MNIST, with
#   three seeds each.
