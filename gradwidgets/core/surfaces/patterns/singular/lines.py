"""Lines of a surface along which a loss is not finite, or its gradient grows without end."""

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.surfaces.patterns.look import loss_function_of
from gradwidgets.core.surfaces.surface import SurfaceGrid

STEEP = 5.0  # times the median slope: a gentler row is no candidate for a pole
_MOST = 4  # candidates per axis
_ACROSS = 33  # points in a window about a candidate; the next window is two of their distances wide
_WINDOWS = 5
_LINES = 5  # points along the line that are followed
_GROWTH = (
    2.4  # times from a window to the next, which is 16 times narrower; towards a pole like 1/√distance it is 4 times
)


def singular_lines(grid: SurfaceGrid) -> dict[str, tuple[float, ...]]:
    """Find where a loss is singular all along a line in the direction of an axis.

    Either a single row or column of the grid is not finite, or the gradient grows towards a line between them like a
    power of the distance; it is followed to a millionth of a cell. A loss that must be called point by point
    is not followed.

    Args:
        grid: The surface; for a curve the lines are points.

    Returns:
        Axis → the values at which it is singular, ascending; only axes that have some.
    """
    finite = grid.loss.isfinite() & grid.gradient.isfinite().all(-1)
    function = None if grid.method == "pointwise" else loss_function_of(grid)
    found = {}
    for axis, (name, side) in enumerate(zip(grid.names, grid.sides, strict=True)):
        # Rows are values of this axis from here on, (N, M); a curve has one column.
        bad = ~finite[:, None] if finite.ndim == 1 else ~finite if axis == 1 else ~finite.T
        slopes = torch.where(bad, torch.nan, _rows(grid.gradient[..., axis], axis).abs())
        lines = _isolated(bad.all(1))
        places, cell = side[lines].tolist(), float(side[1] - side[0])
        if function is not None and not function.slow:
            for k in _candidates(slopes, lines):
                pole = _followed(function, grid, axis, k)
                if pole is not None and all(abs(pole - place) > cell / 2 for place in places):
                    places.append(pole)
        if places:
            found[name] = tuple(sorted(places))
    return found


def on_lines(grid: SurfaceGrid, lines: dict[str, tuple[float, ...]]) -> Tensor:
    """The grid points that lie on singular lines, or next to them, of the loss's shape."""
    near = torch.zeros_like(grid.loss, dtype=torch.bool)
    for axis, name in enumerate(grid.names):
        values = grid.points[..., axis]
        side = grid.sides[axis]
        for line in lines.get(name, ()):
            near |= (values - line).abs() < 1.01 * (side[1] - side[0])
    return near


def _rows(values: Tensor, axis: int) -> Tensor:
    return values[:, None] if values.ndim == 1 else values if axis == 1 else values.T


def _isolated(whole: Tensor) -> Tensor:
    """The indices of rows that are marked while their neighbours are not."""
    edge = torch.zeros(1, dtype=torch.bool)
    return (whole & ~torch.cat([edge, whole[:-1]]) & ~torch.cat([whole[1:], edge])).nonzero().flatten()


def _candidates(slopes: Tensor, known: Tensor) -> list[int]:
    """The indices of rows steeper than their neighbours and than most, without those next to known lines."""
    profile = slopes.nanmedian(1).values
    usual = float(profile.nanmedian())
    if not usual > 0:
        return []
    heights = torch.where(profile.isfinite(), profile, torch.zeros_like(profile))
    edge = heights.new_zeros(1)
    # Of two rows that are equal but for rounding, as on both sides of a pole, the first.
    highest = (heights > (1 + 1e-9) * torch.cat([edge, heights[:-1]])) & (
        heights >= (1 - 1e-9) * torch.cat([heights[1:], edge])
    )
    highest &= heights > STEEP * usual
    for line in known.tolist():
        highest[max(line - 1, 0) : line + 2] = False
    where = highest.nonzero().flatten()
    return where[heights[where].argsort(descending=True)][:_MOST].tolist()


def _followed(function: LossFunction, grid: SurfaceGrid, axis: int, k: int) -> float | None:
    """Where within a cell of row k the gradient along an axis grows without end; None if it does not."""
    side = grid.sides[axis]
    low, high = float(side[max(k - 1, 0)]), float(side[min(k + 1, len(side) - 1)])
    others = grid.points.new_zeros(1)
    if grid.y is not None:
        other = grid.sides[1 - axis]
        others = other[torch.linspace(0.07, 0.93, _LINES).mul(len(other) - 1).round().long()]
    middle, half = torch.full((len(others),), (low + high) / 2, dtype=torch.float64), (high - low) / 2
    shares = torch.linspace(-1, 1, _ACROSS, dtype=torch.float64)
    before = torch.ones(len(others), dtype=torch.float64)
    needed = max(1, len(others) - 1)
    for window in range(_WINDOWS):
        across = (middle[:, None] + half * shares).clamp(low, high)
        columns = [across, others[:, None].expand_as(across)]
        places = torch.stack(columns[: len(grid.names)] if axis == 0 else columns[::-1], dim=-1)
        try:
            values = function.values(places.flatten(0, 1))
        except LossError:
            return None
        slopes = values.gradient[:, axis].reshape(across.shape).double().abs()
        if bool((~slopes.isfinite()).sum(1).gt(2).any()):
            return None  # not a line but a region
        # The steepest point may happen to be near the pole; the ends are about a window's width away from it.
        ends = slopes[:, [0, -1]].nan_to_num(nan=torch.inf).amin(1)
        growth, before = ends / before, ends
        if window > 1 and int((growth > _GROWTH).sum()) < needed:
            return None
        at = slopes.nan_to_num(nan=torch.inf).argmax(1, keepdim=True)
        middle = across.gather(1, at)[:, 0]
        half *= 2 / (_ACROSS - 1)
    place = middle.median()
    cell = float(side[1] - side[0])
    if int(((middle - place).abs() < 1e-3 * cell).sum()) < needed:
        return None
    return 0.0 if abs(float(place)) < 1e-6 * cell else float(place)
