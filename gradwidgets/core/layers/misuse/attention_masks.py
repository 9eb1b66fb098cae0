"""Attention masks that hide all keys from a query, or hide nothing."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.causes.softmax_rows import ATTENTION
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.preflight.reading import some
from gradwidgets.core.layers.scores.ahead_of import before
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding

MASK = "mask"
Placed = tuple[str, str, Tensor]  # a mask's place in words, its layer, and the mask
MASKED = (ATTENTION, "softmax", "safe_softmax")
_PASSING = ("view", "unsafe_view", "reshape_alias", "expand", "clone", "mul", "div")
_FEW = 4  # the most operations between a mask and its softmax
_FAR = -1e4  # a number below this hides the score that it is added to


def of_masks(operations: Sequence[Operation]) -> list[Finding]:
    """Report the first mask that hides all keys from a query in every sample, and the first that hides nothing."""
    return _of_masks(kept(operations))


def of_given_masks(masks: Sequence[tuple[str, Tensor]]) -> list[Finding]:
    """Report the same for arguments of `nn.MultiheadAttention`, as not all of its implementations save the mask."""
    return _of_masks(given(masks))


def kept(operations: Sequence[Operation]) -> list[Placed]:
    """Return the masks that operations saved, as numbers that are added to scores."""
    return [(str(one), one.place, mask) for one in operations if (mask := _mask(one)) is not None]


def given(masks: Sequence[tuple[str, Tensor]]) -> list[Placed]:
    """Return the masks that layers got as arguments, as numbers that are added to scores."""
    return [(name, name, _filled(one) if one.dtype is torch.bool else one) for name, one in masks]


def _of_masks(masks: Sequence[Placed]) -> list[Finding]:
    found: dict[bool, Finding] = {}
    for where, layer, mask in masks:
        if mask.ndim < 2 or not mask.numel():
            continue
        if adds_yes_or_no(mask):
            found.setdefault(False, added(where, layer))
        elif rows := _blind(mask):
            found.setdefault(True, _hides(where, layer, rows, mask.shape[-2]))
    return list(found.values())


def _mask(one: Operation) -> Tensor | None:
    """Return the mask that is added to the scores, with −∞ for hidden keys; None if there is none."""
    if one.name == ATTENTION:
        mask = getattr(one.node, "_saved_attn_mask", getattr(one.node, "_saved_attn_bias", None))
        return mask if mask is None or mask.dtype is not torch.bool else _filled(~mask)
    node = _filler(one.node)
    return None if node is None else _filled(saved(node, "mask"))


def _filled(hidden: Tensor) -> Tensor:
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill(hidden, -math.inf)


def _filler(node: Node) -> Node | None:
    """Return the masked_fill right before a softmax; None if there is none."""
    for name, one in before(node, _FEW):
        if name == "masked_fill":
            return one
        if name not in _PASSING:
            return None
    return None


def adds_yes_or_no(mask: Tensor) -> bool:
    """Whether a mask contains 0 and 1 and no other number, and is not 1 exactly for each query's own key.

    Such a mask would hide all other keys, and can only be meant as a bias.
    """
    values = some(mask.detach())
    if not bool(((values == 0) | (values == 1)).all()) or bool((values == values.reshape(-1)[:1]).all()):
        return False
    rows, keys = mask.shape[-2:]
    return rows != keys or not bool((mask == torch.eye(keys, device=mask.device, dtype=mask.dtype)).all())


def _blind(mask: Tensor) -> list[int]:
    """Return the queries from which a mask hides all keys, if it is the same for all samples.

    Other masks may hide padding: if that is on the left, the first queries of all samples may see no key.
    """
    if min(mask.shape[-2:]) < 2 or (mask.ndim > 2 and not bool((mask == mask[:1]).all())):
        return []
    hidden = (mask.detach() < _FAR).reshape(-1, *mask.shape[-2:])
    blind, unseen = hidden.all(-1).all(0), hidden.all(-2).all(0)
    if len(blind) == len(unseen):
        blind &= ~unseen  # a token that sees no other and is seen by none is padding
    return blind.nonzero().flatten().tolist()


def _hides(where: str, layer: str, rows: list[int], of: int) -> Finding:
    which = f"query {rows[0]}" if len(rows) == 1 else f"queries {rows[0]} to {rows[-1]}"
    if rows != list(range(rows[0], rows[-1] + 1)):
        which = f"{len(rows)} queries, {rows[0]} the first,"
    message = (
        f"{where}: the mask hides every key from {which} of {of}, for all samples alike: what attention gives there "
        "tells nothing of them"
    )
    action = (
        "Leave each query a key: a causal mask begins behind the diagonal, triu(…, diagonal=1), so that each sees "
        "itself. Where True stands for what may be seen, and where for what may not, differs between functions."
        " Nothing, if the first is to see none."
    )
    evidence = {"layer": layer, "queries": rows, "of": of, "threshold": 0}
    return Finding(MASK, "warning", message, evidence, action=action)


def added(where: str, layer: str) -> Finding:
    """Report a mask of 0 and 1 that is added to scores.

    Args:
        where: The mask's place in words.
        layer: The layer's name; "" for none.
    """
    message = (
        f"{where}: the mask is of numbers, 0 and 1, which are added to the scores: it hides nothing, and only puts a "
        "little weight on the ones"
    )
    action = (
        "Give a mask of type bool, or 0 where a key may be seen and −inf where not; nothing, if it is meant as a bias."
    )
    return Finding(MASK, "warning", message, {"layer": layer, "values": [0, 1]}, action=action)
