"""The explorer's picture: one or two loss surfaces, their colour bar, and cuts through the operating point.

`SurfaceFigure.update` shows a `Scene`, plain arrays, and returns what must be redrawn. With a single axis, a curve
takes the place of the map. Nothing is computed here but pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradwidgets.figures.axes.color_bar import ColorBar
from gradwidgets.figures.axes.map_axes import round_ticks
from gradwidgets.figures.base.layout import Box, Layout, surface_layout
from gradwidgets.figures.base.marks import EDGE, disc, minimum_mark
from gradwidgets.figures.base.notebook_figure import Picture, renderer_of
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES, loss_line, own_look
from gradwidgets.figures.playground.key_strip import KeyStrip
from gradwidgets.figures.surface.cross_cut import CrossCut
from gradwidgets.figures.surface.crossed import crossed_layout
from gradwidgets.figures.surface.cut_plot import Cut, CutPlot
from gradwidgets.figures.surface.pointed_surface import on_cut, on_surface
from gradwidgets.figures.surface.surface_map import CRITICAL, POINT, Aside, AsideMap, Surface, SurfaceMap
from gradwidgets.figures.surface.surface_scale import SurfaceScale


@dataclass(frozen=True, eq=False)
class Ground:
    """What lies under the operating point: the same object means the same picture.

    Attributes:
        of: A key of what is mapped: while it is the same, so are the axes.
        names: The names of the one or two axes, horizontal first.
        sides: The grids of the axes.
        losses: The names of the one or two losses.
        surfaces: The surface of each map; () for a curve.
        beside: Whether there is an additional map about the losses; never beside a curve.
        aside: The contents of that map, if known yet.
        settled: Whether everything is known. If not, colours and key stay the same, so that during a drag only the loss
            changes.
    """

    of: tuple[object, ...]
    names: tuple[str, ...]
    sides: Sequence[np.ndarray]
    losses: tuple[str, ...]
    surfaces: Sequence[Surface] = ()
    beside: bool = False
    aside: Aside | None = None
    settled: bool = True


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that the picture shows.

    Attributes:
        ground: What lies under the operating point.
        point: The operating point, one number per axis; None for none.
        gradients: The gradient at the point, for each map.
        cuts: The contents of the plots, the upper one first.
        paths: For each loss, the descent from the point: visited points (P, 2), or (P, 1) on a curve, and losses (P,).
        scale: The scale of the colours: "linear", "log" or "symlog".
        arrows: What the arrows show: "direction", "magnitude" or "off".
        theme: A key of `STYLES`.
    """

    ground: Ground
    point: Sequence[float] | None
    gradients: Sequence[Sequence[float] | None]
    cuts: Sequence[Cut]
    paths: Sequence[tuple[np.ndarray, np.ndarray] | None]
    scale: str = "linear"
    arrows: str = "direction"
    theme: str = "light"

    @property
    def frame(self) -> tuple[object, ...]:
        """What the axes depend on, apart from the picture's size."""
        ground = self.ground
        return ground.of, ground.losses, ground.beside, len(ground.sides[0]), self.theme

    def same_ground(self, other: Scene) -> bool:
        """Whether the maps are the same as in another scene."""
        same = self.ground is other.ground
        return same and (self.scale, self.arrows) == (other.scale, other.arrows)


class SurfaceFigure(SceneFigure[Scene]):
    """The artists of the explorer.

    Attributes:
        figure: The Matplotlib figure.
        maps: The maps, from left to right; [] for a curve.
        aside: The additional map about the losses, or None.
        plots: The plots beside them, the upper one first: cuts through the point; or a curve and its gradient.
    """

    def __init__(self, width: int = 600, height: int = 470, magnified: float = 1.0) -> None:
        super().__init__(Picture.of(width, height, magnified))
        self.maps: list[SurfaceMap] = []
        self.aside: AsideMap | None = None
        self.plots: Sequence[CutPlot | CrossCut] = []
        self._scale: SurfaceScale | None = None

    def _build(self, scene: Scene) -> None:
        ground, style, figure = scene.ground, STYLES[scene.theme], self.figure
        names, sides, losses = ground.names, ground.sides, ground.losses
        width, height = figure.blank(style.face)
        flat = len(names) == 1
        self._strip: KeyStrip | None = None
        if not flat and len(losses) == 1 and not ground.beside:
            self._build_crossed(scene, width, height)
            return
        layout, bars = surface_layout(1 if flat else len(losses), width, height, aside=ground.beside)
        self._style, self._layout, self._losses = style, layout, tuple(losses)
        self._key: list[Artist] = []
        self._told: tuple[object, ...] | None = None
        self.maps, self.aside, self._bars, self._scale = [], None, [], None
        if flat:
            whole = CutPlot(figure, layout.maps[0], names[0], "loss", losses, style, layout)
            slope = CutPlot(figure, _both(layout), names[0], "gradient", losses, style, layout)
            self.plots = [whole, slope]
            return
        view = sides[0], sides[1], (names[0], names[1]), style, layout
        self.maps = [SurfaceMap(figure, k, *view) for k in range(len(losses))]
        self._bars.append(ColorBar(figure, bars[0], style.ramp, style, layout))
        if ground.beside:
            ways = [loss_line(name, k, style)[0] for k, name in enumerate(losses)]
            self.aside = AsideMap(figure, len(losses), *view, ways if len(losses) > 1 else (POINT,))
            self._bars.append(ColorBar(figure, bars[1], style.aside, style, layout))
        boxes = layout.upper, layout.losses
        self.plots = [
            CutPlot(figure, box, name, "loss", losses, style, layout) for box, name in zip(boxes, names, strict=True)
        ]

    def _build_crossed(self, scene: Scene, width: float, height: float) -> None:
        """Create a map with its cuts on its own axes."""
        ground, style, figure = scene.ground, STYLES[scene.theme], self.figure
        x, y = ground.sides
        first, second = ground.names
        with np.errstate(over="ignore"):
            spans = float(x[-1] - x[0]), float(y[-1] - y[0])
        letters = max(5, *map(len, round_ticks(y, 6).values()))
        layout = crossed_layout(width, height, spans, letters)
        self._style, self._layout, self._losses, self._key, self._told = style, layout, ground.losses, [], None
        self.aside, self._bars, self._scale = None, [], None
        self._strip = KeyStrip(figure, style, layout, minima=False)
        self.maps = [SurfaceMap(figure, 0, x, y, (first, second), style, layout)]
        self.maps[0].crossed = True
        names = (first, second), (second, first)
        self.plots = [
            CrossCut(figure, box, pair, ground.losses[0], style, layout, turned=turned)
            for box, pair, turned in zip((layout.upper, layout.losses), names, (False, True), strict=True)
        ]

    def _change(self, scene: Scene, before: Scene | None) -> Redraw:
        redraw = Redraw()
        if self.maps and (before is None or not scene.same_ground(before)):
            redraw |= self._show(scene)
        return redraw | self._move(scene)

    def _show(self, scene: Scene) -> Redraw:
        """Change the surfaces under the operating point."""
        surfaces, aside, settled = scene.ground.surfaces, scene.ground.aside, scene.ground.settled
        if settled or self._scale is None:
            self._scale = SurfaceScale.of(scene.scale, [surface.loss for surface in surfaces])
        scale = self._scale
        with own_look():
            for one, surface in zip(self.maps, surfaces, strict=True):
                one.show(surface, scale, scene.arrows)
            inside = [one.axes for one in self.maps]
            ticks = [scale.ticks]
            if self.aside is not None and aside is not None:
                self.aside.show(aside)
                inside.append(self.aside.axes)
                ticks.append(aside.ticks)
            for plot in self.plots:
                if isinstance(plot, CrossCut):
                    plot.tint(scale)
            labels = [bar.axes for bar, named in zip(self._bars, ticks, strict=False) if bar.show(named)]
            kinds = {kind for surface in surfaces for kind, _, _ in surface.critical}
            dead = any(surface.dead is not None and surface.dead.any() for surface in surfaces)
            blank = any(not np.isfinite(surface.loss).all() for surface in surfaces)
            lost = any(surface.lost is not None and surface.lost.any() for surface in surfaces)
            told = (tuple(kind for kind in CRITICAL if kind in kinds), dead, blank, lost)
            changed = settled and told != self._told
            if changed:
                self._told = told
                self._explain(*told)
        return Redraw(tuple(inside), tuple(labels), changed)

    def _explain(self, kinds: Sequence[str], dead: bool, blank: bool, lost: bool) -> None:
        """Explain the marks in one line above the map, or below it."""
        if self._strip is not None:
            self._strip.explain(self._entries(kinds, dead, blank, lost))
            return
        for artist in self._key:
            artist.remove()
        layout = self._layout
        marks: list[tuple[Any, str]] = [("o", self._style.halo), *(CRITICAL[kind] for kind in kinds)]
        usual: dict[str, Any] = {"linestyle": "none", "markeredgecolor": EDGE, "markeredgewidth": 0.9}
        usual["markersize"] = 7 * layout.scale
        self._key, at = [], layout.key_left
        for text, (marker, color) in zip(["point", *kinds], marks, strict=True):
            at = self._name(at, Line2D([at], [layout.key_y], marker=marker, color=color, **usual), text)
        for text in ["┅ dead"] * dead + ["▨ not finite"] * blank + ["⁘ lost in training"] * lost:
            at = self._name(at - layout.key_gap, None, text)

    def _entries(self, kinds: Sequence[str], dead: bool, blank: bool, lost: bool) -> list[tuple[str, dict[str, Any]]]:
        pixel = self._layout.pixel
        point = {**disc(POINT, self._layout, 9), "markeredgewidth": 0, "color": self._style.accent}
        marks = [(kind, {**minimum_mark(self._layout, 11), "marker": CRITICAL[kind][0], "color": CRITICAL[kind][1]})
                 for kind in kinds]  # fmt: skip
        for kind, mark in marks:
            mark["markersize"] = (15 if kind == "minimum" else 9) * pixel
        texts = ["┅ dead"] * dead + ["▨ not finite"] * blank + ["⁘ lost in training"] * lost
        return [("point", point), *marks, *((text, {}) for text in texts)]

    def _name(self, at: float, line: Line2D | None, text: str) -> float:
        layout, figure = self._layout, self.figure
        label = figure.text(
            at + layout.key_gap,
            layout.key_y,
            text,
            color=self._style.muted,
            fontsize=layout.small,
            va="center_baseline",
        )
        self._key += [*([figure.add_artist(line)] if line is not None else []), label]
        return at + 2.3 * layout.key_gap + label.get_window_extent(renderer_of(figure)).width / figure.bbox.width

    def _move(self, scene: Scene) -> Redraw:
        """Move the operating point; the axes whose scale changes with it are redrawn."""
        point, gradients, paths = scene.point, scene.gradients, scene.paths
        for one, gradient, path in zip(self.maps, gradients, paths, strict=False):
            one.move(point, gradient, None if path is None else path[0])
        if self.aside is not None:
            self.aside.stand(point, list(gradients) if len(self.maps) > 1 else gradients[:1])
        changed = []
        for k, (plot, cut) in enumerate(zip(self.plots, scene.cuts, strict=True)):
            at = None if point is None else point[k if self.maps else 0]
            if plot.move(cut, at, settle=scene.ground.settled):
                changed.append(plot.axes)
            if isinstance(plot, CrossCut):
                plot.hold(None if point is None else point[1 - k])
        whole = self.plots[0]
        if isinstance(whole, CutPlot) and not self.maps:
            whole.walk(paths)
        return Redraw(with_labels=tuple(changed))

    def _value_in(self, scene: Scene, axes: Axes, x: float, y: float) -> str:
        ground = scene.ground
        for one, surface in zip(self.maps, ground.surfaces, strict=False):
            if axes is one.axes:
                return on_surface(ground.names, ground.sides, surface, x, y)
        for k, plot in enumerate(self.plots):
            if axes is plot.axes:
                along = y if isinstance(plot, CrossCut) and plot.turned else x
                what = "gradient" if k and not self.maps else "loss"
                return on_cut(ground.names[k if self.maps else 0], what, scene.cuts[k], along)
        return ""

    def point_at(self, axes: Axes | None, x: float, y: float) -> tuple[float | None, float | None] | None:
        """Return the parameters (horizontal, vertical) under the mouse.

        Args:
            axes: The axes on which it was pressed.
            x: The pixels from the left.
            y: The pixels from the bottom.

        Returns:
            Both, within the view; one of them, on a cut or a curve; None outside all of these.
        """
        if axes is None:
            return None
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        across, up = axes.transData.inverted().transform((x, y))
        across, up = float(min(max(across, left), right)), float(min(max(up, low), high))
        if any(axes is one.axes for one in (*self.maps, self.aside) if one is not None):
            return across, up
        for k, plot in enumerate(self.plots):
            if axes is plot.axes:
                along = up if isinstance(plot, CrossCut) and plot.turned else across
                return (along, None) if k == 0 or not self.maps else (None, along)
        return None


def _both(layout: Layout) -> Box:
    left, bottom, width, _ = layout.losses
    return left, bottom, width, layout.upper[1] + layout.upper[3] - bottom
