"""A small plot beside a profile: a few curves in shared styles, whatever they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from matplotlib.transforms import ScaledTranslation

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import EDGE, plot_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import fit, title
from gradwidgets.figures.base.style import Style, own_look

NOW = "#2457f0"
SECOND = "#d95a00"
THIRD = "#b93aa8"
PINNED = ("#009a63", "#d95a00", "#b93aa8", "#8a6a00")  # in the order in which they were pinned
PINNED_MARKS = ("D", "^", "s", "P")

PERCENT = {0.0: "0 %", 0.5: "50 %", 1.0: "100 %"}

# Name → the style of a curve, apart from its width.
LOOKS: dict[str, dict[str, Any]] = {
    "now": {"color": NOW, "zorder": 4},
    "second": {"color": SECOND, "linestyle": "--", "zorder": 3},
    "cure": {"color": PINNED[0], "linestyle": (0, (4.2, 1.5)), "zorder": 3.5},
    "share": {"color": SECOND, "zorder": 4},
    "other share": {"color": THIRD, "linestyle": "--", "zorder": 3},
    "limit": {"color": "#7d8894", "linestyle": "--", "linewidth": 1.0, "zorder": 2},
    **{
        f"pinned {k}": {"color": color, "marker": mark, "zorder": 3.5 - 0.01 * k}
        for k, (color, mark) in enumerate(zip(PINNED, PINNED_MARKS, strict=True))
    },
    **{
        f"point {k}": {"color": color, "marker": mark, "linestyle": "none", "zorder": 5}
        for k, (color, mark) in enumerate(zip(PINNED, PINNED_MARKS, strict=True))
    },
}


@dataclass(frozen=True, eq=False)
class Curve:
    """One curve.

    Attributes:
        look: The curve's style, a key of `LOOKS`.
        x: The horizontal coordinates, (n,).
        y: The vertical coordinates, (n,).
    """

    look: str
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Detail:
    """The contents of a side plot.

    Attributes:
        title: The title, a few words.
        curves: The curves, at most one of each look.
        limits: The lowest and highest x, and the lowest and highest y.
        ticks: Position → label along y; {} for none, None for round numbers.
        x_ticks: The same along x; None for integers.
        x_label: The label of the x axis; "" if the title says it.
        names: The look and the name of each curve that is named, in a line above the plot.
    """

    title: str = ""
    curves: Sequence[Curve] = ()
    limits: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    ticks: dict[float, str] | None = field(default_factory=dict)
    x_ticks: dict[float, str] | None = None
    x_label: str = ""
    names: tuple[tuple[str, str], ...] = ()

    @property
    def lines_above(self) -> int:
        """The number of lines of text above the plot."""
        return bool(self.title) + bool(self.names) or 1

    @classmethod
    def histogram(cls, title: str, edges: np.ndarray, counts: np.ndarray, beside: Sequence[np.ndarray] = ()) -> Detail:
        """Make a histogram.

        Args:
            title: The title.
            edges: The bins' edges, (B + 1,).
            counts: The counts, (B,).
            beside: More counts over the same edges.
        """
        highest = max(1.0, *(float(c.max(initial=0)) for c in (counts, *beside)))
        x = np.repeat(edges, 2)[1:-1]
        curves = [Curve("now", x, np.repeat(counts, 2) / highest)]
        curves += [Curve("second", x, np.repeat(other, 2) / highest) for other in beside]
        return cls(title, curves, (float(edges[0]), float(edges[-1]), 0.0, 1.08))


class SidePlot:
    """The artists of a side plot.

    Args:
        figure: The figure to draw on.
        box: The plot's position.
        style: The colours.
        layout: The sizes.

    Attributes:
        axes: The Matplotlib axes.
        lines: Look → animated line.
    """

    def __init__(self, figure: Figure, box: Box, style: Style, layout: Layout) -> None:
        self.axes: Axes = plot_axes(figure, box, style, layout)
        self.axes.grid(color=style.faint, linewidth=0.6)
        self.axes.set_axisbelow(True)
        self._told: tuple[object, ...] | None = None
        self._words = ""
        self._shown: Detail | None = None
        self._label: dict[str, Any] = {"fontsize": layout.label, "color": style.ink, "labelpad": 2}
        self._title = title(self.axes, style, layout, moving=True, bold=True)
        self._names = LineNames(self.axes, style, layout)
        up = ScaledTranslation(0, 1.6 * layout.title / 72, figure.dpi_scale_trans)
        self._above = {False: self._title.get_transform(), True: self._title.get_transform() + up}
        usual = {"linewidth": 1.5 * layout.scale, "markersize": 5 * layout.scale, "markeredgewidth": 0}
        self.lines = {}
        for name, look in LOOKS.items():
            edge = {"markeredgecolor": EDGE, "markeredgewidth": 0.8} if look.get("linestyle") == "none" else {}
            color = style.shown(look["color"])
            self.lines[name] = moving_line(self.axes, **{**usual, **look, **edge, "color": color})

    def update(self, detail: Detail) -> list[Axes]:
        """Show a detail; return the axes if they must be redrawn with their labels."""
        if detail is self._shown:
            return []
        self._shown = detail
        if detail.title != self._words:
            self._words = detail.title
            fit(self._title, detail.title, self.axes.bbox.width)
        told = (detail.limits, _frozen(detail.ticks), _frozen(detail.x_ticks), detail.x_label, detail.names)
        changed = [] if told == self._told else [self.axes]
        if changed:
            with own_look():
                self._set_up(detail)
            self._told = told
        curves = {curve.look: curve for curve in detail.curves}
        for name, line in self.lines.items():
            curve = curves.get(name)
            if curve is None:
                line.set_data([], [])
            else:
                line.set_data(curve.x, curve.y)
        return changed

    def _set_up(self, detail: Detail) -> None:
        """Label the axes, and name the lines."""
        self._names.show([(name, self.lines[look]) for look, name in detail.names])
        self._title.set_transform(self._above[bool(detail.names)])
        self.axes.set_xlabel(detail.x_label, **self._label)
        self.axes.set_xlim(detail.limits[:2])
        self.axes.set_ylim(detail.limits[2:])
        _set_ticks(self.axes.yaxis, detail.ticks, MaxNLocator(4, min_n_ticks=2))
        _set_ticks(self.axes.xaxis, detail.x_ticks, MaxNLocator(4, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


class LineNames:
    """The names of lines in a line above a plot, each behind a piece of what it names.

    Args:
        axes: The plot's axes.
        style: The colours.
        layout: The sizes.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout) -> None:
        self._axes, self._style, self._layout = axes, style, layout
        self._artists: list[Artist] = []

    def show(self, named: Sequence[tuple[str, Line2D]]) -> None:
        """Name lines, in order."""
        for artist in self._artists:
            artist.remove()
        self._artists, at = [], 0.0
        dot = self._layout.pixel / 72 * float(self._axes.figure.dpi)
        whole = max(float(self._axes.bbox.width), 1.0)
        for k, (name, line) in enumerate(named):
            self._artists.append(self._piece(line, at, at + 13 * dot / whole))
            at += 18 * dot / whole
            text = title(self._axes, self._style, self._layout)
            text.set(x=at, color=self._style.written(to_hex(line.get_color())), fontsize=self._layout.small)
            fit(text, name, (1 - at) * whole / (len(named) - k) + 18 * dot)
            self._artists.append(text)
            at += (text.get_window_extent(renderer_of(self._axes.figure)).width + 10 * dot) / whole

    def _piece(self, line: Line2D, left: float, right: float) -> Artist:
        middle = ScaledTranslation(0, 9.6 * self._layout.pixel / 72, self._axes.figure.dpi_scale_trans)
        look: dict[str, Any] = {"color": line.get_color(), "linewidth": line.get_linewidth()}
        look["linestyle"] = line.get_linestyle()
        marker: dict[str, Any] = {"marker": line.get_marker(), "markersize": line.get_markersize(), "markevery": [1]}
        ends = [left, (left + right) / 2, right]
        way = self._axes.transAxes + middle
        piece = Line2D(ends, [1.0] * 3, transform=way, clip_on=False, markeredgewidth=0, **look, **marker)
        self._axes.add_artist(piece)
        return piece


def _frozen(ticks: dict[float, str] | None) -> tuple[tuple[float, str], ...] | None:
    return None if ticks is None else tuple(ticks.items())


def _set_ticks(axis: Axis, ticks: dict[float, str] | None, usual: MaxNLocator) -> None:
    if ticks is None:
        axis.set_major_locator(usual)
        axis.set_major_formatter(ScalarFormatter(useOffset=False))
    else:
        axis.set_ticks(list(ticks), list(ticks.values()))
