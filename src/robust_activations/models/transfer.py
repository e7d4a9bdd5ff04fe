"""Activations that were learned in one network, put into another one."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations import activations
from robust_activations.errors import UserError

MOST = 50_000  # numbers that a record keeps of its activations; Maxout in a wide network has millions


@dataclass(frozen=True)
class Packed:
    """A tensor as text: float32, little-endian, in base64."""

    values: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Packed:
        array = tensor.detach().cpu().numpy().astype("<f4")
        return cls(base64.b64encode(array.tobytes()).decode(), array.shape)

    @property
    def tensor(self) -> Float[Tensor, "*shape"]:
        """**Raises** `UserError` if the numbers are not those of a tensor of this shape."""
        try:
            array = np.frombuffer(base64.b64decode(self.values, validate=True), dtype="<f4").reshape(self.shape)
        except ValueError as error:
            raise UserError(f"the values of a tensor of shape {self.shape} cannot be read: {error}") from error
        return torch.from_numpy(array.astype(np.float32))


Learned = Mapping[str, Mapping[str, Packed]]  # by site, then by the tensor's name


def packed(model: nn.Module) -> dict[str, dict[str, Packed]]:
    """What the activations of a network have learned, site by site; nothing at all if it is too much to keep."""
    found = {site: own for site, module in activations.modules(model) if (own := _tensors(module))}
    small = sum(tensor.numel() for own in found.values() for tensor in own.values()) <= MOST
    return {site: {name: Packed.of(tensor) for name, tensor in own.items()} for site, own in found.items() if small}


@torch.no_grad()
def transfer(learned: Learned, model: nn.Module) -> None:
    """Gives the activations of `model` the values that others have learned elsewhere.

    Sites with tensors of the same names and shapes, such as the gates of a ResNet's stage, belong together. Where both
    networks have as many of them, the i-th gets the values of the i-th; else those of the one at the same relative
    depth: of k sites in the donor, the i-th of m takes that with the number ⌊(2i + 1) k / 2m⌋, counted from 0.

    **Raises** `UserError` if the donor has no site like one of the model's.
    """
    donors: dict[tuple, list[dict[str, Tensor]]] = defaultdict(list)
    for values in learned.values():
        tensors = {name: value.tensor for name, value in values.items()}
        donors[_kind(tensors)].append(tensors)
    sites: dict[tuple, list[nn.Module]] = defaultdict(list)
    for name, module in activations.modules(model):
        if own := _tensors(module):
            if (kind := _kind(own)) not in donors:
                raise UserError(f"the donor has nothing for {name} ({type(module).__name__}): no site of its shapes")
            sites[kind].append(module)
    for kind, places in sites.items():
        found = donors[kind]
        for i, place in enumerate(places):
            place.load_state_dict(found[(2 * i + 1) * len(found) // (2 * len(places))], strict=False)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}


def _kind(tensors: Mapping[str, Tensor]) -> tuple:
    return tuple(sorted((name, tuple(tensor.shape)) for name, tensor in tensors.items()))
