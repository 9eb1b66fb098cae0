"""Where what comes back by several ways cancels out, so that a gradient is 0 but for rounding."""

from collections.abc import Iterator

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.passes.stats import LayerStats

_DUST = 1e-6  # of the largest that comes back by one way: what rounding in float32 leaves of a difference
# Whatever comes in, they have a slope, and none that is next to nothing.
_SLOPING = ("add", "sub", "rsub", "neg", "exp", "logsumexp", "log_softmax", "sum", "mean", "gather", "select", "expand")


def cancelled(graph: ModuleGraph) -> frozenset[int]:
    """The vertices of a model at which nothing is left of several ways that each bring something back.

    Args:
        graph: The graph, with the norms of the gradients.
    """
    found = set()
    for vertex, ways in enumerate(graph.onward):
        if len(ways) < 2 or graph.places[vertex] is None or graph.norms[vertex] != graph.norms[vertex]:
            continue
        sizes = [graph.norms[one] for one in ways]
        sloping = all(graph.names[one] in _SLOPING and not graph.is_layer[one] for one in ways)
        if sloping and min(sizes) > 0 and graph.norms[vertex] <= _DUST * max(sizes):
            found.add(vertex)
    return frozenset(found)


def cancelled_layers(graph: ModuleGraph, layers: list[tuple[int, LayerStats]]) -> Iterator[tuple[int, LayerStats]]:
    """The layers of which nothing else is trained than by such a vertex."""
    gone = cancelled(graph)
    whole = {graph.names[one] for one in gone if graph.is_layer[one]}
    parts = {graph.places[one] for one in gone if not graph.is_layer[one]}
    for i, layer in layers:
        if (layer.name in whole and layer.calls == 1) or (layer.name in parts and layer.weight_grad_norm == 0):
            yield i, layer
