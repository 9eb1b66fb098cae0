"""A bar of colours names the levels that it is given, whatever it named before."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gradwidgets.figures.axes.color_bar import ColorBar
from gradwidgets.figures.base.layout import report_layout
from gradwidgets.figures.base.style import LIGHT
from gradwidgets.figures.surface.surface_scale import SurfaceScale


@pytest.fixture
def bar() -> ColorBar:
    layout, box = report_layout(600, 470, letters=4)
    return ColorBar(Figure(), box, LIGHT.ramp, LIGHT, layout)


def named(bar: ColorBar) -> dict[float, str]:
    return {label.get_position()[1]: label.get_text() for label in bar.axes.get_yticklabels()}


def test_a_new_bar_that_is_given_no_levels_names_none(bar):
    assert bar.show({})
    assert named(bar) == {}
    assert not bar.show({}) and bar.show({0.0: "3"}) and named(bar) == {0.0: "3"}


def test_a_level_that_rounding_puts_beyond_the_end_moves_no_later_one(bar):
    bar.show({-1e-10: "1", 1 + 1e-3: "2"})
    bar.show({0.0: "1", 1.0: "2"})
    assert bar.axes.get_ylim() == (0, 1) and named(bar) == {0.0: "1", 1.0: "2"}


@pytest.mark.parametrize("losses", [(6.0, 8.7), (-8.7, -6.0), (5e-7, 6e-7), (1.0, 1.0)])
@pytest.mark.parametrize("kind", ["linear", "log", "symlog"])
def test_every_scale_names_two_levels_and_says_what_is_there(kind, losses):
    scale = SurfaceScale.of(kind, [np.linspace(*losses, 9).reshape(3, 3)])
    ticks = scale.ticks
    assert len(ticks) > 1 and all(-1e-9 <= place <= 1 + 1e-9 for place in ticks)
    if kind == "symlog":
        for place, text in ticks.items():
            said, is_there = float(text.replace("−", "-")), scale.loss_at(place)
            assert said == pytest.approx(is_there, rel=0.06, abs=0.02 * abs(losses[1]))
