"""A cache of the last results, by what they depend on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """A cache of the last value of each kind, valid while its key stays the same."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[object, Any]] = {}  # kind → key, and what was made for it

    def get(self, kind: str, key: object, make: Callable[[], T]) -> T:
        """Return the cached value for this key, or make it.

        Args:
            kind: The kind of value; one value of each kind is cached.
            key: What it depends on, compared by ==, or by identity for results.
            make: Makes the value.
        """
        known = self._values.get(kind)
        if known is None or known[0] != key:
            self._values[kind] = known = key, make()
        return known[1]
