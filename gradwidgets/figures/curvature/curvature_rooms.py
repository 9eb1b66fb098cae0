"""Where the plots of the curvature go: what is not measured leaves its room to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradwidgets.figures.axes.heading import LINE
from gradwidgets.figures.axes.waiting_line import height_of
from gradwidgets.figures.base.layout import Box, Layout, type_scale, whole_picture

_NARROW = 520.0  # CSS pixels of a picture whose headings take two lines
_MIDDLE = (0.1, 0.42, 0.8, 0.16)  # the box of the line if there is nothing else
_APART = 8.0  # CSS pixels between two lines
_BAR, _BAR_GAP, _BAR_LABELS = 9.0, 7.0, 20.0  # widths in CSS pixels of the map's colour bar, and of what is beside it


@dataclass(frozen=True)
class Places:
    """The boxes of what there is; None for the rest.

    Attributes:
        eigenvalues: The spectrum.
        noise: The noise scale.
        signal_to_noise: The layers.
        correlation: The square map.
        bar: The map's colour bar.
        waiting: The lines.
    """

    eigenvalues: Box | None = None
    noise: Box | None = None
    signal_to_noise: Box | None = None
    correlation: Box | None = None
    bar: Box | None = None
    waiting: tuple[Box, ...] = ()


class CurvatureLayout:
    """The layout of the curvature in a picture of some size.

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
        narrow = self.narrow = width < _NARROW * scale
        self._left, self._gutter, self._right, self._head, self._foot = (
            part * scale for part in (50, 46 if narrow else 54, 18, 24, 38)
        )  # fmt: skip
        self._head += LINE * scale * narrow
        self._side = 0.3 * width if narrow else max(0.29 * width, 165 * scale)
        self._strip = 46 * scale
        self._strip_alone = max(2 * self._strip, 0.3 * height)
        self.sizes: Layout = whole_picture(width, height, scale)

    def places(self, there: frozenset[str], waiting: Sequence[str]) -> Places:
        """Return where everything goes.

        Args:
            there: The names of the parts that are drawn.
            waiting: What is said of the others, a line each.
        """
        if not there:
            return Places(waiting=(_MIDDLE,)[: len(waiting)] if len(waiting) < 2 else self._stacked(waiting))
        wide = next((name for name in ("eigenvalues", "signal_to_noise") if name in there), "")
        beside = [name for name in ("signal_to_noise", "correlation") if name in there and name != wide]
        lines, floor = self._lines(waiting, 0.0)
        across = self._width - self._left - self._right
        side = self._side_of(beside, floor)
        main = across - self._gutter - side if beside else across
        if not wide and not beside:
            return Places(noise=self._top_strip(across), waiting=self._stacked(waiting, below=True))
        boxes = self._main(wide, "noise" in there, main, floor)
        boxes |= self._beside(beside, self._left + main + self._gutter if boxes else self._left, side, floor)
        return Places(**boxes, waiting=lines)

    def _main(self, wide: str, with_noise: bool, width: float, floor: float) -> dict[str, Box]:
        bottom, boxes = floor + self._foot, {}
        if with_noise:
            boxes["noise"] = self._box(self._left, bottom, self._strip, width)
            bottom += self._strip + self._head + self._foot
        if wide:
            boxes[wide] = self._box(self._left, bottom, self._height - self._head - bottom, width)
        return boxes

    def _side_of(self, names: Sequence[str], floor: float) -> float:
        """The width of the second column: a map alone may be as wide as it is high."""
        if names != ["correlation"] or self.narrow:
            return self._side
        tall = self._height - self._head - floor - self._foot
        return max(self._side, min(tall + (_BAR + _BAR_GAP + _BAR_LABELS) * self._scale, 0.44 * self._width))

    def _beside(self, names: Sequence[str], left: float, side: float, floor: float) -> dict[str, Box]:
        if not names:
            return {}
        bottom, top = floor + self._foot, self._height - self._head
        if len(names) == 1 and names[0] != "correlation":
            return {names[0]: self._box(left, bottom, top - bottom, side)}
        plot = (top - bottom - self._head - self._foot) / 2 if len(names) == 2 else top - bottom
        bar, gap, labels = (part * self._scale for part in (_BAR, _BAR_GAP, _BAR_LABELS))
        square = min(side - gap - bar - labels, plot + (self._foot - 8 * self._scale if len(names) == 2 else 0))
        # The map has no labels below it.
        low = max(floor + 8 * self._scale, bottom + plot - square)
        boxes = {
            "correlation": self._box(left, low, square, square),
            "bar": self._box(left + square + gap, low, square, bar),
        }
        if len(names) == 2:
            start = low + square + self._head + self._foot
            boxes["signal_to_noise"] = self._box(left, start, top - start, side)
        return boxes

    def _top_strip(self, width: float) -> Box:
        height = self._strip_alone
        return self._box(self._left, self._height - self._head - height, height, width)

    def _stacked(self, waiting: Sequence[str], *, below: bool = False) -> tuple[Box, ...]:
        """Lines below the strip on top, or in the middle if there is none."""
        _, tall = self._lines(waiting, 0.0)
        strip = self._head + self._strip_alone + self._foot + 10 * self._scale
        floor = self._height - strip - tall if below else (self._height - tall) / 2
        return self._lines(waiting, max(floor, 0.0))[0]

    def _lines(self, waiting: Sequence[str], floor: float) -> tuple[tuple[Box, ...], float]:
        """The boxes of the lines, the first on top, and how high they reach."""
        width, at, boxes = self._width - self._left - self._right, floor, []
        for words in reversed(waiting):
            height = height_of(words, width, self.sizes)
            boxes.append(self._box(self._left, at + _APART * self._scale, height, width))
            at += _APART * self._scale + height
        return tuple(boxes[::-1]), at

    def _box(self, left: float, bottom: float, height: float, width: float) -> Box:
        return left / self._width, bottom / self._height, width / self._width, height / self._height
