"""A line that is redrawn at every slider step.

`Line2D.draw` handles everything that a line may be: other projections, sketches, path effects, gap colours. A line
that moves sixty times a second on linear axes needs none of it, and this preparation, not Agg, is most of the cost
of drawing a short line.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, IdentityTransform
from matplotlib.typing import MarkerType
from numpy.typing import ArrayLike

_FEW = 3  # markers, up to which images of them are drawn faster
_FAR = 1e5  # pixels: beyond any picture
Pen = tuple[Any, ...]  # what a renderer needs to draw a line, or its markers


class MovingLine(Line2D):
    """An animated `Line2D` on linear axes, with solid or dashed line and filled markers, drawn on a fast path.

    Its look is fixed when it is first drawn, except for its marker: `set_data`, `set_visible`, `set_marker` and
    `set_markersize` may be called at any time.

    Args:
        casing: The colour of a border that sets the line off from any background; None for none.
        border: The width of that border on each side, in points.
        **options: Keyword arguments of `Line2D`.

    Attributes:
        casing: The border's colour as RGBA, or None.
    """

    def __init__(self, *, casing: str | None = None, border: float = 0.8, **options: Any) -> None:
        super().__init__([], [], animated=True, solid_capstyle="round", solid_joinstyle="round", **options)
        self._vertices = np.empty((0, 2))
        self._border = border
        self.casing = None if casing is None else to_rgba(casing)
        self._pens: tuple[float, Pen | None, Pen | None] | None = None
        self._image: tuple[Pen, np.ndarray] | None = None  # of the marker

    def set_data(self, x: ArrayLike, y: ArrayLike) -> None:  # type: ignore[override]  # not one array of both
        """Set the line's points, each (n,)."""
        given = np.asarray(x, float), np.asarray(y, float)
        # As `Line2D` does, without its copies, which take longer than drawing a mark.
        self._xorig, self._yorig = given
        self._invalidx = self._invalidy = True
        self._vertices = np.empty((given[0].size, 2))
        self._vertices[:, 0], self._vertices[:, 1] = given

    @property
    def points(self) -> np.ndarray:
        """The line's points, (n, 2)."""
        return self._vertices

    def set_marker(self, marker: MarkerType) -> None:
        """Set the marker; "" for none."""
        if marker != self.get_marker():
            self._pens = None
            super().set_marker(marker)

    def set_markersize(self, size: float) -> None:
        """Set the marker's size, in points."""
        if size != self.get_markersize():
            self._pens = None
            super().set_markersize(size)

    def draw(self, renderer: RendererBase) -> None:
        """Draw the line."""
        if not isinstance(renderer, RendererAgg):
            super().draw(renderer)
            return
        axes = self.axes
        if axes is None or not self.get_visible() or not len(self._vertices):
            return
        line, marker = self._prepared(renderer)
        to_pixels = axes.transData.get_affine()
        context = renderer.new_gc()
        if self.get_clip_on():
            context.set_clip_rectangle(axes.bbox)
        if line is None and marker is not None and len(self._vertices) <= _FEW:
            self._stamp(renderer, context, to_pixels.get_matrix(), marker)
            self.stale = False
            return
        path = Path(self._vertices)
        context.set_antialiased(True)
        if line is not None:
            color, width, offset, dashes, cap = line
            context.set_foreground(color, isRGBA=True)
            context.set_linewidth(width)
            context.set_dashes(offset, dashes)
            context.set_capstyle(cap)
            context.set_joinstyle("round")
            if self.casing is not None:
                context.set_foreground(self.casing, isRGBA=True)
                context.set_linewidth(width + 2 * self._border)
                renderer.draw_path(context, path, to_pixels)
                context.set_foreground(color, isRGBA=True)
                context.set_linewidth(width)
            renderer.draw_path(context, path, to_pixels)
        if marker is not None:
            shape, scale, face, edge, width = marker
            context.set_foreground(edge, isRGBA=True)
            context.set_linewidth(width)
            context.set_dashes(0, None)
            context.set_joinstyle("miter")
            renderer.draw_markers(context, shape, scale, path, to_pixels, face)
        context.restore()
        self.stale = False

    def _stamp(self, renderer: RendererAgg, context: GraphicsContextBase, to_pixels: np.ndarray, marker: Pen) -> None:
        """Draw a few markers as images: as the renderer draws them at whole pixels, but three times as fast."""
        if self._image is None or self._image[0] is not marker:
            self._image = marker, _rastered(marker, renderer.dpi)
        image, height = self._image[1], round(renderer.height)
        middle = image.shape[0] // 2
        (across, _, left), (_, up, bottom), _ = to_pixels.tolist()
        for x, y in self._vertices.tolist():
            x, y = across * x + left, up * y + bottom
            if abs(x) < _FAR and abs(y) < _FAR:  # NaN is not
                above = math.floor(height - y + 0.5)
                renderer.draw_image(context, math.floor(x + 0.5) - middle, height - above - middle, image)

    def _prepared(self, renderer: RendererAgg) -> tuple[Pen | None, Pen | None]:
        key = renderer.dpi
        if self._pens is None or self._pens[0] != key:
            self._pens = (key, self._line_pen(), self._marker_pen(renderer))
        return self._pens[1:]

    def _line_pen(self) -> Pen | None:
        if self.get_linestyle() in ("None", "none", "", " "):
            return None
        # Agg takes widths and dashes in points; the dashes are already scaled with the line's width.
        offset, dashes = self._dash_pattern  # type: ignore[attr-defined]  # an inner name
        cap = "butt" if dashes else "round"
        return to_rgba(self.get_color()), self.get_linewidth(), offset, dashes, cap

    def _marker_pen(self, renderer: RendererAgg) -> Pen | None:
        kind = self.get_marker()
        if kind in (None, "None", "none", "", " "):
            return None
        style = MarkerStyle(kind)
        size = renderer.points_to_pixels(self.get_markersize())
        scale = style.get_transform() + Affine2D().scale(size)
        width = self.get_markeredgewidth()
        edge = to_rgba(self.get_markeredgecolor())
        return style.get_path(), scale.frozen(), to_rgba(self.get_markerfacecolor()), edge, width


def _rastered(marker: Pen, dpi: float) -> np.ndarray:
    """Raster a marker, (side, side, 4) uint8, first row at the bottom; its centre is where rows and columns halve."""
    shape, scale, face, edge, width = marker
    reach = float(np.abs(scale.transform(shape.vertices)).max()) + width * dpi / 72 + 2
    middle = math.ceil(reach)
    alone = RendererAgg(2 * middle, 2 * middle, dpi)
    context = alone.new_gc()
    context.set_foreground(edge, isRGBA=True)
    context.set_linewidth(width)
    context.set_joinstyle("miter")
    alone.draw_markers(context, shape, scale, Path([[middle, middle]]), IdentityTransform(), face)
    return np.array(np.asarray(alone.buffer_rgba())[::-1])


def moving_line(axes: Axes, **options: Any) -> MovingLine:
    """Add an empty `MovingLine` to axes.

    Args:
        axes: Linear axes.
        **options: Keyword arguments of `Line2D`.
    """
    line = MovingLine(**options)
    axes.add_line(line)
    return line
