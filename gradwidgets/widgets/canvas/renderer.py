"""Renders a figure, redrawing only what moves."""

from __future__ import annotations

import threading

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.widgets.canvas.background import Background


class Renderer:
    """Draws the animated artists of a figure over a cached background.

    Args:
        canvas: The figure's canvas.

    Attributes:
        painted_on: The names of all threads that have drawn; only the main thread's if all is well.
    """

    def __init__(self, canvas: FigureCanvasAgg) -> None:
        self._canvas = canvas
        self._background = Background(canvas.figure)
        self.painted_on: set[str] = set()

    def stale(self, what: Redraw = EVERYTHING) -> None:
        """Mark what changed under the animated artists."""
        self._background.stale(what.inside, what.with_labels)
        if what.everything:
            self.forget()

    def forget(self) -> None:
        """Discard everything drawn before."""
        self._background.forget()

    def draw(self) -> np.ndarray:
        """Draw the figure as it is now.

        Returns:
            Its pixels, (height, width, 4) bytes, in the renderer's own buffer, which changes with the next picture.
        """
        self.painted_on.add(threading.current_thread().name)
        renderer = self._canvas.get_renderer()
        if self._background.lacks(renderer):
            with self._background.without_what_lies_over():
                FigureCanvasAgg.draw(self._canvas)
            renderer = self._canvas.get_renderer()
            self._background.take(renderer)
        else:
            self._background.freshen(renderer)
        for artist in self._moving_artists():
            artist.draw(renderer)
        return np.asarray(self._canvas.get_renderer().buffer_rgba())

    def _moving_artists(self) -> list[Artist]:
        figure = self._canvas.figure
        own: tuple[Artist, ...] = (*figure.artists, *figure.lines, *figure.texts, *figure.patches)
        moving = [a for a in own if a.get_animated()]
        for axes in figure.axes:
            if axes.get_visible():
                moving.extend(a for a in axes.get_children() if a.get_animated() and a.get_visible())
        return sorted(moving, key=lambda artist: artist.zorder)
