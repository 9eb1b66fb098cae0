"""Another training run beside the one shown: dashed, on the same scales, and where the two part."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.axes.growing import GrowingDecades, GrowingLosses
from gradwidgets.figures.axes.thinning import thinned
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.moving_text import MovingText
from gradwidgets.figures.base.style import Style
from gradwidgets.figures.live.live_lines import LiveLines
from gradwidgets.figures.live.training import Training

_NOTHING = (np.empty(0), np.empty(0))
_PART = "they differ"


class Twin:
    """Draws the other run of a `Training`.

    Args:
        axes: The axes of the layers over the steps, of the latest profile, and of the loss.
        grown: The scales of these axes.
        lines: The animated lines.
        style: The colours.
        layout: The sizes.
    """

    def __init__(
        self,
        axes: tuple[Axes, Axes, Axes],
        grown: tuple[GrowingDecades, GrowingDecades, GrowingLosses],
        lines: LiveLines,
        style: Style,
        layout: Layout,
    ) -> None:
        self._axes, self._grown, self._lines = axes, grown, lines
        self._part = MovingText(
            fontsize=layout.small, color=style.ink, casing=style.plot, zorder=7, transform=axes[0].transAxes
        )
        axes[0].add_artist(self._part)
        self._above = 6 * layout.pixel / 72  # inches from the floor to the words

    def fit(self, shown: Training) -> list[Axes]:
        """Make room, before anything is drawn on a scale that would then change; return the axes that changed."""
        other = shown.beside
        if other is None:
            return []
        chosen = self._layers(shown) if shown.selected is None else [shown.selected]
        values = [*(other.values[:, k] for k in chosen), np.empty(0)]
        scales: tuple[GrowingDecades | GrowingLosses, ...] = self._grown
        fitted = np.concatenate(values), other.at(int(shown.steps[-1])), other.loss[np.isfinite(other.loss)]
        return [axes for axes, grown, these in zip(self._axes, scales, fitted, strict=True) if grown.fit(these)]

    def show(self, shown: Training) -> None:
        """Draw the other run: a few of its layers, or the selected one; nothing if there is no other run."""
        other, lines = shown.beside, self._lines
        if other is None:
            for name in (*(f"twin {k}" for k in lines.twins), "own twin", "twin now", "twin loss", "part", "loss part"):
                lines[name].set_data(*_NOTHING)
            self._part.set_text("")
            return
        height = self._grown[0].decades.height
        for k, layer in zip(lines.twins, self._layers(shown), strict=True):
            at = thinned(other.values[:, layer]) if shown.selected is None else np.empty(0, int)
            lines[f"twin {k}"].set_data(other.steps[at], height(other.values[at, layer]))
        own = _NOTHING if shown.selected is None else (other.steps, height(other.values[:, shown.selected]))
        lines["own twin"].set_data(*own)
        now = self._grown[1].decades.height(other.at(int(shown.steps[-1])))
        lines.join("twin now", np.arange(1, len(shown.layers) + 1), now)
        self._show_loss(other.loss_steps, other.loss)
        self._show_part(other.parted)

    def _layers(self, shown: Training) -> list[int]:
        return [int(shown.drawn[k]) for k in self._lines.twins]

    def _show_loss(self, steps: np.ndarray, losses: np.ndarray) -> None:
        known = np.flatnonzero(np.isfinite(losses))
        known = known[thinned(losses[known])]
        self._lines["twin loss"].set_data(steps[known], self._grown[2].height(losses[known]))

    def _show_part(self, step: int | None) -> None:
        for name, axes in (("part", self._axes[0]), ("loss part", self._axes[2])):
            ends = () if step is None else axes.get_ylim()
            self._lines[name].set_data(np.full(len(ends), step or 0), np.array(ends))
        self._name_part(step)

    def _name_part(self, step: int | None) -> None:
        """Write what the dotted line means beside it, on the side where there is more room."""
        axes = self._axes[0]
        left, right = axes.get_xlim()
        share = 0.0 if step is None else (step - left) / (right - left)
        gap = 5 * self._above / 6 * axes.figure.dpi / max(axes.bbox.width, 1)
        before = share > 0.5
        self._part.set_text("" if step is None else _PART)
        self._part.set_horizontalalignment("right" if before else "left")
        self._part.set_position((share + (-gap if before else gap), self._above * axes.figure.dpi / axes.bbox.height))
