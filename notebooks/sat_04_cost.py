# %% [markdown]
# # "For free"? What smoothness costs
#
# Smooth adversarial training promises robustness for nothing: no accuracy lost, no computation added. Accuracy is judged in
# {doc}`/notebooks/sat_03_smooth_activations`. Here we look at the other half of the promise, and count three things that
# "computation" can mean: arithmetic, time and memory.
#
# **At the end you will know**
#
# - how little arithmetic an activation is, and why that is not the whole bill;
# - how much longer a step of adversarial training takes with each smooth activation, as measured;
# - why ReLU needs no memory of its own in a network with BatchNorm, and every smooth activation does;
# - what a formula written operation by operation keeps in memory, and what one pass keeps.
#
# *Reading time: 8 minutes. Run time: under a minute. Nothing is trained or timed on this page: memory is counted, exactly,
# and times are the records of `benchmarks/`.*

# %%
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from robust_activations import activations
from robust_activations.figures import catalogue, cost, measured, memory, smoothness, style

SMOOTH = [name for name in smoothness.NAMES if name != "relu"]  # those of this part
every = memory.only(measured.benchmarks(), SMOOTH)  # reads data/ledger/benchmarks

# %% tags=["remove-cell"]
from statistics import median

from IPython.display import Markdown

from robust_activations.activations import fused
from robust_activations.figures.prose import listed, note, table

# %% [markdown]
# ## What was claimed
#
# The abstract of {cite:t}`xie2020` (seen) says that smooth adversarial training improves robustness for "free", and explains
# the word: no drop in accuracy, and no increase in computational cost. Its example is ResNet-50 on ImageNet, "without
# introducing additional computations". A table of costs, the hardware and the times of the paper were not found. So we do not
# know *which* cost was meant; that is why we count three.
#
# ## Arithmetic
#
# A network's arithmetic is usually given as the number of multiplications in its convolutions and linear layers. An
# activation adds a few operations for each value that passes through it. How many values are that, beside the
# multiplications?

# %%
networks = {"resnet20": ("ResNet-20", 32), "resnet18": ("ResNet-18", 32), "resnet50": ("ResNet-50", 224)}
counted = {name: memory.work(name, size) for name, (_, size) in networks.items()}
OPERATIONS = 10  # a generous guess of what an exponential, a division and the rest amount to

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
rows = []
for name, (title, size) in networks.items():
    multiplications, values = counted[name]
    share = OPERATIONS * values / multiplications
    millions = (f"{multiplications / 1e6:,.0f}", f"{values / 1e6:.2f}")
    rows.append([f"{title}, {size}×{size} pixels", *millions, f"{multiplications / values:,.0f}", f"{100 * share:.1f}"])
header = ["Network", "Multiplications, millions", "Activated values, millions", "Multiplications a value"]
Markdown(table([*header, f"{OPERATIONS} operations a value, %"], rows))

# %% tags=["remove-cell"]
shares = {name: 100 * OPERATIONS * values / multiplications for name, (multiplications, values) in counted.items()}
note("price_operations", OPERATIONS)
note("price_least", f"{min(shares.values()):.1f}")
note("price_most", f"{max(shares.values()):.1f}")
note("price_resnet50", f"{shares['resnet50']:.1f}")

# %% [markdown]
# *A forward pass of one image, counted from the shapes of the layers. The last column is what an activation of
# {glue:text}`price_operations` operations would add.*
#
# In this sense the claim holds for networks like these: even so, an activation adds
# {glue:text}`price_least` to {glue:text}`price_most` % to the multiplications, for ResNet-50 {glue:text}`price_resnet50` %.
# And it adds no parameters.
#
# ## Time
#
# Counting operations presumes that operations are what takes time. An activation does very little with each value but must
# read and write every one, and an exponential takes longer than a comparison. {doc}`/notebooks/cost` describes how the
# benchmarks are made, and shows all activations. Here are those of this part: the time of a whole step of PGD-10 adversarial
# training, attack and update, relative to the same step with ReLU.

# %% mystnb={"image": {"alt": "A dot plot with one row for each smooth activation, the cheapest on top, of the time of a training step relative to ReLU's, each with a short horizontal line for its spread. A black vertical line marks ReLU.", "width": "460px"}, "figure": {"caption": "A whole step of PGD-10 adversarial training in bfloat16 with each smooth activation, relative to ReLU: ratio of medians (dot) and the range over neighbouring turns (line). Dashed: the target that we set ourselves.", "name": "fig-price-step"}} tags=["hide-input"]
cost.step_cost(every)

# %% tags=["remove-cell"]
steps = every.of("step_cost")
lines = [every.notice("step_cost")]
for one in steps:
    ratios = {row["activation"]: row["ratio"] for row in one.rows}
    slower = [row for row in one.rows if row["ratio_min"] > 1]
    least, most = min(ratios, key=ratios.get), max(ratios, key=ratios.get)
    models_there = listed({measured.model_title(row["model"]): 0 for row in one.rows})
    lines.append(
        f"**{one.title}.** {models_there}: from {measured.times(ratios[least])} times ReLU's step ({style.title(least)}) to "
        f"{measured.times(ratios[most])} times ({style.title(most)}). Slower than ReLU's even in the best turn: {len(slower)} of {len(one.rows)}."
    )
time_text = "\n\n".join(line for line in lines if line)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(time_text)

# %% tags=["remove-cell"]
own = {}
for one in every.of("activations"):
    for name in SMOOTH:
        found = [row for row in one.rows if row["activation"] == name and row["dtype"] == "bf16"]
        cells = []
        for mode in ("forward", "input"):
            ratios = [row["vs_relu"] for row in found if row["mode"] == mode]
            cells.append(measured.times(median(ratios)) if ratios else "")
        own.setdefault(one.title, []).append([style.title(name), *cells])
header = ["Activation", "Forward", "Forward and backward to the input"]
tables = [f"*{device}*\n\n{table(header, rows)}" for device, rows in own.items()]
alone = "\n\n".join(tables) or "*not recorded yet*"

# %% [markdown]
# And by themselves, without the layers around them: the time of one call relative to ReLU's, the median over the shapes that
# were measured, in bfloat16:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(alone)

# %% [markdown]
# What remains of this in a step depends on how long the layers take, and so on network and hardware: the more multiplications
# there are for each value (the table above), the less an activation should matter.
#
# ## Memory
#
# A backward pass needs numbers from the forward pass, and autograd keeps them in between. This is what fills a device during
# training. Which numbers? Each operation keeps what its own derivative asks for:
#
# convolution
# : its input, for the gradient of the weights.
#
# BatchNorm
# : its input, and mean and deviation of each channel.
#
# ReLU
# : its slope is 1 where the *output* is positive. So it may keep its output in place of its input, and PyTorch does.
#
# SiLU, GELU, ELU, …
# : the slope is computed from the *input*, so they keep that.
#
# Now put them in a row, as ResNets do: convolution, BatchNorm, activation, convolution. The output of the activation is kept
# by the next convolution anyway. ReLU keeps the very same memory and needs none of its own. A smooth activation keeps its
# input, which is BatchNorm's output, and which nobody else needs. PyTorch lets us watch:


# %%
def watch(activation):
    """What autograd keeps: the shape of each tensor, and a letter for the memory it lies in."""
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 16, 3, bias=False), nn.Conv2d(16, 16, 3, bias=False)
    layers = nn.Sequential(first, nn.BatchNorm2d(16), activation, last)
    seen = {}

    def pack(tensor):
        place = tensor.untyped_storage().data_ptr()
        if tensor.dim() == 4 and tensor.shape[0] == 5:  # no weights, no statistics
            seen.setdefault(place, []).append(tuple(tensor.shape))
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        out = layers(torch.rand(5, 3, 10, 10))
    for letter, shapes in zip("abcdefg", seen.values(), strict=False):
        print(f"  memory {letter}: kept {len(shapes)} time{'s' * (len(shapes) > 1)}, shape {shapes[0]}")
    return out


for name in ("relu", "silu"):
    print(style.title(name))
    watch(activations.create(name))

# %% [markdown]
# Three tensors become four; the first, the image, is there anyway. Residual connections do not change the rule: a sum keeps
# nothing.
#
# `memory.bytes_per_image` counts this for whole networks: all memory that autograd keeps for one more image, each place once,
# without weights and without the image itself. It is exact, needs no GPU, and does not depend on how fast or how busy the
# machine is. In float32:

# %%
relu = memory.bytes_per_image("relu")
silu = memory.bytes_per_image("silu")
print(
    f"ResNet-20, update, an image: ReLU {relu / 1024:,.0f} KiB, SiLU {silu / 1024:,.0f} KiB, {silu / relu:.2f} times as much"
)

# %% tags=["remove-cell"]
elementwise = [
    name
    for name in activations.names()
    if name not in catalogue.NEIGHBOURS and name not in ("apl", "relu_smooth_gradient")
]
sizes = {name: tuple(memory.bytes_per_image(name, plain=plain) for plain in (False, True)) for name in elementwise}
ours = {name: size / relu for name, (size, _) in sizes.items()}
smooth_ours = {ours[name] for name in SMOOTH}
plain = {name: size / relu for name, (_, size) in sizes.items()}
worst = max(SMOOTH, key=plain.get)
saved = [name for name in elementwise if plain[name] > 1.01 * ours[name]]
lost = [name for name in elementwise if ours[name] > 1.01 * plain[name]]
note("price_lost", listed(f"{style.title(name)} ({plain[name]:.2f})" for name in lost))
levels = sorted({f"{value:.2f}" for value in smooth_ours})
note("price_ours", listed(levels))
note("price_same", "all the same" if len(levels) == 1 else "not all the same")
note("price_worst", style.title(worst))
note("price_worst_plain", f"{plain[worst]:.2f}")
note("price_saved", listed(f"{style.title(name)} ({plain[name]:.2f})" for name in saved))
loops = fused.backend(torch.ones(1)) is not None
note("price_loops", "the fused loops" if loops else "plain formulas, as there is no compiler for the fused loops here")

# %% mystnb={"image": {"alt": "A dot plot of memory kept for the backward pass relative to ReLU, one row an activation. ReLU is alone at one; all others stand together at about one and a half in this library. Open diamonds, for plain formulas, coincide with the dots for most that PyTorch has itself, lie at one for tanh and the sigmoid, and far to the right for most of those with parameters, farthest for SPLASH.", "width": "460px"}, "figure": {"caption": "Memory that autograd keeps for the backward pass of an update of ResNet-20, counted, relative to ReLU: this library (dot) and the activation's formula operation by operation (diamond). Per image, float32.", "name": "fig-price-memory"}} tags=["hide-input"]
memory.chart(sizes)

# %% [markdown]
# This page was made with {glue:text}`price_loops`. The seven smooth activations of this part keep {glue:text}`price_ours`
# times what ReLU keeps, {glue:text}`price_same`: one more tensor is one more tensor, whatever is computed from it.
#
# **A formula can cost much more.** Written down as several tensor operations, each keeps its own inputs or outputs. Of the
# smooth ones this hits {glue:text}`price_worst`, which is not part of PyTorch: {glue:text}`price_worst_plain` times ReLU's
# memory as a formula. One pass over memory that computes the slope again from the input (`fused/`) keeps the input and
# nothing else. The activations for which that makes a difference, with what their formulas keep: {glue:text}`price_saved`.
#
# **One pass can also keep more** than PyTorch's own function, where that finds the slope from the output, as it does for
# ReLU. With what they keep then: {glue:text}`price_lost`. SiLU and GELU cannot do that: they are not monotonic, so that one
# output belongs to two inputs. The other smooth ones of this part are, and could; neither PyTorch nor this library does.
#
# ### In the attack
#
# The attack needs no gradients of weights, and BatchNorm is folded into the convolutions, so there is less to keep. But
# convolutions keep their inputs all the same, which is how PyTorch's are written, and ReLU still shares with them.


# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
def kept(name):
    """Bytes an image, in the order of the table's columns."""
    cases = [(model, attack) for model in ("resnet20", "resnet18") for attack in (False, True)]
    return [memory.bytes_per_image(name, model, attack=attack) for model, attack in cases]


base, rows = kept("relu"), []
for name in smoothness.NAMES:
    cells = [f"{size / 1024:,.0f} ({size / one:.2f})" for size, one in zip(kept(name), base, strict=True)]
    rows.append([style.title(name), *cells])
header = ["ResNet-20, update", "ResNet-20, attack", "ResNet-18, update", "ResNet-18, attack"]
Markdown(table(["Kept for an image, KiB (times ReLU)", *header], rows))

# %% [markdown]
# The peak is where most is kept. With all of these that is the update, in which everything in the first column of a network
# is alive at once, so where these tensors fill the memory, a smooth activation leaves room for a batch that is smaller by
# that factor. What is *not* counted: weights, gradients and optimiser, which are the same for all, and scratch memory of the
# convolutions, which depends on the device. Another framework, or recomputing activations in the backward pass, can keep
# less.
#
# ## The bill

# %% tags=["remove-cell"]
bill = []
for name in sorted(SMOOTH, key=lambda name: ours[name]):
    cells = []
    for one in steps:
        found = [row for row in one.rows if row["activation"] == name]
        ranges = [f"{row['ratio']:.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})" for row in found]
        cells.append("; ".join(ranges))
    bill.append([style.title(name), *cells, f"{ours[name]:.2f}", f"{plain[name]:.2f}"])
bill_header = ["Activation", *(f"Step, {one.title}" for one in steps), "Memory, here", "Memory, plain formula"]
arithmetic = max(shares.values()) < 15
timed = [row for one in steps for row in one.rows]
dear_time = sum(row["ratio_min"] > 1 for row in timed)
if not timed:
    verdict_time = "Nothing has been timed yet."
elif dear_time == len(timed):
    verdict_time = f"**Time: not free.** All {len(timed)} rows are slower than ReLU, beyond the spread of their turns."
else:
    verdict_time = f"**Time:** {dear_time} of {len(timed)} rows are slower than ReLU beyond the spread of their turns."
least_memory = min(ours[name] for name in SMOOTH)
verdict_memory = (
    f"**Memory: not free.** Every smooth activation keeps at least {100 * (least_memory - 1):.0f} % more for the backward pass of ResNet-20."
    if least_memory > 1.01
    else "**Memory:** there is a smooth activation that keeps no more than ReLU."
)
verdict_arithmetic = (
    "**Arithmetic: practically free,** for every network above."
    if arithmetic
    else "**Arithmetic:** not negligible in the smallest network above."
)

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(table(bill_header, bill))

# %% [markdown]
# *Everything relative to ReLU. Step: as in {numref}`fig-price-step`, ratio of medians and range over neighbouring turns. Memory:
# kept for an update of ResNet-20, float32.*

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown("\n".join(f"- {line}" for line in (verdict_arithmetic, verdict_time, verdict_memory)))

# %% [markdown]
# This does not contradict the paper, whose sentence can be about arithmetic and whose network is larger. The times are those
# of our own loops on the devices that are named. And a step is not a training: an activation that needs fewer epochs would pay
# its price back, and one that needs a smaller batch would pay twice. Neither is counted here.
#
# ## Summary
#
# - By arithmetic a smooth activation is little: a few operations beside hundreds of multiplications for each value.
# - By time it is more than that, and depends on network and device; the figure has it for those that were measured.
# - By memory it is one tensor more at every activation: ReLU's slope is read off its output, which is kept anyway, and theirs is
#   computed from the input.
# - Formulas of several operations keep several tensors. One pass that recomputes the slope keeps one.
#
# ## Questionnaire
#
# 1. Name three things that "no increase in computational cost" can mean.
# 2. Why can an activation take a larger share of the time than of the arithmetic?
# 3. Why does ReLU need no memory of its own between BatchNorm and a convolution?
# 4. Would ReLU still be free if nothing after it kept its input?
# 5. Why is the memory of all fused smooth activations the same?
# 6. Why is memory counted here and not measured with a tool of the operating system?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Count by hand · pencil
# :label: ex-price-hand
#
# A network has a 3×3 convolution from 1 to 2 channels (padding 1, no bias), BatchNorm, an activation, a mean over all pixels
# and a linear layer. How many
# bytes does autograd keep for one more 8×8 image in float32, besides logits, with ReLU and with SiLU? Hint: the mean keeps nothing, the linear
# layer keeps its input.
# ```

# %% [markdown]
# ````{solution-start} ex-price-hand
# :label: sol-price-hand
# :class: dropdown
# ````
#
# A map of 2 channels is $2 \cdot 64 \cdot 4 = 512$ bytes. The convolution keeps the image, which does not count. BatchNorm
# keeps its input: 512. ReLU keeps its output: 512, and here nobody shares it. SiLU keeps its input: 512 as well. The linear
# layer keeps two numbers, 8 bytes. So both need 1,032 bytes: without a convolution behind it ReLU is no cheaper.
# `saved_bytes` adds the log-probabilities of the loss, 12 bytes for three classes.


# %%
def tiny(name):
    layers = (nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.BatchNorm2d(2), activations.create(name))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))


for name in ("relu", "silu"):
    few, more = (
        memory.saved_bytes(tiny(name), torch.rand(n, 1, 8, 8), torch.zeros(n, dtype=torch.int64)) for n in (2, 3)
    )
    print(style.title(name), more - few)

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Pre-activation · half an hour
# :label: ex-price-preact
#
# A pre-activation network puts BatchNorm and activation *before* the convolution, and the activation's input still comes from
# BatchNorm. Predict the ratio of SiLU's memory to ReLU's for
# `preact_resnet18`, then count it.
# ```

# %% [markdown]
# ````{solution-start} ex-price-preact
# :label: sol-price-preact
# :class: dropdown
# ````
#
# Every activation still stands between a BatchNorm and a convolution, so the rule is the same: three tensors for two, except
# where something else is kept besides.

# %%
both = {name: memory.bytes_per_image(name, "preact_resnet18") for name in ("relu", "silu")}
print({name: f"{size / 1024:,.0f} KiB" for name, size in both.items()}, f"ratio {both['silu'] / both['relu']:.2f}")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Wrap each block in `torch.utils.checkpoint` and count again: memory for time.
# - Write a SiLU that keeps its *output* and finds the slope from it. Where does that fail? (SiLU is not monotonic.)
# - Record the step on your own device: `python -m benchmarks.step_cost --save`. This page shows it when it is made again.
