# %% [markdown]
# # Across datasets
#
# If gates can be moved from one network to another, can they be moved from one kind of images to another? Here the network
# stays the same and the data change. Live, we train on the digits with gates that were learned on MNIST; larger transfers go
# from CIFAR-10 to CIFAR-100 and to SVHN.
#
# **At the end you will know**
#
# - what the paper claims of a transfer between datasets, and which of our experiments come how close to it;
# - how a donor travels: what a record keeps of its gates, and how to use them in three lines;
# - whether gates learned on two datasets are alike, and how to tell "alike by channel" from "alike on the whole";
# - how frozen gates from MNIST do on the digits, against five controls and beside three seeds;
# - which records are there and which are not.
#
# *Reading time: 15 minutes. Run time: half a minute, after some minutes of training the first time that a page on Sparta is
# opened.*

# %%
from dataclasses import replace

import torch

from robust_activations import data, paths, runs, studies
from robust_activations.figures import claims, plans, results, tables, transfer
from robust_activations.figures.rows import Row
from robust_activations.studies import protocol, sparta

studies.collect("sparta")  # trains what is missing
records = studies.collect("protocol")  # and the seeds
arms = sparta.across_datasets("digits")["MNIST → digits"]
donor = runs.donor_of(arms["frozen"], paths.ledger("digits"))

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.audits import sound
from robust_activations.figures.prose import listed, note
from robust_activations.figures.rows import under
from robust_activations.studies.base import strongest

ledgers = studies.ledgers()
planned = {(scale, pair): one for scale in paths.SCALES for pair, one in sparta.across_datasets(scale).items()}
panels, attacks = {}, {}
for (scale, pair), one in planned.items():
    found = transfer.rows(one, ledgers[scale])
    attack = strongest(row.record for row in found.values())
    if transfer.FROZEN in found and len(found) > 1 and attack:
        panels[scale, pair], attacks[scale, pair] = found, attack
live = ("digits", "MNIST → digits")
larger = [key for key in panels if key != live]


def titled(found):
    return {f"{pair}, scale {scale}" if larger else "": one for (scale, pair), one in found.items()}


note("noise", f"{sparta.NOISE:g}")
note("donor_n", f"{donor.run.train_n:,}")
whole, held = len(data.load("digits").train_images), arms["frozen"].held_out
note("digits_whole", f"{whole:,}")
note("digits_held", f"{held:,}")
note("digits_n", f"{whole - held:,}")

# %% [markdown]
# ## What was claimed
#
# The abstracts of {cite:t}`guo2021` (seen: abstract of arXiv 2105.08269) say that Sparta learned on one dataset, CIFAR-10 for
# example, can be used to train adversarially on another one, SVHN for example, and that this beats vanilla ReLU. We have
# seen no more than that: no table, no recipe, no formula. What we move are the gates of our reading R2, as in
# {doc}`/notebooks/sparta_03_across_networks`, where the arms of the experiment are explained.
#
# Between datasets the mapping is simple: the network is the same, so each site gets the gate of that very site. Only the
# last layer would have to differ for CIFAR-100, and it is trained anew anyway.


# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
def without_donor(pair):
    return lambda scale: {
        label: run for label, run in planned.get((scale, pair), {}).items() if label != transfer.DONOR
    }


Markdown(plans.experiments({pair: without_donor(pair) for pair in dict.fromkeys(pair for _, pair in planned)}))

# %% tags=["remove-cell"]
svhn = [scale for (scale, pair) in panels if "SVHN" in pair]
named = "Of CIFAR-10 → SVHN, the pair that the abstract names, there are "
note("svhn", named + (f"records at scale {listed(svhn)}." if svhn else "no records yet."))

# %% [markdown]
# *Recorded and planned runs, donors not counted.* {glue:text}`svhn` CIFAR-100 shares its kind of images with CIFAR-10, so
# this pair is an easier transfer than the abstract's. MNIST and digits both show handwritten digits: easier still, and a
# demonstration.
#
# ## Two kinds of digits
#
# The digits of scikit-learn {cite}`pedregosa2011` were made from bitmaps of 32×32 pixels, each pixel of the 8×8 a count of
# the set pixels in a square of 4×4. So we make MNIST {cite}`lecun1998` as they were made: `mnist8` has its 28×28 pixels in
# the middle of 32×32, and averages over the same squares. The book is built without MNIST, so this page shows the digits alone.

# %%
digits = data.load("digits")
print(f"{len(digits.train_images):,} images to train on, some of them held out")
print(f"pixels: mean {digits.mean[0]:.2f}, standard deviation {digits.std[0]:.2f}")

# %% mystnb={"image": {"alt": "A row of ten small images, one of each digit from 0 to 9: bold, bright, and as tall as the image.", "width": "560px"}, "figure": {"caption": "The first test image of each class of the digits, 8×8 pixels.", "name": "fig-datasets-images"}} tags=["hide-input"]
transfer.beside({"digits": digits})

# %% [markdown]
# MNIST has the same ten classes, written by other hands. To see how its pen and its margins differ, run this, which downloads
# MNIST once:
#
# ```python
# mnist = data.load("mnist8", "data")
# transfer.beside({"MNIST, 8×8": mnist, "digits": digits})
# ```
#
# ## A donor from the ledger
#
# The book trains live on the digits only. The donor comes from the ledger: a record keeps what the activations of its
# best epoch have learned, from a thousand numbers to some ten thousand, as text. Whoever has the record can use the gates,
# without its network and without its data.

# %%
print(donor.run.label)
for site, values in donor.activations.items():
    kernels = values["weight"].tensor
    print(f"{site}: {len(kernels)} kernels of {tuple(kernels.shape[2:])}; the first\n{kernels[0, 0]}")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(tables.accuracy_table([Row("donor, on MNIST's own test images", donor)], ("clean", "pgd20"), first="Network"))

# %% [markdown]
# *Accuracies in percent with 95 % Wilson intervals. Trained on {glue:text}`donor_n` images of MNIST, by the digits' recipe.*

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(tables.provenance([donor]))

# %% [markdown]
# And this is how one uses it:

# %%
run = protocol.recipe("digits")("sparta")
frozen = replace(run, donor=sparta.mnist(), schedule=replace(run.schedule, learn=(0.0, 0.0)))

print(frozen.label)
print("as in the study, up to the attacks:", replace(frozen, suite=arms["frozen"].suite) == arms["frozen"])

# %% [markdown]
# `donor` is a whole run, so the id of the new run says where its gates are from. On the command line, donors first:
#
# ```bash
# # the donors, with and without attacks; downloads MNIST
# robust-activations run sparta --scale cpu --only "mnist8/*"
# # CIFAR-10 to CIFAR-100
# robust-activations run sparta --scale cpu --only "cifar10/resnet20/n_fgsm/sparta/*"
# robust-activations run sparta --scale cpu --only "cifar100/*"
# # CIFAR-10 to SVHN, on a GPU; downloads both
# robust-activations run sparta --scale gpu --only "cifar10/resnet18/*/sparta/*"
# robust-activations run sparta --scale gpu --only "svhn/*"
# ```
#
# ## Do two datasets teach the same?
#
# Before it is asked whether MNIST's gates *help* on the digits: are they *like* those that the digits teach? The protocol
# has trained the same network with Sparta on the digits from several seeds.

# %%
own = {seed: records[protocol.recipe("digits")("sparta", seed=seed)] for seed in protocol.SEEDS}
teachers = {"MNIST": donor} | {f"digits, seed {seed}": record for seed, record in own.items()}
change = {name: transfer.changes(record) for name, record in teachers.items()}  # kernels less their start, by site

# %% mystnb={"image": {"alt": "A grid of small three by three heat maps with numbers in the cells, a row for MNIST and for each seed of the digits, a column for each site. The centre of MNIST's first site stands out; the other cells are paler, those of the digits nearly white.", "width": "460px"}, "figure": {"caption": "MEASURED: what training has added to the kernels, the mean over the channels of a site. One colour scale for all; violet is more, orange less.", "name": "fig-datasets-means"}} tags=["hide-input"]
transfer.means(teachers)


# %% tags=["remove-cell"]
def centre(kernels):
    mean = kernels.mean(0)
    return float(mean[1, 1] ** 2 / mean.square().sum())


shares = {name: [centre(kernels) for kernels in sites.values()] for name, sites in change.items()}
shown = "; ".join(f"{name}: {', '.join(f'{100 * one:.0f}' for one in parts)}\u00a0%" for name, parts in shares.items())
least = min(one for parts in shares.values() for one in parts)
reading = (
    f"The centre's share of the mean kernel's square, site by site: {shown}. "
    + (
        "Nearly all of what the channels have in common is in the centre. That is no attention to neighbours: "
        if least > 0.7
        else "Where this share is high, what the channels have in common is no attention to neighbours: "
    )
    + "with the centre alone, $g(x) = \\beta x$, and the activation is Swish, $x\\,\\sigma(\\beta x)$, with another β."
)
sizes = "; ".join(f"{name} {transfer.moved(record)}" for name, record in teachers.items())
measured = (
    f"How far the kernels are from their start, root mean square: {sizes}. The random gates have {sparta.NOISE:g}."
)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"{measured} {reading}")

# %% [markdown]
# ### Alike by channel, or on the whole?
#
# Put a layer's changes of two networks into two long vectors $\Delta$ and $\Delta'$. Their cosine says how alike they are,
# channel on channel. But is 0.3 much? Two things can make it large: all channels of both may have changed in the same manner,
# or each channel like its namesake. Shuffle the channels of one network, and only the first is left. For $c$ channels with
# mean changes $\bar\Delta$ and $\bar\Delta'$, the mean over all shuffles is
#
# $$
# \frac{c\, \langle \bar\Delta, \bar\Delta' \rangle}{\lVert \Delta \rVert\, \lVert \Delta' \rVert},
# $$
#
# what the mean kernels have in common. A cosine above nearly all shuffles means that the channels correspond. Should they?
# Channels have no names, except that two networks of the same shape and seed start from the same weights:

# %%
start = {"MNIST": runs.build(donor.run, digits).state_dict()}
start |= {f"digits, seed {seed}": runs.build(record.run, digits).state_dict() for seed, record in own.items()}
convolutions = [name for name, value in start["MNIST"].items() if name.endswith("0.weight")]
for name, weights in start.items():
    same = all(torch.equal(weights[one], start["MNIST"][one]) for one in convolutions)
    print(f"{name:14} starts from MNIST's convolutions: {same}")

# %% [markdown]
# So the donor and the digits' first seed are twins at the start, and the other two seeds are strangers. If channels
# correspond in the twins and not in the strangers, then the transfer lives off the common start, and would not survive a
# donor from somebody else's machine.

# %%
pairs = {f"MNIST, digits seed {seed}": ("MNIST", f"digits, seed {seed}") for seed in own}
pairs |= {f"digits, seeds 0 and {seed}": ("digits, seed 0", f"digits, seed {seed}") for seed in own if seed}
layers = {
    f"site {i + 1}": {pair: transfer.likeness(change[a][site], change[b][site]) for pair, (a, b) in pairs.items()}
    for i, site in enumerate(change["MNIST"])
}

# %% mystnb={"image": {"alt": "Three panels, one a site, with a dot for each pair of networks on an axis from minus one to one, over a grey bar with a tick that shows what shuffled channels give.", "width": "460px"}, "figure": {"caption": "MEASURED: cosine of the changes of the kernels, channel on channel (dots), and with the channels of one network shuffled 5,000 times (grey: 95 % of them; tick: the mean). Pairs of MNIST and digits, and of two seeds of the digits as a yardstick.", "name": "fig-datasets-alike"}} tags=["hide-input"]
transfer.alike(layers)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(transfer.alike_table(layers))

# %% tags=["remove-cell"]
from robust_activations.stats import holm

every = [(layer, pair, one) for layer, found in layers.items() for pair, one in found.items()]
adjusted = holm([one.p for *_, one in every])
firm = [f"“{pair}” at {layer}" for (layer, pair, _), p in zip(every, adjusted, strict=True) if p < 0.05]
near = [f"“{pair}” at {layer}" for layer, pair, one in every if one.p < 0.05]
across = [one.shuffled.value for _, pair, one in every if pair.startswith("MNIST")]
within = [one.shuffled.value for _, pair, one in every if not pair.startswith("MNIST")]
words = [
    f"Channel by channel, beyond shuffles after Holm's correction over {len(every)} tests: {listed(firm)}. Before the correction: {listed(near)}; of so many tests about {0.05 * len(every):.1f} fall below 0.05 by chance.",
    f"On the whole, in what shuffling leaves, MNIST and digits agree to between {min(across):+.2f} and {max(across):+.2f}, two seeds of the digits to between {min(within):+.2f} and {max(within):+.2f}.".replace(
        "-", "−"
    ),
]
if not firm:
    words.append("So it is not shown that channels correspond, which is not to say that they do not.")
alikeness = " ".join(words)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(alikeness)

# %% [markdown]
# ## Do frozen gates help?
#
# The controls of {doc}`/notebooks/sparta_03_across_networks`: ReLU, with which the paper compares; SiLU, the gates' start;
# gates learned here; random ones (standard deviation {glue:text}`noise`); and those of a donor trained without attacks. On
# the digits the first three have several seeds.

# %% tags=["remove-cell"]
SEEDED = {"ReLU": "relu", "SiLU": "silu", "learned here": "sparta"}


def seeded(label):
    make = protocol.recipe("digits")
    return [records[one] for seed in protocol.SEEDS if (one := make(SEEDED[label], seed=seed)) in records]


many = {
    label: Row(label, seeded(label)) if label in SEEDED and len(seeded(label)) > 1 else row
    for label, row in panels[live].items()
}
dots = titled({key: list((many if key == live else found).values()) for key, found in panels.items()})
shown = ("clean", *dict.fromkeys(attacks.values()))

# %% mystnb={"image": {"alt": "Dots with intervals, one row an arm of the experiment: clean accuracy with open markers, accuracy under attack with filled ones, and small rings for the seeds where there are several. The interval of the frozen arm is shaded.", "width": "560px"}, "figure": {"caption": "MEASURED: clean accuracy and accuracy under attack, best epoch. One network: 95 % Wilson interval. Several seeds: each (rings), and the mean with its 95 % t interval. Shaded: the intervals of the frozen gates. Data, ε and n of each panel are in its title.", "name": "fig-datasets-dots"}} tags=["hide-input"]
results.dots(dots, shown, baseline="frozen")

# %% [markdown]
# Image by image, first seed of each against *frozen* (McNemar's exact test, Holm's correction):

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts, sentences = [], []
for (scale, pair), found in panels.items():
    attack = attacks[scale, pair]
    accuracy = tables.accuracy_table(list(found.values()), ("clean", attack), first="Arm")
    parts += [f"*{pair}, scale `{scale}`: accuracies in percent, 95 % Wilson intervals, first seed.*", accuracy]
    for one in (attack, "clean"):
        tests = transfer.against(found, one)
        parts.append(transfer.against_table(tests, one))
        sentences.append(f"{pair}, scale `{scale}`: {transfer.told(tests, one)}")
Markdown("\n\n".join(parts))

# %% tags=["remove-cell"]
said = "\n".join(f"- {sentence}" for sentence in sentences)
attack = attacks[live]
tests = {one: transfer.against(panels[live], one) for one in (attack, "clean")}
note("in_short", " ".join(transfer.told(found, one) for one, found in tests.items()))
value = panels[live]["frozen"].accuracy(attack).value
places = []
for label in SEEDED:
    values = many[label].accuracies(attack)
    where = "above" if value > max(values) else "below" if value < min(values) else "within"
    places.append(
        f"{where} the range of “{label}” ({100 * min(values):.1f} to {100 * max(values):.1f} % over {len(values)} seeds)"
    )
place = f"The yardstick: {under(attack)} the frozen gates' {100 * value:.1f} % are {listed(places)}."

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(said)

# %% [markdown]
# **One seed of *frozen*.** Nothing here says what another donor or another seed of the digits' network would give. But the
# seeds of the controls say how far apart two networks of the same kind can be.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(place)

# %% [markdown]
# To be above a range of three would be no more than a hint: by chance alone any one of four comes out best in a quarter of
# all cases.
#
# ## Do they speed up training?

# %% mystnb={"image": {"alt": "Curves of accuracy on held-out images over the epochs, clean in the upper panel and under PGD-10 in the lower one, one line for each arm; the arms rise together and stay close to each other.", "width": "460px"}, "figure": {"caption": "MEASURED: accuracy on held-out images after each epoch, digits, first seed; a dot at the epoch that was chosen.", "name": "fig-datasets-curves"}} tags=["hide-input"]
histories = {label: row.record for label, row in panels[live].items()}
results.curves({label: one for label, one in histories.items() if "without" not in label}, ("held_clean", "held_pgd10"))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = []
for (scale, pair), found in panels.items():
    if "ReLU" in found:
        pace = transfer.pace({label: row.record for label, row in found.items()})
        parts += [f"*{pair}, scale `{scale}`: accuracy under PGD-10 on held-out images.*", pace]
Markdown("\n\n".join(parts))

# %% [markdown]
# Compare *frozen* with *learned here* in the first epochs: that is what ready-made gates save. Compare it with SiLU to see
# whether they had to be learned. The intervals are wide, and the epochs of one run are not independent of each other.
#
# ## Verdicts

# %% tags=["remove-cell"]
wanted = ("sparta-datasets", "sparta-learned-elsewhere")
mine = [one for one in claims.judged(study="sparta") if one.claim.id in wanted]
made = [
    f"{pair}, scale `{scale}`: {tables.provenance(row.record for row in found.values())}"
    for (scale, pair), found in panels.items()
]
if not larger:
    made.append(
        "No larger scale has a record of frozen gates yet. `robust-activations run sparta --scale cpu` makes those of CIFAR-10 to CIFAR-100."
    )
made.append(sound(row.record for found in panels.values() for row in found.values()))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(mine))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(made))

# %% [markdown]
# Where there is a single pair of networks, the rule asks for nothing but a p below 0.05 over the images. Such a verdict reads *one
# seed*: it is one on two networks, and the range of seeds above belongs beside it. It is not corrected for the other arms either, as the
# tables above are. Networks are compared that were trained alike, weight decay included, but for the gates. The second claim takes the
# transfers between networks into account as well; where several datasets are tested, all must agree.
#
# ## What to hold against the experiment
#
# - **It is our Sparta**, and our recipe. Nothing here is the paper's experiment.
# - **MNIST and digits are close.** A transfer that works between them may not work between photographs and house numbers. One
#   that fails between them says more.
# - **The donor saw more images.** It was trained on {glue:text}`donor_n` images. The digits have {glue:text}`digits_whole`, of which
#   {glue:text}`digits_held` are held out, which leaves {glue:text}`digits_n`. Gates learned on more data could be better for that reason,
#   whatever the data are.
# - **A control is missing.** If the mean kernel's centre is what moves, then Swish with the donor's β at each site would do
#   as well as the whole gate. An exercise below computes these β.
# - **Freezing is one of two uses.** The abstract's other reading, gates that start as the donor's and go on learning, is not
#   run here.
#
# ## Summary
#
# - The abstract's pair, CIFAR-10 to SVHN, is configured; the table on top says what of it is recorded.
# - A record carries its gates, so a donor costs three lines and no training.
# - Likeness has two parts. Shuffling the channels tells them apart.
# - On the digits with MNIST's gates: {glue:text}`in_short`
# - With one seed of the frozen gates, all of that is about these networks.
#
# ## Questionnaire
#
# 1. Which of the three pairs of datasets is the abstract's, and which is the easiest transfer?
# 2. What has to be in the ledger before `frozen` can be trained, and what need not be on the machine?
# 3. Two networks' changes have a cosine of 0.4, and shuffled channels give 0.38 on average. What is alike?
# 4. Why could channels of the donor and of the digits' first seed correspond, though the data differ?
# 5. What is the activation if only the centre of a kernel has changed?
# 6. Why are the seeds of the controls a better yardstick than the Wilson interval?
# 7. Why is CIFAR-10 to CIFAR-100 no substitute for CIFAR-10 to SVHN?
#
# ## Exercises

# %% [markdown]
# ```{exercise} The β of a gate · five minutes
# :label: ex-sparta-datasets-beta
#
# Keep of each gate the mean kernel's centre alone. Which β has the Swish that is left, at each site, for MNIST and for the digits?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-datasets-beta
# :label: sol-sparta-datasets-beta
# :class: dropdown
# ````
#
# The centre starts at 1, which is SiLU's β:

# %%
for name, sites in change.items():
    betas = [1 + float(kernels.mean(0)[1, 1]) for kernels in sites.values()]
    print(f"{name:14}", "  ".join(f"{beta:.2f}" for beta in betas))

# %% [markdown]
# The larger β is, the sharper the bend, and the closer the activation to ReLU.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} What shuffling leaves · pencil
# :label: ex-sparta-datasets-shuffle
#
# Show that the mean of the cosine over all shuffles is the formula above, and check it for the first site.
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-datasets-shuffle
# :label: sol-sparta-datasets-shuffle
# :class: dropdown
# ````
#
# In a random order each channel of the one meets each of the other equally often, so that the mean of
# $\sum_i \langle \Delta_i, \Delta'_{\pi(i)} \rangle$ is $\frac1c \sum_{i,j} \langle \Delta_i, \Delta'_j \rangle$, which is
# $c\, \langle \bar\Delta, \bar\Delta' \rangle$.

# %%
one, other = (next(iter(change[name].values())) for name in ("MNIST", "digits, seed 0"))
formula = len(one) * (one.mean(0) * other.mean(0)).sum() / one.norm() / other.norm()
print(f"formula {formula:.4f}, by shuffling {transfer.likeness(one, other).shuffled.value:.4f}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Another donor: `replace(frozen, donor=replace(sparta.mnist(), seed=1))`, once that one has a record.
# - Gates that go on learning: `replace(frozen, schedule=replace(run.schedule, learn=(0.0, 1.0)))`.
# - Swish with the donor's β at each site. What is the difference to the whole gates?
# - `robust-activations run sparta --scale gpu --only "svhn/*"` for the abstract's own pair.
