"""From a Run to its Record: build, train, evaluate, and go on with what was interrupted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from robust_activations import checkpoints, data, distributed, ledger, models, paths, provenance
from robust_activations.data import Pixels
from robust_activations.errors import UserError
from robust_activations.evaluation import Evaluation, Suite, evaluate
from robust_activations.ledger import Record
from robust_activations.models.transfer import packed, transfer
from robust_activations.run import Run
from robust_activations.steps import Steps, Stopped
from robust_activations.training import Images, Trained, train


def device_of(name: str | None) -> torch.device:
    """The device by name; the GPU if there is one. Of several GPUs, the one named becomes the current one.

    **Raises** `UserError` if it is asked for and is not there.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"no device {name!r} here; leave out --device or use cpu") from error
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    return device


def build(run: Run, dataset: data.Dataset) -> nn.Module:
    """The untrained model of a run, on the CPU. The same run gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(run.seed)
        model = models.create(
            run.model,
            activation=run.activation,
            share=run.share,
            activation_options=run.activation_options,
            num_classes=dataset.num_classes,
            in_channels=dataset.train_images.shape[1],
            normalize=(dataset.mean, dataset.std) if run.normalize else None,
            **run.model_options,
        )
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def trained(run: Run, root: Path, which: str = "best") -> nn.Module:
    """The network of a recorded run with the weights of its `best` or `last` epoch, in evaluation mode.

    **Raises** `UserError` if its checkpoint is not below `root` (see `paths.data`).
    """
    _, _, model = saved(root / "checkpoints" / run.id / f"{which}.safetensors", root)
    return model


def saved(path: Path, root: Path) -> tuple[Run, data.Dataset, nn.Module]:
    """What a checkpoint is of: its run, that run's images below `root`, and the network, in evaluation mode."""
    run = checkpoints.run_of(path)
    dataset = data.load(run.dataset, root=root, image_size=run.image_size)
    model = build(run, dataset)
    checkpoints.load(path, model)
    return run, dataset, model.eval()


def images_of(run: Run, dataset: data.Dataset, device: torch.device, root: Path = Path()) -> Images:
    """The training images of a run on the device, without those held out; synthetic ones from a file below `root`."""
    images, labels, held_images, held_labels = data.hold_out(dataset, run.held_out, seed=0)
    extra = None if run.extra is None else data.load_extra(root / run.extra, like=dataset)
    return Images(
        images[: run.train_n].to(device),
        labels[: run.train_n].to(device),
        held_images.to(device),
        held_labels.to(device),
        run.augment,
        None if extra is None else (extra[0].to(device), extra[1].to(device)),
        run.extra_ratio if extra else 0.0,
    )


def execute(
    run: Run,
    *,
    root: Path,
    device: torch.device | None = None,
    go_on: Callable[[], bool] = lambda: True,
    progress: bool = False,
    sync_bn: bool = False,
    donor: Record | None = None,
) -> Record | None:
    """Trains and evaluates one run; None if `go_on` said to stop first (what is done is kept and goes on next time).

    `donor` is the record of `run.donor`, if it has one (of many processes, rank 0's counts: see `donor_of`).

    Of many processes rank 0 evaluates, and the others get None. `sync_bn`: BatchNorm over what all of them see.

    The checkpoints lie in `root/checkpoints/<run id>`, and so does the state from which an unfinished run goes on. Only
    the code that wrote a state goes on from it, after the last whole epoch or attack. It stays until the record is
    safe; then call `tidy`.
    """
    device = device or device_of(None)
    start, started = time.perf_counter(), datetime.now(timezone.utc)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    folder, code = root / "checkpoints" / run.id, paths.fingerprint()
    dataset = data.load(run.dataset, root=root, image_size=run.image_size)
    model = build(run, dataset).to(device)
    if donor is not None:
        transfer(donor.activations, model)
    elif run.donor is not None and not distributed.rank():
        raise UserError(f"{run.label} needs the record of its donor {run.donor.id}")
    if sync_bn:
        model = distributed.synchronise(model)
    rows: list[dict] = []
    with tqdm(total=run.schedule.epochs, desc=run.label, disable=not progress, unit="epoch", leave=False) as bar:

        def show(row: dict) -> None:
            rows.append(row)
            bar.update(row["epoch"] + 1 - bar.n)
            bar.set_postfix(loss=f"{row['loss']:.3f}", pgd10=f"{row.get('held_pgd10', 0):.3f}")

        out = train(
            model,
            images_of(run, dataset, device, root),
            run.objective,
            run.threat,
            run.schedule,
            seed=run.seed,
            precision=run.precision,
            state=folder / f"resume-{code}.pt",
            on_epoch=show,
            go_on=go_on,
        )
    if distributed.rank() or not out.finished:
        return None
    memory = provenance.peak_memory(device)  # of the training; AutoAttack begins to count anew
    try:
        test = dataset.test_images.to(device), dataset.test_labels.to(device)
        last, best, earlier = _evaluate_both(run, model, out, test, folder, go_on)
    except Stopped:
        return None
    earlier += sum(row["seconds"] for row in out.history[: len(out.history) - len(rows)])
    return Record(
        id=run.id,
        run=run,
        provenance=provenance.here(dataset, device, started, earlier + time.perf_counter() - start, sync_bn, memory),
        history=tuple(out.history),
        best_epoch=out.best_epoch,
        collapsed=out.collapsed,
        parameters=sum(p.numel() for p in model.parameters()),
        last=last,
        best=best,
        activations=packed(model),  # evaluated last: the best epoch's
    )


def tidy(run: Run, root: Path) -> None:
    """Deletes the state of a run whose record is written, and what killed processes left half-written."""
    folder = root / "checkpoints" / run.id
    for pattern in ("resume-*.pt", "evaluation-*.json", ".*"):
        for done in folder.glob(pattern):
            done.unlink(missing_ok=True)


def _evaluate_both(
    run: Run, model: nn.Module, trained: Trained, test: tuple[Pixels, Tensor], folder: Path, go_on: Callable[[], bool]
) -> tuple[Evaluation, Evaluation, float]:
    """Saves and evaluates the last and then the best epoch; once, where they are the same.

    With them come the seconds that earlier, interrupted calls spent. **Raises** `Stopped` when `go_on` says no.
    """
    steps: list[Steps] = []

    def one(name: str, weights: dict[str, Tensor], suite: Suite = run.suite) -> Evaluation:
        if weights:  # empty if the very first epoch diverged: then the model as it is
            model.load_state_dict(weights)
        checkpoints.save(folder / f"{name}.safetensors", model, run)
        # What was found out about other weights, of a training that was lost, is not taken for these.
        weights_of = hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()[:12]
        kept = folder / f"evaluation-{name}-{paths.fingerprint()}-{weights_of}.json"
        steps.append(Steps(kept, go_on))  # starts its clock
        return evaluate(model, *test, run.threat, suite, seed=run.seed, steps=steps[-1], checked=suite is run.suite)

    if trained.best_epoch == len(trained.history) - 1:
        last = best = one("best", trained.best)
    else:
        cheap = replace(run.suite, attacks=run.suite.last, measures=()) if run.suite.last else run.suite
        last, best = one("last", trained.last, cheap), one("best", trained.best)
    return last, best, sum(kept.earlier for kept in steps)


def donor_of(run: Run, folder: Path) -> Record | None:
    """The record of the run's donor, from this ledger or else the committed one, if one is there and can be used.

    It can be read, and says what its activations have learned.
    """
    if run.donor is None:
        return None
    places = (folder, paths.ledger("cpu"))
    for path in (path for place in places for path in sorted(place.glob(f"*/{run.donor.id}.json"))):
        with suppress(UserError):  # a broken file is named by whoever reads the whole ledger
            if (record := ledger.read_file(path)).activations:
                return record
    return None
