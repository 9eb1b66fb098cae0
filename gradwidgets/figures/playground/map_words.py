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
_MOST = 2_400  # points by which a path's way over a name is known


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
        self.start, self.minimum, self.leaving = (MovingText(casing=NIGHT, visible=False, **look) for _ in range(3))
        for text in (self.start, self.minimum, self.leaving):
            axes.add_artist(text)
        self._name = name
        self._places: list[Bbox] = []  # where the minimum may be named, the best first
        self._sizes: dict[str, tuple[float, float]] = {}
        self._taken: list[Bbox] = []
        self._minima, self._dpi, self._at = np.empty((0, 2)), 0.0, 0
        self._started: tuple[float, ...] | None = None
        self._limits = *axes.get_xlim(), *axes.get_ylim()

    def show_minima(self, minima: np.ndarray) -> None:
        """Name the first of the minima, (m, 2), that has room; the others look the same."""
        pixel = self._pixel
        self._minima, self._dpi = minima, self._axes.figure.dpi
        self._taken = [self._name.get_window_extent(renderer_of(self._axes.figure)).padded(4 * pixel)]
        self._places = []
        stars = [Bbox.from_extents(x, y, x, y).padded(10 * pixel) for x, y in self._axes.transData.transform(minima)]
        for star in stars if self._named else ():
            middle = star.get_points().mean(axis=0)
            self._places = self._places or self._beside(middle, _MINIMUM, _FROM_STAR, [*self._taken, *stars], 1)
        self.minimum.set_visible(False)
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
        if self._named:
            self._name_minimum(path)
            if self._started != tuple(start):
                self._started = tuple(start)
                self._name_start(start)
        gone = len(path) > 0 and not self._holds(*path[-1].tolist())
        if gone or diverged:
            self._say_leaving(path, "diverged" if diverged else "off the map")
        self.leaving.set_visible(gone or diverged)

    def _name_minimum(self, path: np.ndarray) -> None:
        """Name the minimum where the path does not pass; while it passes nowhere else, the name stays."""
        if not self._places:
            return
        points = _filled(self._axes.transData.transform(path), 6 * self._pixel) if len(path) else path
        crossed = [_crossings(points, place) for place in self._places]
        if not self.minimum.get_visible() or crossed[self._at] > min(crossed):
            self._at = crossed.index(min(crossed))
            self._write(self.minimum, _MINIMUM, self._places[self._at])
            self.minimum.set_visible(True)
            self._started = None

    def _name_start(self, start: Sequence[float]) -> None:
        places: list[Bbox] = []
        if self._holds(*start):
            here = self._axes.transData.transform(np.asarray(start, float))
            minimum = [self._places[self._at]] if self._places else []
            places = self._beside(here, _START, _FROM_DISC, [*self._taken, *minimum])
        self.start.set_visible(bool(places))
        if places:
            self._write(self.start, _START, places[0])

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

    def _beside(self, at: np.ndarray, what: str, away: float, taken: Sequence[Bbox], first: int = 0) -> list[Bbox]:
        """The boxes of words at the right of a point in pixels, below, left and above, where there is room."""
        width, height = self._size(what)
        away *= self._pixel
        corners = [(away, -height / 2), (-width / 2, -away - height), (-away - width, -height / 2), (-width / 2, away)]
        own, found = Bbox.from_extents(*at, *at).padded(0.8 * away), list[Bbox]()
        for x, y in (*corners[first:], *corners[:first]):
            box = Bbox.from_bounds(at[0] + x, at[1] + y, width, height)
            free = not any(box.overlaps(other) for other in taken if not other.overlaps(own))
            if (
                free
                and self._box.x0 < box.x0
                and box.x1 < self._box.x1
                and self._box.y0 < box.y0 < box.y1 < self._box.y1
            ):
                found.append(box)
        return found

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


def _filled(points: np.ndarray, apart: float) -> np.ndarray:
    """A path in pixels, (P, 2), with points between those that are far apart, at most a few for each."""
    if len(points) < 2:
        return points
    steps = np.diff(points, axis=0)
    between = int(np.clip(np.hypot(*steps.T).max() / apart, 1, max(1, _MOST // len(points))))
    shares = np.arange(between)[:, None, None] / between
    return np.concatenate([(points[:-1] + shares * steps).reshape(-1, 2), points[-1:]])


def _crossings(points: np.ndarray, box: Bbox) -> int:
    """How many of some points, (P, 2), lie in a box."""
    return int(((points > box.min) & (points < box.max)).all(axis=1).sum())


def named_points(
    axes: Axes, title: Text, layout: Layout, points: Sequence[tuple[str, float, float]], most: int = 5
) -> list[Text]:
    """Write names below points of a map, where they lie on the map and off its title and each other.

    Args:
        axes: The map's axes.
        title: The map's own name.
        layout: The sizes.
        points: The name and the place of each, the most important first.
        most: The number of names, at most.
    """
    renderer, pixel = renderer_of(axes.figure), layout.pixel * axes.figure.dpi / 72
    border = [withStroke(linewidth=2.6 * layout.pixel, foreground=NIGHT)]
    taken, named = [title.get_window_extent(renderer)], list[Text]()
    for name, x, y in points:
        place = axes.transData.transform((x, y)) - (0, _FROM_STAR * pixel)
        x, y = axes.transData.inverted().transform(place).tolist()
        text = axes.text(
            x, y, name, ha="center", va="top", color="#ffffff", zorder=3.2,
            fontsize=layout.small, parse_math=False, path_effects=border,
        )  # fmt: skip
        box = text.get_window_extent(renderer)
        within = axes.bbox.x0 < box.x0 < box.x1 < axes.bbox.x1 and axes.bbox.y0 < box.y0 < box.y1 < axes.bbox.y1
        if within and len(named) < most and not any(box.overlaps(other) for other in taken):
            taken.append(box)
            named.append(text)
        else:
            text.remove()
    return named
