"""What to do about a saturated activation that bounds the model's output."""

from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.clamps import last_of
from gradwidgets.core.layers.verdicts.verdict import Judged

_LOGARITHMS = ("log", "log1_p", "log2", "log10", "binary_cross_entropy", "xlogy")
_LESS = ("rsub", "sub", "neg")
_PROBABILITIES = ("Sigmoid", "sigmoid", "Hardsigmoid", "hardsigmoid")
_BOUNDED = ("Tanh", "tanh", "Softsign", "softsign")
_SHAPES = ("view", "unsafe_view", "reshape_alias", "permute", "transpose", "squeeze", "unsqueeze", "clone")
_FEW = 6  # the most operations of a loss up to the logarithm of an output
_OF_LOGITS = (
    "Leave the {0} out of the model and take a loss of logits, which has a slope at both ends: BCEWithLogitsLoss, or "
    "logsigmoid(logit) in place of log(p), and logsigmoid(−logit) in place of log(1 − p)."
)
_GENERATOR = (
    " A generator that is taught by log(1 − D) still gets next to nothing where D is sure: give it −logsigmoid(logit), "
    "the non-saturating loss."
)
_SMALLER = "Smaller weights in the layer before it (Xavier's init), or a norm before that layer."


_OF_RECTIFIER = (
    "No layer comes after it: leave it out where what it gives may be negative; where it may not, as a density, a rate "
    "or a scale, take softplus in its place, which has a slope everywhere; and a bias that is not far below 0."
)


def of_rectifier(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """Return what to do about a dead rectifier without layers after it; "" if there are some."""
    graph = judged.graph
    kind, place = (one.name, one.name) if isinstance(one, LayerStats) else (one.name, one.place)
    kind = place if isinstance(one, FunctionStats) and one.call else kind
    found = [v for v in range(len(graph)) if (graph.names[v], graph.places[v] or "") == (kind, place)]
    found = [
        v for v in found if isinstance(one, LayerStats) or set(one.before) & {graph.names[b] for b in graph.back[v]}
    ]
    if not found:
        return ""
    seen, waiting = set(found), list(found)
    while waiting:
        more = [other for other in graph.onward[waiting.pop()] if other not in seen]
        seen.update(more)
        waiting += more
    return "" if any(graph.weighted[v] for v in seen) else _OF_RECTIFIER


def of_output(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """Return what to do about it; "" if it is not the last, or of another kind."""
    kind = one.kind if isinstance(one, LayerStats) else one.name
    vertex = _last_of(judged, one) if kind in _PROBABILITIES + _BOUNDED else None
    if vertex is None:
        return ""
    found = _behind(judged, vertex) if kind in _PROBABILITIES else []
    logarithm = next((i for i, name in enumerate(found) if name in _LOGARITHMS), None)
    if logarithm is None:
        return _SMALLER
    of_rest = found[logarithm] != "binary_cross_entropy" and any(name in _LESS for name in found[:logarithm])
    return _OF_LOGITS.format(kind.lower()) + (_GENERATOR if of_rest else "")


def _last_of(judged: Judged, one: LayerStats | FunctionStats) -> int | None:
    """Return its vertex, if its output leaves the model, perhaps in another shape, and is used nowhere else."""
    if (found := last_of(judged, one)) is not None:
        return found
    graph = judged.graph
    if not isinstance(one, LayerStats):
        return None
    ways = [v for v in range(len(graph)) if graph.is_layer[v] and graph.names[v] == one.name]
    vertex = ways[0] if len(ways) == 1 else None
    while vertex is not None and len(graph.onward[vertex]) == 1:
        other = graph.onward[vertex][0]
        if graph.places[other] is None:
            return vertex
        vertex = other if not graph.is_layer[other] and graph.names[other] in _SHAPES else None
    return None


def _behind(judged: Judged, vertex: int) -> list[str]:
    """Return the names of the first operations of a loss on the model's output."""
    graph = judged.graph
    found: list[str] = []
    while graph.onward[vertex] and len(found) < _FEW:
        vertex = graph.onward[vertex][0]
        found.append(graph.names[vertex])
    return found
