"""Rows of a softmax in which one entry has it all: there it is flat, and what makes its scores gets no gradient."""

import math

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.watching import plain_name

# One operation that multiplies queries and keys, takes a softmax, and weighs the values, whatever computes it.
ATTENTION = "scaled_dot_product"
SOFTMAX = ("softmax", "safe_softmax", ATTENTION)
_SURE = 0.99  # of a softmax's row, for one entry
_BEFORE = 8  # operations before a softmax among which the product of queries and keys is looked for
_PASSING = ("view", "unsafe_view", "reshape_alias", "expand", "masked_fill", "add", "clone", "squeeze", "unsqueeze")
_READ = 1 << 14  # shares that are read for how far scores spread
_ROWS, _MOST = 64, 1 << 18  # queries of a head, and scores in all, that are computed anew


def sure(node: Node) -> Tensor | None:
    """The share of rows in which nearly all is on one entry, how far scores spread and are scaled, and two unknowns, (5,)."""
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
    steep, spread = (rows.amax(axis) > _SURE).float().mean(), _spread(rows.movedim(axis, -1))
    return torch.stack((none, steep, none, spread.to(steep.dtype), torch.full_like(none, _scale(node))))


def _scale(node: Node) -> float:
    """By what the product of queries and keys is multiplied, times the root of their width; NaN if that is not told."""
    if hasattr(node, "_saved_query"):
        width = node._saved_query.shape[-1]
        return 1.0 if node._saved_scale is None else float(node._saved_scale) * math.sqrt(width)
    scale, found = 1.0, False
    for _ in range(_BEFORE):
        node = next((one for one, _ in node.next_functions if one is not None), None)
        name = plain_name(node.name()) if node is not None else ""
        if name in ("mul", "div"):
            other = node._saved_other
            if other is None or other.ndim or node.next_functions[1][0] is not None:
                return math.nan
            scale, found = (scale * float(other) if name == "mul" else scale / float(other)), True
        elif name in ("mm", "bmm"):
            keys = node._saved_mat2
            return scale * math.sqrt(keys.shape[-2]) if found and keys is not None else math.nan
        elif name not in _PASSING:
            return math.nan
    return math.nan


def _spread(rows: Tensor) -> Tensor:
    """The standard deviation of the scores within a row, the mean over some rows; NaN where all but one are masked.

    Logarithms of the shares are the scores, but for a number that is the same for all of a row.
    """
    rows = rows.reshape(-1, rows.shape[-1])
    rows = rows[:: -(-len(rows) * rows.shape[1] // _READ)].double()
    known = rows > 0  # what is masked has no score, and what has underflowed none that is left
    count = known.sum(-1)
    scores = torch.where(known, rows, 1.0).log()
    mean = scores.sum(-1, keepdim=True) / count.clamp(min=1)[:, None]
    square = torch.where(known, (scores - mean).square(), 0.0).sum(-1) / count
    return square[count > 1].sqrt().mean()


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
