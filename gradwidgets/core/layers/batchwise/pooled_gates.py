"""Pools over the samples and the places of maps together, which a layer then takes: one gate for all of a batch."""

from collections.abc import Collection

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
_FAR = 5
_ACTION = (
    "Pool over the places of each sample alone: x.mean((2, 3)) of (samples, channels, height, width), or "
    "nn.AdaptiveAvgPool2d(1)."
)


def pools_taken(operations: Collection[Operation], nodes: Collection[Node]) -> list[tuple[str, str, tuple[int, ...]]]:
    """Pools over a first axis and others, that a product with weights takes: function, module and shape.

    Args:
        operations: Pools of the model.
        nodes: All operations of the pass.
    """
    pools = {one.node: one for one in operations if _runs_along_first(one)}
    if not pools:
        return []
    products = (one for one in nodes if plain_name(one.name()) in _PRODUCTS)
    taken = {_behind(other) for one in products for other, _ in one.next_functions}
    return [(one.name, one.place, _given(one)) for node, one in pools.items() if node in taken]


def _given(one: Operation) -> tuple[int, ...]:
    return tuple(getattr(one.node, "_saved_self_sym_sizes", ()))


def _runs_along_first(one: Operation) -> bool:
    """Whether it runs along the first of several axes, and along others, but not along all."""
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


def pooled_together(subject: Subject, output: object, pools: Collection[tuple]) -> list[Finding]:
    """What to say of the first of them that pools samples.

    Args:
        subject: A copy that may run.
        output: What the model gave.
        pools: See `pools_taken`.
    """
    batch = batch_of(subject.inputs, output)
    some = [one for one in pools if batch is not None and one[2][0] == batch[1]]
    if not some or batch[0] or _dimensions(subject.inputs) < 3:
        return []
    with evaluated(subject.model):
        try:
            many = depends_on_others(subject, *batch)
        except FlowError:
            return []
    return [_told(*some[0], many, batch[1])] if many else []


def _dimensions(inputs: object) -> int:
    return max((getattr(one, "ndim", 0) for one in pytree.tree_leaves(inputs)), default=0)


def _told(name: str, place: str, shape: tuple[int, ...], many: int, count: int) -> Finding:
    where = f" in {place}" if place and place != "(model)" else ""
    message = (
        f"{name}{where} runs over the samples of {shape} as well as over their places, {shape[0]} samples "
        "together, and a layer takes it: all samples get the same. When other samples were exchanged, "
        f"{many} of the {count // 2} that stayed got another output"
    )
    evidence = {"layer": place, "shape": shape, "changed": many, "of": count // 2, "threshold": 0}
    return Finding(POOLED, "warning", message, evidence, action=_ACTION)
