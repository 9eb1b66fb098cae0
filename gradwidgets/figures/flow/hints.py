"""Words instead of a plot: a sentence, and a dashed line that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import plot_axes
from gradwidgets.figures.base.style import Style
from gradwidgets.figures.flow.flow_places import broken


class Sentence:
    """A few lines of text from the left.

    Args:
        figure: The figure to draw on.
        box: Where the text is.
        count: The number of lines.
        style: The colours.
        layout: The sizes.

    Attributes:
        axes: The axes of the text, without anything else.
    """

    def __init__(self, figure: Figure, box: Box, count: int, style: Style, layout: Layout) -> None:
        self.axes = plot_axes(figure, box, style, layout)
        self.axes.set_axis_off()
        look: dict[str, Any] = {"color": style.muted, "fontsize": layout.small, "parse_math": False}
        self._lines = [
            self.axes.text(0, 1 - (k + 0.75) / count, "", transform=self.axes.transAxes, **look) for k in range(count)
        ]

    def say(self, paragraphs: Sequence[str], width: float) -> bool:
        """Write paragraphs, broken into lines of a width in CSS pixels; return whether they changed."""
        lines = [line for one in paragraphs for line in broken(one, width)]
        lines += [""] * (len(self._lines) - len(lines))
        before = [text.get_text() for text in self._lines]
        for text, line in zip(self._lines, lines, strict=False):
            text.set_text(line)
        return before != lines[: len(self._lines)]


def dashed(figure: Figure, box: Box, lines: Sequence[str], style: Style, layout: Layout) -> None:
    """Write a hint into a dashed frame."""
    left, bottom, wide, tall = box
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": style.data, "linestyle": (0, (4, 3))}
    round_off = 6 * layout.pixel / 72 / figure.get_figwidth()
    across = figure.get_figwidth() / figure.get_figheight()
    style_of = f"round,pad=0,rounding_size={round_off}"
    frame = FancyBboxPatch(
        (left, bottom), wide, tall, boxstyle=style_of, mutation_aspect=across, linewidth=0.9 * layout.scale, **look
    )
    figure.add_artist(frame)
    figure.text(
        left + wide / 2, bottom + tall / 2, "\n".join(lines), ha="center", va="center", linespacing=1.25,
        color=style.muted, fontsize=layout.small, parse_math=False,
    )  # fmt: skip
