"""The operations shortly before and after an operation in autograd's graph."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

PASSING = frozenset((
    "view", "unsafe_view", "reshape_alias", "expand", "clone", "squeeze", "unsqueeze", "permute", "transpose",
))  # fmt: skip
_FAR = 8  # the most operations
_T = TypeVar("_T")


def first_told(operations: Iterable[_T], tell: Callable[[_T], Finding | None]) -> list[Finding]:
    """Return the finding on the first operation that has one, in a list; none if no operation has one."""
    found = next((told for told in map(tell, operations) if told is not None), None)
    return [] if found is None else [found]


def before(node: Node, far: int = _FAR) -> Iterator[tuple[str, Node]]:
    """Yield the operations before an operation, along the first input with a gradient, the nearest first, by name."""
    for _ in range(far):
        nearest = next((one for one, _ in node.next_functions if one is not None), None)
        if nearest is None:
            return
        node = nearest
        yield plain_name(node.name()), node


def behind_it(node: Node, nodes: Sequence[Node], through: frozenset[str] = PASSING) -> Iterator[tuple[str, Node]]:
    """Yield the operations that use an operation's output, directly or through others, with their names.

    Args:
        node: The operation.
        nodes: All operations of the pass.
        through: The names of operations after which the search continues.
    """
    front = {node}
    for _ in range(_FAR):
        taking = [one for one in nodes if any(other in front for other, _ in one.next_functions)]
        named = [(plain_name(one.name()), one) for one in taking]
        yield from named
        front = {one for name, one in named if name in through}


def axis_of(node: Node) -> int:
    """Return the axis of a softmax."""
    axis = saved(node, "dim")
    return axis - 2**64 if axis >= 2**63 else axis  # torch gives a negative one as an unsigned number


def number_of(node: Node) -> float | None:
    """Return the single number that an operation multiplies or divides by; None if it is a larger tensor."""
    other: object = getattr(node, "_saved_other", None)
    trained = len(node.next_functions) > 1 and node.next_functions[1][0] is not None
    return None if trained or not isinstance(other, Tensor) or other.ndim else float(other)
