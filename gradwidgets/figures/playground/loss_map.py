"""One loss seen from above, with the path of a descent over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from gradwidgets.figures.axes.map_axes import map_axes, pixels_per_unit
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.luminous import levels
from gradwidgets.figures.base.marks import EDGE, GUESS, NIGHT, badge, minimum_mark, now_mark, start_mark, vector_dash
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.pixels import Pixels
from gradwidgets.figures.base.relief import ramp_at, relief
from gradwidgets.figures.base.style import LIGHT, Style, loss_line
from gradwidgets.figures.base.vectors import arrow, draw_field, magnification
from gradwidgets.figures.playground.growing_path import GrowingPath, divided
from gradwidgets.figures.playground.map_words import MapWords

_DOTS = (0, (1.0, 2.2))  # of what is still to come, in widths of its line
_REACH = 40  # in view widths: beyond this, a path is not drawn, as Agg's coordinates overflow


class LossMap:
    """A map and what moves on it.

    Args:
        figure: The figure to draw on.
        name: The loss's name.
        position: The map's index, row by row.
        x: The grid of the horizontal parameter, (W,).
        y: The grid of the vertical parameter, (H,).
        names: The parameters' names, horizontal first.
        style: The colours.
        layout: The positions and sizes.

    Attributes:
        axes: The map's axes.
        path: The line of visited points.
        ahead: The line of points that are still to be visited.
        start: The mark where the descent starts.
        end: The mark where it ends.
        guess: The mark where the user guessed that it would end.
        name: The loss's name.
        words: What is written on the map.
        vectors: Name of a step's part → its arrow.
    """

    def __init__(
        self,
        figure: Figure,
        name: str,
        position: int,
        x: np.ndarray,
        y: np.ndarray,
        names: tuple[str, str],
        style: Style,
        layout: Layout,
    ) -> None:
        self._x, self._y, self._style, self._layout = x, y, style, layout
        self._shown: tuple[object, ...] = ()
        self._level = np.empty(0)
        self._loss = np.empty(0)
        self._quiver: Quiver | None = None
        self._started: tuple[float, ...] | None = None
        low, high = np.array([x[0], y[0]]), np.array([x[-1], y[-1]])
        self._reach = low - _REACH * (high - low), high + _REACH * (high - low)
        axes = self.axes = map_axes(figure, position, x, y, names, style, layout)
        color, pixel = loss_line(name, position, LIGHT)[0], layout.pixel
        self._ground = Pixels(axes, 8 * pixel)
        self.minima = moving_line(axes, **minimum_mark(layout), zorder=4.5)
        self.path = GrowingPath(pixel, color=color, zorder=4)
        axes.add_line(self.path)
        self.ahead = moving_line(
            axes,
            color="#ffffff",
            casing=NIGHT,
            border=0.5 * pixel,
            linewidth=2.0 * pixel,
            linestyle=_DOTS,
            zorder=3.8,
            visible=False,
        )
        self.start = moving_line(axes, **start_mark(layout), zorder=5)
        self.end = moving_line(axes, **now_mark(color, layout), zorder=6)
        self.guess = moving_line(
            axes, linestyle="none", marker="P", markersize=15 * pixel, color=GUESS, markeredgecolor=EDGE,
            markeredgewidth=1.0, zorder=4.7,
        )  # fmt: skip
        self.vectors: dict[str, MovingLine] = {
            part: moving_line(
                axes,
                color=color,
                casing=style.halo,
                # The sum lies under its parts and is wider, so that both are visible where one part is all of it.
                linewidth=(6.0 if part == "step" else 2.4) * pixel,
                linestyle=vector_dash(part),
                zorder=6.9 if part == "step" else 7,
                visible=False,
            )
            for part, color in style.parts.items()
        }
        written = LIGHT.written(color)
        self.name = badge(axes, name, layout, low=True, fontsize=layout.title, fontweight="bold", color=written)
        self.scale = badge(
            axes, "", layout, right=True, fontsize=layout.small, color=LIGHT.ink, animated=True, visible=False
        )
        self.words = MapWords(axes, self.name, layout, named=position == 0)

    def show(self, loss: np.ndarray, gradient: tuple[np.ndarray, np.ndarray], minima: np.ndarray, arrows: bool) -> bool:
        """Change the surface under the path.

        Args:
            loss: The loss, (H, W).
            gradient: Its horizontal and vertical components, (H, W) each.
            minima: The minima, (m, 2), horizontal first.
            arrows: Whether to show the field of negative gradients.

        Returns:
            Whether anything changed.
        """
        shown = minima.tolist(), arrows
        # A surface is identified by its memory, which is kept alive here, as views of it are recreated each time.
        if shown == self._shown and np.may_share_memory(loss, self._loss):
            return False
        self._shown, self._loss = shown, loss
        self._level = levels(loss)
        self._ground.paint(self._painted)
        self.minima.set_data(minima[:, 0], minima[:, 1])
        self.words.show_minima(minima)
        if self._quiver is not None:
            self._quiver.remove()
            self._quiver = None
        if arrows:
            self._draw_field(gradient)
        return True

    def _draw_field(self, gradient: tuple[np.ndarray, np.ndarray]) -> None:
        self._quiver = draw_field(
            self.axes, self._layout, self._x, self._y, gradient, ramp_at(self._level, self._style.ramp)
        )

    def _painted(self, width: int, height: int) -> np.ndarray:
        ratio = self.axes.figure.dpi / self._layout.dpi
        return relief(self._level, self._style.ramp, self._style.plot, width, height, ratio)

    def move(
        self,
        path: np.ndarray,
        start: Sequence[float],
        end: np.ndarray | None,
        vectors: Mapping[str, np.ndarray],
        ahead: np.ndarray,
    ) -> None:
        """Move path, marks and vectors.

        Args:
            path: The visited points, (P, 2), finite, horizontal first; none while the run is to be guessed.
            start: The starting point, (2,).
            end: The end point, (2,), or None if there is none to show.
            vectors: Name → the parts of the step, (2, 2) each: their start relative to the path's last point, and their
                displacement.
            ahead: The points that are still to be visited, (A, 2), finite.
        """
        near = self._near(path)
        later = self._near(ahead) if len(ahead) else ahead
        self._show_path(near, start, later)
        self.end.set_data(*([[], []] if end is None else near[-1:].T if len(near) else self._near(end[None]).T))
        self.words.move(near, start, diverged=end is None if len(near) else None, ahead=later)
        self._show_vectors(near[-1] if len(near) else None, vectors)

    def grow(self, path: np.ndarray, start: Sequence[float], share: float) -> None:
        """Draw a path, (P, 2), up to a share of its way, and the rest as still to come."""
        near = self._near(path)
        travelled, rest = divided(near, share, *self.axes.viewLim.get_points())
        self._show_path(travelled, start, rest)
        self.end.set_data(*travelled[-1:].T)
        self.words.move(near, start, diverged=None)
        self._show_vectors(None, {})

    def _show_path(self, near: np.ndarray, start: Sequence[float], ahead: np.ndarray) -> None:
        self.path.set_data(near[:, 0], near[:, 1])
        if len(ahead) or self.ahead.get_visible():
            self.ahead.set_data(ahead[:, 0], ahead[:, 1])
            self.ahead.set_visible(len(ahead) > 0)
        if self._started != tuple(start):
            self._started = tuple(start)
            self.start.set_data(*self._near(np.asarray(start, float)[None]).T)

    def _near(self, points: np.ndarray) -> np.ndarray:
        return np.minimum(np.maximum(points, self._reach[0]), self._reach[1])

    def _show_vectors(self, origin: np.ndarray | None, vectors: Mapping[str, np.ndarray]) -> None:
        if not vectors and not self.scale.get_visible():
            return
        to_pixels, box = pixels_per_unit(self.axes, self._x, self._y), self.axes.bbox
        pixels = {part: vector * to_pixels for part, vector in vectors.items()}
        longest = max((float(np.hypot(*vector[1])) for vector in pixels.values()), default=0.0)
        drawable = origin is not None and np.isfinite(longest) and longest > 0
        factor = magnification(longest, 0.42 * min(box.width, box.height)) if drawable else 1
        head = 5.0 * self._layout.scale * self.axes.figure.dpi / self._layout.dpi
        for part, line in self.vectors.items():
            seen = drawable and part in pixels
            line.set_visible(seen)
            if seen:
                offset, vector = pixels[part] * factor
                line.set_data(*self._near(origin + (offset + arrow(vector, head)) / to_pixels).T)
        self.scale.set_visible(drawable)
        if drawable:
            roomy = box.width > 175 * self._layout.scale * self.axes.figure.dpi / self._layout.dpi
            times = f"{factor:g}" if factor < 1e6 else f"{factor:.0e}".replace("+", "")
            self.scale.set_text("true length" if factor == 1 else f"vectors ×{times}" if roomy else f"×{times}")
