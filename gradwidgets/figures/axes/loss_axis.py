"""The axis of the loss curves: logarithmic if the losses allow it, fixed while settings change.

Heights are computed here and drawn on a linear axis: Matplotlib's own log scale transforms every point again on
every draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import FixedLocator, Locator, MaxNLocator

_FAR = 30  # decades from 1 beyond which 1e-30 would not fit beside the axis, but 10⁻³⁰ does
_WIDEST = 7  # letters of a number in plain notation
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_ZERO = 1e-10  # of the highest loss: a lowest one below that is zero but for rounding
_DECADES = 4.0  # below the middle of the losses in view, as a minimum of zero would need infinitely many
_MOST = 16.0  # decades, at most


@dataclass(frozen=True)
class LossAxis:
    """The mapping from losses to heights.

    Attributes:
        log: Whether heights are decimal logarithms.
        limits: The lowest and highest height shown.
    """

    log: bool
    limits: tuple[float, float]

    @classmethod
    def of(cls, surfaces: Sequence[np.ndarray], lowest: Sequence[float | None]) -> LossAxis:
        """Choose the axis from the surfaces in view, so that no descent, diverging or not, rescales it.

        Args:
            surfaces: The losses on grids, (H, W) each.
            lowest: The lowest known loss of each surface, or None.
        """
        finite = [surface[np.isfinite(surface)] for surface in surfaces]
        finite = [values for values in finite if values.size]
        if not finite:
            return cls(False, (0.0, 1.0))
        high = max(float(values.max()) for values in finite)
        seen = min(float(values.min()) for values in finite)
        low = min([seen, *(value for value in lowest if value is not None)])
        if low < 0 or high <= 0:
            pad = 0.05 * (high - low) or 1.0
            return cls(False, (low - pad, high + pad))
        top = np.log10(high)
        if low > _ZERO * high:
            bottom = np.log10(low)
        else:
            middle = np.median(np.concatenate([values[values > 0] for values in finite]))
            bottom = min(np.log10(middle), top - 1) - _DECADES
        bottom = max(bottom, top - _MOST)
        pad = max(0.05 * (top - bottom), 0.05)
        return cls(True, (float(bottom - pad), float(top + pad)))

    @property
    def title(self) -> str:
        """The title of the axis."""
        return "loss (log)" if self.log else "loss"

    @property
    def locator(self) -> Locator:
        """The tick locator: at powers of ten, or in 1-2-5 steps if there are few of those."""
        if not self.log:
            return MaxNLocator(5)
        low, high = self.limits
        powers = np.arange(np.ceil(low), np.floor(high) + 1)
        if len(powers) >= 3:
            return FixedLocator(powers[:: max(1, len(powers) // 5)].tolist())
        steps = (1, 2, 5) if len(powers) == 2 or high - low > 0.8 or max(-low, high) >= _FAR else (1, 1.5, 2, 3, 5, 7)
        ticks = [p + np.log10(s) for p in np.arange(np.floor(low), np.ceil(high) + 1) for s in steps]
        inside = [t for t in ticks if low <= t <= high]
        if len(inside) < 2:  # less than a factor of two: evenly spaced losses
            inside = [np.log10(v) for v in MaxNLocator(4).tick_values(10.0**low, 10.0**high) if v > 0]
        return FixedLocator([t for t in inside if low <= t <= high])

    def height(self, losses: np.ndarray) -> np.ndarray:
        """Return the heights of losses; NaN where not finite, and clipped to just beyond the axis."""
        low, high = self.limits
        reach = 3 * (high - low)
        with np.errstate(divide="ignore", invalid="ignore"):
            heights = np.log10(np.maximum(losses, 0.0)) if self.log else np.asarray(losses, float)
        heights = np.where(np.isnan(losses), np.nan, heights)
        return np.clip(heights, low - reach, high + reach)

    def label(self, height: float) -> str:
        """Return the tick label of a height."""
        value = 10.0**height if self.log else height
        plain = f"{value:.10g}"
        if 1e-3 <= value < 1e5 if self.log else len(plain) <= _WIDEST:
            return plain
        mantissa, exponent = f"{value:.3e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        if mantissa == "1" and abs(int(exponent)) >= _FAR:
            return "10" + str(int(exponent)).translate(_RAISED)
        return f"{mantissa}e{int(exponent)}"
