"""Settings that are refused in torch's words, or in words of the same kind."""

import math
from numbers import Real


def as_number(words: str, value: object, low: float = -math.inf, below: float = math.inf) -> float:
    """`value` as a float; ValueError "Invalid `words`" unless it is finite, at least `low` and below `below`."""
    if not _is_finite_number(value) or not low <= value < below:
        raise ValueError(f"Invalid {words}: {value}")
    return float(value)


def check_flag(name: str, value: object) -> None:
    """Raise ValueError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"Invalid {name} value: {value}")


def _is_finite_number(value: object) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False
