"""BatchNorm folded into convolutions: only where it belongs, nothing else changes, and no pass is made in vain."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from helpers import digits_cnn, perturb
from robust_activations import models
from robust_activations.attacks import PGD, Threat, attacking, n_fgsm, pgd
from robust_activations.folding import foldable, folded
from robust_activations.training import Objective, loss_of

THREAT = Threat("linf", "8/255")


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


def made(name: str, activation: str = "silu", **options) -> tuple[nn.Module, torch.Tensor]:
    """A small model away from its initial values, in evaluation mode, and images for it."""
    width = {"width": 8} if "width" in models.REGISTRY[name].options() else {}
    torch.manual_seed(0)
    model = perturb(models.create(name, activation=activation, num_classes=10, **width, **options)).eval()
    return model, torch.rand(4, models.REGISTRY[name].channels, *{"digits_cnn": (8, 8)}.get(name, (32, 32)))


# Every BatchNorm of these but the ones that follow a sum.
@pytest.mark.parametrize(
    ("name", "left"),
    [("digits_cnn", 0), ("all_cnn", 0), ("nin", 0), ("resnet20", 0), ("resnet18", 0), ("preact_resnet18", 9)],
)
def test_what_folds_and_that_nothing_else_changes(name, left):
    model, x = made(name)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    pairs = foldable(model, x)
    assert sum(norm is not None for _, norm in pairs) == norms(model) - left
    with torch.no_grad():
        before = model.double()(x.double())
        with folded(model, x):
            inside = model(x.double())
        after = model(x.double())
    torch.testing.assert_close(inside, before, rtol=1e-10, atol=1e-10 * float(before.abs().max()))
    assert torch.equal(after, before)
    assert all(torch.equal(model.float().state_dict()[key], value) for key, value in weights.items())


@pytest.mark.parametrize("root", ["itself", "a part"])
def test_what_is_folded_is_not_folded_again(root):
    """Where an attack is called inside an `attacking` of one's own, of the same network or of one around it."""
    model, x = made("resnet20")
    outer = model if root == "itself" else nn.Sequential(model)
    model.double()
    with torch.no_grad():
        before = model(x.double())
        with folded(outer, x):
            with folded(model, x):
                inside = model(x.double())
            between = model(x.double())
        after = model(x.double())
    torch.testing.assert_close(inside, before, rtol=1e-10, atol=1e-10 * float(before.abs().max()))
    assert torch.equal(between, inside)
    assert torch.equal(after, before)


class Awkward(nn.Module):
    """Convolutions whose BatchNorm must not be folded: their output goes elsewhere too, or they are called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.seen_norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.twice, self.twice_norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.watched, self.watched_norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.good, self.good_norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3, affine=False)
        self.head = nn.Linear(3, 4)

    def forward(self, x):
        x = self.seen(x)
        x = x + self.seen_norm(x)
        x = self.twice_norm(self.twice(self.twice(x)))
        x = self.watched_norm(self.watched(x))
        return self.head(self.good_norm(self.good(x)).mean((2, 3)))


def test_what_must_not_fold_does_not():
    model = Awkward().eval()  # as it starts: BatchNorm is the identity, which would hide a wrong pair
    seen = []
    model.watched_norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = torch.rand(4, 3, 8, 8)
    assert dict(foldable(model, x)) == {"good": "good_norm", "seen": None, "watched": None}
    assert seen == []  # a copy was looked at


def test_models_that_change_are_looked_at_again():
    model, x = made("digits_cnn")
    with folded(model, x):
        pass
    norm = model.features[0][1]
    model.features[0][1] = nn.Identity()
    with torch.no_grad():
        wanted = model(x)
        with folded(model, x):
            torch.testing.assert_close(model(x), wanted)
    model.features[0][1] = norm
    with torch.no_grad(), folded(model, x):
        torch.testing.assert_close(model.features[0](x), nn.functional.silu(norm(model.features[0][0](x))))


@pytest.mark.parametrize("fails", [False, True])
def test_attacking_undoes_it_even_if_the_attack_fails(fails):
    model, x = made("resnet20")
    parameters = dict(model.named_parameters())
    wanted = model(x)
    try:
        with attacking(model, x):
            assert model.stem[0].weight is not parameters["stem.0.weight"]
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())
    assert parameters.keys() == dict(model.named_parameters()).keys()
    assert not any("forward" in vars(module) for module in model.modules())
    assert torch.equal(model(x), wanted)


def test_the_attack_is_the_same_but_for_rounding():
    model, x = made("resnet20")
    model, x, y = model.double(), x.double(), torch.tensor([0, 1, 2, 3])
    attack = PGD(5, start="clean")
    with attacking(model):
        wanted = pgd(model, x, y, THREAT, attack)
    with attacking(model, x):
        torch.testing.assert_close(pgd(model, x, y, THREAT, attack), wanted, rtol=0, atol=1e-12)


def test_under_autocast_the_weights_are_cast_once():
    class Casts(TorchDispatchMode):
        """Counts the copies of convolutions' weights to bfloat16."""

        count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if function is torch.ops.aten._to_copy.default and out.dtype == torch.bfloat16:
                self.count += args[0].dim() == 4 and args[0].shape[-1] == 3
            return out

    model, x = made("resnet20")
    model(x)
    with torch.autocast("cpu", torch.bfloat16), attacking(model, x), Casts() as casts:
        assert pgd(model, x, torch.zeros(4, dtype=torch.int64), THREAT, PGD(3)).dtype == torch.float32
    assert casts.count == 0


# Forward-equivalents: a forward, a backward to the input and a backward to the weights cost the same, by convolution.


class Work(TorchDispatchMode):
    """Counts convolutions: forwards, and backwards to the input and to the weights, that make it through."""

    def __init__(self) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.convolution.default:
            self.done["forward"] += 1
        elif function is torch.ops.aten.convolution_backward.default:
            to_input, to_weight, _ = args[-1]
            self.done["input"] += to_input
            self.done["weight"] += to_weight
        elif function in (torch.ops.aten.native_batch_norm.default, torch.ops.aten._native_batch_norm_legit.default):
            self.done["norm"] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("objective", "forwards", "inputs", "weights"),
    [
        # K steps of forward + input; then the update, whose input gradient ends before the first layer.
        (Objective("standard"), 1, 1, 1),
        (Objective("pgd_at", PGD(10)), 11, 11, 1),
        (Objective("n_fgsm"), 2, 2, 1),
        (Objective("fgsm_rs"), 2, 2, 1),
        # The clean probabilities once, without a gradient; clean and adversarial images in the update.
        (Objective("trades", PGD(10)), 1 + 10 + 2, 10 + 2, 2),
    ],
    ids=lambda value: value.name if isinstance(value, Objective) else "",
)
def test_no_pass_is_made_in_vain(objective, forwards, inputs, weights):
    model, x = made("resnet20", "pssilu")
    y = torch.tensor([0, 1, 2, 3])
    loss_of(model.train(), x, y, objective, THREAT)  # looks for what folds
    with Work() as work:
        loss_of(model, x, y, objective, THREAT)[0].backward()
    layers = 19
    updates = weights  # each passes BatchNorm in training mode once, and needs no gradient of its images
    wanted = {"forward": forwards, "input": inputs, "weight": weights, "norm": updates}
    wanted = {kind: layers * count for kind, count in wanted.items()}
    wanted["input"] -= updates
    assert dict(work.done) == wanted


def test_the_attack_leaves_no_gradients_and_asks_for_none():
    model, x = made("resnet20", "pssilu")
    with attacking(model, x), Work() as work:
        n_fgsm(model, x, torch.zeros(4, dtype=torch.int64), THREAT, None)
    assert work.done["weight"] == 0
    assert all(parameter.grad is None for parameter in model.parameters())


def test_digits_in_float32_fold_too():
    model = digits_cnn().eval()
    assert [norm for _, norm in foldable(model, torch.rand(2, 1, 8, 8))] == [f"features.{i}.1" for i in range(3)]
