# %% [markdown]
# # Where the numbers come from
#
# Every accuracy and every verdict in this book comes from a record, one JSON file a run, or is measured in a notebook before your eyes. This page says
# which records there are, when and where each was made, what is still missing and how long it may take, and whether anything speaks against a record.
# The times of steps and activations come from benchmarks instead: {doc}`/notebooks/cost`. Accuracy against ε on CIFAR-10
# ({doc}`/notebooks/which_activation`) was measured on networks whose records are here, and the pictures of CIFAR-10 ({doc}`/notebooks/pictures`) were
# made of such; their files say when and where.
#
# **At the end you will know**
#
# - what of each study is recorded at each scale, and how long the rest may take;
# - the machine, the versions and the commit behind each record;
# - what a record must pass before it is committed, and which records needed an explanation.
#
# *Reading time: 7 minutes. Run time: seconds, once the networks of the other pages are trained.*

# %%
from robust_activations import paths, studies
from robust_activations.figures import audits, claims, plans, tables
from robust_activations.ledger import Ledger

live = studies.collect("all")  # trains what is missing at scale digits
committed = Ledger(paths.ledger("cpu"))  # all scales but digits share a folder

# %% tags=["remove-cell"]
from IPython.display import Markdown

from robust_activations.figures.prose import note

best = sum(bool(record.best.checks) for record in committed)
moved = [record for record in committed if record.last != record.best]
last = sum(bool(record.last.checks) for record in moved)
note(
    "checked",
    f"Checked was the best epoch, in {best} of {len(committed)} records. In {len(moved)} of them the last epoch is another "
    f"one; it is attacked with less, and in {last} of these the checks were made on it too.",
)

# %% [markdown]
# ## What is there, and what is missing
#
# The runs of the larger scales are kept in the repository. Those of `digits` were trained while this book was built:

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(tables.provenance(live))

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown("\n\n".join(f"**{study.title}** (`{name}`)\n\n{plans.plan(name)}" for name, study in studies.STUDIES.items()))

# %% [markdown]
# *Some runs belong to several studies and are counted in each. Times are those of two cores at `digits` and `cpu`, else of one GPU, by the clock, waiting
# for a busy machine included; estimates are medians of recorded runs of the same kind.* `robust-activations status` prints the same. `robust-activations run STUDY --scale SCALE`
# makes what is missing of a study, and with `all` of every study, the most valuable runs first.
#
# ## What a record must pass
#
# Before a record is committed,
#
# - the **dataset's hash** must be the one of the canonical images;
# - the **code** must be a commit, without changes on top;
# - the training must not have **collapsed**;
# - every **check for masked gradients** that was made must have passed ({doc}`/notebooks/primer_03_honest_evaluation`).
#
# {glue:text}`checked`
#
# A record that fails one of these may stay if the reason is known and written down. A test of this repository holds every committed record to it.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(audits.verdict(committed, claims.judged()))

# %% [markdown]
# ## Machines and commits

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(audits.machines(committed))

# %% [markdown]
# On a CPU, the same commit with the same versions and the same number of threads makes the same counts again. The hours are those on the clock, of
# runs that shared a machine with each other.
#
# ## Every record

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(audits.every(committed))

# %% [markdown]
# A record is read with `robust_activations.ledger.read_file`: its complete configuration, the history of its training, and for every attack the
# bits that say *which* test images were still right.
#
# ## Summary
#
# - One file a run, made by a command, at a commit, on canonical data.
# - What is missing is listed with the time it may take.
# - A record that something speaks against is named, with the reason, or it is not committed.
#
# ## Questionnaire
#
# 1. Why does a record hold the bits of the right images and not only their number?
# 2. Why must the code of a record be a commit without changes?
# 3. A check for masked gradients fails at 3 images of 100, where 2 are allowed. Name two explanations.
# 4. Why is the time of a run on a shared machine no measure of what an activation costs?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Make one again
# :label: ex-records-again
#
# Of the records that did not collapse, take the one that took the least time, find the command that makes it again, and compare the two files. Which lines may differ?
# ```

# %% [markdown]
# ````{solution-start} ex-records-again
# :label: sol-records-again
# :class: dropdown
# ````

# %%
whole = [record for record in committed if not record.collapsed]
for quickest in sorted(whole, key=lambda record: record.provenance.seconds)[:1]:
    study = committed.studies[quickest.id]
    scale = next(scale for scale in paths.SCALES for run in studies.STUDIES[study].runs(scale) if run.id == quickest.id)
    print(f"{quickest.provenance.seconds:.0f} s: data/ledger/{study}/{quickest.id}.json")
    print(f"robust-activations run {study} --scale {scale} --only {quickest.id} \\\n    --ledger again --data data")

# %% [markdown]
# Everything below `provenance` but the dataset's hash may differ, and all `seconds`: of epochs and of attacks. The counts and the bits may not, if
# machine type, versions and threads are the same; on another machine, sums are rounded in another order, and a few images may fall on the other side.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - Which verdict rests on which records: {doc}`/notebooks/claims`.
# - What we conclude: {doc}`/notebooks/which_activation`.
