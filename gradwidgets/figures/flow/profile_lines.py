"""The lines and marks of a profile, and their looks in its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from gradwidgets.figures.base.marks import EDGE
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.side_plot import NOW, PINNED, PINNED_MARKS
from gradwidgets.figures.base.style import Style

THEORY, SICK = "#7d8894", "#c4284b"
STICKY = {"sick", "zero", "not finite"}  # marks that stay in the key once they have been shown
_PINNED = (4.4, 4.4, 4.2, 6.6)  # sizes of their marks: one under another is still visible
SIZES = {"measured": (4.2, 2.6), "sick": (5.6, 2.6), "zero": (7.0, 3.6), "broken": (8.0, 4.6)}  # usual, and crowded


def profile_lines(axes: Axes, style: Style, scale: float) -> dict[str, MovingLine]:
    """Add the animated lines of a profile to axes, by name."""
    blue = style.shown(NOW)
    line = {"linewidth": 1.7 * scale}
    plain = {"markeredgewidth": 0, **line}
    point = {"linestyle": "none", "markeredgecolor": style.plot, "markeredgewidth": 0.8}
    lines = {
        "theory": moving_line(axes, color=THEORY, linestyle="--", zorder=2.5, **line),
        "measured": moving_line(
            axes,
            color=blue,
            marker="o",
            markersize=SIZES["measured"][0] * scale,
            markeredgewidth=0,
            zorder=4,
            **line,
        ),
        "sick": moving_line(
            axes,
            color=style.shown(SICK),
            marker="s",
            markersize=SIZES["sick"][0] * scale,
            zorder=5,
            **point,
        ),
        "zero": moving_line(
            axes,
            color=style.halo,
            marker="v",
            markersize=SIZES["zero"][0] * scale,
            zorder=6,
            **{**point, "markeredgecolor": EDGE},
        ),
        "broken": moving_line(
            axes,
            color=style.shown(SICK),
            marker="X",
            markersize=SIZES["broken"][0] * scale,
            zorder=6,
            **point,
        ),
        "selected": moving_line(axes, color=style.accent, linewidth=1.1 * scale, linestyle="--", zorder=2),
    }
    for k, (color, mark) in enumerate(zip(PINNED, PINNED_MARKS, strict=True)):
        lines[f"pinned {k}"] = moving_line(
            axes,
            color=style.shown(color),
            marker=mark,
            markersize=_PINNED[k] * scale,
            zorder=3 - 0.01 * k,
            **plain,
        )
    return lines


def looks_of(told: Sequence[str], style: Style) -> dict[str, dict[str, Any]]:
    """Return the look of each entry of the key.

    Args:
        told: The entries, the profile's first.
        style: The colours.
    """
    alone: dict[str, Any] = {"linestyle": "none", "markeredgecolor": style.plot}
    pinned = [name for name in told[1:] if name not in STICKY]
    looks: dict[str, dict[str, Any]] = {told[0]: {"color": style.shown(NOW), "marker": "o", "markeredgewidth": 0}}
    for name, color, mark in zip(pinned, PINNED, PINNED_MARKS, strict=False):
        looks[name] = {"color": style.shown(color), "marker": mark, "markeredgewidth": 0}
    looks |= {
        "sick": {"color": style.shown(SICK), "marker": "s", **alone},
        "zero": {"color": style.halo, "marker": "v", **alone, "markeredgecolor": EDGE},
        "not finite": {"color": style.shown(SICK), "marker": "X", **alone},
    }
    return {name: looks[name] for name in told}
