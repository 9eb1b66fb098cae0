"""Layer names along an axis, as many as there is room for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, ScalarFormatter

_LONGEST = 16  # letters; only the end of longer names is shown
_LETTER = 0.64  # width of a letter, in font sizes
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_APART = 2  # gap between two names, in letters


def room_for(count: int) -> int:
    """The number of layers an axis for `count` layers has room for: rounded up, so that it seldom changes in a drag."""
    power = 10 ** max(0, len(str(max(count, 1))) - 1)
    return next(room for step in _ROUND if (room := round(step * power)) >= count and room >= 1)


def name_layers(axes: Axes, count: int, names: Sequence[str] = (), *, tight: bool = False) -> None:
    """Set limits and ticks for layers at 1, 2, … on the x axis.

    Args:
        axes: The axes to label.
        count: The number of layers.
        names: The layers' names; () for their numbers.
        tight: Whether the axis ends at the last layer, and has no room for more.
    """
    axes.set_xlim(0.4, (max(count, 1) if names or tight else room_for(count)) + 0.6)
    if not names:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        return
    short = [_end_of(name) for name in names]
    labels = axes.xaxis.get_ticklabels()
    size = (float(labels[0].get_fontsize()) if labels else 10) * axes.figure.dpi / 72
    room = axes.bbox.width / (count + 0.2)
    every = max(1, math.ceil((max(map(len, short)) + _APART) * _LETTER * size / room))
    axes.set_xticks(range(1, count + 1, every), short[::every], parse_math=False)


def _end_of(name: str) -> str:
    """The end of a long dotted name, starting at a dot if possible."""
    if len(name) <= _LONGEST:
        return name
    end = name[1 - _LONGEST :]
    _, dot, rest = end.partition(".")
    return "…" + (rest if dot and rest else end)
