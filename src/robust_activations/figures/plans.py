"""What a study runs at each scale, what of it is recorded, what it costs, and how a recipe differs from the published.

Markdown, which the book typesets where a cell has `mystnb={"markdown_format": "myst"}`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from robust_activations import estimates, models, paths, studies
from robust_activations.figures.claims import WORDS
from robust_activations.figures.prose import NBSP, NOTHING, counted, table
from robust_activations.figures.rows import ATTACKS, OBJECTIVES, data_title, norm
from robust_activations.run import Run


def plan(study: str) -> str:
    """For each scale that has runs: how many, recorded ones, the time these took, and an estimate for the rest.

    Times are those of two cores, of which each thread takes one, or of one GPU. An estimate adds, of recorded runs on
    such a device with the same dataset, network and objective, the median of an epoch's training, times the epochs, and
    the median of the rest; it stays empty where none of the missing runs has such a record.
    """
    (one,) = studies.get(study)
    rows = []
    for scale, records in studies.ledgers().items():
        wanted = one.runs(scale)
        if not wanted:
            continue
        made = records.of(wanted)
        missing = [run for run in wanted if run not in records]
        costs = [cost for run in missing if (cost := estimates.estimate(run, records, scale)) is not None]
        rest = _time(sum(costs)) + (f" for {len(costs)} of {len(missing)}" if len(costs) < len(missing) else "")
        rows.append(
            [
                f"`{scale}`",
                f"{len(wanted)}",
                f"{len(made)}",
                _time(sum(map(estimates.seconds, made))) if made else NOTHING,
                rest if costs else NOTHING,
            ]
        )
    return table(["Scale", "Runs", "Recorded", "Took", "The rest, about"], rows)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f}{NBSP}h" if seconds >= 3600 else f"{seconds / 60:.0f}{NBSP}min"


def costs(study: str) -> str:
    """The plan, and how its times are to be read."""
    return "\n\n".join(
        [
            "What is recorded was timed, `digits` on the machine that built this book; the rest is estimated from "
            "recorded runs with the same data, network and objective on the same kind of device, CPU or GPU, and where "
            "there is no such record it stays open. "
            f"`robust-activations run {study} --scale SCALE` makes what is missing; it can be stopped at any moment, "
            "and the same command goes on from there.",
            plan(study),
            "Times at `digits` and `cpu` are those of two cores: of two runs side by side, with a core each, every "
            "second counts half. At `gpu` and `paper` they are those of one GPU. They come from the clock: a run that "
            "shared its cores with other work, or stood still in between, counts its waiting too, and so does an "
            "estimate made from it; the first records at `cpu` were made on a busy machine, so expect less. All of "
            "these runs can be started by whoever has the data and the hardware.",
        ]
    )


def settings(study: str) -> str:
    """How the most valuable run of each scale is trained and attacked, and of what is recorded the first of each data
    set, training and ε; what others vary, others vary.
    """
    (one,) = studies.get(study)
    firsts: dict[tuple[Any, ...], tuple[str, Run]] = {}
    for scale, records in studies.ledgers().items():
        first, *rest = one.runs(scale)
        for run in (first, *(run for run in rest if run in records)):
            firsts.setdefault((scale, run.dataset, run.objective.name, run.threat), (scale, run))
    rows = []
    for scale, run in firsts.values():
        seeds = {one.seed for one in studies.planned(scale) if replace(one, seed=run.seed, suite=run.suite) == run}
        n = "all" if run.suite.n is None else f"{run.suite.n:,}"
        steps = f", {counted(run.objective.attack.steps, 'step')}" if run.objective.name == "pgd_at" else ""
        attacks = [name for name in run.suite.attacks if name in ATTACKS]
        few = f", {run.suite.autoattack_n:,} images" if attacks[-1] == "autoattack" and run.suite.autoattack_n else ""
        network = models.REGISTRY[run.model].title
        rows.append(
            [
                f"`{scale}`",
                f"{data_title(run)}, {network}",
                f"{norm(run)} {run.threat.eps}",
                f"{TRAINING[run.objective.name]}{steps}",
                f"{run.schedule.epochs}; {len(seeds)}",
                n,
                f"{ATTACKS[attacks[-1]]}{few}",
            ]
        )
    header = ["Scale", "Data, network", "ε", "Training", "Epochs; seeds", "Test images", "Strongest attack"]
    return table(header, rows)


# Objectives by what they train on.
TRAINING = OBJECTIVES | {"standard": "clean images", "fgsm_rs": "FGSM-RS, one step", "n_fgsm": "N-FGSM, one step"}


def experiments(pieces: Mapping[str, Callable[[str], Any]]) -> str:
    """Recorded and planned runs of each experiment, by title, at each scale. Experiments may share runs."""
    ledgers, rows = studies.ledgers(), []
    for title, experiment in pieces.items():
        cells = []
        for scale, records in ledgers.items():
            wanted = list({run.id: run for run in each(experiment(scale))}.values())
            made = len(records.of(wanted))
            cells.append(f"{made} of {len(wanted)}".replace(" ", NBSP) if wanted else NOTHING)
        rows.append([title, *cells])
    return table(["Experiment", *(f"`{scale}`" for scale in paths.SCALES)], rows)


def within(study: str, experiment: Callable[[str], Any]) -> Callable[[str], list[Run]]:
    """An experiment with the donors of its runs, as far as the study makes them at a scale and not at another one."""

    def found(scale: str) -> list[Run]:
        (one,) = studies.get(study)
        own = {run.id for run in one.runs(scale)}
        wanted = [part for run in each(experiment(scale)) for part in (run.donor, run) if part is not None]
        return [run for run in wanted if run.id in own]

    return found


def each(found: Run | Mapping[Any, Any] | Iterable[Any]) -> Iterator[Run]:
    """Every run of an experiment, however it is nested."""
    if isinstance(found, Run):
        yield found
    else:
        for part in found.values() if isinstance(found, Mapping) else found:
            yield from each(part)


def recipe(rows: Sequence[tuple[str, str, str, str]]) -> str:
    """The published recipe and ours: item, what was published, its mark and source, and what our Run says.

    Ours is bold where it is not what was published.
    """
    header = ["Item", "Published", "Mark and source", "Ours, at scale `paper`"]
    return table(
        header,
        [
            [item, published or NOTHING, source, "the same" if ours == published else f"**{ours}**"]
            for item, published, source, ours in rows
        ],
    )


def ours(run: Run) -> dict[str, str]:
    """How a run is trained and attacked, item by item."""
    schedule, attack, suite = run.schedule, run.objective.attack, run.suite
    drops = ", ".join(f"{share * schedule.epochs:.0f}" for share in schedule.milestones)
    shape = f"× 0.1 after epochs {drops}" if schedule.shape == "step" else schedule.shape
    decayed = "all parameters" if schedule.decay_activations and schedule.decay_norm else "weights alone"
    crop = f"crop with {run.augment.crop} pixels of padding" if run.augment and run.augment.crop else ""
    flip = "flip" if run.augment and run.augment.flip else ""
    steps = f", {attack.steps} steps" if run.objective.name in ("pgd_at", "trades") else ""
    return {
        "Data": data_title(run),
        "Network": run.model,
        "Training": TRAINING[run.objective.name] + steps,
        "ε": f"{norm(run)} {run.threat.eps}",
        "Epochs": f"{schedule.epochs}",
        "Batch": f"{schedule.batch_size}",
        "Learning rate": f"{schedule.lr:g}, {shape}",
        "Nesterov momentum": f"{schedule.momentum:g}",
        "Weight decay": f"{schedule.weight_decay:.0e} on {decayed}".replace("e-0", "e-"),
        "Augmentation": ", ".join(filter(None, (crop, flip))) or "none",
        "Epoch that is evaluated": f"best on {run.held_out:,} held-out training images, and the last",
        "Attacks": ", ".join(WORDS.get(name, name) for name in suite.attacks if name != "clean"),
        "Distances": ", ".join(WORDS.get(name, name) for name in suite.measures) or "none",
    }


def unpublished(run: Run, published: Mapping[str, tuple[str, str]]) -> str:
    """The recipe of a run, with mark and source at the few items of which anything was published."""

    def said(item: str, words: str) -> str:
        if item not in published:
            return words
        value, source = published[item]
        return f"{words} ({'as published' if value == words else f'published: {value}'}, {source})"

    rows = [[item, said(item, words)] for item, words in ours(run).items()]
    return table(["Item", "Ours, at scale `paper`"], rows)


def grid(wanted: Iterable[Run]) -> str:
    """How many runs there are with each dataset, network, ε and objective."""
    counted = Counter(
        (
            data_title(run) + (" with synthetic images" if run.extra else ""),
            f"`{run.model}`",
            f"{norm(run)}, {run.threat.eps}",
            TRAINING[run.objective.name],
        )
        for run in wanted
    )
    return table(["Data", "Network", "ε", "Training", "Runs"], [[*key, f"{count}"] for key, count in counted.items()])


def pages(questions: Mapping[str, str]) -> str:
    """By page the question that it answers, with the minutes that the page itself gives for reading it."""
    rows = []
    for page, question in questions.items():
        path = paths.project() / "notebooks" / f"{page}.py"
        said = re.search(r"Reading time: (\d+) minutes", path.read_text() if path.exists() else "")
        rows.append([question, f"{{doc}}`/notebooks/{page}`", said[1] if said else NOTHING])
    return table(["You ask", "Page", "Minutes"], rows)
