"""Axes of something that goes on grow by round steps and never shrink."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from gradwidgets.figures.axes.growing import GrowingDecades, GrowingLosses, GrowingSteps, round_up, steps_in_short


@given(st.integers(0, 10**15))
def test_round_numbers_hold_a_count_without_leaving_half_the_width(count):
    limit = round_up(count)
    assert count <= limit and (limit == 10 or limit < 1.7 * count)
    assert str(limit).rstrip("0") in {"1", "15", "2", "3", "5", "7"}


def test_a_run_of_a_million_steps_changes_its_axis_less_than_forty_times():
    axes = Figure().add_subplot()
    steps = GrowingSteps(axes)
    reach, changes = 0.0, 0
    for last in np.unique(np.geomspace(1, 1e6, 3000).astype(int)):
        changes += steps.fit(1, last)
        assert axes.get_xlim()[0] < 0 and axes.get_xlim()[1] > last and axes.get_xlim()[1] >= reach
        reach = axes.get_xlim()[1]
    assert changes < 40
    assert not steps.fit(1, 10) and axes.get_xlim()[1] == reach
    steps.reset()
    assert steps.fit(500, 510) and 490 < axes.get_xlim()[0] < 500 and axes.get_xlim()[1] < 515


@given(st.lists(st.floats(1e-300, 1e300) | st.sampled_from([0.0, np.nan, np.inf, -1.0]), max_size=20))
def test_decades_hold_all_that_ever_was(values):
    axes = Figure().add_subplot()
    grown = GrowingDecades(axes)
    limits = None
    for value in values:
        grown.fit(np.array([value]))
        low, high = axes.get_ylim()
        if limits is not None:
            assert low <= limits[0] and high >= limits[1]
        if 0 < value < np.inf:
            assert low < np.log10(value) < high
            limits = low, high
        assert low < grown.edges[0] < grown.edges[1] < high
        assert not grown.fit(np.array([value]))


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_losses_lie_within_limits_that_grow(values):
    axes = Figure().add_subplot()
    grown = GrowingLosses(axes)
    for count in range(1, len(values) + 1):
        losses = np.array(values[:count])
        grown.fit(losses)
        low, high = axes.get_ylim()
        heights = grown.height(losses)
        assert (low <= heights).all() and (heights <= high).all()
        assert not grown.fit(losses)
        assert len(axes.get_yticks()) >= 1


@pytest.mark.parametrize(
    ("step", "words"), [(0, "0"), (9000, "9000"), (20_000, "20k"), (150_000, "150k"), (2.5e6, "2.5M"), (3e9, "3G")]
)
def test_steps_are_short(step, words):
    assert steps_in_short(step) == words
