"""Work in parts, as long as there is time for it."""

import math
import time
from typing import TypeVar

from gradwidgets.core.results.slices import Slices

T = TypeVar("T")

_OVERTIME = 0.4  # of the time there was: a part that was begun within it may go on so long after it
_ASKED = 0.5  # of all the time: so long a part that was asked for by name may take in any case


class TimeLeft:
    """The time that is left for work in parts.

    Args:
        deadline: When of `time.perf_counter` no further part is begun; None for never.
        seconds: All the time that there was; 0 for no limit.

    Attributes:
        left_out: What there was no time for, in words.
    """

    def __init__(self, deadline: float | None = None, seconds: float = 0.0) -> None:
        self.left_out: list[str] = []
        self._deadline, self._seconds = math.inf if deadline is None else deadline, seconds
        self._latest = self._deadline + _OVERTIME * self.seconds  # no part goes on after it

    @property
    def limited(self) -> bool:
        """Whether there is a deadline at all."""
        return math.isfinite(self._deadline)

    @property
    def seconds(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(self._deadline - time.perf_counter(), 0.0)

    def within(self, what: str, work: Slices[T], asked: bool = False) -> Slices[T | None]:
        """Return the work's result, or None if there is no time left to begin it or it takes far too long.

        Args:
            what: The work in words, for `left_out`.
            work: The work, in slices.
            asked: Whether it was asked for by name: then it gets half of all the time there was, whatever is left.
        """
        latest = time.perf_counter() + _ASKED * self._seconds if asked else 0.0
        if time.perf_counter() > max(self._deadline, latest):
            self.left_out.append(what)
            return None
        while True:
            try:
                done = next(work)
            except StopIteration as end:
                return end.value
            yield done
            if time.perf_counter() > max(self._latest, latest):
                work.close()
                self.left_out.append(what)
                return None
