"""Pictures of networks that are trained already: images attacked, landscapes around them, gates that look at them.

`robust-activations picture CHECKPOINT ... --save FILE` writes what `read` reads. Committed is
`data/ledger/pictures-cpu.safetensors`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from pydantic import TypeAdapter
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from robust_activations import activations, data, provenance, runs
from robust_activations.activations.reference import SiLU
from robust_activations.activations.sparta import Sparta, SpartaReLU
from robust_activations.attacks import PGD, Threat, attacking, loss_per_image, pgd
from robust_activations.data import floats
from robust_activations.errors import UserError
from robust_activations.evaluation import evaluating, predictions
from robust_activations.files import write_atomically
from robust_activations.provenance import Provenance
from robust_activations.run import Run
from robust_activations.studies.curves import check_radii

ATTACK = PGD(steps=50, loss="margin", start="clean")  # no chance: the same picture every time
REACH = 1.5  # of a landscape, in ε


@dataclass(frozen=True)
class Picture:
    """What one network does. The first of `eps` is 0: there, images are clean. Pixels are whole levels, as a screen
    shows them, and it is these that the network is shown.

    `leads` are landscapes around each clean image (see `lead`), `gates` those of the first activation at each size of
    the feature maps, clean and attacked, as their mean over the channels; both at the first ε that is not 0.
    """

    run: Run
    classes: tuple[str, ...]
    eps: tuple[str, ...]
    provenance: Provenance
    labels: Int[Tensor, " n"]
    images: UInt8[Tensor, "e n c h w"]
    seen: Int[Tensor, "e n"]
    leads: Float[Tensor, "n s s"]
    gates: dict[str, Float[Tensor, "2 n h w"]]


def lead(
    model: nn.Module, x: Float[Tensor, "1 c h w"], y: Int[Tensor, " 1"], threat: Threat, size: int = 61
) -> Float[Tensor, "s s"]:
    """How far the true class leads its best rival around an image; below 0 it is lost.

    Rows: `REACH` times to and from where PGD-50 on the margin ends, which is the model's own worst direction; columns:
    the same along a random corner of the cube, which is the same for all models.
    """
    generator = torch.Generator(x.device).manual_seed(0)
    corner = torch.randint(0, 2, x.shape, generator=generator, device=x.device) * 2 - 1
    ticks = torch.linspace(-REACH, REACH, size, device=x.device)
    up, side = (axis.reshape(-1, 1, 1, 1) for axis in torch.meshgrid(ticks, ticks, indexing="ij"))
    with attacking(model):
        worst = pgd(model, x, y, threat, PGD(50, loss="margin"), generator=generator) - x
        rows = zip(up.split(size), side.split(size), strict=True)  # one at a time: images of a whole grid are many
        with torch.no_grad():
            logits = torch.cat([model((x + u * worst + s * threat.radius * corner).clamp(0, 1)) for u, s in rows])
    return -loss_per_image("margin", logits, y.expand(len(logits))).reshape(size, size)


def gate_inputs(model: nn.Module, x: Float[Tensor, "n c h w"]) -> dict[str, tuple[Tensor, Tensor]]:
    """Input z and g of every activation that has a gate, by site. g is z in SiLU."""
    found: dict[str, tuple[Tensor, Tensor]] = {}
    handles = []
    for site, module in activations.modules(model):
        if isinstance(module, Sparta | SpartaReLU | SiLU):

            def keep(one: nn.Module, inputs: tuple[Tensor, ...], out: Tensor, site: str = site) -> None:
                (z,) = inputs
                found[site] = z, one.g(z) if isinstance(one, Sparta | SpartaReLU) else z

            handles.append(module.register_forward_hook(keep))
    try:
        with attacking(model), torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def gates(model: nn.Module, x: Float[Tensor, "n c h w"]) -> dict[str, Tensor]:
    """The gate of every activation that has one, by site, each between 0 and 1 and of the shape of the features.

    That is σ(g(z)) of R1 and R2, and σ(z) of SiLU; R3 has none.
    """
    return {site: torch.sigmoid(g) for site, (_, g) in gate_inputs(model, x).items()}


def measure(
    checkpoint: Sequence[Path], radii: Sequence[str], n: int, root: Path, device: torch.device
) -> list[Picture]:
    """A picture of each saved network, of the same `n` images: in the order of the test set the first of each class
    that all of the networks have right.

    **Raises** `UserError` for networks of different images, two of the same run, radii that do not grow, and more
    images than there are.
    """
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    networks: list[tuple[Run, nn.Module, list[Threat]]] = []
    for path in checkpoint:
        run, dataset, model = runs.saved(path, root)
        if run.id in (other.id for other, _, _ in networks):
            raise UserError(f"{path} is of the same run as another, {run.label}")
        threats = [Threat(run.threat.norm, radius) for radius in radii]
        check_radii(threats)
        networks.append((run, model.to(device), threats))
    if len(seen := {(run.dataset, run.image_size): run.dataset for run, _, _ in networks}) > 1:
        raise UserError(f"pictures are of the same images; these networks see {' and '.join(seen.values())}")
    images, labels = _first([model for _, model, _ in networks], dataset, n, device)
    found = []
    for run, model, threats in networks:
        with evaluating(model, device):
            drawn = _drawn(model, images, labels, threats)
        made = provenance.here(dataset, device, started, time.perf_counter() - clock)
        eps = ("0/255", *(one.eps for one in threats))
        found.append(Picture(run, dataset.classes, eps, made, labels.cpu(), **drawn))
    return found


def _first(
    models: Iterable[nn.Module], dataset: data.Dataset, n: int, device: torch.device
) -> tuple[UInt8[Tensor, "n c h w"], Int[Tensor, " n"]]:
    """Of the first 1,000 test images."""
    images, labels = dataset.test_images[:1000].to(device), dataset.test_labels[:1000].to(device)
    right = torch.ones(len(labels), dtype=torch.bool, device=device)
    for model in models:
        with evaluating(model, device), attacking(model):
            right &= predictions(model, images) == labels
    first: dict[int, int] = {}
    for place in right.nonzero()[:, 0].tolist():
        first.setdefault(int(labels[place]), place)
    if len(first) < n:
        raise UserError(f"{n} images of different classes were asked for; all networks have {len(first)} such right")
    chosen = torch.tensor([*first.values()][:n], device=device)
    return _levels(floats(images[chosen])), labels[chosen]


def _levels(x: Float[Tensor, "n c h w"]) -> UInt8[Tensor, "n c h w"]:
    return (x * 255).round().to(torch.uint8)


def _drawn(
    model: nn.Module, images: UInt8[Tensor, "n c h w"], labels: Int[Tensor, " n"], threats: Sequence[Threat]
) -> dict[str, Any]:
    x = floats(images)
    with attacking(model):
        moved = [_levels(pgd(model, x, labels, one, ATTACK)) for one in threats]
    shown = torch.stack([images, *moved])
    both = [{site: gate.mean(1) for site, gate in gates(model, floats(one)).items()} for one in shown[:2]]
    sizes: dict[torch.Size, str] = {}
    for site, gate in both[0].items():
        sizes.setdefault(gate.shape, site)
    with attacking(model):
        seen = torch.stack([predictions(model, one) for one in shown])
    around = [lead(model, *one, threats[0], 41) for one in zip(x.split(1), labels.split(1), strict=True)]
    return {
        "images": shown.cpu(),
        "seen": seen.cpu(),
        "leads": torch.stack(around).cpu(),
        "gates": {site: torch.stack([one[site] for one in both]).cpu() for site in sizes.values()},
    }


# ---- the file -----------------------------------------------------------------------------------------------------

TENSORS, GATE = ("labels", "images", "seen", "leads"), "gates/"


def save(path: Path, pictures: Sequence[Picture]) -> None:
    """One safetensors file: tensors by the id of the run, all words in one entry, so that the order is not chance's."""
    tensors: dict[str, Tensor] = {}
    words = {}
    for one in pictures:
        own = {name: getattr(one, name) for name in TENSORS} | {GATE + site: gate for site, gate in one.gates.items()}
        tensors |= {f"{one.run.id}/{name}": value.contiguous().clone() for name, value in own.items()}  # none shared
        words[one.run.id] = {
            "run": json.loads(one.run.canonical),
            "classes": one.classes,
            "eps": one.eps,
            "provenance": asdict(one.provenance),
        }
    write_atomically(path, lambda part: save_file(tensors, part, {"pictures": json.dumps(words)}))


def read(path: Path) -> dict[str, Picture]:
    """The pictures of a file by the id of their run, gates from the largest maps to the smallest; of a file that is not
    there, none."""
    if not path.exists():
        return {}
    found = {}
    with safe_open(path, "pt") as file:
        names = file.keys()
        for key, words in json.loads(file.metadata()["pictures"]).items():
            own = {name.removeprefix(f"{key}/"): name for name in names if name.startswith(f"{key}/")}
            gates = {name.removeprefix(GATE): file.get_tensor(own[name]) for name in own if name.startswith(GATE)}
            found[key] = Picture(
                run=TypeAdapter(Run).validate_python(words["run"]),
                classes=tuple(words["classes"]),
                eps=tuple(words["eps"]),
                provenance=Provenance(**words["provenance"]),
                gates=dict(sorted(gates.items(), key=lambda item: -item[1][0, 0].numel())),
                **{name: file.get_tensor(own[name]) for name in TENSORS},
            )
    return found
