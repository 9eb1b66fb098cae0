"""Losses that fall without end as the logarithm of an error does, where that error comes to 0."""

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.look import Look

_REACHES = (1e-2, 1e-3, 1e-4, 1e-5)  # of the view: how far from the place, on both sides along each axis
_EVEN = 0.1  # of the fall from one of these to the next: it is the same each time
FALLS = "; it falls there as the logarithm of an error that comes to 0"
CURE = (
    "It is unbounded where that error is 0, and the nearer to it, the steeper: add an eps inside, log(error + eps), as "
    "large as the error that is as good as none."
)


def falls_as_logarithm(look: Look, point: Tensor) -> bool:
    """Whether the loss falls towards a point inside the view, (P,), by as much with each tenth of the way, all around.

    So does the logarithm of what comes to 0 as a power there. A pole grows from step to step.
    """
    if not look.known or not bool(((point > look.view.low) & (point < look.view.high)).all()):
        return False
    steps = torch.tensor(_REACHES, dtype=torch.float64)[:, None, None] * torch.cat(
        [torch.diag(look.spans), -torch.diag(look.spans)]
    )
    losses, _ = finish(look.view.at((point + steps).flatten(0, 1), gradient=False))
    falls = -losses.reshape(len(_REACHES), -1).diff(dim=0)
    if not bool(falls.isfinite().all()) or not bool((falls > 0).all()):
        return False
    last, before = falls[-1], falls[-2]
    return bool(((last - before).abs() <= _EVEN * before).all())
