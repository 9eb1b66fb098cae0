"""Losses with derivatives of the model by its inputs, which a network of kinks may not have."""

# ruff: noqa: E501

from functools import partial

import torch
from torch import nn

from tests.core.layers.field.case import Case, one_of, through


def slope(of, by):
    return torch.autograd.grad(of.sum(), by, create_graph=True)[0]


def points(count=64, width=1):
    return torch.rand(count, width).requires_grad_()


def on_a_line(act):
    """u″ = f on a line, u(0) = 0."""
    x = points()

    def loss(u, f):
        return (slope(slope(u, x), x) - f).square().mean() + u[0].square().mean()

    return through(1, 24, 24, 1, act=act), x, torch.sin(3 * x.detach()), loss


def heat(act):
    """u_t = u_xx over (x, t), and data at the start."""
    x = points(width=2)

    def loss(u, y):
        first = slope(u, x)
        bent = slope(first[:, :1], x)[:, :1]
        return (first[:, 1:] - bent).square().mean() + (u - y).square().mean()

    return through(2, 24, 24, 1, act=act), x, torch.sin(3 * x.detach()[:, :1]), loss


def poisson(act):
    """Δu = f on a square, x and y apart."""
    x, y = points(), points()

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = through(2, 24, 24, 1, act=act)

        def forward(self, x, y):
            return self.net(torch.cat([x, y], 1))

    def loss(u, f):
        return (slope(slope(u, x), x) + slope(slope(u, y), y) - f).square().mean() + 10 * u.mean().square()

    return Both(), (x, y), torch.ones(64, 1), loss


def first_order(act):
    """u′ = −u alone, which a network of kinks can do."""
    x = points()
    return through(1, 24, 24, 1, act=act), x, torch.ones(1), lambda u, y: (slope(u, x) + u).square().mean() + (u[0] - y).square().mean()  # fmt: skip


def by_keywords(act):
    """A wave, u_tt = 4 u_xx, its gradients asked for by keywords."""
    x = points(width=2)

    def loss(u, y):
        ones = torch.ones_like(u)
        more = {"create_graph": True, "retain_graph": True}
        first = torch.autograd.grad(outputs=u, inputs=x, grad_outputs=ones, **more)[0]
        bent = [
            torch.autograd.grad(outputs=one, inputs=x, grad_outputs=ones[:, 0], **more)[0] for one in first.unbind(1)
        ]
        return (bent[1][:, 1] - 4 * bent[0][:, 0]).pow(2).mean() + nn.functional.mse_loss(u, y)

    return through(2, 24, 24, 1, act=act), x, torch.sin(3 * x.detach()[:, :1]), loss


class Waves(nn.Module):
    """Sines of the input before a network of kinks: it has a second derivative."""

    def __init__(self):
        super().__init__()
        self.net = through(16, 24, 1)
        self.register_buffer("rates", torch.randn(1, 16))

    def forward(self, x):
        return self.net(torch.sin(x @ self.rates))


def of_waves():
    _, *batch = on_a_line(nn.Tanh)
    return Waves(), *batch


class Squared(nn.Module):
    """ReLU², whose slope has a slope."""

    def forward(self, x):
        return x.relu().square()


KINK = ("second derivative", "tanh")
DERIVATIVES_SICK = (
    Case("an equation by ReLU", "u″ of ReLU", partial(on_a_line, nn.ReLU), one_of("term_without_gradient"), ("all 64 points", "ReLU", *KINK)),
    Case("heat by LeakyReLU", "u_xx of LeakyReLU", partial(heat, nn.LeakyReLU), one_of("term_without_gradient"), ("LeakyReLU", *KINK)),
    Case("Poisson by ReLU6", "Δu of ReLU6", partial(poisson, nn.ReLU6), one_of("term_without_gradient"), ("ReLU6", *KINK)),
    Case("a wave by PReLU", "u_tt of PReLU", partial(by_keywords, nn.PReLU), one_of("term_without_gradient"), ("PReLU", *KINK)),
)  # fmt: skip
DERIVATIVES_SOUND = (
    Case("an equation by tanh", "Raissi 2019", partial(on_a_line, nn.Tanh)),
    Case("heat by SiLU", "Raissi 2019", partial(heat, nn.SiLU)),
    Case("Poisson by softplus", "Raissi 2019", partial(poisson, nn.Softplus)),
    Case("a wave by GELU", "", partial(by_keywords, nn.GELU)),
    Case("a first-order equation by ReLU", "", partial(first_order, nn.ReLU)),
    Case("ReLU of waves", "Tancik 2020", of_waves),
    Case("squared ReLU", "So 2021", partial(on_a_line, Squared)),
)  # fmt: skip
