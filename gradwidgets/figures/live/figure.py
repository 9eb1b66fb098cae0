"""The live picture of a training run: the layers over the steps, the latest profile, the loss.

`LiveFigure.update` shows a `Training`, plain arrays, and returns what must be redrawn. Nothing is computed here but
pixels. What changes with every sample is animated over the background, whose axes grow only in round steps. Entering
our own style takes as long as all other changes together, so it is entered only to create artists, which is rare.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.growing import GrowingDecades, GrowingLosses, GrowingSteps
from gradwidgets.figures.axes.layer_names import name_layers
from gradwidgets.figures.axes.thinning import spaced, thinned
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.depth_colors import depth_key
from gradwidgets.figures.base.layout import Box, live_layout
from gradwidgets.figures.base.marks import label_axes, plot_axes
from gradwidgets.figures.base.moving import MovingLine
from gradwidgets.figures.base.panel_text import Key, Notice, fit, footnote, title, wrapped
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.figures.base.style import STYLES, Style, own_look
from gradwidgets.figures.live.element_sizes import ElementSizes
from gradwidgets.figures.live.live_lines import BESIDE, DEAD, FIRST, MEASURED, RATIO, LiveLines
from gradwidgets.figures.live.live_twin import Twin
from gradwidgets.figures.live.training import Training

_NAME = 10  # letters of another run's name, at most
_MARKS = 36  # along one edge of a plot, at most
_LAYER = "layer, in order of execution"
_NO_LOSS = "the loss is not known"
_ZERO, _BROKEN, _PART = "▼ zero", "✖ not finite", "┆ they differ"


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
        layout = self._layout = live_layout(width, height)
        self._style = style
        self.norms = plot_axes(figure, layout.maps[0], style, layout)
        self.profile = plot_axes(figure, layout.maps[1], style, layout)
        self.health = plot_axes(figure, _lower_part(layout.maps[1]), style, layout)
        self.loss = plot_axes(figure, layout.upper, style, layout)
        self.near = plot_axes(figure, layout.losses, style, layout)
        self._plots = self.norms, self.profile, self.loss, self.near
        for axes in (*self._plots, self.health):
            axes.grid(color=style.faint, linewidth=0.6)
            axes.set_axisbelow(True)
        label_axes(self.norms, style, layout, x="step")
        label_axes(self.loss, style, layout, x="step")
        self.health.set_ylim(-0.06, 1.06)
        self.health.set_yticks([0, 1], ["0", "100 %"])
        self._make_texts(style)
        self._grown = GrowingDecades(self.norms), GrowingDecades(self.profile), GrowingLosses(self.loss)
        self._steps = GrowingSteps(self.norms), GrowingSteps(self.loss)
        self._drawn = LiveLines(self.norms, self.profile, self.health, self.loss, self.near, style, layout)
        self._twin = Twin((self.norms, self.profile, self.loss), self._grown, self._drawn)
        self._run: tuple[tuple[str, ...], str, str | None] | None = None
        self._newest = 0
        self._quantity = ""
        self._waiting: str | None = None
        self._with_health = True
        self._show_health(False)
        self._wait("")

    def _make_texts(self, style: Style) -> None:
        layout, figure = self._layout, self.figure
        self._titles = {axes: title(axes, style, layout) for axes in (self.norms, self.profile, self.loss)}
        self._sizes = ElementSizes(self.near, style, layout)
        self._key_width = depth_key(self.norms, style, layout)
        self._titles[self.loss].set_text("loss")
        self._titles[self.profile].set_text("layers")
        self._key = Key(self._titles[self.profile], style, layout)
        self._latest = {axes: title(axes, style, layout, right=True, moving=True) for axes in (self.profile, self.loss)}
        self._no_loss = Notice(self.loss, style, layout)
        self._marks = {axes: footnote(axes, style, layout) for axes in (self.norms, self.loss)}
        self._sentence = figure.text(
            0.5, 0.5, "", ha="center", va="center", parse_math=False, fontsize=layout.title * 1.15, color=style.muted
        )

    def _change(self, shown: Training, before: Training | None) -> Redraw:
        samples = len(shown.steps)
        whole = self._wait("" if samples else shown.waiting or " ")
        if not samples:
            self._run = None
            return Redraw(everything=whole)
        goes_on = self._begin(shown)
        has_dead = shown.dead is not None and bool(np.isfinite(shown.dead).any())
        whole |= self._show_health(has_dead or (goes_on and self._with_health))
        changed = [*self._name(shown), *self._fit_steps(shown), *self._twin.fit(shown), *self._show_loss(shown)]
        if len(shown.layers):
            changed += [*self._show_norms(shown), *self._show_profile(shown)]
        self._twin.show(shown)
        marks = {_ZERO: ("zero", "zero now"), _BROKEN: ("broken", "broken now"), _PART: ("part",)}
        changed += self._explain(self.norms, marks)
        changed += self._explain(self.loss, {_BROKEN: ("loss broken",)})
        changed += [self.near] * self._sizes.show(shown.detail, self._drawn["near"], shown.no_detail)
        self._show_latest(shown)
        return Redraw(with_labels=tuple(dict.fromkeys(changed)), everything=whole)

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is None or x is None or axes not in (self.profile, self.health) or not self._run or not self._run[0]:
            return None
        return int(min(max(round(x), 1), len(self._run[0]))) - 1

    # -- what stays for a while -----------------------------------------------------------------------------

    def _wait(self, words: str) -> bool:
        """Show a sentence instead of the plots, or the plots; return whether that changed anything."""
        if words == self._waiting:
            return False
        self._waiting = words
        self._sentence.set_text(wrapped(words, 0.7 * self.figure.bbox.width, self._sentence) if words else "")
        for axes in self._plots:
            axes.set_visible(not words)
        self.health.set_visible(self._with_health and not words)
        return True

    def _show_health(self, seen: bool) -> bool:
        """Show or hide the axes of dead units; return whether that changed anything."""
        if seen == self._with_health:
            return False
        self._with_health = seen
        box = self._layout.maps[1]
        self.health.set_visible(seen)
        self.profile.set_position(_upper_part(box) if seen else box)
        self.profile.tick_params(labelbottom=not seen)
        self.profile.set_xlabel("")
        with own_look():
            label_axes(self.health if seen else self.profile, self._style, self._layout, x=_LAYER)
        return True

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
        for axes in (self.profile, self.health):
            name_layers(axes, len(shown.layers), shown.layers if shown.named else ())
        return False

    def _name(self, shown: Training) -> list[Axes]:
        changed = []
        if shown.title != self._quantity:
            self._quantity = shown.title
            room = self.norms.bbox.width - self._key_width - 8 * self._layout.scale
            for words in (shown.title, shown.title.removesuffix(", rms")):
                fit(self._titles[self.norms], words, room)
                if self._titles[self.norms].get_text() == words:
                    break
            changed.append(self.norms)
        style = self._style
        parts = [("● now", style.shown(MEASURED))]
        if len(shown.steps) > 1:
            parts.append(("― first", FIRST))
        if shown.update_ratio is not None:
            parts.append(("◆ update/weight", RATIO))
        if shown.beside is not None:
            parts.append((f"╌ {_shortened(shown.beside.name)}", style.shown(BESIDE)))
        if self._with_health:
            parts.append(("― dead, below" if shown.beside is None else "― dead", DEAD))
        return changed + [self.profile] * self._key.show(parts)

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
        for line, values, at in zip(lines.of_layers, kept, chosen, strict=True):
            line.set_data(shown.steps[at], height(values))
        lines["own"].set_data(shown.steps[chosen_own], height(own))
        newest = height(rows[:, -1])
        lines["newest"].set_data(np.full(len(layers), shown.steps[-1]), newest)
        low, high = axis.edges
        self._mark("zero", shown.steps[(rows == 0).any(0)], low)
        self._mark("broken", shown.steps[shown.broken_at(slice(None), layers).any(1)], high)
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
        changed = [self.loss] * self._no_loss.say("" if len(losses) else _NO_LOSS)
        axis, lines = self._grown[2], self._drawn
        known = np.flatnonzero(np.isfinite(losses))
        known = known[thinned(losses[known])]
        if axis.fit(losses[known]):
            changed.append(self.loss)
        heights = axis.height(losses[known])
        lines["loss"].set_data(steps[known], heights)
        lines["loss now"].set_data(steps[known[-1:]], heights[-1:])
        low, high = self.loss.get_ylim()
        self._mark("loss broken", steps[~np.isfinite(losses)], high - 0.035 * (high - low))
        return changed

    def _mark(self, name: str, steps: np.ndarray, height: float) -> None:
        steps = spaced(steps, self._steps[0].span / _MARKS)
        self._drawn[name].set_data(steps, np.full(len(steps), height))

    def _explain(self, axes: Axes, marks: dict[str, tuple[str, ...]]) -> list[Axes]:
        """Explain the visible marks below the axes; return the axes if that changed anything."""
        lines = self._drawn.lines
        seen = [text for text, names in marks.items() if any(np.size(lines[k].get_xdata()) for k in names)]
        words = "   ".join(seen[:2])  # a third would reach the axis' label
        if words == self._marks[axes].get_text():
            return []
        self._marks[axes].set_text(words)
        return [axes]

    def _show_latest(self, shown: Training) -> None:
        steps, losses = shown.noted
        last = f"step {shown.span[1]:,}"
        if not len(losses) or steps[-1] != shown.span[1]:
            value = ""
        else:
            value = f"{short(float(losses[-1]))} at " if np.isfinite(losses[-1]) else "not finite at "
        self._latest[self.loss].set_text(value + last)
        known = np.isfinite(shown.overhead)
        watching = f"watching +{100 * shown.overhead:.2g} %" if known else ""
        self._latest[self.profile].set_text(watching if self._key.leaves(watching) else "")


def _shortened(name: str) -> str:
    """Shorten a name to leave room for the rest of the key."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}…{name[-(_NAME // 2 - 1) :]}"


def _lower_part(box: Box) -> Box:
    left, bottom, width, height = box
    return left, bottom, width, 0.2 * height


def _upper_part(box: Box) -> Box:
    left, bottom, width, height = box
    return left, bottom + 0.25 * height, width, 0.75 * height
