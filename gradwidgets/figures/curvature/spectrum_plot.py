"""The plot of a Hessian's eigenvalues: a histogram, and the band beyond the limit that the learning rate sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.eigenvalue_axis import EigenvalueAxis
from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.moving_fill import MovingFill
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.style import Style
from gradwidgets.figures.curvature.curvature_parts import Eigenvalues

UP, FLAT, DOWN = "#2457f0", "#7d869b", "#d95a00"
_TITLES = "how many eigenvalues", "eigenvalues"
_BASE = math.log10(0.5)  # height of the bars' feet, so that a single eigenvalue has a visible bar
_HEADROOM = 1.28  # for the labels of the lines, at least
_REACH = 0.05  # distance from 0 within which a density is dominated by what lies at 0, in widths of its range
_LETTER = 0.74  # width of a letter of labels and numbers, with some spacing, in font sizes
_UNDER, _OVER = (
    6.0,
    12.0,
)  # CSS pixels from a line's end to the label over it, and from a label's foot to its line's end
_UPPER, _LOWER, _HEAD = (
    16.0,
    33.0,
    42.0,
)  # CSS pixels of the smallest picture from the top to those labels, and the bars


class SpectrumPlot:
    """Bars, a density over them, λmax and 2/lr.

    Args:
        axes: The axes to draw on.
        style: The colours.
        layout: The sizes.
        lines: The lines of its heading.

    Attributes:
        axis: The mapping from eigenvalues to positions; None until there are some.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout, *, lines: int = 1) -> None:
        self._axes, self._style, self._layout = axes, style, layout
        self._heading = Heading(axes, style, layout, lines=lines)
        self._beyond = MovingFill(axes, style.alarm, 0.11)
        self._bars: list[BarContainer] = []
        self._largest = float("nan")
        self.axis: EigenvalueAxis | None = None
        line = {"linewidth": 1.8 * layout.pixel}
        self.density = moving_line(axes, color=style.ink, zorder=4, **line)
        self.top = moving_line(axes, color=style.shown(UP), zorder=5, **line)
        self.limit = moving_line(axes, color=style.alarm, linestyle="--", zorder=6, **line)
        look: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False, "zorder": 7}
        self.top_name = MovingText(color=style.written(UP), fontsize=layout.small, **look)
        self.limit_name = MovingText(color=style.written(style.alarm), fontsize=layout.small, **look)
        for name in (self.top_name, self.limit_name):
            axes.add_artist(name)

    def show(self, spectrum: Eigenvalues | None) -> None:
        """Draw a spectrum, or none."""
        for bars in self._bars:
            bars.remove()
        self._bars = []
        if spectrum is None:
            self.axis = None
            self.density.set_data([], [])
            return
        values = np.asarray(spectrum.values, float)
        values = values[np.isfinite(values)]
        axis = self.axis = EigenvalueAxis.of(values, spectrum.rounding)
        expected = self._expected(axis, spectrum, len(values))
        most, parts = self._draw_bars(axis, values, spectrum.rounding)
        self.density.set_data(expected[0], np.log10(expected[1]))
        if np.isfinite(expected[1]).any():
            partly = spectrum.parameters is not None and spectrum.parameters > len(values)
            words = f"― density of all {spectrum.parameters:,}" if partly else "― density"
            parts.append((words, "― density", self._style.ink))
        self._heading.show(_TITLES, parts)
        label_axes(self._axes, self._style, self._layout, x="eigenvalue")
        self._scale(axis, max(most, float(np.nanmax(expected[1], initial=0.0))))
        self._largest = spectrum.largest

    def mark(self, lr: float | None) -> None:
        """Draw λmax, and 2/lr, beyond which gradient descent diverges.

        The line farther to the right is longer: its label, on its left, lies above the end of the other.

        Args:
            lr: Learning rate, or None.
        """
        limit = 2 / lr if lr is not None and 0 < lr < math.inf else math.nan
        top = self.top, self.top_name, self._largest, "λmax", [""]
        notes = [" < λmax: unstable", ": unstable", ""] if limit < self._largest else [""]
        bound = self.limit, self.limit_name, limit, "2/lr", notes
        longer, shorter = (bound, top) if limit >= self._largest else (top, bound)
        # The shorter line's label stands beside the longer line, and must not overlap it.
        upper, lower = 1 - self._share(_UPPER), 1 - self._share(_LOWER)
        clear = self._mark_one(*shorter, lower, beside=longer[2])
        self._mark_one(*longer, upper, end=None if clear else lower - self._share(_UNDER))
        self._shade(limit)

    def _shade(self, limit: float) -> None:
        """Tint what lies beyond the limit."""
        axis, nothing = self.axis, math.nan
        place = nothing if axis is None or not math.isfinite(limit) else float(axis.place(np.array(limit)))
        self._beyond.span(place, nothing if axis is None else axis.high, *self._axes.get_ylim())

    def _mark_one(
        self,
        line: MovingLine,
        text: MovingText,
        value: float,
        name: str,
        notes: Sequence[str],
        height: float,
        *,
        beside: float = math.nan,
        end: float | None = None,
    ) -> bool:
        """Draw a line up to its label; if it would lie beyond the axis, only the label and an arrow.

        Args:
            line: The line.
            text: The artist of its label.
            value: Its position.
            name: The name of the value.
            notes: Texts after the number, of which the first that has room is written.
            height: The height of the label, in heights of the axes.
            beside: The position of a line that the label should not overlap.
            end: The upper end of the line, if not just above its label.

        Returns:
            Whether the label is clear of that line.
        """
        if self.axis is None or not math.isfinite(value):
            line.set_data([], [])
            text.set_text("")
            return True
        low, high = self.axis.low, self.axis.high
        place = float(self.axis.place(np.array(value)))
        bottom, top = self._axes.get_ylim()
        end = bottom + (height + self._share(_OVER) if end is None else end) * (top - bottom)
        there = low <= place <= high
        line.set_data([place, place][: 2 * there], [bottom, end][: 2 * there])
        for note in notes:
            words = f"{name} = {short(value)}{note}"
            words = f"{words} →" if place > high else f"← {words}" if place < low else words
            side, clear = self._side_of(words, min(max(place, low), high), beside)
            if clear:
                break
        gap = 0.012 * (high - low) * side
        text.set(text=words, x=min(max(place, low), high) + gap, y=height, ha="left" if side > 0 else "right")
        return clear

    def _side_of(self, words: str, place: float, beside: float) -> tuple[int, bool]:
        """On which side of a place words lie, 1 for the right, and whether they are clear of the line and the ends."""
        axis = self.axis
        low, high = (0.0, 1.0) if axis is None else (axis.low, axis.high)
        gap, across = 0.012 * (high - low), self._width(words) * (high - low)
        other = math.nan if axis is None or not math.isfinite(beside) else float(axis.place(np.array(beside)))

        def clear(side: int) -> bool:
            far = place + side * (gap + across)
            on_it = min(place, far) - gap <= other <= max(place, far) + gap  # never for NaN
            return low <= far <= high and not (on_it and low <= other <= high)

        sides = (1, -1) if place < low + 0.45 * (high - low) else (-1, 1)
        side = next((side for side in sides if clear(side)), sides[0])
        return side, clear(side)

    def _share(self, pixels: float) -> float:
        """CSS pixels of the smallest picture, as a share of the axes' height."""
        return pixels * self._layout.pixel * self._axes.figure.dpi / 72 / max(self._axes.bbox.height, 1.0)

    def _apart(self, ticks: dict[float, str], span: float) -> dict[float, str]:
        """Return the ticks whose labels do not collide: 0 first, then from the ends."""
        shown: dict[float, str] = {}
        for at in sorted(ticks, key=lambda at: (at != 0, -abs(at))):
            if all(
                abs(at - other) > span * (self._width(ticks[at]) + self._width(text)) / 2
                for other, text in shown.items()
            ):
                shown[at] = ticks[at]
        return dict(sorted(shown.items()))

    def _width(self, words: str) -> float:
        """The approximate width of a text, in widths of the axes."""
        return len(words) * _LETTER * self._layout.small * self._axes.figure.dpi / 72 / self._axes.bbox.width

    def _draw_bars(
        self, axis: EigenvalueAxis, values: np.ndarray, rounding: float
    ) -> tuple[float, list[tuple[str, str, str]]]:
        """Draw the bars; return the largest count, and the words and colours of the key."""
        edges, style = axis.edges, self._style
        places = axis.place(values)
        middles, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
        kinds = {
            "■ > 0": (values > rounding, style.shown(UP)),
            "■ flat": (np.abs(values) <= rounding, style.shown(FLAT)),
            "■ < 0": (values < -rounding, style.shown(DOWN)),
        }
        feet = np.zeros(len(middles))
        for chosen, color in kinds.values():
            counts = np.histogram(places[chosen], edges)[0]
            # Stacked as counts and drawn as logarithms; the lowest foot is at a half.
            tops = np.log10(np.maximum(feet + counts, 0.5))
            bottoms = np.log10(np.maximum(feet, 0.5))
            here = counts > 0
            self._bars.append(
                self._axes.bar(
                    middles[here],
                    (tops - bottoms)[here],
                    0.92 * width,
                    bottoms[here],
                    color=color,
                    linewidth=0,
                    zorder=3,
                )
            )
            feet += counts
        return float(feet.max()), [(words, words, color) for words, (chosen, color) in kinds.items() if chosen.any()]

    def _expected(self, axis: EigenvalueAxis, spectrum: Eigenvalues, known: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the bins' centres and the number of eigenvalues that the density puts into each.

        NaN where that is below a half and, on a logarithmic axis, near 0: Gaussians with a width of 1 % of the range
        say nothing about how small the small eigenvalues are.
        """
        if spectrum.density is None:
            return np.empty(0), np.empty(0)
        at, density = np.asarray(spectrum.density, float)
        share = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(at))])
        edges = axis.edges
        values = axis.value(edges)
        counts = _smoothed(np.diff(np.interp(values, at, share)) * (spectrum.parameters or known))
        told = counts >= 0.5
        if axis.logarithmic:
            told &= np.minimum(np.abs(values[1:]), np.abs(values[:-1])) >= _REACH * (at[-1] - at[0])
        beside = np.convolve(told, [1, 1, 1], mode="same") > 0  # where the line drops below the bars' feet
        heights = np.where(told, counts, np.where(beside, 0.8 * 10**_BASE, np.nan))
        return (edges[:-1] + edges[1:]) / 2, heights

    def _scale(self, axis: EigenvalueAxis, most: float) -> None:
        axes = self._axes
        top = max(math.log10(max(most, 1.0)), 0.5)
        axes.set_xlim(axis.low, axis.high)
        shown = self._apart(axis.ticks, axis.high - axis.low)
        axes.set_xticks(list(shown), list(shown.values()))
        room = max(_HEADROOM, 1 / (1 - min(self._share(_HEAD), 0.6)))
        axes.set_ylim(_BASE, _BASE + (top - _BASE) * room)
        ticks = {math.log10(k): str(k) for k in (1, 2, 5, 10, 20)} if most <= 20 else Decades(0, math.ceil(top)).ticks
        ticks = {at: text for at, text in ticks.items() if at <= top + 0.2}
        axes.set_yticks(list(ticks), list(ticks.values()))


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """Smooth counts over neighbouring bins: otherwise the density would be as jagged as the bars."""
    reach = np.arange(-4, 5)
    bell = np.exp(-0.5 * (reach / 1.5) ** 2)
    return np.convolve(counts, bell / bell.sum(), mode="same") if len(counts) > len(reach) else counts
