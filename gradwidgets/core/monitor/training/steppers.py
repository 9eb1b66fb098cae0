"""Which optimizers step by a model's gradients: the one that is watched, others beside it, new ones in its place."""

import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.optimizer_settings import Swings, memory_of
from gradwidgets.core.monitor.training.parts.own_steps import InTurn, OwnSteps
from gradwidgets.core.monitor.training.parts.rate_course import RateCourse

_MOST = 32  # lines that are kept apart


@dataclass
class Line:
    """Optimizers of one class that hold the same parameters, and so may follow each other.

    Attributes:
        name: The class.
        held: The parameters' names.
        memory: Over how many steps such an optimizer keeps what it has seen; 0 for none.
        watched: Whether the monitor was given one of them.
        made: How many of them stepped.
        steps: How many steps they made.
        returns: How many of those by one after which another had begun.
    """

    name: str
    held: tuple[str, ...]
    memory: float
    watched: bool
    made: int = 0
    steps: int = 0
    returns: int = 0


class Steppers:
    """Counts the steps of every optimizer that holds parameters of the model.

    Attributes:
        since: Steps of others since the last one of the optimizer that is watched.
        longest: The most that there were between two of its steps.
        turns: Those that are watched, for the choice of the steps that are sampled; None where it is one by itself.
    """

    def __init__(self, *, one: bool = False) -> None:
        self.since = self.longest = 0
        self.turns = None if one else InTurn()
        self._lines: dict[tuple, Line] = {}
        self._known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._courses: dict[tuple, RateCourse] = {}  # of the lines
        self._newest: weakref.ref | None = None  # the optimizer that stepped last of those that are watched

    def step(self, optimizer: object, held: Sequence[Owned], watched: bool, step: int = 0) -> None:
        """An optimizer steps.

        Args:
            optimizer: It.
            held: What it holds of the model.
            watched: Whether the monitor was given it, or would have been content with it.
            step: Which step it is of those that are watched.
        """
        known = self._known.get(optimizer)
        if known is None:
            known = self._known[optimizer] = self._line(optimizer, held, watched)
        line, place, course, own = known
        line.steps += 1
        line.returns += place != line.made
        course.step(optimizer.param_groups, step)
        if watched:
            if own is not None:
                self.turns.step(own, step)
            self.since, self.longest = 0, max(self.longest, self.since)
            if self._newest is None or self._newest() is not optimizer:
                self._newest = weakref.ref(optimizer)
        else:
            self.since += 1

    def steps_of(self, optimizer: object) -> int:
        """How many steps it has made, those of others in its line counted in."""
        known = self._known.get(optimizer)
        return 0 if known is None else known[0].steps

    def noted(self, waiting: int) -> None:
        """A loss is noted, so many since the last step."""
        optimizer = None if self._newest is None else self._newest()
        if optimizer is not None:
            self._known[optimizer][2].noted(optimizer.param_groups, waiting)

    def passes(self, waiting: int) -> None:
        """A step of what is watched comes after so many losses."""
        optimizer = None if self._newest is None or waiting < 2 else self._newest()
        if optimizer is not None:
            self._known[optimizer][2].passed(waiting)

    def _line(
        self, optimizer: object, held: Sequence[Owned], watched: bool
    ) -> tuple[Line, int, RateCourse, OwnSteps | None]:
        name, names = type(optimizer).__name__, tuple(one.name for one in held)
        if (name, names) not in self._lines and len(self._lines) >= _MOST:
            return Line(name, names, 0.0, watched), 0, RateCourse(), self._own(("others",), watched)
        line = self._lines.setdefault((name, names), Line(name, names, memory_of(optimizer), watched))
        line.made += 1
        line.watched |= watched
        course = self._courses.setdefault((name, names), RateCourse())
        return line, line.made, course, self._own((name, names), watched)

    def _own(self, key: tuple, watched: bool) -> OwnSteps | None:
        return self.turns.line(key) if watched and self.turns is not None else None

    @property
    def swings(self) -> dict[str, float]:
        """How the learning rate goes up and down, as in `Swings`; of several optimizers, where it does so most."""
        return max((one.swings for one in self._courses.values()), key=lambda one: one.times, default=Swings()).told

    @property
    def course(self) -> RateCourse:
        """The learning rates of those that are watched; of several, where most steps are made."""
        known = {key: line.steps for key, line in self._lines.items() if line.watched}
        return self._courses[max(known, key=known.get)] if known else RateCourse()

    @property
    def told(self) -> dict[str, object]:
        """All of it, of plain numbers and words."""
        lines = [{**asdict(one), "held": list(one.held)} for one in self._lines.values()]
        return {"since": self.since, "longest": self.longest, "lines": lines}
