"""One sentence for every wrong name, and for what is no yes or no; what is a number at all."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TypeGuard, TypeVar

T = TypeVar("T")


def choose(kind: str, name: object, options: Mapping[str, T]) -> T:
    """Look `name` up in `options`.

    Args:
        kind: What is being chosen, in one word ("loss", "dataset"); it opens the error's sentence.
        name: The name asked for.
        options: Every name there is, with what it stands for.

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
    """Refuse anything but True and False: "no" would be taken for yes.

    Raises:
        TypeError: It is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r:.60}")


# To a type checker no float is a `Real`: what follows an isinstance of that it takes for unreachable, and passes over.
def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a real number, NumPy's too; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number by its type, NumPy's too; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)
