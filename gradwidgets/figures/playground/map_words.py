"""What is written on a map: where the descent starts, the minimum, and where a path leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import NIGHT
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.notebook_figure import renderer_of

_ARROWS = "→↗↑↖←↙↓↘"  # counterclockwise from the right
_START, _MINIMUM = "start", "minimum"
_FROM_DISC, _FROM_STAR = 11.0, 13.0  # CSS pixels from a mark's middle to its name


class MapWords:
    """The words on a map, white in night, legible on any of its colours.

    Args:
        axes: The map's axes.
        name: The map's name, which stays free.
        layout: The sizes.
        named: Whether start and minimum are named; on the first map is enough.

    Attributes:
        start: The name of the start.
        minimum: The name of the minimum.
        leaving: What is said where a path leaves the map.
    """

    def __init__(self, axes: Axes, name: Text, layout: Layout, *, named: bool) -> None:
        self._axes, self._layout, self._named = axes, layout, named
        look: dict[str, Any] = {
            "fontsize": layout.small,
            "color": "#ffffff",
            "zorder": 8.5,
            "ha": "left",
            "va": "baseline",
        }
        self.start, self.leaving = (MovingText(casing=NIGHT, visible=False, **look) for _ in range(2))
        for text in (self.start, self.leaving):
            axes.add_artist(text)
        border = [withStroke(linewidth=2.6 * layout.pixel, foreground=NIGHT)]
        self.minimum = axes.text(0, 0, "", parse_math=False, path_effects=border, **look)
        self._name = name
        self._sizes: dict[str, tuple[float, float]] = {}
        self._taken: list[Bbox] = []
        self._minima, self._dpi = np.empty((0, 2)), 0.0
        self._started: tuple[float, ...] | None = None
        self._limits = *axes.get_xlim(), *axes.get_ylim()

    def show_minima(self, minima: np.ndarray) -> None:
        """Name the first of the minima, (m, 2), that has room; the others look the same."""
        pixel = self._pixel
        self._minima, self._dpi = minima, self._axes.figure.dpi
        self._taken = [self._name.get_window_extent(renderer_of(self._axes.figure)).padded(4 * pixel)]
        self.minimum.set_text("")
        stars = [Bbox.from_extents(x, y, x, y).padded(10 * pixel) for x, y in self._axes.transData.transform(minima)]
        if self._named:
            for star in stars:
                place = self._beside(star.get_points().mean(axis=0), _MINIMUM, _FROM_STAR, [*self._taken, *stars], 1)
                if place is not None:
                    self._write(self.minimum, _MINIMUM, place)
                    self._taken.append(place)
                    break
        self._taken += stars
        self._started = None

    def move(self, path: np.ndarray, start: Sequence[float], *, diverged: bool) -> None:
        """Move the words with a path, (P, 2).

        Args:
            path: The visited points, in the axes' units.
            start: The starting point, (2,).
            diverged: Whether the run diverged; another that ends off the map says so too.
        """
        if self._dpi != self._axes.figure.dpi:
            self._sizes, self._started = {}, None
            self.show_minima(self._minima)
        if self._named and self._started != tuple(start):
            self._started = tuple(start)
            self._name_start(start)
        gone = len(path) > 0 and not self._holds(*path[-1].tolist())
        if gone or diverged:
            self._say_leaving(path, "diverged" if diverged else "off the map")
        self.leaving.set_visible(gone or diverged)

    def _name_start(self, start: Sequence[float]) -> None:
        place = None
        if self._holds(*start):
            here = self._axes.transData.transform(np.asarray(start, float))
            place = self._beside(here, _START, _FROM_DISC, self._taken)
        self.start.set_visible(place is not None)
        if place is not None:
            self._write(self.start, _START, place)

    def _say_leaving(self, path: np.ndarray, what: str) -> None:
        left, right, low, high = self._limits
        x, y = path.T
        inside = np.flatnonzero((x >= left) & (x <= right) & (y >= low) & (y <= high))
        last = int(inside[-1]) if len(inside) else 0
        ends = self._axes.transData.transform(path[last : last + 2]) if len(path) else np.zeros((0, 2))
        if len(ends) < 2:  # it ended on the map, where the loss is not finite
            place = self._within(ends[-1] if len(ends) else self._box.get_points().mean(axis=0), what)
        else:
            way = ends[1] - ends[0]
            what += " " + _ARROWS[round(float(np.arctan2(way[1], way[0])) / (np.pi / 4)) % 8]
            place = self._within(self._exit(ends[0], way), what)
        self._write(self.leaving, what, place)

    def _exit(self, at: np.ndarray, way: np.ndarray) -> np.ndarray:
        """Where a way from a point on the map crosses its edge, in pixels."""
        low, high = self._box.get_points()
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(way > 0, (high - at) / way, (low - at) / way)
        usable = shares[np.isfinite(shares)]
        return at + way * (float(np.clip(usable.min(), 0, 1)) if len(usable) else 0.0)

    def _within(self, at: np.ndarray, what: str) -> Bbox:
        """The box of words about a point in pixels, moved onto the map and off its name."""
        width, height = self._size(what)
        edge, (low, high) = 8 * self._pixel, self._box.get_points()
        x, y = np.clip(at - (width / 2, height / 2), low + edge, np.maximum(high - edge - (width, height), low + edge))
        box = Bbox.from_bounds(x, y, width, height)
        name = self._taken[0] if self._taken else None
        if name is not None and box.overlaps(name):
            box = Bbox.from_bounds(x, name.y1, width, height)
        return box

    def _beside(self, at: np.ndarray, what: str, away: float, taken: Sequence[Bbox], first: int = 0) -> Bbox | None:
        """The box of words at the right of a point in pixels, below, left or above, where there is room."""
        width, height = self._size(what)
        away *= self._pixel
        corners = [(away, -height / 2), (-width / 2, -away - height), (-away - width, -height / 2), (-width / 2, away)]
        own = Bbox.from_extents(*at, *at).padded(0.8 * away)
        for x, y in (*corners[first:], *corners[:first]):
            box = Bbox.from_bounds(at[0] + x, at[1] + y, width, height)
            free = not any(box.overlaps(other) for other in taken if not other.overlaps(own))
            if (
                free
                and self._box.x0 < box.x0
                and box.x1 < self._box.x1
                and self._box.y0 < box.y0 < box.y1 < self._box.y1
            ):
                return box
        return None

    def _write(self, text: Text, what: str, place: Bbox) -> None:
        text.set_text(what)
        base = place.y0 + 0.22 * place.height
        x, y = self._axes.transData.inverted().transform((place.x0, base)).tolist()
        text.set_position((x, y))

    def _holds(self, x: float, y: float) -> bool:
        """Whether a point lies on the map."""
        left, right, low, high = self._limits
        return left <= x <= right and low <= y <= high

    def _size(self, what: str) -> tuple[float, float]:
        if what not in self._sizes:
            font = self.minimum.get_fontproperties()
            width, height, _ = renderer_of(self._axes.figure).get_text_width_height_descent(what, font, False)
            self._sizes[what] = width, 1.25 * height
        return self._sizes[what]

    @property
    def _box(self) -> Bbox:
        return self._axes.bbox

    @property
    def _pixel(self) -> float:
        """The pixels of a CSS pixel of the smallest picture."""
        return self._layout.pixel * self._axes.figure.dpi / 72
