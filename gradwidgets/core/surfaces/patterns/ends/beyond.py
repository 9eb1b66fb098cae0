"""Where descents lead that leave the view."""

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.ends.descents import Descents, descending
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.look import LOWEST, Look

_FURTHER = (
    1.5  # widths: if a crest and a valley of a periodic loss are in view, the next valley is no further beyond the edge
)
_ALIKE, _NEARLY_ALL = 0.05, 0.95  # of the height, and of the points: for a view about a whole period wide
_ASKED = 200  # points
_SAME = 1e-6  # of the view's widths: ends within it continue in the same way


def as_low_beyond(look: Look, descents: Descents, which: Tensor, low: float) -> Tensor:
    """Which descents leave through the edge of the view and settle beyond it as low as inside, (N,).

    Descents of a periodic loss do so: they end at the edge only because the view ends there.

    Args:
        look: The loss.
        descents: The descents from all over the view.
        which: The descents in question, (N,).
        low: The lowest loss inside.
    """
    view = look.view
    which = which & descents.blocked(view).any(-1)
    if not bool(which.any()):
        return which
    further = _FURTHER * view.spans
    wider = View(look.own, torch.stack([view.low - further, view.high + further], -1))
    cells = ((descents.ends[which] - view.low) / (_SAME * view.spans)).round()
    cells, place = cells.unique(dim=0, return_inverse=True)
    starts = view.within(view.low + cells * _SAME * view.spans)
    gone = finish(descending(wider, starts))
    rests = gone.settled & ~gone.blocked(wider).any(-1) & ((gone.losses - low).abs() <= LOWEST * look.height)
    returned = (starts[:, None] == gone.starts[rests]).all(-1).any(-1)
    found = torch.zeros_like(which)
    found[which] = returned[place]
    return found


def over_a_period(look: Look, descents: Descents, which: Tensor) -> Tensor:
    """Which descents leave through edges, (N,), beyond which the loss is the same as from the opposite edge on."""
    blocked, view = descents.blocked(look.view), look.view
    points, known = look.lattice.points[look.lattice.finite], look.lattice.loss[look.lattice.finite]
    chosen = torch.linspace(0, len(points) - 1, min(len(points), _ASKED), dtype=torch.float64).round().long()
    for axis in blocked[which].any(0).nonzero().flatten().tolist():
        onwards = points[chosen].clone()
        onwards[:, axis] += view.spans[axis]
        losses, _ = finish(View(look.own, look.bounds).at(onwards, gradient=False))
        alike = (losses - known[chosen]).abs() <= _ALIKE * look.height
        if float(alike.double().mean()) < _NEARLY_ALL:
            which = which & ~blocked[:, axis]
    return which
