"""The picture of a loss's curvature, and of the noise in its gradient.

`CurvatureFigure.update` shows a `Curvature`, plain arrays, and returns what must be redrawn. Nothing is computed here
but pixels. What a slider changes, the learning rate and the batch size, is animated over the background.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.axes.color_bar import ColorBar
from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.base.layout import curvature_layout
from gradwidgets.figures.base.marks import EDGE, label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.panel_text import Key, Notice, fit, title
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import DARK, STYLES, own_look
from gradwidgets.figures.curvature.curvature_parts import PARTS, Correlation, Curvature, SignalToNoise
from gradwidgets.figures.curvature.noise_strip import NoiseStrip
from gradwidgets.figures.curvature.spectrum_plot import FLAT, UP, SpectrumPlot

_BANDS = 64  # colours of the correlations
_MARKED = 120  # layers up to which neighbouring marks can be told apart
_SIGNAL, _CORRELATION = "signal to noise", "correlation of gradients"


class CurvatureFigure(SceneFigure[Curvature]):
    """The artists of the measurements.

    Attributes:
        spectrum: The axes of the eigenvalues.
        noise: The axes of the noise scale.
        signal: The axes of the signal-to-noise ratio over the layers.
        matrix: The axes of the correlations.
        eigenvalues: What is drawn of the eigenvalues.
        bar: The colours of the correlations.
        lines: Name → animated line.
    """

    def __init__(self, figure: Picture) -> None:
        super().__init__(figure)
        self.lines: dict[str, MovingLine] = {}

    def _build(self, scene: Curvature) -> None:
        style, figure = STYLES[scene.theme], self.figure
        width, height = figure.blank(style.face)
        layout, bar = curvature_layout(width, height)
        self._style, self._layout = style, layout
        self.spectrum = plot_axes(figure, layout.maps[0], style, layout)
        self.noise = plot_axes(figure, layout.maps[1], style, layout)
        self.signal = plot_axes(figure, layout.upper, style, layout)
        self.matrix = plot_axes(figure, layout.maps[2], style, layout)
        for axes in (self.spectrum, self.noise, self.signal):
            axes.grid(color=style.faint, linewidth=0.6)
            axes.set_axisbelow(True)
        self.eigenvalues = SpectrumPlot(self.spectrum, style, layout)
        self._strip = NoiseStrip(self.noise, style, layout)
        self._titles = {axes: title(axes, style, layout) for axes in (self.signal, self.matrix)}
        self._notices = {axes: Notice(axes, style, layout) for axes in (self.signal, self.matrix)}
        self._key = Key(self._titles[self.signal], style, layout)
        colors = colormaps["berlin" if style is DARK else "RdBu_r"](np.linspace(0, 1, _BANDS))
        self._colors = np.vstack([colors, to_rgba(style.faint)])
        self.bar = ColorBar(figure, bar, colors, style, layout)
        self.bar.show({0.0: "−1", 0.5: "0", 1.0: "1"})
        self._image: AxesImage | None = None
        self._signal_lines: dict[str, MovingLine] = {}
        self._layers = 0
        self._collect()

    def _collect(self) -> None:
        spectrum, strip = self.eigenvalues, self._strip
        self.lines = {
            "density": spectrum.density,
            "largest": spectrum.top,
            "2/lr": spectrum.limit,
            "interval": strip.interval,
            "noise scale": strip.value,
            "batch": strip.batch,
            **self._signal_lines,
        }

    def _change(self, shown: Curvature, before: Curvature | None) -> Redraw:
        changed: list[Axes] = []
        had_bar = self.bar.axes.get_visible()
        for name in PARTS:
            if before is None or shown.told(name) != before.told(name):
                with own_look():
                    changed += self._show(name, *shown.told(name))
        self.eigenvalues.mark(shown.lr)
        if self._strip.mark(shown.batch):
            changed.append(self.noise)
        whole = self.bar.axes.get_visible() != had_bar
        return Redraw(with_labels=tuple(dict.fromkeys(changed)), everything=whole)

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is None or x is None or not self._layers or axes is not self.signal:
            return None
        return int(min(max(round(x), 1), self._layers)) - 1

    def _show(self, name: str, part: Any, missing: str) -> list[Axes]:
        if name == "eigenvalues":
            self.eigenvalues.show(part, missing)
            return [self.spectrum]
        if name == "noise":
            self._strip.show(part, missing)
            return [self.noise]
        if name == "signal_to_noise":
            self._show_signal(part, missing)
            self._collect()
            return [self.signal]
        self._show_correlation(part, missing)
        return [self.matrix]

    def _show_signal(self, signal: SignalToNoise | None, missing: str) -> None:
        axes, style, scale = self.signal, self._style, self._layout.scale
        for line in self._signal_lines.values():
            line.remove()
        self._signal_lines = {}
        self._layers = 0 if signal is None else len(signal.values)
        measured = self._layers > 0
        self._notices[axes].say("" if measured else missing)
        self._titles[axes].set_text(_SIGNAL)
        self._key.show([("╌ chance alone", style.muted)] if measured else [])
        axes.grid(measured)
        label_axes(axes, style, self._layout, x="layer" if measured else " ")
        if signal is None or not measured:
            axes.set_xticks([])
            axes.set_yticks([])
            return
        values = np.asarray(signal.values, float)
        positions = np.arange(1, len(values) + 1)
        decades = Decades.of(np.append(values, signal.threshold))
        axes.set_xlim(0.4, len(values) + 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axes.set_ylim(decades.limits)
        axes.set_yticks(list(decades.ticks), list(decades.ticks.values()))
        size = (4.2 if len(values) <= _MARKED else 1.8) * scale
        points: dict[str, Any] = {"linestyle": "none", "markeredgewidth": 0, "marker": "o", "markersize": size}
        edged: dict[str, Any] = {"linestyle": "none", "markeredgecolor": EDGE, "markeredgewidth": 0.8}
        edged["markersize"] = size + 1.8 * scale
        self._signal_lines = {
            "threshold": moving_line(axes, color=FLAT, linestyle="--", linewidth=1.2 * scale, zorder=3),
            "signal": moving_line(axes, color=style.shown(UP), zorder=4, **points),
            "no signal": moving_line(axes, color=style.halo, marker="v", zorder=5, **edged),
        }
        heights = decades.height(values)
        known, zero = np.isfinite(heights), np.flatnonzero(values == 0)
        low, high = decades.limits
        self._signal_lines["signal"].set_data(positions[known], heights[known])
        self._signal_lines["no signal"].set_data(positions[zero], np.full(len(zero), low + 0.035 * (high - low)))
        chance = float(decades.height(np.array(signal.threshold)))
        ends = [0.4, len(values) + 0.6] if math.isfinite(chance) else []
        self._signal_lines["threshold"].set_data(ends, [chance] * len(ends))

    def _show_correlation(self, correlation: Correlation | None, missing: str) -> None:
        axes = self.matrix
        if self._image is not None:
            self._image.remove()
            self._image = None
        if correlation is not None and not correlation.matrix.size:
            correlation = None
        measured = correlation is not None
        words = f"correlation, {correlation.layer}" if correlation is not None and correlation.layer else _CORRELATION
        left, bottom, width, height = self._layout.maps[2]
        axes.set_position((left, bottom, width if measured else self._layout.upper[2], height))
        fit(self._titles[axes], words, axes.bbox.width)
        self._notices[axes].say("" if measured else missing)
        axes.set_xticks([])
        axes.set_yticks([])
        self.bar.axes.set_visible(measured)
        if correlation is not None:
            matrix = np.asarray(correlation.matrix, float)
            bands = np.clip((np.clip(matrix, -1, 1) + 1) / 2 * _BANDS, 0, _BANDS - 1)
            index = np.where(np.isnan(matrix), _BANDS, np.nan_to_num(bands)).astype(int)
            count = len(matrix)
            axes.set_xlim(0, count)
            axes.set_ylim(count, 0)
            image = (self._colors[index] * 255).round().astype(np.uint8)
            extent = (0, count, count, 0)
            self._image = axes.imshow(image, extent=extent, aspect="auto", interpolation="nearest", zorder=1)
