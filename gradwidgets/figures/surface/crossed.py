"""Layouts in which plots lie on a map's own axes, or on each other's.

One map has a cut above it, and one, turned, at its right; so have two maps, or a map and one about it, side by side.
A curve lies above its gradient.
"""

from __future__ import annotations

from gradwidgets.figures.base.layout import Box, Layout, finished, type_scale

_SHARED_UNIT = 2.0  # the ratio of two axes' spans up to which they are drawn in one unit
_LONG, _LEAST_SHARE = 1.5, 0.75  # a view longer than this has another unit too if one unit left it less of its room
_GAP, _TOP, _TICKS, _KEY, _RIGHT = 8.0, 25.0, 20.0, 27.0, 16.0  # CSS pixels around the plots
_BAR, _LABELS = 9.0, 46.0  # the width of a bar of colours, and of its labels with what is around them


class _Sheet:
    """A figure's size in CSS pixels, and what lies around its plots."""

    def __init__(self, width: float, height: float, letters: int) -> None:
        self.width, self.height = width, height
        scale = self.scale = type_scale(width, height)
        self.left = (10 + 7.5 * letters) * scale
        self.gap, self.top, self.ticks, self.key, self.right = (
            part * scale for part in (_GAP, _TOP, _TICKS, _KEY, _RIGHT)
        )
        self.across = width - self.left - self.right
        self.down = height - self.top - self.ticks - self.key

    def box(self, left: float, bottom: float, width: float, height: float) -> Box:
        """Return a box in fractions of the figure."""
        return left / self.width, bottom / self.height, width / self.width, height / self.height

    def layout(self, maps: tuple[Box, ...], data: Box, losses: Box, size: tuple[float, float], floor: float) -> Layout:
        """Complete a layout; the lowest plots end at `floor`, with ticks and the key below."""
        return finished(
            self.width,
            self.height,
            self.scale,
            maps=maps,
            data=data,
            losses=losses,
            left_column=frozenset((0,)),
            bottom_row=frozenset(k for k, box in enumerate(maps) if box[1] == min(one[1] for one in maps)),
            legend=(0.0, 0.0),
            map_size=size,
            key_left=self.left,
            key_right=(self.width - self.right) / self.width,
            key_y=(floor - self.ticks - 0.55 * self.key) / self.height,
        )


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
    sheet = _Sheet(width, height, letters)
    scale, left, gap = sheet.scale, sheet.left, sheet.gap
    above, beside = max(0.14 * height, 52 * scale), max(0.24 * width, 96 * scale)
    across, down = _in_one_unit(sheet.across - gap - beside, sheet.down - gap - above, spans)
    above, beside = min(sheet.down - gap - down, 0.3 * height), sheet.across - gap - across
    floor = height - sheet.top - above - gap - down
    return sheet.layout(
        maps=(sheet.box(left, floor, across, down),),
        data=sheet.box(left, floor + down + gap, across, above),
        losses=sheet.box(left + across + gap, floor, beside, down),
        size=(across, down),
        floor=floor,
    )


def beside_layout(
    width: float, height: float, spans: tuple[float, float], letters: int, count: int
) -> tuple[Layout, Box]:
    """Lay out one or two maps of losses and a map about them.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
        spans: How far the horizontal and the vertical parameter reach.
        letters: The length of the labels at the vertical axes.
        count: The number of losses.

    Returns:
        The layout, in which the map about the losses is last: it lies beside the map of one loss, and above the second
        of two; `data` is the cut above the first map, and `losses` the one at the right. And the box of its bar.
    """
    sheet = _Sheet(width, height, letters)
    scale, left, gap = sheet.scale, sheet.left, sheet.gap
    bar = (_BAR + _LABELS) * scale if count == 1 else 0.0
    beside = max(0.16 * width, 84 * scale)
    across = (sheet.across - 2 * gap - bar - beside) / 2
    above = max(0.2 * height, 60 * scale) if count == 1 else (sheet.down - gap) / 2
    across, down = _in_a_room(across, sheet.down - gap - above, spans)
    above = down if count == 2 else min(sheet.down - gap - down, 0.3 * height)
    floor = height - sheet.top - above - gap - down
    upper, second = floor + down + gap, left + across + gap
    third = second + across + gap + bar
    maps = [sheet.box(x, floor, across, down) for x in (left, second)]
    maps += [sheet.box(second, upper, across, above)] if count == 2 else []
    raised = upper + 30 * scale if count == 2 else floor  # above the title of what lies below it
    layout = sheet.layout(
        maps=tuple(maps),
        data=sheet.box(left, upper, across, above),
        losses=sheet.box(third, floor, width - sheet.right - third, down),
        size=(across, down),
        floor=floor,
    )
    tall = (upper + above if count == 2 else floor + down) - raised
    return layout, sheet.box(second + across + 6 * scale, raised, _BAR * scale, tall)


def curve_layout(width: float, height: float, letters: int) -> Layout:
    """Lay out a curve above its gradient.

    Args:
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
        letters: The length of the labels at the vertical axes.

    Returns:
        The layout: `data` is the curve, and `losses` its gradient.
    """
    sheet = _Sheet(width, height, letters)
    between = sheet.top
    down = sheet.down - between
    upper, floor = 0.6 * down, sheet.ticks + sheet.key
    whole = sheet.box(sheet.left, floor + 0.4 * down + between, sheet.across, upper)
    return sheet.layout(
        maps=(whole,),
        data=whole,
        losses=sheet.box(sheet.left, floor, sheet.across, 0.4 * down),
        size=(sheet.across, upper),
        floor=floor,
    )


def _in_one_unit(across: float, down: float, spans: tuple[float, float]) -> tuple[float, float]:
    """The size of a map in a room: with a unit as long on both axes, if they are likely to share one."""
    ratio = spans[1] / spans[0] if spans[0] > 0 else 0.0
    if not 1 / _SHARED_UNIT <= ratio <= _SHARED_UNIT:
        return across, down
    unit = min(across / spans[0], down / spans[1])
    return unit * spans[0], unit * spans[1]


def _in_a_room(across: float, down: float, spans: tuple[float, float]) -> tuple[float, float]:
    """The size of one of several maps in a room, which a long view fills."""
    wide, tall = _in_one_unit(across, down, spans)
    is_long = max(wide / tall, tall / wide) > _LONG
    return (across, down) if is_long and wide * tall < _LEAST_SHARE * across * down else (wide, tall)
