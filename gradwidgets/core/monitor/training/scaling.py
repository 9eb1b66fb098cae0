"""Whether the gradients that an optimizer is about to use are scaled, and by how much."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.taps import Hook, take_away

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
    """Counts how often gradients are there and not finite while losses are noted and no step comes.

    Attributes:
        handles: Of the hook that stands where losses are noted before their passes backward.
    """

    def __init__(self) -> None:
        self.handles: list = []
        self._of = self._lost = self._passes = 0

    def look(self, owned: Sequence[Owned]) -> None:
        """A loss was noted, and no step has come for some."""
        plain = [one.parameter for one in owned if one.plain and one.parameter.requires_grad]
        gradients = [one.grad for one in plain if one.grad is not None]
        self._passes = max([self._passes, *(one._version + 1 for one in gradients[:1])])
        if self._of >= _LOOKS:
            self.forget()
        elif gradients and not self.handles:
            self._add(gradients)
        elif plain and not self.handles:
            self.handles.append(plain[0].register_post_accumulate_grad_hook(Hook(self._made)))

    def forget(self) -> None:
        """Take the hook away."""
        take_away(self.handles)

    def _made(self, parameter: Tensor) -> None:
        self._add([parameter.grad])

    def _add(self, gradients: Sequence[Tensor]) -> None:
        self._of += 1
        self._lost += not all(bool(one.isfinite().all()) for one in gradients)

    @property
    def told(self) -> dict[str, int]:
        """Of how many losses ("of") gradients were not finite ("lost"), and how many "passes" were added up at most.

        Empty where no gradient was looked at.
        """
        return {"of": self._of, "lost": self._lost, "passes": self._passes} if self._of else {}
