"""Arrows of a vector field, and of the parts of a step."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.quiver import Quiver

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.style import luminance

_DARK, _LIGHT = np.array([0.08, 0.12, 0.16]), np.ones(3)
_FIELD_ALPHA = 0.9


def arrow(vector: np.ndarray, head: float) -> np.ndarray:
    """Return an arrow from the origin as one polyline, shape (5, 2): it is as cheap to move as a path.

    Args:
        vector: Its tip, (2,), in pixels.
        head: The length of the head's strokes in pixels; less for a short arrow.
    """
    length = float(np.hypot(*vector))
    if length == 0:
        return np.zeros((5, 2))
    along = vector / length
    across = np.array([-along[1], along[0]])
    size = min(head, 0.5 * length)
    left = vector - size * (along + 0.55 * across)
    right = vector - size * (along - 0.55 * across)
    return np.array([np.zeros(2), vector, left, vector, right])


def magnification(longest: float, wanted: float) -> float:
    """Return the factor 1, 2, 5, 10, 20, 50, … by which vectors are magnified, up to `wanted` pixels.

    Args:
        longest: The length of the longest vector in pixels.
        wanted: The length that it may have at most.
    """
    if longest <= 1e-300 * wanted or longest * 2 > wanted:
        return 1
    decade = 10.0 ** math.floor(math.log10(wanted / longest))
    return max(step * decade for step in (1, 2, 5) if longest * step * decade <= wanted)


def field_arrows(
    grad_x: np.ndarray, grad_y: np.ndarray, pixels_x: float, pixels_y: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return arrows along the negative gradient, with lengths from 0.35 to 1 that compress three decades.

    Args:
        grad_x: The horizontal component of the gradient.
        grad_y: The vertical component, of the same shape.
        pixels_x: The number of pixels per unit of the horizontal parameter.
        pixels_y: The number of pixels per unit of the vertical one; the direction of −gradient is that seen on the
            page, with its two scales.

    Returns:
        Both components, NaN where the gradient is zero or not finite.
    """
    u, v = -grad_x * pixels_x, -grad_y * pixels_y
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        size = np.hypot(u, v)
        usable = np.isfinite(size) & (size > 0)
        peak = size[usable].max() if usable.any() else 1.0
        length = 0.35 + 0.65 * np.clip(1 + np.log10(size / peak) / 3, 0, 1)
        u, v = (np.where(usable, part / size * length, np.nan) for part in (u, v))
    return u, v


def field_colors(ground: np.ndarray) -> np.ndarray:
    """Return colours that stand out from each of the background's colours, (…, 4) both."""
    light = luminance(ground[..., :3])
    dark_stands_out = (light + 0.05) / (luminance(_DARK) + 0.05) > (luminance(_LIGHT) + 0.05) / (light + 0.05)
    colors = np.where(dark_stands_out[..., None], _DARK, _LIGHT)
    return np.concatenate([colors, np.full((*light.shape, 1), _FIELD_ALPHA)], axis=-1)


def draw_field(
    axes: Axes,
    layout: Layout,
    x: np.ndarray,
    y: np.ndarray,
    gradient: tuple[np.ndarray, np.ndarray],
    ground: np.ndarray,
    *,
    lengths: bool = True,
    drawn: Quiver | None = None,
) -> Quiver:
    """Draw the field of negative gradients over a map.

    Args:
        axes: The map's axes.
        layout: The number and length of the arrows.
        x: The grid of the horizontal parameter, (W,).
        y: The grid of the vertical parameter, (H,).
        gradient: Its horizontal and vertical components, (H, W) each.
        ground: The colours of the map, (H, W, 4): an arrow is dark or light depending on the colour under it.
        lengths: Whether an arrow's length shows the gradient's size; otherwise all have the same length.
        drawn: A field of the same axes and grids to change, which is faster than to draw another; None for none.
    """
    across, down = (
        np.linspace(0, len(grid) - 1, count + 2).round().astype(int)[1:-1]
        for grid, count in zip((x, y), layout.arrows, strict=True)
    )
    box = axes.bbox
    with np.errstate(over="ignore"):
        scales = box.width / (x[-1] - x[0]), box.height / (y[-1] - y[0])
    grad_x, grad_y = (part[np.ix_(down, across)] for part in gradient)
    u, v = field_arrows(grad_x, grad_y, *scales)
    if not lengths:
        size = np.hypot(u, v)
        u, v = 0.8 * u / size, 0.8 * v / size
    colors = field_colors(ground[np.ix_(down, across)]).reshape(-1, 4)
    if drawn is not None:
        drawn.set_UVC(u, v)
        drawn.set_color(colors)  # type: ignore[arg-type]  # it takes an array too
        return drawn
    pixel = axes.figure.dpi / layout.dpi
    return axes.quiver(
        *np.meshgrid(x[across], y[down]),
        u,
        v,
        color=colors,
        pivot="mid",
        zorder=2,
        scale_units="inches",
        units="dots",
        scale=1 / layout.arrow_inches,
        width=1.1 * pixel * layout.scale,
        headwidth=4.2,
        headlength=4.6,
        headaxislength=4.0,
    )
