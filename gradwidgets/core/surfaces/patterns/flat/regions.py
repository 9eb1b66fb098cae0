"""Connected regions of a mask."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d


def components(mask: Tensor, least: int = 1) -> list[Tensor]:
    """The connected parts of a mask, neighbours over corners included, largest first.

    Args:
        mask: Boolean, (H, W) or (W,).
        least: How many rows or columns a part must touch to be returned.

    Returns:
        A mask of the same shape for each part.
    """
    flat = mask[None] if mask.ndim == 1 else mask
    labels = _labels(flat)
    names, counts = labels[flat].unique(return_counts=True)
    parts = []
    for name in names[counts.argsort(descending=True)]:
        part = labels == name
        if least <= 1 or extent(part) >= least:
            parts.append(part.reshape(mask.shape))
    return parts


def _labels(flat: Tensor) -> Tensor:
    """A number above 0 for each part, at all of its cells; 0 outside, (H, W)."""
    height, width = flat.shape
    edge = torch.zeros(height, 1, dtype=torch.bool)
    padded = torch.cat([edge, flat, edge], dim=1)
    # Runs of neighbours in a row, [start, end); those that touch in the next row belong together.
    starts = (padded[:, 1:] & ~padded[:, :-1]).nonzero()
    rows, firsts = starts[:, 0].tolist(), starts[:, 1].tolist()
    ends = (~padded[:, 1:] & padded[:, :-1]).nonzero()[:, 1].tolist()
    parent = list(range(len(rows)))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    above = 0
    for k, row in enumerate(rows):
        while rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] < firsts[k]):
            above += 1
        other = above
        while rows[other] == row - 1 and firsts[other] <= ends[k]:
            one, two = root(k), root(other)
            parent[min(one, two)] = max(one, two)
            other += 1
    labels = torch.zeros(height, width, dtype=torch.int64)
    roots = torch.tensor([root(k) + 1 for k in range(len(rows))])
    labels[flat] = roots.repeat_interleave(torch.tensor(ends) - torch.tensor(firsts)) if rows else roots.long()
    return labels


def grown(mask: Tensor, cells: int) -> Tensor:
    """A mask together with all cells that are at most `cells` away from it."""
    flat = mask[None] if mask.ndim == 1 else mask
    wide = max_pool2d(flat.double()[None, None], 2 * cells + 1, 1, cells)[0, 0] > 0
    return wide.reshape(mask.shape)


def extent(mask: Tensor) -> int:
    """The number of rows or of columns that a mask touches, whichever is larger."""
    flat = mask[None] if mask.ndim == 1 else mask
    return int(max(flat.any(0).sum(), flat.any(1).sum()))
