"""Axes of live data: limits only grow, and in round steps, so that the background seldom changes."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradwidgets.figures.axes.decades import Decades
from gradwidgets.figures.axes.rounding import HALVES, STEPS, round_limits
from gradwidgets.figures.axes.ticks import told_apart
from gradwidgets.figures.base.style import own_look

_STILL = 4e-3  # of a loss: it is drawn as flat if it moves by less
_FINE = 0.05  # of a loss: ticks that are closer take the roundest steps, as they need many digits anyway
_EARLY = 10  # the axis of a run that begins by this step begins at 0
_STEP = 3.4  # font sizes from one tick's label to the next, at least
_MARK = 8.0  # CSS pixels from an edge to the middle of a mark
_ROOM = 0.02  # of the width, at either end


class GrowingSteps:
    """A horizontal axis of steps whose width is a round number.

    Args:
        axes: The axes to scale.

    Attributes:
        span: The width, without the margins.
    """

    def __init__(self, axes: Axes) -> None:
        self._axes, self._start, self.span = axes, 0, 0
        letter = float(axes.xaxis.get_ticklabels()[0].get_fontsize()) * axes.figure.dpi / 72
        most = min(max(int(axes.bbox.width / (_STEP * letter)), 2), 5)
        axes.xaxis.set_major_locator(MaxNLocator(most, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: steps_in_short(step)))

    def reset(self) -> None:
        """Forget the current extent."""
        self.span = 0

    def fit(self, first: int, last: int) -> bool:
        """Make room; return whether the axis changed.

        Args:
            first: The first step; the axis begins at 0 unless the run was taken up later.
            last: The latest step.
        """
        if not self.span:
            self._start = 0 if first <= _EARLY else first
        span = max(round_up(last - self._start), self.span)
        if span == self.span:
            return False
        self.span = span
        self._axes.set_xlim(self._start - _ROOM * span, self._start + (1 + _ROOM) * span)
        return True


class GrowingDecades:
    """A vertical axis of whole decades.

    Args:
        axes: The axes to scale.

    Attributes:
        decades: The decades shown.
    """

    def __init__(self, axes: Axes) -> None:
        self._axes, self.decades = axes, Decades(-2, 0)
        self.reset()

    def reset(self) -> None:
        """Forget the current extent."""
        self._begun, self._reached = False, False

    def fit(self, values: np.ndarray) -> bool:
        """Make room for positive finite values; return whether the axis changed."""
        usable = values[np.isfinite(values) & (values > 0)]
        if not usable.size and self._begun:
            return False
        decades = Decades.of(usable)
        if self._reached:
            decades = Decades(min(decades.low, self.decades.low), max(decades.high, self.decades.high))
        if decades == self.decades and self._begun:
            self._reached = True
            return False
        # Without any value, the limits need not be kept for later ones.
        self.decades, self._begun, self._reached = decades, True, bool(usable.size)
        with own_look():
            self._axes.set_ylim(decades.limits)
            self._axes.set_yticks(list(decades.ticks), list(decades.ticks.values()))
        return True

    @property
    def edges(self) -> tuple[float, float]:
        """The heights of the marks for zero and for values that are not finite."""
        (low, high), height = self.decades.limits, max(self._axes.bbox.height, 1.0)
        edge = min(max(0.035, _MARK * self._axes.figure.dpi / 100 / height), 0.3) * (high - low)
        return low + edge, high - edge


class GrowingLosses:
    """A vertical axis of losses: linear, or logarithmic once they are positive and span more than two decades.

    Args:
        axes: The axes to scale.
    """

    def __init__(self, axes: Axes) -> None:
        self._axes, self._decades = axes, GrowingDecades(axes)
        self._limits: tuple[float, float] | None = None  # which later limits must include
        self._shown: tuple[float, float] | None = None
        self.logarithmic = False
        axes.set_yticks([])

    def reset(self) -> None:
        """Forget the current extent."""
        self._limits = self._shown = None
        self.logarithmic = False
        self._decades.reset()
        self._axes.set_yticks([])

    def fit(self, losses: np.ndarray) -> bool:
        """Make room; return whether the axis changed.

        Args:
            losses: Finite losses, all of the run or its extremes.
        """
        if not losses.size:
            return False
        low, high = float(losses.min()), float(losses.max())
        was, shown = self.logarithmic, self._shown
        self.logarithmic = low > 0 and (was or high / low > 100)
        if self.logarithmic:
            self._limits = self._shown = None
            return self._decades.fit(losses) or not was
        self._decades.reset()
        low, high = self._held(low, high) or self._limits_for(low, high)
        if (low, high) == shown:
            return False
        self._shown = low, high
        room = 0.06 * (high / 2 - low / 2)  # halves, as the difference of two floats may overflow
        ticks = [low + (high / 4 - low / 4) * k for k in range(5)]
        with own_look():
            self._axes.set_ylim(low - room, high + room)
            self._axes.set_yticks(ticks, told_apart(ticks))
        return True

    def _held(self, low: float, high: float) -> tuple[float, float] | None:
        """The current limits if they include these values, else None."""
        if self._limits is None:
            return None
        nothing = 1e-9 * (self._limits[1] / 2 - self._limits[0] / 2)  # tolerance for rounding
        return self._limits if self._limits[0] - nothing <= low and high <= self._limits[1] + nothing else None

    def _limits_for(self, low: float, high: float) -> tuple[float, float]:
        """Round limits, starting at 0 if that takes less than half of the height."""
        if self._limits is not None:
            low, high = min(low, self._limits[0]), max(high, self._limits[1])
        if low == high:
            # The span chosen for a single value is a guess that need not be kept for later ones.
            return round_limits(min(low, 0.0), max(high, 0.0) or 1.0, 4)
        low, high = _spread(0.0 if 0 <= low < 0.5 * high else low, high)
        fine = high / 2 - low / 2 < _FINE * max(abs(low), abs(high))
        self._limits = round_limits(low, high, 4, HALVES if fine else STEPS)
        return self._limits

    def height(self, losses: np.ndarray) -> np.ndarray:
        """The heights of losses; NaN where they have none."""
        if self.logarithmic:
            return self._decades.decades.height(losses)
        return np.where(np.isfinite(losses), losses, np.nan)


def _spread(low: float, high: float) -> tuple[float, float]:
    """Widen limits that are so close that their ticks would need more digits than there is room for."""
    least = _STILL * max(abs(low), abs(high))
    missing = max(least - (high - low), 0.0) if math.isfinite(high - low) else 0.0
    return low - missing / 2, high + missing / 2


def round_up(count: float) -> int:
    """Return the smallest of 10, 15, 20, 30, 50, 70, 100, 150, … that is at least a count."""
    decade = 10 ** (len(str(int(max(count, 10)))) - 2)
    return next(step * decade for step in (10, 15, 20, 30, 50, 70, 100, 150) if step * decade >= count)


def steps_in_short(step: float) -> str:
    """Format a number of steps to fit below a tick."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(step) >= unit:
            size = 1e3 if letter == "k" else unit
            return f"{step / size:.5g}{letter}"
    return f"{step:.0f}"
