"""A strip that shows the gradient's noise scale as an interval of batch sizes, and the current batch size in it."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.panel_text import Notice, fit, title
from gradwidgets.figures.base.style import Style, own_look
from gradwidgets.figures.curvature.curvature_parts import Noise
from gradwidgets.figures.curvature.spectrum_plot import UP


class NoiseStrip:
    """The interval on a logarithmic axis of samples.

    Args:
        axes: The axes to draw on.
        style: The colours.
        layout: The sizes.

    Attributes:
        interval: The line from the interval's lower to its upper end.
        value: The mark of the noise scale.
        batch: The mark of the current batch size.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout) -> None:
        self._axes, self._style, self._layout = axes, style, layout
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        scale, blue = layout.scale, style.shown(UP)
        self._title = title(axes, style, layout)
        self._present = title(axes, style, layout, right=True, moving=True)
        self._notice = Notice(axes, style, layout)
        self.interval = moving_line(axes, color=blue, linewidth=5 * scale, zorder=3)
        point = {"linestyle": "none", "marker": "D", "markersize": 7 * scale, "markeredgewidth": 1.0}
        self.value = moving_line(axes, color=style.halo, markeredgecolor=blue, zorder=4, **point)
        self.batch = moving_line(axes, color=style.ink, linestyle="--", linewidth=1.2 * scale, zorder=5)
        self._noise: Noise | None = None
        self._decades: Decades | None = None

    def show(self, noise: Noise | None, missing: str) -> None:
        """Draw a noise scale.

        Args:
            noise: The noise scale to draw.
            missing: The text shown if there is none.
        """
        self._noise, self._decades = noise, None
        known = noise is not None and any(0 < end < math.inf for end in (noise.value, noise.low, noise.high))
        self._notice.say("" if known else missing)
        self._axes.grid(known, axis="x")
        words = _words(noise) if noise is not None and known else "noise scale of the gradient"
        # The other end of the title line is for the batch size.
        fit(self._title, words, 0.75 * self._axes.bbox.width)
        label_axes(self._axes, self._style, self._layout, x="samples in a batch" if known else " ")
        if not known:
            self._noise = None
            self._axes.set_xticks([])
            for line in (self.interval, self.value, self.batch):
                line.set_data([], [])

    def mark(self, batch: float | None) -> bool:
        """Draw the current batch size; return whether the axis had to grow.

        Args:
            batch: Its size in samples, or None.
        """
        batch = batch if batch is not None and 0 < batch < math.inf else None
        self._present.set_text("" if batch is None or self._noise is None else f"╎ batch {short(batch)}")
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
        self.interval.set_data([left, right], [0.5, 0.5])
        for line, at, heights in ((self.value, ends[2:3], [0.5]), (self.batch, ends[[3, 3]], [0.0, 1.0])):
            there = np.isfinite(at)
            line.set_data(at[there], np.array(heights)[there])
        return decades != before


def _words(noise: Noise) -> str:
    if not 0 < noise.value < math.inf:
        return f"noise scale: at least {short(noise.low)} samples" if noise.low > 0 else "noise scale: unknown"
    high = short(noise.high) if math.isfinite(noise.high) else "∞"
    return f"noise scale: {short(noise.value)} samples, {short(max(noise.low, 0.0))} to {high}"
