"""Published architectures are not blamed, in training or not, and what went wrong in the field is named right.

The short form is a part of the first of them, by lot, and all that came later, the last sound ones in training alone.
With GRADWIDGETS_SOAK=1 it is all of them, the sound ones in both modes.
"""

import os
import random

import pytest

from tests.core.layers.field.case import Case
from tests.core.layers.field.held import HELD_SICK, HELD_SOUND
from tests.core.layers.field.judge import said, shortfall
from tests.core.layers.field.kinds import KINDS_SICK, KINDS_SOUND
from tests.core.layers.field.kinds_ahead import AHEAD_SICK, AHEAD_SOUND
from tests.core.layers.field.kinds_backwards import BACKWARDS_SICK, BACKWARDS_SOUND
from tests.core.layers.field.kinds_derivatives import DERIVATIVES_SICK, DERIVATIVES_SOUND
from tests.core.layers.field.kinds_drawn import DRAWN_SICK, DRAWN_SOUND
from tests.core.layers.field.kinds_drawn_later import DRAWN_LATER_SICK, DRAWN_LATER_SOUND
from tests.core.layers.field.kinds_eighth import EIGHTH_SICK, EIGHTH_SOUND
from tests.core.layers.field.kinds_eleventh import ELEVENTH_NOTES, ELEVENTH_SICK, ELEVENTH_SOUND
from tests.core.layers.field.kinds_fifth import FIFTH_SICK, FIFTH_SOUND
from tests.core.layers.field.kinds_fourth import FOURTH_SICK, FOURTH_SOUND
from tests.core.layers.field.kinds_graphs import GRAPHS_SICK, GRAPHS_SOUND
from tests.core.layers.field.kinds_later import LATER_SICK, LATER_SOUND
from tests.core.layers.field.kinds_masks import MASKS_SICK, MASKS_SOUND
from tests.core.layers.field.kinds_ninth import NINTH_SICK, NINTH_SOUND
from tests.core.layers.field.kinds_padded import PADDED_SICK, PADDED_SOUND
from tests.core.layers.field.kinds_same import SAME_SICK, SAME_SOUND
from tests.core.layers.field.kinds_second import SECOND_SICK, SECOND_SOUND
from tests.core.layers.field.kinds_seventh import SEVENTH_SICK, SEVENTH_SOUND
from tests.core.layers.field.kinds_sixth import SIXTH_SICK, SIXTH_SOUND
from tests.core.layers.field.kinds_tenth import TENTH_SICK, TENTH_SOUND
from tests.core.layers.field.kinds_third import THIRD_SICK, THIRD_SOUND
from tests.core.layers.field.kinds_told import TOLD_SICK, TOLD_SOUND
from tests.core.layers.field.kinds_twelfth import TWELFTH_NOTES, TWELFTH_SICK, TWELFTH_SOUND
from tests.core.layers.field.kinds_zeros import ZEROS_SICK, ZEROS_SOUND
from tests.core.layers.field.more import MORE_SICK, MORE_SOUND
from tests.core.layers.field.reports import REPORTS_SICK, REPORTS_SOUND
from tests.core.layers.field.reports_later import REPORTS_LATER_SICK, REPORTS_LATER_SOUND
from tests.core.layers.field.reports_unseen import REPORTS_UNSEEN_SICK, REPORTS_UNSEEN_SOUND
from tests.core.layers.field.sick import SICK
from tests.core.layers.field.sound import SOUND
from tests.core.layers.field.unusual import UNUSUAL_SOUND

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
SHORT = 3  # of the short form: one in so many
LAST_SICK, LAST_SOUND = (
    (
        *REPORTS_SICK,
        *REPORTS_LATER_SICK,
        *REPORTS_UNSEEN_SICK,
        *DRAWN_SICK,
        *DRAWN_LATER_SICK,
        *HELD_SICK,
        *SAME_SICK,
        *MASKS_SICK,
        *DERIVATIVES_SICK,
        *GRAPHS_SICK,
        *ZEROS_SICK,
        *TOLD_SICK,
        *SECOND_SICK,
        *AHEAD_SICK,
        *PADDED_SICK,
        *THIRD_SICK,
        *FOURTH_SICK,
        *FIFTH_SICK,
        *SIXTH_SICK,
        *SEVENTH_SICK,
        *EIGHTH_SICK,
        *NINTH_SICK,
        *TENTH_SICK,
        *ELEVENTH_SICK,
        *TWELFTH_SICK,
        *BACKWARDS_SICK,
    ),
    (
        *REPORTS_SOUND,
        *REPORTS_LATER_SOUND,
        *REPORTS_UNSEEN_SOUND,
        *DRAWN_SOUND,
        *DRAWN_LATER_SOUND,
        *HELD_SOUND,
        *SAME_SOUND,
        *MASKS_SOUND,
        *DERIVATIVES_SOUND,
        *GRAPHS_SOUND,
        *ZEROS_SOUND,
        *TOLD_SOUND,
        *SECOND_SOUND,
        *AHEAD_SOUND,
        *PADDED_SOUND,
        *THIRD_SOUND,
        *FOURTH_SOUND,
        *FIFTH_SOUND,
        *SIXTH_SOUND,
        *SEVENTH_SOUND,
        *EIGHTH_SOUND,
        *NINTH_SOUND,
        *TENTH_SOUND,
        *ELEVENTH_SOUND,
        *TWELFTH_SOUND,
        *UNUSUAL_SOUND,
        *BACKWARDS_SOUND,
    ),
)
ALL_SICK, ALL_SOUND = (
    (*MORE_SICK, *KINDS_SICK, *LATER_SICK, *LAST_SICK),
    (*MORE_SOUND, *KINDS_SOUND, *LATER_SOUND, *LAST_SOUND),
)
# What still falls short.
OPEN: set[tuple[str, bool]] = set()


def chosen() -> list[tuple]:
    both = [(case, training) for case in SOUND for training in (True, False)]
    sick = [(case, True) for case in SICK]
    later = [(case, training) for case in ALL_SOUND for training in (True, False)]
    later += [(case, True) for case in ALL_SICK]
    if SOAK:
        return [*both, *sick, *later]
    later = [(case, training) for case, training in later if training or case not in LAST_SOUND]
    draw = random.Random(15)
    return [*later, *draw.sample(both, len(both) // SHORT), *draw.sample(sick, len(sick) // SHORT)]


def test_there_are_as_many_as_are_told_of_and_each_has_a_name_of_its_own():
    assert len(SOUND) >= 45 and len(SICK) >= 35
    sound, sick = (*SOUND, *ALL_SOUND), (*SICK, *ALL_SICK)
    assert len({case.name for case in (*sound, *sick)}) == len(sound) + len(sick)
    assert all(case.findings and case.words for case in sick) and not any(case.findings for case in sound)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, which is said as a finding
@pytest.mark.parametrize(("case", "training"), chosen(), ids=lambda value: getattr(value, "name", str(value)))
def test_what_is_said_is_right(case, training):
    short = shortfall(case, said(case, training=training))
    assert bool(short) == ((case.name, training) in OPEN), short


@pytest.mark.parametrize(("make", "words", "never"), [*ELEVENTH_NOTES, *TWELFTH_NOTES])
def test_what_is_only_noted(make, words, never):
    found = said(Case("noted", "", make))
    text = " ".join(f"{one} {one.action}" for one in found)
    assert words in text and not (never and never in text), text
    cured = any(one.severity == "info" and not one.action.startswith("Nothing") for one in found)
    assert cured == any("but for the notes above" in one.message for one in found)
