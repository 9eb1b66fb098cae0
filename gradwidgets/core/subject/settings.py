"""Temporary torch settings, restored however the block ends."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

# A setting's getter and setter.
Way = tuple[Callable[[], Any], Callable[[Any], None]]


class EndsTwice:
    """A block whose end may be interrupted, even before its first line, and which is therefore ended twice.

        with Block() as block, block.again():
            ...

    The first end does the work; the second only has something left to do if the first was interrupted.
    """

    def __enter__(self) -> Self:
        """Enter the block."""
        return self

    def again(self) -> "_Again":
        """The same block once more, inside the first."""
        return _Again(self)

    def begin(self) -> None:
        """Change what the end restores; inside the first block, whose end follows an interrupt here too."""

    def end(self) -> None:
        """Do what is left to do at the end."""
        raise NotImplementedError

    def __exit__(self, kind: type | None, raised: BaseException | None, trace: TracebackType | None) -> None:
        """End the block."""
        self.end()


class _Again:
    def __init__(self, block: EndsTwice) -> None:
        self._block = block

    def __enter__(self) -> EndsTwice:
        self._block.begin()
        return self._block

    def __exit__(self, kind: type | None, raised: BaseException | None, trace: TracebackType | None) -> None:
        self._block.end()


class Settings(EndsTwice):
    """Settings that hold inside a block and are restored after it.

    Args:
        wanted: (getter, setter) → the value to set.
    """

    def __init__(self, wanted: Mapping[Way, object]) -> None:
        self._wanted = wanted
        self._held: dict[Way, object] = {}

    def __enter__(self) -> Self:
        """Apply the settings."""
        try:
            for way, value in self._wanted.items():
                read, put = way
                self._held[way] = read()
                put(value)
        except BaseException:
            self.end()
            raise
        return self

    def end(self) -> None:
        """Restore what has changed; may be called again."""
        for (read, put), held in self._held.items():
            if read() != held:
                put(held)
