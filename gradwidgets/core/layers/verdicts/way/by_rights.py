"""Layers to whose weights exactly 0 comes since nothing depends on them: not read, or scores of a single key."""

from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.verdict import Judged, listed
from gradwidgets.core.layers.verdicts.way.exact_zeros import Layers, about
from gradwidgets.core.layers.verdicts.way.unused import is_loose_end
from gradwidgets.core.results.finding import Finding

_LAST = "Nothing, if {} in the last block or stage alone: it takes room and no more. Else {}"
_READ = ("only some tokens are read, as a class token is,", "use in the loss what they give, or take them out.")
_KEYS = ("there is but one key", "give it more keys, and look at the axis that the softmax runs along.")


def by_rights(judged: Judged, zero: Layers) -> tuple[list[Finding], Layers]:
    """What is said of such layers, and the others of them.

    Args:
        judged: The pass.
        zero: The layers whose gradient is exactly 0, with their places.
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
    """What is said of layers in the last of several blocks, and of others."""
    names = {layer.name for _, layer in layers}
    loose = [one for one in layers if is_loose_end(judged, one[1], names)]
    others = [one for one in layers if one not in loose]
    action = cure[1][:1].upper() + cure[1][1:]
    parts = ((loose, "info", _LAST.format(*cure)), (others, "warning", action))
    return [_told(judged, some, severity, words, action) for some, severity, action in parts if some]


def _told(judged: Judged, layers: Layers, severity: str, words: str, action: str) -> Finding:
    one = len(layers) == 1
    words = words.format("it gives" if one else "they give")
    return about(
        layers, len(judged.trained), severity, f"{'gets' if one else 'get'} a gradient of exactly 0{words}", action
    )


def _lone_keys(judged: Judged, layer: LayerStats) -> list[str]:
    """Where the softmaxes over one entry are at which all of a layer's gradient becomes 0; none if not all does."""
    graph, lone = judged.flow.graph, judged.flow.lone_keys
    if graph is None or not lone:
        return []
    at = [one for vertex in graph.by_layer().get(layer.name, ()) for one, _ in graph.stoppers(vertex)]
    names = [graph.names[one] if graph.is_layer[one] else graph.places[one] or "the loss" for one in at]
    return names if set(at) <= set(lone) - judged.blocked else []
