"""The density of a spectrum: a curve over the axis of eigenvalues."""

import torch
from torch import Tensor

POINTS = 401
_WIDTH = 0.01  # of the range of eigenvalues: the standard deviation of each one's Gaussian


def density(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Eigenvalues as a curve, each one a Gaussian (Lin, Saad and Yang 2016; Ghorbani et al. 2019).

    Args:
        values: Eigenvalues, or the nodes of a quadrature, (m,).
        weights: The weight of each, (m,); equal by default.

    Returns:
        (2, 401): positions on the axis of eigenvalues, and the density there, whose integral is 1.
    """
    weights = torch.ones_like(values) if weights is None else weights
    low, high = float(values.min()), float(values.max())
    span = high - low if high > low else max(abs(high), 1.0)
    width = _WIDTH * span
    grid = torch.linspace(low - 5 * width, high + 5 * width, POINTS, dtype=torch.float64)
    total = torch.zeros_like(grid)
    for part, share in zip(values.split(512), weights.split(512), strict=True):
        total += (torch.exp(-0.5 * ((grid[:, None] - part) / width) ** 2) * share).sum(1)
    total /= torch.trapezoid(total, grid)
    return torch.stack([grid, total])
