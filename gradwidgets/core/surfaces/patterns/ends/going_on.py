"""Descents that zigzag down a kinked valley, followed until they no longer advance."""

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.ends.descents import descending
from gradwidgets.core.surfaces.patterns.ends.newton import Followed
from gradwidgets.core.surfaces.patterns.in_view import View, finite

_ROUNDS = 6
_LEAPS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)  # times the distance of a round: a kink may be straight
_ADVANCING = 1e-4  # of the view's width: a descent that moves further in a round has not ended


def gone_on(view: View, ends: Tensor) -> Followed:
    """Continue descents from where they stopped, with leaps in the direction in which they moved.

    Args:
        view: The loss over its axes; descents stay inside.
        ends: Where their steps ran out, (N, P).
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
        at, losses = _after_leaps(view, before, at, losses)
        going &= ((at - before).abs() / view.spans).amax(-1) > _ADVANCING
    return Followed(at, losses, going)


def _after_leaps(view: View, before: Tensor, at: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
    """The points up to which the loss falls, leap by leap, in the same direction, and the losses there."""
    to = view.within(at[:, None] + torch.tensor(_LEAPS, dtype=torch.float64)[:, None] * (at - before)[:, None])
    found, _ = finish(view.at(to.flatten(0, 1), gradient=False))
    found = torch.cat([losses[:, None], found.nan_to_num(torch.inf).reshape(len(at), -1)], 1)
    leaps = (found.diff(dim=1) < 0).cumprod(1).sum(1)  # so many, each lower than the one before
    rows = torch.arange(len(at))
    return torch.cat([at[:, None], to], 1)[rows, leaps], found[rows, leaps]
