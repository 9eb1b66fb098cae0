"""Attention with its softmax along a wrong axis: the weights sum to 1 along another axis than they are summed over."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.lone_softmax import SOFTMAXES
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import before
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

AXIS = "softmax axis"
PRODUCTS = ("bmm", "mm")
_VIEWS = ("view", "unsafe_view", "reshape_alias", "expand")
_SAME = ("clone", "native_dropout", "mul", "div", "masked_fill", "to_copy", "alias")
_SCORES = ("add", "sub", "where", "transpose", "permute", "unsqueeze", "squeeze", *_VIEWS, *_SAME)
_CARRYING = (*_SCORES, "native_layer_norm", "native_batch_norm", "native_group_norm")
_FEW = 10  # the most operations between a softmax and the product before or after it
_ACTION = (
    "Take the softmax along the keys, dim=-1 of (…, queries, keys). Nothing, if keys are to be shared out among the "
    "queries, as slot attention does."
)


def of_axes_summed(operations: Sequence[Operation]) -> list[Finding]:
    """Report the first softmax of scores whose weights are summed over another axis than that of the softmax.

    Args:
        operations: The matrix products.
    """
    for one in operations:
        for place, contracted in ((0, -1), (1, -2)):
            found = softmax_behind(one.node.next_functions[place][0], contracted)
            if found is None or found[1] == found[2] or not _is_of_scores(found[0]):
                continue
            if not _mixes(one, place, found[0], operations):
                return [_told(one, *found)]
    return []


def _mixes(one: Operation, place: int, softmax: Node, operations: Sequence[Operation]) -> bool:
    """Whether a product mixes softmax weights by a parameter, as talking heads do, and a later one uses them correctly.

    Args:
        one: The product.
        place: The index of the factor that comes from the softmax.
        softmax: The softmax; the later product has to sum over its axis.
        operations: All matrix products.
    """
    way = _way(one.node.next_functions[place][0], softmax)
    if way is None or not _is_weight(one.node.next_functions[1 - place][0]):
        return False
    shape = _shape(softmax)
    which = torch.arange(shape[_placed(saved(softmax, "dim"), len(shape))])
    behind = [1] * (len(shape) - 1 - _placed(saved(softmax, "dim"), len(shape)))
    summed = -2 if place else -1
    mixed = _turned(which.view(-1, *behind).expand(shape), way).narrow(summed, 0, 1).expand(_shape(one.node))
    for other in operations:
        for factor, axis in ((0, -1), (1, -2)):
            ways = _way(other.node.next_functions[factor][0], one.node)
            if ways is not None:
                keys = _turned(mixed, ways)
                return bool((keys.diff(dim=axis) != 0).any())
    return False


def _is_weight(node: Node | None) -> bool:
    """Whether a node is a parameter, possibly in another shape."""
    while node is not None and plain_name(node.name()) in ("t", "transpose", "permute", "unsqueeze", "clone", *_VIEWS):
        node = node.next_functions[0][0]
    return node is not None and hasattr(node, "variable")


def _way(node: Node | None, source: Node) -> list[Node] | None:
    """Return the operations from a source to a node, in order, if they all are in `_CARRYING`; otherwise None."""
    found: list[Node] = []
    while node is not None and node is not source and len(found) < 2 * _FEW:
        if plain_name(node.name()) not in _CARRYING:
            return None
        found.append(node)
        node = node.next_functions[0][0]
    return found[::-1] if node is source else None


def _turned(values: Tensor, way: Sequence[Node]) -> Tensor:
    """Apply the changes of shape of some operations to a tensor."""
    for node in way:
        name, shape = plain_name(node.name()), _shape(node)
        if name == "transpose":
            first, second = (_placed(saved(node, key), values.ndim) for key in ("dim0", "dim1"))
            values = values.transpose(first, second)
        elif name == "permute":
            values = values.permute([_placed(one, values.ndim) for one in saved(node, "dims")])
        else:
            values = values.reshape(shape) if values.numel() == math.prod(shape) else values.expand(shape)
    return values


def softmax_behind(node: Node | None, axis: int) -> tuple[Node, int, int] | None:
    """Return the softmax that a factor of a product comes from, its axis, and the axis that the product sums over.

    Args:
        node: The operation that gives the factor.
        axis: The axis of the factor that the product sums over, counted from the end.
    """
    summed = None if node is None else axis + len(_shape(node))
    for _ in range(_FEW):
        if node is None or summed is None or summed < 0:
            return None
        name = plain_name(node.name())
        if name in SOFTMAXES:
            return node, _placed(saved(node, "dim"), len(_shape(node))), summed
        # Weights that are multiplied by another tensor with a gradient, as by a gate, no longer sum to 1.
        if name in ("mul", "div") and len(node.next_functions) > 1 and node.next_functions[1][0] is not None:
            return None
        summed, node = _before(node, name, summed), node.next_functions[0][0]
    return None


def _before(node: Node, name: str, axis: int) -> int | None:
    """Return the index of an axis before an operation; None if it is not known."""
    count = len(_shape(node))
    if name in _SAME:
        return axis
    if name in _VIEWS:
        return _viewed(tuple(getattr(node, "_saved_self_sym_sizes", ())), _shape(node), axis)
    if name == "transpose":
        pair = [_placed(one, count) for one in (saved(node, "dim0"), saved(node, "dim1"))]
        return pair[1 - pair.index(axis)] if axis in pair else axis
    if name == "permute":
        return _placed(saved(node, "dims")[axis], count)
    if name == "unsqueeze":
        new = _placed(saved(node, "dim"), count)
        return None if axis == new else axis - (axis > new)
    return None


def _viewed(before: tuple[int, ...], after: tuple[int, ...], axis: int) -> int | None:
    """Return the index of an axis before a view that only joins or splits axes in front of it, or axes of one entry."""
    if after[axis] < 2:
        return None
    behind = [size for size in after[axis:] if size > 1]
    places = [i for i, size in enumerate(before) if size > 1]
    if len(places) < len(behind) or [before[i] for i in places[-len(behind) :]] != behind:
        return None
    return places[-len(behind)]


def _shape(node: Node) -> tuple[int, ...]:
    return tuple(node._input_metadata[0].shape)


def _placed(axis: int, count: int) -> int:
    """Return an axis counted from the front; torch saves an axis counted from the end as an unsigned number."""
    return (axis - 2**64 if axis >= 2**63 else axis) % count


def _is_of_scores(node: Node) -> bool:
    """Whether a softmax is taken of products of two computed tensors, as queries and keys are."""
    for name, one in before(node, _FEW):
        if name in ("mm", "bmm", "baddbmm"):
            pair = [other for other, _ in one.next_functions[-2:]]
            given = name != "mm" and sum(other is None for other in pair) == 1  # for each sample, so it is no weight
            return all(_is_computed(other) or (given and other is None) for other in pair)
        if name not in _SCORES:
            return False
    return False


def _is_computed(node: Node | None) -> bool:
    while node is not None and plain_name(node.name()) in ("t", "transpose", "permute", "expand", *_VIEWS):
        node = node.next_functions[0][0]
    return node is not None and not hasattr(node, "variable")


def _told(one: Operation, node: Node, own: int, summed: int) -> Finding:
    shape = _shape(node)
    square = len(shape) > 1 and shape[-1] == shape[-2]
    message = (
        f"softmax in {one.place}: it runs along axis {own} of {shape}, and what it weighs is then summed along axis "
        f"{summed}: what one query gets is no weighted mean over the keys, as its weights do not sum to 1, and they "
        "depend on what all other queries ask for"
    )
    evidence = {"layer": one.place, "shape": shape, "axis": own, "summed": summed, "threshold": 0}
    return Finding(AXIS, "warning" if square or own < len(shape) - 2 else "info", message, evidence, action=_ACTION)
