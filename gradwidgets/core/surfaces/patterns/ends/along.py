"""Where steps along autograd's gradient lead, whatever the loss does: a part of it may be held on purpose."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.flat.dead_ground import ABOVE
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.look import Look

_STARTS, _STARTS_SLOW = {1: 23, 2: 9}, {1: 7, 2: 3}  # along each axis
_STEPS, _STEPS_SLOW = 160, 60
_TOGETHER, _MOST = 0.03, 0.8  # of the view's widths; of the descents
_FIRST, LAST = 0.05, 5e-4  # of the view's width: a step


@dataclass(frozen=True, eq=False)
class Arrival:
    """Where such descents from over the view end.

    Attributes:
        share: How many of them in the target, or as good as lowest where none is given.
        together: The place beside which most of them end; None where they end all over the view.
        loss: The loss there.
        ends: Where they end, (N, P).
        losses: The losses there, (N,).
    """

    share: float
    together: tuple[float, ...] | None = None
    loss: float = float("nan")
    ends: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    losses: Tensor = field(default_factory=lambda: torch.empty(0))


def arriving(look: Look) -> Arrival:
    """Go down along autograd's gradient from all over the view.

    Every step is as long as its number says, uphill or down: what autograd follows need not be the loss.
    """
    ends, losses, begun = _following(look.view)
    if not bool(begun.any()):
        return Arrival(0.0)
    ends, losses = ends[begun], losses[begun]
    good = look.in_targets(ends, LAST) if look.given else losses <= look.lowest + ABOVE * look.height
    middle = ends.median(0).values
    near = ((ends - middle).abs() <= _TOGETHER * look.spans).all(-1)
    most = float(near.double().mean()) > _MOST
    return Arrival(
        float(good.double().mean()),
        tuple(middle.tolist()) if most else None,
        float(losses[near].median()) if most else float("nan"),
        ends,
        losses,
    )


def _following(view: View) -> tuple[Tensor, Tensor, Tensor]:
    """Where they end, (N, P), the losses there, and which of them had a gradient to begin with, (N,)."""
    starts, steps = (_STARTS_SLOW, _STEPS_SLOW) if view.slow else (_STARTS, _STEPS)
    at = view.lattice(starts[view.dims])
    losses, gradients = finish(view.at(at))
    begun = losses.isfinite() & gradients.isfinite().all(-1) & (gradients != 0).any(-1)
    for share in torch.linspace(0, 1, steps, dtype=torch.float64):
        slope = gradients.nan_to_num(0.0) * view.spans
        out = ((at <= view.low) & (slope > 0)) | ((at >= view.high) & (slope < 0))
        slope = torch.where(out, 0.0, slope)
        size = slope.norm(dim=-1, keepdim=True).clamp_min(1e-300)
        at = view.within(at - _FIRST * (LAST / _FIRST) ** share * slope / size * view.spans)
        losses, gradients = finish(view.at(at))
    return at, losses, begun
