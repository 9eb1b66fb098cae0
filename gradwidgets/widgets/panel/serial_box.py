"""A box whose settings are set by one thread at a time: settings set together take effect as a whole, or not at all.

An interrupt may come anywhere. Therefore unfinished work is marked before it begins, and redone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping

import ipywidgets as widgets
from traitlets import Bunch

from gradwidgets.widgets.kernel.main_thread import Turns


class SerialBox(widgets.VBox):
    """A box of settings and the widgets that show them."""

    _held: dict[str, Bunch] | None = None  # changes not yet notified
    _holder: int | None = None  # the thread that makes them

    def __init__(self, **keywords: object) -> None:
        self._own = frozenset(self.class_trait_names(setting=True)) | frozenset(self.class_trait_names(lesson=True))
        self._setting = threading.RLock()
        self._on_thread = threading.local()
        self._turns = Turns(self._read_controls, self._interrupted)
        super().__init__(**keywords)

    def _read_controls(self) -> None:
        """Do pending work, and apply what the user moved since the last time."""
        raise NotImplementedError  # by SettingsPanel

    @contextlib.contextmanager
    def hold_trait_notifications(self) -> Iterator[None]:
        """Like traitlets' method, for one thread at a time; an exception inside undoes all changes."""
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
        """Notify the observers, without the lock, as they may wait for another thread."""
        own = self._on_thread
        before, own.followed = getattr(own, "followed", None), False
        try:
            for change in held.values():
                self.notify_change(change)
        finally:
            own.followed = before

    def _first_of_several(self) -> bool:
        """Whether a change is the first notified of several made as one: what follows is done once."""
        own = self._on_thread
        first = not getattr(own, "followed", None)
        if getattr(own, "followed", None) is not None:
            own.followed = True
        return first

    def notify_change(self, change: Bunch) -> None:
        """Notify the observers; later, while changes are held."""
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
        """Set several settings, all or none; the caller takes care of what follows."""
        own = self._on_thread
        own.applying = getattr(own, "applying", 0) + 1
        try:
            with self.hold_trait_notifications():
                yield
        finally:
            own.applying -= 1

    def _interrupted(self) -> None:
        """Reset to a clean state: an interrupt may have come between any two lines."""
        self._setting, self._on_thread, self._held = threading.RLock(), threading.local(), None
        self._cross_validation_lock = False
