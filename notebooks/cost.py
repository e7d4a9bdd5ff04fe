# %% [markdown]
# # What it costs
#
# Adversarial training is expensive because every update is preceded by an attack, and an attack is many passes through the
# network. An activation is called for every value in every layer in each of those passes. So before anybody adopts PSSiLU or
# SPLASH, a fair question is: what does it cost? And before anybody waits: how much of the waiting is necessary at all?
#
# **At the end you will know**
#
# - what each activation costs, in a whole step and by itself;
# - what a training step is made of, and which of its passes usual loops make for nothing;
# - how fast this library is beside such loops, and where it misses what we wanted of it;
# - how little time it takes to train a network that withstands AutoAttack to some degree;
# - how to read a ratio of two times, and when to distrust it.
#
# *Reading time: 13 minutes. Run time: seconds. Nothing is trained or timed on this page: it shows the records of
# `benchmarks/`, each with its machine and its commit in the last section.*

# %%
from robust_activations.figures import cost, measured, prices, standings

every = measured.benchmarks()  # reads data/ledger/benchmarks
scales = standings.recorded()  # whose networks were timed

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import listed, note

note("cost_devices", listed(dict.fromkeys(one.title for one in every.files)))
here = {name: cost.passes(objective) for name, objective in cost.OBJECTIVES.items()}
loops = {name: cost.passes(objective, cost.usual) for name, objective in cost.OBJECTIVES.items()}
for short, name in (("clean", "clean"), ("nfgsm", "N-FGSM"), ("pgd", "PGD-10"), ("trades", "TRADES, 10 steps")):
    note(f"cost_{short}", sum(here[name].values()))
    note(f"cost_{short}_usual", sum(loops[name].values()))
note("cost_pgd_vain", loops["PGD-10"]["backward to the weights"] - here["PGD-10"]["backward to the weights"])
note("cost_trades_vain", loops["TRADES, 10 steps"]["forward"] - here["TRADES, 10 steps"]["forward"])
note("cost_share", f"{100 * (1 - sum(here['PGD-10'].values()) / sum(loops['PGD-10'].values())):.0f}")
note("cost_compiled", measured.compiled(every))
note("cost_faster", f"{measured.FASTER:g}")
targets = {name: [f"{target:.2f}" for target in measured.targets(every, name)] for name in ("activations", "step_cost")}
note("cost_target", next(iter(targets["activations"]), "(not recorded)"))
note("cost_target_splash", next(reversed(targets["activations"]), "(not recorded)"))
note("cost_target_step", next(iter(targets["step_cost"]), "(not recorded)"))

# %% [markdown]
# Devices with records: {glue:text}`cost_devices`. Where a benchmark has none on one of them, its section says so.

# %% [markdown]
# ## What does another activation cost in practice?

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n\n".join(said for one in scales if (said := prices.said(prices.priced(one, every), one, every))))

# %% mystnb={"image": {"alt": "A dot plot with one row an activation, the cheapest on top, of the time of a training step relative to ReLU's on a logarithmic axis, each with a short horizontal line. A black vertical line marks ReLU, a dashed one the target. Open dots mark the activations that look at more than one number.", "width": "460px"}, "figure": {"caption": "A whole step of PGD-10 adversarial training in bfloat16 with each activation, relative to ReLU: ratio of medians (dot) and the range over neighbouring turns (line). Dashed: the target. Open: activations that look at more than one number, for which nothing was promised.", "name": "fig-cost-step"}} tags=["hide-input"]
cost.step_cost(every)

# %% [markdown]
# An activation is only a part of a step, beside the convolutions. So what counts is the whole step of PGD-10 adversarial training, attack and
# update, relative to the same step with ReLU. We wanted at most {glue:text}`cost_target_step` of every elementwise one. What each gains for its price:
# {numref}`fig-choice-price`.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(measured.step_cost(every))

# %% [markdown]
# ## One activation by itself
#
# How long does the activation take on a tensor of the size that it meets in the network? The measure is torch's own SiLU, which is
# smooth and has no parameters: one with parameters should not cost much more. We wanted at most {glue:text}`cost_target` times its time, and
# {glue:text}`cost_target_splash` times for SPLASH with its many hinges. {numref}`fig-cost-activations`
# shows two uses: forward and backward to the input, as in the attack; and with the backward pass to the parameters too, as in the update. The table
# has forward alone as well. The diamonds are the formula as one would write it down in PyTorch, with autograd's backward pass.

# %% mystnb={"image": {"alt": "Two panels side by side with one row an activation and a logarithmic axis of time relative to SiLU: forward and backward to the input, and with the backward to the parameters. Filled dots for this library lie near the lines at one and at the targets; open diamonds for the plain formula of most parametric activations lie far to their right.", "width": "460px"}, "figure": {"caption": "Time of an activation relative to torch's SiLU in bfloat16: this library (dot: median over the shapes of ResNet layers, line: their range) and the plain formula (diamond). Dashed: the target of the parametric and smooth ones; dotted: that of SPLASH. Activations that look at more than one number are in the table alone.", "name": "fig-cost-activations"}} tags=["hide-input"]
cost.activations(every)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(measured.activations(every))

# %% mystnb={"markdown_format": "myst", "code_prompt_show": "Show the table", "code_prompt_hide": "Hide the table"} tags=["hide-cell"]
Markdown(measured.activation_table(every))

# %% [markdown]
# A row is one shape in one use. The sentence gives in brackets, and the table in its last column, how many rows miss the target, however narrowly. The
# table's numbers are medians over the shapes, in bfloat16, as multiples of SiLU's time.

# %% [markdown]
# ## What a step is made of
#
# Count in **forward-equivalents**: a forward pass, a backward pass to the input and a backward pass to the weights are about the
# same number of multiplications each.
#
# - A step of *clean* training is one of each: {glue:text}`cost_clean`.
# - A step of an *attack* needs a forward pass and a backward pass to the input: 2. The weights stand still, so nobody needs
#   their gradients.
# - *PGD-10 adversarial training* {cite}`madry2018` is ten such steps and an update: $10 \cdot 2 + 3$ =
#   {glue:text}`cost_pgd`.
# - *N-FGSM* {cite}`dejorge2022` is one and an update: {glue:text}`cost_nfgsm`. This is all there is to "fast" adversarial training.
# - *TRADES* {cite}`zhang2019` passes the clean images once for the probabilities that the attack moves away from, attacks, and
#   updates on clean and on attacked images: {glue:text}`cost_trades`.
#
# Loops as they are often written do more. Calling `loss.backward()` in the attack, as foolbox does, also fills the gradients of
# all weights, which are then thrown away; with ten steps these are {glue:text}`cost_pgd_vain` passes for nothing
# (`torch.autograd.grad`, as in torchattacks, does not make them). And the TRADES authors' code passes the clean images through
# the network in every step of the attack and twice in the update, which gives {glue:text}`cost_trades_vain` forward passes
# more. {numref}`fig-cost-steps` is not copied from a paper: the page runs one step of each on two images and counts the
# convolutions that are computed.

# %% mystnb={"image": {"alt": "Four pairs of horizontal bars, for clean training, N-FGSM, PGD-10 and TRADES with ten steps, each made of forward passes, backward passes to the input and backward passes to the weights. The paler lower bar, the usual loop, is longer for all but clean training, for PGD-10 by weight gradients and for TRADES mostly by forward passes.", "width": "460px"}, "figure": {"caption": "Passes through a ResNet-20 in one training step: counted in this library (full colour) and in loops as they are often written (pale).", "name": "fig-cost-steps"}} tags=["hide-input"]
cost.steps()

# %% [markdown]
# ## How the engine compares
#
# So counting alone saves {glue:text}`cost_share` % of PGD-10. The rest of the way is not about doing less but about doing it where the
# hardware is fast:
#
# images
# : lie on the device as `uint8` from the start; cropping and flipping happen there, a batch at a time. No worker processes, no
#   conversion image by image.
#
# precision
# : bfloat16 by autocast, channels last in memory, which is what fast convolutions want. Weights and their updates stay float32.
#
# BatchNorm
# : in the attack it runs in evaluation mode, where it is a scale and a shift. It is folded into the convolution before it, once for
#   all the steps of the attack, and unfolded for the update.
#
# activations
# : a formula of five tensor operations reads and writes memory five times. Here value, slope and the gradients of the
#   parameters come from loops that pass over memory once. All of them are made from one text, `fused/derivatives.py`,
#   which is Python, and is read as it is by the tests, as C++ on a CPU, and as Triton on a GPU.
#
# launches
# : on a GPU the whole step is recorded once as a CUDA graph and then replayed, so that small kernels do not wait for Python.
#
# None of this changes what is computed by more than rounding.

# %% [markdown]
# ### Against the usual loop
#
# The other side is the loop that tutorials show: a `DataLoader` with two workers, PGD-10 of
# [torchattacks](https://github.com/Harry24k/adversarial-attacks-pytorch) or [foolbox](https://github.com/bethgelab/foolbox),
# and an update, in float32. Both sides train the same network from the same weights on as many images, in turns. Part of the
# difference is therefore bfloat16, which the usual loop could have too. On a CPU we wanted a factor of
# {glue:text}`cost_faster`.

# %% mystnb={"image": {"alt": "Pairs of horizontal bars, one pair for each activation, batch size and peer, in one panel a network. The upper bar of a pair, in the colour of the activation, is this library, the grey one below it the usual loop, and at their end stands the ratio.", "width": "460px"}, "figure": {"caption": "Images per second of PGD-10 adversarial training: this library (black: ReLU; orange: PSSiLU), the usual loop (grey) with the named batch size and attack library, and the ratio of the two. Medians over turns.", "name": "fig-cost-throughput"}} tags=["hide-input"]
cost.throughput(every)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(measured.throughput(every))

# %% mystnb={"markdown_format": "myst", "code_prompt_show": "Show the table", "code_prompt_hide": "Hide the table"} tags=["hide-cell"]
Markdown(measured.throughput_table(every))

# %% [markdown]
# Brackets: smallest and largest ratio over the turns, where there were several.
#
# Which part of the engine gives how much? Here PGD-10 on one batch of 128 is run as training runs it, and then with one thing
# changed at a time. Above 1, the change is slower.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(measured.ablation_table(every))

# %% [markdown]
# ### AutoAttack
#
# Evaluation is expensive too. The library runs the authors' attacks {cite}`croce2020` on the folded network, channels last and with fused
# activations; the other side is the package *pyautoattack* as its users call it, on the network as it is. Both are in float32.
# AutoAttack amplifies rounding: two runs that differ in the last bit of a gradient can part ways. So what has to agree is the verdict, image by
# image.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(measured.autoattack(every))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(measured.autoattack_table(every))

# %% [markdown]
# ### What grows, and where it bends
#
# {numref}`fig-cost-scaling` changes one thing at a time. Twice the image side is four times the pixels, twice the width four times the
# weights: where the hardware is busy, cost grows with the square. Where it is not, something else is paid for, such as the start of every
# small operation, and larger is nearly free. The lines below say from where on the law of the last points holds.

# %% mystnb={"image": {"alt": "Four small panels with logarithmic axes: seconds an image against batch size, image side, width and attack steps, one line a device. With the batch the cost falls and levels off; with side and width it rises steeply, with the steps more slowly at first.", "width": "460px"}, "figure": {"caption": "Seconds an image of PGD adversarial training along four axes, relative to the first point of each line. The base case differs between devices.", "name": "fig-cost-scaling"}} tags=["hide-input"]
cost.scaling(every)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(measured.scaling(every))

# %% mystnb={"markdown_format": "myst", "code_prompt_show": "Show the table", "code_prompt_hide": "Hide the table"} tags=["hide-cell"]
Markdown(measured.scaling_table(every))

# %% [markdown]
# On a CPU the memory is that of the whole process, on a GPU that of the tensors.

# %% [markdown]
# ### A robust speedrun
#
# How little training does it take? In the spirit of [airbench](https://github.com/KellerJordan/cifar10-airbench) the clock
# starts with random weights and stops after the last update; loading, a warm-up on other weights and the evaluation do not count.
# The weights of the last epoch are then attacked with AutoAttack. A target is reached if the mean accuracy over the seeds
# reaches it. On a CPU the race is run on the digits with ε = 38.25/255, on a GPU on CIFAR-10 with ε = 8/255.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(measured.speedrun(every))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(measured.speedrun_table(every))

# %% [markdown]
# These are all the recipes of the race that were recorded, the slower ones too: a name says the objective and the epochs. Training time is the
# median over the seeds, in brackets the smallest and the largest; robust accuracy is their mean, in brackets the 95 % Wilson interval {cite}`wilson1927` for *n* images. **It is the accuracy of a
# race, not a result:** the recipes were chosen by looking at these very images.

# %% [markdown]
# ### What was tried and did not help
#
# - **Compiling the network** with `torch.compile` ({glue:text}`cost_compiled`). On a CPU that gains
#   too little for what it takes, so the engine does not compile.
# - **Smaller batches**, so that a layer's output fits into a core's cache: the attack treats images independently, so they may be
#   cut as one likes. The table above has the factor for four parts.
# - **Other memory allocators and huge pages** (glibc's thresholds, `THP_MEM_ALLOC_ENABLE`): no change that stood out of the noise.
# - **Vectors of 256 instead of 512 bits** in the fused loops: slower on the machine of these records.
# - **Other recipes in the race**, with other batches, objectives, activations and numbers of steps: the slower ones stand in the
#   table above too.

# %% [markdown]
# ## Where these numbers come from
#
# Every row of a benchmark is a duel in one process: after a warm-up both sides take turns, and the row holds the medians, the
# least and the greatest, and the number of turns. *Load* is the mean number of busy threads in the last minute of
# the benchmark, its own included; where it is far above the threads, others were busy too. *Changed* beside a commit
# means that files differed from it.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(measured.origins(every))

# %% [markdown]
# To make them again, from the root of the repository, with CIFAR-10 in `data/` (without it random images of its shape
# are used, and the rows say so):
#
# ```bash
# pip install foolbox pyautoattack && pip install --no-deps torchattacks
# python -m benchmarks.throughput --save
# python -m benchmarks.ablation --save
# python -m benchmarks.activations --save
# python -m benchmarks.step_cost --save
# python -m benchmarks.autoattack --save
# python -m benchmarks.scaling --save
# python -m benchmarks.speedrun --save
# ```
#
# They use the GPU if there is one; `--device cpu` and `--threads` choose otherwise, and `--only` takes some of the rows. With
# `--save` a device's file is replaced, and this page shows the new one.

# %% [markdown]
# ## Summary
#
# - A step of PGD-10 adversarial training is {glue:text}`cost_pgd` forward-equivalents; loops with `loss.backward()` in the attack make
#   {glue:text}`cost_pgd_usual`.
# - A formula written operation by operation passes over memory once for each; loops that pass once keep an activation with parameters
#   near a fixed one. How near, and which miss the target, the figures say.
# - What an activation costs by itself is not what it costs in a step, which has convolutions too.
# - A factor is worth as much as the duel it comes from: same process, same work, in turns.
#
# ## Questionnaire
#
# 1. Why does an attack not need the gradients of the weights?
# 2. Why can BatchNorm be folded into a convolution in the attack, and why not in the update?
# 3. What does a plain formula of five tensor operations do that a fused one does not?
# 4. Why is SiLU, and not ReLU, the measure for a single activation?
# 5. Why is the accuracy of the speedrun not a result?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Count another objective · five minutes
# :label: ex-cost-count
#
# FGSM with a random start {cite}`wong2020` takes one step from a random point in the ball. How many forward-equivalents is a
# training step, and how many steps of it can be had for one of PGD-10?
# ```

# %% [markdown]
# ````{solution-start} ex-cost-count
# :label: sol-cost-count
# :class: dropdown
# ````
#
# One forward pass and one backward pass to the input for the attack, three for the update. The random start costs no pass.

# %%
from robust_activations.training import Objective

counted = cost.passes(Objective("fgsm_rs"))
print(counted)
pgd10 = sum(here["PGD-10"].values())
print(f"{sum(counted.values())} in all; PGD-10 costs {pgd10 / sum(counted.values()):.1f} times as much")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} From one activation to a step · half an hour
# :label: ex-cost-predict
#
# A ResNet-20 calls its activation 7 times on 16 channels of 32×32 pixels, 6 times on 32 of 16×16, and 6 times on 64 of 8×8. From
# the benchmark of single activations, predict what a step of PGD-10 training costs with GELU relative to ReLU, and compare.
# ```

# %% [markdown]
# ````{solution-start} ex-cost-predict
# :label: sol-cost-predict
# :class: dropdown
# ````
#
# Time is about in proportion to the number of values, which halves from stage to stage. A step calls the network forward and
# backward eleven times. What GELU takes more than ReLU on the first stage's tensor is multiplied accordingly and added to
# the step with ReLU.


# %%
def predicted(name, device):
    """Predicted and measured ratio to ReLU's step; None where something is not recorded."""
    alone = every.rows("activations", device, activation=name, shape="128x16x32x32", dtype="bf16", mode="input")
    step = every.rows("step_cost", device, activation=name, model="resnet20", batch=128)
    if not alone or not step:
        return None
    calls = 11 * (7 + 6 / 2 + 6 / 4)
    more = calls * (alone[0]["ours"] - alone[0]["relu"])
    return 1 + more / step[0]["relu"], step[0]["ratio"]


for device in dict.fromkeys(one.device for one in every.files):
    found = predicted("gelu", device)
    text = "not recorded" if found is None else f"predicted {found[0]:.2f}, measured {found[1]:.2f}"
    print(f"{device}: {text}")

# %% [markdown]
# The prediction is rough. Alone and in a tight loop, an activation may find its tensor in the cache; in the network the
# convolution before it may have left it there, or pushed it out. And in a step that is not limited by computing, extra work
# hides behind waiting.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Two numbers or one ratio · pencil
# :label: ex-cost-ratio
#
# A paper reports 900 images a second for its method on its machine, and you measure 300 for yours on your own. Why does the ratio 3 say little, and
# why is a ratio of two sides that take turns in one process fairer? What can still be wrong with it?
# ```

# %% [markdown]
# ````{solution-start} ex-cost-ratio
# :label: sol-cost-ratio
# :class: dropdown
# ````
#
# Between two machines everything differs: the chip, its clock and temperature, the versions, what else is running, the data, and what was
# counted. In one process, in turns, all of this falls on both sides, and what changes slowly cancels in the ratio; the spread over neighbouring
# turns shows how well. What can still be wrong: one side was not warmed up, the sides do not do the same work
# (another precision, other batches), or one was written by people who know it better. So a ratio needs its benchmark's
# text beside it. And it holds for that machine: a ratio may well be another one where memory is faster or cores are more.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Record your own machine: the commands are above. A new device gets its own block in every figure.
# - Write the formula of another activation, put it in the registry, and run `python -m benchmarks.step_cost --activation`
#   with its name: without a fused kernel it takes the plain formula.
# - Add a recipe to `benchmarks/speedrun.py` and win the race.
