"""Swapping activations in any torch module."""

from __future__ import annotations

import copy

import jaxtyping
import pytest
import torch
from torch import Tensor, nn

from robust_activations import activations, models
from robust_activations._torchvision import torchvision
from robust_activations.activations import Activation
from robust_activations.errors import UserError


class Shared(nn.Module):
    """One ReLU object under two parents and under two names of one parent, each place called once."""

    def __init__(self) -> None:
        super().__init__()
        relu = nn.ReLU()
        self.a = nn.Sequential(nn.Conv2d(3, 4, 1), relu)
        self.b = nn.Sequential(nn.Conv2d(4, 6, 1), relu)
        self.first = relu
        self.second = relu

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(self.b(self.a(x))) - 0.1)


class Twice(nn.Module):
    """One ReLU called twice, with 4 and with 6 channels; also a ReLU6, dropout and a weight of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(4, 6, 1)
        self.dropout = nn.Dropout(0.5)
        self.unused = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.ones(6, 1, 1))
        self.register_buffer("offset", torch.zeros(6, 1, 1))
        self.relu6 = nn.ReLU6()
        self.note = "kept"

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        x = self.relu(self.first(x))
        x = self.dropout(self.relu(self.second(x)) * self.scale + self.offset)
        return self.relu6(x) * gain


class Modal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.act(x) + 1) if self.training else self.act(x)


class Conditional(Modal):
    def forward(self, x: Tensor) -> Tensor:
        return self.act(x) if x.sum() > 0 else self.act(-x)


@pytest.fixture
def unchecked():
    """Without the check of types in annotations, which torch.compile cannot follow."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def kinds(model: nn.Module) -> set[type]:
    return {type(module) for module in model.modules()}


def test_every_module_of_the_type_and_no_other():
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.ReLU6(), nn.LeakyReLU(), nn.ReLU(inplace=True)))

    class Derived(nn.ReLU):
        pass

    model.append(Derived())
    assert models.replace(model, nn.ReLU, "silu") is model
    assert nn.ReLU not in kinds(model)
    assert {nn.ReLU6, nn.LeakyReLU, Derived} <= kinds(model)
    assert len(list(models.sites(model))) == 2
    torch.testing.assert_close(model[0](torch.ones(1)), torch.tensor([0.7310585786]))
    models.replace(model, type(model[0]), "relu")  # ours can be replaced again
    assert model[0](-torch.ones(1)) == 0


@pytest.mark.parametrize(("share", "distinct"), [("network", 1), ("layer", 8), ("channel", 8), (None, 1)])
def test_vgg_of_torchvision(share, distinct):
    with torch.device("meta"):
        model = torchvision.models.vgg11(num_classes=10).features
        models.replace(model, nn.ReLU, "pssilu", share=share, example=torch.zeros(1, 3, 32, 32))
    found = [site for _, site in models.sites(model)]
    assert len(found) == 8
    assert len(set(found)) == distinct
    widths = [64, 128, 256, 256, 512, 512, 512, 512]
    if share == "channel":
        assert [tuple(site.alpha.shape) for site in found] == [(width,) for width in widths]
    assert sum(p.numel() for p in activations.parameters(model)) == 2 * (
        sum(widths) if share == "channel" else distinct
    )
    assert all(p.is_meta for p in model.parameters())


def test_options_reach_the_activation_and_the_function_is_the_same():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5), nn.ReLU())
    x = torch.randn(2, 3, 8, 8)
    before = model(x)
    same = models.replace(copy.deepcopy(model), nn.ReLU, "splash", share="layer")
    torch.testing.assert_close(same(x), before)
    leaky = models.replace(copy.deepcopy(model), nn.ReLU, "prelu", share="channel", example=x[:1], alpha=0.5)
    assert leaky[1].alpha.tolist() == [0.5] * 4
    assert leaky[4].alpha.tolist() == [0.5] * 5
    assert (leaky(x) < 0).any()


def test_one_module_at_several_places_stays_one():
    model = models.replace(Shared(), nn.ReLU, "prelu", share="layer")
    assert model.a[1] is model.b[1] is model.first is model.second
    assert isinstance(model.first, Activation)
    assert nn.ReLU not in kinds(model)
    assert [name for name, _ in models.sites(model)] == ["a.1", "b.1", "first", "second"]


def test_device_dtype_and_mode_are_kept():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.9)).double()
    model.eval()
    model[2].train()
    model[3].train()
    statistics = model[2].running_mean.clone()
    example = torch.rand(1, 3, 2, 2)  # float32: moved to the model's
    models.replace(model, nn.ReLU, "prelu", share="channel", example=example)
    assert all(p.dtype == torch.float64 for p in model.parameters())
    assert [module.training for module in model] == [False, False, True, True, False]
    assert torch.equal(model[2].running_mean, statistics)
    assert not model[0]._forward_pre_hooks
    assert not model[1]._forward_pre_hooks
    with torch.device("meta"):
        large = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    assert models.replace(large, nn.ReLU, "prelu")[1].alpha.is_meta


@pytest.mark.parametrize("training", [False, True])
def test_state_comes_back_when_the_example_does_not_fit(training):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()).train(training)
    with pytest.raises(RuntimeError):
        models.replace(model, nn.ReLU, "prelu", share="channel", example=torch.rand(1, 5, 2, 2))
    assert type(model[1]) is nn.ReLU
    assert all(module.training is training for module in model.modules())
    assert not model[1]._forward_pre_hooks


def test_a_module_called_with_different_widths_must_be_split():
    example = torch.rand(2, 3, 5, 5)
    model = Twice()
    with pytest.raises(UserError, match=r"relu is called with 4 and 6 channels.*split_calls\(model, nn.ReLU\)"):
        models.replace(model, nn.ReLU, "prelu", share="channel", example=example)
    assert type(model.relu) is nn.ReLU
    models.replace(models.split_calls(model, nn.ReLU), nn.ReLU, "prelu", share="channel", example=example)
    assert model.relu.alpha.shape == (4,)
    assert model.relu_1.alpha.shape == (6,)


def test_split_calls_changes_nothing_but_the_number_of_modules():
    torch.manual_seed(0)
    model = Twice()
    before = copy.deepcopy(model)
    x = torch.randn(2, 3, 5, 5)
    assert models.split_calls(model, nn.ReLU) is model
    assert model.state_dict().keys() == before.state_dict().keys()
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in before.named_parameters()]
    assert isinstance(model, Twice)
    assert model.note == "kept"
    assert type(model.relu) is type(model.relu_1) is nn.ReLU
    assert model.relu is not model.relu_1
    for mode in (True, False):  # dropout still follows the mode
        model.train(mode)
        before.train(mode)
        torch.manual_seed(3)
        expected = before(x, gain=2.0)
        torch.manual_seed(3)
        torch.testing.assert_close(model(x, gain=2.0), expected, rtol=0, atol=0)
    models.split_calls(model, nn.ReLU)  # a second time there is nothing to do
    assert not hasattr(model, "relu_2")
    assert not hasattr(model, "relu_1_1")


def test_a_split_model_can_be_copied_compiled_and_trained(unchecked):
    model = models.replace(models.split_calls(Twice(), nn.ReLU), nn.ReLU, "psilu", share="layer").eval()
    clone = copy.deepcopy(model)
    assert clone.relu_1 is not model.relu_1
    x = torch.randn(2, 3, 5, 5)
    clone.relu_1.alpha.data.fill_(3.0)
    assert not torch.equal(clone(x), model(x))
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))
    model(x).sum().backward()
    assert model.relu.alpha.grad != model.relu_1.alpha.grad


def test_split_calls_separates_one_module_at_several_places():
    model = models.split_calls(Shared(), nn.ReLU)
    assert len({model.a[1], model.b[1], model.first, model.second}) == 4
    models.replace(model, nn.ReLU, "prelu", share="channel", example=torch.rand(1, 3, 2, 2))
    assert [site.alpha.shape[0] for _, site in models.sites(model)] == [4, 6, 6, 6]


def test_split_calls_on_torchvisions_bottlenecks():
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(num_classes=10)
    model = models.split_calls(copy.deepcopy(theirs), nn.ReLU)
    assert model.state_dict().keys() == theirs.state_dict().keys()
    assert sum(type(m) is nn.ReLU for m in model.modules()) == 49  # of 17 modules
    x = torch.rand(2, 3, 64, 64)
    for mode in (True, False):
        torch.testing.assert_close(model.train(mode)(x), theirs.train(mode)(x))


@pytest.mark.parametrize(
    ("model", "message"),
    [(Modal(), "differs between training and evaluation"), (Conditional(), "cannot trace Conditional.forward")],
)
def test_split_calls_refuses_what_it_would_change(model, message):
    names = list(model.state_dict())
    with pytest.raises(UserError, match=message) as error:
        models.split_calls(model.eval(), nn.ReLU)
    assert "\n" not in str(error.value)
    assert not model.training
    assert list(model.state_dict()) == names
    assert len(list(model.children())) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: models.replace(m, nn.SiLU, "prelu"), "no module of type SiLU"),
        (lambda m: models.replace(m, nn.ReLU, "pssliu"), "unknown activation 'pssliu'"),
        (lambda m: models.replace(m, nn.ReLU, "prelu", gamma=2.0), "gamma"),
        (lambda m: models.replace(m, nn.ReLU, "prelu", share="galaxy"), "galaxy"),
        (lambda m: models.replace(m, nn.ReLU, "prelu", share="channel"), "example="),
        (lambda m: models.replace(m, nn.ReLU, "maxout"), "example="),
    ],
)
def test_bad_input_is_one_clear_line_and_changes_nothing(change, message):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(UserError, match=message) as error:
        change(model)
    assert "\n" not in str(error.value)
    assert type(model[1]) is nn.ReLU


def test_a_module_that_the_example_never_reaches():
    model = Twice()
    model.idle = nn.ReLU()
    with pytest.raises(UserError, match="idle is not called"):
        models.replace(models.split_calls(model, nn.ReLU), nn.ReLU, "maxout", example=torch.rand(1, 3, 2, 2))
