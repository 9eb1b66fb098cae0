"""Layers with a gradient of exactly 0 whose output the loss does not use: replacing it by NaN changes nothing."""

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

# Functions that join or select parts, so that the loss may use other parts of their output.
_PARTS = ("cat", "stack", "slice", "select", "index", "split", "split_with_sizes", "unbind", "constant_pad_nd")
_SINGLE = 8  # layers that are tested separately


def unread_rows(subject: Subject, rows: Sequence[Row], graph: ModuleGraph | None) -> list[Row]:
    """Find those of the layers with a gradient of 0 whose output the loss does not use.

    Args:
        subject: A copy of the model, which may be run; it runs only if parts of such a layer's output are selected.
        rows: The layers.
        graph: The graph of the pass.
    """
    if graph is None:
        return []
    places = graph.by_layer()
    some = [row for row in rows if row.calls and _ends_in_parts(graph, places.get(row.name, ()))]
    if not some:
        return []
    held = Held(subject.model, subject.loss_fn, outside=False)
    try:
        with contextlib.suppress(FlowError), torch.no_grad():
            return _unread(subject, some)
    finally:
        held.restore()
    return []


def _unread(subject: Subject, rows: list[Row]) -> list[Row]:
    """Return the layers that the loss does not use, tested all together, or else one by one."""
    loss = _loss(subject, [])
    if _loss(subject, rows) == loss:
        return rows
    return [row for row in rows[:_SINGLE] if len(rows) > 1 and _loss(subject, [row]) == loss]


def _ends_in_parts(graph: ModuleGraph, vertices: Sequence[int]) -> bool:
    """Whether the gradient becomes 0 only at functions that join or select parts."""
    stoppers = [at for one in vertices for at, _ in graph.stoppers(one)]
    return bool(stoppers) and all(graph.names[one] in _PARTS and not graph.is_layer[one] for one in stoppers)


def _loss(subject: Subject, rows: Sequence[Row]) -> float:
    """Compute the loss, with the same random numbers each time, while some layers return NaN."""
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
