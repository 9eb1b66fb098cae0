"""Gradients that are cleared, or written to once more, only every few steps: a step in the wrong place."""

import weakref
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import dense_gradient, some_of, times_shorter

_STEPS, _LOOKS = 256, 48  # steps that are looked at; steps for which numbers are copied at the loss
_TIMES = 6  # least times, at equal distances
_MOST = 1 << 22  # most numbers of a gradient


class WritesInTurn:
    """Counts, from step to step, how often one gradient is written to, and when its memory is replaced."""

    def __init__(self) -> None:
        self._parameter: nn.Parameter | None = None
        self._optimizer: weakref.ref[torch.optim.Optimizer] | None = None
        self._last: tuple[TensorWeakRef, int] | None = None
        self._noted: tuple[TensorWeakRef, int, Tensor] | None = None
        self._zeroed = False
        self._writes: list[int] = []
        self._anew: list[bool] = []
        self._clipped: list[bool] = []
        self._looks = self._seen = 0

    def noted(self, owned: Sequence[Owned]) -> None:
        """Copy numbers of the gradient when a loss is noted, to compare them at the step."""
        if self._parameter is None:
            self._seen += any(one.parameter.grad is not None for one in owned[:1])
            return
        gradient = self._parameter.grad
        if gradient is not None and self._looks < _LOOKS and len(self._writes) < _STEPS:
            self._looks += 1
            self._noted = TensorWeakRef(gradient), gradient._version, some_of(gradient)

    def step(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned]) -> None:
        """Count the writes before a step of an optimizer, which holds these; a second optimizer's do not count."""
        if len(self._writes) >= _STEPS or (self._optimizer is not None and self._optimizer() is not optimizer):
            return
        if self._parameter is None:
            some = (one.parameter for one in held if one.plain and 1 < one.size <= _MOST)
            self._parameter = next((one for one in some if dense_gradient(one) is not None), None)
            self._optimizer = None if self._parameter is None else weakref.ref(optimizer)
        gradient = None if self._parameter is None else self._parameter.grad
        noted, self._noted = self._noted, None
        if gradient is None:
            self._last = None
            return
        last, version = self._last, gradient._version
        self._clipped.append(noted is not None and _is_clipped(gradient, *noted))
        if last is not None and last[0]() is gradient:
            self._anew.append(False)
            self._writes.append(version - last[1])
            self._last = last[0], version
        else:
            self._anew.append(True)
            self._writes.append(version + 1)
            self._last = TensorWeakRef(gradient), version

    def forget(self) -> None:
        """Let go of the weights."""
        self._parameter = self._noted = self._last = None

    @property
    def told(self) -> dict[str, int]:
        """The distances at which gradients are cleared or written to once more.

        Returns:
            "Of" the steps looked at, every how many steps gradients are cleared, while every step has one more pass
            ("sums"); every how many there is one write "more", and how many of these were "clipped". Where no step ever
            had a gradient, at how many losses there was one that was "cleared" before the step. Empty where nothing
            comes every few steps only.
        """
        if not self._writes:
            return {"cleared": self._seen} if self._seen else {}
        writes = self._writes[1:]  # the memory is new at the first step, and was not filled with zeros
        usual = min(writes, default=0)
        more = [one > usual for one in writes]
        once_more = every(more) if set(writes) == {usual, usual + 1} else 0
        filled = once_more if usual == 1 and sum(self._anew) < 2 else 0  # the old memory is filled with zeros
        sums = filled or (every(self._anew[1:]) if usual > 0 and not any(more) else 0)
        if not sums and not once_more:
            return {}
        clipped = sum(clip and one for clip, one in zip(self._clipped[1:], more, strict=True))
        return {"of": len(self._writes), "sums": sums, "more": 0 if sums else once_more, "clipped": clipped}


def _is_clipped(gradient: Tensor, ref: TensorWeakRef, version: int, before: Tensor) -> bool:
    """Whether one write since has multiplied all of a gradient by a factor below 1."""
    if ref() is not gradient or gradient._version != version + 1:
        return False
    return times_shorter(before, some_of(gradient)) > 0


def every(told: Sequence[bool]) -> int:
    """The distance at which something happens, where it is above 1 and always the same; else 0."""
    places = [place for place, one in enumerate(told) if one]
    apart = {later - earlier for earlier, later in pairwise(places)}
    if len(places) < _TIMES or len(apart) != 1:
        return 0
    each = apart.pop()
    whole = places[0] <= each and len(told) - places[-1] <= each
    return each if each > 1 and whole else 0
