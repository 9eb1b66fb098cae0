"""One thread inside, as many as before outside, whatever happens."""

import pytest
import torch

from gradwidgets.core.subject.threads import all_threads, in_one_thread, one_thread


@pytest.fixture(autouse=True)
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_inside_there_is_one_and_afterwards_as_many_as_before():
    with one_thread():
        assert torch.get_num_threads() == 1
        with all_threads():
            assert torch.get_num_threads() == 3
            with one_thread():
                assert torch.get_num_threads() == 1
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    with all_threads():
        assert torch.get_num_threads() == 3


def test_a_failure_puts_them_back():
    with pytest.raises(RuntimeError), one_thread():
        raise RuntimeError
    assert torch.get_num_threads() == 3


def test_between_slices_there_are_as_many_as_before():
    seen = []

    def work():
        for k in range(3):
            seen.append(torch.get_num_threads())
            yield k
        return "done"

    steps = in_one_thread(work())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            assert end.value == "done"
            break
        assert torch.get_num_threads() == 3
    assert seen == [1, 1, 1]


def test_work_that_is_dropped_is_closed():
    closed = []

    def work():
        try:
            yield 0.1
            yield 0.2
        finally:
            closed.append(torch.get_num_threads())

    steps = in_one_thread(work())
    next(steps)
    steps.close()
    assert closed == [3]
