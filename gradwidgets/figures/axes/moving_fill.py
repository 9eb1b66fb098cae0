"""An area that moves with a slider, drawn over the background: a band, or what lies under a line."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgba
from matplotlib.path import Path
from numpy.typing import ArrayLike


class MovingFill(Artist):
    """An animated polygon of one colour on linear axes, without an edge.

    Args:
        axes: The axes that it is added to.
        color: Its colour.
        alpha: Its opacity.
        zorder: Its place among the other artists.
    """

    def __init__(self, axes: Axes, color: str, alpha: float, zorder: float = 1.5) -> None:
        super().__init__()
        self.set_animated(True)
        self.set_zorder(zorder)
        self._color = to_rgba(color, alpha)
        self._corners = np.empty((0, 2))
        axes.add_artist(self)

    def set_data(self, x: ArrayLike, y: ArrayLike) -> None:
        """Set the corners, each (n,); () for nothing."""
        self._corners = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
        self.stale = True

    def get_data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the corners."""
        return self._corners[:, 0], self._corners[:, 1]

    def span(self, left: float, right: float, low: float, high: float) -> None:
        """Fill a rectangle; nothing if one of its sides is not finite."""
        known = bool(np.isfinite([left, right, low, high]).all()) and left < right
        self.set_data([left, right, right, left] if known else (), [low, low, high, high] if known else ())

    def draw(self, renderer: RendererBase) -> None:
        """Fill the polygon."""
        axes = self.axes
        if axes is None or not self.get_visible() or len(self._corners) < 3:
            return
        context = renderer.new_gc()
        context.set_clip_rectangle(axes.bbox)
        context.set_linewidth(0)
        context.set_alpha(self._color[3])
        path = Path(np.vstack([self._corners, self._corners[:1]]))
        renderer.draw_path(context, path, axes.transData.get_affine(), self._color)
        context.restore()
        self.stale = False
