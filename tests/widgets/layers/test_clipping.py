"""One step under every clipper, against torch's own clipping."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from gradwidgets import LayerFlowPanel
from gradwidgets.core.layers import CLIPPERS, Clipped
from gradwidgets.widgets.layers.clipping import THRESHOLDS
from tests.widgets.inside import seen_state_of, work_of
from tests.widgets.layers.models import sound


@pytest.fixture
def panel():
    made = LayerFlowPanel(*sound(), view="clipping")
    yield made
    made.close()


def by_torch(clip, spike=1.0) -> list[float]:
    """Norms of each layer's gradients after torch clipped them."""
    model, x, y, loss_fn = sound()
    loss_fn(model(x), y).backward()
    for p in model.parameters():
        p.grad *= spike
    clip(model.parameters())
    layers = [m for m in model if isinstance(m, nn.Linear)]
    return [float(torch.nn.utils.get_total_norm([m.weight.grad, m.bias.grad])) for m in layers]


def clipped_in(panel) -> dict[str, Clipped]:
    view, how = panel.views["clipping"], seen_state_of(panel).view
    return view.derive(panel.problem, work_of(panel).shown, how, view.kept)


def drawn(panel, line: str) -> np.ndarray:
    return 10.0 ** panel.views["clipping"].figure.lines[line].get_data()[1]


def test_all_clippers_have_a_threshold_on_a_slider(panel):
    assert set(THRESHOLDS) == set(CLIPPERS)
    for name, (option, setting) in THRESHOLDS.items():
        assert option in CLIPPERS[name].options and setting in panel.controls


@pytest.mark.parametrize("spike", [1.0, 50.0])
def test_norms_before_and_after_are_torch_s(panel, spike):
    panel.change(max_norm=0.2, clip_value=0.01, spike=spike)
    np.testing.assert_allclose(drawn(panel, "before"), by_torch(lambda p: None, spike), rtol=1e-6)
    norm = by_torch(lambda p: nn.utils.clip_grad_norm_(p, 0.2), spike)
    np.testing.assert_allclose(drawn(panel, "norm"), norm, rtol=1e-6)
    value = by_torch(lambda p: nn.utils.clip_grad_value_(p, 0.01), spike)
    np.testing.assert_allclose(drawn(panel, "value"), value, rtol=1e-6)


def test_only_clipping_by_elements_turns_the_step(panel):
    panel.change(max_norm=0.01, clip_value=0.01)
    clipped = clipped_in(panel)
    assert clipped["norm"].cosine == pytest.approx(1, abs=1e-9) == clipped["autoclip"].cosine
    assert clipped["value"].cosine < 0.99 and clipped["percentile"].cosine < 1
    marks = panel.views["clipping"].figure.meters.marks
    assert [float(marks[name].get_data()[0][0]) for name in clipped] == [one.cosine for one in clipped.values()]


def test_a_spike_is_brought_back_by_the_history_alone(panel):
    norms = {}
    for spike in (1.0, 1000.0):
        panel.change(spike=spike, history_percentile=50.0)
        norms[spike] = {name: one.norm_after for name, one in clipped_in(panel).items()}
    assert norms[1000.0]["percentile"] == pytest.approx(1000 * norms[1.0]["percentile"], rel=1e-5)
    assert norms[1000.0]["autoclip"] < 3 * norms[1.0]["autoclip"]


def test_only_the_clipper_whose_threshold_moved_is_computed_again(panel):
    before = clipped_in(panel)
    panel.clip_value = 0.5
    after = clipped_in(panel)
    assert [before[name] is after[name] for name in THRESHOLDS] == [True, False, True, True]


def test_a_batch_of_one_and_no_gradient_are_said():
    model, x, y, loss_fn = sound()
    one = LayerFlowPanel(model, x[:1], y[:1], loss_fn, view="clipping")
    assert "cannot be divided" in one.summary and one.error == ""
    one.close()
    frozen = copy.deepcopy(model).requires_grad_(False)
    none = LayerFlowPanel(frozen, x, y, loss_fn, view="clipping")
    assert none.error == "" and "norm 0 → 0" in none.summary
    none.close()


def test_the_script_clips_the_same(capsys):
    panel = LayerFlowPanel(depth=4, width=8, batch=16, init="He", view="clipping", spike=10.0)
    exec(panel.code(), {})
    told = capsys.readouterr().out.split()
    clipped = clipped_in(panel)
    for name, one in clipped.items():
        assert float(told[told.index(name) + 2]) == pytest.approx(one.norm_after, rel=1e-9)
    panel.close()
