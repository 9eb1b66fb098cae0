"""Gradients whose parts, from several paths, cancel out, so that the sum is 0 except for rounding."""

from collections.abc import Iterator

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.stats import LayerStats

_DUST = 1e-6  # of the largest part: the rounding error of a difference in float32
# Functions whose slope is never close to 0, whatever the input.
_SLOPING = ("add", "sub", "rsub", "neg", "exp", "logsumexp", "log_softmax", "sum", "mean", "gather", "select", "expand")


def cancelled(graph: ModuleGraph) -> frozenset[int]:
    """Return the vertices of a model whose gradient is 0 although each of several paths brings one.

    Args:
        graph: The graph, with the norms of the gradients.
    """
    found: set[int] = set()
    for vertex, ways in enumerate(graph.onward):
        if len(ways) < 2 or graph.places[vertex] is None or graph.norms[vertex] != graph.norms[vertex]:
            continue
        sizes = [graph.norms[one] for one in ways]
        sloping = all(graph.names[one] in _SLOPING and not graph.is_layer[one] for one in ways)
        if sloping and min(sizes) > 0 and graph.norms[vertex] <= _DUST * max(sizes):
            found.add(vertex)
    return frozenset(found)


def cancelled_layers(graph: ModuleGraph, layers: list[tuple[int, LayerStats]]) -> Iterator[tuple[int, LayerStats]]:
    """Yield the layers whose only gradient comes from such a vertex."""
    gone = cancelled(graph)
    whole = {graph.names[one] for one in gone if graph.is_layer[one]}
    parts = {graph.places[one] for one in gone if not graph.is_layer[one]}
    for i, layer in layers:
        if (layer.name in whole and layer.calls == 1) or (layer.name in parts and layer.weight_grad_norm == 0):
            yield i, layer
