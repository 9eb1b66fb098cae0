"""Curvature and noise, on demand: what is shown is what the core measures."""

import json

import numpy as np
import pytest

from gradwidgets import LayerFlowPanel
from gradwidgets.core.spectra import gradient_noise_scale, hessian_spectrum
from tests.widgets.inside import press_stop
from tests.widgets.layers.models import sound


@pytest.fixture
def panel():
    made = LayerFlowPanel(*sound(), view="curvature", lr=0.5)
    yield made
    made.close()


def test_nothing_is_measured_unasked(panel):
    assert "Nothing is measured yet" in panel.summary and panel.views["curvature"].stage.shown_part == {}


def test_each_part_is_the_core_s(panel):
    model, x, y, loss_fn = sound()
    spectrum = panel.measure_curvature("spectrum")["spectrum"]
    expected = hessian_spectrum(model, x, y, loss_fn).eigenvalues.numpy()
    np.testing.assert_allclose(spectrum.eigenvalues, expected, atol=1e-12)
    figure = panel.views["curvature"].figure
    top, limit = (figure.lines[name].get_data()[0] for name in ("largest", "2/lr"))
    assert len(top) == 2 and (len(limit) == 0 or (limit[0] > top[0]) == (spectrum.lr_limit > 0.5))
    found = panel.measure_curvature()
    assert set(found) == {"spectrum", "noise scale", "covariance"} and found["spectrum"] is spectrum
    noise = gradient_noise_scale(model, x, y, loss_fn)
    assert found["noise scale"].trace == pytest.approx(noise.trace, rel=1e-5)
    assert found["noise scale"].squared_norm == pytest.approx(noise.squared_norm, rel=1e-5)
    assert found["covariance"].batches == 10
    assert spectrum.sentence in panel.summary and found["covariance"].allows in panel.summary
    drawn = figure.lines["signal"].get_data()[1]
    np.testing.assert_allclose(10.0**drawn, [one.signal_to_noise for one in found["covariance"].layers])


def test_another_network_is_not_measured_by_itself():
    panel = LayerFlowPanel(depth=3, width=6, batch=16, init="He")
    first = panel.measure_curvature("spectrum")["spectrum"]
    panel.seed = 1
    assert "Nothing is measured yet" in panel.summary
    assert panel.measure_curvature("spectrum")["spectrum"].largest != first.largest
    panel.close()


def test_a_learning_rate_beyond_the_limit_is_said(panel):
    limit = panel.measure_curvature("spectrum")["spectrum"].lr_limit
    panel.lr = round(2 * limit, 6)
    assert "is above 2/λmax" in panel.summary and "diverges" in panel.summary
    panel.lr = round(limit / 2, 6)
    assert "is below 2/λmax" in panel.summary


def test_no_such_part_and_nothing_to_measure(panel):
    with pytest.raises(ValueError, match="a part must be one of"):
        panel.measure_curvature("aura")
    model, x, y, loss_fn = sound()
    frozen = LayerFlowPanel(model.requires_grad_(False), x, y, loss_fn, view="curvature")
    frozen.views["curvature"].ask("spectrum")
    assert frozen.error and "Nothing is measured" in frozen.summary
    frozen.view = "flow"
    assert frozen.error == ""
    frozen.close()


def test_state_is_json_and_comes_back(panel):
    state = json.loads(json.dumps(panel.state()))
    panel.reset()
    panel.view = "clipping"
    panel.restore(state)
    assert panel.view == "curvature" and panel.lr == 0.5


def test_what_was_stopped_is_not_measured_by_the_next_slider(panel, monkeypatch):
    view = panel.views["curvature"]
    panel.measure_curvature("noise scale")
    with monkeypatch.context() as pressed:
        pressed.setattr(panel, "refresh", lambda: None)  # as after a press: it is asked for, and not begun yet
        view.ask("spectrum")
    assert view.more() == ("spectrum", "noise scale")
    press_stop(panel)
    panel.lr = 0.25
    assert set(view.stage.shown_part) == {"noise scale"}
    assert "sharpest" not in panel.summary and "largest" not in panel.summary
