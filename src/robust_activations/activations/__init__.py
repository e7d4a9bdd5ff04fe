"""Activations of the four papers, and those that they are compared with.

create("pssilu")                                  # one activation, parameters as its paper shares them
create("prelu", share="channel", channels=64)     # one slope for each of 64 channels
make = factory("pssilu", share="network")         # make(64) gives the same object at every site
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robust_activations.activations import parametric, reference, smooth, sparta, splash
from robust_activations.activations.base import (
    Activation,
    clip_gradients,
    modules,
    named_parameters,
    parameters,
    penalty,
    shape,
)
from robust_activations.errors import UserError, unknown

__all__ = [
    "REGISTRY",
    "Activation",
    "Entry",
    "Factory",
    "clip_gradients",
    "create",
    "factory",
    "modules",
    "named_parameters",
    "names",
    "parameters",
    "penalty",
    "shape",
]


@dataclass(frozen=True)
class Entry:
    """A row of the registry.

    `shares` are the ways to share the parameters, the default first; empty where there is nothing to share.
    `source` is a key of the book's bibliography.
    """

    cls: type[Activation]
    title: str
    family: str
    source: str
    shares: tuple[str, ...] = ()

    @property
    def learned(self) -> bool:
        return bool(self.shares)


NETWORK = ("network", "layer", "channel")
LAYER = ("layer", "network", "channel")
CHANNEL = ("channel", "layer", "network")

REGISTRY: dict[str, Entry] = {
    "relu": Entry(reference.ReLU, "ReLU", "reference", "nair2010"),
    "leaky_relu": Entry(reference.LeakyReLU, "Leaky ReLU", "reference", "maas2013"),
    "elu": Entry(reference.ELU, "ELU", "reference", "clevert2016"),
    "celu": Entry(reference.CELU, "CELU", "reference", "barron2017"),
    "selu": Entry(reference.SELU, "SELU", "reference", "klambauer2017"),
    "softplus": Entry(reference.Softplus, "Softplus", "reference", "dugas2000"),
    "silu": Entry(reference.SiLU, "SiLU", "reference", "elfwing2018"),
    "gelu": Entry(reference.GELU, "GELU", "reference", "hendrycks2016"),
    "mish": Entry(reference.Mish, "Mish", "reference", "misra2020"),
    "tanh": Entry(reference.Tanh, "tanh", "reference", "lecun1998"),
    "sigmoid": Entry(reference.Sigmoid, "Sigmoid", "reference", "lecun1998"),
    "maxout": Entry(reference.Maxout, "Maxout", "reference", "goodfellow2013", ("channel",)),
    "apl": Entry(reference.APL, "APL", "reference", "agostinelli2015", CHANNEL),
    "prelu": Entry(parametric.PReLU, "PReLU", "paf", "dai2021", NETWORK),
    "prelu_plus": Entry(parametric.PReLUPlus, "PReLU+", "paf", "dai2021", NETWORK),
    "pelu": Entry(parametric.PELU, "PELU", "paf", "dai2021", NETWORK),
    "pelu_plus": Entry(parametric.PELUPlus, "PELU+", "paf", "dai2021", NETWORK),
    "reblu": Entry(parametric.ReBLU, "ReBLU", "paf", "dai2021", NETWORK),
    "psilu": Entry(parametric.PSiLU, "PSiLU", "paf", "dai2021", NETWORK),
    "psoftplus": Entry(parametric.PSoftplus, "PSoftplus", "paf", "dai2021", NETWORK),
    "pssilu": Entry(parametric.PSSiLU, "PSSiLU", "paf", "dai2021", NETWORK),
    "parametric_softplus": Entry(smooth.ParametricSoftplus, "Parametric Softplus", "smooth", "xie2020"),
    "smooth_relu": Entry(smooth.SmoothReLU, "SmoothReLU", "smooth", "xie2020", LAYER),
    "relu_smooth_gradient": Entry(smooth.ReLUSmoothGradient, "ReLU, smooth gradient", "smooth", "xie2020"),
    "splash": Entry(splash.SPLASH, "SPLASH", "splash", "tavakoli2021", LAYER),
    "sparta": Entry(sparta.Sparta, "Sparta (R2)", "sparta", "guo2021", CHANNEL),
    "sparta_relu": Entry(sparta.SpartaReLU, "Sparta (R1)", "sparta", "guo2021", CHANNEL),
    "frelu": Entry(sparta.FReLU, "FReLU (R3)", "sparta", "ma2020", CHANNEL),
}

Factory = Callable[[int], Activation]


def names() -> list[str]:
    """Every activation there is."""
    return list(REGISTRY)


def create(name: str, *, share: str | None = None, channels: int | None = None, **options: Any) -> Activation:
    """One activation by name.

    **Arguments**

    - `share`: `"channel"` gives each of `channels` channels its own parameters; `"layer"` and `"network"` one set
      for all (they differ in where the object is used, see `factory`). `None` is the paper's choice.
    - `options`: those of the activation's class, such as `alpha=0.25` or `S=9`.

    **Raises** `UserError` for an unknown name, option or way of sharing, or a missing number of channels.
    """
    if name not in REGISTRY:
        raise unknown("activation", name, REGISTRY)
    entry = REGISTRY[name]
    share = _share(name, entry, share)
    if share == "channel" and channels is None:
        raise UserError(f"{name} with share='channel' needs to know how many: give channels=")
    try:
        return entry.cls(**(options | ({"channels": channels} if share == "channel" else {})))
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        reason = str(error).split("() ")[-1].splitlines()[0]
        raise UserError(f"activation {name!r}: {reason}") from error


def factory(name: str, *, share: str | None = None, **options: Any) -> Factory:
    """A function that gives the activation for a site with so many channels; for `share="network"` always the same.

    **Raises** as `create` does, at once.
    """
    if name not in REGISTRY:
        raise unknown("activation", name, REGISTRY)
    share = _share(name, REGISTRY[name], share)
    first = create(name, share=share, channels=1, **options)
    if share == "network":
        return lambda channels: first
    return lambda channels: create(name, share=share, channels=channels, **options)


def _share(name: str, entry: Entry, share: str | None) -> str | None:
    if not entry.shares:  # nothing to share: every choice means the same
        if share not in (None, *NETWORK):
            raise unknown("way of sharing", share, NETWORK)
        return None
    if share is None:
        return entry.shares[0]
    if share not in entry.shares:
        raise UserError(f"{name} cannot share its parameters by {share!r}; it can by {', '.join(entry.shares)}")
    return share
