"""A loss at one point: its value, its gradient and its curvature."""

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.second_derivatives import hessians_at
from gradwidgets.core.results.slices import finish
from gradwidgets.core.surfaces.surface import SurfaceGrid, loss_of


def at_point(
    grid: SurfaceGrid, place: tuple[float, ...], *, curvature: bool
) -> tuple[float, tuple[float, ...], tuple[float, ...] | None]:
    """Evaluate a sampled loss at any point.

    Args:
        grid: The sampled loss.
        place: The point, a number for each axis.
        curvature: Whether to compute second derivatives too.

    Returns:
        Its value, NaN if it raises; its gradient, a number for each axis; the Hessian's eigenvalues, ascending, () if
        there is no second derivative, None without `curvature`.
    """
    point = torch.tensor([place], dtype=torch.float64)
    try:
        values = loss_of(grid).values(point)
    except LossError:
        return float("nan"), (float("nan"),) * len(place), () if curvature else None
    eigenvalues = _eigenvalues(grid, point) if curvature else None
    if curvature and not bool(values.loss.isfinite()):
        eigenvalues = ()
    return float(values.loss), tuple(values.gradient[0].tolist()), eigenvalues


def _eigenvalues(grid: SurfaceGrid, point: Tensor) -> tuple[float, ...]:
    spans = torch.tensor([high - low for low, high in grid.axes.values()], dtype=torch.float64)
    try:
        hessian = finish(hessians_at(loss_of(grid), point, spans))[0]
    except LossError:
        return ()
    if not bool(hessian.isfinite().all()):
        return ()
    return tuple(torch.linalg.eigvalsh(hessian).tolist())
