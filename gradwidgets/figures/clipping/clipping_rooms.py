"""Where the plots of clipping go."""

from __future__ import annotations

from dataclasses import dataclass

from gradwidgets.figures.axes.heading import LINE
from gradwidgets.figures.axes.waiting_line import height_of
from gradwidgets.figures.base.layout import Box, Layout, type_scale, whole_picture

_NARROW = 520.0  # CSS pixels of a picture without room for names at the lines' ends
_ROW = 40.0  # CSS pixels of a meter, at most
_APART = 8.0  # CSS pixels between a line and a plot


@dataclass(frozen=True)
class Places:
    """The boxes of what there is.

    Attributes:
        norms: The layers' norms.
        meters: How much of its direction the step keeps.
        elements: The sizes of the elements, or the line in their place.
    """

    norms: Box
    meters: Box
    elements: Box


class ClippingLayout:
    """The layout of clipping in a picture of some size.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.

    Attributes:
        narrow: Whether there is no room for names at the lines' ends.
        sizes: The sizes of text and marks.
    """

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        scale = self._scale = type_scale(width, height)
        self.narrow = width < _NARROW * scale
        names = 22 if self.narrow else 94  # at the right end of the lines; else the meters name them too
        self._left, self._gutter, self._right, self._head, self._foot = (
            part * scale for part in (54, names, 18, 24, 38)
        )  # fmt: skip
        self._names = LINE * scale * self.narrow
        self._side = 0.36 * width if self.narrow else max(0.25 * width, 150 * scale)
        self.sizes: Layout = whole_picture(width, height, scale)

    def places(self, clippers: int, waiting: str = "") -> Places:
        """Return where everything goes.

        Args:
            clippers: The number of clippers.
            waiting: What is said instead of the elements; "" if they are drawn.
        """
        top, across = self._height - self._head, self._width - self._right - self._side
        main, tall = across - self._gutter - self._left, top - self._names - self._foot
        rows = min(_ROW * self._scale * clippers, 0.46 * (top - self._foot))
        floor, height = self._foot, top - rows - self._head - self._foot - 4 * self._scale
        if waiting:
            height = height_of(waiting, self._side, self.sizes)
            rows = min(1.7 * _ROW * self._scale * clippers, top - self._foot - height - _APART * self._scale)
            floor = top - rows - height - _APART * self._scale
        return Places(
            self._box(self._left, self._foot, tall, main),
            self._box(across, top - rows, rows, self._side),
            self._box(across, floor, height, self._side),
        )

    def _box(self, left: float, bottom: float, height: float, width: float) -> Box:
        return left / self._width, bottom / self._height, width / self._width, height / self._height
