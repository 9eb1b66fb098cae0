"""Where steps along autograd's gradient lead, even if the loss rises: a part of it may be detached on purpose."""

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
_FIRST, LAST = 0.05, 5e-4  # of the view's width: the first and the last step


@dataclass(frozen=True, eq=False)
class Arrival:
    """Where descents along autograd's gradient from all over the view end.

    Attributes:
        share: The share of them that ends in the target, or at almost the lowest loss if there is no target.
        together: The point near which most of them end; None if there is none.
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
    """Follow autograd's gradient down from all over the view.

    The length of a step depends on its number alone, even if the loss rises: the gradient need not be the loss's.
    """
    ends, losses, begun = _following_gradient(look.view)
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


def _following_gradient(view: View) -> tuple[Tensor, Tensor, Tensor]:
    """Where the descents end, (N, P), the losses there, and which of them had a gradient at the start, (N,)."""
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
