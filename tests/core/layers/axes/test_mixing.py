"""Samples that a view mixes: the judge is the gradient of one sample's output by the inputs of the others."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.layers.axes import mixing
from gradwidgets.core.layers.axes.mixing import batch_of, moves
from gradwidgets.core.monitor import diagnose


class Steps(nn.Module):
    """A recurrent network that takes steps first, and something that brings them there."""

    def __init__(self, turn, norm=False):
        super().__init__()
        self.turn = turn
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.rnn, self.head = nn.GRU(8, 16), nn.Linear(16, 4)

    def forward(self, x):
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return self.head(self.rnn(self.turn(x))[0][-1])


def by_view(x):
    return x.reshape(x.shape[1], x.shape[0], -1)


def by_transpose(x):
    return x.transpose(0, 1)


def found(model, x, count=None):
    targets = torch.randint(0, 4, (count or len(x),))
    return {one.name: one for one in diagnose(layer_flow(model, x, targets, functional.cross_entropy))}


def leaks(model, x):
    """Whether the output of the first sample has a gradient by the others, as autograd says."""
    x = x.clone().requires_grad_()
    return bool(torch.autograd.grad(model.eval()(x)[0].sum(), x)[0][1:].any())


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(("turn", "mixes"), [(by_view, True), (by_transpose, False)])
@pytest.mark.parametrize("steps", [6, 12, 24])
def test_it_is_said_where_samples_depend_on_each_other_and_nowhere_else(turn, mixes, norm, steps):
    model, x = Steps(turn, norm), torch.randn(12, steps, 8)
    said = found(model, x)
    # Of as many steps as samples, the shape stays and the view changes nothing.
    assert ("mixed samples" in said) == (mixes and steps != 12)
    if steps != 12:
        assert leaks(model, x) == mixes


def test_the_line_both_shapes_and_a_cure_are_told():
    one = found(Steps(by_view), torch.randn(12, 6, 8))["mixed samples"]
    line = by_view.__code__.co_firstlineno + 1
    assert (one.severity == "error" and "transpose" in one.action) or "permute" in one.action
    assert f"reshape (test_mixing.py, line {line}) makes (6, 12, 8) of (12, 6, 8)" in one.message
    assert one.evidence["of"] == 6 and one.evidence["changed"] > 0


class Among(nn.Module):
    """Samples that look at each other on purpose, as wide as there are samples: a view could be one that mixes."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(6, 16), nn.Linear(16, 4)

    def forward(self, x):
        h = self.embed(x)
        h = h + (h @ h.T / 4).softmax(-1) @ h
        return self.head(h.view(4, 4, 16).reshape(16, -1).view(-1, 16))


def test_attention_among_samples_is_meant():
    model, x = Among(), torch.randn(16, 6)
    assert leaks(model, x) and "mixed samples" not in found(model, x)


def test_a_norm_over_the_batch_mixes_by_rights():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.ReLU(), nn.Linear(8, 4))
    assert "mixed samples" not in found(model, torch.randn(16, 6))


@pytest.mark.parametrize(
    ("before", "after", "count", "moved"),
    [
        ((32, 6, 8), (6, 32, 8), 32, True),
        ((6, 32, 8), (32, 48), 32, True),
        ((32, 6, 8), (192, 8), 32, False),  # no axis of samples is left
        ((192, 8), (32, 6, 8), 32, False),
        ((32, 6, 8), (32, 48), 32, False),
        ((8, 6, 32), (8, 6, 4, 8), 8, False),  # as many heads as samples
        ((8, 6, 8), (48, 8), 8, False),
        ((16, 8, 8, 8), (8, 16, 8, 8), 8, True),  # pictures as wide as there are samples
    ],
)
def test_an_axis_is_told_by_what_lies_behind_it(before, after, count, moved):
    assert moves((before, after), count) == moved


def test_the_axis_of_samples_is_where_the_output_has_as_many():
    assert batch_of(torch.zeros(5, 7, 2), torch.zeros(5, 3)) == (0, 5)
    assert batch_of(torch.zeros(5, 7, 2), torch.zeros(7, 3)) == (1, 7)
    assert batch_of(torch.zeros(5, 7, 2), torch.zeros(9, 3)) is None
    assert batch_of({"tokens": torch.zeros(6, 4).long()}, (torch.zeros(6, 4, 9), torch.zeros(6))) == (0, 6)


def test_no_pass_is_made_where_no_view_moves_the_samples(monkeypatch):
    runs, way = [], mixing.output_of
    monkeypatch.setattr(mixing, "output_of", lambda *given: runs.append(1) or way(*given))
    x = torch.randn(12, 6, 8)
    assert "mixed samples" not in found(Steps(by_transpose), x) and runs == []
    assert "mixed samples" in found(Steps(by_view), x) and runs == [1, 1, 1]
