"""The live picture of a training run: the layers over the steps, the latest profile, the loss.

`LiveFigure.update` shows a `Training`, plain arrays, and returns what must be redrawn. Nothing is computed here but
pixels. What changes with every sample is animated over the background, whose axes grow only in round steps. Entering
our own style takes as long as all other changes together, so it is entered only to create artists, which is rare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.core.results.wording import number, percent
from gradwidgets.figures.axes.growing import GrowingDecades, GrowingLosses, GrowingSteps
from gradwidgets.figures.axes.heading import Heading
from gradwidgets.figures.axes.layer_names import name_layers
from gradwidgets.figures.axes.thinning import spaced, thinned
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.axes.waiting_line import WaitingLine
from gradwidgets.figures.base.depth_colors import depth_key
from gradwidgets.figures.base.marks import label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine
from gradwidgets.figures.base.panel_text import footnote, label_below, title
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES, Style, own_look
from gradwidgets.figures.live.element_sizes import ElementSizes
from gradwidgets.figures.live.live_lines import BESIDE, DEAD, MEASURED, RATIO, LiveLines
from gradwidgets.figures.live.live_rooms import LiveLayout, Rooms
from gradwidgets.figures.live.live_twin import Twin
from gradwidgets.figures.live.training import Training

_NAME = 14  # letters of another run's name, at most
_MARK = 14.0  # CSS pixels of the smallest picture from one mark at an edge to the next
_LAYER = "layer, in order of execution", "layer"  # in full, and where there is less room
_NO_LOSS = "the loss is not known"
_NO_ELEMENTS = "sizes of elements: at the next gradient"
_ZERO, _BROKEN = ("▼ zero", "▼ 0"), ("✖ not finite", "✖ not finite")
_MIDDLE = (0.1, 0.42, 0.8, 0.16)  # the box of what is said before the first step


class LiveFigure(SceneFigure[Training]):
    """Artists of a training run.

    Attributes:
        norms: The axes of the layers' values over the steps.
        profile: The axes of the latest values over the layers.
        health: The axes of the fraction of dead units, below; visible once there are any.
        loss: The axes of the loss.
        near: The axes of one layer's histogram.
    """

    @property
    def lines(self) -> dict[str, MovingLine]:
        """Name → animated line."""
        return self._drawn.lines

    def _build(self, scene: Training) -> None:
        style, figure = STYLES[scene.theme], self.figure
        width, height = figure.blank(style.face)
        self._layout = LiveLayout(width, height)
        layout = self._sizes = self._layout.sizes
        self._style = style
        self.norms, self.profile, self.health, self.loss, self.near = (
            plot_axes(figure, (0.1, 0.1, 0.5, 0.5), style, layout) for _ in range(5)
        )
        for axes in (self.norms, self.profile, self.loss, self.near, self.health):
            axes.grid(color=style.faint, linewidth=layout.pixel)
            axes.set_axisbelow(True)
        for axes in (self.norms, self.loss):
            label_axes(axes, style, layout, x="step")
            label_below(axes, layout)
        self.health.set_ylim(-0.06, 1.06)
        self.health.set_yticks([0, 1], ["0", "100 %"])
        self._rooms: Rooms | None = None
        self._placed = False
        self._make_texts(style)
        self._grown = GrowingDecades(self.norms), GrowingDecades(self.profile), GrowingLosses(self.loss)
        self._steps = GrowingSteps(self.norms), GrowingSteps(self.loss)
        self._drawn = LiveLines(self.norms, self.profile, self.health, self.loss, self.near, style, layout)
        self._twin = Twin((self.norms, self.profile, self.loss), self._grown, self._drawn, style, layout)
        self._run: tuple[tuple[str, ...], str, str | None] | None = None
        self._newest = 0

    def _make_texts(self, style: Style) -> None:
        layout, figure, lines = self._sizes, self.figure, 1 + self._layout.narrow
        self._lines = [WaitingLine(figure, style, layout) for _ in range(3)]
        self._arrange(Rooms(dead=True))
        self._headings = {axes: Heading(axes, style, layout, lines=lines) for axes in (self.norms, self.profile)}
        self._headings[self.loss] = Heading(self.loss, style, layout)
        self._elements = ElementSizes(self.near, style.shown(MEASURED), style, layout, lines=lines)
        key = depth_key(self.norms, style, layout)
        self._key_width = key if lines == 1 else 0.0
        dead = title(self.health, style, layout)
        dead.set(text="― dead units", color=style.written(DEAD), fontsize=layout.small)
        self._marks = {axes: footnote(axes, style, layout) for axes in (self.norms, self.loss)}

    def _change(self, shown: Training, before: Training | None) -> Redraw:
        if not len(shown.steps):
            self._run = None
            return Redraw(everything=self._arrange(None) | self._lines[0].show(shown.waiting, _MIDDLE))
        goes_on = self._begin(shown)
        whole = self._arrange(self._rooms_for(shown, goes_on))
        if whole:
            self._along(shown)
        changed = [*self._name(shown), *self._fit_steps(shown), *self._twin.fit(shown), *self._show_loss(shown)]
        if len(shown.layers):
            changed += [*self._show_norms(shown), *self._show_profile(shown)]
        self._twin.show(shown)
        marks = {_ZERO: ("zero", "zero now"), _BROKEN: ("broken", "broken now")}
        changed += self._explain(self.norms, marks)
        changed += self._explain(self.loss, {_BROKEN: ("loss broken",)})
        changed += [self.near] * self._elements.show(shown.detail, self._drawn["near"])
        self._show_latest(shown)
        seen = [axes for axes in dict.fromkeys(changed) if axes.get_visible()]
        return Redraw(with_labels=tuple(seen), everything=whole)

    def _value_in(self, scene: Training, axes: Axes, x: float, y: float) -> str:
        layer = self.layer_at(axes, x)
        if layer is None:
            return ""
        told = [scene.layers[layer], f"{scene.quantity} {number(float(scene.values[-1, layer]), 3)}"]
        if scene.dead is not None and np.isfinite(scene.dead[layer]):
            told.append(f"dead units {percent(float(scene.dead[layer]))}")
        return "\n".join(told)

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is None or x is None or axes not in (self.profile, self.health) or not self._run or not self._run[0]:
            return None
        return int(min(max(round(x), 1), len(self._run[0]))) - 1

    # -- what stays for a while -----------------------------------------------------------------------------

    def _rooms_for(self, shown: Training, goes_on: bool) -> Rooms:
        """Which plots there are; once there were dead units, their strip stays while the run goes on."""
        dead = shown.dead is not None and bool(np.isfinite(shown.dead).any())
        had = goes_on and self._rooms is not None and self._rooms.dead
        loss, near = len(shown.noted[0]) > 0, shown.detail is not None
        layers = not len(shown.layers) or shown.measured
        waiting = [f"{shown.quantity}: no number is recorded"] * (not layers)
        waiting += [_NO_LOSS] * (not loss) + [_NO_ELEMENTS] * (not near and shown.with_elements)
        return Rooms(loss, near, dead or had, tuple(waiting), layers=layers)

    def _arrange(self, rooms: Rooms | None) -> bool:
        """Put the plots where they belong, None for no plot at all; return whether that changed anything."""
        if rooms == self._rooms and self._placed:
            return False
        self._rooms, self._placed = rooms, True
        places = None if rooms is None else self._layout.places(rooms)
        for name in ("norms", "profile", "health", "loss", "near"):
            box, axes = None if places is None else getattr(places, name), getattr(self, name)
            axes.set_visible(box is not None)
            if box is not None:
                axes.set_position(box)
        boxes = zip(rooms.waiting, places.waiting, strict=True) if rooms is not None and places is not None else ()
        said = [*boxes, *[("", None)] * len(self._lines)]
        for line, (words, box) in zip(self._lines, said, strict=False):
            line.show(words, box)
        return True

    def _along(self, shown: Training) -> None:
        """Name the layers below the lowest plot of the wide column."""
        strip = self.health.get_visible()
        self.profile.tick_params(labelbottom=not strip)
        self.profile.set_xlabel("")
        with own_look():
            label_axes(self.health if strip else self.profile, self._style, self._sizes, x=_LAYER[self._layout.narrow])
        for axes in (self.profile, self.health):
            name_layers(axes, len(shown.layers), shown.layers if shown.named else ())

    def _begin(self, shown: Training) -> bool:
        """Reset the limits if a new run or another quantity begins; return whether the old one continues."""
        beside = None if shown.beside is None else shown.beside.name
        run, newest = (tuple(shown.layers), shown.quantity, beside), int(shown.steps[-1])
        goes_on = run == self._run and newest >= self._newest
        self._run, self._newest = run, newest
        if goes_on:
            return True
        for axis in (*self._grown, *self._steps):
            axis.reset()
        with own_look():
            self._drawn.begin(len(shown.layers))
        self._along(shown)
        return False

    def _name(self, shown: Training) -> list[Axes]:
        style, other = self._style, shown.beside
        names = [("● now", "● now", style.shown(MEASURED))]
        if len(shown.steps) > 1:
            names.append(("― at first", "― first", style.muted))
        if shown.update_ratio is not None and np.isfinite(shown.update_ratio).any():
            names.append(("◆ update/weight", "◆ update", style.shown(RATIO)))
        loss = []
        if other is not None:
            loss.append((f"╌ {other.name}", f"╌ {_shortened(other.name)}", style.shown(BESIDE)))
        if not (self._layout.narrow and self.loss.get_visible()):  # else it is named over the loss alone
            names += loss
        headings = self._headings
        changed = [self.norms] * headings[self.norms].show(shown.titles, taken=self._key_width)
        changed += [self.profile] * headings[self.profile].show("layers", names)
        return changed + [self.loss] * headings[self.loss].show("loss", loss)

    def _fit_steps(self, shown: Training) -> list[Axes]:
        first, last = shown.reach
        axes = self.norms, self.loss
        return [one for one, axis in zip(axes, self._steps, strict=True) if axis.fit(first, last)]

    # -- what moves -----------------------------------------------------------------------------------------

    def _show_norms(self, shown: Training) -> list[Axes]:
        layers, axis = shown.drawn, self._grown[0]
        rows = np.ascontiguousarray(shown.values[:, layers].T)
        chosen = [thinned(row) for row in rows]
        if shown.selected is not None:
            chosen_own = thinned(shown.values[:, shown.selected])
            own = shown.values[chosen_own, shown.selected]
        else:
            chosen_own, own = np.empty(0, int), np.empty(0)
        kept = [row[at] for row, at in zip(rows, chosen, strict=True)]
        changed = [self.norms] if axis.fit(np.concatenate([*kept, own])) else []
        height, lines = axis.decades.height, self._drawn
        alone = "o" if len(shown.steps) == 1 else ""
        for line, values, at in zip(lines.of_layers, kept, chosen, strict=True):
            line.set_marker(alone)
            line.set_data(shown.steps[at], height(values))
        lines["own"].set_data(shown.steps[chosen_own], height(own))
        low, high = axis.edges
        self._mark("zero", self.norms, shown.steps[(rows == 0).any(0)], low)
        self._mark("broken", self.norms, shown.steps[shown.broken_at(slice(None), layers).any(1)], high)
        return changed

    def _show_profile(self, shown: Training) -> list[Axes]:
        positions, axis, lines = np.arange(1, len(shown.layers) + 1), self._grown[1], self._drawn
        now, first = shown.values[-1], shown.values[0]
        ratio = np.empty(0) if shown.update_ratio is None else shown.update_ratio
        changed = [self.profile] if axis.fit(np.concatenate([now, first, ratio])) else []
        height = axis.decades.height
        lines.join("now", positions, height(now))
        lines.join("first", positions, height(first) if len(shown.steps) > 1 else np.full(len(positions), np.nan))
        lines.join("ratio", positions[: len(ratio)], height(ratio))
        low, high = axis.edges
        zero, broken = np.flatnonzero(now == 0), np.flatnonzero(shown.broken_at(-1, slice(None)))
        lines["zero now"].set_data(positions[zero], np.full(len(zero), low))
        lines["broken now"].set_data(positions[broken], np.full(len(broken), high))
        at = np.full(0 if shown.selected is None else 2, (shown.selected or 0) + 1)
        lines["selected"].set_data(at, axis.decades.limits[: len(at)])
        dead = np.full(len(positions), np.nan) if shown.dead is None else shown.dead
        lines.join("dead", positions, dead)
        return changed

    def _show_loss(self, shown: Training) -> list[Axes]:
        steps, losses = shown.noted
        axis, lines = self._grown[2], self._drawn
        known = np.flatnonzero(np.isfinite(losses))
        known = known[thinned(losses[known])]
        changed = [self.loss] * axis.fit(losses[known])
        heights = axis.height(losses[known])
        lines["loss"].set_data(steps[known], heights)
        lines["loss now"].set_data(steps[known[-1:]], heights[-1:])
        low, high = self.loss.get_ylim()
        edge = max(0.035, 0.6 * self._between(self.loss, self.loss.bbox.height)) * (high - low)
        self._mark("loss broken", self.loss, steps[~np.isfinite(losses)], high - edge)
        return changed

    def _mark(self, name: str, axes: Axes, steps: np.ndarray, height: float) -> None:
        least = self._steps[0].span * self._between(axes, axes.bbox.width)
        shown = spaced(steps, least)
        if len(steps) and shown[0] != steps[0]:  # where it begins is marked, whatever comes after
            shown = np.append(steps[:1], shown[shown - steps[0] >= least])
        self._drawn[name].set_data(shown, np.full(len(shown), height))

    def _between(self, axes: Axes, length: float) -> float:
        """The distance between two marks, as a share of a length in pixels."""
        return _MARK * self._sizes.pixel * axes.figure.dpi / 72 / max(length, 1.0)

    def _explain(self, axes: Axes, marks: Mapping[tuple[str, str], Sequence[str]]) -> list[Axes]:
        """Explain the visible marks below the axes; return the axes if that changed anything."""
        lines = self._drawn.lines
        seen = [texts for texts, names in marks.items() if any(np.size(lines[k].get_xdata()) for k in names)]
        words = "   ".join(texts[self._layout.narrow] for texts in seen)
        if words == self._marks[axes].get_text():
            return []
        self._marks[axes].set_text(words)
        label_below(axes, self._sizes, left=bool(words))
        return [axes]

    def _show_latest(self, shown: Training) -> None:
        steps, losses = shown.noted
        last = shown.span[1]
        value = ""
        if len(losses) and steps[-1] == last:
            value = short(float(losses[-1])) if np.isfinite(losses[-1]) else "not finite"
        self._headings[self.loss].say(f"{value} at step {last:,}" if value else f"step {last:,}", value)
        known = np.isfinite(shown.overhead)
        self._headings[self.profile].say(f"watching +{100 * shown.overhead:.2g} %" if known else "")


def _shortened(name: str) -> str:
    """Shorten a name to leave room for the rest of the key."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[-(_NAME // 2 - 1) :]}"
