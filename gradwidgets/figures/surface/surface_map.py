"""A loss seen from above: its values, what is wrong with it, and the operating point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from gradwidgets.figures.axes.map_axes import map_axes, pixels_per_unit
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import EDGE, MINIMUM, NIGHT, STAR, badge, disc
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.pixels import Pixels
from gradwidgets.figures.base.relief import ramp_at, relief
from gradwidgets.figures.base.style import LIGHT, MARKS, Style, contrast, loss_line
from gradwidgets.figures.base.vectors import arrow, draw_field
from gradwidgets.figures.playground.growing_path import GrowingPath
from gradwidgets.figures.playground.map_words import named_points
from gradwidgets.figures.surface.even_bands import even_bands
from gradwidgets.figures.surface.surface_scale import SurfaceScale
from gradwidgets.figures.surface.zones import dots, hatch, outline

# Kind of critical point → marker, colour; distinguishable by shape alone.
CRITICAL = {
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
        critical: (kind, horizontal, vertical) of each critical point.
    """

    name: str
    loss: np.ndarray
    gradient: tuple[np.ndarray, np.ndarray]
    dead: np.ndarray | None = None
    lost: np.ndarray | None = None
    critical: tuple[tuple[str, float, float], ...] = ()


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
        crossed: Whether lines through the point lead to cuts beside the map.
        hair: These lines.
    """

    crossed = False

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
                casing=NIGHT,
                border=0.6,
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
        if self.crossed and point is not None:
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
        drawn: What lies under the point and changes with the loss: arrows, and marks of its critical points.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.drawn: list[Artist] = []
        self.path = GrowingPath(self._layout.pixel, color=POINT, zorder=4)
        self.axes.add_line(self.path)

    def show(self, surface: Surface, scale: SurfaceScale, arrows: str) -> None:
        """Change what lies under the point.

        Args:
            surface: The loss and what was found on it.
            scale: The colour scale.
            arrows: "direction", "magnitude" or "off".
        """
        for artist in self.drawn:
            artist.remove()
        self.drawn = []
        self._name(surface.name)
        style, several = self._style, len(self._layout.maps) > 1
        if several:  # its curves in the cuts have this colour
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
        if arrows != "off":
            self.drawn.append(
                draw_field(
                    self.axes,
                    self._layout,
                    self._x,
                    self._y,
                    surface.gradient,
                    ramp_at(levels, style.ramp),
                    lengths=arrows == "magnitude",
                )
            )
        for kind, (marker, color) in CRITICAL.items():
            places = [(a, b) for k, a, b in surface.critical if k == kind]
            if places:
                self.drawn += self.axes.plot(
                    *np.array(places).T,
                    linestyle="none",
                    marker=marker,
                    markersize=(22 if kind == "minimum" else 11) * self._layout.pixel,
                    color=color,
                    markeredgecolor=NIGHT,
                    markeredgewidth=1.4 * self._layout.pixel,
                    zorder=3,
                )
        self.drawn += named_points(self.axes, self._title, self._layout, self._called(surface))

    def _called(self, surface: Surface) -> list[tuple[str, float, float]]:
        """What each critical point is called, and its place; of minima, which is lowest, how much higher others are."""

        def height(x: float, y: float) -> float:
            return float(surface.loss[np.abs(self._y - y).argmin(), np.abs(self._x - x).argmin()])

        lows = {(x, y): height(x, y) for kind, x, y in surface.critical if kind == "minimum"}
        lowest, span = min(lows.values(), default=0.0), float(np.ptp(list(lows.values()))) if lows else 0.0
        called = []
        for kind, x, y in surface.critical:
            rise = lows.get((x, y), lowest) - lowest
            if kind == "minimum" and len(lows) > 1 and span > 0:
                kind = "lowest" if rise <= 1e-3 * span else f"{short(float(f'{rise:.2g}'))} higher"
            called.append((kind, x, y))
        return sorted(called, key=lambda one: one[0] == "degenerate")

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

    def show(self, aside: Aside) -> None:
        """Change what lies under the point."""
        self._name(aside.name)
        style = self._style

        def painted(width: int, height: int) -> np.ndarray:
            image = even_bands(aside.place * len(style.aside), style.aside, style.plot, width, height)
            hatch(image, np.isnan(aside.place), style.muted)
            return image

        self._ground.paint(painted)
