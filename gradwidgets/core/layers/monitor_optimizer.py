"""What an optimizer is set to, as far as a verdict on its steps needs it."""

import math
from collections.abc import Iterable
from numbers import Real

from torch import Tensor

# Each element's step is about the learning rate, whatever the gradient's size.
_SCALED = ("adam", "rmsprop", "adagrad", "lion", "rprop", "lamb", "adafactor")
_DECOUPLED = ("AdamW", "SGDW", "Lion")


def settings_of(optimizer: object) -> tuple[float, float]:
    """The largest learning rate and the largest weight decay of an optimizer's groups; NaN where there is none."""
    groups = getattr(optimizer, "param_groups", ())
    return _largest(groups, "lr"), _largest(groups, "weight_decay")


def rule_of(optimizer: object) -> dict[str, object]:
    """How an optimizer makes a step of a gradient.

    Returns:
        Its "name"; whether steps are "scaled" to the learning rate; its "momentum" (of Adam's kind the first beta); whether its decay is "decoupled"
        from the gradient; whether it "climbs", as with maximize. Empty where none is known.
    """
    groups = getattr(optimizer, "param_groups", ())
    name = type(optimizer).__name__
    if not groups:
        return {}
    momentum = max(_largest(groups, "momentum"), _largest(groups, "betas"), key=lambda one: (one == one, one))
    decoupled = name in _DECOUPLED or any(group.get("decoupled_weight_decay") for group in groups)
    return {
        "name": name,
        "scaled": any(one in name.lower() for one in _SCALED),
        "plain": name == "SGD",
        "momentum": 0.0 if math.isnan(momentum) else momentum,
        "decoupled": bool(decoupled),
        "climbs": all(group.get("maximize", False) for group in groups),
    }


def _largest(groups: Iterable[dict], name: str) -> float:
    values = [group.get(name) for group in groups]
    values = [one[0] if isinstance(one, tuple) else one for one in values]
    known = [float(one) for one in values if isinstance(one, Real) or (isinstance(one, Tensor) and one.numel() == 1)]
    return max(known, default=math.nan)
