"""One run on two processes gives what it gives on one; without synchronised BatchNorm, the statistics of rank 0."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

import tiny
from helpers import digits, digits_cnn, random_images, same_tensors, seeded
from robust_activations import campaigns, distributed
from robust_activations.attacks import PGD, Threat, attacking, pgd
from robust_activations.data import Augment, Batches
from robust_activations.errors import UserError
from robust_activations.ledger import Ledger
from robust_activations.training import Images, Objective, Schedule, Trained, train
from tiny import started, under_way, wait_for

WORLD = 2
L2, LINF = Threat("l2", "0.5"), Threat("linf", "0.1")
# Few steps, and mostly in l2, because the sign of a gradient near 0 turns a rounding into a whole step of a pixel.
PGD_AT, TRADES = Objective("pgd_at", PGD(steps=2)), Objective("trades", PGD(steps=2))


TWO = Schedule(epochs=2, batch_size=32, lr=0.1)


@dataclass(frozen=True)
class Case:
    objective: Objective
    threat: Threat = L2
    norm: str = "none"  # "none", "synchronised" or "local" BatchNorm
    schedule: Schedule = Schedule(epochs=1, batch_size=32, lr=0.1)
    mixed: bool = False  # with augmentation and extra images
    interrupted: bool = False


CASES = {
    "standard": Case(Objective("standard"), mixed=True),
    "pgd_at": Case(PGD_AT),
    "pgd_at, resumed": Case(PGD_AT, norm="synchronised", schedule=TWO, interrupted=True),
    "trades": Case(TRADES),
    "fgsm_rs": Case(Objective("fgsm_rs"), LINF),
    "n_fgsm, ema": Case(Objective("n_fgsm"), LINF, schedule=Schedule(epochs=1, batch_size=32, lr=0.1, ema=0.9)),
    "standard, synchronised": Case(Objective("standard"), norm="synchronised"),
    "pgd_at, synchronised": Case(PGD_AT, norm="synchronised", mixed=True),
    "trades, synchronised": Case(TRADES, norm="synchronised"),
    "trades as the authors, synchronised": Case(replace(TRADES, as_authors=True), norm="synchronised"),
    "one step": Case(PGD_AT, norm="local", schedule=Schedule(epochs=1, batch_size=128, lr=0.05)),
    "diverged": Case(Objective("standard"), schedule=Schedule(epochs=3, batch_size=32, lr=1e30)),
    "trades, local": Case(TRADES, norm="local"),
}
EXACT = [name for name, case in CASES.items() if case.norm != "local" and name != "diverged"]


def model_of(case: Case) -> nn.Module:
    model = digits_cnn(activation="pssilu")
    if case.norm == "none":
        for unit in model.features[:3]:
            unit[1] = nn.Identity()
    return distributed.synchronise(model) if case.norm == "synchronised" else model


def images_of(case: Case) -> Images:
    images = digits(128)
    if case.mixed:
        extra = random_images(40, 1), torch.arange(40) % 10
        images = replace(images, augment=Augment(crop=1), extra=extra, extra_ratio=0.25)
    return images


def result(case: Case, state: Path | None = None) -> tuple[Trained, dict[str, Tensor]]:
    model, words = model_of(case), (images_of(case), case.objective, case.threat, case.schedule)
    if case.interrupted:
        assert not train(model, *words, state=state, go_on=lambda: False).finished
        model = model_of(case)
    return train(model, *words, state=state), model.state_dict()


def on_rank(rank: int, folder: Path) -> None:
    """All cases on one of the ranks; each has a folder of its own."""
    wait = timedelta(seconds=120)
    dist.init_process_group("gloo", f"file://{folder}/meet", timeout=wait, rank=rank, world_size=WORLD)
    for name, case in CASES.items():
        out, weights = result(case, folder / str(rank) / name / "state.pt")
        torch.save((vars(out), weights), folder / f"{name} {rank}.pt")
    try:
        result(replace(CASES["pgd_at"], schedule=Schedule(batch_size=33)))
    except UserError as error:
        (folder / f"error {rank}").write_text(str(error))
    progress = tiny.campaign(folder / "campaign", sync_bn=True)
    (folder / f"progress {rank}").write_text(str(progress))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, int, str, str]:
    """A campaign under torchrun, of which one of the processes is killed in the second run."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "campaign").mkdir()
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(WORLD)]
    process = started(folder / "campaign", "run", "tiny", "--sync-bn", pause=0.4, launcher=launcher)
    try:
        wait_for(lambda: process.poll() is not None or tiny.RUNS[1].id in under_way(folder / "campaign"))
        (second,) = (one for one in psutil.Process(process.pid).children() if one.environ()["RANK"] == "1")
        second.kill()
        out, err = process.communicate(timeout=300)
    finally:
        process.terminate()
    return folder, process.returncode, out, err


@pytest.fixture(scope="module")
def folder(killed) -> Path:
    """What the ranks leave: all cases, and the campaign gone on with."""
    mp.spawn(on_rank, (killed[0],), WORLD)
    return killed[0]


def loaded(folder: Path, name: str, rank: int) -> tuple[Trained, dict[str, Tensor]]:
    out, weights = torch.load(folder / f"{name} {rank}.pt")
    return Trained(**out), weights


def without_times(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in history]


@pytest.mark.parametrize("name", CASES)
def test_ranks_agree_to_the_bit(folder, name):
    (first, weights), (second, others) = (loaded(folder, name, rank) for rank in range(WORLD))
    assert repr(without_times(first.history)) == repr(without_times(second.history))  # nan is not nan
    assert same_tensors(weights, others) or name == "diverged"
    assert (first.best_epoch, first.collapsed) == (second.best_epoch, second.collapsed)
    for name in ("last", "best"):
        assert same_tensors(getattr(first, name), getattr(second, name))
    assert not list((folder / "1").glob("*/*"))  # rank 0 alone writes


@pytest.mark.parametrize("name", EXACT)
def test_as_one_process(folder, name, tmp_path):
    """Up to float32's rounding of sums in another order, which a few steps of training make larger."""
    (together, weights), (alone, expected) = loaded(folder, name, 0), result(CASES[name], tmp_path / "state.pt")
    assert len(together.history) == len(alone.history) == CASES[name].schedule.epochs
    for row, other in zip(together.history, alone.history, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-5)
        assert row["train_accuracy"] == pytest.approx(other["train_accuracy"], abs=1.5 / 128)  # at most one image
        assert row["lr"] == other["lr"]
        assert row["held_clean"] == pytest.approx(other["held_clean"], abs=1.5 / 64)
    assert weights.keys() == expected.keys()
    for key, value in weights.items():
        torch.testing.assert_close(value, expected[key], rtol=1e-4, atol=1e-5)
    for key, value in together.last.items():
        torch.testing.assert_close(value, alone.last[key], rtol=1e-4, atol=1e-5)
    moved = [(value - model_of(CASES[name]).state_dict()[key]).abs().max() for key, value in expected.items()]
    assert max(moved) > 1e-2  # a hundred times what is tolerated


def test_without_synchronisation_the_statistics_are_those_of_rank_0(folder):
    """After one step they are what its share of the attacked batch gives in the untrained network."""
    case, model = CASES["one step"], model_of(CASES["one step"])
    images, generator = images_of(case), seeded()
    ((x, y),) = Batches(images.images, images.labels, 128, generator=generator)
    with attacking(model):
        x = pgd(model, x, y, case.threat, case.objective.attack, generator=generator)
    buffers = {}
    for rank in range(WORLD):
        own = model_of(case).train()
        own(x[rank::WORLD])
        buffers[rank] = dict(own.named_buffers())
    _, weights = loaded(folder, "one step", 1)
    for name in (key for key in weights if "running" in key):
        torch.testing.assert_close(weights[name], buffers[0][name], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(weights[name], buffers[1][name], rtol=1e-3)


def test_a_loss_that_is_no_number_ends_all(folder):
    out, _ = loaded(folder, "diverged", 1)
    assert out.finished
    assert "the loss became" in out.collapsed
    assert not math.isfinite(out.history[-1]["loss"])


def test_a_batch_that_cannot_be_shared(folder):
    for rank in range(WORLD):
        assert "a batch of 33 cannot be shared by 2 processes" in (folder / f"error {rank}").read_text()


@pytest.mark.parametrize("threat", [L2, LINF], ids=str)
def test_noise_is_shared_out(monkeypatch, threat):
    x, whole = torch.zeros(6, 1, 4, 4), threat.random(torch.zeros(12, 1, 4, 4), seeded())
    monkeypatch.setattr(distributed, "world", lambda: WORLD)
    for rank in range(WORLD):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        generator = distributed.SharedGenerator()
        generator.manual_seed(0)
        assert torch.equal(threat.random(x, generator), whole[rank::WORLD])
        assert torch.equal(threat.random(x, seeded()), threat.random(x, seeded()))
        assert len(threat.random(x, None)) == 6


def test_all_start_from_the_clean_image_or_none(monkeypatch):
    model, x, y = digits_cnn().eval(), torch.full((3, 1, 8, 8), 0.5), torch.arange(3)
    attack = PGD(steps=1, step="0.0001/255", clean_share=0.5)
    monkeypatch.setattr(distributed, "world", lambda: WORLD)
    clean = []
    for rank in range(WORLD):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        generator = distributed.SharedGenerator()
        generator.manual_seed(0)
        moved = [pgd(model, x, y, LINF, attack, generator=generator) for _ in range(20)]
        clean.append([bool(torch.allclose(one, x, atol=1e-5)) for one in moved])
    assert all(own == clean[0] for own in clean)
    assert 0 < sum(clean[0]) < 20


def test_what_one_process_draws_from_is_what_cuda_graphs_accept(monkeypatch):
    """They ask for PyTorch's own class, as this does, which no CPU supports."""
    with pytest.raises(NotImplementedError):
        torch.Generator().graphsafe_set_state(distributed.generator(torch.device("cpu")))
    monkeypatch.setattr(distributed, "world", lambda: WORLD)
    assert isinstance(distributed.generator(torch.device("cpu")), distributed.SharedGenerator)


def test_what_the_first_gives_all_have():
    """In one process it is a call."""
    assert (distributed.rank(), distributed.world(), distributed.from_first(lambda: 3)) == (0, 1, 3)
    model = digits_cnn()
    assert distributed.wrap(model) is distributed.unwrap(model) is model


def test_every_process_has_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [distributed.device_name(asked) for asked in (None, "cuda", "cpu")] == [None, "cuda", "cpu"]
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert [distributed.device_name(asked) for asked in (None, "cuda", "cpu")] == ["cuda:1", "cuda:1", "cpu"]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="no GPU is left for process 3 on this machine; start at most 2 on each"):
        distributed.device_name(None)


@pytest.mark.parametrize("words", ["--jobs 2", "--ray local"])
def test_torchrun_and_others_that_start_processes(call, only_tiny, monkeypatch, words):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, out, err = call("run", "tiny", *words.split())
    assert (status, out) == (2, "")
    assert re.fullmatch(r"robust-activations: --\w+ and torchrun both start processes; .*\n", err)


def test_killed_and_started_again(killed, folder, made):
    """In the end every record is written once, as by one process, whatever was killed."""
    _, status, out, err = killed
    assert (status, out) == (1, ""), err
    assert [(folder / f"progress {rank}").read_text() for rank in range(WORLD)] == [
        str(campaigns.Progress(made=2, present=1)),
        str(campaigns.Progress()),
    ]
    records, expected = Ledger(folder / "campaign" / "ledger"), Ledger(made / "ledger")
    assert (len(records), records.broken) == (3, {})
    for record in records:
        assert re.fullmatch("2 x .*, synchronised BatchNorm", record.provenance.device)
        assert record.history[2]["loss"] == pytest.approx(expected[record.run].history[2]["loss"], rel=1e-3)
        assert record.last.outcomes["clean"].n == 50
    assert under_way(folder / "campaign") == []
