"""Models that the library `transformers` draws are not blamed, in training or not.

The short form is some of them, by lot. With GRADWIDGETS_SOAK=1 it is all of them in both modes.
"""

import os
import random

import pytest

from tests.core.layers.field.judge import said, shortfall
from tests.core.layers.field.library import LIBRARY, MORE

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
# What still falls short: a parameter that XLNet has for another task takes no part, which is true and no error.
OPEN = {("XLNet", True), ("XLNet", False)}


def chosen() -> list[tuple]:
    first, more = ([(case, training) for case in cases for training in (True, False)] for cases in (LIBRARY, MORE))
    return [*first, *more] if SOAK else [*first[::2], *random.Random(15).sample([*first[1::2], *more], 30)]


def test_there_are_models_of_language_vision_and_speech_each_with_a_name_of_its_own():
    cases = (*LIBRARY, *MORE)
    assert len({case.name for case in cases}) == len(cases) >= 60


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # the library's own uses of torch
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(("case", "training"), chosen(), ids=lambda value: getattr(value, "name", str(value)))
def test_a_model_of_the_library_is_not_blamed(case, training):
    short = shortfall(case, said(case, training=training))
    assert bool(short) == ((case.name, training) in OPEN), short
