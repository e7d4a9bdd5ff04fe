"""Models: shapes, sizes known from elsewhere, every activation in every family, RobustBench's layout, bad input."""

from __future__ import annotations

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robust_activations import activations, models
from robust_activations._torchvision import torchvision
from robust_activations.errors import UserError

# The smallest of each family, with the side of an image it can take.
TINY = {
    "digits_cnn": ({"width": 2}, 8),
    "lenet5": ({}, 28),
    "all_cnn": ({"width": 4}, 16),
    "nin": ({"width": 6}, 16),
    "resnet20": ({"width": 2, "depth": 8}, 8),
    "resnet18": ({"width": 2}, 16),
    "preact_resnet18": ({"width": 2}, 16),
    "wrn28_10": ({"widen": 1, "depth": 10}, 16),
}


@pytest.fixture
def unchecked():
    """Without the check of annotations, which torch.compile cannot follow and which sees wrong types before we do."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def tiny(name: str, **options) -> tuple[nn.Module, Tensor]:
    """A tiny model and pixels for it."""
    own, size = TINY[name]
    torch.manual_seed(0)
    model = models.create(name, **own, **options)
    return model, torch.rand(4, options.get("in_channels") or models.REGISTRY[name].channels, size, size)


def check_learns(model: nn.Module, x: Tensor, classes: int = 10) -> None:
    """Logits of the right shape; finite gradients of the pixels and of all parameters, none left out."""
    x = x.requires_grad_()
    logits = model(x)
    assert logits.shape == (len(x), classes)
    F.cross_entropy(logits, torch.arange(len(x)) % classes).backward()
    for name, tensor in [("pixels", x), *model.named_parameters()]:
        assert tensor.grad is not None, name
        assert tensor.grad.isfinite().all(), name
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("activation", activations.names())
def test_the_digits_cnn_takes_every_activation(activation):
    model, x = tiny("digits_cnn", activation=activation)
    assert len(list(models.sites(model))) == 3
    check_learns(model, x)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(
    ("activation", "share"), [("relu", None), ("pssilu", "network"), ("splash", "layer"), ("prelu", "channel")]
)
def test_every_family_takes_every_way_of_sharing(name, activation, share):
    model, x = tiny(name, activation=activation, share=share, num_classes=7, activation_options={})
    check_learns(model, x, 7)
    places = [site for _, site in models.sites(model)]
    assert len(places) == len(list(models.sites(tiny(name)[0]))) > 2
    distinct = len(set(places))
    assert distinct == (1 if share == "network" else len(places))
    if share == "channel":
        norms = [m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        for site in places:
            assert site.alpha.shape[0] in norms


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("digits_cnn", 3),
        ("lenet5", 4),
        ("all_cnn", 8),
        ("nin", 8),
        ("resnet20", 19),
        ("resnet32", 31),
        ("resnet56", 55),
        ("resnet18", 17),
        ("resnet34", 33),
        ("preact_resnet18", 17),
        ("wrn28_10", 25),
        ("wrn34_10", 31),
        ("imagenet_resnet18", 17),
        ("resnet50", 49),
        ("resnext152_32x8d", 151),
    ],
)
def test_number_of_sites(name, count):
    with torch.device("meta"):
        model = models.create(name, activation="splash")
    assert len({site for _, site in models.sites(model)}) == count
    # 8 parameters a site for SPLASH of 7 hinges: 152 in a ResNet-20.
    assert sum(p.numel() for p in activations.parameters(model)) == 8 * count


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("resnet20", 269_722),
        ("resnet56", 853_018),
        ("resnet18", 11_173_962),
        ("resnet34", 21_282_122),
        ("wrn28_10", 36_479_194),
        ("wrn34_10", 46_160_474),
        # The usual 11 171 146 has no BatchNorm before the last activation; He et al. (2016b) do.
        ("preact_resnet18", 11_171_146 + 2 * 512),
    ],
)
def test_sizes_are_the_published_ones(name, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in models.create(name).parameters()) == count


@pytest.mark.parametrize("name", [name for name, entry in models.REGISTRY.items() if entry.classes == 1000])
def test_imagenet_models_have_torchvisions_layout(name):
    with torch.device("meta"):
        model = models.create(name)
        name = name.removeprefix("imagenet_")
        builder = getattr(torchvision.models, name, None)
        if builder is None:  # these are not torchvision's
            assert name in ("resnext50_32x8d", "resnext152_32x8d", "efficientnet_l1")
            return
        published = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
        theirs = builder().state_dict()
    assert sum(p.numel() for p in model.parameters()) == published
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in theirs.items()}


def test_the_largest_models():
    with torch.device("meta"):
        large = models.create("efficientnet_l1")
        deep = models.create("resnext152_32x8d")
    assert sum(p.numel() for p in large.parameters()) > 4 * 66_347_960  # B7
    assert large.features[0][0].out_channels == 128  # 32 * 3.9, to a multiple of 8
    assert [len(stage) for stage in large.features[1:8]] == [4, 8, 8, 12, 12, 15, 4]  # 1 2 2 3 3 4 1 times 3.7
    assert large.classifier[0].p == 0.5
    assert [len(getattr(deep, f"layer{i}")) for i in (1, 2, 3, 4)] == [3, 8, 36, 3]
    sizes = [models.REGISTRY[f"efficientnet_{v}"].size for v in ("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "l1")]
    assert sizes == [224, 240, 260, 300, 380, 456, 528, 600, 600]


@pytest.mark.parametrize(
    ("name", "old"), [("imagenet_resnet18", nn.ReLU), ("resnet50", nn.ReLU), ("efficientnet_b0", nn.SiLU)]
)
def test_imagenet_models_are_torchvisions_function(name, old):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name.removeprefix("imagenet_"))(num_classes=10).eval()
    same = models.create(name, activation={nn.ReLU: "relu", nn.SiLU: "silu"}[old], num_classes=10).eval()
    same.load_state_dict(theirs.state_dict())
    assert not any(type(module) is old for module in same.modules())
    gates = sum(isinstance(module, nn.Sigmoid) for module in theirs.modules())
    assert sum(isinstance(module, nn.Sigmoid) for module in same.modules()) == gates
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(same(x), theirs(x))
    check_learns(models.create(name, activation="prelu", share="channel", num_classes=10), x)


@pytest.mark.parametrize(("name", "blocks", "last"), [("imagenet_resnet18", 8, "bn2"), ("resnet50", 16, "bn3")])
def test_zero_init_makes_every_block_the_identity(name, blocks, last):
    model = models.create(name, zero_init=True)
    zero = [
        n for n, p in model.named_parameters() if p.dim() == 1 and "bn" in n and n.endswith("weight") and not p.any()
    ]
    assert len(zero) == blocks
    assert all(f".{last}." in n for n in zero)
    assert all(p.any() for n, p in models.create(name).named_parameters() if n in zero)


@pytest.mark.parametrize("name", TINY)
def test_batch_norm_stands_before_every_activation(name):
    model, x = tiny(name)
    last: list[nn.Module] = []
    before: list[type] = []
    for module in model.modules():
        if isinstance(module, activations.Activation):
            module.register_forward_pre_hook(lambda m, args: before.append(type(last[-1])))
        elif not list(module.children()):
            module.register_forward_hook(lambda m, args, out: last.append(m))
    model(x)
    # After a residual sum there is none; what came last is then the sum's second term.
    assert set(before) == {nn.BatchNorm2d}


@pytest.mark.parametrize("name", ["lenet5", "all_cnn", "nin"])
def test_published_form_without_batch_norm(name):
    model, x = tiny(name, batch_norm=False)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    check_learns(model, x)


@pytest.mark.parametrize("name", TINY)
def test_first_layer_normalises_pixels(name):
    channels = models.REGISTRY[name].channels
    mean, std = [0.1, 0.2, 0.3][:channels], [0.5, 0.6, 0.7][:channels]
    raw, x = tiny(name)
    model, _ = tiny(name, normalize=(mean, std))
    assert isinstance(model.normalize, models.Normalize)
    assert isinstance(raw.normalize, nn.Identity)
    model.load_state_dict(raw.state_dict())  # the constants are no weights
    by_hand = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    torch.testing.assert_close(model.eval()(x), raw.eval()(by_hand))


def test_lenet_pads_small_images_to_32():
    model = models.create("lenet5").eval()
    x = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(model(x), model(F.pad(x, (2, 2, 2, 2))))
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("name", TINY)
def test_no_graph_breaks_and_any_memory_format(name, unchecked):
    model, x = tiny(name, activation="psilu")
    model.eval()
    expected = model(x)
    torch._dynamo.reset()  # it counts how often the activations' code was compiled, in other tests too
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), expected)
    last = model.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)


def test_weights_depend_on_the_seed_and_not_on_the_activation():
    a, _ = tiny("resnet20", activation="relu")
    b, _ = tiny("resnet20", activation="splash")
    torch.testing.assert_close(a.fc.weight, b.fc.weight, rtol=0, atol=0)
    torch.testing.assert_close(a.stem[0].weight, b.stem[0].weight, rtol=0, atol=0)


# RobustBench's wide ResNet, in our own words: the layout that `load_robustbench` takes.


class TheirPSSiLU(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor([1.0]))
        self.beta = nn.Parameter(torch.tensor([1e-8]))

    def forward(self, x):
        alpha, beta = self.alpha.abs(), self.beta.abs()
        return x * (torch.sigmoid(alpha * x) - beta) / (1 - beta)


class TheirBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, activation: nn.Module) -> None:
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.activation = activation
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if inputs != outputs else None

    def forward(self, x):
        if self.convShortcut is not None:
            x = self.activation(self.bn1(x))
            out, x = self.conv1(x), self.convShortcut(x)
        else:
            out = self.conv1(self.activation(self.bn1(x)))
        return x + self.conv2(self.activation(self.bn2(out)))


class TheirWRN(nn.Module):
    def __init__(self, depth: int, widen: int) -> None:
        super().__init__()
        self.activation = TheirPSSiLU()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        inputs = 16
        for i, stride in ((1, 1), (2, 2), (3, 2)):
            block, outputs = nn.Module(), 16 * widen * 2 ** (i - 1)
            block.layer = nn.Sequential()
            for _ in range((depth - 4) // 6):
                block.layer.append(TheirBlock(inputs, outputs, stride, self.activation))
                inputs, stride = outputs, 1
            setattr(self, f"block{i}", block)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = self.conv1(x)
        for block in (self.block1, self.block2, self.block3):
            x = block.layer(x)
        return self.fc(F.avg_pool2d(self.activation(self.bn1(x)), 8).flatten(1))


def their_state(depth: int = 10, widen: int = 2) -> tuple[TheirWRN, dict[str, Tensor]]:
    """A network of theirs in float64, all of it random, its activation included."""
    torch.manual_seed(1)
    theirs = TheirWRN(depth, widen).double().eval()
    for name, tensor in theirs.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "running_var" in name else 0.2 * torch.randn_like(tensor))
    theirs.activation.alpha.data.fill_(-1.7)
    theirs.activation.beta.data.fill_(0.23)
    return theirs, theirs.state_dict()


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("share", ["network", "layer", "channel"])
@pytest.mark.parametrize("widen", [1, 2])
def test_robustbench_gives_the_same_logits(prefix, share, widen):
    theirs, state = their_state(widen=widen)
    ours = models.create("wrn28_10", activation="pssilu", share=share, depth=10, widen=widen).double().eval()
    models.load_robustbench(ours, {prefix + key: value for key, value in state.items()})
    x = torch.rand(3, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = theirs(x)
        torch.testing.assert_close(ours(x), expected, rtol=1e-12, atol=1e-12)
    assert expected.std() > 0.1  # not equal because all is zero
    assert all(site.alpha.eq(-1.7).all() and site.beta.eq(0.23).all() for _, site in models.sites(ours))


def test_robustbench_layout_at_full_size():
    with torch.device("meta"):
        theirs = TheirWRN(28, 10).state_dict()
        ours = models.create("wrn28_10", activation="pssilu", num_classes=10)
        assert sum(p.numel() for p in ours.parameters()) == 36_479_196
        models.load_robustbench(ours, theirs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("block2.layer.0.bn1.bias"), "block2.layer.0.bn1.bias is missing"),
        (lambda s: s.update(sub_block1=torch.zeros(1)), "sub_block1 has no place"),
        (lambda s: s.update({"conv1.weight": torch.zeros(16, 1, 3, 3)}), r"conv1.weight is \(16, 1, 3, 3\), not"),
        (lambda s: s.clear(), "and .* more"),
    ],
)
def test_robustbench_names_what_does_not_fit(change, message):
    _, state = their_state(widen=1)
    change(state)
    model, _ = tiny("wrn28_10", activation="pssilu")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError, match=message) as error:
        models.load_robustbench(model, state)
    assert "\n" not in str(error.value)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def test_robustbench_needs_a_pssilu():
    _, state = their_state(widen=1)
    with pytest.raises(UserError, match=r"activation\.alpha has no place"):
        models.load_robustbench(tiny("wrn28_10")[0], state)
    with pytest.raises(UserError, match="missing"):
        models.load_robustbench(tiny("resnet20")[0], state)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet2", {}, "unknown model 'resnet2'; did you mean .*resnet20"),
        ("resnet20", {"activation": "pssliu"}, "unknown activation 'pssliu'"),
        ("resnet20", {"share": "galaxy", "activation": "prelu"}, "galaxy"),
        ("resnet20", {"activation": "prelu", "activation_options": {"gamma": 1.0}}, "gamma"),
        ("resnet20", {"widht": 4}, "unknown option of resnet20 'widht'; did you mean width"),
        ("resnet20", {"width": 0}, "width is 0; it must be a whole number"),
        ("resnet20", {"width": "wide"}, "width is 'wide'"),
        ("resnet20", {"depth": 21}, "depth is 21; it must be 6n"),
        ("wrn28_10", {"depth": 27}, "depth is 27; it must be 6n"),
        ("lenet5", {"pool": "median"}, "pool is 'median'"),
        ("lenet5", {"batch_norm": "no"}, "batch_norm is 'no'; it must be a bool"),
        ("all_cnn", {"dropout": 1.5}, "dropout"),
        ("all_cnn", {"dropout": float("nan")}, "dropout"),
        ("digits_cnn", {"num_classes": 1}, "num_classes is 1; it must be a whole number, 2 or greater"),
        ("digits_cnn", {"num_classes": 10.0}, "num_classes is 10.0"),
        ("digits_cnn", {"in_channels": 0}, "in_channels is 0"),
        ("digits_cnn", {"normalize": ((0.5,), (0.0,))}, "positive standard deviations"),
        ("digits_cnn", {"normalize": ((0.5, 0.5), (1.0, 1.0))}, "2 means for 1 input"),
        ("efficientnet_b0", {"in_channels": 1}, "3 input channels, not 1"),
        ("resnet50", {"depths": (1, 1, 1, 1)}, "unknown option"),
    ],
)
def test_bad_input_is_one_clear_line(name, options, message, unchecked):
    with pytest.raises(UserError, match=message) as error:
        models.create(name, **options)
    assert "\n" not in str(error.value)
