"""What the losses are like at the point where one stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gradwidgets.core import LossError, SurfaceGrid
from gradwidgets.core.losses.second_derivatives import hessians_at
from gradwidgets.core.results.slices import finish
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
        result: Whose losses.
        place: A number for each axis.
        curvature: Whether second derivatives are wanted too.
    """
    point = torch.tensor([place], dtype=torch.float64)
    here = {}
    for name, grid in result.grids.items():
        try:
            values = grid.function.values(point)
        except LossError:
            here[name] = Here(float("nan"), (float("nan"),) * len(place), () if curvature else None)
            continue
        eigenvalues = _eigenvalues(grid, point) if curvature else None
        if curvature and not bool(values.loss.isfinite()):
            eigenvalues = ()
        here[name] = Here(float(values.loss), tuple(values.gradient[0].tolist()), eigenvalues)
    return here


def _eigenvalues(grid: SurfaceGrid, point: torch.Tensor) -> tuple[float, ...]:
    spans = torch.tensor([high - low for low, high in grid.axes.values()], dtype=torch.float64)
    try:
        hessian = finish(hessians_at(grid.function, point, spans))[0]
    except LossError:
        return ()
    if not bool(hessian.isfinite().all()):
        return ()
    return tuple(torch.linalg.eigvalsh(hessian).tolist())
