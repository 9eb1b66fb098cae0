"""Shares of the single score that was kept of several: all of it is 1, and what makes the scores gets no gradient."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.lone_softmax import LONE, SOFTMAXES, weight_of
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import axis_of, before
from gradwidgets.core.losses.graph import saved
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


class _Choice(NamedTuple):
    """What has left a single score of several.

    Attributes:
        by: The function that did.
        weights: Those of the layer that gave the scores.
    """

    by: str
    weights: list[Tensor]


def kept_alone(operations: Sequence[Operation], nodes: Sequence[Node], names: Mapping[int, str]) -> list[Finding]:
    """What to say of a softmax, or a division by the sum, of the one score that a choice has left.

    Args:
        operations: The model's softmaxes and divisions.
        nodes: All operations of the pass.
        names: The model's parameters' names, by id.
    """
    chosen = [(one, choice) for one in operations if (choice := _choice(one)) is not None]
    return [_told(*chosen[0], [one.place for one, _ in chosen], names)] if chosen else []


def _choice(one: Operation) -> _Choice | None:
    """What has left a single score of those that a layer gives; None where several are left, or no layer gives them."""
    if one.name in SOFTMAXES:
        axis = axis_of(one.node)
        return _chosen(one.node, axis) if _length(one.node, axis) == 1 else _filled(one.node)
    return _chosen(one.node, -1) if _length(one.node, -1) == 1 and _is_by_own_sum(one.node) else None


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


def _chosen(node: Node, axis: int) -> _Choice | None:
    """The function that has chosen one of several along an axis, after a layer gave them; None for none."""
    name, shrinks = "", False
    for other, one in before(node, _MOST):
        if other in _LAYERS:
            weights = _weights(one)
            return _Choice(name, weights) if name and shrinks and weights else None
        above = next((given for given, _ in one.next_functions if given is not None), None)
        shrinks = shrinks or (above is not None and _length(above, axis) > 1 == _length(one, axis))
        name = other if other in _CHOOSE and not name else name
    return None


def _filled(node: Node) -> _Choice | None:
    """The function that has left one of several, of a softmax whose every row is a single 1 beside zeros."""
    rows, axis, names = saved(node, "result").detach(), axis_of(node), []
    for name, one in before(node, _MOST):
        if name in _LAYERS:
            found, weights = next((each for each in names if each in _FILLS), ""), _weights(one)
            return _Choice(found, weights) if found and weights and _is_choice(rows, axis) else None
        names.append(name)
    return None


def _is_choice(rows: Tensor, axis: int) -> bool:
    """Whether each row is a single 1, and that is not at the same place in all, as where all else is padding."""
    at = rows.argmax(axis)
    return bool((rows.count_nonzero(axis) == 1).all()) and bool((at != at.flatten()[0]).any())


def _weights(node: Node) -> list[Tensor]:
    return [one for one in (weight_of(other) for other, _ in node.next_functions) if one is not None]


def _told(one: Operation, choice: _Choice, places: list[str], names: Mapping[int, str]) -> Finding:
    what = "a softmax" if one.name in SOFTMAXES else "a division by its own sum"
    layer = next((names[id(each)] for each in choice.weights if id(each) in names), "").rpartition(".")[0]
    makes = f"{layer}, which makes them," if layer else "what makes them"
    message = (
        f"{one}: {what} of the single score that {choice.by} leaves of several: what it gives is 1, whatever the "
        f"scores are, and {makes} gets no gradient by it"
    )
    shape = tuple(one.node._input_metadata[0].shape)
    evidence = {"layer": layer or one.place, "place": one.place, "shape": shape, "threshold": 2, "all": places}
    return Finding(LONE, "error", message, evidence | {"operation": one.name}, action=_ACTION)
