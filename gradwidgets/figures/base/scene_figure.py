"""A figure that shows scenes: the base of all the widgets' pictures."""

from __future__ import annotations

import contextlib
from typing import Generic, Protocol, TypeVar

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.pointing import axes_at
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.base.style import own_look


class Framed(Protocol):
    """A scene: everything that a picture shows, frozen."""

    @property
    def frame(self) -> object:
        """What the axes depend on, apart from the picture's size; comparable."""


S = TypeVar("S", bound=Framed)


class SceneFigure(Generic[S]):
    """Artists that are created once and changed by `update`.

    Args:
        figure: The figure to draw on; others may draw on it at other times.

    Attributes:
        figure: As given.
    """

    def __init__(self, figure: Picture) -> None:
        self.figure = figure
        self._shown: tuple[S, tuple[object, ...]] | None = None  # with the frame and ground it was built for

    def invalidate(self) -> None:
        """Rebuild everything at the next update."""
        self._shown = None

    def update(self, scene: S) -> Redraw:
        """Show a scene.

        Args:
            scene: The scene to show.

        Returns:
            What must be redrawn; everything else that changed is animated on top.
        """
        last, self._shown = self._shown, None  # in case drawing fails
        before = last[0] if last is not None and last[1] == (scene.frame, self.figure.ground) else None
        with own_look() if before is None else contextlib.nullcontext():
            if before is None:
                self._build(scene)
            redraw = self._change(scene, before)
        self._shown = scene, (scene.frame, self.figure.ground)
        return EVERYTHING if before is None else redraw

    def value_at(self, across: float, up: float) -> str:
        """Return what the picture shows at a place, in lines; "" where that is nothing.

        Args:
            across: The place, as a fraction of the picture's width from the left.
            up: The place, as a fraction of its height from the bottom.
        """
        shown = self._shown
        if shown is None or shown[1][1] != self.figure.ground:  # something else is drawn there now
            return ""
        with np.errstate(all="ignore"):
            place = axes_at(self.figure, across, up)
            return "" if place is None else self._value_in(shown[0], *place)

    def _value_in(self, scene: S, axes: Axes, x: float, y: float) -> str:
        """Return what a scene shows at a place in axes, in their coordinates."""
        return ""

    def _build(self, scene: S) -> None:
        """Create all artists, for the figure's current size."""
        raise NotImplementedError

    def _change(self, scene: S, before: S | None) -> Redraw:
        """Update the artists to a scene; `before` is the one they show, None if nothing yet."""
        raise NotImplementedError
