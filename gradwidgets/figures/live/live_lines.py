"""The animated lines in the picture of a training run."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gradwidgets.figures.base.depth_colors import depth_colors
from gradwidgets.figures.base.layout import Layout
from gradwidgets.figures.base.marks import EDGE
from gradwidgets.figures.base.moving import MovingLine, moving_line
from gradwidgets.figures.base.style import Style
from gradwidgets.figures.live.training import DRAWN

MEASURED, FIRST, DEAD, RATIO, BESIDE = "#2457f0", "#5f6b85", "#d95a00", "#009a63", "#b93aa8"
_TWINS = 3  # layers for which the other run's line is drawn
_MARKED = 60  # layers up to which neighbouring marks can be told apart


class LiveLines:
    """The lines by name, and those of the layers over the steps.

    A line's look is fixed when it is drawn, so `begin` recreates them for another number of layers.

    Args:
        norms: The axes of the layers over the steps.
        profile: The axes of the latest values over the layers.
        health: The axes of the fraction of dead units.
        loss: The axes of the loss.
        near: The axes of the histogram.
        style: The colours.
        layout: The sizes.

    Attributes:
        lines: Name → line.
        of_layers: The lines of the layers over the steps.
        twins: The indices of those that have another run's dashed line beside them: the first, middle and last.
    """

    def __init__(
        self, norms: Axes, profile: Axes, health: Axes, loss: Axes, near: Axes, style: Style, layout: Layout
    ) -> None:
        self._axes = norms, profile, health, loss, near
        self._style, self._scale, self._pixel = style, layout.scale, layout.pixel
        self.lines: dict[str, MovingLine] = {}
        self.of_layers: list[MovingLine] = []
        self.twins: list[int] = []

    def __getitem__(self, name: str) -> MovingLine:
        """Return a line."""
        return self.lines[name]

    def join(self, name: str, x: np.ndarray, y: np.ndarray) -> None:
        """Draw a line through the known points."""
        known = np.isfinite(y)
        self.lines[name].set_data(x[known], y[known])

    def begin(self, layers: int) -> None:
        """Create all lines, empty, for a number of layers."""
        for former in self.lines.values():
            former.remove()
        style, scale, pixel = self._style, self._scale, self._pixel
        norms, profile, health, loss, near = self._axes
        blue = style.shown(MEASURED)
        thin, line = {"linewidth": 1.5 * pixel}, {"linewidth": 2.2 * pixel}
        alone = {"linestyle": "none"}
        edged = {**alone, "markeredgecolor": EDGE, "markeredgewidth": 0.8}
        plain = {"markeredgewidth": 0}
        zero = {"color": style.halo, "marker": "v", "markersize": 6 * scale, "zorder": 6, **edged}
        broken = {"color": style.alarm, "marker": "X", "markersize": 7 * scale, "zorder": 6, **edged}
        size = 4.2 * scale if layers <= _MARKED else 1.8 * scale
        colors = depth_colors(min(layers, DRAWN), style)
        single = {"markersize": 6 * pixel, "markeredgewidth": 0}  # for a run of one step
        self.of_layers = [moving_line(norms, color=color, zorder=3, **thin, **single) for color in colors]
        self.twins = sorted({round(k) for k in np.linspace(0, len(colors) - 1, min(len(colors), _TWINS))})
        dashed = {"linestyle": (0, (3.2, 2.0)), "linewidth": 1.9 * pixel}
        other, dotted = style.shown(BESIDE), {"linestyle": ":", "linewidth": 1.4 * pixel, "color": style.ink}
        dots = {"linewidth": 1.4 * pixel, "marker": "o", "markersize": 2.0 * scale if layers <= _MARKED else 0.0}
        points = {"marker": "o", **alone, **plain}
        size *= 1.15
        self.lines = {
            **{f"layer {k}": one for k, one in enumerate(self.of_layers)},
            "own": moving_line(norms, color=style.ink, zorder=5, casing=style.plot, linewidth=2.6 * pixel),
            **{f"twin {k}": moving_line(norms, color=colors[k], zorder=3.2, **dashed) for k in self.twins},
            "own twin": moving_line(norms, color=style.ink, zorder=4.9, **dashed),
            "twin now": moving_line(
                profile, color=other, zorder=3.8, marker="s", **dashed, **plain, markersize=0.6 * size
            ),
            "twin loss": moving_line(loss, color=other, zorder=3.9, **dashed),
            "part": moving_line(norms, zorder=2.5, **dotted),
            "loss part": moving_line(loss, zorder=2.5, **dotted),
            "zero": moving_line(norms, **zero),
            "broken": moving_line(norms, **broken),
            "first": moving_line(profile, color=style.shown(FIRST), zorder=3, **dots, **plain),
            "now": moving_line(profile, color=blue, zorder=4, marker="o", markersize=size, **plain, **line),
            "ratio": moving_line(
                profile, color=style.shown(RATIO), zorder=3.5, marker="D", markersize=0.75 * size, **alone, **plain
            ),
            "zero now": moving_line(profile, **{**zero, "markersize": size + 1.8 * scale}),
            "broken now": moving_line(profile, **{**broken, "markersize": size + 2.8 * scale}),
            "selected": moving_line(profile, color=style.accent, linewidth=1.6 * pixel, linestyle="--", zorder=2),
            "dead": moving_line(
                health, color=style.shown(DEAD), zorder=4, marker="o", markersize=0.6 * size, **plain, **line
            ),
            "loss": moving_line(loss, color=blue, zorder=4, **line),
            "loss now": moving_line(loss, color=blue, zorder=5, clip_on=False, **points, markersize=6.5 * pixel),
            "loss broken": moving_line(loss, **broken),
            "near": moving_line(near, color=blue, zorder=4, **line),
        }
        self.lines["loss now"].set_in_layout(False)  # as it is not clipped
