# %% [markdown]
# # The SPLASH unit
#
# SPLASH {cite}`tavakoli2020,tavakoli2021` is a piecewise linear activation whose slopes are learned. Everything else about it is fixed: it
# passes through the origin, and it bends at places that are chosen beforehand, the same on both sides. Here is the formula, what it can
# become and what it cannot, how little it adds to a network, and the one thing that we do not know: where exactly it bends.
#
# **At the end you will know**
#
# - the formula, which way its signs go, and how to read a slope off its coefficients;
# - its four properties, each checked;
# - which functions seven hinges reach, how closely, and which no number of hinges reaches;
# - how many numbers it adds to a network, and where the others of a general piecewise linear unit went;
# - three readings of "hinges derived from the data", what is known of each, and what the units of a trained network really see.
#
# *Reading time: 15 minutes. Run time: under a minute, after some minutes of training the first time that a page on this paper is opened.*

# %%
import inspect

import torch
import torch.nn.functional as F

from robust_activations import activations, data, models, paths, runs, studies
from robust_activations.activations.splash import SPLASH
from robust_activations.figures import catalogue, splash
from robust_activations.studies import splash as study

records = studies.collect("splash")  # trains what is missing

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import listed, note, table

# %% [markdown]
# ## What was claimed, and what we know
#
# The abstract (seen) names four properties: the unit is *continuous*, *grounded* ($\varphi(0) = 0$), has *symmetric hinges*, and the places
# of the hinges are derived from the data and not learned; the journal version says "fixed locations derived from the data". It says that
# such units "can approximate a wide range of non-linear functions". The formula stood in no text of the authors that we could read. A
# survey {cite}`kunc2024` describes it in words, a third party's code prints it, and later code of one of the authors has as many terms on each side (seen-2nd: survey and code):
#
# $$
# \varphi(z) = \sum_{s=1}^{(S+1)/2} a^+_s \max(0,\; z - b_s) \;+\; \sum_{s=1}^{(S+1)/2} a^-_s \max(0,\; -z - b_s).
# $$
#
# The hinges are in order, $0 = b_1 < b_2 < \dots$ $S$ is odd and counts the hinge at 0 once. The coefficients $a^+$ and $a^-$ are learned, one set for each layer (seen-2nd: survey and
# code). That $b_1 = 0$ is in every implementation (seen) and follows from the number of segments (derived). Written down, and held
# against the library's unit, which does the same in one pass over both sides:


# %%
def by_formula(z, right, left, b=(0, 1, 2, 2.5)):
    rising = sum(a * torch.relu(z - h) for a, h in zip(right, b, strict=True))
    return rising + sum(a * torch.relu(-z - h) for a, h in zip(left, b, strict=True))


right, left = [0.5, 0.6, -1.2, 0.4], [0.7, -0.5, -0.9, 0.2]
unit, z = splash.unit(right, left), splash.grid()
print(f"greatest difference: {float((unit(z) - by_formula(z, right, left)).detach().abs().max()):.0e}")

# %% [markdown]
# Nothing else is there: no bias at the output. A later library of one of the authors has one (seen: code), and with it the unit
# would not be grounded.
#
# ### Which way the signs go
#
# Right of 0, passing a hinge adds its coefficient to the slope. Left of 0, $\max(0, -z - b)$ *falls* with $z$, so the slope is **minus** the sum
# of the coefficients passed (derived):
#
# $$
# \varphi'(z) = \sum_{b_s < z} a^+_s \quad (z > 0), \qquad \varphi'(z) = -\sum_{b_s < -z} a^-_s \quad (z < 0).
# $$
#
# A negative $a^-_1$ is a *rising* left side, as in leaky ReLU. This is easily got wrong, so the library is asked:

# %%
middles = torch.tensor([-3.0, -2.25, -1.5, -0.5, 0.5, 1.5, 2.25, 3.0], dtype=torch.float64)
print("partial sums  ", [round(slope, 3) for slope in splash.slopes(right, left)])
print("by autograd   ", [round(slope, 3) for slope in activations.shape(unit, middles)[1].tolist()])

# %% [markdown]
# ### In your hands
#
# The first two coefficients of each side, with hinges at 0 and ±1; the others are 0. Look for ReLU, a leaky ReLU, the identity, |z| and
# hard tanh: the text below names them.

# %% tags=["hide-input", "no-figure"]
splash.by_hand("splash-by-hand")

# %% [markdown]
# ## Four properties, checked
#
# Each is a statement about *every* value of the coefficients. We draw a thousand and look.

# %%
generator = torch.Generator().manual_seed(0)
units = [splash.unit(*(2 * torch.randn(2, 4, generator=generator)).tolist()) for _ in range(1000)]
places = torch.tensor([-2.5, -2, -1, 0, 1, 2, 2.5], dtype=torch.float64)
with torch.no_grad():
    steps = max(float((u(places + 1e-9) - u(places - 1e-9)).abs().max()) for u in units)
    at_zero = {float(u(torch.zeros(1, dtype=torch.float64))) for u in units}
bends = {tuple(round(b, 2) + 0.0 for b in catalogue.bends(u)) for u in units[:20]}
print(f"continuous: within 2e-9 around a hinge the value changes by at most {steps:.0e}")
print(f"grounded:   the values at 0 are {at_zero}")
print(f"symmetric:  twenty units bend at {bends}")

# %% [markdown]
# The fourth is about training: an optimiser step moves the coefficients and leaves the bends where they are.

# %%
trained = splash.unit(right, left)
optimiser = torch.optim.SGD(trained.parameters(), lr=0.5)
before = catalogue.bends(trained)
(trained(z) - torch.tanh(z)).square().mean().backward()
optimiser.step()
print("learned:", {name: tuple(value.shape) for name, value in trained.named_parameters()})
print("coefficients moved:", trained.a_pos.tolist() != right, " bends moved:", catalogue.bends(trained) != before)

# %% [markdown]
# ### Special cases, and the Lipschitz constant
#
# With hinges at 0, 1, 2 and 2.5, five functions of the catalogue are SPLASH units (derived). Each is compared with the original on
# [−3, 3]. Hard tanh needs a hinge at 1, so it is exact for this set of hinges and not for the others.

# %%
cases = {
    "ReLU": ([1, 0, 0, 0], [0, 0, 0, 0], torch.relu),
    "leaky ReLU (0.1)": ([1, 0, 0, 0], [-0.1, 0, 0, 0], lambda z: F.leaky_relu(z, 0.1)),
    "identity": ([1, 0, 0, 0], [-1, 0, 0, 0], lambda z: z),
    "|z|": ([1, 0, 0, 0], [1, 0, 0, 0], torch.abs),
    "hard tanh": ([1, -1, 0, 0], [-1, 1, 0, 0], F.hardtanh),
}
for name, (right, left, function) in cases.items():
    unit = splash.unit(right, left)
    gap = float((unit(z) - function(z)).detach().abs().max())
    print(f"{name:16} greatest difference {gap:.0e}, Lipschitz constant {splash.lipschitz(right, left):g}")

# %% [markdown]
# The Lipschitz constant of a unit is its steepest slope, hence the **largest absolute partial sum** (derived). It can be read off the
# coefficients, and it has no bound: training may make it as large as it likes.

# %%
differences = []
for u in units[:50]:
    measured = catalogue.measure(u).lipschitz  # by automatic differentiation on a fine grid
    differences.append(abs(measured - splash.lipschitz(u.a_pos.tolist(), u.a_neg.tolist())))
print(f"fifty random units: partial sums and measured slopes differ by at most {max(differences):.0e}")

# %% [markdown]
# ## What it can represent
#
# In its coefficients the unit is *linear*: twice the coefficients, twice the function; the sum of two sets, the sum of two functions. So
# the unit nearest to a given function is a matter of least squares, without any training.

# %%
print(inspect.getsource(splash.fit))

# %% [markdown]
# The grid is [−3, 3], the weight the density of N(0, 1), for a unit behind BatchNorm sees something like that (more on this below); once, for
# comparison, every point of the grid counts the same. The table has the root mean square error; *exact* means below a millionth. *Listed*
# are the hinges 0, 1, 2, 2.5.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(splash.fits_table())

# %% tags=["remove-cell"]
named = {"0, 1, 2, 2.5": splash.LISTED, "evenly spaced": splash.even(7), "quartiles": splash.quantiles(7)}
best = {}
for title, target in splash.TARGETS.items():
    found = {label: splash.fit(target, hinges).rms for label, hinges in named.items()}
    if min(found.values()) > 1e-6:
        best.setdefault(min(found, key=found.get), []).append(title)
note("spl_best", "; ".join(f"{label}: {listed(titles)}" for label, titles in best.items()))
exact = [title for title, target in splash.TARGETS.items() if splash.fit(target, splash.LISTED).rms < 1e-6]
note("spl_exact", listed(exact))
softplus = splash.fit(splash.TARGETS["Softplus"], splash.LISTED)
dense = splash.fit(splash.TARGETS["Softplus"], splash.even(63))
note("spl_soft_low", f"{dense.rms:.3f}")
note("spl_soft", f"{softplus.rms:.3f}")
note("spl_soft_max", f"{dense.greatest:.3f}")
note("spl_outer", f"{splash.quantiles(7)[-1]:.2f}")
note("spl_log2", f"{float(torch.log(torch.tensor(2.0))):.3f}")

# %% [markdown]
# Exact with the listed hinges: {glue:text}`spl_exact`. The hat, $\max(0, 1 - \lvert z - 1\rvert)$, is among them only because its three knots are
# hinges. Of the targets that none of the three sets of seven hinges has exactly, the nearest set is, by the weight N(0, 1):
# {glue:text}`spl_best`. Which spacing is best depends on the function that a network happens to want.

# %% mystnb={"image": {"alt": "Eight panels from -3 to 3, each with a thick grey target and three thin piecewise linear curves. On SiLU, GELU and tanh all three nearly cover the target. On the step they rise in a slope instead of a jump and overshoot. On Softplus they dip to zero at the origin, where the target does not.", "width": "460px"}, "figure": {"caption": "Functions (grey) and the nearest SPLASH unit with seven hinges, for three sets of hinges. Least squares on [−3, 3], weight N(0, 1).", "name": "fig-splash-fits"}} tags=["hide-input"]
wavy = ("hat", "sine", "tanh", "SiLU", "GELU", "cubic", "step", "Softplus")
splash.fits(wavy, named)

# %% mystnb={"image": {"alt": "Eight panels with the error against the number of hinges, both on logarithmic axes. For tanh, SiLU and GELU both rules of spacing fall by orders of magnitude. For the sine and the cubic one of them levels off. For the step and Softplus both fall slowly. A star marks the listed hinges at seven.", "width": "460px"}, "figure": {"caption": "Root mean square (RMS) error of the nearest unit against the number of hinges S, weight N(0, 1). Star: the listed hinges, which exist for S = 7 only. What is exact, or better than 0.0001, stands on the lower edge.", "name": "fig-splash-errors"}} tags=["hide-input"]
splash.errors(wavy, (1, 3, 7, 15, 31, 63))

# %% [markdown]
# ### What it cannot reach
#
# **Anything that is not 0 at 0.** Softplus is log 2 = {glue:text}`spl_log2` there, and every unit is 0. With the listed hinges the error is
# {glue:text}`spl_soft`. More hinges make the dip narrower, hence the mean error smaller ({glue:text}`spl_soft_low` at S = 63), but not
# shallower: the greatest error stays at {glue:text}`spl_soft_max`. In a network this matters less than it looks, for the next layer has a bias or a BatchNorm, which
# can add the constant back.
#
# **Bends elsewhere.** A corner between two hinges is cut off.
#
# **Curvature beyond the outermost hinge.** There the unit is a straight line. Of the quartiles the outermost lies at
# {glue:text}`spl_outer`, which the cubic pays for.
#
# **Jumps.** The unit is continuous, so the step becomes a ramp.
#
# ### With more and more hinges
#
# "Can approximate a wide range of non-linear functions" needs a statement about S. With $b_1 = 0$ and hinges that become dense, the units
# contain every continuous piecewise linear function through the origin with its knots on the grid, and these are dense among the continuous
# functions on an interval that are 0 at 0 (derived; the text of the paper's theorem was not found). With seven fixed hinges they are an
# eight-dimensional space, which is dense in nothing. For a smooth function the error falls with the square of the
# distance between hinges, by four when that is halved:

# %%
for S in (7, 15, 31, 63, 127):
    error = splash.fit(torch.tanh, splash.even(S, last=3.0), torch.ones_like).greatest
    print(f"S = {S:3}, hinges {3 / (S // 2):.3f} apart: greatest error on tanh {error:.6f}")

# %% [markdown]
# Try it: a target, a number of hinges, and how far out they go.

# %% tags=["hide-input", "no-figure"]
splash.nearest("splash-nearest", wavy)

# %% [markdown]
# ## How many numbers
#
# A piecewise linear function with $S$ bends has $S + 1$ pieces. Written down without any restriction it needs a slope and an intercept for each piece and
# the places of the bends. Each property of SPLASH saves some (derived; the paper's introduction announces such a count (seen), its numbers were not in the text
# that we had):
#
# | | Numbers | At S = 7 |
# |---|---|---:|
# | any piecewise linear function | $2(S + 1) + S = 3S + 2$ | 23 |
# | continuous: the pieces meet at $S$ bends | $2S + 2$ | 16 |
# | grounded | $2S + 1$ | 15 |
# | symmetric hinges, one of them at 0: $(S - 1)/2$ places instead of $S$ | $(3S + 1)/2$ | 11 |
# | fixed hinges | $S + 1$ | 8 |
#
# The library has the last two, for `learn_hinges=True` learns the places as well:

# %%
for S in (1, 3, 5, 7, 9, 15):
    fixed, moving = (
        sum(parameter.numel() for parameter in SPLASH(S=S, learn_hinges=learn).parameters()) for learn in (False, True)
    )
    assert (fixed, moving) == (S + 1, (3 * S + 1) // 2)
    print(f"S = {S:2}: {fixed:2} with fixed hinges, {moving:2} with learned ones")

# %% [markdown]
# And in whole networks, counted in the models of the library. One set of eight for each layer:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
rows, added = [], []
for name in ("digits_cnn", "lenet5", "all_cnn", "nin", "resnet20"):
    counts = {}
    for share in ("layer", "network", "channel"):
        network = models.create(name, activation="splash", share=share)
        own = {id(parameter): parameter.numel() for parameter in activations.parameters(network)}
        counts[share] = sum(own.values())
        total = sum(parameter.numel() for parameter in network.parameters()) - counts[share]
    sites = counts["layer"] // counts["network"]
    rows.append([models.REGISTRY[name].title, f"{sites}", *(f"{counts[share]:,}" for share in counts), f"{total:,}"])
    added.append(100 * counts["layer"] / total)
    rows[-1].append(f"{added[-1]:.3f}")
header = ["Network", "Layers", "One for each layer", "network", "channel", "All else", "By layer, % of all else"]
Markdown(table(header, rows))

# %% tags=["remove-cell"]
note("spl_added", f"{min(added):.3f} to {max(added):.3f}")

# %% [markdown]
# ## Where the hinges lie
#
# "Derived from the data" is the property that we cannot fill with certainty: the rule was **not found**. Fixed places make sense only if the
# inputs have a known scale, so each reading presupposes a normalisation. That BatchNorm stands directly before the unit is so in two
# implementations (seen-2nd: code); in this book it does in every network unless a page says otherwise. Then, if inputs were N(0, 1), these
# are the shares of them between the hinges:

# %% mystnb={"image": {"alt": "Three bell curves from -3.4 to 3.4, each cut by seven vertical lines, with the percentage of each piece above it. In the first the lines are at 0, 1, 2 and 2.5 on both sides, in the second at equal distances up to 2.5, in the third they crowd around zero so that all pieces have equal shares.", "width": "460px"}, "figure": {"caption": "Three readings of the hinges for S = 7, and the percentage of N(0, 1) in each piece, computed.", "name": "fig-splash-hinges"}} tags=["hide-input"]
splash.on_normal(named)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
known = {
    "0, 1, 2, 2.5": "In a third party's code that cites the paper for SPLASH (seen-2nd). Our default.",
    "evenly spaced": "In a later library of one of the authors, written for another purpose (seen: code). Same outermost hinge.",
    "quartiles": "Our own reading of the abstract's words: those of |z|, so that all eight pieces have 12.5 %.",
}
rows = [
    [
        label,
        ", ".join(f"{b:.3g}" for b in hinges),
        f"{200 * sum(splash.masses(hinges)[1:]):.1f}",
        f"{200 * splash.masses(hinges)[-1]:.1f}",
        known[label],
    ]
    for label, hinges in named.items()
]
Markdown(table(["Reading", "Hinges", "Beyond the second, %", "Beyond the last, %", "What is known"], rows))

# %% tags=["remove-cell"]
note("spl_last", f"{200 * splash.masses(splash.LISTED)[-1]:.1f}")
note("spl_study", ", ".join(f"{b:g}" for b in study.QUARTILES))

# %% [markdown]
# A third party's variant puts BatchNorm first and spaces hinges evenly up to 3.3, with a remark that wishes for normal quantiles (seen: code, not
# the authors'). In training we use {glue:text}`spl_study` for the third reading. The readings differ in where a unit can be flexible. In the first two, the
# outermost coefficients act on, and learn from, {glue:text}`spl_last` % of the inputs, both sides together. The third is fine where the inputs are and straight beyond.
#
# ### What the units really see
#
# BatchNorm gives mean 0 and deviation 1 *before* its learned scale and shift, and says nothing about the shape. So here is the network that
# was trained with SPLASH on the digits (standard training, first seed, best epoch), and what comes in at each of its units, on the test
# images.

# %%
run = study.accuracy("digits")["digits", "digits_cnn"]["splash"][0]
network = runs.trained(run, paths.data("digits"))
digits = data.load("digits")
seen = splash.inputs(network, digits.test_images.float() / 255)

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(splash.inputs_table(seen))

# %% tags=["remove-cell"]
deviations = {i: float(values.std()) for i, values in enumerate(seen.values(), 1)}
beyond = {i: 100 * float((values.abs() > 2.5).double().mean()) for i, values in enumerate(seen.values(), 1)}
promised = 200 * splash.masses(splash.LISTED)[-1]
note("spl_dev", f"{min(deviations.values()):.2f} to {max(deviations.values()):.2f}")
note("spl_beyond", f"{min(beyond.values()):.1f} to {max(beyond.values()):.1f}")
note("spl_promised", f"{promised:.1f}")
note("spl_n", len(digits.test_images))

# %% [markdown]
# *n = {glue:text}`spl_n` images; shares of all positions and channels of a layer.*
#
# The deviations are {glue:text}`spl_dev` where N(0, 1) has 1, and the shares beyond ±2.5 are {glue:text}`spl_beyond` % where it has
# {glue:text}`spl_promised` %. That is how well "in units of standard deviations" fits, in this network. There is also a
# way out: the scale of BatchNorm and the places of the hinges do the same, since $\varphi$ with hinges $c\,b$ is
# $c\,\varphi(z / c)$ with hinges $b$. A network that wants other places can have them, all at once and one factor for each channel, by its scales.
#
# ## What critics would ask
#
# - **Is it new?** Piecewise linear units with learned slopes existed: PReLU has one bend, APL {cite}`agostinelli2015` learns the places as well, for each unit of a layer separately. What is
#   SPLASH's own is the combination of fixed, symmetric places and sharing by layer, which makes it small.
# - **Does it need the freedom?** That a unit can become a sine says nothing about whether training makes it one. What is learned, and
#   whether learning matters, is measured in {doc}`/notebooks/splash_04_choices`.
# - **Does a larger slope help or hurt robustness?** The Lipschitz constant of a unit multiplies into that of the network, and nothing in
#   the unit limits it.
#
# ## Summary
#
# - SPLASH is a sum of hinges on both sides of 0; slopes are partial sums, with the sign turned round on the left.
# - Continuous, grounded, symmetric and fixed: all four were checked on the library's unit.
# - Seven hinges come close to common activations; which of three spacings is closest depends on the target. Softplus and steps stay out of reach.
# - It learns S + 1 numbers in each layer, which adds {glue:text}`spl_added` % to the networks of the table above.
# - Where the hinges lie is our reading, and the others are run beside it.
#
# ## Questionnaire
#
# 1. What is the slope between −2 and −1 of a unit with $a^- = (0.5, -1, 0, 0)$ and hinges 0, 1, 2, 2.5?
# 2. Why is $b_1 = 0$ necessary if there are $S$ hinges, an odd number, and they are symmetric?
# 3. Why can the nearest unit be found without gradient descent?
# 4. Softplus is positive everywhere. Which of the four properties keeps SPLASH from it, and what in a network makes up for that?
# 5. Which property saves the most numbers, and which the fewest, at S = 7?
# 6. Why do fixed hinges presuppose normalised inputs?
# 7. How does the scale of BatchNorm move hinges that are fixed?
#
# ## Exercises

# %% [markdown]
# ```{exercise} A unit that is monotonic · five minutes
# :label: ex-splash-monotonic
#
# Which condition on the coefficients makes a unit non-decreasing? Draw a thousand random sets of eight coefficients from N(0, 1): how many
# are?
# ```

# %% [markdown]
# ````{solution-start} ex-splash-monotonic
# :label: sol-splash-monotonic
# :class: dropdown
# ````
#
# All slopes must be at least 0: the partial sums of $a^+$ not negative, those of $a^-$ not positive. For random signs that is rare, and each
# side is independent of the other.

# %%
generator = torch.Generator().manual_seed(1)
drawn = torch.randn(1000, 2, 4, generator=generator)
rising = sum(min(splash.slopes(*one.tolist())) >= 0 for one in drawn)
print(f"{rising} of {len(drawn)} are non-decreasing")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Moving a hinge by scaling · pencil
# :label: ex-splash-scale
#
# Show, and check in code, that $c\,\varphi(z/c)$, with $\varphi$ a unit with hinges $b$, is a unit with the same coefficients and hinges $c\,b$.
# ```

# %% [markdown]
# ````{solution-start} ex-splash-scale
# :label: sol-splash-scale
# :class: dropdown
# ````
#
# $c \max(0, z/c - b) = \max(0, z - c\,b)$ for $c > 0$, term by term.

# %%
right, left, c = [0.5, 0.6, -1.2, 0.4], [0.7, -0.5, -0.9, 0.2], 1.7
scaled = c * splash.unit(right, left)(z / c)
moved = splash.unit(right, left, [c * b for b in splash.LISTED])(z)
print(f"greatest difference: {float((scaled - moved).detach().abs().max()):.0e}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Add an output bias to the unit and fit Softplus again: `fit` needs one more column.
# - Fit with the weight that a trained network's own inputs give, instead of N(0, 1): `splash.inputs` has them.
# - Then see whether it matters in training: {doc}`/notebooks/splash_04_choices`.
