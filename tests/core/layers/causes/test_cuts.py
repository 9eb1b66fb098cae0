"""What ends the way of a gradient is named, that which matters among several, each with a cure of its own."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from gradwidgets.core.layers import FlowError, layer_flow
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs


def found(model, inputs, targets, loss_fn=F.mse_loss):
    return diagnose(layer_flow(model, inputs, targets, loss_fn))


def _codes(s, x):
    z = s.enc(x)
    q = s.book(torch.cdist(z, s.book.weight).argmin(1))
    return z, q, z + (q - z).detach()


def quantised(first, commit=0.25):
    """Codes with a loss of `first(z, q, straight)`, what goes straight through or is looked up."""

    def run(s, x):
        z, q, straight = _codes(s, x)
        return s.dec(straight), z, first(z, q, straight)

    def loss(out, x):
        rebuilt, z, codes = out
        told = F.mse_loss(rebuilt, x) + F.mse_loss(codes, z.detach())
        return told if commit is None else told + commit * F.mse_loss(z, codes.detach())

    torch.manual_seed(0)
    model = Runs(run, enc=nn.Linear(6, 4), book=nn.Embedding(8, 4), dec=nn.Linear(4, 6))
    x = torch.randn(24, 6)
    return model, x, x, loss


def test_codes_that_are_reached_inside_a_detach_alone_are_told_of_the_detach_and_not_of_the_choice():
    finding = found(*quantised(lambda z, q, straight: straight))[0]
    assert finding.evidence["layers"] == ["book"] and "detach (test_cuts.py" in finding.message
    assert "argmin" not in finding.message and "z + (q" not in finding.action
    assert "mse(q, z.detach())" in finding.action


def test_a_table_that_is_detached_where_it_is_looked_up_is_told_of_the_detach():
    def run(s, z):
        return F.embedding(torch.cdist(z, s.codes).argmin(1), s.codes.detach())

    torch.manual_seed(0)
    table = Runs(run, codes=nn.Parameter(torch.randn(5, 6)))
    finding = found(nn.Sequential(table, nn.Linear(6, 2)), torch.randn(20, 6), torch.randn(20, 2))[0]
    assert finding.evidence["layers"] == ["0"] and "detach (test_cuts.py" in finding.message


def test_codes_that_are_looked_up_for_their_own_term_are_not_blamed():
    assert [one.name for one in found(*quantised(lambda z, q, straight: q))] == ["healthy"]


@pytest.mark.parametrize("weight", [None, 0.0])
def test_an_encoder_before_a_choice_is_told_of_the_choice_also_where_another_term_detaches_it(weight):
    def run(s, x):
        z, q, _ = _codes(s, x)
        return s.dec(q), z, q

    model, x, _, loss = quantised(lambda z, q, straight: q, commit=weight)
    model = Runs(run, enc=model.enc, book=model.book, dec=model.dec)
    finding = found(model, x, x, loss)[0]
    assert finding.evidence["layers"] == ["enc"] and "argmin (test_cuts.py" in finding.message
    assert "z + (q − z).detach()" in finding.action


def _checkpointed(x):
    def run(s, x):
        return s.out(checkpoint(s.body, x, use_reentrant=True))

    body = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8))
    return Runs(run, body=body, out=nn.Linear(8, 2)), x, torch.randn(len(x), 2)


def _checkpointed_function(x):
    def part(s):
        return lambda x: torch.tanh(s.a(x))

    model = Runs(lambda s, x: s.b(checkpoint(part(s), x, use_reentrant=True)), a=nn.Linear(6, 8), b=nn.Linear(8, 2))
    return model, x, torch.randn(len(x), 2)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("make", [_checkpointed, _checkpointed_function])
def test_a_checkpoint_without_an_input_that_asks_is_told_of_and_not_no_grad(make):
    finding = next(one for one in found(*make(torch.randn(9, 6))) if one.name == "no_gradient")
    assert "no_grad" not in finding.message and "the loss does not depend" not in finding.message
    assert "the checkpoint (test_cuts.py" in finding.message and "none of them does" in finding.message
    assert finding.action.startswith("checkpoint(…, use_reentrant=False)")


def test_no_grad_itself_is_still_told_of_with_its_own_cure():
    @torch.no_grad()
    def features(s, x):
        return s.a(x)

    model = Runs(lambda s, x: s.b(features(s, x)), a=nn.Linear(6, 8), b=nn.Linear(8, 2))
    finding = found(model, torch.randn(9, 6), torch.randn(9, 2))[0]
    assert "no gradient path leads to it from the loss; it is computed under no_grad" in finding.message
    assert "outside of no_grad" in finding.action


@pytest.mark.parametrize(
    "run",
    [
        lambda s, x: s.b(torch.sign(s.a(x))),
        lambda s, x: s.b((s.a(x) * 8).round() / 8),
        lambda s, x: s.b(torch.relu(F.linear(x, torch.sign(s.a.weight)))),
    ],
    ids=["sign", "round", "signs of weights"],
)
def test_steps_within_a_network_are_to_be_gone_straight_through(run):
    torch.manual_seed(0)
    finding = found(Runs(run, a=nn.Linear(6, 8), b=nn.Linear(8, 2)), torch.randn(30, 6), torch.randn(30, 2))[0]
    assert finding.name == "no_gradient" and "goes in steps, whose slope is 0" in finding.message
    assert "Go straight through" in finding.action and ".detach()" in finding.action
    assert "where results are read" not in finding.action


def test_a_comparison_within_a_network_is_to_be_gone_straight_through_too():
    model = Runs(lambda s, x: s.b((s.a(x) > 0).float()), a=nn.Linear(6, 8), b=nn.Linear(8, 2))
    finding = found(model, torch.randn(30, 6), torch.randn(30, 2))[0]
    assert "the comparison gt (test_cuts.py" in finding.message and "hard + soft − soft.detach()" in finding.action


def test_steps_of_which_torch_knows_no_gradient_are_to_be_gone_straight_through():
    model = Runs(lambda s, x: s.b(torch.heaviside(s.a(x), torch.tensor(0.0))), a=nn.Linear(6, 8), b=nn.Linear(8, 2))
    with pytest.raises(FlowError, match=r"no gradient of heaviside: .* a straight-through estimator"):
        layer_flow(model, torch.randn(30, 6), torch.randn(30, 2), F.mse_loss)


def test_steps_of_what_the_model_says_at_last_are_for_where_results_are_read():
    model = Runs(lambda s, x: torch.round(torch.sigmoid(s.b(torch.tanh(s.a(x))))), a=nn.Linear(6, 8), b=nn.Linear(8, 1))
    finding = found(model, torch.randn(30, 6), torch.rand(30, 1).round())[0]
    assert finding.name == "no_gradient" and "where results are read" in finding.action


def test_one_that_goes_straight_through_is_not_blamed():
    def run(s, x):
        h = s.a(x)
        return s.b(h + (torch.sign(h) - h).detach())

    torch.manual_seed(0)
    model = Runs(run, a=nn.Linear(6, 8), b=nn.Linear(8, 2))
    assert [one.name for one in found(model, torch.randn(30, 6), torch.randn(30, 2))] == ["healthy"]
