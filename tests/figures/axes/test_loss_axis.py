"""The axis of the loss curves."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradwidgets.figures.axes.loss_axis import LossAxis

GRID = np.geomspace(0.5, 500, 50).reshape(5, 10)


def test_positive_losses_have_a_log_axis_that_holds_them():
    axis = LossAxis.of([GRID], [0.5])
    assert axis.log and axis.title == "loss (log)"
    assert axis.limits[0] < np.log10(0.5) < np.log10(500) < axis.limits[1]
    np.testing.assert_allclose(axis.height(np.array([1.0, 10.0, 100.0])), [0, 1, 2], atol=1e-12)


def test_a_minimum_of_zero_does_not_ask_for_all_decades():
    low, high = LossAxis.of([np.array([[0.0, 100.0]])], [0.0]).limits
    assert high - low < 20


@pytest.mark.parametrize("grid", [[[-4.0, 4.0]], [[-1e300, 1e300]], [[0.0, 0.0]], [[-3.0, -1.0]]], ids=str)
def test_losses_below_zero_have_a_plain_axis(grid):
    axis = LossAxis.of([np.array(grid)], [None])
    assert not axis.log and axis.title == "loss"
    assert axis.limits[0] < np.min(grid) and np.max(grid) < axis.limits[1]
    assert axis.height(np.array(grid)[0]).tolist() == grid[0]


def test_nothing_finite_is_an_axis_all_the_same():
    axis = LossAxis.of([np.full((2, 2), np.nan)], [None])
    assert np.isfinite(axis.limits).all() and axis.limits[0] < axis.limits[1]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=9), st.booleans())
def test_heights_are_near_the_axis_or_left_out(losses, log):
    axis = LossAxis.of([GRID if log else GRID - 100], [None])
    heights = axis.height(np.array(losses))
    span = axis.limits[1] - axis.limits[0]
    kept = ~np.isnan(np.array(losses))
    assert np.isnan(heights[~kept]).all()
    assert (heights[kept] >= axis.limits[0] - 3 * span - 1e-9).all()
    assert (heights[kept] <= axis.limits[1] + 3 * span + 1e-9).all()


@settings(max_examples=60)
@example(59480.0, 3.0)
@example(49400.0, 3.0)
@example(34.0, 1.25)
@given(st.floats(1e-12, 1e12), st.floats(1.01, 1e12))
def test_there_are_a_few_ticks_within_the_axis_and_each_is_labelled(low, factor):
    axis = LossAxis.of([np.array([[low, low * factor]])], [low])
    ticks = axis.locator.tick_values(*axis.limits)
    inside = [t for t in ticks if axis.limits[0] - 1e-9 <= t <= axis.limits[1] + 1e-9]
    assert 1 <= len(inside) <= 12
    labels = [axis.label(t) for t in inside]
    assert all(labels) and len(set(labels)) == len(labels)
    for tick, label in zip(inside, labels, strict=True):
        value = 10.0**tick if axis.log else tick
        assert float(label) == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize("scale", [1e-300, 1e-31, 1e31, 1e290])
@pytest.mark.parametrize("low", [0.5, -300.0])
def test_numbers_far_from_1_are_no_wider_than_near_ones(scale, low):
    axis = LossAxis.of([np.array([[low, 500.0]]) * scale], [low * scale])
    labels = [axis.label(t) for t in axis.locator.tick_values(*axis.limits)]
    assert labels and len(set(labels)) == len(labels)
    for label in labels:
        raised = sum(letter in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹" for letter in label)
        assert len(label) - 0.4 * raised <= (6 if low > 0 else 8)


def test_a_raised_exponent_is_the_power_of_ten():
    axis = LossAxis.of([np.array([[1e-35, 1e-31]])], [1e-35])
    assert axis.label(-31.0) == "10⁻³¹" and axis.label(-29.0) == "1e-29"
