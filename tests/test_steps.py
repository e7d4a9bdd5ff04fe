"""An evaluation that is stopped or killed goes on at the step it was in, and gives the same bits."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from itertools import chain

import pytest

import tiny
from helpers import digits_test
from robust_activations import data, runs
from robust_activations.errors import UserError
from robust_activations.evaluation import Suite, predictions
from robust_activations.files import write_atomically
from robust_activations.steps import Steps
from robust_activations.training import Trained
from tiny import execute, files, numbers

EVERYTHING = Suite(
    ("clean", "fgsm", "square", "one_pixel", "autoattack"),
    n=4,
    autoattack_n=4,
    square_n=4,
    square_queries=10,
    measures=("cw", "lipschitz", "boundary"),
    measure_n=4,
    one_pixel_n=2,
    one_pixel_queries=200,
    cw_steps=2,
    boundary_steps=5,
)
ATTACKED = replace(tiny.RUN, suite=EVERYTHING, schedule=replace(tiny.RUN.schedule, epochs=1))


def test_stopped_after_every_step_of_the_evaluation(tmp_path, monkeypatch):
    """Each attack, each distance and the checklist is made once, nothing is trained again; the result is the same."""
    pytest.importorskip("pyautoattack")
    pytest.importorskip("foolbox")
    whole, root = execute(ATTACKED, tmp_path / "whole"), tmp_path / "stopped"
    folder, made, slept = root / "checkpoints" / ATTACKED.id, [], 0.0
    assert execute(ATTACKED, root, go_on=lambda: False) is None
    monkeypatch.setattr("robust_activations.training._epoch", lambda *_: pytest.fail("trained"))
    while (record := execute(ATTACKED, root, go_on=iter([True, True, False]).__next__)) is None:
        (state,) = folder.glob("evaluation-best-*.json")
        content = json.loads(state.read_text())
        made.append(set(content["values"]) - {*chain.from_iterable(made)})
        content["seconds"], slept = content["seconds"] + 1000, slept + 1000
        state.write_text(json.dumps(content))
    assert {*chain.from_iterable(made)} >= {"clean", "one_pixel", "autoattack", "checklist", "sensitivities"}
    assert all(1 <= len(new) <= 2 for new in made)  # what AutoAttack consists of are steps of a step
    assert numbers(record) == numbers(whole)
    assert slept < record.provenance.seconds < slept + 1000  # the seconds of the calls before count, too
    runs.tidy(ATTACKED, root)
    assert set(files(folder)) == {"best.safetensors"}


def test_what_was_found_out_about_other_weights_is_not_taken(tmp_path, monkeypatch):
    """The evaluation of a network is there and its training is not: another one is trained, and attacked anew."""
    run = replace(tiny.RUN, suite=replace(tiny.RUN.suite, attacks=("clean", "fgsm")))
    assert execute(run, tmp_path, go_on=iter([*[True] * (run.schedule.epochs), False]).__next__) is None
    folder = tmp_path / "checkpoints" / run.id
    assert [*folder.glob("evaluation-*.json")]
    for state in folder.glob("resume-*.pt"):
        state.unlink()
    monkeypatch.setattr("robust_activations.training.Schedule.rate", lambda *_: 0.0)  # which learns nothing
    record = execute(run, tmp_path)
    images, labels = digits_test(run.suite.n)
    right = predictions(runs.trained(run, tmp_path), images) == labels
    assert record.best.outcomes["clean"].right.tolist() == right.tolist()


def test_killed_while_evaluating(tmp_path, monkeypatch):
    """It goes on at the attack that it was in, and so does AutoAttack."""
    pytest.importorskip("pyautoattack")
    suite = replace(tiny.RUN.suite, attacks=("clean", "autoattack"), autoattack_n=4)
    run = replace(ATTACKED, suite=suite)
    # On a GPU what fits is another number each time. For AutoAttack and for the checklist's Square; not once more.
    sizes = iter([3, 250, 3, 250])
    monkeypatch.setattr("robust_activations.autoattack.fitting", lambda *_: next(sizes))
    whole = execute(run, tmp_path / "whole")

    def stop(path, content) -> None:
        write_atomically(path, content)
        if "apgd-t" in path.read_text():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("robust_activations.steps.write_atomically", stop)
        with pytest.raises(KeyboardInterrupt):
            execute(run, tmp_path / "stopped")
    folder = tmp_path / "stopped" / "checkpoints" / run.id
    (state,) = folder.glob("evaluation-best-*.json")
    assert list(json.loads(state.read_text())["values"]) == [
        "clean", "autoattack: batch", "autoattack: apgd-ce", "autoattack: apgd-t",
    ]  # fmt: skip
    monkeypatch.setattr("robust_activations.training._epoch", lambda *_: pytest.fail("trained"))
    assert numbers(execute(run, tmp_path / "stopped")) == numbers(whole)
    runs.tidy(run, tmp_path / "stopped")
    assert set(files(folder)) == {"best.safetensors"}


def test_no_second_of_an_earlier_call_counts_twice(tmp_path, monkeypatch):
    """The last epoch's evaluation comes first, and is no part of the best one's."""

    def evaluate(*_, steps, **__):
        steps("a while", float, lambda: time.sleep(0.3) or 1.0)
        return tiny.record().best

    monkeypatch.setattr(runs, "evaluate", evaluate)
    dataset = data.load("digits")
    test, model = (dataset.test_images, dataset.test_labels), runs.build(tiny.RUN, dataset)
    words = tiny.RUN, model, Trained([{}, {}], {}, {}, 0, None, True), test, tmp_path, lambda: True
    assert runs._evaluate_both(*words)[2] == 0
    assert runs._evaluate_both(*words)[2] == pytest.approx(0.6, abs=0.2)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"values": {}}', '{"values": {}, "seconds": null}'])
def test_a_broken_state_of_the_evaluation_is_named(tmp_path, content):
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"cannot go on from .*evaluation\.json; delete it to start"):
        Steps(path)
    assert path.read_text() == content
