"""Models that the library `transformers` draws are not blamed, in training or not."""

import pytest

from tests.core.layers.field.judge import said, shortfall
from tests.core.layers.field.library import LIBRARY

# What still falls short.
OPEN: set[tuple[str, bool]] = set()


def test_there_are_models_of_language_vision_and_speech_each_with_a_name_of_its_own():
    assert len({case.name for case in LIBRARY}) == len(LIBRARY) >= 24


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # the library's own use of torch
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("case", LIBRARY, ids=lambda case: case.name)
def test_a_model_of_the_library_is_not_blamed(case, training):
    short = shortfall(case, said(case, training=training))
    assert bool(short) == ((case.name, training) in OPEN), short
