"""A softmax, or a division by the sum, of a single selected score: the result is 1, and the scores get no gradient."""

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

# Operations that may normalise the selected scores to a sum of 1.
SHARED = (*SOFTMAXES, "div")
_LAYERS = ("addmm", "mm", "convolution")
_FILLS = ("scatter", "masked_fill", "where")
_CHOOSE = ("topk", "sort", "gather", "max", "amax", "index")
_SUMS, _AROUND = ("sum", "linalg_vector_norm"), ("add", "clamp_min", "expand", "clamp")
_MOST = 12  # the most operations between a layer and the normalised scores
_ACTION = (
    "Take the softmax over all scores, before the choice: shares, kept = scores.softmax(-1).topk(k, -1), and multiply "
    "by the shares as they are; of a single one, no division by its sum; or take a sigmoid of the score that is kept."
)


class _Choice(NamedTuple):
    """The selection of a single score.

    Attributes:
        by: The function that selects it.
        weights: The weights of the layer that computes the scores.
    """

    by: str
    weights: list[Tensor]


def kept_alone(operations: Sequence[Operation], nodes: Sequence[Node], names: Mapping[int, str]) -> list[Finding]:
    """Report a softmax, or a division by the sum, of a single selected score.

    Args:
        operations: The model's softmaxes and divisions.
        nodes: All operations of the pass.
        names: The names of the model's parameters, by id.
    """
    chosen = [(one, choice) for one in operations if (choice := _choice(one)) is not None]
    return [_told(*chosen[0], [one.place for one, _ in chosen], names)] if chosen else []


def _choice(one: Operation) -> _Choice | None:
    """Return the selection of a single score of a layer's; None if several are selected, or no layer computes them."""
    if one.name in SOFTMAXES:
        axis = axis_of(one.node)
        return _chosen(one.node, axis) if _length(one.node, axis) == 1 else _filled(one.node)
    return _chosen(one.node, -1) if _length(one.node, -1) == 1 and _is_by_own_sum(one.node) else None


def _length(node: Node, axis: int) -> int:
    shape = node._input_metadata[0].shape
    return shape[axis] if shape else 0


def _is_by_own_sum(node: Node) -> bool:
    """Whether a tensor is divided by its own sum."""
    given, divisor = (one for one, _ in node.next_functions[:2]) if len(node.next_functions) > 1 else (None, None)
    while divisor is not None and plain_name(divisor.name()) in _AROUND:
        divisor = divisor.next_functions[0][0]
    if divisor is None or given is None or plain_name(divisor.name()) not in _SUMS:
        return False
    return divisor.next_functions[0][0] is given


def _chosen(node: Node, axis: int) -> _Choice | None:
    """Return the selection of one of a layer's outputs along an axis; None if there is none."""
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
    """Return the selection before a softmax whose rows all are a single 1 and zeros; None if there is none."""
    rows, axis = saved(node, "result").detach(), axis_of(node)
    names: list[str] = []
    for name, one in before(node, _MOST):
        if name in _LAYERS:
            found, weights = next((each for each in names if each in _FILLS), ""), _weights(one)
            return _Choice(found, weights) if found and weights and _is_choice(rows, axis) else None
        names.append(name)
    return None


def _is_choice(rows: Tensor, axis: int) -> bool:
    """Whether each row has a single 1, not at the same place in all rows, as it would be if all others are padding."""
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
