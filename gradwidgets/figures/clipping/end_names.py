"""The names of lines at their right ends, apart from each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.style import Style

_LINE, _GAP = 15.0, 10.0  # CSS pixels of the smallest picture: from one name to the next, and from a line to its name


class EndNames:
    """Names beside axes, each at the height of its line's end or as near as there is room.

    Args:
        axes: The axes of the lines.
        names: Name → its line's colour.
        style: The colours.
        layout: The sizes.

    Attributes:
        texts: Name → its text.
    """

    def __init__(self, axes: Axes, names: Mapping[str, str], style: Style, layout: Layout) -> None:
        self._axes, self._layout = axes, layout
        self.texts = {
            name: MovingText(
                text=name, color=style.written(color), fontsize=layout.small, clip_on=False, zorder=7,
                transform=axes.transAxes,
            )
            for name, color in names.items()
        }  # fmt: skip
        for text in self.texts.values():
            axes.add_artist(text)

    def show(self, heights: Mapping[str, float]) -> None:
        """Move the names to their lines.

        Args:
            heights: Name → the height of its line's end, in the axes' units; NaN hides a name.
        """
        low, high = self._axes.get_ylim()
        pixel = self._layout.pixel / 72 * self._axes.figure.dpi
        box = self._axes.bbox
        known = [name for name in self.texts if np.isfinite(heights.get(name, np.nan))]
        known.sort(key=lambda name: heights[name])
        at = apart([(heights[name] - low) / (high - low) for name in known], _LINE * pixel / max(box.height, 1))
        for text in self.texts.values():
            text.set_visible(False)
        for name, height in zip(known, at, strict=True):
            text = self.texts[name]
            text.set_visible(True)
            text.set_position((1 + _GAP * pixel / max(box.width, 1), height - 0.3 * _LINE * pixel / max(box.height, 1)))


def apart(heights: list[float], least: float) -> list[float]:
    """Move ascending heights, 0 to 1, as little as needed to be so far apart.

    Args:
        heights: The heights, ascending.
        least: The distance from one to the next.
    """
    # Least squares with an order: groups of neighbours that would touch share a mean.
    groups: list[tuple[float, int]] = []
    for place, height in enumerate(heights):
        mean, count = height - least * place, 1
        while groups and groups[-1][0] > mean:
            other, many = groups.pop()
            mean, count = (other * many + mean * count) / (many + count), many + count
        groups.append((mean, count))
    flat = [mean for mean, count in groups for _ in range(count)]
    top = max(1.0 - least * (len(heights) - 1), 0.0)
    return [min(max(mean, 0.0), top) + least * place for place, mean in enumerate(flat)]
