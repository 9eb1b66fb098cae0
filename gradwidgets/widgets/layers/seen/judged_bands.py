"""Where a quantity is healthy over the layers, and how brightly each layer is lit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradwidgets.core.layers import LayerFlow
from gradwidgets.core.layers.ranges import HealthyRange
from gradwidgets.core.monitor.verdicts.steps.record_steps import RATIO
from gradwidgets.core.results.wording import number
from gradwidgets.figures.flow.bands import Band
from gradwidgets.figures.flow.block_row import LitLayers
from gradwidgets.widgets.layers.problem import FlowResult
from gradwidgets.widgets.layers.seen.layer_values import broken_at, shown_layers, values_of

_GRADIENT, _SIGNAL = "activation gradient", "activation"


def lit_rows(networks: Mapping[str, tuple[LayerFlow, HealthyRange | None]]) -> tuple[LitLayers, ...]:
    """Return rows of blocks, lit by the gradients by the layers' outputs: strong to gone.

    Args:
        networks: Name of the row → a network, and where its gradient is healthy.
    """
    values = {name: values_of(flow, _GRADIENT, "rms", 0.0) for name, (flow, _) in networks.items()}
    ends = [_ends(flow, healthy, values[name]) for name, (flow, healthy) in networks.items()]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return tuple(
        LitLayers(name, _share(values[name], low, high), broken_at(flow, _GRADIENT))
        for name, (flow, _) in networks.items()
    )


def _ends(flow: LayerFlow, healthy: HealthyRange | None, values: np.ndarray) -> tuple[float, float]:
    """Return the decades at which a layer is dark, and those at which it is light."""
    known = np.log10(values[np.isfinite(values) & (values > 0)])
    if not known.size:
        return np.inf, -np.inf
    if healthy is None:
        return float(known.min()) - 1, float(known.min())
    start = _start(flow, healthy, values)
    strong = float(known.max()) if start is None else min(start, float(known.max()))
    return min(float(known.min()), strong + healthy.gone[0]), strong


def _share(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return how brightly each layer is lit, 0 to 1; NaN where that is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.clip((np.log10(values) - low) / (high - low), 0, 1)
    return np.where(values > 0, shares, np.where(values == 0, 0.0, np.nan))


def bands_of(result: FlowResult, quantity: str, measure: str) -> tuple[Band, ...]:
    """Return the bands behind a profile, by the thresholds of the verdict; () where it has none.

    Args:
        result: The network.
        quantity: What is drawn.
        measure: How it is measured.
    """
    count = len(shown_layers(result.flow))
    if quantity == "update/weight" and count:
        return _update_bands(count)
    signal = quantity == _SIGNAL
    healthy = result.signal if signal else result.gradient
    if healthy is None:
        return ()
    level = _level(result.flow, healthy, quantity, measure)
    return () if level is None else _bands(healthy, level)


def _update_bands(count: int) -> tuple[Band, ...]:
    low, high, none, all_ = (np.full(count, one) for one in (*RATIO, 0.0, np.inf))
    return (
        Band("healthy", "", True, low, high),
        Band("too small", "the weights hardly move", False, none, low),
        Band("too large", "the weights are thrown about", False, high, all_),
    )


def _bands(healthy: HealthyRange, level: np.ndarray) -> tuple[Band, ...]:
    (lowest, highest), (gone, far) = healthy.healthy, healthy.gone
    with np.errstate(over="ignore", under="ignore"):
        bands = [Band("healthy", "", True, level * 10**lowest, level * 10**highest)]
        if np.isfinite(gone):
            about = f"{-gone:g} decades lost or more"
            bands.append(Band("vanished", about, False, level * 0, level * 10**gone))
        about = f"{far:g} decades gained or more"
        bands.append(Band("exploded", about, False, level * 10**far, np.full(len(level), np.inf)))
    return tuple(bands)


def _level(flow: LayerFlow, healthy: HealthyRange, quantity: str, measure: str) -> np.ndarray | None:
    """Return what a quantity would be at each layer had it not changed on its way there, (L,); None if not known.

    The gradient by the weights is judged by that by the outputs, to which it is proportional at each layer.
    """
    judged = values_of(flow, _SIGNAL if quantity == _SIGNAL else _GRADIENT, measure, 0.0)
    start = _start(flow, healthy, judged)
    if start is None:
        return None
    level = np.full(len(judged), 10.0**start)
    if quantity != "weight gradient":
        return level
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log10(values_of(flow, quantity, measure, 0.0) / judged)
    known = np.isfinite(share)
    at = np.arange(len(share))
    return level * 10 ** np.interp(at, at[known], share[known]) if known.any() else None


def _start(flow: LayerFlow, healthy: HealthyRange, values: np.ndarray) -> float | None:
    """Return the decades at which a quantity starts; None where it was not measured."""
    names = [flow.layers[k].name for k in shown_layers(flow)]
    read = values[[name in healthy.layers for name in names]]
    read = read[np.isfinite(read) & (read > 0)]
    return float(np.median(np.log10(read))) - healthy.moved if read.size else None


def factor_of(result: FlowResult, quantity: str) -> str:
    """Return by which factor a quantity changes from layer to layer, in words; "" if the verdict states none.

    Args:
        result: The network.
        quantity: What is drawn.
    """
    healthy = result.signal if quantity == _SIGNAL else result.gradient
    of_it = quantity in (_SIGNAL, _GRADIENT) or (quantity == "weight gradient" and healthy and healthy.of_weights)
    known = healthy is not None and of_it and np.isfinite(healthy.factor)
    return f"× {number(healthy.factor, 2)} per layer" if healthy is not None and known else ""
