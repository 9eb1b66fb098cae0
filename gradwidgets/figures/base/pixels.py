"""An image under a map, painted at exactly the pixels that it covers.

Matplotlib's own image is resampled at every draw, which takes longer than painting it; and a picture saved at twice
the size would show the small one's pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase

Painter = Callable[[int, int], np.ndarray]


class Pixels(Artist):
    """An image that fills its axes.

    Args:
        axes: The axes of the image, whose own ground is hidden.
        radius: The radius of its corners, in points.
    """

    def __init__(self, axes: Axes, radius: float = 0.0) -> None:
        super().__init__()
        self.set_zorder(0)
        self._radius = radius
        axes.patch.set_visible(False)
        self._painter: Painter | None = None
        self._image: np.ndarray | None = None
        axes.add_artist(self)

    def paint(self, painter: Painter) -> None:
        """Set the painter.

        Args:
            painter: Maps width and height in pixels to a uint8 array (height, width, 4), first row at the bottom. It is
                called when the image is drawn, and again only for another size.
        """
        self._painter, self._image = painter, None

    def draw(self, renderer: RendererBase) -> None:
        """Draw the image."""
        axes = self.axes
        if axes is None or self._painter is None or not self.get_visible():
            return
        box = axes.bbox
        left, bottom = round(box.x0), round(box.y0)
        width, height = max(1, round(box.x1) - left), max(1, round(box.y1) - bottom)
        if self._image is None or self._image.shape[:2] != (height, width):
            self._image = self._painter(width, height)
            radius = float(renderer.points_to_pixels(self._radius))  # type: ignore[arg-type]  # of one number
            _round_off(self._image, round(radius))
        context = renderer.new_gc()
        context.set_clip_rectangle(box)
        renderer.draw_image(context, left, bottom, self._image)
        context.restore()
        self.stale = False


def _round_off(image: np.ndarray, radius: int) -> None:
    """Make the corners of an image, (height, width, 4) uint8, transparent outside circles of a radius in pixels."""
    radius = min(radius, *(side // 2 for side in image.shape[:2]))
    if radius < 1:
        return
    from_centre = radius - 0.5 - np.arange(radius)
    cover = np.clip(radius + 0.5 - np.hypot(from_centre[:, None], from_centre), 0, 1) * 255
    for rows, down in ((slice(0, radius), 1), (slice(-radius, None), -1)):
        for columns, across in ((slice(0, radius), 1), (slice(-radius, None), -1)):
            image[rows, columns, 3] = cover[::down, ::across]
