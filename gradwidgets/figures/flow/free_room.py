"""Room for words in a plot: where they cover neither a line nor other words."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

Rectangle = tuple[float, float, float, float]  # left, bottom, width and height, in pixels from the corner of the axes


class FreeRoom:
    """The room that lines leave in axes.

    Args:
        axes: Linear axes.
        lines: The lines' points, (n, 2) each, from left to right, in data coordinates.
        margin: How far words stay away from lines and from the edges, in pixels.

    Attributes:
        width: The axes' width in pixels.
        height: The axes' height in pixels.
    """

    def __init__(self, axes: Axes, lines: Iterable[np.ndarray], margin: float) -> None:
        self.width, self.height = float(axes.bbox.width), float(axes.bbox.height)
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        self._origin = np.array([low, bottom])
        self._scale = np.array([self.width / (high - low), self.height / (top - bottom)])
        self._lines = [_Line(self.pixels(line)) for line in lines if len(line)]
        self._taken: list[Rectangle] = []
        self._margin = margin

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Return points, (…, 2), in pixels."""
        return (points - self._origin) * self._scale

    def data(self, pixels: np.ndarray) -> np.ndarray:
        """Return points in pixels, (…, 2), in data coordinates."""
        return pixels / self._scale + self._origin

    def take(self, places: Iterable[Rectangle]) -> Rectangle | None:
        """Take the first place that is free; None if none is."""
        found = next((one for one in places if self._is_free(one)), None)
        if found is not None:
            self._taken.append(found)
        return found

    def _is_free(self, place: Rectangle) -> bool:
        left, bottom, wide, tall = place
        right, top, edge = left + wide, bottom + tall, self._margin / 2
        away = self._margin
        if left < edge or bottom < edge or right > self.width - edge or top > self.height - edge:
            return False
        for left_of, low, w, t in self._taken:
            if not (left_of >= right or left_of + w <= left or low >= top or low + t <= bottom):
                return False
        return not any(line.crosses(left - away, right + away, bottom - away, top + away) for line in self._lines)


class _Line:
    """A line from left to right, in pixels."""

    def __init__(self, points: np.ndarray) -> None:
        self._x, self._y = points[:, 0], points[:, 1]
        self._ends = float(self._x[0]), float(self._x[-1])
        self._range = float(self._y.min()), float(self._y.max())

    def crosses(self, left: float, right: float, bottom: float, top: float) -> bool:
        """Whether the line crosses a rectangle."""
        x, y = self._x, self._y
        if self._ends[1] < left or self._ends[0] > right or self._range[0] > top or self._range[1] < bottom:
            return False
        first, last = x.searchsorted((left, right))
        ends = np.interp((left, right), x, y)
        seen = np.concatenate((ends[:1], y[first:last], ends[1:]))
        below, above = seen < bottom, seen > top
        return not bool(below.all() or above.all()) and _meets(below, above)


def _meets(below: np.ndarray, above: np.ndarray) -> bool:
    """Whether any piece between two neighbouring points is neither below nor above."""
    return not bool(((below[1:] & below[:-1]) | (above[1:] & above[:-1])).all())
