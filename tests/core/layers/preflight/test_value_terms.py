"""Terms that are added to a loss by their value alone are named; stop-gradients that serve a purpose are not."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose
from tests.core.layers.preflight.parts import labels, net, randn


class Sparse(nn.Module):
    """Gives what it makes of its inputs, and a mean of its code that is cut off."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(16, 12), nn.Linear(12, 4)

    def forward(self, x):
        code = torch.sigmoid(self.encoder(x))
        return self.decoder(code), code.mean(0).detach()


MODEL = net(4)
RETURNS = randn(32)


def frozen_l1(o, y):
    loss = F.cross_entropy(o, y)
    for one in MODEL.parameters():
        with torch.no_grad():
            size = one.abs().sum()
        loss = loss + 1e-4 * size
    return loss


def from_norms(o, y):
    loss = F.cross_entropy(o, y)
    loss += 1e-4 * sum(one.norm().item() for one in MODEL.parameters())
    return loss


SICK = {
    "weights by .data": (
        lambda o, y: F.cross_entropy(o, y) + 1e-3 * sum((p.data**2).sum() for p in MODEL.parameters()),
        "data",
    ),
    "output detached": (lambda o, y: F.cross_entropy(o, y) + 0.1 * (o.detach() ** 2).mean(), "detach"),
    "an entropy, taken off": (
        lambda o, y: F.cross_entropy(o, y) - 0.01 * torch.distributions.Categorical(logits=o.detach()).entropy().mean(),
        "detach",
    ),
    "weights under no_grad": (frozen_l1, "no_grad"),
    "a plain number": (lambda o, y: F.cross_entropy(o, y) + 0.1 * o.abs().mean().item(), "item"),
    "norms as plain numbers": (from_norms, "item"),
}  # fmt: skip


def straight_through(o, y):
    size = (o**2).mean()
    return F.cross_entropy(o, y) + (size.round() - size).detach() + size


def balanced(o, y):
    one, other = F.cross_entropy(o, y), (o**2).mean()
    return one + other * (one.item() / other.item())


def logged(o, y):
    loss, seen = F.cross_entropy(o, y), []
    seen.append(loss.item())
    return 1 - torch.exp(-loss) + math.log(2 * math.pi)


def distilled(o, y):
    asked = F.softmax(o.detach() / 0.5, -1)
    entropy = (asked * asked.log()).sum(1).mean()
    return F.cross_entropy(o, y) + (entropy - (asked * F.log_softmax(o, -1)).sum(1).mean())


def to_reference(o, y):
    now = F.log_softmax(o, -1).gather(1, y[:, None]).mean()
    before = F.log_softmax(o.detach() * 0.9, -1).gather(1, y[:, None]).mean()
    return -now + 0.1 * (now - before)


def flooded(o, y):
    loss = F.cross_entropy(o, y)
    level = loss.detach() * 0.9
    return (loss - level).abs() + level


SOUND = {
    "straight through": straight_through,
    "balanced by plain numbers": balanced,
    "logged": logged,
    "distilled": distilled,
    "to a reference": to_reference,
    "flooded": flooded,
    "weights by themselves": lambda o, y: F.cross_entropy(o, y) + 1e-4 * sum((p**2).sum() for p in MODEL.parameters()),
    "a target": lambda o, y: F.mse_loss(o.gather(1, y[:, None])[:, 0], RETURNS + 0.9 * o.detach().max(1).values),
    "over its own value": lambda o, y: (lambda loss: loss / loss.detach())(F.cross_entropy(o, y)),
}


def terms(model, loss):
    found = diagnose(layer_flow(model, randn(32, 16), labels(32), loss))
    return [one for one in found if one.name == "term_without_gradient"]


@pytest.mark.parametrize("name", SICK)
def test_a_term_that_goes_in_by_its_value_alone_is_named(name):
    loss, by = SICK[name]
    (one,) = terms(MODEL, loss)
    assert one.severity == "warning" and by in one.message and "test_value_terms.py" in one.message


def test_so_is_one_of_what_comes_out_without_a_gradient():
    def rare(o, y):
        share = o[1]
        return F.cross_entropy(o[0], y) + 0.1 * (0.05 * torch.log(0.05 / share)).sum()

    (one,) = terms(Sparse(), rare)
    assert "comes out of the model without one" in one.message


@pytest.mark.parametrize("name", SOUND)
def test_a_stop_gradient_that_serves_a_purpose_is_let_be(name):
    assert terms(MODEL, SOUND[name]) == []
