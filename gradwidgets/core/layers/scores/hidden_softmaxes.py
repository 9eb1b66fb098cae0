"""Softmaxes that are used as activations between layers: with many entries, each is small."""

from collections.abc import Sequence

from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.scores.ahead_of import PASSING, axis_of, before, behind_it
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

HIDDEN = "softmax between layers"
_LAYERS = ("addmm", "mm", "convolution", "native_batch_norm", "native_layer_norm")
_FEWEST = 2
_ACTION = "Take ReLU or GELU between layers; a softmax is for the end, or for what weighs a sum."


def between_layers(operations: Sequence[Operation], nodes: Sequence[Node]) -> list[Finding]:
    """Report a model with several softmaxes as activations, which may explain a gradient that vanishes.

    Args:
        operations: The model's softmaxes.
        nodes: All operations of the pass.
    """
    some = [one for one in operations if _is_fed(one.node) and _feeds(one.node, nodes)]
    if len(some) < _FEWEST:
        return []
    many = saved(some[0].node, "result").shape[axis_of(some[0].node)]
    message = (
        f"{len(some)} softmaxes stand between layers as activations: of {many} entries each is {number(1 / many, 2)} "
        "on average, and its slope no larger"
    )
    evidence = {"layer": some[0].place, "softmaxes": len(some), "entries": many, "threshold": _FEWEST}
    return [Finding(HIDDEN, "info", message, evidence, action=_ACTION)]


def _is_fed(node: Node) -> bool:
    """Whether a layer with weights computes its input."""
    first = next(((name, one) for name, one in before(node) if name not in PASSING), None)
    return first is not None and first[0] in _LAYERS and _has_weights(first[1])


def _feeds(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether a layer with weights uses its output."""
    return any(name in _LAYERS and _has_weights(one) for name, one in behind_it(node, nodes))


def _has_weights(node: Node) -> bool:
    """Whether an input of an operation is a parameter, also if it is transposed."""
    given = [one for one, _ in node.next_functions]
    given += [one.next_functions[0][0] for one in given if one is not None and len(one.next_functions) == 1]
    return any(hasattr(one, "variable") for one in given)
