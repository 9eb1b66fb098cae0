"""The picture and the words of a state, without a panel, are the explorer's own."""

import numpy as np
import pytest

from gradwidgets import SurfaceExplorer
from gradwidgets.widgets.explorer.scene import render
from tests.widgets.inside import seen_state_of, settled, words_of
from tests.widgets.playground.test_render import pixels

STATES = {
    "as it comes": {},
    "dark, logarithmic": {"theme": "dark", "scale": "log", "arrows": "magnitude"},
    "a descent": {"descent": True, "lr": 0.05, "momentum": 0.9, "point": (0.5, -0.5)},
    "a curve": {"y_axis": "none"},
    "the gradient checked": {"gradient_check": True, "resolution": 31},
    "two beside each other": {"example": "product and log-space", "compare": ("product", "log-space")},
    "for the back row": {"style": "projector", "arrows": "off"},
}


@pytest.mark.parametrize("settings", STATES.values(), ids=STATES)
def test_a_state_is_rendered_as_its_panel_shows_it(settings):
    panel = SurfaceExplorer("pair", **settings)
    settled(panel)
    png, words = render(seen_state_of(panel))
    assert np.array_equal(pixels(png), pixels(panel.png()))
    assert words.summary == panel.summary
    assert words.table == words_of(panel).replace("\xa0", " ")
    panel.close()


def test_a_covered_state_shows_no_more_than_the_panel():
    panel = SurfaceExplorer("pair", predict=True)
    png, words = render(seen_state_of(panel))
    assert np.array_equal(pixels(png), pixels(panel.png()))
    assert (words.summary, words.table) == (panel.summary, "") and "?" in words.summary
    panel.close()
