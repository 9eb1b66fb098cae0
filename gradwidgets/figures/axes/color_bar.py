"""The colour bar of a map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import plot_axes
from gradwidgets.figures.base.style import Style


class ColorBar:
    """Bands of colour, the lowest at the bottom, with some of the levels labelled.

    Args:
        figure: The figure to draw on.
        box: Its position.
        colors: The bands' colours, (bands, 4), 0 to 1.
        style: The colours of its frame and text.
        layout: The sizes.

    Attributes:
        axes: The bar's axes.
    """

    def __init__(self, figure: Figure, box: Box, colors: np.ndarray, style: Style, layout: Layout) -> None:
        axes = self.axes = plot_axes(figure, box, style, layout)
        image = (colors[:, None, :] * 255).round().astype(np.uint8)
        axes.imshow(image, origin="lower", aspect="auto", extent=(0, 1, 0, 1), interpolation="nearest", zorder=0)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.xaxis.set_visible(False)
        axes.yaxis.tick_right()
        self._ticks: dict[float, str] | None = None  # Matplotlib's default ticks, which are not losses

    def show(self, ticks: Mapping[float, str]) -> bool:
        """Label levels; return whether that changed anything.

        Args:
            ticks: Position, 0 to 1, → label.
        """
        if ticks == self._ticks:
            return False
        self._ticks = dict(ticks)
        self.axes.set_yticks(list(ticks), list(ticks.values()))
        self.axes.set_ylim(0, 1)  # which a tick slightly beyond an end would have changed
        return True
