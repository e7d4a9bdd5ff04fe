# %% [markdown]
# # From ReLU to an attentive activation
#
# ReLU asks every pixel of every feature map the same question, whatever stands around it. *Sparta* {cite}`guo2021` is an
# activation that is said to look around first. What exactly it computes we could not find out, so this page says what is
# known, draws three readings from it, and then takes each property away again to see what it was worth.
#
# **At the end you will know**
#
# - what the paper's abstracts say, and what of the formula follows from them and what does not;
# - three readings, R1, R2 and R3: formula, code, start, and what each has to do with ReLU, Swish and FReLU;
# - how the curve at a pixel moves with its neighbours;
# - whether a gate that sees less, or no input at all, leaves a network less robust;
# - what gates have learned, and how much they move under attack.
#
# *Reading time: 18 minutes. Run time: under a minute, after some minutes of training the first time that a page on this
# paper is opened.*

# %%
import inspect

import torch

from robust_activations import activations, data, paths, runs, studies
from robust_activations.activations import sparta as library
from robust_activations.attacks import PGD, attacking, pgd
from robust_activations.figures import claims, comparisons, results, style, tables
from robust_activations.figures import sparta as attention
from robust_activations.studies import sparta
from robust_activations.studies.pictures import gates

records = studies.collect("sparta")  # trains what is missing
run = sparta.objectives("digits")["pgd_at"]["sparta"]

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import box, listed, note
from robust_activations.figures.rows import Row

ledgers = studies.ledgers()

# %% [markdown]
# ## What was claimed
#
# Of the paper we could read the abstracts, that of arXiv (2105.08269, first version of May 2021, second of December 2022) and
# that of a submission to ICLR 2021, later withdrawn (both seen). They say:
#
# - ReLU is *spatially shared* and *input-independent*: the same function at every place, for every image. The authors hold
#   that this hurts robustness against white-box attacks, after standard and after adversarial training (seen).
# - Sparta *extends ReLU*, and has lower error than other activations on clean images and on adversarial ones (seen). The
#   abstract of ICLR names Swish and feature denoising {cite}`xie2019` as its relatives; that of arXiv speaks of
#   state-of-the-art activations (seen).
# - It can be learned in one network, or on one dataset, frozen, and used in another
#   (seen; {doc}`/notebooks/sparta_03_across_networks`, {doc}`/notebooks/sparta_04_across_datasets`).
#
# **The formula was not found**, nor kernel sizes, start, number of parameters, training, attacks, or any number of any table.
# No code is public that we could find. What we have is evidence for its form:
#
# | | Evidence (abstracts, seen, unless marked) | What it suggests |
# |---|---|---|
# | E1 | the name and the keyword "spatially attentive activation" | a map of attention over the places, made from the features |
# | E2 | the contrast to "spatially shared" and "input-independent" | the output at a place depends on its surroundings and on the input |
# | E3 | "extends ReLU" | ReLU is a special case, a limit, or a factor |
# | E4 | the relation to Swish, $z\,\sigma(\beta z)$ | a gate that multiplies; one that sees the place alone is Swish |
# | E5 | the relation to feature denoising | sums over neighbours |
# | E6 | it can be frozen and moved between networks and datasets | its parameters are a part of their own, not merged in the weights |
# | E7 | ResNet-18 gives to ResNet-34, which has the same widths and more layers (derived) | parameters per channel could be copied stage by stage; one kernel for all channels fits everywhere |
#
# ## Three readings
#
# Let $g(z)$ be a convolution with a small kernel $k \times k$ of each feature map with itself (*depthwise*: no channel sees
# another), and σ the sigmoid.
#
# | | Formula | For it | Against it |
# |---|---|---|---|
# | **R1** | $2 \max(0, z)\, \sigma(g(z))$ | E1, E2, E3: ReLU is a factor, and exact at $g = 0$, where $2 \sigma(0) = 1$ | Swish is no special case |
# | **R2** | $z\, \sigma(g(z))$ | E1, E2, E4: Swish if $g(z) = \beta z$, ReLU in the limit $\beta \to \infty$ | $g = 0$ is a line, so the start matters |
# | **R3** | $\max(z, \mathrm{BN}(g(z)))$ | E2, E3: ReLU at $g = 0$; a published activation, FReLU {cite}`ma2020` | no attention in it, no Swish |
#
# A fourth, a mixture of ReLU and a spatial filter, would follow from E5 and has little to do with the name; feature denoising
# itself is among the rivals on {doc}`the next page </notebooks/sparta_02_readings>`. **We take R2 as the book's Sparta. That is
# a choice, not a finding**, and R1 and R3 run beside it. This is the whole of the code that computes:

# %%
for part in (library._Spatial.g, library.SpartaReLU.forward, library.Sparta.forward, library.FReLU.forward):
    print(inspect.getsource(part))

# %% [markdown]
# The options `gate` and `noise` are ours, for the experiments below and for the transfers.
#
# ### What each contains
#
# Four statements of the table are identities, so they can be checked on numbers instead of believed. `share="layer"` is one
# kernel for all channels of a layer, and R3 is then without BatchNorm.

# %%
z = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
relu, silu = activations.create("relu")(z), activations.create("silu")(z)


def largest_gap(one, other):
    return f"{float((one - other).abs().max().detach()):.1e}"


def scaled(name, factor):
    """One kernel for all channels, its start multiplied by a factor."""
    module = activations.create(name, share="layer")
    module.weight.data *= factor
    return module(z)


print("R1 at its start, against ReLU:", largest_gap(scaled("sparta_relu", 1), relu))
print("R2 at its start, against SiLU:", largest_gap(scaled("sparta", 1), silu))
for beta in (10, 100, 1000):
    print(f"R2 with a centre of {beta:4}, against ReLU:", largest_gap(scaled("sparta", beta), relu))
print("R3 with g = 0, against ReLU:", largest_gap(scaled("frelu", 0), relu))

# %% tags=["remove-cell"]
torch.manual_seed(0)
frelu = activations.create("frelu", channels=3).train()
with torch.no_grad():
    note("sp1_frelu", f"{float((frelu(z) - relu).abs().max()):.1f}")

# %% [markdown]
# So R1 starts as ReLU and R2 as SiLU, which is Swish with β = 1. R3 with a kernel for each channel, as we and its authors use
# it, does *not* start as ReLU: BatchNorm brings its small random $g$ to unit scale in the first step of training, where it
# differs from ReLU by up to {glue:text}`sp1_frelu` on these numbers.
#
# ### What we had to choose
#
# | Open question | Our choice | Run beside it |
# |---|---|---|
# | gate, threshold or maximum | gate, R2 | R1, R3 |
# | attention per number, per place or per channel | per number: each channel has its own map | the gate *pooled*, one number a channel |
# | kernel: depthwise or full, shared or not, size, depth | depthwise, 3×3, one layer | 1×1 |
# | sigmoid, softmax or none; normalisation in the gate | sigmoid, none | R3 has BatchNorm and no sigmoid |
# | where | in place of every ReLU, behind BatchNorm | none |
# | one for each channel, layer, stage or network | a kernel a channel | counted below |
# | start | SiLU for R2, ReLU for R1 | a random start, on the pages on transfer |
# | what is frozen in a transfer | the gate's kernels | {doc}`/notebooks/sparta_03_across_networks` |
# | gradients through the gate in the attack | yes, all | the checklist, on {doc}`the next page </notebooks/sparta_02_readings>` |
# | all of training and attack | the book's protocol | none |
#
# ### How much is learned
#
# Counted in the networks themselves: how many numbers the activations learn, and which share of the whole network that is.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(attention.parameter_table(sparta.READINGS))

# %% [markdown]
# A kernel for each channel is our choice for all networks of this part. It can be carried to another network only where the
# widths agree, which is what E7 describes; one for the layer or the network would fit everywhere and learn next to nothing.
# Per channel R3 learns two numbers more than the others, those of its BatchNorm.
#
# ## The curve moves with its neighbourhood
#
# Of an ordinary activation one draws *the* curve. Here there is one for each neighbourhood. Give all eight neighbours of a
# pixel the same value, and let the pixel's own value go from −4 to 4. The kernels are set by hand, to be seen: R1 and R2 have
# 1/4 at each neighbour and their start in the centre, R3 has 1/8 and 0, the mean of the neighbours.

# %%
by_hand = {name: torch.full((3, 3), 1 / 8 if name == "frelu" else 1 / 4) for name in sparta.READINGS}
for name, kernel in by_hand.items():
    kernel[1, 1] = 1.0 if name == "sparta" else 0.0

# %% mystnb={"image": {"alt": "Three panels under each other, each with ReLU in grey and three lines. R1: rays from zero to the right, the steeper the higher the neighbours. R2: curves like SiLU; with high neighbours closer to ReLU on the right and deep below zero on the left, with low ones bent down on the right and flat on the left. R3: ReLU whose floor lies at the value of the neighbours.", "width": "460px"}, "figure": {"caption": "Output at a pixel against its own value, for three values of all its neighbours. The kernels are set by hand.", "name": "fig-sp1-contexts"}} tags=["hide-input"]
attention.contexts(by_hand, (-1.0, 0.0, 1.0))

# %% [markdown]
# R1 keeps ReLU's kink and its silence to the left, and turns the slope on the right up to 2 and down to 0. R2 moves between a
# line (gate open, 1), a line of slope 1/2 (the gate at 1/2) and nothing (gate shut), and lets negative values pass where the
# neighbours say so. R3 replaces ReLU's floor at zero by what the neighbours have. In all of them the slope now also exists
# *across* pixels: an attacker can move the output at one place by changing another.
#
# ## Take something away
#
# E2 names two properties, and each can be taken away alone. The networks below are the same but for what the gate sees:
#
# - **3×3**: the place and its neighbours, the full reading;
# - **1×1**: the place alone. No longer spatial; R2 is then Swish with a learned β in each channel;
# - **pooled**: the mean of the whole image. It depends on the input, and is the same at every place;
# - **map**: a learned picture of 8×8 numbers, stretched to the feature map. It differs from place to place, and does not depend
#   on the input. Only for R1: R2 without input would be a linear layer;
# - **no gate**: ReLU for R1, SiLU for R2.
#
# With R2, *pooled* takes more than it says. One number for the whole map multiplies all its places alike, so the activation
# is *linear* within an image, and the network loses most of what makes it more than a linear one. R1 keeps ReLU as a factor,
# whatever its gate does. So the clean comparisons are R1's.
#
# If the abstract's diagnosis is right and our readings are what it means, then 3×3 should beat 1×1 and pooled (it is the
# neighbourhood), and all that see the input should beat the map (it is the input).


# %% tags=["remove-cell"]
def gates_of(scale):
    """Rows by reading and gate, as far as they are recorded."""
    found = {}
    for reading, by_gate in sparta.properties(scale).items():
        own = attention.rows(by_gate, ledgers[scale])
        own = {"no gate" if gate == "none" else gate: row.record for gate, row in own.items()}
        if "3×3" in own and len(own) > 1:
            found[reading] = {gate: Row(gate, record) for gate, record in own.items()}
    return found


properties = {scale: found for scale in paths.SCALES if (found := gates_of(scale))}
larger = [scale for scale in properties if scale != "digits"]


def titled(scale, reading):
    return style.title(reading) + (f", scale {scale}" if larger else "")


panels = {titled(scale, reading): rows for scale, found in properties.items() for reading, rows in found.items()}

# %% mystnb={"image": {"alt": "Two dot plots of error under PGD-20, one for R1 with no gate, 3 by 3, 1 by 1, pooled and map, and one for R2 without the map. On the digits the intervals of most rows overlap.", "width": "460px"}, "figure": {"caption": "MEASURED: error under PGD-20 with 95 % Wilson intervals, first seed, best epoch; left is better. *no gate* is ReLU for R1 and SiLU for R2. Data, ε and n are in the tables below.", "name": "fig-sp1-properties"}} tags=["hide-input"]
attention.left_over(panels)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = {}
for scale, found in properties.items():
    for reading, rows in found.items():
        setting = results.setting([row.record for row in rows.values()], ("pgd20",))
        heading = f"{style.title(reading)}, scale `{scale}`: {setting}"
        parts[heading] = attention.error_table(list(rows.values()), ("clean", "pgd20"), "Gate")
Markdown(box("Errors", parts))

# %% [markdown]
# Each against the full reading, on the same images (McNemar's exact test, and Holm's correction for the gates of a reading).
# The tables count in points of *accuracy*: below zero means a higher error than 3×3.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = {}
for scale, found in properties.items():
    for reading, rows in found.items():
        others = [row for gate, row in rows.items() if gate != "3×3"]
        both = [tables.paired_table(rows["3×3"], others, attack, "Gate") for attack in ("pgd20", "clean")]
        parts[f"{style.title(reading)}, scale `{scale}`"] = "\n\n".join(both)
Markdown(box("Each against 3×3", parts))


# %% tags=["remove-cell"]
words = []
for scale, found in properties.items():
    for reading, rows in found.items():
        others = [row for gate, row in rows.items() if gate != "3×3"]
        better, worse, rest = comparisons.told_apart(comparisons.against(rows["3×3"], others, "pgd20"))
        words.append(
            f"**{style.title(reading)}, scale `{scale}`.** Under PGD-20 higher error than 3×3 beyond chance: "
            f"{listed(worse)}; lower: {listed(better)}; not told apart: {listed(rest)}."
        )
without = " ".join(words)
summary_gates = " ".join(words[:2])

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(without)

# %% [markdown]
# Mind three things. These are single networks, one seed each, so a difference beyond chance on the images is one between two
# networks. The gates differ in how many numbers they learn: the map 64 a channel, 3×3 nine, 1×1 and pooled one. And
# gates other than 3×3 were attacked at the digits with PGD-20 at most, so this is the attack of the tables above at every scale.
# A verdict below takes the strongest attack that both networks have been through, and names it.
#
# ## What the gates have learned
#
# A record keeps the kernels of its best epoch. R1's begin with zeros, R2's with 1 in the centre. {numref}`fig-sp1-kernels` shows
# what training has added to that, as means over the channels.

# %% tags=["remove-cell"]
learned = {}
for scale in paths.SCALES:
    for reading in ("sparta_relu", "sparta"):
        wanted = sparta.objectives(scale)["pgd_at"][reading]
        if wanted in ledgers[scale] and attention.kernel(record := ledgers[scale][wanted]):
            learned[style.title(reading) + (f", scale {scale}" if scale != "digits" else "")] = record

# %% mystnb={"image": {"alt": "Rows of three small grids of 3 by 3 numbers, one for each layer, R1 above R2. The middle cell has a frame. On the digits the colours are strongest in the first layer and pale in the last.", "width": "460px"}, "figure": {"caption": "MEASURED: learned kernels of the gates less their start, mean over the channels of a layer; first seed, best epoch. Of more than three layers the first, the middle one and the last. The frame marks the centre, which starts at 0 (R1) or 1 (R2); all neighbours start at 0.", "name": "fig-sp1-kernels"}} tags=["hide-input"]
attention.kernels(learned)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(attention.kernel_table({title: record for title, record in learned.items() if "scale" not in title}))

# %% [markdown]
# *Mean over the channels, and the least and the greatest. The distance is the ℓ2 length of what was added to the start, channel
# by channel. Scale `digits`.*

# %%
digits = data.load("digits")
x, y = digits.test_images.float() / 255, digits.test_labels
wanted = {"Sparta (R2)": run, "SiLU": sparta.objectives("digits")["pgd_at"]["silu"]}
networks = {title: runs.trained(one, paths.data("digits")) for title, one in wanted.items()}
network = networks["Sparta (R2)"]
shares = attention.around(network, x)
print("share of the neighbours in g, in absolute size, over all test images")
for number, share in enumerate(shares.values(), 1):
    print(f"layer {number}: {share:.0%}")

# %% tags=["remove-cell"]
kernel = attention.kernel(learned["Sparta (R2)"])
centres = [float(weight[:, 1, 1].mean()) for weight in kernel.values()]
note("sp1_centres", listed(f"{value:.2f}" for value in centres))
note("sp1_shares", listed(f"{share:.0%}".replace("%", " %") for share in shares.values()))
most = max(shares.values())
if most < 0.1:
    said = "The gates have hardly learned to look around: they are SiLU with another β, and little more."
elif most < 0.5:
    said = "The gates do look around, and yet what decides most is the place's own value: they have stayed near SiLU."
else:
    said = "In some layer the neighbours weigh more than the place itself: this gate has left SiLU behind."
note("sp1_around", said)

# %% [markdown]
# The centre of R2's kernels ended at {glue:text}`sp1_centres` from layer to layer, and the neighbours make up
# {glue:text}`sp1_shares` of $g$. {glue:text}`sp1_around` Zero padding counts as neighbours of value 0, and in the last layer,
# whose maps have 2×2 places, five of a place's eight neighbours are padding.
#
# ## Gates under attack
#
# If attention made a network robust by looking at the right places, one would like the gates to stay where they are when the
# image is attacked. We attack all test images with PGD-20 and look. As a yardstick for "how much" there are two controls:
# **noise** of the same ℓ∞ size, ε times a random sign at every pixel, cut to [0, 1] as the attack is; and **SiLU**, whose gate
# σ(z) sees the place alone, under its own PGD-20.

# %%
threat = run.threat
signs = 2 * torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)) - 1
noisy = threat.project(x, x + threat.radius * signs)

attacked, changes, lengths = {}, {}, {}
for title, one in networks.items():
    with attacking(one):
        attacked[title] = pgd(one, x, y, threat, PGD(steps=20), generator=torch.Generator().manual_seed(0))
    clean = gates(one, x)
    for how, images in (("attack", attacked[title]), ("noise", noisy)):
        changes[f"{title}, {how}"] = attention.moved(clean, gates(one, images))
        lengths[f"{title}, {how}"] = (images - x).flatten(1).norm(dim=1).mean()
for label, length in lengths.items():
    print(f"{label:20} moves an image by {length:.2f} in ℓ2, on average")

# %% [markdown]
# First four test images, the first four that there are. A gate is shown as its mean over the channels of a layer.

# %% mystnb={"image": {"alt": "Four columns, one for each digit. Rows: the clean image, the attacked image, the gate of layer 1 clean and attacked and their difference, then the same for layer 2 in coarser pixels. The gates are a patchwork of brighter and darker places, the differences are much smaller than the gates themselves.", "width": "460px"}, "figure": {"caption": "The first four test images, clean and under PGD-20 at the ε of training, and the gates σ(g) of Sparta (R2) in the first two layers, mean over the channels. Each row has its own scale, on the right. Digits, seed 0, best epoch.", "name": "fig-sp1-maps"}} tags=["hide-input"]
few = slice(4)
seen = [gates(network, images[few]) for images in (x, attacked["Sparta (R2)"])]
sites = list(seen[0])[:2]
attention.maps(
    [x[few], attacked["Sparta (R2)"][few]],
    {f"gate {number}": [gate[site] for gate in seen] for number, site in enumerate(sites, 1)},
)

# %% [markdown]
# Four images are an anecdote. Over all test images, and every channel and place by itself:

# %% mystnb={"image": {"alt": "Three panels, one a layer, each with four dots and short intervals on an axis that begins at zero: the mean change of the gates of Sparta and SiLU under attack and under noise. The four lie close together, attack a little to the right of noise.", "width": "460px"}, "figure": {"caption": "MEASURED: mean absolute change of the gates, which lie between 0 and 1, under PGD-20 and under noise of the same ℓ∞ size, with 95 % bootstrap intervals over the test images, which the dots mostly hide. Digits, at the ε of training, seed 0, best epoch.", "name": "fig-sp1-moved"}} tags=["hide-input"]
attention.movements(changes)

# %% tags=["remove-cell"]
by_layer = [
    dict(zip(changes, own, strict=True)) for own in zip(*(own.values() for own in changes.values()), strict=True)
]
words = []
for number, own in enumerate(by_layer, 1):
    attack, noise, plain = (own[key] for key in ("Sparta (R2), attack", "Sparta (R2), noise", "SiLU, attack"))
    against_noise = (
        "more than" if attack.low > noise.high else "less than" if attack.high < noise.low else "about as much as"
    )
    against_silu = (
        "more than" if attack.low > plain.high else "less than" if attack.high < plain.low else "about as much as"
    )
    words.append(
        f"In layer {number} R2's gates move by {attack.value:.3f} under attack, {against_noise} under noise "
        f"({noise.value:.3f}) and {against_silu} SiLU's under its own attack ({plain.value:.3f})."
    )
movement = " ".join(words)
ratios = [own["Sparta (R2), attack"].value / own["Sparta (R2), noise"].value for own in by_layer]
how = "grows" if ratios == sorted(ratios) else "does not grow"
lesson = (
    f"Attack over noise, layer by layer, is {listed(f'{ratio:.2f}' for ratio in ratios)}: compared with noise of its size, "
    f"the attack's grip on the gates {how} from layer to layer."
)
n_images = len(x)
note("sp1_n", n_images)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"{movement} {lesson}")

# %% [markdown]
# *"More" and "less": the intervals do not overlap; n = {glue:text}`sp1_n`.* The comparison with SiLU is one of two networks,
# one seed each, and a gate that is steeper moves more on the same change. So this says what the gates do. It does not say that
# their moving, or their staying, makes the network robust: for that one would have to hold them, as the transfers of the pages
# that follow do with the kernels.
#
# ## Verdicts

# %% tags=["remove-cell"]
IDS = ("sparta-spatial", "sparta-input")
mine = [one for one in claims.judged(study="sparta") if one.claim.id in IDS]
recorded = {scale: [row.record for rows in properties[scale].values() for row in rows.values()] for scale in larger}
made = tables.elsewhere(recorded, "sparta", "CIFAR-10")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(mine))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(made)

# %% [markdown]
# Both claims are ours to test and the abstract's in spirit: it says that ReLU lacks these two properties, and not that adding
# each alone would help. They are judged with R1, because only R1 has all the gates.
#
# ## What a critic would ask
#
# - **Is this Sparta?** Nobody can tell from the abstracts. A gate with two layers, with all channels, with a softmax over the
#   places or with a kernel of another size fits them as well.
# - **Is 8×8 pixels a place for spatial attention?** Hardly: behind the second layer a map has 2×2 places. CIFAR-10 has 32×32
#   pixels; its records, where they exist, are in the tables above.
# - **Is attention an explanation?** A map that differs along the stroke of a digit looks meaningful. So does σ(z) of SiLU,
#   which has no parameters.
#
# ## Summary
#
# - Sparta's formula was not available to us. The abstracts suggest a gate that sees the neighbourhood and the input, extends
#   ReLU, and has Swish and feature denoising for relatives.
# - R1 is $2 \max(0, z)\, \sigma(g(z))$ and starts as ReLU; R2 is $z\, \sigma(g(z))$ and starts as SiLU; R3 is FReLU. R2 is the
#   book's Sparta by choice.
# - With neighbours there is no single curve any more, and an attacker can reach a place from the side.
# - The neighbours make up {glue:text}`sp1_shares` of R2's $g$, layer by layer, on the digits.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"- Taking something away: {summary_gates}\n- Under attack: {words[0]} {words[-1]}")

# %% [markdown]
# ## Questionnaire
#
# 1. Which of the pieces of evidence E1 to E7 speak for a gate that multiplies, and which for a sum over neighbours?
# 2. For which kernel is R2 exactly Swish, and in which limit ReLU? For which is R1 ReLU?
# 3. Why does R3 not start as ReLU in a network, although $g$ starts near 0?
# 4. What does the *pooled* gate keep of the input, and what does it lose? And the *map*?
# 5. Why is there no R2 with a map?
# 6. What do the two controls of the section on gates under attack rule out?
# 7. Which choice of sharing fits the transfer from ResNet-18 to ResNet-34, and what must be decided besides?
#
# ## Exercises

# %% [markdown]
# ```{exercise} How steep can it get? · pencil
# :label: ex-sparta-slope
#
# Take R2 with the kernel set by hand above. What is the slope of the output at a pixel with respect to one *neighbour*, at own value $z$ and
# $g$? Where is it largest for $z = 2$, and how large? Check with automatic differentiation.
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-slope
# :label: sol-sparta-slope
# :class: dropdown
# ````
#
# With a weight $w$ at the neighbour it is $z\, \sigma'(g)\, w = z\, \sigma(g)(1 - \sigma(g))\, w$, which is largest at
# $g = 0$: there $\sigma' = 1/4$, and with $z = 2$ and $w = 1/4$ the slope is 1/8. A pixel's own kink is gone, and the price is
# that a large value can be moved from outside.

# %%
module = activations.create("sparta", share="layer")
module.weight.data[0, 0] = by_hand["sparta"]
image = torch.full((1, 1, 3, 3), -1.0)  # eight neighbours of -1 and an own value of 2: g = 2 - 8/4 = 0
image[0, 0, 1, 1] = 2.0
image.requires_grad_()
module(image)[0, 0, 1, 1].backward()
print(f"slope with respect to the neighbour above: {image.grad[0, 0, 0, 1]:.4f}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} A gate that nobody trained · half an hour
# :label: ex-sparta-untrained
#
# The mean change of a gate under attack depends on the kernel and on the features. Put R2's starting kernels into the trained network, keeping
# all other weights, and measure the gates' change on the same attacked images again. What has the learned kernel added?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-untrained
# :label: sol-sparta-untrained
# :class: dropdown
# ````

# %%
import copy

untrained = copy.deepcopy(network)
for _, gate in activations.modules(untrained):
    gate.weight.data.zero_()
    gate.weight.data[:, :, 1, 1] = 1.0
before, after = (gates(untrained, images) for images in (x, attacked["Sparta (R2)"]))
for number, (own, at) in enumerate(zip(by_layer, attention.moved(before, after).values(), strict=True), 1):
    print(
        f"layer {number}: {at.value:.3f} with the start's kernels, {own['Sparta (R2), attack'].value:.3f} with the learned ones"
    )

# %% [markdown]
# What follows the first layer has changed too, for its inputs are other ones now. Only the first line compares two gates on the
# same features: what the second number is above the first is what the learned kernel has added.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read on: {doc}`/notebooks/sparta_02_readings` sets the readings against ReLU, Swish, smooth activations and feature denoising.
# - Train R2 with `share="layer"`, one kernel for all channels, or with `activation_options={"kernel_size": 5}`.
# - Hold the gates of a clean image while attacking the features. How much of the attack goes through the gates?
# - `robust-activations run sparta --scale gpu` trains all gates with ResNet-18 on CIFAR-10.
