"""The slope of a function of one number at 0, and how well its values determine it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

_FACTOR = 8.0
_LARGEST_STEP = 0.03  # of the size of what is moved
_POINTS_PER_SIDE = 4
_DEGREE = 3
_SURE = 10.0  # standard errors
_FEW_DIGITS = (torch.bfloat16, torch.float16, torch.float32)


@dataclass(frozen=True)
class Slope:
    """A function's slope at 0.

    Attributes:
        value: The two-sided slope; NaN if the function never changed.
        low: The smallest of it and the one-sided slopes.
        high: The largest of them.
        error: The standard error of `value`.
        noise: The residual of the function's values from a smooth curve, relative to the largest value.
        hidden: The largest slope that the values' digits could hide, if the function never changed.
    """

    value: float
    low: float
    high: float
    error: float
    noise: float
    hidden: float = 0.0

    def denies(self, other: float, tolerance: float) -> bool:
        """Whether another slope certainly differs from this one, and from those between both sides at a kink.

        Args:
            other: The other slope.
            tolerance: The tolerance, relative to the larger of the two.
        """
        if math.isnan(self.value):
            return abs(other) > self.hidden
        margin = max(tolerance * max(abs(other), abs(self.value)), _SURE * self.error)
        return not self.low - margin <= other <= self.high + margin


def steps_from(smallest: float, size: float) -> Iterator[float]:
    """Yield steps that grow from a smallest one to a small fraction of a size.

    Args:
        smallest: The first step.
        size: The size of what is moved.
    """
    step = smallest
    while step <= max(smallest, _LARGEST_STEP * size):
        yield step
        step *= _FACTOR


def slope(function: Callable[[float], float], smallest: float, size: float) -> Slope:
    """Estimate a slope at 0 from values nearby, using the steps that determine it best.

    A curve is fitted to the values within each of several steps. If digits were lost, values close to each other
    differ by chance or not at all, and larger steps are more reliable; if the function bends, smaller ones are.

    Args:
        function: A function of one number.
        smallest: The smallest step, large enough for the function's change to survive rounding.
        size: The size of what is moved.

    Returns:
        The slope; `value` is NaN if the function is constant.
    """
    found, middle, largest, unit = [], function(0.0), 0.0, math.inf
    for step in steps_from(smallest, size):
        values = [
            middle if k == 0 else function(k * step / _POINTS_PER_SIDE)
            for k in range(-_POINTS_PER_SIDE, _POINTS_PER_SIDE + 1)
        ]
        if not all(map(math.isfinite, values)):
            break
        if any(value != middle for value in values):
            largest = max(largest, *map(abs, values))
            unit = min([unit, *(abs(one - other) for one, other in pairwise(values) if one != other)])
            found.append(_fitted(torch.tensor(values, dtype=torch.float64), step))
    if not found:
        hidden = 4 * _resolution(middle) * abs(middle) / max(steps_from(smallest, size))
        return Slope(math.nan, math.nan, math.nan, math.inf, 0.0, hidden)
    # Quantized values may happen to lie on a line: a part of one quantum cannot be resolved.
    noise = sorted(one.noise for one in found)[len(found) // 3]
    least = max(noise, unit / 3)
    known = [replace(one, error=one.error * max(1.0, least / one.noise), noise=noise / largest) for one in found]
    return min(known, key=lambda one: one.error)


def _fitted(values: Tensor, step: float) -> Slope:
    """The slope from values within a step, with their own noise."""
    places = torch.arange(-_POINTS_PER_SIDE, _POINTS_PER_SIDE + 1, dtype=torch.float64) / _POINTS_PER_SIDE
    both, spread = _fit(places, values, _DEGREE)
    halves = (slice(_POINTS_PER_SIDE + 1), slice(_POINTS_PER_SIDE, None))
    sides = [float(_fit(places[half], values[half], _DEGREE - 1)[0][1]) for half in halves]
    slopes = [one / step for one in (float(both[1]), *sides)]
    powers = places[:, None] ** torch.arange(_DEGREE + 1)
    error = spread * math.sqrt(float(torch.linalg.inv(powers.T @ powers)[1, 1]))
    return Slope(slopes[0], min(slopes), max(slopes), error / step, spread)


def _fit(places: Tensor, values: Tensor, degree: int) -> tuple[Tensor, float]:
    """Fit a polynomial to values; return its coefficients and the residuals' standard deviation."""
    powers = places[:, None] ** torch.arange(degree + 1)
    middle = values.mean()
    found = torch.linalg.lstsq(powers, (values - middle)[:, None]).solution[:, 0]
    left = values - middle - powers @ found
    # Values are quantized to their last digit: less than that cannot be resolved.
    least = torch.finfo(values.dtype).eps * float(values.abs().max()) / 4
    return found, max(float(left.norm()) / math.sqrt(len(values) - degree - 1), least)


def _resolution(value: float) -> float:
    """The machine epsilon of the coarsest dtype that represents a value exactly."""
    kept = torch.tensor(value, dtype=torch.float64)
    fitting = (torch.finfo(kind).eps for kind in _FEW_DIGITS if kept.to(kind).double() == kept)
    return next(fitting, torch.finfo(torch.float64).eps)
