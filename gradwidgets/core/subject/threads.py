"""How many threads torch works with.

Waking a thread takes longer than a few thousand numbers do, and on a machine that others use too it takes far longer.
"""

import contextlib
from collections.abc import Generator, Iterator
from typing import TypeVar

import torch

T = TypeVar("T")
_outside: list[int] = []  # how many there were before each `one_thread` that is open


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Work with one of torch's threads inside this, and with as many as before after it."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    _outside.append(threads)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(_outside.pop())


@contextlib.contextmanager
def all_threads() -> Iterator[None]:
    """Inside `one_thread`, work with as many as there were before it."""
    if not _outside:
        yield
        return
    torch.set_num_threads(_outside[-1])
    try:
        yield
    finally:
        torch.set_num_threads(1)


def in_one_thread(work: Generator[object, None, T]) -> Generator[object, None, T]:
    """The same work in slices, each of them with one thread; between them there are as many as before."""
    try:
        while True:
            with one_thread():
                step = next(work)
            yield step
    except StopIteration as end:
        return end.value
    finally:
        work.close()
