"""What is seen of a network agrees with its verdict: bands, blocks and what is beside the profile."""

import numpy as np
import pytest
import torch
from torch import nn

from gradwidgets import LayerFlowPanel
from gradwidgets.core.layers import try_fix
from gradwidgets.core.layers.ranges import gradient_range
from gradwidgets.widgets.layers.seen.beside import activation_of, beside
from gradwidgets.widgets.layers.seen.judged_bands import bands_of, factor_of, lit_rows
from gradwidgets.widgets.layers.seen.layer_values import values_of
from tests.widgets.inside import settled, view_settings_of

GRADIENTS = ("weight gradient", "activation gradient")
NETWORKS = {
    "vanishing": {"activation": "Sigmoid", "depth": 12},
    "a little": {"activation": "Tanh", "depth": 12, "gain": 0.75, "init": "Xavier"},
    "healthy": {"activation": "ReLU", "init": "He", "depth": 12},
    "exploding": {"activation": "ReLU", "init": "normal", "gain": 4.0, "depth": 16},
}


@pytest.fixture(scope="module", params=NETWORKS)
def result(request):
    panel = LayerFlowPanel(**NETWORKS[request.param], width=32, batch=16)
    yield settled(panel).flow
    panel.close()


def bands(result, quantity, measure="rms"):
    return {band.name: band for band in bands_of(result, quantity, measure)}


def severity(result, name):
    return next((one.severity for one in result.findings if one.name == name), "")


@pytest.mark.parametrize("quantity", GRADIENTS)
@pytest.mark.parametrize("measure", ["rms", "norm"])
def test_the_first_layer_is_in_the_band_that_the_verdict_says(result, quantity, measure):
    first, those = values_of(result.flow, quantity, measure, 0.0)[0], bands(result, quantity, measure)
    name = {"vanishing": "vanished", "exploding": "exploded"}
    for finding, band in name.items():
        inside = those[band].low[0] <= first <= those[band].high[0] * (1 + 1e-9)
        assert inside == (severity(result, finding) == "error"), (finding, severity(result, finding))
    healthy = those["healthy"].low[0] <= first <= those["healthy"].high[0]
    assert healthy == (not any(severity(result, finding) for finding in name))


def test_gradients_by_weights_are_judged_as_those_by_outputs(result):
    inside = []
    for quantity in GRADIENTS:
        values = values_of(result.flow, quantity, "rms", 0.0)
        inside.append([(one.low <= values) & (values <= one.high) for one in bands(result, quantity).values()])
    assert np.array_equal(*inside)


def test_a_factor_is_written_only_beside_a_line_that_has_it(result):
    of_outputs, of_weights = (factor_of(result, quantity) for quantity in reversed(GRADIENTS))
    stated = [one for one in result.findings if "factor" in one.evidence and one.evidence["factor per"] == "layer"]
    assert bool(of_outputs) == bool(stated) and of_weights in ("", of_outputs)
    if severity(result, "exploding"):  # the outputs shrink as the gradients grow
        assert of_weights == ""


def test_learning_rates_are_judged_by_the_trainings_thresholds(result):
    those = bands(result, "update/weight")
    assert those["healthy"].low[0] == 1e-6 and those["healthy"].high[0] == 0.1
    assert not bands(result, "activation").get("vanished")


def test_blocks_are_dark_where_the_gradient_is_gone():
    panel = LayerFlowPanel(activation="Sigmoid", depth=20, width=32, batch=16)
    (row,) = lit_rows({"": (panel.flow, settled(panel).flow.gradient)})
    assert row.levels[0] == 0 and row.levels[-1] == 1 and (np.diff(row.levels) >= 0).all()
    panel.close()


def test_now_and_cure_are_lit_on_one_scale():
    panel = LayerFlowPanel(activation="Sigmoid", depth=20, width=32, batch=16)
    now = settled(panel).flow
    trial = try_fix(*panel.problem.network(now.settings), "normalization", kind="layer", steps=1)
    after = gradient_range(trial.after, trial.findings_after)
    rows = lit_rows({"now": (now.flow, now.gradient), "cure": (trial.after, after)})
    assert [row.name for row in rows] == ["now", "cure"] and rows[1].levels[0] > rows[0].levels[0] + 0.2
    panel.close()


def test_zeros_are_gone_and_what_is_not_finite_is_marked():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    nn.init.constant_(model[2].bias, -50.0)
    panel = LayerFlowPanel(model, torch.randn(8, 4), torch.randn(8, 1), nn.functional.mse_loss)
    (row,) = lit_rows({"": (panel.flow, settled(panel).flow.gradient)})
    assert row.levels[0] == 0 and not row.broken.any() and panel.png()[:4] == b"\x89PNG"
    with torch.no_grad():
        model[0].weight[0, 0] = float("nan")
    panel.measure_again()
    (row,) = (
        panel.views["flow"].scene(settled(panel), beside(settled(panel).flow, None, ""), view_settings_of(panel)).rows
    )
    assert row.broken.any() and panel.png()[:4] == b"\x89PNG"
    panel.close()


def test_what_is_beside_a_profile_is_what_there_is_to_see():
    panel = LayerFlowPanel(activation="Sigmoid", depth=8, width=32, batch=16)
    shown = beside(settled(panel).flow, None, "click")
    assert [name for _, name in shown.above.names] == ["Sigmoid", "its slope"] and shown.below is None
    assert "never above ¼" in shown.why[0] and shown.why[1:] == ("No unit is dead.", "No unit is saturated.")
    panel.change(activation="ReLU", depth=20)
    shown = beside(settled(panel).flow, None, "click")
    assert [name for _, name in shown.above.names] == ["dead units"] and shown.below.names[0][1] == "ReLU"
    panel.selected = 3
    panel.refresh()
    assert panel.views["flow"].figure.below.axes.get_xlabel() == "log10 of its elements"
    panel.close()


def test_a_model_s_own_activation_is_explained_and_a_linear_one_leaves_the_room_to_the_profile():
    batch = torch.randn(8, 4), torch.randn(8, 4), nn.functional.mse_loss
    panel = LayerFlowPanel(nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)), *batch)
    assert activation_of(settled(panel).flow) == "Tanh"
    beside_tanh = panel.views["flow"].figure.profile.get_position().width
    panel.close()
    panel = LayerFlowPanel(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), *batch)
    figure = panel.views["flow"].figure
    assert activation_of(settled(panel).flow) == "" and figure.above is None is figure.below
    assert figure.profile.get_position().width > beside_tanh + 0.2
    assert "Click a layer for more" in {text.get_text() for text in figure.figure.texts}
    panel.close()
