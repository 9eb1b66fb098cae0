"""Normalisations over one number, which always return their bias, or over two, which only return their order."""

import math
from collections.abc import Sequence

from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.results.finding import Finding

NORMS = ("native_layer_norm", "native_group_norm")
NORM_OF_ONE = "norm_of_one"
FEWEST = 3  # the smallest number of elements of which a normalisation leaves more than their order
_ACTIONS = {
    "native_layer_norm": "A LayerNorm is as wide as the features that it normalises: the last axis of what it is "
    "given, which has to be more than one; or leave it out.",
    "native_group_norm": "Fewer groups, so that each has several channels; or put the norm where the maps still have "
    "several places, before what leaves one of each; or leave it out.",
}


def of_norms(operations: Sequence[Operation]) -> list[Finding]:
    """Find the normalisation over the fewest numbers, if these are too few."""
    counts = [(_count(one), one) for one in operations]
    few = [(count, one) for count, one in counts if 0 < count < FEWEST]
    if not few:
        return []
    count, one = min(few, key=lambda pair: pair[0])
    message = (
        f"{one} is a norm over one number: minus its own mean it is 0 whatever comes in, and only the bias is passed on"
        if count == 1
        else f"{one} is a norm over two numbers: it gives their sign, 1 for the larger and −1 for the smaller, and "
        "next to no gradient goes back"
    )
    places = list(dict.fromkeys(str(other) for _, other in few))
    if len(places) > 1:
        message += f"; the same happens at {len(places)} places"
    evidence = {"layer": one.place, "numbers": count, "threshold": FEWEST, "places": places}
    evidence |= {"all": [other.place for other_count, other in few if other_count == count]}
    return [Finding(NORM_OF_ONE, "error" if count == 1 else "warning", message, evidence, action=_ACTIONS[one.name])]


def _count(one: Operation) -> int:
    """Return how many numbers a normalisation is over."""
    node = one.node
    if one.name == "native_layer_norm":
        return math.prod(saved(node, "normalized_shape"))
    return saved(node, "C") // saved(node, "group") * saved(node, "HxW")
