"""Layers whose gradient is exactly 0 since the loss does not depend on them: not read, or scores of a single key."""

from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.layers.verdicts.way.exact_zeros import Layers, about
from gradwidgets.core.layers.verdicts.way.unused import is_loose_end
from gradwidgets.core.results.finding import Finding, Severity

_LAST = "Nothing, if {} in the last block or stage alone: it takes room and no more. Else {}"
_READ = ("only some tokens are read, as a class token is,", "use in the loss what they give, or take them out.")
_KEYS = ("there is but one key", "give it more keys, and look at the axis that the softmax runs along.")


def without_influence(judged: Judged, zero: Layers) -> tuple[list[Finding], Layers]:
    """Report such layers, and return the remaining layers, too.

    Args:
        judged: The pass.
        zero: The layers whose gradient is exactly 0, with their indices.
    """
    unread = [one for one in zero if one[1].unread]
    rest = [one for one in zero if one not in unread]
    alone = {one[1].name: places for one in rest if (places := _lone_keys(judged, one[1]))} if rest else {}
    scores = [one for one in rest if one[1].name in alone]
    found = _parted(
        judged, unread, ": the loss does not use what {} (NaN in its place leaves the loss as it is)", _READ
    )
    names = listed(list(dict.fromkeys(name for some in alone.values() for name in some)))
    words = f": the softmax in {names} is taken over one key, whose share is 1 whatever its score"
    found += _parted(judged, scores, words, _KEYS)
    return found, [one for one in rest if one not in scores]


def _parted(judged: Judged, layers: Layers, words: str, cure: tuple[str, str]) -> list[Finding]:
    """Report layers in the last of several blocks, and other layers, separately."""
    names = {layer.name for _, layer in layers}
    loose = [one for one in layers if is_loose_end(judged, one[1], names)]
    others = [one for one in layers if one not in loose]
    action = cure[1][:1].upper() + cure[1][1:]
    found = [_told(judged, loose, "info", words, _LAST.format(*cure))] if loose else []
    return found + ([_told(judged, others, "warning", words, action)] if others else [])


def _told(judged: Judged, layers: Layers, severity: Severity, words: str, action: str) -> Finding:
    one = len(layers) == 1
    words = words.format("it gives" if one else "they give")
    return about(
        layers, len(judged.trained), severity, f"{'gets' if one else 'get'} a gradient of exactly 0{words}", action
    )


def _lone_keys(judged: Judged, layer: LayerStats) -> list[str]:
    """Return the places of the softmaxes over one entry that make all of a layer's gradient 0; none otherwise."""
    graph, lone = judged.graph, judged.flow.lone_keys
    if not lone:
        return []
    at = [one for vertex in graph.by_layer().get(layer.name, ()) for one, _ in graph.stoppers(vertex)]
    names = [graph.names[one] if graph.is_layer[one] else graph.places[one] or "the loss" for one in at]
    return names if set(at) <= set(lone) - judged.blocked else []
