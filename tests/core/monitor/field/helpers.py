"""What several files of trainings share: models, data, losses, schedules, and what is taken away when."""

import copy
from collections.abc import Callable
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from tests.core.layers.field.case import one_of
from tests.core.monitor.field.training import (
    STEPS,
    Training,
    cross_entropy,
    digits,
    plain,
    rows_of,
    watched,
)

GUESSES = one_of("guessing")
_ROWS = 4000  # of words: too many to be learned by heart
UNHELD, SMALL, DECAY, NEGATED = one_of("unheld"), one_of("small_updates"), one_of("decay"), one_of("negated")
SUM, PENALTY, BEGINS, UNLISTED = one_of("summed"), one_of("penalty"), one_of("first_loss"), one_of("unlisted")
EPOCH = 20  # steps


def against(model, inputs, targets):
    return F.mse_loss(model(inputs).squeeze(1), targets)


def rare():
    """One in ten is a nine: what is asked is whether."""
    inputs, labels = digits()
    return inputs, (labels == 9).float()


def whether(model, inputs, labels):
    return F.binary_cross_entropy_with_logits(model(inputs).squeeze(1), labels)


def until(last, *, in_place=False):
    """Takes the gradients away up to a step, and then no more."""
    return lambda optimizer, step: optimizer.zero_grad(set_to_none=not in_place) if step < last else None


def each(count):
    """Takes the gradients away once in so many steps, an epoch say."""
    return lambda optimizer, step: optimizer.zero_grad() if step % count == count - 1 else None


def nine_in_ten(*, by_lot):
    """Nine of ten are a zero; the others have their digit, or one by lot."""

    def data():
        inputs, labels = digits()
        labels = torch.where(torch.rand(len(labels)) < 0.9, 0, labels) if by_lot else (labels == 9).long()
        return inputs, labels[torch.randperm(len(labels))] if by_lot else labels

    return data


def uneven(count, last):
    """Batches whose gradients are added up for a step, fewer at the end of each epoch of four steps; or in growing
    numbers."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)

    def one_step(step):
        micro = last(step) or count
        for _ in range(micro):
            some = rows_of(inputs, step, 16)
            loss = cross_entropy(model, inputs[some], labels[some]) / micro
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach() * micro

    return watched(model, one_step, STEPS, optimizer, every=1)


class Next(nn.Module):
    """The next of thirty words from the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(30, 16), nn.Linear(16, 30)

    def forward(self, words):
        return self.out(self.words(words))


def words(*, by_lot):
    """Rows of ten words and the word behind each: some are frequent, and each depends on the one before, or not."""

    def data():
        weights = 1.0 / torch.arange(1, 31)
        rows = [torch.multinomial(weights, _ROWS, replacement=True)]
        for _ in range(10):
            drawn = torch.multinomial(weights, _ROWS, replacement=True)
            follows = torch.rand(_ROWS) < (0.0 if by_lot else 0.7)
            rows.append(torch.where(follows, (rows[-1] + 1) % 30, drawn))
        some = torch.stack(rows, 1)
        return some[:, :-1], some[:, 1:]

    return data


def of_words(model, inputs, following):
    return F.cross_entropy(model(inputs).flatten(0, 1), following.flatten())


class Leading(Training):
    """One whose cause must be told first."""

    def __init__(self, name, right, run, findings, *words) -> None:
        super().__init__(name, right, run, findings, words, leads=True)


class Block(nn.Module):
    """A transformer's block over the rows of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.out = nn.Linear(8, 24), nn.Linear(24, 10)
        self.block = nn.TransformerEncoderLayer(24, 4, 48, dropout=0.0, batch_first=True, norm_first=True)

    def forward(self, inputs):
        return self.out(self.block(self.start(inputs.reshape(-1, 8, 8))).mean(1))


class Lstm(nn.Module):
    """A picture read row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.out = nn.LSTM(8, 24, batch_first=True), nn.Linear(24, 10)

    def forward(self, inputs):
        return self.out(self.rows(inputs.reshape(-1, 8, 8))[0][:, -1])


def itself(loss):
    """A loss with its graph, as most loops note it."""
    return loss


def learned(make, *, steps=150, lr=5e-3, new_head=False):
    """A model that has learned already; each way of learning is gone once."""
    return copy.deepcopy(_learned(make, steps, lr, new_head))


@cache
def _learned(make, steps, lr, new_head):
    torch.manual_seed(1)
    model, (inputs, labels) = make(), digits()
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for step in range(steps):
        some = rows_of(inputs, step, 128)
        optimizer.zero_grad()
        cross_entropy(model, inputs[some], labels[some]).backward()
        optimizer.step()
    if new_head:
        model.out = nn.Linear(24, 10)
    return model


def minus(loss, model, step):
    return -loss


def ink():
    inputs, _ = digits()
    value = inputs.sum(1)
    return inputs, (value - value.mean()) / value.std()


def critic(model, inputs, labels):
    """A Wasserstein critic with a gradient's penalty: its loss is below 0."""
    false = torch.rand_like(inputs)
    between = (0.5 * inputs + 0.5 * false).requires_grad_()
    (slope,) = torch.autograd.grad(model(between).sum(), between, create_graph=True)
    return model(false).mean() - model(inputs).mean() + 10 * (slope.norm(dim=1) - 1).square().mean()


class InAList(nn.Module):
    """Layers in a Python list."""

    def __init__(self, layer=nn.Linear, count=3) -> None:
        super().__init__()
        self.start, self.out = nn.Linear(64, 32), nn.Linear(32, 10)
        self.hidden = [layer(32, 32) for _ in range(count)]

    def all(self):
        return [*self.parameters(), *(one for layer in self.hidden for one in layer.parameters())]

    def forward(self, inputs):
        x = self.start(inputs)
        for layer in self.hidden:
            x = layer(x.relu())
        return self.out(x)


class Seldom:
    """Calls something once in so many steps."""

    def __init__(self, call: Callable, each: int = EPOCH) -> None:
        self._call, self._each, self._steps = call, each, 0

    def step(self) -> None:
        """As a scheduler's."""
        self._steps += 1
        if self._steps % self._each == 0:
            self._call()


def once_an_epoch(make: Callable, each: int = EPOCH) -> Callable:
    """Makes such a scheduler."""
    return lambda optimizer: Seldom(make(optimizer).step, each)


def by_a_measure(measures: Callable, **settings: object) -> Callable:
    """A ReduceLROnPlateau that is given a measure every ten steps, by how often it was given one."""

    def make(optimizer: torch.optim.Optimizer) -> Seldom:
        scheduler, calls = lr_scheduler.ReduceLROnPlateau(optimizer, **settings), iter(range(1, 10**6))
        return Seldom(lambda: scheduler.step(measures(next(calls))), 10)

    return make


def factor(of: Callable) -> Callable:
    """A schedule of that factor."""
    return lambda optimizer: lr_scheduler.LambdaLR(optimizer, of)


def two_groups(parameters: list) -> torch.optim.Optimizer:
    """Of the first layer, and of the others."""
    return torch.optim.SGD([{"params": parameters[:2]}, {"params": parameters[2:], "lr": 0.05}], 0.1)


def set_to(rate: Callable) -> Callable:
    """Sets the learning rate by hand, before each step."""

    def before(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = rate(step)

    return before


def every_few(what: Callable, each: int) -> Callable:
    """Does it at the last of so many steps."""
    return lambda model, optimizer, step: what(model, optimizer, step) if step % each == each - 1 else None


def zeroed(each: int, *, to_none: bool = True) -> Callable:
    """Takes gradients away once in so many steps."""
    return lambda optimizer, step: optimizer.zero_grad(set_to_none=to_none) if step % each == each - 1 else None


def sick(name: str, right: str, run: Callable, finding: str, *words: str) -> Training:
    """One of which that must be said."""
    return Training(name, right, run, frozenset({finding}), words)


def clean(name: str, right: str, run: Callable) -> Training:
    """One of which nothing is to be said."""
    return Training(name, right, run)


def everything(loss_fn=F.cross_entropy):
    """What the monitor is told to expect."""
    inputs, labels = digits()
    return lambda: (inputs, labels, loss_fn)


NOTED = {"noted": itself}
