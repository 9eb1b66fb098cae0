"""The picture of a network's gradient flow: lit blocks over a quantity of each layer, and one layer in detail.

`FlowFigure.update` shows a `Profile`, plain arrays, and returns what must be redrawn. Nothing is computed here but
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.core.results.wording import number
from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.layer_names import name_layers, room_for
from gradwidgets.figures.base.marks import label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine
from gradwidgets.figures.base.notebook_figure import Picture, renderer_of
from gradwidgets.figures.base.panel_text import title
from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.side_plot import PINNED, PINNED_MARKS, Detail, SidePlot
from gradwidgets.figures.base.style import STYLES, own_look
from gradwidgets.figures.flow.bands import Band, Ground
from gradwidgets.figures.flow.block_row import BlockRow, LitLayers
from gradwidgets.figures.flow.flow_places import Places, Wanted, broken, line_count, places_of, text_width
from gradwidgets.figures.flow.hints import Sentence, dashed
from gradwidgets.figures.flow.mark_key import MarkKey, color_key, name_ends, name_row
from gradwidgets.figures.flow.named_lines import NamedLines
from gradwidgets.figures.flow.profile_lines import SIZES, STICKY, THEORY, looks_of, profile_lines

_AT = " at lr "  # what may change under a hand
_LAYER = "layer, in order of execution"
_MARKED = 120  # layers up to which each has its own mark
_CLOSE = 45  # layers up to which marks have their usual size


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
        above: The contents of the upper side plot; None for no such plot.
        below: The contents of the lower side plot; None for no such plot.
        rows: The rows of blocks above the profile, at most two; the first has as many as there are layers.
        bands: The bands behind the profile.
        factor: The factor by which it changes from layer to layer, in words; "" where it is not steady.
        tried: What the first pinned profile is, to be written beside it; "" for nothing.
        why: Sentences beside the plots, a paragraph each.
        hint: What to do to see more; "" for nothing.
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
    above: Detail | None = None
    below: Detail | None = None
    rows: tuple[LitLayers, ...] = ()
    bands: tuple[Band, ...] = ()
    factor: str = ""
    tried: str = ""
    why: tuple[str, ...] = ()
    hint: str = ""
    name: str = "now"
    names: tuple[str, ...] = ()
    settled: bool = True
    theme: str = "light"

    @property
    def plots(self) -> dict[str, Detail]:
        """The plots beside it, by their place."""
        both = {"above": self.above, "below": self.below}
        return {place: detail for place, detail in both.items() if detail is not None}

    @property
    def frame(self) -> object:
        """What the axes depend on, apart from the picture's size."""
        plots = tuple((place, one.lines_above, bool(one.x_label)) for place, one in self.plots.items())
        return (
            self.theme,
            _with_room(self.quantity),
            tuple(row.name for row in self.rows),
            plots,
            bool(self.why),
            self.hint,
        )


class FlowFigure(SceneFigure[Profile]):
    """A profile under its blocks, with up to two plots and words at its side.

    Attributes:
        profile: The axes of the quantity over the layers.
        blocks: The rows of blocks above it.
        above: The upper side plot; None where there is none.
        below: The lower side plot; None where there is none.
        lines: Name → animated line of the profile.
    """

    def __init__(self, figure: Picture) -> None:
        super().__init__(figure)
        self.lines: dict[str, MovingLine] = {}
        self._layers = 0

    @property
    def explained(self) -> tuple[str, ...]:
        """The lines that the key explains; perhaps some that are gone, as another key is another picture."""
        return self._key.names

    def _build(self, scene: Profile) -> None:
        style, figure = STYLES[scene.theme], self.figure
        width, height = figure.blank(style.face)
        self._text_width = text_width(len(scene.plots), width, height)
        wanted = self._wanted = self._wants(scene)
        places = places_of(wanted, width, height)
        layout = self._layout = places.layout
        self._style, self._layers, self._decades = style, 0, Decades(-2, 0)
        self._along: object = None  # the labels along the layers' axis
        self.profile = plot_axes(figure, layout.maps[0], style, layout)
        label_axes(self.profile, style, layout, x=_LAYER)
        plots = dict(zip(scene.plots, places.plots, strict=False))
        self.above, self.below = (
            SidePlot(figure, plots[place], style, layout) if place in plots else None for place in ("above", "below")
        )
        self._title = title(self.profile, style, layout, moving=True, bold=True)
        self.lines = profile_lines(self.profile, style, layout.scale)
        self._ground = Ground(self.profile, style, 0.6)
        self._names = NamedLines(self.profile, style, layout, (THEORY, PINNED[0]))
        self._key = MarkKey(figure, style, layout)
        self._write(scene, places)

    def _write(self, scene: Profile, places: Places) -> None:
        """Write what stays as it is: the blocks' ends and key, the hint."""
        figure, style, layout = self.figure, self._style, self._layout
        self.blocks = [BlockRow(figure, box, style, layout) for box in places.blocks]
        for row, box in zip(scene.rows, places.blocks, strict=True):
            if row.name:
                name_row(figure, box, row.name, style, layout)
        if places.blocks:
            name_ends(figure, places.blocks[0], style, layout)
            self._write_color_key(scene)
        self._why = None if places.why is None else Sentence(figure, places.why, self._wanted.why, style, layout)
        if places.hint is not None:
            dashed(figure, places.hint, broken(scene.hint, self._text_width), style, layout)

    def _write_color_key(self, scene: Profile) -> None:
        left, bottom, wide, tall = self._layout.maps[0]
        figure, dot, font = self.figure, self._layout.pixel / 72, self._title.get_fontproperties()
        title_of = _with_room(scene.quantity)
        taken = renderer_of(figure).get_text_width_height_descent(title_of, font, False)[0]
        room = wide * figure.bbox.width - taken - 16 * dot * figure.dpi
        y = bottom + tall + 5.5 * dot / figure.get_figheight()
        color_key(figure, left + wide, y, room, self._style, self._layout)

    def _wants(self, scene: Profile) -> Wanted:
        plots = scene.plots.values()
        hint = len(broken(scene.hint, self._text_width - 8)) if scene.hint else 0
        return Wanted(
            len(scene.rows), tuple(one.lines_above for one in plots), tuple(bool(one.x_label) for one in plots),
            line_count(scene.why, self._text_width), hint,
        )  # fmt: skip

    def _change(self, shown: Profile, before: Profile | None) -> Redraw:
        wanted = self._wants(shown)
        if wanted.why > self._wanted.why or (shown.settled and wanted != self._wanted):
            with own_look():
                self._build(shown)
            return self._change(shown, None) | EVERYTHING
        told = self._key_entries(shown)
        if set(told) < set(self.explained) and set(self.explained) - set(told) <= STICKY:
            told = self.explained  # changing the key would redraw the whole picture
        whole = told != self.explained
        if whole:
            with own_look():
                self._key.show(looks_of(told, self._style))
        changed = self._fit(shown)
        self._draw_lines(shown)
        self._draw_marks(shown)
        self._light(shown)
        self._name(shown)
        if self._why is not None and self._why.say(shown.why, self._text_width):
            changed.append(self._why.axes)
        for place, detail in shown.plots.items():
            plot = self.above if place == "above" else self.below
            changed += [] if plot is None else plot.update(detail)
        return Redraw(with_labels=tuple(dict.fromkeys(changed)), everything=whole)

    def _draw_lines(self, shown: Profile) -> None:
        heights, positions = self._decades.height(shown.values), np.arange(1, len(shown.values) + 1)
        crowded = len(positions) > _MARKED
        self.lines["measured"].set_marker("" if crowded else "o")
        _over(self.lines["measured"], positions, heights)
        _over(self.lines["theory"], positions, None if shown.theory is None else self._decades.height(shown.theory))
        pinned = [*shown.pinned.values()][: len(PINNED)]
        for k, mark in enumerate(PINNED_MARKS):
            line, values = self.lines[f"pinned {k}"], pinned[k] if k < len(pinned) else np.empty(0)
            line.set_marker("" if crowded else mark)
            if len(values) or len(line.points):
                spread = np.linspace(1, max(len(positions), 1), len(values))
                _over(line, spread, self._decades.height(values))

    def _draw_marks(self, shown: Profile) -> None:
        heights, positions = self._decades.height(shown.values), np.arange(1, len(shown.values) + 1)
        low, high = self._decades.limits
        crowded, bottom = len(positions) > _CLOSE, low + 0.03 * (high - low)
        for name, (usual, small) in SIZES.items():
            self.lines[name].set_markersize((small if crowded else usual) * self._layout.scale)
        sick = np.array(shown.sick, int)
        self.lines["sick"].set_data(positions[sick], np.where(np.isfinite(heights[sick]), heights[sick], bottom))
        zero = np.flatnonzero(shown.values == 0)
        self.lines["zero"].set_data(positions[zero], np.full(len(zero), bottom))
        broken_ones = np.flatnonzero(shown.broken)
        self.lines["broken"].set_data(positions[broken_ones], np.full(len(broken_ones), high - 0.03 * (high - low)))
        at = [] if shown.selected is None else [shown.selected + 1] * 2
        self.lines["selected"].set_data(at, [low, high][: len(at)])

    def _light(self, shown: Profile) -> None:
        for row, lit in zip(self.blocks, shown.rows, strict=True):
            row.update(lit, self._layers, self.profile.get_xlim())
            row.select(shown.selected if row is self.blocks[0] else None)

    def _name(self, shown: Profile) -> None:
        """Draw the bands, and write the names of what is in the profile."""
        self._ground.show(shown.bands)
        lines = self.lines
        self._names.show(
            [line.points for name, line in lines.items() if name != "sick"],  # which lie on the profile
            shown.bands,
            measured=lines["measured"].points,
            theory=lines["theory"].points,
            tried=(shown.tried, lines["pinned 0"].points),
            factor=shown.factor,
        )

    @staticmethod
    def _key_entries(shown: Profile) -> tuple[str, ...]:
        """The entries of the key."""
        marks = (("sick", len(shown.sick) > 0), ("zero", bool((shown.values == 0).any())))
        seen = [name for name, there in (*marks, ("not finite", bool(shown.broken.any()))) if there]
        return (shown.name, *list(shown.pinned)[: len(PINNED)], *seen)

    def _fit(self, shown: Profile) -> list[Axes]:
        changed = []
        everything = [shown.values, *([] if shown.theory is None else [shown.theory]), *shown.pinned.values()]
        decades = Decades.of(np.concatenate(everything))
        # During a drag the axis grows immediately, but shrinks only if half of it would be empty.
        if not shown.settled and 2 * (decades.high - decades.low) > self._decades.high - self._decades.low:
            decades = Decades(min(decades.low, self._decades.low), max(decades.high, self._decades.high))
        if decades != self._decades or self._along is None:
            self._decades = decades
            with own_look():
                self.profile.set_ylim(decades.limits)
                self.profile.set_yticks(list(decades.ticks), list(decades.ticks.values()))
            changed.append(self.profile)
        self._layers = len(shown.values)
        along = shown.names or (self._layers if shown.settled else room_for(self._layers))
        if along != self._along:
            self._along = along
            with own_look():
                name_layers(self.profile, self._layers, shown.names, tight=shown.settled)
            changed.append(self.profile)
        stretched = any(len(one) != self._layers for one in list(shown.pinned.values())[: len(PINNED)])
        label = _LAYER + ("; other depths are stretched" if stretched else "")
        if self.profile.get_xlabel() != label:
            self.profile.set_xlabel(label)
            changed.append(self.profile)
        self._title.set_text(shown.quantity)
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
        here = (self.profile, *(row.axes for row in self.blocks)) if self._layers else ()
        if axes is None or x is None or axes not in here:
            return None
        return int(min(max(round(x), 1), self._layers)) - 1


def _over(line: MovingLine, positions: np.ndarray | None, heights: np.ndarray | None) -> None:
    """Draw heights over positions, joining the known ones."""
    if positions is None or heights is None:
        line.set_data([], [])
        return
    known = np.isfinite(heights)
    line.set_data(positions[known], heights[known])


def _with_room(title_of: str) -> str:
    """Return a title as long as it may become under a hand."""
    head, at, number = title_of.partition(_AT)
    return head + at + ("0.00123" if number else "")
