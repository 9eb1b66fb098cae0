"""Coordination of the threads that work on a panel: one at a time, and only the main one paints.

A trait may be set on any thread: JupyterLab runs a slider's messages on subshells, and `traitlets.link` forwards them
there. What follows is done on the main thread: immediately if the trait was set there, otherwise soon. Soon means once,
with the latest settings.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.mainloop import AT_WORK, Latest, at_home

T = TypeVar("T")
_AGAIN = 20  # times that observers of a change may cause another one before the page gets its turn


def shown_at_home(method: Callable[..., None]) -> Callable[..., None]:
    """Decorate a method that paints: when called on another thread, it is called soon, once, on the main one.

    Its object must have `Turns` as `_turns`.
    """

    @functools.wraps(method)
    def handed(self: Any, *args: object) -> None:
        if at_home():
            method(self, *args)
        else:
            self._turns.owe(method.__qualname__, functools.partial(method, self, *args))

    return handed


def _do_all(works: Iterable[Callable[[], None]]) -> None:
    for work in works:
        work()


class Turns:
    """The turns of the threads that work on one panel.

    Args:
        read: Called on the main thread soon after `request`; it should call `pay`.
        interrupted: Called after an interrupt, which may have left work half done.

    Attributes:
        owed: Name → pending work for the main thread.
    """

    def __init__(self, read: Callable[[], None], interrupted: Callable[[], None]) -> None:
        self.owed: dict[str, Callable[[], None]] = {}
        self._owing = threading.Lock()
        self._on_thread = threading.local()
        self._read, self._interrupted = Latest(read), interrupted

    def request(self) -> None:
        """Make the main thread do the pending work and read the controls soon."""
        self._read.request()

    @property
    def requested(self) -> bool:
        """Whether a request is pending."""
        return self._read.pending

    def close(self) -> None:
        """Stop reacting to requests."""
        self._read.cancel()

    def owe(self, name: str, work: Callable[[], None]) -> None:
        """Schedule work on the main thread; of several requests under one name, only the latest is run."""
        with self._owing:
            self.owed.pop(name, None)
            self.owed[name] = work
        self.request()

    def pay(self) -> None:
        """Do the pending work, on the main thread and not in the middle of other work."""
        if not self.owed or self.amidst or not at_home():
            return
        for _ in range(_AGAIN):
            with self._owing:
                owed, self.owed = self.owed, {}
            if not owed:
                return
            self.amid(functools.partial(_do_all, owed.values()))
        self.request()

    @property
    def amidst(self) -> bool:
        """Whether this is called from within computing or painting, for instance by an observer."""
        return getattr(self._on_thread, "amid", 0) > 0

    def amid(self, work: Callable[[], T]) -> T:
        """Run work that a change from inside must not start again; that happens afterwards."""
        own = self._on_thread
        own.amid = getattr(own, "amid", 0) + 1
        try:
            return work()
        finally:
            own.amid -= 1

    def alone(self, work: Callable[[], T]) -> T:
        """Compute or paint while no other thread does; an interrupt is reported, and raised."""
        with AT_WORK, contextlib.nullcontext() if self.amidst else as_usual():
            return self.report_interrupt(work)

    def report_interrupt(self, work: Callable[[], T]) -> T:
        """Run work; an interrupt is reported, and raised."""
        try:
            return work()
        except Exception:
            raise
        except BaseException:
            self._on_thread = threading.local()
            self._interrupted()
            raise
