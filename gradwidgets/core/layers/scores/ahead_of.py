"""What stands behind and ahead of an operation in autograd's graph, a few operations on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torch.autograd.graph import Node

from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

PASSING = frozenset((
    "view", "unsafe_view", "reshape_alias", "expand", "clone", "squeeze", "unsqueeze", "permute", "transpose",
))  # fmt: skip
_FAR = 8  # operations


def first_told(operations: Iterable, tell: Callable[[Any], Finding | None]) -> list[Finding]:
    """What is to be said of the first of some operations of which anything is."""
    found = next((told for told in map(tell, operations) if told is not None), None)
    return [] if found is None else [found]


def before(node: Node, far: int = _FAR) -> Iterator[tuple[str, Node]]:
    """The operations that make an operation's first input with a gradient, the nearest first, with their names."""
    for _ in range(far):
        node = next((one for one, _ in node.next_functions if one is not None), None)
        if node is None:
            return
        yield plain_name(node.name()), node


def behind_it(node: Node, nodes: Sequence[Node], through: frozenset[str] = PASSING) -> Iterator[tuple[str, Node]]:
    """The operations that take what an operation gives, and those behind what only passes it on, with their names.

    Args:
        node: The operation.
        nodes: All operations of the pass.
        through: The names of those that pass it on.
    """
    front = {node}
    for _ in range(_FAR):
        taking = [one for one in nodes if any(other in front for other, _ in one.next_functions)]
        named = [(plain_name(one.name()), one) for one in taking]
        yield from named
        front = {one for name, one in named if name in through}


def axis_of(node: Node) -> int:
    """The axis of a softmax."""
    axis = saved(node, "dim")
    return axis - 2**64 if axis >= 2**63 else axis  # torch gives a negative one as an unsigned number


def number_of(node: Node) -> float | None:
    """The plain number that an operation multiplies or divides by; None where it is a tensor of several."""
    other = getattr(node, "_saved_other", None)
    if other is None or getattr(other, "ndim", 1) or (len(node.next_functions) > 1 and node.next_functions[1][0]):
        return None
    return float(other)
