"""Gates learned elsewhere: where they go, how much they have changed, who is compared with whom, and likeness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

import tiny
from made import cells
from robust_activations import activations, data
from robust_activations.evaluation import Evaluation, Outcome
from robust_activations.figures import transfer
from robust_activations.figures.rows import Row
from robust_activations.ledger import Ledger, Record, write
from robust_activations.models.transfer import Packed
from robust_activations.studies import sparta

N = 200
SPARTA = replace(tiny.RUN, activation="sparta", model_options={})
START = activations.create("sparta", channels=1).weight.detach()[0, 0]


def gated(*changes: Tensor, **more) -> Record:
    """A record whose sites' kernels (c, 3, 3) are so far from their start."""
    values = {f"features.{i}.2": {"weight": Packed.of((change + START)[:, None])} for i, change in enumerate(changes)}
    return tiny.record(SPARTA, activations=values, **more)


def row(label: str, right: int, **more) -> Row:
    """Right on the first so many of 200 images."""
    return Row(label, tiny.record(SPARTA, [i < right for i in range(N)], **more))


def noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---- where they go ----------------------------------------------------------------------------------------------


def test_the_mapping_is_what_the_library_does() -> None:
    deep = replace(SPARTA, model_options={"blocks": 2})
    found = transfer.sources(transfer.network(SPARTA), transfer.network(deep))
    assert found == {f"features.{i}.2": f"features.{i // 2}.2" for i in range(6)}


def test_a_resnets_stage_is_mapped_by_relative_depth() -> None:
    arms = sparta.across_networks("cpu")
    found = transfer.sources(transfer.network(arms["donor"]), transfer.network(arms["frozen"]))
    sites = list(found)
    assert [sites.index(site) for site in ("stem.2", "blocks.0.first.2", "blocks.2.act")] == [0, 1, 6]
    assert [found[site] for site in sites[:7]] == [
        *["stem.2"] * 2, *["blocks.0.first.2"] * 3, *["blocks.0.act"] * 2,
    ]  # fmt: skip
    assert [transfer.after_sum(site) for site in ("stem.2", "blocks.0.first.2", "blocks.0.act")] == [False, False, True]


def test_networks_are_named_by_what_they_differ_in() -> None:
    arms = sparta.across_networks("cpu")
    assert transfer.name(arms["donor"]) == "ResNet-8"
    assert transfer.name(arms["frozen"]) == "ResNet-20"
    assert transfer.name(replace(SPARTA, model_options={"blocks": 2})) == "Digits CNN, blocks = 2"


def test_wiring_draws_a_line_for_each_gate_that_moves() -> None:
    (ax,) = transfer.wiring([(SPARTA, replace(SPARTA, model_options={"blocks": 2}))]).axes
    lines = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    assert np.allclose(lines, [[(i // 2 + 0.5) / 3, (i + 0.5) / 6] for i in range(6)])
    assert len({line.get_color() for line in ax.lines}) == 3  # numbers of channels


def test_rows_are_the_recorded_arms_without_the_donor(tmp_path) -> None:
    arms = sparta.across_networks("digits")
    for label in ("donor", "frozen"):
        write(tiny.record(arms[label]), tmp_path, "sparta")
    assert list(transfer.rows(arms, Ledger(tmp_path))) == ["frozen"]


# ---- how far from their start -----------------------------------------------------------------------------------


def test_changes_are_counted_from_the_start() -> None:
    given = [0.2 * noise(0, 4, 3, 3), torch.zeros(8, 3, 3)]
    found = list(transfer.changes(gated(*given)).values())
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(found, given, strict=True))
    assert transfer.size(torch.full((4, 3, 3), -0.3)) == pytest.approx(0.3)
    record = gated(torch.full((4, 3, 3), 0.3), torch.full((12, 3, 3), 0.1))
    assert transfer.moved(record) == f"{((4 * 0.09 + 12 * 0.01) / 16) ** 0.5:.2f} (0.10 to 0.30 by site)"


def test_sizes_over_relative_depth_beside_the_noise() -> None:
    record = gated(torch.full((4, 3, 3), 0.2), torch.full((8, 3, 3), 0.1))
    (ax,) = transfer.sizes({"": {"donor": record}}).axes
    path, line = ax.lines
    assert np.allclose(path.get_xydata(), [[0.25, 0.2], [0.75, 0.1]], atol=1e-6)
    assert line.get_ydata()[0] == sparta.NOISE
    assert ax.get_ylim()[0] == 0


def test_mean_kernels_share_one_symmetric_colour_scale() -> None:
    centre = torch.zeros(3, 3)
    centre[1, 1] = 0.6
    figure = transfer.means({"one": gated(centre.repeat(4, 1, 1)), "two": gated(-centre.repeat(2, 1, 1) / 2)})
    images = [ax.images[0] for ax in figure.axes if ax.images]
    assert [float(image.get_array()[1, 1]) for image in images] == pytest.approx([0.6, -0.3])
    assert all(image.get_clim() == pytest.approx((-0.6, 0.6)) for image in images)
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert sorted(words) == sorted(["0.60", "−0.30", *["0.00"] * 16])
    assert figure.axes[-1].get_ylabel()  # of the colour bar


# ---- do they help -----------------------------------------------------------------------------------------------


def test_frozen_comes_first_in_every_comparison() -> None:
    found = {one.label: one for one in (row("frozen", 120), row("ReLU", 100), row("SiLU", 119), row("best", 150))}
    tests = transfer.against(found, "pgd20")
    assert [(one.other, one.test.only_first, one.test.only_second) for one in tests] == [
        ("ReLU", 20, 0), ("SiLU", 1, 0), ("best", 0, 30),
    ]  # fmt: skip
    assert tests[0].holm == pytest.approx(2 * tests[0].test.p)
    lines = cells(transfer.against_table(tests, "pgd20"))
    assert lines[0][1] == "Under PGD-20, points"
    assert lines[2][0] == "frozen − ReLU"
    assert lines[2][1].startswith("+10.0")
    assert lines[4][1].startswith("−15.0")
    assert [line[-1].startswith("**") for line in lines[2:]] == [True, False, True]
    said = transfer.told(tests, "pgd20")
    assert said.startswith("Under PGD-20 the frozen gate is better than “ReLU”; worse than “best”; not told")
    assert transfer.told(tests[:1], "clean") == "On clean images the frozen gate is better than “ReLU”."


def test_a_collapsed_arm_is_not_compared() -> None:
    found = {"frozen": row("frozen", 120), "ReLU": row("ReLU", 20, collapsed="it fell")}
    assert transfer.against(found, "pgd20") == []
    assert transfer.told([], "pgd20") == "Under PGD-20 nothing can be compared: a training collapsed."


def test_pace_says_when_the_baselines_best_was_reached() -> None:
    def path(*values: float) -> Record:
        history = tuple({"epoch": i, "loss": 1.0, "held_pgd10": value} for i, value in enumerate(values))
        return tiny.record(tiny.RUN, history=history)

    records = {"ReLU": path(0.1, 0.3, 0.5, 0.4), "frozen": path(0.2, 0.6, 0.5, 0.5), "slow": path(0, 0.1, 0.2, 0.3)}
    _, _, relu, frozen, slow = cells(transfer.pace(records))
    assert [line[-1] for line in (relu, frozen, slow)] == ["3", "2", "—"]
    assert [cell.split()[0] for cell in frozen[1:4]] == ["20.0", "60.0", "60.0"]
    assert "[" in frozen[1]
    short = {"ReLU": path(0.1, 0.3, 0.5), "frozen": path(0.2, 0.6, 0.5)}
    header, _, *rows = cells(transfer.pace(short))  # halfway is the first epoch
    assert header[1:3] == ["After epoch 1, %", "Best, %"]
    assert {len(row) for row in (header, *rows)} == {4}


# ---- are they alike ---------------------------------------------------------------------------------------------


def test_likeness_by_channel_and_on_the_whole() -> None:
    own = noise(0, 32, 3, 3)
    twin = transfer.likeness(own, 2 * own)
    assert twin.cosine == pytest.approx(1)
    assert abs(twin.shuffled.value) < 0.1
    assert twin.p < 0.001
    common = noise(1, 3, 3)
    alike = transfer.likeness(common + 0.3 * noise(2, 32, 3, 3), common + 0.3 * noise(3, 32, 3, 3))
    assert alike.cosine > 0.7  # although no channel is like its namesake more than like the others
    assert alike.shuffled.low < alike.cosine < alike.shuffled.high
    assert alike.p > 0.025
    opposite = transfer.likeness(own, -own)
    assert opposite.cosine == pytest.approx(-1)
    assert opposite.p == 1


def test_the_mean_over_shuffles_in_closed_form() -> None:
    one, other = 0.2 + noise(4, 16, 3, 3), 0.2 + noise(5, 16, 3, 3)
    expected = 16 * (one.mean(0) * other.mean(0)).sum() / one.norm() / other.norm()
    found = transfer.likeness(one, other).shuffled
    assert found.value == pytest.approx(float(expected), abs=1e-6)
    assert found.low < found.value < found.high


def test_alike_draws_the_cosine_over_the_range_of_shuffles() -> None:
    own = noise(0, 32, 3, 3)
    found = {"site 1": {"a and b": transfer.likeness(own, own), "a and c": transfer.likeness(own, noise(8, 32, 3, 3))}}
    (ax,) = transfer.alike(found).axes
    dots = [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([one.cosine for one in found["site 1"].values()])
    bars = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in ax.patches]
    assert np.allclose(bars, [one.shuffled[1:] for one in found["site 1"].values()])
    first, second = cells(transfer.alike_table(found))[2:]
    assert first[2] == "+1.00"
    assert first[-1].startswith("**")
    assert not second[-1].startswith("**")


# ---- images -----------------------------------------------------------------------------------------------------


def test_the_first_test_image_of_each_class() -> None:
    digits = data.load("digits")
    figure = transfer.beside({"digits": digits})
    shown = [ax.images[0].get_array() for ax in figure.axes]
    assert len(shown) == 10
    for label, image in enumerate(shown):
        first = digits.test_labels.tolist().index(label)
        assert np.allclose(image, digits.test_images[first, 0] / 255)


def test_only_attacks_that_both_have_are_compared() -> None:
    clean = Evaluation({"clean": Outcome.of(torch.ones(N, dtype=torch.bool), 0.1)}, ())
    found = {"frozen": row("frozen", 120), "ReLU": row("ReLU", 100, best=clean)}
    assert transfer.against(found, "pgd20") == []
    assert len(transfer.against(found, "clean")) == 1
