"""From a panel's result to what its figure draws."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from gradwidgets.core.layers import ACTIVATIONS, LayerFlow, LayerStats
from gradwidgets.figures.flow import Detail, Profile
from gradwidgets.widgets.flow_problem import YOURS, FlowResult

QUANTITIES = ("weight gradient", "activation gradient", "activation", "update/weight")
MEASURES = ("rms", "norm")
_BINS = 48
_FIELDS = {
    "weight gradient": ("weight_grad_rms", "weight_grad_norm"),
    "activation gradient": ("activation_grad_rms", "activation_grad_norm"),
    "activation": ("activation_rms", "activation_norm"),
}


def shown_layers(flow: LayerFlow) -> list[int]:
    """Indices of the layers that have a place on the axis: those with weights, without normalisations."""
    return [k for k, layer in enumerate(flow.layers) if layer.weights and "Norm" not in layer.kind]


def values_of(flow: LayerFlow, quantity: str, measure: str, lr: float) -> np.ndarray:
    """A quantity at the layers shown, (L,)."""
    return np.array([_value(flow.layers[k], quantity, measure, lr) for k in shown_layers(flow)])


def profile_of(
    result: FlowResult,
    quantity: str,
    measure: str,
    lr: float,
    pinned: Mapping[str, FlowResult],
    selected: int | None,
    detail: Detail | None,
) -> Profile:
    """What the figure shows.

    Args:
        result: The network.
        quantity: One of `QUANTITIES`.
        measure: One of `MEASURES`.
        lr: Learning rate, of the update.
        pinned: Name → results to compare with.
        selected: Which of the layers shown is looked at.
        detail: What is seen of it.
    """
    flow = result.flow
    rows = shown_layers(flow)
    values = values_of(flow, quantity, measure, lr)
    of = "weight gradient" if quantity == "update/weight" else quantity
    worst = [f for f in result.findings if f.severity in ("warning", "error")]
    sick = sorted({_position(rows, k) for f in worst for k in f.where or ()} - {None})
    unit = f" at lr {lr:g}" if quantity == "update/weight" else f", {measure}"
    return Profile(
        quantity=quantity + unit,
        values=values,
        broken=np.array([of in flow.layers[k].non_finite for k in rows]),
        sick=sick,
        theory=_theory(result, rows, values, quantity, measure),
        pinned={name: values_of(one.flow, quantity, measure, lr) for name, one in pinned.items()},
        shares={name: _shares(flow, rows, f"{name}_fraction") for name in ("dead", "saturated")},
        selected=selected,
        detail=detail,
        verdict=", ".join(dict.fromkeys(f.name.replace("_", " ") for f in worst)) or "healthy",
    )


def activation_detail(result: FlowResult) -> Detail | None:
    """The activation and its slope."""
    if result.settings.architecture == YOURS:
        return None
    name = result.settings.activation
    x = torch.linspace(-10, 10, 401, dtype=torch.float64, requires_grad=True)
    with torch.inference_mode(False), torch.enable_grad():
        y = ACTIVATIONS[name].module()(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
    at = x.detach().numpy()
    heights = y.detach().numpy()
    curves = (at[np.abs(heights) <= 1.3], heights[np.abs(heights) <= 1.3]), (at, slope.numpy())
    return Detail(f"{name} ―  and its slope ╌", curves, (-10.0, 10.0, -1.3, 1.3), {-1.0: "−1", 0.0: "0", 1.0: "1"})


def gradient_detail(name: str, gradient: np.ndarray) -> Detail:
    """How large the elements of a layer's gradient are."""
    sizes = np.abs(gradient[np.isfinite(gradient) & (gradient != 0)])
    if not sizes.size:
        return Detail(f"{name}: no gradient", (), (0.0, 1.0, 0.0, 1.0))
    logs = np.log10(sizes)
    low, high = math.floor(logs.min()), math.ceil(logs.max() + 1e-9)
    low = max(low, high - 12)
    counts, edges = np.histogram(logs, bins=_BINS, range=(low, high))
    return Detail.histogram(f"{name}: |∂/∂weight|, powers of 10", edges, counts.astype(float))


def _value(layer: LayerStats, quantity: str, measure: str, lr: float) -> float:
    if quantity == "update/weight":
        return lr * layer.weight_grad_norm / layer.weight_norm if layer.weight_norm else float("nan")
    return getattr(layer, _FIELDS[quantity][MEASURES.index(measure)])


def _position(rows: list[int], index: int) -> int | None:
    """Where on the axis a layer stands; one without a place stands with the one before it."""
    before = [k for k, row in enumerate(rows) if row <= index]
    return before[-1] if before else None


def _shares(flow: LayerFlow, rows: list[int], field: str) -> np.ndarray:
    shares = np.full(len(rows), np.nan)
    for k, layer in enumerate(flow.layers):
        value, at = getattr(layer, field), _position(rows, k)
        if math.isfinite(value) and at is not None:
            shares[at] = value
    return shares


def _theory(result: FlowResult, rows: list[int], values: np.ndarray, quantity: str, measure: str) -> np.ndarray | None:
    """The way back as theory has it, begun at the last inner layer; the way forward as it was measured."""
    factors = np.array(result.factors)
    if len(rows) != len(factors) + 1 or len(rows) < 3 or measure != "rms" or quantity not in _FIELDS:
        return None
    if quantity == "activation" or not np.isfinite(factors).all() or not np.isfinite(values[-2]):
        return None
    with np.errstate(over="ignore", under="ignore"):
        back = np.append(np.cumprod(factors[:-1][::-1])[::-1], 1.0)  # from layer l to the last inner one
        theory = values[-2] * back
        if quantity == "weight gradient":
            layers = result.flow.layers
            inputs = [1.0] + [_into(layers, rows[k]) for k in range(1, len(rows) - 1)]
            theory = theory * np.array(inputs) / inputs[-1]
    return np.append(theory, np.nan)


def _into(layers: tuple[LayerStats, ...], index: int) -> float:
    """RMS of what goes into a layer: the output of the one that ran before it."""
    return layers[index - 1].activation_rms if index else 1.0
