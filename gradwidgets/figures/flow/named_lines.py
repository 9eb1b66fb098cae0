"""Words on a profile: the names of its bands and of its lines, and how much it changes from layer to layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.notebook_figure import renderer_of
from gradwidgets.figures.base.style import Style
from gradwidgets.figures.flow.bands import Band
from gradwidgets.figures.flow.free_room import FreeRoom, Rectangle

_TALL = 1.25  # height of a line of text, in font sizes
_LEADS = ((26, 30), (40, 46), (60, 30), (26, 64), (80, 70), (110, 40), (14, 18))  # from a line to words on it
_AWAY = (8, 22, 36, 50, 70)  # from a line to words above or below it
_BANDS = 3


class Words(MovingText):
    """Animated words in a plot, at a place in it that is given in pixels.

    Args:
        axes: The axes.
        **look: Keyword arguments of `MovingText`.
    """

    def __init__(self, axes: Axes, **look: Any) -> None:
        super().__init__(transform=axes.transAxes, ha="left", va="baseline", zorder=8, **look)
        axes.add_artist(self)
        self._known: dict[tuple[str, float], float] = {}

    def size_of(self, words: str) -> tuple[float, float]:
        """Return the width and the height that some words take, in pixels."""
        figure = self.figure
        key = words, float(figure.dpi)
        if key not in self._known:
            if len(self._known) > 500:
                self._known.clear()
            font = self.get_fontproperties()
            self._known[key] = renderer_of(figure).get_text_width_height_descent(words, font, False)[0]
        return self._known[key], _TALL * float(self.get_fontsize()) * key[1] / 72

    def put(self, words: str, place: Rectangle | None, room: FreeRoom) -> None:
        """Write words at a place, or none."""
        self.set_text("" if place is None else words)
        if place is not None:
            self.set_position((place[0] / room.width, (place[1] + 0.27 * place[3]) / room.height))


class NamedLines:
    """The words on a profile, where they cover no line.

    Args:
        axes: The profile's axes.
        style: The colours.
        layout: The sizes.
        colors: The colours of the lines of theory and of what is tried.
    """

    def __init__(self, axes: Axes, style: Style, layout: Layout, colors: tuple[str, str]) -> None:
        self._axes, self._layout = axes, layout
        self._unit = 1.0  # pixels of the picture in a CSS pixel of text of 12 px
        small, bold = {"fontsize": layout.small}, {"fontsize": layout.title, "fontweight": "bold"}
        self._bands = {
            sound: [Words(axes, color=color, fontsize=layout.small) for _ in range(_BANDS)]
            for sound, color in ((True, style.written(style.sound)), (False, style.written(style.alarm)))
        }
        self._theory = Words(axes, color=style.muted, **small)
        self._factor = Words(axes, color=style.ink, **bold)
        self._tried = Words(axes, color=style.written(colors[1]), **bold)
        lead = {"color": style.muted, "linewidth": 0.9 * layout.scale, "zorder": 7}
        self._leads = {words: moving_line(axes, **lead) for words in (self._theory, self._factor)}

    def show(
        self,
        lines: Iterable[np.ndarray],
        bands: Sequence[Band],
        *,
        measured: np.ndarray,
        theory: np.ndarray,
        tried: tuple[str, np.ndarray],
        factor: str,
    ) -> None:
        """Write the words.

        Args:
            lines: The points of all lines, (n, 2) each, which no words may cover.
            bands: The bands.
            measured: The points of the profile.
            theory: The points of what theory expects; (0, 2) for nothing.
            tried: What is tried, and the points of its profile; ("", …) for nothing.
            factor: The factor per layer; "" for none.
        """
        self._unit = self._layout.scale / 1.2 * float(self._axes.figure.dpi) / 100
        room = FreeRoom(self._axes, lines, 5 * self._unit)
        self._beside(self._factor, factor, room, measured, (0.5, 0.4, 0.6), up=False)
        self._along(self._tried, *tried, room)
        above = len(theory) > 0 and len(measured) > 0 and bool(theory[0, 1] >= measured[0, 1])
        self._beside(self._theory, "theory" if len(theory) else "", room, theory, (0.25, 0.5, 0.75), up=above)
        self._name_bands(bands, room)

    def _beside(
        self, text: Words, words: str, room: FreeRoom, line: np.ndarray, shares: Sequence[float], *, up: bool
    ) -> None:
        """Write words above or below a place on a line, with a short line to it."""
        if not words or not len(line):
            text.put("", None, room)
            self._leads[text].set_data([], [])
            return
        points, (wide, tall) = room.pixels(line), text.size_of(words)
        rises, unit = points[-1, 1] >= points[0, 1], self._unit
        for share in shares:
            x, y = points[round(share * (len(points) - 1))].tolist()
            for side in (1, -1) if up or not rises else (-1, 1):
                across = -side if rises else side
                start = x - (wide if across < 0 else 0)
                leads = ((start + across * away * unit, y + side * high * unit) for away, high in _LEADS)
                place = room.take((left, middle - tall / 2, wide, tall) for left, middle in leads)
                if place is not None:
                    text.put(words, place, room)
                    self._leads[text].set_data(*_lead((x, y), place, room, 5 * unit).T)
                    return
        text.put("", None, room)
        self._leads[text].set_data([], [])

    def _along(self, text: Words, words: str, line: np.ndarray, room: FreeRoom) -> None:
        """Write words above or below a line, near its middle."""
        if not words or not len(line):
            text.put("", None, room)
            return
        points, (wide, tall) = room.pixels(line), text.size_of(words)
        places: list[Rectangle] = []
        for share in (0.5, 0.35, 0.65, 0.2, 0.8):
            x = min(max(share * room.width, wide / 2 + 4), room.width - wide / 2 - 4)
            y = float(np.interp(x, points[:, 0], points[:, 1]))
            for away in _AWAY:
                places += [(x - wide / 2, y + up, wide, tall) for up in (-away * self._unit - tall, away * self._unit)]
        text.put(words, room.take(places), room)

    def _name_bands(self, bands: Sequence[Band], room: FreeRoom) -> None:
        texts = {sound: list(those) for sound, those in self._bands.items()}
        for band in bands:
            if texts[band.sound] and _is_seen(band, self._axes):
                self._name(texts[band.sound].pop(), band, room)
        for text in (*texts[True], *texts[False]):
            text.put("", None, room)

    def _name(self, text: Words, band: Band, room: FreeRoom) -> None:
        heights = band.heights
        layers = np.arange(1, heights.shape[1] + 1)
        for words in dict.fromkeys((f"{band.name}: {band.about}" if band.about else band.name, band.name)):
            wide, tall = text.size_of(words)
            places = []
            for right in (not band.sound, band.sound):
                left = room.width - wide - 7 * self._unit if right else 7 * self._unit
                here = room.data(np.array([[left, 0.0], [left + wide, 0.0]]))[:, 0]
                inside = heights[:, _span(layers, *here)]
                low, high = (room.pixels(np.array([1.0, one]))[1] for one in (inside[0].max(), inside[1].min()))
                low, high = max(low, 0.0) + 4 * self._unit, min(high, room.height) - 4 * self._unit
                if high - low >= tall:
                    places += [(left, bottom, wide, tall) for bottom in (low, high - tall)]
            place = room.take(places)
            text.put(words, place, room)
            if place is not None:
                return


def _is_seen(band: Band, axes: Axes) -> bool:
    bottom, top = axes.get_ylim()
    return bool(band.heights[0].min() < top and band.heights[1].max() > bottom)


def _span(layers: np.ndarray, left: float, right: float) -> slice:
    """Return which layers are between two places, with one on each side."""
    first, last = np.searchsorted(layers, [left, right])
    return slice(max(0, min(int(first) - 1, len(layers) - 1)), int(last) + 1)


def _lead(at: tuple[float, float], place: Rectangle, room: FreeRoom, gap: float) -> np.ndarray:
    """Return the short line from a place on a line to words beside it, (2, 2), in data coordinates."""
    left, bottom, wide, tall = place
    end = np.array([min(max(at[0], left + 6), left + wide - 6), bottom + (tall if at[1] > bottom else 0)])
    way = end - np.array(at)
    return room.data(np.stack([end - way + way * min(1.0, gap / max(float(np.hypot(*way)), 1.0)), end]))
