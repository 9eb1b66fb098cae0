"""Fewer points draw the same line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradwidgets.figures.axes.thinning import spaced, thinned


@given(st.integers(1, 5000), st.integers(4, 500), st.integers(0, 10))
def test_extremes_first_and_newest_stay(count, most, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=count)
    values[rng.random(count) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    chosen = thinned(values, most)
    assert len(chosen) <= most and (np.diff(chosen) > 0).all()
    assert chosen[0] == 0 and chosen[-1] == count - 1
    finite = values[np.isfinite(values)]
    if finite.size:
        assert {np.flatnonzero(values == finite.min())[0], np.flatnonzero(values == finite.max())[0]} <= set(chosen)
    assert count > most or len(chosen) == count


def test_chosen_samples_stay_while_more_come():
    values = np.random.default_rng(0).normal(size=1_500)
    one, other = set(thinned(values[:1_450], 400)), set(thinned(values, 400))
    assert len(one & other) > 0.9 * len(one)


@pytest.mark.parametrize("count", [0, 1, 200])
def test_marks_have_room_and_the_newest_has_one(count):
    places = np.arange(count) * 3 + 1
    kept = spaced(places, 50.0)
    assert set(kept) <= set(places) and len(kept) <= 600 / 50 + 1
    assert not count or kept[-1] == places[-1]
