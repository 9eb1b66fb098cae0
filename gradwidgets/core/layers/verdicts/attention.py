"""Attention that weights a single key, or all keys equally."""

from gradwidgets.core.layers.causes.softmax_rows import ATTENTION, SOFTMAX
from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.verdicts.verdict import Judged
from gradwidgets.core.layers.verdicts.way.walk import PRODUCTS
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

# Share of the rows that weight a single key: a few do so in sound models, and many after training.
ONE_KEY = 0.9
# Standard deviation of the scores of a row; for keys that are alike and share a row's weight. Of 60 sound models at
# initialization, one is at 6 (Switch) and the others are below 1.2; without a scale, queries and keys of variance 1
# give the root of their width, 8 for 64.
SPREAD = 7.5
# Largest weight of a row from which attention is nearly one-hot, and scale relative to 1 / √width that may be why.
LARGEST, WIDE = 0.8, 2.0
# A scale relative to 1 / √width, and the standard deviation of scores, below which attention is even.
FAINT, EVEN = 0.02, 1e-2
_BEHIND = 8  # the most functions from a softmax to the product with the values
_SCALED = "Divide scores by the root of the queries' width; smaller weights; a norm on queries and keys."


def steep(judged: Judged) -> list[Finding]:
    """Find attention with a single key in nearly all rows, so that queries and keys get next to no gradient."""
    softmaxes = [one for one in judged.flow.functions if one.name in SOFTMAX]
    hit = [one for one in softmaxes if one.saturated_fraction > ONE_KEY and _gives_weights(judged, one)]
    if not hit:
        far = [one for one in softmaxes if one.spread > SPREAD and _gives_weights(judged, one)]
        return _spread(judged, far) if far else _unscaled(judged, softmaxes)
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
    """Report attention whose scores are so far apart that a row weights one key, or a few that are alike."""
    if not hit:
        return []
    worst = max(hit, key=lambda one: one.spread)
    message = (
        f"{worst}: the scores of a row have a standard deviation of {number(worst.spread, 2)}, where about 1 is usual "
        "at first: a row looks at one key, or at those that are like it, and hardly a gradient comes to the others"
    )
    if worst.largest > LARGEST:
        message += f"; the largest weight of a row is {number(worst.largest, 2)} on average"
    evidence = {"layer": str(worst), "spread": worst.spread, "threshold": SPREAD, "share": worst.saturated_fraction}
    return [Finding("saturated", "warning", message, evidence, judged.places([one.at for one in hit]), _SCALED)]


def _unscaled(judged: Judged, softmaxes: list[FunctionStats]) -> list[Finding]:
    """Note attention that looks at nearly one key, and whose scores are not divided by the root of the width."""
    hit = [one for one in softmaxes if one.largest > LARGEST and one.scale > WIDE and _gives_weights(judged, one)]
    if not hit:
        return []
    worst = max(hit, key=lambda one: one.largest)
    message = (
        f"{worst}: the largest weight of a row is {number(worst.largest, 2)} on average, of nine keys or more: a "
        "softmax that has nearly decided learns slowly. Its scores have a standard deviation of "
        f"{number(worst.spread, 2)} in a row, and are {number(worst.scale, 2)} times what they are divided by the root "
        "of the queries' width"
    )
    evidence = {"layer": str(worst), "largest": worst.largest, "scale": worst.scale, "threshold": LARGEST}
    return [Finding("saturated", "info", message, evidence, judged.places([one.at for one in hit]), _SCALED)]


def even(judged: Judged) -> list[Finding]:
    """Find attention that weights all keys equally because the scale of the scores is far too small."""
    hit = [
        one
        for one in judged.flow.functions
        if one.scale < FAINT and 0 < one.spread < EVEN and _gives_weights(judged, one)
    ]
    if not hit:
        return []
    worst = min(hit, key=lambda one: one.scale)
    message = (
        f"{worst}: all entries of a row are as good as alike: scores are scaled {number(1 / worst.scale, 2)} times "
        f"smaller than by the root of the queries' width, and have a standard deviation of {number(worst.spread, 2)}"
    )
    evidence = {"layer": str(worst), "spread": worst.spread, "scale": worst.scale, "threshold": FAINT}
    return [Finding("even attention", "warning", message, evidence, judged.places([one.at for one in hit]))]


def _gives_weights(judged: Judged, softmax: FunctionStats) -> bool:
    """Whether a softmax gives the weights of a sum, as in attention, and not an output or a choice."""
    graph = judged.graph
    if softmax.name == ATTENTION or _is_attention(judged, softmax.place) or _is_inside(softmax):
        return True
    for vertex, name in enumerate(graph.names):
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


def _is_inside(softmax: FunctionStats) -> bool:
    """Whether it is of queries and keys within a layer, what follows it there being unknown."""
    return softmax.within and softmax.largest == softmax.largest


def _is_attention(judged: Judged, name: str) -> bool:
    return any(one.name == name and one.kind == "MultiheadAttention" for one in judged.flow.layers)
