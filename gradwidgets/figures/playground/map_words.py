"""What is written on a map: where the descent starts, the minimum, and where a path leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import NIGHT
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.notebook_figure import renderer_of

_NOWHERE = np.empty((0, 2))
_ARROWS = "→↗↑↖←↙↓↘"  # counterclockwise from the right
_START, _MINIMUM = "start", "minimum"
# Where a name stands instead of at a place itself, in its own width and height.
_SHIFTS = np.array([(0, 0), (0, 1.2), (0, -1.2), (0.65, 0), (-0.65, 0), (0, 2.4), (0, -2.4), (1.3, 0), (-1.3, 0)])
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
        self.start, self.minimum, self.leaving = (MovingText(casing=NIGHT, visible=False, **look) for _ in range(3))
        for text in (self.start, self.minimum, self.leaving):
            axes.add_artist(text)
        self._name = name
        self._places: list[Bbox] = []  # where the minimum may be named, the best first
        self._sizes: dict[str, tuple[float, float]] = {}
        self._taken: list[Bbox] = []
        self._start_places: list[Bbox] = []  # and the start
        self._both = _corners([])  # the corners of all these places
        self._at: dict[str, Bbox | None] = {}  # where they are named
        self._minima, self._dpi = np.empty((0, 2)), 0.0
        self._started: tuple[object, ...] | None = None
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
        self._at.clear()
        self._taken += stars
        self._started = None

    def move(
        self, path: np.ndarray, start: Sequence[float], *, diverged: bool | None, ahead: np.ndarray = _NOWHERE
    ) -> None:
        """Move the words with a path, (P, 2).

        Args:
            path: The visited points, in the axes' units.
            start: The starting point, (2,).
            diverged: Whether the run diverged; another that ends off the map says so too. None for no word of it.
            ahead: The points that are still to be visited, (A, 2).
        """
        if self._dpi != self._axes.figure.dpi:
            self._sizes, self._started = {}, None
            self.show_minima(self._minima)
        gone = diverged is not None and (diverged or (len(path) > 0 and not self._holds(*path[-1].tolist())))
        if self._named or gone:
            way = _Way(self._pixels(np.concatenate([path, ahead]) if len(ahead) else path))
            if self._named:
                self._name_both(start, way)
            if gone:
                self._say_leaving(path, "diverged" if diverged else "off the map", way)
        self.leaving.set_visible(gone)

    def _name_both(self, start: Sequence[float], way: _Way) -> None:
        """Name minimum and start where a path does not pass, if it leaves any such place."""
        if self._started != tuple(start):
            self._started, self._start_places = tuple(start), self._places_of_start(start)
            self._both = _corners([*self._places, *self._start_places])
        crossed, count = way.crossings(self._both), len(self._places)
        for text, what, places, often in (
            (self.minimum, _MINIMUM, self._places, crossed[:count]),
            (self.start, _START, self._start_places, crossed[count:]),
        ):
            at = places[often.index(min(often))] if places else None
            if self._at.get(what, self) is not at:
                text.set_visible(at is not None)
                if at is not None:
                    self._write(text, what, at)
                self._at[what] = at

    def _pixels(self, path: np.ndarray) -> np.ndarray:
        view = self._axes.transData.get_affine().get_matrix()
        return path * view.diagonal()[:2] + view[:2, 2]

    def _places_of_start(self, start: Sequence[float]) -> list[Bbox]:
        if not self._holds(*start):
            return []
        here = self._axes.transData.transform(np.asarray(start, float))
        return self._beside(here, _START, _FROM_DISC, [*self._taken, *self._places])

    def _say_leaving(self, path: np.ndarray, what: str, way: _Way) -> None:
        left, right, low, high = self._limits
        x, y = path.T
        inside = np.flatnonzero((x >= left) & (x <= right) & (y >= low) & (y <= high))
        last = int(inside[-1]) if len(inside) else 0
        ends = self._axes.transData.transform(path[last : last + 2]) if len(path) else np.zeros((0, 2))
        if len(ends) < 2:  # it ended on the map, where the loss is not finite
            at = ends[-1] if len(ends) else self._box.get_points().mean(axis=0)
        else:
            leg = ends[1] - ends[0]
            what += " " + _ARROWS[round(float(np.arctan2(leg[1], leg[0])) / (np.pi / 4)) % 8]
            at = self._exit(ends[0], leg)
        self._write(self.leaving, what, self._near(at, what, way))

    def _near(self, at: np.ndarray, what: str, way: _Way) -> Bbox:
        """The box of words near a point in pixels, where they cover neither another name nor the path."""
        size = np.array(self._size(what))
        boxes = [self._within(at + shift * size, what) for shift in _SHIFTS]
        taken = [*self._taken, *(box for box in self._at.values() if box)]
        covered = [sum(box.overlaps(other) for other in taken) for box in boxes]
        worth = list(zip(covered, way.crossings(_corners(boxes)), strict=True))
        return boxes[worth.index(min(worth))]

    def _exit(self, at: np.ndarray, way: np.ndarray) -> np.ndarray:
        """Where a way from a point on the map crosses its edge, in pixels."""
        low, high = self._box.get_points()
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(way > 0, (high - at) / way, (low - at) / way)
        usable = shares[np.isfinite(shares)]
        return at + way * (float(np.clip(usable.min(), 0, 1)) if len(usable) else 0.0)

    def _within(self, at: np.ndarray, what: str) -> Bbox:
        """The box of words about a point in pixels, moved onto the map."""
        width, height = self._size(what)
        edge, (low, high) = 8 * self._pixel, self._box.get_points()
        x, y = np.clip(at - (width / 2, height / 2), low + edge, np.maximum(high - edge - (width, height), low + edge))
        return Bbox.from_bounds(x, y, width, height)

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


class _Way:
    """The way of a path over a map.

    Args:
        points: The visited points in pixels, (P, 2).
    """

    def __init__(self, points: np.ndarray) -> None:
        x, y = np.ascontiguousarray(points.T)
        with np.errstate(divide="ignore"):
            self._sides = [(side[:-1], 1 / (side[1:] - side[:-1])) for side in (x, y)]

    def crossings(self, boxes: np.ndarray) -> list[int]:
        """Return how many of its legs cross each of some boxes, (B, 4) as `_corners` returns them."""
        (x, per_x), (y, per_y) = self._sides
        left, bottom, right, top = boxes.T[..., None]
        with np.errstate(invalid="ignore"):
            across, beyond = (left - x) * per_x, (right - x) * per_x
            up, over = (bottom - y) * per_y, (top - y) * per_y
        enters = np.fmax(np.fmax(np.fmin(across, beyond), np.fmin(up, over)), 0.0)
        leaves = np.fmin(np.fmin(np.fmax(across, beyond), np.fmax(up, over)), 1.0)
        crossed: list[int] = np.count_nonzero(enters <= leaves, axis=1).tolist()
        return crossed


def _corners(boxes: Sequence[Bbox]) -> np.ndarray:
    """The left, bottom, right and top of boxes, (B, 4)."""
    return np.array([box.extents for box in boxes]).reshape(-1, 4)
