"""A surface as evenly spaced bands of colour with thin lines between them and antialiased edges.

A pixel's distance to the nearest level, in pixels, is the height difference over the slope. That number alone gives
both the mix of the two bands in the pixel and the darkness of the line, so colour and line come from one table.
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

from gradwidgets.figures.base.relief import slope_of, stretched

_STEPS = 16  # of the distance to a level, within a pixel on each side
_LINE = 0.80  # of the colour's brightness on a level line
_STEEP = 0.4  # bands per pixel: beyond this, lines would cover everything
_FLAT = 1e-5  # bands per pixel: below this, a plateau at a level is not a line


def even_bands(place: np.ndarray, colors: np.ndarray, blank: str, width: int, height: int) -> np.ndarray:
    """Paint a surface.

    Args:
        place: The height of the surface on the scale, in bands, (H, W): 0 to the number of bands; higher values get the
            last colour; NaN for blank. First row at the bottom.
        colors: The colours from low to high, (bands, 4), 0 to 1.
        blank: The Matplotlib colour of NaN.
        width: The width in pixels.
        height: The height in pixels.

    Returns:
        A uint8 array (height, width, 4), first row at the bottom.
    """
    count = len(colors)
    table = _table(colors, blank)
    grid = np.clip(place, -1, count + 1).astype(np.float32)
    fine = stretched(stretched(grid.T, width).T, height)
    missing = np.isnan(fine) if np.isnan(grid).any() else None
    if missing is not None:
        fine[missing] = 0
    level = np.rint(fine)
    slope = slope_of(fine)
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
    """Colours by level and distance to it, as uint32 (four bytes each); the last is the blank colour."""
    count = len(colors)
    palette = np.asarray(colors)[:, :3]
    distance = np.linspace(-1, 1, _STEPS)
    above = np.clip(distance + 0.5, 0, 1)[None, :, None]
    low = palette[np.clip(np.arange(count + 1) - 1, 0, count - 1)][:, None]
    high = palette[np.clip(np.arange(count + 1), 0, count - 1)][:, None]
    mixed = low * (1 - above) + high * above
    dark = 1 - (1 - _LINE) * np.clip(1.2 - 1.25 * np.abs(distance), 0, 1)[None, :, None]
    dark = np.repeat(dark, count + 1, axis=0)
    dark[[0, -1]] = 1  # the ends of the scale are not levels
    rgb = np.concatenate([(mixed * dark).reshape(-1, 3), [to_rgb(blank)]])
    table = np.full((len(rgb), 4), 255, np.uint8)
    table[:, :3] = (rgb * 255).round()
    return table.view(np.uint32).ravel()
