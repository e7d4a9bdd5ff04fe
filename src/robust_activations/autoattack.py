"""The authors' AutoAttack (Croce and Hein 2020), resumable, on a network that is made cheaper without being changed.

The network is folded (see `folding`) and lies channels last; an image that one of the attacks has broken goes into
none of the later ones.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from robust_activations.attacks import Threat, attacking, input_gradient, predicted
from robust_activations.extras import library
from robust_activations.steps import Steps

STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")  # AutoAttack's standard version, in its order


def autoattack(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    threat: Threat,
    *,
    attacks: tuple[str, ...] = STANDARD,
    queries: int = 5000,
    batch_size: int | None = None,
    seed: int = 0,
    steps: Steps | None = None,
) -> tuple[Bool[Tensor, " n"], dict[str, int], list[str]]:
    """AutoAttack's standard version, one attack after the other.

    `batch_size` is chosen by the GPU's free memory, and is 250, the authors' choice, on a CPU. It decides which noise
    an image gets, so it is kept as one of `steps`.

    Gives which images are robust, how many are left after each attack, and the warnings AutoAttack itself raised.
    Each attack is one of `steps`; with a file, an interrupted evaluation goes on at the attack that it was in and gives
    the same result.

    **Raises** `UserError` if `pyautoattack` is not installed.
    """
    package, checks = library("pyautoattack"), library("pyautoattack.checks")
    steps = steps or Steps()
    with attacking(model, x), torch.no_grad():
        batch_size = batch_size or steps("autoattack: batch", int, partial(fitting, model, x, y))
        logits = torch.cat([model(batch) for batch in x.split(batch_size)])
    robust = predicted(logits) == y
    shares, left = {"clean": float(robust.sum()) / len(x)}, {}
    targets = min(9, logits.shape[1] - 1)
    flags: list[str] = []

    def survivors(name: str) -> tuple[list[bool], list[str]]:
        """Which images this attack leaves of those that are left, and what was warned of until then."""
        after = robust.clone()
        if robust.any():
            # Only what is left goes on, in the same batches as in one run of all attacks, so the result is the same.
            devices = [x.device] if x.is_cuda else []
            with attacking(model, x), torch.random.fork_rng(devices), _flags(checks, flags):
                norm = {"linf": "Linf", "l2": "L2"}[threat.norm]
                engine = package.AutoAttack(model, norm=norm, eps=threat.radius, seed=seed, device=x.device)
                engine.attacks_to_run = [name]
                engine.apgd_targeted.n_target_classes = engine.fab.n_target_classes = targets
                engine.square.n_queries = queries
                _, found = engine.run_standard_evaluation(x[robust], y[robust], batch_size=batch_size)
            after[robust] = found == y[robust]
        return after.tolist(), flags

    for name in attacks:
        kept, flags = steps(f"autoattack: {name}", tuple[list[bool], list[str]], partial(survivors, name))
        robust = torch.tensor(kept, device=x.device)
        left[name] = int(robust.sum())
        shares[name] = left[name] / len(x)
    with _flags(checks, flags):  # the one check that compares attacks
        checks.check_square_sr(shares, logger=logging.getLogger("auto-attack"))
    return robust, left, flags


def fitting(model: nn.Module, x: Float[Tensor, "n c h w"], y: Int[Tensor, " n"], most: int = 2000) -> int:
    """The batch size with which an attack takes about half of the GPU's free memory; 250 on a CPU."""
    if not x.is_cuda:
        return 250
    few = min(len(x), 64)
    input_gradient(model, x[:few], y[:few])  # what stays, such as the libraries' workspaces, is not counted
    torch.cuda.synchronize(x.device)
    before = torch.cuda.memory_allocated(x.device)
    torch.cuda.reset_peak_memory_stats(x.device)
    input_gradient(model, x[:few], y[:few])
    an_image = (torch.cuda.max_memory_allocated(x.device) - before) / few
    free, _ = torch.cuda.mem_get_info(x.device)
    return max(1, min(most, int(free / 2 / an_image)))


@contextmanager
def _flags(checks: Any, found: list[str]) -> Iterator[None]:
    """Adds to `found` what AutoAttack warns of: randomised or dynamic defence, zero gradients, softmax output ..."""

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            flag = record.getMessage().split(" See flags_doc")[0]
            if record.levelno >= logging.WARNING and flag not in found:
                found.append(flag)

    logger, handler = logging.getLogger("auto-attack"), Collect()
    propagate, trace = logger.propagate, sys.gettrace()
    logger.addHandler(handler)
    logger.propagate = False
    # Its check for dynamic defences counts calls in a global, which would blame the next model for this one's ...
    checks.funcs.update(dict.fromkeys(checks.funcs, 0))
    try:
        yield
    finally:
        sys.settrace(trace)  # ... and ends every trace.
        logger.removeHandler(handler)
        logger.propagate = propagate
