"""Results with the proof that the model which was looked at is as it was."""

from dataclasses import replace
from typing import TypeVar

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.untouched import Untouched

T = TypeVar("T", bound=Result)


def proved(work: Slices[T], *roots: object) -> T:
    """Run work to its end; whatever it changed is put back, and certified in the result.

    Args:
        work: What to do; its result is a dataclass with a `certificate`.
        *roots: What must be as it was.
    """
    with Untouched(*roots) as block, block.again():
        result = finish(work)
    return replace(result, certificate=block.certificate)


def certified(work: Slices[T], *roots: object) -> Slices[T]:
    """The same work in slices; since others work on the model in between, nothing is put back at its end.

    Args:
        work: What to do; its result is a dataclass with a `certificate`.
        *roots: What should be as it was.
    """
    held = Held(*roots)
    result = yield from work
    return replace(result, certificate=held.compare())
