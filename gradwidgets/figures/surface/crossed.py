"""The layout of one map with its cuts on its own axes: one above, and one, turned, at the right."""

from __future__ import annotations

from gradwidgets.figures.base.layout import Layout, finished, type_scale

_SHARED_UNIT = 2.0  # the ratio of two axes' spans up to which they are drawn in one unit


def crossed_layout(width: float, height: float, spans: tuple[float, float], letters: int) -> Layout:
    """Lay out a map and its two cuts.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
        spans: How far the horizontal and the vertical parameter reach.
        letters: The length of the labels at the vertical axes.

    Returns:
        The layout: `data` is the cut above the map and `losses` the one at its right.
    """
    scale = type_scale(width, height)
    left, gap, top, ticks, key, right = (part * scale for part in (10 + 7.5 * letters, 8, 25, 20, 27, 16))
    above, beside = max(0.14 * height, 52 * scale), max(0.24 * width, 96 * scale)
    across, down = width - left - gap - beside - right, height - top - above - gap - ticks - key
    with_ratio = spans[1] / spans[0] if spans[0] > 0 and 1 / _SHARED_UNIT <= spans[1] / spans[0] <= _SHARED_UNIT else 0
    if with_ratio:
        unit = min(across / spans[0], down / spans[1])
        across, down = unit * spans[0], unit * spans[1]
    above, beside = height - top - down - gap - ticks - key, width - left - across - gap - right
    above = min(above, 0.3 * height)
    floor = height - top - above - gap - down

    def box(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / width, y / height, w / width, h / height

    return finished(
        width,
        height,
        scale,
        maps=(box(left, floor, across, down),),
        data=box(left, floor + down + gap, across, above),
        losses=box(left + across + gap, floor, beside, down),
        left_column=frozenset((0,)),
        bottom_row=frozenset((0,)),
        legend=(0.0, 0.0),
        map_size=(across, down),
        key_left=left,
        key_right=(width - right) / width,
        key_y=(floor - ticks - 0.55 * key) / height,
    )
