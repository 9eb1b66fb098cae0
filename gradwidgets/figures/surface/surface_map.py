"""A loss seen from above: its values, what is wrong with it, and the operating point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.quiver import Quiver
from numpy.typing import ArrayLike

from gradwidgets.figures.axes.map_axes import map_axes, pixels_per_unit
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import EDGE, MINIMUM, NIGHT, STAR, badge, disc
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.pixels import Pixels
from gradwidgets.figures.base.relief import ramp_at, relief
from gradwidgets.figures.base.style import LIGHT, MARKS, Style, contrast, loss_line
from gradwidgets.figures.base.vectors import arrow, draw_field
from gradwidgets.figures.playground.growing_path import GrowingPath
from gradwidgets.figures.surface.even_bands import even_bands
from gradwidgets.figures.surface.point_names import Critical, PointNames, names_of
from gradwidgets.figures.surface.surface_scale import SurfaceScale
from gradwidgets.figures.surface.zones import dots, hatch, outline

# Kind of critical point → marker, colour; distinguishable by shape alone.
CRITICAL: dict[str, tuple[MarkerStyle | str, str]] = {
    "minimum": (STAR, MINIMUM),
    "maximum": ("^", "#ffffff"),
    "saddle": ("s", "#ff9a4d"),
    "degenerate": ("o", "#bbbbbb"),
}
POINT = "#5546d6"
_ARROW = 30  # CSS pixels: the length of an arrow at the operating point


@dataclass(frozen=True, eq=False)
class Surface:
    """The contents of a map.

    Attributes:
        name: The loss's name.
        loss: The losses, (H, W).
        gradient: Its horizontal and vertical components, (H, W) each.
        dead: The dead zone, a mask (H, W), or None.
        lost: Where the precision of the training loses value or gradient, a mask (H, W), or None.
        critical: The points where the gradient is zero.
    """

    name: str
    loss: np.ndarray
    gradient: tuple[np.ndarray, np.ndarray]
    dead: np.ndarray | None = None
    lost: np.ndarray | None = None
    critical: tuple[Critical, ...] = ()


def critical_mark(layout: Layout, kind: str, x: ArrayLike = (), y: ArrayLike = ()) -> Line2D:
    """Return the marks of critical points of one kind, at places (n,) each."""
    marker, color = CRITICAL[kind]
    return Line2D(
        np.asarray(x, float),
        np.asarray(y, float),
        linestyle="none",
        marker=marker,
        markersize=(22 if kind == "minimum" else 11) * layout.pixel,
        color=color,
        markeredgecolor=NIGHT,
        markeredgewidth=1.4 * layout.pixel,
        zorder=3,
    )


def _casing(color: str, style: Style) -> str:
    """Return the border that sets a line of a colour off from any background."""
    return max(style.halo, EDGE, key=lambda border: min(contrast(color, border), MARKS))


class PointMap:
    """A map in even bands, with the operating point and one or two arrows that move on it.

    Args:
        figure: The figure to draw on.
        position: The map's index, from the left.
        x: The grid of the horizontal parameter, (W,).
        y: The grid of the vertical parameter, (H,).
        names: The parameters' names, horizontal first.
        style: The colours.
        layout: The positions and sizes.
        ways: The colours of the arrows at the point.

    Attributes:
        axes: The map's axes.
        point: The mark of the operating point.
        ways: The arrows at the point.
        hair: The lines through the point, which lead to the cuts beside the map.
    """

    def __init__(
        self,
        figure: Figure,
        position: int,
        x: np.ndarray,
        y: np.ndarray,
        names: tuple[str, str],
        style: Style,
        layout: Layout,
        ways: Sequence[str] = (POINT,),
    ) -> None:
        self._x, self._y, self._style, self._layout, self._position = x, y, style, layout, position
        # End labels of neighbouring maps would collide.
        prune = "both" if len(layout.maps) > 1 else None
        axes = self.axes = map_axes(figure, position, x, y, names, style, layout, prune=prune)
        self._ground = Pixels(axes, 8 * layout.pixel)
        self._title = badge(axes, "", layout, low=True, fontsize=layout.title, fontweight="bold", color=LIGHT.ink)
        scale = layout.scale
        self.ways: list[MovingLine] = [
            moving_line(axes, color=color, casing=_casing(color, style), linewidth=2.0 * scale, zorder=7)
            for color in ways
        ]
        self._title.set_zorder(3.5)  # below what moves
        self.hair = [
            moving_line(
                axes,
                color="#ffffff",
                casing=NIGHT + "66",
                border=0.4,
                linewidth=1.2 * layout.pixel,
                linestyle=(0, (4, 3)),
                zorder=2.5,
            )
            for _ in range(2)
        ]
        self.point = moving_line(axes, **disc(POINT, layout, 14), zorder=8)

    def _name(self, name: str) -> None:
        """Set the map's title, with an ellipsis if there is no room for all of it."""
        room = self.axes.bbox.width * 72 / self.axes.figure.dpi / (0.72 * self._layout.title)
        self._title.set_text(name if len(name) <= room else name[: max(1, int(room) - 1)] + "…")

    def stand(self, point: Sequence[float] | None, gradients: Sequence[Sequence[float] | None]) -> None:
        """Move the operating point and its arrows.

        Args:
            point: The point, (2,), or None.
            gradients: The gradient at the point, (2,), for each arrow; None or zero for no arrow.
        """
        self.point.set_data(*([[], []] if point is None else ([point[0]], [point[1]])))
        if point is not None:
            self.hair[0].set_data([point[0]] * 2, self.axes.get_ylim())
            self.hair[1].set_data(self.axes.get_xlim(), [point[1]] * 2)
        to_pixels = pixels_per_unit(self.axes, self._x, self._y)
        unit = self._layout.scale * self.axes.figure.dpi / self._layout.dpi
        for line, gradient in zip(self.ways, gradients, strict=True):
            way = np.zeros(2) if gradient is None or point is None else -np.asarray(gradient, float) * to_pixels
            size = float(np.hypot(*way))
            if not np.isfinite(size) or size == 0:
                line.set_data([], [])
            else:
                shape = arrow(way / size * _ARROW * unit, 6 * unit)
                line.set_data(*(np.asarray(point) + shape / to_pixels).T)


class SurfaceMap(PointMap):
    """The map of a loss.

    Attributes:
        path: The line of a descent from the point.
        among: The number of losses that are shown.
        marks: Kind of critical point → the marks of these.
    """

    among = 1

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.marks: dict[str, Line2D] = {}
        self._field: Quiver | None = None
        self._dpi = 0.0  # of the figure when that was drawn
        self._names = PointNames(self.axes, self._layout)
        self.path = GrowingPath(self._layout.pixel, color=POINT, zorder=4)
        self.axes.add_line(self.path)

    def show(self, surface: Surface, scale: SurfaceScale, arrows: str) -> None:
        """Change what lies under the point.

        Args:
            surface: The loss and what was found on it.
            scale: The colour scale.
            arrows: "direction", "magnitude" or "off".
        """
        style = self._style
        if len(self._layout.maps) > 1:
            self._name(surface.name)
        if self.among > 1:  # its curves in the cuts have this colour
            self._title.set_color(LIGHT.written(loss_line(surface.name, self._position, LIGHT)[0]))
        levels = scale.levels(surface.loss)

        def painted(width: int, height: int) -> np.ndarray:
            image = relief(levels, style.ramp, style.plot, width, height, self.axes.figure.dpi / self._layout.dpi)
            hatch(image, ~np.isfinite(surface.loss), style.muted)
            if surface.lost is not None:
                dots(image, surface.lost & np.isfinite(surface.loss))
            if surface.dead is not None:
                outline(image, surface.dead)
            return image

        self._ground.paint(painted)
        self._show_arrows(surface, levels, arrows)
        finite = surface.loss[np.isfinite(surface.loss)]
        self._mark(surface.critical, float(np.ptp(finite)) if finite.size else 0.0)

    def _show_arrows(self, surface: Surface, levels: np.ndarray, arrows: str) -> None:
        if self._field is not None and (arrows == "off" or self._dpi != self.axes.figure.dpi):
            self._field.remove()
            self._field = None
        if arrows != "off":
            ground, lengths = ramp_at(levels, self._style.ramp), arrows == "magnitude"
            place = self.axes, self._layout, self._x, self._y
            self._field = draw_field(*place, surface.gradient, ground, lengths=lengths, drawn=self._field)
            self._dpi = self.axes.figure.dpi

    def _mark(self, points: Sequence[Critical], height: float) -> None:
        for kind in CRITICAL:
            places = np.array([point.place for point in points if point.kind == kind]).reshape(-1, 2)
            if len(places) and kind not in self.marks:
                self.marks[kind] = critical_mark(self._layout, kind)
                self.axes.add_line(self.marks[kind])
            if kind in self.marks:
                self.marks[kind].set_data(*places.T)
                self.marks[kind].set_visible(len(places) > 0)
        called = zip(names_of(points, height), points, strict=True)
        named = [(name, point.place[0], point.place[1]) for name, point in called]
        self._names.show(sorted(named, key=lambda one: one[0] == "degenerate"), [self._title])

    def move(self, point: Sequence[float] | None, gradient: Sequence[float] | None, path: np.ndarray | None) -> None:
        """Move the operating point, its arrow and the descent from it.

        Args:
            point: The point, (2,), or None.
            gradient: The gradient at the point, (2,); None or zero for no arrow.
            path: The visited points, (P, 2), or None.
        """
        self.path.set_data(*([[], []] if path is None else path.T))
        self.stand(point, [gradient])


@dataclass(frozen=True, eq=False)
class Aside:
    """The contents of an additional map about the losses.

    Attributes:
        name: The map's name.
        place: The values, (H, W), from 0, pale, to 1, dark; NaN where there is none.
        ticks: Position on that scale → label.
    """

    name: str
    place: np.ndarray
    ticks: dict[float, str]


class AsideMap(PointMap):
    """A map of something about the losses: how far apart their gradients are, whether autograd is right."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for line in self.hair:  # no cut is of what it shows
            line.set_visible(False)

    def show(self, aside: Aside) -> None:
        """Change what lies under the point."""
        self._name(aside.name)
        style = self._style

        def painted(width: int, height: int) -> np.ndarray:
            image = even_bands(aside.place * len(style.aside), style.aside, style.plot, width, height)
            hatch(image, np.isnan(aside.place), style.muted)
            return image

        self._ground.paint(painted)
