"""The values of the layers that are drawn."""

from __future__ import annotations

import numpy as np

from gradwidgets.core import Finding
from gradwidgets.core.layers import LayerFlow, LayerStats
from gradwidgets.widgets.layers.problem import FlowResult

QUANTITIES = ("weight gradient", "activation gradient", "activation", "update/weight")
MEASURES = ("rms", "norm")
# Quantity → the fields of a layer that hold it, as root mean square and as norm.
FIELDS = {
    "weight gradient": ("weight_grad_rms", "weight_grad_norm"),
    "activation gradient": ("activation_grad_rms", "activation_grad_norm"),
    "activation": ("activation_rms", "activation_norm"),
}


def shown_layers(flow: LayerFlow) -> list[int]:
    """Return the indices of the layers that are drawn: those with weights, without normalisations."""
    return [k for k, layer in enumerate(flow.layers) if layer.weights and "Norm" not in layer.kind]


def names_of(result: FlowResult, flow: LayerFlow | None = None) -> tuple[str, ...]:
    """Return the names of the layers shown; () for a network that was built, whose layers are numbered.

    Args:
        result: The network.
        flow: Another measurement of it, whose layers are named instead.
    """
    flow = flow or result.flow
    return tuple(flow.layers[k].name for k in shown_layers(flow)) if result.settings.own else ()


def worst(result: FlowResult) -> list[Finding]:
    """Return the findings that are warnings or errors."""
    return [f for f in result.findings if f.severity in ("warning", "error")]


def sick_places(result: FlowResult) -> list[int]:
    """Return the places of the shown layers that a finding names."""
    rows = shown_layers(result.flow)
    places = {position(rows, int(k)) for f in worst(result) for k in f.where or ()}
    return sorted(place for place in places if place is not None)


def values_of(flow: LayerFlow, quantity: str, measure: str, lr: float) -> np.ndarray:
    """Return a quantity at the layers shown, (L,)."""
    return np.array([_value(flow.layers[k], quantity, measure, lr) for k in shown_layers(flow)])


def broken_at(flow: LayerFlow, quantity: str) -> np.ndarray:
    """Return at which of the layers shown a quantity is not finite, (L,)."""
    return np.array([quantity in flow.layers[k].non_finite for k in shown_layers(flow)], bool)


def _value(layer: LayerStats, quantity: str, measure: str, lr: float) -> float:
    if quantity == "update/weight":
        return lr * layer.weight_grad_norm / layer.weight_norm if layer.weight_norm else float("nan")
    return getattr(layer, FIELDS[quantity][MEASURES.index(measure)])


def position(rows: list[int], index: int) -> int | None:
    """Return the place of a layer on the axis; one that is not drawn has the place of the one before it."""
    before = [k for k, row in enumerate(rows) if row <= index]
    return before[-1] if before else None
