"""The optimizers that step by a model's gradients: the watched one, others, and new ones in its place."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from gradwidgets.core.monitor.facts import LineFacts, StepperFacts
from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.optimizer_settings import Swings, memory_of
from gradwidgets.core.monitor.training.parts.own_steps import InTurn, OwnSteps
from gradwidgets.core.monitor.training.parts.rate_course import RateCourse

_MOST = 32  # lines that are kept apart

_Key = tuple[str, tuple[str, ...]]  # the name of a class, and of the parameters


@dataclass
class Line:
    """Optimizers of one class that hold the same parameters, of which each may have replaced the one before.

    Attributes:
        name: The name of the class.
        held: The parameters' names.
        memory: Over how many steps such an optimizer averages gradients; 0 for none.
        watched: Whether one of them is watched.
        made: How many of them stepped.
        steps: How many steps they made together.
        returns: How many of these steps were by one although a later one had stepped already.
    """

    name: str
    held: tuple[str, ...]
    memory: float
    watched: bool
    made: int = 0
    steps: int = 0
    returns: int = 0


class _Stepper(NamedTuple):
    """One optimizer: its line, its place in that, the rates of the line, and its own steps if they are sampled."""

    line: Line
    place: int
    course: RateCourse
    own: OwnSteps | None


class Steppers:
    """Counts the steps of every optimizer that holds parameters of the model.

    Attributes:
        since: How many steps others made since the last one of the watched optimizer.
        longest: The most steps of others between two of its steps.
        turns: The watched optimizers, for the choice of the steps to sample; None where only one is watched.
    """

    def __init__(self, *, one: bool = False) -> None:
        self.since = self.longest = 0
        self.turns = None if one else InTurn()
        self._lines: dict[_Key, Line] = {}
        self._known: weakref.WeakKeyDictionary[torch.optim.Optimizer, _Stepper] = weakref.WeakKeyDictionary()
        self._courses: dict[_Key, RateCourse] = {}  # of the lines
        self._newest: weakref.ref[torch.optim.Optimizer] | None = None  # the watched optimizer that stepped last

    def step(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned], watched: bool, step: int = 0) -> None:
        """Count a step of an optimizer.

        Args:
            optimizer: The optimizer.
            held: The model's parameters that it holds.
            watched: Whether its steps are those that the monitor counts.
            step: The step's number among those.
        """
        known = self._known.get(optimizer)
        if known is None:
            known = self._known[optimizer] = self._line(optimizer, held, watched)
        line, place, course, own = known
        line.steps += 1
        line.returns += place != line.made
        course.step(optimizer.param_groups, step)
        if watched:
            if own is not None and self.turns is not None:
                self.turns.step(own, step)
            self.since, self.longest = 0, max(self.longest, self.since)
            if self._newest is None or self._newest() is not optimizer:
                self._newest = weakref.ref(optimizer)
        else:
            self.since += 1

    def steps_of(self, optimizer: torch.optim.Optimizer) -> int:
        """How many steps an optimizer and the others of its line have made."""
        known = self._known.get(optimizer)
        return 0 if known is None else known.line.steps

    def noted(self, waiting: int) -> None:
        """Look at the rate when a loss is noted, the `waiting`-th since the last step."""
        optimizer = None if self._newest is None else self._newest()
        if optimizer is not None:
            self._known[optimizer].course.noted(optimizer.param_groups, waiting)

    def passes(self, waiting: int) -> None:
        """Count a watched step that comes after this many losses."""
        optimizer = None if self._newest is None or waiting < 2 else self._newest()
        if optimizer is not None:
            self._known[optimizer].course.passed(waiting)

    def _line(self, optimizer: torch.optim.Optimizer, held: Sequence[Owned], watched: bool) -> _Stepper:
        name, names = type(optimizer).__name__, tuple(one.name for one in held)
        if (name, names) not in self._lines and len(self._lines) >= _MOST:
            return _Stepper(Line(name, names, 0.0, watched), 0, RateCourse(), self._own(("others", ()), watched))
        line = self._lines.setdefault((name, names), Line(name, names, memory_of(optimizer), watched))
        line.made += 1
        line.watched |= watched
        course = self._courses.setdefault((name, names), RateCourse())
        return _Stepper(line, line.made, course, self._own((name, names), watched))

    def _own(self, key: _Key, watched: bool) -> OwnSteps | None:
        return self.turns.line(key) if watched and self.turns is not None else None

    @property
    def swings(self) -> dict[str, float]:
        """How often the learning rate goes down and up, as in `Swings`; the optimizer where it does so most."""
        return max((one.swings for one in self._courses.values()), key=lambda one: one.times, default=Swings()).told

    @property
    def course(self) -> RateCourse:
        """The learning rates of the watched optimizers; of several lines, those of the one with most steps."""
        known = {key: line.steps for key, line in self._lines.items() if line.watched}
        return self._courses[max(known, key=known.__getitem__)] if known else RateCourse()

    @property
    def told(self) -> StepperFacts:
        """All counts, as plain numbers and words."""
        return {"since": self.since, "longest": self.longest, "lines": [_facts_of(one) for one in self._lines.values()]}


def _facts_of(line: Line) -> LineFacts:
    return {
        "name": line.name, "held": list(line.held), "memory": line.memory, "watched": line.watched, "made": line.made,
        "steps": line.steps, "returns": line.returns,
    }  # fmt: skip
