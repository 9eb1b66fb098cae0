"""What is said of attention: heads that differ, and a softmax that is flat."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.layers.causes.softmax_rows import sure
from gradwidgets.core.monitor import diagnose
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
    """Torch's own, queries and keys multiplied by a factor."""

    def __init__(self, width=32, num_heads=4, factor=1.0, call=(), **options):
        super().__init__()
        self.attention, self.call = nn.MultiheadAttention(width, num_heads, batch_first=True, **options), dict(call)
        if factor != 1:
            self.attention.in_proj_weight.data[: 2 * width] *= factor

    def forward(self, x):
        return self.attention(x, x, x, **self.call)[0]


class ByFunction(ByHand):
    """As `ByHand`, its product with a softmax in one function of torch."""

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        return self.out(functional.scaled_dot_product_attention(self.factor * q, k, v).transpose(1, 2).flatten(2))


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


def test_a_head_of_torchs_attention_to_other_widths_is_told_too():
    torch.manual_seed(0)
    attention = OfTorch(kdim=32, vdim=32)
    attention.attention.register_parameter("in_proj_weight", None)
    attention.attention._qkv_same_embed_dim = False
    for part in "qkv":
        setattr(attention.attention, f"{part}_proj_weight", nn.Parameter(torch.randn(32, 32) / 6))
    with torch.no_grad():
        attention.attention.out_proj.weight[:, 8:16] *= 1e-4
    found = said(measured(attention))["heads"]
    assert "1.attention: head 1 of 4" in found.message and found.evidence["decades"] == pytest.approx(4, abs=0.7)


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


CAUSAL = torch.ones(6, 6, dtype=torch.bool).triu(1)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.1}])
@pytest.mark.parametrize(
    "call",
    [{}, {"need_weights": False}, {"need_weights": False, "attn_mask": CAUSAL},
     {"need_weights": False, "attn_mask": CAUSAL, "is_causal": True}],
)  # fmt: skip
def test_torchs_attention_is_flat_where_its_scores_are_hundreds_and_not_else(call, options):
    torch.manual_seed(0)
    found = said(measured(OfTorch(factor=60.0, call=call, **options)))["saturated"]
    assert "in 1.attention" in found.message and found.evidence["share"] > 0.9 and found.severity == "warning"
    assert "saturated" not in said(measured(OfTorch(call=call, **options)))


def test_attention_by_one_function_is_flat_where_its_scores_are_hundreds_and_not_else():
    torch.manual_seed(0)
    found = said(measured(ByFunction(factor=3000.0)))["saturated"]
    assert "scaled_dot_product after 1.q" in found.message and found.evidence["share"] > 0.9
    assert "saturated" not in said(measured(ByFunction()))


def test_the_rows_of_weights_that_were_not_kept_are_torchs():
    torch.manual_seed(0)
    q, k, v = (8 * torch.randn(3, 2, 9, 4, requires_grad=True) for _ in range(3))
    for mask in (None, torch.rand(9, 9).add(torch.eye(9)) > 0.4, torch.randn(3, 1, 9, 9)):
        node = functional.scaled_dot_product_attention(q, k, v, mask, scale=0.3).grad_fn
        added = 0 if mask is None else torch.zeros(9, 9).masked_fill(~mask, -math.inf) if mask.ndim == 2 else mask
        weights = (0.3 * q @ k.mT + added).softmax(-1)
        assert float(sure(node)[1]) == pytest.approx(float((weights.amax(-1) > 0.99).float().mean()))


def test_what_is_flat_inside_of_a_layer_is_named_by_what_it_is_and_by_the_layer():
    class Scores(nn.Module):
        """One layer, that holds its weights itself, with two functions in it."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(32, 32))

        def forward(self, x):
            x = torch.tanh(1e3 * x @ self.weight)
            return x * (90.0 * x).softmax(-1)

    torch.manual_seed(0)
    flow = measured(Scores())
    assert {(one.name, one.place) for one in flow.functions} == {("tanh", "1"), ("softmax", "1")}
    assert "tanh in 1: " in said(flow)["saturated"].message


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


def test_a_batchnorm_that_has_seen_no_batch_excuses_what_is_flat_behind_it_in_evaluation_mode():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.Hardtanh(), nn.Linear(32, 3))
    nn.init.normal_(model[0].weight, 0, 2.0)
    batch = torch.randn(64, 32), torch.randint(0, 3, (64,))
    assert "saturated" not in said(layer_flow(model, *batch, functional.cross_entropy))
    found = said(layer_flow(model.eval(), *batch, functional.cross_entropy))["saturated"]
    assert found.severity == "info" and "seen no batch" in found.message
