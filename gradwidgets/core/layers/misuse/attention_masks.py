"""Masks of attention that leave a query no key, or mask nothing."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.causes.softmax_rows import ATTENTION
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.preflight.reading import some
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

MASK = "mask"
Placed = tuple[str, str, Tensor]  # where a mask is, in which layer, and it
MASKED = (ATTENTION, "softmax", "safe_softmax")
_PASSING = ("view", "unsafe_view", "reshape_alias", "expand", "clone", "mul", "div")
_FEW = 4  # operations between a mask and its softmax
_FAR = -1e4  # below which a number that is added to a score hides it


def of_masks(operations: Sequence[Operation]) -> list[Finding]:
    """The first mask that hides all keys of a query from it for every sample, and the first that hides nothing."""
    return _of_masks(kept(operations))


def of_given_masks(masks: Sequence[tuple[str, Tensor]]) -> list[Finding]:
    """The same of masks that `nn.MultiheadAttention` is given, by its name: not all ways to compute it keep them."""
    return _of_masks(given(masks))


def kept(operations: Sequence[Operation]) -> list[Placed]:
    """The masks that operations keep, as numbers that are added to scores."""
    return [(str(one), one.place, mask) for one in operations if (mask := _mask(one)) is not None]


def given(masks: Sequence[tuple[str, Tensor]]) -> list[Placed]:
    """Masks that layers are given, the same way."""
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
    """What is added to scores, or of what is filled in where it is True, −∞; None where there is none."""
    if one.name == ATTENTION:
        mask = getattr(one.node, "_saved_attn_mask", getattr(one.node, "_saved_attn_bias", None))
        return mask if mask is None or mask.dtype is not torch.bool else _filled(~mask)
    node = _filler(one.node)
    return None if node is None else _filled(saved(node, "mask"))


def _filled(hidden: Tensor) -> Tensor:
    return torch.zeros(hidden.shape, device=hidden.device).masked_fill(hidden, -math.inf)


def _filler(node: Node) -> Node | None:
    """The masked_fill right before a softmax."""
    for _ in range(_FEW):
        node = next((one for one, _ in node.next_functions if one is not None), None)
        name = plain_name(node.name()) if node is not None else ""
        if name == "masked_fill":
            return node
        if name not in _PASSING:
            return None
    return None


def adds_yes_or_no(mask: Tensor) -> bool:
    """Whether a mask of numbers holds 0 and 1 alone, and both, and is not 1 for each query's own key alone.

    That would hide all others, and can only be meant as a bias.
    """
    values = some(mask.detach())
    if not bool(((values == 0) | (values == 1)).all()) or bool((values == values.reshape(-1)[:1]).all()):
        return False
    rows, keys = mask.shape[-2:]
    return rows != keys or not bool((mask == torch.eye(keys, device=mask.device, dtype=mask.dtype)).all())


def _blind(mask: Tensor) -> list[int]:
    """The queries from which all keys are hidden, by a mask that is the same for all samples.

    Where it is not, it may hide padding: on the left, the first queries of all samples may be such.
    """
    if min(mask.shape[-2:]) < 2 or (mask.ndim > 2 and not bool((mask == mask[:1]).all())):
        return []
    hidden = (mask.detach() < _FAR).reshape(-1, *mask.shape[-2:])
    blind, unseen = hidden.all(-1).all(0), hidden.all(-2).all(0)
    if len(blind) == len(unseen):
        blind &= ~unseen  # who sees none and is seen by none is padding
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
    """What to say of a mask of 0 and 1 that is added to scores.

    Args:
        where: In words.
        layer: By its name; "" for none.
    """
    message = (
        f"{where}: the mask is of numbers, 0 and 1, which are added to the scores: it hides nothing, and only puts a "
        "little weight on the ones"
    )
    action = (
        "Give a mask of type bool, or 0 where a key may be seen and −inf where not; nothing, if it is meant as a bias."
    )
    return Finding(MASK, "warning", message, {"layer": layer, "values": [0, 1]}, action=action)
