"""The axis of a spectrum, drawn as a linear one: maps eigenvalues of any size and sign to positions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.axes.ticks import short

BINS = 60
_MOST_DECADES = 8  # below the largest; smaller values lie in the linear part
_MOST_TICKS = 9


@dataclass(frozen=True)
class EigenvalueAxis:
    """The positions of eigenvalues: λ itself, or sign(λ) · (1 + log₁₀ |λ|/unit) beyond ±unit.

    Attributes:
        logarithmic: Whether the latter is used.
        unit: Half of the linear part between the two signs, a power of ten; 1 if all is linear.
        low: The lowest position.
        high: The highest position, with room beyond the largest eigenvalue.
    """

    logarithmic: bool
    unit: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray, rounding: float = 0.0) -> EigenvalueAxis:
        """Choose the axis: linear if the magnitudes span at most two decades.

        Args:
            values: The eigenvalues; those not finite are left out.
            rounding: The magnitude up to which an eigenvalue may be a rounded zero; such values do not count.
        """
        values = values[np.isfinite(values)]
        sizes = np.abs(values[np.abs(values) > max(rounding, 0.0)])
        lowest, highest = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if sizes.size and sizes.max() > 100 * sizes.min():
            top = math.ceil(math.log10(sizes.max()))
            unit = 10.0 ** max(math.floor(math.log10(sizes.min())), top - _MOST_DECADES)
            axis = cls(True, unit, 0.0, 0.0)
            low, high = (float(place) for place in axis.place(np.array([lowest, highest])))
            below = 0.5 if low < -1 else 0.0
            return cls(True, unit, min(low, -1.0) - below, max(high, 1.0) + 1.0)
        low, high = min(lowest, 0.0), max(highest, 0.0)
        span = high - low or 1.0
        return cls(False, 1.0, low - 0.05 * span, high + 0.3 * span)

    def place(self, values: np.ndarray) -> np.ndarray:
        """The positions of eigenvalues."""
        if not self.logarithmic:
            return values
        sizes = np.abs(values) / self.unit
        return np.sign(values) * np.where(sizes > 1, 1 + np.log10(np.maximum(sizes, 1)), sizes)

    def value(self, places: np.ndarray) -> np.ndarray:
        """The eigenvalues at positions."""
        if not self.logarithmic:
            return places
        sizes = np.abs(places)
        return np.sign(places) * self.unit * np.where(sizes > 1, 10 ** (np.maximum(sizes, 1) - 1), sizes)

    @property
    def edges(self) -> np.ndarray:
        """The positions of the bins' edges, equally spaced, ascending; one bin is centred at 0."""
        width = (self.high - self.low) / BINS
        first, last = math.floor(self.low / width), math.ceil(self.high / width)
        return (np.arange(first, last + 2) - 0.5) * width

    @property
    def ticks(self) -> dict[float, str]:
        """Position → label."""
        if not self.logarithmic:
            places = np.asarray(MaxNLocator(5).tick_values(self.low, self.high))
            places = places[(places >= self.low) & (places <= self.high)]
            return {float(at): short(float(at), self.high - self.low) for at in places}
        whole = [k for k in range(math.ceil(self.low), math.floor(self.high) + 1) if k]
        stride = math.ceil((len(whole) + 1) / _MOST_TICKS)
        # From the largest down, so that 0 is not too close to its neighbours if some are left out.
        kept = [k for k in whole if (abs(k) - 1) % stride == 0 and (stride == 1 or abs(k) > 1)]
        return {0.0: "0", **{float(k): self._power(k) for k in kept}}

    def _power(self, place: int) -> str:
        exponent = round(math.log10(self.unit)) + abs(place) - 1
        size = f"{10.0**exponent:g}" if -2 <= exponent <= 3 else f"1e{exponent}".replace("-", "−")
        return f"−{size}" if place < 0 else size
