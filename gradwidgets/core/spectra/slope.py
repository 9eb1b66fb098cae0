"""How fast a function of one number changes at 0, and how well that can be known from its values."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

_FACTOR = 8.0
_FARTHEST = 0.03  # of the size of what is moved
_SIDE = 4  # points on each side
_DEGREE = 3
_SURE = 10.0  # standard errors
_FEW_DIGITS = (torch.bfloat16, torch.float16, torch.float32)


@dataclass(frozen=True)
class Slope:
    """A function's slope at 0.

    Attributes:
        value: The slope from both sides; NaN where the function never moved.
        low: The smallest one of it and the slopes to the left and to the right.
        high: The largest one.
        error: Standard error of `value`.
        noise: What is left of the function's values beside a smooth curve, relative to the largest of them.
        hidden: The largest slope that the digits of the values would hide where the function never moved.
    """

    value: float
    low: float
    high: float
    error: float
    noise: float
    hidden: float = 0.0

    def denies(self, other: float, tolerance: float) -> bool:
        """Whether another slope is certainly not this one, nor between both sides at a kink.

        Args:
            other: The other slope.
            tolerance: Relative to the larger of both.
        """
        if math.isnan(self.value):
            return abs(other) > self.hidden
        margin = max(tolerance * max(abs(other), abs(self.value)), _SURE * self.error)
        return not self.low - margin <= other <= self.high + margin


def steps_from(smallest: float, size: float) -> Iterator[float]:
    """Steps that grow from a smallest one to a small part of a size.

    Args:
        smallest: The first.
        size: Of what is moved.
    """
    step = smallest
    while step <= max(smallest, _FARTHEST * size):
        yield step
        step *= _FACTOR


def slope(function: Callable[[float], float], smallest: float, size: float) -> Slope:
    """Find a slope at 0 from values nearby, from whichever steps tell it best.

    A curve is laid through the values within each of several steps. Where digits were lost, values that are near each
    other differ by chance or not at all, and the larger steps tell more; where the function bends, the smaller ones.

    Args:
        function: Of one number.
        smallest: The smallest step; rounding leaves something of the function's change within it.
        size: Of what is moved.

    Returns:
        The slope; `value` is NaN where the function is the same everywhere.
    """
    found, middle, largest, unit = [], function(0.0), 0.0, math.inf
    for step in steps_from(smallest, size):
        values = [middle if k == 0 else function(k * step / _SIDE) for k in range(-_SIDE, _SIDE + 1)]
        if not all(map(math.isfinite, values)):
            break
        if any(value != middle for value in values):
            largest = max(largest, *map(abs, values))
            unit = min([unit, *(abs(one - other) for one, other in pairwise(values) if one != other)])
            found.append(_fitted(torch.tensor(values, dtype=torch.float64), step))
    if not found:
        hidden = 4 * _resolution(middle) * abs(middle) / max(steps_from(smallest, size))
        return Slope(math.nan, math.nan, math.nan, math.inf, 0.0, hidden)
    # Values that are whole multiples of something may happen to lie on a line: less than a part of it is not known.
    noise = sorted(one.noise for one in found)[len(found) // 3]
    least = max(noise, unit / 3)
    known = [replace(one, error=one.error * max(1.0, least / one.noise), noise=noise / largest) for one in found]
    return min(known, key=lambda one: one.error)


def _fitted(values: Tensor, step: float) -> Slope:
    """The slope from values within a step, with their noise as it is."""
    places = torch.arange(-_SIDE, _SIDE + 1, dtype=torch.float64) / _SIDE
    both, spread = _fit(places, values, _DEGREE)
    halves = (slice(_SIDE + 1), slice(_SIDE, None))
    sides = [float(_fit(places[half], values[half], _DEGREE - 1)[0][1]) for half in halves]
    slopes = [one / step for one in (float(both[1]), *sides)]
    powers = places[:, None] ** torch.arange(_DEGREE + 1)
    error = spread * math.sqrt(float(torch.linalg.inv(powers.T @ powers)[1, 1]))
    return Slope(slopes[0], min(slopes), max(slopes), error / step, spread)


def _fit(places: Tensor, values: Tensor, degree: int) -> tuple[Tensor, float]:
    """Coefficients of a polynomial through values, and the standard deviation of what is left."""
    powers = places[:, None] ** torch.arange(degree + 1)
    middle = values.mean()
    found = torch.linalg.lstsq(powers, (values - middle)[:, None]).solution[:, 0]
    left = values - middle - powers @ found
    # Differences of values come in whole units of their last digits: less than that is not known.
    least = torch.finfo(values.dtype).eps * float(values.abs().max()) / 4
    return found, max(float(left.norm()) / math.sqrt(len(values) - degree - 1), least)


def _resolution(value: float) -> float:
    """The relative distance between numbers of the coarsest type that a value fits into."""
    kept = torch.tensor(value, dtype=torch.float64)
    fitting = (torch.finfo(kind).eps for kind in _FEW_DIGITS if kept.to(kind).double() == kept)
    return next(fitting, torch.finfo(torch.float64).eps)
