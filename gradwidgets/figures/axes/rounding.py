"""Round axis limits: easy to read, and stable while a surface changes a little."""

from __future__ import annotations

import math
from collections.abc import Sequence

STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
HALVES = (1.0, 2.0, 5.0)


def round_limits(low: float, high: float, count: int, steps: Sequence[float] = STEPS) -> tuple[float, float]:
    """Widen limits to multiples of a round step.

    Args:
        low: The lowest value.
        high: The highest value, above `low`.
        count: The number of steps between the limits.
        steps: The allowed steps, from 1 to below 10, times any power of ten.

    Returns:
        The limits, `count` times the smallest round step apart that includes both values; unchanged if floats cannot
            resolve such a step.
    """
    need = (high - low) / count
    if not math.isfinite(need) or need <= 1e-12 * max(abs(low), abs(high)):
        return low, high
    decade = 10.0 ** math.floor(math.log10(need))
    for step in (factor * scale for scale in (decade, 10 * decade, 100 * decade) for factor in steps):
        start = math.floor(low / step * (1 + 1e-12)) * step
        if step >= need * (1 - 1e-9) and start + count * step >= high - 1e-9 * step:
            return start, start + count * step
    return low, high


def fractions_of_one(low: float, high: float, count: int) -> tuple[float, float]:
    """The same with steps of 1/n, so that integers are among their multiples."""
    need = (high - low) / count
    for n in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60, 90)[::-1]:
        start = math.floor(low * n + 1e-9) / n
        if 1 / n >= need and start + count / n >= high - 1e-9:
            return start, start + count / n
    return low, high
