# %% [markdown]
# # Threat models and attacks
#
# :::{admonition} What you will know at the end
# :class: tip
#
# - what an adversarial example is, and why "robust" means nothing without a **threat model**;
# - how to compute the worst case exactly where that is possible, and how FGSM and PGD hunt for it where it is not;
# - why an attack can only ever show that a network is *not* robust.
#
# Reading: 15 minutes. Running: half a minute on two cores, after about a minute the first time, in which five small
# networks are trained. All three primers share them.
# :::

# %%
import torch
import torch.nn.functional as F
from torch import nn

from robust_activations import attacks, data, paths, runs, studies
from robust_activations.attacks import PGD, Threat
from robust_activations.evaluation import Outcome, under_attack
from robust_activations.figures import primers as figures
from robust_activations.figures.pictures import landscape
from robust_activations.studies import pictures

# Trains what has not been trained yet.
records = studies.collect("primer").of(studies.primer.STUDY.runs("digits"))
recorded = {record.run.objective.name: record for record in records}
record = recorded["standard"]

# %% [markdown]
# A **record** holds what came out of one training run. This one is of a small convolutional network, trained in the
# ordinary way on {glue:text}`train-n` images of handwritten digits {cite:p}`pedregosa2011`, 8×8 pixels each. We load the
# weights it left behind, and the test images. Pixels live in $[0, 1]$, always; the network's first layer does the
# normalisation, so that an attacker acts on what a camera would have seen.

# %%
digits = data.load("digits")
x, y = digits.test_images.float() / 255, digits.test_labels

network = runs.trained(record.run, paths.data("digits"))
print(record.best.outcomes["clean"])

# %% tags=["remove-cell"]
from robust_activations.evaluation import SUITE
from robust_activations.figures.prose import note

note("train-n", f"{len(digits.train_labels) - record.run.held_out:,}")
note("test-n", len(y))
note("clean", record.best.outcomes["clean"])
note("eps", record.run.threat.eps)
note("eps-pixels", f"{record.run.threat.radius:g}")

# %% [markdown]
# It classifies {glue:text}`clean` test images correctly; the brackets are a 95 % interval, of which the third primer
# says more. Here is what this primer is about:

# %% mystnb={"image": {"alt": "Three rows, one a digit. On the left the clean image and the correct class; in the middle a pattern of red and blue pixels; on the right the sum, in which the digit can still be read, and a wrong class."}, "figure": {"caption": "Three test images, what PGD-20 adds to them to mislead the standard-trained network (red: more ink, blue: less; full colour: ±38.25/255), and the result. Under each image stands the class that the network sees, in bold and in colour where it is wrong. Threat model: ℓ∞, ε = 38.25/255.", "name": "fig-p1-gallery"}} tags=["hide-input"]
threat = record.run.threat
wide = Threat("l2", "200/255")  # for later
right = torch.from_numpy(record.best.outcomes["clean"].right)  # a record knows which images
holds = [under_attack(network, x, y, t, figures.PICTURED) for t in (threat, wide)]
lost = right & ~holds[0] & ~holds[1]
shown = torch.stack([torch.nonzero(lost & (y == label))[0, 0] for label in y[lost].unique()[-3:]])
figures.gallery(x[shown], y[shown], {"PGD adds": (network, threat)}, threat.radius)

# %% [markdown]
# ## What the adversary may do
#
# Let $f_\theta(x) \in \R^K$ be the logits of a network for an image $x \in [0, 1]^d$ with label $y$. An **adversarial
# example** is an image near $x$ that the network gets wrong. To find one is to solve
#
# $$
# \begin{aligned}
# \max_{\delta}\;\; & \ell\big(f_\theta(x + \delta), y\big) \\
# \text{such that}\;\; & \lVert \delta \rVert_p \le \varepsilon \;\text{ and }\; x + \delta \in [0, 1]^d ,
# \end{aligned}
# $$ (eq:p1-max)
#
# where $\ell$ is a loss, usually cross-entropy. The constraint is the **threat model**: which norm, and how far. Two norms
# are common.
#
# - $\ell_\infty$: every pixel may change, each by at most $\varepsilon$. The ball is a cube.
# - $\ell_2$: the whole change has length $\varepsilon$ at most. It may be spread out, or spent on a few pixels.
#
# We write $\varepsilon$ as $k/255$, one step of an 8-bit image being $1/255$. For photographs under $\ell_\infty$ the
# custom is $8/255$. Our digits have few pixels and strong contrast, so we allow them more,
# $\varepsilon =$ {glue:text}`eps` $=$ {glue:text}`eps-pixels`. You saw it above: on images this small it is visible,
# and you still read every digit. The ball stands in for "changes that should not matter". It is a model, not a law of
# perception.

# %%
print(threat, "is", threat.radius, "in pixel units")

# %% [markdown]
# **The same network is robust under one threat model and helpless under another.** So an accuracy under attack is a
# number only together with norm, $\varepsilon$, the attack and its budget. In this book they stand in every caption.
#
# ## A case solved exactly
#
# Before we trust any attack, let us look at a model for which {eq}`eq:p1-max` can be solved with pencil and paper.
# Take a linear classifier, with logits $z_k = w_k \cdot x + b_k$. The true class $y$ leads its rival $j$ by
#
# $$
# z_y - z_j = (w_y - w_j) \cdot x + b_y - b_j .
# $$
#
# Every pixel contributes to that lead on its own. The worst thing to do within $\ell_\infty$ is therefore to move each
# one by $\varepsilon$ against the sign of its weight, and the lead shrinks by exactly
# $\varepsilon \lVert w_y - w_j \rVert_1$, or a little less for pixels that hit 0 or 1 first. The image is robust if the
# worst lead over every rival is still positive. No search, no doubt:


# %%
def worst_lead(linear, x, y, eps):
    w, b = linear[1].weight.detach(), linear[1].bias.detach()
    gain = w[y][:, None] - w  # what a pixel adds to the lead over a rival: (n, k, d)
    low, high = (x.flatten(1) - eps).clamp(min=0), (x.flatten(1) + eps).clamp(max=1)
    worst = torch.where(gain > 0, low[:, None], high[:, None])  # at its worse end
    lead = (gain * worst).sum(2) + b[y][:, None] - b
    return lead.scatter(1, y[:, None], torch.inf).amin(1)


def logistic_regression(labels):
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(64, int(labels.max()) + 1))
    optimizer = torch.optim.Adam(linear.parameters(), lr=0.02)
    for _ in range(300):
        loss = F.cross_entropy(linear(digits.train_images / 255), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return linear


# %% [markdown]
# We fit two of them, one that tells even from odd digits and one that tells all ten apart, and put the exact answer
# beside those of two attacks that know nothing of it.

# %% mystnb={"image": {"alt": "Two panels, accuracy against epsilon, all curves fall. In the upper panel the curves of the exact solution, FGSM and PGD lie on one another. In the lower panel the attacks lie a little above the exact curve."}, "figure": {"caption": "Accuracy of two linear classifiers against ε (ℓ∞, in 1/255; {glue:text}`test-n` test images, bands are 95 % Wilson intervals). *Exact* is the closed form. With two classes the attacks find the worst case; with ten they come close from above.", "name": "fig-p1-linear"}} tags=["hide-input"]
even, ten = logistic_regression(digits.train_labels % 2), logistic_regression(digits.train_labels)
radii = (2, 5, 10, 15, 20, 30, 40, 51)
linear_curves = []
for linear, labels in ((even, y % 2), (ten, y)):
    curves = {"exact": [], "FGSM": [], "PGD-20": [], "PGD-20, margin loss": []}
    for k in radii:
        t = Threat("linf", f"{k}/255")
        curves["exact"].append(worst_lead(linear, x, labels, t.radius) > 0)
        for name, attack in (
            ("FGSM", attacks.fgsm(t)),
            ("PGD-20", PGD(steps=20)),
            ("PGD-20, margin loss", PGD(steps=20, loss="margin")),
        ):
            curves[name].append(under_attack(linear, x, labels, t, attack))
    linear_curves.append(curves)
figures.accuracy(
    figures.Panel(radii, linear_curves[0], "ε · 255", "even or odd, two classes"),
    figures.Panel(radii, linear_curves[1], "ε · 255", "ten classes"),
)

# %% tags=["remove-cell"]
two, all_ten = linear_curves
agree = sum(int((a == b).sum()) for a, b in zip(two["exact"], two["PGD-20"], strict=True))
note("two-agree", f"{agree:,} of {len(radii) * len(y):,}")
at30 = radii.index(30)
for key in ("exact", "FGSM", "PGD-20", "PGD-20, margin loss"):
    note(f"ten-{key}", int(all_ten[key][at30].sum()))
exact, tried = torch.stack(all_ten.pop("exact")), [torch.stack(curve) for curve in all_ten.values()]
below = sum(int((exact & ~right).sum()) for right in tried)
note("ten-below", "not once" if below == 0 else f"{below} times, by rounding,")

# %% [markdown]
# With two classes there is one rival. The gradient points straight at it, one step reaches the corner of the cube, and
# PGD-20 agrees with the closed form in {glue:text}`two-agree` cases.
#
# With ten classes something is left to learn. At $\varepsilon = 30/255$ the truth is {glue:text}`ten-exact` correct
# images of {glue:text}`test-n`; FGSM leaves {glue:text}`ten-FGSM`, PGD-20 {glue:text}`ten-PGD-20`, and PGD-20 on another
# loss {glue:text}`ten-PGD-20, margin loss`. The gradient of the cross-entropy is a compromise between nine rivals, and a
# compromise is not the worst case. Even for a *linear* model! But {glue:text}`ten-below` does an attack claim less than the
# truth, and that holds for every model there is:
#
# ```{important}
# An attack that succeeds is a proof. An attack that fails proves nothing. Accuracy under attack is an **upper bound** of
# what the strongest attack would leave. *Robust accuracy* in this book means such a bound, with its attack.
# ```
#
# ## One step: FGSM
#
# A network is no linear model, but close to $x$ it resembles one: $\ell(x + \delta) \approx \ell(x) + \delta \cdot \nabla_x \ell$.
# Which $\delta$ in the ball raises the right-hand side the most? It depends on the ball.

# %% mystnb={"image": {"alt": "Two diagrams over two pixels. In the square, the black gradient arrow points to the right and slightly up, and the orange step goes to the upper right corner. In the circle, the orange step goes along the gradient to the edge."}, "figure": {"caption": "The same gradient, two threat models. Grey lines are levels of the (linearised) loss. In the ℓ∞ ball the best step leads to a corner, ε · sign(gradient); in the ℓ2 ball it leads along the gradient, to length ε.", "name": "fig-p1-balls"}} tags=["hide-input"]
figures.balls()

# %% [markdown]
# The **fast gradient sign method** of {cite:t}`goodfellow2015` is that corner. Here it is in full:


# %%
def gradient(model, x, y):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]


def fgsm(model, x, y, eps):
    return (x + eps * gradient(model, x, y).sign()).clamp(0, 1)


ours = fgsm(network, x, y, threat.radius)
with attacks.attacking(network):
    library = attacks.pgd(network, x, y, threat, attacks.fgsm(threat))
print("the library's FGSM gives the same images:", torch.allclose(ours, library))

# %% [markdown]
# The line `with attacks.attacking(network)` freezes the weights, puts BatchNorm into evaluation mode, and undoes both at
# the end. *The attack never trains*; the next primer shows what goes wrong when it does.
#
# One forward and one backward pass, and from {glue:text}`clean` the accuracy goes down to {glue:text}`fgsm`.
#
# ## Many steps: PGD
#
# One long step trusts the linear picture all the way to the edge of the ball. **Projected gradient descent**
# {cite:p}`madry2018` takes short steps, looks again after each, and returns to the ball whenever it has left it. It
# starts at a random place, so that it can be repeated with another outcome:


# %%
def pgd(model, x, y, eps, steps, step):
    moved = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(steps):
        moved = moved + step * gradient(model, moved, y).sign()
        moved = moved.clamp(x - eps, x + eps).clamp(0, 1)
    return moved


moved = pgd(network, x, y, threat.radius, steps=20, step=threat.radius / 4)
print("after PGD-20:", Outcome.of(network(moved).argmax(1) == y, 0.0))

# %% tags=["remove-cell"]
clean_right = under_attack(network, x, y, threat, attacks.fgsm(threat))
note("fgsm", clean_right)
radii = (2, 5, 10, 15, 20, 30, 38.25, 51)
network_curves = {"random noise": [], "FGSM": [], "PGD-20": []}
generator = torch.Generator().manual_seed(0)
for k in radii:
    t = Threat("linf", f"{k}/255")
    noisy = t.project(x, x + t.radius * (2 * torch.randint(0, 2, x.shape, generator=generator) - 1))
    network_curves["random noise"].append(network(noisy).argmax(1) == y)
    network_curves["FGSM"].append(under_attack(network, x, y, t, attacks.fgsm(t)))
    network_curves["PGD-20"].append(under_attack(network, x, y, t, PGD(steps=20)))
at = radii.index(38.25)
note("noise", network_curves["random noise"][at])
note("pgd20", network_curves["PGD-20"][at])

# %% mystnb={"image": {"alt": "Accuracy against epsilon. The curve of random noise stays near the top; those of FGSM and, below it, PGD-20 fall to nearly zero."}, "figure": {"caption": "The standard-trained network against ε (ℓ∞, in 1/255; {glue:text}`test-n` test images, bands are 95 % Wilson intervals). Random noise puts every pixel to one end of its range, ±ε at random, so it is as large in ℓ∞ as the attacks' changes; both are cut at 0 and 1.", "name": "fig-p1-eps"}} tags=["hide-input"]
figures.accuracy(figures.Panel(radii, network_curves, "ε · 255"), height=3.5)

# %% [markdown]
# Noise of full size leaves {glue:text}`noise`; PGD-20 leaves {glue:text}`pgd20`. (Our own PGD above, on the same images, left
# another few: it started from another random place.) At this size it is not
# how far but which way that breaks the network. That is why testing with random noise says next to nothing about an adversary.
#
# ## How strong is strong enough?
#
# An attack has a budget: steps, and restarts from other random places, of which the best counts. Since every attack is
# an upper bound, we raise both until the curve no longer moves, and only then believe that more would not help *this kind
# of attack*.

# %%
steps = (1, 2, 5, 10, 20, 50, 100)
by_steps = [under_attack(network, x, y, threat, PGD(steps=s)) for s in steps]
alone = [under_attack(network, x, y, threat, PGD(steps=20), seed=seed) for seed in range(10)]
by_restarts = [torch.stack(alone[: count + 1]).all(0) for count in range(len(alone))]  # withstands all of these starts

# %% tags=["remove-cell"]
note("starts", SUITE["pgd50"](threat).restarts)
note("one-start", by_restarts[0])
note("ten-starts", by_restarts[-1])

# %% mystnb={"image": {"alt": "Two panels. Above, accuracy against the number of steps falls steeply and then levels out. Below, accuracy against the number of restarts falls slowly."}, "figure": {"caption": "The standard-trained network under PGD of growing budget (ℓ∞, ε = 38.25/255, step ε/4, {glue:text}`test-n` test images, bands are 95 % Wilson intervals). Above: one start, more steps. Below: 20 steps, more starts, an image counts as right if it withstands all of them.", "name": "fig-p1-budget"}} tags=["hide-input"]
figures.accuracy(
    figures.Panel(steps, {"PGD, one start": by_steps}, "steps", log=True),
    figures.Panel(range(1, 11), {"PGD-20, best of several starts": by_restarts}, "starts", top=0.2),
    height=2.6,
)

# %% [markdown]
# From one start to ten, PGD-20 goes from {glue:text}`one-start` to {glue:text}`ten-starts`. In the book's tables, *PGD-20*
# has one start and *PGD-50* has {glue:text}`starts`.
#
# ## What the attacker walks on
#
# Why do a few steps suffice? Take a typical one of the images that fell, and cut through its ball along two directions: the worst one that PGD has
# found, and a random one of the same size. Colour shows by how much the true class leads its best rival. Where the lead
# turns negative, the image is lost.

# %% mystnb={"image": {"alt": "A map around one image. Moving sideways, along a random direction, the colour hardly changes. Moving up, along the worst direction, it turns from blue to red across a black line that lies inside the dotted square of size epsilon."}, "figure": {"caption": "The lead of the true class around one test image of the standard-trained network (cross: the clean image). Blue: right; red: wrong; black line: where the lead is zero. The dotted square is ε = 38.25/255 along each direction (ℓ∞; its corners lie outside the ball).", "name": "fig-p1-landscape"}} tags=["hide-input"]
with attacks.attacking(network):
    worst = attacks.pgd(network, x, y, threat, figures.PICTURED)
    lead = -attacks.loss_per_image("margin", network(worst), y)
fallen = torch.nonzero(lead < 0)[:, 0]
typical = fallen[lead[fallen].argsort()[len(fallen) // 2]].reshape(1)  # half of them fall deeper, half less deep
landscape({"standard training": pictures.lead(network, x[typical], y[typical], threat)})

# %% [markdown]
# Along the random direction little happens; along the worst one the border is near. A ball in 64 dimensions has
# very many directions, and chance does not find the bad ones. A gradient does.
#
# ## Another norm
#
# Nothing above was special to $\ell_\infty$. For $\ell_2$ the steepest step is the gradient scaled to length one, and
# projection shortens what is too long. In the library a norm is a `Threat`; the attack stays the same.

# %%
threat_l2 = Threat("l2", "128/255")
right_l2 = under_attack(network, x, y, threat_l2, PGD(steps=20))
print(threat_l2, "->", Outcome.of(right_l2, 0.0))

# %% mystnb={"image": {"alt": "Three rows, one a digit: the clean image, the l-infinity perturbation in which most pixels are coloured, all of them alike, and many are white; the attacked image; the l-2 perturbation in which a few pixels are strongly coloured and most are white; and the attacked image."}, "figure": {"caption": "The same digits under ℓ∞ (ε = 38.25/255) and ℓ2 (ε = 200/255), PGD-20. Full colour: ±100/255. The first attack changes most pixels by the full ±ε (white or pale: little or nothing was added, mostly where the pixel is at an end of its range); the second spends its length on a few. Under each image stands the class that the network sees, in bold and in colour where it is wrong.", "name": "fig-p1-norms"}} tags=["hide-input"]
figures.gallery(x[shown], y[shown], {"ℓ∞ adds": (network, threat), "ℓ2 adds": (network, wide)}, 100 / 255)

# %% [markdown]
# How do the two compare in size? A change by $\varepsilon$ in each of $d$ pixels has the length $\varepsilon \sqrt{d}$;
# for us, {glue:text}`eps-pixels` $\times \sqrt{64} =$ {glue:text}`corner`. Yet the network falls long before that:

# %% tags=["remove-cell"]
note("corner", f"{threat.radius * 8:g}")
radii_l2 = (16, 32, 64, 96, 128, 192, 255)
l2_curve = {"PGD-20": [under_attack(network, x, y, Threat("l2", f"{k}/255"), PGD(steps=20)) for k in radii_l2]}

# %% mystnb={"image": {"alt": "Accuracy against the l-2 radius falls from near the top to zero."}, "figure": {"caption": "The standard-trained network under PGD-20 in ℓ2, against ε (in 1/255; {glue:text}`test-n` test images, the band is a 95 % Wilson interval).", "name": "fig-p1-l2"}} tags=["hide-input"]
figures.accuracy(figures.Panel(radii_l2, l2_curve, "ε · 255, in ℓ2"), height=2.8)

# %% [markdown]
# The corner of a cube is a wasteful place, if length is what you pay for. Neither norm is the right one, and robustness
# in one does not give robustness in the other. We train and test mostly in $\ell_\infty$, as the four papers do.
#
# ## Summary
#
# - An adversarial example maximises a loss inside a **ball**; norm and $\varepsilon = k/255$ are the threat model, and
#   without them a robust accuracy means nothing.
# - For linear models the worst case is a formula. There we can *check* attacks, and see that they bound from above.
# - **FGSM** is one step to the corner that the gradient points to; **PGD** takes short steps, projects, and restarts.
# - At equal size, direction decides: random noise of the same $\varepsilon$ does little.
# - Raise the attack's budget until the number stops falling. Whether it *should* fall further is the subject of
#   {doc}`primer 3 <primer_03_honest_evaluation>`.
#
# ## Questionnaire
#
# 1. Write down the problem an attacker solves. Which part of it is the threat model?
# 2. Why does the book write $\varepsilon$ as $k/255$, and why do attacks act before the normalisation?
# 3. What is the worst case of a linear classifier in the $\ell_\infty$ ball, and why does the $\ell_1$ norm appear?
# 4. Why is FGSM exact for a linear classifier with two classes, and not with ten?
# 5. Why does a sign appear in FGSM, and what takes its place under $\ell_2$?
# 6. What are projection and random start good for?
# 7. A paper reports 70 % "under attack". What else do you ask for?
#
# ## Exercises
#
# A title says what an exercise takes: a *pencil*; *five minutes*, with a few lines of code; *half an hour*, with some
# more. What takes longer stands under *What to try next*.
#
# ```{exercise-start} Turn everything into an eight · five minutes
# :label: ex-p1-target
# ```
# A *targeted* attack wants one particular wrong answer. Change `pgd` so that it makes the network see an 8. How many of
# the digits that are no 8 can be turned into one within $\varepsilon =$ {glue:text}`eps`?
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p1-target
# :class: dropdown
# ```
# Walk *down* the loss of the class that you want. The rest stays as it was.


# %%
def pgd_towards(model, x, target, eps, steps, step):
    moved = (x + eps * (2 * torch.rand_like(x) - 1)).clamp(0, 1)
    for _ in range(steps):
        moved = moved - step * gradient(model, moved, target).sign()
        moved = moved.clamp(x - eps, x + eps).clamp(0, 1)
    return moved


others = x[y != 8]
eights = torch.full((len(others),), 8)
eps = threat.radius
moved = pgd_towards(network, others, eights, eps, steps=20, step=eps / 4)
print("seen as an 8:", Outcome.of(network(moved).argmax(1) == 8, 0.0))

# %% [markdown]
# It is harder than to make the network err in *some* way, which is why we do not measure robustness like this.
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start} The step size · five minutes
# :label: ex-p1-step
# ```
# PGD-20 has steps of $\varepsilon/4$ in this book. What happens with $\varepsilon/40$, and with $2\varepsilon$? Say what you
# expect before you run it.
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p1-step
# :class: dropdown
# ```

# %% mystnb={"merge_streams": true}
for share in (1 / 40, 1 / 10, 1 / 4, 1, 2):
    attack = PGD(steps=20, step=str(share * threat.radius))
    right = under_attack(network, x, y, threat, attack)
    print(f"step {share:5.3f} ε: {Outcome.of(right, 0.0)}")

# %% [markdown]
# Twenty steps of $\varepsilon/40$ go half an $\varepsilon$ at most, from a random place in the ball. A pixel that started on
# the wrong side cannot come back to the good end; only about one in four can reach it, where 0 and 1 cut nothing off. So
# the network *looks* better. To test a defence with too short a step is the simplest way to fool oneself. Very long steps
# jump from corner to corner.
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start} A certificate · half an hour
# :label: ex-p1-certificate
# ```
# For the linear model with ten classes, compute for every test image the *largest* $\varepsilon$ at which it is robust, for
# certain. What is the median? Why can we not do this for the convolutional network?
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p1-certificate
# :class: dropdown
# ```
# The worst lead falls as $\varepsilon$ grows, so halving an interval again and again closes in on the place where it
# is zero.

# %%
low, high = torch.zeros(len(y)), torch.ones(len(y))
for _ in range(20):
    middle = (low + high) / 2
    robust = worst_lead(ten, x, y, middle[:, None]) > 0
    low, high = torch.where(robust, middle, low), torch.where(robust, high, middle)
print(f"half of the images are robust up to {255 * low.median():.1f}/255")

# %% [markdown]
# For a network with hidden layers the worst case is no formula. To bound it from *below* is the field of certified
# robustness; this book, like the four papers, works with the upper bounds that attacks give.
# ```{solution-end}
# ```
#
# ## What to try next
#
# - {doc}`Primer 2 <primer_02_adversarial_training>`: train on the worst case, and see how much of it survives.
# - Write `recorded["pgd_at"]` for `recorded["standard"]` in the first cell, and run this page again.
