"""Losses with a term that has no lowest value since its sign is turned, and losses that fall below 0 by rights."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from tests.core.monitor.field.training import Training, adam, mlp, plain, sgd, train


class Code(nn.Module):
    """A variational autoencoder of the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = mlp(64, 48, 16), mlp(8, 48, 64)

    def forward(self, inputs):
        mean, log_variance = self.into(inputs).chunk(2, 1)
        return self.out(mean + torch.randn_like(mean) * (log_variance / 2).exp()), mean, log_variance


def of_code(sign: float, weight: float):
    """The pictures' error, and the divergence from a standard normal by hand, times a sign."""

    def loss(model, inputs, labels):
        made, mean, log_variance = model(inputs)
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
        return F.mse_loss(made, inputs) + sign * weight * divergence

    return loss


class Uncertain(nn.Module):
    """A last layer whose weights are drawn, each from a normal of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.mean, self.rate = mlp(64, 32, 16), nn.Parameter(torch.randn(10, 16) / 4), nn.Parameter(torch.full((10, 16), -3.0))  # fmt: skip

    def forward(self, inputs):
        self.weights = Normal(self.mean, F.softplus(self.rate) + 1e-4)
        return F.linear(self.body(inputs).relu(), self.weights.rsample())


def of_uncertain(sign: float):
    def loss(model, inputs, labels):
        known = F.cross_entropy(model(inputs), labels)
        return known + sign * 1e-2 * kl_divergence(model.weights, Normal(0.0, 1.0)).sum()

    return loss


class Two(nn.Module):
    """A student and a fixed teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = plain(), plain().requires_grad_(False)

    def forward(self, inputs):
        return self.student(inputs), self.teacher(inputs)


def of_two(sign: float):
    def loss(model, inputs, labels):
        own, other = model(inputs)
        return F.cross_entropy(own, labels) + sign * F.kl_div(
            own.log_softmax(1), other.softmax(1), reduction="batchmean"
        )

    return loss


def shrinking(sign: float):
    """Cross-entropy with an L2 penalty by hand."""

    def loss(model, inputs, labels):
        return F.cross_entropy(model(inputs), labels) + sign * 1e-2 * sum(one.square().sum() for one in model.parameters())  # fmt: skip

    return loss


class Spread(nn.Module):
    """The mean of each column and its deviation, told from the others."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(64, 48, 2)

    def forward(self, inputs):
        return self.net(inputs)


def of_spread(model, inputs, labels):
    """A density's logarithm, of numbers that are hardly noisy."""
    mean, log_variance = model(inputs).unbind(1)
    return F.gaussian_nll_loss(mean, inputs.sum(1) / 10, log_variance.exp())


def likeness(model, inputs, labels):
    """Minus a cosine, which ends at −1."""
    return -F.cosine_similarity(model(inputs), F.one_hot(labels, 10).float()).mean()


def with_entropy(model, inputs, labels):
    """Less a small part of the entropy, as actors have it."""
    logits = model(inputs)
    chances = logits.softmax(1)
    return F.cross_entropy(logits, labels) + 0.01 * (chances * chances.clamp_min(1e-9).log()).sum(1).mean()


class Flow(nn.Module):
    """A density by four affine couplings."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(mlp(32, 48, 64) for _ in range(4))

    def forward(self, inputs):
        one, two = (inputs + torch.rand_like(inputs) / 16).chunk(2, 1)
        total = 0.0
        for step in self.steps:
            scale, shift = step(one).chunk(2, 1)
            scale = torch.tanh(scale)
            one, two, total = two * scale.exp() + shift, one, total + scale.sum(1)
        return 0.5 * (one.square() + two.square()).sum(1) - total


def sums(*names):
    return frozenset(names)


ENDLESS = sums("negated")
UNBOUNDED_SICK = (
    Training("a divergence that is taken off", "its sign is turned", lambda: train(make=Code, loss=of_code(-1, 1e-2), optimizer=adam(3e-3), steps=200), ENDLESS, ("sign", "divergence", "without end")),
    Training("a divergence taken off, seldom", "its sign is turned", lambda: train(make=Code, loss=of_code(-1, 0.1), optimizer=adam(3e-3), steps=200, seldom=True), ENDLESS, ("sign", "divergence")),
    Training("weights' divergence taken off", "its sign is turned", lambda: train(make=Uncertain, loss=of_uncertain(-1), optimizer=adam(1e-2), steps=300), ENDLESS, ("sign",)),
    Training("a teacher's divergence taken off", "its sign is turned", lambda: train(make=Two, loss=of_two(-1), optimizer=adam(5e-3), steps=250, held=lambda m: m.student.parameters()), ENDLESS, ("sign",)),
    Training("a penalty taken off", "its sign is turned", lambda: train(loss=shrinking(-1), optimizer=sgd(0.5), steps=250), ENDLESS, ("sign", "penalty")),
)  # fmt: skip
UNBOUNDED_CLEAN = (
    Training("a divergence by hand", "as it should be", lambda: train(make=Code, loss=of_code(1, 1e-2), optimizer=adam(3e-3), steps=200)),
    Training("weights' divergence", "as it should be", lambda: train(make=Uncertain, loss=of_uncertain(1), optimizer=adam(1e-2), steps=300)),
    Training("a teacher's divergence", "as it should be", lambda: train(make=Two, loss=of_two(1), optimizer=adam(5e-3), steps=250, held=lambda m: m.student.parameters())),
    Training("a density's logarithm", "it falls below 0 by rights", lambda: train(make=Spread, loss=of_spread, optimizer=adam(3e-3), steps=300, told=False)),
    Training("minus a cosine with the labels", "it ends at −1", lambda: train(loss=likeness, optimizer=adam(2e-3), steps=200)),
    Training("less a part of the entropy", "a small part", lambda: train(loss=with_entropy, optimizer=adam(2e-3), steps=200)),
    Training("a flow's density", "it falls below 0 by rights", lambda: train(make=Flow, loss=lambda m, x, y: m(x).mean(), optimizer=adam(1e-3), steps=250, told=False)),
)  # fmt: skip
