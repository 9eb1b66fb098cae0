"""The look of plots, badges and marks, shared by all pictures."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2DBase, ScaledTranslation

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.style import Style

MINIMUM, GUESS, EDGE = "#ffd34d", "#d63af9", "#111111"
STAR = MarkerStyle(Path.unit_regular_star(5, innerCircle=0.45))
NIGHT = "#10142e"  # around what lies on a map, whatever the theme


def plot_axes(figure: Figure, box: Box, style: Style, layout: Layout) -> Axes:
    """Add the axes of a plot or a map: a ground without a frame; they are never autoscaled."""
    axes = figure.add_axes(box, facecolor=style.plot)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=style.muted, labelsize=layout.small, length=0, pad=3.5)
    axes.set_autoscale_on(False)
    return axes


def label_axes(axes: Axes, style: Style, layout: Layout, x: str = "", y: str = "", pad: float = 1.5) -> None:
    """Label the axes that have a label."""
    if x:
        axes.set_xlabel(x, parse_math=False, fontsize=layout.label, color=style.ink, labelpad=pad)
    if y:
        axes.set_ylabel(y, parse_math=False, fontsize=layout.label, color=style.ink, labelpad=pad)


def badge(axes: Axes, text: str, layout: Layout, *, right: bool = False, low: bool = False, **options: Any) -> Text:
    """Put text into a corner of a map, on a light chip that keeps it legible in both themes."""
    inch = layout.scale / 72
    inset = ScaledTranslation((-1 if right else 1) * 8.5 * inch, (1 if low else -1) * 7.5 * inch, _inches(axes))
    chip = {"boxstyle": "round,pad=0.28,rounding_size=0.34", "facecolor": "#ffffff", "alpha": 0.96, "edgecolor": "none"}
    return axes.text(
        1.0 if right else 0.0,
        0.0 if low else 1.0,
        text,
        transform=axes.transAxes + inset,
        ha="right" if right else "left",
        va="baseline" if low else "top",
        zorder=8,
        parse_math=False,
        bbox=chip,
        **options,
    )


def _inches(axes: Axes) -> Affine2DBase:
    return axes.figure.dpi_scale_trans


def minimum_mark(layout: Layout, size: float = 24.0) -> dict[str, Any]:
    """Return the look of the mark of a minimum: a gold star of a size in CSS pixels, edged in night."""
    return {
        "linestyle": "none",
        "marker": STAR,
        "markersize": size * layout.pixel,
        "color": MINIMUM,
        "markeredgecolor": NIGHT,
        "markeredgewidth": 1.5 * layout.pixel,
    }


def start_mark(layout: Layout) -> dict[str, Any]:
    """Return the look of the mark where a descent starts: a disc of night in a white ring."""
    return disc(NIGHT, layout, 11.5)


def now_mark(color: str, layout: Layout) -> dict[str, Any]:
    """Return the look of the mark where a descent is now: a disc of its colour in a white ring."""
    return disc(color, layout, 10.5)


def disc(color: str, layout: Layout, size: float) -> dict[str, Any]:
    """Return the look of a disc in a white ring, of a size in CSS pixels."""
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": size * layout.pixel,
        "color": color,
        "markeredgecolor": "#ffffff",
        "markeredgewidth": 2.2 * layout.pixel,
    }


def vector_dash(part: str) -> str:
    """Return the line style of a step's part: what does not belong to the step itself is dashed."""
    return "--" if part == "look-ahead" else "-"
