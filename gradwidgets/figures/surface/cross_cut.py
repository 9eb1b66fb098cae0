"""A cut on the map's own axis: the losses along a line through the point, filled with the map's colours."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike

from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import disc, plot_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.panel_text import fit, title
from gradwidgets.figures.base.relief import ramp_at
from gradwidgets.figures.base.style import Style
from gradwidgets.figures.surface.cut_plot import Cut, span_of
from gradwidgets.figures.surface.surface_scale import SurfaceScale


class CrossCut:
    """A plot of one loss along one of the map's axes, above the map or, turned, at its right.

    Args:
        figure: The figure to draw on.
        box: The plot's position, in line with the map.
        names: The parameter along the cut, and the one that is held.
        loss: The loss's name.
        style: The colours.
        layout: The sizes.
        turned: Whether the parameter runs upwards.

    Attributes:
        axes: The plot's axes.
        turned: As given.
        lines: Loss name → its curve.
    """

    def __init__(
        self, figure: Figure, box: Box, names: tuple[str, str], loss: str, style: Style, layout: Layout, *, turned: bool
    ) -> None:
        axes = self.axes = plot_axes(figure, box, style, layout)
        self.turned, self._held = turned, names[1]
        along, across = (axes.yaxis, axes.xaxis) if turned else (axes.xaxis, axes.yaxis)
        along.set_ticks([])
        across.set_major_locator(MaxNLocator(3, steps=(1, 2, 2.5, 5, 10), prune=None if turned else "lower"))
        across.set_major_formatter(FuncFormatter(lambda value, _: short(value, self._limits[3] - self._limits[2])))
        across.grid(color=style.faint, linewidth=layout.pixel)
        axes.set_axisbelow(True)
        self._about = title(axes, style, layout, right=True, moving=True)
        self._room = (len(names[1]) + 7) * 0.6 * layout.small * figure.dpi / 72
        fit(title(axes, style, layout, bold=True), f"loss along {names[0]}", axes.bbox.width - self._room)
        self._limits = 0.0, 1.0, 0.0, 1.0
        self._settled = False
        self._fill = _Fill(axes, style.ramp, turned)
        self.lines = {loss: moving_line(axes, color=style.ink, linewidth=2.2 * layout.pixel, zorder=3)}
        self._here = moving_line(
            axes, color=style.accent, linewidth=1.4 * layout.pixel, linestyle=(0, (4, 3)), zorder=4
        )
        self._mark = moving_line(axes, **disc(style.accent, layout, 9.5), zorder=8)
        self._mark.set_clip_on(False)

    def tint(self, scale: SurfaceScale) -> None:
        """Set the scale of the colours under the curve."""
        self._fill.scale = scale

    def hold(self, value: float | None) -> None:
        """Say where the other parameter is held."""
        span = self._limits[1] - self._limits[0]
        words = "" if value is None else f"{self._held} = {short(value, span)}"
        self._about.set_text(words if len(words) < 16 else "")

    def move(self, cut: Cut, at: float | None, *, settle: bool) -> bool:
        """Change the curve and the point; return whether the plot's scale changed."""
        low, high = span_of(cut.loss.values()) if settle or not self._settled else self._limits[2:]
        limits = (float(cut.values[0]), float(cut.values[-1]), low, high)
        changed = limits != self._limits or not self._settled
        self._settled = True
        if changed:
            self._limits = limits
            (self.axes.set_ylim if self.turned else self.axes.set_xlim)(limits[:2])
            (self.axes.set_xlim if self.turned else self.axes.set_ylim)(limits[2:])
        reach = 3 * (high - low)
        for name, loss in cut.loss.items():
            heights = np.clip(loss, low - reach, high + reach)
            self.lines[name].set_data(*self._laid(cut.values, heights))
            self._fill.show(loss)
            mark = np.nan if at is None else float(np.interp(at, cut.values, heights))
        self._here.set_data(*self._laid(*(([], []) if at is None else ([at, at], [low, high]))))
        self._mark.set_data(*self._laid(*(([at], [mark]) if at is not None and low <= mark <= high else ([], []))))
        return changed

    def _laid(self, along: ArrayLike, across: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        return (across, along) if self.turned else (along, across)


class _Fill(Artist):
    """What lies under the curve, in the map's colours; animated."""

    def __init__(self, axes: Axes, ramp: np.ndarray, turned: bool) -> None:
        super().__init__()
        self.set_animated(True)
        self.set_zorder(1.5)
        self.scale: SurfaceScale | None = None
        self._ramp, self._turned = ramp, turned
        self._loss = np.empty(0)
        axes.add_artist(self)

    def show(self, loss: np.ndarray) -> None:
        """Set the losses along the cut, evenly spaced, (W,)."""
        self._loss = loss

    def draw(self, renderer: RendererBase) -> None:
        """Paint a column for each pixel along the cut."""
        axes = self.axes
        if axes is None or self.scale is None or not self._loss.size:
            return
        left, bottom, right, top = (round(edge) for edge in axes.bbox.extents)
        size = (top - bottom, right - left) if self._turned else (right - left, top - bottom)
        low, high = axes.get_xlim() if self._turned else axes.get_ylim()
        fine = np.interp(np.linspace(0, len(self._loss) - 1, size[0]), np.arange(len(self._loss)), self._loss)
        with np.errstate(invalid="ignore", over="ignore"):
            heights = np.nan_to_num(np.clip((fine - low) / (high - low), 0, 1) * size[1])
        image = np.empty((*size, 4), np.uint8)
        image[..., :3] = (ramp_at(self.scale.levels(fine), self._ramp)[:, None, :3] * 255).round()
        image[..., 3] = (np.arange(size[1]) < heights[:, None]) * np.uint8(255)
        context = renderer.new_gc()
        renderer.draw_image(
            context, left, bottom, image if self._turned else np.ascontiguousarray(image.swapaxes(0, 1))
        )
        context.restore()
        self.stale = False
