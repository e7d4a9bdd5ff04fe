# %% [markdown]
# # Adversarial training
#
# :::{admonition} What you will know at the end
# :class: tip
#
# - the min-max problem, and the training step that works on it, in five lines;
# - what PGD-AT, TRADES and the fast one-step methods do differently, and what each costs;
# - how a network can learn to fool its own attacker, and which number gives it away.
#
# Reading: 15 minutes. Running: half a minute on two cores, after about a minute of training the first time that one of
# the primers is opened.
# :::

# %%
import inspect

import torch
import torch.nn.functional as F

from robust_activations import attacks, data, paths, runs, studies, training
from robust_activations.attacks import PGD, Threat
from robust_activations.evaluation import Outcome, under_attack
from robust_activations.figures import primers as figures
from robust_activations.figures.pictures import landscape
from robust_activations.studies import pictures

records = studies.collect("primer").of(studies.primer.STUDY.runs("digits"))
recorded = {record.run.objective.name: record for record in records}
digits = data.load("digits")
x, y = digits.test_images.float() / 255, digits.test_labels
threat = recorded["pgd_at"].run.threat

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.evaluation import SUITE
from robust_activations.figures.prose import note


def seconds(record):
    """What training took, without the probe."""
    return sum(row["train_seconds"] for row in record.history)


schedule = recorded["pgd_at"].run.schedule
steps = recorded["pgd_at"].run.objective.attack.steps
note("test-n", len(y))
note("train-n", f"{len(digits.train_labels) - recorded['pgd_at'].run.held_out:,}")
note("held-n", recorded["pgd_at"].run.held_out)
note("eps", threat.eps)
note("steps", steps)
note("epochs", schedule.epochs)
note("starts", SUITE["pgd50"](threat).restarts)
note("beta", f"{recorded['trades'].run.objective.beta:g}")
note("standard-pgd50", recorded["standard"].best.outcomes["pgd50"])
note("pgd-pgd50", recorded["pgd_at"].best.outcomes["pgd50"])
note("pgd-clean", recorded["pgd_at"].best.outcomes["clean"])

# %% [markdown]
# ## Train on the worst case
#
# The network of {doc}`primer 1 <primer_01_threat_models>` was right almost always, and under PGD-50 on
# {glue:text}`standard-pgd50` test images. Nobody had told it that a small change must not matter. So let us tell it, and
# minimise the loss of the worst image in the ball instead of the loss of the image:
#
# $$
# \min_\theta\; \E_{(x, y)} \Big[ \max_{x' \in B_\varepsilon(x)} \ell\big(f_\theta(x'), y\big) \Big].
# $$ (eq:p2-minmax)
#
# $B_\varepsilon(x)$ is the ball around $x$, cut to $[0, 1]^d$. The inner maximum is the attacker's problem, and PGD is our best approximation of it. For the outer minimum we need the
# gradient of that maximum with respect to $\theta$. It is simply the gradient at the worst image, with that image held
# fixed. This is **PGD adversarial training** {cite:p}`madry2018`, *PGD-AT* for short, and here is all of it:


# %%
def training_step(model, optimizer, images, labels):
    with attacks.attacking(model):  # weights frozen, BatchNorm in evaluation mode
        moved = attacks.pgd(model, images, labels, threat, PGD(steps=7))
    loss = F.cross_entropy(model(moved), labels)  # in training mode again
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


# %% [markdown]
# The `with` line carries more than it seems to. Without it,
#
# - the attack would compute a gradient for every *weight* as well, and throw it away: slower for nothing;
# - if those gradients are not thrown away, they are added to the update;
# - BatchNorm's running averages would move with every step of the attack, towards images that the network will never see,
#   and the attack would be made against a network that does not exist at test time.
#
# None of it raises an error. Our rule is *the attack never trains*, and one context manager enforces it.
# Three epochs by hand, tested on held-out images:

# %% mystnb={"merge_streams": true}
model = runs.build(recorded["pgd_at"].run, digits).train()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
images, labels, held, held_labels = data.hold_out(digits, 200)
generator = torch.Generator().manual_seed(0)

for epoch in range(3):
    for batch in data.Batches(images, labels, 64, generator=generator):
        training_step(model, optimizer, *batch)
    right = under_attack(model, held.float() / 255, held_labels, threat, PGD(steps=20))
    print(f"after epoch {epoch + 1}, PGD-20: {Outcome.of(right, 0.0)}")

# %% [markdown]
# The book's runs do the same for {glue:text}`epochs` epochs, with a learning rate that falls along a cosine.
#
# ## Two relatives
#
# **TRADES** {cite:p}`zhang2019` asks for two things with a weight between them: be right on the clean image, and say the
# same in the whole ball around it.
#
# $$
# \begin{aligned}
# \min_\theta\; \E \Big[ & \ell\big(f_\theta(x), y\big) \\
# & + \beta_{\text{TRADES}} \max_{x' \in B_\varepsilon(x)} \mathrm{KL}\big(p_\theta(x) \,\Vert\, p_\theta(x')\big) \Big]
# \end{aligned}
# $$ (eq:p2-trades)
#
# A large $\beta_{\text{TRADES}}$ buys agreement and pays with clean accuracy; here it is {glue:text}`beta`. The attack climbs the
# divergence, which needs no label, and since the divergence has no slope at the clean image itself, it starts a
# tiny random step away.


# %%
def trades_loss(model, images, labels, beta=6.0):
    with attacks.attacking(model):
        clean = model(images).softmax(1)
        moved = attacks.pgd(model, images, labels, threat, PGD(steps=7, loss="kl", start="gauss"), clean=clean)
    logits, attacked = model(images), model(moved)
    divergence = F.kl_div(attacked.log_softmax(1), logits.softmax(1), reduction="batchmean")
    return F.cross_entropy(logits, labels) + beta * divergence


print(f"loss of one batch: {trades_loss(model, images[:64].float() / 255, labels[:64]):.2f}")

# %% [markdown]
# One detail decides whether two implementations agree: **what BatchNorm sees.** During the attack it is in evaluation mode
# for all of our objectives. In the update PGD-AT shows it one batch, the attacked images; TRADES shows it the clean images,
# then the attacked ones. The TRADES authors' code passes the clean batch a *second* time, for the divergence, so that their
# running averages are a different mixture. `Objective(as_authors=True)` does as they do.
#
# **Fast adversarial training** saves on the attack. PGD-AT with {glue:text}`steps` steps makes {glue:text}`steps` extra
# forward and backward passes for each update. What if one step were enough?
#
# - *FGSM-RS* {cite:p}`wong2020`: start at a random place in the ball, one step of $1.25\,\varepsilon$, project.
# - *N-FGSM* {cite:p}`dejorge2022`: start with noise from a ball *twice* as wide, one step of $\varepsilon$, do not project.
#
# Of the second this is all:

# %% mystnb={"merge_streams": true}
print(inspect.getsource(attacks.n_fgsm))

# %% [markdown]
# The noise is no decoration. Why it is there we shall see by leaving it out.
#
# ## What came out
#
# One network, one recipe, five objectives, each on {glue:text}`train-n` digits. The numbers are percent of
# {glue:text}`test-n` test images that are right, with the 95 % Wilson interval; the threat model is $\ell_\infty$,
# $\varepsilon =$ {glue:text}`eps`, and PGD-50 is the best of {glue:text}`starts` starts. The last column is what training took on the
# machine that built this page.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input", "no-figure"]
Markdown(figures.table(records))

# %% tags=["remove-cell"]
fast = min((recorded["n_fgsm"], recorded["fgsm_rs"]), key=seconds)
note("fast", figures.OBJECTIVES[fast.run.objective.name])
note("fast-share", f"{seconds(fast) / seconds(recorded['pgd_at']):.0%}")
note("fast-pgd50", fast.best.outcomes["pgd50"])
gaps = {r.run.objective.name: r.best.outcomes["fgsm"].accuracy - r.best.outcomes["pgd50"].accuracy for r in records}
widest = max(list(gaps)[1:], key=lambda name: gaps[name])
note("widest", figures.OBJECTIVES[widest])
note("widest-gap", f"{100 * gaps[widest]:.1f}")

# %% [markdown]
# Under PGD-50, adversarial training went from {glue:text}`standard-pgd50` to {glue:text}`pgd-pgd50`, and still
# {glue:text}`pgd-clean` clean images are right. (Digits are kind. On photographs robustness costs clean accuracy.)
# {glue:text}`fast` needed {glue:text}`fast-share` of PGD-AT's training time and reached {glue:text}`fast-pgd50`.
#
# Read the columns from left to right: each attack is stronger than the one before. Among the four that were trained against
# an attack, {glue:text}`widest` loses most between FGSM and PGD-50, {glue:text}`widest-gap` points. Keep an eye on that
# gap. Whether the rows differ by more than chance is a question for {doc}`primer 3 <primer_03_honest_evaluation>`.
#
# ## Watch it, and choose without cheating
#
# After each epoch the network is tested on {glue:text}`held-n` **held-out** training images: clean, with FGSM, and with a
# small PGD of ten steps, the *probe*.

# %% mystnb={"image": {"alt": "Five small panels, one an objective, with held-out accuracy by epoch. For standard training the clean curve is at the top and PGD-10 low. For the four others all three curves rise and level out, FGSM a little above PGD-10. A dotted line marks one epoch in each."}, "figure": {"caption": "Held-out accuracy by epoch ({glue:text}`held-n` images, ℓ∞, ε = 38.25/255). The dotted line is the epoch that is kept as *best*: the one with the highest PGD-10 probe, or clean accuracy for standard training.", "name": "fig-p2-histories"}} tags=["hide-input"]
figures.histories(records)

# %% [markdown]
# The probe does two jobs.
#
# **It chooses the epoch.** Adversarially trained networks overfit: late in training, robust accuracy on new images can fall
# while the training loss still improves {cite:p}`rice2020`. So we keep the best epoch besides the last, and report it. Best
# *on what*, though? If one picks the epoch on the test images, the test accuracy of that epoch is the maximum over all
# epochs and a little too good, for every network, and more so for the noisy ones. The public code of one of our
# four papers does this {cite:p}`dai2021`. Here test images choose nothing.
#
# **It raises the alarm**, which is the subject of the last section.
#
# ## What training has changed
#
# Cut through the ball as in primer 1, around the same image for both networks:

# %% tags=["remove-cell"]
standard, robust = (runs.trained(recorded[name].run, paths.data("digits")) for name in ("standard", "pgd_at"))
falls = torch.from_numpy(~recorded["standard"].best.outcomes["pgd50"].right)
holds = torch.from_numpy(recorded["pgd_at"].best.outcomes["pgd50"].right)
for name, model in (("standard", standard), ("robust", robust)):
    with attacks.attacking(model):
        moved = attacks.pgd(model, x, y, threat, figures.PICTURED)
        before, after = (-attacks.loss_per_image("margin", model(images), y) for images in (x, moved))
    note(f"lead-{name}", f"from {before.mean():.1f} to {after.mean():.1f}")
    if model is standard:  # a typical one of the images that only the other network holds
        candidates = torch.nonzero(falls & holds)[:, 0]
        chosen = candidates[after[candidates].argsort()[len(candidates) // 2]].reshape(1)

# %% mystnb={"image": {"alt": "Two maps of the lead of the true class. In the left one, of standard training, a black border crosses the dotted square of size epsilon. In the right one the border lies farther from the clean image."}, "figure": {"caption": "The lead of the true class around one test image, for two networks (cross: the clean image; blue: right; red: wrong; black line: the border). The dotted square is ε = 38.25/255 along each direction (ℓ∞; its corners lie outside the ball). Each network is cut along the direction that is worst for itself.", "name": "fig-p2-landscape"}} tags=["hide-input"]
networks = {"standard": standard, "PGD-AT": robust}
landscape({name: pictures.lead(model, x[chosen], y[chosen], threat) for name, model in networks.items()})

# %% [markdown]
# One image is an anecdote. Over all test images, PGD-20 on the margin takes the mean lead of the standard network
# {glue:text}`lead-standard`, and that of the PGD-AT network {glue:text}`lead-robust`. To break the second one takes larger
# changes. With twice the usual $\varepsilon$ it can be done, and you may judge for yourself whether the result begins to look
# like another digit:

# %% mystnb={"image": {"alt": "Three rows, one a digit: the clean image; what PGD adds against the standard network and the result; what PGD adds against the PGD-AT network and the result."}, "figure": {"caption": "Changes that break the standard network and the PGD-AT network (PGD-20, ℓ∞, ε = 76.5/255, twice the usual; red: more ink, blue: less; full colour: ±76.5/255). Under each attacked image stands what the attacked network sees, in bold and in colour: it is wrong.", "name": "fig-p2-gallery"}} tags=["hide-input"]
far = Threat("linf", "76.5/255")
broken = torch.ones(len(y), dtype=torch.bool)
for name, model in (("standard", standard), ("pgd_at", robust)):
    clean = torch.from_numpy(recorded[name].best.outcomes["clean"].right)
    broken &= clean & ~under_attack(model, x, y, far, figures.PICTURED)
three = torch.stack([torch.nonzero(broken & (y == label))[0, 0] for label in y[broken].unique()[-3:]])
figures.gallery(x[three], y[three], {"standard": (standard, far), "PGD-AT": (robust, far)}, far.radius)

# %% [markdown]
# ## When one step is not enough
#
# FGSM is exact where the loss is linear, and training against FGSM rewards a network for being correct *where FGSM looks*: at
# the far end of one long step. There are two ways to earn that reward. One is to be robust. The other is to bend the
# loss so that the step leads to a harmless place. {cite:t}`wong2020` saw networks switch to the second way from one epoch to
# the next: accuracy under FGSM shoots up, accuracy under PGD falls to nothing. They called it **catastrophic overfitting**.
#
# Can we provoke it? We train against plain FGSM, without noise, in two balls that are larger than usual:


# %%
def train_on_fgsm(threat):
    run = recorded["pgd_at"].run
    network = runs.build(run, digits)
    result = training.train(
        network,
        runs.images_of(run, digits, torch.device("cpu")),
        training.Objective("pgd_at", attacks.fgsm(threat)),  # a PGD of one step
        threat,
        training.Schedule(epochs=15, batch_size=64, lr=0.2),
    )
    return network.eval(), result.history


large, huge = Threat("linf", "76.5/255"), Threat("linf", "127.5/255")
one_step = {t: train_on_fgsm(t) for t in (large, huge)}

# %% mystnb={"image": {"alt": "Two panels with accuracy by epoch. Above, for epsilon 76.5/255, FGSM rises and PGD-10 rises less; the shaded gap between them grows. Below, for epsilon 127.5/255, FGSM climbs high while PGD-10 stays at the bottom."}, "figure": {"caption": "Training against plain FGSM: accuracy on {glue:text}`held-n` held-out images under FGSM and under the PGD-10 probe (ℓ∞; above ε = 76.5/255, below ε = 127.5/255).", "name": "fig-p2-one-step"}} tags=["hide-input"]
figures.one_step({f"ε = {t.eps}": history for t, (_, history) in one_step.items()})

# %% tags=["remove-cell"]
for name, t in (("large", large), ("huge", huge)):
    last = one_step[t][1][-1]
    note(f"{name}-fgsm", f"{last['held_fgsm']:.0%}")
    note(f"{name}-pgd", f"{last['held_pgd10']:.0%}")
note("commonest", f"{held_labels.bincount().max() / len(held_labels):.0%}")
fooled = one_step[huge][0]
shares = torch.linspace(0, 1.25, 11)
step = huge.radius * attacks.input_gradient(fooled, x, y).sign()
step_robust = threat.radius * attacks.input_gradient(robust, x, y).sign()
with torch.no_grad():
    along = [fooled((x + share * step).clamp(0, 1)).argmax(1) == y for share in shares]
    along_robust = [robust((x + share * step_robust).clamp(0, 1)).argmax(1) == y for share in shares]
worst = min(range(9), key=lambda place: int(along[place].sum()))
note("worst-share", f"{shares[worst]:.3g}")
note("worst-right", along[worst])
note("full-right", along[8])
# %% [markdown]
# Look at the gap. At $\varepsilon = 76.5/255$ FGSM says {glue:text}`large-fgsm` after the last epoch and PGD-10 says
# {glue:text}`large-pgd`; at $127.5/255$ they say {glue:text}`huge-fgsm` and {glue:text}`huge-pgd`. Here the
# first number can be *proved* to mean nothing: with $\varepsilon = 1/2$ every image can be turned into the same plain grey,
# and no classifier whatsoever gets more of it right than the commonest class, {glue:text}`commonest` of the held-out images.
#
# Where did the network hide its mistakes? Not at the end of the FGSM step, but on the way there:

# %% mystnb={"image": {"alt": "Accuracy along the FGSM step. The curve of the FGSM-trained network starts in the middle, dives into a deep valley in the first part of the step and comes up again at its end. The curve of PGD-AT falls gently."}, "figure": {"caption": "Accuracy when only a share of the FGSM step is taken ({glue:text}`test-n` test images, bands are 95 % Wilson intervals). The network trained on plain FGSM, ε = 127.5/255, and the PGD-AT network, ε = 38.25/255, each along its own step (ℓ∞).", "name": "fig-p2-valley"}} tags=["hide-input"]
curves = {"trained on plain FGSM": along, "PGD-AT": along_robust}
figures.accuracy(figures.Panel(shares.tolist(), curves, "share of the FGSM step"))

# %% [markdown]
# After {glue:text}`worst-share` of the step {glue:text}`worst-right` test images are right; after the whole step,
# {glue:text}`full-right`.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
deeper = int(along[worst].sum()) < int(along[8].sum())
start = (
    "The smaller change does more harm. That is" if deeper else "Were a smaller change to do more harm, that would be"
)
Markdown(f"""{start} the signature of the second way: the step has become a message that tells the network the label.
PGD stops at the places in between and is not fooled.""")

# %% [markdown]
# In fairness: this is the disease, but not its sudden onset. On 8×8 images we could not provoke the fall from one epoch to the
# next; the gap was there early and grew with $\varepsilon$. The library has a rule that marks a run as *collapsed*, never to
# be ranked, and it has two halves. The first asks for a fall: the last PGD probe is under half of the best one, and FGSM
# above that half. The second is for training on single steps, where the fall may come before the first probe: PGD ends
# below chance and under half of FGSM, which is above chance. Here is the rule on an *invented* history and on our two. (We
# trained on a PGD of one step; `Objective("fgsm_rs")` tells the second half that it was a single step, for it goes by the
# name.)

# %% mystnb={"merge_streams": true}
invented = [
    {"held_clean": 0.8, "held_fgsm": 0.55, "held_pgd10": 0.45},
    {"held_clean": 0.9, "held_fgsm": 0.95, "held_pgd10": 0.02},
]
single = training.Objective("fgsm_rs")
print("invented ->", training.collapse(invented, single, classes=10))
caught = {t: training.collapse(history, single, classes=10) for t, (_, history) in one_step.items()}
for t, reason in caught.items():
    print(t, "->", reason)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
found = ["The first half caught the invented run: its probe fell."]
for t, reason in caught.items():
    probes, last = [row["held_pgd10"] for row in one_step[t][1]], one_step[t][1][-1]
    if reason is None:
        ends = f"FGSM ends at {last['held_fgsm']:.0%} and PGD-10 at {last['held_pgd10']:.0%}"
        found.append(f"At ε = {t.eps} neither half speaks, though {ends}.")
    elif "fell" in reason:
        found.append(f"It caught the one at ε = {t.eps} too.")
    else:
        found.append(
            f"The second half caught the one at ε = {t.eps}, whose probe was never above {max(probes):.0%} and had nothing to fall from."
        )
Markdown(" ".join(found))

# %% [markdown]
# A rule has limits, and a gap can stay within them. What protects a reader is simpler: never rank by the attack that was
# trained against.
#
# ## Summary
#
# - Adversarial training minimises the loss on the **worst image in the ball**, found by an attack at every step.
# - **The attack never trains**: weights frozen, BatchNorm in evaluation mode, both restored afterwards.
# - **TRADES** balances clean loss against agreement in the ball; what BatchNorm sees is part of the method.
# - **Fast** methods take one noisy step. They cost a fraction, and they can fool themselves: a gap between FGSM and PGD
#   shows it.
# - The best epoch is chosen on **held-out** images by a PGD probe. The test images choose nothing.
#
# ## Questionnaire
#
# 1. Which part of {eq}`eq:p2-minmax` is solved by PGD, and which by SGD?
# 2. Name two things that go wrong if the attack runs in training mode.
# 3. What does TRADES do when $\beta_{\text{TRADES}} = 0$? And when it is huge?
# 4. Why does the attack of TRADES not start at the clean image?
# 5. FGSM-RS and N-FGSM both begin with noise. What is different?
# 6. Why is accuracy under FGSM the wrong number for a network that was trained on FGSM?
# 7. Somebody reports the best of 200 epochs, judged on the test images. What is wrong with it?
#
# ## Exercises
#
# ```{exercise-start} Count the passes · pencil
# :label: ex-p2-passes
# ```
# Count forward and backward passes of one update for standard training, PGD-AT with seven steps, TRADES with seven steps and
# FGSM-RS. What ratio of training times do you expect? Compare with the records.
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p2-passes
# :class: dropdown
# ```
# Count a forward pass, a backward pass to the input and one to the weights as one each. An attack's step needs the first two, an
# update all three. Standard: 3. FGSM-RS and N-FGSM: 2 + 3 = 5. PGD-AT: 7·2 + 3 = 17. TRADES: one forward pass for the clean
# probabilities, seven steps, and an update on two batches, 1 + 7·2 + 2·3 = 21.

# %% mystnb={"merge_streams": true}
passes = {"standard": 3, "fgsm_rs": 5, "n_fgsm": 5, "pgd_at": 17, "trades": 21}
seconds = {name: sum(row["train_seconds"] for row in record.history) for name, record in recorded.items()}
for name, count in passes.items():
    ratio = seconds[name] / seconds["standard"]
    print(f"{figures.OBJECTIVES[name]:9} {count / 3:4.1f} times standard expected, {ratio:4.1f} measured")

# %% [markdown]
# Measured ratios are lower: in a network this small, batches, the optimiser and Python take much of the time, and all objectives
# share that. And other runs used the machine.
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start} The attack trains after all · five minutes
# :label: ex-p2-mode
# ```
# Take a freshly built network, attack one batch with `attacks.attacking(model, training=True)`, and look at the running mean
# of its first BatchNorm layer before and after. Then do it without `training=True`.
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p2-mode
# :class: dropdown
# ```

# %% mystnb={"merge_streams": true}
for mode in (True, False):
    fresh = runs.build(recorded["pgd_at"].run, digits)
    norm = next(module for module in fresh.modules() if isinstance(module, torch.nn.BatchNorm2d))
    before = norm.running_mean.clone()
    with attacks.attacking(fresh, training=mode):
        attacks.pgd(fresh, x[:64], y[:64], threat, PGD(steps=7))
    print(f"training={mode}: the running mean moved by {float((norm.running_mean - before).norm()):.3f}")

# %% [markdown]
# Seven steps, and the averages have moved seven times, without a single update of the weights.
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start} Best or last? · five minutes
# :label: ex-p2-best
# ```
# Every record has the evaluation of the best and of the last epoch. How much do they differ under PGD-50? Could choosing
# between them on the *test* images have made any objective look better?
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-p2-best
# :class: dropdown
# ```

# %% mystnb={"merge_streams": true}
for record in records:
    best, last = (100 * evaluation.outcomes["pgd50"].accuracy for evaluation in (record.best, record.last))
    name = figures.OBJECTIVES[record.run.objective.name]
    print(f"{name:9} best {best:.1f}, last {last:.1f}, peeking gains {max(best, last) - best:.1f}")

# %% [markdown]
# Where a gain stands, the {glue:text}`held-n` held-out images chose another epoch than the test images would have: they are few,
# several epochs may have the very same accuracy on them, and the first is kept. A gain of a few points from peeking is as large
# as the differences that papers report. Between two hundred epochs, and over several recipes, it adds up.
# ```{solution-end}
# ```
#
# ## What to try next
#
# - {doc}`Primer 3 <primer_03_honest_evaluation>`: are these networks robust, or only hard to attack?
# - Train with another activation, `runs.build(dataclasses.replace(run, activation="silu"), digits)`, and look at the valley
#   again.
