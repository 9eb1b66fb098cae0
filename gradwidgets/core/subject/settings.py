"""Settings of torch's for a while, put back however the while ends."""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

# How a setting is read and put, whatever kind of thing it is.
Way = tuple[Callable[[], Any], Callable[[Any], None]]


class EndsTwice:
    """A block whose end may be interrupted, before its first line too, and which therefore ends twice.

        with Block() as block, block.again():
            ...

    The first end does the work; the second has something left to do only where the first was interrupted.
    """

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def again(self) -> "_Again":
        """The same block once more, inside the first."""
        return _Again(self)

    def begin(self) -> None:
        """Change what the end puts back; inside the first block, whose end follows an interrupt here too."""

    def end(self) -> None:
        """Do what is to be done at the end, unless that is done."""
        raise NotImplementedError

    def __exit__(self, kind: type | None, raised: BaseException | None, trace: TracebackType | None) -> None:
        """End."""
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
    """Settings that hold inside a block, and afterwards are as they were before it.

    Args:
        wanted: How a setting is read and set → what it is to be.
    """

    def __init__(self, wanted: Mapping[Way, object]) -> None:
        self._wanted = wanted
        self._held: dict[Way, object] = {}

    def __enter__(self) -> Self:
        """Set them."""
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
        """Put back what is not as it was; may be called again."""
        for (read, put), held in self._held.items():
            if read() != held:
                put(held)
