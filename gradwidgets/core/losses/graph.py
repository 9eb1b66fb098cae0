"""Traversal of the autograd graph of a value."""

from collections.abc import Iterator

from torch import Tensor
from torch.autograd.graph import Node


def nodes_of(value: Tensor) -> Iterator[Node]:
    """Yield every node of a value's autograd graph once; none for a value without a graph."""
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
            yield node
