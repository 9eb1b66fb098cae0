"""Long work as generators that yield the share that is done and return the result."""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")

Slices = Generator[float, None, T]

# Seconds of work between two yields.
SLICE = 0.02
_WORTH, _LONGEST = 10, 2 * SLICE  # work in a block: so many times what entering and leaving it takes; seconds


def finish(work: Generator[object, None, T]) -> T:
    """Run `work` to its end and give its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def part_of(work: Slices[T], before: float, share: float) -> Slices[T]:
    """The same work as a part of a whole: its 0 to 1 becomes `before` to `before + share`."""
    while True:
        try:
            done = next(work)
        except StopIteration as end:
            return end.value
        yield before + share * done


def together(work: Slices[T], around: Callable[[], AbstractContextManager[object]]) -> Slices[T]:
    """The same work, its small steps joined to such of half a `SLICE`, each within a block of its own.

    Where entering and leaving the block takes a good part of that, on a busy machine say, they are longer: at least as
    long as that takes.

    Args:
        work: What to do.
        around: Makes the block.
    """
    length = SLICE / 2
    while True:
        asked = time.perf_counter()
        with around():
            begun, done = time.perf_counter(), 0.0
            while time.perf_counter() < begun + length:
                try:
                    done = next(work)
                except StopIteration as result:
                    return result.value
            ended = time.perf_counter()
        block = time.perf_counter() - ended + begun - asked
        length = min(max(SLICE / 2, _WORTH * block), max(_LONGEST, block))
        yield done
