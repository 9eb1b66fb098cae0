"""Run work on the kernel's main loop, the only place where Matplotlib may draw.

JupyterLab sends widget messages over kernel subshells, each with its own thread. Two threads that draw at the same time
corrupt text or crash the kernel, so whatever a message requests is done on the main loop. This removes the
back-pressure of a blocking handler, so a `Latest` holds at most one pending job: the newest state wins, and a burst of
fifty messages costs no more than the loop can take.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import weakref
from collections.abc import Callable

from IPython import get_ipython
from IPython.core.interactiveshell import ExecutionResult

_log = logging.getLogger(__name__)

# Held by the thread that computes or paints. Matplotlib and a job's generator support one thread at a time, and a
# thread may ask for a picture, or make a panel, immediately.
AT_WORK = threading.RLock()


def main_loop() -> asyncio.AbstractEventLoop | None:
    """Return the kernel's main event loop, or None outside a running kernel."""
    kernel = getattr(get_ipython(), "kernel", None)
    io_loop = getattr(kernel, "io_loop", None)
    return getattr(io_loop, "asyncio_loop", None)


def at_home() -> bool:
    """Whether panels compute and paint on this thread: the main loop's, or any if there is no loop."""
    loop = main_loop()
    if loop is None or loop.is_closed():
        return True
    # Not `get_running_loop`: a cell may run another loop inside the main one.
    runs_on = getattr(loop, "_thread_id", None)
    return threading.get_ident() == (threading.main_thread().ident if runs_on is None else runs_on)


def call_soon(work: Callable[[], None]) -> None:
    """Run `work` on the main loop soon, from any thread; immediately if there is no loop."""
    loop = main_loop()
    if loop is None or loop.is_closed():
        work()
    else:
        loop.call_soon_threadsafe(_in_loop, work)


def call_later(seconds: float, work: Callable[[], None]) -> None:
    """Run `work` on the main loop after a delay; not if there is no loop, nor a method of a deleted object."""
    loop = main_loop()
    if loop is not None and not loop.is_closed():
        loop.call_soon_threadsafe(loop.call_later, seconds, _in_loop, weakly(work))


def _in_loop(work: Callable[[], None]) -> None:
    try:
        work()
    except KeyboardInterrupt:  # asyncio would end the loop, and with it the kernel
        _log.info("interrupted", exc_info=True)


def weakly(work: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls a method without keeping its object alive; any other function is returned."""
    if not inspect.ismethod(work):
        return work
    method = weakref.WeakMethod(work)

    def call() -> None:
        work = method()
        if work is not None:
            work()

    return call


def this_cell() -> int | None:
    """The number of the running cell; None outside a kernel."""
    shell = get_ipython()
    return None if shell is None else shell.execution_count


def when_cell_fails(work: Callable[[BaseException], None]) -> Callable[[], None]:
    """Call `work` with the exception of the running cell, if it raises one, once it has ended.

    Returns:
        A function that cancels this.
    """

    def ended(result: ExecutionResult) -> None:
        forget()
        failure = result.error_before_exec or result.error_in_exec
        if failure is not None:
            work(failure)

    forget = _when_cells_end(ended)
    return forget


def after_each_cell(work: Callable[[], None]) -> Callable[[], None]:
    """Call a method whenever a cell has ended; its object is not kept alive.

    Returns:
        A function that cancels this.
    """
    method = weakref.WeakMethod(work)

    def ended(result: ExecutionResult) -> None:
        work = method()
        if work is None:
            forget()
        else:
            work()

    forget = _when_cells_end(ended)
    return forget


def before_next_cell(work: Callable[[], None]) -> Callable[[], None]:
    """Call `work` before a cell is run, until that is cancelled.

    Returns:
        A function that cancels this.
    """
    return _on_event("pre_run_cell", lambda info: work())


def _when_cells_end(ended: Callable[[ExecutionResult], None]) -> Callable[[], None]:
    return _on_event("post_run_cell", ended)


def _on_event(event: str, told: Callable[..., None]) -> Callable[[], None]:
    events = getattr(get_ipython(), "events", None)
    if events is None:
        return lambda: None

    def forget() -> None:
        with contextlib.suppress(ValueError):  # it was already removed
            events.unregister(event, told)

    events.register(event, told)
    return forget


class Latest:
    """A job of which at most one is pending.

    Args:
        work: The work, which reads the latest state itself.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work
        self._lock = threading.Lock()
        self._pending = False

    def request(self) -> None:
        """Request the job, from any thread; a request while one is pending changes nothing."""
        with self._lock:
            if self._pending or self._work is None:
                return
            self._pending = True
        call_soon(self._run)

    @property
    def pending(self) -> bool:
        """Whether the job was requested and has not begun."""
        return self._pending

    def cancel(self) -> None:
        """Cancel the job for good."""
        with self._lock:
            self._work = None

    def _run(self) -> None:
        with self._lock:
            self._pending = False
            work = self._work
        if work is not None:
            work()
