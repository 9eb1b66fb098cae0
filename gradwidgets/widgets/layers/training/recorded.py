"""The layers and quantities of a record that the panel shows, and how to record those that are missing."""

from __future__ import annotations

import numpy as np

from gradwidgets.core.monitor.history import History
from gradwidgets.widgets.layers.seen.layer_values import QUANTITIES

# Quantity and measure → the field of a record that is drawn.
FIELDS = {
    ("weight gradient", "rms"): "rms",
    ("weight gradient", "norm"): "norm",
    ("activation", "rms"): "activation_std",
    ("activation", "norm"): "activation_std",
    ("update/weight", "rms"): "update_ratio",
    ("update/weight", "norm"): "update_ratio",
}
TITLES = {
    "rms": "weight gradient, rms",
    "norm": "weight gradient, norm",
    "activation_std": "standard deviation of the outputs",
    "update_ratio": "update/weight",
}
BRIEF = {  # the same, behind the name of a layer
    "rms": "gradient, rms",
    "norm": "gradient, norm",
    "activation_std": "std of outputs",
    "update_ratio": "update/weight",
}
_ARGUMENTS = {"activation": "activations", "update/weight": "updates"}  # quantity → the option that records it


def held_quantities(history: History) -> tuple[str, ...]:
    """Return the panel's quantities that a record holds."""
    held = history.quantities
    return tuple(one for one in QUANTITIES if FIELDS.get((one, "rms")) in held)


def not_held(quantity: str) -> str:
    """Return why a record does not hold a quantity, and what would record it."""
    needed = _ARGUMENTS.get(quantity)
    if needed is None:
        return f"a training's record never holds the {quantity}; the flow view measures it"
    return f"the {quantity} was not recorded; {needed}=True of GradientMonitor, watch or track records it"


def shown_rows(history: History) -> tuple[list[int], list[str]]:
    """Return the places and names of the layers with weights, without normalisations."""
    which = [
        k
        for k, (kind, count) in enumerate(zip(history.kinds, history.parameters, strict=True))
        if count and "Norm" not in kind
    ]
    return which, [history.layers[k] for k in which]


def dead_shares(history: History, which: list[int]) -> np.ndarray:
    """Return the share of dead units of the activation that follows each layer shown, at the newest sample, (L,)."""
    shares = np.full(len(which), np.nan)
    if history.dead is None:
        return shares
    newest = history.dead[-1].numpy()
    for place, row in enumerate(which):
        end = which[place + 1] if place + 1 < len(which) else len(newest)
        known = newest[row:end][np.isfinite(newest[row:end])]
        if known.size:
            shares[place] = known[0]
    return shares
