"""What is planned, as the overview pages and the preface say it: counts, recipes, pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from made import entries
from robust_activations import data, models, paths, studies
from robust_activations.figures import plans
from robust_activations.figures.prose import NOTHING
from robust_activations.ledger import write
from robust_activations.studies import paf, sat, sparta, splash

ROOT = Path(__file__).parents[1]


def every_run(experiment: object) -> Iterator[str]:
    return (run.id for run in plans.each(experiment))


def test_plan_counts_and_adds_up(folder):
    """Hours of two cores: what one thread took counts half. A GPU's hours are its own, and tell nothing of CPUs."""
    first, *rest = paf.STUDY.runs("cpu")
    on_gpu = paf.STUDY.runs("gpu")[0]
    for run, changes in ((first, {"seconds": 14400.0}), (on_gpu, {"seconds": 5400.0, "device": "NVIDIA H100"})):
        record = tiny.record(run)
        record = replace(record, provenance=replace(record.provenance, **changes))
        write(record, folder / "ledger", "paf")
    rows = {row[0]: row[1:] for row in map(entries, plans.plan("paf").splitlines()[2:])}
    like = [run for run in rest if (run.model, run.objective.name) == (first.model, first.objective.name)]
    hours = sum(2.0 * run.schedule.epochs / first.schedule.epochs for run in like)
    assert rows["`cpu`"][:3] == [f"{1 + len(rest)}", "1", "2.0 h"]
    assert rows["`cpu`"][3] == f"{hours:,.1f} h for {len(like)} of {len(rest)}"
    assert rows["`digits`"][:4] == [f"{len(paf.STUDY.runs('digits'))}", "0", NOTHING, NOTHING]
    assert rows["`gpu`"][1:3] == ["1", "1.5 h"]


@pytest.mark.parametrize("scale", paths.SCALES)
def test_the_experiments_are_the_study(scale):
    """What the overview pages list by experiment is all that the study runs, and nothing else."""
    slopes = (sat.gradient_quality, sat.stronger, sat.longer)
    own = (*slopes, sat.activations, sat.large_alpha, sat.elsewhere, sat.scaling)
    accurate = (splash.accuracy, splash.choices, splash.readings)
    units = (*accurate, splash.robustness, splash.adversarial, splash.seeds_of)
    live = [sparta.mnist(), sparta.untaught("digits", sparta.mnist())]
    others = (lambda scale: live, lambda scale: [run for run in sparta.STUDY.runs(scale) if run.seed])
    gates = (sparta.properties, sparta.objectives, sparta.across_networks, sparta.across_datasets, *others)
    whole = [plans.within("sparta", piece) for piece in gates]
    studied = ((paf.STUDY, paf.EXPERIMENTS.values()), (sat.STUDY, own), (splash.STUDY, units), (sparta.STUDY, whole))
    for study, pieces in studied:
        assert {name for piece in pieces for name in every_run(piece(scale))} == {run.id for run in study.runs(scale)}


def test_experiments_count_each_run_once(folder):
    write(tiny.record(sat.activations("cpu")["relu"]), folder / "ledger", "sat")
    (row,) = map(entries, plans.experiments({"Controls": lambda scale: [sat.activations(scale)] * 2}).splitlines()[2:])
    assert row == ["Controls", "0 of 7", "1 of 7", "0 of 7", "0 of 7"]


def test_recipe_marks_what_differs():
    rows = [("Epochs", "200", "seen", "200"), ("Seeds", "", "not found", "1"), ("ε", "0.031", "seen", "8/255")]
    assert [entries(line)[3] for line in plans.recipe(rows).splitlines()[2:]] == ["the same", "**1**", "**8/255**"]


def test_ours_follows_the_run():
    run = replace(tiny.RUN, schedule=replace(tiny.RUN.schedule, epochs=12, shape="step"), augment=None)
    seen = {"Data": ("8×8 digits", "seen: abstract"), "Batch": ("1", "seen: code")}
    rows = dict(map(entries, plans.unpublished(run, seen).splitlines()[2:]))
    assert rows["Epochs"] == "12"
    assert rows["Learning rate"].endswith("× 0.1 after epochs 6, 9")
    assert rows["Augmentation"] == "none"
    assert rows["Data"] == "8×8 digits (as published, seen: abstract)"
    assert rows["Batch"] == f"{run.schedule.batch_size} (published: 1, seen: code)"
    counted = [entries(line)[-1] for line in plans.grid([run, run, replace(run, model="lenet5")]).splitlines()[2:]]
    assert counted == ["2", "1"]


def test_pages_give_the_minutes_of_the_page():
    said = re.search(r"Reading time: (\d+) minutes", (ROOT / "notebooks/paf_06_discussion.py").read_text())
    rows = [*map(entries, plans.pages({"paf_06_discussion": "What holds?", "nowhere": "And else?"}).splitlines()[2:])]
    assert [row[2] for row in rows] == [said and said[1], NOTHING]


def test_every_planned_run_can_be_started():
    for scale in paths.SCALES:
        for run in studies.planned(scale):
            assert run.dataset in data.names(), run.label
            assert run.model in models.names(), run.label


def test_the_preface_lists_every_page():
    rows = re.findall(r"^\| \{doc\}`/(notebooks/\w+)`", (ROOT / "book/preface.md").read_text(), re.M)
    assert rows == re.findall(r"file: (notebooks/\w+)", (ROOT / "_toc.yml").read_text())
