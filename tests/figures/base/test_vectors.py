"""Arrows and their magnification."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gradwidgets.figures.base.vectors import arrow, magnification

SIZES = st.floats(1e-6, 1e6)


@given(st.floats(0, 6.3), SIZES, st.floats(0.1, 50))
def test_an_arrow_runs_from_tail_to_tip_with_its_head_behind(angle, length, head):
    vector = length * np.array([np.cos(angle), np.sin(angle)])
    shape = arrow(vector, head)
    assert shape.shape == (5, 2)
    assert np.array_equal(shape[0], (0, 0)) and np.array_equal(shape[1], vector) and np.array_equal(shape[3], vector)
    for barb in shape[[2, 4]]:
        assert 0 < np.dot(barb, vector) < np.dot(vector, vector)
        assert np.hypot(*(barb - vector)) <= 1.2 * min(head, length / 2) + 1e-9
    np.testing.assert_allclose(np.hypot(*shape[2]), np.hypot(*shape[4]))


def test_no_vector_is_no_arrow():
    assert not arrow(np.zeros(2), 5).any()


@given(SIZES, SIZES)
def test_the_magnification_is_the_largest_of_its_kind_that_fits(longest, wanted):
    factor = magnification(longest, wanted)
    mantissa = float(f"{factor:e}".partition("e")[0])
    assert mantissa in (1, 2, 5) and factor >= 1
    if factor > 1:
        assert longest * factor <= wanted
        assert longest * factor * 2.5 > wanted * (1 - 1e-9)


def test_long_vectors_and_none_are_drawn_as_they_are():
    assert magnification(100, 50) == magnification(0, 50) == magnification(30, 50) == 1
