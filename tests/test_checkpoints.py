"""Checkpoints: the same weights again, and a clear word for every file that is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from helpers import digits_test, same_tensors
from robust_activations import checkpoints, data, runs
from robust_activations.errors import UserError
from tiny import files, full_disk


@pytest.mark.parametrize("share", ["network", "layer", "channel"])
def test_checkpoint_round_trip(tmp_path, share):
    run, dataset = replace(tiny.RUN, activation="pssilu", share=share), data.load("digits")
    model, path, (x, _) = runs.build(run, dataset), tmp_path / "a" / "b.safetensors", digits_test(20)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.rand_like(parameter)
    checkpoints.save(path, model, run)
    (tmp_path / "any").touch()
    assert path.stat().st_mode == (tmp_path / "any").stat().st_mode  # safetensors' own nobody else can read
    assert checkpoints.run_of(path) == run
    other = runs.build(checkpoints.run_of(path), dataset)
    checkpoints.load(path, other)
    assert same_tensors(model.state_dict(), other.state_dict())
    assert torch.equal(model.eval()(x), other.eval()(x))
    alphas = [name for name in load_file(path) if name.endswith("alpha")]
    assert len(alphas) == (1 if share == "network" else 3)
    assert len({id(p) for name, p in other.named_parameters() if name.endswith("alpha")}) == len(alphas)


def test_checkpoint_of_another_model(tmp_path):
    dataset, path = data.load("digits"), tmp_path / "x.safetensors"
    checkpoints.save(path, runs.build(tiny.RUN, dataset), tiny.RUN)
    for change in ({"model_options": {"width": 8}}, {"activation": "pssilu"}, {"model": "lenet5", "model_options": {}}):
        model = runs.build(replace(tiny.RUN, **change), dataset)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with pytest.raises(UserError, match=r"is a checkpoint of another model: \d+ tensors differ, such as"):
            checkpoints.load(path, model)
        assert same_tensors(before, model.state_dict())


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(UserError, match="no checkpoint"):
        checkpoints.run_of(path)
    with pytest.raises(UserError, match="no checkpoint"):
        checkpoints.load(path, torch.nn.Linear(1, 1))
    dataset = data.load("digits")
    checkpoints.save(path, runs.build(tiny.RUN, dataset), tiny.RUN)
    whole = path.read_bytes()
    for broken in (b"", b"PK\x03\x04", b"\xff" * 100, whole[:-10], whole[:100]):
        path.write_bytes(broken)
        for use in (checkpoints.run_of, lambda path: checkpoints.load(path, torch.nn.Linear(1, 1))):
            with pytest.raises(UserError, match="is no whole safetensors file") as caught:
                use(path)
            assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(UserError, match="is no whole safetensors file"):
        checkpoints.run_of(tmp_path)
    for metadata in (None, {"run": "{}"}, {"run": "not JSON"}, {"format": "pt"}):
        save_file({"weight": torch.zeros(2)}, path, metadata)
        with pytest.raises(UserError, match="does not say which run it comes from"):
            checkpoints.run_of(path)


def test_no_space_for_a_checkpoint(tmp_path):
    dataset, path = data.load("digits"), tmp_path / "x.safetensors"
    path.write_text("old")
    with full_disk(), pytest.raises(UserError, match=r"cannot write .*File too large") as caught:
        checkpoints.save(path, runs.build(tiny.RUN, dataset), tiny.RUN)
    assert len(str(caught.value).splitlines()) == 1
    assert files(tmp_path) == {"x.safetensors": b"old"}
