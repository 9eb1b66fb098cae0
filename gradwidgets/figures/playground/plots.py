"""The plots beside the maps: the data with the fitted lines, the loss of every step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradwidgets.figures.axes.loss_axis import LossAxis
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.style import Style, loss_line

_MANY_POINTS = 2000  # of the data and of a loss curve, that are drawn at most


class LossCurves:
    """The loss of every step, on an axis that stays fixed while settings change.

    Attributes:
        axes: The plot's axes.
        lines: Loss name → its curve.
        scale: The mapping from losses to heights.
    """

    def __init__(self, figure: Figure, names: Sequence[str], steps: int, style: Style, layout: Layout) -> None:
        axes = self.axes = plot_axes(figure, layout.losses, style, layout)
        self.scale: LossAxis | None = None
        axes.grid(color=style.faint, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        label_axes(axes, style, layout, x="step")
        self._title = axes.text(
            0.97, 0.965, "", transform=axes.transAxes, ha="right", va="top", fontsize=layout.label, color=style.ink
        )
        self.lines = named_lines(axes, names, style, layout)
        self.set_steps(steps)

    def set_steps(self, steps: int) -> None:
        """Change the number of steps along the axis."""
        self.axes.set_xlim(0, max(steps, 1))

    def set_scale(self, scale: LossAxis) -> bool:
        """Change the mapping from losses to heights; return whether that changed anything."""
        if scale == self.scale:
            return False
        self.scale = scale
        self.axes.set_ylim(scale.limits)
        self.axes.yaxis.set_major_locator(scale.locator)
        self.axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: scale.label(height)))
        self._title.set_text(scale.title)
        return True

    def move(self, name: str, losses: np.ndarray) -> None:
        """Change a curve; of a very long run an evenly spaced sample is drawn.

        Args:
            name: The loss's name.
            losses: The loss of each step, from step 0, (P,).
        """
        steps = evenly(len(losses), _MANY_POINTS)
        if self.scale is not None:
            self.lines[name].set_data(steps, self.scale.height(losses[steps]))


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
            markersize=(1.6 if many else 3.2) * layout.scale,
            alpha=0.5 if many else 0.9,
        )
        axes.set_xlim(_padded(x))
        axes.set_ylim(_padded(_with_zero(y)))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        label_axes(axes, style, layout, "x", "y", pad=0)
        self._ends = np.array(_padded(x))
        self.lines = named_lines(axes, names, style, layout)
        legend = figure.legend(
            handles=[
                Line2D(
                    [],
                    [],
                    color=line.get_color(),
                    linestyle=line.get_linestyle(),
                    label=name,
                    linewidth=1.8 * layout.scale,
                )
                for name, line in self.lines.items()
            ],
            loc="center left",
            bbox_to_anchor=layout.legend,
            ncols=len(names),
            frameon=False,
            fontsize=layout.small,
            labelcolor=style.ink,
            handlelength=1.3,
            columnspacing=0.7,
            handletextpad=0.35,
            borderpad=0,
            borderaxespad=0,
        )
        end = legend.get_window_extent().x1 + 2 * layout.scale
        if end > figure.bbox.x1:  # too long for its column: right-aligned with the picture instead
            left, middle = layout.legend
            legend.set_bbox_to_anchor((left - (end - figure.bbox.x1) / figure.bbox.width, middle))

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


def named_lines(axes: Axes, names: Sequence[str], style: Style, layout: Layout) -> dict[str, MovingLine]:
    """Make a moving line in each loss's own colour and dashes."""
    lines = {}
    for position, name in enumerate(names):
        color, dashes = loss_line(name, position, style, alone=len(names) == 1)
        lines[name] = moving_line(
            axes, color=color, linestyle=dashes, linewidth=1.5 * layout.scale, zorder=3 + position
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
