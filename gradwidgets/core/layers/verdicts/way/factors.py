"""Two factors of a product that both begin at 0, as those of a low-rank update may."""

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.verdicts.verdict import Judged

BOTH = (
    "Draw one of the factors at random and let the other begin at 0, as LoRA does (A at random, B = 0): the product "
    "is 0 at first all the same, and the one that is 0 gets a gradient."
)
MULTIPLIED = (
    "are multiplied with each other and are all 0, and the gradient of each has the other as a factor, so that no step "
    "moves either"
)
# Linear in each thing that they take: on such a way, what is 0 behind makes 0 of the gradient before.
_LINEAR = (
    "t", "transpose", "permute", "view", "unsafe_view", "reshape_alias", "expand", "unsqueeze", "squeeze", "clone",
    "mul", "div", "mm", "bmm", "native_dropout", "dot", "mv",
)  # fmt: skip


def both_zero(judged: Judged) -> list[str]:
    """Names of weights that are all 0 and are multiplied with each other; none where there are no two such."""
    graph = judged.flow.graph
    for vertex in range(len(graph)) if graph else ():
        if graph.is_layer[vertex] or graph.names[vertex] in _LINEAR:
            found = _zeros(graph, vertex)
            if len(found) > 1:
                return found
    return []


def _zeros(graph: ModuleGraph, vertex: int) -> list[str]:
    """The weights of 0 among the factors of what a vertex gives, in the model's order."""
    found, waiting, seen = [], [vertex], {vertex}
    while waiting:
        one = waiting.pop()
        found += [name for name in graph.parameters[one] if "bias" not in name and graph.sizes.get(name) == 0]
        if one == vertex or _is_linear(graph, one):
            behind = [other for other in graph.back[one] if other not in seen and _may_be_factor(graph, other)]
            seen.update(behind)
            waiting += behind
    return [name for name in graph.sizes if name in found]


def _is_linear(graph: ModuleGraph, vertex: int) -> bool:
    return not graph.is_layer[vertex] and graph.names[vertex] in _LINEAR


def _may_be_factor(graph: ModuleGraph, vertex: int) -> bool:
    return graph.weighted[vertex] or _is_linear(graph, vertex)
