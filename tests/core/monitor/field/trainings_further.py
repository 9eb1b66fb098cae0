"""Trainings written after the mends for those in trainings_batches.py and trainings_gone.py, to try these anew."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import Training, convolutions, cross_entropy, digits, mlp, plain, rows_of
from tests.core.monitor.field.trainings_batches import learned


def noting(model, optimizer, loss, steps=200, schedule=None, noted=lambda loss: loss):
    """Train by `loss(step)`, which is noted before the step, as it is or what `noted` makes of it."""
    with GradientMonitor(model, optimizer) as monitor:
        for step in range(steps):
            value = loss(step)
            optimizer.zero_grad()
            value.backward()
            monitor.note_loss(noted(value))
            optimizer.step()
            if schedule:
                schedule.step()
    return diagnose(monitor.history)


def some(size=32):
    inputs, labels = digits()
    rows = rows_of(inputs, 0, size)
    return inputs[rows], labels[rows]


def sum_of_squares():
    torch.manual_seed(0)
    model, told = mlp(64, 64, 1), []

    def loss(step):
        rows, labels = some()
        return F.mse_loss(model(rows).squeeze(1), labels.float())

    def noted(value):
        told.append(float(value.detach()))
        return sum(told)

    return noting(model, torch.optim.Adam(model.parameters(), 3e-3), loss, noted=noted)


def average():
    torch.manual_seed(0)
    model, told = plain(), []

    def noted(value):
        told[:] = [0.98 * told[0] + 0.02 * float(value.detach()) if told else float(value.detach())]
        return told[0]

    return noting(
        model, torch.optim.SGD(model.parameters(), 0.1), lambda step: cross_entropy(model, *some()), noted=noted
    )


def logarithm_of_shares():
    """The loss, and not the model, takes the logarithm of 0."""
    torch.manual_seed(0)
    model = plain()

    def loss(step):
        rows, labels = some()
        return F.nll_loss((model(rows).softmax(1) * (step != 60)).log(), labels)

    return noting(model, torch.optim.Adam(model.parameters(), 1e-3), loss)


class Attending(nn.Module):
    """Words that look at each other, but not at what is none."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(20, 16), nn.Linear(16, 2)
        self.heads = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, words):
        inner = self.words(words)
        return self.out(self.heads(inner, inner, inner, key_padding_mask=words == 0)[0].mean(1))


def masked_wholly():
    torch.manual_seed(0)
    model = Attending()

    def loss(step):
        words = torch.randint(1, 20, (8, 7))
        wanted = (words > 10).sum(1).gt(3).long()
        words[2] *= step != 80
        return F.cross_entropy(model(words), wanted)

    return noting(model, torch.optim.Adam(model.parameters(), 1e-3), loss)


def larger_pictures():
    """Twice as large from half-way on, for a model that takes means over them."""
    torch.manual_seed(0)
    parts = (nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
    model = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    def loss(step):
        rows, labels = some()
        return F.cross_entropy(model(F.interpolate(rows.reshape(-1, 1, 8, 8), size=16 if step >= 100 else 8)), labels)

    return noting(model, torch.optim.Adam(model.parameters(), 3e-3), loss)


def scheduled(
    schedule, optimizer=lambda parameters: torch.optim.SGD(parameters, 0.05, momentum=0.9), make=convolutions
):
    torch.manual_seed(0)
    model = make()
    steps_of = optimizer(model.parameters())
    return noting(model, steps_of, lambda step: cross_entropy(model, *some()), schedule=schedule(steps_of))


def new_head(spread=None):
    """A last layer of torch's own draw on a body that has learned, at a small rate; or one that is drawn large."""
    model = learned(300)
    model[4] = nn.Linear(32, 10)
    if spread:
        nn.init.normal_(model[4].weight, std=spread)
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    else:
        optimizer = torch.optim.AdamW(
            [{"params": model[:4].parameters(), "lr": 1e-6}, {"params": model[4].parameters(), "lr": 1e-2}]
        )
    return noting(model, optimizer, lambda step: cross_entropy(model, *some()))


class Adding(nn.Module):
    """The sum of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.out = nn.GRU(1, 32, batch_first=True), nn.Linear(32, 1)

    def forward(self, rows):
        return self.out(self.rows(rows)[0][:, -1]).squeeze(1)


def longer_by_and_by():
    torch.manual_seed(0)
    model = Adding()

    def loss(step):
        rows = torch.rand(32, (4, 10, 30)[step // 80], 1)
        return F.mse_loss(model(rows), rows.sum((1, 2)))

    return noting(model, torch.optim.Adam(model.parameters(), 1e-2), loss, 240)


def aimed():
    """A policy of numbers whose misses cost their squares: its loss comes up to 0 as it learns."""
    torch.manual_seed(0)
    model, mix = mlp(4, 32, 2, act=nn.Tanh), torch.randn(4, 2)

    def loss(step):
        rows = torch.randn(64, 4)
        drawn = torch.distributions.Normal(model(rows), torch.tensor(0.3))
        chosen = drawn.sample()
        cost = (chosen - (rows @ mix).tanh()).square().sum(1)
        return (drawn.log_prob(chosen).sum(1) * cost).mean()

    return noting(model, torch.optim.Adam(model.parameters(), 1e-2), loss, 300)


def valued():
    """A policy that goes up what a critic values."""
    torch.manual_seed(0)
    model, critic, mix = mlp(4, 32, 2, act=nn.Tanh), mlp(6, 64, 1, act=nn.Tanh), torch.randn(4, 2)
    other = torch.optim.Adam(critic.parameters(), 3e-3)

    def loss(step):
        rows = torch.randn(64, 4)
        chosen = model(rows).detach() + 0.5 * torch.randn(64, 2)
        reward = (-(chosen - (rows @ mix).tanh()).square().sum(1)).exp()
        other.zero_grad()
        F.mse_loss(critic(torch.cat([rows, chosen], 1)).squeeze(1), reward).backward()
        other.step()
        return -critic(torch.cat([rows, model(rows)], 1)).mean()

    return noting(model, torch.optim.Adam(model.parameters(), 3e-3), loss, 400)


def far_out():
    """Targets of heavy tails."""
    torch.manual_seed(0)
    model, weights = mlp(8, 64, 1), torch.randn(8)

    def loss(step):
        rows = torch.randn(32, 8)
        return F.mse_loss(model(rows).squeeze(1), rows @ weights + torch.distributions.StudentT(1.3).sample((32,)))

    return noting(model, torch.optim.Adam(model.parameters(), 1e-3), loss, 300)


def of_signs():
    """The absolute error of one number, whose gradient is 1 or −1."""
    torch.manual_seed(0)
    model, rows = nn.Linear(1, 1), torch.linspace(-1, 1, 9)[:, None]
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    return noting(
        model,
        optimizer,
        lambda step: (model(rows) - 3.0).abs().mean(),
        schedule=torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97),
    )


FURTHER_SICK = (
    Training("sum of squares since the start", "what is noted is a running sum", sum_of_squares, frozenset({"running_sum"}), ("step's own loss",)),
    Training("logarithm of shares of 0", "in the loss", logarithm_of_shares, frozenset({"non_finite"}), ("logarithm",), never=("lower the learning rate",)),
    Training("attention to nothing", "a row is masked wholly", masked_wholly, frozenset({"non_finite"}), ("softmax", "all −inf"), never=("lower the learning rate",)),
    Training("warms up by LinearLR", "the rate is next to nothing", lambda: scheduled(lambda one: torch.optim.lr_scheduler.LinearLR(one, 1e-5, total_iters=100_000)), frozenset({"warming"}), ("warm-up",)),
    Training("a head that is drawn large, on what is learned", "the head", lambda: new_head(2.0), frozenset({"first_loss"}), ("Draw the last layer smaller",)),
)  # fmt: skip

FURTHER_CLEAN = (
    Training("an average that is noted", "a smooth loss", average),
    Training("pictures that become larger", "meant so", larger_pictures),
    Training("one cycle of convolutions", "up and down", lambda: scheduled(lambda one: torch.optim.lr_scheduler.OneCycleLR(one, 0.1, total_steps=201))),
    Training("a warm-up that is seen in part", "it learns already", lambda: scheduled(lambda one: torch.optim.lr_scheduler.LambdaLR(one, lambda step: min(1.0, (step + 1) / 4000)), lambda parameters: torch.optim.Adam(parameters, 1e-2), plain)),
    Training("a head on what is learned", "the body is to move slowly", new_head),
    Training("sequences that become longer", "a harder task", longer_by_and_by),
    Training("a policy of numbers", "its loss comes up to 0", aimed),
    Training("a policy by a critic", "its loss is minus a value", valued),
    Training("targets far out", "heavy tails", far_out),
    Training("a gradient of signs", "no clip", of_signs),
)  # fmt: skip
