"""Checks of the arguments that describe a network."""

import math
from numbers import Integral, Real


def whole(name: str, value: object, least: int, most: int) -> int:
    """Check a whole number.

    Args:
        name: What the argument is called.
        value: What was given.
        least: The smallest that is allowed.
        most: The largest.

    Returns:
        The value as an int.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number from {least} to {most}; got {value!r:.60}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}; got {value!r:.60}")
    return int(value)


def positive(name: str, value: object) -> float:
    """Check a finite number above zero; arguments, result and errors as for `whole`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number above 0; got {value!r:.60}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be finite and above 0; got {value!r:.60}")
    return float(value)
