"""What a picture shows at a place: where on a figure that is, and values between the points of a grid or a curve."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def axes_at(figure: Figure, across: float, up: float) -> tuple[Axes, float, float] | None:
    """Return the axes at a place, and the place in their coordinates; None between axes.

    Args:
        figure: The figure.
        across: The place, as a fraction of the figure's width from the left.
        up: The place, as a fraction of its height from the bottom.
    """
    pixel = across * figure.bbox.width, up * figure.bbox.height
    for axes in figure.axes:
        if axes.get_visible() and axes.bbox.contains(*pixel):
            x, y = axes.transData.inverted().transform(pixel)
            return axes, float(x), float(y)
    return None


def within(grid: tuple[np.ndarray, np.ndarray], values: np.ndarray, x: float, y: float) -> float:
    """Return a value between the points of a grid, linear in both directions; NaN outside.

    Args:
        grid: The horizontal coordinates, (W,), and the vertical ones, (H,), both ascending.
        values: The values, (H, W).
        x: The horizontal coordinate.
        y: The vertical coordinate.
    """
    (column, right), (row, upper) = (_cell(side, at) for side, at in zip(grid, (x, y), strict=True))
    if column < 0 or row < 0:
        return float("nan")
    low, high = (values[k, column] * (1 - right) + values[k, column + 1] * right for k in (row, row + 1))
    return float(low * (1 - upper) + high * upper)


def _cell(side: np.ndarray, at: float) -> tuple[int, float]:
    """Return the index of the cell with a coordinate, and where in it that is; −1 outside."""
    if len(side) < 2 or not side[0] <= at <= side[-1]:
        return -1, 0.0
    index = min(int(np.searchsorted(side, at, "right")) - 1, len(side) - 2)
    return index, float((at - side[index]) / (side[index + 1] - side[index]))


def nearest_in_pixels(axes: Axes, points: np.ndarray, x: float, y: float, most: float) -> int | None:
    """Return which of some points, (P, 2), is nearest to a place, if it is within so many CSS pixels."""
    if not len(points):
        return None
    pixels = axes.transData.transform(points) - axes.transData.transform((x, y))
    distance = np.hypot(*pixels.T)
    nearest = int(np.nanargmin(distance)) if np.isfinite(distance).any() else 0
    return nearest if distance[nearest] * 100 / axes.figure.dpi <= most else None
