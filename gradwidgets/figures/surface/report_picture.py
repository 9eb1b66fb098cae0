"""The picture of a loss's report: its map with arrows pointing downhill, or its curve above its gradient, as PNG.

It is static: drawn once, from a grid that was sampled before.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import findfont, get_font
from PIL import Image
from torch import Tensor

from gradwidgets.core.surfaces.surface import SurfaceGrid
from gradwidgets.figures.axes.color_bar import ColorBar
from gradwidgets.figures.base.layout import Layout, report_layout
from gradwidgets.figures.base.marks import EDGE
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.style import LIGHT, Style, own_look
from gradwidgets.figures.surface.cut_plot import Cut, CutPlot
from gradwidgets.figures.surface.surface_map import Surface, SurfaceMap
from gradwidgets.figures.surface.surface_scale import SurfaceScale

SIZE = (620, 520)  # CSS pixels; the PNG has twice as many
_FARTHEST = 1e300  # beyond this, an axis is longer than a float can represent
_CROWDED = 0.1  # of the losses' range: if half of them lie within less, a linear scale shows little
_COLORS = 64  # of the map, which leaves most of 256 to lines, arrows and text
_LETTERS = 48  # of a parameter's name, at most
_NEAR = 15  # CSS pixels: marks closer than this are merged


def report_picture(grid: SurfaceGrid, marks: Mapping[str, Sequence[float]], style: Style = LIGHT) -> bytes:
    """Draw a surface or a curve.

    Args:
        grid: The result of `sample_surface`. What is not finite is hatched.
        marks: Label → its point, in the order of the axes; labels of the same point are joined.
        style: The colours.

    Returns:
        A PNG of twice `SIZE`.
    """
    with own_look(), np.errstate(all="ignore"):
        figure = Picture.of(*SIZE)
        FigureCanvasAgg(figure)
        figure.blank(style.face)
        if grid.y is None or grid.grad_y is None:
            _draw_curve(figure, grid, marks, style)
        else:
            _draw_map(figure, grid, (grid.y, grid.grad_y), marks, style)
        return _quantized(figure._repr_png_())


def _quantized(png: bytes) -> bytes:
    """Reduce a PNG to 256 colours: visually the same, and a third as large."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(file, format="png", optimize=True)
    return file.getvalue()


def _draw_map(
    figure: Picture,
    grid: SurfaceGrid,
    upright: tuple[Tensor, Tensor],
    marks: Mapping[str, Sequence[float]],
    style: Style,
) -> None:
    """Draw a map, whose vertical positions and gradient are `upright`."""
    style = replace(style, ramp=style.ramp[:: len(style.ramp) // _COLORS])
    x, y, names = grid.x.numpy(), upright[0].numpy(), tuple(_drawable(name) for name in grid.names)
    loss = _within(grid.loss.numpy())
    gradient = [np.where(np.isfinite(loss), _within(part.numpy()), np.nan) for part in (grid.grad_x, upright[1])]
    scale = _scale(loss)
    layout, bar = report_layout(*SIZE, letters=max(map(len, scale.ticks.values())))
    across, down = (_even(len(side), count) for side, count in zip((x, y), layout.arrows, strict=True))
    drawn = SurfaceMap(figure, 0, x, y, names, style, replace(layout, arrows=(across, down)))
    drawn.show(Surface("", loss, (gradient[0], gradient[1])), scale, "magnitude")
    ColorBar(figure, bar, style.ramp, style, layout).show(scale.ticks)
    left, bottom, _, height = bar
    log = scale.kind == "log"
    options: dict[str, Any] = {
        "fontsize": layout.label,
        "color": style.ink,
        "va": "bottom",
        "ha": "center" if log else "left",
    }
    figure.text(left, bottom + height + 5 * layout.scale / SIZE[1], "loss (log)" if log else "loss", **options)
    _draw_marks(drawn.axes, {label: drawn.axes.transData.transform(point) for label, point in marks.items()}, layout)


def _draw_curve(figure: Picture, grid: SurfaceGrid, marks: Mapping[str, Sequence[float]], style: Style) -> None:
    x, name = grid.x.numpy(), _drawable(grid.x_name)
    layout, _ = report_layout(*SIZE)
    for box, what, part in ((layout.losses, "gradient", grid.grad_x), (layout.upper, "loss", grid.loss)):
        values = _within(part.numpy())
        plot = CutPlot(figure, box, name if what == "gradient" else "", what, ("",), style, layout)
        plot.show(Cut(x, {"": values}))
        for low, high in _gaps(x, ~np.isfinite(values)):
            plot.axes.axvspan(low, high, facecolor="none", edgecolor=style.muted, hatch="////", linewidth=0, alpha=0.6)
        if what == "gradient":
            plot.axes.axhline(0, color=style.muted, linewidth=0.6)
    # On the curve; half way up if there is none.
    middle = sum(plot.axes.get_ylim()) / 2
    heights = {label: np.interp(point[0], x, values) for label, point in marks.items()}
    on_curve = {label: (marks[label][0], y if np.isfinite(y) else middle) for label, y in heights.items()}
    _draw_marks(plot.axes, {label: plot.axes.transData.transform(point) for label, point in on_curve.items()}, layout)


def _draw_marks(axes: Axes, marks: Mapping[str, np.ndarray], layout: Layout) -> None:
    """Draw labels at positions in pixels, keeping each within the plot."""
    box, edge = axes.bbox, 10 * layout.scale
    places: list[tuple[np.ndarray, list[str]]] = []
    for label, place in marks.items():
        place = np.clip(place, (box.x0 + edge, box.y0 + edge), (box.x1 - edge, box.y1 - edge))
        near = [labels for other, labels in places if np.hypot(*(place - other)) < _NEAR * layout.scale]
        if near:
            near[0].append(label)
        else:
            places.append((place, [label]))
    for place, labels in places:
        x, y = axes.transData.inverted().transform(place)
        axes.text(
            x,
            y,
            ", ".join(labels),
            ha="center",
            va="center",
            fontsize=layout.small,
            fontweight="bold",
            color=EDGE,
            zorder=9,
            bbox={
                "boxstyle": "circle,pad=0.28" if len("".join(labels)) == 1 else "round,pad=0.34,rounding_size=0.9",
                "facecolor": "#ffffff",
                "edgecolor": EDGE,
                "linewidth": 1.2,
            },
        )


def _scale(loss: np.ndarray) -> SurfaceScale:
    """The colour scale that distinguishes most of the view."""
    values = loss[np.isfinite(loss)]
    if values.size == 0:
        return SurfaceScale.of("linear", [loss])
    lowest, low, middle, high = np.quantile(values, [0, 0.01, 0.5, 0.99])
    if middle - lowest < _CROWDED * (high - lowest):
        return SurfaceScale.of("log", [loss])
    # A few losses far below the others must not take all the colours.
    crowded = high - middle < _CROWDED * (high - lowest)
    return SurfaceScale.of("linear", [np.maximum(loss, low) if crowded else loss])


def _even(count: int, wanted: int) -> int:
    """The number of evenly spaced arrows on `count` points, about as many as wanted."""
    fits = [n for n in range(round(0.75 * wanted), round(1.1 * wanted) + 1) if (count - 1) % (n + 1) == 0]
    return max(fits, default=wanted)


def _within(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), np.clip(values, -_FARTHEST, _FARTHEST), np.nan)


def _gaps(x: np.ndarray, blank: np.ndarray) -> list[tuple[float, float]]:
    """The blank intervals of x, extended by half a step at both ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], blank, [False]]).astype(int)))
    between = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    return [(float(between[first]), float(between[last])) for first, last in edges.reshape(-1, 2)]


def _drawable(name: str) -> str:
    """A name on one line, reduced to characters that the font has."""
    name = " ".join(name.split())
    name = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
    return "".join(letter if _font_has(letter) else "□" for letter in name)


@cache
def _font_has(letter: str) -> bool:
    return bool(get_font(findfont("DejaVu Sans")).get_char_index(ord(letter)))
