"""The playground's picture: loss maps with their paths, the data with its fits, the loss of every step.

`PlaygroundFigure.build` makes the artists, `show_maps` changes what lies under the paths, `update` moves the paths.
Only what `update` changes is `animated`, so a canvas may redraw it over a cached background. Both `show_maps`'s and
`update`'s arguments are plain arrays; nothing is computed here but pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradwidgets.figures.bands import band_image
from gradwidgets.figures.layout import Layout, playground_layout
from gradwidgets.figures.loss_axis import LossAxis
from gradwidgets.figures.moving import MovingLine
from gradwidgets.figures.style import LIGHT, RC, Style, loss_line
from gradwidgets.figures.vectors import arrow, magnification

_DPI = 100
_MANY_POINTS = 2000
_MINIMUM, _EDGE = "#f4c20d", "#111111"


@dataclass(frozen=True, eq=False)
class Maps:
    """What lies under the paths.

    Attributes:
        names: The losses shown, in order.
        x_name: Parameter on the horizontal axis.
        y_name: Parameter on the vertical axis.
        x: (W,) grid of the horizontal parameter.
        y: (H,) grid of the vertical parameter.
        loss: Name to (H, W).
        gradient: Name to the pair (horizontal, vertical) of (H, W), for the field of arrows.
        minima: Name to (m, 2) known minima, horizontal first; possibly none.
        lowest: Name to the lowest loss known, or None.
        data: (x, y), each (n,), or None where there is no data to fit.
    """

    names: tuple[str, ...]
    x_name: str
    y_name: str
    x: np.ndarray
    y: np.ndarray
    loss: Mapping[str, np.ndarray]
    gradient: Mapping[str, tuple[np.ndarray, np.ndarray]]
    minima: Mapping[str, np.ndarray]
    lowest: Mapping[str, float | None]
    data: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """One loss's descent, as drawn.

    Attributes:
        path: (P, 2) visited points, horizontal first, finite.
        end: (2,) the last point of the path, or None where the run left all bounds.
        losses: (P',) loss of each step.
        fit: (slope, intercept) of the fitted line, or None.
        vectors: Name to displacement (2,) of the parts of the step about to be made; empty when not stepping.
    """

    path: np.ndarray
    losses: np.ndarray
    end: np.ndarray | None = None
    fit: tuple[float, float] | None = None
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)


class PlaygroundFigure:
    """Artists of the playground.

    Attributes:
        figure: The Matplotlib figure.
        map_axes: Name of a loss to the axes of its map.
    """

    def __init__(self, width: int = 600, height: int = 470) -> None:
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        self.map_axes: dict[str, Axes] = {}
        self._names: tuple[str, ...] = ()
        self._style = LIGHT

    def build(self, maps: Maps, *, style: Style = LIGHT, arrows: bool = False, steps: int = 100) -> None:
        """Make all artists anew, for the figure's present size."""
        with rc_context(RC):
            self._build(maps, style, arrows, steps)

    def _build(self, maps: Maps, style: Style, arrows: bool, steps: int) -> None:
        figure = self.figure
        figure.clear()
        figure.set_facecolor(style.face)
        self._style, self._names, self._maps, self._arrows = style, maps.names, maps, arrows
        ratio = figure.dpi / _DPI
        size = figure.get_size_inches() * _DPI  # CSS pixels, whatever the screen's pixel ratio
        self._ratio = ratio
        self._layout = layout = playground_layout(
            len(maps.names), float(size[0]), float(size[1]), maps.data is not None
        )
        self._shown: dict[str, tuple] = {}
        self._loss_axis: LossAxis | None = None
        self._images, self._quivers, self._minima, self._paths = {}, {}, {}, {}
        self._starts, self._ends, self._vectors, self._scales = {}, {}, {}, {}
        self.map_axes = {}
        self._key, self._key_parts = [], None
        self.show_key()
        for position, name in enumerate(maps.names):
            self._build_map(name, position, layout)
        self._build_losses(layout, steps)
        self._fits: dict[str, Line2D] = {}
        if maps.data is not None:
            self._build_data(layout)
        self.show_maps(maps)

    def _axes(self, box: tuple[float, float, float, float]) -> Axes:
        style, layout = self._style, self._layout
        axes = self.figure.add_axes(box, facecolor=style.plot)
        for spine in axes.spines.values():
            spine.set_color(style.muted)
            spine.set_linewidth(0.6)
        axes.tick_params(colors=style.muted, labelsize=layout.small, length=2.5, width=0.6, pad=2)
        axes.set_autoscale_on(False)
        return axes

    def _badge(self, axes: Axes, text: str, color: str | None = None):
        style = self._style
        return axes.text(
            0.025, 0.97, text, transform=axes.transAxes, ha="left", va="top", fontsize=self._layout.title,
            fontweight="bold", color=color or style.ink, zorder=8,
            bbox={"boxstyle": "round,pad=0.22", "facecolor": style.face, "edgecolor": "none", "alpha": 0.82},
        )  # fmt: skip

    def show_key(self, parts: Sequence[str] = ()) -> bool:
        """Say in one line over the maps what the marks mean, or the vectors while walking through a run.

        Args:
            parts: Names of the vectors drawn; () for the marks.

        Returns:
            Whether the line changed.
        """
        parts = tuple(parts)
        if parts == self._key_parts:
            return False
        self._key_parts = parts
        for artist in self._key:
            artist.remove()
        style, layout = self._style, self._layout
        if parts:
            entries = [("_line", style.parts[part], part, 0.0) for part in parts]
        else:
            entries = [
                ("o", style.halo, "start", 6.5),
                ("o", style.path, "every step", 3.6),
                ("D", style.path, "end", 5.5),
                ("X", _MINIMUM, "minimum", 7.0),
            ]
        self._key, at = [], layout.key_left
        for marker, color, text, size in entries:
            if marker == "_line":
                dash = {"linestyle": "--" if text == "look-ahead" else "-", "linewidth": 2.2 * layout.scale}
                mark = Line2D(
                    [at - 0.6 * layout.key_gap, at + 0.6 * layout.key_gap],
                    [layout.key_y] * 2,
                    color=color,
                    **dash,
                )
            else:
                edge = 0 if text == "every step" else 0.7
                mark = Line2D(
                    [at], [layout.key_y], marker=marker, color=color, markeredgecolor=_EDGE, linestyle="none",
                    markeredgewidth=edge, markersize=size * layout.scale,
                )  # fmt: skip
            label = self.figure.text(
                at + layout.key_gap,
                layout.key_y,
                text,
                color=style.muted,
                fontsize=layout.small,
                va="center_baseline",
            )
            self._key += [self.figure.add_artist(mark), label]
            width = label.get_window_extent(self.figure.canvas.get_renderer()).width / self.figure.bbox.width
            at += 2.3 * layout.key_gap + width
        return True

    # -- maps ---------------------------------------------------------------------------------------------

    def _build_map(self, name: str, position: int, layout: Layout) -> None:
        style, maps = self._style, self._maps
        axes = self.map_axes[name] = self._axes(layout.maps[position])
        extent = (maps.x[0], maps.x[-1], maps.y[0], maps.y[-1])
        axes.set_xlim(extent[:2])
        axes.set_ylim(extent[2:])
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        axes.tick_params(
            labelbottom=position in layout.bottom_row, labelleft=position in layout.left_column,
        )  # fmt: skip
        if position in layout.bottom_row:
            axes.set_xlabel(maps.x_name, fontsize=layout.label, color=style.ink, labelpad=1.5)
        if position in layout.left_column:
            axes.set_ylabel(maps.y_name, fontsize=layout.label, color=style.ink, labelpad=1.5)
        pixel = np.zeros((2, 2, 4), np.uint8)
        self._images[name] = axes.imshow(
            pixel, extent=extent, origin="lower", aspect="auto", interpolation="nearest", zorder=0
        )
        (self._minima[name],) = axes.plot(
            [], [], linestyle="none", marker="X", markersize=7.5 * layout.scale, color=_MINIMUM,
            markeredgecolor=_EDGE, markeredgewidth=0.7, zorder=3,
        )  # fmt: skip
        self._paths[name] = _moving(
            axes,
            color=style.path,
            linewidth=1.15 * layout.scale,
            marker="o",
            markersize=2.7 * layout.scale,
            markeredgewidth=0,
            zorder=4,
        )
        mark = {"linestyle": "none", "markeredgewidth": 1.0}
        self._starts[name] = _moving(
            axes, marker="o", markersize=6.5 * layout.scale, color=style.halo, markeredgecolor=_EDGE, zorder=5, **mark
        )
        self._ends[name] = _moving(
            axes,
            marker="D",
            markersize=5.8 * layout.scale,
            color=style.path,
            markeredgecolor=style.halo,
            zorder=6,
            **mark,
        )
        self._vectors[name] = {
            part: _moving(
                axes,
                color=color,
                linewidth=1.9 * layout.scale,
                linestyle="--" if part == "look-ahead" else "-",
                zorder=7,
                visible=False,
            )
            for part, color in style.parts.items()
        }
        color, _ = loss_line(name, position)
        self._badge(axes, name, color)
        self._scales[name] = axes.text(
            0.975, 0.97, "", transform=axes.transAxes, ha="right", va="top", fontsize=layout.small, zorder=8,
            color=style.ink, animated=True, visible=False,
            bbox={"boxstyle": "round,pad=0.22", "facecolor": style.face, "edgecolor": "none", "alpha": 0.82},
        )  # fmt: skip

    def show_maps(self, maps: Maps) -> list[Axes]:
        """Change the surfaces, minima and arrows under the paths; names, axes and data stay.

        Returns:
            The axes that must be drawn again.
        """
        before, self._maps = self._shown, maps
        self._shown = {name: (maps.loss[name], maps.minima[name].tolist()) for name in self._names}
        style, changed = self._style, []
        for name, axes in self.map_axes.items():
            if name in before and before[name][0] is maps.loss[name] and before[name][1] == self._shown[name][1]:
                continue
            changed.append(axes)
            box = axes.bbox
            width, height = max(2, round(box.width)), max(2, round(box.height))
            self._images[name].set_data(band_image(maps.loss[name], style.bands, style.plot, width, height))
            minima = np.asarray(maps.minima[name], float).reshape(-1, 2)
            self._minima[name].set_data(minima[:, 0], minima[:, 1])
            if name in self._quivers:
                self._quivers.pop(name).remove()
            if self._arrows:
                self._draw_field(name, axes)
        axis = LossAxis.of([maps.loss[name] for name in self._names], [maps.lowest[name] for name in self._names])
        if axis == self._loss_axis:
            return changed
        self._loss_axis = axis
        self._loss_axes.set_ylim(self._loss_axis.limits)
        self._loss_axes.yaxis.set_major_locator(axis.locator)
        self._loss_axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: axis.label(value)))
        self._loss_badge.set_text(axis.title)
        return [*changed, self._loss_axes]

    def _draw_field(self, name: str, axes: Axes) -> None:
        """Draw −gradient as arrows of equal look: direction exact, length compressed over decades."""
        maps, layout = self._maps, self._layout
        across = np.linspace(0, len(maps.x) - 1, layout.arrows[0] + 2).round().astype(int)[1:-1]
        down = np.linspace(0, len(maps.y) - 1, layout.arrows[1] + 2).round().astype(int)[1:-1]
        gx, gy = (-part[np.ix_(down, across)] for part in maps.gradient[name])
        # Directions as they look on the page: the two axes have different scales.
        u = gx * axes.bbox.width / (maps.x[-1] - maps.x[0])
        v = gy * axes.bbox.height / (maps.y[-1] - maps.y[0])
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            size = np.hypot(u, v)
            usable = np.isfinite(size) & (size > 0)
            peak = size[usable].max() if usable.any() else 1.0
            length = 0.35 + 0.65 * np.clip(1 + np.log10(size / peak) / 3, 0, 1)
            u, v = (np.where(usable, part / size * length, np.nan) for part in (u, v))
        x, y = np.meshgrid(maps.x[across], maps.y[down])
        self._quivers[name] = axes.quiver(
            x, y, u, v, color="#20303c", alpha=0.62, pivot="mid", zorder=2, scale_units="inches", units="dots",
            scale=1 / (layout.arrow_inches * self._ratio) * self._ratio, width=1.1 * self._ratio * layout.scale,
            headwidth=4.2, headlength=4.6, headaxislength=4.0,
        )  # fmt: skip

    # -- the two plots at the right ------------------------------------------------------------------------

    def _build_losses(self, layout: Layout, steps: int) -> None:
        style = self._style
        axes = self._loss_axes = self._axes(layout.losses)
        axes.set_xlim(0, max(steps, 1))
        axes.grid(color=style.faint, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_xlabel("step", fontsize=layout.label, color=style.ink, labelpad=1.5)
        self._loss_badge = axes.text(
            0.97,
            0.965,
            "",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=layout.label,
            color=style.ink,
        )
        self._curves = {}
        for position, name in enumerate(self._names):
            color, dashes = loss_line(name, position)
            self._curves[name] = _moving(
                axes, color=color, linestyle=dashes, linewidth=1.5 * layout.scale, zorder=3 + position
            )

    def set_steps(self, steps: int) -> Axes:
        """Change the number of steps along the loss curves' axis; return the axes that must be drawn again."""
        self._loss_axes.set_xlim(0, max(steps, 1))
        return self._loss_axes

    def _build_data(self, layout: Layout) -> None:
        style, (x, y) = self._style, self._maps.data
        axes = self._data_axes = self._axes(layout.data)
        shown = np.linspace(0, len(x) - 1, min(len(x), _MANY_POINTS)).round().astype(int)
        many = len(x) > 300
        axes.plot(
            x[shown], y[shown], linestyle="none", marker="o", color=style.data, markeredgewidth=0, zorder=2,
            markersize=(1.6 if many else 3.2) * layout.scale, alpha=0.5 if many else 0.9,
        )  # fmt: skip
        (left, right), (low, high) = _padded(x), _padded(y)
        axes.set_xlim(left, right)
        axes.set_ylim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel("x", fontsize=layout.label, color=style.ink, labelpad=0)
        axes.set_ylabel("y", fontsize=layout.label, color=style.ink, labelpad=0)
        self._span = np.array([left, right])
        handles = []
        for position, name in enumerate(self._names):
            color, dashes = loss_line(name, position)
            self._fits[name] = _moving(
                axes, color=color, linestyle=dashes, linewidth=1.5 * layout.scale, zorder=3 + position
            )
            handles.append(Line2D([], [], color=color, linestyle=dashes, linewidth=1.8 * layout.scale, label=name))
        self.figure.legend(
            handles=handles, loc="center left", bbox_to_anchor=layout.legend, ncols=len(handles), frameon=False,
            fontsize=layout.small, labelcolor=style.ink, handlelength=1.3, columnspacing=0.7, handletextpad=0.35,
            borderpad=0, borderaxespad=0,
        )  # fmt: skip

    # -- what moves -----------------------------------------------------------------------------------------

    def update(self, runs: Mapping[str, Run], start: Sequence[float]) -> None:
        """Move paths, marks, fitted lines and loss curves; nothing under them changes.

        Args:
            runs: Loss name to its run.
            start: (2,) where every run starts, horizontal first.
        """
        span = np.array([self._maps.x[-1] - self._maps.x[0], self._maps.y[-1] - self._maps.y[0]])
        center = np.array([self._maps.x[0], self._maps.y[0]]) + span / 2
        for name in self._names:
            run = runs[name]
            # Far outside the view Agg's integer coordinates overflow; the direction of leaving is all one sees.
            path = center + np.clip(run.path - center, -40 * span, 40 * span)
            self._paths[name].set_data(path[:, 0], path[:, 1])
            self._starts[name].set_data([start[0]], [start[1]])
            self._ends[name].set_data(*([[], []] if run.end is None else run.end[:, None]))
            self._curves[name].set_data(np.arange(len(run.losses)), self._loss_axis.height(run.losses))
            if name in self._fits:
                if run.fit is None:
                    self._fits[name].set_data([], [])
                else:
                    slope, intercept = run.fit
                    self._fits[name].set_data(self._span, slope * self._span + intercept)
            self._show_vectors(name, path[-1] if len(path) else center, run.vectors)

    def _show_vectors(self, name: str, origin: np.ndarray, vectors: Mapping[str, np.ndarray]) -> None:
        axes, lines, label = self.map_axes[name], self._vectors[name], self._scales[name]
        to_pixels = np.array([axes.bbox.width / np.ptp(axes.get_xlim()), axes.bbox.height / np.ptp(axes.get_ylim())])
        longest = max((float(np.hypot(*(v * to_pixels))) for v in vectors.values()), default=0.0)
        drawable = bool(vectors) and np.isfinite(longest) and longest > 0
        factor = magnification(longest, 0.30 * min(axes.bbox.width, axes.bbox.height)) if drawable else 1
        for part, line in lines.items():
            line.set_visible(drawable and part in vectors)
            if drawable and part in vectors:
                shape = arrow(vectors[part] * to_pixels * factor, 5.0 * self._layout.scale * self._ratio)
                line.set_data(*(origin + shape / to_pixels).T)
        label.set_visible(drawable)
        if drawable:
            label.set_text("true length" if factor == 1 else f"vectors ×{factor:g}")

    def point_at(self, axes: Axes | None, x: float | None, y: float | None) -> tuple[float, float] | None:
        """Return the parameters (horizontal, vertical) under the mouse, or None off the maps."""
        if axes is None or axes not in self.map_axes.values():
            return None
        return float(x), float(y)


def _moving(axes: Axes, **options) -> MovingLine:
    line = MovingLine(**options)
    axes.add_line(line)
    return line


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) or max(1.0, abs(low)) * 0.5
    return low - pad, high + pad
