"""Activations learned in one network and put into another: what goes where, and runs that have a donor."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from torch import Tensor, nn

import tiny
from helpers import digits_cnn, one_line, perturb, same_tensors
from robust_activations import activations, campaigns, ledger, models, paths, runs
from robust_activations.activations import create
from robust_activations.errors import UserError
from robust_activations.ledger import Ledger
from robust_activations.models import transfer as module
from robust_activations.models.transfer import Packed, packed, transfer
from robust_activations.training import Schedule
from tiny import DONOR, TAKER, campaign, started

# A tensor as text


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 1, 2, 2)])
def test_a_tensor_comes_back_bit_for_bit(shape):
    tensor = torch.randn(shape)
    back = Packed.of(tensor).tensor
    assert (back.shape, back.dtype) == (tensor.shape, torch.float32)
    assert torch.equal(back, tensor)


def test_numbers_that_are_none_and_the_smallest_come_back_too():
    tensor = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45, 3.4e38])
    back = Packed.of(tensor.requires_grad_()).tensor
    assert torch.equal(back.view(torch.int32), tensor.detach().view(torch.int32))
    back += 1  # one's own, and not the text's memory


@pytest.mark.parametrize(
    ("values", "shape"), [("AAAA", (1,)), ("AAAAAA==", (2,)), ("AAAAAA==", (1, 2)), ("***", (1,)), ("", ())]
)
def test_text_that_is_no_tensor_of_this_shape(values, shape):
    with pytest.raises(UserError, match="cannot be read") as error:
        _ = Packed(values, shape).tensor
    assert str(shape) in one_line(error)


def test_a_record_whose_activations_cannot_be_read(tmp_path):
    record = tiny.record(activations={"act": {"weight": Packed("AAAA", (1,))}})
    with pytest.raises(UserError, match="cannot be read"):
        ledger.loads(ledger.dumps(record))


# What is packed


def test_what_a_network_has_learned_by_site():
    model = perturb(digits_cnn(activation="frelu"))
    found = packed(model)
    assert list(found) == ["features.0.2", "features.1.2", "features.2.2"]
    names = {"weight", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"}  # counts are no numbers
    for site, own in found.items():
        state = model.get_submodule(site).state_dict()
        assert own.keys() == names
        assert same_tensors({name: value.tensor for name, value in own.items()}, {name: state[name] for name in names})
    assert packed(digits_cnn()) == {}


def test_too_much_is_not_kept_at_all(monkeypatch):
    model = digits_cnn(activation="prelu", share="channel")  # 4 + 8 + 16 slopes
    monkeypatch.setattr(module, "MOST", 28)
    assert len(packed(model)) == 3
    monkeypatch.setattr(module, "MOST", 27)
    assert packed(model) == {}
    with pytest.raises(UserError, match="the donor has nothing for features"):
        transfer(packed(model), model)


# What goes where


def row(count: int, name: str = "splash", **options) -> nn.Sequential:
    """So many activations, the i-th of which has i in every number it has learned."""
    model = nn.Sequential(*(create(name, **options) for _ in range(count)))
    return numbered(model)


def numbered(model: nn.Module) -> nn.Module:
    for number, (_, site) in enumerate(activations.modules(model)):
        for parameter in site.parameters():
            nn.init.constant_(parameter, number)
    return model


def blank(model: nn.Module) -> nn.Module:
    for parameter in activations.parameters(model):
        nn.init.constant_(parameter, -1.0)
    return model


def numbers(model: nn.Module) -> list[int]:
    """By site, the number in all it has."""
    found = [torch.cat([p.flatten() for p in site.parameters()]).unique() for _, site in activations.modules(model)]
    assert all(len(one) == 1 for one in found)
    return [int(one) for one in found]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (3, [0, 1, 2]),
        (3, [0, 0, 1, 1, 2, 2]),
        (8, [1, 3, 5, 7]),
        (1, [0, 0, 0]),
        (4, [0, 2, 3]),
        (5, [2]),
        (2, [0, 0, 1, 1, 1]),
    ],
)
def test_the_same_relative_depth(given, taken):
    model = blank(row(len(taken)))
    transfer(packed(row(given)), model)
    assert numbers(model) == taken


def depths(counts: list[int], others: list[int]) -> list[int]:
    """Stages of sites of one kind each: the middle of a site, as a share of its stage, lies in that of its donor."""
    out, first = [], 0
    for given, wanted in zip(counts, others, strict=True):
        out += [first + int((i + 0.5) / wanted * given) for i in range(wanted)]
        first += given
    return out


def test_from_resnet18_to_resnet34_stage_by_stage():
    """In every stage of a ResNet the gates have another number of channels, and the stem has that of the first."""
    options = {"activation": "sparta", "num_classes": 10, "width": 4}
    donor, model = numbered(models.create("resnet18", **options)), blank(models.create("resnet34", **options))
    others = {name: p.clone() for name, p in model.named_parameters() if not name.endswith((".act.weight", "2.weight"))}
    transfer(packed(donor), model)
    wanted = depths([5, 4, 4, 4], [7, 8, 12, 6])
    assert numbers(model) == wanted
    assert wanted[:7] == [0, 1, 1, 2, 3, 3, 4]
    assert len(others) > 60
    assert all(torch.equal(p, others[name]) for name, p in model.named_parameters() if name in others)


def test_every_network_takes_what_it_has_learned_itself():
    """Bit for bit, what follows the data included; and nothing else of a network moves."""
    donor = perturb(digits_cnn(activation="frelu"), seed=1)
    model = digits_cnn(activation="frelu", seed=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    transfer(packed(donor), model)
    after, learned = model.state_dict(), donor.state_dict()
    for name, value in after.items():
        inside = re.match(r"features\.\d\.2\.", name) and not name.endswith("num_batches_tracked")
        assert torch.equal(value, (learned if inside else before)[name]), name
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_one_activation_for_the_whole_network():
    donor, model = (perturb(digits_cnn(activation="pssilu"), seed=seed) for seed in (1, 2))
    transfer(packed(donor), model)
    sites = dict(activations.modules(model))
    assert len(sites) == 1
    assert packed(model) == packed(donor)
    # And one for each layer takes what there is.
    layered = digits_cnn(activation="pssilu", share="layer")
    transfer(packed(donor), layered)
    assert [*packed(layered).values()] == [*packed(donor).values()] * 3


@pytest.mark.parametrize(
    ("donor", "options", "model", "others", "named"),
    [
        ("splash", {}, "splash", {"S": 9}, "SPLASH"),
        ("sparta", {}, "sparta", {"kernel_size": 1}, "Sparta"),
        ("sparta", {}, "sparta", {"channels": 2}, "Sparta"),
        ("pssilu", {}, "splash", {}, "SPLASH"),
        ("relu", {}, "splash", {}, "SPLASH"),
    ],
)
def test_nothing_of_these_shapes(donor, options, model, others, named):
    give = nn.Sequential(create(donor, **({"channels": 4} if donor == "sparta" else {}), **options))
    take = nn.Sequential(create(model, **({"channels": 4} if model == "sparta" else {}) | others))
    before = {name: value.clone() for name, value in take.state_dict().items()}
    with pytest.raises(UserError) as error:
        transfer(packed(give), take)
    assert one_line(error) == f"the donor has nothing for 0 ({named}): no site of its shapes"
    assert same_tensors(take.state_dict(), before)


def test_nothing_is_changed_when_something_is_missing():
    take = blank(nn.Sequential(create("splash"), create("splash", S=9)))
    with pytest.raises(UserError, match="nothing for 1"):
        transfer(packed(row(2)), take)
    assert numbers(take) == [-1, -1]


def test_what_has_nothing_to_learn_takes_nothing():
    model = digits_cnn()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    transfer(packed(row(2)), model)
    assert same_tensors(model.state_dict(), before)


# Runs with a donor


def values(record: ledger.Record) -> list[dict[str, Packed]]:
    return list(record.activations.values())


def test_the_donor_first_and_what_it_has_learned_stays(tmp_path):
    assert campaign(tmp_path, [DONOR, TAKER]) == campaigns.Progress(made=2)
    records = Ledger(tmp_path / "ledger")
    donor, taker = records[DONOR], records[TAKER]
    assert taker.run == TAKER
    assert values(taker) == values(donor)  # frozen
    # It is the best epoch's, and it was learned.
    best = runs.trained(DONOR, tmp_path / "data")
    assert packed(best) == donor.activations
    untrained = runs.build(DONOR, runs.data.load("digits"))
    assert all(first != second for first, second in zip(values(donor), packed(untrained).values(), strict=True))
    # Where nothing is frozen it is where learning starts.
    first = replace(TAKER, schedule=Schedule(epochs=1, batch_size=128, lr=1e-6, momentum=0.0))
    assert campaign(tmp_path, [first]) == campaigns.Progress(made=1)
    close, start = (arrays(Ledger(tmp_path / "ledger")[run]) for run in (first, DONOR))
    assert 0 < np.abs(close - start).max() < 1e-4
    assert campaign(tmp_path, [DONOR, TAKER, first]) == campaigns.Progress(present=3)


def arrays(record: ledger.Record) -> np.ndarray:
    return np.concatenate([value.tensor.flatten() for own in values(record) for value in own.values()])


LEARNED = {"a": {"weight": Packed.of(torch.ones(1))}}


def pretend(monkeypatch) -> list[tuple[str, str | None]]:
    """Nothing is trained; by run, the donor whose record it was given."""
    made: list[tuple[str, str | None]] = []

    def execute(run, *, donor=None, **_):
        made.append((run.id, None if donor is None else donor.id))
        return tiny.record(run, activations=LEARNED)

    monkeypatch.setattr(runs, "execute", execute)
    return made


def test_without_its_donor_a_run_is_left_out_with_a_note(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / "committed")
    made = pretend(monkeypatch)
    assert campaign(tmp_path, [TAKER, tiny.RUN]) == campaigns.Progress(made=1, unfinished=1)
    assert made == [(tiny.RUN.id, None)]
    out, err = capfd.readouterr()
    assert out == ""
    assert (
        err == f"left out {TAKER.label}: its donor {DONOR.id} has no record to take activations from; run that first\n"
    )
    assert campaign(tmp_path, [DONOR, TAKER]) == campaigns.Progress(made=2)
    assert made[1:] == [(DONOR.id, None), (TAKER.id, DONOR.id)]


def test_a_donor_in_the_committed_ledger_alone(tmp_path, monkeypatch):
    """And this ledger's, if it is in both."""
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / "committed")
    made = pretend(monkeypatch)
    ledger.write(tiny.record(DONOR, best_epoch=1, activations=LEARNED), tmp_path / "committed", "other")
    assert runs.donor_of(TAKER, tmp_path / "ledger").best_epoch == 1
    assert campaign(tmp_path, [TAKER]) == campaigns.Progress(made=1)
    assert made == [(TAKER.id, DONOR.id)]
    ledger.write(tiny.record(DONOR, best_epoch=2, activations=LEARNED), tmp_path / "ledger", "tiny")
    assert runs.donor_of(TAKER, tmp_path / "ledger").best_epoch == 2
    assert runs.donor_of(DONOR, tmp_path / "ledger") is None


def test_a_run_waits_for_its_donor_under_way_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / "committed")
    made, held = pretend(monkeypatch), threading.Event()
    lock = tmp_path / "data" / "checkpoints" / f"{DONOR.id}.lock"
    lock.parent.mkdir(parents=True)

    def elsewhere() -> None:
        with FileLock(lock):
            held.set()
            waited.wait(1.0)
            ledger.write(tiny.record(DONOR, activations=LEARNED), tmp_path / "ledger", "tiny")

    waited = threading.Event()  # never set: the time in which a campaign that does not wait leaves the run out
    other = threading.Thread(target=elsewhere)
    other.start()
    assert held.wait(10)
    assert campaign(tmp_path, [DONOR, TAKER]) == campaigns.Progress(made=1, elsewhere=1)
    assert made == [(TAKER.id, DONOR.id)]
    other.join()


@pytest.mark.parametrize("text", ["{", ledger.dumps(tiny.record(DONOR))], ids=["broken", "made before"])
def test_a_donor_that_can_give_nothing_is_none(tmp_path, monkeypatch, text):
    """A file that cannot be read, or that does not say what was learned, ends no campaign."""
    monkeypatch.setattr(paths, "ledger", lambda scale: tmp_path / "committed")
    made = pretend(monkeypatch)
    path = ledger.path_of(tmp_path / "ledger", "a", DONOR)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert campaign(tmp_path, [TAKER, tiny.RUN]) == campaigns.Progress(made=1, unfinished=1)
    ledger.write(tiny.record(DONOR, activations=LEARNED), tmp_path / "committed", "other")
    assert campaign(tmp_path, [TAKER]) == campaigns.Progress(made=1)
    assert made == [(tiny.RUN.id, None), (TAKER.id, DONOR.id)]


def test_nobody_waits_for_a_donor_when_time_is_up(tmp_path):
    lock = tmp_path / "data" / "checkpoints" / f"{DONOR.id}.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        assert campaign(tmp_path, [TAKER], budget=0.0) == campaigns.Progress(unfinished=1)


def test_two_processes_with_a_donor(tmp_path):
    """One makes the donor, the other waits for it; the run is made once, with what the donor learned."""
    both = [started(tmp_path, "run", "lent", pause=0.2) for _ in range(2)]
    results = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    assert sum(int(re.search(r"(\d+) made", out)[1]) for out, _ in results) == 2
    assert not any("left out" in err or "Traceback" in err for _, err in results)
    records = Ledger(tmp_path / "ledger")
    assert values(records[TAKER]) == values(records[DONOR])


def test_a_run_asks_for_its_donor(tmp_path):
    with pytest.raises(UserError, match=f"needs the record of its donor {DONOR.id}") as error:
        runs.execute(TAKER, root=tmp_path, device=torch.device("cpu"))
    assert one_line(error).startswith(TAKER.label)


def test_what_was_learned_is_in_the_file_and_comes_back(made):
    """The tiny study: ReLU and SiLU learn nothing, PSSiLU two numbers, one of each for the whole network."""
    records = Ledger(made / "ledger")
    for run in tiny.RUNS:
        record = records[run]
        assert record.activations == packed(runs.trained(run, made / "data"))
        assert [sorted(own) for own in values(record)] == ([["alpha", "beta"]] if run.activation == "pssilu" else [])


def bits(values: str) -> Tensor:
    return torch.from_numpy(np.frombuffer(base64.b64decode(values), "<f4").copy())


def test_the_text_is_little_endian_float32():
    assert bits(Packed.of(torch.tensor([1.0, -2.5])).values).tolist() == [1.0, -2.5]
    assert Packed.of(torch.tensor([1.0])).values == "AACAPw=="


def test_records_made_before_still_load():
    """Those in the repository, and one without the field."""
    folder = Path(__file__).parents[1] / "data" / "ledger"
    found = Ledger(folder)
    assert len(found) > 0
    assert found.broken == {}
    before = ledger.dumps(tiny.record())
    cut = before.replace(',\n "activations": {}', "")
    assert cut != before
    assert ledger.loads(cut) == tiny.record()
