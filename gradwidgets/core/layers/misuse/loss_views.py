"""Losses that mix up the output's axes: views where a transpose was meant, or rows in another order than the targets'.

What a loss does with the targets is not in autograd's graph. So something is reported only if the targets, as they are
given or as the loss's own function received them, show that they were not reshaped in the same way.
"""

import math
from collections.abc import Collection, Iterable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.mixing import VIEWS, Shapes
from gradwidgets.core.layers.axes.scrambled import exchanges, merges, scrambles
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

_SHARES = ("softmax", "log_softmax", "safe_softmax")
_SCALES = ("mul", "div")  # a temperature


def views_in(nodes: Iterable[Node], targets: Collection[Tensor]) -> list[Shapes]:
    """Return the shapes before and after a loss's views that mix up axes.

    Args:
        nodes: The operations of the loss.
        targets: The targets as the loss receives them.
    """
    given = {tuple(one.shape) for one in targets}
    found = []
    for node in nodes:
        if plain_name(node.name()) in _SHARES and node._input_metadata[0].shape[1:2]:
            found += [one for one in _before(node, passing=_SCALES) if _along(node) == 1 and _puts_classes_first(*one)]
        found += [one for one in _shapes(node) if _turns(one) and one[1] in given and one[0] not in given]
    return found


def of_order(nodes: Iterable[Node], targets: Collection[Tensor]) -> list[Finding]:
    """Report a loss that compares output and targets row by row after flattening their axes in different orders."""
    for node in nodes:
        compared = getattr(node, "_saved_target", None)
        if not isinstance(compared, Tensor) or not compared.ndim:
            continue
        for before, after in _before(node, passing=(*_SHARES, *_SCALES)):
            if len(before) < 2 or before[0] == before[1] or math.prod(before[:2]) != after[0]:
                continue
            if any(_is_other_way_round(before, one, compared) for one in targets):
                return [_told(before)]
    return []


def _told(before: Sequence[int]) -> Finding:
    first, second = before[:2]
    message = (
        f"the loss compares row by row, and takes the output's rows from ({first}, {second}) and the targets' from "
        f"({second}, {first}): all but a few outputs are compared with the target of another sample or step"
    )
    action = (
        "Flatten both from the same order: transpose(0, 1) both or neither. Of a model that gives steps first, "
        "transpose its output."
    )
    evidence = {"output": (first, second), "targets": (second, first), "threshold": 0}
    return Finding("mixed axes", "warning", message, evidence, action=action)


def _is_other_way_round(before: Sequence[int], target: Tensor, compared: Tensor) -> bool:
    """Whether a target was flattened in its own order although its first two axes are those of the output, swapped."""
    if tuple(target.shape[:2]) != (before[1], before[0]) or target.numel() != compared.numel():
        return False
    flat, turned = (one.reshape(compared.shape).to(compared.dtype) for one in (target, target.transpose(0, 1)))
    return torch.equal(flat, compared) and not torch.equal(turned, compared)


def _puts_classes_first(before: Sequence[int], after: Sequence[int]) -> bool:
    """Whether a view makes the last axis, that of the classes, the second one without moving numbers."""
    if len(before) < 3 or before[0] != after[0] or merges(before[1:], after[1:]):
        return False
    *rest, classes = before[1:]
    return list(after[1:]) in ([classes, *rest], [classes, math.prod(rest)])


def _turns(shapes: Shapes) -> bool:
    return scrambles(*shapes) or exchanges(*shapes)


def _along(node: Node) -> int:
    """Return the axis of a softmax; torch saves an axis counted from the end as an unsigned number of 64 bits."""
    axis, axes = int(saved(node, "dim")), len(node._input_metadata[0].shape)
    return axis + axes - 2**64 if axis >= 2**63 else axis % axes


def _before(node: Node, passing: Collection[str] = ()) -> list[Shapes]:
    """Return the shapes before and after the view right before an operation; none if it is no view."""
    before = _first(node)
    while before is not None and plain_name(before.name()) in passing:
        before = _first(before)
    return [] if before is None else _shapes(before)


def _first(node: Node) -> Node | None:
    """Return the operation that computed its first input with a gradient."""
    return next((one for one, _ in node.next_functions if one is not None), None)


def _shapes(node: Node) -> list[Shapes]:
    if plain_name(node.name()) not in VIEWS:
        return []
    before, after = getattr(node, "_saved_self_sym_sizes", ()), node._input_metadata[0].shape
    return [(tuple(before), tuple(after))] if len(before) else []
