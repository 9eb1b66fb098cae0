"""The picture of a training that runs: norms and loss over the steps, the layers now, how large the gradients are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from gradwidgets.figures.decades import Decades
from gradwidgets.figures.layout import DPI, live_layout
from gradwidgets.figures.marks import label_axes, plot_axes
from gradwidgets.figures.moving import moving_line
from gradwidgets.figures.picture import Picture
from gradwidgets.figures.side_plot import PERCENT, Curve, Detail, SidePlot, plot_title
from gradwidgets.figures.style import LIGHT, Style, own_look

LINES = 12  # layers whose curves are drawn
POINTS = 300  # of a curve
_SELECTED = "#d7301f"


@dataclass(frozen=True, eq=False)
class Training:
    """What is known of a training.

    Attributes:
        steps: (S,) at which samples were taken, ascending.
        values: (S, L) of the layers.
        layers: Their names, L.
        quantity: What `values` is.
        loss: (S,) NaN where it is not known.
        dead: (L,) share of dead units at the newest sample; NaN where there are none.
        edges: (B + 1,) decimal logarithms, of the histogram.
        counts: (B,).
        detail: Of what the histogram is.
        selected: Index of a layer that is looked at, or None.
        waiting: What to say while there is nothing.
    """

    steps: np.ndarray
    values: np.ndarray
    layers: Sequence[str]
    quantity: str
    loss: np.ndarray
    dead: np.ndarray
    edges: np.ndarray
    counts: np.ndarray
    detail: str
    selected: int | None = None
    waiting: str = ""

    @classmethod
    def empty(cls, waiting: str) -> Training:
        """Nothing yet.

        Args:
            waiting: What to say.
        """
        none = np.empty(0)
        return cls(none, np.empty((0, 0)), (), "", none, none, np.arange(2.0), np.zeros(1), "", None, waiting)


class LiveFigure:
    """The plots of a training.

    Args:
        figure: What they are drawn on.

    Attributes:
        figure: The same.
        norms: Axes of the layers' curves over the steps.
        lines: Their curves, first layer first, and after them the selected one's.
    """

    def __init__(self, figure: Picture) -> None:
        self.figure = figure
        self.lines: list[Line2D] = []

    def build(self, style: Style = LIGHT) -> None:
        """Make all artists anew, for the figure's present size."""
        with own_look():
            figure = self.figure
            for axes in figure.axes:
                figure.delaxes(axes)
            figure.clear()
            figure.set_facecolor(style.face)
            width, height = figure.get_size_inches() * DPI
            self._style = style
            layout, below = live_layout(float(width), float(height))
            self._layout = layout
            self.norms = plot_axes(figure, layout.maps[0], style, layout)
            self.norms.grid(color=style.faint, linewidth=0.6)
            self.norms.set_axisbelow(True)
            label_axes(self.norms, style, layout, x="step")
            self._title = plot_title(self.norms, style, layout)
            self.loss = SidePlot(figure, layout.data, style, layout)
            self.now, self.health, self.sizes = (SidePlot(figure, box, style, layout) for box in below)
            dark = bool(np.mean(to_rgb(style.plot)) < 0.5)
            ramp = colormaps["viridis"](np.linspace(0.28, 1.0, LINES) if dark else np.linspace(0.0, 0.82, LINES))
            self._ramp = [tuple(color) for color in ramp]
            usual = {"linewidth": 1.2 * layout.scale}
            self.lines = [
                moving_line(self.norms, color=color, zorder=3 + 0.01 * k, **usual) for k, color in enumerate(self._ramp)
            ]
            self.lines.append(moving_line(self.norms, color=_SELECTED, linewidth=2.2 * layout.scale, zorder=5))
            self._waiting = self.norms.text(
                0.5,
                0.5,
                "",
                transform=self.norms.transAxes,
                ha="center",
                va="center",
                wrap=True,
                parse_math=False,
                fontsize=layout.label,
                color=style.muted,
            )
            self._key: list = []
            self._forget()

    def _forget(self) -> None:
        self._decades: dict[str, Decades] = {}
        self._explained: tuple[str, ...] | None = None
        self._last, self._end, self._told = -1, 0, None
        self._low_high: tuple[float, float] | None = None

    def update(self, shown: Training) -> tuple[list[Axes], bool]:
        """Change the picture.

        Args:
            shown: What to show.

        Returns:
            The axes that must be drawn again with their labels, and whether all must be.
        """
        with own_look():
            count = len(shown.steps)
            newest = int(shown.steps[-1]) if count else 0
            if newest < self._last or not count:
                self._forget()
            self._last = newest
            ends = (shown.layers[0], shown.layers[-1]) if len(shown.layers) > 1 else tuple(shown.layers)
            whole = ends != self._explained
            if whole:
                self._explain(ends)
            changed = self._draw_norms(shown)
            changed += self.loss.update(self._loss_detail(shown))
            changed += self.now.update(self._now_detail(shown))
            changed += self.health.update(_dead_detail(shown))
            title = shown.detail or "how large the gradients are"
            if count and shown.counts.any():
                changed += self.sizes.update(Detail.histogram(title, shown.edges, shown.counts))
            else:
                changed += self.sizes.update(Detail(title))
        return list(dict.fromkeys(changed)), whole

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is None or x is None or axes not in (self.now.axes, self.health.axes):
            return None
        layers = round(self.now.axes.get_xlim()[1] - 0.6)
        return int(min(max(round(x), 1), layers)) - 1 if layers else None

    # -- the plots ----------------------------------------------------------------------------------------

    def _draw_norms(self, shown: Training) -> list[Axes]:
        decades = self._grown(shown.quantity, shown.values)
        end = self._round_end(shown.steps)
        title = shown.quantity + (" over the steps" if shown.quantity else "")
        told = (decades, end, title, shown.waiting)
        changed = [] if told == self._told else [self.norms]
        if changed:
            self._told = told
            self.norms.set_ylim(decades.limits)
            self.norms.set_yticks(list(decades.ticks), list(decades.ticks.values()))
            self.norms.set_xlim(0, end)
            self._title.set_text(title)
            self._waiting.set_text(shown.waiting)
        which = drawn_layers(len(shown.layers))
        x, thinned = thin(shown.steps, shown.values[:, which])
        heights = decades.height(thinned)
        # Fewer layers than lines: their colours still span the ramp.
        places = np.linspace(0, LINES - 1, len(which)).round().astype(int) if len(which) else np.empty(0, int)
        for k, line in enumerate(self.lines[:LINES]):
            column = np.flatnonzero(places == k)
            _curve(line, x, heights[:, column[0]] if column.size else None)
        if shown.selected is None or not len(shown.steps):
            _curve(self.lines[-1], x, None)
        else:
            x, one = thin(shown.steps, shown.values[:, [shown.selected]])
            _curve(self.lines[-1], x, decades.height(one)[:, 0])
        return changed

    def _round_end(self, steps: np.ndarray) -> float:
        """Where the axis of steps ends: far enough that it seldom moves."""
        last = max(int(steps[-1]) if len(steps) else 1, 10)
        if last > self._end:
            decade = 10 ** int(np.floor(np.log10(last)))
            self._end = next(k * decade for k in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15) if k * decade >= last)
        return float(self._end)

    def _grown(self, name: str, values: np.ndarray) -> Decades:
        """The decades that hold what is and was shown under a name."""
        decades = Decades.of(np.asarray(values, float).ravel())
        known = self._decades.get(name)
        usable = np.isfinite(values) & (values > 0)
        if known is not None:
            low, high = known.low, known.high
            decades = Decades(min(low, decades.low), max(high, decades.high)) if usable.any() else known
        if usable.any():
            self._decades[name] = decades
        return decades

    def _loss_detail(self, shown: Training) -> Detail:
        known = shown.loss[np.isfinite(shown.loss)]
        end = self._round_end(shown.steps)
        if not known.size:
            return Detail("loss" if not len(shown.steps) else "loss: not noted", (), (0.0, end, 0.0, 1.0))
        x, y = thin(shown.steps, shown.loss[:, None])
        if known.min() > 0 and known.max() > 30 * known.min():
            decades = self._grown("loss", known)
            limits, ticks, heights = decades.limits, decades.ticks, decades.height(y[:, 0])
        else:
            limits, ticks, heights = self._round_loss(known), None, y[:, 0]
        seen = np.isfinite(heights)
        return Detail("loss", [Curve("now", x[seen], heights[seen])], (0.0, end, *limits), ticks, x_label="step")

    def _round_loss(self, known: np.ndarray) -> tuple[float, float]:
        low, high = float(known.min()), float(known.max())
        before = self._low_high
        if before is None or low < before[0] or high > before[1]:
            spread = (high - low) or abs(high) or 1.0
            low, high = low - 0.3 * spread if low < 0 else max(0.0, low - 0.3 * spread), high + 0.1 * spread
            if before is not None:
                low, high = min(low, before[0]), max(high, before[1])
            self._low_high = low, high
        return self._low_high

    def _now_detail(self, shown: Training) -> Detail:
        layers = len(shown.layers)
        limits = 0.4, max(layers, 1) + 0.6
        if not len(shown.steps):
            return Detail("the layers now", (), (*limits, 0.0, 1.0))
        decades = self._grown(f"{shown.quantity} now", shown.values[[0, -1]])
        at = np.arange(1, layers + 1)
        curves = []
        for look, values in (("limit", shown.values[0]), ("now", shown.values[-1])):
            heights = decades.height(values)
            seen = np.isfinite(heights)
            curves.append(Curve(look, at[seen], heights[seen]))
        if shown.selected is not None:
            curves.append(Curve("second", np.full(2, shown.selected + 1.0), np.array(decades.limits)))
        title = "the layers now ―  at first ╌"
        return Detail(title, curves, (*limits, *decades.limits), decades.ticks, x_label="layer")

    def _explain(self, ends: tuple[str, ...]) -> None:
        """Say over the norms which colours the first and the last layer have."""
        for artist in self._key:
            artist.remove()
        self._key, self._explained = [], ends
        layout, figure, style = self._layout, self.figure, self._style
        if not ends:
            return
        at = layout.key_left

        def text(words: str) -> None:
            nonlocal at
            label = figure.text(
                at,
                layout.key_y,
                words if len(words) <= 24 else words[:23] + "…",
                parse_math=False,
                color=style.muted,
                fontsize=layout.small,
                va="center_baseline",
            )
            self._key.append(label)
            at += label.get_window_extent(figure.canvas.get_renderer()).width / figure.bbox.width + layout.key_gap

        text(ends[0])
        for color in self._ramp if len(ends) > 1 else self._ramp[:1]:
            piece = Line2D([at, at + layout.key_gap], [layout.key_y] * 2, color=color, linewidth=3 * layout.scale)
            piece.set_solid_capstyle("butt")
            self._key.append(figure.add_artist(piece))
            at += layout.key_gap
        at += layout.key_gap
        if len(ends) > 1:
            text(ends[1])


def drawn_layers(layers: int) -> np.ndarray:
    """Which of the layers have curves: all up to `LINES`, else the first, the last and some evenly between."""
    return np.unique(np.linspace(0, layers - 1, min(layers, LINES)).round().astype(int)) if layers else np.empty(0, int)


def thin(steps: np.ndarray, values: np.ndarray, most: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most about `most` points of each curve, the extremes and the newest among them.

    Args:
        steps: (S,).
        values: (S, L).
        most: How many.

    Returns:
        Steps (P,) and values (P, L).
    """
    count = len(steps)
    if count <= most:
        return steps, values
    size = -(-2 * count // most)
    buckets = count // size
    rest = count - buckets * size  # at the beginning, the newest are whole
    parts = values[rest:].reshape(buckets, size, -1)
    usual = np.where(np.isfinite(parts), parts, np.nan)
    known = np.isfinite(usual).any(axis=1)
    low = np.where(known, np.where(np.isnan(usual), np.inf, usual).min(axis=1), np.nan)
    high = np.where(known, np.where(np.isnan(usual), -np.inf, usual).max(axis=1), np.nan)
    x = steps[rest:].reshape(buckets, size)
    both = np.stack([low, high], axis=1).reshape(2 * buckets, -1)
    at = np.stack([x[:, 0], x[:, size // 2]], axis=1).ravel()
    return np.concatenate([steps[:rest][:1], at, steps[-1:]]), np.concatenate([values[:rest][:1], both, values[-1:]])


def _dead_detail(shown: Training) -> Detail:
    at = np.arange(1, len(shown.dead) + 1)
    known = np.isfinite(shown.dead)
    limits = (0.4, max(len(shown.layers), 1) + 0.6, -0.04, 1.04)
    return Detail("dead units", [Curve("share", at[known], shown.dead[known])], limits, PERCENT, x_label="layer")


def _curve(line: Line2D, x: np.ndarray, heights: np.ndarray | None) -> None:
    if heights is None:
        line.set_data([], [])
        return
    seen = np.isfinite(heights)
    line.set_data(x[seen], heights[seen])
