"""Losses and forwards that differentiate by what they are given, choices by index, and losses made anew of a number."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def equation(u, x, f):
    """u″ = f, by two gradients."""
    slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    return (torch.autograd.grad(slope.sum(), x, create_graph=True)[0] - f).square().mean() + u[0].square().mean()


def points_of_an_equation():
    """A network of an equation, whose loss differentiates by the points that it holds itself."""
    x = torch.linspace(0, 1, 32)[:, None].requires_grad_()
    return through(1, 16, 1, act=nn.Tanh), x, torch.sin(3 * x.detach()), lambda u, f: equation(u, x, f)


def points_as_targets():
    """The same points as inputs and among the targets."""
    x = torch.linspace(0, 1, 32)[:, None].requires_grad_()
    return through(1, 16, 1, act=nn.Tanh), x, (x, torch.ones(32, 1)), lambda u, given: equation(u, *given)


def penalty_in_the_critic():
    """WGAN-GP, the penalty within the critic's forward."""

    def run(s, x):
        true, made = x[:, 0], x[:, 1]
        points = torch.lerp(true, made, torch.rand(len(x), 1)).requires_grad_()
        slope = torch.autograd.grad(s.score(points).sum(), points, create_graph=True)[0]
        return s.score(true), s.score(made), (slope.norm(dim=1) - 1).square().mean()

    model = Runs(run, score=through(8, 32, 1, act=nn.Tanh))
    return model, torch.randn(16, 2, 8), None, lambda o, _: o[1].mean() - o[0].mean() + 10 * o[2]


def codes(straight):
    """A VQ-VAE, whose loss commits to its codes where it goes straight through."""

    def run(s, x):
        z = s.enc(x)
        q = s.code(torch.cdist(z, s.code.weight).argmin(1)).view_as(z)
        return (s.dec(z + (q - z).detach()), z, q) if straight else (s.dec(q), z.detach(), q)

    def loss(o, y):
        out, z, q = o
        return F.mse_loss(out, y) + F.mse_loss(q, z.detach()) + (0.25 * F.mse_loss(z, q.detach()) if straight else 0)

    x = torch.rand(32, 16)
    return Runs(run, enc=through(16, 24, 4), code=nn.Embedding(16, 4), dec=through(4, 24, 16)), x, x, loss


def nearest_by_hand():
    """Codes by topk of the negative distance, looked up by index."""

    def run(s, x):
        z = s.enc(x)
        nearest = (-(z[:, None] - s.code).square().sum(-1)).topk(1).indices[:, 0]
        return s.dec(s.code[nearest].reshape_as(z))

    x = torch.rand(32, 16)
    model = Runs(run, enc=through(16, 24, 4), code=nn.Parameter(torch.randn(16, 4)), dec=through(4, 24, 16))
    return model, x, x, F.mse_loss


def made_anew():
    """REINFORCE, whose loss is made anew of its number."""

    def loss(logits, given):
        actions, gains = given
        chance = Categorical(logits=logits).log_prob(actions)
        value = -(chance * gains).mean()
        return torch.tensor(value.item(), requires_grad=True)

    return through(4, 32, 2, act=nn.Tanh), torch.randn(32, 4), (classes(32, 2), torch.randn(32)), loss


def made_anew_behind_a_log():
    """A likelihood that goes through numpy, what is right being counted and logged behind it."""

    def loss(logits, labels):
        value = -Bernoulli(logits=logits).log_prob(labels).mean()
        anew = torch.from_numpy(value.detach().numpy().reshape(1)).requires_grad_().sum()
        ((logits > 0) == labels).float().mean().item()
        return anew

    return through(4, 32, 1), torch.randn(32, 4), classes(32, 2)[:, None].float(), loss


def expert_without_samples():
    """A mixture of experts, one of which no sample is sent to."""

    def run(s, x):
        chance = s.router(x).softmax(-1)
        chosen, out = chance.argmax(-1), torch.zeros(len(x), 4)
        for i, expert in enumerate(s.experts):
            if (mine := chosen == i).any():
                out = out.index_put((mine.nonzero()[:, 0],), expert(x[mine]) * chance[mine, i, None])
        return out

    model = Runs(run, router=nn.Linear(8, 3), experts=nn.ModuleList(nn.Linear(8, 4) for _ in range(3)))
    nn.init.constant_(model.router.bias, 0.0)
    model.router.bias.data[2] = -20
    return model, torch.randn(32, 8), classes(32, 4), F.cross_entropy


LINE = "(held.py, line"
HELD_SICK = (
    Case("codes, not straight through", "argmin and a table", lambda: codes(False), one_of("no_gradient"), (f"argmin {LINE}", "straight through", "(q − z).detach()")),
    Case("nearest by hand", "topk and an index", nearest_by_hand, one_of("no_gradient"), (f"topk {LINE}", "straight through")),
    Case("a loss made anew", "torch.tensor(loss.item())", made_anew, one_of("no_gradient"), (f"item {LINE}",)),
    Case("a loss made anew behind a log", "numpy", made_anew_behind_a_log, one_of("no_gradient"), (f"detach {LINE}",)),
    Case("expert without samples", "a router that sends none", expert_without_samples, one_of("no_gradient"), ("experts.2 never ran", "routed")),
)  # fmt: skip

HELD_SOUND = (
    Case("points of an equation", "Raissi 2019", points_of_an_equation),
    Case("points as targets", "Raissi 2019", points_as_targets),
    Case("penalty in the critic", "Gulrajani 2017", penalty_in_the_critic),
    Case("codes, straight through", "van den Oord 2017", lambda: codes(True)),
)
