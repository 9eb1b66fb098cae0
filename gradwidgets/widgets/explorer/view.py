"""From an explorer's result to its figure, drawing again no more than what changed."""

from __future__ import annotations

from collections.abc import Mapping

from gradwidgets.figures.base.style import STYLES
from gradwidgets.figures.surface.figure import SurfaceFigure
from gradwidgets.figures.surface.surface_scale import SurfaceScale
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.explorer.picture import aside_of, cuts_of, surface_of
from gradwidgets.widgets.explorer.point import Here
from gradwidgets.widgets.explorer.problem import LossResult
from gradwidgets.widgets.explorer.sampled_descent import Descent


class ExplorerView:
    """The explorer's figure and what it shows now.

    Args:
        size: Width and height in CSS pixels.

    Attributes:
        figure: The artists.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.figure = SurfaceFigure(*size)
        self._frame: tuple | None = None
        self._ground: tuple | None = None
        self._kept: object = None  # what `_ground` tells by its id
        self._scale: SurfaceScale | None = None

    def forget(self) -> None:
        """Have the next picture made anew: something else has used the figure."""
        self._frame = self._ground = None

    def show(self, canvas: LiveCanvas, result: LossResult, scale: str, arrows: str, style: str) -> None:
        """Bring the maps to a result.

        Args:
            canvas: What must draw again.
            result: The losses.
            scale: Of the colours.
            arrows: "direction", "magnitude" or "off".
            style: "light" or "dark".
        """
        grids = list(result.grids.values())
        first, flat = grids[0], grids[0].y is None
        size = tuple(canvas.figure.get_size_inches())
        frame = (result.settings.example, result.settings.losses, result.settings.axes, style, size, result.aside)
        frame += (len(first.x),)
        ground = (*map(id, grids), *map(id, result.surveys.values()), *map(id, result.checks.values()), scale, arrows)
        new, before = frame != self._frame, self._ground
        self._ground = None  # until it is drawn
        if new:
            self._frame = None
            sides = [side.numpy() for side in (first.x, first.y) if side is not None]
            beside = bool(result.aside) and not flat
            self.figure.build(first.names, sides, tuple(result.grids), STYLES[style], aside=beside)
            canvas.stale()
            self._frame = frame
        if (new or ground != before) and not flat:
            self._show_surfaces(canvas, result, scale, arrows, new=new)
        self._ground, self._kept = ground, result

    def _show_surfaces(self, canvas: LiveCanvas, result: LossResult, scale: str, arrows: str, *, new: bool) -> None:
        # While a hand moves, the colours keep their scale: what changes is then the loss.
        if result.exact or new or self._scale is None:
            self._scale = SurfaceScale.of(scale, [grid.loss.numpy() for grid in result.grids.values()])
        surfaces = [surface_of(name, result) for name in result.grids]
        canvas.stale(self.figure.show(surfaces, self._scale, arrows, aside_of(result), explain=result.exact))

    def move(
        self,
        canvas: LiveCanvas,
        result: LossResult,
        place: tuple[float, ...],
        here: Mapping[str, Here],
        descents: Mapping[str, Descent | None],
    ) -> None:
        """Bring the point, the cuts and the descent to a place, and paint.

        Args:
            canvas: What must draw again.
            result: The losses.
            place: A number for each axis.
            here: The losses there.
            descents: Where SGD goes from there.
        """
        gradients = [here[name].gradient for name in result.grids]
        walks = [descents.get(name) for name in result.grids]
        paths = [None if walk is None else (walk.points, walk.losses) for walk in walks]
        canvas.redraw(self.figure.move(place, gradients, cuts_of(result, place), paths, settle=result.exact))
