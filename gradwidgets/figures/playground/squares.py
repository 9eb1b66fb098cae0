"""The layout of the playground: maps with equal units on both axes, and the plots where they leave room."""

from __future__ import annotations

from dataclasses import dataclass

from gradwidgets.figures.base.layout import Layout, finished, type_scale

_SHARED_UNIT = 3.0  # the ratio of two axes' spans up to which they are drawn in one unit
_UNEVEN = 0.93  # of a map's size that it may lose before some cells of the grid stay empty


@dataclass(frozen=True)
class _Sizes:
    """Distances in CSS pixels, for text of 12 px."""

    scale: float
    left: float
    between: float
    top: float
    ticks: float
    key: float
    head: float
    right: float
    gutter: float
    side: float
    low: float

    @classmethod
    def of(cls, scale: float, letters: tuple[int, int]) -> _Sizes:
        maps, plots = (10 + 7.5 * count for count in letters)
        parts = maps, 8, 8, 20, 27, 24, 15, plots, 112, 96
        return cls(scale, *(part * scale for part in parts))


@dataclass(frozen=True)
class _Grid:
    """One way to place the maps.

    Attributes:
        columns: The number of columns.
        rows: The number of rows.
        beside: Whether the plots are beside the maps; otherwise they are below.
        side: The width of a map.
    """

    columns: int
    rows: int
    beside: bool
    side: float


def playground_layout(
    count: int,
    width: float,
    height: float,
    with_data: bool,
    *,
    spans: tuple[float, float] = (1.0, 1.0),
    letters: tuple[int, int] = (2, 4),
) -> Layout:
    """Lay out `count` maps with the data and the loss curves, so that the maps are large.

    Args:
        count: The number of maps, at least 1.
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
        with_data: Whether there is data to plot.
        spans: How far the horizontal and the vertical parameter reach. They share a unit if these are not far apart.
        letters: The length of the labels at a map's vertical axis, and at a plot's.
    """
    ratio = spans[1] / spans[0] if spans[0] > 0 else 1.0
    tall = ratio if 1 / _SHARED_UNIT <= ratio <= _SHARED_UNIT else 1.0  # height of a map of width 1
    sizes = _Sizes.of(type_scale(width, height), letters)
    grids = [_grid(columns, count, width, height, sizes, tall, with_data, beside)
             for columns in range(1, min(count, 4) + 1) for beside in (True, False)]  # fmt: skip
    grid = max(grids, key=lambda one: one.side * (1 if one.columns * one.rows == count else _UNEVEN))
    return _placed(grid, count, width, height, sizes, tall, with_data)


def _grid(
    columns: int,
    count: int,
    width: float,
    height: float,
    sizes: _Sizes,
    tall: float,
    with_data: bool,
    beside: bool,
) -> _Grid:
    rows = -(-count // columns)
    across = width - sizes.left - sizes.right - sizes.between * (columns - 1)
    down = height - sizes.top - sizes.ticks - sizes.key - sizes.between * (rows - 1)
    if beside:
        across -= sizes.gutter + sizes.side
    else:
        down -= sizes.head + sizes.low + sizes.ticks
    return _Grid(columns, rows, beside, max(min(across / columns, down / rows / tall), 60.0))


def _placed(
    grid: _Grid, count: int, width: float, height: float, sizes: _Sizes, tall: float, with_data: bool
) -> Layout:
    map_size = grid.side, grid.side * tall
    block = [n * size + (n - 1) * sizes.between for n, size in zip((grid.columns, grid.rows), map_size, strict=True)]
    left = sizes.left if grid.beside else max(sizes.left, (width - block[0] + sizes.left - sizes.right) / 2)
    top = height - sizes.top
    floor = top - block[1]  # of the maps
    key_right = width - sizes.right

    def box(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / width, y / height, w / width, h / height

    def cell(position: int) -> tuple[float, float, float, float]:
        row, column = divmod(position, grid.columns)
        x, y = (n * (size + sizes.between) for n, size in zip((column, row), map_size, strict=True))
        return box(left + x, top - y - map_size[1], *map_size)

    if grid.beside:
        across = left + block[0] + sizes.gutter
        wide, ground = width - sizes.right - across, floor
        if floor > sizes.ticks + 2 * sizes.key:  # the maps leave room under them
            ground, key_right = sizes.ticks, left + block[0]
        high = (top - sizes.head - ground - (sizes.ticks + sizes.head if with_data else 0)) / (2 if with_data else 1)
        losses = box(across, ground, wide, high)
        data = box(across, top - sizes.head - high, wide, high) if with_data else None
        key = floor - sizes.ticks - 0.55 * sizes.key
    else:
        wide = width - sizes.right - sizes.gutter
        wide = (wide - sizes.gutter - sizes.right) / 2 if with_data else wide
        high = floor - sizes.ticks - sizes.key - sizes.head - sizes.ticks
        losses = box(width - sizes.right - wide, sizes.ticks, wide, high)
        data = box(sizes.gutter, sizes.ticks, wide, high) if with_data else None
        key = floor - sizes.ticks - 0.5 * sizes.key
    return finished(
        width,
        height,
        sizes.scale,
        maps=tuple(cell(position) for position in range(count)),
        data=data,
        losses=losses,
        left_column=frozenset(range(0, count, grid.columns)),
        bottom_row=frozenset(position for position in range(count) if position + grid.columns >= count),
        legend=(0.0, 0.0),
        map_size=map_size,
        key_left=left,
        key_right=key_right / width,
        key_y=key / height,
    )
