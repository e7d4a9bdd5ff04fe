"""Attacks that look for the nearest adversarial image, or that change one pixel: by the libraries that do it well.

Carlini and Wagner's l2 attack and the boundary attack are foolbox's, the one-pixel attack's search is SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import differential_evolution
from torch import Tensor, nn

from robust_activations.attacks import attacking, predicted
from robust_activations.extras import library

POPULATION = 100


def cw(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    *,
    steps: int = 100,
    searches: int = 6,
    seed: int = 0,
) -> Float[Tensor, " n"]:
    """l2 length, in pixel units, of the change that Carlini and Wagner (2017) find, with the gradients of the network.

    NaN where the model is wrong already, infinite where nothing was found. `searches` for the constant that weighs
    success against length, each with at most `steps` steps of Adam, of 0.05 and not 0.01 so that 100 of them suffice.

    **Raises** `UserError` if foolbox is not installed.
    """
    with _foolbox(model, x, seed) as (foolbox, wrapped):
        attack = foolbox.attacks.L2CarliniWagnerAttack(
            binary_search_steps=searches, steps=steps, stepsize=0.05, initial_const=0.1
        )
        return _lengths(wrapped, x, y, lambda a, b: attack(wrapped, a, b, epsilons=None))


def boundary(
    model: nn.Module, x: Float[Tensor, "n c h w"], y: Int[Tensor, " n"], *, steps: int = 3000, seed: int = 0
) -> Float[Tensor, " n"]:
    """l2 length, in pixel units, of the change that Brendel, Rauber and Bethge (2018) find, from the classes alone.

    NaN where the model is wrong already. Each walk of `steps` steps starts at the nearest of the other images that the
    model gives another class than the true one; infinite if there is none.

    **Raises** `UserError` if foolbox is not installed.
    """
    with _foolbox(model, x, seed) as (foolbox, wrapped):
        attack = foolbox.attacks.BoundaryAttack(steps=steps)
        with torch.no_grad():
            classes = wrapped(x).argmax(1)

        def walk(a: Tensor, b: Tensor) -> Any:
            # In float64, for torch's quick way of computing many distances rounds to more than small ones.
            apart = torch.cdist(a.flatten(1).double(), x.flatten(1).double())
            nearest = apart.masked_fill(classes == b[:, None], torch.inf).argmin(1)
            return attack(wrapped, a, b, epsilons=None, starting_points=x[nearest])

        return _lengths(wrapped, x, y, walk, possible=lambda label: bool((classes != label).any()))


def one_pixel(
    model: nn.Module,
    x: Float[Tensor, "n c h w"],
    y: Int[Tensor, " n"],
    *,
    queries: int = 2000,
    seed: int = 0,
) -> Bool[Tensor, " n"]:
    """Which images the model still gets right when any one pixel may have any colour (Su, Vargas and Sakurai 2019).

    Differential evolution of a population of 100 candidates (row, column, colour) that lowers the margin of the true
    class, a batch a generation, until it is fooled or has asked `queries` times; as theirs, from colours around grey
    and without crossover, but of any other class and with a population of a quarter.
    """
    _, c, h, w = x.shape
    bounds = [(0, h - 1e-6), (0, w - 1e-6), *[(0.0, 1.0)] * c]
    draws = np.random.default_rng(seed)
    with attacking(model, x), torch.no_grad():
        right = _right(model, x, y)
        for i in torch.nonzero(right).squeeze(1).tolist():
            image, label, best = x[i], int(y[i]), [np.inf]

            def margins(candidates: np.ndarray, image: Tensor = image, label: int = label, best: list = best) -> Any:
                row, column = (torch.from_numpy(line.astype(np.int64)) for line in candidates[:2])
                images = image.expand(candidates.shape[1], *image.shape).clone()
                colours = torch.from_numpy(candidates[2:].T.astype(np.float32)).to(image)
                images[torch.arange(len(images)), :, row, column] = colours
                logits = model(images).float()
                own = logits[:, label].clone()
                logits[:, label] = -torch.inf
                values = (own - logits.amax(1)).cpu().numpy().astype(np.float64)
                best[0] = min(best[0], float(values.min()))
                return values

            start = draws.uniform(size=(POPULATION, 2 + c)) * [h, w, *[1] * c]
            start[:, 2:] = np.clip(draws.normal(0.5, 0.5, size=(POPULATION, c)), 0, 1)
            differential_evolution(
                margins,
                bounds,
                strategy="rand1bin",
                mutation=0.5,
                recombination=1.0,
                init=np.minimum(start, [bound[1] for bound in bounds]),
                maxiter=max(0, queries // POPULATION - 1),
                tol=0,
                polish=False,
                vectorized=True,
                updating="deferred",
                seed=draws,
                callback=lambda *_, best=best: best[0] < 0,
            )
            right[i] = best[0] >= 0
    return right


DISTANCES: dict[str, Callable[..., Tensor]] = {"cw": cw, "boundary": boundary}


def _right(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    return predicted(model(x)) == y


@contextmanager
def _foolbox(model: nn.Module, x: Tensor, seed: int) -> Iterator[tuple[Any, Any]]:
    foolbox = library("foolbox")
    devices = [x.device] if x.is_cuda else []
    with attacking(model, x), torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield foolbox, foolbox.PyTorchModel(model, bounds=(0, 1), device=x.device)


def _lengths(
    wrapped: Any,
    x: Tensor,
    y: Tensor,
    attack: Callable[[Tensor, Tensor], Any],
    possible: Callable[[int], bool] = lambda label: True,
    batch_size: int = 500,
) -> Tensor:
    lengths = torch.full((len(x),), torch.nan, device=x.device)
    with torch.no_grad():
        right = _right(wrapped, x, y)
    lengths[right] = torch.inf
    some = torch.tensor([possible(label) for label in y.tolist()], device=x.device)
    wanted = right & some
    for index in torch.nonzero(wanted).squeeze(1).split(batch_size) if wanted.any() else ():
        _, moved, success = attack(x[index], y[index])
        found = (moved - x[index]).flatten(1).norm(dim=1)
        lengths[index] = torch.where(success, found, torch.inf)
    return lengths
