"""Descents that zigzag down a kinked valley, followed until they no longer get on."""

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.ends.descents import descending
from gradwidgets.core.surfaces.patterns.ends.newton import Followed
from gradwidgets.core.surfaces.patterns.in_view import View, finite

_ROUNDS = 6
_LEAPS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # times the way of a round: a kink may be straight
_GETTING_ON = 1e-4  # of the view's width: a round that is longer is one of a descent that goes on


def gone_on(view: View, ends: Tensor) -> Followed:
    """Begin again where descents have come to, and leap on the way that they have gone.

    Args:
        view: Where; they stay in it.
        ends: Where their steps have run out, (N, P).
    """
    at = ends.clone()
    losses, slopes = finish(view.at(at))
    going = finite(losses, slopes) & (slopes != 0).any(-1)
    for _ in range(_ROUNDS):
        if not bool(going.any()):
            break
        before = at.clone()
        on = finish(descending(view, at[going]))
        if len(on.ends) != int(going.sum()):
            break
        at[going], losses[going] = on.ends, on.losses
        at, losses = _leapt(view, before, at, losses)
        going &= ((at - before).abs() / view.spans).amax(-1) > _GETTING_ON
    return Followed(at, losses, going)


def _leapt(view: View, before: Tensor, at: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
    """How far the loss falls on the straight way on, leap by leap, and the losses there."""
    to = view.within(at[:, None] + torch.tensor(_LEAPS, dtype=torch.float64)[:, None] * (at - before)[:, None])
    found, _ = finish(view.at(to.flatten(0, 1), gradient=False))
    found = torch.cat([losses[:, None], found.nan_to_num(torch.inf).reshape(len(at), -1)], 1)
    leaps = (found.diff(dim=1) < 0).cumprod(1).sum(1)  # so many, each lower than the one before
    rows = torch.arange(len(at))
    return torch.cat([at[:, None], to], 1)[rows, leaps], found[rows, leaps]
