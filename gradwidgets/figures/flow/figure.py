"""The picture of a network's gradient flow: a quantity over the layers, their problems, one layer in detail.

`FlowFigure.update` shows a `Profile`, plain arrays, and returns what must be redrawn. Nothing is computed here but
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gradwidgets.core.results.wording import number
from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.layer_names import name_layers, room_for
from gradwidgets.figures.base.layout import flow_layout
from gradwidgets.figures.base.marks import EDGE, label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.notebook_figure import Picture, renderer_of
from gradwidgets.figures.base.panel_text import title
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.side_plot import NOW, PINNED, PINNED_MARKS, Detail, SidePlot
from gradwidgets.figures.base.style import STYLES, Style, own_look

THEORY, SICK = "#7d8894", "#d7301f"
_LAYER = "layer, in order of execution"
_STICKY = {"sick", "zero", "not finite"}  # marks that stay in the key once they have been shown
_PINNED = (3.6, 4.0, 4.2, 6.6)  # sizes of their marks: one under another is still visible
_MARKED = 120  # layers up to which each has its own mark
_SIZES = {"sick": (6.2, 2.6), "zero": (7.0, 3.6), "broken": (8.0, 4.6)}  # sizes of marks, normal and crowded


@dataclass(frozen=True, eq=False)
class Profile:
    """A quantity over the layers.

    Attributes:
        quantity: The quantity's name, with its unit or measure.
        values: The values in order of execution, (L,); NaN where not measured.
        broken: Where the measured value is not finite, (L,).
        sick: The indices of layers named in a finding.
        theory: The theoretical values, (L,), or None.
        pinned: Name → pinned profile, (M,), stretched to the same width.
        selected: The index of the selected layer, or None.
        above: The contents of the upper side plot.
        below: The contents of the lower side plot.
        verdict: The verdict in a few words, or "".
        name: The name of `values` in the key.
        names: The layers' names, for the axis; () for their numbers.
        settled: Whether the logarithmic axis takes the best-fitting decades; during a drag it seldom shrinks.
        theme: A key of `STYLES`.
    """

    quantity: str
    values: np.ndarray
    broken: np.ndarray
    sick: Sequence[int] = ()
    theory: np.ndarray | None = None
    pinned: dict[str, np.ndarray] = field(default_factory=dict)
    selected: int | None = None
    above: Detail = field(default_factory=Detail)
    below: Detail = field(default_factory=Detail)
    verdict: str = ""
    name: str = "now"
    names: tuple[str, ...] = ()
    settled: bool = True
    theme: str = "light"

    @property
    def frame(self) -> object:
        """What the axes depend on, apart from the picture's size."""
        return self.theme


class FlowFigure(SceneFigure[Profile]):
    """A profile and two plots at its side.

    Attributes:
        profile: The axes of the quantity over the layers.
        above: The upper side plot.
        below: The lower side plot.
        lines: Name → animated line of the profile.
        explained: The lines that the key explains; perhaps some that are gone, as another key is another picture.
    """

    def __init__(self, figure: Picture) -> None:
        super().__init__(figure)
        self.lines: dict[str, MovingLine] = {}
        self._layers = 0

    def _build(self, scene: Profile) -> None:
        style, figure = STYLES[scene.theme], self.figure
        width, height = figure.blank(style.face)
        layout = self._layout = flow_layout(width, height)
        self._style, self._layers, self._decades = style, 0, Decades(-2, 0)
        self._along: object = None  # the labels along the layers' axis
        self.profile = plot_axes(figure, layout.maps[0], style, layout)
        self.profile.grid(color=style.faint, linewidth=0.6)
        self.profile.set_axisbelow(True)
        label_axes(self.profile, style, layout, x=_LAYER)
        self.above = SidePlot(figure, layout.upper, style, layout)
        self.below = SidePlot(figure, layout.losses, style, layout)
        self._title = title(self.profile, style, layout, moving=True)
        self._make_lines(style, layout.scale)
        self._key: list[Artist] = []
        self.explained: tuple[str, ...] = ()

    def _make_lines(self, style: Style, scale: float) -> None:
        blue = style.shown(NOW)
        line = {"linewidth": 1.5 * scale}
        plain = {"markeredgewidth": 0, **line}
        point = {"linestyle": "none", "markeredgecolor": EDGE, "markeredgewidth": 0.6}
        self.lines = {
            "theory": moving_line(self.profile, color=THEORY, linestyle="--", zorder=2.5, **line),
            "measured": moving_line(
                self.profile,
                color=blue,
                marker="o",
                markersize=4.2 * scale,
                markeredgewidth=0,
                zorder=4,
                **line,
            ),
            "sick": moving_line(
                self.profile, color=SICK, marker="s", markersize=_SIZES["sick"][0] * scale, zorder=5, **point
            ),
            "zero": moving_line(
                self.profile, color=style.halo, marker="v", markersize=_SIZES["zero"][0] * scale, zorder=6, **point
            ),
            "broken": moving_line(
                self.profile, color=SICK, marker="X", markersize=_SIZES["broken"][0] * scale, zorder=6, **point
            ),
            "selected": moving_line(self.profile, color=SICK, linewidth=1.0 * scale, linestyle="--", zorder=2),
        }
        for k, (color, mark) in enumerate(zip(PINNED, PINNED_MARKS, strict=True)):
            self.lines[f"pinned {k}"] = moving_line(
                self.profile,
                color=style.shown(color),
                marker=mark,
                markersize=_PINNED[k] * scale,
                zorder=3 - 0.01 * k,
                **plain,
            )

    def _explain(self, told: tuple[str, ...]) -> None:
        """Explain the marks shown and the pinned profiles in a line above the profile."""
        for artist in self._key:
            artist.remove()
        self._key, self.explained = [], told
        layout, figure, style = self._layout, self.figure, self._style
        usual: dict[str, Any] = {
            "markersize": 6 * layout.scale,
            "markeredgewidth": 0.8,
            "linewidth": 1.6 * layout.scale,
        }
        alone: dict[str, Any] = {"linestyle": "none", "markeredgecolor": EDGE}
        fixed = {"theory", "sick", "zero", "not finite"}
        now, *others = told
        pinned = [name for name in others if name not in fixed]
        marks: list[tuple[str, dict[str, Any]]] = [
            (now, {"color": style.shown(NOW), "marker": "o", "markeredgewidth": 0}),
            *(
                (name, {"color": style.shown(color), "marker": mark, "markeredgewidth": 0})
                for name, color, mark in zip(pinned, PINNED, PINNED_MARKS, strict=False)
            ),
            ("theory", {"color": THEORY, "linestyle": "--", "marker": ""}),
            ("sick", {"color": SICK, "marker": "s", **alone}),
            ("zero", {"color": style.halo, "marker": "v", **alone}),
            ("not finite", {"color": SICK, "marker": "X", **alone}),
        ]
        at = layout.key_left
        for text, look in marks:
            if text not in told:
                continue
            reach = 0.0 if look.get("linestyle") == "none" else 1.1 * layout.key_gap
            ends = [at - reach, at, at + reach]
            line = Line2D(ends, [layout.key_y] * 3, markevery=[1], **{**usual, **look})
            label = figure.text(
                at + reach + 0.9 * layout.key_gap,
                layout.key_y,
                text,
                parse_math=False,
                color=style.muted,
                fontsize=layout.small,
                va="center_baseline",
            )
            self._key += [figure.add_artist(line), label]
            width = label.get_window_extent(renderer_of(figure)).width / figure.bbox.width
            at += reach + 3.2 * layout.key_gap + width

    def _change(self, shown: Profile, before: Profile | None) -> Redraw:
        with own_look():
            told = self._key_entries(shown)
            if set(told) < set(self.explained) and set(self.explained) - set(told) <= _STICKY:
                told = self.explained  # changing the key would redraw the whole picture
            whole = told != self.explained
            if whole:
                self._explain(told)
            changed = self._fit(shown)
            heights, positions = self._decades.height(shown.values), np.arange(1, len(shown.values) + 1)
            low, high = self._decades.limits
            measured = self.lines["measured"]
            crowded = len(positions) > _MARKED
            measured.set_marker("" if crowded else "o")
            for name, (usual, small) in _SIZES.items():
                self.lines[name].set_markersize((small if crowded else usual) * self._layout.scale)
            _over(measured, positions, heights)
            _over(self.lines["theory"], positions, None if shown.theory is None else self._decades.height(shown.theory))
            pinned = [*shown.pinned.values()][: len(PINNED)]
            for k in range(len(PINNED)):
                values = pinned[k] if k < len(pinned) else np.empty(0)
                self.lines[f"pinned {k}"].set_marker("" if crowded else PINNED_MARKS[k])
                spread = np.linspace(1, max(len(positions), 1), len(values))
                _over(self.lines[f"pinned {k}"], spread, self._decades.height(values))
            sick, bottom = np.array(shown.sick, int), low + 0.03 * (high - low)
            self.lines["sick"].set_data(positions[sick], np.where(np.isfinite(heights[sick]), heights[sick], bottom))
            zero = np.flatnonzero(shown.values == 0)
            self.lines["zero"].set_data(positions[zero], np.full(len(zero), low + 0.03 * (high - low)))
            broken = np.flatnonzero(shown.broken)
            self.lines["broken"].set_data(positions[broken], np.full(len(broken), high - 0.03 * (high - low)))
            at = [] if shown.selected is None else [shown.selected + 1] * 2
            self.lines["selected"].set_data(at, [low, high][: len(at)])
            changed += [*self.above.update(shown.above), *self.below.update(shown.below)]
        return Redraw(with_labels=tuple(dict.fromkeys(changed)), everything=whole)

    @staticmethod
    def _key_entries(shown: Profile) -> tuple[str, ...]:
        """The entries of the key."""
        has_theory = shown.theory is not None and bool(np.isfinite(shown.theory).any())
        marks = [("theory", has_theory), ("sick", len(shown.sick) > 0), ("zero", bool((shown.values == 0).any()))]
        marks.append(("not finite", bool(shown.broken.any())))
        return (shown.name, *list(shown.pinned)[: len(PINNED)], *(name for name, seen in marks if seen))

    def _fit(self, shown: Profile) -> list[Axes]:
        changed = []
        everything = [shown.values, *([] if shown.theory is None else [shown.theory]), *shown.pinned.values()]
        decades = Decades.of(np.concatenate(everything))
        # During a drag the axis grows immediately, but shrinks only if half of it would be empty.
        if not shown.settled and 2 * (decades.high - decades.low) > self._decades.high - self._decades.low:
            decades = Decades(min(decades.low, self._decades.low), max(decades.high, self._decades.high))
        if decades != self._decades or self._along is None:
            self._decades = decades
            self.profile.set_ylim(decades.limits)
            self.profile.set_yticks(list(decades.ticks), list(decades.ticks.values()))
            changed.append(self.profile)
        self._layers = len(shown.values)
        along = shown.names or room_for(self._layers)
        if along != self._along:
            self._along = along
            name_layers(self.profile, self._layers, shown.names)
            changed.append(self.profile)
        stretched = any(len(one) != self._layers for one in list(shown.pinned.values())[: len(PINNED)])
        label = _LAYER + ("; other depths are stretched" if stretched else "")
        if self.profile.get_xlabel() != label:
            self.profile.set_xlabel(label)
            changed.append(self.profile)
        self._title.set_text(shown.quantity + (f"   {shown.verdict}" if shown.verdict else ""))
        return changed

    def _value_in(self, scene: Profile, axes: Axes, x: float, y: float) -> str:
        layer = self.layer_at(axes, x)
        if layer is None:
            return ""
        told = [f"{scene.quantity} {number(float(scene.values[layer]), 3)}"]
        if scene.theory is not None:
            told.append(f"theory {number(float(scene.theory[layer]), 3)}")
        return "\n".join([scene.names[layer] if scene.names else f"layer {layer + 1}", *told])

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is None or x is None or axes is not self.profile or not self._layers:
            return None
        return int(min(max(round(x), 1), self._layers)) - 1


def _over(line: MovingLine, positions: np.ndarray | None, heights: np.ndarray | None) -> None:
    """Draw heights over positions, joining the known ones."""
    if positions is None or heights is None:
        line.set_data([], [])
        return
    known = np.isfinite(heights)
    line.set_data(positions[known], heights[known])
