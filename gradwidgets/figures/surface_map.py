"""A loss seen from above: its heights, what is wrong with it, and the point where one stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.bands import band_image
from gradwidgets.figures.layout import Layout
from gradwidgets.figures.marks import EDGE, MINIMUM, badge, label_axes, plot_axes
from gradwidgets.figures.moving import moving_line
from gradwidgets.figures.style import Style, loss_line
from gradwidgets.figures.surface_scale import SurfaceScale
from gradwidgets.figures.vectors import arrow, draw_field

# Kind of critical point → marker, colour; told apart by shape alone, too.
CRITICAL = {
    "minimum": ("X", MINIMUM),
    "maximum": ("^", "#ffffff"),
    "saddle": ("s", "#e69f00"),
    "degenerate": ("o", "#bbbbbb"),
}
POINT = "#d7301f"
_ARROW = 30  # CSS pixels: the length of the arrow at the operating point


@dataclass(frozen=True, eq=False)
class Surface:
    """One map's content.

    Attributes:
        name: What it is called.
        loss: (H, W).
        gradient: Its horizontal and vertical parts, (H, W) each.
        dead: Where the ground is dead, (H, W), or None.
        critical: (kind, horizontal, vertical) of each critical point.
    """

    name: str
    loss: np.ndarray
    gradient: tuple[np.ndarray, np.ndarray]
    dead: np.ndarray | None = None
    critical: tuple[tuple[str, float, float], ...] = ()


class SurfaceMap:
    """A map and the operating point that moves on it.

    Args:
        figure: Where it goes.
        position: Its place, from the left.
        x: (W,) grid of the horizontal parameter.
        y: (H,) grid of the vertical parameter.
        names: The parameters' names, horizontal first.
        style: Colours.
        layout: Places and sizes.

    Attributes:
        axes: The map's axes.
        point: The mark of the operating point.
        way: The arrow against the gradient there.
        path: The line of a descent from there.
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
    ) -> None:
        self._x, self._y, self._style, self._layout, self._position = x, y, style, layout, position
        self._drawn: list = []
        axes = self.axes = plot_axes(figure, layout.maps[position], style, layout)
        extent = (x[0], x[-1], y[0], y[-1])
        axes.set_xlim(extent[:2])
        axes.set_ylim(extent[2:])
        # Labels at both ends of neighbours would run into each other.
        prune = "both" if len(layout.maps) > 1 else None
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], prune=prune))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.tick_params(labelleft=position in layout.left_column)
        label_axes(axes, style, layout, names[0], names[1] if position in layout.left_column else "")
        self._image = axes.imshow(
            np.zeros((2, 2, 4), np.uint8),
            extent=extent,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            zorder=0,
        )
        self._title = badge(axes, "", style, fontsize=layout.title, fontweight="bold", color=style.ink)
        scale = layout.scale
        self.path = moving_line(
            axes, color=POINT, linewidth=1.15 * scale, marker="o", markersize=2.7 * scale, markeredgewidth=0, zorder=4
        )
        self.way = moving_line(axes, color=POINT, casing=style.halo, linewidth=2.0 * scale, zorder=7)
        self.point = moving_line(
            axes,
            linestyle="none",
            marker="o",
            markersize=6.5 * scale,
            color=style.halo,
            markeredgecolor=EDGE,
            markeredgewidth=1.2,
            zorder=8,
        )

    def show(self, surface: Surface, scale: SurfaceScale, arrows: str) -> None:
        """Change what lies under the point.

        Args:
            surface: The loss and what was found on it.
            scale: Its colours.
            arrows: "direction", "magnitude" or "off".
        """
        for artist in self._drawn:
            artist.remove()
        self._drawn = []
        self._title.set_text(surface.name)
        if len(self._layout.maps) > 1:  # its curves in the cuts have this colour
            self._title.set_color(loss_line(surface.name, self._position, self._style)[0])
        box = self.axes.bbox
        width, height = max(2, round(box.width)), max(2, round(box.height))
        image = band_image(surface.loss, self._style.bands, self._style.plot, width, height, edges=scale.edges)
        _level_lines(image)
        _hatch(image, ~np.isfinite(surface.loss), self._style.muted)
        if surface.dead is not None and surface.dead.any():
            _outline(image, surface.dead)
        self._image.set_data(image)
        if arrows != "off":
            self._drawn.append(
                draw_field(self.axes, self._layout, self._x, self._y, surface.gradient, lengths=arrows == "magnitude")
            )
        for kind, (marker, color) in CRITICAL.items():
            places = [(a, b) for k, a, b in surface.critical if k == kind]
            if places:
                self._drawn += self.axes.plot(
                    *np.array(places).T,
                    linestyle="none",
                    marker=marker,
                    markersize=(9 if kind == "minimum" else 7.5) * self._layout.scale,
                    color=color,
                    markeredgecolor=EDGE,
                    markeredgewidth=0.9,
                    zorder=3,
                )

    def move(self, point: Sequence[float] | None, gradient: Sequence[float] | None, path: np.ndarray | None) -> None:
        """Move the operating point, its arrow and the descent from it.

        Args:
            point: (2,), or None for none.
            gradient: (2,) the gradient there; None or zero for no arrow.
            path: (P, 2) visited points, or None.
        """
        self.point.set_data(*([[], []] if point is None else ([point[0]], [point[1]])))
        self.path.set_data(*([[], []] if path is None else path.T))
        box = self.axes.bbox
        to_pixels = np.array([box.width / (self._x[-1] - self._x[0]), box.height / (self._y[-1] - self._y[0])])
        way = None if gradient is None else -np.asarray(gradient, float) * to_pixels
        size = 0.0 if way is None else float(np.hypot(*way))
        if point is None or not np.isfinite(size) or size == 0:
            self.way.set_data([], [])
            return
        unit = self._layout.scale * self.axes.figure.dpi / self._layout.dpi
        shape = arrow(way / size * _ARROW * unit, 6 * unit)
        self.way.set_data(*(np.asarray(point) + shape / to_pixels).T)


def _level_lines(image: np.ndarray) -> None:
    """Darken the rim of every band: the contour lines."""
    color = image.view(np.uint32)[..., 0]
    rim = np.zeros(color.shape, bool)
    rim[:, 1:] = color[:, 1:] != color[:, :-1]
    rim[1:] |= color[1:] != color[:-1]
    image[rim, :3] = (image[rim, :3] * 0.82).astype(np.uint8)


def _hatch(image: np.ndarray, blank: np.ndarray, color: str) -> None:
    """Stripe what has no finite loss."""
    if not blank.any():
        return
    mask = _enlarged(blank, image.shape)
    rows, columns = np.indices(mask.shape, sparse=True)
    stripes = mask & ((rows + columns) % 9 < 2)
    image[stripes, :3] = [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def _outline(image: np.ndarray, zone: np.ndarray) -> None:
    """Draw a dashed line, dark and light, round a zone."""
    mask = _enlarged(zone, image.shape)
    inner = mask.copy()
    for _ in range(2):
        shrunk = inner.copy()
        shrunk[1:] &= inner[:-1]
        shrunk[:-1] &= inner[1:]
        shrunk[:, 1:] &= inner[:, :-1]
        shrunk[:, :-1] &= inner[:, 1:]
        shrunk[[0, -1]] = shrunk[:, [0, -1]] = False
        inner = shrunk
    rim = mask & ~inner
    rows, columns = np.indices(mask.shape, sparse=True)
    dash = (rows + columns) % 12 < 7
    image[rim & dash, :3] = (30, 30, 30)
    image[rim & ~dash, :3] = (255, 255, 255)


def _enlarged(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) / size * count, count - 1).astype(int)
        for size, count in zip(shape[:2], mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]
