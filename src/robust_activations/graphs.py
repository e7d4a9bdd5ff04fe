"""CUDA graphs: a training step is recorded once and replayed, so that small kernels do not wait for Python."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Step = Callable[[Tensor, Tensor], tuple[Tensor, ...]]


class Recorded:
    """A step (forward, backward, no optimiser) as CUDA graphs, one for each shape of a batch.

    It does exactly what the step does: what the warm-up changes, running statistics and random states, is put back
    before the first replay. Gradients are new at every call; they lie in the graph's own memory.

    The step must not read back from the GPU, must leave all gradients None before its backward pass, and must draw
    from the default generator or from `generator` alone.
    """

    def __init__(self, step: Step, model: nn.Module, generator: torch.Generator) -> None:
        self.step, self.model, self.generator = step, model, generator
        self.recorded: dict[torch.Size, _Recording] = {}

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        if x.shape not in self.recorded:
            self.recorded[x.shape] = _Recording(self, x, y)
        return self.recorded[x.shape].replay(x, y)


class _Recording:
    def __init__(self, of: Recorded, x: Tensor, y: Tensor) -> None:
        self.parameters = [parameter for parameter in of.model.parameters() if parameter.requires_grad]
        self.x, self.y = x.clone(), y.clone()
        buffers = [(buffer, buffer.clone()) for buffer in of.model.buffers()]
        device = x.device
        default, own = torch.cuda.get_rng_state(device), of.generator.get_state()
        # As PyTorch asks: what allocates or compiles at its first call does so on another stream before the capture.
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                of.step(self.x, self.y)
        torch.cuda.current_stream(device).wait_stream(stream)
        for parameter in self.parameters:  # so that the capture makes gradients instead of adding to them
            parameter.grad = None
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(of.generator)
        with torch.cuda.graph(self.graph, stream=torch.cuda.Stream(device)):  # by default, one of the current device
            self.outputs = of.step(self.x, self.y)
        self.gradients = [parameter.grad for parameter in self.parameters]
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        torch.cuda.set_rng_state(default, device)
        of.generator.set_state(own)

    def replay(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        self.x.copy_(x)
        self.y.copy_(y)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.outputs
