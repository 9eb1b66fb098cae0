"""A rail for each clipper, filled as far as the step keeps its direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.moving_fill import MovingFill
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.style import Style

_RAIL, _NAME, _THICK = 0.26, 0.52, 0.075  # heights of rail and names, and half the rail's own, in heights of a row


class Meters:
    """Names, numbers and rails.

    Args:
        axes: The axes to draw on.
        looks: Name → colour and mark.
        style: The colours.
        layout: The sizes.

    Attributes:
        marks: Name → the mark at the end of its filled rail.
        numbers: Name → its number.
    """

    def __init__(self, axes: Axes, looks: Mapping[str, tuple[str, str]], style: Style, layout: Layout) -> None:
        self._axes, self._looks, self._style, self._layout = axes, looks, style, layout
        axes.set_facecolor("none")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(0, 1)
        axes.set_ylim(0, len(looks))
        self._heading = Heading(axes, style, layout)
        self._heading.show(("direction kept", "direction"))
        self._heading.say("cosine")
        pixel = layout.pixel
        self.marks, self.numbers, self._fills = {}, {}, {}
        for row, (name, (color, mark)) in enumerate(looks.items()):
            height = len(looks) - 1 - row
            axes.axhspan(height + _RAIL - _THICK, height + _RAIL + _THICK, color=style.faint, linewidth=0, zorder=1)
            words: dict[str, Any] = {"parse_math": False, "fontsize": layout.small, "va": "baseline"}
            axes.text(0, height + _NAME, name, color=style.written(color), **words)
            self._fills[name] = MovingFill(axes, color, 1.0, 2)
            self.marks[name] = moving_line(
                axes, color=color, marker=mark, linestyle="none", markersize=11 * pixel, markeredgecolor=style.face,
                markeredgewidth=1.6 * pixel, clip_on=False, zorder=3,
            )  # fmt: skip
            self.numbers[name] = MovingText(
                x=1, y=height + _NAME, ha="right", color=style.ink, fontsize=layout.small, transform=axes.transData,
                clip_on=False,
            )  # fmt: skip
            axes.add_artist(self.numbers[name])
            self.marks[name].set_in_layout(False)  # as it is not clipped

    def show(self, cosines: Mapping[str, float], numbers: Mapping[str, str]) -> bool:
        """Move the marks; return whether the heading changed.

        Args:
            cosines: Name → the cosine; NaN if there is none.
            numbers: Name → the cosine in words.
        """
        for row, name in enumerate(self._looks):
            height = len(self._looks) - 1 - row + _RAIL
            cosine = cosines.get(name, np.nan)
            end = [min(max(cosine, 0.0), 1.0)] if np.isfinite(cosine) else []
            self.marks[name].set_data(end, [height] * len(end))
            self._fills[name].span(0.0, end[0] if end else np.nan, height - _THICK, height + _THICK)
            self.numbers[name].set_text(numbers.get(name, ""))
        return self._heading.show(("direction kept", "direction"))
