"""The look of plots, badges and the marks of a descent, shared by all pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.style import Style

MINIMUM, GUESS, EDGE = "#f4c20d", "#d63af9", "#111111"


def plot_axes(figure: Figure, box: Box, style: Style, layout: Layout) -> Axes:
    """Add the axes of a plot or a map; they are never autoscaled."""
    axes = figure.add_axes(box, facecolor=style.plot)
    for spine in axes.spines.values():
        spine.set_color(style.muted)
        spine.set_linewidth(0.6)
    axes.tick_params(colors=style.muted, labelsize=layout.small, length=2.5, width=0.6, pad=2)
    axes.set_autoscale_on(False)
    return axes


def label_axes(axes: Axes, style: Style, layout: Layout, x: str = "", y: str = "", pad: float = 1.5) -> None:
    """Label the axes that have a label."""
    if x:
        axes.set_xlabel(x, parse_math=False, fontsize=layout.label, color=style.ink, labelpad=pad)
    if y:
        axes.set_ylabel(y, parse_math=False, fontsize=layout.label, color=style.ink, labelpad=pad)


def badge(axes: Axes, text: str, style: Style, *, right: bool = False, **options: Any) -> Text:
    """Put text into an upper corner of a map, on a background that keeps it legible."""
    return axes.text(
        0.975 if right else 0.025,
        0.97,
        text,
        transform=axes.transAxes,
        ha="right" if right else "left",
        va="top",
        zorder=8,
        parse_math=False,
        bbox={"boxstyle": "round,pad=0.22", "facecolor": style.face, "edgecolor": "none"},
        **options,
    )


class Key:
    """One line above the maps that explains the marks, or the vectors while stepping through a run."""

    def __init__(self, figure: Figure, style: Style, layout: Layout, *, minima: bool = True) -> None:
        self._figure, self._style, self._layout, self._minima = figure, style, layout, minima
        self._artists: list[Artist] = []
        self._parts: tuple[str, ...] | None = None
        self.show()

    def show(self, parts: Sequence[str] = ()) -> bool:
        """Explain the marks, or the given vectors.

        Args:
            parts: The names of the vectors drawn; () for the marks.

        Returns:
            Whether the line changed.
        """
        parts = tuple(parts)
        if parts == self._parts:
            return False
        self._parts = parts
        for artist in self._artists:
            artist.remove()
        self._artists, at = [], self._layout.key_left
        for text, mark in self._vectors(parts) if parts else self._marks():
            at = self._entry(at, text, mark)
        return True

    def _marks(self) -> list[tuple[str, dict[str, Any]]]:
        style = self._style
        edge = {"markeredgecolor": EDGE, "markeredgewidth": 0.7}
        marks: list[tuple[str, dict[str, Any]]] = [
            ("start", {"marker": "o", "color": style.halo, "markersize": 6.5, **edge}),
            ("every step", {"marker": "o", "color": style.path, "markersize": 3.6, "markeredgewidth": 0}),
            ("end", {"marker": "D", "color": style.path, "markersize": 5.5, **edge}),
            ("minimum", {"marker": "X", "color": MINIMUM, "markersize": 7.0, **edge}),
        ]
        return marks if self._minima else marks[:-1]

    def _vectors(self, parts: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        return [
            (part, {"color": self._style.parts[part], "linestyle": vector_dash(part), "linewidth": 2.2})
            for part in parts
        ]

    def _entry(self, at: float, text: str, mark: dict[str, Any]) -> float:
        layout, style, figure = self._layout, self._style, self._figure
        reach = 0.6 * layout.key_gap if "linestyle" in mark else 0.0
        scaled = {k: v * layout.scale if k in ("markersize", "linewidth") else v for k, v in mark.items()}
        line = Line2D([at - reach, at + reach], [layout.key_y] * 2, **scaled)
        if reach:
            line.set_path_effects([withStroke(linewidth=scaled["linewidth"] + 1.6, foreground=style.halo)])
        label = figure.text(
            at + layout.key_gap + 0.7 * reach,
            layout.key_y,
            text,
            color=style.muted,
            fontsize=layout.small,
            va="center_baseline",
        )
        self._artists += [figure.add_artist(line), label]
        width = label.get_window_extent(renderer_of(figure)).width / figure.bbox.width
        return at + 2.3 * layout.key_gap + 0.7 * reach + width


def vector_dash(part: str) -> str:
    """Return the line style of a step's part: what does not belong to the step itself is dashed."""
    return "--" if part == "look-ahead" else "-"
