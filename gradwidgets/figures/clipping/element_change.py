"""The sizes of a step's elements before and after clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.decades import across
from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.moving_fill import MovingFill
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.style import Style, own_look
from gradwidgets.figures.clipping.clipped_step import Elements

_TITLES = "sizes of elements", "elements"
_MOST = 1.12  # height of a bin, in those of the highest before clipping
_HEIGHT = 1.34  # of the axes, over the highest bin: there is a line of words above it


class ElementChange:
    """An area for the sizes before, a staircase for those after, and a band beyond what elements may keep.

    Args:
        axes: The axes to draw on.
        before: The colour of the sizes before.
        after: Clipper → the colour of the sizes after.
        style: The colours.
        layout: The sizes.

    Attributes:
        before: The staircase before.
        after: Clipper → the staircase after.
        limit: The line at the limit of an element.
        note: What clipping did, in words.
    """

    def __init__(self, axes: Axes, before: str, after: Mapping[str, str], style: Style, layout: Layout) -> None:
        self._axes, self._style, self._layout = axes, style, layout
        self._colors = {"": before, **after}
        axes.set_yticks([])
        axes.set_ylim(0, _HEIGHT)
        label_axes(axes, style, layout, x="|gradient|")
        self._heading = Heading(axes, style, layout)
        self._area = MovingFill(axes, before, 0.2)
        self._beyond = MovingFill(axes, style.alarm, 0.12, 1.2)
        line = {"linewidth": 2.0 * layout.pixel}
        self.before = moving_line(axes, color=before, zorder=3, **line)
        self.after: dict[str, MovingLine] = {
            name: moving_line(axes, color=color, linestyle="--", zorder=4, **line) for name, color in after.items()
        }
        dashed = {"linestyle": (0, (4, 3)), "linewidth": 1.4 * layout.pixel}
        self.limit = moving_line(axes, color=style.alarm, zorder=5, **dashed)
        self.note = MovingText(
            x=0.5, y=0.9, ha="center", color=style.ink, fontsize=layout.small, zorder=7,
            transform=axes.transAxes,
        )  # fmt: skip
        axes.add_artist(self.note)
        self._ticked: tuple[object, ...] | None = None

    def show(self, elements: Elements | None, chosen: str) -> bool:
        """Draw the elements, or nothing; return whether the axis or the heading changed."""
        for line in (self.before, self.limit, *self.after.values()):
            line.set_data([], [])
        for area in (self._area, self._beyond):
            area.set_data([], [])
        if elements is None:
            return False
        changed = self._scale(float(elements.edges[0]), float(elements.edges[-1]))
        highest = max(1.0, float(elements.before.max(initial=0)))
        x = np.repeat(elements.edges, 2)[1:-1]
        before, after = (np.repeat(counts, 2) / highest for counts in (elements.before, elements.after))
        self.before.set_data(x, before)
        self._area.set_data([x[0], *x, x[-1]], [0.0, *before, 0.0])
        self.after[chosen].set_data(x, np.minimum(after, _MOST))  # a pile at the limit may be very high
        self._limit_at(elements.limit)
        self.note.set_text(elements.note)
        color = self._colors[chosen]
        names = [("― before", "― before", self._colors[""]), (f"╌ {chosen}", f"╌ {chosen}", color)]
        return self._heading.show((*_TITLES, ""), names) or changed

    def _limit_at(self, limit: float) -> None:
        place = math.log10(limit) if 0 < limit < math.inf else math.nan
        left, right = self._axes.get_xlim()
        there = left <= place <= right
        self.limit.set_data([place, place] if there else [], [0.0, _HEIGHT] if there else [])
        self._beyond.span(max(place, left), right, 0.0, _HEIGHT)

    def _scale(self, low: float, high: float) -> bool:
        width = self._axes.bbox.width
        if (low, high, width) == self._ticked:
            return False
        self._ticked = low, high, width
        shown = across(low, high, width / (self._layout.small * self._axes.figure.dpi / 72))
        with own_look():
            self._axes.set_xlim(low, high)
            self._axes.set_xticks(list(shown), list(shown.values()))
        return True
