"""The number of threads that torch uses.

Waking a thread takes longer than computing a few thousand numbers, and much longer on a busy machine.
"""

from collections.abc import Generator
from typing import TypeVar

import torch

from gradwidgets.core.subject.settings import Settings

T = TypeVar("T")
Y = TypeVar("Y")
_outside: list[int] = []  # the number of threads before each open `one_thread`
_AS_IT_IS = Settings({})


def _read() -> tuple[int, tuple[int, ...]]:
    return torch.get_num_threads(), tuple(_outside)


def _put(wanted: tuple[int, tuple[int, ...]]) -> None:
    threads, _outside[:] = wanted
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def one_thread() -> Settings:
    """A block in which torch uses a single thread."""
    threads, outside = _read()
    return Settings({(_read, _put): (1, (*outside, threads))}) if threads > 1 else _AS_IT_IS


def all_threads() -> Settings:
    """Inside `one_thread`, a block with as many threads as before it."""
    _, outside = _read()
    return Settings({(_read, _put): (outside[-1], outside)}) if outside else _AS_IT_IS


def in_one_thread(work: Generator[Y, None, T]) -> Generator[Y, None, T]:
    """The same work in slices, each with a single thread; between them the number of threads is as before."""
    try:
        while True:
            with one_thread() as threads, threads.again():
                step = next(work)
            yield step
    except StopIteration as end:
        return end.value
    finally:
        work.close()
