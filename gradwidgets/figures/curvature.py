"""The picture of a loss's curvature and of its gradient's noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from gradwidgets.figures.layout import DPI, curvature_layout
from gradwidgets.figures.marks import label_axes, plot_axes
from gradwidgets.figures.moving import moving_line
from gradwidgets.figures.picture import Picture
from gradwidgets.figures.pixels import Pixels
from gradwidgets.figures.side_plot import NOW, SECOND, Curve, Detail, SidePlot, plot_title
from gradwidgets.figures.style import LIGHT, Style, own_look

_BINS = 60
_NULL, _EDGE = "#7d8894", "#d7301f"
_LOW, _HIGH = np.array([33, 102, 172]), np.array([178, 24, 43])  # of a correlation: −1 blue, 1 red


@dataclass(frozen=True, eq=False)
class Curvature:
    """What was measured; None stands for what was not.

    Attributes:
        eigenvalues: (n,) ascending.
        density: (2, m) places and density.
        largest: λmax.
        rounding: What rounding can make of a zero.
        lr: The learning rate whose limit is drawn, 2/lr.
        noise: The noise scale, and its interval's lower and upper end, in samples; NaN where unknown.
        batch: Samples of the present batch.
        names: L layers.
        signal_to_noise: (L,).
        threshold: What gradients without any signal would give.
        correlation: (m, m) of one layer.
        correlation_of: Which.
    """

    lr: float
    eigenvalues: np.ndarray | None = None
    density: np.ndarray | None = None
    largest: float = math.nan
    rounding: float = 0.0
    noise: tuple[float, float, float] | None = None
    batch: int = 1
    names: Sequence[str] = ()
    signal_to_noise: Sequence[float] | None = None
    threshold: float = math.nan
    correlation: np.ndarray | None = None
    correlation_of: str = ""


@dataclass(frozen=True)
class Bent:
    """An axis that is linear up to ±`unit` and logarithmic beyond.

    Attributes:
        unit: Where it bends.
    """

    unit: float

    def __call__(self, values: np.ndarray | float) -> np.ndarray:
        """Where values lie."""
        return np.arcsinh(np.asarray(values, float) / self.unit) / math.log(10)

    def ticks(self, low: float, high: float) -> dict[float, str]:
        """Place → text of zero and powers of ten between two values."""
        top = max(abs(low), abs(high), self.unit)
        powers = range(math.ceil(math.log10(self.unit) - 1e-9), math.floor(math.log10(top) + 1e-9) + 1)
        stride = max(1, math.ceil(len(powers) / 4))
        sizes = [10.0**p for p in list(powers)[::-1][::stride]]
        values = [0.0, *sizes, *(-size for size in sizes)]
        return {float(self(v)): _short(v) for v in sorted(values) if low <= v <= high}


class CurvatureFigure:
    """The plots of curvature and noise.

    Args:
        figure: What they are drawn on.

    Attributes:
        figure: The same.
        spectrum: Axes of the eigenvalues.
        layers: The plot of the layers' signal to noise.
        noise: The strip of the noise scale.
        lines: Name → what moves over the spectrum.
    """

    def __init__(self, figure: Picture) -> None:
        self.figure = figure

    def build(self, style: Style = LIGHT) -> None:
        """Make all artists anew, for the figure's present size."""
        with own_look():
            figure = self.figure
            for axes in figure.axes:
                figure.delaxes(axes)
            figure.clear()
            figure.set_facecolor(style.face)
            width, height = figure.get_size_inches() * DPI
            layout, image = curvature_layout(float(width), float(height))
            self._style, self._layout = style, layout
            self.spectrum = plot_axes(figure, layout.maps[0], style, layout)
            self.spectrum.grid(color=style.faint, linewidth=0.6)
            self.spectrum.set_axisbelow(True)
            label_axes(self.spectrum, style, layout, x="eigenvalue, logarithmic away from 0")
            self._title = plot_title(self.spectrum, style, layout)
            self.layers = SidePlot(figure, layout.data, style, layout)
            self.noise = SidePlot(figure, layout.losses, style, layout)
            self._image = plot_axes(figure, image, style, layout)
            self._image.set_xticks([])
            self._image.set_yticks([])
            self._image.set_xlim(0, 1)
            self._image.set_ylim(0, 1)
            self._image_title = plot_title(self._image, style, layout)
            self._pixels = Pixels(self._image)
            usual = {"linewidth": 1.5 * layout.scale}
            self.lines = {
                "density": moving_line(self.spectrum, color=style.ink, zorder=4, **usual),
                "largest": moving_line(self.spectrum, color=_EDGE, zorder=5, **usual),
                "limit": moving_line(self.spectrum, color=style.ink, linestyle="--", zorder=5, **usual),
            }
            self._bars = None
            self._missing = [
                _note(axes, style, layout) for axes in (self.spectrum, self.layers.axes, self.noise.axes, self._image)
            ]
            self._told: list[object] = [None] * 2

    def update(self, shown: Curvature) -> tuple[list[Axes], bool]:
        """Change the picture.

        Args:
            shown: What to show.

        Returns:
            The axes that must be drawn again with their labels, and whether all must be.
        """
        with own_look():
            changed = self._draw_spectrum(shown)
            changed += self.layers.update(_layers_detail(shown))
            changed += self.noise.update(_noise_detail(shown))
            changed += self._draw_image(shown)
            known = (shown.eigenvalues, shown.signal_to_noise, shown.noise, shown.correlation)
            words = ("press Spectrum", "press Covariance", "press Noise scale", "press\nCovariance")
            for note, part, word in zip(self._missing, known, words, strict=True):
                said = "" if part is not None else word
                if note.get_text() != said:
                    note.set_text(said)
                    changed.append(note.axes)
        return list(dict.fromkeys(changed)), False

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is not self.layers.axes or x is None:
            return None
        return int(min(max(round(x), 1), round(axes.get_xlim()[1] - 0.6))) - 1

    def _draw_spectrum(self, shown: Curvature) -> list[Axes]:
        key = (id(shown.eigenvalues), shown.lr)
        if self._told[0] == key:
            return []
        self._told[0] = key
        axes = self.spectrum
        if self._bars is not None:
            self._bars.remove()
            self._bars = None
        for line in self.lines.values():
            line.set_data([], [])
        if shown.eigenvalues is None or not len(shown.eigenvalues):
            self._title.set_text("eigenvalues of the Hessian")
            axes.set_xticks([])
            axes.set_yticks([])
            return [axes]
        values = np.asarray(shown.eigenvalues, float)
        size = float(np.abs(values).max()) or 1.0
        bent = Bent(10.0 ** math.floor(math.log10(max(size * 1e-4, min(shown.rounding, size * 1e-2), 1e-300))))
        edge = 2 / shown.lr if shown.lr > 0 else math.inf
        low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
        if high < edge <= 1e3 * size:
            high = edge
        left, right = float(bent(low)), float(bent(high))
        margin = 0.05 * (right - left)
        left, right = left - margin, right + margin
        edges = np.linspace(left, right, _BINS + 1)
        places = bent(values)
        counts, _ = np.histogram(places, edges)
        heights = np.log10(1.0 + counts)
        middles = (edges[:-1] + edges[1:]) / 2
        null = float(bent(shown.rounding))
        colors = [
            _NULL if a <= null and b >= -null else (SECOND if m < 0 else self._style.bright.get(NOW, NOW))
            for a, b, m in zip(edges, edges[1:], middles, strict=False)
        ]
        self._bars = axes.bar(middles, heights, width=0.92 * (edges[1] - edges[0]), color=colors, zorder=2)
        top = 1.12 * float(heights.max())
        axes.set_xlim(left, right)
        axes.set_ylim(0, top)
        ticks = bent.ticks(low, high)
        axes.set_xticks(list(ticks), list(ticks.values()))
        steps = [n for n in (1, 10, 100, 1_000, 10_000, 100_000) if math.log10(1 + n) <= top]
        axes.set_yticks([math.log10(1 + n) for n in steps], [f"{n:,}" for n in steps])
        if shown.density is not None:
            at, density = np.asarray(shown.density, float)
            # Five decades of it: beside the many flat directions the few steep ones would not be seen.
            with np.errstate(divide="ignore"):
                logs = np.log10(density)
            heights = 1 + (logs - logs.max()) / 5
            seen = np.isfinite(heights) & (heights >= 0)
            self.lines["density"].set_data(bent(at[seen]), 0.9 * top * heights[seen])
        self.lines["largest"].set_data([float(bent(shown.largest))] * 2, [0, top])
        if math.isfinite(edge) and left <= float(bent(edge)) <= right:
            self.lines["limit"].set_data([float(bent(edge))] * 2, [0, top])
        beyond = "" if math.isfinite(edge) and float(bent(edge)) <= right else " (far right)"
        limit = f"   2/lr {_short(edge)} ┇{beyond}" if math.isfinite(edge) else ""
        self._title.set_text(f"eigenvalues ▮ density ―   λmax {_short(shown.largest)} ┃{limit}")
        return [axes]

    def _draw_image(self, shown: Curvature) -> list[Axes]:
        if self._told[1] == (id(shown.correlation), shown.correlation_of):
            return []
        self._told[1] = (id(shown.correlation), shown.correlation_of)
        name = shown.correlation_of
        name = name if len(name) <= 12 else name[:11] + "…"
        self._image_title.set_text(f"correlation, {name}" if name else "correlation")
        self._pixels.paint(_painter(shown.correlation, self._style))
        return [self._image]


def _painter(correlation: np.ndarray | None, style: Style):
    neutral = np.rint(255 * np.asarray(to_rgb(style.plot)))

    def paint(width: int, height: int) -> np.ndarray:
        image = np.empty((height, width, 4), np.uint8)
        image[..., 3] = 255
        if correlation is None or not correlation.size:
            image[..., :3] = neutral
            return image
        rows = (len(correlation) * (np.arange(height)[::-1] + 0.5) / height).astype(int)
        columns = (len(correlation) * (np.arange(width) + 0.5) / width).astype(int)
        share = np.nan_to_num(correlation[np.ix_(rows, columns)])[..., None]
        end = np.where(share < 0, _LOW, _HIGH)
        image[..., :3] = np.rint(neutral + np.abs(share) * (end - neutral))
        return image

    return paint


def _layers_detail(shown: Curvature) -> Detail:
    title = "signal / noise of batches"
    if shown.signal_to_noise is None:
        return Detail(title, x_ticks={})
    values = np.asarray(shown.signal_to_noise, float)
    at = np.arange(1, len(values) + 1)
    known = np.isfinite(values)
    curves = [Curve("now", at[known], values[known])]
    curves.append(Curve("limit", np.array([0.4, len(values) + 0.6]), np.full(2, shown.threshold)))
    top = 1.15 * max(float(values[known].max()) if known.any() else 1.0, shown.threshold)
    return Detail(title, curves, (0.4, len(values) + 0.6, 0.0, top), None, x_label="layer")


def _noise_detail(shown: Curvature) -> Detail:
    title = "noise scale ◆  batch ╌"
    if shown.noise is None:
        return Detail(title, x_ticks={})
    value, low, high = shown.noise
    low = max(low if math.isfinite(low) else 1e-2, 1e-2)
    end = high if math.isfinite(high) else 1e3 * max(low, shown.batch)
    known = [math.log10(max(v, 1e-2)) for v in (value, low, end, shown.batch) if math.isfinite(v)]
    left, right = math.floor(min(known) - 0.05), math.ceil(max(known) + 0.05)
    curves = [
        Curve("now", np.log10([low, end]), np.array([0.5, 0.5])),
        Curve("limit", np.full(2, math.log10(shown.batch)), np.array([0.0, 1.0])),
    ]
    if math.isfinite(value) and value > 0:
        curves.append(Curve("point 0", np.array([math.log10(max(value, 1e-2))]), np.array([0.5])))
    stride = max(1, math.ceil((right - left) / 4))
    ticks = {float(p): _short(10.0**p) for p in range(left, right + 1, stride)}
    return Detail(title, curves, (left, right, 0.0, 1.0), {}, ticks, "samples")


def _note(axes: Axes, style: Style, layout):
    return axes.text(
        0.5,
        0.5,
        "",
        transform=axes.transAxes,
        ha="center",
        va="center",
        parse_math=False,
        fontsize=layout.label,
        color=style.muted,
    )


def _short(value: float) -> str:
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("-", "−")
