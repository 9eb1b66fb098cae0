"""Which optimizers step by a model's gradients: the one that is watched, others beside it, new ones in its place."""

import weakref
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.optimizer_settings import Swings, memory_of

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
    """

    def __init__(self) -> None:
        self.since = self.longest = 0
        self._lines: dict[tuple, Line] = {}
        self._known: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._swings = Swings()  # of the optimizer whose rate swings most

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
            known = self._known[optimizer] = *self._line(optimizer, held, watched), Swings()
        line, place, swings = known
        line.steps += 1
        line.returns += place != line.made
        swings.step(optimizer.param_groups[0].get("lr"), step)
        if swings.times > self._swings.times:
            self._swings = swings
        if watched:
            self.since, self.longest = 0, max(self.longest, self.since)
        else:
            self.since += 1

    def steps_of(self, optimizer: object) -> int:
        """How many steps it has made, those of others in its line counted in."""
        known = self._known.get(optimizer)
        return 0 if known is None else known[0].steps

    def _line(self, optimizer: object, held: Sequence[Owned], watched: bool) -> tuple[Line, int]:
        name, names = type(optimizer).__name__, tuple(one.name for one in held)
        if (name, names) not in self._lines and len(self._lines) >= _MOST:
            return Line(name, names, 0.0, watched), 0
        line = self._lines.setdefault((name, names), Line(name, names, memory_of(optimizer), watched))
        line.made += 1
        line.watched |= watched
        return line, line.made

    @property
    def swings(self) -> dict[str, float]:
        """How the learning rate goes up and down, as in `Swings`; of several optimizers, where it does so most."""
        return self._swings.told

    @property
    def told(self) -> dict[str, object]:
        """All of it, of plain numbers and words."""
        lines = [{**asdict(one), "held": list(one.held)} for one in self._lines.values()]
        return {"since": self.since, "longest": self.longest, "lines": lines}
