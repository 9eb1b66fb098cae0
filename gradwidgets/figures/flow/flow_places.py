"""Where everything is in the picture of a profile: blocks above it, smaller plots and words beside it or below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from gradwidgets.figures.base.layout import Box, Layout, finished, type_scale

_TOP, _BLOCKS, _TITLE, _FOOT, _KEY = 24, 34, 25, 38, 24  # heights of lines, CSS pixels for text of 12 px
_TWO_BLOCKS, _BETWEEN = 26, 6
_LEFT, _RIGHT, _GUTTER = 52, 14, 50
_LETTER = 6.6  # the mean width of a letter, and a little more
_LINE, _TICKS, _ROW = 17, 21, 31
_NARROW = 235  # a profile is not narrower beside other plots, if it can be above them
_LEAST, _TALLEST = 66, 1.3  # the height of a plot; a lone one with words below it is at most so many widths tall


@dataclass(frozen=True)
class Wanted:
    """What is in the picture apart from the profile.

    Attributes:
        rows: The number of rows of blocks, 0 to 2.
        heads: For each plot, the number of lines above it.
        feet: For each plot, whether its horizontal axis is labelled.
        why: The number of lines of a sentence.
        hint: The number of lines of a hint.
    """

    rows: int = 0
    heads: tuple[int, ...] = ()
    feet: tuple[bool, ...] = ()
    why: int = 0
    hint: int = 0


@dataclass(frozen=True)
class Places:
    """The boxes of everything, as fractions of the figure.

    Attributes:
        layout: Sizes; `maps` holds the profile.
        blocks: The rows of blocks.
        plots: The plots beside the profile.
        why: The sentence; None without one.
        hint: The hint; None without one.
        line: The height of a line of text.
    """

    layout: Layout
    blocks: tuple[Box, ...]
    plots: tuple[Box, ...]
    why: Box | None
    hint: Box | None
    line: float


class _Sheet:
    """Sizes of a figure in units of the text; boxes are given from the top left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.scale = type_scale(width, height)
        self.wide, self.tall = width / self.scale, height / self.scale

    def box(self, left: float, top: float, wide: float, tall: float) -> Box:
        return left / self.wide, 1 - (top + tall) / self.tall, wide / self.wide, tall / self.tall


def text_width(plots: int, width: float, height: float) -> float:
    """Return the width of a sentence or a hint beside so many plots, in CSS pixels for text of 12 px."""
    sheet = _Sheet(width, height)
    whole = sheet.wide - _LEFT - _RIGHT
    return whole if not plots or (plots > 1 and _is_stacked(sheet)) else _side(sheet)


def _side(sheet: _Sheet) -> float:
    """Return the width of what is beside the profile, or of one of two parts below it."""
    if _is_stacked(sheet):
        return (sheet.wide - _LEFT - _RIGHT - _GUTTER) / 2
    return min(max(0.24 * sheet.wide, 176.0), 0.36 * sheet.wide)


def _is_stacked(sheet: _Sheet) -> bool:
    return sheet.wide - _LEFT - _GUTTER - _RIGHT - 176 < _NARROW and sheet.tall > 0.95 * sheet.wide


def places_of(wanted: Wanted, width: float, height: float) -> Places:
    """Lay out a picture.

    Args:
        wanted: What is in it.
        width: Figure width in CSS pixels.
        height: Figure height in CSS pixels.
    """
    sheet = _Sheet(width, height)
    side, beside = _side(sheet), bool(wanted.heads or wanted.why or wanted.hint)
    stacked = beside and (_is_stacked(sheet) or not wanted.heads)
    low = sheet.tall - _KEY - _FOOT
    if stacked:
        low -= _below(wanted, sheet)
    main = sheet.wide - _LEFT - _RIGHT - (0 if stacked or not beside else side + _GUTTER)
    rows, top = _blocks(wanted.rows, main, sheet)
    column = _Column(sheet, wanted, side, low)
    if stacked:
        plots, why, hint = column.below(low + _FOOT)
    else:
        plots, why, hint = column.beside()
    profile = sheet.box(_LEFT, top, main, low - top)
    layout = finished(
        width, height, sheet.scale, key_y=10 / sheet.tall, key_left=_LEFT * sheet.scale, maps=(profile,),
        data=plots[0] if plots else None, losses=plots[-1] if plots else profile, left_column=frozenset((0,)),
        bottom_row=frozenset((0,)), legend=(0.0, 0.0), map_size=(main * sheet.scale, (low - top) * sheet.scale),
    )  # fmt: skip
    return Places(layout, rows, plots, why, hint, _LINE / sheet.tall)


def _blocks(rows: int, main: float, sheet: _Sheet) -> tuple[tuple[Box, ...], float]:
    """Return the boxes of the rows of blocks, and where the profile begins below them."""
    if not rows:
        return (), float(_TOP)
    tall = _BLOCKS if rows == 1 else _TWO_BLOCKS
    boxes = [sheet.box(_LEFT, _TOP + k * (tall + _BETWEEN), main, tall) for k in range(rows)]
    return tuple(boxes), _TOP + rows * tall + (rows - 1) * _BETWEEN + _TITLE


def _below(wanted: Wanted, sheet: _Sheet) -> float:
    """Return the height of what is below the profile, if that is not beside it."""
    hint = _ROW if wanted.hint else 0.0
    if not wanted.heads:
        return wanted.why * _LINE + hint + 6
    return _LINE * max(wanted.heads) + 0.2 * sheet.tall + _TICKS + (15 if any(wanted.feet) else 0) + hint


class _Column:
    """What is beside the profile, or below it."""

    def __init__(self, sheet: _Sheet, wanted: Wanted, side: float, low: float) -> None:
        self._sheet, self._wanted, self._side, self._low = sheet, wanted, side, low

    def beside(self) -> tuple[tuple[Box, ...], Box | None, Box | None]:
        """Return the boxes of the plots, of the sentence and of the hint, one under another."""
        sheet, wanted, low = self._sheet, self._wanted, self._low
        left, side = sheet.wide - _RIGHT - self._side, self._side
        why, hint = wanted.why * _LINE, wanted.hint * _LINE + 12 if wanted.hint else 0
        tall = self._height(why, hint)
        if wanted.heads and why and tall < _LEAST:
            why, tall = 0, self._height(0, hint)
        if wanted.heads and hint and tall < _LEAST:
            hint, tall = 0, self._height(why, 0)
        top, plots = float(_TOP), []
        for k, head in enumerate(wanted.heads):
            top += (head - (k == 0)) * _LINE + (5 if k else 0)
            plots.append(sheet.box(left, top, side, tall))
            top += tall + self._foot(k)
        words = sheet.box(left, top + 4, side, why) if why else None
        return tuple(plots), words, sheet.box(left, low - hint, side, hint) if hint else None

    def _height(self, why: float, hint: float) -> float:
        """Return the height of each plot, if so much is left for words."""
        wanted, count = self._wanted, len(self._wanted.heads)
        if not count:
            return 0.0
        heads = (sum(wanted.heads) - 1) * _LINE + 5 * (count - 1)
        feet = sum(self._foot(k) for k in range(count if why or hint else count - 1))
        words = (why + 4 if why else 0) + (hint + 8 if hint else 0)
        tall = (self._low - _TOP - heads - feet - words) / count
        return min(tall, _TALLEST * self._side) if count == 1 and (why or hint) else tall

    def _foot(self, k: int) -> float:
        return _TICKS + (15 if self._wanted.feet[k] else 0)

    def below(self, top: float) -> tuple[tuple[Box, ...], Box | None, Box | None]:
        """Return the same boxes side by side."""
        sheet, wanted, side = self._sheet, self._wanted, self._side
        lefts, whole, end = (_LEFT, sheet.wide - _RIGHT - side), sheet.wide - _LEFT - _RIGHT, sheet.tall - _KEY
        hint = sheet.box(_LEFT, end - _ROW + 2, whole, _ROW - 6) if wanted.hint else None
        text = wanted.why * _LINE
        if not wanted.heads:
            return (), sheet.box(_LEFT, top + 4, whole, text) if text else None, hint
        room, top = _below(wanted, sheet) - (_ROW if hint else 0), top + _LINE * max(wanted.heads)
        tall, count = 0.2 * sheet.tall - 6, len(wanted.heads)
        text = text if text <= room and count == 1 else 0
        if count == 1 and not text:
            return (sheet.box(_LEFT, top, whole, tall),), None, hint
        plots = tuple(sheet.box(left, top, side, tall) for left in lefts[:count])
        words = sheet.box(lefts[1] - 14, top - _LINE, side + 14, text) if text else None
        return plots, words, hint


def line_count(lines: Sequence[str], width: float) -> int:
    """Return how many lines some paragraphs take, at a width in CSS pixels for text of 12 px."""
    return sum(len(broken(one, width)) for one in lines)


@lru_cache(maxsize=64)
def broken(words: str, width: float) -> tuple[str, ...]:
    """Break a sentence into lines for a width in CSS pixels for text of 12 px."""
    return tuple(textwrap.wrap(words, max(8, int(width / _LETTER))))
