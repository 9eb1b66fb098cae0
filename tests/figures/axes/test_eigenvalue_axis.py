"""The axis of a spectrum: places keep the order, turn back into eigenvalues, and hold all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradwidgets.figures.axes.eigenvalue_axis import EigenvalueAxis

numbers = st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-12)


@given(st.lists(numbers, min_size=1, max_size=30), st.sampled_from([0.0, 1e-9]))
def test_places_are_ordered_inside_and_turn_back(values, rounding):
    values = np.sort(np.array(values))
    axis = EigenvalueAxis.of(values, rounding)
    places = axis.place(values)
    assert (np.diff(places) >= 0).all()
    assert axis.low < places.min() + 1e-9 and places.max() < axis.high
    assert axis.value(places) == pytest.approx(values, rel=1e-9, abs=1e-300)
    edges = axis.edges
    assert edges[0] <= places[0] and places[-1] <= edges[-1]
    assert np.abs((edges[1:] + edges[:-1]) / 2).min() < 1e-6 * (axis.high - axis.low)


@given(st.lists(numbers, max_size=30))
def test_a_few_round_numbers_are_named_in_their_places(values):
    axis = EigenvalueAxis.of(np.array(values))
    assert 1 <= len(axis.ticks) <= 12 and 0.0 in axis.ticks
    for at, text in axis.ticks.items():
        assert axis.low <= at <= axis.high
        said = float(text.replace("−", "-"))
        assert said == pytest.approx(float(axis.value(np.array(at))), rel=0.01, abs=1e-9 * (axis.high - axis.low))


def test_it_is_linear_up_to_two_decades():
    assert not EigenvalueAxis.of(np.array([0.1, 9.9])).logarithmic
    assert EigenvalueAxis.of(np.array([0.1, 10.1])).logarithmic
    assert not EigenvalueAxis.of(np.array([1e-9, 0.1, 9.9]), rounding=1e-8).logarithmic
    assert not EigenvalueAxis.of(np.array([np.nan, 0.1, np.inf])).logarithmic
