"""Names of layers along an axis, as many as there is room for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, ScalarFormatter

_LONGEST = 16  # letters; of longer names the end is shown
_LETTER = 0.64  # width of one, in its size
_APART = 2  # letters between two names


def name_layers(axes: Axes, count: int, names: Sequence[str] = ()) -> None:
    """Put limits and ticks for layers at 1, 2, … on the x axis.

    Args:
        axes: Whose.
        count: How many layers there are.
        names: Theirs; () for their numbers.
    """
    axes.set_xlim(0.4, max(count, 1) + 0.6)
    if not names:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        return
    short = [name if len(name) <= _LONGEST else "…" + name[1 - _LONGEST :] for name in names]
    labels = axes.xaxis.get_ticklabels()
    size = (labels[0].get_fontsize() if labels else 10) * axes.figure.dpi / 72
    room = axes.bbox.width / (count + 0.2)
    every = max(1, math.ceil((max(map(len, short)) + _APART) * _LETTER * size / room))
    axes.set_xticks(range(1, count + 1, every), short[::every], parse_math=False)
