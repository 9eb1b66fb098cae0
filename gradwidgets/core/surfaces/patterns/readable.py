"""Points that can be written in few digits."""

import torch
from torch import Tensor

from gradwidgets.core.operations.non_finite import blame
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import as_read, place
from gradwidgets.core.surfaces.patterns.look import Look

_DIGITS, _ALL = (3, 4, 6, 9), 17
_NOTHING = 1e-9  # of the view: a number nearer to 0 counts as 0


def readable(look: Look, point: Tensor) -> tuple[Tensor, str]:
    """Round a point to few digits, if the loss fails there in the same way; the result is a point, and in words.

    Args:
        look: The loss.
        point: (P,), where the loss is not finite.
    """
    if not look.known or look.grid.failed:
        return point, place(look.names, point.tolist())
    near_zero = torch.where(point.abs() < _NOTHING * look.spans, 0.0, point)
    read = [torch.tensor([as_read(v, digits) for v in near_zero.tolist()], dtype=torch.float64) for digits in _DIGITS]
    kinds = _kinds(look, torch.stack([point, *read]))
    for one, digits, kind in zip(read, _DIGITS, kinds[1:], strict=True):
        inside = bool(((one >= look.bounds[:, 0]) & (one <= look.bounds[:, 1])).all())
        if inside and kind == kinds[0] and _alike(look, point, one):
            return one, place(look.names, one.tolist(), digits)
    return point, place(look.names, point.tolist(), _ALL)


def _alike(look: Look, point: Tensor, other: Tensor) -> bool:
    """Whether the loss fails at two points, (P,), for the same reason: a whole number may be an edge."""
    causes = [blame(look.function, one) for one in (point, other)]
    made = {None if cause is None else (cause.operation, cause.action) for cause in causes}
    return len(made) == 1


def _kinds(look: Look, points: Tensor) -> list[tuple[bool, ...]]:
    """What is not finite at points, (N, P): the loss as NaN or as infinity, or only the gradient, as either."""
    loss, gradient = finish(look.view.at(points))
    alone = loss.isfinite() & ~gradient.isfinite().all(-1)
    return [tuple(row) for row in torch.stack([loss.isnan(), loss.isinf(), alone], -1).tolist()]
