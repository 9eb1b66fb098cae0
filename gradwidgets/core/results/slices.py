"""Long work as generators that yield the fraction done and return the result."""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")

Slices = Generator[float, None, T]

# Seconds of work between two yields.
SLICE = 0.02
# A block's work takes at least this many times as long as entering and leaving it, but not more than this many seconds.
_MIN_WORK_RATIO, _LONGEST = 10, 2 * SLICE


def finish(work: Generator[object, None, T]) -> T:
    """Run `work` to its end and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def part_of(work: Slices[T], before: float, share: float) -> Slices[T]:
    """The same work as part of a larger whole: its progress 0 to 1 becomes `before` to `before + share`."""
    while True:
        try:
            done = next(work)
        except StopIteration as end:
            return end.value
        yield before + share * done


def together(work: Slices[T], around: Callable[[], AbstractContextManager[object]]) -> Slices[T]:
    """The same work with its small steps merged into steps of half a `SLICE`, each inside its own block.

    The steps are longer if entering and leaving the block takes a large part of that, as on a busy machine: at least as
    long as that takes.

    Args:
        work: The work, in slices.
        around: Makes the block, a context manager.
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
        length = min(max(SLICE / 2, _MIN_WORK_RATIO * block), max(_LONGEST, block))
        yield done
