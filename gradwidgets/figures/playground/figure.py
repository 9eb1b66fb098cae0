"""The playground's picture: loss maps with paths, the data with the fitted lines, the loss of every step.

`PlaygroundFigure.update` shows a `Scene`, plain arrays, and returns what must be redrawn; paths, marks and curves are
`animated`, so that a canvas can draw them over a cached background. Nothing is computed here but pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.loss_axis import LossAxis
from gradwidgets.figures.axes.map_axes import round_ticks
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import LIGHT, STYLES
from gradwidgets.figures.playground.key_strip import KeyStrip
from gradwidgets.figures.playground.loss_map import LossMap
from gradwidgets.figures.playground.plots import DataPlot, LossCurves
from gradwidgets.figures.playground.pointed_run import at_step, on_fit, on_map
from gradwidgets.figures.playground.squares import playground_layout


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps under the paths.

    Attributes:
        of: A key of what is mapped: while it is the same, so are axes and data.
        names: The losses shown, in order.
        x_name: The parameter on the horizontal axis.
        y_name: The parameter on the vertical axis.
        x: The grid of the horizontal parameter, (W,).
        y: The grid of the vertical parameter, (H,).
        loss: Name → losses, (H, W).
        gradient: Name → horizontal and vertical components, (H, W) each, for the field of arrows.
        minima: Name → known minima, (m, 2), horizontal first; possibly none.
        lowest: Name → the lowest known loss, or None.
        data: (x, y), each (n,), or None if there is no data to fit.
    """

    of: tuple[object, ...]
    names: tuple[str, ...]
    x_name: str
    y_name: str
    x: np.ndarray
    y: np.ndarray
    loss: Mapping[str, np.ndarray]
    gradient: Mapping[str, tuple[np.ndarray, np.ndarray]]
    minima: Mapping[str, np.ndarray]
    lowest: Mapping[str, float | None]
    data: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """One loss's descent, as drawn.

    Attributes:
        path: The visited points, (P, 2), horizontal first, finite.
        end: The last point of the path, (2,), or None if the run diverged.
        losses: The loss of each step, (P',).
        fit: (slope, intercept) of the fitted line, or None.
        vectors: Name → the parts of the next step, (2, 2) each: their start relative to the path's end, and their
            displacement; empty when not stepping.
    """

    path: np.ndarray
    losses: np.ndarray
    end: np.ndarray | None = None
    fit: tuple[float, float] | None = None
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that the picture shows.

    Attributes:
        maps: The maps under the paths.
        runs: Loss name → its run.
        start: The starting point of all runs, horizontal first.
        steps: The number of steps on the axis of the loss curves.
        theme: A key of `STYLES`.
        arrows: Whether the maps show the field of negative gradients.
        guess: The loss on whose map a guess is marked, and the guess, horizontal first; None for no mark.
    """

    maps: Maps
    runs: Mapping[str, Run]
    start: Sequence[float]
    steps: int = 100
    theme: str = "light"
    arrows: bool = False
    guess: tuple[str, Sequence[float] | None] = ("", None)

    @property
    def frame(self) -> tuple[object, ...]:
        """What the axes depend on, apart from the picture's size."""
        return self.maps.of, self.maps.names, self.theme, self.arrows


class PlaygroundFigure(SceneFigure[Scene]):
    """The artists of the playground.

    Attributes:
        figure: The Matplotlib figure.
        maps: Loss name → its map.
        curves: The plot of the loss of every step.
        data: The plot of the data with the fitted lines; None if there is nothing to fit.
    """

    def __init__(self, width: int = 600, height: int = 470, magnified: float = 1.0) -> None:
        super().__init__(Picture.of(width, height, magnified))
        self.maps: dict[str, LossMap] = {}

    def _build(self, scene: Scene) -> None:
        maps, style, figure = scene.maps, STYLES[scene.theme], self.figure
        width, height = figure.blank(style.face)
        layout = playground_layout(
            len(maps.names), width, height, maps.data is not None, spans=_spans(maps), letters=_letters(maps)
        )
        self._arrows = scene.arrows
        self._key = KeyStrip(figure, style, layout, minima=any(len(known) for known in maps.minima.values()))
        parameters = (maps.x_name, maps.y_name)
        self.maps = {
            name: LossMap(figure, name, position, maps.x, maps.y, parameters, style, layout)
            for position, name in enumerate(maps.names)
        }
        self.curves = LossCurves(figure, maps.names, scene.steps, style, layout)
        self.data = None if maps.data is None else DataPlot(figure, maps.names, maps.data, style, layout)

    def _change(self, scene: Scene, before: Scene | None) -> Redraw:
        redraw = self._show_maps(scene.maps)
        if before is not None and scene.steps != before.steps:
            self.curves.set_steps(scene.steps)
            redraw |= Redraw(with_labels=(self.curves.axes,))
        redraw |= self._explain(scene.runs)
        self._move(scene)
        return redraw

    def _show_maps(self, maps: Maps) -> Redraw:
        """Change the surfaces, minima and arrows under the paths; names, axes and data stay the same."""
        changed = [
            loss_map.axes
            for name, loss_map in self.maps.items()
            if loss_map.show(maps.loss[name], maps.gradient[name], maps.minima[name], self._arrows)
        ]
        if not changed:
            return Redraw()
        scale = LossAxis.of([maps.loss[name] for name in self.maps], [maps.lowest[name] for name in self.maps])
        return Redraw(tuple(changed), (self.curves.axes,) if self.curves.set_scale(scale) else ())

    def _move(self, scene: Scene) -> None:
        """Move paths, marks, fitted lines and loss curves; nothing under them changes."""
        guessed, point = scene.guess
        for name, loss_map in self.maps.items():
            run = scene.runs[name]
            loss_map.move(run.path, scene.start, run.end, run.vectors)
            loss_map.guess.set_data(*([[point[0]], [point[1]]] if point is not None and name == guessed else [[], []]))
            self.curves.move(name, run.losses)
            if self.data is not None:
                self.data.move(name, run.fit)

    def _explain(self, runs: Mapping[str, Run]) -> Redraw:
        """Have the key name what the runs show: marks or vectors."""
        drawn = {part for run in runs.values() for part in run.vectors}
        return Redraw(everything=self._key.show([part for part in LIGHT.parts if part in drawn]))

    def _value_in(self, scene: Scene, axes: Axes, x: float, y: float) -> str:
        maps, runs = scene.maps, scene.runs
        for name, loss_map in self.maps.items():
            if axes is loss_map.axes:
                on = (maps.x_name, maps.y_name), (maps.x, maps.y), maps.loss[name], maps.gradient[name]
                return on_map(axes, *on, runs[name].path, (x, y))
        if axes is self.curves.axes:
            return at_step({name: run.losses for name, run in runs.items()}, x)
        fits = self.data is not None and axes is self.data.axes
        return on_fit({name: run.fit for name, run in runs.items()}, x, y) if fits else ""

    def point_at(self, axes: Axes | None, x: float | None, y: float | None) -> tuple[float, float] | None:
        """Return the parameters (horizontal, vertical) under the mouse, or None off the maps."""
        if axes is None or x is None or y is None or all(axes is not loss_map.axes for loss_map in self.maps.values()):
            return None
        return float(x), float(y)


def _spans(maps: Maps) -> tuple[float, float]:
    with np.errstate(over="ignore"):
        return float(maps.x[-1] - maps.x[0]), float(maps.y[-1] - maps.y[0])


def _letters(maps: Maps) -> tuple[int, int]:
    """The length of the longest label at a map's vertical axis, and at a plot's."""
    scale = LossAxis.of([maps.loss[name] for name in maps.names], [maps.lowest[name] for name in maps.names])
    low, high = scale.limits
    losses = [scale.label(at) for at in scale.locator.tick_values(low, high) if low <= at <= high]
    data = round_ticks(np.array([maps.data[1].min(), maps.data[1].max()]), 4).values() if maps.data else ()
    return max(map(len, round_ticks(maps.y, 6).values()), default=2), max(map(len, (*losses, *data)), default=3)
