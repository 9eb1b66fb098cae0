"""Where the plots of a training go: two in a wide column, two beside them; what is not there leaves its room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradwidgets.figures.axes.heading import LINE
from gradwidgets.figures.axes.waiting_line import height_of
from gradwidgets.figures.base.layout import Box, Layout, type_scale, whole_picture

_NARROW = 520.0  # CSS pixels of a picture whose headings take two lines
_STRIP, _STRIP_HEAD, _APART = 22.0, 21.0, 8.0  # least height of the dead units' strip, and the distances around lines


@dataclass(frozen=True)
class Rooms:
    """Which plots there are besides the layers' own two.

    Attributes:
        loss: Whether the loss is drawn.
        near: Whether a histogram is drawn.
        dead: Whether there are units that can be dead.
        waiting: What is said of plots that are not there, a line each.
        layers: Whether the layers' own plots are there.
    """

    loss: bool = True
    near: bool = True
    dead: bool = False
    waiting: tuple[str, ...] = ()
    layers: bool = True


@dataclass(frozen=True)
class Places:
    """The boxes of the plots, None for those that are not there.

    Attributes:
        norms: The layers over the steps.
        profile: The newest values over the layers.
        health: The dead units.
        loss: The loss.
        near: The histogram.
        waiting: The boxes of the lines.
    """

    norms: Box | None
    profile: Box | None
    health: Box | None
    loss: Box | None
    near: Box | None
    waiting: tuple[Box, ...]


class LiveLayout:
    """The layout of a training in a picture of some size.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.

    Attributes:
        narrow: Whether headings take two lines.
        sizes: The sizes of text and marks.
    """

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        scale = self._scale = type_scale(width, height)
        self.narrow = width < _NARROW * scale
        gutter = 49 if self.narrow else 61
        self._left, self._gutter, self._right, self._foot = (part * scale for part in (56, gutter, 18, 38))
        self._head = (24 + LINE * self.narrow) * scale
        self._side = 0.3 * width if self.narrow else max(0.25 * width, 150 * scale)
        self._plot = (height - 2 * self._head - 2 * self._foot) / 2
        self.sizes: Layout = whole_picture(width, height, scale)

    def places(self, rooms: Rooms) -> Places:
        """Return where everything goes."""
        if not rooms.layers:
            return self._without_layers(rooms)
        beside = rooms.loss or rooms.near
        main = self._width - self._left - (self._gutter + self._side if beside else 0) - self._right
        across = self._left + main + self._gutter if beside else self._left
        lines, floor = self._lines(rooms.waiting, across, self._side if beside else main)
        low, high = self._rows(0.0 if beside else floor)
        boxes = [self._box(self._left, *row, main) for row in (high, low)]
        profile, health = self._with_strip(low, main) if rooms.dead else (boxes[1], None)
        side = self._beside(rooms, across, floor, self._side)
        return Places(boxes[0], profile, health, *side, lines)

    def _without_layers(self, rooms: Rooms) -> Places:
        """The loss and the histogram take the whole width."""
        width = self._width - self._left - self._right
        lines, floor = self._lines(rooms.waiting, self._left, width)
        if rooms.loss and rooms.near:
            low, high = self._rows(floor)
            return Places(
                None, None, None, self._box(self._left, *high, width), self._box(self._left, *low, width), lines
            )
        return Places(None, None, None, *self._beside(rooms, self._left, floor, width), lines)

    def _rows(self, floor: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """The bottom and the height of the lower row and of the upper, above so many pixels."""
        plot = self._plot - floor / 2
        low = floor + self._foot
        return (low, plot), (low + plot + self._head + self._foot, plot)

    def _lines(self, waiting: Sequence[str], left: float, width: float) -> tuple[tuple[Box, ...], float]:
        """The boxes of the lines, the first on top, and how high they reach."""
        at, boxes = 0.0, []
        for words in reversed(waiting):
            height = height_of(words, width, self.sizes)
            boxes.append(self._box(left, at + _APART * self._scale, height, width))
            at += _APART * self._scale + height
        return tuple(boxes[::-1]), at

    def _with_strip(self, row: tuple[float, float], width: float) -> tuple[Box, Box]:
        bottom, height = row
        strip, head = max(0.2 * height, _STRIP * self._scale), _STRIP_HEAD * self._scale
        profile = self._box(self._left, bottom + strip + head, max(height - strip - head, 1.0), width)
        return profile, self._box(self._left, bottom, strip, width)

    def _beside(self, rooms: Rooms, left: float, floor: float, width: float) -> tuple[Box | None, Box | None]:
        """The boxes of the loss and the histogram: one alone is as high as both."""
        if rooms.loss and rooms.near:
            low, high = self._rows(0.0)
            return self._box(left, *high, width), self._box(left, *low, width)
        bottom = floor + self._foot
        whole = self._box(left, bottom, self._height - self._head - bottom, width)
        return whole if rooms.loss else None, whole if rooms.near else None

    def _box(self, left: float, bottom: float, height: float, width: float) -> Box:
        return left / self._width, bottom / self._height, width / self._width, height / self._height
