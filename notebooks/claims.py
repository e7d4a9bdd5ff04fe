# %% [markdown]
# # The claims and their verdicts
#
# Every claim of the four papers that this book tests, in one place: what the paper reports, what we measured at each scale,
# and the verdict that a rule, not an author, has drawn from the records.
#
# **At the end you will know**
#
# - which claims our records support, contradict or leave open, and at which scale;
# - which records each verdict rests on;
# - the command that makes them again.
#
# *Reading time: 5 minutes. Run time: seconds, once {doc}`/notebooks/protocol_01_ranking` has trained its networks.*

# %%
from robust_activations import studies
from robust_activations.figures import claims

for study in studies.get("all"):
    if study.claims:
        studies.collect(study.name)  # scale digits: trains what is missing

judged = claims.judged()

# %% tags=["remove-cell"]
from IPython.display import Markdown
from myst_nb import glue

from robust_activations import paths

tested = [one for one in judged if one.verdict.label != "not tested here"]
scales = [scale for scale in paths.SCALES if any(one.scale == scale for one in tested)]
glue("claims", str(len({one.claim.id for one in judged})), display=False)
labels = [one.verdict.label for one in tested if one.scale == scales[-1]]
glue("best_scale", scales[-1], display=False)
others = (
    f"records exist at {' and '.join(scales)}, and at the largest of these"
    if len(scales) > 1
    else "so far records exist at"
)
glue("others", others, display=False)
glue("labels", ", ".join(f"{labels.count(label)} {label}" for label in dict.fromkeys(labels)), display=False)

# %% [markdown]
# ## Overview
#
# There are {glue:text}`claims` claims at four scales; {glue:text}`others` {glue:text}`best_scale`, where the verdicts are:
# {glue:text}`labels`. A dash stands where there is no record to judge by.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.overview(judged))

# %% [markdown]
# How sure we are of a reported figure is said by its mark: *seen* in the text that is named, *seen-2nd* in a secondary text,
# *derived* from something seen, or *not found*.
#
# ## How a verdict is drawn
#
# supported, contradicted
# : McNemar's exact test {cite}`mcnemar1947` over the test images of all seeds is below 0.05 **and**, where there are two or more
#   seeds, the 95 % interval of the difference over seeds excludes 0. The sign decides which of the two it is.
#
# undecided
# : there are records, and they do not show it either way. It does not say that there is no difference.
#
# not tested here
# : there are no records for it at this scale, or the runs collapsed.
#
# A verdict at scale `digits` is a demonstration: it says what happened on 8×8 images in a network of three layers. The papers' claims
# are about other data, other networks and sometimes other attacks.
#
# ## Claim by claim

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(judged))

# %% [markdown]
# ## Running it again
#
# The commands above make what the ledger lacks. A ledger is never overwritten, so to make a record *again*, give another folder:
#
# ```bash
# robust-activations run protocol --only "*/relu/*" --ledger again --data again
# ```
#
# On a CPU, with the same versions and the same number of threads, the counts in the new records are the same. The same table, for
# programs to read, is `robust-activations claims --json`.
#
# ## Summary
#
# - A verdict belongs to a scale; the same claim may stand differently at another.
# - *Undecided* is an answer. It is the most common one when test images or seeds are few.
# - Every verdict names its records, and every record its complete configuration.
#
# ## Questionnaire
#
# 1. What two things must hold before a claim is called supported?
# 2. Why does a claim with one seed need a second look even when McNemar's p-value is tiny?
# 3. What is the difference between *undecided* and *not tested here*?
# 4. Why do reported and measured figures not share a column?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Read a record
# :label: ex-claims-record
#
# Open the first record behind the first verdict and find out which machine made it, how long it took, and how many of the test
# images are right under PGD-50.
# ```

# %% [markdown]
# ````{solution-start} ex-claims-record
# :label: sol-claims-record
# :class: dropdown
# ````

# %%
from robust_activations.ledger import Ledger

first = tested[0]
record = Ledger(paths.ledger(first.scale)).records[first.verdict.records[0]]
print(record.run.label)
print(record.provenance.device, f"{record.provenance.seconds:.0f} s")
print("PGD-50:", record.best.outcomes["pgd50"])

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} A stricter rule
# :label: ex-claims-rule
#
# Judge the claims by PGD-20 instead of PGD-50, or by clean accuracy. `studies.compare` takes the attack as an argument. Do verdicts
# change, and should they?
# ```

# %% [markdown]
# ````{solution-start} ex-claims-rule
# :label: sol-claims-rule
# :class: dropdown
# ````

# %%
(study,) = studies.get("protocol")
runs = study.runs("digits")
records = studies.collect("protocol")
for attack in ("clean", "pgd20", "pgd50"):
    verdict = studies.compare(
        records,
        [run for run in runs if run.objective.adversarial],
        lambda run: run.activation == "silu",
        lambda run: run.activation == "relu",
        attack=attack,
    )
    print(f"SiLU against ReLU, {attack}: {verdict.label}, {verdict.measured.split(' under')[0]}")

# %% [markdown]
# A claim about robustness should rest on the strongest attack there is. If a verdict depends on the attack, the weaker attack was not
# strong enough to show what is true.
#
# ````{solution-end}
# ````

# %% [markdown]
# ## What to try next
#
# - `robust-activations status` says what is recorded, what is missing and how long it may take.
# - Write a claim of your own: a `Claim` in `studies/protocol.py` is a sentence, a source and a rule, and it appears on this page.
