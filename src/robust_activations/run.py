"""What decides a result: the frozen `Run`, and its id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from robust_activations import activations
from robust_activations.attacks import Threat
from robust_activations.data import Augment
from robust_activations.errors import UserError, unknown
from robust_activations.evaluation import Suite
from robust_activations.training import Objective, Schedule


@dataclass(frozen=True)
class Run:
    """Everything that decides a result.

    The id is a hash of the fields that differ from their defaults. So a field may be added without changing any
    id, but a default must never change.

    - `share`, `activation_options`: see `activations.create`; `None` is the paper's way of sharing.
    - `normalize`: the model's first layer subtracts the training images' mean and divides by their deviation.
    - `held_out`: training images kept back for choosing the epoch. `train_n`: train on the first so many images only.
    - `precision`: `fp32` is true float32, without TF32 on a GPU; `bf16` see `precision_context`.
    - `donor`: a run from whose best epoch the activations take what they start with, see `models.transfer`.
    - `extra`: an `.npz` of synthetic images below the data folder, of which each batch takes the share `extra_ratio`.
    """

    dataset: str
    model: str
    activation: str
    threat: Threat
    objective: Objective = Objective()
    schedule: Schedule = Schedule()
    suite: Suite = Suite()
    seed: int = 0
    share: Literal["network", "layer", "channel"] | None = None
    activation_options: dict[str, Any] = field(default_factory=dict)
    model_options: dict[str, Any] = field(default_factory=dict)
    augment: Augment | None = None
    normalize: bool = True
    held_out: int = 1000
    train_n: int | None = None
    image_size: int | None = None
    extra: str | None = None
    extra_ratio: float = 0.5
    precision: Literal["fp32", "bf16"] = "fp32"
    donor: Run | None = None

    def __post_init__(self) -> None:
        if self.activation not in activations.REGISTRY:
            raise unknown("activation", self.activation, activations.REGISTRY)
        # One way of writing the same, so that two studies that ask for the same run share it, and a run read from a
        # record equals the run it is a record of.
        shares = activations.REGISTRY[self.activation].shares
        if not shares or self.share == shares[0]:
            object.__setattr__(self, "share", None)
        for name in ("activation_options", "model_options"):
            try:
                object.__setattr__(self, name, json.loads(json.dumps(getattr(self, name))))
            except TypeError as error:
                raise UserError(f"{name} must be numbers, words and lists of them: {error}") from error

    @property
    def canonical(self) -> str:
        """The run as JSON with sorted keys, without the fields at their defaults."""
        content = _adapter().dump_python(self, mode="json", exclude_defaults=True)
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @property
    def id(self) -> str:
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """A name to read and to match with `--only`; unlike the id it does not tell all runs apart."""
        options = ",".join(f"{key}={value}" for key, value in sorted(self.activation_options.items()))
        share = f"@{self.share}" if self.share else ""
        activation = f"{self.activation}{share}{f'({options})' if options else ''}"
        donor = f"<{self.donor.dataset}:{self.donor.model}" if self.donor else ""
        return f"{self.dataset}/{self.model}/{self.objective.name}/{activation}{donor}/seed{self.seed}"


@cache
def _adapter() -> TypeAdapter[Run]:
    return TypeAdapter(Run)
