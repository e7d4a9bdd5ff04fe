"""One run on many processes, which `torchrun` starts: on the GPUs of a machine, or of many machines.

Rank 0 leads: it alone reads the ledger, locks runs, saves, probes, evaluates and writes. The others follow it from run
to run. At the same global batch all of them together do what one process does, up to rounding: each trains on its
share of every batch, with its share of the noise, and gradients are averaged. Only BatchNorm sees a share of the batch,
unless it is synchronised.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from inspect import signature
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from robust_activations.errors import UserError

T = TypeVar("T")


def launched() -> bool:
    """Whether `torchrun`, or what sets the same variables, has started this process."""
    return {"RANK", "WORLD_SIZE"} <= os.environ.keys()


def device_name(asked: str | None) -> str | None:
    """The device asked for; under `torchrun` each process of a machine has a GPU of its own.

    **Raises** `UserError` if there are more processes than GPUs.
    """
    if not launched() or asked not in (None, "cuda") or not torch.cuda.is_available():
        return asked
    local, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if local >= count:
        raise UserError(f"no GPU is left for process {local + 1} on this machine; start at most {count} on each")
    return f"cuda:{local}"


def start(device: torch.device) -> None:
    """Meets the other processes. They wait for up to a day, because rank 0 evaluates alone."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # Decisions travel by gloo beside nccl, so that those who wait for one leave their GPU alone.
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=timedelta(days=1))


def stop() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def together(name: str, sync_bn: bool) -> str:
    """What made a record: the device, how many of them, and whether BatchNorm saw what they all did."""
    return name if world() == 1 else f"{world()} x {name}{', synchronised BatchNorm' * sync_bn}"


def from_first(make: Callable[[], T]) -> T:
    """What `make` gives on rank 0, which alone calls it, or the error it raises there: on every rank."""
    if world() == 1:
        return make()
    result: list[Any] = [None, None]
    if rank() == 0:
        try:
            result[0] = make()
        except Exception as error:
            result[1] = error
    dist.broadcast_object_list(result)
    if result[1] is not None:
        raise result[1]
    return result[0]


def announce(run: Any) -> Any:
    """Tells all ranks what rank 0 is about to execute, or None when that was all; gives what it told."""
    return from_first(lambda: run)


def follow(execute: Callable[[Any], object]) -> None:
    """For the other ranks: executes what rank 0 announces, until that is None."""
    while (run := announce(None)) is not None:
        execute(run)


class SharedGenerator(torch.Generator):
    """In the same state on every rank; `draw` takes from it what one process would, and gives each rank its share."""


def generator(device: torch.device) -> torch.Generator:
    """A shared one, where there is anybody to share with. CUDA graphs accept no subclass of PyTorch's own."""
    return SharedGenerator(device) if world() > 1 else torch.Generator(device)


def share(whole: Tensor) -> Tensor:
    """Every `world()`-th row, as `Batches` takes them."""
    return whole if world() == 1 else whole[rank() :: world()].clone()


def draw(
    kind: Callable[..., Tensor], shape: Sequence[int], generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """`torch.rand` or `torch.randn` of this shape: this rank's share, where the generator is a shared one.

    Only if all ranks ask for as much, as training does, is it what one process would draw; an attack with restarts,
    which goes on with the images that are left, gets other noise, as good.
    """
    if not isinstance(generator, SharedGenerator):
        return kind(tuple(shape), generator=generator, device=device)
    return share(kind((shape[0] * world(), *shape[1:]), generator=generator, device=device))


def mean(values: Tensor) -> Tensor:
    """The mean over the ranks."""
    if world() == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / world()


def wrap(model: nn.Module) -> nn.Module:
    """The model with gradients that are averaged over the ranks; itself where nothing was started."""
    if not dist.is_initialized():
        return model
    device = next(model.parameters()).device
    # Buffers are sent once an epoch, by `send_buffers`: every forward would be waste, and TRADES makes two before its
    # backward.
    names = ("forward_sync_buffers", "broadcast_buffers")  # the second before torch 2.13
    off: Any = {next(name for name in names if name in signature(DistributedDataParallel).parameters): False}
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None, **off)


def unwrap(model: nn.Module) -> nn.Module:
    """The model itself, which has no part in any exchange: for attacks."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def send_buffers(*models: nn.Module) -> None:
    """Gives every rank the running statistics of rank 0."""
    if world() > 1:
        for model in models:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)


def synchronise(model: nn.Module) -> nn.Module:
    """The model with BatchNorm over the whole batch, not over each rank's share. The state dict keeps its keys."""
    if next(model.parameters()).is_cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncBatchNorm
    return model


class SyncBatchNorm(nn.BatchNorm2d):
    """What `nn.SyncBatchNorm` does, which takes CUDA tensors only; for tests, and for clusters of CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world() == 1:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        count = x.numel() / x.shape[1] * world()
        average = _Sum.apply(x.float().sum((0, 2, 3))) / count
        centred = x.float() - average.view(1, -1, 1, 1)
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(average, momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)


class _Sum(torch.autograd.Function):
    """The sum over the ranks; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        values = values.clone()
        dist.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        return _Sum.apply(grad)
