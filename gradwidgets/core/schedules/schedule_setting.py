"""The settings of a schedule, declared once like an optimizer's: numbers, counts, names and flags."""

import math
from dataclasses import MISSING, dataclass, field
from typing import Any

from gradwidgets.core.optimizers.setting import Scale, Setting
from gradwidgets.core.results.allowed import is_number, is_whole


@dataclass(frozen=True)
class Count(Setting):
    """A whole number, at least `least`; or None where `optional`."""

    optional: bool = False

    def check(self, name: str, value: object, default: object) -> object:
        """Validate a value; the words are those of torch where it checks a count."""
        if value is None and self.optional:
            return None
        if not is_whole(value) or value < self.least:
            kind = "positive" if self.least > 0 else "non-negative"
            raise ValueError(f"Expected {kind} integer {name}, but got {value!r}")
        return int(value)


@dataclass(frozen=True)
class Milestones(Setting):
    """Whole numbers above 0, in any order."""

    def check(self, name: str, value: object, default: object) -> object:
        """Validate them and return a tuple."""
        if not isinstance(value, (tuple, list)) or not all(is_whole(one) and one > 0 for one in value):
            raise ValueError(f"Expected positive integers {name}, but got {value!r}")
        return tuple(int(one) for one in value)


@dataclass(frozen=True)
class Choice(Setting):
    """One of several names."""

    names: tuple[str, ...] = ()

    def check(self, name: str, value: object, default: object) -> object:
        """Validate a name."""
        if value not in self.names:
            raise ValueError(f"{name} must be one of {' or '.join(map(repr, self.names))}, instead got {value!r}")
        return value


@dataclass(frozen=True)
class Flag(Setting):
    """True or False."""

    def check(self, name: str, value: object, default: object) -> object:
        """Validate a flag."""
        if not isinstance(value, bool):
            raise ValueError(f"Invalid {name} value: {value!r}")
        return value


@dataclass(frozen=True)
class Amount(Setting):
    """Any finite number: what is out of range, torch's own class refuses."""

    def check(self, name: str, value: object, default: object) -> object:
        """Validate a number."""
        if not is_number(value) or not _is_finite(value):
            raise ValueError(f"Invalid {name}: {value!r}")
        return float(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False


def amount(meaning: str, default: Any = MISSING, stops: tuple[float, float] = (0.0, 1.0), scale: Scale = "even") -> Any:
    """Declare a number, and which values a slider reaches."""
    return _field(Amount(meaning, stops=stops, scale=scale), default)


def rate(meaning: str, default: Any = MISSING) -> Any:
    """Declare a learning rate, which may be 0 if it is so by default."""
    return amount(meaning, default, (1e-4, 10.0), "log" if default is MISSING else "0 and log")


def momentum(meaning: str, default: float) -> Any:
    """Declare a momentum."""
    return amount(meaning, default, scale="near 1")


def count(meaning: str, default: Any = MISSING, least: int = 1, optional: bool = False) -> Any:
    """Declare a count of steps."""
    return _field(
        Count(meaning, least=least, optional=optional, range=(least, 100_000), stops=(least, 1000), scale="log"),
        default,
    )


def choice(meaning: str, *names: str) -> Any:
    """Declare a name, the first of them by default."""
    return _field(Choice(meaning, names=names), names[0])


def flag(meaning: str, default: bool) -> Any:
    """Declare a flag."""
    return _field(Flag(meaning), default)


def milestones(meaning: str) -> Any:
    """Declare the steps at which something happens."""
    return _field(Milestones(meaning), MISSING)


def _field(setting: Setting, default: Any) -> Any:
    return field(default=default, metadata={"setting": setting})
