"""Pools over the samples and the places of maps together, as in a gate for all of a batch."""

from collections.abc import Collection
from typing import NamedTuple

from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import batch_of, depends_on_others, evaluated
from gradwidgets.core.layers.axes.pooled import POOLED
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding

POOLS = ("mean", "sum", "amax")
_BETWEEN = ("view", "unsqueeze", "squeeze", "expand", "t", "transpose", "clone", "reshape_alias", "unsafe_view", "div")
_PRODUCTS = ("addmm", "mm", "bmm", "convolution")
_FAR = 5  # the most operations between a pool and a layer
_ACTION = (
    "Pool over the places of each sample alone: x.mean((2, 3)) of (samples, channels, height, width), or "
    "nn.AdaptiveAvgPool2d(1)."
)


class Pool(NamedTuple):
    """A pool over a first axis and others.

    Attributes:
        name: The function.
        place: The module that calls it.
        shape: The shape of its input.
    """

    name: str
    place: str
    shape: tuple[int, ...]


def pools_taken(operations: Collection[Operation], nodes: Collection[Node]) -> list[Pool]:
    """Return pools over a first axis and others whose output is the input of a product with weights.

    Args:
        operations: The pools of the model.
        nodes: All operations of the pass.
    """
    pools = {one.node: one for one in operations if _runs_along_first(one)}
    if not pools:
        return []
    products = (one for one in nodes if plain_name(one.name()) in _PRODUCTS)
    taken = {_behind(other) for one in products for other, _ in one.next_functions}
    return [Pool(one.name, one.place, _given(one)) for node, one in pools.items() if node in taken]


def _given(one: Operation) -> tuple[int, ...]:
    return tuple(getattr(one.node, "_saved_self_sym_sizes", ()))


def _runs_along_first(one: Operation) -> bool:
    """Whether a pool is over the first axis and others, but not over all."""
    dims, shape = getattr(one.node, "_saved_dim", None), _given(one)
    if not isinstance(dims, (tuple, list)) or not shape or not 1 < len(dims) < len(shape):
        return False
    return any(axis in (0, 2**64 - len(shape)) for axis in dims)


def _behind(node: Node | None) -> Node | None:
    for _ in range(_FAR):
        if node is None or plain_name(node.name()) not in _BETWEEN:
            return node
        node = node.next_functions[0][0]
    return node


def pooled_together(subject: Subject, output: object, pools: Collection[Pool]) -> list[Finding]:
    """Report the first pool over samples.

    Args:
        subject: A copy of the model, which runs.
        output: The model's output.
        pools: See `pools_taken`.
    """
    axis, count = batch_of(subject.inputs, output) or (1, 0)
    some = [one for one in pools if one.shape[0] == count]
    if not some or axis or _dimensions(subject.inputs) < 3:
        return []
    with evaluated(subject.model):
        try:
            many = depends_on_others(subject, axis, count)
        except FlowError:
            return []
    return [_told(some[0], many, count)] if many else []


def _dimensions(inputs: object) -> int:
    return max((getattr(one, "ndim", 0) for one in pytree.tree_leaves(inputs)), default=0)


def _told(pool: Pool, many: int, count: int) -> Finding:
    name, place, shape = pool
    where = f" in {place}" if place and place != "(model)" else ""
    message = (
        f"{name}{where} runs over the samples of {shape} as well as over their places, {shape[0]} samples "
        "together, and a layer takes it: all samples get the same. When other samples were exchanged, "
        f"{many} of the {count // 2} that stayed got another output"
    )
    evidence = {"layer": place, "shape": shape, "changed": many, "of": count // 2, "threshold": 0}
    return Finding(POOLED, "warning", message, evidence, action=_ACTION)
