"""A surface as even bands of colour with thin lines between them, each edge smooth.

A pixel's distance to the nearest level, in pixels, is the height to it over the slope. That one number says how the
two bands mix in the pixel and how dark the line is, so that colour and line come from one table.
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

_STEPS = 16  # of distance within a pixel to either side of a level
_LINE = 0.80  # of the colour's brightness on a level line
_STEEP = 0.4  # bands a pixel: from there on lines would be all there is
_FLAT = 1e-5  # bands a pixel: a plateau that lies on a level is no line


def even_bands(place: np.ndarray, colors: np.ndarray, blank: str, width: int, height: int) -> np.ndarray:
    """Paint a surface.

    Args:
        place: (H, W) where the surface lies on the scale, in bands: 0 to the number of bands, what is beyond has the
            colour of the last; NaN for blank. First row lowest.
        colors: (bands, 4) colours from low to high, 0 to 1.
        blank: Matplotlib colour of what is NaN.
        width: Pixels across.
        height: Pixels down.

    Returns:
        uint8 array (height, width, 4), first row lowest.
    """
    count = len(colors)
    table = _table(colors, blank)
    grid = np.clip(place, -1, count + 1).astype(np.float32)
    fine = _stretched(_stretched(grid.T, width).T, height)
    missing = np.isnan(fine) if np.isnan(grid).any() else None
    if missing is not None:
        fine[missing] = 0
    level = np.rint(fine)
    slope = _slope(fine)
    steep = slope > _STEEP
    flat = slope < _FLAT
    np.subtract(fine, level, out=fine)
    apart = fine / np.maximum(slope, _FLAT)
    if steep.any() or flat.any():
        extreme = steep | flat
        apart[extreme] = np.where(fine[extreme] < 0, -1, 1)
    np.clip(apart, -1, 1, out=apart)
    np.clip(level, 0, count, out=level)
    apart += 1
    apart *= (_STEPS - 1) / 2
    level *= _STEPS
    level += np.rint(apart, out=apart)
    index = level.astype(np.intp)
    if missing is not None:
        index[missing] = len(table) - 1
    return table[index].view(np.uint8).reshape(height, width, 4)


def _table(colors: np.ndarray, blank: str) -> np.ndarray:
    """Colours by level and distance to it, uint32 of four bytes each; the last is the blank one."""
    count = len(colors)
    palette = np.asarray(colors)[:, :3]
    distance = np.linspace(-1, 1, _STEPS)
    above = np.clip(distance + 0.5, 0, 1)[None, :, None]
    low = palette[np.clip(np.arange(count + 1) - 1, 0, count - 1)][:, None]
    high = palette[np.clip(np.arange(count + 1), 0, count - 1)][:, None]
    mixed = low * (1 - above) + high * above
    dark = 1 - (1 - _LINE) * np.clip(1.2 - 1.25 * np.abs(distance), 0, 1)[None, :, None]
    dark = np.repeat(dark, count + 1, axis=0)
    dark[[0, -1]] = 1  # the ends of the scale are no levels
    rgb = np.concatenate([(mixed * dark).reshape(-1, 3), [to_rgb(blank)]])
    table = np.full((len(rgb), 4), 255, np.uint8)
    table[:, :3] = (rgb * 255).round()
    return table.view(np.uint32).ravel()


def _slope(fine: np.ndarray) -> np.ndarray:
    """Bands a pixel."""
    across, down = np.empty_like(fine), np.empty_like(fine)
    np.subtract(fine[:, 1:], fine[:, :-1], out=across[:, :-1])
    across[:, -1] = across[:, -2] if fine.shape[1] > 1 else 0
    np.subtract(fine[1:], fine[:-1], out=down[:-1])
    down[-1] = down[-2] if fine.shape[0] > 1 else 0
    across *= across
    down *= down
    across += down
    return np.sqrt(across, out=across)


def _stretched(values: np.ndarray, samples: int) -> np.ndarray:
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
