"""Logarithms of a likelihood that a loss has with a plus: the lower the loss, the less likely are the targets."""

import sys
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.preflight.losses.call import TARGET
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted

REWARDED = "likelihood"
_LOG_PROB = "log_prob"
_PICKS, _FEWEST = ("gather", "__getitem__"), 8  # samples of which it can be told that weights go with them
_FRAMES = 3  # among which the method of a distribution stands
_ACTION = "Put a minus before it: −log_prob(targets).mean(). Nothing, if the optimizer is given maximize=True."


class Likelihoods:
    """Watches a loss for what the log_prob of a distribution gives, and what comes back to that."""

    def __init__(self) -> None:
        self._last: dict[int, Tensor] = {}  # by frame, what was made there at last
        self._signs: dict[int, float] = {}
        self._picked: dict[int, Tensor] = {}

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

    def pick(self, name: str, given: Sequence[Tensor], args: tuple, result: object, role: Callable) -> None:
        """Look at a call that may pick the logarithms of the targets' probabilities out of those of all classes."""
        if name not in _PICKS or not given or not isinstance(result, Tensor) or not result.requires_grad:
            return
        if any(one is result for one in self._last.values()):  # by a distribution's own log_prob
            return
        index = [one for one in pytree.tree_leaves(args[1:]) if isinstance(one, Tensor)]
        if any(role(one) & TARGET for one in index) and _are_logarithms(given[0].detach()):
            self._picked[id(result)] = self._last[id(result)] = result

    def watch(self) -> None:
        """Have the gradients noted that come to what was seen."""
        for key, one in self._last.items():
            one.register_hook(lambda gradient, key=key: self._note(key, gradient.detach()))

    def _note(self, key: int, gradient: Tensor) -> None:
        """Keep the one weight that all samples have, those that are left out aside; NaN where they have several.

        Weights that follow from how likely a target is already, as a focal loss has them, count as one.
        """
        counts = gradient != 0
        some = gradient[counts]
        low, high = (float(some.min()), float(some.max())) if some.numel() else (torch.nan, torch.nan)
        own = key in self._picked and _follows(some, self._picked[key].detach()[counts])
        self._signs[key] = low if high - low <= 1e-4 * abs(high) or own else torch.nan

    def findings(self) -> list[Finding]:
        """What to say where all likelihoods of targets are to become smaller."""
        weights: Sequence[float] = list(self._signs.values())
        if not weights or not all(one > 0 for one in weights):
            return []
        stand = "stands" if len(weights) == 1 else "stand"
        message = (
            f"{counted(len(weights), _LOG_PROB)} of the targets {stand} in the loss with a plus: each step makes the "
            "targets less likely, and the loss has no lowest value"
        )
        evidence = {"weights": weights, "threshold": 0.0}
        return [Finding(REWARDED, "warning", message, evidence, action=_ACTION)]


def _are_logarithms(values: Tensor) -> bool:
    """Whether they are those of probabilities that sum to 1 over the classes, the second or the last axis."""
    if values.ndim < 2 or not values.is_floating_point() or not values.numel() or float(values.max()) > 0:
        return False
    return any(bool((values.logsumexp(axis).abs() < 1e-4).all()) for axis in {1, values.ndim - 1})


def _follows(weights: Tensor, values: Tensor) -> bool:
    """Whether weights only fall, or only rise, with some values."""
    steps = weights[values.argsort()].diff()
    return len(weights) >= _FEWEST and (bool((steps >= 0).all()) or bool((steps <= 0).all()))
