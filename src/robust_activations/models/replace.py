"""Swapping the activations of any torch module."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, count
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn

from robust_activations.activations import REGISTRY, Activation, Factory, factory
from robust_activations.errors import UserError

Model = TypeVar("Model", bound=nn.Module)


def sites(model: nn.Module) -> Iterator[tuple[str, Activation]]:
    """Every place of an activation, with its name; a shared object comes once for each of its places."""
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, Activation):
            yield name, module


def replace(
    model: Model,
    old: type[nn.Module],
    name: str,
    *,
    share: str | None = None,
    example: Tensor | None = None,
    **options: Any,
) -> Model:
    """Puts the activation `name` in place of every module of type `old`, in place, and returns the model.

    Only modules of exactly this type are replaced, never a subclass: who asks for `nn.ReLU` has not thought of
    whatever was derived from it. One module becomes one activation wherever it stands, so one that is called at
    several places keeps being shared by them unless `split_calls` went before.

    **Arguments**

    - `share`: `"network"`, `"layer"` (one a module) or `"channel"`; `None` is the choice of the activation's paper.
    - `example`: an input of the model, such as one image; needed where parameters belong to channels, to count them.
    - `options`: those of the activation.

    **Raises** `UserError` for unknown names and options; if the model has no such module; if channels must be counted
    and there is no example, or a module is called with different numbers of them.
    """
    make = factory(name, share=share, **options)
    if (share or next(iter(REGISTRY[name].shares), None)) != "channel":
        return swap(model, old, make)
    if example is None:
        raise UserError(f"{name} has parameters for each channel: give replace an example= to count them with")
    return swap(model, old, make, example)


def swap(model: Model, old: type[nn.Module], make: Factory, example: Tensor | None = None) -> Model:
    """`replace` with a factory. Without an example the factory is told of one channel."""
    slots = [(parent, key, child) for parent, key, child in _slots(model) if type(child) is old]
    if not slots:
        raise UserError(
            f"{type(model).__name__} has no module of type {old.__name__}; calls of functions, such as F.relu, "
            "cannot be swapped"
        )
    widths = None if example is None else _widths(model, old, example)
    new: dict[nn.Module, Activation] = {}
    for _, key, child in slots:
        if child not in new:
            activation = make(1 if widths is None else _width(widths[child], key, old))
            new[child] = activation.to(**_placement(child, model)).train(child.training)
    for parent, key, child in slots:  # only now, so that an error leaves the model as it was
        setattr(parent, key, new[child])
    return model


def split_calls(model: Model, old: type[nn.Module]) -> Model:
    """Gives each call of a module of type `old` a module of its own, in place, and returns the model.

    torchvision's bottleneck calls one ReLU three times, with two different numbers of channels. A module that stands
    at several places is copied first. Then every `forward` that calls its child more than once is rewritten with
    torch.fx, to call `relu`, `relu_1`, `relu_2`. All other names in the state dict stay. A rewritten object gets a
    class derived from its old one, which has no address: save the state dict, not the pickled model.

    **Raises** `UserError` if a `forward` that has such a child cannot be traced, or depends on the mode.
    """
    seen: set[nn.Module] = set()
    for parent, key, child in _slots(model):
        if type(child) is old:
            if child in seen:
                setattr(parent, key, copy.deepcopy(child))
            seen.add(child)
    for module in list(model.modules()):
        # A container without a forward of its own calls each child once, or leaves that to its parent.
        if type(module).forward not in _CONTAINERS and _owns(module, old):
            _split(module, old)
    return model


_CONTAINERS = (nn.Sequential.forward, nn.Module.forward)


class _OneLevel(fx.Tracer):
    """Traces one `forward` and none of those that it calls, whose behaviour in training is thereby kept."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def _owns(module: nn.Module, old: type[nn.Module]) -> bool:
    children = list(module.children())
    return any(type(child) is old for child in children) or any(
        type(child).forward is nn.Module.forward and _owns(child, old) for child in children
    )


def _split(module: nn.Module, old: type[nn.Module]) -> None:
    """Rewrites the module's `forward` if it calls a module of type `old` more than once."""
    title, training = type(module).__name__, module.training
    try:
        module.training = not training
        other = _OneLevel().trace(module)
        module.training = training
        graph = _OneLevel().trace(module)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"split_calls cannot trace {title}.forward, which has a {old.__name__}: {reason}") from error
    finally:
        module.training = training
    if not (_repeated(module, other, old) or _repeated(module, graph, old)):
        return
    if str(other) != str(graph):
        raise UserError(f"split_calls cannot rewrite {title}.forward: it differs between training and evaluation")
    for node in _repeated(module, graph, old):
        target = str(node.target)
        name = next(name for i in count(1) if not hasattr(module, name := f"{target.replace('.', '_')}_{i}"))
        module.add_module(name, copy.deepcopy(module.get_submodule(target)))
        node.target = name
    forward = type(fx.GraphModule(module, graph)).forward
    module.__class__ = type(title, (type(module),), {"forward": forward, "__module__": type(module).__module__})


def _repeated(module: nn.Module, graph: fx.Graph, old: type[nn.Module]) -> list[fx.Node]:
    """The calls of a module of type `old` that was called before."""
    calls = [node for node in graph.nodes if node.op == "call_module"]
    calls = [node for node in calls if type(module.get_submodule(str(node.target))) is old]
    return [node for i, node in enumerate(calls) if any(node.target == call.target for call in calls[:i])]


def _slots(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Every place of every module, as (parent, name, child)."""
    for parent in list(model.modules()):
        # named_children() would name a child that stands at two places of one parent only once.
        for key, child in list(parent._modules.items()):
            if child is not None:
                yield parent, key, child


def _widths(model: nn.Module, old: type[nn.Module], example: Tensor) -> dict[nn.Module, set[int]]:
    """The numbers of channels that each module of type `old` sees when the model is applied to the example."""
    widths: dict[nn.Module, set[int]] = defaultdict(set)

    def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        widths[module].add(inputs[0].shape[1])

    modes = {module: module.training for module in model.modules()}
    hooks = [module.register_forward_pre_hook(record) for module in modes if type(module) is old]
    try:
        model.eval()
        with torch.no_grad():
            model(example.to(**_placement(model)))
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    return widths


def _width(widths: set[int], key: str, old: type[nn.Module]) -> int:
    if not widths:
        raise UserError(f"{key} is not called when the model is applied to the example: its channels stay unknown")
    if len(widths) > 1:
        seen = " and ".join(map(str, sorted(widths)))
        raise UserError(
            f"{key} is called with {seen} channels; first split it: models.split_calls(model, nn.{old.__name__})"
        )
    return widths.copy().pop()


def _placement(*modules: nn.Module) -> dict[str, Any]:
    """Device and dtype of the first floating tensor of the modules."""
    for module in modules:
        for tensor in chain(module.parameters(), module.buffers()):
            if tensor.is_floating_point():
                return {"device": tensor.device, "dtype": tensor.dtype}
    return {}
