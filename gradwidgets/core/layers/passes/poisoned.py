"""Layers whose gradient is exactly 0 since the loss does not read what they give: NaN in its place changes nothing."""

import contextlib
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.subject.held.held import Held

# Put parts together, or take some: of what is handed on, others may be read.
_PARTS = ("cat", "stack", "slice", "select", "index", "split", "split_with_sizes", "unbind", "constant_pad_nd")
_SINGLY = 8  # layers that are looked at by themselves


def mark_unread(subject: Subject, rows: Sequence[Row], graph: ModuleGraph | None) -> None:
    """Note of layers whose gradient is 0 which of them the loss does not read.

    Args:
        subject: A copy that may run: it does only where such a layer ends in parts put together or taken.
        rows: The layers.
        graph: The pass.
    """
    places = graph.by_layer() if graph else {}
    some = [row for row in rows if row.calls and _ends_in_parts(graph, places.get(row.name, ()))]
    if not some:
        return
    held = Held(subject.model, subject.loss_fn, outside=False)
    try:
        with contextlib.suppress(FlowError), torch.no_grad():
            for row in _unread(subject, some):
                row.unread = True
    finally:
        held.restore()


def _unread(subject: Subject, rows: list[Row]) -> list[Row]:
    """Those of them that the loss does not read, all together or each by itself."""
    loss = _loss(subject, [])
    if _loss(subject, rows) == loss:
        return rows
    return [row for row in rows[:_SINGLY] if len(rows) > 1 and _loss(subject, [row]) == loss]


def _ends_in_parts(graph: ModuleGraph, vertices: Sequence[int]) -> bool:
    stoppers = [at for one in vertices for at, _ in graph.stoppers(one)]
    return bool(stoppers) and all(graph.names[one] in _PARTS and not graph.is_layer[one] for one in stoppers)


def _loss(subject: Subject, rows: Sequence[Row]) -> float:
    """The loss, of the same draws each time, with NaN in place of what some layers give."""
    with torch.random.fork_rng(devices=[]), _poisoned([row.module for row in rows]):
        torch.manual_seed(0)
        return float(subject.loss())


@contextlib.contextmanager
def _poisoned(modules: Sequence[nn.Module]) -> Iterator[None]:
    handles = [
        one.register_forward_hook(lambda *given: pytree.tree_map_only(Tensor, _nan, given[-1])) for one in modules
    ]
    try:
        yield
    finally:
        for one in handles:
            one.remove()


def _nan(values: Tensor) -> Tensor:
    return torch.full_like(values, math.nan) if values.is_floating_point() else values
