"""One sentence for every wrong name."""

from collections.abc import Mapping
from typing import TypeVar

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
