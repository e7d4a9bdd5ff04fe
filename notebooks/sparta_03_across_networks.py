# %% [markdown]
# # Across networks
#
# A gate is a small thing: one kernel of nine numbers for each channel. If adversarial training puts something into these
# numbers that other networks can use as well, then one might learn them once, in a small network, and hand them on. Here we
# do that: gates are learned in one network, frozen, and used to train a deeper one.
#
# **At the end you will know**
#
# - what the paper claims, and why a comparison with ReLU alone cannot show that it is the *learning* that helps;
# - which decisions a transfer needs that the abstract leaves open, and how we have made them;
# - which layer of a ResNet-34 gets the gate of which layer of a ResNet-18, and what is odd about it;
# - whether the donor's gates are far enough from their start for there to be anything to transfer;
# - how frozen gates do against ReLU and four other controls, and whether they speed up training.
#
# *Reading time: 15 minutes. Run time: half a minute, after some minutes of training the first time that a page on Sparta is
# opened.*

# %%
from dataclasses import replace

import torch

from robust_activations import activations, data, paths, runs, studies
from robust_activations.figures import claims, results, tables, transfer
from robust_activations.models.transfer import transfer as move
from robust_activations.studies import protocol, sparta

records = studies.collect("sparta")  # trains what is missing
planned = {scale: sparta.across_networks(scale) for scale in paths.SCALES}
arms = planned["digits"]

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.audits import sound
from robust_activations.figures.prose import listed, note, points, titled
from robust_activations.figures.rows import under
from robust_activations.figures.style import title
from robust_activations.studies.base import strongest

ledgers = studies.ledgers()
panels, attacks = {}, {}
for scale, ledger in ledgers.items():
    found = transfer.rows(planned[scale], ledger)
    attack = strongest(row.record for row in found.values())
    if transfer.FROZEN in found and len(found) > 1 and attack:
        panels[scale], attacks[scale] = found, attack
larger = [scale for scale in panels if scale != "digits"]


note("noise", f"{sparta.NOISE:g}")

# %% [markdown]
# ## What was claimed
#
# Of the paper {cite}`guo2021` we have seen the abstracts alone. They say (seen: abstract of arXiv 2105.08269) that Sparta,
# trained adversarially in one network, ResNet-18 for example, can be *frozen* and used to train another one adversarially,
# ResNet-34 for example, and that this does better than vanilla ReLU. How much better, in which sites, and by which recipe was
# not found. Nor was Sparta's formula: what we move about are the gates of our reading R2,
# $x\,\sigma(g(x))$ with a depthwise 3×3 convolution $g$, see {doc}`/notebooks/sparta_02_readings`.
#
# Suppose that it is so. What would it show? Not yet that the donor has learned something useful. R2 starts as SiLU, a smooth
# function, and {doc}`/notebooks/sat_03_smooth_activations` asks whether SiLU does better than ReLU with nothing learned at all. A frozen
# gate that beats ReLU may owe everything to its start. So besides ReLU, the comparison of the abstract, we want more.
#
# ## What has to be decided
#
# **What is moved.** Every site of the network has its own gate, one 3×3 kernel a channel, and these kernels are all that
# the activation has to learn. R2 has no BatchNorm inside, so no statistics have to be moved or left behind.

# %%
gate = activations.create("sparta", channels=16)
print({name: tuple(parameter.shape) for name, parameter in gate.named_parameters()})
print(gate.weight[0, 0].detach())  # the start: g(x) = x, which makes the activation SiLU

# %% [markdown]
# **Where to.** Two networks of different depth do not have the same sites. A kernel for each channel only fits where the
# number of channels is the same, so the sites of a ResNet's stage belong together. Where the donor has $k$ of them and the
# other network $m$, the $i$-th of the $m$ gets the gate at the same relative depth,
#
# $$
# \Bigl\lfloor \frac{(2i + 1)\, k}{2m} \Bigr\rfloor, \qquad i = 0, \dots, m - 1.
# $$
#
# This is our rule. The authors may have had another one, or one gate for a whole stage. In the library it reads

# %%
import inspect

print(inspect.getsource(move))

# %% [markdown]
# **What is frozen.** The gates, from the first step to the last. Convolutions, BatchNorm and the linear layer are trained
# from their usual random start.
#
# **Which epoch.** The one of the donor that did best on held-out images, as everywhere in this book.
#
# **Which channel.** The gate of channel 5 goes to channel 5. But channel 5 of a freshly started network is not channel 5 of
# the donor: it will detect something else. Nothing but the order in memory connects the two. What a gate knows about *its*
# channel is lost on the way, and what can arrive is what all channels of a site have in common. Unless the two networks start
# from the same random weights, which a common seed could make happen.

# %% [markdown]
# ## Which gate goes where
#
# We do not draw the rule, we draw what it does: the donor's gates are numbered, moved by the library, and read again in the
# other network. First the pair that we train live, and whether the convolution before the site starts as the donor's does:

# %%
mapping = transfer.sources(transfer.network(arms["donor"]), transfer.network(arms["frozen"]))
digits = data.load("digits")
start = {arm: runs.build(arms[arm], digits).state_dict() for arm in ("donor", "frozen")}
for site, source in mapping.items():
    same = torch.equal(start["frozen"][f"{site[:-1]}0.weight"], start["donor"][f"{source[:-1]}0.weight"])
    print(f"{site}  <-  {source}   the same convolution at the start: {same}")

# %% tags=["remove-cell"]
shared = sum(
    torch.equal(start["frozen"][f"{site[:-1]}0.weight"], start["donor"][f"{source[:-1]}0.weight"])
    for site, source in mapping.items()
)
if shared:
    beginning = f"At {shared} of {len(mapping)} sites the convolutions start alike, for both runs have the same seed. There a channel of one network may have something to do with that of the other."
else:
    beginning = "None does, although both runs have the same seed: the two networks differ in shape, and so chance deals them other weights. Here nothing connects the channels of the two."

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(beginning)

# %% [markdown]
# And now all of our pairs, among them the one that the abstract names.

# %% mystnb={"image": {"alt": "Three panels with two rows of dots each and lines between them, in one colour for each number of channels. For the digits network three sites are spread over six, each going to two. For ResNet-8 to ResNet-20 and ResNet-18 to ResNet-34 the lines fan out within each stage; some of them lead from a round mark to a square one.", "width": "460px"}, "figure": {"caption": "Where each site of the deeper network (below) has its gate from (above), from the image on the left to the logits on the right. Colours are numbers of channels. Computed with the library's own transfer of numbered gates.", "name": "fig-networks-wiring"}} tags=["hide-input"]
pairs = [(planned[scale]["donor"], planned[scale]["frozen"]) for scale in ("digits", "cpu", "gpu")]
transfer.wiring(pairs)

# %% tags=["remove-cell"]
odd = {
    scale: transfer.sources(transfer.network(donor), transfer.network(run))
    for scale, (donor, run) in zip(("cpu", "gpu"), pairs[1:], strict=True)
}
crossed = [
    f"{sum(transfer.after_sum(site) != transfer.after_sum(source) for site, source in one.items())} of {len(one)} sites of {transfer.name(planned[scale]['frozen'])}"
    for scale, one in odd.items()
]
note("crossed", listed(crossed))

# %% [markdown]
# Look at the marks. A ResNet has two kinds of sites: one inside each block, and one behind its sum, where the input has come
# around the block too and so is distributed differently. Our rule counts depth alone and mixes the two:
# {glue:text}`crossed` get the gate of a site of the other kind. A rule that kept the kinds apart would be as defensible. The
# pair that we train live has no blocks with sums, and no such choice.
#
# ## The arms of the experiment
#
# All train the same deeper network by the same adversarial recipe. They differ in the activation.
#
# | Arm | What it tells |
# |---|---|
# | frozen | the claim: gates of an adversarially trained donor |
# | ReLU | what the paper compares with |
# | SiLU | what the gate was before anybody trained it |
# | learned here | the same gates, free to learn in this very network |
# | random, frozen | gates that nobody trained: the start and normal noise of standard deviation {glue:text}`noise` (our choice) |
# | frozen, donor without attacks | the donor was trained on clean images: must the learning be adversarial? |
#
# If *frozen* beats ReLU and not SiLU, then the start has done it. If it beats SiLU and not the random gates, then it is good
# to have any gate at all. Only if it beats both does it look as if the donor has learned something that can be moved. The
# last arm is not trained at scale `cpu`, to save time.
#
# To do it yourself takes three lines:

# %%
donor = protocol.recipe("digits")("sparta")
run = replace(donor, model_options={"blocks": 2})
frozen = replace(run, donor=donor, schedule=replace(run.schedule, learn=(0.0, 0.0)))

print(frozen.label)
print("as in the study, up to the attacks:", replace(frozen, suite=arms["frozen"].suite) == arms["frozen"])

# %% [markdown]
# `learn=(0, 0)` is the share of the run in which activations learn, here none. With `(0.5, 1)` the gates would start as the
# donor's and learn in the second half. From the command line, donors first:
#
# ```bash
# robust-activations run sparta --scale cpu --only "cifar10/resnet20/n_fgsm/sparta/*"
# robust-activations run sparta --scale cpu --only "cifar10/*/sparta<cifar10*"
# ```
#
# The records keep what the gates have learned, and so does that of the frozen run. So we can check that each gate arrived
# where {numref}`fig-networks-wiring` says, and that training has left it alone:

# %%
before, after = records[arms["donor"]].activations, records[arms["frozen"]].activations
for site, source in mapping.items():
    print(site, torch.equal(after[site]["weight"].tensor, before[source]["weight"].tensor))

# %% [markdown]
# ## Is there anything to transfer?
#
# If training hardly moves a gate from its start, then the donor's gates are SiLU under another name, and *frozen* against
# SiLU is no test of anything. So before any accuracy: how large is the change $\Delta$ of a kernel? We take the root of the
# mean square over a site's kernels. For the random gates that number is {glue:text}`noise` on average, which makes it
# a yardstick.

# %% mystnb={"image": {"alt": "Lines with a marker for each site against relative depth: the size of the change of the kernels for the donor, for gates learned in the deeper network itself, and for the donor without attacks. A dotted horizontal line marks the noise of the random gates.", "width": "460px"}, "figure": {"caption": "MEASURED: root mean square of what training has added to the kernels, site by site, best epoch of one seed. Dotted: the noise of the random gates.", "name": "fig-networks-sizes"}} tags=["hide-input"]
learners, too_large = {}, {}
for scale in panels:
    control = planned[scale].get("frozen, donor without attacks")
    wanted = {
        "donor": planned[scale]["donor"],
        "learned here": planned[scale]["learned here"],
        "donor without attacks": control.donor if control else None,
    }
    there = {label: ledgers[scale][run] for label, run in wanted.items() if run and run in ledgers[scale]}
    learners[scale] = {label: record for label, record in there.items() if record.activations}
    too_large[scale] = [label for label in there if label not in learners[scale]]
learners = {scale: found for scale, found in learners.items() if found}
transfer.sizes(titled(learners))

# %% tags=["remove-cell"]
words = []
for scale, found in learners.items():
    said = [f"“{label}” {transfer.moved(record)}" for label, record in found.items()]
    words.append(f"At scale `{scale}` the kernels have moved by: {'; '.join(said)}.")
    if too_large[scale]:
        words.append(f"Kernels that are too many for a record to keep: {listed(too_large[scale])}.")
    if "donor" in found:
        by_site = [transfer.size(change) for change in transfer.changes(found["donor"]).values()]
        ratio = max(by_site) / sparta.NOISE
        start = "small against" if ratio < 1 / 3 else "of the order of" if ratio < 2 else "well above"
        words.append(
            f"The donor's most changed site is at {ratio:.1f} times the noise of the random gates, {start} it."
        )
        if ratio < 1 / 3:
            words.append("With so little to transfer, “frozen” and SiLU are nearly the same activation.")
moving = " ".join(words)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(moving)

# %% [markdown]
# Size says nothing about use: nine numbers at random are as large as nine that were learned. Use has to show in the
# accuracies.
#
# ## Do frozen gates help?

# %% mystnb={"image": {"alt": "Dots with intervals, one row an arm of the experiment: clean accuracy with open markers and accuracy under attack with filled ones. The interval of the frozen arm is shaded.", "width": "560px"}, "figure": {"caption": "MEASURED: clean accuracy and accuracy under attack with 95 % Wilson intervals, one seed an arm, best epoch; the frozen gates' intervals are shaded. Data, ε and n of each panel are in its title.", "name": "fig-networks-dots"}} tags=["hide-input"]
shown = ("clean", *dict.fromkeys(attacks.values()))
results.dots(titled({scale: list(found.values()) for scale, found in panels.items()}), shown, baseline="frozen")

# %% [markdown]
# The same images were shown to all, so *frozen* can be compared with each arm image by image (McNemar's exact test). There
# are several comparisons, which Holm's correction takes into account.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts, sentences = [], []
for scale, found in panels.items():
    accuracy = tables.accuracy_table(list(found.values()), ("clean", attacks[scale]), first="Arm")
    parts += [f"*Scale `{scale}`: accuracies in percent, 95 % Wilson intervals.*", accuracy]
    for attack in (attacks[scale], "clean"):
        tests = transfer.against(found, attack)
        parts.append(transfer.against_table(tests, attack))
        sentences.append(f"Scale `{scale}`: {transfer.told(tests, attack)}")
Markdown("\n\n".join(parts))

# %% tags=["remove-cell"]
seeds = {
    name: [row for seed in protocol.SEEDS if (row := protocol.recipe("digits")(name, seed=seed)) in records]
    for name in ("relu", "silu", "sparta")
}
spreads = {}
for name, own in seeds.items():
    values = [records[one].best.outcomes[attacks["digits"]].accuracy for one in own]
    if len(values) > 1:
        spreads[name] = 100 * (max(values) - min(values))
if spreads:
    widest = max(spreads.values())
    tests = transfer.against(panels["digits"], attacks["digits"])
    beyond = [f"“{one.other}”" for one in tests if 100 * abs(one.at.value) > widest]
    spread = (
        f"What would? The nearest that we have are the seeds of {{doc}}`/notebooks/protocol_01_ranking`, which trains the donor's network by the same recipe: {under(attacks['digits'])}, "
        f"from the worst seed to the best, {listed(f'{title(name)} spans {value:.1f} points' for name, value in spreads.items())}, with {len(seeds['relu'])} seeds each. "
        f"Of the frozen gates' differences on the digits, wider than the widest of these: {listed(beyond)}."
    )
else:
    spread = "Seeds of the protocol, which would be a yardstick, are not recorded yet."
said = "\n".join(f"- {sentence}" for sentence in sentences)
tests = {attack: transfer.against(panels["digits"], attack) for attack in (attacks["digits"], "clean")}
note("in_short", " ".join(transfer.told(one, attack) for attack, one in tests.items()))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(said)

# %% [markdown]
# **One seed an arm.** The intervals and tests above are about *these* networks on more images of the same kind. They say
# nothing about what another seed would give, of the donor or of the network that gets its gates.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(spread)

# %% [markdown]
# A difference that a seed alone can make is no evidence for an activation, however small its p-value.

# %% tags=["remove-cell"]
gaps = {one.other: one.at.value for one in transfer.against(panels["digits"], attacks["digits"])}
changed = transfer.changes(learners["digits"]["donor"])
largest = max(transfer.size(change) for change in changed.values())
chance = f"There is another yardstick. On the digits the frozen gates' kernels differ from SiLU's by at most {largest:.2f} at a site (root mean square), the random ones' by about {sparta.NOISE:g}. U{under(attacks['digits'])[1:]} the frozen gates are {points(gaps['SiLU'])} points from SiLU and {points(gaps['random, frozen'])} from the random ones."
if largest < sparta.NOISE / 3 and abs(gaps["SiLU"]) > abs(gaps["random, frozen"]):
    chance += (
        " So the activation that is nearest is further away in accuracy, which looks more like chance than like gates."
    )

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(chance)

# %% [markdown]
# ## Do they speed up training?
#
# A network that gets its gates ready-made has less to learn. If they are good ones, it might be better *early*, even where
# all arms end alike.

# %% mystnb={"image": {"alt": "Curves of accuracy on held-out images over the epochs, clean in the upper panel and under PGD-10 in the lower one, one line for each arm; the arms rise together and stay close to each other.", "width": "460px"}, "figure": {"caption": "MEASURED: accuracy on held-out images after each epoch, digits, one seed; a dot at the epoch that was chosen.", "name": "fig-networks-curves"}} tags=["hide-input"]
histories = {label: row.record for label, row in panels["digits"].items()}
results.curves(
    {label: record for label, record in histories.items() if "without" not in label}, ("held_clean", "held_pgd10")
)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
parts = []
for scale, found in panels.items():
    if "ReLU" in found:
        pace = transfer.pace({label: row.record for label, row in found.items()})
        parts += [f"*Scale `{scale}`: accuracy under PGD-10 on held-out images.*", pace]
Markdown("\n\n".join(parts))

# %% tags=["remove-cell"]
first = {label: record.history[0]["held_pgd10"] for label, record in histories.items()}
order = sorted(first, key=first.get, reverse=True)
ahead = [f"“{label}”" for label in order[: order.index("frozen")]]
n = histories["frozen"].run.held_out
half = 98 / n**0.5
early = (
    (
        f"After the first epoch on the digits {listed(ahead)} {'is' if len(ahead) == 1 else 'are'} ahead of the frozen gates. "
        if ahead
        else "After the first epoch on the digits the frozen gates are ahead of all others. "
    )
    + f"With {n} held-out images such an accuracy is uncertain by up to ±{half:.0f} points, so read large differences only."
)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(early)

# %% [markdown]
# ## Verdicts
#
# Two claims. The first is the abstract's. The second is ours, and asks whether it was the donor's learning; it takes every
# transfer of the study, those of {doc}`/notebooks/sparta_04_across_datasets` included.

# %% tags=["remove-cell"]
mine = [one for one in claims.judged(study="sparta") if one.claim.id in ("sparta-networks", "sparta-learned-elsewhere")]
made = [
    f"Scale `{scale}`: {tables.provenance(row.record for row in found.values())}" for scale, found in panels.items()
]
if not larger:
    made.append(
        "No larger scale has a record of frozen gates yet. `robust-activations run sparta --scale cpu` makes those of ResNet-8 to ResNet-20 on CIFAR-10."
    )
made.append(sound(row.record for found in panels.values() for row in found.values()))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(mine))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(made))

# %% [markdown]
# Where there is a single pair of networks, the rule asks for nothing but a p below 0.05 over the images. Such a verdict reads *one
# seed*, and is one on two networks.
#
# ## What to hold against the experiment
#
# - **It is our Sparta.** With another gate, one kernel for all channels, say, the question which channel goes where would not
#   arise, and the transfer might carry more.
# - **It is our mapping.** {numref}`fig-networks-wiring` is one of several sensible ones, and no other has been tried.
# - **It is our noise.** Random gates with another standard deviation are another control. At 0 they are SiLU.
# - **The live pair is small and close.** From one to two convolutions at each of three sizes is less of a step than from
#   ResNet-18 to ResNet-34, and the digits are a demonstration.
# - **One seed an arm**, as said. The donor is one network, too: what its gates have learned may be its own accident.
#
# ## Summary
#
# - The abstract's comparison, frozen gates against ReLU, mixes the gates' start (SiLU) with what was learned.
# - A transfer needs a rule for sites, and tacitly one for channels. Ours goes by relative depth among sites of the same
#   width, and mixes the two kinds of sites of a ResNet.
# - On the digits: {glue:text}`in_short`
# - One seed an arm can show that two networks differ. It cannot show that two activations do.
#
# ## Questionnaire
#
# 1. Why does a win of frozen gates over ReLU not show that the donor has learned something?
# 2. Which arm tells whether the learning has to be adversarial?
# 3. A donor has 3 sites of some width, the other network 7. Which gate does the fourth of the seven get?
# 4. Why does the number of channels decide which sites belong together?
# 5. What connects channel 5 of the donor with channel 5 of the network that gets its gate?
# 6. What would you conclude if the donor's kernels had moved by a hundredth of the noise?
# 7. Why do McNemar's test and Wilson's interval not answer what another seed would give?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Back again · pencil
# :label: ex-sparta-networks-back
#
# Does the library's rule move gates from a deep network into a shallow one, too? Which gates of a ResNet-20 would a ResNet-8 get,
# and which are lost?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-networks-back
# :label: sol-sparta-networks-back
# :class: dropdown
# ````
#
# The rule does not ask which of the two is deeper. With more sites in the donor, some of its gates go nowhere:

# %%
deep, shallow = planned["cpu"]["frozen"], planned["cpu"]["donor"]
back = transfer.sources(transfer.network(deep), transfer.network(shallow))
for site, source in back.items():
    print(f"{site:18} <-  {source}")
whole = [site for site, _ in activations.modules(transfer.network(deep))]
print(f"{len(whole) - len(set(back.values()))} of {len(whole)} gates are lost")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} What all channels share · five minutes
# :label: ex-sparta-networks-mean
#
# If the channels of two networks do not correspond, then all that can be moved is the mean kernel of a site. How much of the
# donor's change is its mean?
# ```

# %% [markdown]
# ````{solution-start} ex-sparta-networks-mean
# :label: sol-sparta-networks-mean
# :class: dropdown
# ````
#
# Split the mean square of a site's change into that of the mean kernel and the rest, as in an analysis of variance:

# %%
shares = {}
for site, change in transfer.changes(records[arms["donor"]]).items():
    mean = change.mean(0)
    shares[site] = mean.square().sum() / change.square().sum() * len(change)
    centre = mean[1, 1] ** 2 / mean.square().sum()
    print(f"{site}: {100 * shares[site]:.0f} % is the mean kernel's, of that {100 * centre:.0f} % its centre's")
print(f"at most {100 * max(shares.values()):.0f} % at a site; the rest is that of single channels")

# %% [markdown]
# What belongs to single channels is lost where those do not correspond. Of the mean that is left, the centre of a kernel is the β of Swish,
# $x\,\sigma(\beta x)$, with no neighbours involved: as far as the mean changes in its centre, what can be handed on is a *sharper Swish*,
# and that needs no spatial attention.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Let the moved gates learn in the second half: `learn=(0.5, 1.0)`. Is a start from the donor better than one from SiLU?
# - Share one kernel among all channels, `share="layer"`, and move that.
# - Give the deeper network another seed than the donor has: `replace(frozen, seed=1)`.
# - `robust-activations run sparta --scale gpu` trains the abstract's own pair, ResNet-18 and ResNet-34, with PGD and
#   AutoAttack.
# - {doc}`/notebooks/sparta_04_across_datasets` keeps the network and changes the data.
