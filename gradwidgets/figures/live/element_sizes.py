"""The histogram of the sizes of a layer's gradient elements."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes
from gradwidgets.figures.base.moving import MovingLine
from gradwidgets.figures.base.panel_text import Notice, fit, title
from gradwidgets.figures.base.style import Style, own_look
from gradwidgets.figures.live.training import Histogram

_NONE = "select a layer to see the sizes of its gradient's elements"
_MOST_TICKS = 5


class ElementSizes:
    """A step histogram over decades that only grow while the title stays the same.

    Args:
        axes: The axes to draw on.
        style: The colours.
        layout: The sizes.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout) -> None:
        self._axes, self._style, self._layout = axes, style, layout
        axes.set_yticks([])
        axes.set_ylim(0, 1.08)
        self._title = title(axes, style, layout)
        self._notice = Notice(axes, style, layout)
        self._words: str | None = None
        self._limits: tuple[int, int] | None = None

    def show(self, histogram: Histogram | None, line: MovingLine, why_none: str = "") -> bool:
        """Draw a histogram; return whether title or limits changed.

        Args:
            histogram: The histogram to draw; None for a sentence that says how to get one.
            line: The animated line.
            why_none: The sentence to show instead if there is no way to get one.
        """
        words = "" if histogram is None else histogram.title
        changed = self._notice.say((why_none or _NONE) if histogram is None else "")
        if histogram is None or not len(histogram.counts):
            line.set_data([], [])
            limits = None
        else:
            edges, counts = np.asarray(histogram.edges, float), np.asarray(histogram.counts, float)
            line.set_data(np.repeat(edges, 2)[1:-1], np.repeat(counts / max(float(counts.max()), 1.0), 2))
            limits = self._limits_of(edges, words)
        if (words, limits) != (self._words, self._limits):
            with own_look():
                fit(self._title, words, self._axes.bbox.width)
                self._scale(limits)
            self._words, self._limits = words, limits
            changed = True
        return changed

    def _limits_of(self, edges: np.ndarray, words: str) -> tuple[int, int]:
        low, high = math.floor(edges[0] + 1e-9), math.ceil(edges[-1] - 1e-9)
        if words == self._words and self._limits is not None:
            low, high = min(low, self._limits[0]), max(high, self._limits[1])
        return low, max(high, low + 1)

    def _scale(self, limits: tuple[int, int] | None) -> None:
        self._axes.set_xlabel("")
        if limits is None:
            self._axes.set_xticks([])
            return
        label_axes(self._axes, self._style, self._layout, x="|gradient| of an element")
        decades = list(Decades(*limits).ticks.items())
        ticks = dict(decades[:: math.ceil(len(decades) / _MOST_TICKS)])
        self._axes.set_xlim(*limits)
        self._axes.set_xticks(list(ticks), list(ticks.values()))
