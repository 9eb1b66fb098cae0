"""Colours of a network's layers by depth, and their key."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.transforms import ScaledTranslation

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import title
from gradwidgets.figures.base.style import DARK, Style

# Lightness is monotone, which works for any colour vision; the ends contrast with the background.
_LIGHT_ENDS, _DARK_ENDS = (0.0, 0.62), (0.42, 1.0)


def depth_colors(count: int, style: Style) -> np.ndarray:
    """Return the colours from the first layer to the last, (count, 4)."""
    ends = _DARK_ENDS if style is DARK else _LIGHT_ENDS
    return colormaps["plasma"](np.linspace(*ends, count))


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
    lift = ScaledTranslation(-taken / 72, 7 * layout.scale / 72, axes.figure.dpi_scale_trans)
    places = np.linspace(-bar, 0, 25) / 72 * dpi / max(axes.bbox.width, 1)
    # Each colour extends to the end and is covered by the next: side by side, seams would show. Antialiased edges would
    # add up, and the bar would grow thicker towards its end.
    segments = [[(1 + a, 1.0), (1.0, 1.0)] for a in places[:-1]]
    axes.add_artist(
        LineCollection(
            segments,
            colors=depth_colors(24, style),
            linewidths=3.2 * layout.scale,
            capstyle="butt",
            antialiased=False,
            transform=axes.transAxes + lift,
            clip_on=False,
        )
    )
    first = title(axes, style, layout, right=True)
    first.set_text("first")
    taken += bar + gap
    first.set_transform(first.get_transform() + ScaledTranslation(-taken / 72, 0, axes.figure.dpi_scale_trans))
    return taken * dpi / 72 + first.get_window_extent(renderer).width
