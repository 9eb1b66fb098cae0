"""What to do about an activation that is flat and is the model's last: its bounds are what the output is to have."""

from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.clamps import last_of
from gradwidgets.core.layers.verdicts.verdict import Judged

_LOGARITHMS = ("log", "log1_p", "log2", "log10", "binary_cross_entropy", "xlogy")
_LESS = ("rsub", "sub", "neg")
_PROBABILITIES = ("Sigmoid", "sigmoid", "Hardsigmoid", "hardsigmoid")
_BOUNDED = ("Tanh", "tanh", "Softsign", "softsign")
_FEW = 6  # operations of a loss between an output and its logarithm
_OF_LOGITS = (
    "Leave the {0} out of the model and take a loss of logits, which has a slope at both ends: BCEWithLogitsLoss, or "
    "logsigmoid(logit) in place of log(p), and logsigmoid(−logit) in place of log(1 − p)."
)
_GENERATOR = (
    " A generator that is taught by log(1 − D) still gets next to nothing where D is sure: give it −logsigmoid(logit), "
    "the non-saturating loss."
)
_SMALLER = "Smaller weights in the layer before it (Xavier's init), or a norm before that layer."


def of_output(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """The cure; "" where it is not the last, or of another kind."""
    kind = one.kind if isinstance(one, LayerStats) else one.name
    vertex = last_of(judged, one) if kind in _PROBABILITIES + _BOUNDED else None
    if vertex is None:
        return ""
    found = _behind(judged, vertex) if kind in _PROBABILITIES else []
    logarithm = next((i for i, name in enumerate(found) if name in _LOGARITHMS), None)
    if logarithm is None:
        return _SMALLER
    of_rest = found[logarithm] != "binary_cross_entropy" and any(name in _LESS for name in found[:logarithm])
    return _OF_LOGITS.format(kind.lower()) + (_GENERATOR if of_rest else "")


def _behind(judged: Judged, vertex: int) -> list[str]:
    """The first operations that a loss does with what the model gives."""
    graph, found = judged.flow.graph, []
    while graph.onward[vertex] and len(found) < _FEW:
        vertex = graph.onward[vertex][0]
        found.append(graph.names[vertex])
    return found
