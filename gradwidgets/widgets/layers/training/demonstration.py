"""The demonstration while it runs: its training, in slices beside everything else, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Generator

from gradwidgets.widgets.kernel.job import Job
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.frame import Busy


class Demonstration:
    """Runs the training of the demonstration, one at a time.

    Args:
        turns: The turns of the threads that work on the panel.
        errors: Where a failure is shown.
        busy: The row that shows the progress.
        taken: Returns how many steps the training has taken, in words.
        ended: Called when it has ended, with the result in words; with "" if it failed.
    """

    def __init__(
        self, turns: Turns, errors: Errors, busy: Busy, *, taken: Callable[[], str], ended: Callable[[str], None]
    ) -> None:
        self._turns, self._errors, self._busy = turns, errors, busy
        self._taken, self._ended = taken, ended
        self._job: Job[str] | None = None

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self._job is not None

    def begin(self, work: Generator[float, None, str]) -> None:
        """Begin a training, which yields its progress and returns its result in words."""
        self._job = Job(work, self._end, self._failed, self._busy.go_on, guard=self._in_turn)
        self._job.go_on()

    def _in_turn(self, part: Callable[[], bool]) -> bool:
        try:
            return self._turns.alone(part)
        except Exception:
            raise
        except BaseException:
            self._end(f"Interrupted after {self._taken()}.")
            raise

    def finish(self) -> None:
        """Run the rest of the training now."""
        if self._job is not None:
            self._job.finish()

    def stop(self) -> bool:
        """Stop it, and say after how many steps; return whether it ran."""
        if self._job is None:
            return False
        self._job.stop()
        self._end(f"Stopped after {self._taken()}.")
        return True

    def drop(self) -> None:
        """Stop it without a word."""
        if self._job is not None:
            self._job.stop()

    def _failed(self, failure: Exception) -> None:
        self._end("")
        self._errors.fail(failure)

    def _end(self, result: str) -> None:
        self._job = None
        self._ended(result)
