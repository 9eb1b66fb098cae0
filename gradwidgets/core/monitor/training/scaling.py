"""Whether the gradients that an optimizer is about to use are scaled, and by how much."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.monitor.owners import Owned

_LOOKS = 32


def scale_of(optimizer: object, scaler: "torch.amp.GradScaler | None") -> tuple[float, str]:
    """Tell what gradients must be divided by at the optimizer's step.

    `GradScaler.step` unscales before it calls the optimizer, so that most optimizers see plain gradients. A fused one
    divides them itself: the scaler leaves the scale in its `grad_scale` for the length of the step.

    Args:
        optimizer: The one that is about to step; None where that is unknown.
        scaler: The scaler, if it is known.

    Returns:
        The scale (1 for plain gradients), and a sentence where the optimizer itself does not know of it.
    """
    own = getattr(optimizer, "grad_scale", None)
    if isinstance(own, Tensor):
        return float(own), ""
    # The scale is made by the first `scale(loss)`; before that nothing can be scaled.
    if scaler is None or not scaler.is_enabled() or getattr(scaler, "_scale", None) is None:
        return 1.0, ""
    states = getattr(scaler, "_per_optimizer_states", {})
    known = [states[id(optimizer)]] if id(optimizer) in states else []
    if optimizer is None:
        known = list(states.values())
    if any(state["stage"].name != "READY" for state in known):
        return 1.0, ""
    scale = scaler.get_scale()
    return scale, (
        f"the optimizer steps on gradients that are still {scale:g} times too large: call scaler.step(optimizer). They "
        f"are recorded divided"
    )


class Overflow:
    """Counts how often gradients are there and not finite while losses are noted and no step comes."""

    def __init__(self) -> None:
        self._of = self._lost = 0

    def look(self, owned: Sequence[Owned]) -> None:
        """A loss was noted, and no step has come for some."""
        gradients = [one.parameter.grad for one in owned if one.plain and one.parameter.grad is not None]
        if self._of < _LOOKS and gradients:
            self._of += 1
            self._lost += not all(bool(one.isfinite().all()) for one in gradients)

    @property
    def told(self) -> dict[str, int]:
        """Of how many losses ("of") gradients were not finite ("lost"); empty where they never were."""
        return {"of": self._of, "lost": self._lost} if self._lost else {}
