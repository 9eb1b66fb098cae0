"""Logarithms of a likelihood that a loss has with a plus: the lower the loss, the less likely are the targets."""

import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import TARGET
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted

REWARDED = "likelihood"
_LOG_PROB = "log_prob"
_FRAMES = 3  # among which the method of a distribution stands
_ACTION = "Put a minus before it: −log_prob(targets).mean(). Nothing, if the optimizer is given maximize=True."


class Likelihoods:
    """Watches a loss for what the log_prob of a distribution gives, and what comes back to that."""

    def __init__(self) -> None:
        self._last: dict[int, Tensor] = {}  # by frame, what was made there at last
        self._signs: dict[int, float] = {}

    def see(self, role: int, result: object) -> None:
        """Look at a call that was made of what comes from the output."""
        if not (role & TARGET and isinstance(result, Tensor) and result.requires_grad):
            return
        frame = sys._getframe(2)
        for _ in range(_FRAMES):
            if frame is not None and frame.f_code.co_name == _LOG_PROB and "distributions" in frame.f_code.co_filename:
                self._last[id(frame)] = result
                return
            frame = frame.f_back if frame is not None else None

    def watch(self) -> None:
        """Have the gradients noted that come to what was seen."""
        for key, one in self._last.items():
            one.register_hook(lambda gradient, key=key: self._note(key, gradient.detach()))

    def _note(self, key: int, gradient: Tensor) -> None:
        """Keep the one weight that all samples have, those that are left out aside; NaN where they have several."""
        some = gradient[gradient != 0]
        low, high = (float(some.min()), float(some.max())) if some.numel() else (torch.nan, torch.nan)
        self._signs[key] = low if high - low <= 1e-4 * abs(high) else torch.nan

    def findings(self) -> list[Finding]:
        """What to say where all likelihoods of targets are to become smaller."""
        weights: Sequence[float] = list(self._signs.values())
        if not weights or not all(one > 0 for one in weights):
            return []
        stand = "stands" if len(weights) == 1 else "stand"
        message = (
            f"{counted(len(weights), 'log_prob')} of the targets {stand} in the loss with a plus: each step makes the "
            "targets less likely, and the loss has no lowest value"
        )
        evidence = {"weights": weights, "threshold": 0.0}
        return [Finding(REWARDED, "warning", message, evidence, action=_ACTION)]
