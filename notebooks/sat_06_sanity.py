# %% [markdown]
# # Is the gain real? Sanity checks
#
# A network can look robust because it is, or because the attack is lost in it. A paper whose very idea is to change gradients has to
# rule out the second. This page attacks the networks with ReLU, SiLU and GELU that the other pages have trained, from every side
# that {doc}`primer 3 <primer_03_honest_evaluation>` explains, and asks each time whether the *difference* between the
# activations stands still.
#
# **At the end you will know**
#
# - what would betray a gain that is not real, and which checks look for it;
# - what more steps, more starts and other step sizes do to ReLU, SiLU and GELU;
# - whether one network's attack images fool another better than its own do;
# - how far accuracy falls from PGD to AutoAttack, with which activation, and what others measured on ImageNet;
# - whether any record of this study shows a symptom of masked gradients.
#
# *Reading time: 12 minutes. Run time: about half a minute, after some minutes of training the first time that a page on this
# paper is opened.*

# %%
from itertools import pairwise

import numpy as np
import torch

from robust_activations import data, paths, runs, studies
from robust_activations.attacks import PGD, Threat, fgsm
from robust_activations.autoattack import autoattack
from robust_activations.evaluation import SUITE, Outcome, predictions, under_attack
from robust_activations.figures import audits, claims, gradients, primers, results, sanity, style, tables
from robust_activations.figures.pictures import landscape
from robust_activations.figures.sanity import Panel, share
from robust_activations.stats import mcnemar
from robust_activations.studies import pictures, sat
from robust_activations.studies.audit import EXPLAINED, failures

records = studies.collect("sat")  # trains what is missing
planned = sat.activations("digits")
networks = {name: runs.trained(planned[name], paths.data("digits")) for name in ("relu", "silu", "gelu")}
threat = planned["relu"].threat

digits = data.load("digits")
x, y = digits.test_images.float() / 255, digits.test_labels
some = slice(100)  # the first test images: for what is dear
clean = {name: predictions(network, x) == y for name, network in networks.items()}

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import MINUS, listed, note, p_value, points, table
from robust_activations.figures.standings import percent


def span(one):
    """A difference in points with its interval."""
    mean, low, high = one
    return f"{points(mean)} [{points(low)}, {points(high)}]"


def by_chance(test):
    settled = "beyond chance" if test.p < 0.05 else "which may be chance"
    return f"{settled} (McNemar's test on the images that fell: p = {p_value(test.p)})".replace("= <", "< ")


note("n", len(y))
note("some", some.stop)
note("eps", threat.eps)

# %% [markdown]
# ## What was claimed, and what would speak against it
#
# The paper has a section of sanity checks; that much a summary of it says (seen, secondary). Which checks, and with what numbers, was
# **not found**. So there is nothing to reproduce here, and the checks below are those that the field has agreed on
# {cite}`carlini2019,athalye2018`, applied to the question of this paper. Let $a(\varphi, A)$ be the accuracy of the network with
# activation $\varphi$ under attack $A$. Every attack gives an upper bound of the accuracy under the *best* attack, which nobody
# knows:
#
# $$
# \begin{aligned}
# a^*(\varphi) &= \min_A a(\varphi, A) \le a(\varphi, A) \\
# \text{gain}(A) &= a(\text{SiLU}, A) - a(\text{ReLU}, A)
# \end{aligned}
# $$
#
# The gain is a difference of two upper bounds, and so no bound at all: it is too large if the attack is further from its
# minimum on SiLU than on ReLU, and **too small in the opposite case**. An attack that ReLU's kink confuses would *flatter ReLU*.
# If the gain is real, then
#
# 1. more steps, more starts and other step sizes lower all accuracies a little, by about as much, and then no more;
# 2. accuracy falls to 0 as ε grows;
# 3. a network's own attack images harm it more than those made on another one;
# 4. AutoAttack takes about as much from one as from the other;
# 5. no check on the list of primer 3 fails.
#
# Smooth slopes themselves, and how far a gradient holds, are measured in {doc}`/notebooks/sat_01_smooth_approximations`; what a smooth
# slope does for the attack on a finished ReLU network, in {doc}`/notebooks/sat_02_gradient_quality`.
#
# ## More of the same
#
# One start and more steps; 20 steps and more starts, of which an image must withstand all; 20 steps of other lengths.

# %%
steps = (1, 2, 5, 10, 20, 50, 200)
starts = (1, 2, 3, 5, 10)
parts = (1, 2, 4, 8, 16, 32)  # of ε that a step is


def right(name, attack, images=some, seed=0):
    """Which images the network has right under the attack."""
    return under_attack(networks[name], x[images], y[images], threat, attack, seed=seed)


by_steps, by_starts, by_length = {}, {}, {}
for name in networks:
    by_steps[name] = [right(name, PGD(steps=count)) for count in steps]
    alone = torch.stack([right(name, PGD(steps=20), seed=seed) for seed in range(max(starts))])
    by_starts[name] = [alone[:count].all(0) for count in starts]
    by_length[name] = [right(name, PGD(steps=20, step=str(threat.radius / part))) for part in parts]

# %% mystnb={"image": {"alt": "Three panels with a curve for ReLU, SiLU and GELU each. Against the number of steps, accuracy falls over the first steps and is then flat. Against the number of starts it falls a little. Against the length of the step it is flat for long steps, and high for the shortest, which cannot reach far. The bands of the three overlap.", "width": "560px"}, "figure": {"caption": "Accuracy under PGD of growing effort, with 95 % Wilson intervals (bands), on the first {glue:text}`some` test images of the digits; ℓ∞, ε = {glue:text}`eps`, best epoch. Above: one start, steps of ε/4. Middle: 20 steps, several starts. Below: one start, 20 steps of other lengths.", "name": "fig-sanity-effort"}} tags=["hide-input"]
sanity.curves(
    *(
        Panel(x_axis, {name: [share(one) for one in ones] for name, ones in found.items()}, label, log=True)
        for x_axis, found, label in (
            (steps, by_steps, "steps"),
            (starts, by_starts, "starts"),
            (parts, by_length, "ε divided by the length of a step"),
        )
    )
)

# %% tags=["remove-cell"]
said = []
for name in networks:
    first, last = (by_steps[name][steps.index(count)] for count in (20, steps[-1]))
    left_over = [int(ones.sum()) for ones in by_length[name]]
    best = ["ε" if part == 1 else f"ε/{part}" for part, n in zip(parts, left_over, strict=True) if n == min(left_over)]
    said.append(
        f"**{style.title(name)}:** {int(first.sum())} of {some.stop} images after 20 steps, {int(last.sum())} after {steps[-1]}; "
        f"{int(by_starts[name][0].sum())} with one start, {int(by_starts[name][-1].sum())} with {starts[-1]}; "
        f"the step{'s' * (len(best) > 1)} that harm{'s' * (len(best) == 1)} most: {listed(best)}."
    )
worst = {
    name: torch.stack([*by_steps[name], *by_starts[name], *by_length[name]]).all(0) for name in networks
}  # right under everything
at20 = {name: ones[steps.index(20)] for name, ones in by_steps.items()}
fallen = {name: (at20[name] & ~worst[name]).numpy() for name in networks}  # to more effort alone


def over_relu(one):
    """What SiLU has over ReLU on these images."""
    return mcnemar(*(one[name].numpy() for name in ("silu", "relu")))


before, after = over_relu(at20), over_relu(worst)
change = mcnemar(fallen["relu"], fallen["silu"])  # what ReLU loses and SiLU does not is SiLU's
said.append(
    f"All of it together costs {', '.join(f'{style.title(name)} {one.sum()}' for name, one in fallen.items())} images more than "
    f"PGD-20 with one start. What SiLU has over ReLU on these images goes from "
    f"{span((before.difference, *before.interval))} points under PGD-20 to {span((after.difference, *after.interval))}, "
    f"a change of {points(change.difference)}, {by_chance(change)}."
)
if change.p < 0.05 and change.difference > 0:
    said.append("So here the weaker attack had flattered ReLU.")
elif change.p < 0.05:
    said.append("So here the weaker attack had flattered SiLU, **which is what masking looks like**.")

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(said))

# %% [markdown]
# ## The landscape around an image
#
# Networks that mask their gradients often have a ragged loss. Look at one image: the lead of the true class over its best rival,
# along the worst direction that PGD-50 finds for each network and along a random one. We take the first test image that both
# networks have right and that falls in both to this attack with four fifths of ε already, so that there is a border to see.

# %%
smaller = Threat("linf", str(0.8 * threat.radius))
shown = torch.ones(some.stop, dtype=torch.bool)
for name in ("relu", "silu"):
    falls = ~under_attack(networks[name], x[some], y[some], smaller, PGD(50, loss="margin"))
    shown &= falls & clean[name][some]
index = int(shown.nonzero()[0])
image, label = x[index : index + 1], y[index : index + 1]

# %% mystnb={"image": {"alt": "Two coloured maps, one for ReLU and one for SiLU, each with a dotted square around the image in the middle, which is marked by a cross. Colours change gradually; a black line, where the true class loses its lead, crosses the square in the worst direction.", "width": "560px"}, "figure": {"caption": "Lead of the true class around test image {glue:text}`index` of the digits, for ReLU and SiLU. Upwards: the direction that PGD-50 on the margin finds for this network; sideways: a random corner of the cube. The sides of the dotted square are ε away from the middle on either axis; its corners, where both changes add up, lie outside the ball. Black: the border of the class.", "name": "fig-sanity-landscape"}} tags=["hide-input"]
landscape({style.title(name): pictures.lead(networks[name], image, label, threat) for name in ("relu", "silu")})

# %% tags=["remove-cell"]
note("index", index)

# %% [markdown]
# A single image proves nothing, and a picture of two of 64 dimensions little; it can only look wrong. What would look wrong are islands
# of the wrong colour near the cross, or a border that lies nearer in the random direction than in the worst one.
#
# ## Further out
#
# With ε large enough every image can become any other, and no network that can give more than one answer can be right. If its
# accuracy stays up, it is the attack that fails. (One that always gives the same answer keeps that class's share: it has
# collapsed.) PGD-20 with steps of ε/4, all the way to ε = 255/255, the full range of a pixel:

# %%
radii = (12.75, 25.5, 38.25, 51, 63.75, 76.5, 102, 153, 255)  # in 255ths


def at_radius(name, radius):
    return under_attack(networks[name], x[some], y[some], Threat("linf", f"{radius}/255"), PGD(steps=20))


by_radius = {name: [clean[name][some], *(at_radius(name, radius) for radius in radii)] for name in networks}

# %% mystnb={"image": {"alt": "Accuracy against epsilon from 0 to 255/255 for ReLU, SiLU and GELU: close together near 100 percent at 0, falling steeply, and at 0 percent for the second half of the axis.", "width": "560px"}, "figure": {"caption": "Accuracy under PGD-20 against ε, with 95 % Wilson intervals, on the first {glue:text}`some` test images of the digits. Dotted: the ε that they were trained with.", "name": "fig-sanity-radius"}} tags=["hide-input"]
heights = {name: [share(one) for one in ones] for name, ones in by_radius.items()}
sanity.curves(Panel((0, *radii), heights, "ε · 255", mark=255 * threat.radius))

# %% tags=["remove-cell"]
zero = {
    name: next((radius for radius, one in zip(radii, ones[1:], strict=True) if not one.any()), None)
    for name, ones in by_radius.items()
}
to_zero = [f"{style.title(name)} {radius:g}/255" for name, radius in zero.items() if radius is not None]
never = [style.title(name) for name, radius in zero.items() if radius is None]
rising = [
    style.title(name)
    for name, ones in by_radius.items()
    if any(share(b).low > share(a).high for a, b in pairwise(ones))
]
sentence = f"The first of these ε that leaves no image right: {', '.join(to_zero)}." if to_zero else ""
sentence += f" **Accuracy does not reach 0: {', '.join(never)}.**" if never else ""
sentence += (
    f" **It rises somewhere: {', '.join(rising)}.**" if rising else " Nowhere does it rise with ε beyond chance."
)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(sentence)

# %% [markdown]
# ## Somebody else's attack
#
# Images that fool one network often fool another. Normally the attack on the network itself is the stronger one, because it knows
# more. If SiLU's robustness were masking, images made on ReLU would fool the SiLU network *better* than its own. For comparison, a
# second ReLU network, the one trained twice as long. All of it on the cross-entropy, and on all {glue:text}`n` test images:

# %%
second = runs.trained(sat.longer("digits")[2]["relu"][0], paths.data("digits"))
all_four = {style.title(name): network for name, network in networks.items()} | {"longer ReLU": second}
found = sanity.transfers(all_four, x, y, threat, PGD(steps=20))

# %% mystnb={"image": {"alt": "A square table of four networks, shown to, by four networks, made on, coloured by accuracy. The lowest value of each row, in a box, is where a network meets its own images.", "width": "560px"}, "figure": {"caption": "Accuracy of the network of a row on images that PGD-20 made on the network of a column (ℓ∞, ε = {glue:text}`eps`, n = {glue:text}`n` digits). The box marks the most harmful images of a row; on the diagonal are the network's own.", "name": "fig-sanity-transfer"}} tags=["hide-input"]
primers.matrix(
    {name: {source.replace(" ", "\n"): one.accuracy for source, one in row.items()} for name, row in found.items()}
)

# %% mystnb={"markdown_format": "myst", "code_prompt_show": "Show the intervals", "code_prompt_hide": "Hide the intervals"} tags=["hide-cell"]
Markdown(sanity.transfer_table(found))

# %% tags=["remove-cell"]
odd = [
    f"{name} on images of {source}"
    for name, row in found.items()
    for source, one in row.items()
    if source != name and one.correct < row[name].correct
]
both = {name: torch.from_numpy(found[name][name].right) for name in found}
alone_more = {
    name: int((both[name] & ~torch.from_numpy(np.all([one.right for one in row.values()], axis=0))).sum())
    for name, row in found.items()
}
sentence = (
    f"**Foreign images do more harm than its own to:** {', '.join(odd)}."
    if odd
    else "Every network is harmed most by its own images: nothing that looks like masking."
)
sentence += (
    " Images that withstand the network's own attack and fall to one of the other three: "
    f"{', '.join(f'{name} {count}' for name, count in alone_more.items())} of {len(y)}."
)
asymmetry = mcnemar(found["SiLU"]["ReLU"].right, found["ReLU"]["SiLU"].right)
way = "more" if asymmetry.difference > 0 else "less"
sentence += (
    f" SiLU withstands ReLU's images {way} than ReLU withstands SiLU's, by {points(abs(asymmetry.difference)).lstrip('+')} "
    f"points (p = {p_value(asymmetry.p)}).".replace("= <", "< ")
)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(sentence)

# %% [markdown]
# ## PGD against AutoAttack
#
# Now the attacks that are not PGD. *Square* never sees a gradient, so no slope can mislead it. *AutoAttack* {cite}`croce2020`
# chooses its step lengths itself, attacks towards each other class on a loss without scale, and ends with Square. It is dear,
# so this is again on the first {glue:text}`some` test images, and Square has {glue:text}`queries` queries an image in place of
# 5,000. An image that falls to any start of PGD-50, three of them, counts as broken there.

# %%
queries = 1000
ladder = {"FGSM": fgsm(threat), "PGD-20": PGD(20), "PGD-50": SUITE["pgd50"](threat)}
ladder["PGD-50, margin"] = SUITE["pgd50_margin"](threat)
outcomes, left, flags = {}, {}, {}
for name in ("relu", "silu"):
    network = networks[name]
    own = {"clean": clean[name][some]} | {words: right(name, one) for words, one in ladder.items()}
    own["Square"], _, _ = autoattack(network, x[some], y[some], threat, attacks=("square",), queries=queries)
    own["AutoAttack"], left[name], flags[name] = autoattack(network, x[some], y[some], threat, queries=queries)
    outcomes[name] = {attack: Outcome.of(one, 0.0) for attack, one in own.items()}

# %% tags=["remove-cell"]
note("queries", f"{queries:,}")
tests = {attack: mcnemar(one.right, outcomes["relu"][attack].right) for attack, one in outcomes["silu"].items()}
gains = [
    (f"SiLU, {attack}", 100 * test.difference, *(100 * bound for bound in test.interval))
    for attack, test in tests.items()
]
way = f"from {points(tests['clean'].difference)} on clean images to {points(tests['AutoAttack'].difference)} under AutoAttack"
none = not any(test.p < 0.05 and test.difference > 0 for test in tests.values())
note("gains_move", f"They go {way}{', but there is no gain here to lose' if none else ''}.")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
rows = [[attack, *(percent(own[attack]) for own in outcomes.values()), f"{some.stop}"] for attack in tests]
Markdown(table(["Attack", *(f"{style.title(name)}, %" for name in outcomes), "n"], rows))

# %% mystnb={"image": {"alt": "A dot and an interval for each attack, from clean and FGSM on top to AutoAttack at the bottom. The intervals are wide and overlap from attack to attack; most of them hold zero.", "width": "560px"}, "figure": {"caption": "What SiLU has over ReLU under each attack, on the same {glue:text}`some` test images of the digits, ℓ∞, ε = {glue:text}`eps`, with 95 % intervals from the images on which the two networks differ. If a gain were a weak attack's doing, the dots would move to the left from top to bottom. {glue:text}`gains_move`", "name": "fig-sanity-gains"}} tags=["hide-input"]
results.values({f"digits, ℓ∞ {threat.eps}, n = {some.stop}": gains}, "points above ReLU")


# %% tags=["remove-cell"]
def drop(name):
    """Image by image: 1 where PGD-50 leaves an image right and AutoAttack does not, -1 the other way round."""
    return outcomes[name]["PGD-50"].right.astype(int) - outcomes[name]["AutoAttack"].right


said = []
for name in outcomes:
    said.append(
        f"**{style.title(name)}:** AutoAttack takes {int((drop(name) > 0).sum())} of the images that PGD-50 leaves, and "
        f"leaves {int((drop(name) < 0).sum())} that PGD-50 takes, of {some.stop}. Left are "
        f"{', '.join(f'{count} after {attack}' for attack, count in left[name].items())}"
        + (f". **Its own warnings: {'; '.join(flags[name])}.**" if flags[name] else "; no warning of its own.")
    )
taken, test = {name: drop(name) > 0 for name in outcomes}, tests["AutoAttack"]
if any(one.any() for one in taken.values()):
    more = mcnemar(taken["relu"], taken["silu"])
    said.append(
        f"By what AutoAttack takes, what SiLU has over ReLU changes by {points(more.difference)} points, {by_chance(more)}."
    )
else:
    said.append("AutoAttack takes no image that PGD-50 leaves, from either.")
said.append(
    f"Under AutoAttack SiLU has {span((test.difference, *test.interval))} points over ReLU (p = {p_value(test.p)})".replace(
        "= <", "< "
    )
    + (": a difference beyond chance." if test.p < 0.05 else ": no difference that so few images could show.")
)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(said))

# %% [markdown]
# So much for the digits. Before a gain can be *unreal*, there must be one, and the last sentence says whether these networks have one.
# What they can show is whether the attacks agree, up to a disagreement that is too small for {glue:text}`some` images.
#
# ### What others measured
#
# The best evidence is not ours. {cite:t}`bai2021`, two of whom are authors of the paper, trained a ResNet-50 with ReLU and one with
# GELU on ImageNet and ran AutoAttack:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(gradients.published_table(gradients.BAI))

# %% tags=["remove-cell"]
bai = gradients.BAI.rows
note("bai", gradients.BAI.note)
for name in ("relu", "gelu"):
    note(f"bai_{name}", f"{bai[name][1] - bai[name][2]:.2f}")
for name, column in (("pgd", 1), ("aa", 2)):
    note(f"bai_{name}", f"{bai['gelu'][column] - bai['relu'][column]:.2f}")

# %% [markdown]
# *{glue:text}`bai`*
#
# From PGD-100 to AutoAttack ReLU loses {glue:text}`bai_relu` points and GELU {glue:text}`bai_gelu`; the gain goes from
# {glue:text}`bai_pgd` to {glue:text}`bai_aa` points (derived from the table). That is the opposite of masking: the attack had
# flattered *ReLU*. One network each, and the number of seeds is not known to us. For Smooth Adversarial Training itself no AutoAttack
# number was found, and none of its networks is on RobustBench's ImageNet list (seen); all its robust accuracies are under PGD.
#
# ## The checklist, over all records
#
# The checkpoints of this study, and of others that the verdicts below rest on, went through the checklist when they were
# evaluated:

# %% tags=["remove-cell"]
study = studies.get("sat")[0]
judged = [one for one in claims.judged(study="sat") if one.claim.id in ("bai-autoattack", "sat-silu")]
by_scale = {"digits": records.of(study.runs("digits"))} | tables.scales_with("sat")
ledgers = studies.ledgers()
for one in judged:
    every = ledgers[one.scale].records
    behind = {name: every[name] for name in one.verdict.records}
    if behind:
        by_scale[one.scale] = [*({own.id: own for own in by_scale.get(one.scale, ())} | behind).values()]
boxes, failed = [], []
for scale, found_records in by_scale.items():
    boxes += [f"*Scale `{scale}`, {len(found_records)} runs*", audits.check_table(found_records)]
    failed += [(scale, *one) for one in failures(found_records)]
listing = "; ".join(
    f"{style.title(record.run.activation)}, {which} epoch at scale `{scale}` (run `{record.run.label}`"
    f"{''.join(f', {key} {value}' for key, value in record.run.model_options.items())}, record `{record.id}`): “{audits.CHECKS[check.name]}” "
    f"({f'{100 * check.value:.1f}'.translate(MINUS)} %, limit {100 * check.limit:g} %)"
    + (", a collapsed run" if record.collapsed else "")
    for scale, record, which, check in failed
)
sentence = (
    f"**{len(failed)} check{'s' * (len(failed) > 1)} failed**, against the fifth expectation above. What should hold and does not: "
    f"{listing}."
    if failed
    else "**All checks passed.** The known symptoms are absent, which proves nothing more."
)
told = {one.id: words for _, one, _, check in failed if (words := EXPLAINED.get((one.id, check.name)))}
for name, words in told.items():
    sentence += f"\n\nWhat became of `{name}`: {words}"
broken = {one.run.activation for _, one, _, check in failed if check.name == "black_box" and not one.collapsed}
off = {"relu": "too small", "silu": "too large"}
flattered = [name for name in off if name in broken]
if flattered:
    names = listed(map(style.title, flattered))
    effect = off[flattered[0]] if len(flattered) == 1 else "too large in the one place and too small in the other"
    sentence += (
        f" Square broke images that PGD-50 left, so PGD flattered {names} there. That makes a gain of SiLU over ReLU under "
        f"PGD {effect}."
    )

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown("\n\n".join(boxes))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(sentence)

# %% [markdown]
# ## Verdict
#
# One claim with a rule belongs here, that of {cite:t}`bai2021`: the gain survives AutoAttack. It needs records with AutoAttack for
# both activations, which the scales `gpu` and `paper` are planned to have (what is above is not a record, and decides nothing).
# Beside it stands the claim that there is a gain at all.

# %% tags=["remove-cell"]
summary = []
summary.append(
    "own images harm every network most" if not odd else f"foreign images harm more than its own: {', '.join(odd)}"
)
summary.append("accuracy reaches 0 for all" if not never else f"accuracy does not reach 0 for {', '.join(never)}")
most = max(int(one.sum()) for one in taken.values())
summary.append(f"AutoAttack takes at most {most} of {some.stop} images from either of ReLU and SiLU beyond PGD-50")
note("summary", "; ".join(summary))
counts = {scale: sum(where == scale for where, *_ in failed) for scale in by_scale}
note("failed", listed(f"{count or 'none'} at `{scale}`" for scale, count in counts.items()))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(judged))

# %% [markdown]
# On the digits: {glue:text}`summary`. Of the checks in the records, these fail: {glue:text}`failed`.
#
# ## What this does not show
#
# - **Passing is not proof.** Each check looks for a known symptom. An attack made for these networks might do better.
# - **The digits are easy prey for attacks.** With 64 pixels and three layers there is little room to hide a gradient in. ImageNet has
#   more of it.
# - **One seed.** The networks on this page are one training each. That the *attack* is right does not make the *difference* between
#   two activations a property of theirs.
# - **A real gain can have another cause.** {cite:t}`singla2021` argue that low curvature reduces overfitting, {cite:t}`pang2021` that a
#   slightly other weight decay moves robust accuracy by several points (both seen). AutoAttack cannot tell.

# %% [markdown]
# ## Summary
#
# - A gain is a difference of two upper bounds: weak attacks can make it too large, or too small.
# - So ask of every attack not only how low the accuracies fall but whether they fall *by the same amount*.
# - More steps, starts and step lengths, other networks' images, black boxes, AutoAttack and an unbounded attacker look for different
#   symptoms. On the digits: {glue:text}`summary`.
# - On ImageNet, others found that the gain of a smooth activation grows from PGD to AutoAttack.
#
# ## Questionnaire
#
# 1. Accuracy under an attack is an upper bound. Why is the gain under that attack not one?
# 2. Which of ReLU and SiLU would an attack flatter that is confused by kinks?
# 3. With the shortest steps of {numref}`fig-sanity-effort` accuracy is higher. Is that masking?
# 4. What would it mean if images made on ReLU harmed SiLU more than SiLU's own?
# 5. Why is a second ReLU network in the transfer matrix?
# 6. Suppose AutoAttack takes two more images than PGD-50 from each network. What would that say about the gain?
# 7. Which symptom can Square show that no other attack on this page can?
#
# ## Exercises

# %% [markdown]
# ```{exercise} A gain to order · five minutes
# :label: ex-sanity-order
#
# The first figure has many attacks. Suppose that a paper may choose which of them it reports. Which one makes what SiLU has over
# ReLU largest, which one smallest, and what would McNemar's test say of each? What guards a reader against such a choice?
# ```

# %% [markdown]
# ````{solution-start} ex-sanity-order
# :label: sol-sanity-order
# :class: dropdown
# ````

# %% mystnb={"merge_streams": true}
ways = {
    **{f"{count} steps": {name: ones[i] for name, ones in by_steps.items()} for i, count in enumerate(steps)},
    **{f"{count} starts": {name: ones[i] for name, ones in by_starts.items()} for i, count in enumerate(starts)},
    **{f"steps of ε/{part}": {name: ones[i] for name, ones in by_length.items()} for i, part in enumerate(parts)},
}
ordered = sorted(ways, key=lambda way: over_relu(ways[way]).difference)
for way in (ordered[0], ordered[-1]):
    test = over_relu(ways[way])
    print(f"{way:13} {span((test.difference, *test.interval))} points, p = {p_value(test.p)}")

# %% [markdown]
# Both are numbers of the same two networks. A weak attack leaves most images right in both, so little is left to differ on. What
# guards a reader is an attack that was named before, or the strongest of all, which leaves no choice.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} The strongest of all · five minutes
# :label: ex-sanity-strongest
#
# Combine: call an image robust only if it withstands everything on this page that attacked the first {glue:text}`some` images. How much
# lower than AutoAttack alone is that for each network, and does the order of the networks change?
# ```

# %% [markdown]
# ````{solution-start} ex-sanity-strongest
# :label: sol-sanity-strongest
# :class: dropdown
# ````

# %% mystnb={"merge_streams": true}
left = {}
for name, own in outcomes.items():
    everything = worst[name].numpy() & np.all([one.right for one in own.values()], axis=0)
    left[name] = own["AutoAttack"].correct, int(everything.sum())
    print(f"{style.title(name)}: AutoAttack {left[name][0]}, everything {left[name][1]} of {some.stop}")
same = sorted(left, key=lambda name: left[name][0]) == sorted(left, key=lambda name: left[name][1])
print("the order", "stays" if same else "changes")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - `robust-activations evaluate CHECKPOINT --attack autoattack` gives the full AutoAttack, with 5,000 queries, on any checkpoint.
# - Repeat the transfer matrix with networks of several seeds; the records of {doc}`/notebooks/protocol_01_ranking` have them.
# - The larger networks of {doc}`/notebooks/sat_05_scaling`: does AutoAttack take more from them?
