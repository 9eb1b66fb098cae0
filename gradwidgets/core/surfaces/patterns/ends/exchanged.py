"""Minima that differ only in which parameter is which, as with the labels of a mixture."""

from collections.abc import Sequence

import torch

from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.patterns.look import Look

_BESIDE = 0.02  # of the view's widths: points within it are the same
SWAPPED = (
    "Which is {0} and which {1} makes no difference, or hardly: labels may be swapped. To fix them, let {1} be {0} + "
    "softplus(d)."
)
APART = "It does no harm to what begins with two different numbers: two that are the same stay the same."


def exchanged(look: Look) -> tuple[CriticalPoint, CriticalPoint] | None:
    """The lowest minimum, and the one that is the same with both parameters exchanged; None if there is none."""
    minima = [one for one in look.critical if one.kind == "minimum" and one.eigenvalues]
    if look.grid.y is None or len(minima) < 2:
        return None
    lowest = min(minima, key=lambda one: one.loss)
    swapped = torch.tensor(lowest.point[::-1], dtype=torch.float64)
    for other in minima:
        away = (torch.tensor(other.point, dtype=torch.float64) - swapped).abs()
        if other is not lowest and bool((away <= _BESIDE * look.spans).all()) and not is_between(look, other.point):
            return lowest, other
    return None


def is_between(look: Look, point: Sequence[float]) -> bool:
    """Whether both of a point's numbers are almost the same."""
    return abs(point[0] - point[-1]) <= _BESIDE * float(look.spans.min())
