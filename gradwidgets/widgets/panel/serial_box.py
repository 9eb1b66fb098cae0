"""A box whose settings are set by one thread at a time, and which is worked on by one thread at a time.

A trait may be set on any thread: JupyterLab runs a slider's messages on subshells, and `traitlets.link` hands them on
there. The value is checked and taken at once; what follows from it is done on the main thread: on the line that set it
where that is the main thread, soon where it is another. Soon means once, with the newest settings.

An interrupt may strike anywhere. What was begun and not finished is therefore marked before it is begun, and made anew.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import ipywidgets as widgets
from traitlets import Bunch

from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.mainloop import AT_WORK, Latest, at_home

T = TypeVar("T")
_AGAIN = 20  # times that what listens to a change may ask for another one before the page gets its turn


def shown_at_home(method: Callable[..., None]) -> Callable[..., None]:
    """A method that paints: on another thread than the main one, the main one is asked to call it soon, once."""

    @functools.wraps(method)
    def handed(self, *args) -> None:
        if at_home():
            method(self, *args)
        else:
            self.owe(method.__name__, functools.partial(method, self, *args))

    return handed


class SerialBox(widgets.VBox):
    """A box of settings and what shows them."""

    _held: dict[str, Bunch] | None = None  # changes that nobody has been told of
    _holder: int | None = None  # the thread that makes them

    def __init__(self, **keywords) -> None:
        self._own = frozenset(self.class_trait_names(setting=True)) | frozenset(self.class_trait_names(lesson=True))
        self._setting = threading.RLock()
        self._on_thread = threading.local()
        self._owed: dict[str, Callable[[], None]] = {}
        self._owing = threading.Lock()
        self._pull = Latest(self._read_controls)
        super().__init__(**keywords)

    def _read_controls(self) -> None:
        """Do what is owed, and apply what people moved since the last time."""
        raise NotImplementedError  # by SettingsPanel

    # -- settings are set by one thread at a time ------------------------------------------------------------

    @contextlib.contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        """As traitlets has it, for one thread at a time; whatever is raised inside takes all of it back."""
        with self._setting:
            if self._held is not None:
                yield
                return
            before = dict(self._trait_values)
            self._held, self._holder, self._cross_validation_lock = {}, threading.get_ident(), True
            try:
                yield
                self._cross_validation_lock = False
                for name in tuple(self._held):
                    self.set_trait(name, getattr(self, name))
            except BaseException:
                self._trait_values.update(before)
                self._held = {}
                raise
            finally:
                self._cross_validation_lock = False
                held, self._held = self._held, None
        self._tell_all(held)

    def _tell_all(self, held: Mapping[str, Bunch]) -> None:
        """Tell who listens, without the lock: they may wait for another thread."""
        own = self._on_thread
        before, own.followed = getattr(own, "followed", None), False
        try:
            for change in held.values():
                self.notify_change(change)
        finally:
            own.followed = before

    def _first_of_several(self) -> bool:
        """Whether a change is the first that is told of several made as one: what follows is done once."""
        own = self._on_thread
        first = not getattr(own, "followed", None)
        if getattr(own, "followed", None) is not None:
            own.followed = True
        return first

    def notify_change(self, change: Bunch) -> None:
        """Tell who listens; while changes are held, later."""
        if self._held is None or self._holder != threading.get_ident():
            super().notify_change(change)
        elif change.name in self._held:
            self._held[change.name]["new"] = change.new
        else:
            self._held[change.name] = change

    @property
    def _applying(self) -> bool:
        """Whether this thread sets several settings as one change."""
        return getattr(self._on_thread, "applying", 0) > 0

    @contextlib.contextmanager
    def _as_one(self) -> Iterator[None]:
        """Set several settings; all or none, and whoever does it sees to what follows."""
        own = self._on_thread
        own.applying = getattr(own, "applying", 0) + 1
        try:
            with self.hold_trait_notifications():
                yield
        finally:
            own.applying -= 1

    # -- the main thread does what follows -------------------------------------------------------------------

    def owe(self, name: str, work: Callable[[], None]) -> None:
        """Have something done on the main thread soon; asked for again until then, it is done once, the newest way."""
        with self._owing:
            self._owed.pop(name, None)
            self._owed[name] = work
        self._pull.request()

    def _pay(self) -> None:
        """Do what is owed, on the main thread and not amidst other work."""
        if not self._owed or self._amidst or not at_home():
            return
        for _ in range(_AGAIN):
            with self._owing:
                owed, self._owed = self._owed, {}
            if not owed:
                return
            self.amid(lambda owed=owed: [work() for work in owed.values()])
        self._pull.request()

    @property
    def _amidst(self) -> bool:
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
        with AT_WORK, contextlib.nullcontext() if self._amidst else as_usual():
            return self._told(work)

    def _told(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except Exception:
            raise
        except BaseException:
            self._interrupted()
            raise

    def _interrupted(self) -> None:
        """Be as if nothing had been begun: an interrupt may have struck between any two lines."""
        self._setting, self._on_thread, self._held = threading.RLock(), threading.local(), None
        self._cross_validation_lock = False
