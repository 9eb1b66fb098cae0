"""Units that are dead, and outputs where the activation is flat."""

import math
from collections.abc import Callable
from functools import partial

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.functional_units import FunctionStats
from gradwidgets.core.layers.softmax_rows import ATTENTION, SOFTMAX
from gradwidgets.core.layers.stats import LayerStats
from gradwidgets.core.layers.verdicts.check import Judged, listed, unless_fresh
from gradwidgets.core.layers.verdicts.walk import PRODUCTS
from gradwidgets.core.wording import number, percent

# Shares of a layer's units that may be dead. Half of them may be by rights: deep in a ReLU network all samples look
# alike, and each unit is then on for all of them or for none.
DEAD = 0.75, 0.99
# Shares of an activation's outputs that may be saturated.
SATURATED = 1 / 3, 0.9
# The same of a clamp, which is flat for a third of what has mean 0 and variance 1, as a BatchNorm before it gives.
CLAMPED = 0.6
# The same on both sides of its bounds, at a model's output, where it is there to be met seldom, and elsewhere.
OUTSIDE = 0.75, 0.9
_CLAMPS = ("Hardtanh", "ReLU6", "hardtanh", "clamp")
# Share of an attention's rows that look at one key alone: a few do by rights, and after training many.
ONE_KEY = 0.9
# How far the scores of a row spread, in which keys may be alike and then share a row. Of 60 sound models that begin, one
# is at 6 (Switch), the others are below 1.2; scores of queries and keys of variance 1 that nothing scales have the root
# of their width, 8 for 64.
SPREAD = 7.5
# A scale this many times below 1 / √width, and scores that hardly differ by it.
FAINT, EVEN = 0.02, 1e-2
_ROUNDED = 5e-3  # as far as half precision may put an output from a bound
_BEHIND = 8  # functions from a softmax to the product with the values, at most


def dead_units(judged: Judged) -> list[Finding]:
    """Layers most of whose units give 0 whatever comes in; the first is a cause, those behind it may not be."""
    return _share(judged, "dead_units", _dead, DEAD, "of its units gave 0 for the whole batch")


def saturated(judged: Judged) -> list[Finding]:
    """Layers that are where their activation is flat."""
    words = "of its outputs are where it is flat"
    return _share(judged, "saturated", partial(_flat, judged), SATURATED, words) + _steep(judged)


def _dead(one: LayerStats | FunctionStats) -> float:
    """The share of units that give 0 throughout; NaN for those that are stuck elsewhere."""
    return math.nan if isinstance(one, FunctionStats) and one.is_stuck else one.dead_fraction


def _flat(judged: Judged, one: LayerStats | FunctionStats) -> float:
    """The share of saturated outputs; NaN where they are said to be dead already, or as many as are so by rights."""
    if _dead(one) > DEAD[0]:
        return math.nan
    stuck = one.dead_fraction if isinstance(one, FunctionStats) and one.dead_fraction > DEAD[0] else 0.0
    share = max(stuck, one.saturated_fraction) if stuck else one.saturated_fraction
    outside = one.outside if isinstance(one, FunctionStats) else math.nan
    if outside > (OUTSIDE[0] if _is_last(judged, one) else OUTSIDE[1]):
        return outside
    return math.nan if _kind(one) in _CLAMPS and share <= CLAMPED else share


def units_alike(judged: Judged) -> list[Finding]:
    """Layers all of whose units are the same and will stay so."""
    layers = [layer for _, layer in judged.trained if layer.calls and layer.alike == "for good"]
    if not layers:
        return []
    names, one = [layer.name for layer in layers], len(layers) == 1
    message = (
        f"{listed(names)}: all units of {'it' if one else 'each'} have the same weights and get the same gradient, so "
        "that no step will tell them apart"
    )
    return [Finding("units alike", "error", message, {"layers": names}, judged.places(names))]


def _steep(judged: Judged) -> list[Finding]:
    """Attention that looks at one key alone nearly everywhere, so that queries and keys have no gradient."""
    softmaxes = [one for one in judged.flow.functions if one.name in SOFTMAX]
    hit = [one for one in softmaxes if one.saturated_fraction > ONE_KEY and _weighs(judged, one)]
    if not hit:
        return _spread(judged, [one for one in softmaxes if one.spread > SPREAD and _weighs(judged, one)])
    worst = max(hit, key=lambda one: one.saturated_fraction)
    message = (
        f"{worst}: {percent(worst.saturated_fraction)} of its rows have all on one entry, where a softmax is flat: the "
        "scores are large, and next to no gradient comes to what makes them"
    )
    if len(hit) > 1:
        message += f"; {len(hit)} are above {percent(ONE_KEY)}"
    evidence = {"layer": str(worst), "share": worst.saturated_fraction, "threshold": ONE_KEY}
    places = judged.places([one.at for one in hit])
    return [Finding("saturated", "warning", message, evidence, places, _SCALED)]


_SCALED = "Divide scores by the root of the queries' width; smaller weights; a norm on queries and keys."


def _spread(judged: Judged, hit: list[FunctionStats]) -> list[Finding]:
    """Attention whose scores are so far apart that a row looks at one key, or at those that are the same."""
    if not hit:
        return []
    worst = max(hit, key=lambda one: one.spread)
    message = (
        f"{worst}: the scores of a row have a standard deviation of {number(worst.spread, 2)}, where about 1 is usual at "
        "first: a softmax of them is flat but between the very largest, and hardly a gradient comes to the other keys"
    )
    evidence = {"layer": str(worst), "spread": worst.spread, "threshold": SPREAD, "share": worst.saturated_fraction}
    return [Finding("saturated", "warning", message, evidence, judged.places([one.at for one in hit]), _SCALED)]


def even(judged: Judged) -> list[Finding]:
    """Attention that a scale far too small makes look at all keys alike."""
    hit = [one for one in judged.flow.functions if one.scale < FAINT and 0 < one.spread < EVEN and _weighs(judged, one)]
    if not hit:
        return []
    worst = min(hit, key=lambda one: one.scale)
    message = (
        f"{worst}: all entries of a row are as good as alike: scores are scaled {number(1 / worst.scale, 2)} times smaller "
        f"than by the root of the queries' width, and have a standard deviation of {number(worst.spread, 2)}"
    )
    evidence = {"layer": str(worst), "spread": worst.spread, "scale": worst.scale, "threshold": FAINT}
    return [Finding("even attention", "warning", message, evidence, judged.places([one.at for one in hit]))]


def _weighs(judged: Judged, softmax: FunctionStats) -> bool:
    """Whether it is the weights of a sum, as in attention, and not an output or a choice."""
    graph = judged.flow.graph
    if softmax.name == ATTENTION or _is_attention(judged, softmax.place):
        return True
    for vertex, name in enumerate(graph.names if graph else ()):
        if name != softmax.name or (graph.places[vertex] or "") != softmax.place:
            continue
        for _ in range(_BEHIND):
            ways = graph.onward[vertex]
            if len(ways) != 1:
                break
            vertex = ways[0]
            if graph.names[vertex] in PRODUCTS and not graph.is_layer[vertex]:
                return True
    return False


def _is_attention(judged: Judged, name: str) -> bool:
    return any(one.name == name and one.kind == "MultiheadAttention" for one in judged.flow.layers)


def _share(
    judged: Judged,
    name: str,
    share: Callable[[LayerStats | FunctionStats], float],
    limits: tuple[float, float],
    words: str,
) -> list[Finding]:
    functions = [one for one in judged.flow.functions if one.name not in SOFTMAX]
    hit = [one for one in (*judged.flow.layers, *functions) if share(one) > limits[0]]
    if not hit:
        return []
    dead = name == "dead_units"
    worst = _cause(judged, hit) if dead else max(hit, key=share)
    message = f"{_called(worst)}: {percent(share(worst))} {words}"
    message += _since(judged, worst) if dead else _where(worst)
    if len(hit) > 1:
        behind = ", those behind it perhaps by it" if dead else ""
        message += f"; {len(hit)} layers are above {percent(limits[0])}{behind}"
    evidence = {"layer": _called(worst), "share": share(worst), "threshold": limits[0]}
    evidence |= {"layers": [_called(one) for one in hit]}
    severity = "error" if share(worst) > limits[1] else "warning"
    layers = [one.name if isinstance(one, LayerStats) else one.at for one in hit]
    action = _of_clamp(judged, worst) if _kind(worst) in _HARD else ""
    source = _source(judged, worst)
    if dead and source is not None and source.weight_norm == 0:
        severity, action = "warning", f"Draw the weights of {source.name} at random: they are all 0."
    return [unless_fresh(judged, Finding(name, severity, message, evidence, judged.places(layers), action))]


# Clamps that are no ReLU in between.
_HARD = ("Hardtanh", "hardtanh", "clamp")


def _of_clamp(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """What to do about a clamp beyond whose bounds most of what comes in lies."""
    if _is_last(judged, one):
        return (
            "Beyond its bounds a clamp passes no gradient: train on what comes before it and clamp where predictions are "
            "read, or take a sigmoid, and a loss of logits where the targets are probabilities."
        )
    return (
        "Beyond its bounds a clamp passes no gradient: wider bounds, a norm before it that keeps most within them, or a "
        "tanh or sigmoid in its place."
    )


def _is_last(judged: Judged, one: LayerStats | FunctionStats) -> bool:
    """Whether what it gives leaves the model, and goes into nothing else."""
    graph = judged.flow.graph
    for vertex in range(len(graph) if graph else 0):
        name, place = (one.name, one.name) if isinstance(one, LayerStats) else (one.name, one.place)
        if (graph.names[vertex], graph.places[vertex] or "") == (name, place):
            return all(graph.places[other] is None for other in graph.onward[vertex])
    return False


# Give 0 for what is not above 0, and for nothing else.
_RECTIFIERS = ("ReLU", "ReLU6", "relu", "hardtanh", "clamp", "clamp_min")


def _since(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """Why units are dead, where that is sure."""
    if not one.before or _kind(one) not in _RECTIFIERS:
        return ""
    source = _source(judged, one)
    if source is None or (one.dead_fraction == 1 and source.activation_max > 0):
        return ""  # something between them takes it below 0
    return f", since what {source.name} gives them is never above 0"


def _source(judged: Judged, one: LayerStats | FunctionStats) -> LayerStats | None:
    """The layer from which it takes."""
    return next((layer for layer in judged.flow.layers if layer.name in one.before[:1]), None)


def _where(one: LayerStats | FunctionStats) -> str:
    """At which value its stuck units or outputs are, where that is known."""
    if isinstance(one, LayerStats):
        low = one.bounds[:1] if one.kind not in _CLAMPS or one.bounds[:1] != (0.0,) else ()
        ends = [(at, one.activation_min) for at in low] + [(at, one.activation_max) for at in one.bounds[1:]]
        met = [at for at, end in ends if math.isclose(at, end, rel_tol=_ROUNDED)]
        return f", at its bound{'s' * (len(met) - 1)} {' and '.join(map(number, met))}" if met else ""
    if not one.dead_fraction > DEAD[0] or math.isnan(one.rests_at):
        return ""
    return f", at its bound {number(one.rests_at)}"


def _kind(one: LayerStats | FunctionStats) -> str:
    return one.kind if isinstance(one, LayerStats) else one.name


def _called(one: LayerStats | FunctionStats) -> str:
    return one.name if isinstance(one, LayerStats) else str(one)


def _cause(judged: Judged, hit: list[LayerStats | FunctionStats]) -> LayerStats | FunctionStats:
    """The worst of those that come first: the others get what it gives."""
    ran = {layer.name: i for i, layer in enumerate(judged.flow.layers)}
    return min(hit, key=lambda one: ran.get(one.name if isinstance(one, LayerStats) else one.at, 0))
