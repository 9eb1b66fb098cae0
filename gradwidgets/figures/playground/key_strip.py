"""The strip under the maps that explains the marks, or the vectors of a step, and the colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import minimum_mark, plot_axes, start_mark, vector_dash
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.style import DARK, Style

_BAR = (110.0, 10.0)  # CSS pixels: width and height of the bar of colours
_LEAST_BAR = 44.0


class KeyStrip:
    """One line: the marks at the left, the colours at the right.

    Args:
        figure: The figure to draw on.
        style: The colours.
        layout: The sizes.
        minima: Whether any minimum is marked.
    """

    def __init__(self, figure: Figure, style: Style, layout: Layout, *, minima: bool = True) -> None:
        self._figure, self._style, self._layout, self._minima = figure, style, layout, minima
        self._artists: list[Artist] = []
        self._parts: tuple[str, ...] | None = None
        self._bar = plot_axes(figure, (0.0, 0.0, 0.1, 0.1), style, layout)
        self._bar.imshow((style.ramp[None] * 255).round().astype(np.uint8), aspect="auto", extent=(0, 1, 0, 1))
        self._bar.set_axis_off()
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
        entries = self._vectors(parts) if parts else self._marks()
        self.explain(entries if parts or self._fits(entries) else [])  # the first map says it too
        return True

    def explain(self, entries: Sequence[tuple[str, dict[str, Any]]], *, colors: bool = True) -> None:
        """Explain other marks: the name and the look of each, {} for none; and the colours, if there are any."""
        for artist in self._artists:
            artist.remove()
        self._artists, at = [], self._layout.key_left
        for text, mark in entries:
            at = self._entry(at, text, mark)
        self._bar.set_visible(False)
        if colors:
            self._show_colors(at)

    def _fits(self, entries: Sequence[tuple[str, dict[str, Any]]]) -> bool:
        width = sum(self._width(text) + 2.9 * self._layout.key_gap for text, _ in entries)
        colors = self._width("low loss") + self._width("high") + (_BAR[0] + 12) * self._across
        return self._layout.key_left + width + colors < self._layout.key_right

    def _show_colors(self, after: float) -> None:
        """Show the bar of colours at the right end, if that much is left after the marks."""
        layout, right = self._layout, self._layout.key_right
        gap = 6 * self._across
        low, high = self._width("low loss"), self._width("high")
        left = max(right - high - gap - _BAR[0] * self._across, after + low + gap)
        wide = right - high - gap - left
        seen = wide >= _LEAST_BAR * self._across
        self._bar.set_visible(seen)
        if seen:
            tall = _BAR[1] * layout.pixel / 72 / self._figure.get_figheight()
            self._bar.set_position((left, layout.key_y - tall / 2, wide, tall))
            self._write(left - gap, "low loss", ha="right")
            self._write(right, "high", ha="right")

    def _marks(self) -> list[tuple[str, dict[str, Any]]]:
        layout, style = self._layout, self._style
        start = {**start_mark(layout), "markersize": 10 * layout.pixel}
        start["markeredgecolor"] = "#ffffff" if style is DARK else style.data
        now = {**start, "color": style.muted, "markeredgewidth": 0}
        star = minimum_mark(layout, 15)
        return [("start", start), ("now", now), *([("minimum", star)] if self._minima else [])]

    def _vectors(self, parts: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        wide = 2.6 * self._layout.pixel
        return [
            (part, {"color": self._style.parts[part], "linestyle": vector_dash(part), "linewidth": wide})
            for part in parts
        ]

    def _entry(self, at: float, text: str, mark: dict[str, Any]) -> float:
        layout, style, figure = self._layout, self._style, self._figure
        if not mark:
            self._write(at - 0.5 * layout.key_gap, text)
            return at + 1.4 * layout.key_gap + self._width(text)
        reach = 0.0 if "marker" in mark else 0.6 * layout.key_gap
        line = Line2D([at - reach, at + reach] if reach else [at], [layout.key_y] * (2 if reach else 1), **mark)
        if reach:
            line.set_path_effects([withStroke(linewidth=mark["linewidth"] + 1.6, foreground=style.halo)])
        self._artists.append(figure.add_artist(line))
        self._write(at + 1.15 * layout.key_gap + 0.7 * reach, text)
        return at + 2.9 * layout.key_gap + 0.7 * reach + self._width(text)

    def _write(self, at: float, words: str, ha: str = "left") -> None:
        look: dict[str, Any] = {"color": self._style.muted, "fontsize": self._layout.small, "va": "center_baseline"}
        self._artists.append(self._figure.text(at, self._layout.key_y, words, ha=ha, **look))

    def _width(self, words: str) -> float:
        """The width of words, as a share of the figure's."""
        probe = self._figure.text(0, 0, words, fontsize=self._layout.small)
        width = probe.get_window_extent(renderer_of(self._figure)).width / self._figure.bbox.width
        probe.remove()
        return float(width)

    @property
    def _across(self) -> float:
        """A CSS pixel of the smallest picture, as a share of the figure's width."""
        return self._layout.pixel / 72 / self._figure.get_figwidth()
