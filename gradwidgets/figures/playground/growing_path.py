"""A descent's path, which grows in width with its way, so that a still picture shows its direction."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, IdentityTransform, Transform
from numpy.typing import ArrayLike

from gradwidgets.figures.base.marks import NIGHT
from gradwidgets.figures.base.moving import MovingLine

# A path of one segment each would take five times as long to draw, and a border that grows too, twice as long.
_PIECES = ((0.0, 2.8), (0.6, 3.6), (0.9, 4.6))  # where each begins, as a share of the way, and its width, CSS pixels
_CASING, _EDGE = 6.4, 8.0  # widths of the white around the line and of the night around both, CSS pixels
_ROOMY = 11.0  # CSS pixels from step to step, so that each may be marked
_DOT = 1.3  # its radius
_CIRCLE = Path.unit_circle()


class GrowingPath(MovingLine):
    """An animated path on a map.

    Args:
        pixel: The size of a CSS pixel in points.
        **options: Keyword arguments of `MovingLine`.
    """

    def __init__(self, pixel: float, **options: Any) -> None:
        super().__init__(casing="#ffffff", **options)
        self._pixel = pixel
        self._seen: tuple[object, ...] = ()
        self._layers: list[Path] = []
        colors = NIGHT, "#ffffff", *[self.get_color()] * len(_PIECES)
        self._colors = np.array([to_rgba(color) for color in colors])
        self._widths = [width * pixel for width in (_EDGE, _CASING, *(width for _, width in _PIECES))]
        self._dots: Path | None = None

    def set_data(self, x: ArrayLike, y: ArrayLike) -> None:  # type: ignore[override]  # see `MovingLine`
        """Set the visited points, each (n,)."""
        super().set_data(x, y)
        self._seen = ()

    def draw(self, renderer: RendererBase) -> None:
        """Draw the path: first all that is night, then all that is white, as it may cross itself."""
        axes: Any = self.axes
        if not isinstance(renderer, RendererAgg) or axes is None:
            super().draw(renderer)
            return
        if not self.get_visible() or len(self._vertices) < 2:
            return
        pixel = renderer.points_to_pixels(self._pixel)
        self._prepare(axes, pixel)
        context = renderer.new_gc()
        context.set_clip_rectangle(axes.bbox)
        context.set_capstyle("round")
        context.set_joinstyle("round")
        draw: Any = renderer.draw_path_collection  # declared for less than it takes
        draw(
            context, _AS_IT_IS, self._layers, _NONE, np.zeros((1, 2)), _AS_IT_IS, np.empty((0, 4)), self._colors,
            self._widths, [(0, None)], [True], [None], "screen",
        )  # fmt: skip
        if self._dots is not None:
            self._mark_steps(renderer, context, self._dots, pixel)
        context.restore()
        self.stale = False

    def _mark_steps(self, renderer: RendererAgg, context: GraphicsContextBase, dots: Path, pixel: float) -> None:
        context.set_linewidth(0)
        size: Transform = Affine2D().scale(_DOT * pixel)
        renderer.draw_markers(context, _CIRCLE, size, dots, _AS_IT_IS, (1.0, 1.0, 1.0, 1.0))

    def _prepare(self, axes: Axes, pixel: float) -> None:
        """Divide the path, in pixels, anew if it or its axes changed."""
        view = axes.transData.get_affine().get_matrix()
        seen = (view[0, 0], view[1, 1], view[0, 2], view[1, 2], pixel)
        if seen == self._seen:
            return
        self._seen = seen
        points = self._vertices * view.diagonal()[:2] + view[:2, 2]
        low, high = axes.bbox.get_points()
        inside = np.minimum(np.maximum(points, low), high)
        steps = np.hypot(*(inside[1:] - inside[:-1]).T)
        apart = np.flatnonzero(steps > _ROOMY * pixel) + 1
        self._dots = Path(points[apart]) if len(apart) else None
        lengths = steps if (inside == points).all() else np.hypot(*(points[1:] - points[:-1]).T)
        shown = _without_crowds(np.cumsum(lengths), pixel)
        kept, way = points[shown], np.concatenate([[0.0], np.cumsum(steps)])[shown]
        whole, cuts = Path(kept), np.searchsorted(way, _BEGINS * way[-1]).tolist()
        ends = [*cuts[1:], len(kept) - 1]
        self._layers = [whole, whole, *(Path(kept[low : high + 1]) for low, high in zip(cuts, ends, strict=True))]


_AS_IT_IS = IdentityTransform()
_BEGINS = np.array([begin for begin, _ in _PIECES])
_NONE = np.empty((0, 3, 3))


def _without_crowds(way: np.ndarray, pixel: float) -> np.ndarray:
    """Which points of a path are not less than a pixel and a half after another; the ends always are.

    A run that has arrived has most of its points in one place, and each would take as long to draw as any other.

    Args:
        way: The length of the path up to each point but the first, (P − 1,).
        pixel: The size of a CSS pixel.
    """
    places = (way / (1.5 * pixel)).astype(int)
    kept = np.flatnonzero(np.diff(places, prepend=0)) + 1
    return np.concatenate([[0], kept[kept < len(way)], [len(way)]])


def divided(path: np.ndarray, share: float, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide a path at a share of its way; both parts have the point where they meet.

    Args:
        path: The visited points, (P, 2).
        share: The share, from 0 to 1.
        low: The lower left corner of the map, (2,): what leaves the map goes no further.
        high: The upper right corner.
    """
    steps = np.diff(np.clip(path, low, high) / (high - low), axis=0)
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
    if way[-1] <= 0:
        return path, path[:0]
    at = share * way[-1]
    last = min(int(np.searchsorted(way, at, side="right")) - 1, len(path) - 2)
    part = (at - way[last]) / (way[last + 1] - way[last]) if way[last + 1] > way[last] else 0.0
    here = path[last] + part * (path[last + 1] - path[last])
    return np.vstack([path[: last + 1], here]), np.vstack([here, path[last + 1 :]])
