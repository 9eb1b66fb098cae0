"""Arrows drawn as one line, so that they move as cheaply as a path does."""

from __future__ import annotations

import math

import numpy as np


def arrow(vector: np.ndarray, head: float) -> np.ndarray:
    """Return the outline of an arrow from the origin as one polyline, shape (5, 2).

    Args:
        vector: (2,) where it points, in pixels.
        head: Length of the head's strokes in pixels; shorter for a short arrow.
    """
    length = float(np.hypot(*vector))
    if length == 0:
        return np.zeros((5, 2))
    along = vector / length
    across = np.array([-along[1], along[0]])
    size = min(head, 0.5 * length)
    left = vector - size * (along + 0.55 * across)
    right = vector - size * (along - 0.55 * across)
    return np.array([np.zeros(2), vector, left, vector, right])


def magnification(longest: float, wanted: float) -> float:
    """Return the factor 1, 2, 5, 10, 20, 50, … by which vectors are drawn longer, never beyond `wanted` pixels.

    Args:
        longest: Length of the longest vector in pixels.
        wanted: The length that it may have.
    """
    if longest <= 0 or longest * 2 > wanted:
        return 1
    decade = 10.0 ** math.floor(math.log10(wanted / longest))
    return max(step * decade for step in (1, 2, 5) if longest * step * decade <= wanted)
