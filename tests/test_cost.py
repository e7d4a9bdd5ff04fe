"""The chapter on cost: passes are counted, and what the benchmarks wrote is read whole, in part, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from benchmarks import activations, autoattack, measure, scaling, speedrun, step_cost, throughput
from matplotlib.figure import Figure

from robust_activations.attacks import PGD
from robust_activations.figures import cost, measured
from robust_activations.training import Objective

X = torch.zeros(2, 3)
TIMES = {"ours": [2.0, 2.2], "silu": [2.0, 2.0], "relu": [1.0, 1.0], "plain": [6.0, 6.6], "clone": [1.0, 1.0]}


def activation(name: str, dtype: str = "bf16") -> dict:
    case = {"activation": name, "shape": "128x16x32x32", "dtype": dtype, "mode": "input"}
    return case | activations.summary(TIMES, name, "input", X)


# As the benchmarks themselves make them, from made-up seconds.
CASE = {"model": "resnet20", "activation": "pssilu", "batch": 128}
ROWS = {
    "throughput": [
        CASE | {"peer": peer, "data": "random"} | throughput.rates({"ours": [1.0, 1.0], "theirs": taken}, 128)
        for peer, taken in (("torchattacks", [2.5, 2.7]), ("foolbox", [4.0, 4.2]))
    ],
    "ablation": [
        CASE | {"change": change, "seconds": ratio, "ratio": ratio, "compile_seconds": waited}
        for change, ratio, waited in (("engine", 1.0, None), ("float32", 2.5, None), ("torch.compile", 1.25, 16.0))
    ],
    "activations": [activation("pssilu"), activation("gelu"), activation("sparta"), activation("pssilu", "fp32")],
    "step_cost": [
        CASE | step_cost.summary({"ours": [1.15, 1.25], "relu": [1.0, 1.0]}, "pssilu"),
        CASE | {"activation": "sparta"} | step_cost.summary({"ours": [2.0, 2.0], "relu": [1.0, 1.0]}, "sparta"),
    ],
    "autoattack": [
        {"model": "digits_cnn", "activation": "pssilu", "n": 4}
        | autoattack.summary({"ours": [2.0], "theirs": [5.0]}, torch.tensor([1, 1, 0, 0]), torch.tensor([1, 1, 1, 0]))
    ],
    "scaling": [
        CASE | {"axis": "size", "value": value, "seconds_per_image": value**2 / 1e4, "peak_mib": 100.0 + value}
        for value in (8, 16, 32)
    ],
    "speedrun": [
        {"recipe": "fast", "attack": "autoattack"}
        | speedrun.summary([0.2, 0.1, 0.3], 3 * [{"clean": 0.9, "robust": 0.5}], 100, (0.45, 0.6)),
        {"recipe": "slow", "attack": "autoattack"}
        | speedrun.summary([9.0], [{"clean": 0.9, "robust": 0.3}], 100, (0.45,)),
    ],
}
ROWS["scaling"][-1]["bend"] = scaling.bend("size", [8, 16, 32], [row["seconds_per_image"] for row in ROWS["scaling"]])
FIGURES = ("throughput", "activations", "step_cost", "scaling")
WORDS = ("throughput", "activations", "step_cost", "autoattack", "scaling", "speedrun")
TABLES = (
    *("throughput_table", "ablation_table", "activation_table", "autoattack_table"),
    *("scaling_table", "speedrun_table", "origins"),
)


def write(folder: Path, name: str, device: str = "cpu", gpu: str | None = None, rows: list | None = None) -> None:
    content = measure.result(ROWS[name] if rows is None else rows, torch.device("cpu"), "2026-01-02T03:04:05+00:00")
    content["hardware"] |= {"gpu": gpu} if gpu else {"threads": 2}
    (folder / f"{name}-{device}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def every(tmp_path_factory) -> measured.Benchmarks:
    folder = tmp_path_factory.mktemp("benchmarks")
    for name in ROWS:
        write(folder, name)
    write(folder, "throughput", "h200", "NVIDIA H200")
    return measured.benchmarks(folder)


@pytest.mark.parametrize(
    ("objective", "here", "usual"),
    [
        # 3 for the update; an attack's step is 2, or 3 with the weights' gradients. TRADES: one clean pass and two
        # updates; as usual, a clean pass in every step and three passes in the update.
        (Objective("standard"), 3, 3),
        (Objective("fgsm_rs"), 2 + 3, 3 + 3),
        (Objective("pgd_at", PGD(10)), 20 + 3, 30 + 3),
        (Objective("trades", PGD(10)), 1 + 20 + 6, 30 + 9),
    ],
    ids=lambda value: value.name if isinstance(value, Objective) else "",
)
def test_passes_are_counted(objective, here, usual):
    assert sum(cost.passes(objective).values()) == here
    assert sum(cost.passes(objective, cost.usual).values()) == usual


def test_the_cpu_comes_first_and_devices_without_a_file_are_named(every):
    assert [one.title for one in every.of("throughput")] == ["CPU, 2 threads", "NVIDIA H200"]
    assert every.notice("throughput") == ""
    assert "not been recorded on: H200" in every.notice("scaling")
    assert every.rows("throughput", "h200", peer="foolbox")[0]["ratio"] == pytest.approx(4.1)
    assert every.rows("scaling", "h200") == []


def test_the_targets_are_judged_honestly(every):
    words = measured.throughput(every)
    assert "holds in 1 of 2; it is missed with ResNet-20, PSSiLU, batch 128, torchattacks" in words
    assert words.count("The target") == 1  # it was set for the CPU alone
    assert "random images" in words
    assert "In bf16, 1 of 1 rows hold" in measured.activations(every)
    assert measured.targets(every, "activations") == [1.15]
    assert "**1.20 times**" in measured.step_cost(every)
    assert "0 of 1 rows" in measured.step_cost(every)
    assert "missed by PSSiLU (1.20)" in measured.step_cost(every)


def test_words_and_tables_say_what_the_rows_say(every):
    assert "2.00\N{NO-BREAK SPACE}s" not in measured.autoattack(every)
    assert "2\N{NO-BREAK SPACE}s here, 5\N{NO-BREAK SPACE}s" in measured.autoattack(every)
    assert "2.50 times as fast" in measured.autoattack(every)
    assert "75.0\N{NO-BREAK SPACE}%" in measured.autoattack(every)
    assert "float32 | PSSiLU: 2.50" in measured.ablation_table(every)
    assert "16\N{NO-BREAK SPACE}s of compiling, after which an attack takes 1.25" in measured.compiled(every)
    assert r"$\text{size}^{2.00}$ from 8 on" in measured.scaling(every)
    assert "to 45\N{NO-BREAK SPACE}% is `fast`: 0.2\N{NO-BREAK SPACE}s" in measured.speedrun(every)
    fast, slow = measured.speedrun_table(every).split("\n\n")[0].splitlines()[2:]
    assert "`fast` | 0.2 (0.1\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}0.3) |" in fast
    assert "50.0 [40.4, 59.6]" in fast.replace("\N{NO-BREAK SPACE}", " ")
    assert "| none |" in slow
    assert "NVIDIA" in measured.throughput_table(every)
    assert "Device" not in measured.scaling_table(every)  # but one
    rows, said = measured.origins(every).split("\n\n")
    assert len(rows.splitlines()) == 2 + 8
    assert "torch" not in rows
    assert f"torch: {torch.__version__}" in said


@pytest.mark.parametrize("what", ["all", "nothing", "empty files"])
def test_every_part_copes_with_what_is_there(every, tmp_path, what):
    if what == "empty files":
        for name in ROWS:
            write(tmp_path, name, rows=[])
    some = every if what == "all" else measured.benchmarks(tmp_path / "none" if what == "nothing" else tmp_path)
    for name in WORDS:
        assert ("has not been recorded yet" in getattr(measured, name)(some)) == (what != "all")
    for name in TABLES:
        assert getattr(measured, name)(some)
    for name in FIGURES:
        figure = getattr(cost, name)(some)
        assert isinstance(figure, Figure)
        assert len(figure.axes) > 0, "a figure without axes is no picture"
        figure.draw_without_rendering()


@pytest.mark.parametrize(
    ("value", "text"),
    [(63.2, "63.2 s"), (0.0123, "12.3 ms"), (4.56e-5, "45.6 µs"), (1234.5, "1,234 s"), (1e-9, "0.001 µs")],
)
def test_seconds_in_a_unit_that_suits(value, text):
    assert measured.seconds(value) == text.replace(" ", "\N{NO-BREAK SPACE}")
