"""A row of blocks, one a layer, each in the colour of its gradient: strong is light, gone is dark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import plot_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.pixels import Pixels
from gradwidgets.figures.base.style import Style

_GAP, _ROUND, _EDGE = 2.0, 3.5, 1.0  # CSS pixels: between blocks, the radius of their corners, their edge
_APART = 6.0  # CSS pixels that a block takes at least where it is drawn apart from the next
_WIDEST = 150.0
_RING, _EDGED = 2.2, 0.3  # width in CSS pixels; how much of the edge is ink


@dataclass(frozen=True, eq=False)
class LitLayers:
    """How strong the gradient is at each layer.

    Attributes:
        name: What the row is named; "" for the only one.
        levels: 0 for gone to 1 for strong; NaN where it was not measured, (L,).
        broken: Where it is not finite, (L,).
    """

    name: str
    levels: np.ndarray
    broken: np.ndarray


class BlockRow:
    """The artists of a row.

    Args:
        figure: The figure to draw on.
        box: The row's position.
        style: The colours.
        layout: The sizes.

    Attributes:
        axes: The Matplotlib axes: layers from 1 on along x.
        ring: The animated frame around the selected block.
    """

    def __init__(self, figure: Figure, box: Box, style: Style, layout: Layout) -> None:
        self.axes = plot_axes(figure, box, style, layout)
        self.axes.set_axis_off()
        self.axes.set_ylim(0, 1)
        self._pixels = Pixels(self.axes)
        self._pixels.set_animated(True)
        self._style, self._unit = style, layout.scale / 1.2
        self._colors = np.zeros((0, 3), np.uint8)
        self._places = np.zeros(0)
        self._shape: tuple[object, _Shape] | None = None
        ramp = style.ramp[::-1, :3]  # the ramp of losses is light where they are low
        self._ramp = np.rint(ramp * 255).astype(np.uint8)
        self._others = {True: _bytes(style.alarm), False: _bytes(style.faint)}
        ring = {
            "color": style.accent,
            "linewidth": _RING * layout.pixel,
            "clip_on": False,
            "zorder": 7,
            "casing": style.face,
        }
        self.ring = moving_line(self.axes, **ring)

    def update(self, lit: LitLayers, count: int, limits: tuple[float, float]) -> None:
        """Show a row; it is painted anew only if that changes it.

        Args:
            lit: The layers.
            count: The number of layers on the axis, over which they are spread.
            limits: The limits of the layers' axis.
        """
        colors, places = self._colors_of(lit), np.linspace(1, max(count, 1), len(lit.levels))
        moved = limits != self.axes.get_xlim()
        if not moved and np.array_equal(colors, self._colors) and np.array_equal(places, self._places):
            return
        self.axes.set_xlim(*limits)
        self._colors, self._places = colors, places
        self._pixels.paint(lambda width, height: self._shape_of(width, height).painted(self._colors))

    def select(self, place: int | None) -> None:
        """Draw a ring around a block, or around none."""
        if place is None or place >= len(self._places):
            self.ring.set_data([], [])
            return
        low, high = self.axes.get_xlim()
        pixel = (high - low) / max(self.axes.bbox.width, 1) * self._dots
        half = max(self._half_width(), 3 * pixel)
        left, right = self._places[place] - half, self._places[place] + half
        self.ring.set_data([left, right, right, left, left], [0, 0, 1, 1, 0])

    @property
    def _dots(self) -> float:
        """Pixels of the picture in a CSS pixel of its text."""
        return self._unit * float(self.axes.figure.dpi) / 100

    def _half_width(self) -> float:
        """Half the width of a block with the gap beside it, in layers."""
        step = self._places[1] - self._places[0] if len(self._places) > 1 else 1.0
        low, high = self.axes.get_xlim()
        return float(min(step / 2, _WIDEST / 2 * self._dots * (high - low) / max(self.axes.bbox.width, 1)))

    def _colors_of(self, lit: LitLayers) -> np.ndarray:
        known = ~np.isnan(lit.levels)
        at = np.rint(np.where(known, lit.levels, 0) * (len(self._ramp) - 1)).astype(int)
        colors = self._ramp[at]
        colors[~known] = self._others[False]
        colors[lit.broken] = self._others[True]
        return colors

    def _shape_of(self, width: int, height: int) -> _Shape:
        """Return where the blocks are, for a size in pixels."""
        key = width, height, self.axes.get_xlim(), len(self._places), self._places[-1:].tolist()
        if self._shape is None or self._shape[0] != key:
            low, high = self.axes.get_xlim()
            ends = (self._places[:, None] + self._half_width() * np.array([-1, 1]) - low) / (high - low) * width
            self._shape = key, _Shape(ends, width, height, self._dots, _bytes(self._style.ink))
        return self._shape[1]


class _Shape:
    """Where the blocks are, in pixels: painting them is looking up their colours."""

    def __init__(self, ends: np.ndarray, width: int, height: int, dots: float, ink: np.ndarray) -> None:
        apart = len(ends) > 0 and float(np.diff(ends).min()) >= _APART * dots
        if apart:
            ends = ends + np.array([0.5, -0.5]) * _GAP * dots
        at = np.arange(width) + 0.5
        self._of = np.clip(np.searchsorted(ends[:, 1], at), 0, max(len(ends) - 1, 0))
        self._ink, self._edges, cover = ink, np.zeros((height, width), bool), np.zeros((height, width))
        if len(ends) and apart:
            left, right = ends[self._of].T
            depth = _depth(at, left, right, height, _ROUND * dots)
            cover, self._edges = np.clip(depth + 0.5, 0, 1), depth < _EDGE * dots
        elif len(ends):
            left, right = ends[self._of].T
            cover = np.broadcast_to((at >= left - 0.5) & (at <= right + 0.5), (height, width))
        self._cover = _as_pixels(np.zeros((height, width, 3), np.uint8), np.rint(cover * 255))

    def painted(self, colors: np.ndarray) -> np.ndarray:
        """Return the blocks in their colours, (height, width, 4)."""
        if not len(colors):
            return np.zeros((*self._cover.shape, 4), np.uint8)
        edges = np.rint((1 - _EDGED) * colors + _EDGED * self._ink).astype(np.uint8)
        plain, edged = (_as_pixels(one, np.zeros(len(one)))[self._of] for one in (colors, edges))
        pixels = self._cover | np.where(self._edges, edged, plain)
        return pixels.view(np.uint8).reshape(*pixels.shape, 4)


def _as_pixels(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return colours, (…, 3), and alpha, (…), 0 to 255, as one integer each, (…)."""
    joined = np.concatenate([colors, alpha[..., None].astype(np.uint8)], axis=-1)
    return np.ascontiguousarray(joined).view(np.uint32)[..., 0]


def _depth(at: np.ndarray, left: np.ndarray, right: np.ndarray, height: int, radius: float) -> np.ndarray:
    """Return how deep each pixel is within the rounded block that its column belongs to, (height, width)."""
    across = np.abs(at - (left + right) / 2) - (right - left) / 2 + radius
    up = np.abs(np.arange(height) + 0.5 - height / 2) - height / 2 + radius
    outside = np.hypot(np.maximum(across, 0)[None], np.maximum(up, 0)[:, None])
    return radius - outside - np.minimum(np.maximum(across[None], up[:, None]), 0)


def _bytes(color: str) -> np.ndarray:
    return np.rint(np.array(to_rgb(color)) * 255).astype(np.uint8)
