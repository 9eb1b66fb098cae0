"""The colours of a loss from low to high: pale sand, lagoon, blue, and the night.

A ramp in OKLCH, the polar form of Ottosson's OKLab (https://bottosson.github.io/posts/oklab): lightness falls linearly,
so that height is lightness for any colour vision; hue and chroma follow a cubic through four colours.
"""

from __future__ import annotations

import numpy as np

LEVELS = 256
_MIDDLE = 0.56  # the level of the median: most of a map is neither pale nor dark

# Inverses of the published matrices, from OKLab to the cone responses' cube roots, and from those to linear sRGB.
_TO_ROOTS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
_HUES = (98.0, 178.0, 232.0, 278.0)  # degrees: sand, lagoon, blue, indigo


def luminous(lightness: tuple[float, float], chroma: tuple[float, float, float, float]) -> np.ndarray:
    """Return the colours from low to high, (LEVELS, 4), 0 to 1.

    Args:
        lightness: OKLab's lightness of the lowest and the highest level.
        chroma: The chroma of sand, lagoon, blue and indigo.
    """
    at = np.linspace(0, 1, LEVELS)
    hue = np.radians(_cubic(_HUES, at))
    tint = _cubic(chroma, at)
    lab = np.column_stack([np.linspace(*lightness, LEVELS), tint * np.cos(hue), tint * np.sin(hue)])
    return np.column_stack([np.clip(srgb(lab), 0, 1), np.ones(LEVELS)])


def srgb(lab: np.ndarray) -> np.ndarray:
    """Return OKLab colours, (…, 3), in sRGB; outside 0 to 1 where sRGB has no such colour."""
    linear = (lab @ _TO_ROOTS.T) ** 3 @ _TO_LINEAR.T
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def levels(loss: np.ndarray) -> np.ndarray:
    """Return where each loss lies between the lowest, 0, and the highest, 1, the median in the middle of the ramp.

    A power of the share of the way up does that: a quadratic, an L1 cone and Rosenbrock's canyon all show their valley.

    Args:
        loss: The losses, of any shape; those not finite become NaN.
    """
    finite = np.isfinite(loss)
    values = np.where(finite, loss, np.nan) / 2  # halves, as the highest less the lowest may be beyond a float
    if not finite.any():
        return values
    low, high = float(values[finite].min()), float(values[finite].max())
    if not high > low:
        return values * 0
    share = (values - low) / (high - low)
    return share ** power_of(share)


def power_of(shares: np.ndarray) -> float:
    """Return the power that puts the median of shares, 0 to 1, in the middle of the ramp; 1 if none does.

    Args:
        shares: Numbers of any shape; those not finite do not count.
    """
    known = shares[np.isfinite(shares)]
    middle = float(np.median(known)) if known.size else 0.0
    return float(np.log(_MIDDLE) / np.log(middle)) if 0 < middle < 1 else 1.0


def _cubic(knots: tuple[float, ...], at: np.ndarray) -> np.ndarray:
    """The cubic through four values at 0, 1/3, 2/3 and 1."""
    return np.polyval(np.polyfit(np.linspace(0, 1, len(knots)), knots, 3), at)
