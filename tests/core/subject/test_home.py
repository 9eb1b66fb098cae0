"""Torch's settings are as they were after our own functions too, wherever an interrupt strikes."""

import sys

import pytest
import torch

from gradwidgets.core.results.slices import finish
from gradwidgets.core.subject.home import at_home


@at_home
def whole() -> bool:
    with torch.no_grad():
        return torch.is_grad_enabled()


@at_home
def sliced():
    yield 0.5
    with torch.no_grad():
        done = torch.is_grad_enabled()
    yield 1.0
    return done


def interrupting(place: int):
    """A tracer that interrupts at the nth line of torch's own file of gradient modes."""
    left = [place]

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.endswith("grad_mode.py"):
            return None
        if event == "line":
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
        return trace

    return trace


@pytest.mark.parametrize("work", [whole, lambda: finish(sliced())], ids=["whole", "slices"])
@pytest.mark.parametrize("enabled", [True, False])
def test_gradients_are_recorded_as_before_wherever_an_interrupt_strikes(work, enabled):
    struck = 0
    for place in range(1, 12):
        with torch.set_grad_enabled(enabled):
            before = sys.gettrace()
            sys.settrace(interrupting(place))
            try:
                work()
            except KeyboardInterrupt:
                struck += 1
            finally:
                sys.settrace(before)
            assert torch.is_grad_enabled() == enabled
    assert struck > 2
