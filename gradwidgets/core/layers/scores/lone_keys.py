"""Softmaxes over one entry: its weight is 1 whatever its score, and the score gets no gradient."""

from collections.abc import Iterable

from torch.autograd.graph import Node

from gradwidgets.core.layers.causes.softmax_rows import SOFTMAX
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.losses.graph import saved


def lone_keys(operations: Iterable[Operation]) -> list[Node]:
    """Return the softmaxes over one entry among operations."""
    return [one.node for one in operations if one.name in SOFTMAX and _entries(one.node) == 1]


def _entries(node: Node) -> int:
    keys = getattr(node, "_saved_key", None)
    if keys is not None:
        return keys.shape[-2]
    shape = tuple(node._input_metadata[0].shape)
    axis = saved(node, "dim")
    return shape[axis - 2**64 if axis >= 2**63 else axis]
