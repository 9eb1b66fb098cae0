"""What a forward makes of its data and differentiates by is no parameter; what is one and hangs nowhere still is."""

import pytest
import torch
from torch import nn

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.monitor import diagnose


class Critic(nn.Module):
    """Runs a function of itself and its input."""

    def __init__(self, run):
        super().__init__()
        self.score, self.run = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)), run

    def forward(self, x):
        return self.run(self, x)


def penalty(self, points):
    slope = torch.autograd.grad(self.score(points).sum(), points, create_graph=True)[0]
    return (slope.norm(dim=1) - 1) ** 2


def between(self, x):
    points = torch.lerp(x[::2], x[1::2], torch.rand(len(x) // 2, 1)).requires_grad_()
    return self.score(x).mean() + penalty(self, points * 1).mean()


def moved(self, x):
    noise = torch.zeros(len(x), 6, requires_grad=True)
    slope = torch.autograd.grad(self.score(x + noise).sum(), [noise], create_graph=True)[0]
    return self.score(x).mean() + slope.square().mean()


def of_data(self, x):
    points = (2 * x).detach().requires_grad_()
    return (self.score(points * 1) + points.square().sum(1, keepdim=True)).mean()


def by_backward(self, x):
    noise = torch.zeros(len(x), 6, requires_grad=True)
    self.score(x + noise).sum().backward(create_graph=False)
    return self.score(x + noise + noise.grad.sign() / 9).mean()


def layer(self, x):
    return nn.Linear(1, 1)(self.score(x)).mean()


def sized_like(self, x):
    return self.score(x * torch.ones_like(x[0]).requires_grad_()).mean()


def beside_a_penalty(self, x):
    points = (x + 0).requires_grad_()
    return self.score(x * torch.ones(6, requires_grad=True)).mean() + penalty(self, points * 1).mean()


def said(run):
    torch.manual_seed(0)
    found = diagnose(layer_flow(Critic(run), torch.randn(8, 6), None, lambda output, _: output))
    return [one.evidence["shapes"] for one in found if one.name == "unlisted"]


@pytest.mark.parametrize("run", [between, moved, of_data, by_backward])
def test_a_leaf_of_data_or_one_that_forward_differentiates_by_is_no_parameter(run):
    assert said(run) == []


@pytest.mark.parametrize(("run", "shapes"), [(layer, [(1,), (1, 1)]), (sized_like, [(6,)]), (beside_a_penalty, [(6,)])])
def test_a_weight_that_is_made_in_forward_is_found_beside_them(run, shapes):
    assert sorted(said(run)[0], key=len) == shapes
