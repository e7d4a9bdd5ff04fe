# %% [markdown]
# # Shapes of all activations
#
# An activation is a curve. Everything that the four papers claim is a claim about that curve: how it bends around zero,
# what it does to negative inputs, how steep it gets. So before any network is trained, we look at the curves themselves.
#
# **At the end you will know**
#
# - what an attack sees of an activation: its slope, and how fast the slope changes;
# - every activation of this book, with its first and second derivative, and what each learned parameter moves;
# - where the sharpest bend is, and that three papers disagree on whether sharp is good;
# - how an activation can have a parameter that never learns, and how a correct formula can still give NaN.
#
# *Reading time: 19 minutes. Run time: under half a minute. Nothing is trained on this page.*

# %%
import torch

from robust_activations import activations, data
from robust_activations.attacks import attacking
from robust_activations.figures import catalogue, interactive, shapes

# %% [markdown]
# ## How to read a shape
#
# An attack follows the gradient of the loss with respect to the pixels. By the chain rule this gradient is a sum of
# products of weights and of slopes $\varphi'(z)$, one slope for every unit that the signal passes through. An attack never
# sees $\varphi$ as such. It sees $\varphi'$ where it stands, and it relies on $\varphi'$ not changing much before the next
# step. The second derivative $\varphi''$ says how much it does change.
#
# Four words will come back all the time:
#
# slope
# : $\varphi'(z)$. Where it is 0, the signal stops: neither the attack nor the training gets through this unit.
#
# kink
# : a point where the slope jumps, like 0 for ReLU. The second derivative does not exist there.
#
# curvature
# : $\max_z \lvert\varphi''(z)\rvert$, and ∞ where the slope jumps: how sharp the sharpest bend is.
#
# Lipschitz constant
# : $\max_z \lvert\varphi'(z)\rvert$: how much the activation can stretch a small change of its input.
#
# The library computes all three curves by automatic differentiation, for any activation:

# %%
z = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], dtype=torch.float64)
silu = activations.create("silu")
value, slope, second = activations.shape(silu, z)
for row in zip(z, value, slope, second, strict=True):
    print("z = {:4.0f}   value {:6.3f}   slope {:6.3f}   second derivative {:6.3f}".format(*row))

# %% tags=["remove-cell"]
from IPython.display import Markdown
from myst_nb import glue

fine = catalogue.grid()
value, slope, _ = activations.shape(silu, fine)
glue("silu_lowest", f"{value.min():.3f}".replace("-", "−"), display=False)
glue("silu_where", f"{fine[value.argmin()]:.2f}".replace("-", "−"), display=False)
glue("silu_slope", f"{slope.max():.2f}", display=False)
selu = catalogue.measure(catalogue.curve("selu"))
glue("selu_jump", f"{selu.jump:.2f}".replace("-", "−"), display=False)

# %% [markdown]
# ## The ones that never change
#
# {numref}`fig-shapes-fixed` shows the activations without parameters. Read each panel from left to right, in three regions.
#
# **Negative side.** ReLU is exactly 0, and so is its slope: what enters here is lost. Leaky ReLU {cite}`maas2013` lets a
# little through. ELU {cite}`clevert2016` and CELU {cite}`barron2017` (the same curve while α = 1) level off at −1. SiLU
# {cite}`elfwing2018`, GELU {cite}`hendrycks2016` and Mish {cite}`misra2020` dip below zero and come back: SiLU goes down to
# {glue:text}`silu_lowest` at $z$ = {glue:text}`silu_where`. Of those that grow like ReLU, only softplus {cite}`dugas2000`
# is positive everywhere.
#
# **Around zero.** ReLU and leaky ReLU have a kink. So has SELU {cite}`klambauer2017`, which is often taken for smooth: its
# slope jumps by {glue:text}`selu_jump` there. All the others bend.
#
# **Positive side.** Nearly all approach slope 1, so that signal and gradient pass unchanged; SiLU overshoots to
# {glue:text}`silu_slope` on the way. Only tanh and the sigmoid saturate, on both sides. A saturated unit has almost no
# slope, and a network of saturated units can look robust because attacks get no gradient, not because it is robust. The
# chapter on honest evaluation builds such a network on purpose.

# %% mystnb={"image": {"alt": "Eleven small panels, one an activation, from input -4 to 4, each with three curves. ReLU and leaky ReLU have an upward arrow at 0 for their kink, SELU a downward one. ELU, CELU, softplus, SiLU, GELU and Mish bend smoothly; tanh and sigmoid level off on both sides.", "width": "500px"}, "figure": {"caption": "Value, slope and second derivative of the activations without parameters. Where the slope jumps, the second derivative is drawn as an arrow as high as the jump.", "name": "fig-shapes-fixed"}} tags=["hide-input"]
shapes.fixed(
    ["relu", "leaky_relu", "elu", "celu", "selu", "softplus", "silu", "gelu", "mish", "tanh", "sigmoid"],
)

# %% [markdown]
# ## A family with parameters
#
# {cite:t}`dai2021` give such curves one or two parameters, shared by the whole network, and let training decide on the
# shape. The formulas and initial values are those of the authors' code.
#
# :::{admonition} Two papers under one title
# :class: important
#
# There are two versions of this paper, and they do not claim the same.
#
# | | Preprint, 2021 {cite}`dai2021` | Workshop paper, 2022 {cite}`dai2022` |
# |---|---|---|
# | Networks in the experiment on shape | trained on **clean** images, parameter held fixed (seen: abstract, code) | **adversarially** trained, parameter held fixed (seen: abstract) |
# | Negative side | positive outputs for negative inputs help (seen: abstract) | every region matters, but only the region near zero and the positive side can beat ReLU (seen: abstract) |
# | Curvature | high, finite curvature helps (seen: abstract) | the smooth ones are those that clearly beat ReLU (seen: abstract) |
# | PSSiLU | proposed, with the headline result (seen: abstract) | not mentioned in the abstract (seen) |
# | Which values of the parameter were tried | not found | not found |
#
# Where this book says *the 2021 paper* or *the 2022 paper*, it means one of these columns.
# :::
#
# ### Which region does a parameter move?
#
# The 2022 paper chose its activations so that some control negative inputs, some inputs near zero, and some positive inputs.
# Instead of sorting them by name we can ask the formula: how much does the output move when the parameter does? That is
# $\partial\varphi / \partial\alpha$, in {numref}`fig-shapes-influence`.

# %% mystnb={"image": {"alt": "Nine small panels in three rows. First row, negative side: for PReLU and PELU and for beta of PSSiLU the shaded area lies left of zero. Second row, positive side: for PReLU+, PELU+ and ReBLU it lies right of zero. Third row, around zero: for alpha of PSiLU, PSoftplus and PSSiLU it lies on both sides of zero and shrinks far away.", "width": "500px"}, "figure": {"caption": "How the output at each input changes with the parameter, at the value at which training starts. Yellow: inputs between −1 and 1. The rows differ in scale.", "name": "fig-shapes-influence"}} tags=["hide-input"]
shapes.influence(
    {
        "negative side": [("prelu", "alpha"), ("pelu", "alpha"), ("pssilu", "beta")],
        "positive side": [("prelu_plus", "alpha"), ("pelu_plus", "alpha"), ("reblu", "alpha")],
        "around zero": [("psilu", "alpha"), ("psoftplus", "alpha"), ("pssilu", "alpha")],
    }
)

# %% [markdown]
# The rows are clean cuts with one remark. "Around zero" is a matter of scale: at α = 1 the parameter of PSiLU acts most at
# $\lvert z\rvert \approx 2.4$, and not at all at 0, where PSiLU is 0 for every α. It acts on a *neighbourhood* of zero, whose width
# shrinks as $1/\alpha$.
#
# ### Five with a seam at zero
#
# {numref}`fig-shapes-seam` shows those that glue two pieces together at 0. Two things to see:
#
# - PReLU with α below 0 (so does PELU) gives **positive outputs for negative inputs**. This is the shape that the 2021 paper
#   speaks for.
# - PReLU+ is ReLU times a number. In a network without shortcuts the layer behind it can undo that number, and normalisation
#   between the two removes it altogether. With shortcuts it sets the balance of blocks, {ref}`as we shall see <sec-paf3-batchnorm>`.

# %% mystnb={"image": {"alt": "Five rows, for PReLU, PReLU+, PELU, PELU+ and ReBLU, each with value, slope and second derivative for four or five values of alpha. PReLU and PELU fan out on the left of zero, the other three on the right. Arrows at zero mark the kinks.", "width": "500px"}, "figure": {"caption": "Parametric activations made of two pieces. The thick line is the start of training; arrows are kinks. PELU and PELU+ have none at their start, and PReLU has none at α = 1, where it is the identity.", "name": "fig-shapes-seam"}} tags=["hide-input"]
shapes.parametric(
    [
        ("prelu", "alpha", (-0.5, 0, 0.25, 0.5, 1), {}),
        ("prelu_plus", "alpha", (0.5, 1, 1.5, 2), {}),
        ("pelu", "alpha", (-0.5, 0, 0.5, 1, 1.5), {}),
        ("pelu_plus", "alpha", (0.5, 1, 1.5, 2), {}),
        ("reblu", "alpha", (-0.5, 0, 0.5, 1), {}),
    ]
)

# %% [markdown]
# ### Three that are smooth
#
# {numref}`fig-shapes-smooth` shows PSiLU, PSoftplus and PSSiLU. With growing α all of them come closer to a curve with a kink:
# PSiLU and PSoftplus to ReLU, PSSiLU to ReLU with a negative slope $-\beta/(1-\beta)$ on the left. α is a knob between "nearly
# straight" and "nearly a kink", and it never quite reaches either end.

# %% mystnb={"image": {"alt": "Four rows with value, slope and second derivative. For PSiLU, PSoftplus and PSSiLU with alpha from 0.5 to 10 the second derivative grows into a high narrow peak at zero. For PSSiLU with beta from 0 to 0.5 the left branch turns upwards.", "width": "500px"}, "figure": {"caption": "Smooth parametric activations. The thick line is the start of training. Mind the scales of the second derivatives.", "name": "fig-shapes-smooth"}} tags=["hide-input"]
sharper = (0.5, 1, 2, 4, 10)
shapes.parametric(
    [
        ("psilu", "alpha", sharper, {}),
        ("psoftplus", "alpha", sharper, {}),
        ("pssilu", "alpha", sharper, {"beta": 0.3}),
        ("pssilu", "beta", (0, 0.1, 0.3, 0.5), {"alpha": 1}),
    ],
    tops=(5.6, 2.8, 7.8, 1.3),
)

# %% tags=["remove-cell"]
pssilu = catalogue.curve("pssilu", learn=(), alpha=1.0, beta=0.3)
shape = catalogue.measure(pssilu)
glue("pssilu_sign", f"{catalogue.sign_change(1.0, 0.3):.2f}".replace("-", "−"), display=False)
glue("pssilu_far", f"{float(pssilu(torch.tensor(-6.0))):.2f}", display=False)
glue("pssilu_lowest", f"{shape.lowest:.3f}".replace("-", "−"), display=False)

# %% [markdown]
# **Where does PSSiLU turn positive?** Left of 0 the output is positive where $\sigma(\alpha z) < \beta$, that is left of
#
# $$
# z^\star = \frac{1}{\alpha} \log\frac{\beta}{1 - \beta} .
# $$
#
# For α = 1 and β = 0.3 the sign changes at {glue:text}`pssilu_sign`; between there and 0 the output dips to
# {glue:text}`pssilu_lowest`, and at −6 it has climbed to {glue:text}`pssilu_far`. At β = 1/2 the point reaches 0 and the curve is
# symmetric ({numref}`fig-shapes-positive`). Beyond 1/2 the left branch is steeper than the right one.

# %% mystnb={"image": {"alt": "PSSiLU for beta 0, 0.1, 0.3 and 0.5 from input -6 to 1.5. With beta above 0 the curve crosses zero left of the origin, at a ringed point, and rises to the left; the area of positive output is shaded.", "width": "500px"}, "figure": {"caption": "PSSiLU with α = 1. Shaded: positive outputs for negative inputs. The dots are the computed points of the sign change.", "name": "fig-shapes-positive"}} tags=["hide-input"]
shapes.positive_outputs((0, 0.1, 0.3, 0.5))

# %% [markdown]
# ### A parameter that never learns
#
# The formula of PSSiLU uses $\lvert\beta\rvert$. That is harmless, except at one point: PyTorch gives $\lvert\beta\rvert$ the
# slope 0 at β = 0. Multiply by it, and the gradient is zero whatever the data say.

# %%
z = torch.linspace(-3, 3, 100)
for beta in (0.0, 1e-8):
    activation = activations.create("pssilu", beta=beta)
    activation(z).sum().backward()
    print(f"β starts at {beta:g}: its gradient is {activation.beta.grad.item():.4f}")

# %% [markdown]
# This is no thought experiment. The authors' code of 2021 starts β at $10^{-8}$, and so do we. Their code of 2023 starts it at
# 0 (seen: both repositories): there PSSiLU stays PSiLU for ever (derived: by the computation above), and nothing warns.
#
# ### Measured against mathematics
#
# The smooth ones bend most at $z = 0$, and their curvature has a closed form. The table measures it on a fine grid, by automatic
# differentiation, and compares.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
cases = [
    *(("psilu", {"alpha": alpha}) for alpha in (0.5, 1.0, 4.0, 10.0)),
    *(("psoftplus", {"alpha": alpha}) for alpha in (1.0, 10.0)),
    *(("pssilu", {"alpha": alpha, "beta": beta}) for alpha in (1.0, 4.0) for beta in (0.1, 0.3, 0.5)),
]
Markdown(catalogue.curvatures(cases))

# %% tags=["remove-cell"]
measured = [catalogue.measure(catalogue.curve(name)) for name in activations.names() if name != "relu_smooth_gradient"]
bends = [shape.curvature for shape in measured if abs(shape.jump) < 1e-3]
glue("smooth_number", str(len(bends)), display=False)
glue("smooth_inside", str(sum(4 <= bend <= 10 for bend in bends) or "none"), display=False)

# %% [markdown]
# Up to β = 1/2, where the curve is symmetric, β at most doubles the curvature of PSSiLU; α raises it without limit. Note also what weight decay does, which in the authors' code acts on α like on any weight (seen):
# it pulls α towards 0 and the curve towards a straight line.
#
# ## How sharp should it be?
#
# Here three papers disagree, each from its abstract (seen):
#
# - {cite:t}`dai2021`: high, finite curvature helps;
# - {cite:t}`singla2021`: low curvature reduces overfitting in adversarial training;
# - {cite:t}`yu2026`: neither; robustness peaks where the greatest second derivative is between 4 and 10.
#
# {numref}`fig-shapes-ladder` shows where the candidates stand. Of the {glue:text}`smooth_number` without a kink,
# {glue:text}`smooth_inside` start between 4 and 10. PSiLU would have to learn an α between 8 and 20 (derived: curvature α/2).

# %% mystnb={"image": {"alt": "A dot plot on a logarithmic axis with one row an activation. The smooth ones lie between about 0.1 and 2.5, PSiLU with alpha 10 and 20 in or at the end of a yellow band from 4 to 10, SmoothReLU at 400, and those with a kink at the right end.", "width": "500px"}, "figure": {"caption": "Greatest second derivative of the activations at their start, and of PSiLU with three larger α. Not shown: APL, which starts at random, and ReLU with a smooth gradient, whose values are those of ReLU. Triangles: activations with a kink at 0. Yellow: the range from 4 to 10 that the 2026 study names.", "name": "fig-shapes-ladder"}} tags=["hide-input"]
shapes.ladder(
    [name for name in activations.names() if name not in ("apl", "relu_smooth_gradient")],
    {f"PSiLU, α = {alpha:g}": catalogue.curve("psilu", learn=(), alpha=alpha) for alpha in (4.0, 10.0, 20.0)},
)

# %% tags=["remove-cell"]
smooth, relu = catalogue.curve("smooth_relu", learn=()), catalogue.curve("relu")
at = catalogue.grid(6.0)
glue("smooth_gap", f"{float((smooth(at) - relu(at)).abs().max()):.3f}", display=False)
glue("smooth_half", f"{1 / smooth.sharpness**2:.4f}", display=False)
glue("softplus_zero", f"{float(catalogue.curve('parametric_softplus')(torch.zeros(1).double())):.3f}", display=False)

# %% [markdown]
# ## Smooth adversarial training
#
# {cite:t}`xie2020` put smooth functions in place of ReLU and add two of their own. Parametric Softplus,
# $\log(1 + e^{\alpha z})/\alpha$, has the slope $\sigma(\alpha z)$. Its α in the paper was not available to us; a re-implementation by
# {cite:t}`singla2021` uses 10 (seen), and so do we. SmoothReLU is 0 for negative inputs, exactly like ReLU, so that a gain
# cannot come from there. Its sharpness α is the square of a learned number s that starts at 20 (seen: the authors'
# code): α = 400 at the start.
#
# How smooth is α = 400? {numref}`fig-shapes-near` looks closely. SmoothReLU differs from ReLU by at most
# {glue:text}`smooth_gap` between −6 and 6, and its slope, $\alpha z / (\alpha z + 1)$, passes one half already at $z = 1/\alpha =$
# {glue:text}`smooth_half`. It is smooth on
# paper (the slope does not jump), and yet its curvature is far beyond that of any other. Parametric Softplus pays for its gentle
# slope with {glue:text}`softplus_zero` at 0.

# %% mystnb={"image": {"alt": "Two panels close to zero, from -0.3 to 0.3. Above, values: SmoothReLU lies just below ReLU, Parametric Softplus above it, SiLU well below on the right. Below, slopes: ReLU jumps from 0 to 1, SmoothReLU rises almost as steeply, Parametric Softplus gently, SiLU hardly.", "width": "500px"}, "figure": {"caption": "Close to zero: SmoothReLU at its start, α = s² = 400, is nearly ReLU, slope included; SiLU is nearly a straight line.", "name": "fig-shapes-near"}} tags=["hide-input"]
shapes.near_zero(
    {
        "ReLU": ("relu", relu),
        "SmoothReLU, s = 20": ("smooth_relu", smooth),
        "Parametric Softplus": ("parametric_softplus", catalogue.curve("parametric_softplus")),
        "SiLU": ("silu", catalogue.curve("silu")),
    },
    reach=0.3,
)

# %% [markdown]
# ### Who profits from a smooth slope?
#
# Adversarial training uses gradients twice: the *attack* uses them to find $\delta$, the *update* to change the weights. The paper's
# experiment on gradient quality (seen) separates the two. The forward pass stays ReLU, so the network computes the same function;
# only the backward pass pretends that it had been Parametric Softplus, for one of the two or for both.
#
# In the library this is one activation with a switch. The context that surrounds every attack tells it whose turn it is:

# %%
activation = activations.create("relu_smooth_gradient", where="attack")
z = torch.tensor([-0.1, 0.1])

value, slope, _ = activations.shape(activation, z)
print("the update: value", value.numpy(), " slope", slope.numpy())

with attacking(activation):
    value, slope, _ = activations.shape(activation, z)
print("the attack: value", value.numpy(), " slope", slope.numpy())

# %% mystnb={"image": {"alt": "Four panels of slopes from -1 to 1. Plain ReLU: attack and update both see a step. Switch set to attack: the attack sees a smooth rise, the update a step. Switch set to update: the reverse. Switch set to both: both see the smooth rise.", "width": "500px"}, "figure": {"caption": "The slope that attack and update see through ReLU, for each setting of the switch. The value that is computed is ReLU in all four.", "name": "fig-shapes-switch"}} tags=["hide-input"]
shapes.switch()

# %% [markdown]
# A model trained in this way has a backward pass that does not belong to its function. For *training* that is the point. For
# *evaluation* it is a trap: an attack should use the best gradient it can get, and nothing says that this is the one that training
# used.
#
# ## Piecewise linear, and learned
#
# SPLASH {cite}`tavakoli2021` goes the opposite way: no bend anywhere, only kinks, at fixed places $\pm b_s$, and the slopes between
# them are learned. There are two coefficients for each pair of hinges, eight numbers for the usual seven hinges:
#
# $$
# \varphi(z) = \sum_{s} a^+_s \max(0,\; z - b_s) + \sum_{s} a^-_s \max(0,\; -z - b_s).
# $$
#
# Right of zero, the slope is the sum of those $a^+_s$ whose hinge has been passed. Left of zero it is *minus* the sum of the
# $a^-_s$. So familiar functions are a matter of a few numbers:


# %%
def splash(right, left):
    activation = activations.create("splash")
    with torch.no_grad():
        activation.a_pos.copy_(torch.tensor(right))
        activation.a_neg.copy_(torch.tensor(left))
    return activation


known = {
    "ReLU (start)": splash([1.0, 0, 0, 0], [0.0, 0, 0, 0]),
    "leaky ReLU, 0.1": splash([1.0, 0, 0, 0], [-0.1, 0, 0, 0]),
    "absolute value": splash([1.0, 0, 0, 0], [1.0, 0, 0, 0]),
    "hard tanh": splash([1.0, -1, 0, 0], [-1.0, 1, 0, 0]),
    "random": splash([0.5, 0.6, -1.2, 0.4], [0.7, -0.5, -0.9, 0.2]),
}

# %% mystnb={"image": {"alt": "Five rows with value and slope of SPLASH: ReLU, leaky ReLU, absolute value, hard tanh and random coefficients. The values are straight between seven dots at the hinges, and pass through zero; the slopes are steps.", "width": "500px"}, "figure": {"caption": "SPLASH with named and with random coefficients. Dots: the hinges, at 0, ±1, ±2 and ±2.5. Whatever the coefficients are, the curve passes through the origin.", "name": "fig-shapes-splash"}} tags=["hide-input"]
hinges = [sign * b for b in known["random"].b for sign in (-1, 1)]
shapes.hinged({label: ("splash", function, sorted({*hinges})) for label, function in known.items()})

# %% [markdown]
# The places of the hinges are **our reading**: secondary sources agree on seven hinges and disagree on their spacing (seen); the
# rule of the paper was not found. The library knows 0, 1, 2, 2.5 and equal spacing, and later chapters run both. The
# numbers make sense only for inputs of about unit variance, so SPLASH belongs behind a normalisation layer.
#
# Two relatives, with which SPLASH was compared (seen: secondary source), are in {numref}`fig-shapes-relatives`. APL {cite}`agostinelli2015` learns the places as
# well, starts at random, and does not pass through the origin. Maxout {cite}`goodfellow2013` takes the largest of several linear
# maps of *all channels*; with only one channel, as here, it is a convex piecewise linear curve, and it starts as ReLU.

# %% mystnb={"image": {"alt": "Two rows with value and slope. APL bends at a few places near zero; maxout with four pieces is a convex chain of straight lines.", "width": "500px"}, "figure": {"caption": "APL at a random start, and maxout with four random pieces and one channel.", "name": "fig-shapes-relatives"}} tags=["hide-input"]
torch.manual_seed(2)
apl = activations.create("apl", share="layer")
maxout = activations.create("maxout", channels=1, pieces=4)
torch.nn.init.normal_(maxout.weight)
torch.nn.init.normal_(maxout.bias)


def convex(z):
    return maxout(z[:, None])[:, 0]


shapes.hinged(
    {
        "APL": ("apl", apl, [0.0, *apl.b.tolist()]),
        "maxout": ("maxout", convex, catalogue.bends(convex)),
    }
)

# %% [markdown]
# ## Activations that look around
#
# The abstract of {cite:t}`guo2021` objects that ReLU treats every pixel alike, whatever surrounds it. Sparta is *spatially attentive*:
# the output at a pixel depends on its neighbours. The formula was **not found**. We run three readings, and none of them is a
# reproduction:
#
# R2, our default
# : $z \cdot \sigma(g(z))$, with $g$ a small convolution. Starts as SiLU.
#
# R1
# : $2 \max(0, z) \cdot \sigma(g(z))$. Starts as ReLU, with $g = 0$.
#
# R3
# : $\max(z, g(z))$, the funnel activation FReLU {cite}`ma2020`, with a BatchNorm around $g$.
#
# Such an activation has no curve. On an image with the same value everywhere it has one: there R2 is PSiLU, and its α is the
# sum of the kernel.

# %%
sparta = activations.create("sparta", channels=1)
torch.nn.init.constant_(sparta.weight, 4 / 9)  # nine weights, sum 4
z = torch.linspace(-3, 3, 7)
flat = z.reshape(7, 1, 1, 1).expand(7, 1, 5, 5)
with torch.no_grad():
    middle = sparta(flat)[:, 0, 2, 2]
    difference = middle - activations.create("psilu", alpha=4.0)(z)
print(f"greatest difference: {difference.abs().max():.0e}")

# %% [markdown]
# On a real image it is another matter. {numref}`fig-shapes-neighbours` takes a digit, sets one background pixel as bright as the
# stroke, and lets $g$ be the mean of the 3×3 neighbourhood (times 4 for R1 and R2). Plotted against the input, the
# outputs of ReLU lie on a curve. Those of the others do not: equal inputs get different outputs. The lone pixel is turned down by R1
# and R2, because nothing around it agrees; R3 can only ever raise a value, and lets it pass.

# %% mystnb={"image": {"alt": "Left, an 8 by 8 image of a digit with one bright lone pixel in a frame, and what ReLU, Sparta R2, Sparta R1 and FReLU make of it: the two Spartas dim the lone pixel, the other two keep it. Right, output against input of every pixel: a clean curve for ReLU, scattered points for the others.", "width": "500px"}, "figure": {"caption": "One digit, standardised, with one pixel set to the brightest value (framed; ringed on the right). The kernel is an average, chosen by hand to show the principle, not learned.", "name": "fig-shapes-neighbours"}} tags=["hide-input"]
digit = data.load("digits").test_images[0, 0].double()
digit = (digit - digit.mean()) / digit.std()
lone = (1, 6)
digit[lone] = digit.max()


def averaging(name, gain):
    activation = activations.create(name, channels=1).double().eval()
    torch.nn.init.constant_(activation.weight, gain / 9)
    with torch.no_grad():
        return activation(digit[None, None])[0, 0]


outputs = {
    "ReLU": ("relu", digit.relu()),
    "Sparta (R2)": ("sparta", averaging("sparta", 4)),
    "Sparta (R1)": ("sparta_relu", averaging("sparta_relu", 4)),
    "FReLU (R3)": ("frelu", averaging("frelu", 1)),
}
shapes.neighbours(digit, outputs, lone)

# %% [markdown]
# ## Move the sliders
#
# All that was said about parameters, in your hands. Every position was computed by the library when this page was
# built, so it works without a running kernel and without a network.

# %% tags=["hide-input", "no-figure"]
sharper = (0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 10.0)
around_zero, above_zero = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0), (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
interactive.shapes(
    "explore-shapes",
    [
        ("pssilu", {"alpha": sharper, "beta": (0.0, 0.05, 0.1, 0.2, 0.3, 0.42, 0.5, 0.7)}),
        ("psilu", {"alpha": sharper}),
        ("psoftplus", {"alpha": sharper}),
        ("prelu", {"alpha": around_zero}),
        ("prelu_plus", {"alpha": above_zero}),
        ("pelu", {"alpha": (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0)}),
        ("pelu_plus", {"alpha": above_zero}),
        ("reblu", {"alpha": around_zero}),
        ("smooth_relu", {"sharpness": (0.5, 1.0, 2.0, 5.0, 20.0)}),
    ],
)

# %% [markdown]
# ## Correct on paper, NaN in the machine
#
# A formula that is right can still be unusable. Softplus and PELU as one would write them down:

# %%
z = torch.tensor([-1e4, 0.0, 1e4], requires_grad=True)
written_down = {
    "softplus": lambda z: torch.log(1 + torch.exp(z)),
    "PELU": lambda z: torch.where(z > 0, z, torch.exp(z) - 1),
}
for name, function in written_down.items():
    value = function(z)
    (slope,) = torch.autograd.grad(value.sum(), z)
    print(f"{name:8}  value {value.detach().numpy()}  slope {slope.numpy()}")

# %% [markdown]
# Softplus overflows. PELU is sneakier: its values are right, because `torch.where` picks the correct branch, but the gradient passes
# through *both* branches, and zero times infinity is NaN. One such unit, once, and every weight of the network is NaN. The library
# clamps before the exponential. Here is the check for everything that there is, in the two precisions that training uses:


# %%
def is_finite(name, dtype):
    activation = activations.create(name, channels=1).to(dtype).eval()
    z = torch.tensor([-1e4, 1e4], dtype=dtype).reshape(2, 1, 1, 1).requires_grad_()
    value = activation(z)
    (slope,) = torch.autograd.grad(value.sum(), z)
    return bool(value.isfinite().all() and slope.isfinite().all())


for dtype in (torch.float32, torch.bfloat16):
    finite = [name for name in activations.names() if is_finite(name, dtype)]
    print(f"{dtype}: {len(finite)} of {len(activations.names())} finite at ±10,000, slope included")

# %% [markdown]
# ## All of them side by side
#
# Two tables, built from the library's registry: what each activation is, and how it starts. Definitions are those of the classes
# (sums run over all hinges), everything else is measured at the start of training. In the definitions $g$ is a convolution and BN a
# BatchNorm.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(catalogue.summary())

# %% [markdown]
# Where the slope jumps, the curvature is ∞, whatever the column before says. Three rows need a word. *ReLU, smooth
# gradient* shows the second derivative of the slope that it pretends to have, and the kink that its values have. APL starts at random, and so does the convolution in FReLU; the table shows one draw. And FReLU is
# shown in evaluation mode: in training, its BatchNorm scales $g$ to unit variance however small the weights are, so that it does
# *not* begin as ReLU. Where a parameter is an array, the number after the colon says how many values it has for one channel.
# SPLASH, APL and maxout can have kinks elsewhere, too.
#
# The second table adds what the pictures only hint at: the value at 0, the slopes far out, the Lipschitz constant and the lowest
# output between −50 and 50.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(catalogue.extremes())

# %% [markdown]
# ## Summary
#
# - An attack sees slopes, not values. Kinks make the slope jump, curvature makes it turn.
# - The parametric family covers three regions: PReLU, PELU and β of PSSiLU move the negative side, PReLU+, PELU+ and ReBLU the
#   positive side, α of PSiLU, PSoftplus and PSSiLU the neighbourhood of zero.
# - The closed forms of the curvature, α/2, α/4 and α/(2(1 − β)), agree with what we measured.
# - SmoothReLU starts nearly as sharp as ReLU; "smooth" and "low curvature" are different claims.
# - SPLASH and Sparta change something else: the first the slopes between fixed kinks, the second whether a pixel is looked at alone.
#
# ## Questionnaire
#
# 1. Which curve does a gradient attack see: $\varphi$, $\varphi'$ or $\varphi''$?
# 2. Name an activation whose second derivative is 0 wherever it exists. Why is its curvature not 0?
# 3. Which of the fixed activations has a kink although its name sounds smooth?
# 4. What did the 2021 and the 2022 version of the PAF paper say about the negative side?
# 5. For which β is PSSiLU positive left of $z = -1$, when α = 1?
# 6. Why must β of PSSiLU not start at 0?
# 7. SmoothReLU is 0 for all negative inputs. Which explanation of its success does that rule out?
# 8. What does the switch leave unchanged, whatever its setting?
# 9. What does Sparta (R2) become on an image with the same value everywhere?
# 10. Why does `torch.where` not protect a gradient from NaN?
#
# ## Exercises

# %% [markdown]
# ```{exercise} The absolute value, twice · pencil
# :label: ex-shapes-abs
#
# Both PSSiLU and SPLASH contain $\lvert z\rvert$: one exactly, one as a limit. Which values of their parameters give it, and how
# large is the greatest error between −3 and 3 of the one that only comes close?
# ```

# %% [markdown]
# ````{solution-start} ex-shapes-abs
# :label: sol-shapes-abs
# :class: dropdown
# ````
#
# SPLASH is $\lvert z\rvert$ with $a^+_1 = a^-_1 = 1$ and zeros elsewhere. PSSiLU at β = 1/2 is
# $z\,(2\sigma(\alpha z) - 1) = z \tanh(\alpha z / 2)$, which tends to $\lvert z\rvert$ as α grows; the error shrinks like 1/α.

# %%
z = torch.linspace(-3, 3, 6001, dtype=torch.float64)
for alpha in (1.0, 10.0, 100.0):
    near = activations.create("pssilu", learn=(), alpha=alpha, beta=0.5)
    print(f"α = {alpha:3.0f}: greatest error {float((near(z) - z.abs()).abs().max()):.4f}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} A flat-topped valley · pencil
# :label: ex-shapes-valley
#
# Find coefficients of SPLASH that give $\min(\lvert z\rvert, 1)$. Then say which function of this kind no coefficients can give.
# ```

# %% [markdown]
# ````{solution-start} ex-shapes-valley
# :label: sol-shapes-valley
# :class: dropdown
# ````
#
# The slope must be 1 from 0 to 1 and 0 beyond, and the mirror image of that on the left. Whatever is not 0 at 0, such as
# $\min(\lvert z\rvert, 1) - 1$, is out of reach.

# %%
valley = splash([1.0, -1, 0, 0], [1.0, -1, 0, 0])
with torch.no_grad():
    print(float((valley(z) - z.abs().clamp(max=1)).abs().max()))

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} The curvature of GELU · pencil
# :label: ex-shapes-gelu
#
# Compute $\varphi''$ of GELU, $z\,\Phi(z)$, by hand. Where is it largest, and how large? Compare with the table.
# ```

# %% [markdown]
# ````{solution-start} ex-shapes-gelu
# :label: sol-shapes-gelu
# :class: dropdown
# ````
#
# Let $p = \Phi'$ be the normal density, so that $p'(z) = -z\,p(z)$. Then $\varphi' = \Phi + z p$ and
# $\varphi'' = 2p + z p' = (2 - z^2)\,p$. It is largest at 0: $2 / \sqrt{2\pi} = \sqrt{2/\pi}$.

# %%
gelu = catalogue.measure(catalogue.curve("gelu"))
print(f"measured {gelu.curvature:.6f} at |z| = {abs(gelu.where):.3f}, computed {(2 / torch.pi) ** 0.5:.6f}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Draw an activation of your own: `activations.shape` takes any function of a tensor, and so does `catalogue.measure`.
# - Give PSSiLU `share="channel"` and think about which channels might want a positive left branch.
# - Shapes suggest, training decides: {doc}`/notebooks/protocol_01_ranking` puts all of these activations under one protocol.
