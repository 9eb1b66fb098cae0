"""Losses along one axis, through the operating point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradwidgets.figures.axes.rounding import round_limits
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import EDGE, label_axes, plot_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.style import Style, loss_line
from gradwidgets.figures.surface.surface_map import POINT


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
    """A plot of losses along one axis, with the operating point.

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
        walks: The lines of the descents along the curves, in the order of the losses.
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
        self._settled = False
        self.lines = {}
        for k, loss in enumerate(losses):
            color, dashes = loss_line(loss, k, style)
            self.lines[loss] = moving_line(
                axes, color=color, linestyle=dashes if k == 0 else "--", linewidth=1.5 * layout.scale, zorder=3 + k
            )
        self.walks = [
            moving_line(
                axes,
                color=self.lines[loss].get_color(),
                linewidth=1.15 * layout.scale,
                marker="o",
                markersize=3.6 * layout.scale,
                markeredgewidth=0,
                zorder=6,
            )
            for loss in losses
        ]
        self._here = moving_line(axes, color=POINT, linewidth=1.0 * layout.scale, linestyle="--", zorder=2)
        self._mark = moving_line(
            axes,
            linestyle="none",
            marker="o",
            markersize=6 * layout.scale,
            color=style.halo,
            markeredgecolor=EDGE,
            markeredgewidth=1.2,
            zorder=8,
        )

    def move(self, cut: Cut, at: float | None, *, settle: bool) -> bool:
        """Change the curves and the point; return whether the plot's scale changed."""
        low, high = span_of(cut.loss.values()) if settle or not self._settled else self._limits[2:]
        limits = (float(cut.values[0]), float(cut.values[-1]), low, high)
        changed = limits != self._limits or not self._settled
        self._settled = True
        if changed:
            self._limits = limits
            self.axes.set_xlim(limits[:2])
            self.axes.set_ylim(limits[2:])
        reach = 3 * (high - low)
        marks = []
        for name, loss in cut.loss.items():
            self.lines[name].set_data(cut.values, np.clip(loss, low - reach, high + reach))
            if at is not None:
                marks.append(np.interp(at, cut.values, np.clip(loss, low - reach, high + reach)))
        self._here.set_data(*([[], []] if at is None else ([at, at], [low, high])))
        seen = [m for m in marks if np.isfinite(m)]
        self._mark.set_data([] if at is None else [at] * len(seen), seen)
        return changed

    def walk(self, paths: Sequence[tuple[np.ndarray, np.ndarray] | None]) -> None:
        """Change the descents along the curves.

        Args:
            paths: For each loss, the visited points (P, 1) and losses (P,), or None.
        """
        low, high = self._limits[2:]
        reach = 3 * (high - low)
        for line, path in zip(self.walks, paths, strict=True):
            if path is None:
                line.set_data([], [])
            else:
                line.set_data(path[0][:, 0], np.clip(path[1], low - reach, high + reach))


def span_of(losses: Iterable[np.ndarray]) -> tuple[float, float]:
    """Return round limits for losses; a pole does not take all of the plot."""
    values = np.concatenate([loss[np.isfinite(loss)] for loss in losses])
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(np.quantile(values, 0.99)) if values.size > 50 else float(values.max())
    high = max(high, low)
    pad = 0.05 * (high - low) or max(1.0, abs(low)) * 0.5
    return round_limits(low - pad, high + pad, 20)
