"""How a loss becomes a colour: even bands of the loss itself, of its logarithm, or of something between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradwidgets.figures.rounding import fractions_of_one, round_limits
from gradwidgets.figures.style import BANDS
from gradwidgets.figures.ticks import short

_DECADES = 6.0  # below the highest loss that a logarithmic scale tells apart
_TOP = 0.99  # of the losses that set the highest band: a pole must not take all the colours


@dataclass(frozen=True)
class SurfaceScale:
    """Even steps on a scale.

    Attributes:
        kind: "linear", "log" (of the loss, or of its height above the lowest where it is not positive) or "symlog".
        zero: What is taken off before a logarithm.
        unit: Below it symlog is linear.
        low: Lowest value on the scale.
        high: Highest.
    """

    kind: str
    zero: float
    unit: float
    low: float
    high: float

    @classmethod
    def of(cls, kind: str, losses: Sequence[np.ndarray]) -> SurfaceScale:
        """Choose the scale for surfaces that share it.

        Args:
            kind: "linear", "log" or "symlog".
            losses: The surfaces; what is not finite is left out.
        """
        values = np.concatenate([loss[np.isfinite(loss)].ravel() for loss in losses])
        if values.size == 0:
            return cls(kind, 0.0, 1.0, 0.0, 1.0)
        lowest, top = float(values.min()), float(np.quantile(values, _TOP))
        zero = 0.0 if kind != "log" or lowest > 0 else lowest
        unit = float(np.median(np.abs(values))) * 0.1 or 1.0 if kind == "symlog" else 1.0
        made = cls(kind, zero, unit, 0.0, 1.0)
        low, high = (float(v) for v in made.place(np.array([lowest, max(top, lowest)])))
        if kind == "log":
            low = max(low, high - _DECADES) if np.isfinite(low) else high - _DECADES
        high = high if high > low else low + 1.0
        if kind != "symlog":
            low, high = (round_limits if kind == "linear" else fractions_of_one)(low, high, BANDS)
        return cls(kind, zero, unit, low, high)

    def place(self, loss: np.ndarray) -> np.ndarray:
        """Where losses lie on the scale."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.kind == "log":
                return np.log10(np.maximum(loss - self.zero, 0.0))
            if self.kind == "symlog":
                return np.sign(loss) * np.log10(1 + np.abs(loss) / self.unit)
        return loss

    def loss(self, place: np.ndarray) -> np.ndarray:
        """The losses at places on the scale."""
        if self.kind == "log":
            return 10.0**place + self.zero
        if self.kind == "symlog":
            return np.sign(place) * self.unit * (10.0 ** np.abs(place) - 1)
        return place

    def bands(self, loss: np.ndarray) -> np.ndarray:
        """Where losses lie among the bands, 0 to BANDS on the scale; NaN where not finite."""
        place = (self.place(loss) - self.low) / (self.high - self.low) * BANDS
        return np.where(np.isfinite(loss), place, np.nan)

    @property
    def ticks(self) -> dict[float, str]:
        """Place on the scale, 0 to 1, → the loss there, for some of the levels between bands."""
        span = self.high - self.low
        at = np.arange(1, BANDS, 4) / BANDS
        if self.kind == "linear":
            at = np.arange(0, BANDS + 1, 3) / BANDS
        elif self.kind == "log":
            decades = np.arange(math.ceil(self.low - 1e-9), self.high + 1e-9)
            decades = decades[:: math.ceil(len(decades) / 7) or 1]
            at = (decades - self.low) / span if len(decades) > 1 else at
        whole = span if self.kind == "linear" else 0.0
        return {float(a): short(float(self.loss(np.float64(self.low + a * span))), whole) for a in at}
