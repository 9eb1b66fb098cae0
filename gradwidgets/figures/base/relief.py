"""A surface in smooth colours with a few pale level lines, painted at the pixels that it covers."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

LINES = 11  # level lines
_PALE, _WIDTH = 0.26, 0.8  # a line's opacity, and its width in CSS pixels
_SHADES = 8  # of a line: a pixel beside it is partly covered
_STEEP, _FLAT = 0.4, 1e-5  # levels a pixel beyond which lines would cover everything, and a plateau would be a line


def relief(level: np.ndarray, ramp: np.ndarray, blank: str, width: int, height: int, ratio: float = 1.0) -> np.ndarray:
    """Paint a surface.

    Args:
        level: The surface from 0 to 1, (H, W), first row at the bottom; NaN for blank.
        ramp: The colours from low to high, (levels, 4), 0 to 1.
        blank: The Matplotlib colour of NaN.
        width: The width in pixels.
        height: The height in pixels.
        ratio: The number of pixels per CSS pixel.

    Returns:
        A uint8 array (height, width, 4), first row at the bottom.
    """
    fine = stretched(stretched(np.clip(level, 0, 1).astype(np.float32).T, width).T, height)
    missing = np.isnan(fine) if np.isnan(level).any() else None
    if missing is not None:
        fine[missing] = 0
    shade = _line_shade(fine * np.float32(LINES + 1), ratio)
    fine *= len(ramp) - 1
    index = np.rint(fine, out=fine).astype(np.intp)
    index *= _SHADES
    index += shade
    table = _table(ramp, blank)
    if missing is not None:
        index[missing] = len(table) - 1
    return table[index].view(np.uint8).reshape(height, width, 4)


def ramp_at(level: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """Return the colours of levels, (…, 4); the lowest for NaN."""
    return ramp[np.rint(np.nan_to_num(level) * (len(ramp) - 1)).astype(int)]


def _line_shade(fine: np.ndarray, ratio: float) -> np.ndarray:
    """How much of a line covers each pixel, 0 to _SHADES − 1; `fine` is in level lines."""
    slope = slope_of(fine)
    nearest = np.rint(fine)
    apart = np.abs(fine - nearest)
    apart /= np.maximum(slope, _FLAT)
    np.subtract(_WIDTH * ratio / 2 + 0.5, apart, out=apart)
    apart[(slope > _STEEP / ratio) | (slope < _FLAT) | (nearest < 1) | (nearest > LINES)] = 0
    np.clip(apart, 0, 1, out=apart)
    apart *= _SHADES - 1
    return np.rint(apart, out=apart).astype(np.intp)


def _table(ramp: np.ndarray, blank: str) -> np.ndarray:
    """Colours by level and shade of a line, as uint32 (four bytes each); the last is the blank colour."""
    pale = (_PALE * np.linspace(0, 1, _SHADES))[None, :, None]
    rgb = ramp[:, None, :3] * (1 - pale) + pale
    table = np.full((rgb.shape[0] * _SHADES + 1, 4), 255, np.uint8)
    table[:, :3] = (np.concatenate([rgb.reshape(-1, 3), [to_rgb(blank)]]) * 255).round()
    return table.view(np.uint32).ravel()


def slope_of(fine: np.ndarray) -> np.ndarray:
    """The slope of a surface of float32, per pixel."""
    across, down = np.empty_like(fine), np.empty_like(fine)
    np.subtract(fine[:, 1:], fine[:, :-1], out=across[:, :-1])
    across[:, -1] = across[:, -2] if fine.shape[1] > 1 else 0
    np.subtract(fine[1:], fine[:-1], out=down[:-1])
    down[-1] = down[-2] if fine.shape[0] > 1 else 0
    across *= across
    down *= down
    across += down
    return np.sqrt(across, out=across)


def stretched(values: np.ndarray, samples: int) -> np.ndarray:
    """Interpolate linearly along the first axis."""
    position = np.linspace(0, len(values) - 1, samples)
    lower = np.minimum(position.astype(int), max(len(values) - 2, 0))
    share = (position - lower).astype(np.float32)[:, None]
    low = values.take(lower, 0)
    high = values.take(np.minimum(lower + 1, len(values) - 1), 0)
    high -= low
    high *= share
    low += high
    return low
