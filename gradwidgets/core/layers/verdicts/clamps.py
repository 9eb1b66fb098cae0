"""Clamps whose inputs are mostly outside of the bounds."""

from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.verdict import Judged

# Share of the inputs that may be at a clamp's bounds or beyond: at a model's output, where half may be so in a sound
# model (numbers around 0 for a range from 0 on), and elsewhere, where a clamp may replace a ReLU or a sign.
OUTSIDE = 0.75, 0.9
# Clamps with two bounds, which are not used like a ReLU.
HARD = ("Hardtanh", "hardtanh", "clamp")


def of_clamp(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """Return what to do about a clamp whose inputs are mostly outside of its bounds."""
    if is_last(judged, one):
        return (
            "Beyond its bounds a clamp passes no gradient: train on what comes before it and clamp where predictions "
            "are read, or take a sigmoid, and a loss of logits where the targets are probabilities."
        )
    return (
        "Beyond its bounds a clamp passes no gradient: wider bounds, a norm before it that keeps most within them, or "
        "a tanh or sigmoid in its place."
    )


def is_last(judged: Judged, one: LayerStats | FunctionStats) -> bool:
    """Whether its output leaves the model and is used nowhere else."""
    return last_of(judged, one) is not None


def last_of(judged: Judged, one: LayerStats | FunctionStats) -> int | None:
    """Return its vertex, if its output leaves the model and is used nowhere else; otherwise None."""
    graph = judged.graph
    for vertex in range(len(graph)):
        name, place = (one.name, one.name) if isinstance(one, LayerStats) else (one.name, one.place)
        bare = graph.is_layer[vertex] and not graph.weighted[vertex]  # a module without weights
        if (graph.names[vertex], graph.places[vertex] or "") == (place if bare else name, place):
            return vertex if all(graph.places[other] is None for other in graph.onward[vertex]) else None
    return None
