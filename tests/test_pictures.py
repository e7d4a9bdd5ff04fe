"""Pictures of saved networks: from the command to the file that a page reads, and what the figures show of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

import tiny
from helpers import tf32
from robust_activations import data, runs
from robust_activations.activations.smooth import ReLUSmoothGradient
from robust_activations.attacks import Threat, attacking, loss_per_image
from robust_activations.evaluation import predictions
from robust_activations.figures import pictures as figures
from robust_activations.studies import pictures

RADII = ("12.75/255", "38.25/255")
SILU = tiny.RUNS[2]
BLANK = pictures.Picture(
    run=tiny.RUN, classes=("a", "b"), eps=("0/255", "51/255"), provenance=tiny.record().provenance,
    labels=torch.tensor([0, 1]), seen=torch.tensor([[0, 1], [1, 1]]),
    images=torch.zeros(2, 2, 1, 2, 2, dtype=torch.uint8), leads=torch.zeros(2, 5, 5), gates={},
)  # fmt: skip


def checkpoint(made, run):
    return made / "data" / "checkpoints" / run.id / "best.safetensors"


@pytest.fixture(scope="module")
def drawn(made):
    paths = [checkpoint(made, run) for run in (tiny.RUN, SILU)]
    return pictures.measure(paths, RADII, 4, made / "data", tiny.CPU)


def test_all_networks_have_the_same_images_right_one_of_a_class(drawn, made):
    one, other = drawn
    assert one.images[0].equal(other.images[0])
    assert one.seen[0].equal(one.labels)
    assert other.seen[0].equal(one.labels)
    assert len(set(one.labels.tolist())) == 4
    digits = data.load("digits")
    networks = [runs.trained(run, made / "data") for run in (tiny.RUN, SILU)]
    right = torch.stack([predictions(model, digits.test_images) == digits.test_labels for model in networks]).all(0)
    of_class = ((right & (digits.test_labels == label)).nonzero() for label in range(10))
    first = sorted(int(places[0]) for places in of_class if len(places))[:4]
    assert one.labels.equal(digits.test_labels[first])
    assert one.images[0].equal(digits.test_images[first])


def test_a_picture_is_what_the_network_sees(drawn, made):
    for picture, run in zip(drawn, (tiny.RUN, SILU), strict=True):
        model = runs.trained(run, made / "data")
        for images, seen in zip(picture.images, picture.seen, strict=True):
            assert predictions(model, images).equal(seen)
        far = (picture.images[1:].int() - picture.images[0].int()).abs().amax((1, 2, 3, 4))
        assert far.tolist() == [13, 38]  # rounded to whole levels
        x = picture.images[0].float() / 255
        with attacking(model), torch.no_grad():
            margins = -loss_per_image("margin", model(x), picture.labels)
        torch.testing.assert_close(picture.leads[:, 20, 20], margins)


def test_pictures_are_of_the_network_as_it_is_evaluated(monkeypatch, tmp_path, made):
    """In float32, and a ReLU that is trained with a smooth gradient with its own."""
    found = []

    def drawn(model, images, labels, threats):
        found.append((tf32(), torch.is_autocast_enabled("cpu"), [one.switched_on for one in smooth(model)]))
        return {name: getattr(BLANK, name) for name in ("images", "seen", "leads", "gates")}

    def smooth(model):
        return [module for module in model.modules() if isinstance(module, ReLUSmoothGradient)]

    monkeypatch.setattr(pictures, "_drawn", drawn)
    monkeypatch.setattr(runs, "saved", lambda path, root: (run, dataset, runs.build(run, dataset)))
    run, dataset = replace(tiny.RUN, activation="relu_smooth_gradient"), data.load("digits")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pictures.measure([tmp_path], RADII, 1, made / "data", tiny.CPU)
    ((allowed, autocast, switches),) = found
    assert (allowed, autocast) == ((False, False), False)
    assert switches
    assert not any(switches)


def test_gates_are_kept_at_each_size_clean_and_attacked(drawn, made):
    relu, silu = drawn
    assert relu.gates == {}
    model = runs.trained(SILU, made / "data")
    sizes = {gate.shape[-1]: site for site, gate in reversed(pictures.gates(model, torch.zeros(1, 1, 8, 8)).items())}
    assert list(silu.gates) == list(sizes.values())[::-1]
    for site, gate in silu.gates.items():
        for at in (0, 1):
            own = pictures.gates(model, silu.images[at].float() / 255)[site].mean(1)
            torch.testing.assert_close(gate[at], own)


def test_what_the_command_saves_is_what_is_read(call, drawn, made, tmp_path):
    path = tmp_path / "pictures.safetensors"
    words = [*(checkpoint(made, run) for run in (tiny.RUN, SILU)), "--radii", *RADII, "--images", 4, "--save", path]
    status, out, err = call("picture", *words)
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == tiny.RUN.label
    found = pictures.read(path)
    assert list(found) == [tiny.RUN.id, SILU.id]
    for one, other in zip(found.values(), drawn, strict=True):
        assert (one.run, one.classes, one.eps) == (other.run, other.classes, other.eps)
        assert one.provenance.code == other.provenance.code
        for name in pictures.TENSORS:
            assert getattr(one, name).equal(getattr(other, name)), name
        assert list(one.gates) == list(other.gates)
        assert all(gate.equal(other.gates[site]) for site, gate in one.gates.items())
    assert pictures.read(tmp_path / "none.safetensors") == {}


@pytest.mark.parametrize(
    ("wanted", "radii", "n", "said"),
    [
        ((tiny.RUN, tiny.RUN), RADII, 2, "is of the same run as another"),
        ((tiny.RUN,), RADII[::-1], 2, "radii must grow"),
        ((tiny.RUN,), RADII, 11, "11 images of different classes were asked for; all networks have 10 such right"),
    ],
)
def test_mistakes_are_told_in_a_line(call, made, tmp_path, wanted, radii, n, said):
    words = ["--radii", *radii, "--images", n, "--save", tmp_path / "x"]
    status, _, err = call("picture", *(checkpoint(made, run) for run in wanted), *words)
    assert status == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_networks_of_different_images_share_no_picture(made, monkeypatch):
    saved = runs.saved

    def other(path, root):
        run, dataset, model = saved(checkpoint(made, tiny.RUN), root)
        return replace(run, dataset=str(path)), dataset, model

    monkeypatch.setattr(runs, "saved", other)
    with pytest.raises(pictures.UserError, match="these networks see mnist and cifar10"):
        pictures.measure(["mnist", "cifar10"], RADII, 2, made / "data", tiny.CPU)


def test_the_lead_of_a_linear_network_is_a_plane():
    weights = torch.tensor([[1.0, -2.0, 0.5, 1.5], [0.0, 1.0, -0.5, 0.5]])
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    model[1].weight.data = weights
    x, gain, eps = torch.full((1, 1, 2, 2), 0.5), weights[0] - weights[1], 0.1
    corner = (torch.randint(0, 2, x.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1).flatten()
    found = pictures.lead(model, x, torch.tensor([0]), Threat("linf", str(eps)), 3)
    up, side = torch.meshgrid(*2 * [pictures.REACH * torch.tensor([-1.0, 0.0, 1.0])], indexing="ij")
    plane = 0.5 * gain.sum() - eps * up * gain.abs().sum() + eps * side * (corner * gain).sum()
    torch.testing.assert_close(found, plane)


# ---- figures ------------------------------------------------------------------------------------------------------


def test_shares_of_pixels_moved_the_same_way():
    before = torch.full((1, 1, 2, 2), 100)
    images = torch.stack([before, before + torch.tensor([[3, 3], [-3, 0]])]).to(torch.uint8)
    one = replace(BLANK, images=images)
    other = replace(BLANK, images=torch.stack([before, before + torch.tensor([[3, -1], [1, 1]])]).to(torch.uint8))
    assert figures.neighbours(one, "51/255").tolist() == [0.5]  # of two pairs; two more hold a pixel that stayed
    assert figures.agreement(one, other, "51/255").tolist() == [pytest.approx(1 / 3)]
    rows = figures.likeness({"A": one, "B": other}, "A", "51/255").splitlines()[2:]
    assert rows[0] == "| A | 50 (50 to 50) |  |"
    assert rows[1].endswith("| 33 (33 to 33) |")


def test_what_is_added_is_grey_where_nothing_is():
    images = torch.tensor([100, 100]).view(2, 1, 1, 1, 1).repeat(1, 2, 1, 2, 2)
    images[1, 0, 0, 0, 0], images[1, 1, 0, 0, 0] = 151, 49
    shown = figures.added(replace(BLANK, images=images.to(torch.uint8)), "51/255", "added").images
    assert shown[:, 0, 0, 0].tolist() == pytest.approx([1, 0], abs=1e-6)
    assert shown[:, 0, 1, 1].tolist() == [0.5, 0.5]


def test_a_gallery_says_what_is_seen_and_marks_what_is_wrong():
    columns = [figures.clean(BLANK), figures.attacked(BLANK, "51/255", "attacked")]
    figure = figures.gallery(columns, BLANK.labels, BLANK.classes)
    words = [(ax.get_xlabel(), ax.xaxis.label.get_weight()) for ax in figure.axes]
    assert words == [("a", "normal"), ("b", "bold"), ("b", "normal"), ("b", "normal")]
    assert [ax.get_title() for ax in figure.axes] == ["clean", "attacked", "", ""]


def test_images_in_colour_are_shown_as_they_are():
    image = torch.rand(3, 4, 5)
    figure = figures.gallery([figures.Column("clean", image[None])], torch.tensor([0]), ["a"])
    (shown,) = figure.axes[0].images
    assert torch.as_tensor(shown.get_array()).equal(image.permute(1, 2, 0))
    assert figure.axes[0].get_xlabel() == ""


@pytest.mark.parametrize(("networks", "panels"), [(1, 1), (2, 2), (3, 4), (4, 4)])
def test_landscapes_share_one_scale_that_is_white_where_the_image_is_lost(networks, panels):
    slope = torch.linspace(-9, 3, 7).expand(7, 7)
    figure = figures.landscape({f"{k}": slope / (k + 1) for k in range(networks)})
    *axes, bar = figure.axes
    assert len(axes) == panels
    assert [ax.get_title() for ax in axes] == [f"{k}" for k in range(networks)] + [""] * (panels - networks)
    norms = [ax.collections[0].norm for ax in axes[:networks]]
    assert {(norm.vmin, norm.vcenter, norm.vmax) for norm in norms} == {(-3, 0, 3)}
    assert bar.get_xlabel() + bar.get_ylabel() == "lead of the true class"
