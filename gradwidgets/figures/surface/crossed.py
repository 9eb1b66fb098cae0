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
        The layout, in which the map about the losses is last: it lies at the right of everything, or, if that leaves
        more room, above what is at the right of the first map; `data` is the cut above that, and `losses` the one at
        the right of the last loss. And the box of its bar.
    """
    sheet = _Sheet(width, height, letters)
    ways = _in_a_square(sheet, spans, count), _in_a_row(sheet, spans, count)
    return max(ways, key=lambda way: way[0].maps[0][2] * way[0].maps[0][3])


def _in_a_row(sheet: _Sheet, spans: tuple[float, float], count: int) -> tuple[Layout, Box]:
    """The maps, the cut at their right, the map about them and its bar, all beside each other."""
    scale, left, gap = sheet.scale, sheet.left, sheet.gap
    beside, bar = max(0.16 * sheet.width, 84 * scale), (_BAR + _LABELS) * scale
    above = max(0.2 * sheet.height, 60 * scale)
    room = (sheet.across - (count + 1) * gap - beside - bar) / (count + 1)
    across, down = _in_a_room(room, sheet.down - gap - above, spans)
    above = min(sheet.down - gap - down, 0.42 * sheet.height)
    beside = min(sheet.across - bar - (count + 1) * (across + gap), 1.6 * across)
    floor = sheet.height - sheet.top - above - gap - down
    lefts = [left + k * (across + gap) for k in range(count)]
    cut = lefts[-1] + across + gap
    lefts.append(cut + beside + gap)
    layout = sheet.layout(
        maps=tuple(sheet.box(x, floor, across, down) for x in lefts),
        data=sheet.box(left, floor + down + gap, across, above),
        losses=sheet.box(cut, floor, beside, down),
        size=(across, down),
        floor=floor,
    )
    return layout, sheet.box(lefts[-1] + across + 6 * scale, floor, _BAR * scale, down)


def _in_a_square(sheet: _Sheet, spans: tuple[float, float], count: int) -> tuple[Layout, Box]:
    """The maps and the cut at their right, under the other cut and the map about them, with its bar."""
    scale, left, gap = sheet.scale, sheet.left, sheet.gap
    beside = max(0.16 * sheet.width, 84 * scale) + gap if count == 2 else (_BAR + _LABELS) * scale
    between = gap if count == 2 else sheet.top  # room for the title of the cut under the map about them
    across, down = _in_a_room((sheet.across - gap - beside) / 2, (sheet.down - between) / 2, spans)
    floor = sheet.height - sheet.top - between - 2 * down
    upper, lefts = floor + down + between, [left + k * (across + gap) for k in range(3)]
    raised = upper + (30 * scale if count == 2 else 0)  # above the title of what lies below it
    cut = sheet.across + left - lefts[2] if count == 2 else across
    layout = sheet.layout(
        maps=(*(sheet.box(x, floor, across, down) for x in lefts[:count]), sheet.box(lefts[1], upper, across, down)),
        data=sheet.box(left, upper, across, down),
        losses=sheet.box(lefts[count], floor, cut, down),
        size=(across, down),
        floor=floor,
    )
    return layout, sheet.box(lefts[1] + across + 6 * scale, raised, _BAR * scale, upper + down - raised)


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
