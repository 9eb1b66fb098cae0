"""Which steps are sampled where several optimizers step in turn: some of each one's own, so that none is missed."""

from dataclasses import dataclass

_FIRST = 8  # optimizers whose first step is sampled, however seldom samples are
_WAIT = 5  # steps that a sample waits at most for one that has had less than its share
_GONE = 2  # times its usual distance, after which an optimizer is not waited for


@dataclass(eq=False)
class OwnSteps:
    """The steps of one optimizer, or of such as follow each other with the same parameters.

    Attributes:
        steps: How many it has made.
        last: The number of the newest among all steps.
        gap: From the one before to that.
        samples: How many of its steps were sampled.
        sampled: The newest of these, counted among its own.
    """

    steps: int = 0
    last: int = 0
    gap: int = 0
    samples: int = 0
    sampled: int = 0

    def step(self, step: int) -> None:
        """It steps."""
        self.gap = step - self.last if self.steps else 0
        self.last = step
        self.steps += 1

    def is_due(self, every: int) -> bool:
        """Whether so many of its own steps have come since it was sampled."""
        return not self.samples or self.steps - self.sampled >= every

    def is_sampled(self) -> None:
        """Its newest step is."""
        self.samples, self.sampled = self.samples + 1, self.steps


class InTurn:
    """The optimizers that step, and whose turn it is to be sampled.

    Attributes:
        are_several: Whether there is more than one.
    """

    def __init__(self) -> None:
        self.are_several = False
        self._all: dict[tuple, OwnSteps] = {}
        self._now: OwnSteps | None = None
        self._began: int | None = None  # when a sample was due that waits

    def line(self, key: tuple) -> OwnSteps:
        """The steps of those that share a key."""
        found = self._all.setdefault(key, OwnSteps())
        self.are_several = len(self._all) > 1
        return found

    def step(self, one: OwnSteps, step: int) -> None:
        """One of them is about to step, the number of which among all is this."""
        one.step(step)
        self._now = one

    def takes_every(self, every: int) -> bool:
        """Whether the step that is about to come is one in so many of its optimizer's own."""
        return self._now is not None and self._now.is_due(every)

    def comes(self, step: int, every: int) -> bool:
        """Whether the step behind this one may be one to sample."""
        for one in self._all.values():  # at each step, and so without a call
            if one.steps + 1 - one.sampled >= every and step - one.last < _GONE * one.gap:
                return True
        return False

    def is_new(self) -> bool:
        """Whether the step that is about to come is the first of its optimizer, and one of a few."""
        return self._now is not None and not self._now.samples and len(self._all) <= _FIRST

    def waits(self, step: int) -> bool:
        """Whether a sample that is due had better be taken of another optimizer, whose step is near."""
        began = self._began if self._began is not None else step
        behind = max(self._near(step), key=lambda one: self._lacks(one, step), default=self._now)
        self._began = began if behind is not self._now and step - began < _WAIT else None
        return self._began is not None

    def is_sampled(self) -> None:
        """The step that is about to come is sampled."""
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
        """Samples below its share of them, the next one included; of two alike the one that steps comes first."""
        count = sum(each.samples for each in self._all.values()) + 1
        return one.steps / step * count - one.samples + 1e-9 * (one is self._now)
