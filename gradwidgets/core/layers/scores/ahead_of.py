"""What stands behind and ahead of an operation in autograd's graph, a few operations on."""

from collections.abc import Iterator, Sequence

from torch.autograd.graph import Node

from gradwidgets.core.operations.watching import plain_name

PASSING = frozenset((
    "view", "unsafe_view", "reshape_alias", "expand", "clone", "squeeze", "unsqueeze", "permute", "transpose",
))  # fmt: skip
_FAR = 8  # operations


def before(node: Node) -> Iterator[tuple[str, Node]]:
    """The operations that make an operation's first input, the nearest first, with their names."""
    for _ in range(_FAR):
        node = node.next_functions[0][0] if node.next_functions else None
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
    axis = node._saved_dim
    return axis - 2**64 if axis >= 2**63 else axis  # torch gives a negative one as an unsigned number


def number_of(node: Node) -> float | None:
    """The plain number that an operation multiplies or divides by; None where it is a tensor of several."""
    other = getattr(node, "_saved_other", None)
    if other is None or getattr(other, "ndim", 1) or (len(node.next_functions) > 1 and node.next_functions[1][0]):
        return None
    return float(other)
