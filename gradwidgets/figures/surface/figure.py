"""The explorer's picture: one or two loss surfaces, their colour bar, and cuts through the operating point.

`SurfaceFigure.update` shows a `Scene`, plain arrays, and returns what must be redrawn. With a single axis, a curve
takes the place of the map. Nothing is computed here but pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradwidgets.figures.axes.color_bar import ColorBar
from gradwidgets.figures.axes.map_axes import round_ticks
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import disc, minimum_mark
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.panel_text import fit
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES, Style, loss_line, own_look
from gradwidgets.figures.playground.key_strip import KeyStrip
from gradwidgets.figures.surface.cross_cut import CrossCut
from gradwidgets.figures.surface.crossed import beside_layout, crossed_layout, curve_layout
from gradwidgets.figures.surface.curve_plot import CurvePlot
from gradwidgets.figures.surface.cut_plot import Cut
from gradwidgets.figures.surface.point_names import Critical
from gradwidgets.figures.surface.pointed_surface import on_cut, on_surface
from gradwidgets.figures.surface.surface_map import CRITICAL, POINT, Aside, AsideMap, Surface, SurfaceMap
from gradwidgets.figures.surface.surface_scale import SurfaceScale

_LETTERS = 5  # of the labels at the vertical axes, at least


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
        critical: The points of a curve where its gradient is zero.
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
    critical: Sequence[Critical] = ()
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
        self.plots: Sequence[CrossCut] = []
        self._bar: ColorBar | None = None
        self._scale: SurfaceScale | None = None
        self._told: tuple[object, ...] | None = None

    def _build(self, scene: Scene) -> None:
        style, figure = STYLES[scene.theme], self.figure
        width, height = figure.blank(style.face)
        self.maps, self.aside, self._bar, self._scale, self._told = [], None, None, None, None
        if len(scene.ground.names) == 1:
            layout = self._build_curve(scene.ground, style, width, height)
        else:
            layout = self._build_maps(scene.ground, style, width, height)
        self._style, self._layout = style, layout
        self._strip = KeyStrip(figure, style, layout, minima=False)
        self._strip.explain(self._entries((), False, False, False))

    def _build_curve(self, ground: Ground, style: Style, width: float, height: float) -> Layout:
        """Create a curve above its gradient."""
        layout = curve_layout(width, height, _LETTERS)
        whole = CurvePlot(self.figure, layout.upper, "loss", ground.losses, style, layout)
        slope = CurvePlot(self.figure, layout.losses, "gradient", ground.losses, style, layout, from_zero=True)
        slope.label(ground.names[0], ground.sides[0])
        self.plots = [whole, slope]
        if len(ground.losses) == 1:
            _say_name(self.figure, whole.axes, ground.losses[0], style, layout)
        return layout

    def _build_maps(self, ground: Ground, style: Style, width: float, height: float) -> Layout:
        """Create maps, and the cuts on their axes."""
        x, y = ground.sides
        names = ground.names[0], ground.names[1]
        with np.errstate(over="ignore"):
            spans = float(x[-1] - x[0]), float(y[-1] - y[0])
        letters, count = max(_LETTERS, *map(len, round_ticks(y, 6).values())), len(ground.losses)
        if count == 1 and not ground.beside:
            layout, bar = crossed_layout(width, height, spans, letters), None
        else:
            layout, bar = beside_layout(width, height, spans, letters, count)
        view = x, y, names, style, layout
        self.maps = [SurfaceMap(self.figure, k, *view) for k in range(count)]
        for one in self.maps:
            one.among = count
        if ground.beside and bar is not None:
            ways = [loss_line(name, k, style)[0] for k, name in enumerate(ground.losses)]
            self.aside = AsideMap(self.figure, count, *view, ways if count > 1 else (POINT,))
            self._bar = ColorBar(self.figure, bar, style.aside, style, layout)
            self._bar.show({})
        self._build_cuts(ground, names, style, layout)
        return layout

    def _build_cuts(self, ground: Ground, names: tuple[str, str], style: Style, layout: Layout) -> None:
        what = [f"loss along {name}" for name in names]
        above, beside = layout.upper, layout.losses
        free = all(left != beside[0] for left, *_ in layout.maps)  # nothing lies above it
        given = ground.losses, style, layout
        upper = CrossCut(self.figure, above, what[0], *given, held=names[1])
        cuts = [upper, CrossCut(self.figure, beside, what[1], *given, held=names[0], turned=True, two_lines=free)]
        self.plots = cuts
        if len(layout.maps) == 1:
            _say_name(self.figure, cuts[0].axes, ground.losses[0], style, layout)

    def _change(self, scene: Scene, before: Scene | None) -> Redraw:
        redraw = Redraw()
        if before is None or not scene.same_ground(before):
            redraw |= self._show(scene)
        return redraw | self._move(scene)

    def _show(self, scene: Scene) -> Redraw:
        """Change the surfaces under the operating point."""
        ground = scene.ground
        losses = [surface.loss for surface in ground.surfaces] or list(scene.cuts[0].loss.values())
        if ground.settled or self._scale is None:
            self._scale = SurfaceScale.of(scene.scale, losses)
        for plot in self.plots:
            plot.tint(self._scale)
        with own_look():
            changed = self._show_maps(scene, self._scale)
            told = _told_by(ground, losses)
            explained = ground.settled and told != self._told
            if explained:
                self._told = told
                self._strip.explain(self._entries(*told), colors=bool(self.maps) or len(losses) == 1)
        return changed | Redraw(everything=explained)

    def _show_maps(self, scene: Scene, scale: SurfaceScale) -> Redraw:
        ground = scene.ground
        for one, surface in zip(self.maps, ground.surfaces, strict=True):
            one.show(surface, scale, scene.arrows)
        inside, labels = [one.axes for one in self.maps], []
        if self.aside is not None and self._bar is not None and ground.aside is not None:
            self.aside.show(ground.aside)
            inside.append(self.aside.axes)
            labels = [self._bar.axes] if self._bar.show(ground.aside.ticks) else []
        return Redraw(tuple(inside), tuple(labels))

    def _entries(self, kinds: Sequence[str], dead: bool, blank: bool, lost: bool) -> list[tuple[str, dict[str, Any]]]:
        pixel = self._layout.pixel
        point = {**disc(POINT, self._layout, 9), "markeredgewidth": 0, "color": self._style.accent}
        marks = [(kind, {**minimum_mark(self._layout, 11), "marker": CRITICAL[kind][0], "color": CRITICAL[kind][1]})
                 for kind in kinds]  # fmt: skip
        for kind, mark in marks:
            mark["markersize"] = (13 if kind == "minimum" else 8) * pixel
        lines = list(self.plots[0].lines.items())
        if not self.maps and len(lines) > 1:  # maps say in which colour their losses are drawn
            marks += [(name, _look_of(line)) for name, line in lines]
        texts = ["┅ dead"] * dead + ["▨ not finite"] * blank + ["⁘ lost in training"] * lost
        return [("point", point), *marks, *((text, {}) for text in texts)]

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
            if plot.move(cut, at, settle=scene.ground.settled, tints=None if self.maps else scene.cuts[0].loss):
                changed.append(plot.axes)
            if self.maps:
                plot.hold(None if point is None else point[1 - k])
        if isinstance(whole := self.plots[0], CurvePlot):
            whole.walk(paths)
            whole.mark(scene.ground.critical)
        return Redraw(with_labels=tuple(changed))

    def _value_in(self, scene: Scene, axes: Axes, x: float, y: float) -> str:
        ground = scene.ground
        for one, surface in zip(self.maps, ground.surfaces, strict=False):
            if axes is one.axes:
                return on_surface(ground.names, ground.sides, surface, x, y)
        for k, plot in enumerate(self.plots):
            if axes is plot.axes:
                along = y if plot.turned else x
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
                along = up if plot.turned else across
                return (along, None) if k == 0 or not self.maps else (None, along)
        return None


def _look_of(line: Line2D) -> dict[str, Any]:
    return {"color": line.get_color(), "linestyle": line.get_linestyle(), "linewidth": line.get_linewidth()}


def _told_by(ground: Ground, losses: Sequence[np.ndarray]) -> tuple[tuple[str, ...], bool, bool, bool]:
    """What must be explained: kinds of critical points, dead zones, what is not finite, what training loses."""
    surfaces = ground.surfaces
    kinds = {point.kind for points in (ground.critical, *(one.critical for one in surfaces)) for point in points}
    return (
        tuple(kind for kind in CRITICAL if kind in kinds),
        any(one.dead is not None and bool(one.dead.any()) for one in surfaces),
        any(not np.isfinite(loss).all() for loss in losses),
        any(one.lost is not None and bool(one.lost.any()) for one in surfaces),
    )


def _say_name(figure: Picture, upper: Axes, name: str, style: Style, layout: Layout) -> None:
    """Say at the upper right what is shown, for a picture that leaves its page."""
    look: dict[str, Any] = {"fontsize": layout.small, "color": style.muted, "parse_math": False}
    height = (upper.bbox.y1 + 5.5 * layout.pixel * figure.dpi / 72) / figure.bbox.height
    text = figure.text(layout.key_right, height, "", ha="right", va="baseline", **look)
    free = layout.key_right * figure.bbox.width - upper.bbox.x1
    fit(text, name, 0.95 * (free if free > 1 else 0.5 * upper.bbox.width))
