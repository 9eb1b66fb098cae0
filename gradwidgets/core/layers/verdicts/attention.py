"""Attention that looks at one key alone, or at all of them alike."""

from gradwidgets.core.layers.causes.softmax_rows import ATTENTION, SOFTMAX
from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.verdicts.verdict import Judged
from gradwidgets.core.layers.verdicts.way.walk import PRODUCTS
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

# Share of an attention's rows that look at one key alone: a few do by rights, and after training many.
ONE_KEY = 0.9
# How far the scores of a row spread, in which keys may be alike and then share a row. Of 60 sound models that begin,
# one is at 6 (Switch), the others are below 1.2; scores of queries and keys of variance 1 that nothing scales have the
# root of their width, 8 for 64.
SPREAD = 7.5
# A scale this many times below 1 / √width, and scores that hardly differ by it.
FAINT, EVEN = 0.02, 1e-2
_BEHIND = 8  # functions from a softmax to the product with the values, at most
_SCALED = "Divide scores by the root of the queries' width; smaller weights; a norm on queries and keys."


def steep(judged: Judged) -> list[Finding]:
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


def _spread(judged: Judged, hit: list[FunctionStats]) -> list[Finding]:
    """Attention whose scores are so far apart that a row looks at one key, or at those that are the same."""
    if not hit:
        return []
    worst = max(hit, key=lambda one: one.spread)
    message = (
        f"{worst}: the scores of a row have a standard deviation of {number(worst.spread, 2)}, where about 1 is usual "
        "at first: a row looks at one key, or at those that are like it, and hardly a gradient comes to the others"
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
        f"{worst}: all entries of a row are as good as alike: scores are scaled {number(1 / worst.scale, 2)} times "
        f"smaller than by the root of the queries' width, and have a standard deviation of {number(worst.spread, 2)}"
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
