"""A logarithmic axis drawn as a linear one: heights are decimal logarithms, limits are whole decades."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_MOST_TICKS = 7
_ROOM = 0.35  # decades left free above and below


@dataclass(frozen=True)
class Decades:
    """Whole decades.

    Attributes:
        low: Decimal logarithm of the lowest value shown.
        high: Decimal logarithm of the highest value shown.
    """

    low: int
    high: int

    @classmethod
    def of(cls, values: np.ndarray, least: int = 2) -> Decades:
        """Choose the decades that hold all positive finite values, at least `least` of them."""
        usable = values[np.isfinite(values) & (values > 0)]
        if not usable.size:
            return cls(-least, 0)
        logs = np.log10(usable)
        low, high = math.floor(logs.min() + 1e-9), math.ceil(logs.max() - 1e-9)
        low = min(low, high - least)
        return cls(low, high)

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and highest height."""
        return self.low - _ROOM, self.high + _ROOM

    @property
    def ticks(self) -> dict[float, str]:
        """Height → label, for all or some of the powers of ten."""
        stride = max(1, math.ceil((self.high - self.low + 1) / _MOST_TICKS))
        powers = [p for p in range(self.low, self.high + 1) if p % stride == 0]
        return {float(p): _power(p) for p in powers}

    def height(self, values: np.ndarray) -> np.ndarray:
        """The heights of values; NaN for those that are zero, negative or not finite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            heights = np.log10(np.where(values > 0, values, np.nan))
        return np.where(np.isfinite(heights), heights, np.nan)


def _power(exponent: int) -> str:
    if -3 <= exponent <= 3:
        return f"{10.0**exponent:g}"
    return f"1e{exponent}".replace("-", "−")


def across(low: float, high: float, room: float) -> dict[float, str]:
    """Return powers of ten along an axis, position → label, as many as have room.

    Args:
        low: Decimal logarithm of the lowest value shown.
        high: That of the highest.
        room: The length of the axis, in font sizes of the labels.
    """
    ticks = Decades(math.floor(low), math.ceil(high)).ticks
    inside = {at: label for at, label in ticks.items() if low <= at <= high}
    widest = max((len(label) for label in inside.values()), default=1)
    every = math.ceil(len(inside) / max(int(room / (0.66 * widest + 0.6)), 1)) or 1
    return dict(list(inside.items())[::every])
