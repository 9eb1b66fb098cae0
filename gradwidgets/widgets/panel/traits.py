"""Traits that validate themselves: an error names the setting, the value and what is allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, SupportsFloat, TypeVar

import traitlets
from traitlets import TraitError

# Gives names for the object that holds a trait, whose class is only being made where the trait is declared.
Options = Callable[[Any], Iterable[str]]
Int = TypeVar("Int", int, int | None)


class Listed(Protocol):
    """What can be several numbers without being a sequence: an array, a tensor, a column."""

    def tolist(self) -> Any:
        """Return them as a list."""


def shown(value: object) -> str:
    """Return any value as an error message shows it."""
    try:
        text = repr(value)
    except Exception:  # an int of ten thousand digits has no repr
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "…"


def _texts(values: object) -> tuple[str, ...] | None:
    """Return several names as a tuple; None for anything else."""
    if isinstance(values, str) or not isinstance(values, Iterable) or isinstance(values, Mapping):
        return None
    values = tuple(values)
    return values if all(isinstance(one, str) for one in values) else None


class Real(traitlets.TraitType[float, SupportsFloat]):
    """A finite real number within bounds; NumPy and torch scalars count, bools and strings do not.

    Args:
        default_value: The default.
        low: The smallest value, included unless `above` is set.
        high: The largest value, included.
        above: Whether `low` itself is excluded.
    """

    info_text = "a finite number"

    def __init__(
        self,
        default_value: float,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        above: bool = False,
    ) -> None:
        self.low, self.high, self.above = low, high, above
        super().__init__(default_value)

    def allowed(self) -> str:
        """Describe the allowed values."""
        if self.low == -math.inf and self.high == math.inf:
            return "a finite number"
        if self.high == math.inf:
            return f"a finite number {'above' if self.above else 'of at least'} {self.low:g}"
        return (
            f"a number {'above' if self.above else 'from'} {self.low:g} {'up ' if self.above else ''}to {self.high:g}"
        )

    def validate(self, obj: traitlets.HasTraits, value: object) -> float:
        """Return the value as a float, or raise a TraitError that says what is allowed."""
        number = as_float(value)
        if number is None or not math.isfinite(number) or not self._inside(number):
            raise TraitError(f"{self.name} must be {self.allowed()}; got {shown(value)}")
        return number

    def _inside(self, number: float) -> bool:
        return (number > self.low if self.above else number >= self.low) and number <= self.high


class Flag(traitlets.Bool[bool, bool | int]):
    """True or False; NumPy's bools count."""

    def validate(self, obj: traitlets.HasTraits, value: object) -> bool:
        """Return True or False, or raise a TraitError."""
        if isinstance(value, bool) or (type(value).__name__ in ("bool_", "bool") and hasattr(value, "dtype")):
            return bool(value)
        raise TraitError(f"{self.name} must be True or False; got {shown(value)}")


class Whole(traitlets.TraitType[Int, SupportsFloat | None]):
    """A whole number within bounds; 100.0 counts as 100, bools and strings do not count.

    Args:
        default_value: The default.
        low: The smallest value.
        high: The largest value.
        allow_none: Whether None is allowed too.
    """

    info_text = "a whole number"

    def __init__(self, default_value: Int, *, low: int, high: int, allow_none: bool = False) -> None:
        self.low, self.high = low, high
        super().__init__(default_value, allow_none=allow_none)

    def validate(self, obj: traitlets.HasTraits, value: object) -> Int:
        """Return the value as an int, or raise a TraitError that says what is allowed."""
        number = as_float(value)
        if number is None or not math.isfinite(number) or number != int(number) or not self.low <= number <= self.high:
            raise TraitError(
                f"{self.name} must be a whole number from {self.low:,} to {self.high:,}; got {shown(value)}"
            )
        return int(number)


class Pair(traitlets.TraitType[tuple[float, float], Sequence[float] | Listed]):
    """Two finite numbers, stored as a tuple.

    Args:
        default_value: The default.
        low: The smallest value of either.
        high: The largest value of either.
    """

    info_text = "two finite numbers"

    def __init__(self, default_value: tuple[float, float], *, low: float = -1e150, high: float = 1e150) -> None:
        self.low, self.high = low, high
        super().__init__(default_value)

    def allowed(self) -> str:
        """Describe the allowed values."""
        if self.high == 1e150:
            return "two finite numbers, at most 1e150 in size"
        return f"two numbers from {self.low:g} to {'below 1' if 0.9999 < self.high < 1 else f'{self.high:g}'}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[float, float]:
        """Return the value as a tuple of floats, or raise a TraitError that says what is allowed."""
        pair = as_floats(value)
        if pair is None or len(pair) != 2 or not all(self.low <= number <= self.high for number in pair):
            raise TraitError(f"{self.name} must be {self.allowed()}; got {shown(value)}")
        return pair[0], pair[1]


class OneOf(traitlets.TraitType[str, str]):
    """One of a set of names; the error for a wrong one lists the right ones.

    Args:
        default_value: The default.
        options: Returns the names for an object that has the trait.
    """

    info_text = "one of a set of names"

    def __init__(self, default_value: str, options: Options) -> None:
        self._options = options
        super().__init__(default_value)

    def validate(self, obj: traitlets.HasTraits, value: object) -> str:
        """Return the name, or raise a TraitError that lists the right ones."""
        options = tuple(self._options(obj))
        if not isinstance(value, str) or value not in options:
            raise TraitError(f"{self.name} must be one of {', '.join(map(repr, options))}; got {shown(value)}")
        return value


class SomeOf(traitlets.TraitType[tuple[str, ...], Iterable[str]]):
    """At least one of a set of names, stored as a tuple in the set's order.

    Args:
        default_value: The default.
        options: Returns the names.
    """

    info_text = "some of a set of names"

    def __init__(self, default_value: tuple[str, ...], options: Callable[[], Iterable[str]]) -> None:
        self._options = options
        super().__init__(default_value)

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[str, ...]:
        """Return the names in order, or raise a TraitError that lists the right ones."""
        names = (value,) if isinstance(value, str) else _texts(value)
        options = tuple(self._options())
        if not names or not set(names) <= set(options):
            right = ", ".join(map(repr, options))
            raise TraitError(f"{self.name} must be one or more of {right}; got {shown(value)}")
        return tuple(name for name in options if name in names)


class Names(traitlets.TraitType[tuple[str, ...], Iterable[str]]):
    """Any number of a set of names, stored as a tuple in the given order; the error lists the right ones.

    Args:
        options: Returns the names for an object that has the trait.
    """

    info_text = "names"

    def __init__(self, options: Options) -> None:
        self._options = options
        super().__init__(())

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[str, ...]:
        """Return the names, or raise a TraitError that lists the right ones."""
        names = (value,) if isinstance(value, str) else _texts(value)
        right = tuple(self._options(obj))
        if names is None or not set(names) <= set(right):
            raise TraitError(f"{self.name} must be some of {', '.join(map(repr, right))}; got {shown(value)}")
        return tuple(dict.fromkeys(names))


class TwoOf(traitlets.TraitType[tuple[str, str] | None, Iterable[str] | None]):
    """Two different names out of a set, stored as a tuple; or None.

    Args:
        options: Returns the names.
    """

    info_text = "two of a set of names, or None"

    def __init__(self, options: Options) -> None:
        self._options = options
        super().__init__(None, allow_none=True)

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[str, str] | None:
        """Return the names, or raise a TraitError that lists the right ones."""
        if value is None:
            return None
        names = _texts(value) or ()
        right = tuple(self._options(obj))
        if len(names) != 2 or names[0] == names[1] or any(name not in right for name in names):
            listed = ", ".join(map(repr, right))
            raise TraitError(f"{self.name} must be two of {listed}, or None; got {shown(value)}")
        return names[0], names[1]


class Place(traitlets.TraitType[tuple[float, ...] | None, Sequence[float] | Listed | None]):
    """A finite number for each axis, stored as a tuple; or None for the middle of the view."""

    info_text = "a number for each axis"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[float, ...] | None:
        """Return the point as a tuple of floats, or raise a TraitError that says what is allowed."""
        if value is None:
            return None
        place = as_floats(value)
        if place is None or len(place) not in (1, 2) or not all(abs(number) <= 1e150 for number in place):
            raise TraitError(f"{self.name} must be one finite number for each axis; got {shown(value)}")
        return tuple(place)


class Span(traitlets.TraitType[tuple[float, float] | None, Sequence[float] | Listed | None]):
    """Two finite numbers, the first less than the second; or None for the default."""

    info_text = "a range (low, high)"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[float, float] | None:
        """Return the range as a tuple of floats, or raise a TraitError that says what is allowed."""
        if value is None:
            return None
        ends = as_floats(value)
        if ends is None or len(ends) != 2 or not -1e150 <= ends[0] < ends[1] <= 1e150:
            raise TraitError(f"{self.name} must be (low, high), finite numbers with low < high; got {shown(value)}")
        return ends[0], ends[1]


class Numbers(traitlets.TraitType[dict[str, float], dict[str, float]]):
    """Names and finite numbers, stored as a dict in the order of the names; only names that the object has.

    Args:
        default_value: The default.
        names: Returns the right names.
    """

    info_text = "a dict of names and numbers"

    def __init__(self, default_value: dict[str, float], names: Options) -> None:
        self._names = names
        super().__init__(default_value)

    def validate(self, obj: traitlets.HasTraits, value: object) -> dict[str, float]:
        """Return the dict, or raise a TraitError that names what is wrong with it."""
        right = tuple(self._names(obj))
        if not isinstance(value, dict) or any(name not in right for name in value):
            raise TraitError(
                f"{self.name} must map {', '.join(map(repr, right)) or 'nothing'} to numbers; got {shown(value)}"
            )
        return {name: self._number(name, value[name]) for name in right if name in value}

    def _number(self, name: str, value: object) -> float:
        number = as_float(value)
        if number is None or not abs(number) <= 1e150:
            raise TraitError(f"{self.name}[{name!r}] must be a finite number; got {shown(value)}")
        return number


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
