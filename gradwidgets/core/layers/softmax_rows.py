"""Rows of a softmax in which one entry has it all: there it is flat, and what makes its scores gets no gradient."""

import math

import torch
from torch import Tensor
from torch.autograd.graph import Node

# One operation that multiplies queries and keys, takes a softmax, and weighs the values, whatever computes it.
ATTENTION = "scaled_dot_product"
SOFTMAX = ("softmax", "safe_softmax", ATTENTION)
_SURE = 0.99  # of a softmax's row, for one entry
_ROWS, _MOST = 64, 1 << 18  # queries of a head, and scores in all, that are computed anew


def sure(node: Node) -> Tensor | None:
    """The share of rows in which nearly all is on one entry, between two numbers that are not known, (3,)."""
    try:
        rows, axis = (
            (node._saved_result.detach(), node._saved_dim) if hasattr(node, "_saved_dim") else (_scored(node), -1)
        )
    except (AttributeError, RuntimeError, IndexError):
        return None
    axis = axis - 2**64 if axis >= 2**63 else axis  # torch gives a negative axis as an unsigned number
    if rows is None or not rows.ndim or not rows.numel() or rows.shape[axis] < 2 or rows.layout is not torch.strided:
        return None
    none = rows.new_tensor(math.nan)
    return torch.stack((none, (rows.amax(axis) > _SURE).float().mean(), none)).float()


@torch.no_grad()
def _scored(node: Node) -> Tensor | None:
    """Some rows of the weights that an attention computed and did not keep, from its queries and keys."""
    queries, keys = node._saved_query, node._saved_key
    if queries.ndim != 4 or queries.shape[:2] != keys.shape[:2] or queries.layout is not torch.strided:
        return None
    batch, heads, many, width = queries.shape
    at = torch.arange(0, many, -(-many // _ROWS), device=queries.device)
    some = slice(None, None, -(-batch * heads * len(at) * keys.shape[2] // _MOST))
    scale = node._saved_scale
    scores = (queries[some][:, :, at] @ keys[some].mT) * (1 / math.sqrt(width) if scale is None else scale)
    mask = getattr(node, "_saved_attn_mask", getattr(node, "_saved_attn_bias", None))
    if mask is not None:
        mask = mask.expand(batch, heads, many, -1)[some][:, :, at]
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is torch.bool else scores + mask
    if node._saved_is_causal:
        later = torch.arange(keys.shape[2], device=at.device) > at[:, None]
        scores = scores.masked_fill(later, -math.inf)
    return scores.softmax(-1)
