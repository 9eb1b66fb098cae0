"""Gradients that are let go, or written to once more, at every few steps alone: a step in the wrong place."""

import weakref
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import is_dense, some_of, times_shorter

_STEPS, _LOOKS = 256, 48  # that are looked at; of which the gradient is held from the loss to the step
_TIMES = 6  # at equal distances
_MOST = 1 << 22  # numbers of a gradient


class WritesInTurn:
    """Counts, from step to step, how often one gradient is written to, and when its memory is made anew."""

    def __init__(self) -> None:
        self._parameter: Tensor | None = None
        self._optimizer: weakref.ref | None = None
        self._last: tuple[TensorWeakRef, int] | None = None
        self._noted: tuple[TensorWeakRef, int, Tensor] | None = None
        self._zeroed = False
        self._writes: list[int] = []
        self._anew: list[bool] = []
        self._clipped: list[bool] = []
        self._looks = self._seen = 0

    def noted(self, owned: Sequence[Owned]) -> None:
        """A loss is noted: what its pass backward has left in these is held until the step."""
        if self._parameter is None:
            self._seen += any(one.parameter.grad is not None for one in owned[:1])
            return
        gradient = self._parameter.grad
        if gradient is not None and self._looks < _LOOKS and len(self._writes) < _STEPS:
            self._looks += 1
            self._noted = TensorWeakRef(gradient), gradient._version, some_of(gradient)

    def step(self, optimizer: object, held: Sequence[Owned]) -> None:
        """A step of an optimizer is about to come, which holds these; those of a second one do not count."""
        if len(self._writes) >= _STEPS or (self._optimizer is not None and self._optimizer() is not optimizer):
            return
        if self._parameter is None:
            some = (one.parameter for one in held if one.plain and 1 < one.size <= _MOST and is_dense(one.parameter))
            self._parameter = next(some, None)
            self._optimizer = None if self._parameter is None else weakref.ref(optimizer)
        gradient = None if self._parameter is None else self._parameter.grad
        noted, self._noted = self._noted, None
        if gradient is None:
            self._last = None
            return
        last, version = self._last, gradient._version
        new = last is None or last[0]() is not gradient
        self._anew.append(new)
        self._writes.append(version + 1 if new else version - last[1])
        self._clipped.append(noted is not None and _is_clipped(gradient, *noted))
        if last is None or new:
            self._last = TensorWeakRef(gradient), version
        else:
            self._last = last[0], version

    def forget(self) -> None:
        """Let go of the weights."""
        self._parameter = self._noted = self._last = None

    @property
    def told(self) -> dict[str, int]:
        """What comes every few steps alone, "of" those looked at; empty where nothing does.

        Returns:
            Every how many steps there is new memory, or zeros in the old one, while every step has one pass more
            ("sums"); every how many there is one write "more", and how many of those were seen to be "clipped". Where
            no step ever had a gradient, with how many losses there was one, that was "cleared" before the step.
        """
        if not self._writes:
            return {"cleared": self._seen} if self._seen else {}
        writes = self._writes[1:]  # memory that is made at the first step is filled with no zeros
        usual = min(writes, default=0)
        more = [one > usual for one in writes]
        once_more = every(more) if set(writes) == {usual, usual + 1} else 0
        filled = once_more if usual == 1 and sum(self._anew) < 2 else 0  # with zeros, in the old memory
        sums = filled or (every(self._anew[1:]) if usual > 0 and not any(more) else 0)
        if not sums and not once_more:
            return {}
        clipped = sum(clip and one for clip, one in zip(self._clipped[1:], more, strict=True))
        return {"of": len(self._writes), "sums": sums, "more": 0 if sums else once_more, "clipped": clipped}


def _is_clipped(gradient: Tensor, ref: TensorWeakRef, version: int, before: Tensor) -> bool:
    """Whether one write since has made it shorter, all of it by one factor, to the last digits."""
    if ref() is not gradient or gradient._version != version + 1:
        return False
    return times_shorter(before, some_of(gradient)) > 0


def every(told: Sequence[bool]) -> int:
    """The distance at which something happens again and again, where it is above 1 and always the same; else 0."""
    places = [place for place, one in enumerate(told) if one]
    apart = {later - earlier for earlier, later in pairwise(places)}
    if len(places) < _TIMES or len(apart) != 1:
        return 0
    each = apart.pop()
    whole = places[0] <= each and len(told) - places[-1] <= each
    return each if each > 1 and whole else 0
