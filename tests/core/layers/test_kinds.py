"""The numbers behind what is said of zeros, clamps, scores of attention and a first loss."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.layers import flow, layer_flow, preflight
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, through


def flow_of(model, x=None, y=None, loss=F.cross_entropy):
    x = torch.randn(32, 16) if x is None else x
    return layer_flow(model, x, torch.randint(0, 4, (32,)) if y is None else y, loss)


def found(*arguments, **keywords):
    return {one.name: one for one in diagnose(flow_of(*arguments, **keywords))}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (lambda s, x: F.dropout(x, 1.0), "dropout (test_kinds.py, line"),
        (lambda s, x: s.drop(x), "drop gives 0 throughout: p = 1"),
        (lambda s, x: x * 0, "mul (test_kinds.py, line"),
        (lambda s, x: torch.zeros(32) * x, "mul (test_kinds.py, line"),
        (lambda s, x: x.masked_fill(torch.ones(32, dtype=torch.bool), 0.0), "masked_fill (test_kinds.py, line"),
    ],
)
def test_what_is_multiplied_by_0_leads(way, words):
    model = Runs(lambda s, x: s.out(way(s, torch.relu(s.a(x)))), a=nn.Linear(16, 32), out=nn.Linear(32, 4))
    model.drop = nn.Dropout(1.0)
    first = diagnose(flow_of(model))[0]
    assert first.name == "no_gradient" and first.severity == "error" and words in first.message
    assert "a" in first.evidence["layers"] and "ReLU" not in first.action


def test_a_factor_that_is_0_at_some_calls_is_none_that_always_is():
    def run(s, x):
        state = torch.zeros(32, 16)
        for step in range(3):
            state = torch.tanh(s.a(x) + s.b(state)) * (step > 0)
        return s.out(state)

    model = Runs(run, a=nn.Linear(16, 16), b=nn.Linear(16, 16), out=nn.Linear(16, 4))
    assert flow_of(model).zeroed == () and "no_gradient" not in found(model)


def test_a_term_that_counts_0_is_a_note():
    def run(s, x):
        return s.out(torch.relu(s.a(x))) + 0.0 * s.unused(x).sum()

    said = found(Runs(run, a=nn.Linear(16, 32), unused=nn.Linear(16, 4), out=nn.Linear(32, 4)))
    assert said["no_gradient"].severity == "info" and "the other factor is 0" in said["no_gradient"].message
    assert said["no_gradient"].evidence["layers"] == ["unused"] and "healthy" in said


def test_zeros_that_a_step_ends_take_no_further_pass(monkeypatch):
    passes = []
    monkeypatch.setattr(flow, "stopped_in", lambda subject: passes.append(1) or ((), {}))
    model = through(16, 32, 4)
    nn.init.zeros_(model[2].weight)
    assert found(model)["no_gradient"].severity == "info" and passes == []
    nn.init.constant_(model[0].bias, -100.0)
    nn.init.normal_(model[2].weight)
    assert "dead_units" in found(model) and passes == [1]


def test_of_a_clamp_the_share_beyond_its_bounds_is_that_of_its_inputs():
    model = Runs(lambda s, x: (40 * s.net(x)).clamp(0, 1), net=through(16, 32, 4))
    x = torch.randn(32, 16)
    given = 40 * model.net(x)
    share = float(((given < 0) | (given > 1)).float().mean())
    seen = flow_of(model, x, torch.rand(32, 4), F.mse_loss)
    one = next(one for one in seen.functions if one.name == "clamp")
    assert one.outside == pytest.approx(share, abs=1e-6)
    said = diagnose(seen)[0]
    assert share > 0.75 and said.name == "saturated" and "sigmoid" in said.action and "ReLU" not in said.action


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("scale", [1.0, 0.125, 1e-5])
def test_scores_are_those_of_queries_and_keys(scale, fused):
    def run(s, x):
        q, k, v = s.q(x), s.k(x), s.v(x)
        if fused:
            return s.out(F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None], scale=scale)[:, 0].mean(1))
        return s.out(((q @ k.transpose(1, 2) * scale).masked_fill(far, -100.0).softmax(-1) @ v).mean(1))

    far = torch.ones(6, 6, dtype=torch.bool).triu(1)
    model = Runs(run, q=nn.Linear(16, 64), k=nn.Linear(16, 64), v=nn.Linear(16, 64), out=nn.Linear(64, 4))
    for one in (model.q, model.k):
        nn.init.normal_(one.weight, 0, 0.35)
    x = torch.randn(8, 6, 16)
    spread = float((model.q(x) @ model.k(x).transpose(1, 2) * scale).std(-1).mean().detach())
    seen = flow_of(model, x, torch.randint(0, 4, (8,)))
    one = next(one for one in seen.functions if one.spread == one.spread)
    assert one.spread == pytest.approx(spread, rel=1e-4) and one.scale == pytest.approx(8 * scale, rel=1e-6)
    said = {one.name for one in diagnose(seen) if one.severity == "warning"}
    assert said == ({"saturated"} if scale == 1 else {"even attention"} if scale < 1e-3 else set())


def head(times, outputs=10):
    model = through(16, 32, outputs)
    with torch.no_grad():
        model[-1].weight.mul_(times)
    return model


def test_a_first_loss_is_the_one_that_torch_has_and_the_factor_cures_it():
    model, x, y = head(200), torch.randn(32, 16), torch.randint(0, 10, (32,))
    one = found(model, x, y)["first_loss"]
    assert one.severity == "warning" and one.evidence["parameter"] == "2.weight"
    assert one.evidence["loss"] == pytest.approx(float(F.cross_entropy(model(x), y).detach()), rel=1e-5)
    assert one.evidence["guess"] == pytest.approx(math.log(10))
    assert one.evidence["spread"] == pytest.approx(float(model(x).std(1).mean().detach()), rel=1e-5)
    with torch.no_grad():
        model[-1].weight.mul_(one.evidence["usual"] / one.evidence["weights"])
    assert "first_loss" not in found(model, x, y) and float(F.cross_entropy(model(x), y).detach()) < 2 * math.log(10)


@pytest.mark.parametrize(
    "loss",
    [
        lambda out, y: F.mse_loss(out, F.one_hot(y, 10).float()),
        lambda out, y: F.cross_entropy(out / 200, y),
        lambda out, y: F.cross_entropy(out, y, weight=torch.ones(10)),
        lambda out, y: F.cross_entropy(out, F.one_hot(y, 10).float()),
    ],
)
def test_of_other_losses_nothing_is_said(loss):
    assert "first_loss" not in found(head(200), torch.randn(32, 16), torch.randint(0, 10, (32,)), loss)


def test_a_first_loss_that_follows_from_the_inputs_is_not_said_beside_them():
    model, y = head(1), torch.randint(0, 10, (32,))
    said = {one.name for one in preflight(model, 1000 * torch.randn(32, 16), y, F.cross_entropy)}
    assert "input_scale" in said and "first_loss" not in said
    said = {one.name for one in preflight(head(200), 1000 * torch.randn(32, 16), y, F.cross_entropy)}
    assert {"input_scale", "first_loss"} <= said


def test_two_causes_are_told_both_the_graver_first():
    def run(s, x):
        return s.out(torch.tanh(40 * s.a(x)) + s.drop(s.b(x)))

    model = Runs(run, a=nn.Linear(16, 32), b=nn.Linear(16, 32), drop=nn.Dropout(1.0), out=nn.Linear(32, 4))
    model.extra = [nn.Linear(4, 4)]
    model._run = lambda s, x: s.extra[0](run(s, x))
    said = [(one.name, one.severity) for one in diagnose(flow_of(model)) if one.severity in ("error", "warning")]
    assert ("no_gradient", "error") in said and ("unlisted", "warning") in said and "saturated" in dict(said)
    assert [severity for _, severity in said] == sorted([severity for _, severity in said])


def test_units_that_die_of_zeros_come_after_them():
    model = through(16, 32, 32, 4)
    for one in model[2].parameters():
        nn.init.zeros_(one)
    first, second = (one for one in diagnose(flow_of(model)) if one.severity in ("error", "warning"))
    assert (first.name, first.evidence["all 0"]) == ("no_gradient", ["2"]) and "zero init" in first.message
    assert (second.name, second.severity) == ("dead_units", "warning") and "LeakyReLU" not in second.action
