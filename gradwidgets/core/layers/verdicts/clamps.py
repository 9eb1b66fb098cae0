"""Clamps beyond whose bounds most of what comes in lies."""

from gradwidgets.core.layers.passes.functional_units import FunctionStats
from gradwidgets.core.layers.passes.stats import LayerStats
from gradwidgets.core.layers.verdicts.verdict import Judged

# Share of what comes in that may lie at the bounds of a clamp or beyond: at a model's output, where half may at first
# by rights (numbers around 0 for a range from 0 on), and elsewhere, where a clamp may stand for a ReLU or a sign.
OUTSIDE = 0.75, 0.9
# Clamps that are no ReLU in between.
HARD = ("Hardtanh", "hardtanh", "clamp")


def of_clamp(judged: Judged, one: LayerStats | FunctionStats) -> str:
    """What to do about a clamp beyond whose bounds most of what comes in lies."""
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
    """Whether what it gives leaves the model, and goes into nothing else."""
    return last_of(judged, one) is not None


def last_of(judged: Judged, one: LayerStats | FunctionStats) -> int | None:
    """Its vertex, if what it gives leaves the model and goes into nothing else."""
    graph = judged.flow.graph
    for vertex in range(len(graph) if graph else 0):
        name, place = (one.name, one.name) if isinstance(one, LayerStats) else (one.name, one.place)
        bare = graph.is_layer[vertex] and not graph.weighted[vertex]  # a module around nothing but functions
        if (graph.names[vertex], graph.places[vertex] or "") == (place if bare else name, place):
            return vertex if all(graph.places[other] is None for other in graph.onward[vertex]) else None
    return None
