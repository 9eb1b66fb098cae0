"""Whether the gradients that an optimizer is about to use are scaled, and by how much."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.monitor.facts import ScaleFacts
from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.taps import Hook, Removable, take_away

_LOOKS = 32
_CHANGES = 1000


def scale_of(optimizer: object, scaler: "torch.amp.GradScaler | None") -> tuple[float, str]:
    """Return the number to divide gradients by at the optimizer's step.

    `GradScaler.step` unscales before it calls the optimizer, so that most optimizers see plain gradients. A fused one
    divides them itself: during the step the scaler keeps the scale in the optimizer's `grad_scale`.

    Args:
        optimizer: The one that is about to step; None where that is unknown.
        scaler: The scaler, if it is known.

    Returns:
        The scale (1 for plain gradients), and a sentence where the optimizer does not divide by it.
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


class Scales:
    """The scaler's scale at sampled steps, where it changes."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._scales: list[float] = []

    def sampled(self, step: int, scaler: "torch.amp.GradScaler | None") -> None:
        """Read the scale; nothing is read before there is one."""
        if scaler is None or not scaler.is_enabled() or getattr(scaler, "_scale", None) is None:
            return
        scale = float(scaler.get_scale())
        if len(self._steps) < _CHANGES and (not self._scales or self._scales[-1] != scale):
            self._steps.append(step)
            self._scales.append(scale)

    @property
    def told(self) -> ScaleFacts:
        """The "steps" of samples with a new scale, and these "scales"; empty without a scaler."""
        return {"steps": self._steps[:], "scales": self._scales[:]} if self._steps else {}


class Overflow:
    """Counts how often gradients are there and not finite while losses are noted and no step comes.

    Attributes:
        handles: The handle of the hook, for loops that note a loss before its backward pass.
    """

    def __init__(self) -> None:
        self.handles: list[Removable] = []
        self._of = self._lost = self._passes = 0

    def look(self, owned: Sequence[Owned]) -> None:
        """Look at the gradients when a loss is noted and no step has come for several."""
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
        """Remove the hook."""
        take_away(self.handles)

    def _made(self, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self._add([parameter.grad])

    def _add(self, gradients: Sequence[Tensor]) -> None:
        self._of += 1
        self._lost += not all(bool(one.isfinite().all()) for one in gradients)

    @property
    def told(self) -> dict[str, int]:
        """At how many losses ("of" those looked at) gradients were "lost", not finite; the most "passes" added up.

        Empty where no gradient was looked at.
        """
        return {"of": self._of, "lost": self._lost, "passes": self._passes} if self._of else {}
