"""Sentences for a monitor's user, those on failures of the monitor's own code included."""

import contextlib
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Notes(dict[str, str]):
    """Sentences by kind. A part of the monitor's work that fails becomes one of them, and the training goes on."""

    def softly(self, otherwise: T, look: Callable[P, T], *given: P.args, **more: P.kwargs) -> T:
        """Return what a function returns; where it raises, note that and return `otherwise`."""
        try:
            return look(*given, **more)
        except Exception as error:
            name = getattr(look, "__name__", "a look").strip("_")
            self.failed(f"a part of the samples ({name})", error)
            return otherwise

    @contextlib.contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """A block that is left where it raises, with a note that `what` could not be recorded."""
        try:
            yield
        except Exception as error:
            self.failed(what, error)

    def failed(self, what: str, error: Exception) -> None:
        """Note that something could not be recorded, and why."""
        words = f"{type(error).__name__}: {error}"
        self["failed"] = f"{what} could not be recorded: {words:.200}"
