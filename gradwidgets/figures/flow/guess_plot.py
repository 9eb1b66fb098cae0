"""A guessed profile over the layers, before the measured one is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.base.marks import EDGE, GUESS, label_axes, plot_axes
from gradwidgets.figures.base.moving import moving_line
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.panel_text import Notice, title
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES
from gradwidgets.figures.flow.flow_places import Wanted, places_of

LOWEST, HIGHEST = -40, 20  # decades, relative to the last layer
_HINT = "Click where you expect the first layer, and the middle one."
_TICKS = {-40: "1e−40", -30: "1e−30", -20: "1e−20", -10: "1e−10", 0: "1", 10: "1e10", 20: "1e20"}


@dataclass(frozen=True)
class GuessedProfile:
    """A guess, possibly incomplete.

    Attributes:
        quantity: The guessed quantity.
        layers: The number of layers.
        decades: The guesses at the first and the middle layer, in decades relative to the last; None if not guessed.
        theme: A key of `STYLES`.
    """

    quantity: str
    layers: int
    decades: tuple[float | None, float | None] = (None, None)
    theme: str = "light"

    @property
    def frame(self) -> object:
        """What the axes depend on, apart from the picture's size."""
        return self.quantity, self.layers, self.theme


class GuessPlot(SceneFigure[GuessedProfile]):
    """A line through the guesses at the first and the middle layer, and 1 at the last layer.

    Attributes:
        axes: The axes: layers, and decades relative to the last layer.
        line: The guessed profile.
    """

    def __init__(self, figure: Picture) -> None:
        super().__init__(figure)
        self.axes: Axes | None = None
        self._layers = 0

    def _build(self, scene: GuessedProfile) -> None:
        style, layers = STYLES[scene.theme], scene.layers
        width, height = self.figure.blank(style.face)
        layout = places_of(Wanted(), width, height).layout
        self.axes = plot_axes(self.figure, layout.maps[0], style, layout)
        self.axes.set_xlim(0.4, max(layers, 2) + 0.6)
        self.axes.set_ylim(LOWEST, HIGHEST)
        self.axes.set_yticks(list(_TICKS), list(_TICKS.values()))
        self.axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.axes.grid(color=style.faint, linewidth=0.6)
        self.axes.set_axisbelow(True)
        label_axes(self.axes, style, layout, x="layer, in order of execution")
        title(self.axes, style, layout, bold=True).set_text(f"{scene.quantity}, relative to the last layer: your guess")
        self._hint = Notice(self.axes, style, layout)
        scale = layout.scale
        self.axes.axhline(0, color=style.muted, linewidth=0.8 * scale, linestyle=":")
        self.line = moving_line(
            self.axes, color=GUESS, linewidth=1.8 * scale, marker="*", markersize=15 * scale,
            markeredgecolor=EDGE, markeredgewidth=0.8,
        )  # fmt: skip
        self._layers = layers

    def _change(self, scene: GuessedProfile, before: GuessedProfile | None) -> Redraw:
        points = [(x, y) for x, y in zip(self._places(), (*scene.decades, 0.0), strict=True) if y is not None]
        self.line.set_data(*(np.array(points).T if len(points) > 1 else ([], [])))
        changed = self._hint.say("" if len(points) > 1 else _HINT)
        return Redraw(with_labels=(self.axes,) if changed and self.axes is not None else ())

    def _places(self) -> tuple[float, float, float]:
        return 1.0, (1 + self._layers) / 2, float(self._layers)

    def guess_at(self, axes: Axes | None, x: float | None, y: float | None) -> tuple[int, float] | None:
        """Return the guess under the mouse, 0 for the first layer's and 1 for the middle one's, and its decades."""
        if axes is None or axes is not self.axes or x is None or y is None:
            return None
        first, middle, _ = self._places()
        nearest = 0 if x < (first + middle) / 2 else 1
        return nearest, round(min(max(y, LOWEST), HIGHEST), 1)


def guessed_profile(decades: Sequence[float | None], layers: int, last: float) -> np.ndarray | None:
    """Return a guess as a profile, (layers,); None without a guess at the first layer.

    Args:
        decades: The guesses at the first and the middle layer, relative to the last.
        layers: The number of layers.
        last: The last layer's value.
    """
    first, middle = decades
    if first is None or not layers:
        return None
    at = np.arange(layers, dtype=float)
    ends = [0.0, layers - 1.0] if middle is None else [0.0, (layers - 1) / 2, layers - 1.0]
    known = [first, 0.0] if middle is None else [first, middle, 0.0]
    return last * 10.0 ** np.interp(at, ends, known)
