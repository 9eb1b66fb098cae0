"""Which of the panel's quantities a record of a training holds, and what would record the others."""

from __future__ import annotations

from gradwidgets.core.layers.monitor_history import History
from gradwidgets.widgets.flow.picture import QUANTITIES

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
_ARGUMENTS = {"activation": "activations", "update/weight": "updates"}  # that record a quantity


def held_quantities(history: History) -> tuple[str, ...]:
    """Which of the panel's quantities a record holds."""
    held = history.quantities
    return tuple(one for one in QUANTITIES if FIELDS.get((one, "rms")) in held)


def not_held(quantity: str) -> str:
    """Why a record does not hold a quantity, and what would record it."""
    needed = _ARGUMENTS.get(quantity)
    if needed is None:
        return f"a training's record never holds the {quantity}; the flow view measures it"
    return f"the {quantity} was not recorded; {needed}=True of GradientMonitor, watch or track records it"
