"""What a picture shows at a place: values between the points of a grid."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from gradwidgets.figures.axes.pointing import axes_at, nearest_in_pixels, within
from tests.figures.pictures import picture

SIDES = st.lists(st.integers(-50, 50), min_size=2, max_size=8, unique=True).map(
    lambda side: np.sort(side).astype(float)
)
SHARES = st.floats(0, 1)


@given(SIDES, SIDES, SHARES, SHARES, st.integers(0, 99))
def test_a_value_between_the_points_of_a_grid_is_scipys(x, y, across, up, seed):
    values = np.random.default_rng(seed).normal(size=(len(y), len(x)))
    at = x[0] + across * (x[-1] - x[0]), y[0] + up * (y[-1] - y[0])
    expected = RegularGridInterpolator((y, x), values, bounds_error=False, fill_value=None)((at[1], at[0]))
    assert within((x, y), values, *at) == pytest.approx(float(expected), abs=1e-9)


def test_there_is_none_outside_nor_between_what_is_not_finite():
    side, values = np.array([0.0, 1.0]), np.array([[0.0, 1.0], [2.0, np.nan]])
    assert math.isnan(within((side, side), values, 1.1, 0.5)) and math.isnan(within((side, side), values, 0.5, -0.1))
    assert math.isnan(within((side, side), values, 0.5, 0.5))
    assert within((side, side), np.eye(2), 1.0, 1.0) == 1


def test_a_place_on_a_figure_is_one_in_its_axes():
    figure = picture(400, 200)
    axes = figure.add_axes((0.5, 0.5, 0.5, 0.5), xlim=(0, 10), ylim=(0, 1))
    found, x, y = axes_at(figure, 0.75, 0.6)
    assert found is axes and (x, y) == pytest.approx((5, 0.2))
    assert axes_at(figure, 0.25, 0.6) is None
    points = np.array([[4.0, 0.2], [np.nan, 0.2], [5.5, 0.2]])
    assert nearest_in_pixels(axes, points, 5, 0.2, 12) == 2 and nearest_in_pixels(axes, points, 5, 0.2, 9) is None
    assert nearest_in_pixels(axes, np.empty((0, 2)), 5, 0.2, 9) is None
