"""The mapping from losses to colours: of the loss itself, of its logarithm, or a symlog mixture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.ticker import MaxNLocator

from gradwidgets.figures.axes.rounding import fractions_of_one, round_limits
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.base.luminous import power_of

_ROUNDED = 18  # parts of the scale that are round numbers
_APART = 0.055  # least distance of two ticks on the scale
_DECADES = 5.6  # below the highest loss that a logarithmic scale covers; rounding the limits makes it six
_POWERS = 1.3  # ratio of the powers that are used
_TOP = 0.99  # quantile of the losses that sets the highest band: a pole must not take all the colours


@dataclass(frozen=True)
class SurfaceScale:
    """A scale with even steps.

    Attributes:
        kind: "linear", "log" (of the loss, or of its height above the lowest if it is not positive) or "symlog".
        zero: What is subtracted before taking a logarithm.
        unit: The magnitude below which symlog is linear.
        low: The lowest value on the scale.
        high: The highest value.
        power: Levels are the shares of the way from low to high to this power, the median in the middle.
    """

    kind: str
    zero: float
    unit: float
    low: float
    high: float
    power: float = 1.0

    @classmethod
    def of(cls, kind: str, losses: Sequence[np.ndarray]) -> SurfaceScale:
        """Choose the scale for surfaces that share it.

        Args:
            kind: "linear", "log" or "symlog".
            losses: The losses on grids; those not finite are left out.
        """
        values = np.concatenate([loss[np.isfinite(loss)].ravel() for loss in losses])
        if values.size == 0:
            return cls(kind, 0.0, 1.0, 0.0, 1.0)
        lowest, top = float(values.min()), float(np.quantile(values, _TOP))
        zero = 0.0 if kind != "log" or lowest > 0 else lowest
        unit = 1.0
        if kind == "symlog" and (middle := float(np.median(np.abs(values)))) > 0:
            unit = 10.0 ** math.floor(math.log10(middle) - 1)
        made = cls(kind, zero, unit, 0.0, 1.0)
        low, high = (float(v) for v in made.place(np.array([lowest, max(top, lowest)])))
        if not np.isfinite(high):  # all losses are the lowest
            return cls(kind, zero, unit, 0.0, 1.0)
        if kind == "log":
            low = max(low, high - _DECADES) if np.isfinite(low) else high - _DECADES
        high = high if high > low else low + max(1.0, 1e-3 * abs(low))
        if kind == "linear":
            high = round_limits(low, high, _ROUNDED)[1]  # the lowest has the palest colour
        elif kind == "log":
            low, high = fractions_of_one(low, high, _ROUNDED)
        made = cls(kind, zero, unit, low, high)
        return replace(made, power=_rounded(power_of(made.levels(values))))

    def place(self, loss: np.ndarray) -> np.ndarray:
        """The positions of losses on the scale."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.kind == "log":
                return np.log10(np.maximum(loss - self.zero, 0.0))
            if self.kind == "symlog":
                return np.sign(loss) * np.log10(1 + np.abs(loss) / self.unit)
        return loss

    def loss(self, place: np.ndarray) -> np.ndarray:
        """The losses at positions on the scale."""
        if self.kind == "log":
            return 10.0**place + self.zero
        if self.kind == "symlog":
            return np.sign(place) * self.unit * (10.0 ** np.abs(place) - 1)
        return place

    def levels(self, loss: np.ndarray) -> np.ndarray:
        """The levels of losses, 0 to 1; NaN where not finite."""
        share = np.clip((self.place(loss) - self.low) / (self.high - self.low), 0, 1)
        return np.where(np.isfinite(loss), share**self.power, np.nan)

    def loss_at(self, level: float) -> float:
        """The loss at a level."""
        share = max(level, 0.0) ** (1 / self.power)
        return float(self.loss(np.array(self.low + share * (self.high - self.low))))

    @property
    def ticks(self) -> dict[float, str]:
        """Level, 0 to 1, → label of the loss there, for some round losses."""
        kept: dict[float, str] = {}
        for share, label in self._round_shares().items():
            level = min(max(share, 0.0), 1.0) ** self.power
            if all(abs(level - other) >= _APART for other in kept):
                kept[level] = label
        return dict(sorted(kept.items()))

    def _round_shares(self) -> dict[float, str]:
        """Share of the way from low to high → label, both ends first."""
        span = self.high - self.low
        if self.kind == "linear":
            unit = 10.0 ** math.floor(math.log10(span))  # the locator knows no span of 1e-300
            values = MaxNLocator(7, steps=(1, 2, 2.5, 5, 10)).tick_values(self.low / unit, self.high / unit)
            inside = [value for value in (float(one) * unit for one in values) if self.low <= value <= self.high]
            inside = inside if len(inside) > 1 else [self.low, self.high]
            return {(value - self.low) / span: short(value, span) for value in inside}
        if self.kind == "symlog":
            return self._symmetric(span)
        decades = np.arange(math.ceil(self.low - 1e-9), self.high + 1e-9)
        if len(decades) < 2:
            decades = np.linspace(self.low, self.high, 5)
        decades = decades[:: math.ceil(len(decades) / 7)]
        # Heights above the lowest loss, if the logarithm is not of the loss itself.
        sign = "+" if self.zero else ""
        return {float((d - self.low) / span): sign + short(10.0 ** float(d)) for d in decades}

    def _symmetric(self, span: float) -> dict[float, str]:
        reach = max(abs(self.low), abs(self.high))
        powers = range(1, math.ceil(reach) + 1)
        powers = powers[:: math.ceil(len(powers) / 3)]
        losses = [sign * self.unit * 10.0**p for p in powers for sign in (-1, 1)]
        places = {float((self.place(np.array(loss)) - self.low) / span): short(loss) for loss in [0.0, *losses]}
        inside = {place: text for place, text in sorted(places.items()) if -1e-9 <= place <= 1 + 1e-9}
        if len(inside) > 1:
            return inside
        # Less than a power of ten: even steps, as on the other scales.
        at = np.linspace(self.low, self.high, 5)
        levels = self.loss(at)
        return {
            float((a - self.low) / span): short(float(v), float(np.ptp(levels)))
            for a, v in zip(at, levels, strict=True)
        }


def _rounded(power: float) -> float:
    """A power near another, the same for many, so that colours stay while a loss changes a little."""
    return float(_POWERS ** round(math.log(power, _POWERS)))
