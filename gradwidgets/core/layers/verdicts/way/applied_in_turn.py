"""Modules that are applied many times one after the other in one pass, and change the gradient at each."""

import math
from collections.abc import Sequence
from itertools import pairwise

from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.results.wording import number

_FEWEST = 4  # calls
_EACH = 0.04  # decades at each, a factor of 1.1
_SHARE = 0.5  # of the decades that are to be explained
_NAMED = 6
SMALLER = (
    "Draw the weights of {} smaller, so that each application keeps the size of what it takes, or put a norm between "
    "them; clipping the gradient limits the damage."
)
LARGER = "Draw the weights of {} larger or orthogonal, or add what each application takes to what it gives."


def applied_in_turn(graph: ModuleGraph, decades: float, sign: int) -> tuple[str, list[str]]:
    """Return a clause on such modules and their names; "" and none if they do not explain the change.

    Args:
        graph: The graph of the pass.
        decades: By how many the gradient changes.
        sign: 1 if it shrinks on its way back, −1 if it grows.
    """
    found = []
    for name, calls in graph.by_layer().items():
        calls = [one for one in graph.order if one in set(calls)] if len(calls) >= _FEWEST else []
        if calls and graph.weighted[calls[0]] and _in_turn(graph, calls):
            first, last = graph.norms[calls[0]], graph.norms[calls[-1]]
            each = sign * math.log10(first / last) / (len(calls) - 1) if first > 0 < last else math.nan
            found += [(each, len(calls), name)] if each >= _EACH else []
    if sum(each * (count - 1) for each, count, _ in found) < _SHARE * decades:
        return "", []
    found = sorted(found, reverse=True)[:_NAMED]
    names, counts = [name for *_, name in found], sorted({count for _, count, _ in found})
    times = f"{counts[0]} times" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} times"
    factors = ", ".join(number(10 ** (-sign * each), 3) for each, *_ in found)
    one = len(names) == 1
    return (
        f"{', '.join(names)}, {'' if one else 'each '}applied {times} in turn, "
        f"multipl{'ies' if one else 'y'} it by {factors} at each"
    ), names


def _in_turn(graph: ModuleGraph, calls: Sequence[int]) -> bool:
    """Whether each call takes what the one before it gave, by way of functions and other layers or not."""
    ranks = {vertex: i for i, vertex in enumerate(graph.order)}
    for later, earlier in pairwise(calls):
        seen, waiting = {later}, [later]
        while waiting and earlier not in seen:
            more = [one for one in graph.back[waiting.pop()] if one not in seen and ranks[one] <= ranks[earlier]]
            seen.update(more)
            waiting += more
        if earlier not in seen:
            return False
    return True
