"""What a pass would take is told before it is taken."""

import pytest
import torch
from torch import nn

from gradwidgets.core import hessian_spectrum, layer_flow
from gradwidgets.core.subject import memory
from gradwidgets.core.subject.memory import TooLarge, available, kept_bytes
from gradwidgets.widgets.layers.panel import LayerFlowPanel


def square(output, targets):
    return output.square().mean()


def deep(width=256, depth=6):
    return nn.Sequential(*[m for _ in range(depth) for m in (nn.Linear(width, width), nn.ReLU())])


def test_what_is_free_is_known_here():
    assert 1e8 < available() < 1e14


def test_what_a_pass_keeps_is_told_from_two_samples():
    model, inputs = deep(), torch.randn(512, 256)
    told = kept_bytes((inputs, None), lambda x, t: square(model(x), t), model.parameters())
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = square(model(inputs), None)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    truth = sum(size for place, size in kept.items() if place not in weights)
    assert loss.isfinite() and told == pytest.approx(truth, rel=0.01)


def test_what_cannot_be_told_is_not_guessed():
    assert kept_bytes((torch.ones(8, 2), torch.ones(4)), square, ()) != kept_bytes((), square, ())  # both NaN


@pytest.mark.parametrize("look", [layer_flow, hessian_spectrum])
def test_a_pass_that_would_not_fit_is_refused_and_leaves_no_trace(look, monkeypatch):
    model, inputs = deep(512, 8), torch.randn(8192, 512)
    before = [p.clone() for p in model.parameters()]
    monkeypatch.setattr(memory, "available", lambda: 60_000_000)
    with pytest.raises(TooLarge, match=r"would take about .* (MB|GB), and 60 MB are free: take a smaller batch"):
        look(model, inputs, None, square)
    assert all(map(torch.equal, model.parameters(), before))


def test_weights_that_would_not_fit_three_times_are_refused(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 20_000_000)
    with pytest.raises(TooLarge, match="the weights, their copy and their gradients would take about"):
        layer_flow(deep(1024, 2), torch.randn(4, 1024), None, square)


@pytest.mark.parametrize("depth", [20, 50])
def test_a_network_from_sliders_says_what_it_would_take(depth):
    panel = LayerFlowPanel(width=64, batch=8)
    shown = panel.summary
    try:
        panel.batch, panel.width = 4096, 64
        panel.set_trait("depth", depth)
        panel.width = 1024
        assert "would take about" in panel.error and "billion multiplications" in panel.error
        panel.width, panel.batch = 64, 8
        assert (panel.error == "" and panel.summary != shown) or depth == 20
    finally:
        panel.close()
