"""The losses at the operating point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradwidgets.core.surfaces.at_point import at_point
from gradwidgets.widgets.explorer.problem import LossResult


@dataclass(frozen=True)
class Here:
    """One loss at the operating point.

    Attributes:
        loss: Its value; NaN if it raises an error.
        gradient: Its gradient, a number for each axis.
        eigenvalues: The eigenvalues of its Hessian, ascending; () if it has no second derivative there; None if they
            were not computed.
    """

    loss: float
    gradient: tuple[float, ...]
    eigenvalues: tuple[float, ...] | None = None


def look_at(result: LossResult, place: tuple[float, ...], *, curvature: bool) -> Mapping[str, Here]:
    """Evaluate the losses of a result at a point.

    Args:
        result: The result with the losses.
        place: The point, a number for each axis.
        curvature: Whether second derivatives are computed too.
    """
    return {name: Here(*at_point(grid, place, curvature=curvature)) for name, grid in result.grids.items()}
