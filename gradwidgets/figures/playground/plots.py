"""The plots beside the maps: the data with the fitted lines, the loss of every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, MaxNLocator

from gradwidgets.figures.axes.loss_axis import LossAxis
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import plot_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import title
from gradwidgets.figures.base.style import Style, loss_line

_SMALL = 1.6  # inches of a plot that has room for three ticks only
_APART = 1.8  # heights of a tick's label, from one tick to the next
_FAINT = 0.4  # opacity of what is still to come
_MANY_POINTS = 2000  # of the data and of a loss curve, that are drawn at most


class LossCurves:
    """The loss of every step, on an axis that stays fixed while settings change.

    Attributes:
        axes: The plot's axes.
        lines: Loss name → its curve.
        ahead: Loss name → what is still to come of its curve.
        ends: Loss name → the mark of its last step.
        playhead: The line at the step that is shown.
        scale: The mapping from losses to heights.
    """

    def __init__(self, figure: Figure, names: Sequence[str], steps: int, style: Style, layout: Layout) -> None:
        axes = self.axes = plot_axes(figure, layout.losses, style, layout)
        self.scale: LossAxis | None = None
        self._small = layout.small
        show_grid(axes, style, layout)
        axes.xaxis.set_major_locator(
            MaxNLocator(2 if axes.bbox.width < _SMALL * self.axes.figure.dpi else 4, integer=True)
        )
        self._titles = Titles(axes, style, layout)
        self.lines = named_lines(axes, names, style, layout)
        self.ahead = {
            name: moving_line(
                axes, color=to_rgba(line.get_color(), _FAINT), linewidth=1.8 * layout.pixel, zorder=2.5, visible=False
            )
            for name, line in self.lines.items()
        }  # fmt: skip
        self.playhead = moving_line(axes, color=style.accent, linewidth=1.6 * layout.pixel, zorder=2.8, visible=False)
        self.ends = {
            name: moving_line(
                axes, linestyle="none", marker="o", markersize=6.5 * layout.pixel, color=line.get_color(),
                markeredgewidth=0, zorder=8, clip_on=False,
            )
            for name, line in self.lines.items()
        }  # fmt: skip
        self._nothing = axes.text(
            0.5, 0.5, "no steps yet", transform=axes.transAxes, ha="center", va="center", color=style.muted,
            fontsize=layout.small,
        )  # fmt: skip
        self.set_steps(steps)

    def set_steps(self, steps: int) -> None:
        """Change the number of steps along the axis."""
        self.axes.set_xlim(0, max(steps, 1))
        self.axes.tick_params(labelbottom=steps > 0)
        self._nothing.set_visible(steps == 0)

    def stand_at(self, step: int | None) -> None:
        """Put the playhead at a step; None for nowhere."""
        if step is not None or self.playhead.get_visible():
            self.playhead.set_data(*([[], []] if step is None else [[step, step], self.axes.get_ylim()]))
            self.playhead.set_visible(step is not None)

    def set_scale(self, scale: LossAxis) -> bool:
        """Change the mapping from losses to heights; return whether that changed anything."""
        if scale == self.scale:
            return False
        self.scale = scale
        self.axes.set_ylim(scale.limits)
        self.axes.yaxis.set_major_locator(self._thinned(scale.locator))
        self.axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: scale.label(height)))
        self._titles.show("loss", "log, by step" if scale.log else "by step")
        return True

    def _thinned(self, locator: Locator) -> Locator:
        """Return fewer ticks where they would stand upon each other."""
        if not isinstance(locator, FixedLocator):
            return locator
        most = self.axes.bbox.height / (_APART * self._small * self.axes.figure.dpi / 72)
        ticks = list(locator())
        return FixedLocator(ticks[:: max(1, math.ceil(len(ticks) / most))])

    def move(self, name: str, losses: np.ndarray, ahead: np.ndarray) -> None:
        """Change a curve; of a very long run an evenly spaced sample is drawn.

        Args:
            name: The loss's name.
            losses: The loss of each step, from step 0, (P,).
            ahead: The losses that are still to come, from the last of those on, (A,).
        """
        steps = evenly(len(losses), _MANY_POINTS)
        if self.scale is not None:
            heights = self.scale.height(losses[steps])
            self.lines[name].set_data(steps, heights)
            low, high = self.scale.limits
            ended = len(heights) > 0 and low <= heights[-1] <= high
            last = slice(-1, None) if ended else slice(0, 0)
            self.ends[name].set_data(steps[last], heights[last])
            if len(ahead) or self.ahead[name].get_visible():
                later = evenly(len(ahead), _MANY_POINTS)
                self.ahead[name].set_data(later + len(losses) - 1, self.scale.height(ahead[later]))
                self.ahead[name].set_visible(len(ahead) > 0)


class DataPlot:
    """The data, and the line that each loss's run has fitted to it.

    Attributes:
        axes: The plot's axes.
        lines: Loss name → its fitted line.
    """

    def __init__(
        self, figure: Figure, names: Sequence[str], data: tuple[np.ndarray, np.ndarray], style: Style, layout: Layout
    ) -> None:
        x, y = data
        axes = self.axes = plot_axes(figure, layout.upper, style, layout)
        shown, many = evenly(len(x), _MANY_POINTS), len(x) > 300
        axes.plot(
            x[shown],
            y[shown],
            linestyle="none",
            marker="o",
            color=style.data,
            markeredgewidth=0,
            zorder=2,
            markersize=(2.6 if many else 5.0) * layout.pixel,
            alpha=0.5 if many else 0.75,
        )
        axes.set_xlim(_padded(x))
        axes.set_ylim(_padded(_with_zero(y)))
        show_grid(axes, style, layout)
        axes.xaxis.set_major_locator(
            MaxNLocator(4 if axes.bbox.width < _SMALL * figure.dpi else 6, steps=(1, 2, 5, 10))
        )
        axes.yaxis.set_major_locator(MaxNLocator(4))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(partial(_label, axis)))
        Titles(axes, style, layout).show("the fit", "y over x")
        self._ends = np.array(_padded(x))
        self.lines = named_lines(axes, names, style, layout)

    def move(self, name: str, fit: tuple[float, float] | None) -> None:
        """Change a fitted line.

        Args:
            name: The loss's name.
            fit: (slope, intercept), or None for no line.
        """
        if fit is None:
            self.lines[name].set_data([], [])
        else:
            self.lines[name].set_data(self._ends, fit[0] * self._ends + fit[1])


class Titles:
    """A bold title at the left above a plot, and what its axes are at the right, if there is room for both."""

    def __init__(self, axes: Axes, style: Style, layout: Layout) -> None:
        self._axes, self._title = axes, title(axes, style, layout, bold=True)
        self._about = title(axes, style, layout, right=True)

    def show(self, words: str, about: str) -> None:
        """Write both."""
        self._title.set_text(words)
        self._about.set_text(about)
        renderer = renderer_of(self._axes.figure)
        widths = [text.get_window_extent(renderer).width for text in (self._title, self._about)]
        self._about.set_visible(sum(widths) + 0.08 * self._axes.figure.dpi < self._axes.bbox.width)


def show_grid(axes: Axes, style: Style, layout: Layout) -> None:
    """Show a light grid under a plot."""
    axes.grid(color=style.faint, linewidth=1.0 * layout.pixel)
    axes.set_axisbelow(True)


def _label(axis: Axis, value: float, _: int | None) -> str:
    low, high = axis.get_view_interval()
    return short(value, high - low)


def named_lines(axes: Axes, names: Sequence[str], style: Style, layout: Layout) -> dict[str, MovingLine]:
    """Make a moving line in each loss's own colour and dashes."""
    lines = {}
    for position, name in enumerate(names):
        color, dashes = loss_line(name, position, style, alone=len(names) == 1)
        lines[name] = moving_line(
            axes, color=color, linestyle=dashes, linewidth=2.4 * layout.pixel, zorder=3 + position
        )
    return lines


def evenly(count: int, most: int) -> np.ndarray:
    """Return indices of at most `most` of `count` items, evenly spaced, including the first and the last."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(int)


def _with_zero(values: np.ndarray) -> np.ndarray:
    """Add zero to values that lie near it, since flat lines end there."""
    low, high = float(values.min()), float(values.max())
    near = 0.5 * (high - low)
    return np.append(values, 0.0) if 0 < low <= near or 0 < -high <= near else values


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) or max(1.0, abs(low)) * 0.5
    return low - pad, high + pad
