"""Checks of names, flags and numbers, with one error message for each kind."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TypeGuard, TypeVar

T = TypeVar("T")


def choose(kind: str, name: object, options: Mapping[str, T]) -> T:
    """Look `name` up in `options`.

    Args:
        kind: What is being chosen, in one word ("loss", "dataset"), for the error message.
        name: The name asked for.
        options: All valid names and their values.

    Returns:
        The value that `options` holds for `name`.

    Raises:
        ValueError: There is no such name; the message lists the right ones.
    """
    if isinstance(name, str) and name in options:
        return options[name]
    right = ", ".join(repr(option) for option in options)
    raise ValueError(f"unknown {kind} {name!r}: choose one of {right}")


def check_flag(name: str, value: object) -> None:
    """Reject anything but True and False: the string "no" would count as true.

    Raises:
        TypeError: `value` is not a bool.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r:.60}")


# For type checkers a float is no `Real`: they would skip the code after such an isinstance check as unreachable.
def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a real number, NumPy's included; True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number by its type, NumPy's included; True and False are not."""
    return isinstance(value, Integral) and not isinstance(value, bool)
