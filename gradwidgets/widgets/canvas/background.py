"""The background of a live picture, redrawn only where it changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from gradwidgets.figures.base.style import own_look

_NO_PIXELS = np.empty((0, 0, 4), np.uint8)


class Background:
    """The pixels of all artists that are not animated.

    Args:
        figure: The figure that the artists belong to.
    """

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._pixels = _NO_PIXELS
        self._stale: set[Axes] = set()
        # Axes whose labels ever changed are drawn over the rest: labels have no frame, and may overlap.
        self._over: set[Axes] = set()
        self._below = _NO_PIXELS  # the pixels without those axes, if any
        self._drawn: dict[Axes, tuple[np.ndarray, np.ndarray]] = {}  # the mask and the pixels of each of them

    def forget(self) -> None:
        """Mark everything as to be redrawn."""
        self._pixels = _NO_PIXELS

    def stale(self, inside: Iterable[Axes], with_labels: Iterable[Axes]) -> None:
        """Mark the inside of some axes as to be redrawn, and others with their labels."""
        with_labels = tuple(with_labels)
        if not self._over.issuperset(with_labels):
            self.forget()
        self._over.update(with_labels)
        self._stale.update(inside, with_labels)

    def lacks(self, renderer: RendererAgg) -> bool:
        """Whether there is no background of the renderer's size."""
        return self._pixels.shape[:2] != (renderer.height, renderer.width)

    @contextlib.contextmanager
    def without_what_lies_over(self) -> Iterator[None]:
        """A block in which drawing the figure produces the pixels for `take`."""
        self._over.intersection_update(self._figure.axes)
        with own_look(), _left_out(self._over):
            yield

    def take(self, renderer: RendererAgg) -> None:
        """Take the renderer's pixels as the new background, and draw the axes over it that lie on top."""
        self._pixels, self._below = np.array(renderer.buffer_rgba()), _NO_PIXELS
        self._stale.clear()
        self._drawn.clear()
        if self._over:
            self._below = self._pixels.copy()
            self._draw_over(renderer)

    def freshen(self, renderer: RendererAgg) -> None:
        """Redraw what is stale, and leave the whole background in the renderer."""
        layers = [layer for layer in (self._pixels, self._below) if layer.size]
        for axes in self._stale - self._over:
            self._redraw_inside(axes, renderer, layers)
        if self._stale & self._over:
            self._draw_over(renderer)
        else:
            np.copyto(np.asarray(renderer.buffer_rgba()), self._pixels)
        self._stale.clear()

    def _draw_over(self, renderer: RendererAgg) -> None:
        """Put the axes on top that lie over the rest, redrawing those that are stale."""
        pixels = np.asarray(renderer.buffer_rgba())
        below, laid = _whole(self._below).ravel(), _whole(self._pixels).ravel()
        np.copyto(laid, below)
        for axes in sorted(self._over.intersection(self._figure.axes), key=_drawing_order):
            if axes in self._stale or axes not in self._drawn:
                np.copyto(pixels, self._below)
                with own_look():
                    axes.draw(renderer)
                alone = _whole(pixels).ravel()
                where = np.flatnonzero(alone != below)
                self._drawn[axes] = where, alone[where]
            where, which = self._drawn[axes]
            laid[where] = which
        np.copyto(pixels, self._pixels)

    def _redraw_inside(self, axes: Axes, renderer: RendererAgg, layers: list[np.ndarray]) -> None:
        face = np.rint(np.array(to_rgba(self._figure.get_facecolor())) * 255).astype(np.uint8)
        pixels = _whole(np.asarray(renderer.buffer_rgba()))
        region = rows, columns = _region(Bbox(axes.bbox.get_points().round()), renderer.height)
        own = np.ones(pixels[region].shape, bool)
        for other in self._figure.axes:
            if other is not axes and other.get_visible():
                theirs = _region(other.bbox.padded(1), renderer.height)
                own[_shifted(theirs[0], rows.start), _shifted(theirs[1], columns.start)] = False
        alone = own.all()
        pixels[region] = face.view(np.uint32)[0]
        with own_look():
            _draw_inside(axes, renderer)
        for layer in map(_whole, layers):
            if alone:  # a mask would take ten times as long
                layer[region] = pixels[region]
            else:
                np.copyto(layer[region], pixels[region], where=own)


def _whole(pixels: np.ndarray) -> np.ndarray:
    """View pixels of four bytes, (H, W, 4), as one integer each, (H, W)."""
    return pixels.view(np.uint32)[..., 0]


@contextlib.contextmanager
def _left_out(those: Iterable[Axes]) -> Iterator[None]:
    """A block in which drawing a figure leaves out some of its axes."""
    left = [axes for axes in those if not axes.get_animated()]
    for axes in left:
        axes.set_animated(True)
    try:
        yield
    finally:
        for axes in left:
            axes.set_animated(False)


def _drawing_order(axes: Axes) -> tuple[float, int]:
    return axes.zorder, axes.figure.axes.index(axes)


def _draw_inside(axes: Axes, renderer: RendererAgg) -> None:
    """Draw what lies within a frame; of the ticks only the marks, as their text is most of the cost of drawing axes."""
    parts: list[tuple[float, Artist]] = []
    for artist in axes.get_children():
        if isinstance(artist, Axis):
            parts += [(artist.zorder, line) for line in artist.get_majorticklines()]
        elif not artist.get_animated():
            parts.append((-np.inf if artist is axes.patch else artist.zorder, artist))
    for _, artist in sorted(parts, key=lambda part: part[0]):
        if artist.get_visible():
            artist.draw(renderer)


def _region(box: Bbox, height: float) -> tuple[slice, slice]:
    """Return the rows and columns of a buffer, first row on top, that a box in pixels touches."""
    rows = slice(max(0, int(height - box.y1)), max(0, int(np.ceil(height - box.y0))))
    return rows, slice(max(0, int(box.x0)), max(0, int(np.ceil(box.x1))))


def _shifted(part: slice, by: int) -> slice:
    return slice(max(0, part.start - by), max(0, part.stop - by))
