"""The histogram of the sizes of a layer's gradient elements."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.decades import across
from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.moving_fill import MovingFill
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes
from gradwidgets.figures.base.moving import MovingLine
from gradwidgets.figures.base.style import Style, own_look
from gradwidgets.figures.live.training import Histogram

_TITLES = "sizes of elements", "elements"


class ElementSizes:
    """A step histogram over decades that only grow while the layer stays the same.

    Args:
        axes: The axes to draw on.
        color: The colour of the area under the staircase.
        style: The colours.
        layout: The sizes.
        lines: The lines of its heading.
    """

    def __init__(self, axes: Axes, color: str, style: Style, layout: Layout, *, lines: int = 1) -> None:
        self._axes, self._style, self._layout = axes, style, layout
        axes.set_yticks([])
        axes.set_ylim(0, 1.08)
        label_axes(axes, style, layout, x="|gradient|")
        self._heading = Heading(axes, style, layout, lines=lines)
        self._fill = MovingFill(axes, color, 0.16)
        self._words: str | None = None
        self._limits: tuple[int, int] | None = None
        self._width = 0.0

    def show(self, histogram: Histogram | None, line: MovingLine) -> bool:
        """Draw a histogram, or nothing; return whether title or limits changed.

        Args:
            histogram: The histogram to draw.
            line: The animated line.
        """
        if histogram is None or not len(histogram.counts):
            line.set_data([], [])
            self._fill.set_data([], [])
            self._words = self._limits = None
            return False
        edges, counts = np.asarray(histogram.edges, float), np.asarray(histogram.counts, float)
        x, y = np.repeat(edges, 2)[1:-1], np.repeat(counts / max(float(counts.max()), 1.0), 2)
        line.set_data(x, y)
        self._fill.set_data([x[0], *x, x[-1]], [0.0, *y, 0.0])
        words = histogram.title
        limits = self._limits_of(edges, words)
        changed = self._heading.show(_TITLES, [(words, words, self._style.muted)])
        width = self._axes.bbox.width
        if (limits, width) != (self._limits, self._width):
            with own_look():
                self._scale(limits, width)
            changed = True
        self._words, self._limits, self._width = words, limits, width
        return changed

    def _limits_of(self, edges: np.ndarray, words: str) -> tuple[int, int]:
        low, high = math.floor(edges[0] + 1e-9), math.ceil(edges[-1] - 1e-9)
        if words == self._words and self._limits is not None:
            low, high = min(low, self._limits[0]), max(high, self._limits[1])
        return low, max(high, low + 1)

    def _scale(self, limits: tuple[int, int], width: float) -> None:
        ticks = across(*limits, width / (self._layout.small * self._axes.figure.dpi / 72))
        self._axes.set_xlim(*limits)
        self._axes.set_xticks(list(ticks), list(ticks.values()))
