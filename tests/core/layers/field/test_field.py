"""Published architectures are not blamed, in training or not, and what went wrong in the field is named right.

The short form is a part of them, by lot. With GRADWIDGETS_SOAK=1 it is all of them, the sound ones in both modes.
"""

import os
import random

import pytest

from tests.core.layers.field.judge import said, shortfall
from tests.core.layers.field.sick import SICK
from tests.core.layers.field.sound import SOUND

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
SHORT = 3  # of the short form: one in so many
# What still falls short.
OPEN: set[tuple[str, bool]] = set()


def chosen() -> list[tuple]:
    both = [(case, training) for case in SOUND for training in (True, False)]
    sick = [(case, True) for case in SICK]
    if SOAK:
        return [*both, *sick]
    draw = random.Random(15)
    return [*draw.sample(both, len(both) // SHORT), *draw.sample(sick, len(sick) // SHORT)]


def test_there_are_as_many_as_are_told_of_and_each_has_a_name_of_its_own():
    assert len(SOUND) >= 45 and len(SICK) >= 35
    assert len({case.name for case in (*SOUND, *SICK)}) == len(SOUND) + len(SICK)
    assert all(case.findings and case.words for case in SICK) and not any(case.findings for case in SOUND)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, which is said as a finding
@pytest.mark.parametrize(("case", "training"), chosen(), ids=lambda value: getattr(value, "name", str(value)))
def test_what_is_said_is_right(case, training):
    short = shortfall(case, said(case, training=training))
    assert bool(short) == ((case.name, training) in OPEN), short
