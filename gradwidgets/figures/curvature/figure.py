"""The picture of a loss's curvature, and of the noise in its gradient.

`CurvatureFigure.update` shows a `Curvature`, plain arrays, and returns what must be redrawn. Nothing is computed here
but pixels. What a slider changes, the learning rate and the batch size, is animated over the background.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from gradwidgets.core.results.wording import number
from gradwidgets.figures.axes.color_bar import ColorBar
from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.waiting_line import WaitingLine
from gradwidgets.figures.base.marks import EDGE, label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES, Style, own_look
from gradwidgets.figures.curvature.curvature_parts import PARTS, Correlation, Curvature, SignalToNoise
from gradwidgets.figures.curvature.curvature_rooms import CurvatureLayout
from gradwidgets.figures.curvature.noise_strip import NoiseStrip
from gradwidgets.figures.curvature.spectrum_plot import DOWN, FLAT, UP, SpectrumPlot

_BANDS = 65  # colours of the correlations, one of them for 0
_MARKED = 120  # layers up to which neighbouring marks can be told apart
_CHANCE = "chance alone"


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
        self._layout = CurvatureLayout(width, height)
        layout = self._sizes = self._layout.sizes
        self._style = style
        self.spectrum, self.noise, self.signal, self.matrix = (
            plot_axes(figure, (0.1, 0.1, 0.5, 0.5), style, layout) for _ in PARTS
        )
        self.noise.set_yticks([])
        for axes in (self.spectrum, self.signal):
            axes.grid(color=style.faint, linewidth=layout.pixel)
        for axes in (self.spectrum, self.noise, self.signal):
            axes.set_axisbelow(True)
        lines = 1 + self._layout.narrow
        self.eigenvalues = SpectrumPlot(self.spectrum, style, layout, lines=lines)
        self._strip = NoiseStrip(self.noise, style, layout, lines=lines)
        self._headings = {axes: Heading(axes, style, layout, lines=lines) for axes in (self.signal, self.matrix)}
        self._lines = [WaitingLine(figure, style, layout) for _ in PARTS]
        colors = _diverging(style)
        self._colors = np.vstack([colors, to_rgba(style.shown(FLAT))])
        self.bar = ColorBar(figure, (0.9, 0.1, 0.02, 0.1), colors, style, layout)
        self.bar.show({0.0: "−1", 0.5: "0", 1.0: "1"})
        self._image: AxesImage | None = None
        self._band: list[Artist] = []
        self._signal_lines: dict[str, MovingLine] = {}
        self._layers = 0
        self._arranged: tuple[object, ...] | None = None
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
        whole = self._arrange(shown)
        for name in PARTS:
            if before is None or whole or shown.part(name) is not before.part(name):
                with own_look():
                    changed.append(self._show(name, shown.part(name)))
        self.eigenvalues.mark(shown.lr)
        if self._strip.mark(shown.batch):
            changed.append(self.noise)
        seen = [axes for axes in dict.fromkeys(changed) if axes.get_visible()]
        return Redraw(with_labels=tuple(seen), everything=whole)

    def _arrange(self, shown: Curvature) -> bool:
        """Put the plots where they belong; return whether that changed anything."""
        state = shown.there, shown.waiting
        if state == self._arranged:
            return False
        self._arranged = state
        places = self._layout.places(*state)
        boxes = [places.eigenvalues, places.noise, places.signal_to_noise, places.correlation, places.bar]
        plots = [self.spectrum, self.noise, self.signal, self.matrix, self.bar.axes]
        for axes, box in zip(plots, boxes, strict=True):
            axes.set_visible(box is not None)
            if box is not None:
                axes.set_position(box)
        said = [*zip(shown.waiting, places.waiting, strict=True), *[("", None)] * len(PARTS)]
        for line, (words, place) in zip(self._lines, said, strict=False):
            line.show(words, place)
        return True

    def _value_in(self, scene: Curvature, axes: Axes, x: float, y: float) -> str:
        layer, signal = self.layer_at(axes, x), scene.signal_to_noise
        if layer is None or signal is None:
            return ""
        return f"{signal.names[layer]}\nsignal to noise {number(float(signal.values[layer]), 3)}"

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is None or x is None or not self._layers or axes is not self.signal:
            return None
        return int(min(max(round(x), 1), self._layers)) - 1

    def _show(self, name: str, part: Any) -> Axes:
        if name == "eigenvalues":
            self.eigenvalues.show(part)
            return self.spectrum
        if name == "noise":
            self._strip.show(part)
            return self.noise
        if name == "signal_to_noise":
            self._show_signal(part)
            self._collect()
            return self.signal
        self._show_correlation(part)
        return self.matrix

    def _show_signal(self, signal: SignalToNoise | None) -> None:
        axes, style, scale = self.signal, self._style, self._sizes.scale
        for artist in (*self._signal_lines.values(), *self._band):
            artist.remove()
        self._signal_lines, self._band = {}, []
        self._layers = 0 if signal is None else len(signal.values)
        if signal is None:
            return
        self._headings[axes].show("signal to noise")
        label_axes(axes, style, self._sizes, x="layer")
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
            "threshold": moving_line(
                axes, color=style.shown(FLAT), linestyle="--", linewidth=1.6 * self._sizes.pixel, zorder=3
            ),
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
        if ends:
            self._show_band(chance, low, high)

    def _show_band(self, top: float, low: float, high: float) -> None:
        """Tint what mere chance gives, and name it at its lower end."""
        style, layout, axes = self._style, self._sizes, self.signal
        self._band = [axes.axhspan(low, top, color=style.shown(FLAT), alpha=0.13, linewidth=0, zorder=1)]
        room = (top - low) / (high - low) * axes.bbox.height / axes.figure.dpi * 72  # points
        if room < 1.5 * layout.small:
            return
        lift = ScaledTranslation(-5 * layout.pixel / 72, 5 * layout.pixel / 72, axes.figure.dpi_scale_trans)
        self._band.append(
            axes.text(
                1.0, 0.0, _CHANCE, transform=axes.transAxes + lift, ha="right", va="bottom", parse_math=False,
                fontsize=layout.small, color=style.muted, zorder=2,
            )
        )  # fmt: skip

    def _show_correlation(self, correlation: Correlation | None) -> None:
        axes = self.matrix
        if self._image is not None:
            self._image.remove()
            self._image = None
        axes.set_xticks([])
        axes.set_yticks([])
        if correlation is None:
            return
        names = [(correlation.layer, correlation.layer, self._style.muted)] if correlation.layer else []
        self._headings[axes].show("correlation", names)
        matrix = np.asarray(correlation.matrix, float)
        bands = np.clip((np.clip(matrix, -1, 1) + 1) / 2 * _BANDS, 0, _BANDS - 1)
        index = np.where(np.isnan(matrix), _BANDS, np.nan_to_num(bands)).astype(int)
        count = len(matrix)
        axes.set_xlim(0, count)
        axes.set_ylim(count, 0)
        image = (self._colors[index] * 255).round().astype(np.uint8)
        extent = (0, count, count, 0)
        self._image = axes.imshow(image, extent=extent, aspect="auto", interpolation="nearest", zorder=1)


def _diverging(style: Style) -> np.ndarray:
    """The colours of −1 to 1, (_BANDS, 4): those of eigenvalues of either sign, and the plot's ground at 0."""
    low, middle, high = (np.array(to_rgba(color)) for color in (style.shown(UP), style.plot, style.shown(DOWN)))
    share = np.linspace(-1, 1, _BANDS)[:, None]
    return np.where(share < 0, middle + share * (middle - low), middle + share * (high - middle))
