"""Who works on a panel, and when: one thread at a time, and the main one where anything is painted.

A trait may be set on any thread: JupyterLab runs a slider's messages on subshells, and `traitlets.link` hands them on
there. What follows from it is done on the main thread: on the line that set it where that is the main thread, soon
where it is another. Soon means once, with the newest settings.
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
_AGAIN = 20  # times that what listens to a change may ask for another one before the page gets its turn


def shown_at_home(method: Callable[..., None]) -> Callable[..., None]:
    """A method that paints: on another thread than the main one, the main one is asked to call it soon, once.

    Its object has `Turns` as `_turns`.
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
        read: Called on the main thread soon after `request`; it should `pay`.
        interrupted: Called when an interrupt has struck, with whatever was begun left half done.

    Attributes:
        owed: Name → what the main thread is to do soon.
    """

    def __init__(self, read: Callable[[], None], interrupted: Callable[[], None]) -> None:
        self.owed: dict[str, Callable[[], None]] = {}
        self._owing = threading.Lock()
        self._on_thread = threading.local()
        self._read, self._interrupted = Latest(read), interrupted

    def request(self) -> None:
        """Have the main thread look soon at what is owed and what was moved."""
        self._read.request()

    @property
    def requested(self) -> bool:
        """Whether it is still to do so."""
        return self._read.pending

    def close(self) -> None:
        """Look no more."""
        self._read.cancel()

    def owe(self, name: str, work: Callable[[], None]) -> None:
        """Have something done on the main thread soon; asked for again until then, it is done once, the newest way."""
        with self._owing:
            self.owed.pop(name, None)
            self.owed[name] = work
        self.request()

    def pay(self) -> None:
        """Do what is owed, on the main thread and not amidst other work."""
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
        """Whether this is called by what computes or paints: by what listens to it, say."""
        return getattr(self._on_thread, "amid", 0) > 0

    def amid(self, work: Callable[[], T]) -> T:
        """Do something that no change from inside may do again: it is done afterwards."""
        own = self._on_thread
        own.amid = getattr(own, "amid", 0) + 1
        try:
            return work()
        finally:
            own.amid -= 1

    def alone(self, work: Callable[[], T]) -> T:
        """Compute or paint while no other thread does; an interrupt is said, and raised."""
        with AT_WORK, contextlib.nullcontext() if self.amidst else as_usual():
            return self.told(work)

    def told(self, work: Callable[[], T]) -> T:
        """Do something; an interrupt is said, and raised."""
        try:
            return work()
        except Exception:
            raise
        except BaseException:
            self._on_thread = threading.local()
            self._interrupted()
            raise
