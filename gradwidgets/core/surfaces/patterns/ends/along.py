"""Where steps along autograd's gradient lead, whatever the loss does: a part of it may be held on purpose."""

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.look import ABOVE, Look

_STARTS, _STARTS_SLOW = {1: 23, 2: 9}, {1: 7, 2: 3}  # along each axis
_STEPS, _STEPS_SLOW = 160, 60
_FIRST, _LAST = 0.05, 5e-4  # of the view's width: a step


def arriving(look: Look) -> float:
    """The share of such descents from over the view that end in the target, or as good as lowest where none is given.

    Every step is as long as its number says, uphill or down: what autograd follows need not be the loss.
    """
    ends, losses, begun = _following(look.view)
    if not bool(begun.any()):
        return 0.0
    if look.given:
        return float(look.in_targets(ends[begun]).double().mean())
    return float((losses[begun] <= look.lowest + ABOVE * look.height).double().mean())


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
        at = view.within(at - _FIRST * (_LAST / _FIRST) ** share * slope / size * view.spans)
        losses, gradients = finish(view.at(at))
    return at, losses, begun
