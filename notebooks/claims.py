# %% [markdown]
# # The claims and their verdicts
#
# Every claim that this book tests, of the four papers and of their critics, in one place: what the paper reports, what we measured
# at each scale, and the verdict that a rule, not an author, has drawn from the records.
#
# **At the end you will know**
#
# - which claims our records support, contradict or leave open, and at which scale;
# - the rule, and what of it decided each verdict;
# - which records each verdict rests on, and the command that makes them again.
#
# *Reading time: 8 minutes. Run time: seconds, once the networks of the other pages are trained.*

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
from robust_activations.figures import tables


def of(study):
    return [one for one in judged if one.study == study]


shown = ("paf", "sat", "splash", "sparta")  # a heading each, below
assert {one.study for one in judged} == set(shown), "a study with claims is missing from this page"
tested = [one for one in judged if one.verdict.tested]
glue("claims", str(len({one.claim.id for one in judged})), display=False)

# %% [markdown]
# There are {glue:text}`claims` claims, and four scales at which each could be tested.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(claims.summary(judged))

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
Markdown(f"**Of so many verdicts some are wrong by chance.** {claims.many(judged)}")

# %% [markdown]
# Open a claim for what was measured, the records behind it and the commands; a scale without records is not named. How sure we are of a reported figure is shown by its mark: *seen*
# in the text that is named, *seen-2nd* in a secondary text, *derived* from something seen, or *not found*.
#
# ## How a verdict is drawn
#
# Two records make a **pair** if they agree in everything that decides a result but the one thing that the claim is about, which is mostly
# the activation: same seed, same data and test images, same training. The two are compared image by image, under the strongest
# attack that both have been through: AutoAttack, else PGD-200, PGD-50, PGD-20. Where AutoAttack saw fewer images than a weaker attack,
# what that one says stands beside it. A network that two studies share counts once. A run counts for every claim that it can
# test, whatever study it was made for; so other seeds of a study's runs come from {doc}`the protocol </notebooks/protocol_01_ranking>`.
#
# Pairs that share a network, as many share ReLU's, err together and make one **group**, and so do pairs that others connect; pairs of
# several seeds are a group each.
#
# supported, contradicted
# : the p-value for the images is below 0.05 **and**, where there are two or more groups, the 95 % interval of the difference over groups
#   excludes 0. The first guards against lucky images, the second against lucky networks. The p-value of one pair is that of McNemar's exact
#   test {cite}`mcnemar1947`. Several pairs have seen the same images, so that an image counts once: its mean difference over the pairs
#   enters a t test. The sign decides which of the two it is.
#
# one seed
# : stands behind a verdict whose networks all have the same seed, in however many settings. Nothing guards against the luck of that
#   seed: such a verdict is weaker than one over several seeds.
#
# several datasets
# : are several experiments, not several seeds, and no interval is taken over them. Each is judged by itself. What all of them say is the
#   verdict, and where they do not say the same it is *undecided*.
#
# not worse, by a point or more
# : for claims that say so: supported if the whole 95 % interval of the difference, over groups and over images, lies above minus one point,
#   contradicted if it lies below. Here no difference counts in favour of the claim, and a wide interval does not.
#
# a measure
# : such as the radius within which an image can be made wrong: a paired t test over the images that both get right takes McNemar's place,
#   or, for distances of which some are infinite because nothing was found, a sign test. Here, too, an image counts once.
#
# a gap or a learned parameter
# : the 95 % interval decides: that of the difference of two generalisation gaps, over groups and over images, must exclude 0, and there must be
#   a gap at all; that of a parameter over the seeds of one recipe, a run a seed, must exclude the value that it starts at. A single run has
#   no interval, and stays undecided.
#
# a claim with several parts
# : such as one for each of several activations: each part is tested by itself. The claim is supported if all parts are, and contradicted if
#   one is. Since one is enough for that, p is multiplied by the number of parts. Intervals stay as they are; so parts that ask for *not
#   worse, by a point or more*, which have no p, are not corrected, and the more of them there are, the more easily one of them contradicts
#   the claim by chance. Of many parts the worst is shown.
#
# one of several will do
# : for claims that a shape *can* do something: supported if one of them is, with p multiplied by the number of shapes, and contradicted
#   if all of them are, and they are several. Here, too, intervals stay as they are. The best is shown, and before it one that is
#   supported on some of its data sets.
#
# undecided
# : there are records, and they do not show it either way. It does not say that there is no difference.
#
# not tested here
# : there are no records for it, or for one of its parts, at this scale, or the runs collapsed.
#
# A verdict at scale `digits` is a demonstration: it says what happened on 8×8 images in a network of three layers. The papers' claims
# are about other data, other networks and sometimes other attacks.

# %% mystnb={"markdown_format": "myst"} tags=["remove-input"]
said = (tables.later(scale, own) for scale, own in studies.ledgers().items())
Markdown("\n\n".join(filter(None, said)))

# %% [markdown]
# ## Parametric activations
#
# The claims of {cite:t}`dai2021` and {cite:t}`dai2022`, and of others about the same question. What they mean, and what could be wrong with
# our answers: {doc}`/notebooks/paf_06_discussion`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(of("paf")))

# %% [markdown]
# ## Smooth adversarial training
#
# The claims of {cite:t}`xie2020`, and a confirmation. What they mean, and what could be wrong with our answers:
# {doc}`/notebooks/sat_07_discussion`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(of("sat")))

# %% [markdown]
# ## SPLASH
#
# The claims of {cite:t}`tavakoli2021`, of which we could read the abstract, and our own question whether anything of them is left under
# adversarial training. What they mean, and what could be wrong with our answers: {doc}`/notebooks/splash_06_discussion`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(of("splash")))

# %% [markdown]
# ## Sparta
#
# The claims of {cite:t}`guo2021`, whose formula we have not seen: what is judged is our reading of it, R2 unless it says otherwise. What they
# mean, and what could be wrong with our answers: {doc}`/notebooks/sparta_05_discussion`.

# %% mystnb={"markdown_format": "myst"} tags=["hide-input"]
Markdown(claims.details(of("sparta")))

# %% [markdown]
# ## Running it again
#
# The commands above make what the ledger lacks. A label such as `digits/digits_cnn/pgd_at/silu` may match a few more runs than the verdict
# needs, for example those of another width. A ledger is never overwritten, so to make a record *again*, give another folder:
#
# ```bash
# robust-activations run sat --only "*/relu/*" --ledger again --data again
# ```
#
# On a CPU, with the same versions and the same number of threads, the counts in the new records are the same. The same table, for
# programs to read, is `robust-activations claims --json`.
#
# ## Summary
#
# - A verdict belongs to a scale; the same claim may stand differently at another.
# - *Undecided* is an answer, and what stands beside it says whether images or seeds were too few.
# - Every verdict names its records, and every record its complete configuration.
#
# ## Questionnaire
#
# 1. What makes two records a pair?
# 2. What makes several pairs one group, and what two things must hold before a claim that something is better is called supported?
# 3. Why can p be tiny and the verdict undecided?
# 4. What does a claim of the form *not worse by a point* ask of the interval?
# 5. What is the difference between *undecided* and *not tested here*?
# 6. Why do reported and measured figures not share a column?
#
# ## Exercises

# %% [markdown]
# ```{exercise} Read a record
# :label: ex-claims-record
#
# Open the first record behind the first verdict and find out which machine made it, how long it took, and how many of the test
# images are right under the strongest attack.
# ```

# %% [markdown]
# ````{solution-start} ex-claims-record
# :label: sol-claims-record
# :class: dropdown
# ````

# %%
from robust_activations.ledger import Ledger
from robust_activations.studies.base import strongest

first = tested[0]
record = Ledger(paths.ledger(first.scale)).records[first.verdict.records[0]]
attack = strongest([record])
print(record.run.label)
print(record.provenance.device, f"{record.provenance.seconds:.0f} s")
print(claims.ATTACKS[attack], record.best.outcomes[attack], sep=": ")

# %% [markdown]
# ````{solution-end}
# ````

# %% [markdown]
# ```{exercise} Another attack
# :label: ex-claims-rule
#
# Judge the claims by a weaker attack, or by clean accuracy. `studies.compare` takes the attack as an argument. Do verdicts
# change, and should they?
# ```

# %% [markdown]
# ````{solution-start} ex-claims-rule
# :label: sol-claims-rule
# :class: dropdown
# ````

# %%
from robust_activations.studies import sat

records, runs = studies.collect("sat"), studies.planned("digits")
for attack in ("clean", "fgsm", "pgd20", None):
    verdict = studies.compare(records, runs, sat.plain("silu"), sat.plain("relu"), attack=attack)
    print(f"SiLU against ReLU: {verdict.label}, {claims.measured(verdict).split(',')[0].split(';')[0]}")

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
# - Write a claim of your own: a `Claim` in `studies/paf_claims.py` is a sentence, a source and a rule, and it appears on this page.
