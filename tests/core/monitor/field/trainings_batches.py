"""Trainings whose noted loss or whose batches mislead, written before the mends for them were made."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import (
    Training,
    adam,
    cross_entropy,
    digits,
    frozen,
    mlp,
    of_digits,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)

SLOW = sgd(0.1)
LOWER = "lower the learning rate"


def running(*, epoch=0, mean=False, model=plain, optimizer=SLOW):
    """What is noted is the sum of all losses so far, from the start or of an epoch; or their mean."""
    told = {"sum": 0.0, "of": 0}

    def noted(loss):
        if epoch and told["of"] % epoch == 0:
            told.update(sum=0.0, of=0)
        told.update(sum=told["sum"] + float(loss.detach()), of=told["of"] + 1)
        return torch.tensor(told["sum"] / (told["of"] if mean else 1))

    return train(model, optimizer, steps=200, noted=noted, told=False, updates=False)


def climbing():
    """The loss is climbed, by clipped steps, and noted as it is."""
    torch.manual_seed(0)
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.2)
    loss = of_digits(model)

    def one_step(step):
        value = loss(step)
        optimizer.zero_grad()
        (-value).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return value.detach()

    return watched(model, one_step, 160, optimizer)


def cut_off(rate=0.5):
    """An encoder behind which the graph is cut, and a decoder whose steps are too long: the loss that is noted rises."""
    torch.manual_seed(0)
    encoder, decoder = mlp(64, 16), mlp(16, 32, 64)
    inputs, _ = digits()
    first, second = torch.optim.SGD(encoder.parameters(), 0.05), torch.optim.SGD(decoder.parameters(), rate)

    def one_step(step):
        rows = inputs[rows_of(inputs, step, 32)]
        loss = F.mse_loss(decoder(encoder(rows).detach()), rows, reduction="none").sum(1).mean()
        first.zero_grad()
        second.zero_grad()
        loss.backward()
        first.step()
        second.step()
        return loss.detach()

    return watched(encoder, one_step, 160, first, seldom=True)


def odd(*, of_targets=False, at=60, momentum=0.0, factor=1e4, after=False):
    """One batch that is unlike the others, in a training that goes well until then."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = mlp(64, 32, 1) if of_targets else plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=momentum)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        rows, wanted = inputs[some], labels[some]
        times = factor if step == at else 1.0
        if of_targets:
            loss = F.mse_loss(model(rows).squeeze(1), wanted / 10 * times)
        else:
            loss = cross_entropy(model, rows[torch.randperm(32)] * times, wanted)
        optimizer.zero_grad()
        loss.backward()
        if not after:
            optimizer.step()
        return loss.detach()

    return watched(model, one_step, 160, optimizer, seldom=True)


class Reader(nn.Module):
    """A sequence of shades read by a recurrent layer of ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.out = nn.RNN(4, 24, nonlinearity="relu", batch_first=True), nn.Linear(24, 1)
        with torch.no_grad():
            self.rows.weight_hh_l0.copy_(1.02 * torch.eye(24) + 0.03 * torch.randn(24, 24))

    def forward(self, rows):
        return self.out(self.rows(rows)[0][:, -1])


def lengths(length, rate=2e-3):
    """Sequences of `length(step)` each, whose last numbers are to be summed."""
    torch.manual_seed(0)
    model = Reader()
    optimizer = torch.optim.SGD(model.parameters(), rate)

    def one_step(step):
        rows = torch.randn(32, length(step), 4)
        loss = F.mse_loss(model(rows), rows[:, -3:, 0].sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1e6)
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, 200, optimizer, seldom=True)


class Bag(nn.Module):
    """The mean of the words that are there."""

    def __init__(self, *, log=False) -> None:
        super().__init__()
        self.words, self.out, self.log = nn.Embedding(30, 16), nn.Linear(16, 2), log

    def forward(self, words):
        there = (words > 0).float()
        count = there.sum(1, keepdim=True)
        whole = (self.words(words) * there[..., None]).sum(1)
        return self.out(whole / 10 + count.log() if self.log else whole / count)


def empty(*, log=False, at=70):
    """One batch has a row without any word."""
    torch.manual_seed(0)
    model = Bag(log=log)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)

    with GradientMonitor(model, optimizer) as monitor:
        for step in range(140):
            words = torch.randint(1, 30, (16, 9))
            wanted = (words > 15).sum(1).gt(4).long()
            words[5] = words[5] * (step != at)
            loss = F.cross_entropy(model(words), wanted)
            optimizer.zero_grad()
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history)


def learned(steps=400):
    """A model that knows the digits already."""
    torch.manual_seed(0)
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    loss = of_digits(model)
    for step in range(steps):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
    return model


def renumbered(make=learned):
    """The digits have other numbers than those that the model has learned."""
    inputs, labels = digits()
    return train(
        make,
        adam(1e-3),
        data=lambda: (inputs, (labels + 3) % 10),
        noted=lambda loss: loss,
        told=False,
        steps=200,
        seldom=True,
    )


class Coder(nn.Module):
    """A variational autoencoder of twelve numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = mlp(12, 32, 6), mlp(3, 32, 12)

    def forward(self, rows):
        mean, log = self.into(rows).chunk(2, 1)
        return self.out(mean + torch.randn_like(mean) * (log / 2).exp()), mean, log


def annealed(*, plain_number=False, begin=80, over=120):
    """The weight of the divergence goes up by and by."""
    torch.manual_seed(0)
    model, mix = Coder(), torch.randn(3, 12)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def one_step(step):
        rows = torch.randn(64, 3) @ mix + 0.2 * torch.randn(64, 12)
        made, mean, log = model(rows)
        apart = -0.5 * (1 + log - mean**2 - log.exp()).sum(1).mean()
        loss = (made - rows).square().sum(1).mean() + min(1.0, max(0.0, (step - begin) / over)) * apart
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item() if plain_number else loss.detach()

    return watched(model, one_step, 280, optimizer, seldom=True)


BATCHES_SICK = (
    Training("sum of an epoch", "what is noted is a running sum", lambda: running(epoch=50), frozenset({"running_sum"}), ("step's own loss",), never=("diverging", LOWER)),
    Training("sum since the start", "what is noted is a running sum", lambda: running(model=lambda: mlp(64, 64, 10), optimizer=adam(2e-3)), frozenset({"running_sum"}), ("step's own loss",), never=("diverging", LOWER)),
    Training("climbs by clipped steps", "the loss rises", climbing, frozenset({"diverging", "negated"}), never=("running_sum",)),
    Training("cut behind an encoder", "no gradient comes, and nothing moves", cut_off, frozenset({"no_gradient"}), never=("diverging", LOWER)),
    Training("odd targets", "the batch of step 61", lambda: odd(of_targets=True), frozenset({"non_finite", "leap", "diverging"}), ("batch of step 61",), never=("too long",)),
    Training("odd inputs under momentum", "the batch of step 91", lambda: odd(at=90, momentum=0.9, factor=1e6), frozenset({"non_finite", "leap", "diverging"}), ("batch of step 91",), never=("too long",)),
    Training("longer sequences", "inputs of another shape from step 101 on", lambda: lengths(lambda step: 8 if step < 100 else 200), frozenset({"non_finite", "leap", "diverging"}), ("shape", "step 101|step 102"), never=("tenfold",)),
    Training("no word at all", "0 / 0 in the mean", empty, frozenset({"non_finite"}), ("div takes 0",), never=(LOWER,)),
    Training("logarithm of no word", "log of 0", lambda: empty(log=True), frozenset({"non_finite"}), ("log is taken of 0",), never=(LOWER,)),
)  # fmt: skip

BATCHES_CLEAN = (
    Training("mean of an epoch", "a running mean may be noted", lambda: running(epoch=50, mean=True)),
    Training("sequences of all lengths", "as they come", lambda: lengths(lambda step: 4 + step % 7, 1e-3)),
    Training("learned before, renumbered", "weights are not drawn anew", renumbered),
    Training("learned before, the last layer held back", "nobody trains the last layer", lambda: renumbered(lambda: frozen(learned(), 4))),
    Training("a divergence that is annealed", "the loss rises by design", annealed),
    Training("a divergence that is annealed, as a number", "the loss rises by design", lambda: annealed(plain_number=True)),
)  # fmt: skip
