"""The benchmarks at tiny sizes: what they promise to print, and what they make of seconds. No timing is asserted."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
import torch
from benchmarks import ablation, activations, autoattack, measure, scaling, speedrun, step_cost, throughput
from benchmarks.plain import plain, plain_model

from helpers import perturb, unchecked
from robust_activations import data, models, runs
from robust_activations.activations import REGISTRY, Activation, create
from robust_activations.errors import UserError
from robust_activations.training import Objective, Schedule, train

CPU = torch.device("cpu")
SMALL = {"model": "resnet20", "activation": "pssilu", "batch": 2, "model_options": {"depth": 8, "width": 2}}
RANDOM = measure.random_dataset(16, size=8)


def clock(*ticks: float):
    """A clock that shows these times, one at a look."""
    times = iter(ticks)
    return lambda: next(times)


@pytest.mark.gpu
def test_a_graph_makes_so_many_calls():
    x = torch.zeros(3, device="cuda")
    replay = measure.recorded(lambda: x.add_(1), x.device, 5)
    x.zero_()
    replay()
    assert x.tolist() == [5, 5, 5]


def test_off_the_gpu_a_call_stays_itself():
    assert measure.recorded(test_sides_take_turns, CPU) is test_sides_take_turns


def test_sides_take_turns():
    order = []
    sides = {name: lambda name=name: order.append(name) or len(order) for name in ("ours", "theirs")}
    times = measure.interleaved(sides, 3)
    assert order == ["ours", "theirs"] * 3
    assert times == {"ours": [1, 3, 5], "theirs": [2, 4, 6]}


def test_a_turn_is_the_mean_of_its_calls():
    called = []
    assert measure.timed(lambda: called.append(1), CPU, 4, clock(10.0, 12.0))() == 0.5
    assert len(called) == 4


def test_no_round_starts_that_would_end_too_late():
    # Each round takes 10 s by this clock: two end after 20, a third would after 30.
    times = measure.interleaved({"ours": lambda: 1.0}, 9, seconds=25, clock=clock(0, 10, 20))
    assert times["ours"] == [1.0, 1.0]
    assert len(measure.interleaved({"ours": lambda: 1.0}, 9, seconds=5, clock=clock(0, 10))["ours"]) == 1


def test_the_warm_up_counts_only_where_there_is_no_time_for_another():
    def sides():
        numbers = itertools.count(1)
        return {"ours": lambda: next(numbers)}

    assert measure.after_warm_up(sides(), 3) == ({"ours": [2, 3, 4]}, True)
    assert measure.after_warm_up(sides(), 3, 25, clock(0, 10)) == ({"ours": [1, 2]}, False)
    assert measure.after_warm_up(sides(), 3, 15, clock(0, 10)) == ({"ours": [1]}, False)


def test_epochs_wait_for_their_turn():
    with throughput.ours(SMALL, RANDOM, CPU, batches=2, steps=1) as training:
        rows = [training() for _ in range(3)]
        assert [row["epoch"] for row in rows] == [0, 1, 2]
        assert training.seconds() > 0


def test_epochs_are_those_of_train():
    epochs, images, objective = Schedule(2, 2, 0.01), speed_images(), Objective("n_fgsm")
    model = runs.build(throughput.config(SMALL), RANDOM)
    with measure.Epochs(model, images, objective, throughput.THREAT, epochs) as training:
        stepped = [training()["loss"] for _ in range(2)]
        with pytest.raises(UserError):
            training()  # none is left
    whole = train(runs.build(throughput.config(SMALL), RANDOM), images, objective, throughput.THREAT, epochs)
    assert stepped == [row["loss"] for row in whole.history]


def speed_images():
    config = throughput.config(SMALL)
    return runs.images_of(replace(config, held_out=2), RANDOM, CPU)


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("training", [True, False])
def test_the_plain_form_is_the_same_function(name, training):
    channels = 4 if "channel" in REGISTRY[name].shares[:1] else None
    torch.manual_seed(0)
    ours = perturb(create(name, channels=channels)).train(training)
    theirs = plain(ours).train(training)
    x = 2 * torch.randn(2, 4, 5, 5)
    found = []
    for module in (ours, theirs):
        z = x.clone().requires_grad_()
        y = module(z)
        found.append((y, *torch.autograd.grad(y.sin().sum(), [z, *module.parameters()])))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_plain_model_shares_what_was_shared():
    model = plain_model(models.create("resnet20", activation="pssilu", depth=8, width=2))
    kept = models.create("resnet20", activation="pssilu", depth=8, width=2)
    assert not any(isinstance(module, Activation) for module in model.modules())
    assert [p.shape for p in model.parameters()] == [p.shape for p in kept.parameters()]


def test_rates_by_hand():
    row = throughput.rates({"ours": [2.0, 1.0, 4.0], "theirs": [5.0, 6.0, 4.0]}, n=100)
    assert row["ours"] == 50
    assert row["theirs"] == 20
    assert row["ratio"] == 2.5
    assert (row["ratio_min"], row["ratio_max"], row["repeats"]) == (1, 6, 3)
    assert (row["ours_min"], row["ours_max"], row["theirs_epoch"]) == (25, 100, 2500)


@pytest.mark.parametrize("peer", throughput.PEERS)
def test_throughput(peer):
    pytest.importorskip(peer)
    case = SMALL | {"peer": peer}
    row = throughput.measure_row(case, RANDOM, CPU, batches=2, repeats=1, steps=2, workers=0)
    assert {"model", "activation", "batch", "peer", "ours", "theirs", "ratio"} <= row.keys()
    assert row["ratio"] == pytest.approx(row["ours"] / row["theirs"], rel=1e-4)
    assert row["data"] == "random"


@pytest.mark.parametrize("peer", throughput.PEERS)
def test_both_sides_do_the_same_work(peer, monkeypatch):
    """As many passes to the image in the attack, on batches of the same size, and as many updates."""
    pytest.importorskip(peer)
    updates, passes = [], []
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self, *words: (updates.append(1), step(self, *words))[1])

    def count(model):
        def see(module, inputs):
            if inputs[0].requires_grad:  # towards an image
                passes.append(len(inputs[0]))

        model.register_forward_pre_hook(see)
        return model

    build = runs.build
    monkeypatch.setattr(runs, "build", lambda *words: count(build(*words)))
    monkeypatch.setattr("robust_activations.training._probe", lambda *words: {"held_clean": 0.0, "held_pgd10": 0.0})
    with throughput.ours(SMALL, RANDOM, CPU, batches=3, steps=4) as training:
        training()
    mine = (list(updates), list(passes))
    updates.clear(), passes.clear()
    throughput.theirs(SMALL | {"peer": peer}, RANDOM, CPU, batches=3, steps=4, workers=0)()
    assert mine == (updates, passes) == ([1] * 3, [2] * 12)


def test_too_few_images_is_said():
    with pytest.raises(UserError, match="--batches"):
        throughput.first(RANDOM, 17)


@pytest.mark.parametrize("name", ["relu", "pssilu", "splash", "sparta"])
@pytest.mark.parametrize("mode", activations.MODES)
def test_activations(name, mode):
    case = {"activation": name, "shape": "2x3x4x4", "dtype": "bf16", "mode": mode}
    row = activations.measure_row(case, CPU, repeats=2, seconds=0)
    assert {"vs_relu", "vs_silu", "vs_plain", "vs_compiled", "share", "holds"} <= row.keys()
    assert row["vs_silu"] == pytest.approx(row["ours"] / row["silu"], rel=1e-4)
    assert row["vs_compiled"] is None
    assert row["elementwise"] == (name != "sparta")
    assert row["target"] == {"pssilu": 1.15, "splash": 1.5}.get(name)


def test_activations_by_hand():
    times = {"ours": [3.0, 1.0, 2.0], "silu": [2.0, 4.0, 1.0], "relu": [1.0], "plain": [4.0], "clone": [0.5]}
    x = torch.zeros(10)
    row = activations.summary(times, "pssilu", "input", x)
    assert (row["ours"], row["vs_silu"], row["vs_relu"], row["vs_plain"]) == (2, 1, 2, 0.5)
    assert (row["vs_silu_min"], row["vs_silu_max"]) == (0.25, 2)
    assert row["bytes"] == 5 * 40
    assert row["share"] == pytest.approx(200 / 2.0 / (80 / 0.5))
    assert row["holds"] is True
    assert activations.summary(times | {"silu": [1.0] * 3}, "pssilu", "input", x)["holds"] is False
    assert activations.summary(times, "relu", "input", x)["holds"] is None


def test_every_activation_has_its_rows():
    rows = activations.cases(activations.FEW)
    assert {row["activation"] for row in rows} == set(REGISTRY)
    assert len(rows) == len({measure.label(row) for row in rows})
    assert [row["mode"] for row in rows if row["activation"] == "relu"][:3] == ["forward", "input", "forward"]


def test_work_asks_for_what_the_mode_says():
    x, dy = torch.randn(1, 2, 3, 3), torch.ones(1, 2, 3, 3)
    one = create("pssilu")
    assert not activations.work(one, "forward", x, dy)().requires_grad
    assert len(activations.work(one, "input", x, dy)()) == 1
    assert len(activations.work(one, "parameters", x, dy)()) == 3


def test_step_cost():
    row = step_cost.measure_row(SMALL, RANDOM, CPU, repeats=1, steps=1)
    assert {"model", "activation", "ours", "relu", "ratio", "target", "holds"} <= row.keys()
    assert row["ratio"] == pytest.approx(row["ours"] / row["relu"], rel=1e-4)
    by_hand = step_cost.summary({"ours": [3.0, 2.0, 1.0], "relu": [2.0, 2.0, 1.0]}, "silu")
    assert (by_hand["ratio"], by_hand["ratio_min"], by_hand["ratio_max"], by_hand["holds"]) == (1, 1, 1.5, True)
    assert step_cost.summary({"ours": [1.2], "relu": [1.0]}, "silu")["holds"] is False
    assert step_cost.summary({"ours": [1.2], "relu": [1.0]}, "sparta")["holds"] is None


def test_autoattack(tmp_path, monkeypatch):
    pytest.importorskip("pyautoattack")
    monkeypatch.setattr("pyautoattack.AutoAttack.run_standard_evaluation", few_queries())
    digits = data.load("digits", download=False)
    schedule = Schedule(1, 64, 0.1)
    config = replace(autoattack.SHORT["digits_cnn"], held_out=1000, schedule=schedule, model_options={"width": 2})
    case = {"model": "digits_cnn", "activation": "pssilu", "n": 6}
    with unchecked():
        row = autoattack.measure_row(case, config, digits, CPU, tmp_path)
        model = autoattack.network(config, digits, CPU, tmp_path)  # from the file
    assert {"ours", "theirs", "ratio", "robust_ours", "robust_theirs", "same"} <= row.keys()
    assert row["ratio"] == pytest.approx(row["theirs"] / row["ours"], rel=1e-4)
    assert not model.training
    by_hand = autoattack.summary(
        {"ours": [1.0], "theirs": [4.0]}, torch.tensor([True, True, False]), torch.tensor([True, False, False])
    )
    assert (by_hand["ratio"], by_hand["robust_ours"], by_hand["robust_theirs"]) == (4, 2, 1)
    assert by_hand["same"] == pytest.approx(2 / 3, abs=1e-5)


def few_queries():
    """AutoAttack with a budget of a second."""
    from pyautoattack import AutoAttack

    whole = AutoAttack.run_standard_evaluation

    def short(engine, *words, **options):
        engine.apgd.n_iter = engine.apgd_targeted.n_iter = engine.fab.n_iter = engine.square.n_queries = 3
        engine.apgd_targeted.n_target_classes = engine.fab.n_target_classes = 2
        return whole(engine, *words, **options)

    return short


def test_scaling():
    case = {"model": "resnet20", "activation": "relu", "batch": 2, "size": 8, "width": 2, "steps": 1}
    row = scaling.point(case, CPU, repeats=1)
    assert {"seconds_per_image", "images_per_second", "peak_mib", "repeats"} <= row.keys()
    assert row["peak_mib"] > 0


@pytest.mark.parametrize(
    ("axis", "values", "cost", "said"),
    [
        ("batch", (1, 2, 4, 8), (8.0, 4.0, 3.9, 3.8), "from batch 2 on"),
        ("batch", (1, 2, 4, 8), (8.0, 7.9, 4.0, 3.9), "from batch 4 on"),  # a pause on the way is no bend
        ("batch", (1, 4, 16), (16.0, 4.0, 1.0), "batch 16 still gains 100%"),
        ("size", (8, 16, 32, 64), (1.0, 2.0, 8.0, 32.0), "cost ~ size^2.00 from 16 on"),
        ("width", (4, 8, 16), (1.0, 2.0, 4.0), "cost ~ width^1.00 from 4 on"),
        ("steps", (1, 2, 5), (3.0, 5.0, 11.0), "1 + 2 · steps seconds, to within 0%"),
        ("batch", (1, 2), (2.0, 1.0), "too few points"),
    ],
)
def test_where_it_bends(axis, values, cost, said):
    assert said in scaling.bend(axis, values, cost)


def test_speedrun():
    digits = data.load("digits", download=False)
    config = replace(speedrun.DIGITS, held_out=1200, schedule=speedrun.cyclic(1, 32, 0.1))
    row = speedrun.measure_row(
        {"scale": "digits", "recipe": "tiny"}, config, digits, CPU, seeds=2, n=9, attack="pgd20", targets=(0.0,)
    )
    assert {"recipe", "seconds", "accuracy", "n", "seeds", "reached"} <= row.keys()
    assert (row["seeds"], row["n"], row["attack"]) == (2, 9, "pgd20")


def test_speedrun_by_hand():
    found = [{"clean": 0.9, "robust": robust} for robust in (0.4, 0.5, 0.6)]
    row = speedrun.summary([3.0, 1.0, 8.0], found, 100, (0.45, 0.5, 0.6))
    assert (row["seconds"], row["seconds_min"], row["seconds_max"]) == (3, 1, 8)
    assert (row["accuracy"], row["accuracy_min"], row["reached"]) == (0.5, 0.4, 0.5)
    assert speedrun.summary([1.0], found[:1], 100, (0.45,))["reached"] is None


def test_speedrun_recipes_can_be_built():
    for recipes in speedrun.RECIPES.values():
        assert recipes
        for config in recipes.values():
            models.create(config.model, activation=config.activation, **config.model_options)
            assert config.threat == next(iter(recipes.values())).threat


def test_the_command_prints_one_json_object_alone(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(measure.paths, "project", lambda: tmp_path)
    words = ["--json", "--save", "--device", "cpu", "--only", "b/*"]

    def rows(arguments, device):
        print("noise of a peer")
        for case in measure.chosen([{"x": "a", "n": 1}, {"x": "b", "n": 2}], arguments.only):
            yield case | {"ratio": 0.5}

    measure.run("tiny", measure.parser("About.", repeats=1), rows, ["x", "ratio"], words)
    out = capsys.readouterr().out
    content = json.loads(out)
    assert {"rows", "hardware", "versions", "started", "commit"} <= content.keys()
    assert content["rows"] == [{"x": "b", "n": 2, "ratio": 0.5}]
    assert content["hardware"]["device"] == "cpu"
    assert content["versions"]["torch"] == torch.__version__
    saved = tmp_path / "data" / "ledger" / "benchmarks" / "tiny-cpu.json"
    assert json.loads(saved.read_text()) == content


def test_the_table(capsys):
    measure.run("tiny", measure.parser("About.", repeats=1), lambda *_: [{"x": "a", "ok": False}], ["x", "ok", "y"], [])
    assert capsys.readouterr().out.splitlines() == ["| x | ok | y |", "|---|----|---|", "| a | NO | - |"]


def test_mistakes_are_one_line(capsys):
    def rows(arguments, device):
        yield from measure.chosen([{"x": "a"}], arguments.only)

    with pytest.raises(SystemExit) as exited:
        measure.run("tiny", measure.parser("About.", repeats=1), rows, ["x"], ["--only", "nothing"])
    assert exited.value.code == 2
    assert capsys.readouterr().err == "benchmarks.tiny: no row is left; leave out a filter\n"


def test_ablation_changes_one_thing_at_a_time():
    case = {"model": "resnet20", "activation": "pssilu", "batch": 8}
    rows = list(ablation.measure_rows(case, RANDOM, CPU, repeats=1, compiled=False, steps=1))
    assert rows[0]["change"] == "engine"
    assert len({row["change"] for row in rows}) == len(rows) > 4
    for row in rows:
        assert row["ratio"] == pytest.approx(row["seconds"] / rows[0]["seconds"], rel=1e-4)
        assert row["compile_seconds"] is None
