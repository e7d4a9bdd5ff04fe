"""SPLASH units of Tavakoli, Agostinelli and Baldi (2020)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from robust_activations.activations.base import Activation, hinges
from robust_activations.errors import UserError

# The set that a third party's code gives for S = 7; the authors' own later code spaces the hinges equally.
# The paper's rule was not available to us, so both are here.
LISTED = (0.0, 1.0, 2.0, 2.5)
# Coefficient of the first left hinge at the start. Left of 0 the slope is minus the sum of the left coefficients.
START = {"relu": 0.0, "leaky_relu": -0.01, "identity": -1.0}


class SPLASH(Activation):
    r"""Piecewise linear, zero at 0, with fixed hinges at :math:`\pm b_s`:

    .. math:: \sum_{s=1}^{(S+1)/2} a^+_s \max(0, x - b_s) + \sum_{s=1}^{(S+1)/2} a^-_s \max(0, -x - b_s)

    Only :math:`a^\pm` are learned: S + 1 numbers, `a_pos` and `a_neg`. The hinges presuppose normalised inputs.

    **Arguments**

    - `S`: number of hinges, odd, counting the one at 0 once.
    - `hinges`: `None` for 0, 1, 2, 2.5 at S = 7 and equal spacing otherwise; `"even"` for equal spacing up to 2.5;
      or the hinges themselves, from 0 upwards, which then decide S.
    - `start`: `"relu"`, `"leaky_relu"` or `"identity"`.
    - `learn_hinges`: learns the places of all hinges but the one at 0 too, one for both sides.

    **Raises** `UserError` for an even S, hinges that do not rise from 0, or an unknown start.
    """

    places: Tensor

    def __init__(
        self,
        channels: int | None = None,
        *,
        S: int = 7,
        hinges: Sequence[float] | str | None = None,
        start: str = "relu",
        learn_hinges: bool = False,
    ) -> None:
        super().__init__()
        if S < 1 or S % 2 != 1:
            raise UserError(f"splash: S is {S}; it must be odd: 1, 3, 5, 7, ...")
        if start not in START:
            raise UserError(f"splash: start is {start!r}; it is one of {', '.join(START)}")
        if hinges is None:
            hinges = LISTED if S == 7 else "even"
        if isinstance(hinges, str):
            if hinges != "even":
                raise UserError(f"splash: hinges are {hinges!r}; give 'even' or the numbers themselves")
            hinges = torch.linspace(0, 2.5, (S + 1) // 2).tolist()
        if not hinges or hinges[0] != 0 or not all(a < b < math.inf for a, b in itertools.pairwise(hinges)):
            raise UserError(f"splash: hinges are {list(hinges)}; they must rise from 0")
        shape = (len(hinges),) if channels is None else (len(hinges), channels)
        self.a_pos = nn.Parameter(torch.zeros(shape))
        self.a_neg = nn.Parameter(torch.zeros(shape))
        nn.init.constant_(self.a_pos[0], 1.0)
        nn.init.constant_(self.a_neg[0], START[start])
        self.b = tuple(float(b) for b in hinges)
        self.hinges: nn.Parameter | None = None
        if learn_hinges and len(self.b) > 1:
            places = torch.tensor(self.b[1:])
            places = places if channels is None else places[:, None].repeat(1, channels)
            self.hinges = nn.Parameter(places)
        self.register_buffer("places", torch.tensor(self.b * 2), persistent=False)

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        slopes = torch.cat([self.a_pos, self.a_neg])
        if self.hinges is None:
            places = self.places.view(-1, *(1,) * (slopes.dim() - 1)).expand_as(slopes)
        else:
            side = torch.cat([torch.zeros_like(self.hinges[:1]), self.hinges])
            places = torch.cat([side, side])
        return hinges(x, slopes, places, (1.0,) * len(self.b) + (-1.0,) * len(self.b))

    def extra_repr(self) -> str:
        return f"hinges={self.b}, learned {tuple(self.a_pos.shape)} a side"
