# %% [markdown]
# # The direct effect of a shape
#
# Before {cite:t}`dai2021` train anything adversarially, they ask what the shape of an activation does *by itself*: take a
# parametric activation, freeze its parameter, train on clean images, and measure how far the images must be moved to fool
# the network. We do the same. On the way we meet a measuring instrument that is out of adjustment, and build a bench on
# which one can see it.
#
# **At the end you will know**
#
# - what the minimum radius, Square's success rate and the local Lipschitz constant measure, and what they do not;
# - why a search for a radius can be wrong by a factor of three and still look like one, and how to test such a search;
# - how the three measures change with the shape when nobody attacks during training;
# - what becomes of "positive outputs for negative inputs help" and of "high finite curvature helps" at each scale.
#
# *Reading time: 20 minutes. Run time: half a minute, and several minutes of training the first time that a page on these
# activations is opened.*

# %%
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from robust_activations import data, evaluation, paths, runs, studies
from robust_activations.attacks import Threat, attacking, input_gradient
from robust_activations.autoattack import autoattack
from robust_activations.figures import claims, results, tables
from robust_activations.figures import paf as frozen
from robust_activations.sensitivity import minimum_radius
from robust_activations.studies import paf, protocol

records = studies.collect("paf")  # trains what is missing
digits = frozen.recorded(paf.standard_shapes("digits"), records)
relu = frozen.relu(digits)
shapes = frozen.rows(digits)

# %% tags=["remove-cell"]
from IPython.display import Markdown
from scipy import stats

from robust_activations.figures.prose import note
from robust_activations.figures.rows import data_title, setting

run = relu.run
note("eps", run.threat.eps)
note("radius", f"{run.threat.radius:g}")
note("epochs", run.schedule.epochs)
note("measured_n", run.suite.measure_n)
note("square_n", run.suite.square_n)
note("queries", run.suite.square_queries)
note("shapes", len(shapes))
usual = protocol.recipe("digits")("relu").threat
radii = [record.best.measures["radius"].defined for row in shapes for record in row.records]
means, fall = zip(*((255 * each.mean(), 100 * (each <= usual.radius).mean()) for each in radii), strict=True)
note("usual_eps", usual.eps)
note("mean_radii", f"{min(means):.1f} to {max(means):.1f}")
note("would_fall", f"{min(fall):.0f} to {max(fall):.0f}")
fallen = [record for record in frozen.every(paf.standard_shapes("digits"), records) if record.collapsed]
note("fallen", ", ".join(record.run.label for record in fallen) or "none")

# %% [markdown]
# ## What was claimed, and what is known of it
#
# This page is about the **preprint of 2021** alone. Its abstract says that two properties of the shape help robustness:
# *positive outputs for negative inputs*, and a *high but finite curvature* (seen: abstract). The workshop paper of 2022
# {cite}`dai2022` asks the same under adversarial training and answers differently; that is
# {doc}`the next page </notebooks/paf_03_frozen_shapes>`.
#
# | What | As far as it is known |
# |---|---|
# | Training | on clean images, the activation's parameter not learned but set (seen: code and its README) |
# | Measures | clean accuracy, average minimum radius in $\ell_\infty$, success rate of the Square attack, an empirical local Lipschitz constant (seen: code) |
# | ε of Square and of the Lipschitz constant | 0.031 (seen: code) |
# | Networks | ResNet-18 in the README's example (seen); WRN-28-10 and VGG-16 too, by a later script (seen: code of 2023) |
# | Which values of the parameters | not found |
# | The measured numbers | not found |
#
# So there is nothing to compare our numbers with. What can be tested are the two sentences.

# %% [markdown]
# ## Three measures
#
# Let $f$ be the network, $z(x)$ its logits and $y$ the label of an image $x$ that it classifies correctly.
#
# The **minimum radius** is the length of the shortest way to a mistake,
#
# $$
# r(x) = \min \bigl\{ \lVert\delta\rVert_\infty : \arg\max_j z_j(x + \delta) \neq y, \; x + \delta \in [0, 1]^d \bigr\} .
# $$
#
# To first order it is a quotient, the margin divided by how fast the margin can be pulled down:
#
# $$
# r(x) \approx \min_{j \neq y} \frac{z_y(x) - z_j(x)}{\lVert \nabla_x (z_y - z_j)(x) \rVert_1} .
# $$ (eq-paf2-radius)
#
# The activation enters twice. Its slopes are factors of the gradient below the line, and its values make the margin above
# it. A shape with small slopes gains nothing if its margins shrink by as much.
#
# **Square's success rate** is the share of the correctly classified images that the black-box attack of
# {cite:t}`andriushchenko2020` turns into mistakes within a fixed ε and a fixed number of queries.
#
# The **local Lipschitz constant** is how much the logits move per pixel unit, at the $x'$ that a PGD attack found:
# $\lVert z(x') - z(x) \rVert_1 / \lVert x' - x \rVert_\infty$. It is the one of the three that is no measure of robustness by
# itself. Double all logits and at the same $x'$ it doubles, while every image stays as robust as it was.

# %% [markdown]
# ## A search that can be wrong
#
# Nobody can compute $r(x)$ of a deep network exactly, so it is searched for: attack with some ε, go down if the attack
# succeeds, up if it fails. The search in the authors' code works like this (seen: code of 2021). The attack has four
# steps, from the image itself, along the sign of the cross-entropy's gradient. ε starts at 0.05; after each round it
# moves by half of the last change, down after a success, up after a failure. The step of the attack starts at 0.0078,
# *and is halved after every round too*.
#
# The last sentence is the trap. In round $k$, counted from 0, the attack can go no further than $4 \cdot 0.0078 / 2^k$,
# but the ε that is tested shrinks at most as fast, from a larger start: 0.05 against 0.031. So the attack never
# reaches the edge of the ball that it is supposed to test, and from the first failure on, it fails in every round because
# its reach keeps shrinking. The failures then carry ε upwards to a limit that is $0.1$, $0.05$, $0.025$, $\dots$: one
# value for each number of successes, and nothing in between (derived: by this argument; the experiment follows).
#
# Here is the procedure in our words. `halve=False` keeps the step:


# %%
def halving_search(network, x, y, halve=True, unit=1.0, rounds=12):
    """The radius as the procedure above finds it; all its lengths times `unit`."""
    eps = torch.full((len(x), 1, 1, 1), unit * 0.05)
    change, step = unit * 0.025, unit * 0.0078
    with attacking(network):
        for _ in range(rounds):
            moved = x
            for _ in range(4):
                moved = moved + step * input_gradient(network, moved, y).sign()
                moved = (x + (moved - x).clamp(-eps, eps)).clamp(0, 1)
            with torch.no_grad():
                fooled = network(moved).argmax(1) != y
            eps = eps + torch.where(fooled, -change, change).view(-1, 1, 1, 1)
            change = change / 2
            if halve:
                step = step / 2
    return eps.flatten()


# %% [markdown]
# Ours differs in three things: the step is always 2.5 ε divided by the number of steps, so that the attack can cross
# whatever ball it is given; it follows the margin, not the cross-entropy; and it returns the length of a change *that
# was found* (`sensitivity.minimum_radius`).
#
# ### The bench: a network whose radius is known
#
# For a linear network, $z(x) = Wx + b$, equation {eq}`eq-paf2-radius` is exact, as long as the change does not hit
# the ends of the pixel range. The best attack moves every pixel by $r$, with the sign of $w_j - w_y$. So we train one on
# digits whose greys are squeezed into the middle of the range:


# %%
def grey(images):
    return 0.35 + 0.3 * images.float() / 255


images = data.load("digits")
x, y = grey(images.test_images), images.test_labels
with torch.random.fork_rng():
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=200)


def loss():
    optimizer.zero_grad()
    value = F.cross_entropy(linear(grey(images.train_images)), images.train_labels)
    value = value + 1e-4 * linear[1].weight.square().sum()
    value.backward()
    return value


optimizer.step(loss)


@torch.no_grad()
def true_radius(x, y):
    """Margin over L1 norm of the difference of weights, for the class that is nearest."""
    z, w = linear(x), linear[1].weight
    margin = z.gather(1, y[:, None]) - z
    pull = (w[y][:, None] - w).abs().sum(2)
    return (margin / pull).scatter(1, y[:, None], torch.inf).amin(1)


# %% [markdown]
# Is the formula right? A little less than the true radius, in the direction that the formula names, must fool nobody, and a
# little more must fool everybody:

# %% mystnb={"merge_streams": true}
right = linear(x).argmax(1) == y
x, y = x[right], y[right]
truth = true_radius(x, y)
with torch.no_grad():
    z, w = linear(x), linear[1].weight
    margin = z.gather(1, y[:, None]) - z
    nearest = (margin / (w[y][:, None] - w).abs().sum(2)).scatter(1, y[:, None], torch.inf).argmin(1)
    for factor in (0.999, 1.001):
        moved = x + (factor * truth)[:, None, None, None] * (w[nearest] - w[y]).sign().view_as(x)
        print(f"{factor} times the true radius: {int((linear(moved).argmax(1) != y).sum())} of {len(x)} are fooled")

# %% [markdown]
# Now the three searches.

# %% mystnb={"merge_streams": true}
generator = torch.Generator().manual_seed(0)
found = {
    "step halved, as released": halving_search(linear, x, y),
    "the same, step kept": halving_search(linear, x, y, halve=False),
    "ours": minimum_radius(linear, x, y, generator=generator),
}
print(f"{'':24}   mean  different  to the truth: least, median, greatest")
for name, radius in ({"the truth": truth} | found).items():
    ratio = np.quantile(radius / truth, (0, 0.5, 1))
    values = len(torch.unique((1e5 * radius).round()))
    print(f"{name:24} {float(radius.mean()):.4f}  {values:9}", *(f"{one:8.2f}" for one in ratio))

# %% tags=["remove-cell"]
halved, kept, ours = (radius / truth for radius in found.values())
reach = truth <= 4 * 0.0078
note("bench_n", len(x))
note("bench_mean", f"{float(found['step halved, as released'].mean() / truth.mean()):.2f}")
note("bench_ours", f"{float(found['ours'].mean() / truth.mean()):.2f}")
note("bench_low", f"{float(halved.min()):.2f}")
note("bench_high", f"{float(halved.max()):.2f}")
note("bench_between", f"{100 * float(((halved > 1.55) & (halved < 3.25)).float().mean()):.0f}")
note("kept_median", f"{float(kept[reach].median()):.2f}")
note("kept_beyond", f"{int((found['the same, step kept'][~reach] > 0.0999).sum())} of {int((~reach).sum())}")
note("ours_least", f"{float(ours.min()):.2f}")
note("ours_worst", f"{float(ours.max()):.2f}")
note("rank_bench", f"{stats.spearmanr(found['step halved, as released'], truth).statistic:.2f}")

# %% mystnb={"image": {"alt": "A scatter plot with the true radius to the right and the ratio of the found radius to it upwards, both logarithmic. The points of the search that halves its step form falling teeth of a saw between about 1.6 and somewhat above 3.2. Those with the step kept lie near 1 on the left and on one falling tooth on the right. Ours lie on or slightly above the line at 1 everywhere.", "width": "500px"}, "figure": {"caption": "Radius found, divided by the true one, for every correctly classified test image of a linear network on digits ({glue:text}`bench_n` images).", "name": "fig-paf2-bench"}} tags=["hide-input"]
frozen.ratios(truth.numpy(), {name: radius.numpy() for name, radius in found.items()}, "true radius", "found / true")

# %% [markdown]
# The saw in {numref}`fig-paf2-bench` is the argument from above made visible. As released, the search is too large by a
# factor of {glue:text}`bench_mean` on average, and image by image between {glue:text}`bench_low` and
# {glue:text}`bench_high`. By the argument the factor lies between 1.6 and 3.2 for radii up to 0.062 (derived), and
# {glue:text}`bench_between` % of the images obey; the factor is larger where four steps along the cross-entropy miss the
# nearest class. With the step kept, the search is right up to the reach of its first round, 4 × 0.0078 (median ratio
# {glue:text}`kept_median`), and says 0.1 beyond it ({glue:text}`kept_beyond` images). Ours is {glue:text}`bench_ours`
# times the truth on average, image by image between {glue:text}`ours_least` and {glue:text}`ours_worst` times.
#
# ### The same two on a live network
#
# Now for one of the networks of this page: ReLU, trained without attacks. There is no truth to divide by any more. We
# divide by what our search finds, which is an upper bound: a change of that size *was found*. On digits many radii are
# above 0.1, the largest number that the released search can say. So we also give it another unit, four times the old
# one, in which it can say 0.4, 0.2, 0.1, …

# %%
n = relu.run.suite.measure_n
x, y = images.test_images[:n].float() / 255, images.test_labels[:n]


def searches(record):
    """Ours, as it was recorded, and the released one in two units, on the same images: those classified right."""
    our = torch.tensor(record.best.measures["radius"].each)
    right = ~our.isnan()
    network = runs.trained(record.run, paths.data("digits"))
    theirs = [halving_search(network, x[right], y[right], unit=unit) for unit in (1.0, 4.0)]
    return np.stack([our[right], *theirs])


searched = {row.label: searches(row.records[0]) for row in shapes}
our, released, scaled = searched["ReLU"]

# %% mystnb={"image": {"alt": "A scatter plot with the radius found by our search to the right and the ratio of the released search's radius to it upwards. In its own unit the released search falls off along a straight line below 1 on the right. In the larger unit its points form the same falling teeth of a saw as on the linear network, mostly above 1.", "width": "500px"}, "figure": {"caption": "The released search, in its own unit and in one four times as large, against ours; a ReLU network trained on clean digits, of the first {glue:text}`measured_n` test images those classified right.", "name": "fig-paf2-live"}} tags=["hide-input"]
frozen.ratios(
    our,
    {"step halved, as released": released, "step halved, unit × 4": scaled},
    "radius found by our search",
    "released / ours",
)

# %% tags=["remove-cell"]
means = np.array([found.mean(1) for found in searched.values()])
rank = stats.spearmanr(means).statistic
own, capped, fourfold = means.T
factor = fourfold / own
note("capped", f"{int((released > 0.0999).sum())} of {len(released)}")
note("beyond_tenth", f"{int((our > 0.1).sum())}")
note("live_ratio", f"{scaled.mean() / our.mean():.2f}")
note("live_low", f"{(scaled / our).min():.2f}")
note("live_high", f"{(scaled / our).max():.2f}")
note("rank_capped", f"{rank[0, 1]:.2f}".replace("-", "−"))
note("rank", f"{rank[0, 2]:.2f}".replace("-", "−"))
note("factor_low", f"{factor.min():.2f}")
note("factor_high", f"{factor.max():.2f}")
for name, values in (("ours", own), ("capped", capped), ("scaled", fourfold)):
    note(f"spread_{name}", f"{values.max() / values.min():.2f}")

# %% [markdown]
# In its own unit the released search answers 0.1 for {glue:text}`capped` images. That is the answer it gives when *no
# attack ever succeeded*, so these numbers are not the size of any change that was found; for {glue:text}`beyond_tenth` of
# the images our search, too, finds no mistake within 0.1, and there the answer is below ours, not above. In the larger
# unit the saw is back: the ratio goes from {glue:text}`live_low` to {glue:text}`live_high`, and the mean is off by
# a factor of {glue:text}`live_ratio`.
#
# ### What radii mean, then
#
# A radius that was searched for is an **upper bound**. A better attack can only make it smaller. It certifies nothing,
# and a shape that makes life hard for the attack looks as if it made the network robust. (As released, the
# number is a bound only where an attack succeeded, and then a loose one, since the change that was found is shorter. Where
# none did, 0.1 bounds nothing.)
#
# Can averages still **rank**? Over the {glue:text}`shapes` networks of this page, the mean of our search has a rank
# correlation of {glue:text}`rank_capped` with that of the released search in its own unit, and of {glue:text}`rank` in
# the larger one. The factor between ours and the latter goes from {glue:text}`factor_low` to {glue:text}`factor_high`, so
# it is no constant. And the largest mean is {glue:text}`spread_ours` times the smallest by our search,
# {glue:text}`spread_capped` and {glue:text}`spread_scaled` times by the others. So another search may give another
# order, and other distances.

# %% mystnb={"merge_streams": true}
print(f"{'shape':16} {'ours':>8} {'released':>9} {'unit × 4':>9}")
for name, row in sorted(zip(searched, means, strict=True), key=lambda item: -item[1][0]):
    print(f"{name:16} {row[0]:8.4f} {row[1]:9.4f} {row[2]:9.4f}")

# %% [markdown]
# ## The sweep
#
# Four parameters, each moving another part of the curve ({doc}`/notebooks/paf_01_shapes` shows them): PReLU's α and
# PSSiLU's β the negative side, PSiLU's α the bend at zero, ReBLU's α the positive side. Everything else is one recipe:
# the digits network of {doc}`/notebooks/protocol_01_ranking`, {glue:text}`epochs` epochs on clean images, the epoch
# chosen on held-out ones. The parameter is frozen:

# %% mystnb={"merge_streams": true}
for (name, parameter), by_value in paf.standard_shapes("digits").items():
    print(f"{name:7} {parameter:6} {[f'{value:g}' for value in by_value]}")
print(paf.fixed("prelu", "alpha", -0.5))
print(paf.fixed("prelu", "alpha", 0.0))

# %% [markdown]
# Where the value makes it an activation without parameters, as α = 0 makes ReLU of PReLU and of ReBLU, that one's run is
# used: the same network stands at several places of the figures. Networks that collapsed and are left out:
# {glue:text}`fallen`.
#
# Attacks and the Lipschitz constant use ε = {glue:text}`eps` = {glue:text}`radius`, a third of the {glue:text}`usual_eps` of
# the digits' adversarial training. For networks that were never attacked have a mean radius below that one, here
# {glue:text}`mean_radii`/255, so that at that ε most of their images fall: {glue:text}`would_fall` %.

# %% mystnb={"image": {"alt": "Four small panels, for alpha of PReLU, beta of PSSiLU, alpha of PSiLU and alpha of ReBLU, with the mean minimum radius against the parameter's value. Each has a line with dots and vertical intervals, and a grey band for ReLU.", "width": "500px"}, "figure": {"caption": "Average minimum ℓ∞ radius against the frozen parameter, networks trained on clean digits, first {glue:text}`measured_n` test images as far as classified right, 95 % bootstrap intervals. Upper bounds.", "name": "fig-paf2-radius"}} tags=["hide-input"]
frozen.against_value(digits, {"mean minimum radius": frozen.measure("radius", 255)}, "radius, /255")

# %% [markdown]
# The bands are wide, since images differ much more from each other than networks do. Both networks saw the same images,
# though, so the table compares image by image: the mean difference of the radii where both are right, a paired t test,
# and Holm's correction for so many comparisons.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(frozen.radius_table(digits))

# %% [markdown]
# *Digits, ℓ∞; radii as k/255. n is the number of images that both are right on; clean accuracy is that of all test
# images. Bold: below 0.05 after Holm's correction. One network a shape.*

# %% tags=["remove-cell"]
pair = [digits["prelu", "alpha"].get(value) for value in (-0.5, -0.25)]
apart = frozen.paired_measure(*pair) if all(pair) else None
luck = "An interval over images does not contain the luck of a single training; what another seed would give, this table cannot say."
if apart:
    at = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(255 * number for number in apart[0])).replace("-", "−")
    luck += f" How large that luck may be: the mean radii of PReLU with α = −0.5 and with α = −0.25, two neighbours, differ by {at} units of 1/255. "
    sizes = [
        found[0].value for row in shapes if row.name != "relu" and (found := frozen.paired_measure(row.record, relu))
    ]
    luck += f"In size that is more than {sum(abs(size) < abs(apart[0].value) for size in sizes)} of the {len(sizes)} differences to ReLU. "
    luck += (
        "Two such neighbours should hardly differ, so take the differences to ReLU with a grain of salt."
        if apart[1] < 0.05
        else "That interval includes 0, so here the neighbours agree."
    )

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(luck)

# %% mystnb={"image": {"alt": "Four small panels with the local Lipschitz constant against the parameter's value, a line with dots and intervals in each, and a grey band for ReLU.", "width": "500px"}, "figure": {"caption": "Empirical local Lipschitz constant, ‖z(x′) − z(x)‖₁ / ‖x′ − x‖∞ at the x′ found by PGD-10 with ε = {glue:text}`eps`, same networks and images.", "name": "fig-paf2-lipschitz"}} tags=["hide-input"]
frozen.against_value(digits, {"local Lipschitz constant": frozen.measure("lipschitz")}, "logits per pixel unit")

# %% tags=["remove-cell"]
n = relu.best.outcomes["square"].n
square, strong = frozen.success("square"), frozen.success("pgd20", n)
read = [frozen.measure("radius"), frozen.measure("lipschitz"), square, strong]
table = np.array([[one(row.records[0]).value for one in read] for row in shapes])
order = stats.spearmanr(table).statistic
note("radius_lipschitz", f"{order[0, 1]:.2f}".replace("-", "−"))
note("radius_pgd", f"{order[0, 3]:.2f}".replace("-", "−"))
note("radius_square", f"{order[0, 2]:.2f}".replace("-", "−"))
note("square_pgd", f"{order[2, 3]:.2f}".replace("-", "−"))
broken = [
    [(r.best.outcomes["clean"].right[:n] & ~r.best.outcomes[a].right[:n]).sum() for a in ("square", "pgd20")]
    for r in (row.records[0] for row in shapes)
]
for name, values in zip(("square", "pgd"), zip(*broken, strict=True), strict=True):
    note(f"{name}_broken", f"{min(values)} to {max(values)}")

# %% [markdown]
# If a small Lipschitz constant were robustness, the two figures would mirror each other, and the rank correlation of
# radius and Lipschitz constant over the {glue:text}`shapes` networks would be −1. It is {glue:text}`radius_lipschitz`.
#
# ## A weak attack on a network that was never attacked
#
# Square needs no gradient, which makes it an honest second opinion. It is also weak: {glue:text}`queries` queries here.
# The authors' script has a default of 1,000 in 2023 and none in 2021 (seen: code). {numref}`fig-paf2-square` sets its
# success beside that of PGD-20, at the same ε, on the same images.

# %% mystnb={"image": {"alt": "Four small panels with two lines each against the parameter's value: the success rate of PGD-20 as a full line, that of Square as a dotted line, mostly below it, with vertical intervals that overlap and grey bands for ReLU.", "width": "500px"}, "figure": {"caption": "Success rates of PGD-20 and of Square ({glue:text}`queries` queries) at ε = {glue:text}`eps`, of the first {glue:text}`square_n` test images those classified right before the attack; 95 % Wilson intervals.", "name": "fig-paf2-square"}} tags=["hide-input"]
frozen.against_value(digits, {"PGD-20": strong, "Square": square}, "success rate", percent=True)

# %% [markdown]
# Over all shapes, Square breaks {glue:text}`square_broken` of some {glue:text}`square_n` images and PGD-20
# {glue:text}`pgd_broken`. The rank correlation of the two over the shapes is {glue:text}`square_pgd`; with the mean
# radius it is {glue:text}`radius_square` for Square and {glue:text}`radius_pgd` for PGD-20. Counts this small order
# networks mostly by chance.
#
# But chance is not the only trouble. A network trained on clean images has adversarial examples close to many images.
# Whether an attack finds them within its budget depends on how smooth the way there is, and the way is what the
# activation's shape changes. So a low success rate has two explanations, that there are fewer adversarial examples or
# that they are harder to find, and a weak attack cannot tell them apart. To see how much the budget decides, four of the
# networks, at an ε near the mean radius:

# %%
threat = Threat("linf", "25.5/255")
budgets = (30, 100, 300)
broken = {}
for label in ("ReLU", "PReLU, α = −0.5", "PReLU, α = 0.5", "ReBLU, α = 1"):
    (record,) = next(row.records for row in shapes if row.label == label)
    network = runs.trained(record.run, paths.data("digits"))
    clean = evaluation.predictions(network, x) == y
    own, labels = x[clean], y[clean]
    withstands = {
        f"Square, {queries} queries": autoattack(network, own, labels, threat, attacks=("square",), queries=queries)[0]
        for queries in budgets
    }
    strongest = evaluation.SUITE["pgd50"](threat)
    withstands["PGD-50, three starts"] = evaluation.under_attack(network, own, labels, threat, strongest)
    for attack, withstood in withstands.items():
        broken.setdefault(attack, {})[label] = evaluation.Outcome.of(~withstood, 0.0)

# %% mystnb={"image": {"alt": "Four panels on top of each other, one an attack from Square with the smallest budget to PGD-50, each with the success rates on the same four networks as dots with intervals. From panel to panel the dots move to the right.", "width": "500px"}, "figure": {"caption": "Success rates of Square with three budgets and of PGD-50 at ε = {glue:text}`threat`, of the first {glue:text}`measured_n` test images those that the network classifies right; 95 % Wilson intervals.", "name": "fig-paf2-budgets"}} tags=["hide-input"]
figure = results.values(
    {
        attack: [(label, *(100 * share for share in (one.accuracy, *one.interval))) for label, one in found.items()]
        for attack, found in broken.items()
    },
    "success rate, %",
)
for axes in figure.axes:
    axes.set_xlim(0, 100)
figure

# %% tags=["remove-cell"]
rates = [[one.accuracy for one in found.values()] for found in broken.values()]
few, many, pgd = (np.array(rates[i]) for i in (0, -2, -1))
left = list(broken["PGD-50, three starts"])
note("threat", threat.eps)
note("few", f"{100 * few.min():.0f} to {100 * few.max():.0f}")
note("many", f"{100 * many.min():.0f} to {100 * many.max():.0f}")
note("by_pgd", f"{100 * pgd.min():.0f} to {100 * pgd.max():.0f}")
crossed = [
    f"{one} and {other}"
    for i, one in enumerate(left)
    for j, other in enumerate(left)
    if i < j and any((weak[i] - weak[j]) * (pgd[i] - pgd[j]) < 0 for weak in rates[:-1])
]
note("crossed", "; ".join(crossed) if crossed else "none of them")

# %% [markdown]
# At ε = {glue:text}`threat`, with the smallest budget Square succeeds on {glue:text}`few` %, with the largest on
# {glue:text}`many` %, PGD-50 on {glue:text}`by_pgd` %. Pairs of these networks that
# PGD-50 and Square with some of these budgets put into opposite orders: {glue:text}`crossed`. With intervals this wide chance can
# do that; but the level of all four is the budget's, so a weak attack measures networks *and* the budget.

# %% tags=["remove-cell"]
ledgers = studies.ledgers(paths.SCALES[1:])
larger = {
    scale: found for scale, ledger in ledgers.items() if (found := frozen.recorded(paf.standard_shapes(scale), ledger))
}
if larger:
    listing = "\n\n".join(
        f"**Scale `{scale}`** ({setting([row.records[0] for row in frozen.rows(sweeps)], ('square',))} for Square). "
        f"{tables.provenance(frozen.every(paf.standard_shapes(scale), ledgers[scale]))}\n\n{frozen.radius_table(sweeps)}"
        for scale, sweeps in larger.items()
    )
else:
    listing = "There are no records of this experiment at a larger scale yet."
last_scale, last = list(larger.items())[-1] if larger else ("none yet", {})
where, n = "", 0
for row in frozen.rows(last):
    where, n = data_title(row.records[0].run), row.records[0].run.suite.measure_n
note("last_scale", f"{last_scale}, trained on clean images of {where}, first {n:,} test images" if last else last_scale)
judged = [one for one in claims.judged(study="paf") if one.claim.id in ("paf-positive-outputs", "paf-high-curvature")]

# %% [markdown]
# ## On larger images
#
# The same experiment at the larger scales, as far as it has been recorded:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(listing)

# %% mystnb={"image": {"alt": "Small panels, one a parameter, with the mean minimum radius against the parameter's value at the largest scale that was recorded, and a grey band for ReLU; or the words that nothing is recorded yet.", "width": "500px"}, "figure": {"caption": "As {numref}`fig-paf2-radius`, but at the largest scale that has records: {glue:text}`last_scale`.", "name": "fig-paf2-larger"}} tags=["hide-input"]
frozen.against_value(last, {"mean minimum radius": frozen.measure("radius", 255)}, "radius, /255")

# %% [markdown]
# ## Verdicts
#
# Both claims are judged by the radius, because it is the one of the three measures that no ε and no scale of the logits
# decides. *Supported* or *contradicted* needs the paired t test over all images below 0.05 and, where independent pairs
# of networks test a claim, an interval over these that excludes 0. The claim on curvature has two halves, SiLU and ReLU,
# and needs both, each with its p times two. What rests on a single training says so: *one seed*. A claim names its shapes beforehand, so its p is not corrected for the other rows of the table above.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(judged))

# %% [markdown]
# On the digits this is a demonstration: the same procedure, but neither the authors' data nor their networks, and one seed.
#
# ## What critics found
#
# - The authors themselves did not keep the first claim. In the version of 2022 only the region near zero and the positive
#   side can beat ReLU, now under adversarial training (seen: abstract).
# - {cite:t}`singla2021` find the opposite of "high curvature helps": low curvature shrinks the robust generalisation gap
#   (seen: abstract). They train adversarially, so the two statements are not about the same networks.
# - {cite:t}`yu2026` offer a way to have both: best is a greatest second derivative between 4 and 10, and both less and
#   more are worse (seen: abstract). That is tested on the next page.
#
# ## Summary
#
# - Radius, success rate and Lipschitz constant are three questions. The last is not invariant to the scale of the logits.
# - A search must be tested where the answer is known. A linear network has an exact radius; any search can be held
#   against it.
# - Halving the attack's step in every round leaves a search that knows only 0.1, 0.05, 0.025, … and is too large by
#   1.6 to 3.2 times for radii up to 0.062. Its averages are no radii.
# - Radii that were searched for are upper bounds, and shape can make searching harder.
# - On networks that were never attacked, a weak attack measures its own budget along with the networks.
#
# ## Questionnaire
#
# 1. Why does multiplying all logits by 2 change the local Lipschitz constant and not the radius?
# 2. In which round does the released search decide what it will return?
# 3. What does it return for a linear network with a true radius of 0.010? Of 0.016? Of 0.3?
# 4. Why does our search scale its step with ε?
# 5. Why is a radius of our search an upper bound, and when is one of the released search none?
# 6. What must be known of a figure of "average radius" before two bars of it may be compared? And before one may be read?
# 7. Which networks stand at two places of {numref}`fig-paf2-radius`?
# 8. Name two reasons for which Square may succeed less often on one shape than on another.
#
# ## Exercises

# %% [markdown]
# ```{exercise} How many steps does a search need? · five minutes
# :label: ex-paf2-steps
#
# Our search uses 20 steps. On the linear network, how do the ratios to the truth change with 1, 5 and 50? For which
# images does it miss the truth, and why?
# ```

# %% [markdown]
# ````{solution-start} ex-paf2-steps
# :label: sol-paf2-steps
# :class: dropdown
# ````

# %% mystnb={"merge_streams": true}
bench_x, bench_y = grey(images.test_images)[right], images.test_labels[right]
with torch.no_grad():
    second = linear(bench_x).scatter(1, bench_y[:, None], -torch.inf).argmax(1)
same = second == nearest
print(f"mean ratio where the second class is the nearest ({int(same.sum())} images), and elsewhere")
for steps in (1, 5, 20, 50):
    radius = minimum_radius(linear, bench_x, bench_y, steps=steps, generator=torch.Generator().manual_seed(0))
    ratio = radius / truth
    print(f"{steps:2} steps: {ratio[same].mean():.3f}, {ratio[~same].mean():.3f}")

# %% [markdown]
# The number of steps hardly matters. The margin's gradient points to the class that is *second* at the moment, and the
# nearest class in the sense of {eq}`eq-paf2-radius` may be another one, with a larger gap in the logits divided by a
# larger pull. Where the two agree on the image itself, the search can still go astray, since it starts at a random point
# of the ball, where a third class may be second. A search that tries every class as a target in turn does not have this
# error, which is why there are targeted attacks.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} A Lipschitz constant to order · five minutes
# :label: ex-paf2-scale
#
# Multiply the logits of the ReLU network by 10. What happens to its local Lipschitz constant, to its radius, and to the
# success of an attack on the cross-entropy? Which of the three would you publish?
# ```

# %% [markdown]
# ````{solution-start} ex-paf2-scale
# :label: sol-paf2-scale
# :class: dropdown
# ````

# %% mystnb={"merge_streams": true}
from robust_activations.sensitivity import local_lipschitz


class Scaled(nn.Module):
    def __init__(self, network, scale):
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x):
        return self.scale * self.network(x)


network = runs.trained(relu.run, paths.data("digits"))
for scale in (1, 10):
    scaled = Scaled(network, scale)
    chance = [torch.Generator().manual_seed(0) for _ in range(2)]
    steep = local_lipschitz(scaled, x, y, relu.run.threat, generator=chance[0]).mean()
    radius = minimum_radius(scaled, x, y, generator=chance[1]).nanmean()
    left = evaluation.under_attack(scaled, x, y, relu.run.threat, evaluation.SUITE["pgd20"](relu.run.threat)).sum()
    print(
        f"logits × {scale:2}: Lipschitz {steep:6.1f}, radius {radius:.4f}, right under PGD-20: {int(left)} of {len(x)}"
    )

# %% [markdown]
# The radius stays, as it is searched for along the margin, whose gradient's sign does not care about the scale. The
# Lipschitz constant grows with the scale, though not in proportion: it is taken where an attack on the cross-entropy
# ends, and that attack goes another way when the softmax is nearly saturated. If the scale grows further it stands still,
# which is the masked gradient of {doc}`/notebooks/primer_03_honest_evaluation`. Publish the radius, and with which search it was found; the
# Lipschitz constant only beside the scale of the logits; and the success of an attack whose loss ignores that scale.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Give Square more queries (`square_queries` in `studies/paf.py`) and watch whether its order moves towards PGD's.
# - Put attacks into the training: {doc}`/notebooks/paf_03_frozen_shapes`.
