"""What is said of attention: heads that differ, and a softmax that is flat."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import diagnose, layer_flow
from tests.core.layers.field.library import LIBRARY
from tests.core.layers.field.sound import SOUND


class ByHand(nn.Module):
    """Attention as it is written by hand, scores multiplied by a factor."""

    def __init__(self, width=32, num_heads=4, factor=1.0):
        super().__init__()
        self.num_heads, self.factor = num_heads, factor
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = self.factor * q @ k.mT / math.sqrt(q.shape[-1])
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class OfTorch(nn.Module):
    def __init__(self, width=32, num_heads=4):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, num_heads, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


def measured(attention):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), attention, nn.Flatten(), nn.Linear(32 * 6, 3))
    return layer_flow(model, torch.randn(16, 6, 8), torch.randint(0, 3, (16,)), functional.cross_entropy)


def said(flow):
    return {one.name: one for one in diagnose(flow)}


@pytest.mark.parametrize("kind", [OfTorch, ByHand])
def test_heads_that_are_drawn_alike_are_not_remarked_on(kind):
    torch.manual_seed(0)
    flow = measured(kind())
    found = [layer for layer in flow.layers if layer.heads]
    assert len(found) == 2 and all(len(layer.heads) == 4 for layer in found)
    assert "heads" not in said(flow)


def test_a_heads_part_is_autograds():
    torch.manual_seed(0)
    attention = ByHand()
    flow = measured(attention)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), attention, nn.Flatten(), nn.Linear(32 * 6, 3))
    functional.cross_entropy(model(torch.randn(16, 6, 8)), torch.randint(0, 3, (16,))).backward()
    rows, columns = attention.v.weight.grad, attention.out.weight.grad
    assert flow["1.v"].heads == pytest.approx([float(rows[8 * h : 8 * h + 8].norm()) for h in range(4)], rel=1e-5)
    assert flow["1.out"].heads == pytest.approx(
        [float(columns[:, 8 * h : 8 * h + 8].norm()) for h in range(4)], rel=1e-5
    )
    assert math.hypot(*flow["1.v"].heads) == pytest.approx(flow["1.v"].weight_grad_norm, rel=1e-6)


@pytest.mark.parametrize(("factor", "words"), [(1e-3, "3."), (0.0, "no gradient")])
def test_a_head_that_is_kept_out_is_told_by_its_number(factor, words):
    torch.manual_seed(0)
    attention = ByHand()
    with torch.no_grad():
        attention.out.weight[:, 16:24] *= factor
    found = said(measured(attention))["heads"]
    assert found.severity == "info" and found.evidence["layer"] == "1.v"
    assert "1.v: head 2 of 4 gets" in found.message and words in found.message


def test_a_head_of_torchs_attention_is_told_too():
    torch.manual_seed(0)
    attention = OfTorch()
    with torch.no_grad():
        attention.attention.out_proj.weight[:, :8] *= 1e-4
    found = said(measured(attention))["heads"]
    assert "1.attention: head 0 of 4" in found.message and found.evidence["decades"] == pytest.approx(4, abs=0.7)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.torch.jit.script:DeprecationWarning")
def test_heads_of_published_models_are_not_remarked_on():
    tried = 0
    for case in (*LIBRARY[::3], *SOUND[::4]):
        torch.manual_seed(0)
        flow = layer_flow(*case.make())
        tried += any(layer.heads for layer in flow.layers)
        assert "heads" not in said(flow), case.name
    assert tried >= 5


def test_scores_of_hundreds_are_said_to_be_flat_and_usual_ones_are_not():
    torch.manual_seed(0)
    found = said(measured(ByHand(factor=3000.0)))["saturated"]
    assert "softmax after 1.q" in found.message and found.evidence["share"] > 0.9
    assert "saturated" not in said(measured(ByHand()))


def test_a_batchnorm_that_has_seen_no_batch_excuses_a_fade_in_evaluation_mode():
    torch.manual_seed(0)
    layers = [part for _ in range(12) for part in (nn.Linear(32, 32), nn.BatchNorm1d(32), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(32, 3))
    for part in layers[::3]:
        nn.init.normal_(part.weight, 0, 0.05)
    batch = torch.randn(64, 32), torch.randint(0, 3, (64,))
    assert "vanishing" not in said(layer_flow(model, *batch, functional.cross_entropy))
    found = said(layer_flow(model.eval(), *batch, functional.cross_entropy))["vanishing"]
    assert found.severity == "info" and "seen no batch" in found.message
    model.train()(10 * torch.randn(64, 32))
    found = said(layer_flow(model.eval(), *batch, functional.cross_entropy))
    assert found.get("vanishing") is None or found["vanishing"].severity != "info"
