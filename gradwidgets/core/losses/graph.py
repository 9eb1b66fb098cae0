"""Traversal of the autograd graph of a value."""

from collections.abc import Iterator
from typing import Any

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


def saved(node: Node, name: str) -> Any:
    """Return what an operation saved for its backward under this name, "self" for torch's `_saved_self`.

    The nodes' classes are made in C++ and have no annotations, hence Any.

    Raises:
        AttributeError: The operation saves nothing of this name.
        RuntimeError: The saved tensor was changed in place since, or freed.
    """
    return getattr(node, f"_saved_{name}")


def variable_of(node: Node) -> Any:
    """Return the tensor whose gradient a node accumulates, a parameter say; None for any other node."""
    return getattr(node, "variable", None)
