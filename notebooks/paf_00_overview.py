# %% [markdown]
# # Parametric activations: the papers on one page
#
# May a network choose the shape of its own activation, and is it more robust if it may? Dai, Mahloujifar and Mittal ask this in two
# papers of one title {cite}`dai2021,dai2022`. This page says what they claim, how much of them we could read, on which page each
# question is tested, and what the tests cost.
#
# **At the end you will know**
#
# - what each of the two versions claims, with source and mark;
# - what could not be read, and what stands in its place here;
# - which page answers which question, and with how many runs at which scale;
# - how the published recipe differs from ours at scale `paper`.
#
# *Reading time: 8 minutes. Run time: seconds, once the networks of this part are trained; the first page of the part that runs
# trains them, in several minutes on two cores.*

# %%
from robust_activations import studies
from robust_activations.attacks import pixels
from robust_activations.figures import catalogue, claims, plans, style
from robust_activations.studies import paf

studies.collect("paf")  # scale digits: trains what is missing
# the first run of each activation
published = {run.activation: run for run in reversed(paf.STUDY.runs("paper"))}

# %% tags=["remove-cell"]
from IPython.display import Markdown
from myst_nb import glue

from robust_activations.figures.prose import table
from robust_activations.figures.rows import data_title

judged = claims.judged(study="paf")
glue("claims", str(len({one.claim.id for one in judged})), display=False)
glue("pafs", str(len(paf.PAFS)), display=False)

# %% [markdown]
# ## One idea, two papers
#
# The idea is small. Take an activation, give it one or two parameters, share them in the whole network, and let adversarial
# training set them with the weights. A network of millions of weights gains one or two numbers, and these can bend every unit.
# If shape matters for robustness, training can find the shape.
#
# To know whether shape matters, the parameter is first held fixed and only the shape is varied. Here the two versions part:
#
# | | Preprint, October 2021 {cite}`dai2021` | Workshop paper, 2022 {cite}`dai2022` |
# |---|---|---|
# | Where | arXiv 2110.05626; withdrawn from ICLR 2022 (seen) | IEEE S&P Workshops (seen) |
# | Networks of the experiment on shape | trained on clean images (seen: abstract, code) | adversarially trained (seen: abstract) |
# | Negative inputs | positive outputs for them help (seen: abstract) | alone they cannot beat ReLU (seen: abstract) |
# | Near zero | high, finite curvature helps (seen: abstract) | smooth activations are those that clearly beat ReLU (seen: abstract) |
# | Positive inputs | | can beat ReLU (seen: abstract) |
# | Learned parameters | move towards the good shapes (seen: abstract) | |
# | Headline | PSSiLU over ReLU by 4.54 points (ResNet-18) and 2.69 points (WRN-28-10), CIFAR-10 with synthetic images; 61.96 % under AutoAttack with the latter (seen: abstract) | PSSiLU is not in the abstract (seen) |
#
# So the property that the first version puts forward, positive outputs for negative inputs, is one that the second does not keep.
# Wherever this book tests a claim, it says of which version.
#
# One more number has been checked by others. The network with 61.96 % is on RobustBench with 87.02 % clean and **61.55 %** under
# AutoAttack (seen: its entry). The two need not disagree: the authors' code attacks with ε = 0.031, RobustBench with
# 8/255 = 0.0314 (derived: the authors do not say that this is the reason).
#
# ### What could be read
#
# read
# : the abstracts of both; the authors' code of 2021 and their group's upload of 2023; the model's entry on RobustBench.
#
# not found
# : the text behind the abstracts, and with it every result table row by row, the values of the parameters in the experiment on shape,
#   the learned α and β, the number of seeds, the limitations. Where the code decides, we follow the code. Where only the text
#   could, as for the values of the parameters, the choice is ours and is called so.
#
# ## The activations
#
# {glue:text}`pafs` activations, each with the one that it starts as. A *swept region* is where the parameter acts in our experiments on
# shape; the curves are in {doc}`/notebooks/paf_01_shapes`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
regions = {}
for (name, parameter), region in paf.REGIONS.items():
    regions.setdefault(name, []).append(f"{region} ({catalogue.SYMBOLS[parameter]})")
rows = [
    [
        f"**{style.title(name)}**",
        catalogue.definition(name),
        catalogue.learned(name),
        catalogue.equals_at_start(name),
        ", ".join(regions.get(name, ["not swept"])),
    ]
    for name in paf.PAFS
]
Markdown(table(["Activation", "φ(z)", "Learned, at the start", "Starts as", "Swept region"], rows))

# %% [markdown]
# (paf-map)=
# ## If you are in a hurry
#
# | You ask | Page |
# |---|---|
# | What do the curves look like, and which parameter moves what? | {doc}`/notebooks/paf_01_shapes` |
# | Version of 2021: does the shape matter in networks that were trained without attacks? | {doc}`/notebooks/paf_02_direct_effect` |
# | Version of 2022: does the shape matter under adversarial training, and in which region? | {doc}`/notebooks/paf_03_frozen_shapes` |
# | Is a learned shape better than ReLU, and better than the fixed shape that it starts as? | {doc}`/notebooks/paf_04_learnable` |
# | What is learned, and what do sharing, penalty and weight decay do to it? | {doc}`/notebooks/paf_05_what_they_learn` |
# | What holds, what do the critics say, and what should be run next? | {doc}`/notebooks/paf_06_discussion` |
# | Just the verdicts, with their records? | {doc}`/notebooks/claims` |
# | Which of *all* activations of the book is best? | {doc}`/notebooks/protocol_01_ranking` |
#
# ## What is run
#
# The experiments are functions in `studies/paf.py` that give runs; the pages draw what their records hold. This is how many
# of the runs of each are recorded, and of how many. Experiments share runs: a parameter that is frozen at the value where its
# activation is an ordinary one, for example, is that ordinary one.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
TITLES = {
    "standard_shapes": "Shape, trained without attacks (2021): {doc}`/notebooks/paf_02_direct_effect`",
    "adversarial_shapes": "Shape, adversarially trained (2022): {doc}`/notebooks/paf_03_frozen_shapes`",
    "learnable": "Learned parameters: {doc}`/notebooks/paf_04_learnable`",
    "what_they_learn": "Sharing, penalty, weight decay: {doc}`/notebooks/paf_05_what_they_learn`",
    "critics": "Weight decay tuned for each: {doc}`/notebooks/paf_06_discussion`",
}
Markdown(plans.experiments({title: paf.EXPERIMENTS[name] for name, title in TITLES.items()}))

# %% [markdown]
# And this is what it costs.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.costs("paf"))

# %% tags=["remove-cell"]
run = published["pssilu"]
schedule, attack = run.schedule, run.objective.attack
synthetic = round(schedule.batch_size * run.extra_ratio)
decayed = "all parameters, α and β too" if schedule.decay_activations and schedule.decay_norm else "weights alone"
options = run.activation_options
extras = (
    "a pass over the clean batch in training mode before each attack"
    if run.objective.as_authors
    else "no other pass in training mode"
)
CODE = "seen: code of 2021"
recipe = [
    ("Data", "CIFAR-10", CODE, data_title(run)),
    ("Synthetic images", "CIFAR-5m, not augmented", "seen: README and code of 2021", "CIFAR-5m, not augmented" if run.extra == paf.SYNTHETIC else "none"),
    ("Batch, real + synthetic", "256 + 256", CODE, f"{schedule.batch_size - synthetic} + {synthetic}"),
    ("Network", "resnet18", CODE, run.model),
    ("Objective", "PGD-AT", CODE, {"pgd_at": "PGD-AT"}.get(run.objective.name, run.objective.name)),
    ("ε, ℓ∞", "0.031", CODE, f"{run.threat.radius:g}"),
    ("Attack in training", "10 steps of 0.0078", CODE, f"{attack.steps} steps of {pixels(attack.step):.2g}"),
    ("BatchNorm statistics", "a pass over the clean batch in training mode before each attack", CODE, extras),
    ("Epochs", "200", CODE, f"{schedule.epochs}"),
    ("Learning rate", "0.1, cosine to 0.001", CODE, f"{schedule.lr:g}, {schedule.shape} to {schedule.final_lr:g}"),
    ("Nesterov momentum", "0.9", CODE, f"{schedule.momentum:g}"),
    ("Weight decay", "5e-4 on all parameters, α and β too", CODE, f"{schedule.weight_decay:.0e} on {decayed}".replace("e-0", "e-")),
    ("PSSiLU's β", "penalty 10, gradient clipped to 0.01", CODE, f"penalty {options['penalty']:g}, gradient clipped to {options['clip']:g}"),
    ("Augmentation", "crop with 4 pixels of padding, flip", CODE, f"crop with {run.augment.crop} pixels of padding{', flip' if run.augment.flip else ''}"),
    ("Normalisation", "none", CODE, "mean and deviation" if run.normalize else "none"),
    ("Epoch that is evaluated", "best under PGD-10 on the test images", CODE, f"best under PGD-10 on {run.held_out:,} held-out training images, and the last"),
    ("Final attack", "AutoAttack on all test images", "seen: abstract and code of 2021", "AutoAttack on all test images" if "autoattack" in run.suite.attacks and run.suite.autoattack_n is None else "another"),
    ("Seeds", "", "not found", f"{len({one.seed for one in paf.STUDY.runs('paper')})}"),
]  # fmt: skip

# %% [markdown]
# ## The published recipe
#
# Scale `paper` is the authors' configuration, as far as their code says it. The right column is printed from the `Run` of
# PSSiLU on CIFAR-10 with synthetic images, and is bold where it is not what was published or where that was not found.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.recipe(recipe))

# %% [markdown]
# **Our departures.** The authors pick the epoch by the test images and then report on the same images; we pick it on training images
# that were held out, so that the test images are looked at once. Their way can only flatter; by how much is not known to us.
# For Imagenette the authors' augmentation is not known to us, and ours is a crop and a flip. Under TRADES the clip of β is the 0.1 of
# their code. The code knows more networks than we run; the whole grid at scale `paper` is:

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(plans.grid(paf.STUDY.runs("paper")))

# %% [markdown]
# The smaller scales do not follow this recipe. They use that of {doc}`/notebooks/protocol_01_ranking`, the same for every
# activation of the book, which fits their budget. That is a difference in kind: at `cpu`, three epochs of one-step training cannot
# speak for two hundred of PGD with synthetic images.
#
# ## Summary
#
# - Two papers share a title, and do not say the same of the shape below zero.
# - We could read abstracts and code, not the text; every reported fact says where it was seen.
# - {glue:text}`claims` claims, theirs and their critics', are judged from records, scale by scale.
# - The published recipe is ready to run, with one departure in the choice of the epoch.
#
# ## Questionnaire
#
# 1. Which claim of the first version does the second not keep?
# 2. Why is a parameter first held fixed, when the proposal is to learn it?
# 3. Why can 61.96 % and 61.55 % both be right for the same network?
# 4. What is wrong with choosing the epoch by the test images, and in which direction does it err?
# 5. Which of our choices in the experiments on shape are ours alone?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Read a recipe out of a run
# :label: ex-paf-overview-recipe
#
# Print the run of PSSiLU at scale `paper` without synthetic images and under ℓ2. In which fields does it differ from the
# run in the table above?
# ```

# %% [markdown]
# ````{solution-start} ex-paf-overview-recipe
# :label: sol-paf-overview-recipe
# :class: dropdown
# ````

# %%
from dataclasses import asdict

wanted = [run for run in paf.STUDY.runs("paper") if run.activation == "pssilu" and run.threat.norm == "l2"]
(plain,) = [run for run in wanted if run.extra is None]
first = asdict(published["pssilu"])
for name, value in asdict(plain).items():
    if value != first[name]:
        print(name, value, sep=": ")

# %% [markdown]
# The batch is half as large, because nothing synthetic is put behind the real images: both see 256 real images a step.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Go on with the curves, {doc}`/notebooks/paf_01_shapes`, or jump to the verdicts, {doc}`/notebooks/paf_06_discussion`.
# - `robust-activations status paf` says what is recorded and what is missing on your machine.
# - With a GPU and a night: `robust-activations run paf --scale gpu --budget 9h` makes the most valuable runs first.
