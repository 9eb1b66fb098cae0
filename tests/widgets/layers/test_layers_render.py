"""The picture and the words of a state, without a panel, are the layer panel's own, in all five views."""

import numpy as np
import pytest
import torch

from gradwidgets import LayerFlowPanel
from gradwidgets.widgets.layers.scene import VIEWS, render
from tests.widgets.inside import seen_state_of, settled, subject_of, words_of
from tests.widgets.layers.models import sound
from tests.widgets.playground.test_render import pixels

SMALL = {"depth": 6, "width": 16, "batch": 16}
STATES = {
    "as it comes": {},
    "dark, pinned": {"theme": "dark", "compare": True, "quantity": "activation", "measure": "norm"},
    "for the back row": {"style": "projector", "activation": "Sigmoid"},
    "no fix": {"view": "doctor"},
    "a fix": {"view": "doctor", "fix": "He init", "lr": 0.1},
    "a fix that it cannot be": {"view": "doctor", "fix": "He init", "init": "He"},
    "clipped": {"view": "clipping", "spike": 30.0, "clipper": "value"},
    "not measured": {"view": "curvature"},
    "no training": {"view": "live", "theme": "dark"},
}


def assert_rendered(panel):
    settled(panel)
    png, words = render(seen_state_of(panel))
    assert np.array_equal(pixels(png), pixels(panel.png()))
    assert words.summary == panel.summary
    assert words.table == words_of(panel).replace("\xa0", " ")
    panel.close()


@pytest.mark.parametrize("settings", STATES.values(), ids=STATES)
def test_a_state_is_rendered_as_its_panel_shows_it(settings):
    panel = LayerFlowPanel(**{**SMALL, **settings})
    if panel.compare:
        panel.gain = 2.0
    assert_rendered(panel)


@pytest.mark.parametrize("view", VIEWS)
def test_a_model_of_ones_own_is_rendered_as_it_is_shown_one_layer_from_near(view):
    panel = LayerFlowPanel(*sound(), view=view)
    panel.selected = 1
    panel.refresh()
    assert_rendered(panel)


def test_measured_curvature_is_rendered_as_it_is_shown():
    panel = LayerFlowPanel(**SMALL)
    panel.measure_curvature()
    assert_rendered(panel)


def test_a_ranking_is_rendered_as_it_is_shown():
    panel = LayerFlowPanel(**{**SMALL, "depth": 3}, view="doctor")
    panel.views["doctor"].ask()
    assert_rendered(panel)


def test_what_was_applied_is_said_without_a_panel_too():
    panel = LayerFlowPanel(*sound(), view="doctor", fix="He init")
    panel.apply_fix()
    assert "applied: He init" in panel.summary
    assert_rendered(panel)


def test_a_training_is_rendered_as_it_is_shown():
    panel = LayerFlowPanel(*sound())
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.Adam(model.parameters())
    with panel.watch(optimizer):
        for _ in range(8):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            panel.note_loss(loss)
            optimizer.step()
    record = LayerFlowPanel.of_record(panel.monitor, beside=panel.monitor.history)
    record.selected = 1
    record.refresh()
    assert_rendered(record)
    assert_rendered(panel)


def test_a_covered_state_shows_no_more_than_the_panel():
    panel = LayerFlowPanel(**SMALL, predict=True)
    png, words = render(seen_state_of(panel))
    assert np.array_equal(pixels(png), pixels(panel.png()))
    assert (words.summary, words.table) == (panel.summary, "") and "?" in words.summary
    panel.close()
