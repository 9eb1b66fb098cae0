"""Round limits hold what they must, waste little, and seldom change."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gradwidgets.figures.axes.rounding import STEPS, fractions_of_one, round_limits
from gradwidgets.figures.axes.ticks import short
from gradwidgets.figures.surface.surface_scale import SurfaceScale

VALUES = st.floats(-1e6, 1e6)


@given(VALUES, VALUES, st.integers(5, 20))
def test_both_ends_are_multiples_of_a_round_step_and_hold_the_values(a, b, count):
    low, high = min(a, b), max(a, b)
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-9))
    start, end = round_limits(low, high, count)
    slack = 1e-9 * (end - start)
    assert start <= low + slack and high <= end + slack
    step = (end - start) / count
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - s) for s in (*STEPS, 10)) < 1e-6
    assert abs(start / step - round(start / step)) < 1e-6
    assert end - start < 3.1 * (high - low) or count < 8


@given(st.floats(-6, 6), st.floats(1e-3, 12))
def test_steps_of_one_nth_keep_whole_numbers_on_a_step(low, span):
    start, end = fractions_of_one(low, low + span, 18)
    step = (end - start) / 18
    assert start <= low + 1e-9 and low + span <= end + 1e-9
    if step > 1.2e-2:
        assert abs(1 / step - round(1 / step)) < 1e-6 and abs(start / step - round(start / step)) < 1e-6


@pytest.mark.parametrize(("low", "high"), [(0.0, math.inf), (-1.7e308, 1.7e308), (1e9, 1e9 * (1 + 1e-15))])
def test_where_numbers_do_not_suffice_limits_stay(low, high):
    assert round_limits(low, high, 18) == (low, high)


def test_a_scale_stays_while_a_loss_changes_a_little():
    scales = {SurfaceScale.of("linear", [np.linspace(0, top, 500)]) for top in np.linspace(1.0, 2.0, 50)}
    assert 2 <= len(scales) <= 8


@pytest.mark.parametrize(
    ("kind", "losses", "texts"),
    [
        ("linear", np.linspace(0, 8.7, 300), ["0", "2", "4", "6", "8"]),
        ("log", np.geomspace(1e-3, 90, 300), ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]),
    ],
)
def test_levels_are_named_in_round_numbers(kind, losses, texts):
    ticks = SurfaceScale.of(kind, [losses]).ticks
    assert list(ticks.values()) == texts
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in ticks)


@pytest.mark.parametrize("kind", ["linear", "log", "symlog"])
@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e300])
def test_a_loss_of_any_size_has_a_scale_with_a_few_names(kind, size):
    scale = SurfaceScale.of(kind, [size * np.linspace(-1, 3, 200)])
    assert 2 <= len(scale.ticks) <= 7 and scale.high > scale.low


def test_next_to_nothing_is_zero():
    assert short(1e-17, 2.0) == "0" and short(-0.25) == "−0.25" and short(123456.0) == "1.2e5"
