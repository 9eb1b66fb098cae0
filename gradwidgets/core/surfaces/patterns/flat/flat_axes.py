"""Parameters on which a loss depends only by rounding."""

import torch
from torch import Tensor

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.surfaces.patterns.in_view import View
from gradwidgets.core.surfaces.patterns.lattice import Lattice

_SLIGHT = 1e-5  # of the loss's height: a larger change over the view is not float64's rounding
_ASKED = 64  # points
_AWAY = 1e-9  # of the view: so near a slope is the same, but its rounding differs
_UNLIKE = 0.2  # of a slope: rounding differs by more from point to point


def flat_axes(view: View, lattice: Lattice, height: float) -> Slices[list[int]]:
    """The axes along which the change of a loss, and its gradient, are only rounding; axes without a gradient left out.

    Args:
        view: The loss.
        lattice: The loss and its gradient at the points of a lattice.
        height: How far the loss rises in view.
    """
    points, gradient = lattice.points[lattice.finite], lattice.gradient[lattice.finite]
    small = (gradient.abs().amax(0) * view.spans <= _SLIGHT * height) if len(points) else torch.zeros(view.dims)
    slight = [axis for axis in range(view.dims) if small[axis] and bool((gradient[:, axis] != 0).any())]
    slight = [axis for axis in slight if _change(lattice, axis, view.dims) <= _SLIGHT * height]
    if not slight or height == 0:
        return []
    chosen = torch.linspace(0, len(points) - 1, min(len(points), _ASKED), dtype=torch.float64).round().long()
    away = view.spans * _AWAY * (1 + torch.arange(view.dims))
    _, beside = yield from view.at(points[chosen] + away)
    return [axis for axis in slight if _is_rounding(gradient[chosen, axis], beside[:, axis])]


def _change(lattice: Lattice, axis: int, dims: int) -> float:
    """The largest change of the loss along an axis, jumps included."""
    shape = [lattice.count] * dims
    ends = [torch.where(lattice.finite, lattice.loss, far).reshape(shape) for far in (torch.inf, -torch.inf)]
    return float((ends[1].amax(axis) - ends[0].amin(axis)).clamp_min(0).max())


def _is_rounding(slopes: Tensor, beside: Tensor) -> bool:
    """Whether slopes differ from those right beside, (N,) each, at most of the points where there are any."""
    larger = torch.maximum(slopes.abs(), beside.abs())
    some = larger > 0
    return bool(some.any()) and float(((slopes - beside).abs() > _UNLIKE * larger)[some].double().mean()) > 0.5
