# %% [markdown]
# # Does it scale? Depth, width, resolution, families
#
# The second half of Smooth Adversarial Training {cite}`xie2020` makes networks larger: deeper, wider, fed with larger images,
# all of these together, and finally another family. Its largest network is the headline of the abstract. This page counts what
# such networks cost, asks what size brings at the sizes that we can train, and whether it brings more to SiLU than to ReLU.
#
# **At the end you will know**
#
# - what the authors report along each dimension, and which of their numbers could not be found;
# - how to count parameters and multiply-accumulates of a network that fits into no memory you have;
# - whether larger networks with SiLU are more robust at our scales, and whether SiLU gains more from size than ReLU;
# - what it would take to train the paper's largest network, as an estimate.
#
# *Reading time: 12 minutes. Run time: half a minute, after some minutes of training the first time that a page on this paper is
# opened.*

# %%
from robust_activations import models, studies
from robust_activations.figures import claims, cost, results, scaling, style, tables
from robust_activations.figures.rows import Line, Row
from robust_activations.studies import sat
from robust_activations.studies.base import strongest
from robust_activations.studies.pairs import gain, paired

studies.collect("sat")  # trains what is missing
ledgers = studies.ledgers()

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import MINUS, note, p_value, points, table


def above(first, second, column):
    """Points that one of the README's networks is above another."""
    return f"{scaling.RESNETS.rows[first][column] - scaling.RESNETS.rows[second][column]:+.1f}".translate(MINUS)


note("again", scaling.RESNETS.note)
note("res152", above("ResNet-152", "ResNet-50", -1))
note("res101", above("ResNet-101", "ResNet-50", -1))
note("next4", above("ResNeXt-50 32x4d", "ResNet-50", -1))
note("next8", above("ResNeXt-50 32x8d", "ResNet-50", -1))
note("px299", above("299 px", "ResNet-50", -1))
note("px380", above("380 px", "299 px", -1))
note("compound", above("ResNeXt-152 32x8d, 380 px", "ResNet-50", -1))

# %% [markdown]
# ## What was claimed
#
# That an adversarially trained network with a smooth activation keeps getting better, on clean images and under attack, when it
# grows. The bodies of the paper's tables were **not found**. What there is: the README of the authors' repository gives an
# evaluation made again, with another image loader, under PGD of up to 50 steps (seen). {numref}`fig-scaling-reported` draws it;
# ResNet-50 is the starting point of each dimension.

# %% mystnb={"image": {"alt": "Four small panels: depth, width, resolution and compound. In each a dashed line for clean accuracy lies high and a full line for accuracy under PGD-50 lies low, both rise to the right, and the gain in points stands at their ends. The rise is steepest in the panel called compound.", "width": "560px"}, "figure": {"caption": "Reported, not ours (README of the authors' repository, seen): clean accuracy and accuracy under PGD-50 of ResNets with SiLU on ImageNet, ℓ∞ 4/255, and the change in points from the first to the last. The number of images is not given, so there are no intervals. The README calls the two ResNeXts 2 and 4 times as wide; for ResNet-50 it gives no size of the images, which we take to be the usual 224 pixels.", "name": "fig-scaling-reported"}} tags=["hide-input"]
published = sat.scaling("paper")
scaling.reported({name: published[name] for name in ("depth", "width", "resolution", "compound")})

# %% [markdown]
# Read along the full lines. Twice the depth brings {glue:text}`res101` points under PGD-50, three times {glue:text}`res152`.
# The ResNeXt that is called twice as wide brings {glue:text}`next4`, four times as wide {glue:text}`next8`. Larger images
# bring {glue:text}`px299` points at 299 pixels and {glue:text}`px380` more at 380. All at once: {glue:text}`compound`. What
# the README does **not** have is ReLU at these sizes. So its table shows that size helps with SiLU; it cannot show that a
# smooth activation helps *to scale*.
#
# The table of the next section has all of it, with what each network costs. Those two columns are not from the paper, whose
# counts were not found: we build each network from its definition and count. The EfficientNets have clean accuracies only; in
# their columns under attack the README says "TODO", and here they stay empty.

# %% [markdown]
# ## Counting what fits into no memory
#
# A multiply-accumulate (MAC) is one multiplication and one addition. A convolution with kernel $k \times k$ from $c$ to $d$
# channels in $g$ groups, whose output has $h \times w$ pixels, takes
#
# $$
# \begin{aligned}
# \text{MACs} &= h \, w \, d \, \frac{c}{g} \, k^2 \\
# \text{parameters} &= d \, \frac{c}{g} \, k^2 .
# \end{aligned}
# $$
#
# So twice the depth doubles both, twice the width multiplies both by four, and twice the side of the images multiplies the MACs
# by four and leaves the parameters alone. That is why "larger" needs an axis. To count, PyTorch runs the network on its *meta*
# device, where tensors have shapes and no numbers, under a counter:

# %%
from inspect import getsource

print(getsource(scaling.counted))

# %%
titles = {
    title: run for members in published.values() for title, run in members.items() if title != "224 px"
}  # ResNet-50
costs = {title: scaling.counted(run) for title, run in titles.items()}


# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
def named(title):
    if title[0].isdigit():
        return f"ResNet-50, {title}"
    return f"Efficient\N{SOFT HYPHEN}Net-{title}" if title in scaling.EFFICIENT.rows else title


rows = []
for title, cost_of in costs.items():
    theirs = scaling.cells(title)
    counts = f"{cost_of.parameters / 1e6:.1f}", f"{cost_of.macs / 1e9:.2f}"
    rows.append([named(title), *theirs, *[""] * (4 - len(theirs)), *counts])
header = [f"*Reported*<br>{words}" for words in scaling.RESNETS.columns]
counted = ["*Counted*<br>param., 10⁶", "*Counted*<br>MACs, 10⁹"]
Markdown(table(["Network", *header, *counted], rows))

# %% tags=["remove-cell"]
keywords = models.REGISTRY["efficientnet_l1"].build.keywords
l1 = published["family"]["L1"]
note("l1_width", keywords["width"])
note("l1_depth", keywords["depth"])
note("l1_dropout", keywords["dropout"])
note("l1_side", l1.image_size)
note("l1_parameters", f"{costs['L1'].parameters / 1e6:.0f}")
note("l1_macs", f"{costs['L1'].macs / 1e9:.0f}")
note("b0_times", f"{costs['L1'].macs / costs['B0'].macs:.0f}")
note("b0_parameters", f"{costs['L1'].parameters / costs['B0'].parameters:.0f}")
MARKS = {"SEEN": "seen", "SEEN-2nd": "seen, secondary"}
for name, one in (("l1", scaling.ABSTRACT), ("b0", scaling.NOTES)):
    ((clean, robust),) = one.rows.values()
    under = "of robustness" if one.columns[1] == "robustness" else f"under {one.columns[1]}"
    note(f"{name}_robust", f"{robust} % {under} and {clean} % on clean images ({one.source}, {MARKS[one.mark]})")
note("wide_macs", f"{costs['ResNeXt-50 32x4d'].macs / costs['ResNet-50'].macs:.2f}")
note("wider_macs", f"{costs['ResNeXt-50 32x8d'].macs / costs['ResNet-50'].macs:.2f}")

# %% [markdown]
# *Reported: {glue:text}`again`. "EfficientNet-L1, averaged weights" is the README's "L1-Enhanced", which averages the
# weights with factor 0.9999. Counted: parameters in millions, and MACs in billions: convolutions and matrix products of the forward pass of one image; by the library's
# definitions.*
#
# Two things that the names hide. "Twice as wide" is not twice as dear: a ResNeXt-50 32x4d is wide inside its blocks but splits its
# channels into 32 groups, and takes {glue:text}`wide_macs` times the MACs of ResNet-50; 32x8d takes {glue:text}`wider_macs`
# times. And resolution costs no parameters at all.
#
# With accuracies from there and counts from here, one can ask which dimension is the cheapest: points under PGD-50 for each
# *doubling* of the MACs, starting from ResNet-50.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
from math import log2

rows, per_doubling = [], {}
for dimension in ("depth", "width", "resolution", "compound"):
    for title in list(published[dimension])[1:]:
        ratio = costs[title].macs / costs["ResNet-50"].macs
        change = [
            new - old for new, old in zip(scaling.RESNETS.rows[title], scaling.RESNETS.rows["ResNet-50"], strict=True)
        ]
        per_doubling[title] = change[-1] / log2(ratio) if ratio > 1.1 else None
        each = f"{per_doubling[title]:.1f}" if per_doubling[title] is not None else ""
        rows.append([dimension, title, f"{change[0]:+.1f}", f"{change[-1]:+.1f}", f"{ratio:.2f}", each])
Markdown(
    table(
        [
            "Dimension",
            "Network",
            "*Reported*<br>clean, points above ResNet-50",
            "*Reported*<br>PGD-50, points above ResNet-50",
            "*Counted here*<br>times the MACs",
            "*Derived*<br>PGD-50, points a doubling",
        ],
        rows,
    )
)

# %% tags=["remove-cell"]
known = {title: value for title, value in per_doubling.items() if value is not None}
cheap, dear = max(known, key=known.get), min(known, key=known.get)
note("cheap", cheap)
note("cheap_points", f"{known[cheap]:.1f}")
note("dear", dear)
note("dear_points", f"{known[dear]:.1f}")

# %% [markdown]
# A doubling of computation buys the most with {glue:text}`cheap` ({glue:text}`cheap_points` points) and the least with
# {glue:text}`dear` ({glue:text}`dear_points`). These are one network each, by authors who do not say how many seeds; a point
# more or less should not decide anything. Where the MACs are nearly those of ResNet-50 the quotient means nothing, and is left
# out.
#
# ### EfficientNet-L1
#
# The largest network is an EfficientNet with factors of its own. The authors' code defines it (seen): width
# {glue:text}`l1_width`, depth {glue:text}`l1_depth`, images of {glue:text}`l1_side` pixels, dropout {glue:text}`l1_dropout`. In
# the library that is one line of the registry:

# %%
print(models.REGISTRY["efficientnet_l1"].build.keywords)
print(costs["L1"])

# %% [markdown]
# That is {glue:text}`l1_parameters` million parameters and {glue:text}`l1_macs` billion MACs: {glue:text}`b0_parameters` times the
# parameters of B0 and {glue:text}`b0_times` times its MACs. Of robustness two numbers are known: {glue:text}`l1_robust` for L1 with
# averaged weights, and {glue:text}`b0_robust` for B0. Robust accuracies of B1 to B7, and of any EfficientNet with ReLU, were **not found**.
# The authors' evaluation command sets BatchNorm's momentum to 0.9 and its ε to 10⁻⁵ (seen). Torchvision's EfficientNets from
# B5 on have other values; ours take the authors'.
#
# **If the story is true**, our own numbers should show this:
#
# 1. at equal activation, the larger network is the more robust one;
# 2. SiLU gains at least as much from size as ReLU does; if smoothness *unlocks* size, then more.

# %% tags=["remove-cell"]
NAMES = ("silu", "relu")


def ladder(scale, dimension, name):
    """The recorded networks of a dimension with this activation: size, record and cost, the cheapest first."""
    ledger, found = ledgers[scale], []
    for title, run in sat.scaling(scale)[dimension].items():
        size, activation = title.rsplit(", ", 1)
        if activation == name and run in ledger:
            size = models.REGISTRY[size].title if size in models.REGISTRY else size
            found.append((size, ledger[run], scaling.counted(run)))
    return sorted(found, key=lambda one: one[2].macs)


def dimensions(scale):
    """Dimension to activation to ladder, where at least two sizes are recorded."""
    every = {d: {name: ladder(scale, d, name) for name in NAMES} for d in sat.scaling(scale)}
    return {d: sizes for d, sizes in every.items() if any(len(own) > 1 for own in sizes.values())}


measured = {scale: found for scale in ("digits", "cpu", "gpu") if (found := dimensions(scale))}
larger = [scale for scale in measured if scale != "digits"]


def all_of(*scales):
    return [one[1] for scale in scales for sizes in measured[scale].values() for own in sizes.values() for one in own]


def lines(sizes):
    return [
        Line(style.title(name), name, [(float(f"{at.macs / 1e6:.2g}"), record) for _, record, at in own])
        for name, own in reversed(sizes.items())
        if own
    ]


attack = strongest(all_of("digits"))
note("widths", ", ".join(size.removeprefix("width ") for size, *_ in measured["digits"]["width"]["silu"]))

# %% [markdown]
# ## Ours: digits
#
# The digits network in widths {glue:text}`widths`, with ReLU and with SiLU, under one recipe: eight networks, one seed. (Width 16
# is the network of the other pages, and its records are theirs. In the same way one network at a larger scale can end two
# dimensions; the tables show it once.) The size of 8×8 images cannot be varied. A deeper network, with two blocks at each size, is
# on {doc}`/notebooks/sparta_03_across_networks`; the verdict below takes it too.

# %% mystnb={"image": {"alt": "Accuracy against multiply-accumulates on a logarithmic axis. Two dashed lines for clean accuracy near the top that rise a little, two full lines for accuracy under attack that rise more steeply for the small networks and level off. The lines of SiLU and ReLU lie close together and their intervals overlap.", "width": "560px"}, "figure": {"caption": "Measured: clean accuracy (dashed) and accuracy under attack (full) of the digits network in four widths, against the multiply-accumulates of one forward pass. 95 % Wilson intervals, one seed, best epoch.", "name": "fig-scaling-digits"}} tags=["hide-input"]
results.sweep(
    {"": lines(measured["digits"]["width"])},
    "multiply-accumulates, millions",
    attacks=("clean", attack),
    log=True,
)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
from itertools import product


def of_scale(scale):
    """Two tables of a scale: accuracies, and what was counted."""
    every = {}
    for name, (dimension, sizes) in product(NAMES, measured[scale].items()):
        for size, record, at in sizes[name]:
            network = models.REGISTRY[record.run.model].title
            label = size if dimension in ("depth", "family") else f"{network}, {size}"  # a depth names the network
            every.setdefault(record.id, (name, label, record, at))
    accuracies = [Row(f"{size}, {style.title(name)}", record) for name, size, record, _ in every.values()]
    return [
        f"*Scale `{scale}`: accuracies*",
        tables.accuracy_table(accuracies, ("clean", strongest(all_of(scale))), first="Network"),
        f"*Scale `{scale}`: counted*",
        scaling.cost_table({size: at for _, size, _, at in every.values()}),
    ]


Markdown("\n\n".join(of_scale("digits")))

# %% tags=["remove-cell"]
if larger:
    intro = f"Recorded at larger scales so far: {' and '.join(f'`{scale}`' for scale in larger)}."
    intro += " " + tables.provenance({record.id: record for record in all_of(*larger)}.values())
    second = strongest(all_of(*larger))
else:
    intro = "No networks of other sizes are recorded at the larger scales yet; the figure below waits for them."
    second = "pgd50"

# %% [markdown]
# ## Ours: larger scales
#
# Scale `cpu` has a ResNet on CIFAR-10 with depth 8 or 20 and width 8 or 16, three epochs of N-FGSM; scale `gpu` ResNet-18 in three
# widths and ResNet-34 on CIFAR-10, and on Imagenette-96 two networks of ImageNet's families and three sizes of images.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(intro)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown("\n\n".join(line for scale in larger for line in of_scale(scale)))

# %% mystnb={"image": {"alt": "One panel for each scale and dimension that has records: clean accuracy dashed and accuracy under attack full, against multiply-accumulates on a logarithmic axis, for ReLU and SiLU. Without records the figure says so.", "width": "560px"}, "figure": {"caption": "Measured: accuracy against the multiply-accumulates of one forward pass at the larger scales, as far as recorded. Clean (dashed) and under attack (full), 95 % Wilson intervals, one seed, best epoch; data, ε and n of each panel are in its title.", "name": "fig-scaling-larger"}} tags=["hide-input"]
results.sweep(
    {f"scale {scale}, {d}": lines(sizes) for scale in larger for d, sizes in measured[scale].items()},
    "multiply-accumulates, millions",
    attacks=("clean", second),
    log=True,
)

# %% [markdown]
# ## Does SiLU gain more from size than ReLU?
#
# This is the question that the README's table leaves open, and it is a question about a **difference of differences**. With $a$ for
# accuracy under attack,
#
# $$
# \begin{aligned}
# \Delta = \ & a^{\text{SiLU}}_{\text{large}} - a^{\text{SiLU}}_{\text{small}} \\
#   & - \bigl(a^{\text{ReLU}}_{\text{large}} - a^{\text{ReLU}}_{\text{small}}\bigr) .
# \end{aligned}
# $$
#
# That the one gain is significant and the other is not would prove nothing about $\Delta$, a mistake that is often made. All four
# networks saw the same images, so every image has its own $\Delta$, a whole number from −2 to 2, and the interval of their
# mean is Student's.

# %%
print(getsource(gain), getsource(scaling.more_gain), sep="\n")

# %% tags=["remove-cell"]
contrasts, said = {}, []
for scale, found in measured.items():
    for dimension, sizes in found.items():
        if dimension == "family" or any(len(sizes[name]) < 2 for name in NAMES):
            continue  # networks of two families are not two sizes of one
        ends = {name: (sizes[name][-1], sizes[name][0]) for name in NAMES}
        if any(record.collapsed for pair in ends.values() for _, record, _ in pair):
            continue
        test = strongest(all_of(scale))
        large, small = {name: ends[name][0][1] for name in NAMES}, {name: ends[name][1][1] for name in NAMES}
        gains = {name: paired(large[name], small[name], test) for name in NAMES}
        more = scaling.more_gain((large["silu"], small["silu"]), (large["relu"], small["relu"]), test)
        title = f"scale {scale}: {ends['silu'][1][0]} to {ends['silu'][0][0]}\n{results.under(test)}, n = {gains['silu'].n:,}"
        contrasts[title] = [
            *((style.title(name), *(100 * v for v in (one.difference, *one.interval))) for name, one in gains.items()),
            ("SiLU more than ReLU", *(100 * value for value in more)),
        ]
        settled = "includes 0"
        if more.low > 0 or more.high < 0:
            settled = f"excludes 0, {'SiLU' if more.low > 0 else 'ReLU'} gains more"
        gained = " and ".join(
            f"{style.title(name)} by {points(one.difference)} points (p = {p_value(one.p)})".replace("= <", "< ")
            for name, one in gains.items()
        )
        said.append(
            f"At scale `{scale}`, from {ends['silu'][1][0]} to {ends['silu'][0][0]}, accuracy {results.under(test)} changes for "
            f"{gained}. Δ is {points(more.value)} points, and its interval [{points(more.low)}, {points(more.high)}] **{settled}**."
        )
on_digits = next(iter(contrasts.values()))
halves = [(high - low) / 2 for *_, low, high in on_digits]
delta = abs(on_digits[-1][1])
note("half_both", f"{halves[-1]:.1f}")
exact = "less well than either" if halves[2] >= max(halves) else "better than either"
if sorted(halves)[1] == halves[2]:
    exact = "between the two"
sure = (
    f"On the digits the gains are known to within {halves[0]:.1f} (SiLU) and {halves[1]:.1f} points (ReLU), and their difference "
    f"to within {halves[2]:.1f}, {exact}. A Δ smaller "
    f"than that could not be told from 0; this one is {f'{delta / halves[2]:.1f} times as large' if delta > halves[2] else 'smaller'}."
)

# %% mystnb={"image": {"alt": "For each scale and dimension three rows with a dot and an interval: the gain of SiLU from the smallest to the largest network, the gain of ReLU, and how much more SiLU gains, each with an interval.", "width": "560px"}, "figure": {"caption": "Measured: points gained under attack from the smallest to the largest network, with 95 % intervals: for each activation from the images on which the two networks differ, for the difference of the gains Student's over the images. One seed.", "name": "fig-scaling-gains"}} tags=["hide-input"]
results.values(contrasts, "points under attack")

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(said))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(sure)

# %% [markdown]
# And that is without the luck of training, which enters Δ four times and which one seed cannot show.
#
# ## The verdict
#
# The claim that a rule judges is the first of the two: larger networks *with SiLU* are more robust than smaller ones.

# %% tags=["remove-cell"]
verdict = [one for one in claims.judged(study="sat") if one.claim.id == "sat-scaling"]
note("digits_verdict", next(one.verdict.label for one in verdict if one.scale == "digits"))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(verdict))

# %% [markdown]
# Read the digits' verdict ({glue:text}`digits_verdict`) with two reservations. The rule compares every larger network with every
# smaller one. A network in the middle is the larger of some pairs and the smaller of others, and its luck enters both: neither the
# pairs nor the groups that the rule makes of them are quite independent, and the numbers look firmer than they are. And the claim
# says nothing about ReLU: look at {numref}`fig-scaling-gains` before crediting the activation.
#
# **What others found.** {cite:t}`gowal2020` list SiLU *together with* larger networks and averaged weights among what makes
# networks more robust (seen; their numbers for single activations were not found). {cite:t}`huang2023` object that earlier claims
# about activations came from *small* networks and one fixed set of hyper-parameters; with weight decay tuned for each, smooth
# activations mostly do not beat ReLU under their baseline recipe, and SiLU does under an advanced one (seen). Both are reasons to
# measure Δ, and not only the accuracy of one large network.
#
# ## What the paper's scale would cost
#
# The networks of the README are runs of this library at scale `paper`. These are the commands; they check the data and
# then train:

# %% mystnb={"merge_streams": true}
print(*claims.commands("sat", "paper", list(titles.values())), sep="\n")

# %% [markdown]
# How long? Nobody here has tried, so what follows is an **estimate**, from counts and one assumption. A training step
# takes one attack step and an update. In units of a forward pass, the library counts (see {doc}`/notebooks/cost`):

# %%
passes = cost.passes(sat.paper("silu").objective)
print(passes)

IMAGES = 1_281_167  # ImageNet's training images
RATE = 1e14  # the assumption: operations a second that a device sustains


def operations(title, run):
    """Two for each multiply-accumulate, for all passes of all images of all epochs."""
    return 2 * costs[title].macs * sum(passes.values()) * (IMAGES - run.held_out) * run.schedule.epochs


# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
estimated = {title: operations(title, run) for title, run in titles.items()}
rows = []
for title, work in sorted(estimated.items(), key=lambda item: item[1]):
    days = work / RATE / 86400
    rows.append([named(title), f"{work / 1e18:,.2f}", f"{24 * days:,.1f} hours" if days < 2 else f"{days:,.1f} days"])
Markdown(table(["Network", "Operations, 10¹⁸", "One device at 10¹⁴ a second"], rows))

# %% tags=["remove-cell"]
note("l1_days", f"{estimated['L1'] / RATE / 86400:.0f}")
note("r50_hours", f"{estimated['ResNet-50'] / RATE / 3600:.0f}")
note("epochs", l1.schedule.epochs)
note("l1_eight", f"{estimated['L1'] / RATE / 86400 / 8:.0f}")
note("passes", sum(passes.values()))

# %% [markdown]
# *Estimated, training alone: {glue:text}`passes` passes for each image, {glue:text}`epochs` epochs. Evaluation comes on top.*
#
# ResNet-50 some {glue:text}`r50_hours` hours, L1 some {glue:text}`l1_days` days on a single device, or {glue:text}`l1_eight` on eight that lose nothing
# by working together. Do not take more than the order of magnitude from this. The rate is assumed, not measured. A depthwise
# convolution, of which EfficientNets are made, moves more memory for each operation and stays far below a device's rate for
# dense products, so their times are the most optimistic ones. And L1 at {glue:text}`l1_side` pixels may need small batches.

# %% [markdown]
# ## Summary
#
# - The authors report that deeper, wider, larger images and all together each help SiLU networks, on clean images and under
#   attack. ReLU at the same sizes is not in the table that we could read.
# - "Twice as large" means different things: count, and put the counts on a logarithmic axis.
# - At scale `digits` the verdict on "larger is more robust, with SiLU" is: {glue:text}`digits_verdict`.
# - Whether smoothness *helps to scale* is a difference of differences; on the digits anything below some
#   {glue:text}`half_both` points would go unseen.
# - To train the largest network of the paper would take some {glue:text}`l1_days` days of one device; that is an estimate.
#
# ## Questionnaire
#
# 1. Twice the width, twice the depth, twice the side of the images: by how much do parameters and MACs grow in each case?
# 2. Why is a ResNeXt-50 32x4d "twice as wide" as a ResNet-50 and hardly dearer?
# 3. What does the README's table lack to show that SiLU scales better than ReLU?
# 4. SiLU gains significantly from size and ReLU does not. Why is that not evidence for Δ > 0?
# 5. What is a tensor on the meta device, and what can one find out with it?
# 6. Each of a few networks is part of several of the verdict's pairs. What is wrong with treating the pairs as independent?
# 7. Which robust accuracies of EfficientNets are known to us, and from where?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Count by hand · pencil
# :label: ex-scaling-count
#
# The digits network of width $w$ has three 3×3 convolutions, from 1 to $w$, $w$ to $2w$ and $2w$ to $4w$ channels, with outputs of
# 8×8, 4×4 and 2×2 pixels, and a linear layer from $16w$ numbers to 10 classes. Write down its MACs as a function of $w$ and check
# them against the counter.
# ```

# %% [markdown]
# ````{solution-start} ex-scaling-count
# :label: sol-scaling-count
# :class: dropdown
# ````
#
# $64 \cdot 9 w + 16 \cdot 9 \cdot 2 w^2 + 4 \cdot 9 \cdot 8 w^2 + 160 w = 736 w + 576 w^2$.

# %%
for title, run in sat.scaling("digits")["width"].items():
    if run.activation == "silu":
        width = int(title.split(",")[0].split()[1])
        print(f"width {width:2}: by hand {736 * width + 576 * width**2:,}, counted {scaling.counted(run).macs:,}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} How many images for Δ? · five minutes
# :label: ex-scaling-images
#
# Suppose that Δ is truly 2 points. With the spread of the per-image values that we see on the digits, how many test images would
# it take for the interval of Δ to exclude 0?
# ```

# %% [markdown]
# ````{solution-start} ex-scaling-images
# :label: sol-scaling-images
# :class: dropdown
# ````
#
# The half-width of the interval is 1.96 standard deviations over $\sqrt{n}$; ask where it becomes 0.02.

# %%
sizes = measured["digits"]["width"]
per_image = {name: gain(sizes[name][-1][1], sizes[name][0][1], attack) for name in NAMES}
spread = (per_image["silu"] - per_image["relu"]).std(ddof=1)
print(f"standard deviation {spread:.2f}: about {(1.96 * spread / 0.02) ** 2:,.0f} images")

# %% [markdown]
# With so many the interval excludes 0 half of the time, for Δ as measured scatters around the true one. Twice as many find it
# in four of five cases, and 3.4 times as many in 19 of 20: the 2 points must then be 1.96 + 0.84 or 1.96 + 1.64 standard
# errors and not 1.96, and the number of images grows with the square of that.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Train the four corners with several seeds: `dataclasses.replace(run, seed=1)` for the smallest and the largest network of each
#   activation, and take the interval of Δ over seeds.
# - Is the gain that SiLU has, where it has one, real? {doc}`/notebooks/sat_06_sanity` attacks it from all sides.
# - What does the activation itself cost beside the layers? {doc}`/notebooks/sat_04_cost` counts that.
