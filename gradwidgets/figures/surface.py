"""The explorer's picture: one or two loss surfaces, the scale of their colours, and cuts through the point.

`SurfaceFigure.build` makes the artists, `show` changes the surfaces, `move` the operating point and the cuts. With one
axis there is a curve in the place of the map. Plain arrays go in; nothing is computed here but pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradwidgets.figures.layout import DPI, Layout, surface_layout
from gradwidgets.figures.marks import EDGE, label_axes, plot_axes
from gradwidgets.figures.moving import moving_line
from gradwidgets.figures.picture import Picture
from gradwidgets.figures.style import BANDS, LIGHT, Style, loss_line, own_look
from gradwidgets.figures.surface_map import CRITICAL, POINT, Surface, SurfaceMap
from gradwidgets.figures.surface_scale import SurfaceScale


@dataclass(frozen=True, eq=False)
class Cut:
    """A loss along one axis, the other held.

    Attributes:
        values: (W,) the parameter.
        loss: Name of the loss → (W,).
    """

    values: np.ndarray
    loss: Mapping[str, np.ndarray]


class SurfaceFigure:
    """Artists of the explorer.

    Attributes:
        figure: The Matplotlib figure.
        maps: The maps, from the left; [] for a curve.
        plots: The plots beside them, the upper one first: cuts through the point; for a curve, its gradient.
    """

    def __init__(self, width: int = 600, height: int = 470) -> None:
        self.figure = Picture(figsize=(width / DPI, height / DPI), dpi=DPI, layout="none")
        self.maps: list[SurfaceMap] = []
        self.plots: list[CutPlot] = []

    def build(
        self, names: tuple[str, ...], sides: Sequence[np.ndarray], losses: Sequence[str], style: Style = LIGHT
    ) -> None:
        """Make all artists anew, for the figure's present size.

        Args:
            names: The one or two axes' names, horizontal first.
            sides: Their grids.
            losses: Names of the losses, one or two.
            style: Colours.
        """
        with own_look():
            figure = self.figure
            for axes in figure.axes:
                figure.delaxes(axes)
            figure.clear()
            figure.set_facecolor(style.face)
            width, height = figure.get_size_inches() * DPI
            flat = len(names) == 1
            layout, bar = surface_layout(1 if flat else len(losses), float(width), float(height))
            self._style, self._layout, self._losses, self._key = style, layout, tuple(losses), []
            self._told: tuple | None = None
            self.maps, self._bar = [], None
            if flat:
                whole = CutPlot(figure, layout.maps[0], names[0], "loss", losses, style, layout)
                slope = CutPlot(figure, _both(layout), names[0], "gradient", losses, style, layout)
                self.plots = [whole, slope]
            else:
                self.maps = [
                    SurfaceMap(figure, k, sides[0], sides[1], (names[0], names[1]), style, layout)
                    for k in range(len(losses))
                ]
                self._bar = _Bar(figure, bar, style, layout)
                boxes = layout.data, layout.losses
                self.plots = [
                    CutPlot(figure, box, name, "loss", losses, style, layout)
                    for box, name in zip(boxes, names, strict=True)
                ]

    def show(
        self, surfaces: Sequence[Surface], scale: SurfaceScale, arrows: str, *, explain: bool = True
    ) -> tuple[list[Axes], list[Axes], bool]:
        """Change the surfaces under the point.

        Args:
            surfaces: One for each map.
            scale: The colours that they share.
            arrows: "direction", "magnitude" or "off".
            explain: Whether the line over the map is to name the marks that there are now; else it stays.

        Returns:
            The axes that must be drawn again within their frame, those with their labels, and whether all must be.
        """
        with own_look():
            for one, surface in zip(self.maps, surfaces, strict=True):
                one.show(surface, scale, arrows)
            labels = [self._bar.axes] if self._bar is not None and self._bar.show(scale) else []
            kinds = {kind for surface in surfaces for kind, _, _ in surface.critical}
            dead = any(surface.dead is not None and surface.dead.any() for surface in surfaces)
            blank = any(not np.isfinite(surface.loss).all() for surface in surfaces)
            told = (tuple(kind for kind in CRITICAL if kind in kinds), dead, blank)
            changed = explain and told != self._told
            if changed:
                self._told = told
                self._explain(*told)
        return [one.axes for one in self.maps], labels, changed

    def _explain(self, kinds: Sequence[str], dead: bool, blank: bool) -> None:
        """Name the marks in one line over the map."""
        for artist in self._key:
            artist.remove()
        layout = self._layout
        marks = [("o", self._style.halo), *(CRITICAL[kind] for kind in kinds)]
        usual = {"linestyle": "none", "markeredgecolor": EDGE, "markeredgewidth": 0.9, "markersize": 7 * layout.scale}
        self._key, at = [], layout.key_left
        for text, (marker, color) in zip(["point", *kinds], marks, strict=True):
            at = self._name(at, Line2D([at], [layout.key_y], marker=marker, color=color, **usual), text)
        for text in ["┅ dead"] * dead + ["▨ not finite"] * blank:
            at = self._name(at - layout.key_gap, None, text)

    def _name(self, at: float, line: Line2D | None, text: str) -> float:
        layout, figure = self._layout, self.figure
        label = figure.text(
            at + layout.key_gap,
            layout.key_y,
            text,
            color=self._style.muted,
            fontsize=layout.small,
            va="center_baseline",
        )
        self._key += [*([figure.add_artist(line)] if line is not None else []), label]
        return (
            at + 2.3 * layout.key_gap + label.get_window_extent(figure.canvas.get_renderer()).width / figure.bbox.width
        )

    def move(
        self,
        point: Sequence[float] | None,
        gradients: Sequence[Sequence[float] | None],
        cuts: Sequence[Cut],
        paths: Sequence[np.ndarray | None],
        *,
        settle: bool = True,
    ) -> list[Axes]:
        """Move the operating point.

        Args:
            point: A number for each axis, or None for none.
            gradients: The gradient there, for each map.
            cuts: What the plots show, the upper one first.
            paths: The descent from there, for each map.
            settle: Whether the plots may take another scale; while a hand moves they keep theirs.

        Returns:
            The axes whose scale changed with it.
        """
        for one, gradient, path in zip(self.maps, gradients, paths, strict=False):
            one.move(point, gradient, path)
        changed = []
        for k, (plot, cut) in enumerate(zip(self.plots, cuts, strict=True)):
            at = None if point is None else point[k if self.maps else 0]
            if plot.move(cut, at, settle=settle):
                changed.append(plot.axes)
        return changed

    def point_at(self, axes: Axes | None, x: float | None, y: float | None) -> tuple[float | None, float | None] | None:
        """Return the parameters (horizontal, vertical) under the mouse; one of them, on a cut or a curve; else None."""
        if axes is None:
            return None
        if any(axes is one.axes for one in self.maps):
            return float(x), float(y)
        for k, plot in enumerate(self.plots):
            if axes is plot.axes:
                return (float(x), None) if k == 0 or not self.maps else (None, float(x))
        return None


class CutPlot:
    """Losses along one axis, and where the point is on it.

    Args:
        figure: Where it goes.
        box: Its place.
        name: The parameter along it.
        what: What is drawn, in a word.
        losses: Their names.
        style: Colours.
        layout: Sizes.

    Attributes:
        axes: The plot's axes.
        lines: Name of the loss → its curve.
    """

    def __init__(self, figure, box, name: str, what: str, losses: Sequence[str], style: Style, layout: Layout) -> None:
        axes = self.axes = plot_axes(figure, box, style, layout)
        axes.grid(color=style.faint, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        label_axes(axes, style, layout, x=name)
        axes.text(
            0.0, 1.02, what, transform=axes.transAxes, ha="left", va="bottom", fontsize=layout.label, color=style.ink
        )
        self._limits: tuple = ()
        self.lines = {}
        for k, loss in enumerate(losses):
            color, dashes = loss_line(loss, k, style)
            self.lines[loss] = moving_line(
                axes, color=color, linestyle=dashes if k == 0 else "--", linewidth=1.5 * layout.scale, zorder=3 + k
            )
        self._here = moving_line(axes, color=POINT, linewidth=1.0 * layout.scale, linestyle="--", zorder=2)
        self._mark = moving_line(
            axes,
            linestyle="none",
            marker="o",
            markersize=6 * layout.scale,
            color=style.halo,
            markeredgecolor=EDGE,
            markeredgewidth=1.2,
            zorder=8,
        )

    def move(self, cut: Cut, at: float | None, *, settle: bool) -> bool:
        """Change the curves and the point; return whether the plot's scale changed."""
        low, high = _span(cut.loss.values()) if settle or not self._limits else self._limits[2:]
        limits = (float(cut.values[0]), float(cut.values[-1]), low, high)
        changed = limits != self._limits
        if changed:
            self._limits = limits
            self.axes.set_xlim(limits[:2])
            self.axes.set_ylim(limits[2:])
        reach = 3 * (high - low)
        marks = []
        for name, loss in cut.loss.items():
            self.lines[name].set_data(cut.values, np.clip(loss, low - reach, high + reach))
            if at is not None:
                marks.append(np.interp(at, cut.values, np.clip(loss, low - reach, high + reach)))
        self._here.set_data(*([[], []] if at is None else ([at, at], [low, high])))
        seen = [m for m in marks if np.isfinite(m)]
        self._mark.set_data([at] * len(seen), seen)
        return changed


class _Bar:
    """The scale of the maps' colours."""

    def __init__(self, figure, box, style: Style, layout: Layout) -> None:
        axes = self.axes = plot_axes(figure, box, style, layout)
        colors = (style.bands[:, None, :] * 255).round().astype(np.uint8)
        axes.imshow(colors, origin="lower", aspect="auto", extent=(0, 1, 0, BANDS), interpolation="nearest", zorder=0)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, BANDS)
        axes.xaxis.set_visible(False)
        axes.yaxis.tick_right()
        axes.set_yticks(range(1, BANDS, 4))
        self._texts: list[str] = []

    def show(self, scale: SurfaceScale) -> bool:
        """Name some of the levels; return whether they changed."""
        texts = [_short(value) for value in scale.edges[::4]]
        if texts == self._texts:
            return False
        self._texts = texts
        self.axes.set_yticklabels(texts)
        return True


def _both(layout: Layout):
    left, bottom, width, _ = layout.losses
    return left, bottom, width, layout.data[1] + layout.data[3] - bottom


def _span(losses) -> tuple[float, float]:
    values = np.concatenate([loss[np.isfinite(loss)] for loss in losses])
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(np.quantile(values, 0.99)) if values.size > 50 else float(values.max())
    high = max(high, low)
    pad = 0.07 * (high - low) or max(1.0, abs(low)) * 0.5
    return low - pad, high + pad


def _short(value: float) -> str:
    if abs(value) < 1e-12:
        return "0"
    if 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}".replace("-", "−")
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")
