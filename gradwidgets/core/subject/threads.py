"""How many threads torch works with.

Waking a thread takes longer than a few thousand numbers do, and on a machine that others use too it takes far longer.
"""

from collections.abc import Generator
from typing import TypeVar

import torch

from gradwidgets.core.subject.settings import Settings

T = TypeVar("T")
Y = TypeVar("Y")
_outside: list[int] = []  # how many there were before each `one_thread` that is open


def _read() -> tuple[int, tuple[int, ...]]:
    return torch.get_num_threads(), tuple(_outside)


def _put(wanted: tuple[int, tuple[int, ...]]) -> None:
    threads, _outside[:] = wanted
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def one_thread() -> Settings:
    """Work with one of torch's threads inside this, and with as many as before after it."""
    threads, outside = _read()
    return Settings({} if threads == 1 else {(_read, _put): (1, (*outside, threads))})


def all_threads() -> Settings:
    """Inside `one_thread`, work with as many as there were before it."""
    _, outside = _read()
    return Settings({(_read, _put): (outside[-1], outside)} if outside else {})


def in_one_thread(work: Generator[Y, None, T]) -> Generator[Y, None, T]:
    """The same work in slices, each of them with one thread; between them there are as many as before."""
    try:
        while True:
            with one_thread() as threads, threads.again():
                step = next(work)
            yield step
    except StopIteration as end:
        return end.value
    finally:
        work.close()
