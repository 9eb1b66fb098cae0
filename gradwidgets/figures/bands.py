"""A loss surface as bands of colour between level lines.

The bands hold shares of the map's area, narrow ones low down, so that the valley's shape shows whatever the
loss: a quadratic, an L1 cone or Rosenbrock's canyon, over one decade or over twelve.
"""

from __future__ import annotations

import numpy as np

_SUPERSAMPLE = 2


def band_edges(loss: np.ndarray, bands: int) -> np.ndarray:
    """Return the levels between the bands, ascending, shape (bands - 1,).

    Args:
        loss: Loss on a grid; non-finite values are left out.
        bands: Number of bands.
    """
    finite = loss[np.isfinite(loss)]
    if finite.size == 0:
        return np.zeros(bands - 1)
    shares = (np.arange(1, bands) / bands) ** 1.7
    return np.quantile(finite, shares)


def band_image(loss: np.ndarray, colors: np.ndarray, blank: str, width: int, height: int) -> np.ndarray:
    """Paint a loss surface.

    Args:
        loss: (H, W), first row lowest.
        colors: (bands, 4) colours from low to high, 0 to 1.
        blank: Matplotlib colour of cells whose loss is not finite.
        width: Pixels across.
        height: Pixels down.

    Returns:
        uint8 array (height, width, 4), first row lowest. Band edges are smooth: each pixel averages four
        samples of the surface, interpolated linearly between its grid points.
    """
    from matplotlib.colors import to_rgb

    across = _interpolation(loss.shape[1], width * _SUPERSAMPLE)
    down = _interpolation(loss.shape[0], height * _SUPERSAMPLE)
    with np.errstate(invalid="ignore"):  # infinite losses: blank below
        fine = _along(_along(loss, down, 0), across, 1)
    edges = band_edges(loss, len(colors))
    rgb = (colors[:, :3] * 255).astype(np.float32)
    lines = np.searchsorted(edges, fine)
    image = rgb[lines]
    image[~np.isfinite(fine)] = np.array(to_rgb(blank)) * 255
    image = image.reshape(height, _SUPERSAMPLE, width, _SUPERSAMPLE, 3).mean(axis=(1, 3))
    out = np.full((height, width, 4), 255, np.uint8)
    out[..., :3] = np.rint(image)
    return out


def _interpolation(points: int, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    position = np.linspace(0, points - 1, samples)
    lower = np.minimum(position.astype(int), points - 2)
    return lower, lower + 1, (position - lower).astype(np.float32)


def _along(values: np.ndarray, weights: tuple[np.ndarray, np.ndarray, np.ndarray], axis: int) -> np.ndarray:
    lower, upper, share = weights
    share = share[:, None] if axis == 0 else share
    return values.take(lower, axis) * (1 - share) + values.take(upper, axis) * share
