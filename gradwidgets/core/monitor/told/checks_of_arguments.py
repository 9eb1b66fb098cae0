"""The arguments of a monitor, checked in words."""

import math
from numbers import Integral, Real


def whole(name: str, value: object, low: int, or_else: str = "") -> int:
    """A whole number ≥ low, as an argument."""
    allowed = f"a whole number ≥ {low}{or_else}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {allowed}; got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")
    return int(value)


def yes_or_no(name: str, value: object) -> bool:
    """True or False, as an argument."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return value


def seconds(name: str, value: object) -> float:
    """Seconds ≥ 0, as an argument."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number ≥ 0; got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number ≥ 0; got {value!r}")
    return float(value)


def share(name: str, value: object) -> float:
    """A share above 0, as an argument."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    return float(value)
