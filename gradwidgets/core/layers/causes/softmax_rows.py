"""Rows of a softmax in which one entry is close to 1: there it is flat, and the scores get no gradient."""

import math

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.scores.ahead_of import before
from gradwidgets.core.losses.graph import saved

# The beginning of the names of torch's operations that compute a whole attention.
ATTENTION = "scaled_dot_product"
SOFTMAX = ("softmax", "safe_softmax", ATTENTION)
_KEYS = 9  # of a row, from which its largest share is told
_SURE = 0.99  # the largest entry of a row from which the row is flat
_BEFORE = 8  # the most operations between the product of queries and keys and its softmax
_PASSING = (
    "view", "unsafe_view", "reshape_alias", "expand", "masked_fill", "add", "clone", "squeeze", "unsqueeze", "permute",
    "transpose",
)  # fmt: skip
_FACTORS = {
    "mm": ("_saved_self", "_saved_mat2"),
    "bmm": ("_saved_self", "_saved_mat2"),
    "baddbmm": ("_saved_batch1", "_saved_batch2"),
}
_HEADS, _QUERIES = 8, 16  # the most heads, and queries of each, for which the spread of the scores is computed
_ROWS, _MOST = 64, 1 << 18  # the most queries of a head, and scores in all, for which attention is computed again


def sure(node: Node) -> Tensor | None:
    """Return five numbers, see `slopes_of`.

    They are NaN, the share of rows with an entry near 1, the mean of a row's largest entry, and spread and scale of
    scores.
    """
    try:
        rows, axis = (
            (saved(node, "result").detach(), saved(node, "dim")) if hasattr(node, "_saved_dim") else (_scored(node), -1)
        )
    except (AttributeError, RuntimeError, IndexError):
        return None
    axis = axis - 2**64 if axis >= 2**63 else axis  # torch gives a negative axis as an unsigned number
    if rows is None or not rows.ndim or not rows.numel() or rows.shape[axis] < 2 or rows.layout is not torch.strided:
        return None
    none = rows.new_tensor(math.nan)
    most = rows.amax(axis)
    steep = (most > _SURE).float().mean()
    pairs = axis in (-1, rows.ndim - 1) and rows.shape[axis] >= _KEYS and _is_of_pairs(node)
    spread, scale = _scores(node, rows.shape[-1]) if axis in (-1, rows.ndim - 1) else (none, math.nan)
    largest = most.mean().to(none.dtype) if pairs else none
    return torch.stack((none, steep, largest, spread.to(steep.dtype), torch.full_like(none, scale))).float()


def _is_of_pairs(node: Node) -> bool:
    """Whether its scores are products of batches of queries and keys, and not of features and weights."""
    if hasattr(node, "_saved_query"):
        return True
    return any(name in ("bmm", "baddbmm") for name, _ in before(node, _BEFORE))


@torch.no_grad()
def _scores(node: Node, many: int) -> tuple[Tensor, float]:
    """Return the spread of the products of queries and keys within a row, and their scale; see `FunctionStats`.

    Masks and position biases, which are added to the products, do not count. Both are NaN if no product is found.
    """
    found = _product(node)
    if found is None or found[1].ndim not in (2, 3) or found[1].shape[-1] != many:
        return torch.tensor(math.nan), math.nan
    queries, keys, scale = found
    if keys.ndim == 3:
        some = slice(None, None, -(-len(keys) // _HEADS))
        queries, keys = queries[some], keys[some]
    queries = queries[..., :: -(-queries.shape[-2] // _QUERIES), :].detach()
    scores = (queries @ keys.detach()).float() * scale
    return scores.std(-1).mean(), scale * math.sqrt(queries.shape[-1])


def _product(node: Node) -> tuple[Tensor, Tensor, float] | None:
    """Return the queries, the transposed keys and the factor of the product before a softmax; None if there is none."""
    if hasattr(node, "_saved_query"):
        queries, keys, scale = saved(node, "query"), saved(node, "key"), saved(node, "scale")
        if queries.ndim != 4 or queries.shape[:2] != keys.shape[:2]:
            return None
        scale = 1 / math.sqrt(queries.shape[-1]) if scale is None else float(scale)
        return queries.flatten(0, 1), keys.flatten(0, 1).mT, scale
    scale = 1.0
    for name, one in before(node, _BEFORE):
        if name in ("mul", "div"):
            other = saved(one, "other")
            if other is None or other.ndim or one.next_functions[1][0] is not None:
                return None
            scale = scale * float(other) if name == "mul" else scale / float(other)
        elif name in _FACTORS:
            queries, keys = (getattr(one, key) for key in _FACTORS[name])
            return None if queries is None or keys is None else (queries, keys, scale)
        elif name not in _PASSING:
            return None
    return None


@torch.no_grad()
def _scored(node: Node) -> Tensor | None:
    """Compute some rows of attention weights again, which the operation did not save, from its queries and keys."""
    queries, keys = saved(node, "query"), saved(node, "key")
    if queries.ndim != 4 or queries.shape[:2] != keys.shape[:2] or queries.layout is not torch.strided:
        return None
    batch, heads, many, width = queries.shape
    at = torch.arange(0, many, -(-many // _ROWS), device=queries.device)
    some = slice(None, None, -(-batch * heads * len(at) * keys.shape[2] // _MOST))
    scale = saved(node, "scale")
    scores = (queries[some][:, :, at] @ keys[some].mT) * (1 / math.sqrt(width) if scale is None else scale)
    mask = getattr(node, "_saved_attn_mask", getattr(node, "_saved_attn_bias", None))
    if mask is not None:
        mask = mask.expand(batch, heads, many, -1)[some][:, :, at]
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype is torch.bool else scores + mask
    if saved(node, "is_causal"):
        later = torch.arange(keys.shape[2], device=at.device) > at[:, None]
        scores = scores.masked_fill(later, -math.inf)
    return scores.softmax(-1)
