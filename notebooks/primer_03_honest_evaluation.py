# %% [markdown]
# # Honest evaluation
#
# :::{admonition} What you will know at the end
# :class: tip
#
# - how a network can pass every gradient attack and still be worth nothing, and the checklist that catches it;
# - how to break it: another loss, another gradient, or no gradient at all;
# - how sure an accuracy on $n$ images is, how to compare two networks, and why that is not yet to compare two methods.
#
# Reading: 15 minutes. Running: three quarters of a minute on two cores, after about a minute of training the first time
# that one of the primers is opened.
# :::

# %%
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch
from scipy.stats import binom, binomtest
from torch import nn

from robust_activations import attacks, data, paths, runs, stats, studies
from robust_activations.attacks import PGD
from robust_activations.autoattack import autoattack
from robust_activations.evaluation import Outcome, Suite, evaluate, under_attack
from robust_activations.figures import primers as figures
from robust_activations.figures.audits import CHECKS

records = studies.collect("primer").of(studies.primer.STUDY.runs("digits"))
recorded = {record.run.objective.name: record for record in records}
digits = data.load("digits")
x, y = digits.test_images.float() / 255, digits.test_labels
threat = recorded["pgd_at"].run.threat

network = runs.trained(recorded["standard"].run, paths.data("digits"))
robust = runs.trained(recorded["pgd_at"].run, paths.data("digits"))

# %% tags=["remove-cell"]
from IPython.display import Markdown
from scipy.stats import chi2_contingency

from robust_activations import evaluation
from robust_activations.figures.prose import note, points

note("eps", threat.eps)
note("test-n", len(y))
note("starts", evaluation.SUITE["pgd50"](threat).restarts)

# %% [markdown]
# ## Four networks apply
#
# Somebody offers you four networks. Two you know: the one from standard training, and the adversarially trained one of
# {doc}`primer 2 <primer_02_adversarial_training>`. The other two are "defences". We built them for this page in one minute,
# out of the standard network, without training anything:


# %%
def same(values):
    return values


class Masked(nn.Module):
    """A network with something done to its pixels before, and to its logits after."""

    def __init__(self, network, before=same, after=same):
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, x):
        return self.after(self.network(self.before(x)))


def quantise(x):
    return torch.round(4 * x) / 4  # five levels, "to remove small perturbations"


models = {
    "standard": network,
    "saturated": Masked(network, after=lambda logits: 1e6 * logits),  # "confident"
    "quantised": Masked(network, before=quantise),
    "PGD-AT": robust,
}

# %% [markdown]
# The saturated one is very sure of itself; the quantised one looks at the image through a coarse grid of grey levels. We
# attack all four with the workhorse of the field, PGD-20 on the cross-entropy, on the first {glue:text}`few` test images.

# %%
ladder = ("clean", "fgsm", "pgd20", "pgd50")
suite = Suite(ladder, n=100, square_n=100, square_queries=300)
few = suite.n
evaluated = {}
for name, model in models.items():
    evaluated[name] = evaluate(model, x, y, threat, suite)

# %% mystnb={"image": {"alt": "Accuracy under PGD-20 with intervals for four networks. Standard is near the bottom of the scale; saturated and quantised are at the top, above PGD-AT."}, "figure": {"caption": "Four networks under PGD-20 with the cross-entropy loss (ℓ∞, ε = 38.25/255, {glue:text}`few` test images, 95 % Wilson intervals).", "name": "fig-p3-apply"}} tags=["hide-input"]
figures.intervals({name: found.outcomes["pgd20"] for name, found in evaluated.items()})

# %% tags=["remove-cell"]
note("few", few)
for name, found in evaluated.items():
    note(f"{name}-pgd20", found.outcomes["pgd20"])
    note(f"{name}-caught", len(found.masked))
    note(f"{name}-checks", len(found.checks))
masked = evaluated["PGD-AT"].masked
note("verdict", "has passed every check" if not masked else f"has failed {', '.join(masked)}")
# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
counts = {name: found.outcomes["pgd20"].correct for name, found in evaluated.items()}
beaten = min(counts["saturated"], counts["quantised"]) > counts["PGD-AT"]
Markdown(f"""Saturated: {counts["saturated"]} of {suite.n}. Quantised: {counts["quantised"]}. PGD-AT: {counts["PGD-AT"]}.
{"Both defences beat" if beaten else "The defences keep up with"} adversarial training, at no cost in training and next to
none in clean accuracy. You should be suspicious.""")

# %% [markdown]
# ## Look at the gradient
#
# PGD goes where the gradient points. So ask first whether it points anywhere:

# %% mystnb={"merge_streams": true}
for name, model in models.items():
    with attacks.attacking(model):
        gradient = attacks.input_gradient(model, x[:few], y[:few])
    without = (gradient.flatten(1).abs().amax(1) == 0).sum()
    print(f"{name:10} {int(without):3} of {few} images have a gradient of exactly zero")

# %% [markdown]
# The *quantised* network is a staircase: flat everywhere, with a jump now and then, so its derivative is zero wherever it
# exists. The *saturated* one is subtler. The derivative of the cross-entropy with respect to the logits is
# $p_\theta(x) - e_y$, with $e_y$ the one-hot label, and with logits in the millions the softmax in float32 is exactly 1 for the
# predicted class. While the network is right, the difference is exactly zero, and the sign of zero is zero: PGD
# stands still and reports robustness. The images above are clean ones. The checklist below counts again from the random
# place in the ball where PGD starts; there a network errs on some image more or less, and the share differs a little.
#
# This is **gradient masking**: the attack fails, though the adversarial examples are all still there.
# {cite:t}`athalye2018` found it, in several forms, in most of the defences of a whole conference.
#
# ## A checklist
#
# Masking leaves traces. {cite:t}`carlini2019` collected what an honest evaluation looks for, and the library runs these
# checks with every record. Each is a number that should be close to zero.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input", "no-figure"]
Markdown(figures.checklists(evaluated))

# %% [markdown]
# The saturated network is caught by {glue:text}`saturated-caught` of {glue:text}`saturated-checks` checks, the quantised one by
# {glue:text}`quantised-caught`, the standard network by {glue:text}`standard-caught` and PGD-AT by {glue:text}`PGD-AT-caught`.
# Why do they work?
#
# - **No slope at all.** A gradient attack without a gradient is no attack.
# - **One step beats many.** Many short steps can go wherever one long step goes, and look on the way. If the one step wins, the many
#   went astray, or stood still.
# - **The attacker may change everything.** With $\varepsilon = 1$ any image can become any other, and accuracy must fall to zero
#   for every network that can give more than one answer; where it does not, the *attack* is broken. A network that always
#   gives the same class keeps that class's share: it has collapsed, and that is another alarm.
# - **More steps help the defender.** More budget cannot hurt a working attack by more than chance.
# - **A black box beats a white box.** Square {cite:p}`andriushchenko2020` sees outputs only. Whoever sees more and finds less is
#   looking the wrong way.
#
# A check that passes proves nothing, of course. One that fails proves that the accuracy beside it is not to be believed.
# Every record in this book carries its answers to these questions.
#
# ## Break them
#
# It is not enough to be suspicious; the honest number has to be found. Each mask has its tool.
#
# **Another loss.** The saturated network hides behind its softmax. The *margin* $\max_{j \ne y} z_j - z_y$ looks at the
# logits directly, and the sign of its gradient does not change when they are multiplied by a million:
# `PGD(steps=20, loss="margin")`.
#
# **Another gradient.** The rounding of the quantised network has no useful derivative, but it is close to the identity. So round
# on the way forward, and pretend on the way back that nothing has happened. {cite:t}`athalye2018` call this *backward pass
# differentiable approximation*, BPDA:


# %%
def straight_through(x):
    return x + (quantise(x) - x).detach()  # the value of quantise(x), the gradient of x


through = Masked(network, before=straight_through)
right = under_attack(through, x[:few], y[:few], threat, PGD(steps=20))
print("quantised, under BPDA:", Outcome.of(right, 0.0))

# %% [markdown]
# **No gradient.** Square proposes random squares, and keeps what makes things worse.
#
# **All of it, automatically.** AutoAttack {cite:p}`croce2020` runs four attacks without anything to tune, each on the images
# that are left: APGD on the cross-entropy, APGD *towards each other class* on a loss that ignores the scale of the
# logits, FAB, and Square. Below is the second of the four.

# %%
xs, ys = x[:few], y[:few]


def share(right):
    return float(right.float().mean())


def part_of_autoattack(model, name):
    return autoattack(model, xs, ys, threat, attacks=(name,), queries=300)[0]


found = {}
for name, model in models.items():
    found[name] = {
        "PGD-20\nCE": evaluated[name].outcomes["pgd20"].accuracy,
        "PGD-20\nmargin": share(under_attack(model, xs, ys, threat, PGD(steps=20, loss="margin"))),
        "PGD-20\nBPDA": share(under_attack(through, xs, ys, threat, PGD(steps=20))) if name == "quantised" else float("nan"),
        "APGD-T": share(part_of_autoattack(model, "apgd-t")),
        "Square\n300": share(part_of_autoattack(model, "square")),
    }

# %% tags=["remove-cell"]
for name, row in found.items():
    note(f"{name}-worst", f"{np.nanmin(list(row.values())):.0%}")

# %% mystnb={"image": {"alt": "A table of four networks by five attacks, coloured by accuracy. The saturated and quantised networks have high values under PGD with cross-entropy and at least one very low value elsewhere. PGD-AT has similar, high values in all columns."}, "figure": {"caption": "Accuracy of four networks under five attacks (ℓ∞, ε = 38.25/255, {glue:text}`few` test images). The box marks the strongest attack of each row: this is the number to report. Square has 300 queries an image; BPDA is for the quantised network only.", "name": "fig-p3-matrix"}} tags=["hide-input"]
figures.matrix(found)

# %% [markdown]
# What counts in a row is its *minimum*: {glue:text}`standard-worst` for the standard network, {glue:text}`saturated-worst` and
# {glue:text}`quantised-worst` for the two defences made of it, {glue:text}`PGD-AT-worst` for PGD-AT. The masks are off. What
# opens one mask is stuck at another, which is why a single attack is never enough.
#
# ## Press on the honest one
#
# PGD-AT {glue:text}`verdict`. Does it also withstand more effort? First more of the same:

# %% tags=["remove-cell"]
steps = (1, 2, 5, 10, 20, 50)
by_steps = [under_attack(robust, x, y, threat, PGD(steps=s)) for s in steps]
alone = [under_attack(robust, x, y, threat, PGD(steps=20), seed=seed) for seed in range(6)]
by_restarts = [torch.stack(alone[: count + 1]).all(0) for count in range(len(alone))]
best = recorded["pgd_at"].best
dear = best.outcomes["autoattack"]
same_images = {
    name: Outcome.of(torch.from_numpy(best.outcomes[key].right[: dear.n]), 0.0)
    for name, key in (("clean", "clean"), ("FGSM", "fgsm"), ("PGD-20", "pgd20"), ("PGD-50", "pgd50"))
} | {"AutoAttack": dear}
note("pgd50-all", best.outcomes["pgd50"])
note("pgd50-same", same_images["PGD-50"])
note("aa", dear)
note("aa-n", dear.n)
note("aa-differ", int((dear.right != same_images["PGD-50"].right).sum()))
note("aa-left", ", ".join(f"{count} after {name}" for name, count in dear.left.items()))
note("flags", "no warning" if not best.flags else f"{len(best.flags)} warnings")
note("one-start", by_restarts[0])
note("all-starts", by_restarts[-1])

# %% mystnb={"image": {"alt": "Two panels for the PGD-AT network. Accuracy falls over the first ten steps and is flat afterwards; with more starts it falls by a point or two and levels out."}, "figure": {"caption": "The PGD-AT network under PGD of growing budget (ℓ∞, ε = 38.25/255, step ε/4, {glue:text}`test-n` test images, bands are 95 % Wilson intervals). Above: one start, more steps. Below: 20 steps, more starts, an image counts as right if it withstands all.", "name": "fig-p3-budget"}} tags=["hide-input"]
figures.accuracy(
    figures.Panel(steps, {"PGD, one start": by_steps}, "steps", log=True),
    figures.Panel(range(1, len(alone) + 1), {"PGD-20, best of several starts": by_restarts}, "starts"),
    height=2.6,
)

# %% [markdown]
# Then other attacks. AutoAttack is expensive, so the record holds it for {glue:text}`aa-n` images:
# left are {glue:text}`aa-left`, with {glue:text}`flags` of its own.
#
# Now beware. On all test images PGD-50 leaves {glue:text}`pgd50-all`; AutoAttack leaves {glue:text}`aa`. Which of the two is
# stronger? These numbers cannot tell, because the images are not the same. On the same ones they can:

# %% mystnb={"image": {"alt": "Five accuracies with intervals on the same images: clean at the top, then FGSM, PGD-20, PGD-50 and AutoAttack, the last ones close together."}, "figure": {"caption": "The PGD-AT network under five attacks on the *same* {glue:text}`aa-n` test images (ℓ∞, ε = 38.25/255, 95 % Wilson intervals).", "name": "fig-p3-ladder"}} tags=["hide-input"]
figures.intervals(same_images)

# %% [markdown]
# PGD-50 leaves {glue:text}`pgd50-same` there; they disagree about {glue:text}`aa-differ` of {glue:text}`aa-n` images. When attacks
# of different kinds agree to within a few images, and more budget changes next to nothing, we have done what can be done from
# above.
#
# ## How sure is a number?
#
# Of $n$ test images $k$ were right. Other images would have given another $k$. Wilson's interval {cite:p}`wilson1927` contains the
# accuracies that are compatible with what was seen; unlike the textbook's $\pm 1.96 \sqrt{p (1 - p) / n}$ it behaves well near 0
# and 1. Its width is what a test set can tell apart:

# %% mystnb={"image": {"alt": "Three falling lines on logarithmic axes: half the width of the interval against the number of images, for accuracies of 50, 85 and 95 percent. Dotted lines mark four sizes."}, "figure": {"caption": "Half the width of the 95 % Wilson interval against the number of test images. Dotted: AutoAttack on this page, our digits, a common subset, and the test set of CIFAR-10.", "name": "fig-p3-widths"}} tags=["hide-input"]
figures.widths((0.5, 0.85, 0.95), (dear.n, len(y), 1000, 10_000))

# %% tags=["remove-cell"]
note("half-aa", f"{50 * (dear.interval[1] - dear.interval[0]):.1f}")
note("half-digits", f"{50 * (best.outcomes['pgd50'].interval[1] - best.outcomes['pgd50'].interval[0]):.1f}")
low, high = stats.wilson(8500, 10_000)
note("half-cifar", f"{50 * (high - low):.1f}")

# %% [markdown]
# Our PGD-50 result is good to {glue:text}`half-digits` points either way, the AutoAttack result to {glue:text}`half-aa`. With the
# ten thousand test images of CIFAR-10 an accuracy of 85 % would be good to {glue:text}`half-cifar`.
#
# *Other images* means images like these, and no others. Our digits are by thirteen people, and test images lie between training
# images of the same class, so the same hands are very likely in both. Where MNIST is tested on its first 1,000 test images, these
# are of the half that its makers call the cleaner and easier one {cite:p}`lecun1998`.
#
# Differences between activations are often smaller than such intervals. Is everything lost?
#
# ## Comparing two networks
#
# No, because we can do better than compare two intervals. Both networks saw the *same* images, and most images are easy for
# both or hard for both. Only those on which they *differ* say which one is better.
# Take the best and the worst of our four adversarially trained networks under PGD-50:

# %%
compared = [record for record in records if record.run.objective.adversarial]
compared.sort(key=lambda record: record.best.outcomes["pgd50"].correct)
worse, better = compared[0], compared[-1]
first, second = (record.best.outcomes["pgd50"].right for record in (better, worse))
test = stats.mcnemar(first, second)
split = binomtest(int((first & ~second).sum()), int((first != second).sum()))  # of the images that only one has right
print(f"{test.only_first} and {test.only_second} images, p = {test.p:.2g}; by scipy's binomial test {split.pvalue:.2g}")

# %% tags=["remove-cell"]
names = tuple(figures.OBJECTIVES[record.run.objective.name] for record in (better, worse))
note("first-name", names[0])
note("second-name", names[1])
note("only-first", test.only_first)
note("only-second", test.only_second)
note("differ", test.only_first + test.only_second)
counts = [[int(right.sum()), int((~right).sum())] for right in (first, second)]
note("unpaired-p", f"{chi2_contingency(counts, correction=False).pvalue:.2g}")
late = stats.mcnemar(*(record.last.outcomes["pgd50"].right for record in (better, worse)))
note("last-points", points(late.difference))
note("last-p", f"{late.p:.2g}")
note("pairs", len(list(combinations(compared, 2))))
note("paired-p", f"{test.p:.2g}")

# %% mystnb={"image": {"alt": "A grid with a small square for each test image. Most squares are pale: both networks are right. A number of dark ones: neither is. A few are blue or orange, where only one of the two is right."}, "figure": {"caption": "The best and the worst of four adversarially trained networks under PGD-50 ({glue:text}`starts` starts, ℓ∞, ε = 38.25/255), image by image, on {glue:text}`test-n` test images.", "name": "fig-p3-images"}} tags=["hide-input"]
figures.image_by_image(names, first, second, test)

# %% [markdown]
# {glue:text}`only-first` images are right only with {glue:text}`first-name`, {glue:text}`only-second` only with
# {glue:text}`second-name`. If the two were equally good, these {glue:text}`differ` would be split like tosses of a coin. **McNemar's
# test** {cite:p}`mcnemar1947` is just that: how likely is a split at least as uneven? $p =$ {glue:text}`paired-p`. It is
# possible because a record keeps *which* images were right, and not only how many. For all pairs of the four:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input", "no-figure"]
Markdown(figures.pairs(compared[::-1]))

# %% [markdown]
# The column *p, unpaired* is what a test sees that knows the two counts and not the images: {glue:text}`unpaired-p` for the best and
# the worst, from the same data. Where two networks differ on few images, the paired test is much the sharper one. And since we
# have just asked {glue:text}`pairs` questions at once, the smallest of these $p$ should be taken with salt (`stats.holm` adds it).
# And a network here is *one epoch of one training*: at the last epoch the same two methods differ by {glue:text}`last-points` points,
# p = {glue:text}`last-p`.
#
# Where a difference stands in brackets, as +2.0 [+0.3, +3.7], the interval is another method: Wald's, a normal approximation,
# with half an image added to each of the four counts. At the edge, and with few images, the two may disagree, and an interval can exclude 0 where $p$ is above 0.05.
# The exact test is the better one there, and no verdict of this book says *more robust* without a $p$ below 0.05.
#
# ## Why seeds
#
# McNemar's test compares two *networks*. A paper about an activation compares two *methods*, and a method that is run again
# with another seed gives another network. Five times the same recipe, N-FGSM shortened to six epochs; only the seed changes:


# %%
from robust_activations.training import train


def with_seed(seed):
    run = replace(recorded["n_fgsm"].run, seed=seed)
    network = runs.build(run, digits)
    images = runs.images_of(run, digits, torch.device("cpu"))
    short = replace(run.schedule, epochs=6)
    train(network, images, run.objective, threat, short, seed=seed)
    return under_attack(network, x, y, threat, PGD(steps=20))


seeds = {f"seed {seed}": with_seed(seed) for seed in range(5)}

# %% mystnb={"image": {"alt": "Five accuracies with intervals, one a seed. They differ by a few points; the intervals overlap."}, "figure": {"caption": "One method, five seeds: PGD-20 on {glue:text}`test-n` test images (ℓ∞, ε = 38.25/255, 95 % Wilson intervals).", "name": "fig-p3-seeds"}} tags=["hide-input"]
figures.intervals({name: Outcome.of(right, 0.0) for name, right in seeds.items()}, zoom=True)

# %% tags=["remove-cell"]
shares = [share(right) for right in seeds.values()]
p_values = [stats.mcnemar(a.numpy(), b.numpy()).p for a, b in combinations(seeds.values(), 2)]
chance = sum(p < 0.05 for p in p_values)
mean, low, high = stats.over_seeds(shares)
note("over-seeds", f"{mean:.1%} [{low:.1%}, {high:.1%}]")

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"""The best and the worst seed differ by {100 * (max(shares) - min(shares)):.1f} points. Of the {len(p_values)} pairs of
seeds, McNemar's test calls {chance or "none"} different at $p < 0.05$. {"That is no discovery" if chance else "Had it called one so, that would be no discovery"}: by chance
alone a test at 5 % may call one of twenty equal pairs different, and of {len(p_values)} such tests at least one up to
{5 * len(p_values)} % of the time. Nor would it be one about methods: the *method* is the same by construction.""")

# %% [markdown]
# So two methods are compared over several seeds, too: here the mean over seeds is {glue:text}`over-seeds`, with Student's
# interval. **In this book a claim that one is *more robust* than another counts as supported or contradicted only if both
# agree**: the test on images, and, where there are several pairs of networks, the interval over them.
#
# - *The image is the unit of the test.* It is McNemar's for one pair of networks. With several pairs the same images are seen
#   again and again, and each must count once and not once a pair: its differences are averaged, and the test is a $t$ test
#   of these means.
# - *The group is the unit of the interval.* Pairs that share a network have its luck in common, so pairs that are connected
#   in this way make one group. Two seeds are two groups; one network against four rivals is one, and has no interval.
# - *One seed* stands beside a verdict that rests on a single training.
#
# Claims of another form have no such $p$: that one is *not worse by* some margin, that a gap is smaller, where a learned
# parameter went. These are judged by their intervals alone.
#
# ## Summary
#
# - Gradient masking makes attacks fail, not adversarial examples disappear. A line of code suffices for it.
# - A **checklist** catches it: zero gradients, one step better than many, an unbounded attack that fails, more steps that do
#   not help, a black box that finds more.
# - Break a mask with another **loss**, another **gradient** (BPDA), or **none** (Square, transfer); report the *minimum* over all.
# - $n$ and the interval belong to every accuracy; attacks and networks are compared on the **same images**.
# - Networks are compared by paired tests, **methods over seeds** besides. A test at 5 % may call one of twenty equal pairs different.
#
# ## Questionnaire
#
# 1. Why does multiplying the logits by a million stop PGD with the cross-entropy, and not PGD with the margin?
# 2. Which networks are right on nothing at $\varepsilon = 1$ under $\ell_\infty$, and which one is the exception?
# 3. FGSM breaks more images than PGD-50. What do you conclude?
# 4. What does BPDA replace, and what does it leave as it is?
# 5. Suppose AutoAttack leaves 85 of 100 images, and PGD-50 leaves 82 % of 500. Why can you not say which attack is stronger?
# 6. Which images count in McNemar's test, and why are the others left out?
# 7. A table compares two activations with one seed each, $p = 0.01$. What has been shown, and what not?
#
# ## Exercises
#
# ```{exercise-start} Attack without touching it · five minutes
# :label: ex-p3-transfer
# ```
# Adversarial images often *transfer*. Make them on the standard network with PGD-20, then show them to the saturated, the
# quantised and the PGD-AT network. Which of them would this very cheap test have exposed?
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p3-transfer
# :class: dropdown
# ```

# %% mystnb={"merge_streams": true}
with attacks.attacking(network):
    moved = attacks.pgd(network, x, y, threat, PGD(steps=20))
for name, model in models.items():
    print(f"{name:10} {Outcome.of(model(moved).argmax(1) == y, 0.0)}")

# %% [markdown]
# A defence that falls to images made for *another* network, and claims to withstand images made for itself, is masking.
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start} How many images? · half an hour
# :label: ex-p3-n
# ```
# Two networks are right on 82 % and 80 % of the images under attack. Roughly how many test images do you need for their Wilson
# intervals not to overlap? And with McNemar's test at $p < 0.05$, if 4 % of the images are right only with the first
# network and 2 % only with the second?
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p3-n
# :class: dropdown
# ```


# %%
def apart(n):
    return stats.wilson(round(0.82 * n), n)[0] > stats.wilson(round(0.80 * n), n)[1]


def paired_apart(n):
    first = np.arange(n) < round(0.04 * n)
    second = np.arange(n) >= n - round(0.02 * n)
    return stats.mcnemar(first, second).p < 0.05


sizes = range(100, 20_000, 100)
print("intervals apart from n =", next(n for n in sizes if apart(n)))
print("McNemar's p < 0.05 from n =", next(n for n in sizes if paired_apart(n)))

# %% [markdown]
# (Intervals that overlap do not prove that there is no difference; asking them to be apart is the stricter question.)
#
# Both take for granted that the counts come out exactly as the shares say. They do not, they have luck. Draw the images
# and see how often the test finds the difference that is there:


# %%
def power(n, times=10_000):
    draws = np.random.default_rng(0).multinomial(n, (0.04, 0.02, 0.94), times)
    first, second = draws[:, 0], draws[:, 1]
    p = 2 * binom.cdf(np.minimum(first, second), first + second, 0.5)  # McNemar's, as above
    return (p < 0.05).mean()


for n in (700, 1300, 2000):
    print(f"n = {n:5,}: found in {power(n):.0%} of the cases")

# %% [markdown]
# The smallest $n$ that *can* do finds it about half of the time. Plan for more.
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start} Your own mask · half an hour
# :label: ex-p3-mask
# ```
# Write a third defence that passes PGD-20 with the cross-entropy *and* with the margin loss, without robustness. Which checks
# catch it?
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p3-mask
# :class: dropdown
# ```
# Rounding the *logits* has no gradient either, and no loss can see through it.


# %% mystnb={"merge_streams": true}
mask = Masked(network, after=torch.round)
for loss in ("ce", "margin"):
    right = under_attack(mask, xs, ys, threat, PGD(steps=20, loss=loss))
    print(f"{loss:7}", Outcome.of(right, 0.0))
only_checks = replace(suite, attacks=("clean",))
for name in evaluate(mask, x, y, threat, only_checks).masked:
    print("caught by:", CHECKS[name])

# %% [markdown]
# And it falls to the transfer attack of the first exercise.
# ```{solution-end}
# ```
#
# ## What to try next
#
# - `robust-activations evaluate CHECKPOINT --attack autoattack` runs the authors' AutoAttack on any checkpoint of this library.
# - {doc}`The shapes of all activations <paf_01_shapes>`, and then {doc}`all of them under one protocol <protocol_01_ranking>`,
#   measured with the tools of this page.
