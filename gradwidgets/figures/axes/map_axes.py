"""The axes of a map, common to all maps."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.axes.ticks import short, told_apart
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes, plot_axes
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import fit
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
    below, left = position in layout.bottom_row, position in layout.left_column
    axes.tick_params(labelbottom=below, labelleft=left)
    label_axes(axes, style, layout, names[0] if below else "", names[1] if left else "")
    for axis, side, most in ((axes.xaxis, x, 5), (axes.yaxis, y, 6)):
        set_ticks(axis, side, most, layout, prune=prune if axis is axes.xaxis else None)
        name_between_ticks(axis)
    return axes


def set_ticks(axis: Axis, side: np.ndarray, most: int, layout: Layout, *, prune: str | None = None) -> None:
    """Set round ticks within a view, fewer on a small map.

    Args:
        axis: The axis.
        side: Its grid.
        most: The number of intervals, at most.
        layout: The sizes.
        prune: See `map_axes`.
    """
    ticks = round_ticks(side, most)
    room = _length(axis) / (axis.figure.dpi * layout.small / 72)
    while len(ticks) > 2 and len(ticks) * (1 + 0.6 * max(len(text) for text in ticks.values())) > room:
        ticks = dict(list(ticks.items())[::2])
    if prune:
        low, high = float(side[0]), float(side[-1])
        ticks = {at: text for at, text in ticks.items() if 0.06 < (at - low) / (high - low) < 0.94}
    axis.set_ticks(list(ticks), list(ticks.values()))


def round_ticks(side: np.ndarray, most: int) -> dict[float, str]:
    """Return round numbers within a grid, each with its label.

    Args:
        side: The grid.
        most: The number of intervals between them, at most.
    """
    low, high = float(side[0]), float(side[-1])
    with np.errstate(over="ignore"):
        span = high - low
    if not np.isfinite(span):
        return {low: short(low), high: short(high)}
    at = [float(tick) for tick in MaxNLocator(most, steps=_STEPS).tick_values(low, high) if low <= tick <= high]
    return dict(zip(at, told_apart(at), strict=True))


def name_between_ticks(axis: Axis) -> None:
    """Put an axis' name in line with its tick labels, in the gap nearest to the middle; hide labels that it covers."""
    name, renderer = axis.label, renderer_of(axis.figure)
    if not name.get_text():
        return
    across = isinstance(axis, XAxis)
    low, high = axis.get_view_interval()
    fit(name, name.get_text(), 0.9 * _length(axis))
    box = name.get_window_extent(renderer)
    half = (box.width if across else box.height) / 2 / _length(axis) * (high - low)
    shown = [tick for tick in axis.get_major_ticks() if tick.get_loc() is not None]
    ends = [low, *(tick.get_loc() for tick in shown), high]
    gaps = [(a + b) / 2 for a, b in itertools.pairwise(ends[1:-1])] or [(low + high) / 2]
    middle = min(gaps, key=lambda gap: abs(gap - (low + high) / 2))
    gap = (6 if across else 2) * axis.figure.dpi / 100 / _length(axis) * (high - low)
    kept = {}
    for tick in shown:
        label = tick.label1.get_window_extent(renderer)
        reach = (label.width if across else 0.65 * label.height) / 2 / _length(axis) * (high - low)
        if abs(tick.get_loc() - middle) >= half + reach + gap:
            kept[tick.get_loc()] = tick.label1.get_text()
    pad = axis.get_tick_padding() / 72 * axis.figure.dpi
    share = (middle - low) / (high - low)
    if across:
        axis.set_label_coords(share, -1.35 * pad / axis.axes.bbox.height)
    else:
        axis.set_label_coords(-pad / axis.axes.bbox.width, share)
    axis.set_ticks(list(kept), list(kept.values()))


def _length(axis: Axis) -> float:
    box = axis.axes.bbox
    return float(box.width if isinstance(axis, XAxis) else box.height)


def pixels_per_unit(axes: Axes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the number of pixels per unit of each parameter, (2,)."""
    box = axes.bbox
    with np.errstate(over="ignore"):
        return np.array([box.width / (x[-1] - x[0]), box.height / (y[-1] - y[0])])
