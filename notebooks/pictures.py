# %% [markdown]
# # What it looks like
#
# Numbers on robustness are easily read and easily forgotten. This page shows on five images of CIFAR-10 what they are numbers of: what an attack adds,
# what it takes to break a network that was trained adversarially, what lies around an image, and what an attentive gate sees. And it asks of each
# picture what this book asks of everything: is it the activation that makes the difference, or the training?
#
# **At the end you will know**
#
# - by eye, whether a network was trained adversarially: what an attack adds to an image gives it away;
# - how alike the attacks on two activations are, beside those on two seeds of one;
# - what five images can show, and what they cannot prove.
#
# *Reading time: 8 minutes. Run time: seconds. The networks are those of the protocol at scale* `cpu` *whose weights were kept; the pictures were made
# once, by* `robust-activations picture`*, and lie in the repository.*

# %%
from robust_activations import paths
from robust_activations.figures import pictures as album
from robust_activations.figures import sparta as attention
from robust_activations.figures import style
from robust_activations.studies import pictures, protocol

kept = pictures.read(paths.ledger("cpu") / "pictures-cpu.safetensors")
make = protocol.recipe("cpu")
clean = kept[protocol.standard("cpu", "cifar10", "resnet20", "relu", attacked=True).id]
drawn = (("relu", 1), ("silu", 1), ("splash", 0), ("sparta", 0), ("relu", 2))  # of these the weights were kept
trained = {f"{style.title(name)}, seed {seed}": kept[make(name, seed=seed).id] for name, seed in drawn}
(first, silu, *_, again), (relu, *_, sparta, _) = trained, trained.values()
several = {name.split(",")[0]: one for name, one in trained.items() if name != again}  # one of each activation
near, far = clean.eps[1:]

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import listed, note

(epochs,) = {picture.run.schedule.epochs for picture in kept.values()}
note("pic_epochs", epochs)
note("pic_near", near)
note("pic_far", far)
note("pic_steps", pictures.ATTACK.steps)
note("pic_n", len(clean.labels))


def fallen(picture, eps):
    return int((picture.seen[picture.eps.index(eps)] != picture.labels).sum())


note("pic_fallen_clean", fallen(clean, near))
note("pic_fallen_robust", fallen(relu, near))
at_far = [fallen(one, far) for one in trained.values()]
least, most, count = min(at_far), max(at_far), len(clean.labels)
whole = f"All {count}" if least == count else f"{least}" if least == most else f"{least} to {most}"
note(
    "pic_fallen_far",
    f"{whole} fall in every adversarially trained network"
    if least == most
    else f"Of {count}, {whole} fall in the adversarially trained networks",
)
together = {key: 100 * float(album.neighbours(one, near).mean()) for key, one in (("clean", clean), ("robust", relu))}
note("pic_together_clean", f"{together['clean']:.0f}")
note("pic_together_robust", f"{together['robust']:.0f}")

# %% [markdown]
# The images are, in the order of the test set, the first of each class that all of these networks have right; nobody chose them by eye. The networks:
# ResNet-20, trained for {glue:text}`pic_epochs` epochs with N-FGSM or on clean images. The attack: PGD with {glue:text}`pic_steps` steps on the margin, from the clean image, so
# that no chance is in it. Attacked images are rounded to whole levels of a screen, and what stands below an image is what the network sees in *that*.
#
# ## What an attack adds
#
# Of two networks one was trained adversarially. Which, A or B?

# %% mystnb={"image": {"alt": "Five rows, one an image. From left to right: the clean image; what the attack adds against network A, which is coloured noise without any shape; the result, which looks like the clean image; what it adds against network B, which are patches that follow the outlines of the object; and the result.", "width": "560px"}, "figure": {"caption": "PGD-50 at ε = {glue:text}`pic_near` against two ResNet-20 with ReLU, A and B, of which one was trained with N-FGSM and the other on clean images. What is added is shown from −ε (black) through 0 (grey) to +ε (white), in each colour. Below: what the attacked network sees; in bold and red what is wrong.", "name": "fig-pictures-attacked"}} tags=["hide-input"]
album.gallery(
    [
        album.clean(clean),
        album.added(clean, near, "added"),
        album.attacked(clean, near, "network A"),
        album.added(relu, near, "added"),
        album.attacked(relu, near, "network B"),
    ],
    clean.labels,
    clean.classes,
)

# %% [markdown]
# Of the {glue:text}`pic_n` images {glue:text}`pic_fallen_clean` fall in A, which was trained on clean images, and {glue:text}`pic_fallen_robust` in B,
# which was trained adversarially. Now cover all but the two columns of what was added. In A's it is noise to a human eye: of two neighbouring
# pixels that were both moved, {glue:text}`pic_together_clean` % were moved the same way, where chance would give 50. In B's, where it is
# {glue:text}`pic_together_robust` %, you can tell the horse from the ship. {cite:t}`tsipras2019` say of robust networks, in their abstract (seen), that
# their features tend to align better with salient characteristics of the data and with human perception. This is a picture of that.
#
# ## What it takes to break them
#
# At four times the radius that they were trained with, the adversarially trained networks fall too:

# %% mystnb={"image": {"alt": "Five rows, one an image, and six columns: the clean image, and the image attacked at four times the usual radius against the network trained on clean images and against adversarially trained networks with ReLU, SiLU, SPLASH and Sparta. In the second column the image is covered with noise; in the others it is changed in patches, much alike from one activation to the next.", "width": "560px"}, "figure": {"caption": "The same images at ε = {glue:text}`pic_far`. Standard: trained on clean images, ReLU. The others: trained with N-FGSM at {glue:text}`pic_near`, each attacked for itself.", "name": "fig-pictures-far"}} tags=["hide-input"]
album.gallery(
    [
        album.clean(clean),
        album.attacked(clean, far, "standard"),
        *(album.attacked(one, far, name.split(" (")[0]) for name, one in several.items()),
    ],
    clean.labels,
    clean.classes,
)

# %% [markdown]
# {glue:text}`pic_fallen_far`. It takes a change that everybody sees. Are the four activations attacked in different ways? Count it, at the radius of the training: of the pixels that two attacks both
# move, how many do they move the same way?

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
by_training = f"ReLU, seed {clean.run.seed}, trained on clean images"
Markdown(album.likeness(trained | {by_training: clean}, first, near))

# %% tags=["remove-cell"]
shares = {name: 100 * float(album.agreement(one, relu, near).mean()) for name, one in trained.items() if name != first}
shape, seed, training = shares.pop(silu), shares.pop(again), 100 * float(album.agreement(clean, relu, near).mean())
both = listed(f"{value:.0f} % ({name})" for name, value in shares.items())
said = (
    f"Against {first}: another activation alone ({silu}) moves {shape:.0f} % of the pixels the same way, another seed alone "
    f"({again}) {seed:.0f} %, activation and seed together {both}, and training and seed together {training:.0f} %. "
)
if shape <= training:
    said += "**Another activation changes the attack as much as another training.**"
elif abs(shape - seed) < 10:
    said += "**Another activation changes the attack about as much as another seed; the training changes it far more.**"
else:
    more = "more" if shape < seed else "less"
    said += f"**Another activation changes the attack {more} than another seed, and the training changes it most.**"

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"*Mean over the {len(clean.labels)} images, and the range of the images.*\n\n{said}")

# %% [markdown]
# ## What lies around an image
#
# The same cut as in {doc}`/notebooks/sat_06_sanity`, on a real image: upwards along each network's own worst direction, sideways along a random one.
# We take the first of the images that all four networks lose within the frame, so that there is a border to see.

# %% mystnb={"image": {"alt": "Four coloured maps, for ReLU, SiLU, SPLASH and Sparta, each with a dotted square around the image in the middle. In all four the colour changes gradually from blue below to red above, hardly at all sideways, and a black line crosses from left to right.", "width": "560px"}, "figure": {"caption": "Lead of the true class around one CIFAR-10 image, for four networks trained with N-FGSM. Upwards: the direction that PGD-50 on the margin finds for this network; sideways: a random corner of the cube, the same for all. The dotted square is ε = {glue:text}`pic_near` along either axis; its corners lie outside the ball. Black: the border of the class.", "name": "fig-pictures-landscape"}} tags=["hide-input"]
lost = [all(one.leads[at].min() < 0 for one in several.values()) for at in range(len(clean.labels))]
chosen = lost.index(True) if any(lost) else 0
album.landscape({name: one.leads[chosen] for name, one in several.items()})

# %% tags=["remove-cell"]
middle = clean.leads.shape[-1] // 2
here = {name: float(one.leads[chosen, middle, middle]) for name, one in several.items()}
note("pic_class", clean.classes[clean.labels[chosen]])
note("pic_lead_clean", f"{clean.leads[chosen, middle, middle]:.1f}")
upwards = clean.leads[chosen, middle:, middle]
crossing = (upwards < 0).nonzero()[:, 0]
share = pictures.REACH * float(crossing[0]) / middle if len(crossing) else None
note("pic_crossing", f"along its own worst direction, has lost that at {share:.2f} ε" if share else "here, keeps it")
note("pic_lead_robust", f"{min(here.values()):.2f} to {max(here.values()):.2f}")

# %% [markdown]
# The image is the {glue:text}`pic_class`. One image proves nothing, but it could look wrong, and does not: no panel is ragged, none has islands, all
# four slope the same way, with a kink in the activation or without. What the four share is a small lead: {glue:text}`pic_lead_robust` at the image
# itself, where the network that was trained on clean images leads by {glue:text}`pic_lead_clean` and, {glue:text}`pic_crossing`.
#
# ## What a gate sees
#
# Sparta's gate, before and after the attack, at the first layer of each size:

# %% mystnb={"image": {"alt": "Five columns, one an image. Rows: the clean image, the attacked image, then for three layers of decreasing resolution the gate on the clean image, on the attacked image, and the change. In the first layer one recognises the outline of the object in the gate; in the later ones only coarse patches. The changes are small beside the gates.", "width": "460px"}, "figure": {"caption": "Gates σ(g) of Sparta (R2) in ResNet-20, mean over the channels, on clean images and under PGD-50 at ε = {glue:text}`pic_near`: the first activation of each of the three sizes of feature maps. Each row has its own scale, on the right. Trained with N-FGSM, seed 0, best epoch.", "name": "fig-pictures-gates"}} tags=["hide-input"]
sizes = {f"{gate.shape[-1]}×{gate.shape[-1]}": gate for gate in sparta.gates.values()}
attention.maps(
    [album.clean(sparta).images, album.attacked(sparta, near, "").images],
    {size: [one[:, None] for one in gate] for size, gate in sizes.items()},
)

# %% tags=["remove-cell"]
moves = {size: float((gate[1] - gate[0]).abs().mean() / gate[0].std()) for size, gate in sizes.items()}
note("pic_moves", listed(f"{value:.2f} at {size}" for size, value in moves.items()))

# %% [markdown]
# The mean change, as a share of how much a gate varies over places and images (its standard deviation), is {glue:text}`pic_moves`. In the first layer
# you find the object's outline. You would also find it in the output of any convolution: a map that looks like the image is no evidence of attention to
# what matters. {doc}`/notebooks/sparta_01_attention` takes the properties of the gate away one at a time, and that is evidence.
#
# ## Summary
#
# - Against a network trained on clean images an attack adds noise, against an adversarially trained one it adds shapes.
# - Which activation the network has changes little of that: in the table, compare SiLU with the line for another seed.
# - Five images illustrate. What is *claimed* on other pages rests on hundreds or thousands: {doc}`/notebooks/protocol_01_ranking`.
#
# ## Questionnaire
#
# 1. Which of the two columns of what was added belongs to a robust network, and how can you tell without a label?
# 2. Why does the table need a line for another seed of ReLU?
# 3. Why is an attacked image rounded before the network sees it?
# 4. The four landscapes are on one scale. What would be hidden if the network trained on clean images were among them?
# 5. A gate's map shows the outline of the horse. What does that prove?
#
# ## Exercises

# %% [markdown]
# ```{exercise} The nearest pair · five minutes
# :label: ex-pictures-pair
#
# Of all pairs of adversarially trained networks on this page, whose attacks agree most, and whose least? Is the pair of the same activation the nearest?
# ```

# %% [markdown]
# ````{solution-start} ex-pictures-pair
# :label: sol-pictures-pair
# :class: dropdown
# ````

# %%
from itertools import combinations

pairs = {
    f"{one} and {other}": float(album.agreement(trained[one], trained[other], near).mean())
    for one, other in combinations(trained, 2)
}
for pair, share in sorted(pairs.items(), key=lambda item: -item[1]):
    print(f"{share:.0%}  {pair}")

# %% [markdown]
# If the activation decided what an attack looks like, the two networks with ReLU would stand at the top by a clear distance.
#
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Where the attack is strongest · five minutes
# :label: ex-pictures-where
#
# Is the object attacked, or its background? Compare how far pixels in the middle of the image and at its border were moved, for both trainings.
# ```

# %% [markdown]
# ````{solution-start} ex-pictures-where
# :label: sol-pictures-where
# :class: dropdown
# ````

# %%
for name, picture in {"trained on clean images": clean, "trained with N-FGSM": relu}.items():
    size = (picture.images[1].int() - picture.images[0].int()).abs().float()
    inner = size[..., 8:24, 8:24].mean()
    outer = (size.sum() - size[..., 8:24, 8:24].sum()) / (size.numel() * 0.75)
    print(f"{name}: {inner:.1f} levels in the middle, {outer:.1f} around it, of at most {near.split('/')[0]}")

# %% [markdown]
# In ℓ∞ it costs an attacker nothing to use every pixel, so most are moved by the whole of ε, wherever they are. *Where* a network looks cannot be read
# from the size of an ℓ∞ attack; the signs tell more.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Your own networks: `robust-activations picture CHECKPOINT ... --save mine.safetensors`, and read that file on this page.
# - `--radii 2/255 128/255`: how large must ε be until an attacked frog looks like a deer to you?
# - The same on digits, live: {doc}`/notebooks/primer_01_threat_models` and {doc}`/notebooks/primer_02_adversarial_training`.
