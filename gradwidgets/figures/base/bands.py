"""A loss surface as bands of colour between level lines.

The bands are quantiles of the map's area, narrow ones for low losses, so that the valley's shape shows for any loss:
a quadratic, an L1 cone or Rosenbrock's canyon, over one decade or over twelve.
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

_SUPERSAMPLE = 2  # in each direction; `band_image` relies on this value


def band_edges(loss: np.ndarray, bands: int) -> np.ndarray:
    """Return the levels between the bands, ascending, shape (bands - 1,).

    Args:
        loss: The loss on a grid; non-finite values are left out.
        bands: The number of bands.
    """
    finite = loss[np.isfinite(loss)]
    if finite.size == 0:
        return np.zeros(bands - 1)
    shares = (np.arange(1, bands) / bands) ** 1.7
    return np.quantile(finite, shares)


def band_image(loss: np.ndarray, colors: np.ndarray, blank: str, width: int, height: int) -> np.ndarray:
    """Paint a loss surface.

    Args:
        loss: The loss, (H, W), first row at the bottom.
        colors: The colours from low to high, (bands, 4), 0 to 1.
        blank: The Matplotlib colour of cells whose loss is not finite.
        width: The width in pixels.
        height: The height in pixels.

    Returns:
        A uint8 array (height, width, 4), first row at the bottom. Band edges are smooth: each pixel averages four
        samples of the surface, interpolated linearly between its grid points.
    """
    across = _interpolation(loss.shape[1], width * _SUPERSAMPLE)
    down = _interpolation(loss.shape[0], height * _SUPERSAMPLE)
    with np.errstate(invalid="ignore"):  # infinite losses are blank
        fine = _along(_along(loss, down, 0), across, 1)
    bands = np.searchsorted(band_edges(loss, len(colors)), fine)
    bands[~np.isfinite(fine)] = len(colors)
    palette = np.vstack([colors[:, :3], to_rgb(blank)])
    # Sums of four 8-bit samples need ten bits: three channels are summed at once in one 32-bit integer.
    red, green, blue = (palette * 255).astype(np.uint32).T
    packed = ((red << 20) | (green << 10) | blue)[bands]
    total = sum(packed[row::_SUPERSAMPLE, column::_SUPERSAMPLE] for row in (0, 1) for column in (0, 1))
    out = np.full((height, width, 4), 255, np.uint8)
    for channel, shift in enumerate((20, 10, 0)):
        out[..., channel] = (((total >> shift) & 1023) + 2) >> 2
    return out


def _interpolation(points: int, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    position = np.linspace(0, points - 1, samples)
    lower = np.minimum(position.astype(int), points - 2)
    return lower, lower + 1, (position - lower).astype(np.float32)


def _along(values: np.ndarray, weights: tuple[np.ndarray, np.ndarray, np.ndarray], axis: int) -> np.ndarray:
    lower, upper, share = weights
    share = share[:, None] if axis == 0 else share
    return values.take(lower, axis) * (1 - share) + values.take(upper, axis) * share
