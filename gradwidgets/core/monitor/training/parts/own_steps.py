"""The choice of the steps to sample where several optimizers step in turn, so that none is missed."""

from collections.abc import Hashable
from dataclasses import dataclass

_FIRST = 8  # optimizers whose first step is sampled, however rare samples are
_WAIT = 5  # most steps that a sample waits for an optimizer that has had less than its share
_GONE = 2  # times its usual distance between steps: an optimizer is not waited for any longer


@dataclass(eq=False)
class OwnSteps:
    """The steps of one optimizer, or of several that replace each other with the same parameters.

    Attributes:
        steps: How many steps it has made.
        last: The number of its newest step among all steps.
        gap: How many steps there were from its step before to its newest.
        samples: How many of its steps were sampled.
        sampled: The newest sampled step, counted among its own.
    """

    steps: int = 0
    last: int = 0
    gap: int = 0
    samples: int = 0
    sampled: int = 0

    def step(self, step: int) -> None:
        """Count a step, with its number among all steps."""
        self.gap = step - self.last if self.steps else 0
        self.last = step
        self.steps += 1

    def is_due(self, every: int) -> bool:
        """Whether `every` of its own steps have come since it was sampled."""
        return not self.samples or self.steps - self.sampled >= every

    def is_sampled(self) -> None:
        """Count its newest step as sampled."""
        self.samples, self.sampled = self.samples + 1, self.steps


class InTurn:
    """The optimizers that step, and the choice of the one to sample.

    Attributes:
        are_several: Whether there is more than one.
    """

    def __init__(self) -> None:
        self.are_several = False
        self._all: dict[Hashable, OwnSteps] = {}
        self._now: OwnSteps | None = None
        self._began: int | None = None  # the step at which a sample was due that waits

    def line(self, key: Hashable) -> OwnSteps:
        """The steps of the optimizers with this key."""
        found = self._all.setdefault(key, OwnSteps())
        self.are_several = len(self._all) > 1
        return found

    def step(self, one: OwnSteps, step: int) -> None:
        """Count a step of one of them, with its number among all steps."""
        one.step(step)
        self._now = one

    def takes_every(self, every: int) -> bool:
        """Whether the next step is due, where one in `every` of its optimizer's own steps is sampled."""
        return self._now is not None and self._now.is_due(every)

    def comes(self, step: int, every: int) -> bool:
        """Whether the step after this one may have to be sampled."""
        for one in self._all.values():  # this runs at each step, so it calls no other method
            if one.steps + 1 - one.sampled >= every and step - one.last < _GONE * one.gap:
                return True
        return False

    def is_new(self) -> bool:
        """Whether the next step is the first of its optimizer, and there are only a few optimizers."""
        return self._now is not None and not self._now.samples and len(self._all) <= _FIRST

    def waits(self, step: int) -> bool:
        """Whether a sample that is due should wait for a step of another optimizer that is soon to come."""
        began = self._began if self._began is not None else step
        behind = max(self._near(step), key=lambda one: self._lacks(one, step), default=self._now)
        self._began = began if behind is not self._now and step - began < _WAIT else None
        return self._began is not None

    def is_sampled(self) -> None:
        """Count the next step as sampled."""
        self._began = None
        if self._now is not None:
            self._now.is_sampled()

    def _near(self, step: int) -> list[OwnSteps]:
        return [
            one for one in self._all.values() if one.last + max(one.gap, 1) < step + _WAIT and self._is_here(one, step)
        ]

    def _is_here(self, one: OwnSteps, step: int) -> bool:
        return one is self._now or step - one.last < _GONE * max(one.gap, 1)

    def _lacks(self, one: OwnSteps, step: int) -> float:
        """How many samples it is short of its share, the next one included; a bit more for the one that steps."""
        count = sum(each.samples for each in self._all.values()) + 1
        return one.steps / step * count - one.samples + 1e-9 * (one is self._now)
