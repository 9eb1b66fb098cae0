"""Colours of a network's layers by depth, lit from the loss at its end, and their key."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.transforms import BboxTransformTo, ScaledTranslation

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import title
from gradwidgets.figures.base.style import DARK, Style

# Levels of the ramp at the first layer and the last: lightness rises with depth, which works for any colour vision, and
# both ends contrast with the background.
_LIGHT_ENDS, _DARK_ENDS = (1.0, 0.52), (0.6, 0.0)


def depth_colors(count: int, style: Style) -> np.ndarray:
    """Return the colours from the first layer to the last, (count, 4)."""
    ends = _DARK_ENDS if style is DARK else _LIGHT_ENDS
    return style.ramp[(np.linspace(*ends, count) * (len(style.ramp) - 1)).round().astype(int)]


def depth_key(axes: Axes, style: Style, layout: Layout) -> float:
    """Draw the key of layer colours above the right end of axes.

    Returns:
        Its width in pixels.
    """
    renderer, dpi = renderer_of(axes.figure), axes.figure.dpi
    last = title(axes, style, layout, right=True)
    last.set_text("last layer")
    gap, bar = 5 * layout.scale, 36 * layout.scale  # points
    taken = last.get_window_extent(renderer).width * 72 / dpi + gap
    places = (np.linspace(-bar, 0, 25) - taken) / 72  # inches from the right end of the axes
    height, end = 9.6 * layout.pixel / 72, -taken / 72
    # Each colour extends to the end and is covered by the next: side by side, seams would show. Antialiased edges would
    # add up, and the bar would grow thicker towards its end.
    segments = [[(a, height), (end, height)] for a in places[:-1]]
    axes.add_artist(
        LineCollection(
            segments,
            colors=depth_colors(24, style),
            linewidths=8 * layout.pixel,
            capstyle="butt",
            antialiased=False,
            transform=axes.figure.dpi_scale_trans + ScaledTranslation(1, 1, BboxTransformTo(axes.bbox)),
            clip_on=False,
        )
    )
    first = title(axes, style, layout, right=True)
    first.set_text("first")
    taken += bar + gap
    first.set_transform(first.get_transform() + ScaledTranslation(-taken / 72, 0, axes.figure.dpi_scale_trans))
    return taken * dpi / 72 + first.get_window_extent(renderer).width
