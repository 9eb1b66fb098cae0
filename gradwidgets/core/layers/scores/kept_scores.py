"""Shares of the single score that was kept of several: all of it is 1, and what makes the scores gets no gradient."""

from collections.abc import Sequence

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.lone_softmax import LONE, SOFTMAXES, weight_of
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import axis_of, before, first_told
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

# Divide by a sum, of those that were kept, as well as a softmax does.
SHARED = (*SOFTMAXES, "div")
_LAYERS = ("addmm", "mm", "convolution")
_FILLS = ("scatter", "masked_fill", "where")
_CHOOSE = ("topk", "sort", "gather", "max", "amax", "index")
_SUMS, _AROUND = ("sum", "linalg_vector_norm"), ("add", "clamp_min", "expand", "clamp")
_MOST = 12  # operations between a layer and its shares
_ACTION = (
    "Take the softmax over all scores, before the choice: shares, kept = scores.softmax(-1).topk(k, -1), and multiply "
    "by the shares as they are; of a single one, no division by its sum; or take a sigmoid of the score that is kept."
)


def kept_alone(operations: Sequence[Operation], nodes: Sequence[Node]) -> list[Finding]:
    """What to say of a softmax, or a division by the sum, of the one score that a choice has left.

    Args:
        operations: The model's softmaxes and divisions.
        nodes: All operations of the pass.
    """
    return first_told(operations, lambda one: _told(one, operations) if _choice(one) else None)


def _choice(one: Operation) -> str:
    """What has left a single score of those that a layer gives; "" where several are left, or no layer gives them."""
    if one.name in SOFTMAXES:
        axis = axis_of(one.node)
        return _chosen(one.node, axis) if _length(one.node, axis) == 1 else _filled(one.node)
    return _chosen(one.node, -1) if _length(one.node, -1) == 1 and _is_by_own_sum(one.node) else ""


def _length(node: Node, axis: int) -> int:
    shape = node._input_metadata[0].shape
    return shape[axis] if shape else 0


def _is_by_own_sum(node: Node) -> bool:
    """Whether what is divided is divided by the sum of itself."""
    given, divisor = (one for one, _ in node.next_functions[:2]) if len(node.next_functions) > 1 else (None, None)
    while divisor is not None and plain_name(divisor.name()) in _AROUND:
        divisor = divisor.next_functions[0][0]
    summed = divisor is not None and plain_name(divisor.name()) in _SUMS
    return summed and given is not None and divisor.next_functions[0][0] is given


def _chosen(node: Node, axis: int) -> str:
    """The function that has chosen one of several along an axis, after a layer gave them; "" for none."""
    name, shrinks = "", False
    for other, one in before(node, _MOST):
        if other in _LAYERS:
            return name if shrinks and _weights(one) else ""
        above = next((given for given, _ in one.next_functions if given is not None), None)
        shrinks = shrinks or (above is not None and _length(above, axis) > 1 == _length(one, axis))
        name = other if other in _CHOOSE and not name else name
    return ""


def _filled(node: Node) -> str:
    """The function that has left one of several, of a softmax whose every row is a single 1 beside zeros."""
    rows, axis, names = node._saved_result.detach(), axis_of(node), []
    for name, one in before(node, _MOST):
        if name in _LAYERS:
            found = next((each for each in names if each in _FILLS), "") if _weights(one) else ""
            return found if found and _is_choice(rows, axis) else ""
        names.append(name)
    return ""


def _is_choice(rows: Tensor, axis: int) -> bool:
    """Whether each row is a single 1, and that is not at the same place in all, as where all else is padding."""
    at = rows.argmax(axis)
    return bool((rows.count_nonzero(axis) == 1).all()) and bool((at != at.flatten()[0]).any())


def _weights(node: Node) -> list[Tensor]:
    return [one for one in (weight_of(other) for other, _ in node.next_functions) if one is not None]


def _told(one: Operation, operations: Sequence[Operation]) -> Finding:
    what = "a softmax" if one.name in SOFTMAXES else "a division by its own sum"
    message = (
        f"{one}: {what} of the single score that {_choice(one)} leaves of several: what it gives is 1, whatever the "
        "scores are, and what makes them gets no gradient by it"
    )
    shape = tuple(one.node._input_metadata[0].shape)
    places = [each.place for each in operations if each.name == one.name and _choice(each)]
    evidence = {"layer": one.place, "place": one.place, "shape": shape, "threshold": 2, "all": places}
    return Finding(LONE, "error", message, evidence | {"operation": one.name}, action=_ACTION)
