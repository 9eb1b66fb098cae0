"""The lines of words around a profile: the key of its marks, the key of the blocks, what the blocks' ends are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from gradwidgets.figures.base.layout import Box, Layout
from gradwidgets.figures.base.marks import plot_axes
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.panel_text import fit
from gradwidgets.figures.base.style import Style

_BAR, _LEAST_BAR = (84.0, 9.0), 30.0  # CSS pixels: width and height of the bar of colours, and its least width
_BACK = "←  gradient flows back"
_ENDS = "input", "output · loss"


class MarkKey:
    """The marks of a profile and the lines in it, each with its name, in a line below it.

    Args:
        figure: The figure to draw on.
        style: The colours.
        layout: The sizes.

    Attributes:
        names: The names that are explained.
    """

    def __init__(self, figure: Figure, style: Style, layout: Layout) -> None:
        self._figure, self._style, self._layout = figure, style, layout
        self._artists: list[Artist] = []
        self.names: tuple[str, ...] = ()

    def show(self, looks: Mapping[str, dict[str, Any]]) -> None:
        """Explain marks: the name and the look of each."""
        for artist in self._artists:
            artist.remove()
        self._artists, self.names = [], tuple(looks)
        figure, layout, gap = self._figure, self._layout, self._layout.key_gap
        widths, first = self._widths(looks), next(iter(looks.values()))
        at = layout.key_left - 0.2 * gap
        usual = {"markersize": 6 * layout.scale, "markeredgewidth": 0.8, "linewidth": 1.6 * layout.scale}
        for (name, look), width in zip(looks.items(), widths, strict=True):
            reach = _reach(look, gap)
            at += reach if look is first else 0.0
            line = Line2D([at - reach, at, at + reach], [layout.key_y] * 3, markevery=[1], **{**usual, **look})
            text = self._write(at + reach + 0.9 * gap, name)
            fit(text, name, width * figure.bbox.width + 1)
            self._artists += [figure.add_artist(line), text]
            at += reach + 3.2 * gap + width

    def _widths(self, looks: Mapping[str, dict[str, Any]]) -> list[float]:
        """Return the width of each name: all of it, or less where there is too little room for all names."""
        gap, layout = self._layout.key_gap, self._layout
        widths = [self._width(name) for name in looks]
        marks = sum(_reach(look, gap) + 3.2 * gap for look in looks.values())
        over = layout.key_left + marks + sum(widths) - 2 * gap - layout.key_right
        while over > 1e-9 and widths:
            longest = max(widths)
            shorter = max((one for one in widths if one < longest), default=0.0)
            those = [k for k, one in enumerate(widths) if one == longest]
            less = min(over / len(those), longest - shorter)
            for k in those:
                widths[k] -= less
            over -= less * len(those)
            if longest - less < 2 * gap:
                break
        return widths

    def _width(self, words: str) -> float:
        probe = self._write(0, words)
        width = probe.get_window_extent(renderer_of(self._figure)).width / self._figure.bbox.width
        probe.remove()
        return float(width)

    def _write(self, at: float, words: str) -> Text:
        look: dict[str, Any] = {"color": self._style.muted, "fontsize": self._layout.small, "va": "center_baseline"}
        return self._figure.text(at, self._layout.key_y, words, parse_math=False, **look)


def _reach(look: Mapping[str, Any], gap: float) -> float:
    return 0.0 if look.get("linestyle") == "none" else 1.1 * gap


def name_ends(figure: Figure, box: Box, style: Style, layout: Layout) -> None:
    """Write above a row of blocks what is before and behind it, and which way the gradient goes."""
    left, bottom, wide, tall = box
    pixel = layout.pixel / 72 / figure.get_figheight()
    look: dict[str, Any] = {"y": bottom + tall + 7 * pixel, "fontsize": layout.small, "va": "baseline"}
    ends = [
        figure.text(at, s=words, ha=side, color=style.ink, fontweight="bold", **look)
        for at, words, side in zip((left, left + wide), _ENDS, ("left", "right"), strict=True)
    ]
    between = figure.text(left + wide / 2, s=_BACK, ha="center", color=style.muted, **look)
    (first, last), middle = ([one.get_window_extent(renderer_of(figure)) for one in ends], between)
    free, taken = last.x0 - first.x1, middle.get_window_extent(renderer_of(figure)).width
    between.set_x((first.x1 + last.x0) / 2 / figure.bbox.width)
    if taken > 0.95 * free:
        between.set_text("←")


def name_row(figure: Figure, box: Box, name: str, style: Style, layout: Layout) -> None:
    """Write the name of a row of blocks at its left."""
    left, bottom, _, tall = box
    gap = 8 * layout.pixel / 72 / figure.get_figwidth()
    look: dict[str, Any] = {"fontsize": layout.small, "fontweight": "bold", "color": style.ink}
    figure.text(left - gap, bottom + tall / 2, name, ha="right", va="center_baseline", parse_math=False, **look)


def color_key(figure: Figure, right: float, y: float, room: float, style: Style, layout: Layout) -> None:
    """Draw the bar of the blocks' colours, named at its ends, if there is room for it.

    Args:
        figure: The figure to draw on.
        right: Its right end, as a fraction of the figure's width.
        y: The baseline of its words, as a fraction of the figure's height.
        room: The width that there is for it, in pixels.
        style: The colours.
        layout: The sizes.
    """
    look: dict[str, Any] = {"fontsize": layout.small, "color": style.muted, "ha": "right", "va": "baseline"}
    strong, gone = figure.text(right, y, "strong", **look), figure.text(right, y, "gone", **look)
    whole, dot = float(figure.bbox.width), layout.pixel / 72 * float(figure.dpi)
    wide, before = (float(one.get_window_extent(renderer_of(figure)).width) for one in (strong, gone))
    bar = min(_BAR[0] * dot, room - wide - before - 10 * dot)
    if bar < _LEAST_BAR * dot:
        for text in (strong, gone):
            text.remove()
        return
    end = right - (wide + 5 * dot) / whole
    gone.set_x(end - (bar + 5 * dot) / whole)
    tall = _BAR[1] * dot / figure.bbox.height
    axes = plot_axes(figure, (end - bar / whole, y - 0.06 * tall, bar / whole, tall), style, layout)
    colors = np.rint(style.ramp[::-1] * 255).astype(np.uint8)
    axes.imshow(colors[None], aspect="auto", extent=(0, 1, 0, 1))
    axes.set_axis_off()
