"""The picture of a network's gradient flow: a quantity over the layers, what ails them, one layer from near.

`FlowFigure.build` makes the artists, `update` changes them. Plain arrays go in; nothing is computed here but pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.decades import Decades
from gradwidgets.figures.layout import DPI, flow_layout
from gradwidgets.figures.marks import EDGE, label_axes, plot_axes
from gradwidgets.figures.moving import MovingLine, moving_line
from gradwidgets.figures.picture import Picture
from gradwidgets.figures.style import LIGHT, Style, own_look

MEASURED, PINNED, THEORY, SICK = "#0072b2", "#e69f00", "#7d8894", "#d7301f"
DEAD, SATURATED = "#d55e00", "#8e24aa"
_MARKED = 120  # layers up to which each has a mark of its own
_BINS = 60


@dataclass(frozen=True, eq=False)
class Detail:
    """One layer from near.

    Attributes:
        title: Which layer, and of what the histogram is.
        edges: (B + 1,) decimal logarithms of sizes.
        counts: (B,) how many values are of that size.
    """

    title: str
    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class Profile:
    """A quantity over the layers.

    Attributes:
        quantity: What it is, with its unit or measure.
        values: (L,) in order of execution; NaN where it was not measured.
        broken: (L,) where what was measured is not finite.
        sick: Indices of layers that a finding names.
        theory: (L,) what theory expects, or None.
        pinned: (M,) the profile that was pinned, or None.
        shares: Name → (L,) share of dead or saturated units; NaN where there are none.
        selected: Index of the layer looked at, or None.
        detail: What is seen of it.
        verdict: In a few words, or "".
    """

    quantity: str
    values: np.ndarray
    broken: np.ndarray
    sick: Sequence[int] = ()
    theory: np.ndarray | None = None
    pinned: np.ndarray | None = None
    shares: dict[str, np.ndarray] = field(default_factory=dict)
    selected: int | None = None
    detail: Detail | None = None
    verdict: str = ""


class FlowFigure:
    """Artists of the panel.

    Attributes:
        figure: The Matplotlib figure.
        profile: Axes of the quantity over the layers.
        health: Axes of the shares of dead and saturated units.
        near: Axes of one layer's histogram.
        lines: Name → what moves.
    """

    def __init__(self, width: int = 600, height: int = 470) -> None:
        self.figure = Picture(figsize=(width / DPI, height / DPI), dpi=DPI, layout="none")
        self.lines: dict[str, MovingLine] = {}
        self._decades = Decades(-2, 0)
        self._layers = 0

    def build(self, style: Style = LIGHT) -> None:
        """Make all artists anew, for the figure's present size."""
        with own_look():
            figure = self.figure
            for axes in figure.axes:
                figure.delaxes(axes)
            figure.clear()
            figure.set_facecolor(style.face)
            width, height = figure.get_size_inches() * DPI
            layout = self._layout = flow_layout(float(width), float(height))
            self._style, self._layers, self._decades = style, 0, Decades(-2, 0)
            self.profile = plot_axes(figure, layout.maps[0], style, layout)
            self.health = plot_axes(figure, layout.data, style, layout)
            self.near = plot_axes(figure, layout.losses, style, layout)
            for axes in (self.profile, self.health, self.near):
                axes.grid(color=style.faint, linewidth=0.6)
                axes.set_axisbelow(True)
            label_axes(self.profile, style, layout, x="layer, in order of execution")
            label_axes(self.health, style, layout, x="layer")
            label_axes(self.near, style, layout, x="size, as a power of ten")
            self.health.set_ylim(-0.04, 1.04)
            self.health.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
            self.near.set_yticks([])
            self.near.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            self._titles = [self._title(axes) for axes in (self.profile, self.health, self.near)]
            self._titles[1].set_text("dead ―  saturated ╌")
            self._make_lines(style, layout.scale)
            self._key()

    def _title(self, axes: Axes):
        layout = self._layout
        return axes.text(
            0.0,
            1.0 + 6 * layout.scale / max(axes.bbox.height, 1) * axes.figure.dpi / DPI,
            "",
            transform=axes.transAxes,
            ha="left",
            va="bottom",
            parse_math=False,
            fontsize=layout.label,
            color=self._style.ink,
        )

    def _make_lines(self, style: Style, scale: float) -> None:
        color = {"measured": style.bright.get(MEASURED, MEASURED), "pinned": PINNED, "theory": THEORY}
        line = {"linewidth": 1.5 * scale}
        plain = {"markeredgewidth": 0, **line}
        point = {"linestyle": "none", "markeredgecolor": EDGE, "markeredgewidth": 0.8}
        self.lines = {
            "pinned": moving_line(
                self.profile,
                color=color["pinned"],
                marker="D",
                markersize=3.6 * scale,
                markeredgewidth=0,
                zorder=3,
                **line,
            ),
            "theory": moving_line(self.profile, color=color["theory"], linestyle="--", zorder=2.5, **line),
            "measured": moving_line(
                self.profile,
                color=color["measured"],
                marker="o",
                markersize=4.2 * scale,
                markeredgewidth=0,
                zorder=4,
                **line,
            ),
            "sick": moving_line(self.profile, color=SICK, marker="s", markersize=6.2 * scale, zorder=5, **point),
            "zero": moving_line(self.profile, color=style.halo, marker="v", markersize=7 * scale, zorder=6, **point),
            "broken": moving_line(self.profile, color=SICK, marker="X", markersize=8 * scale, zorder=6, **point),
            "selected": moving_line(self.profile, color=SICK, linewidth=1.0 * scale, linestyle="--", zorder=2),
            "dead": moving_line(self.health, color=DEAD, zorder=4, **line),
            "saturated": moving_line(self.health, color=SATURATED, linestyle="--", zorder=3, **line),
            "histogram": moving_line(self.near, color=color["measured"], zorder=3, **line),
        }

    def _key(self) -> None:
        layout, figure, style = self._layout, self.figure, self._style
        usual = {"markersize": 6 * layout.scale, "markeredgewidth": 0.8, "linewidth": 1.6 * layout.scale}
        marks = [
            ("measured", {"color": style.bright.get(MEASURED, MEASURED), "marker": "o", "markeredgewidth": 0}),
            ("theory", {"color": THEORY, "linestyle": "--", "marker": ""}),
            ("pinned", {"color": PINNED, "marker": "D", "markeredgewidth": 0}),
            ("sick", {"color": SICK, "marker": "s", "linestyle": "none", "markeredgecolor": EDGE}),
            ("zero", {"color": style.halo, "marker": "v", "linestyle": "none", "markeredgecolor": EDGE}),
            ("not finite", {"color": SICK, "marker": "X", "linestyle": "none", "markeredgecolor": EDGE}),
        ]
        at = layout.key_left
        for text, look in marks:
            reach = 0.0 if look.get("linestyle") == "none" else 1.1 * layout.key_gap
            ends = [at - reach, at, at + reach]
            figure.add_artist(Line2D(ends, [layout.key_y] * 3, markevery=[1], **{**usual, **look}))
            label = figure.text(
                at + reach + 0.9 * layout.key_gap,
                layout.key_y,
                text,
                color=style.muted,
                fontsize=layout.small,
                va="center_baseline",
            )
            width = label.get_window_extent(figure.canvas.get_renderer()).width / figure.bbox.width
            at += reach + 3.2 * layout.key_gap + width

    def update(self, shown: Profile, *, settle: bool = True) -> list[Axes]:
        """Change the picture.

        Args:
            shown: What to show.
            settle: Whether the logarithmic axis may take other decades; while a hand moves it only grows.

        Returns:
            The axes that must be drawn again with their labels; what else changed moves over the background.
        """
        with own_look():
            changed = self._fit(shown, settle)
            heights, positions = self._decades.height(shown.values), np.arange(1, len(shown.values) + 1)
            low, high = self._decades.limits
            measured = self.lines["measured"]
            measured.set_marker("o" if len(positions) <= _MARKED else "")
            _over(measured, positions, heights)
            _over(self.lines["theory"], positions, None if shown.theory is None else self._decades.height(shown.theory))
            pinned = None if shown.pinned is None else self._decades.height(shown.pinned)
            spread = None if pinned is None else np.linspace(1, max(len(positions), 1), len(pinned))
            _over(self.lines["pinned"], spread, pinned)
            sick = np.array([k for k in shown.sick if np.isfinite(heights[k])], int)
            self.lines["sick"].set_data(positions[sick], heights[sick])
            zero = np.flatnonzero(shown.values == 0)
            self.lines["zero"].set_data(positions[zero], np.full(len(zero), low + 0.03 * (high - low)))
            broken = np.flatnonzero(shown.broken)
            self.lines["broken"].set_data(positions[broken], np.full(len(broken), high - 0.03 * (high - low)))
            at = [] if shown.selected is None else [shown.selected + 1] * 2
            self.lines["selected"].set_data(at, [low, high][: len(at)])
            for name in ("dead", "saturated"):
                shares = shown.shares.get(name)
                here = np.flatnonzero(np.isfinite(shares)) if shares is not None else np.empty(0, int)
                self.lines[name].set_data(positions[here], [] if shares is None else shares[here])
            changed += self._show_detail(shown.detail)
        return list(dict.fromkeys(changed))

    def _fit(self, shown: Profile, settle: bool) -> list[Axes]:
        changed = []
        everything = [shown.values, *(one for one in (shown.theory, shown.pinned) if one is not None)]
        decades = Decades.of(np.concatenate(everything))
        if not settle:
            decades = Decades(min(decades.low, self._decades.low), max(decades.high, self._decades.high))
        if decades != self._decades or not self._layers:
            self._decades = decades
            self.profile.set_ylim(decades.limits)
            self.profile.set_yticks(list(decades.ticks), list(decades.ticks.values()))
            changed.append(self.profile)
        if len(shown.values) != self._layers:
            self._layers = len(shown.values)
            for axes in (self.profile, self.health):
                axes.set_xlim(0.4, max(self._layers, 1) + 0.6)
                axes.xaxis.set_major_locator(MaxNLocator(8 if axes is self.profile else 4, integer=True, min_n_ticks=1))
            changed += [self.profile, self.health]
        title = shown.quantity + (f"   {shown.verdict}" if shown.verdict else "")
        if self._titles[0].get_text() != title:
            self._titles[0].set_text(title)
            changed.append(self.profile)
        return changed

    def _show_detail(self, detail: Detail | None) -> list[Axes]:
        title = "click a layer to see it from near" if detail is None else detail.title
        changed = [self.near] if self._titles[2].get_text() != title else []
        self._titles[2].set_text(title)
        if detail is None:
            self.lines["histogram"].set_data([], [])
            return changed
        limits = (float(detail.edges[0]), float(detail.edges[-1]))
        if self.near.get_xlim() != limits:
            self.near.set_xlim(limits)
            changed.append(self.near)
        top = max(float(detail.counts.max(initial=0)), 1.0)
        self.near.set_ylim(0, 1.08)
        self.lines["histogram"].set_data(np.repeat(detail.edges, 2)[1:-1], np.repeat(detail.counts / top, 2))
        return changed

    def layer_at(self, axes: Axes | None, x: float | None) -> int | None:
        """Return the index of the layer under the mouse, or None."""
        if axes is None or x is None or axes not in (self.profile, self.health) or not self._layers:
            return None
        return int(min(max(round(x), 1), self._layers)) - 1


def _over(line: MovingLine, positions: np.ndarray | None, heights: np.ndarray | None) -> None:
    """Draw heights over positions, joining what is known."""
    if positions is None or heights is None:
        line.set_data([], [])
        return
    known = np.isfinite(heights)
    line.set_data(positions[known], heights[known])
