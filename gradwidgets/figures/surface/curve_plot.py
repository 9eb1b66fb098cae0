"""A loss over its only axis, or its gradient: the curve, the point on it, and a descent along it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gradwidgets.figures.axes.map_axes import name_between_ticks, set_ticks
from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import label_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.style import Style
from gradwidgets.figures.playground.growing_path import GrowingPath
from gradwidgets.figures.surface.cross_cut import CrossCut
from gradwidgets.figures.surface.point_names import Critical, PointNames, names_of
from gradwidgets.figures.surface.surface_map import POINT, critical_mark


class CurvePlot(CrossCut):
    """A plot of one or two losses over their only axis, or of their gradients.

    Args:
        figure: The figure to draw on.
        box: The plot's position.
        name: What is drawn: "loss".
        losses: The losses' names.
        style: The colours.
        layout: The sizes.
        from_zero: See `CrossCut`; a line then marks zero.

    Attributes:
        walks: The lines of the descents along the curves, in the order of the losses.
    """

    def __init__(
        self,
        figure: Figure,
        box: Box,
        name: str,
        losses: Sequence[str],
        style: Style,
        layout: Layout,
        *,
        from_zero: bool = False,
    ) -> None:
        super().__init__(figure, box, name, losses, style, layout, from_zero=from_zero, margin=0.0)
        self._style, self._layout = style, layout
        self._names = PointNames(self.axes, layout, (style.ink, style.plot), moving=True)
        self._marks: list[Line2D] = []
        self._marked: tuple[Sequence[Critical], tuple[float, ...]] = (), self._limits
        self._zero = moving_line(self.axes, color=style.muted, linewidth=layout.pixel, zorder=2)
        self.walks = []
        for line in self.lines.values():
            color = POINT if len(losses) == 1 else line.get_color()
            self.walks.append(GrowingPath(layout.pixel, color=color, zorder=6))
            self.axes.add_line(self.walks[-1])

    def label(self, name: str, side: np.ndarray) -> None:
        """Name the axis of a gradient, and label its ticks.

        Args:
            name: The parameter's name.
            side: Its grid, (W,).
        """
        self.axes.set_xlim(side[0], side[-1])
        label_axes(self.axes, self._style, self._layout, x=name)
        self._zero.set_data(side[[0, -1]], [0.0, 0.0])
        set_ticks(self.axes.xaxis, side, 9, self._layout)
        name_between_ticks(self.axes.xaxis)

    def mark(self, points: Sequence[Critical]) -> None:
        """Mark the points where the gradient is zero, on the plot's scale."""
        if (points, self._limits) == self._marked:
            return
        self._marked = points, self._limits
        for mark in self._marks:
            mark.remove()
        self._marks = [critical_mark(self._layout, one.kind, [one.place[0]], [one.loss]) for one in points]
        for mark in self._marks:
            mark.set(animated=True, zorder=4.4, clip_on=False)
            self.axes.add_line(mark)
        named = zip(names_of(points, self._limits[3] - self._limits[2]), points, strict=True)
        self._names.show([(name, one.place[0], one.loss) for name, one in named])

    def walk(self, paths: Sequence[tuple[np.ndarray, np.ndarray] | None]) -> None:
        """Change the descents along the curves.

        Args:
            paths: For each loss, the visited points (P, 1) and losses (P,), or None.
        """
        low, high = self._limits[2:]
        reach = 3 * (high - low)
        for line, path in zip(self.walks, paths, strict=True):
            x, loss = (np.empty(0), np.empty(0)) if path is None else (path[0][:, 0], path[1])
            line.set_data(x, np.clip(loss, low - reach, high + reach))
