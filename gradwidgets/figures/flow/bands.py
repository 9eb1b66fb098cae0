"""Bands behind a profile: where a quantity is healthy, and where it has vanished or exploded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgba
from matplotlib.path import Path

from gradwidgets.figures.base.style import DARK, Style

_TINT = {False: 0.085, True: 0.115}  # how much of its colour a band has, in light and in dark pictures
_FAR = 400.0  # decades: beyond any axis


@dataclass(frozen=True, eq=False)
class Band:
    """A range of values that has a name.

    Attributes:
        name: The name.
        about: What it means, as it follows the name; "" for nothing.
        sound: Whether all is well there.
        low: The lowest values, (L,); 0 for no limit.
        high: The highest values, (L,); infinite for no limit.
    """

    name: str
    about: str
    sound: bool
    low: np.ndarray
    high: np.ndarray

    @property
    def heights(self) -> np.ndarray:
        """The decimal logarithms of its limits, (2, L), finite."""
        with np.errstate(divide="ignore"):
            return np.clip(np.log10(np.stack([self.low, self.high])), -_FAR, _FAR)


class BandGrounds(Artist):
    """The grounds of all bands, animated, behind everything that moves.

    Args:
        axes: Linear axes: layers from 1 on, and decimal logarithms.
        style: The colours.
    """

    def __init__(self, axes: Axes, style: Style) -> None:
        super().__init__()
        self.set_animated(True)
        self.set_zorder(1)
        tint = _TINT[style is DARK]
        self._colors = {True: to_rgba(style.sound, tint), False: to_rgba(style.alarm, tint)}
        self._shapes: list[tuple[bool, Path]] = []
        axes.add_artist(self)

    def show(self, bands: Sequence[Band], limits: tuple[float, float]) -> None:
        """Show bands; the first and the last layer's limits reach to the ends of the axis."""
        self._shapes = [(band.sound, _outline(band.heights, limits)) for band in bands]

    def draw(self, renderer: RendererBase) -> None:
        """Draw the grounds."""
        axes = self.axes
        if axes is None or not self.get_visible() or not self._shapes:
            return
        context = renderer.new_gc()
        context.set_clip_rectangle(axes.bbox)
        context.set_linewidth(0)
        to_pixels = axes.transData.get_affine()
        for sound, path in self._shapes:
            renderer.draw_path(context, path, to_pixels, self._colors[sound])
        context.restore()
        self.stale = False


def _outline(heights: np.ndarray, limits: tuple[float, float]) -> Path:
    """Return the closed path around a band."""
    if (heights == heights[:, :1]).all():
        x, heights = np.array(limits), heights[:, [0, -1]]
    else:
        x = np.concatenate([limits[:1], np.arange(1, heights.shape[1] + 1), limits[1:]])
        heights = heights[:, [0, *range(heights.shape[1]), -1]]
    around = np.concatenate([np.stack([x, heights[0]], 1), np.stack([x, heights[1]], 1)[::-1]])
    return Path(np.concatenate([around, around[:1]]))
