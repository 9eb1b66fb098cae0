"""The layouts of the pictures, as fractions of the figure, computed from sizes in CSS pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

DPI = 100  # of a figure at device pixel ratio 1: one point is 100 / 72 CSS pixels
_ROOM = 1.2  # that text of 12 CSS pixels needs, and the marks that go with it
Box = tuple[float, float, float, float]  # left, bottom, width, height, as fractions of the figure


@dataclass(frozen=True)
class Layout:
    """Positions and sizes.

    Attributes:
        maps: The box of each map, left to right, top to bottom.
        data: The box of the upper plot beside the maps, of the data; None without data.
        losses: The box of the lower plot, of the loss curves.
        left_column: The indices of the maps that have the vertical axis' labels.
        bottom_row: The indices of the maps that have the horizontal axis' labels.
        legend: The middle of the left edge of the legend.
        key_left: The left end of the key of marks.
        key_y: The vertical position of the key.
        key_gap: The distance from a mark to its text.
        key_right: The right end of the key.
        arrows: The number of field arrows across and down a map.
        arrow_inches: The length of the longest field arrow.
        scale: The size of marks and lines relative to the smallest picture.
        dpi: CSS pixels per inch.
        small: The font size of ticks and keys, in points.
        label: The font size of axis labels.
        title: The font size of the maps' names.
    """

    maps: tuple[Box, ...]
    data: Box | None
    losses: Box
    left_column: frozenset[int]
    bottom_row: frozenset[int]
    legend: tuple[float, float]
    key_left: float
    key_y: float
    key_gap: float
    arrows: tuple[int, int]
    arrow_inches: float
    scale: float
    dpi: int
    small: float
    label: float
    title: float
    key_right: float = 0.98

    @property
    def pixel(self) -> float:
        """A CSS pixel of the smallest picture, in points."""
        return 0.72 * self.scale / _ROOM

    @property
    def upper(self) -> Box:
        """The upper plot's box, in a layout that has one."""
        if self.data is None:
            raise ValueError("there is no upper plot in this layout")
        return self.data


def report_layout(width: float, height: float, *, letters: int = 0) -> tuple[Layout, Box]:
    """Lay out one loss for a page of text: a map and its colour bar, or a curve above its gradient.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
        letters: The length of the colour bar's labels; 0 for a curve, which has none.

    Returns:
        The layout, and the box of the colour bar: `maps` holds the map; for a curve `data` is the loss and `losses` its
        gradient.
    """
    scale = 1.25  # a page's text is larger than a panel's
    left, right, top, bottom, bar, bar_gap, plot_gap = (v * scale for v in (47, 14, 24, 33, 9, 6, 46))
    across, inner = width - left - right, height - top - bottom
    if letters:
        across -= bar_gap + bar + (6.5 * max(letters, 3) - 4) * scale
    plot = (inner - plot_gap) / 2

    def box(x: float, y: float, w: float, h: float) -> Box:
        return x / width, y / height, w / width, h / height

    layout = _layout(
        width,
        height,
        scale,
        maps=(box(left, bottom, across, inner),),
        data=box(left, bottom + plot + plot_gap, across, plot),
        losses=box(left, bottom, across, plot),
        left_column=frozenset((0,)),
        bottom_row=frozenset((0,)),
        legend=(left / width, 1 - 0.52 * top / height),
        map_size=(across, inner),
        key_left=left,
    )
    return layout, box(left + across + bar_gap, bottom, bar, inner)


def type_scale(width: float, height: float) -> float:
    """Return the size of text and marks in a picture of this size in CSS pixels, relative to the smallest picture."""
    return min(1.4, max(1.0, min(width / 600, height / 440)) ** 0.45)


def finished(width: float, height: float, scale: float, *, key_y: float, **places: Any) -> Layout:
    """Complete a layout.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
        scale: See `type_scale`.
        key_y: The vertical position of the key.
        **places: See `Layout`, and `map_size` in CSS pixels.
    """
    return replace(_layout(width, height, _ROOM * scale, **places), key_y=key_y)


def whole_picture(width: float, height: float, scale: float) -> Layout:
    """The sizes of text and marks where places are found anew for each scene: one part takes all of the picture.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
        scale: See `type_scale`.
    """
    here, first = (0.0, 0.0, 1.0, 1.0), frozenset((0,))
    return finished(
        width, height, scale, key_y=0.5, maps=(here,), data=None, losses=here, left_column=first, bottom_row=first,
        legend=(0.0, 0.0), map_size=(width, height), key_left=0.0,
    )  # fmt: skip


def _layout(
    width: float, height: float, scale: float, *, map_size: tuple[float, float], key_left: float, **places: Any
) -> Layout:
    return Layout(
        **places,
        key_left=(key_left + 6 * scale) / width,
        key_y=1 - 0.52 * 21 * scale / height,
        key_gap=8 * scale / width,
        arrows=(max(5, round(map_size[0] / (17 * scale))), max(5, round(map_size[1] / (17 * scale)))),
        arrow_inches=0.135 * scale,
        scale=scale,
        dpi=DPI,
        small=7.2 * scale,
        label=7.5 * scale,
        title=7.8 * scale,
    )
