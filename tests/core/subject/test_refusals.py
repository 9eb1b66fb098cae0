"""What is refused is told where it was asked; a mistake within keeps its frames."""

import traceback

import pytest

from gradwidgets import check_loss
from gradwidgets.core.subject.home import at_home

VIEW = {"a": (-1.0, 1.0)}


def frames(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_what_a_loss_must_return_is_said_once_and_in_two_frames():
    with pytest.raises(ValueError, match="it returned nothing") as refused:
        check_loss(lambda a: None, VIEW)
    assert refused.value.__cause__ is None and refused.value.__suppress_context__
    assert len(frames(refused.value)) == 2


def test_an_error_of_somebodys_own_begins_in_their_code():
    def inner(a):
        raise RuntimeError("not this one")

    def outer(a):
        return inner(a)

    with pytest.raises(ValueError, match="not this one") as refused:
        check_loss(outer, VIEW)
    assert frames(refused.value.__cause__) == ["outer", "inner"] and len(frames(refused.value)) == 2


def test_a_mistake_that_nobody_raised_keeps_its_frames():
    def mistaken():
        return _sum_of(None)

    def _sum_of(numbers):
        return sum(numbers)

    with pytest.raises(TypeError) as failed:
        at_home(mistaken)()
    assert frames(failed.value)[-2:] == ["mistaken", "_sum_of"]
