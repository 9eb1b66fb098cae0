"""The picture and the words of a state, without a panel, are the panel's own."""

import io

import numpy as np
import pytest
from PIL import Image

from gradwidgets import OptimizerPlayground
from gradwidgets.widgets.playground.scene import render
from tests.widgets.inside import seen_state_of, words_of

STATES = {
    "as it comes": {},
    "a step with momentum": {"lr": 0.05, "momentum": 0.9, "step": 7, "weight_decay": 0.1},
    "dark with arrows": {"theme": "dark", "arrows": True, "losses": ["MSE", "LogCosh"]},
    "one map": {"losses": "Huber", "delta": 0.3, "steps": 40},
    "five maps": {"losses": ["MSE", "L1", "Huber", "SmoothL1", "LogCosh"]},
    "an objective by Adam": {"dataset": "rosenbrock", "optimizer": "Adam", "lr": 0.05},
    "diverged": {"lr": 1.3},
    "for the back row": {"style": "projector"},
    "a step by Nesterov": {"momentum": 0.8, "nesterov": True, "step": 3, "lr": 0.02},
}


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


@pytest.mark.parametrize("settings", STATES.values(), ids=STATES)
def test_a_state_is_rendered_as_its_panel_shows_it(settings):
    panel = OptimizerPlayground(**settings)
    png, words = render(seen_state_of(panel))
    assert np.array_equal(pixels(png), pixels(panel.png()))
    assert words.summary == panel.summary
    assert words.table == words_of(panel).replace("\xa0", " ")  # a page keeps a number and its unit together
    panel.close()


def test_a_covered_state_shows_no_more_than_the_panel():
    panel = OptimizerPlayground(losses="MSE", predict=True)
    png, words = render(seen_state_of(panel))
    assert np.array_equal(pixels(png), pixels(panel.png()))
    assert (words.summary, words.table) == (panel.summary, "") and "?" in words.summary
    panel.answer = {"end": [1.0, 2.0], "fate": "converges"}
    assert np.array_equal(pixels(render(seen_state_of(panel))[0]), pixels(panel.png()))
    panel.reveal()
    png, words = render(seen_state_of(panel))
    assert np.array_equal(pixels(png), pixels(panel.png()))
    assert words.summary == panel.summary
    panel.close()


def test_what_is_rendered_leaves_the_panel_alone():
    panel = OptimizerPlayground()
    before, state = panel.png(), seen_state_of(panel)
    panel.lr = 0.3
    shown = panel.png()
    assert np.array_equal(pixels(render(state)[0]), pixels(before))
    assert np.array_equal(pixels(panel.png()), pixels(shown))
    panel.close()
