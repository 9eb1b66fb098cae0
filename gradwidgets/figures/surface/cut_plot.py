"""Losses along one axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradwidgets.figures.axes.rounding import round_limits
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import label_axes, plot_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.style import Style, loss_line


@dataclass(frozen=True, eq=False)
class Cut:
    """Losses along one axis, with the other held fixed.

    Attributes:
        values: The parameter's values, (W,).
        loss: Name → losses, (W,).
    """

    values: np.ndarray
    loss: Mapping[str, np.ndarray]


class CutPlot:
    """A plot of losses along one axis.

    Args:
        figure: The figure to draw on.
        box: The plot's position.
        name: The name of the parameter along the axis.
        what: What is drawn, in one word.
        losses: The losses' names.
        style: The colours.
        layout: The sizes.

    Attributes:
        axes: The plot's axes.
        lines: Loss name → its curve.
    """

    def __init__(
        self, figure: Figure, box: Box, name: str, what: str, losses: Sequence[str], style: Style, layout: Layout
    ) -> None:
        axes = self.axes = plot_axes(figure, box, style, layout)
        axes.grid(color=style.faint, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=(1, 2, 2.5, 5, 10)))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value, self._limits[3] - self._limits[2])))
        label_axes(axes, style, layout, x=name)
        axes.text(
            0.0, 1.02, what, transform=axes.transAxes, ha="left", va="bottom", fontsize=layout.label, color=style.ink
        )
        self._limits: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
        self.lines = {}
        for k, loss in enumerate(losses):
            color, dashes = loss_line(loss, k, style)
            self.lines[loss] = moving_line(
                axes, color=color, linestyle=dashes if k == 0 else "--", linewidth=1.5 * layout.scale, zorder=3 + k
            )

    def show(self, cut: Cut) -> None:
        """Show the curves, on a scale that fits them."""
        low, high = span_of(cut.loss.values())
        self._limits = (float(cut.values[0]), float(cut.values[-1]), low, high)
        self.axes.set_xlim(self._limits[:2])
        self.axes.set_ylim(low, high)
        reach = 3 * (high - low)
        for name, loss in cut.loss.items():
            self.lines[name].set_data(cut.values, np.clip(loss, low - reach, high + reach))


def span_of(losses: Iterable[np.ndarray]) -> tuple[float, float]:
    """Return round limits for losses; a pole does not take all of the plot."""
    values = np.concatenate([loss[np.isfinite(loss)] for loss in losses])
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(np.quantile(values, 0.99)) if values.size > 50 else float(values.max())
    high = max(high, low)
    pad = 0.05 * (high - low) or max(1.0, abs(low)) * 0.5
    return round_limits(low - pad, high + pad, 20)
