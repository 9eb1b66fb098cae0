"""A figure that follows scenes: what all pictures of the widgets have in common."""

from __future__ import annotations

import contextlib
from typing import Generic, Protocol, TypeVar

from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.base.style import own_look


class Framed(Protocol):
    """A scene: all that a picture shows, frozen."""

    @property
    def frame(self) -> object:
        """What the axes depend on, besides the picture's size; comparable."""


S = TypeVar("S", bound=Framed)


class SceneFigure(Generic[S]):
    """Artists that are made once and changed by one verb.

    Args:
        figure: What they are drawn on; others may draw on it at other times.

    Attributes:
        figure: The same.
    """

    def __init__(self, figure: Picture) -> None:
        self.figure = figure
        self._shown: tuple[S, tuple[object, ...]] | None = None  # and what it was built for

    def invalidate(self) -> None:
        """Build everything anew the next time."""
        self._shown = None

    def update(self, scene: S) -> Redraw:
        """Bring the picture to a scene.

        Args:
            scene: What to show.

        Returns:
            What must be drawn again; what else changed moves over it.
        """
        last, self._shown = self._shown, None  # until it is drawn
        before = last[0] if last is not None and last[1] == (scene.frame, self.figure.ground) else None
        with own_look() if before is None else contextlib.nullcontext():
            if before is None:
                self._build(scene)
            redraw = self._change(scene, before)
        self._shown = scene, (scene.frame, self.figure.ground)
        return EVERYTHING if before is None else redraw

    def _build(self, scene: S) -> None:
        """Make all artists anew, for the figure's present size."""
        raise NotImplementedError

    def _change(self, scene: S, before: S | None) -> Redraw:
        """Bring the artists to a scene; `before` is what they show, None for nothing yet."""
        raise NotImplementedError
