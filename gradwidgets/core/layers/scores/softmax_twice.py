"""A softmax of the output of another softmax: its inputs are between 0 and 1, so its outputs are nearly equal."""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import PASSING, axis_of, before, first_told, number_of
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

TWICE = "softmax twice"
_SOFTMAXES = ("softmax", "safe_softmax")
_SAME = PASSING | {"native_dropout", "masked_fill", "to_copy", "alias", "contiguous"}
_STRETCHED = 2.0  # a larger factor between the two sharpens the weights, and so is intended
_ACTION = "Take it once: of the scores, and not of shares."


def taken_twice(operations: Sequence[Operation], nodes: Sequence[Node]) -> list[Finding]:
    """Report the first softmax of another softmax's output along the same axis.

    Args:
        operations: The model's softmaxes.
        nodes: All operations of the pass.
    """
    return first_told(operations, lambda one: _told(one) if _is_of_shares(one.node) else None)


def _is_of_shares(node: Node) -> bool:
    factor = 1.0
    for name, one in before(node):
        if name in _SOFTMAXES:
            return _are_along_one(node, one) and abs(factor) <= _STRETCHED
        by = number_of(one) if name in ("mul", "div") else None
        if by is None and name not in _SAME and not (name == "mul" and _drops(one)):
            return False
        factor *= 1.0 if by is None else by if name == "mul" else 1 / by if by else math.inf
    return False


def _drops(node: Node) -> bool:
    """Whether a product's factor consists of 0 and one other number, as with dropout or a mask."""
    noise = saved(node, "other")
    if not isinstance(noise, Tensor) or noise.requires_grad or not noise.numel():
        return False
    most = noise.max()
    return 0 < float(most) <= _STRETCHED and bool(((noise == 0) | (noise == most)).all())


def _are_along_one(node: Node, other: Node) -> bool:
    """Whether two softmaxes are along the same axis, of several entries."""
    after, ahead = (tuple(one._input_metadata[0].shape) for one in (node, other))
    axes = axis_of(node) % len(after), axis_of(other) % len(ahead)
    if after == ahead:
        return axes[0] == axes[1] and after[axes[0]] > 1
    long = after[axes[0]]
    return math.prod(after) == math.prod(ahead) and after.count(long) == 1 and long == ahead[axes[1]] > 1


def _told(one: Operation) -> Finding:
    rows, axis = saved(one.node, "result").detach(), axis_of(one.node)
    many, most = rows.shape[axis], float(rows.amax(axis).float().mean())
    message = (
        f"{one}: it is taken of shares that a softmax has made already, which lie between 0 and 1: e to the power of "
        f"that is at most e times another, so that the largest of {many} shares is {number(most, 2)} on average, "
        f"where an even one is {number(1 / many, 2)}"
    )
    evidence = {"layer": one.place, "shape": tuple(rows.shape), "largest": most, "threshold": _STRETCHED}
    return Finding(TWICE, "warning", message, evidence, action=_ACTION)
