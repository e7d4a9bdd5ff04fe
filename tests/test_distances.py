"""Distances to the nearest adversarial image where they are known in closed form, and what one pixel can do."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import digits_cnn, digits_test, one_line, same_tensors, seeded
from robust_activations import distances
from robust_activations.attacks import Threat
from robust_activations.distances import DISTANCES, boundary, cw, one_pixel
from robust_activations.errors import UserError
from robust_activations.evaluation import Suite, evaluate

THREAT = Threat("linf", "38.25/255")


class Linear(nn.Module):
    """Two classes; an image is at distance |margin| / |w1 - w0|_2 from the boundary, in l2."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.fc = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return 8 * self.fc((x - 0.5).flatten(1))


class Constant(nn.Module):
    """Says class 1 of every image."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([0.0, 1.0, 0.5]).expand(len(x), 3) + 0 * x.sum()


@pytest.fixture
def linear() -> tuple[Linear, Tensor, Tensor, Tensor]:
    """The model, images away from 0 and 1, their labels as the model has them, and their true distances."""
    model = Linear()
    x = 0.5 + 0.08 * torch.randn(20, 1, 4, 4, generator=seeded(1))
    with torch.no_grad():
        logits = model(x)
        width = 8 * (model.fc.weight[1] - model.fc.weight[0]).norm()
        return model, x, logits.argmax(1), (logits[:, 1] - logits[:, 0]).abs() / width


@pytest.fixture
def moved(monkeypatch) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What the attacks under way give: the images they were given, their labels, and what became of them."""
    pytest.importorskip("foolbox")
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    lengths = distances._lengths

    def watched(wrapped, x, y, attack, **options):
        def watching(a, b):
            out = attack(a, b)
            found.append((a, b, out[1]))
            return out

        return lengths(wrapped, x, y, watching, **options)

    monkeypatch.setattr(distances, "_lengths", watched)
    return found


# Nearest images


@pytest.mark.parametrize(("attack", "most"), [(cw, 1.1), (lambda *words: boundary(*words, steps=1000), 2.5)])
def test_distance_of_a_linear_network(linear, moved, attack, most):
    model, x, y, true = linear
    found = attack(model, x, y)
    assert (found >= true * (1 - 1e-4)).all()  # nothing is nearer
    assert (found / true).median() < most
    ((given, labels, images),) = moved
    assert torch.equal(given, x)
    assert torch.equal(labels, y)
    assert ((images >= 0) & (images <= 1)).all()
    with torch.no_grad():
        assert (model(images).argmax(1) != y).all()
    torch.testing.assert_close((images - x).flatten(1).norm(dim=1), found)


def test_more_steps_come_nearer(linear):
    pytest.importorskip("foolbox")
    model, x, y, _ = linear
    assert (boundary(model, x, y, steps=300) < boundary(model, x, y, steps=30)).float().mean() > 0.8
    hasty = cw(model, x, y, steps=3, searches=2)
    assert hasty.nan_to_num(posinf=99).mean() > 1.05 * cw(model, x, y).mean()


def test_the_walk_starts_at_the_nearest_image_of_another_class(linear):
    """Without steps the distance is that of the start."""
    pytest.importorskip("foolbox")
    model, x, y, _ = linear
    apart = (x[:, None] - x[None]).flatten(2).norm(dim=2).masked_fill(y[:, None] == y[None], math.inf)
    found = boundary(model, x, y, steps=1)
    torch.testing.assert_close(found, apart.amin(1), rtol=0.2, atol=0.0)
    assert (found <= apart.amin(1) * (1 + 1e-5)).all()


@pytest.mark.parametrize("attack", DISTANCES.values(), ids=DISTANCES)
def test_images_that_are_wrong_already_have_no_distance(linear, attack):
    pytest.importorskip("foolbox")
    model, x, y, true = linear
    y = y.clone()
    y[:3] = 1 - y[:3]
    found = attack(model, x, y, steps=20)
    assert found.isnan().tolist() == [True] * 3 + [False] * 17
    assert (found[3:] >= true[3:] * (1 - 1e-4)).all()
    assert attack(model, x, 1 - model(x).argmax(1), steps=20).isnan().all()  # nothing is left to attack


@pytest.mark.parametrize("attack", DISTANCES.values(), ids=DISTANCES)
def test_what_nothing_fools_is_infinitely_far(attack):
    pytest.importorskip("foolbox")
    found = attack(Constant(), torch.rand(4, 1, 4, 4, generator=seeded()), torch.tensor([1, 0, 1, 2]), steps=5)
    assert found.tolist() == pytest.approx([math.inf, math.nan, math.inf, math.nan], nan_ok=True)


def test_many_images_are_attacked_in_parts(linear, moved, monkeypatch):
    model, x, y, _ = linear
    lengths, y = distances._lengths, y.clone()
    y[4] = 1 - y[4]
    monkeypatch.setattr(distances, "_lengths", lambda *words, **options: lengths(*words, **options, batch_size=7))
    found = boundary(model, x, y, steps=20)
    assert [len(part) for part, _, _ in moved] == [7, 7, 5]
    whole = torch.cat([(images - part).flatten(1).norm(dim=1) for part, _, images in moved])
    assert torch.equal(found[y == model(x).argmax(1)], whole)  # each in its own place


# What all of them leave alone


def some(attack: str, model: nn.Module, seed: int = 0) -> Tensor:
    x, _ = digits_test(6)
    with torch.no_grad():
        y = model(x).argmax(1)  # an untrained network is right where its labels are its own
    y[5] = (y[5] + 1) % 10
    options = {"cw": {"steps": 5}, "boundary": {"steps": 20}, "one_pixel": {"queries": 300}}[attack]
    return {**DISTANCES, "one_pixel": one_pixel}[attack](model, x, y, seed=seed, **options)


@pytest.mark.parametrize("attack", [*DISTANCES, "one_pixel"])
def test_the_model_stays_as_it_is(attack):
    pytest.importorskip("foolbox")
    model = digits_cnn().eval()
    model.features[3].train()
    model.fc.bias.requires_grad_(False)
    modes = [module.training for module in model.modules()]
    asked = [parameter.requires_grad for parameter in model.parameters()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not some(attack, model).float().isnan().all()
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == asked
    assert all(parameter.grad is None for parameter in model.parameters())
    assert same_tensors(model.state_dict(), before)


@pytest.mark.parametrize("attack", [*DISTANCES, "one_pixel"])
def test_the_seed_decides_and_the_callers_random_state_is_left_alone(attack):
    pytest.importorskip("foolbox")
    model = digits_cnn().eval()
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 (what others may draw from)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    first = some(attack, model).float().nan_to_num(-1)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    torch.manual_seed(2)
    assert torch.equal(some(attack, model).float().nan_to_num(-1), first)
    if attack == "boundary":
        assert not torch.equal(some(attack, model, seed=1).nan_to_num(-1), first)


@pytest.mark.parametrize("attack", DISTANCES.values(), ids=DISTANCES)
def test_without_foolbox(attack, monkeypatch):
    monkeypatch.setitem(sys.modules, "foolbox", None)
    with pytest.raises(UserError) as error:
        attack(Linear(), torch.rand(2, 1, 4, 4), torch.tensor([0, 1]))
    assert one_line(error) == "foolbox is not installed: pip install 'robust-activations[attacks]'"


# One pixel


class Looks(nn.Module):
    """Class 1 if these places of an image are bright in every channel, and class 0 if one is not."""

    def __init__(self, *places: tuple[int, int]) -> None:
        super().__init__()
        self.places = places
        self.asked: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.asked.append(x.clone())
        dimmest = torch.stack([x[:, :, i, j] for i, j in self.places]).amin((0, 2))
        return torch.stack([0.5 - dimmest, dimmest - 0.5], 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pixel_that_the_model_looks_at_is_found(channels):
    x = 0.3 * torch.rand(4, channels, 5, 7, generator=seeded())
    y = torch.tensor([0, 0, 0, 1])  # the last one is wrong already
    model = Looks((4, 6))
    assert one_pixel(model, x, y, queries=3000).tolist() == [False] * 4
    assert one_pixel(Looks((0, 0)), x, y, queries=3000).tolist() == [False] * 4
    assert one_pixel(Looks((1, 2), (3, 4)), x, y, queries=1000).tolist() == [True] * 3 + [False]


def test_every_question_differs_in_one_pixel_and_there_are_as_many_as_allowed():
    x, model = 0.3 * torch.rand(1, 3, 5, 7, generator=seeded()), Looks((1, 2), (3, 4))
    model.asked.clear()
    assert one_pixel(model, x, torch.tensor([0]), queries=500).all()
    asked = [images for images in model.asked if images.dtype == torch.float32 and len(images) > 2]
    assert [len(images) for images in asked] == [100] * 5
    images = torch.cat(asked)
    changed = (images != x).any(1)
    assert (changed.flatten(1).sum(1) == 1).all()
    assert ((images >= 0) & (images <= 1)).all()
    places = changed.flatten(1).float().argmax(1).unique()
    assert {0, 34} <= set(places.tolist())  # the corners too
    assert len(places) > 30


def test_the_search_ends_when_an_image_is_found():
    """A model that anything fools is asked for the first population and one generation more."""

    class Brittle(Looks):
        def forward(self, x: Tensor) -> Tensor:
            self.asked.append(x.clone())
            changed = (x != 0.25).flatten(1).any(1).float()
            return torch.stack([0.5 - changed, changed - 0.5], 1)

    model, x = Brittle(), torch.full((2, 1, 4, 4), 0.25)
    assert not one_pixel(model, x, torch.tensor([0, 0]), queries=2000).any()
    assert sum(len(images) == 100 for images in model.asked) <= 4


# In a suite


def test_a_suite_with_one_pixel_and_distances(monkeypatch):
    pytest.importorskip("foolbox")
    model, (x, y) = digits_cnn(), digits_test(30)
    asked = []

    def watched(name, attack):
        def call(model, x, y, *, steps, seed):
            asked.append((name, len(x), steps, seed))
            return attack(model, x, y, steps=steps, seed=seed)

        return call

    for name, attack in list(DISTANCES.items()):
        monkeypatch.setitem(DISTANCES, name, watched(name, attack))
    suite = Suite(
        attacks=("clean", "one_pixel"), n=30, square_n=5, square_queries=5, one_pixel_n=12, one_pixel_queries=100,
        measures=("cw", "boundary"), measure_n=10, cw_steps=3, boundary_steps=7,
    )  # fmt: skip
    found = evaluate(model, x, y, THREAT, suite, seed=5)
    assert asked == [("cw", 10, 3, 5), ("boundary", 10, 7, 5)]
    clean = found.outcomes["clean"].right
    assert found.outcomes["one_pixel"].n == 12
    assert not (found.outcomes["one_pixel"].right & ~clean[:12]).any()
    for name in DISTANCES:
        assert np.array_equal(~np.isnan(found.measures[name].each), clean[:10])
    assert evaluate(model, x, y, THREAT, suite, seed=5).measures == found.measures


def test_what_no_suite_can_have():
    with pytest.raises(UserError, match="unknown measure 'bondary'; did you mean boundary"):
        Suite(measures=("bondary",))
    with pytest.raises(UserError, match="unknown attack 'one_pixl'; did you mean one_pixel"):
        Suite(last=("clean", "one_pixl"))
    for name in ("one_pixel_n", "one_pixel_queries", "cw_steps", "boundary_steps"):
        with pytest.raises(UserError, match=f"the suite's {name} is 0; it must be at least 1"):
            Suite(**{name: 0})
