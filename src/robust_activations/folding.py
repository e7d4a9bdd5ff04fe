"""BatchNorm in evaluation mode is a scale and a shift: while a network is attacked it is folded into the convolution
before it, once for all the passes of the attack. The casts of the weights under autocast are made once as well."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations import activations
from robust_activations.activations import fused
from robust_activations.distributed import SyncBatchNorm

NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm, SyncBatchNorm)

# What is folded into what in a model, found once; and the modules it was found for.
_found: WeakKeyDictionary[nn.Module, tuple[list[int], list[tuple[str, str | None]]]] = WeakKeyDictionary()


@contextmanager
def folded(model: nn.Module, x: Float[Tensor, "n c h w"]) -> Iterator[None]:
    """Inside, every BatchNorm that alone sees the output of a convolution is folded into it. `x` are images to find
    them with: two are run through a copy of the model, the first time.

    The model must be in evaluation mode and frozen. Nothing of it changes; what it computes changes by rounding. What a
    block around this one has folded is not folded a second time.
    """
    modules = [id(module) for module in model.modules()]
    if model not in _found or _found[model][0] != modules:
        try:
            _found[model] = (modules, foldable(model, x))
        except (RuntimeError, TypeError):  # what cannot be copied, or not run in float64, is left as it is
            _found[model] = (modules, [])
    dtype = torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else None
    with _replaced(model, _found[model][1], dtype):
        yield


@torch.no_grad()
def foldable(model: nn.Module, x: Float[Tensor, "n c h w"]) -> list[tuple[str, str | None]]:
    """Names of the convolutions, each with the BatchNorm that can be folded into it, or None.

    They are seen in a copy of the model at work, in float64 and with random weights and statistics, with which a wrong
    pair cannot leave the output as it is: only what does is kept.
    """
    twin = copy.deepcopy(model).double().eval()
    watched = {name for name, module in model.named_modules() if module._forward_hooks or module._forward_pre_hooks}
    for module in twin.modules():  # nobody looks on here, and of what is looked at nothing is changed
        if _is_folded(module):
            del module.forward
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    _randomise(twin)
    made: dict[int, str] = {}
    calls: dict[str, int] = {}
    pairs: dict[str, str | None] = {}
    with ExitStack() as hooks:
        for name, module in twin.named_modules():
            if name not in watched and type(module) is nn.Conv2d and "weight" in module._parameters:

                def of_conv(module: nn.Module, inputs: Any, output: Tensor, name: str = name) -> None:
                    calls[name] = calls.get(name, 0) + 1
                    made[id(output)] = name
                    kept.append(output)

                hooks.callback(module.register_forward_hook(of_conv).remove)
            elif name not in watched and isinstance(module, NORMS) and module.running_var is not None:

                def of_norm(module: nn.Module, inputs: tuple[Tensor], output: Any, name: str = name) -> None:
                    calls[name] = calls.get(name, 0) + 1
                    if (conv := made.get(id(inputs[0]))) is not None:
                        pairs[conv] = name

                hooks.callback(module.register_forward_hook(of_norm).remove)
        kept: list[Tensor] = []  # so that no id is used twice
        image = x[:2].double()
        with fused.plain(), torch.autocast(x.device.type, enabled=False):  # kernels would be compiled for this alone
            wanted = twin(image)
    once = {name for name, count in calls.items() if count == 1}
    pairs = {conv: norm for conv, norm in pairs.items() if {conv, norm} <= once}

    def same(some: Sequence[tuple[str, str | None]]) -> bool:
        with fused.plain(), torch.autocast(x.device.type, enabled=False), _replaced(twin, some, None):
            return bool((twin(image) - wanted).abs().max() <= 1e-7 * wanted.abs().max())

    good = list(pairs.items()) if same(list(pairs.items())) else [pair for pair in pairs.items() if same([pair])]
    return good + [(conv, None) for conv in sorted(once & set(made.values()) - {conv for conv, _ in good})]


def _randomise(model: nn.Module) -> None:
    """Random weights of about the usual size, and running statistics; the activations keep their parameters."""
    generator = torch.Generator().manual_seed(0)
    own = set(activations.parameters(model))
    statistics = [buffer for name, buffer in model.named_buffers() if "running" in name]
    for tensor in (*(parameter for parameter in model.parameters() if parameter not in own), *statistics):
        values = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        fan_in = tensor[0].numel() if tensor.dim() > 1 else 0
        tensor.copy_((values - 0.5) * (12 / fan_in) ** 0.5 if fan_in else values + 0.5)


@contextmanager
def _replaced(model: nn.Module, pairs: Sequence[tuple[str, str | None]], dtype: torch.dtype | None) -> Iterator[None]:
    modules: dict[str, Any] = dict(model.named_modules())
    undo: list[tuple[nn.Module, dict[str, Any], nn.Module | None]] = []
    try:
        for conv_name, norm_name in pairs:
            conv, norm = modules[conv_name], modules[norm_name] if norm_name else None
            if norm is not None and _is_folded(norm):
                continue
            undo.append((conv, dict(conv._parameters), norm))
            weight, bias = conv.weight.detach(), conv.bias
            if norm is not None:
                weight, bias = _merged(weight, bias, norm)
                norm.forward = _identity
            conv._parameters["weight"] = weight.to(dtype or weight.dtype)
            conv._parameters["bias"] = None if bias is None else bias.detach().to(dtype or bias.dtype)
        yield
    finally:
        for conv, parameters, norm in undo:
            conv._parameters.update(parameters)
            if norm is not None:
                vars(norm).pop("forward", None)


def _merged(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution and the BatchNorm after it in one."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach()
    shift = -norm.running_mean * scale if bias is None else (bias.detach() - norm.running_mean) * scale
    if norm.bias is not None:
        shift = shift + norm.bias.detach()
    return weight * scale[:, None, None, None], shift


def _identity(x: Tensor) -> Tensor:
    return x


def _is_folded(module: nn.Module) -> bool:
    return vars(module).get("forward") is _identity
