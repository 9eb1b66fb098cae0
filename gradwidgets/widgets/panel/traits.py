"""Traits that validate themselves: an error names the setting, the value and what is allowed.

A trait is the one declaration of a setting: its default, what is allowed, and its meaning in plain words (`help`), from
which the control's tooltip and the tables of docs/reference.md are made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsFloat, TypeVar

import traitlets
from traitlets import TraitError

from gradwidgets.widgets.controls.values import Listed, as_float, as_floats, as_texts, shown

# Returns names for the object that has a trait, whose class is still being made where the trait is declared.
Options = Callable[[Any], Iterable[str]]
Show = Callable[[object], str]
Int = TypeVar("Int", int, int | None)
G = TypeVar("G")
S = TypeVar("S")


class Setting(traitlets.TraitType[G, S]):
    """A trait that says what is allowed.

    If the names depend on what an object shows, `.tag(told="…")` describes them in Markdown; `none="for …"` describes
    the meaning of None; `elsewhere={"with …": …}` are the defaults in other cases, which the panel itself puts in.
    """

    def allowed(self, owner: Any = None, show: Show = repr) -> str:
        """Describe the allowed values.

        Args:
            owner: The object that has the trait; or its class, for what is allowed in any of its objects.
            show: Formats a value.
        """
        told = self.metadata.get("told") if isinstance(owner, type) else None
        none = f", or {show(None)} {self.metadata.get('none', '')}".rstrip() if self.allow_none else ""
        return (told or self._values(owner, show)) + none

    def refusal(self, owner: Any, value: object) -> TraitError:
        """Return the error for a value that is not allowed."""
        return TraitError(f"{self.name} must be {self.allowed(owner)}; got {shown(value)}")

    def _values(self, owner: Any, show: Show) -> str:
        """Describe the allowed values except None."""
        raise NotImplementedError


def declared(owner: type[traitlets.HasTraits], tag: str = "setting") -> dict[str, traitlets.TraitType[Any, Any]]:
    """Return a class's traits with a tag, by name, in the order of their declaration, its own before inherited ones."""
    tagged = owner.class_traits(**{tag: True})
    return {name: tagged[name] for kind in owner.__mro__ for name in vars(kind) if name in tagged}


def meanings(panel: traitlets.HasTraits) -> dict[str, str]:
    """Return what a panel's settings mean, in plain words, by name."""
    return {name: trait.help or "" for name, trait in declared(type(panel)).items()}


def _listed(names: Iterable[str], show: Show) -> str:
    return ", ".join(map(show, names))


class Real(Setting[float, SupportsFloat]):
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
        help: str = "",
    ) -> None:
        self.low, self.high, self.above = low, high, above
        super().__init__(default_value, help=help)

    def _values(self, owner: Any, show: Show) -> str:
        if self.low == -math.inf and self.high == math.inf:
            return "a finite number"
        if self.high == math.inf:
            return f"a finite number {'above' if self.above else 'of at least'} {self.low:g}"
        from_low = f"above {self.low:g} up" if self.above else f"from {self.low:g}"
        return f"a number {from_low} to {self.high:g}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> float:
        """Return the value as a float, or raise a TraitError that says what is allowed."""
        number = as_float(value)
        if number is None or not math.isfinite(number) or not self._inside(number):
            raise self.refusal(obj, value)
        return number

    def _inside(self, number: float) -> bool:
        return (number > self.low if self.above else number >= self.low) and number <= self.high


class Flag(Setting[bool, bool | int]):
    """True or False; NumPy's bools count."""

    info_text = "a boolean"

    def _values(self, owner: Any, show: Show) -> str:
        return f"{show(True)} or {show(False)}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> bool:
        """Return True or False, or raise a TraitError."""
        if isinstance(value, bool) or (type(value).__name__ in ("bool_", "bool") and hasattr(value, "dtype")):
            return bool(value)
        raise self.refusal(obj, value)


class Whole(Setting[Int, SupportsFloat | None]):
    """A whole number within bounds; 100.0 counts as 100, bools and strings do not count.

    Args:
        default_value: The default.
        low: The smallest value.
        high: The largest value.
        allow_none: Whether None is allowed too.
    """

    info_text = "a whole number"

    def __init__(self, default_value: Int, *, low: int, high: int, allow_none: bool = False, help: str = "") -> None:
        self.low, self.high = low, high
        super().__init__(default_value, allow_none=allow_none, help=help)

    def _values(self, owner: Any, show: Show) -> str:
        return f"a whole number from {self.low:,} to {self.high:,}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> Int:
        """Return the value as an int, or raise a TraitError that says what is allowed."""
        number = as_float(value)
        if number is None or not math.isfinite(number) or number != int(number) or not self.low <= number <= self.high:
            raise self.refusal(obj, value)
        return int(number)


class Pair(Setting[tuple[float, float], Sequence[float] | Listed]):
    """Two finite numbers, stored as a tuple.

    Args:
        default_value: The default.
        low: The smallest value of either.
        high: The largest value of either.
    """

    info_text = "two finite numbers"

    def __init__(
        self, default_value: tuple[float, float], *, low: float = -1e150, high: float = 1e150, help: str = ""
    ) -> None:
        self.low, self.high = low, high
        super().__init__(default_value, help=help)

    def _values(self, owner: Any, show: Show) -> str:
        if self.high == 1e150:
            return "two finite numbers, at most 1e150 in size"
        return f"two numbers from {self.low:g} to {'below 1' if 0.9999 < self.high < 1 else f'{self.high:g}'}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[float, float]:
        """Return the value as a tuple of floats, or raise a TraitError that says what is allowed."""
        pair = as_floats(value)
        if pair is None or len(pair) != 2 or not all(self.low <= number <= self.high for number in pair):
            raise self.refusal(obj, value)
        return pair[0], pair[1]


class OneOf(Setting[str, str]):
    """One of a set of names; the error for a wrong one lists the right ones.

    Args:
        default_value: The default.
        options: Returns the names for an object that has the trait.
    """

    info_text = "one of a set of names"

    def __init__(self, default_value: str, options: Options, *, help: str = "") -> None:
        self._options = options
        super().__init__(default_value, help=help)

    def _values(self, owner: Any, show: Show) -> str:
        return f"one of {_listed(self._options(owner), show)}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> str:
        """Return the name, or raise a TraitError that lists the right ones."""
        if not isinstance(value, str) or value not in tuple(self._options(obj)):
            raise self.refusal(obj, value)
        return value


class SomeOf(Setting[tuple[str, ...], Iterable[str]]):
    """At least one of a set of names, stored as a tuple in the set's order.

    Args:
        default_value: The default.
        options: Returns the names.
    """

    info_text = "some of a set of names"

    def __init__(self, default_value: tuple[str, ...], options: Callable[[], Iterable[str]], *, help: str = "") -> None:
        self._options = options
        super().__init__(default_value, help=help)

    def _values(self, owner: Any, show: Show) -> str:
        return f"one or more of {_listed(self._options(), show)}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[str, ...]:
        """Return the names in order, or raise a TraitError that lists the right ones."""
        names = (value,) if isinstance(value, str) else as_texts(value)
        options = tuple(self._options())
        if not names or not set(names) <= set(options):
            raise self.refusal(obj, value)
        return tuple(name for name in options if name in names)


class Names(Setting[tuple[str, ...], Iterable[str]]):
    """Any number of a set of names, stored as a tuple in the given order; the error lists the right ones.

    Args:
        options: Returns the names for an object that has the trait.
    """

    info_text = "names"

    def __init__(self, options: Options, *, help: str = "") -> None:
        self._options = options
        super().__init__((), help=help)

    def _values(self, owner: Any, show: Show) -> str:
        return f"some of {_listed(self._options(owner), show)}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[str, ...]:
        """Return the names, or raise a TraitError that lists the right ones."""
        names = (value,) if isinstance(value, str) else as_texts(value)
        if names is None or not set(names) <= set(self._options(obj)):
            raise self.refusal(obj, value)
        return tuple(dict.fromkeys(names))


class TwoOf(Setting[tuple[str, str] | None, Iterable[str] | None]):
    """Two different names out of a set, stored as a tuple; or None.

    Args:
        options: Returns the names.
    """

    info_text = "two of a set of names, or None"

    def __init__(self, options: Options, *, help: str = "") -> None:
        self._options = options
        super().__init__(None, allow_none=True, help=help)

    def _values(self, owner: Any, show: Show) -> str:
        return f"two of {_listed(self._options(owner), show)}"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[str, str] | None:
        """Return the names, or raise a TraitError that lists the right ones."""
        if value is None:
            return None
        names = as_texts(value) or ()
        right = tuple(self._options(obj))
        if len(names) != 2 or names[0] == names[1] or any(name not in right for name in names):
            raise self.refusal(obj, value)
        return names[0], names[1]


class Place(Setting[tuple[float, ...] | None, Sequence[float] | Listed | None]):
    """A finite number for each axis, stored as a tuple; or None for the middle of the view."""

    info_text = "a number for each axis"

    def _values(self, owner: Any, show: Show) -> str:
        return "one finite number for each axis"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[float, ...] | None:
        """Return the point as a tuple of floats, or raise a TraitError that says what is allowed."""
        if value is None:
            return None
        place = as_floats(value)
        if place is None or len(place) not in (1, 2) or not all(abs(number) <= 1e150 for number in place):
            raise self.refusal(obj, value)
        return tuple(place)


class Span(Setting[tuple[float, float] | None, Sequence[float] | Listed | None]):
    """Two finite numbers, the first less than the second; or None for the default."""

    info_text = "a range (low, high)"

    def _values(self, owner: Any, show: Show) -> str:
        return "(low, high), finite numbers with low < high"

    def validate(self, obj: traitlets.HasTraits, value: object) -> tuple[float, float] | None:
        """Return the range as a tuple of floats, or raise a TraitError that says what is allowed."""
        if value is None:
            return None
        ends = as_floats(value)
        if ends is None or len(ends) != 2 or not -1e150 <= ends[0] < ends[1] <= 1e150:
            raise self.refusal(obj, value)
        return ends[0], ends[1]


class Numbers(Setting[dict[str, float], dict[str, float]]):
    """Names and finite numbers, stored as a dict in the order of the names; only names that the object has.

    Args:
        default_value: The default.
        names: Returns the right names.
    """

    info_text = "a dict of names and numbers"

    def __init__(self, default_value: dict[str, float], names: Options, *, help: str = "") -> None:
        self._names = names
        super().__init__(default_value, help=help)

    def _values(self, owner: Any, show: Show) -> str:
        return f"a dict of finite numbers for {_listed(self._names(owner), show)}"

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
