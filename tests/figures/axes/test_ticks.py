"""Labels of ticks: short, and different where the numbers are."""

import pytest

from gradwidgets.figures.axes.ticks import ToldApart, short, told_apart


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
    assert ToldApart().format_ticks([0.0, 0.5, 1.0]) == ["0", "0.5", "1"]
    assert ToldApart().format_ticks([]) == [] and ToldApart().format_ticks([1234567.5]) == ["1.2e6"]
