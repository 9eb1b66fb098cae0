"""Connected regions of a mask."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d


def components(mask: Tensor) -> list[Tensor]:
    """The connected parts of a mask, neighbours over corners included, largest first.

    Args:
        mask: Boolean, (H, W) or (W,).

    Returns:
        A mask of the same shape for each part.
    """
    flat = mask[None] if mask.ndim == 1 else mask
    labels = torch.arange(1, flat.numel() + 1, dtype=torch.float64).reshape(flat.shape) * flat
    while True:
        spread = max_pool2d(labels[None, None], 3, 1, 1)[0, 0] * flat
        if bool((spread == labels).all()):
            break
        labels = spread
    names, counts = labels[flat].unique(return_counts=True)
    order = counts.argsort(descending=True)
    return [(labels == name).reshape(mask.shape) for name in names[order]]


def grown(mask: Tensor, cells: int) -> Tensor:
    """A mask with all that is at most so many cells away from it."""
    flat = mask[None] if mask.ndim == 1 else mask
    wide = max_pool2d(flat.double()[None, None], 2 * cells + 1, 1, cells)[0, 0] > 0
    return wide.reshape(mask.shape)


def extent(mask: Tensor) -> int:
    """How many rows or columns a mask touches, whichever are more."""
    flat = mask[None] if mask.ndim == 1 else mask
    return int(max(flat.any(0).sum(), flat.any(1).sum()))
