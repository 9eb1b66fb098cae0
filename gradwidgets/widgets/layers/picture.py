"""Convert a panel's result to what its figure draws."""

from __future__ import annotations

import numpy as np

from gradwidgets.core.layers import LayerStats
from gradwidgets.core.results.wording import number
from gradwidgets.figures.flow.figure import Profile
from gradwidgets.widgets.layers.problem import FlowResult
from gradwidgets.widgets.layers.seen.beside import Beside
from gradwidgets.widgets.layers.seen.judged_bands import bands_of, factor_of, lit_rows
from gradwidgets.widgets.layers.seen.layer_values import (
    FIELDS,
    broken_at,
    names_of,
    shown_layers,
    sick_places,
    values_of,
)
from gradwidgets.widgets.layers.view import ViewSettings


def profile_of(result: FlowResult, how: ViewSettings, beside: Beside, *, pinned: bool = True) -> Profile:
    """Return the profile that the figure shows.

    Args:
        result: The network.
        how: The settings of the view.
        beside: What is shown beside it.
        pinned: Whether the pinned networks are drawn for comparison.
    """
    quantity, measure, lr = how.quantity, how.measure, how.lr
    flow = result.flow
    rows = shown_layers(flow)
    values = values_of(flow, quantity, measure, lr)
    of = "weight gradient" if quantity == "update/weight" else quantity
    unit = f" at lr {number(lr, 3)}" if quantity == "update/weight" else f", {measure}"
    return Profile(
        quantity=quantity + unit,
        values=values,
        broken=broken_at(flow, of),
        sick=sick_places(result),
        theory=_theory(result, rows, values, quantity, measure),
        pinned={name: values_of(one.flow, quantity, measure, lr) for name, one in how.pinned.items() if pinned},
        selected=how.selected,
        rows=lit_rows({"": (flow, result.gradient)}),
        bands=bands_of(result, quantity, measure),
        factor=factor_of(result, quantity),
        above=beside.above,
        below=beside.below,
        why=beside.why,
        hint=beside.hint,
        names=names_of(result),
        settled=how.settled,
        theme=how.theme,
    )


def _theory(result: FlowResult, rows: list[int], values: np.ndarray, quantity: str, measure: str) -> np.ndarray | None:
    """Return what theory expects of the backward pass, starting at the last inner layer and with measured inputs."""
    factors = np.array(result.factors)
    if len(rows) != len(factors) + 1 or len(rows) < 3 or measure != "rms" or quantity not in FIELDS:
        return None
    if quantity == "activation" or not np.isfinite(factors).all() or not np.isfinite(values[-2]):
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # what is not finite is not drawn
        back = np.append(np.cumprod(factors[:-1][::-1])[::-1], 1.0)  # from layer l to the last inner one
        theory = values[-2] * back
        if quantity == "weight gradient":
            layers = result.flow.layers
            inputs = [1.0] + [_into(layers, rows[k]) for k in range(1, len(rows) - 1)]
            if not inputs[-1] > 0:  # its input is 0, so there is no gradient to start from
                return None
            theory = theory * np.array(inputs) / inputs[-1]
    return np.append(theory, np.nan)


def _into(layers: tuple[LayerStats, ...], index: int) -> float:
    """Return the RMS of a layer's input: the output of the one that ran before it."""
    return layers[index - 1].activation_rms if index else 1.0
