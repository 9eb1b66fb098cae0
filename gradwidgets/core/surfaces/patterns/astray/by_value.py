"""Whether steps along autograd's gradient end where the value is lowest, by the value's own descent."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.ends.along import LAST, Arrival
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.look import Look

_OF_HEIGHT = 0.01  # of the loss's height: an end so far above the lowest loss is elsewhere
_FAR, _SAID = 0.05, 0.01  # of the lowest loss: an end so far above it is no end at it; is not said to be there
_ROUNDING = 1e-6  # of the loss's height
_AS_LOW = 0.9  # of the ends
_FIRST, _SHORTEST = 0.05, 1e-6  # of the view: how far around a place it is looked for a lower one
_RING = 8


@dataclass(frozen=True)
class Elsewhere:
    """An end of descents along autograd's gradient that is not where the value is lowest.

    Attributes:
        words: Both places with their losses.
        above: By how much the loss at the end is higher.
        far: Whether that is more than slightly.
    """

    words: str
    above: float
    far: bool


def elsewhere(look: Look, arrival: Arrival) -> Elsewhere | None:
    """Where descents along autograd's gradient end, and where the loss is lowest, if that is not the same; else None.

    What a last step is long, and where it is therefore off, counts for nothing.
    """
    losses = arrival.losses
    if look.given or not len(losses) or not bool(losses.isfinite().all()):
        return None
    lowest, least = _lowest_by_value(look)
    off = _within_a_step(look.view, arrival.ends)
    above = losses - least
    slight, far = (
        (above > _OF_HEIGHT * look.height + off) | (above > share * abs(least) + _ROUNDING * look.height + off)
        for share in (_SAID, _FAR)
    )
    if float((~slight).double().mean()) >= _AS_LOW:
        return None
    is_far = float((~far).double().mean()) < _AS_LOW
    apart = far if is_far else slight
    k = int(torch.where(apart, (losses - losses.median()).abs(), torch.inf).argmin())
    end = place(look.names, arrival.ends[k].tolist())
    words = (
        f"descents along autograd's gradient end {'for example ' * (arrival.together is None)}at {end} (loss "
        f"{number(float(losses[k]))}), the lowest is at {place(look.names, lowest.tolist())} (loss {number(least)})"
    )
    return Elsewhere(words, float(above[k]), is_far)


def _within_a_step(view: View, ends: Tensor) -> Tensor:
    """By how much the loss changes at most within a last step around ends, (N,)."""
    steps = torch.cat([sign * LAST * torch.diag(view.spans) for sign in (-1.0, 1.0)])
    beside = view.within((ends[:, None] + steps).flatten(0, 1))
    losses, _ = finish(view.at(torch.cat([ends, beside]), gradient=False))
    own, around = losses[: len(ends)], losses[len(ends) :].reshape(len(ends), -1)
    return 2 * (around - own[:, None]).abs().nan_to_num(0.0, 0.0, 0.0).amax(-1)


def _lowest_by_value(look: Look) -> tuple[Tensor, float]:
    """The lowest place that is known, (P,), and lower ones around it that the value alone leads to, with the loss."""
    view, lattice = look.view, look.lattice
    points, losses = [lattice.points[lattice.finite]], [lattice.loss[lattice.finite]]
    points.append(look.grid.points[look.finite].reshape(-1, view.dims))
    losses.append(look.grid.loss[look.finite].flatten())
    if look.descents is not None:
        points.append(look.descents.ends)
        losses.append(look.descents.losses)
    k = int(torch.cat(losses).argmin())
    at, least, reach = torch.cat(points)[k], float(torch.cat(losses)[k]), _FIRST
    angle = torch.arange(_RING, dtype=torch.float64) * (2 * torch.pi / _RING)
    ring = torch.stack([angle.cos(), angle.sin()], dim=-1)[:, : view.dims] * view.spans
    while reach > _SHORTEST:
        around = view.within(at + reach * ring)
        found, _ = finish(view.at(around, gradient=False))
        lower = found.nan_to_num(torch.inf, torch.inf, torch.inf)
        if float(lower.min()) < least:
            at, least = around[int(lower.argmin())], float(lower.min())
        else:
            reach *= 0.5
    return at, least
