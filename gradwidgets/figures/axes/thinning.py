"""Thinning: of many samples, a line only needs the lowest and highest of each stretch to look the same."""

from __future__ import annotations

import numpy as np

MOST = 400  # points of a line


def thinned(values: np.ndarray, most: int = MOST) -> np.ndarray:
    """Choose samples that draw the same line.

    All stretches have the same length and start at the first sample, so while samples are added, the chosen ones stay
    the same until the stretches must become longer.

    Args:
        values: The samples, (S,); those not finite do not count as extremes.
        most: The number to choose, at least 4.

    Returns:
        Ascending indices: the first sample, the newest, and the lowest and highest of each stretch; all if there
        are at most `most`.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    length = -(-count // ((most - 2) // 2))
    stretches = -(-count // length)
    padded = np.full(stretches * length, np.nan)
    padded[:count] = values
    rows = np.where(np.isfinite(padded), padded, np.nan).reshape(stretches, length)
    starts = np.arange(stretches) * length
    lowest = starts + np.where(np.isnan(rows), np.inf, rows).argmin(1)
    highest = starts + np.where(np.isnan(rows), -np.inf, rows).argmax(1)
    return np.unique(np.concatenate([[0], lowest, highest, [count - 1]]))


def spaced(places: np.ndarray, least: float) -> np.ndarray:
    """Thin ascending positions so that their marks stay distinguishable: keep the last of each stretch.

    Args:
        places: The positions, (n,).
        least: The length of a stretch.
    """
    if not len(places):
        return places
    stretch = np.floor_divide(places, least)
    return places[np.append(stretch[1:] != stretch[:-1], True)]
