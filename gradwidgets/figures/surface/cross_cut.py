"""A cut on the map's own axis: the losses along a line through the point, filled with the map's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike

from gradwidgets.figures.axes.ticks import ToldApart, short
from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import disc, plot_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import fit, title
from gradwidgets.figures.base.style import Style, loss_line
from gradwidgets.figures.surface.cut_plot import Cut, span_of
from gradwidgets.figures.surface.surface_scale import SurfaceScale

_STEP = 45.0  # CSS pixels of an interval between ticks, at least
_EDGE = 9.0  # CSS pixels from the map within which a tick's label would touch the map's own


class CrossCut:
    """A plot of one or two losses along one of the map's axes, above the map or, turned, at its right.

    Args:
        figure: The figure to draw on.
        box: The plot's position, in line with the map.
        name: What is drawn: "loss along a".
        losses: The losses' names.
        style: The colours.
        layout: The sizes.
        held: The parameter that is held; "" for none.
        turned: Whether the parameter runs upwards.
        from_zero: Whether the ground is coloured between the curve and zero, and not up to the curve.
        two_lines: Whether there is room for two lines above it.
        margin: CSS pixels from its lower end within which a tick's label would touch the map's own.

    Attributes:
        axes: The plot's axes.
        turned: As given.
        lines: Loss name → its curve.
    """

    def __init__(
        self,
        figure: Figure,
        box: Box,
        name: str,
        losses: Sequence[str],
        style: Style,
        layout: Layout,
        *,
        held: str = "",
        turned: bool = False,
        from_zero: bool = False,
        margin: float = _EDGE,
        two_lines: bool = False,
    ) -> None:
        axes = self.axes = plot_axes(figure, box, style, layout)
        self.turned, self._held = turned, held
        along, across = (axes.yaxis, axes.xaxis) if turned else (axes.xaxis, axes.yaxis)
        along.set_ticks([])
        room = (axes.bbox.width if turned else axes.bbox.height) * 72 / figure.dpi / layout.pixel
        across.set_major_locator(
            _Inner(max(3, min(5, int(room / _STEP / (1.5 if turned else 1)))), 0.0 if turned else margin / room)
        )
        across.set_major_formatter(ToldApart())
        across.grid(color=style.faint, linewidth=layout.pixel)
        axes.set_axisbelow(True)
        self._title(name, style, layout, two_lines=two_lines)
        self._limits = 0.0, 1.0, 0.0, 1.0
        self._settled = False
        self._fill = _Fill(axes, style.ramp, turned, from_zero)
        self.lines = {}
        for k, loss in enumerate(losses):
            color, dashes = (style.ink, "-") if len(losses) == 1 else loss_line(loss, k, style)
            self.lines[loss] = moving_line(
                axes, color=color, linestyle=dashes if k == 0 else "--", linewidth=2.2 * layout.pixel, zorder=3 + k
            )
        self._here = moving_line(
            axes, color=style.accent, linewidth=1.4 * layout.pixel, linestyle=(0, (4, 3)), zorder=5
        )
        self._mark = moving_line(axes, **disc(style.accent, layout, 9.5), zorder=8)
        self._mark.set_clip_on(False)

    def _title(self, name: str, style: Style, layout: Layout, *, two_lines: bool) -> None:
        """Say what is drawn, and leave room for what is held: at its right, or under it."""
        axes, em = self.axes, layout.small * self.axes.figure.dpi / 72
        words = title(axes, style, layout, bold=True)
        fit(words, name, axes.bbox.width)
        wide = words.get_window_extent(renderer_of(axes.figure)).width + (len(self._held) + 7) * 0.6 * em
        narrow = wide > axes.bbox.width
        self._about = title(axes, style, layout, right=not narrow, moving=True)
        if narrow and not two_lines:
            self._held = ""
        elif narrow:
            self._about.set(fontsize=layout.small, color=style.muted)
            words.set_transform(
                words.get_transform() + ScaledTranslation(0, 1.35 * layout.small / 72, axes.figure.dpi_scale_trans)
            )

    def tint(self, scale: SurfaceScale) -> None:
        """Set the scale of the colours under the curve."""
        self._fill.scale = scale

    def hold(self, value: float | None) -> None:
        """Say where the other parameter is held."""
        span = self._limits[1] - self._limits[0]
        words = "" if value is None or not self._held else f"{self._held} = {short(value, span)}"
        self._about.set_text(words if len(words) < 16 else "")

    def move(self, cut: Cut, at: float | None, *, settle: bool, tints: Mapping[str, np.ndarray] | None = None) -> bool:
        """Change the curves and the point.

        Args:
            cut: The curves.
            at: Where the point is along them; None for none.
            settle: Whether the plot's scale may change.
            tints: The losses that give the colours, if the curves are not losses.

        Returns:
            Whether the plot's scale changed.
        """
        changed = self._rescale(cut, settle=settle)
        low, high = self._limits[2:]
        reach = 3 * (high - low)
        marks = []
        for name, values in cut.loss.items():
            heights = np.clip(values, low - reach, high + reach)
            self.lines[name].set_data(*self._laid(cut.values, heights))
            marks.append(np.nan if at is None else float(np.interp(at, cut.values, heights)))
        if len(cut.loss) == 1:
            self._fill.show(*cut.loss.values(), *(tints or cut.loss).values())
        seen = [mark for mark in marks if low <= mark <= high]
        self._here.set_data(*self._laid(*(([], []) if at is None else ([at, at], [low, high]))))
        self._mark.set_data(*self._laid(np.full(len(seen), at, float), seen))
        return changed

    def _rescale(self, cut: Cut, *, settle: bool) -> bool:
        low, high = span_of(cut.loss.values()) if settle or not self._settled else self._limits[2:]
        limits = (float(cut.values[0]), float(cut.values[-1]), low, high)
        changed = limits != self._limits or not self._settled
        self._settled = True
        if changed:
            self._limits = limits
            (self.axes.set_ylim if self.turned else self.axes.set_xlim)(limits[:2])
            (self.axes.set_xlim if self.turned else self.axes.set_ylim)(limits[2:])
        return changed

    def _laid(self, along: ArrayLike, across: ArrayLike) -> tuple[ArrayLike, ArrayLike]:
        return (across, along) if self.turned else (along, across)


class _Inner(MaxNLocator):
    """Round numbers, but none so near the map that its label would touch what is written there."""

    def __init__(self, most: int, margin: float) -> None:
        super().__init__(most, steps=(1, 2, 5, 10))
        self._margin = margin

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        ticks = np.asarray(super().tick_values(vmin, vmax))
        share = (ticks - vmin) / (vmax - vmin) if vmax > vmin else np.full(len(ticks), 0.5)
        inner = ticks[(share > self._margin) & (share < 0.98)]
        return list(inner if len(inner) else ticks)


class _Fill(Artist):
    """What lies under the curve, in the map's colours; animated."""

    def __init__(self, axes: Axes, ramp: np.ndarray, turned: bool, from_zero: bool) -> None:
        super().__init__()
        self.set_animated(True)
        self.set_zorder(1.5)
        self.scale: SurfaceScale | None = None
        colors = np.full((len(ramp), 4), 255, np.uint8)
        colors[:, :3] = (ramp[:, :3] * 255).round()
        self._colors = colors.view(np.uint32).ravel()
        self._turned, self._from_zero = turned, from_zero
        self._heights = self._losses = np.empty(0)
        axes.add_artist(self)

    def show(self, heights: np.ndarray, losses: np.ndarray) -> None:
        """Set the curve and the losses that give its colours, evenly spaced, both (W,)."""
        self._heights, self._losses = heights, losses

    def draw(self, renderer: RendererBase) -> None:
        """Paint a column for each pixel along the cut."""
        axes = self.axes
        if axes is None or self.scale is None or not self._heights.size:
            return
        left, bottom, right, top = (round(edge) for edge in axes.bbox.extents)
        size = (top - bottom, right - left) if self._turned else (right - left, top - bottom)
        limits = axes.get_xlim() if self._turned else axes.get_ylim()
        first, last = self._columns(size, limits)
        level = np.rint(np.nan_to_num(self.scale.levels(self._fine(self._losses, size[0]))) * (len(self._colors) - 1))
        rows, tint = np.arange(size[1]), self._colors[level.astype(np.intp)]
        if self._turned:
            rows, first, last, tint = rows[None], first[:, None], last[:, None], tint[:, None]
        else:
            rows = rows[:, None]
        image = np.where((rows >= first) & (rows < last), tint, np.uint32(0))
        context = renderer.new_gc()
        renderer.draw_image(context, left, bottom, image.view(np.uint8).reshape(*image.shape, 4))
        context.restore()
        self.stale = False

    def _columns(self, size: tuple[int, int], limits: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
        """The pixels between which each column is filled."""
        low, high = limits
        ends = np.stack([self._fine(self._heights, size[0]), np.full(size[0], 0.0 if self._from_zero else low)])
        with np.errstate(invalid="ignore", over="ignore"):
            ends = np.clip((ends - low) / (high - low), 0, 1) * size[1]
        ends = np.where(np.isnan(ends).any(0), 0.0, ends)
        return ends.min(0), ends.max(0)

    def _fine(self, values: np.ndarray, count: int) -> np.ndarray:
        """Values as many as there are pixels."""
        return np.interp(np.linspace(0, len(values) - 1, count), np.arange(len(values)), values)
