"""The picture of clipping: what each clipper makes of a step's gradient, layer by layer and element by element.

`ClippingFigure.update` shows a `ClippedStep`, plain arrays, and returns what must be redrawn. Nothing is computed here
but pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gradwidgets.core.results.wording import number
from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.layer_names import name_layers
from gradwidgets.figures.axes.waiting_line import WaitingLine
from gradwidgets.figures.base.marks import EDGE, label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.panel_text import footnote, label_below
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES, Style, own_look
from gradwidgets.figures.clipping.clipped_step import ClippedStep
from gradwidgets.figures.clipping.clipping_rooms import ClippingLayout
from gradwidgets.figures.clipping.element_change import ElementChange
from gradwidgets.figures.clipping.end_names import EndNames
from gradwidgets.figures.clipping.meters import Meters

BEFORE = "#2457f0"
AFTER = ("#d95a00", "#009a63", "#b93aa8", "#8a6a00")  # in the order of the clippers
_MARKS = ("D", "^", "s", "P")
_MARKED = 60  # layers up to which each has its own mark
_BEFORE = "before"
_TITLES = "norm of each layer's gradient", "gradient norms"
_LAYER = "layer, in order of execution", "layer"
_NO_ELEMENTS = "every element is 0: there is nothing to clip"
_NO_GRADIENT = "no layer has a gradient: there is nothing to clip"
_MIDDLE = (0.1, 0.42, 0.8, 0.16)  # the box of what is said then


class ClippingFigure(SceneFigure[ClippedStep]):
    """The layers' norms, the directions and the elements.

    Attributes:
        norms: The axes of the layers' norms.
        directions: The axes of the meters.
        near: The axes of the elements.
        lines: Name → line over the layers: "before", each clipper's, and the marks "zero" and "broken".
        meters: How much of its direction the step keeps.
        elements: The sizes of the elements.
    """

    def __init__(self, figure: Picture) -> None:
        super().__init__(figure)
        self.lines: dict[str, MovingLine] = {}

    def _build(self, scene: ClippedStep) -> None:
        style, figure = STYLES[scene.theme], self.figure
        width, height = figure.blank(style.face)
        self._layout = ClippingLayout(width, height)
        layout = self._sizes = self._layout.sizes
        self._style, self._decades = style, Decades(-2, 0)
        self._along: object = None
        self.norms, self.directions, self.near = (
            plot_axes(figure, (0.1, 0.1, 0.5, 0.5), style, layout) for _ in range(3)
        )
        for axes in (self.norms, self.near):
            axes.grid(color=style.faint, linewidth=layout.pixel)
            axes.set_axisbelow(True)
        self._lines = [WaitingLine(figure, style, layout) for _ in range(2)]
        self._arranged: tuple[object, ...] | None = None
        self._arrange(scene)
        label_axes(self.norms, style, layout, x=_LAYER[self._layout.narrow])
        colors = dict(zip(scene.after, (style.shown(color) for color in AFTER), strict=False))
        looks = {name: (color, mark) for (name, color), mark in zip(colors.items(), _MARKS, strict=False)}
        self._make_lines(looks, style)
        self._heading = Heading(self.norms, style, layout, lines=1 + self._layout.narrow)
        self._marks = footnote(self.norms, style, layout)
        blue = style.shown(BEFORE)
        self._names = EndNames(self.norms, {_BEFORE: blue, **colors}, style, layout)
        self._before = ("● before", "● before", blue)
        self.meters = Meters(self.directions, looks, style, layout)
        self.elements = ElementChange(self.near, blue, colors, style, layout)

    def _make_lines(self, looks: dict[str, tuple[str, str]], style: Style) -> None:
        pixel, axes = self._sizes.pixel, self.norms
        edged: dict[str, Any] = {"linestyle": "none", "markeredgecolor": EDGE, "markeredgewidth": 0.8}
        plain: dict[str, Any] = {"markeredgewidth": 0}
        self.lines = {
            _BEFORE: moving_line(
                axes, color=style.shown(BEFORE), marker="o", markersize=7 * pixel, linewidth=2.4 * pixel, zorder=3,
                **plain,
            ),
            "zero": moving_line(axes, color=style.halo, marker="v", markersize=9 * pixel, zorder=6, **edged),
            "broken": moving_line(axes, color=style.alarm, marker="X", markersize=10 * pixel, zorder=6, **edged),
        }  # fmt: skip
        for k, (name, (color, mark)) in enumerate(looks.items()):
            self.lines[name] = moving_line(
                axes, color=color, marker=mark, linewidth=1.9 * pixel, markersize=6.5 * pixel,
                zorder=4 + 0.01 * k, **plain,
            )  # fmt: skip

    def _change(self, shown: ClippedStep, before: ClippedStep | None) -> Redraw:
        whole = self._arrange(shown)
        changed = self._fit(shown) if shown.known else []
        if shown.known:
            self._draw(shown)
            changed += [self.norms] * self._explain() + self._head()
            changed += [self.directions] * self.meters.show(shown.cosines, shown.told)
            changed += [self.near] * self.elements.show(shown.elements, shown.chosen)
        seen = [axes for axes in dict.fromkeys(changed) if axes.get_visible()]
        return Redraw(with_labels=tuple(seen), everything=whole)

    def _value_in(self, scene: ClippedStep, axes: Axes, x: float, y: float) -> str:
        if axes is not self.norms or not scene.known:
            return ""
        layer = int(min(max(round(x), 1), len(scene.before))) - 1
        told = [f"{name} {number(float(values[layer]), 3)}" for name, values in scene.after.items()]
        name = scene.names[layer] if scene.names else f"layer {layer + 1}"
        return "\n".join([name, f"{_BEFORE} {number(float(scene.before[layer]), 3)}", *told])

    def _arrange(self, shown: ClippedStep) -> bool:
        """Put the plots where they belong; return whether that changed anything."""
        state = shown.known, shown.elements is None, len(shown.after)
        if state == self._arranged:
            return False
        self._arranged = state
        waiting = _NO_ELEMENTS if shown.elements is None else ""
        places = self._layout.places(len(shown.after), waiting)
        boxes = (self.norms, places.norms), (self.directions, places.meters), (self.near, places.elements)
        for axes, box in boxes:
            axes.set_position(box)
            axes.set_visible(shown.known and not (waiting and axes is self.near))
        self._lines[0].show("" if shown.known else _NO_GRADIENT, _MIDDLE)
        self._lines[1].show(waiting if shown.known else "", places.elements)
        return True

    def _head(self) -> list[Axes]:
        """Name the line before clipping above where there is no room at its end; the meters name the others."""
        names = [self._before] if self._layout.narrow else []
        return [self.norms] * self._heading.show(_TITLES, names)

    def _draw(self, shown: ClippedStep) -> None:
        decades, count = self._decades, len(shown.before)
        positions, crowded = np.arange(1, count + 1), count > _MARKED
        ends = {}
        for name, values in {_BEFORE: shown.before, **shown.after}.items():
            heights = decades.height(values)
            known = np.isfinite(heights)
            self.lines[name].set_data(positions[known], heights[known])
            ends[name] = float(heights[known][-1]) if known.any() else np.nan
        for name, mark in zip((_BEFORE, *shown.after), ("o", *_MARKS), strict=False):
            self.lines[name].set_marker("" if crowded else mark)
        low, high = decades.limits
        edge = 0.035 * (high - low)
        zero, broken = np.flatnonzero(shown.before == 0), np.flatnonzero(shown.broken)
        self.lines["zero"].set_data(positions[zero], np.full(len(zero), low + edge))
        self.lines["broken"].set_data(positions[broken], np.full(len(broken), high - edge))
        self._names.show({} if self._layout.narrow else ends)

    def _explain(self) -> bool:
        """Explain the visible marks below the axes; return whether that changed anything."""
        marks = {"zero": "▼ 0" if self._layout.narrow else "▼ zero", "broken": "✖ not finite"}
        words = "   ".join(said for name, said in marks.items() if np.size(self.lines[name].get_xdata()))
        if words == self._marks.get_text():
            return False
        self._marks.set_text(words)
        self.norms.set_xlabel(_LAYER[bool(words) or self._layout.narrow])
        label_below(self.norms, self._sizes, left=bool(words))
        return True

    def _fit(self, shown: ClippedStep) -> list[Axes]:
        changed = []
        decades = Decades.of(np.concatenate([shown.before, *shown.after.values()]))
        # During a drag the axis grows immediately, but shrinks only if half of it would be empty.
        if not shown.settled and 2 * (decades.high - decades.low) > self._decades.high - self._decades.low:
            decades = Decades(min(decades.low, self._decades.low), max(decades.high, self._decades.high))
        if decades != self._decades or self._along is None:
            self._decades = decades
            with own_look():
                self.norms.set_ylim(decades.limits)
                self.norms.set_yticks(list(decades.ticks), list(decades.ticks.values()))
            changed.append(self.norms)
        along = len(shown.before), shown.names
        if along != self._along:
            self._along = along
            with own_look():
                name_layers(self.norms, len(shown.before), shown.names)
                if self._layout.narrow and not shown.names:
                    self.norms.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
            changed.append(self.norms)
        return changed
