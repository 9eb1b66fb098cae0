"""Checks of the arguments that describe a network."""

import math

from gradwidgets.core.results.allowed import is_number, is_whole


def whole(name: str, value: object, least: int, most: int) -> int:
    """Check a whole number.

    Args:
        name: The argument's name.
        value: The value passed.
        least: The smallest value allowed.
        most: The largest value allowed.

    Returns:
        The value as an int.

    Raises:
        TypeError: `value` is not a whole number.
        ValueError: `value` is out of range.
    """
    if not is_whole(value):
        raise TypeError(f"{name} must be a whole number from {least} to {most}; got {value!r:.60}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}; got {value!r:.60}")
    return int(value)


def positive(name: str, value: object) -> float:
    """Check a finite number above zero; arguments, result and errors as for `whole`."""
    if not is_number(value):
        raise TypeError(f"{name} must be a number above 0; got {value!r:.60}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be finite and above 0; got {value!r:.60}")
    return float(value)
