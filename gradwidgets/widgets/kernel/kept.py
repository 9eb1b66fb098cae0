"""What was computed last, kept by what it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """The last value of each kind, for as long as it is asked for with the same key."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[object, Any]] = {}  # kind → key, and what was made for it

    def get(self, kind: str, key: object, make: Callable[[], T]) -> T:
        """Return what was made for this key, or make it.

        Args:
            kind: Which value; of each kind one is kept.
            key: What it depends on, compared by ==; a result, which has no such comparison, by being itself.
            make: Makes it.
        """
        known = self._values.get(kind)
        if known is None or known[0] != key:
            self._values[kind] = known = key, make()
        return known[1]
