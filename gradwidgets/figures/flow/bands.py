"""What is behind a profile: bands where it is healthy, or has vanished or exploded, and a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.path import Path

from gradwidgets.figures.base.style import DARK, Style

_TINT = {False: 0.07, True: 0.115}  # how much of its colour a band has, in light and in dark pictures
_GRID = 0.12  # how much of the grid's colour is that of muted words, so that it is seen on bands
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

    @cached_property
    def heights(self) -> np.ndarray:
        """The decimal logarithms of its limits, (2, L), finite."""
        with np.errstate(divide="ignore"):
            return np.clip(np.log10(np.stack([self.low, self.high])), -_FAR, _FAR)


class Ground(Artist):
    """The ground of a profile, animated, behind everything that moves: its bands, and the grid over them.

    Args:
        axes: Linear axes: layers from 1 on, and decimal logarithms.
        style: The colours.
        width: The width of the grid's lines, in points.
    """

    def __init__(self, axes: Axes, style: Style, width: float) -> None:
        super().__init__()
        self.set_animated(True)
        self.set_zorder(1)
        share, plot = _TINT[style is DARK], np.array(to_rgb(style.plot))
        tints = {True: style.sound, False: style.alarm}
        self._colors = {sound: share * np.array(to_rgb(tint)) + (1 - share) * plot for sound, tint in tints.items()}
        self._grid = (1 - _GRID) * np.array(to_rgb(style.faint)) + _GRID * np.array(to_rgb(style.muted))
        self._width = width
        self._ticks: tuple[object, tuple[np.ndarray, np.ndarray]] = (None, (np.empty(0), np.empty(0)))
        self._bands: Sequence[Band] = ()
        axes.add_artist(self)

    def show(self, bands: Sequence[Band]) -> None:
        """Show bands; the first and the last layer's limits reach to the ends of the axis."""
        self._bands = bands

    def draw(self, renderer: RendererBase) -> None:
        """Draw the ground."""
        axes = self.axes
        if not isinstance(axes, Axes) or not self.get_visible():
            return
        lines = self._grid_lines(axes)
        if isinstance(renderer, RendererAgg):  # in which filling a path takes ten times as long as setting its pixels
            pixels = _Pixels(renderer, axes)
            for band in self._bands:
                pixels.fill(band.heights, self._colors[band.sound])
            pixels.rule(*lines, max(1, round(self._pixels_of(renderer))), self._grid)
        else:
            self._draw_paths(renderer, axes, lines)
        self.stale = False

    def _pixels_of(self, renderer: RendererBase) -> float:
        """Return the width of the grid's lines in pixels."""
        return float(renderer.points_to_pixels(self._width))  # type: ignore[arg-type]  # of one number

    def _grid_lines(self, axes: Axes) -> tuple[np.ndarray, np.ndarray]:
        """Return where the lines of the grid are, along both axes."""
        key = axes.get_xlim(), axes.get_ylim(), axes.xaxis.get_major_locator()
        if self._ticks[0] != key:
            ticks = (axes.xaxis.get_majorticklocs(), axes.xaxis), (axes.yaxis.get_majorticklocs(), axes.yaxis)
            inside = [np.asarray([one for one in at if low <= one <= high], float)
                      for (at, axis) in ticks for low, high in (sorted(axis.get_view_interval()),)]  # fmt: skip
            self._ticks = key, (inside[0], inside[1])
        return self._ticks[1]

    def _draw_paths(self, renderer: RendererBase, axes: Axes, lines: tuple[np.ndarray, np.ndarray]) -> None:
        context, to_pixels = renderer.new_gc(), axes.transData.get_affine()
        context.set_clip_rectangle(axes.bbox)
        context.set_linewidth(0)
        for band in self._bands:
            color = (*self._colors[band.sound], 1.0)
            renderer.draw_path(context, _outline(band.heights, axes.get_xlim()), to_pixels, color)
        context.set_linewidth(self._pixels_of(renderer))
        context.set_foreground((*self._grid, 1.0), isRGBA=True)
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        ends = [[(x, bottom), (x, top)] for x in lines[0]] + [[(left, y), (right, y)] for y in lines[1]]
        for two in ends:
            renderer.draw_path(context, Path(two), to_pixels)
        context.restore()


class _Pixels:
    """The pixels of axes in a renderer's buffer."""

    def __init__(self, renderer: RendererAgg, axes: Axes) -> None:
        pixels, box = np.asarray(renderer.buffer_rgba()).view(np.uint32)[..., 0], axes.bbox
        left, right = max(0, round(box.x0)), min(pixels.shape[1], round(box.x1))
        top, bottom = max(0, round(renderer.height - box.y1)), min(pixels.shape[0], round(renderer.height - box.y0))
        self._pixels = pixels[top:bottom, left:right]
        self._sides = np.array([axes.get_xlim(), axes.get_ylim()], float)

    def _across(self, at: np.ndarray) -> np.ndarray:
        """Return the columns of places along the layers' axis."""
        low, high = self._sides[0]
        return (at - low) / (high - low) * self._pixels.shape[1]

    def _down(self, at: np.ndarray) -> np.ndarray:
        """Return the rows of heights, first row on top."""
        low, high = self._sides[1]
        return (high - np.clip(at, low, high)) / (high - low) * self._pixels.shape[0]

    def fill(self, heights: np.ndarray, color: np.ndarray) -> None:
        """Fill a band, (2, L), with a colour."""
        new, pixels = _as_pixel(color), self._pixels
        if heights[0].min() > self._sides[1, 1] or heights[1].max() < self._sides[1, 0]:
            return
        if (heights == heights[:, :1]).all():
            lower, upper = np.rint(self._down(heights[:, 0])).astype(int)
            pixels[upper:lower] = new
            return
        low, high = self._sides[0]
        at = low + (np.arange(pixels.shape[1]) + 0.5) / pixels.shape[1] * (high - low)
        layers = np.arange(1, heights.shape[1] + 1)
        lower, upper = (np.rint(self._down(np.interp(at, layers, one))).astype(int) for one in heights)
        first = int(upper.max())
        last = max(first, int(lower.min()))
        pixels[first:last] = new
        for start, end in ((int(upper.min()), first), (last, int(lower.max()))):
            if end > start:
                rows = np.arange(start, end)[:, None]
                pixels[start:end][(rows >= upper) & (rows < lower)] = new

    def rule(self, x: np.ndarray, y: np.ndarray, width: int, color: np.ndarray) -> None:
        """Draw the lines of a grid."""
        new = _as_pixel(color)
        for column in np.rint(self._across(x) - width / 2).astype(int).tolist():
            self._pixels[:, max(column, 0) : column + width] = new
        for row in np.rint(self._down(y) - width / 2).astype(int).tolist():
            self._pixels[max(row, 0) : row + width] = new


def _outline(heights: np.ndarray, limits: tuple[float, float]) -> Path:
    """Return the closed path around a band."""
    x = np.concatenate([limits[:1], np.arange(1, heights.shape[1] + 1), limits[1:]])
    heights = heights[:, [0, *range(heights.shape[1]), -1]]
    around = np.concatenate([np.stack([x, heights[0]], 1), np.stack([x, heights[1]], 1)[::-1]])
    return Path(np.concatenate([around, around[:1]]))


def _as_pixel(color: np.ndarray) -> np.uint32:
    return np.append(np.rint(np.asarray(color) * 255), 255).astype(np.uint8).view(np.uint32)[0]
