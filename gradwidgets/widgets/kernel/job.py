"""Long work in slices on the main loop, so that the page stays responsive and Stop works."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from gradwidgets.widgets.kernel.mainloop import at_home, call_later, call_soon, main_loop, weakly

R = TypeVar("R")

AT_ONCE = 0.10  # seconds that work may take before the page gets a turn
SLICE = 0.05
REFINING = 0.012  # the same once something is shown, as the user's next input takes precedence over refinement


class Job(Generic[R]):
    """Work that is done immediately if it is short, otherwise in slices.

    Args:
        work: A generator that yields its progress, 0 to 1, every few tens of milliseconds, and returns its result; in
            between it may yield interim results that can be shown.
        done: Called with the result.
        failed: Called with the exception that ended the work.
        progress: Called with the progress after each slice.
        interim: Called with each interim result.
        guard: Runs a part of the work: `guard(part)` returns the result of `part()`.
    """

    def __init__(
        self,
        work: Generator[float | R, None, R],
        done: Callable[[R], None],
        failed: Callable[[Exception], None],
        progress: Callable[[float], None],
        interim: Callable[[R], None] = lambda result: None,
        guard: Callable[[Callable[[], bool]], bool] = lambda part: part(),
    ) -> None:
        self._work: Generator[float | R, None, R] | None = work
        self._guard = guard
        self._interim = interim
        self._done, self._failed, self._progress = done, failed, progress
        self._share = self._worked = 0.0
        self._refines = False  # whether an interim result is already shown

    @property
    def running(self) -> bool:
        """Whether there is work left."""
        return self._work is not None

    @property
    def amidst(self) -> bool:
        """Whether this is called from within a part of the work."""
        return self._work is not None and _is_amidst(self._work)

    def start(self, *, pause: bool = False) -> bool:
        """Work for at most `AT_ONCE`; return whether that was enough.

        Args:
            pause: Whether to stop at the first interim result, and leave the rest to `go_on`.
        """
        return self._run(AT_ONCE, pause=pause)

    def go_on(self) -> None:
        """Do the rest in slices on the main loop; all of it now if there is no loop."""
        if main_loop() is None:
            self.finish()
        else:
            call_soon(weakly(self._slice))  # the object that waits for its result keeps the job alive

    def finish(self) -> None:
        """Do the rest now."""
        if at_home():
            self._run(float("inf"))
        while self.running:  # lets the main thread have its turn
            self._run(SLICE)

    def finish_if_short(self, seconds: float) -> None:
        """Do the rest now if, judging by the progress, it takes no longer than that; for at most twice the time."""
        if self._share > 0 and self._worked * (1 - self._share) / self._share <= seconds:
            self._run(2 * seconds)

    def stop(self) -> None:
        """Cancel the rest."""
        work, self._work = self._work, None
        if work is not None and not _is_amidst(work):  # else it ends with the running part
            work.close()

    def _slice(self) -> None:
        if not self.running:
            return
        try:
            done = self._run(REFINING if self._refines else SLICE)
        except Exception as failure:  # from showing the result
            self._failed(failure)
            return
        if not done:
            self._progress(self._share)
            # After whatever the page has sent in the meantime.
            call_later(0.001, self._slice)

    def _run(self, seconds: float, *, pause: bool = False) -> bool:
        began = time.perf_counter()
        try:
            return self._guard(lambda: self._run_until(began + seconds, pause=pause))
        finally:
            self._worked += time.perf_counter() - began

    def _run_until(self, end: float, *, pause: bool) -> bool:
        if self.amidst:
            raise RuntimeError("a result was requested from within its own computation")
        while (work := self._work) is not None:
            try:
                step = next(work)
                if self._work is not work:  # stopped from within
                    work.close()
                    return True
                if not isinstance(step, float | int):
                    self._interim(step)
                    self._refines = True
                    if pause:
                        return False
                else:
                    self._share = step
            except StopIteration as result:
                if self._work is work:
                    self._work = None
                    self._done(result.value)
                return True
            except Exception as failure:
                if self._work is work:
                    self._work = None
                    self._failed(failure)
                return True
            except BaseException:
                self._work = None
                raise
            if time.perf_counter() >= end:
                return False
        return True


def _is_amidst(work: Generator[object, None, object]) -> bool:
    return inspect.getgeneratorstate(work) == inspect.GEN_RUNNING
