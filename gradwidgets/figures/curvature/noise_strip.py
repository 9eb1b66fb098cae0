"""A strip that shows the gradient's noise scale as an interval of batch sizes, and the current batch size in it."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.style import Style, own_look
from gradwidgets.figures.curvature.curvature_parts import Noise
from gradwidgets.figures.curvature.spectrum_plot import UP

_MIDDLE = 0.34  # height of the interval, in heights of the strip


class NoiseStrip:
    """The interval on a logarithmic axis of samples.

    Args:
        axes: The axes to draw on.
        style: The colours.
        layout: The sizes.
        lines: The lines of its heading.

    Attributes:
        interval: The line from the interval's lower to its upper end.
        value: The mark of the noise scale.
        batch: The mark of the current batch size.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout, *, lines: int = 1) -> None:
        self._axes, self._style, self._layout = axes, style, layout
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        blue = style.shown(UP)
        self._heading = Heading(axes, style, layout, lines=lines)
        self._name = MovingText(
            fontsize=layout.small, color=style.ink, casing=style.plot, zorder=6, transform=axes.transAxes
        )
        axes.add_artist(self._name)
        self._pixel = layout.pixel / 72  # inches
        self.interval = moving_line(axes, color=blue, linewidth=6 * layout.pixel, zorder=3)
        point = {
            "linestyle": "none",
            "marker": "D",
            "markersize": 9 * layout.pixel,
            "markeredgewidth": 1.6 * layout.pixel,
        }
        self.value = moving_line(axes, color=style.halo, markeredgecolor=blue, zorder=4, **point)
        self.batch = moving_line(axes, color=style.ink, linestyle="--", linewidth=1.6 * layout.pixel, zorder=5)
        self._noise: Noise | None = None
        self._decades: Decades | None = None

    def show(self, noise: Noise | None) -> None:
        """Draw a noise scale, or none."""
        self._noise, self._decades = noise, None
        if noise is None:
            for line in (self.interval, self.value, self.batch):
                line.set_data([], [])
            return
        self._axes.grid(axis="x", color=self._style.faint, linewidth=self._layout.pixel)
        said, short_said = _words(noise)
        self._heading.show("noise scale", [(said, short_said, self._style.muted)])
        label_axes(self._axes, self._style, self._layout, x="samples in a batch")

    def mark(self, batch: float | None) -> bool:
        """Draw the current batch size; return whether the axis had to grow.

        Args:
            batch: Its size in samples, or None.
        """
        batch = batch if batch is not None and 0 < batch < math.inf else None
        self._name.set_text("" if batch is None or self._noise is None else f"batch {short(batch)}")
        if self._noise is None:
            return False
        noise, before = self._noise, self._decades
        decades = Decades.of(np.array([1.0, noise.value, noise.low, noise.high, batch or 1.0], float))
        if before is not None:
            decades = Decades(min(before.low, decades.low), max(before.high, decades.high))
        if decades != before:
            self._decades = decades
            with own_look():
                self._axes.set_xlim(decades.limits)
                self._axes.set_xticks(list(decades.ticks), list(decades.ticks.values()))
        low, high = decades.limits
        ends = decades.height(np.array([noise.low, noise.high, noise.value, batch or math.nan], float))
        left = low if math.isnan(ends[0]) else ends[0]
        right = high + 1 if math.isnan(ends[1]) else ends[1]  # beyond the frame, as there is no upper end
        self.interval.set_data([left, right], [_MIDDLE, _MIDDLE])
        for line, at, heights in ((self.value, ends[2:3], [_MIDDLE]), (self.batch, ends[[3, 3]], [0.0, 1.0])):
            there = np.isfinite(at)
            line.set_data(at[there], np.array(heights)[there])
        self._name_batch((ends[3] - low) / (high - low))
        return decades != before

    def _name_batch(self, share: float) -> None:
        """Write the batch's size beside its line, on the side where there is more room."""
        if not math.isfinite(share):
            return
        dpi, box, before = self._axes.figure.dpi, self._axes.bbox, share > 0.5
        gap = 5 * self._pixel * dpi / max(box.width, 1)
        self._name.set_horizontalalignment("right" if before else "left")
        self._name.set_position((share + (-gap if before else gap), 1 - 15 * self._pixel * dpi / max(box.height, 1)))


def _words(noise: Noise) -> tuple[str, str]:
    """The noise scale in words, and in few."""
    if not 0 < noise.value < math.inf:
        words = f"at least {short(noise.low)} samples" if noise.low > 0 else "unknown"
        return words, words
    high = short(noise.high) if math.isfinite(noise.high) else "∞"
    few = f"{short(noise.value)} samples"
    return f"{few}, {short(max(noise.low, 0.0))} to {high}", few
