"""Losses as they are met in the field are named right, and sound ones are not blamed, whatever the view and the grid.

The short form is a third of them, by lot, in one view each. With GRADWIDGETS_SOAK=1 it is all of them in all views.
"""

import os
import random

import pytest

from tests.core.surfaces.field.gone_wrong import GONE_WRONG
from tests.core.surfaces.field.judge import VIEWS, said, shortfall
from tests.core.surfaces.field.sound import SOUND

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
CASES = (*GONE_WRONG, *SOUND)
SLOW = 3  # of the short form: what must be called point by point takes seconds


def chosen() -> list[tuple]:
    if SOAK:
        return [(case, *view) for case in CASES for view in VIEWS]
    draw = random.Random(14)
    return [(case, *draw.choice(VIEWS)) for case in draw.sample(CASES, len(CASES) // SLOW)]


def test_there_are_as_many_as_are_told_of_and_each_has_a_name_of_its_own():
    assert len(GONE_WRONG) >= 50 and len(SOUND) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.findings for case in GONE_WRONG) and not any(case.findings for case in SOUND)


@pytest.mark.parametrize(("case", "resolution", "share"), chosen(), ids=lambda value: getattr(value, "name", None))
def test_what_is_said_is_right(case, resolution, share):
    assert shortfall(case, said(case, resolution, share)) == ""
