"""What is noted of models that may be meant so: one layer several times, kernels that meet padding alone."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.layers.batchwise.rows_apart import _has_slice
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, classes


def notes(model, inputs, name):
    found = diagnose(layer_flow(model, inputs, None, lambda output, _: output.square().mean()))
    assert not any(one.severity in ("warning", "error") for one in found), [str(one) for one in found]
    return [one for one in found if one.name == name]


class Looped(nn.Module):
    """One layer that is called several times on purpose."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        for _ in range(3):
            x = F.gelu(self.layer(x))
        return x


class Listed(nn.Module):
    """Layers in a list."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.layers:
            x = x + F.gelu(layer(x))
        return x


def block():
    return nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Sequential(*[nn.Linear(8, 8)] * 3), "(model): 0, 1, 2 are one Linear, which runs 3 times"),
        (lambda: Listed([block()] * 4), "layers: 0, 1, 2, 3 are one Sequential, which runs 4 times"),
        (lambda: Listed([block() for _ in range(4)]), ""),
        (Looped, ""),
        (lambda: nn.Sequential(nn.Linear(8, 8), act := nn.GELU(), nn.Linear(8, 8), act), ""),
    ],
)
def test_one_layer_that_stands_several_times_in_a_list(make, words):
    found = notes(make(), torch.randn(16, 8), "repeated layer")
    assert [one.severity for one in found] == ["info"] * bool(words)
    assert all(words in one.message and "Block() for _ in range(n)" in one.action for one in found)


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (8, 3, 1, 1), "of the 9 places of its kernel (3 × 3) only 1 ever"),
        (nn.Conv2d(3, 8, 7, 2, padding=3), (8, 3, 2, 2), "of the 49 places of its kernel (7 × 7) only 4 ever"),
        (nn.Conv1d(3, 8, 9, padding=4), (8, 3, 2), "of the 9 places of its kernel (9) only 3 ever"),
        (nn.Conv1d(3, 8, 3, padding=8, dilation=8), (8, 3, 4), "of the 3 places of its kernel (3) only 1 ever"),
        (nn.Conv2d(3, 8, 3, padding=1), (8, 3, 2, 2), ""),
        (nn.Conv2d(3, 8, 3, padding=1), (8, 3, 9, 9), ""),
        (nn.Conv2d(3, 8, 3, padding="same"), (8, 3, 9, 9), ""),
        (nn.Conv2d(3, 8, 1), (8, 3, 1, 1), ""),
    ],
)
def test_kernels_that_meet_padding_alone(layer, shape, words):
    found = notes(nn.Sequential(layer, nn.GELU()), torch.randn(shape), "kernel on padding")
    assert [one.severity for one in found] == ["info"] * bool(words)
    assert all(f"0: {words}" in one.message for one in found)
    if words:  # as many places have a gradient
        model = layer
        model(torch.randn(shape)).square().sum().backward()
        assert int((model.weight.grad != 0).flatten(2).any(0).any(0).sum()) == found[0].evidence["met"]


class Drops(nn.Module):
    """Dropout by a function that is told the mode, or not."""

    def __init__(self, told):
        super().__init__()
        self.first, self.last, self.told = nn.Linear(8, 16), nn.Linear(16, 4), told

    def forward(self, x):
        h = F.relu(self.first(x))
        return self.last(F.dropout(h, 0.3, self.training) if self.told else F.dropout(h, 0.3))


@pytest.mark.parametrize("training", [True, False])
def test_dropout_that_is_not_told_the_mode_is_noted(training):
    (one,) = notes(Drops(told=False).train(training), torch.randn(16, 8), "always dropped")
    assert "30 %" in one.message and "test_notes.py" in one.message and "self.training" in one.action
    assert notes(Drops(told=True).train(training), torch.randn(16, 8), "always dropped") == []


@pytest.mark.parametrize(
    ("index", "first"),
    [
        ("::2", True), ("1::2, :", True), ("::n", True), ("f(a[0])::2, 3", True), ("::2, ..., a[1]", True),
        (":, ::2", False), (":, :, ::2, ::2", False), ("..., ::2", False), ("a[0], ::2, 1", False), ("::-1", False),
        ("::1", False), ("1:2", False),
    ],
)  # fmt: skip
def test_slices_in_steps_are_told_from_those_of_other_axes_by_the_code_alone(index, first):
    assert _has_slice(compile(f"e[{index}]", "test", "exec")) == first
    assert _has_slice(compile(f"e[{index}] = 1", "test", "exec")) == first


def test_a_stride_of_maps_and_noise_without_dropout_call_for_no_further_pass(monkeypatch):
    from gradwidgets.core.layers import flow
    from gradwidgets.core.layers.batchwise import rows_apart

    ran = []
    monkeypatch.setattr(rows_apart, "_found", lambda *given: ran.append("rows") or [])
    monkeypatch.setattr(flow, "always_dropped", lambda *given: ran.append("dropout") or [])
    parts = {"conv": nn.Conv2d(3, 8, 3), "head": nn.Linear(8, 3)}
    strided = Runs(lambda s, x: s.head(s.conv(x)[:, :, ::2, ::2].mean((2, 3))), **parts)
    layer_flow(strided, torch.randn(8, 3, 12, 12), classes(8, 3), F.cross_entropy)
    noisy = Runs(lambda s, x: s.head(x + torch.randn_like(x)), head=nn.Linear(8, 3))
    layer_flow(noisy, torch.randn(16, 8), classes(16, 3), F.cross_entropy)
    assert ran == []
    layer_flow(Drops(told=True), torch.randn(16, 8), classes(16, 4), F.cross_entropy)
    rows = Runs(lambda s, x: s.head(torch.cat([x[::2], x[1::2]])), head=nn.Linear(8, 3))
    layer_flow(rows, torch.randn(16, 8), classes(16, 3), F.cross_entropy)
    assert ran == ["dropout", "rows"]
