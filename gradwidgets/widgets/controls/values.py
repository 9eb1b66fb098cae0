"""Values of any kind, from the page, a file or Python, as plain numbers and strings; None for what is neither."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class Listed(Protocol):
    """Several numbers that need not be a sequence: an array, a tensor, a column."""

    def tolist(self) -> Any:
        """Return them as a list."""


def shown(value: object) -> str:
    """Return any value as an error message shows it."""
    try:
        text = repr(value)
    except Exception:  # an int of ten thousand digits has no repr
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "…"


def as_texts(values: object) -> tuple[str, ...] | None:
    """Return several names as a tuple; None for anything else."""
    if isinstance(values, str) or not isinstance(values, Iterable) or isinstance(values, Mapping):
        return None
    values = tuple(values)
    return values if all(isinstance(one, str) for one in values) else None


def as_float(value: object) -> float | None:
    """Return a number of any kind as a float; None for anything else, including strings and bools."""
    if isinstance(value, bool | str | bytes) or value is None or str(getattr(value, "dtype", "")).endswith("bool"):
        return None
    if hasattr(value, "detach"):
        value = value.detach()
    if not isinstance(value, numbers.Real) and getattr(value, "ndim", None) != 0:
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # whether it can be one, it says itself
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def as_floats(value: object) -> list[float] | None:
    """Return several numbers of any kind as floats; None for what is none, or holds anything else."""
    items = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        return None
    found = [number for number in map(as_float, items) if number is not None]
    return found if len(found) == len(items) else None
