# %% [markdown]
# # Smooth approximations of ReLU
#
# ReLU has a corner at zero. *Smooth adversarial training* rounds it off and reports that a network becomes more robust. Here
# we look at what is put in its place: how smooth each candidate really is, how sharp, and what smoothness does to the thing
# that both attacker and learner live on, the gradient.
#
# **At the end you will know**
#
# - why a jump of the slope might hurt twice in adversarial training;
# - what "smooth" means for each candidate: once, twice or always differentiable, and where the difference hides;
# - how one dial leads from a curve to a corner, and why GELU is not quite GELU in the authors' code;
# - how far the gradient of a trained network can be trusted, activation by activation, and whether that makes it robust.
#
# *Reading time: 15 minutes. Run time: several minutes on two cores if the networks of the protocol have to be trained first,
# else under a minute.*

# %%
import torch
import torch.nn.functional as F

from robust_activations import activations, data, models, paths, runs, studies
from robust_activations.figures import catalogue, smoothness, style, tables
from robust_activations.figures.rows import Row
from robust_activations.studies import protocol

frozen = {"smooth_relu": {"learn": ()}}  # the one with a learned parameter; learning does not matter for a curve
start = {name: catalogue.curve(name, **frozen.get(name, {})) for name in smoothness.NAMES}

# %% tags=["remove-cell"]
from IPython.display import Markdown
from scipy import stats as scipy_stats

from robust_activations import stats
from robust_activations.figures.prose import listed, note, table


def signed(value, digits=3):
    return f"{value:+.{digits}f}".replace("-", "−")


# %% [markdown]
# ## What was claimed
#
# {cite:t}`xie2020` say in their abstract (seen) that ReLU weakens adversarial training because it is not smooth, and that
# smooth functions in its place help in two ways: the attack finds harder examples, and the update of the weights gets better
# gradients. Their headline is from 33.0 to 42.3 % robust accuracy for ResNet-50 on ImageNet (seen: abstract), with SiLU
# (seen: figure). The preprint of 2020 calls it Swish, a later version SILU (seen: the same figure with both labels), and for
# a submission to ICLR 2023 the paper got another title, *Revisiting Activation Function Design for Improving Adversarial
# Robustness at Scale*, with the same headline numbers (seen). The functions that they compare are, CELU aside (seen: code;
# seen-2nd for those that the code lacks):
#
# | | $\varphi(z)$ |
# |---|---|
# | Softplus | $\log(1 + e^z)$ |
# | Parametric Softplus | $\log(1 + e^{\alpha z}) / \alpha$ |
# | SmoothReLU | $z - \log(\alpha z + 1) / \alpha$ for $z \ge 0$, 0 below |
# | SiLU | $z\, \sigma(z)$ |
# | GELU | $z\, \Phi(z)$ |
# | ELU | $z$ for $z \ge 0$, $\alpha (e^z - 1)$ below, with α = 1 |
# | CELU | $z$ for $z \ge 0$, $\alpha (e^{z/\alpha} - 1)$ below |
#
# CELU is written here as {cite:t}`barron2017` defines it; the form in the paper was not seen.
#
# ### Two gradients
#
# Adversarial training {cite}`madry2018` solves $\min_\theta \mathbb{E} \max_\delta \ell(\theta, x + \delta, y)$ with the same
# tool inside and outside: it takes a step along a gradient and hopes that the loss goes where the gradient pointed.
#
# $$
# \begin{aligned}
# \delta &\leftarrow \delta + \eta\, \operatorname{sign} \nabla_{\!x}\, \ell(\theta, x + \delta, y), \\
# \theta &\leftarrow \theta - \gamma\, \nabla_{\!\theta}\, \ell(\theta, x + \delta, y).
# \end{aligned}
# $$
#
# Here $\eta$ is the step size of the attack and $\gamma$ the learning rate.
#
# In a network both gradients are sums of products of weights and of slopes $\varphi'(z)$. The *forward* pass sees $\varphi$,
# which for ReLU has no jump. The *backward* passes see $\varphi'$, which jumps from 0 to 1 wherever a unit's input changes
# sign. So a step that turns units on or off ends at a place whose gradient it could not foresee. If many units switch within
# one step, then the attack's direction is stale when it arrives, and so is the learner's. That is the idea. It is about
# $\varphi'$, so on this page we look at $\varphi'$; the curves themselves are in {doc}`/notebooks/paf_01_shapes`.

# %% mystnb={"image": {"alt": "Eight small panels, each with the step of ReLU's slope in grey, a solid line for the slope and a dashed one for the second derivative. ReLU's slope is the step itself. That of SmoothReLU is hardly distinguishable from it. Softplus, SiLU and GELU rise gently, SiLU and GELU with a dip below zero and a hump above one. ELU and CELU rise up to zero and are one after it, with a dashed line that ends abruptly at zero.", "width": "500px"}, "figure": {"caption": "Slopes and second derivatives at the start of training. Where the second derivative leaves the panel, the number says how high it goes.", "name": "fig-sat-slopes"}} tags=["hide-input"]
smoothness.slopes({style.title(name): (name, function) for name, function in start.items()})

# %% [markdown]
# ## How smooth is smooth?
#
# A function is of class $C^k$ if it can be differentiated $k$ times and the last derivative has no jump. ReLU is $C^0$. All
# others in {numref}`fig-sat-slopes` are called smooth, but not all are of the same class. The library differentiates
# automatically; we ask it for value, slope and second derivative a billionth right and left of zero:

# %%
beside = torch.tensor([-1e-9, 1e-9], dtype=torch.float64)
for name in ("relu", "smooth_relu", "elu", "silu"):
    value, slope, second = activations.shape(start[name], beside)
    print(f"{name:12} slope {slope[0]:.3f} | {slope[1]:.3f}   second derivative {second[0]:.3f} | {second[1]:.3f}")

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
doubled = {f"{style.title(name)}, α = 2": catalogue.curve(name, alpha=2.0) for name in ("elu", "celu")}
Markdown(smoothness.class_table({style.title(name): function for name, function in start.items()} | doubled))

# %% tags=["remove-cell"]
orders = {name: smoothness.order(function) for name, function in start.items()}
note("sat_once", listed(style.title(name) for name, order in orders.items() if order == 1))
note("sat_twice", listed(style.title(name) for name, order in orders.items() if order == 2))
note("sat_none", listed(style.title(name) for name, order in orders.items() if order == 0))
classes = ("C⁰", "C¹", "C²")
note("sat_elu_two", classes[smoothness.order(catalogue.curve("elu", alpha=2.0))])
note("sat_celu_two", classes[smoothness.order(catalogue.curve("celu", alpha=2.0))])

# %% [markdown]
# Three remarks.
#
# **ELU is smooth at one value of α only.** Its slope left of zero is $\alpha e^z$, which meets the 1 on the right if α = 1.
# At α = 2 it is no better than ReLU (measured: {glue:text}`sat_elu_two`). CELU {cite}`barron2017` divides by α in the
# exponent, which repairs this for every α (measured at 2: {glue:text}`sat_celu_two`). In the paper, a section on ELU and CELU
# is about this (seen-2nd: its heading in a list of sections); its numbers were not found.
#
# **No jump of the slope is not no jump at all.** {glue:text}`sat_once` have a second derivative that jumps. Only
# {glue:text}`sat_twice` go on.
#
# **A class says nothing about size.** SmoothReLU at its start is $C^1$ with a second derivative of 400. A step of ordinary
# length cannot tell that from a corner. Keep this in mind for the experiment below.
#
# ## GELU, and what the authors' code computes
#
# The authors' code (seen) replaces Φ by a formula with a hyperbolic tangent,
# $\Phi(z) \approx \frac12 \bigl(1 + \tanh\bigl(\sqrt{2/\pi}\, (z + 0.044715\, z^3)\bigr)\bigr)$. We use the exact one. How
# far apart are they?


# %%
def gelu_tanh(z):
    return F.gelu(z, approximate="tanh")


gaps = smoothness.gaps(start["gelu"], gelu_tanh)
for what, (gap, where) in zip(("value", "slope", "second derivative"), gaps, strict=True):
    print(f"{what:18} differs by at most {gap:.1e}, at z = {where:.2f}")
print(f"the spacing of bfloat16 at 1: {torch.finfo(torch.bfloat16).eps:.1e}")

# %% tags=["remove-cell"]
coarse = torch.finfo(torch.bfloat16).eps / 2
note("sat_gelu", f"{gaps[0][0]:.5f}")
note("sat_gelu_small", "less" if gaps[0][0] < coarse else "more")

# %% [markdown]
# The greatest difference of the values is {glue:text}`sat_gelu`. That is {glue:text}`sat_gelu_small` than the rounding of a
# number near 1 in bfloat16, the precision of our larger runs, so we do not tell the two apart.
#
# ## What happens below zero
#
# If a smooth function also does something else than ReLU, then its success may come from that. The paper has an argument for
# this: SmoothReLU is exactly 0 for negative inputs, as ReLU is, and still gains (derived: read off the authors' figure, 40.3
# against 33.0 %). So let us look at who does what on the negative side, inputs from −6 to just under 0.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(smoothness.below_zero_table({style.title(name): function for name, function in start.items()}))

# %% tags=["remove-cell"]
sides = {name: smoothness.below_zero(function) for name, function in start.items()}
note("sat_positive", listed(style.title(name) for name, (_, _, share) in sides.items() if share > 0.5))
note("sat_negative", listed(style.title(name) for name, (low, _, share) in sides.items() if share == 0 and low < 0))
note("sat_zero", listed(style.title(name) for name, (low, high, _) in sides.items() if low == high == 0))

# %% [markdown]
# - Positive outputs for negative inputs: {glue:text}`sat_positive`, and no other. A published summary of the paper says that
#   SiLU, GELU and ELU have them too (seen). They do not.
# - Negative outputs: {glue:text}`sat_negative`.
# - Exactly 0, and a slope of exactly 0: {glue:text}`sat_zero`.
#
# ## The dial
#
# Parametric Softplus and SmoothReLU have a dial: with growing α the slope rises over a width of about 1/α, the greatest
# curvature grows with α (α/4 and α), and the distance from ReLU shrinks. The paper's α of Parametric Softplus was not
# available to us. A re-implementation uses 10 {cite}`singla2021` (seen), and so do we. SmoothReLU's α is learned: it is the
# square of a number that starts at 20, which makes 400 (seen: code). For ELU and CELU α is something else, the depth on the
# left.

# %% tags=["hide-input", "no-figure"]
smoothness.dial("dial-smooth")

# %% [markdown]
# Every position was computed when this page was made, so the dial works without a kernel. Try SmoothReLU from 1 to 400, and
# ELU at any value but 1.
#
# ## How far can a gradient be trusted?
#
# Now to networks. The protocol study ({doc}`/notebooks/protocol_01_ranking`) has trained the same small network with each
# activation on the digits, by the same recipe of PGD adversarial training. We take them as they are and ask what the paper's
# idea needs: if I stand at $x$ and step in the direction that the gradient suggests, how much of what the gradient told me is
# still true where I arrive?

# %%
records = studies.collect("protocol")  # trains what is missing
digits = data.load("digits")
x, y = digits.test_images.float() / 255, digits.test_labels
recipe = protocol.recipe("digits")
eps = recipe("relu").threat.radius
networks = {name: runs.trained(recipe(name), paths.data("digits")) for name in smoothness.NAMES}

# %% tags=["remove-cell"]
note("sat_n", len(x))
note("sat_eps", recipe("relu").threat.eps)
note("sat_eps_pixels", f"{eps:g}")

# %% [markdown]
# First one image, the first of the test set. {numref}`fig-sat-way` goes the way of an FGSM step {cite}`goodfellow2015`, in
# the direction $d = \operatorname{sign} \nabla_{\!x} \ell$ taken at the start, and shows the slope of the loss in that
# direction, $\nabla_{\!x} \ell(x + t d) \cdot d$. A linear loss would have a horizontal line. The general rise is the
# cross-entropy, which steepens as the network gets less sure. The jumps are units that switch.

# %% mystnb={"image": {"alt": "Four panels under each other, each a dotted curve of the loss's slope against the length of the step. For ReLU the curve consists of smooth pieces with visible jumps between them. For SmoothReLU it is continuous, with a few steep places. For Parametric Softplus and SiLU it is one smooth curve.", "width": "460px"}, "figure": {"caption": "Slope of the loss of one test image along an FGSM step, in each network at 400 points. Where the points of ReLU leave a gap, a unit has switched.", "name": "fig-sat-way"}} tags=["hide-input"]
shown = ("relu", "smooth_relu", "parametric_softplus", "silu")
smoothness.ways({name: smoothness.along(networks[name], x[:1], y[:1], eps) for name in shown}, eps)

# %% [markdown]
# Now all {glue:text}`sat_n` test images, and two numbers for each step:
#
# agreement
# : the cosine of the angle between $\nabla_{\!x} \ell(x)$ and $\nabla_{\!x} \ell(x + \delta)$. 1 if the gradient still points
#   the same way.
#
# missed rise
# : for the margin $m$, the logit of the class that is the strongest rival at $x$, and stays the rival along the step, minus the right
#   one, the gradient promises a rise of
#   $\nabla m(x) \cdot \delta$. What is missed is $\lvert m(x + \delta) - m(x) - \nabla m(x) \cdot \delta \rvert$, as a share
#   of what was promised, 0 if the margin is linear. The margin and not the cross-entropy, because the latter bends by itself,
#   whatever the network does.
#
# The step is that of FGSM, cut to [0, 1]. The cosine is a mean over the images, the missed rise a ratio of two means, and the
# intervals come from drawing the images anew.

# %%
lengths = (0.125, 0.25, 0.5, 1.0)  # in ε; PGD in training takes steps of 0.25
probes = {
    name: {share * eps: smoothness.probe(network, x, y, share * eps) for share in lengths}
    for name, network in networks.items()
}

# %% mystnb={"image": {"alt": "One curve for each activation, falling from a cosine of one at length zero. The curve of Softplus is the highest, those of ReLU and SmoothReLU are the lowest and lie on each other.", "width": "460px"}, "figure": {"caption": "Mean cosine between the gradients at the two ends of an FGSM step, against its length. Digits, first seed, best epoch, n = 497; ε = 38.25/255. ELU and CELU are the same function at α = 1.", "name": "fig-sat-agreement"}} tags=["hide-input"]
smoothness.agreement(probes, eps)

# %% tags=["remove-cell"]
whole = {name: by_radius[eps] for name, by_radius in probes.items()}
step = {name: by_radius[0.25 * eps] for name, by_radius in probes.items()}


def sorted_out(probes):
    """Names above, below, and not told apart from ReLU."""
    gaps = smoothness.against_relu(probes)
    return (
        listed(style.title(name) for name, gap in gaps.items() if gap.low > 0),
        listed(style.title(name) for name, gap in gaps.items() if gap.high < 0),
        listed(style.title(name) for name, gap in gaps.items() if gap.low <= 0 <= gap.high),
    )


cosines = {name: one.cosine.mean() for name, one in whole.items()}
curvatures = {name: catalogue.measure(start[name]).curvature for name in whole if name != "relu"}
distinct = [name for name in curvatures if name != "celu"]  # the same function as ELU
rank = scipy_stats.spearmanr([curvatures[name] for name in distinct], [cosines[name] for name in distinct]).statistic
by_curvature = sorted(distinct, key=curvatures.get)
by_cosine = sorted(distinct, key=lambda name: -cosines[name])
note("sat_rank", f"{rank:.2f}".replace("-", "−"))
note("sat_flat", listed(style.title(name) for name in by_curvature))
note("sat_trusted", listed(style.title(name) for name in by_cosine))
note("sat_distinct", len(distinct))
hair = smoothness.against_relu(step)["smooth_relu"]
note("sat_hair", f"{signed(hair.value)} [{signed(hair.low)}, {signed(hair.high)}]")
gentle = smoothness.against_relu(step)["silu"]
note("sat_gentle", f"{signed(gentle.value)} [{signed(gentle.low)}, {signed(gentle.high)}]")
learned = [float(module.sharpness.detach()) ** 2 for _, module in activations.modules(networks["smooth_relu"])]
note("sat_alpha", " to ".join(dict.fromkeys(f"{alpha:.0f}" for alpha in (min(learned), max(learned)))))
if rank < -0.7 and hair.value < gentle.value / 2:
    lesson = "Agreement goes with **curvature, not with class**: a function that is $C^1$ on paper and so sharp turns the gradient nearly like a corner does."
else:
    lesson = "Here neither curvature nor class settles the order."

# %% [markdown]
# Against ReLU, image by image, with intervals that hold together for all seven comparisons:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
parts = zip(("agree more", "agree less", "cannot be told apart"), sorted_out(step), sorted_out(whole), strict=True)
Markdown(table(["than ReLU's", "A step of training, ε/4", "The whole ε"], list(parts)))

# %% [markdown]
# How much? At ε/4 SiLU's mean cosine minus ReLU's is {glue:text}`sat_gentle`, that of SmoothReLU {glue:text}`sat_hair`. From
# flat to sharp the smooth ones are {glue:text}`sat_flat`; from the most to the least agreement {glue:text}`sat_trusted` (rank
# correlation of curvature and cosine: {glue:text}`sat_rank`, of {glue:text}`sat_distinct` activations). SmoothReLU learns its
# α, which ended at {glue:text}`sat_alpha` in the layers of this network.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(lesson)

# %% mystnb={"image": {"alt": "Two dot plots with one row an activation, sorted by the first. Left, the mean cosine with short intervals and a grey band for ReLU; ReLU and SmoothReLU are at the bottom. Right, the missed share of the rise, in which the order is another one.", "width": "460px"}, "figure": {"caption": "After an FGSM step of the whole ε: agreement of the gradients (left, right is better) and missed rise of the margin (right, left is better), with 95 % bootstrap intervals over the images; ReLU's are shaded. Digits, first seed, best epoch, n = 497; ε = 38.25/255.", "name": "fig-sat-trust"}} tags=["hide-input"]
smoothness.trust(whole)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(smoothness.trust_table({name: {0.25 * eps: step[name], eps: whole[name]} for name in probes}, eps))

# %% tags=["remove-cell"]
misses = {name: smoothness.missed(one) for name, one in whole.items()}
more = [style.title(name) for name, one in misses.items() if one.low > misses["relu"].high]
less = [style.title(name) for name, one in misses.items() if one.high < misses["relu"].low]
signs = {name: smoothness.bootstrap(one.came - one.promised, one.promised) for name, one in whole.items()}
text = "**The second number tells another story.** " if more else ""
text += (
    f"Over the whole ε the margins of {listed(more)} are further from linear than ReLU's, beyond both intervals, and those of {listed(less)} closer. "
    f"Keep the signs of what was missed, and ReLU's mean is {signed(signs['relu'].value)}, SiLU's {signed(signs['silu'].value)} of the promised rise. "
)
if abs(signs["relu"].value) < misses["relu"].value / 4 and abs(signs["silu"].value) > misses["silu"].value / 2:
    text += (
        "So ReLU's misses have both signs and cancel, while SiLU's are nearly all of one sign: its curve bends to one side, and that adds up. "
        "A gradient can keep its direction and still promise too little."
    )

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(text)

# %% [markdown]
# *In brackets: 95 % bootstrap intervals over {glue:text}`sat_n` images. Digits, ℓ∞ with ε = {glue:text}`sat_eps`, first seed,
# best epoch.*
#
# ### The same weights, another corner
#
# Each of these networks was trained with its own activation, and training may have changed more than the corner. So take the
# network that was trained with ReLU, leave its weights alone, and replace every ReLU by Parametric Softplus with the dial at
# α:

# %%
import copy

from robust_activations.activations.reference import ReLU
from robust_activations.evaluation import predictions


def softened(alpha):
    return models.replace(copy.deepcopy(networks["relu"]), ReLU, "parametric_softplus", alpha=alpha)


before = predictions(networks["relu"], x)
turned = {}
for alpha in (5.0, 10.0, 20.0, 50.0, 100.0, 400.0):
    network = softened(alpha)
    turned[alpha] = smoothness.probe(network, x, y, 0.25 * eps)
    alike = int((predictions(network, x) == before).sum())
    print(f"α = {alpha:3.0f}: sees the same class in {alike} of {len(x)} images")

# %% mystnb={"image": {"alt": "Mean cosine over a logarithmic axis of alpha: dots with intervals that fall with growing alpha onto the line and grey band of ReLU itself.", "width": "460px"}, "figure": {"caption": "The network trained with ReLU, its corners rounded off afterwards: mean cosine after an FGSM step of ε/4 with 95 % bootstrap intervals; grey: ReLU itself. Digits, first seed, best epoch, n = 497; ε = 38.25/255.", "name": "fig-sat-dialled"}} tags=["hide-input"]
smoothness.dialled(turned, step["relu"])

# %% tags=["remove-cell"]
soft, hard = smoothness.bootstrap(turned[10.0].cosine), smoothness.bootstrap(turned[400.0].cosine)
itself = smoothness.bootstrap(step["relu"].cosine)
note("sat_soft", smoothness.words(soft))
note("sat_hard", smoothness.words(hard))
note("sat_itself", smoothness.words(itself))
means = [one.cosine.mean() for one in turned.values()]
note("sat_falls", "falls" if means == sorted(means, reverse=True) else "does not always fall")

# %% [markdown]
# The mean cosine {glue:text}`sat_falls` from each α to the next. At 10 it is {glue:text}`sat_soft`, at 400
# {glue:text}`sat_hard`, and ReLU itself has {glue:text}`sat_itself`. Nothing was trained for this, and the network hardly
# decides otherwise: whatever difference there is comes from the corner and not from what training made of it.
#
# ## Does it make a network robust?
#
# A trustworthy gradient is the *means* in the paper's argument. The end is robustness, and the two can be compared: these are
# the accuracies of the very same networks.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
found = {name: records.of([recipe(name)])[0] for name in smoothness.NAMES}
ordered = sorted(found, key=lambda name: -cosines[name])
Markdown(tables.accuracy_table([Row(style.title(name), found[name]) for name in ordered], ("clean", "fgsm", "pgd50")))

# %% tags=["remove-cell"]
robust = {name: found[name].best.outcomes["pgd50"] for name in found}
top = ordered[0]
place = sorted(robust, key=lambda name: -robust[name].accuracy).index(top) + 1
order_rank = scipy_stats.spearmanr(
    [cosines[name] for name in ("relu", *distinct)], [robust[name].accuracy for name in ("relu", *distinct)]
).statistic
note("sat_top", style.title(top))
note("sat_top_accuracy", robust[top])
note("sat_place", place)
note("sat_all", len(robust))
note("sat_relu_accuracy", robust["relu"])
note("sat_order_rank", f"{order_rank:.2f}".replace("-", "−"))
note("sat_eight", len(distinct) + 1)
if order_rank > 0.7:
    meaning = "On these digits the two orders largely agree, which is no proof that one makes the other."
elif order_rank < 0:
    meaning = (
        "On these digits more agreement went with *less* robustness, if with anything. One reason might be "
        "that the flatter its activation, the closer a network is to a linear one, whose gradient is always right and which can do little. That is not tested here."
    )
else:
    meaning = "On these digits agreement is no guide to robustness."
seeds = protocol.SEEDS
by_seed = []
for seed in seeds:
    pair = [runs.trained(recipe(name, seed=seed), paths.data("digits")) for name in ("silu", "relu")]
    silu_cos, relu_cos = (smoothness.probe(network, x, y, 0.25 * eps).cosine.mean() for network in pair)
    by_seed.append(float(silu_cos - relu_cos))
mean, low, high = stats.over_seeds(by_seed)
note("sat_seed_gaps", ", ".join(signed(value) for value in by_seed))
note("sat_seed_mean", f"{signed(mean)} [{signed(low)}, {signed(high)}]")
note("sat_seed_count", len(seeds))
note("sat_seed_verdict", "does not include 0" if low > 0 or high < 0 else "includes 0")

# %% [markdown]
# *From the most to the least agreement. Accuracies in percent with 95 % Wilson intervals; digits, ℓ∞ with ε =
# {glue:text}`sat_eps`, first seed, best epoch.*
#
# The network whose gradients agree most, {glue:text}`sat_top`, has {glue:text}`sat_top_accuracy` under PGD-50 and is number
# {glue:text}`sat_place` of {glue:text}`sat_all`; ReLU has {glue:text}`sat_relu_accuracy`. The rank correlation of cosine and
# PGD-50 accuracy is {glue:text}`sat_order_rank` over {glue:text}`sat_eight` networks.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(meaning)

# %% [markdown]
# **Is it the activation or the seed?** The intervals above take one trained network as given. SiLU and ReLU were trained from
# {glue:text}`sat_seed_count` seeds; the differences of their mean cosines at ε/4 are {glue:text}`sat_seed_gaps`, the mean
# with its t interval {glue:text}`sat_seed_mean`, which {glue:text}`sat_seed_verdict`. The other activations have one seed at
# this scale.
#
# ## Verdict, and what others found
#
# - *Smooth activations make gradients agree over a step.* The comparison above says for which of them this holds here, and by
#   how much. The one to look at is SmoothReLU, which is smooth by definition and sharp by its start.
# - *Therefore the network is more robust.* This page cannot say so. It has eight small networks on images of 64 pixels.
#
# {cite:t}`singla2021` explain the gain by low *curvature* and not by smoothness: even leaky ReLU, which has a corner, has in
# some sense less curvature than ReLU, and overfits less in their adversarial training (seen: abstract). {cite:t}`yu2026` find
# the most robust networks where the greatest second derivative lies between 4 and 10 (seen: abstract), so flatter is not
# better without end. {cite:t}`huang2023` tune the weight decay of each activation and then find that under a baseline recipe
# smooth activations mostly do not beat ReLU (seen: full text). The numbers of the paper's own sanity checks, and of its
# comparison with longer training, were not found.
#
# Larger scales have no part in this page: their records keep accuracies and not networks, which a gradient needs.
#
# ## Summary
#
# - The forward pass sees $\varphi$, the backward passes of attacker and learner see $\varphi'$. ReLU is continuous in the one
#   and jumps in the other.
# - $C^0$: {glue:text}`sat_none`, and ELU at any α but 1. $C^1$ only: {glue:text}`sat_once`. Smoother: {glue:text}`sat_twice`.
# - Below zero only {glue:text}`sat_positive` are positive.
# - A class is not a size: SmoothReLU at α = 400 is $C^1$, with a greatest second derivative of 400; that of Softplus is 1/4.
# - Agreement of gradients, linearity of the margin and robustness are three things, and they need not come together.
#
# ## Questionnaire
#
# 1. Which of $\varphi$, $\varphi'$ does the attack's step depend on? Which the learner's?
# 2. Why is ELU $C^1$ at α = 1 and not at α = 2, and CELU at both?
# 3. SmoothReLU has no corner. Why should one not expect much of it at α = 400?
# 4. Which of the candidates is positive for negative inputs?
# 5. What does the comparison with SmoothReLU rule out, and what not?
# 6. Why do we measure the linearity of the margin and not of the cross-entropy?
# 7. How could a network's gradients agree more, and its linear prediction be worse?
#
# ## Exercises

# %% [markdown]
# ```{exercise} How much of the turning is the loss's? · half an hour
# :label: ex-smooth-linear
#
# Train nothing: build a *linear* classifier of the digits with ten classes and random weights, and measure the cosine and the
# missed
# rise after an FGSM step of ε. A linear network has no activations at all. Which of the two numbers is exact, and why not the other?
# ```

# %% [markdown]
# ````{solution-start} ex-smooth-linear
# :label: sol-smooth-linear
# :class: dropdown
# ````

# %%
torch.manual_seed(0)
linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
exact = smoothness.probe(linear, x, y, eps)
print(f"mean cosine {exact.cosine.mean():.4f}, missed rise {smoothness.missed(exact).value:.1e}")

# %% [markdown]
# The margin is a difference of two logits and therefore linear: nothing is missed. (With the rival chosen anew at $x + \delta$ it
# would be the largest of several linear functions, and bend.) The gradient of the cross-entropy is
# $\sum_k (p_k - y_k)\, w_k$, and the probabilities $p$ change on the way, so it turns a little even here. With two classes it
# could not: then it is a multiple of $w_1 - w_2$ everywhere.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} A dial for SiLU · pencil
# :label: ex-smooth-psilu
#
# PSiLU, $z\, \sigma(\alpha z)$, is SiLU with a dial. For which α does it have the greatest second derivative of GELU, and for
# which the
# one of Parametric Softplus at α = 10?
# ```

# %% [markdown]
# ````{solution-start} ex-smooth-psilu
# :label: sol-smooth-psilu
# :class: dropdown
# ````
#
# Its greatest second derivative is α/2, at 0. GELU has $\sqrt{2/\pi}$ and Parametric Softplus α/4.

# %%
for name, alpha in (("gelu", 2 * (2 / torch.pi) ** 0.5), ("parametric_softplus", 2 * 10 / 4)):
    like = catalogue.measure(catalogue.curve("psilu", learn=(), alpha=alpha))
    print(f"{name:20} {curvatures[name]:.4f}   PSiLU with α = {alpha:.3f}: {like.curvature:.4f}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Read on: {doc}`/notebooks/sat_02_gradient_quality` keeps ReLU in the forward pass and smooths the gradient alone, of the
#   attack, the update or both; {doc}`/notebooks/sat_03_smooth_activations` compares the activations by what counts in the
#   end.
# - Measure other directions: replace the FGSM step in `smoothness.probe` by noise of the same length. Do gradients agree
#   more?
# - Probe untrained networks. What of the order is there before training?
# - Let SmoothReLU start flatter: `activations.create("smooth_relu", sharpness=2.0)` starts at α = 4.
