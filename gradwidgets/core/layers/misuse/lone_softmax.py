"""A softmax along an axis of one entry: all it gives is 1, and what makes its scores gets no gradient."""

from collections.abc import Sequence

from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

LONE = "softmax_of_one"
SOFTMAXES = ("softmax", "safe_softmax")
_LONG = "Name the axis along which shares are to sum to 1: dim=1 for the steps of (samples, steps, 1)."
_FLAT = (
    "No axis of this shape will do: the scores that are weighed against each other all lie on the first. Bring them to "
    "(samples, steps) before the softmax, by view or squeeze, and take it over the steps; where there is one score for "
    "a sample, take a sigmoid."
)
_PASSING = ("view", "unsafe_view", "reshape_alias", "squeeze", "unsqueeze", "clone", "mul", "div", "add")
_PRODUCTS = ("addmm", "mm", "linear", "convolution")
_FEW = 6  # operations between a layer and a softmax


def of_softmaxes(operations: Sequence[Operation]) -> list[Finding]:
    """The softmaxes of the single number that a layer gives for each place, told of the first."""
    lone = []
    for one in operations:
        shape = tuple(one.node._input_metadata[0].shape)
        axis = one.node._saved_dim
        axis = axis - 2**64 if axis >= 2**63 else axis
        # Along steps, or keys, one is a short sequence; along what a layer gives, the axis is wrong.
        if axis in (-1, len(shape) - 1) and shape and shape[-1] == 1 < len(shape) and _is_score(one.node):
            lone.append((one, shape))
    return [_found(*lone[0], [one.place for one, _ in lone])] if lone else []


def _is_score(node: Node) -> bool:
    """Whether a layer with a single output makes what it is given, and nothing but its weights is multiplied."""
    for _ in range(_FEW):
        node = next((one for one, _ in node.next_functions if one is not None), None)
        name = plain_name(node.name()) if node is not None else ""
        if name in _PRODUCTS:
            return any(_is_weight(one) for one, _ in node.next_functions)
        if name not in _PASSING:
            return False
    return False


def _is_weight(node: Node | None) -> bool:
    while node is not None and plain_name(node.name()) in ("t", "transpose") and node.next_functions:
        node = node.next_functions[0][0]
    return hasattr(node, "variable")


def _found(one: Operation, shape: tuple[int, ...], places: list[str]) -> Finding:
    message = (
        f"{one}: a softmax along the last axis of {shape}, which has a single entry: all it gives is 1, whatever the "
        "scores, and what makes them gets no gradient"
    )
    evidence = {"layer": one.place, "shape": shape, "threshold": 2, "all": places}
    return Finding(LONE, "error", message, evidence, action=_FLAT if len(shape) == 2 else _LONG)
