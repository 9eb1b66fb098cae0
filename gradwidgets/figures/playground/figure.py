"""The playground's picture: loss maps with their paths, the data with its fits, the loss of every step.

`PlaygroundFigure.build` makes the artists, `show_maps` changes what lies under the paths, `update` moves the paths.
Only what `update` changes is `animated`, so a canvas may redraw it over a cached background. Both `show_maps`'s and
`update`'s arguments are plain arrays; nothing is computed here but pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.loss_axis import LossAxis
from gradwidgets.figures.base.layout import DPI, playground_layout
from gradwidgets.figures.base.marks import Key
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.style import LIGHT, Style, own_look
from gradwidgets.figures.playground.loss_map import LossMap
from gradwidgets.figures.playground.plots import DataPlot, LossCurves


@dataclass(frozen=True, eq=False)
class Maps:
    """What lies under the paths.

    Attributes:
        names: The losses shown, in order.
        x_name: Parameter on the horizontal axis.
        y_name: Parameter on the vertical axis.
        x: (W,) grid of the horizontal parameter.
        y: (H,) grid of the vertical parameter.
        loss: Name to (H, W).
        gradient: Name to the pair (horizontal, vertical) of (H, W), for the field of arrows.
        minima: Name to (m, 2) known minima, horizontal first; possibly none.
        lowest: Name to the lowest loss known, or None.
        data: (x, y), each (n,), or None where there is no data to fit.
    """

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
        path: (P, 2) visited points, horizontal first, finite.
        end: (2,) the last point of the path, or None where the run left all bounds.
        losses: (P',) loss of each step.
        fit: (slope, intercept) of the fitted line, or None.
        vectors: Name to the parts of the step about to be made, (2, 2) each: from where, seen from the path's end,
            and how far; empty when not stepping.
    """

    path: np.ndarray
    losses: np.ndarray
    end: np.ndarray | None = None
    fit: tuple[float, float] | None = None
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)


class PlaygroundFigure:
    """Artists of the playground.

    Attributes:
        figure: The Matplotlib figure.
        maps: Loss name to its map.
        curves: The loss of every step.
        data: The data with the fitted lines; None where there is nothing to fit.
    """

    def __init__(self, width: int = 600, height: int = 470) -> None:
        self.figure = Picture(figsize=(width / DPI, height / DPI), dpi=DPI, layout="none")
        self.maps: dict[str, LossMap] = {}

    def build(self, maps: Maps, *, style: Style = LIGHT, arrows: bool = False, steps: int = 100) -> None:
        """Make all artists anew, for the figure's present size."""
        with own_look():
            figure = self.figure
            width, height = figure.blank(style.face)
            layout = playground_layout(len(maps.names), width, height, maps.data is not None)
            self._arrows = arrows
            self._key = Key(figure, style, layout, minima=any(len(known) for known in maps.minima.values()))
            parameters = (maps.x_name, maps.y_name)
            self.maps = {
                name: LossMap(figure, name, position, maps.x, maps.y, parameters, style, layout)
                for position, name in enumerate(maps.names)
            }
            self.curves = LossCurves(figure, maps.names, steps, style, layout)
            self.data = None if maps.data is None else DataPlot(figure, maps.names, maps.data, style, layout)
            self.show_maps(maps)

    def show_maps(self, maps: Maps) -> tuple[list[Axes], list[Axes]]:
        """Change the surfaces, minima and arrows under the paths; names, axes and data stay.

        Returns:
            The axes that must be drawn again within their frame, and those with their labels.
        """
        changed = [
            loss_map.axes
            for name, loss_map in self.maps.items()
            if loss_map.show(maps.loss[name], maps.gradient[name], maps.minima[name], self._arrows)
        ]
        scale = LossAxis.of([maps.loss[name] for name in self.maps], [maps.lowest[name] for name in self.maps])
        return changed, [self.curves.axes] if self.curves.set_scale(scale) else []

    def set_steps(self, steps: int) -> list[Axes]:
        """Change the number of steps along the loss curves; return the axes that must be drawn again."""
        self.curves.set_steps(steps)
        return [self.curves.axes]

    def update(self, runs: Mapping[str, Run], start: Sequence[float]) -> None:
        """Move paths, marks, fitted lines and loss curves; nothing under them changes.

        Args:
            runs: Loss name to its run.
            start: (2,) where every run starts, horizontal first.
        """
        for name, loss_map in self.maps.items():
            run = runs[name]
            loss_map.move(run.path, start, run.end, run.vectors)
            self.curves.move(name, run.losses)
            if self.data is not None:
                self.data.move(name, run.fit)

    def mark_guess(self, name: str, point: Sequence[float] | None) -> None:
        """Put the mark of a guess on a loss's map.

        Args:
            name: The loss.
            point: (2,) horizontal first; None for no mark.
        """
        for loss, loss_map in self.maps.items():
            here = point is not None and loss == name
            loss_map.guess.set_data(*([[point[0]], [point[1]]] if here else [[], []]))

    def explain(self, runs: Mapping[str, Run]) -> bool:
        """Have the key name what `runs` shows: marks or vectors; return whether it changed."""
        drawn = {part for run in runs.values() for part in run.vectors}
        return self._key.show([part for part in LIGHT.parts if part in drawn])

    def point_at(self, axes: Axes | None, x: float | None, y: float | None) -> tuple[float, float] | None:
        """Return the parameters (horizontal, vertical) under the mouse, or None off the maps."""
        if axes is None or all(axes is not loss_map.axes for loss_map in self.maps.values()):
            return None
        return float(x), float(y)
