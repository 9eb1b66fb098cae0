"""Work in parts that are run as long as there is time for them."""

import math
import time
from typing import TypeVar

from gradwidgets.core.results.slices import Slices

T = TypeVar("T")

_OVERTIME = 0.4  # of the total time: so long after the deadline a part that was begun before it may run
_ASKED_SHARE = 0.5  # of the total time: so long a part that was asked for by name may run in any case


class TimeLeft:
    """The time that is left for work in parts.

    Args:
        deadline: The time, of `time.perf_counter`, after which no further part is begun; None for no deadline.
        seconds: The total time; 0 for no limit.

    Attributes:
        left_out: The parts for which there was no time, in words.
    """

    def __init__(self, deadline: float | None = None, seconds: float = 0.0) -> None:
        self.left_out: list[str] = []
        self._deadline, self._seconds = math.inf if deadline is None else deadline, seconds
        self._latest = self._deadline + _OVERTIME * self.seconds  # when a running part is stopped

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
            asked: Whether it was asked for by name: then it gets half of the total time, however little is left.
        """
        latest = time.perf_counter() + _ASKED_SHARE * self._seconds if asked else 0.0
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
