"""Log-likelihoods with a plus sign in a loss: the lower the loss, the less likely are the targets."""

import sys
from collections.abc import Callable, Sequence
from types import FrameType

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.preflight.losses.call import TARGET
from gradwidgets.core.operations.watching import Args
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted

REWARDED = "likelihood"
_LOG_PROB = "log_prob"
_PICKS = ("gather", "__getitem__")
_FEWEST = 8  # samples from which weights can be seen to depend on the likelihoods
_FRAMES = 3  # the frames that are searched for the method of a distribution
_ACTION = "Put a minus before it: −log_prob(targets).mean(). Nothing, if the optimizer is given maximize=True."


class Likelihoods:
    """Finds results of a distribution's log_prob within a loss, and records their gradients."""

    def __init__(self) -> None:
        self._last: dict[int, Tensor] = {}  # by the id of a frame of log_prob, the last result in it
        self._signs: dict[int, float] = {}
        self._picked: dict[int, Tensor] = {}

    def see(self, role: int, result: object) -> None:
        """Check a call that was made with tensors that depend on the output."""
        if not (role & TARGET and isinstance(result, Tensor) and result.requires_grad):
            return
        frame: FrameType | None = sys._getframe(2)
        for _ in range(_FRAMES):
            if frame is not None and frame.f_code.co_name == _LOG_PROB and "distributions" in frame.f_code.co_filename:
                self._last[id(frame)] = result
                return
            frame = frame.f_back if frame is not None else None

    def pick(
        self, name: str, given: Sequence[Tensor], args: Args, result: object, role: Callable[[Tensor], int]
    ) -> None:
        """Check a call that may select the targets' log-probabilities among those of all classes."""
        if name not in _PICKS or not given or not isinstance(result, Tensor) or not result.requires_grad:
            return
        if any(one is result for one in self._last.values()):  # by a distribution's own log_prob
            return
        index = [one for one in pytree.tree_leaves(args[1:]) if isinstance(one, Tensor)]
        if any(role(one) & TARGET for one in index) and _are_logarithms(given[0].detach()):
            self._picked[id(result)] = self._last[id(result)] = result

    def watch(self) -> None:
        """Register hooks that record the gradients of the log-likelihoods."""
        for key, one in self._last.items():
            one.register_hook(lambda gradient, key=key: self._note(key, gradient.detach()))

    def _note(self, key: int, gradient: Tensor) -> None:
        """Record the weight of all samples that are not left out; NaN if they have different ones.

        Weights that depend on the targets' likelihoods only, as in a focal loss, count as one.
        """
        counts = gradient != 0
        some = gradient[counts]
        low, high = (float(some.min()), float(some.max())) if some.numel() else (torch.nan, torch.nan)
        own = key in self._picked and _follows(some, self._picked[key].detach()[counts])
        self._signs[key] = low if high - low <= 1e-4 * abs(high) or own else torch.nan

    def findings(self) -> list[Finding]:
        """Report log-likelihoods that all have a positive weight."""
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
    """Whether numbers are logarithms of probabilities that sum to 1 along the second or the last axis."""
    if values.ndim < 2 or not values.is_floating_point() or not values.numel() or float(values.max()) > 0:
        return False
    return any(bool((values.logsumexp(axis).abs() < 1e-4).all()) for axis in {1, values.ndim - 1})


def _follows(weights: Tensor, values: Tensor) -> bool:
    """Whether weights are monotonic in some values."""
    steps = weights[values.argsort()].diff()
    return len(weights) >= _FEWEST and (bool((steps >= 0).all()) or bool((steps <= 0).all()))
