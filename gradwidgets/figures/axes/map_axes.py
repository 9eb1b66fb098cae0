"""The axes of a map, common to all maps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes, plot_axes
from gradwidgets.figures.base.style import Style

_STEPS = (1, 2, 2.5, 5, 10)


def map_axes(
    figure: Figure,
    position: int,
    x: np.ndarray,
    y: np.ndarray,
    names: tuple[str, str],
    style: Style,
    layout: Layout,
    *,
    prune: str | None = None,
) -> Axes:
    """Add the axes of a map, with ticks and labels where the layout has room for them.

    Args:
        figure: The figure to add them to.
        position: The map's index, row by row.
        x: The grid of the horizontal parameter, (W,).
        y: The grid of the vertical parameter, (H,).
        names: The parameters' names, horizontal first.
        style: The colours.
        layout: The positions and sizes.
        prune: Which end labels to leave out, "lower", "upper" or "both", so that those of neighbours do not collide.
    """
    axes = plot_axes(figure, layout.maps[position], style, layout)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS, prune=prune))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    below, left = position in layout.bottom_row, position in layout.left_column
    axes.tick_params(labelbottom=below, labelleft=left)
    label_axes(axes, style, layout, names[0] if below else "", names[1] if left else "")
    return axes


def pixels_per_unit(axes: Axes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the number of pixels per unit of each parameter, (2,)."""
    box = axes.bbox
    with np.errstate(over="ignore"):
        return np.array([box.width / (x[-1] - x[0]), box.height / (y[-1] - y[0])])
