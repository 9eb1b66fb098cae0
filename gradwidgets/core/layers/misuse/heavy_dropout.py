"""Dropout that keeps next to nothing, mostly because the share to keep is given as the share to drop."""

import math

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent

DROPOUT = "dropout"
# Shares that dropout keeps: up to the first it is reported, as a warning if at several places or up to the second.
_LEFT, _FEWER = 0.1, 0.05
_ACTION = "Take a smaller p, 0.1 to 0.5 as a rule: it is the share to drop, not to keep."


def heavy_dropouts(model: nn.Module, graph: ModuleGraph) -> list[Finding]:
    """Report modules that drop nearly everything, alone or together with others right after them.

    Args:
        model: The model that ran.
        graph: The graph of its pass.
    """
    drops = {name: one for name, one in model.named_modules() if isinstance(one, _DropoutNd) and one.training}
    at = [v for v in range(len(graph)) if graph.is_layer[v] and graph.names[v] in drops]
    # Dropout of the model's inputs has no vertex.
    rows = [_row(graph, v, drops) for v in at] + [[name] for name in drops if name not in graph.names]
    left = [(math.prod(1 - drops[name].p for name in names), names) for names in rows]
    return _worst([(share, names, [drops[name].p for name in names]) for share, names in left])


def _row(graph: ModuleGraph, vertex: int, drops: dict[str, _DropoutNd]) -> list[str]:
    """Return the dropouts from the nearest layer with weights before a vertex to the vertex itself."""
    found = [graph.names[vertex]]
    while len(graph.back[vertex]) == 1 and not graph.weighted[graph.back[vertex][0]]:
        vertex = graph.back[vertex][0]
        found += [graph.names[vertex]] if graph.is_layer[vertex] and graph.names[vertex] in drops else []
    return found[::-1]


def _worst(found: list[tuple[float, list[str], list[float]]]) -> list[Finding]:
    hit = [one for one in found if 0 < one[0] <= _LEFT * (1 + 1e-6)]
    if not hit:
        return []
    left, names, shares = min(hit, key=lambda one: one[0])
    each = " and ".join(f"{one:g}" for one in shares)
    who = names[0] if len(names) == 1 else f"{', '.join(names)}, one behind the other,"
    message = f"{who} (p = {each}) {'drops' if len(names) == 1 else 'drop'} {percent(1 - left)} of what comes in"
    message += ", and scales the rest" if len(names) == 1 else ", and scale the rest"
    message += f" up {1 / left:.3g} times: what is left is mostly noise"
    if len(hit) > 1:
        message += f"; the same happens at {len(hit)} places"
    evidence = {"layer": names[0], "layers": names, "p": shares, "left": left, "threshold": _LEFT}
    sure = left <= _FEWER * (1 + 1e-6) or len(hit) > 1
    return [Finding(DROPOUT, "warning" if sure else "info", message, evidence, action=_ACTION)]
