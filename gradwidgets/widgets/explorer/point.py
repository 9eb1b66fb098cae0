"""What the losses are like at the point where one stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradwidgets.core.surfaces.at_point import at_point
from gradwidgets.widgets.explorer.problem import LossResult


@dataclass(frozen=True)
class Here:
    """One loss at the operating point.

    Attributes:
        loss: Its value; NaN where it raises.
        gradient: A number for each axis.
        eigenvalues: Of the Hessian there, ascending; () where there is no second derivative; None where it was not
            asked for.
    """

    loss: float
    gradient: tuple[float, ...]
    eigenvalues: tuple[float, ...] | None = None


def look_at(result: LossResult, place: tuple[float, ...], *, curvature: bool) -> Mapping[str, Here]:
    """Evaluate the losses of a result at a place.

    Args:
        result: The losses.
        place: A number for each axis.
        curvature: Whether second derivatives are wanted too.
    """
    return {name: Here(*at_point(grid, place, curvature=curvature)) for name, grid in result.grids.items()}
