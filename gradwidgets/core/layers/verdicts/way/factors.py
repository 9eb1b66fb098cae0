"""Factors of a product that all begin at 0, as those of a low-rank update may."""

from collections.abc import Sequence

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.verdicts.verdict import Judged

BOTH = (
    "Draw one of the factors at random and let the other begin at 0, as LoRA does (A at random, B = 0): the product "
    "is 0 at first all the same, and the one that is 0 gets a gradient."
)
_WHY = "and the gradient of each has the other as a factor"
_NAMED = 4  # the most products that a sentence names
# Functions that are linear in each input: through them, a factor of 0 makes the gradient of the other factors 0.
_LINEAR = (
    "t", "transpose", "permute", "view", "unsafe_view", "reshape_alias", "expand", "unsqueeze", "squeeze", "clone",
    "mul", "div", "mm", "bmm", "native_dropout", "dot", "mv",
)  # fmt: skip


def both_zero(judged: Judged) -> list[tuple[str, ...]]:
    """Return the names of weights that are all 0 and are multiplied with each other, in one tuple for each product."""
    graph = judged.graph
    found: list[tuple[str, ...]] = []
    for vertex in range(len(graph)):
        if graph.is_layer[vertex] or graph.names[vertex] in _LINEAR:
            zeros = _zeros(graph, vertex)
            # A product within another product is not listed separately.
            if len(zeros) > 1 and not any(set(zeros) <= set(one) for one in found):
                found = [one for one in found if not set(one) <= set(zeros)] + [tuple(zeros)]
    return sorted(found, key=lambda one: list(graph.sizes).index(one[0]))


def multiplied(pairs: Sequence[tuple[str, ...]]) -> str:
    """Return a clause on the products."""
    if len(pairs) == 1:
        them = "each other" if len(pairs[0]) == 2 else "others of them"  # within one layer it is unknown which
        return f"{', '.join(pairs[0])} are multiplied with {them} and are all 0, {_WHY}, so that no step moves any"
    named = "; ".join(" and ".join(one) for one in pairs[:_NAMED])
    more = f"; and {len(pairs) - _NAMED} more" if len(pairs) > _NAMED else ""
    return f"in {len(pairs)} products all factors are 0 ({named}{more}), {_WHY}, so that no step moves any"


def _zeros(graph: ModuleGraph, vertex: int) -> list[str]:
    """Return the weights of 0 among the factors of a vertex's output, in the model's order."""
    found: list[str] = []
    waiting, seen = [vertex], {vertex}
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
