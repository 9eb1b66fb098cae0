"""The names of the points where the gradient is zero, on a map or on a curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import NIGHT
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.notebook_figure import renderer_of

_MOST = 5  # names, at most
_AWAY, _MARK = 13.0, 9.0  # CSS pixels from a mark's middle to its name, and to its end
_EDGE = 3.0  # and from a name to another, and to the edge
_SAME = 1e-6  # of how high the loss is in view: a minimum that is higher by less is as low


@dataclass(frozen=True)
class Critical:
    """A point where the gradient is zero.

    Attributes:
        kind: A key of `CRITICAL`.
        place: Its coordinates, one for each axis.
        loss: The loss there.
    """

    kind: str
    place: tuple[float, ...]
    loss: float


def names_of(points: Sequence[Critical], height: float) -> list[str]:
    """Return what each point is called: its kind; of several minima, "lowest" and how much higher others are.

    Args:
        points: The points.
        height: How much the loss varies in view.
    """
    lows = [point.loss for point in points if point.kind == "minimum"]
    lowest, least = min(lows, default=0.0), _SAME * height
    differ = max(lows, default=0.0) - lowest > least

    def name(point: Critical) -> str:
        if point.kind != "minimum" or not differ:
            return point.kind
        rise = point.loss - lowest
        return f"{short(float(f'{rise:.2g}'))} higher" if rise > least else "lowest"

    return [name(point) for point in points]


class PointNames:
    """Names beside marks, where they are apart from each other, from other marks and from the edge.

    In a border of the other colour they are legible on any ground.

    Args:
        axes: The axes of the marks.
        layout: The sizes.
        colors: The letters' and their border's: white in night on a map.
        moving: Whether they lie on something that moves, and are animated; otherwise they belong to the background.
    """

    def __init__(
        self, axes: Axes, layout: Layout, colors: tuple[str, str] = ("#ffffff", NIGHT), *, moving: bool = False
    ) -> None:
        look: dict[str, Any] = {"fontsize": layout.small, "color": colors[0], "zorder": 4.5 if moving else 3.2}
        self._axes, self._layout = axes, layout
        self.texts = [MovingText(casing=colors[1], visible=False, **look) for _ in range(_MOST)]
        for text in self.texts:
            text.set_animated(moving)
            axes.add_artist(text)
        self._sizes: dict[tuple[float, str], tuple[float, float]] = {}

    def show(self, named: Sequence[tuple[str, float, float]], beside: Sequence[Text] = ()) -> None:
        """Write names.

        Args:
            named: The name and the place of each mark, the most important first.
            beside: Other texts on these axes, which stay free.
        """
        for text in self.texts:
            text.set_visible(False)
        if not named:
            return
        renderer, pixel = renderer_of(self._axes.figure), self._pixel
        places = self._axes.transData.transform([(x, y) for _, x, y in named])
        marks = [Bbox.from_extents(*at, *at).padded(_MARK * pixel) for at in places]
        taken = [text.get_window_extent(renderer).padded(_EDGE * pixel) for text in beside if text.get_text()]
        free = iter(self.texts)
        for (name, _, _), at, own in zip(named, places, marks, strict=True):
            place = self._beside(at, name, [*taken, *(mark for mark in marks if mark is not own)])
            unused = None if place is None else next(free, None)
            if place is not None and unused is not None:
                taken.append(place)
                self._write(unused, name, place)

    def _beside(self, at: np.ndarray, name: str, taken: Sequence[Bbox]) -> Bbox | None:
        """The box of a name below a point in pixels, above, at its right or left, where there is room."""
        width, height = self._size(name)
        away, inner = _AWAY * self._pixel, self._axes.bbox.padded(-_EDGE * self._pixel)
        below, above = (-width / 2, -away - height), (-width / 2, away)
        for x, y in (below, above, (away, -height / 2), (-away - width, -height / 2)):
            box = Bbox.from_bounds(at[0] + x, at[1] + y, width, height)
            within = inner.x0 < box.x0 < box.x1 < inner.x1 and inner.y0 < box.y0 < box.y1 < inner.y1
            if within and not any(box.padded(_EDGE * self._pixel).overlaps(other) for other in taken):
                return box
        return None

    def _write(self, text: MovingText, name: str, place: Bbox) -> None:
        text.set_text(name)
        base = place.y0 + 0.22 * place.height
        text.set_position(tuple(self._axes.transData.inverted().transform((place.x0, base)).tolist()))
        text.set_visible(True)

    def _size(self, name: str) -> tuple[float, float]:
        key = self._axes.figure.dpi, name
        if key not in self._sizes:
            font = self.texts[0].get_fontproperties()
            measure = renderer_of(self._axes.figure).get_text_width_height_descent
            self._sizes[key] = measure(name, font, False)[0], 1.15 * measure("lg", font, False)[1]
        return self._sizes[key]

    @property
    def _pixel(self) -> float:
        """The pixels of a CSS pixel of the smallest picture."""
        return self._layout.pixel * self._axes.figure.dpi / 72
