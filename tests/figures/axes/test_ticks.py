"""Labels of ticks: short, each different, none longer than it must be, as many as have room."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from gradwidgets.figures.axes.decades import across
from gradwidgets.figures.axes.growing import GrowingLosses
from gradwidgets.figures.axes.ticks import ToldApart, short, told_apart


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ((0, 1, 2, 3, 4), "0 1 2 3 4"),
        ((0, 1.5, 3, 4.5, 6), "0 1.5 3.0 4.5 6.0"),
        ((2.295, 2.3, 2.305, 2.31, 2.315), "2.295 2.300 2.305 2.310 2.315"),
        ((-2, -1, 0, 1), "−2 −1 0 1"),
        ((0, 2e-5, 4e-5), "0 2e-5 4e-5"),
        ((1e7, 1.5e7, 2e7), "1e7 1.5e7 2e7"),
    ],
)
def test_numbers_beside_each_other_have_the_digits_that_tell_them_apart(ticks, labels):
    assert told_apart(ticks) == [label.replace("e-", "e−") for label in labels.split()]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_labels_differ_wherever_the_numbers_do_visibly(low, share):
    step = share * max(abs(low), 1e-3) / 100
    assert all(one != other for one, other in pairwise(told_apart([low + step * k for k in range(5)])))


@pytest.mark.parametrize("value", [2.302585, 1e-5, -3.0, 12345.0, 7e8])
def test_a_loss_that_hardly_moves_is_flat_and_its_ticks_are_told_apart(value):
    axes = Figure().add_subplot()
    grown = GrowingLosses(axes)
    losses = value * (1 + 1e-6 * np.random.default_rng(0).standard_normal(50))
    grown.fit(losses)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    low, high = axes.get_ylim()
    assert len(set(labels)) == len(labels) == 5 and max(map(len, labels)) <= 8
    assert np.ptp(grown.height(losses)) < 0.01 * (high - low)


@pytest.mark.parametrize("room", [5, 12, 30])
def test_powers_of_ten_are_as_many_as_have_room(room):
    shown = across(-12, 1, room)
    assert shown and all(-12 <= at <= 1 for at in shown)
    assert sum(0.62 * len(label) for label in shown.values()) <= max(room, 4)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-301, "0"), (2.5, "2.5"), (-0.5, "−0.5"), (999.6, "1000"), (1234.0, "1234"), (23456.0, "2.3e4"),
     (1e-4, "1e−4"), (-2.5e-7, "−2.5e−7")],
)  # fmt: skip
def test_a_number_is_short(value, text):
    assert short(value) == text
    assert float(text.replace("−", "-")) == pytest.approx(value, rel=0.05, abs=1e-300)


def test_what_is_negligible_on_its_axis_is_zero():
    assert short(1e-17, 2.0) == "0" and short(1e-17) != "0"


@pytest.mark.parametrize("base", [2.3, -40.0, 12345.0, 5e-6])
@pytest.mark.parametrize("share", [0.1, 1e-3, 1e-4])
def test_different_numbers_have_different_labels(base, share):
    values = [base * (1 + k * share) for k in range(4)]
    labels = told_apart(values)
    assert len(set(labels)) == 4
    assert [float(text.replace("−", "-")) for text in labels] == pytest.approx(values, rel=share / 2)


def test_where_that_takes_many_letters_the_second_says_how_much_more_it_is():
    assert ToldApart().format_ticks([2.3, 2.30005, 2.3001]) == ["2.3", "+5e−5", ""]
    assert ToldApart().format_ticks([0.0, 0.5, 1.0]) == ["0", "0.5", "1.0"]
    assert ToldApart().format_ticks([]) == [] and ToldApart().format_ticks([1234567.5]) == ["1.2e6"]
