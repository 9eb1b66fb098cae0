"""Changes of traits that are made as one: by one thread at a time, all of them or none."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping

from traitlets import Bunch, HasTraits


class Changes:
    """The changes of one object's traits.

    Args:
        owner: The object, whose `hold_trait_notifications` is `held`, and whose `notify_change` asks `hold` first.
    """

    def __init__(self, owner: HasTraits) -> None:
        self._owner = owner
        self.reset()

    def reset(self) -> None:
        """Forget everything that was begun: an interrupt may have come between any two lines."""
        self._lock, self._on_thread = threading.RLock(), threading.local()
        self._held: dict[str, Bunch] | None = None  # changes that the observers have not been notified of
        self._holder: int | None = None  # the thread that makes these changes
        self._owner._cross_validation_lock = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A block of changes, for one thread at a time; an exception inside undoes all of them."""
        with self._lock:
            if self._held is not None:
                yield
                return
            owner = self._owner
            before = dict(owner._trait_values)
            self._held, self._holder, owner._cross_validation_lock = {}, threading.get_ident(), True
            try:
                yield
                owner._cross_validation_lock = False
                for name in tuple(self._held):
                    owner.set_trait(name, getattr(owner, name))
            except BaseException:
                owner._trait_values.update(before)
                self._held = {}
                raise
            finally:
                owner._cross_validation_lock = False
                held, self._held = self._held, None
        self._tell_all(held)

    def _tell_all(self, held: Mapping[str, Bunch]) -> None:
        """Notify the observers, without the lock, as they may wait for another thread."""
        own = self._on_thread
        before, own.followed = getattr(own, "followed", None), False
        try:
            for change in held.values():
                self._owner.notify_change(change)
        finally:
            own.followed = before

    def hold(self, change: Bunch) -> bool:
        """Hold a change until the block of this thread ends; return False if there is no such block."""
        if self._held is None or self._holder != threading.get_ident():
            return False
        if change.name in self._held:
            self._held[change.name]["new"] = change.new
        else:
            self._held[change.name] = change
        return True

    def is_first(self) -> bool:
        """Whether a change is the first notified of several made as one: what follows is done once."""
        own = self._on_thread
        first = not getattr(own, "followed", None)
        if getattr(own, "followed", None) is not None:
            own.followed = True
        return first

    @property
    def applying(self) -> bool:
        """Whether this thread is in a block of `as_one`."""
        return getattr(self._on_thread, "applying", 0) > 0

    @contextlib.contextmanager
    def as_one(self) -> Iterator[None]:
        """A block of changes, all or none, after which the caller takes care of what follows."""
        own = self._on_thread
        own.applying = getattr(own, "applying", 0) + 1
        try:
            with self.held():
                yield
        finally:
            own.applying -= 1
