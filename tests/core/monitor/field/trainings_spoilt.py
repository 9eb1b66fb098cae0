"""Batches that hold numbers which are none, in a later step than the first; and some that are filled in time."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import Training, adam, cross_entropy, digits, plain, rows_of, sgd, train
from tests.core.monitor.field.trainings_seldom import numbers, times


def at(step: int, spoil):
    """The loss of a batch of which `spoil(inputs, labels)` makes another at that step."""
    done = []

    def loss(model, inputs, labels):
        done.append(0)
        if len(done) == step:
            inputs, labels = spoil(inputs.clone(), labels.clone())
        loss.kept = inputs, labels  # as a loop's own names keep them
        return cross_entropy(model, inputs, labels)

    return loss


def one_missing(inputs, labels):
    inputs[3, 7] = torch.nan
    return inputs, labels


def divided_by_nothing(inputs, labels):
    """A sample divided by its own deviation, which is 0."""
    inputs[5] = inputs[5] / 0.0
    return inputs, labels


class Fills(nn.Module):
    """Puts 0 in the place of what is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.net = plain()

    def forward(self, inputs):
        return self.net(inputs.nan_to_num(0.0, 0.0, 0.0))


def by_hand(spoil, make=plain, loss_of=F.cross_entropy, data=digits, **watch):
    """A loop that notes its loss after the step, and no batch; `spoil(x, y)` changes that of step 31."""
    torch.manual_seed(0)
    model, (inputs, labels) = make(), data()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    with GradientMonitor(model, optimizer, **watch) as monitor:
        for step in range(60):
            some = rows_of(inputs, step, 32)
            x, y = inputs[some], labels[some]
            monitor.note_targets(y)
            if step == 30:
                spoil(x, y)
            loss = loss_of(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.note_loss(loss.item())
    return diagnose(monitor.history)


def infinite_pixel(x, y):
    x[0, 0] = torch.inf


def infinite_target(x, y):
    y[2] = torch.inf


def of_columns(outputs, targets):
    return F.mse_loss(outputs[:, 0], targets)


DATA = frozenset(("non_finite_data",))
SPOILT_SICK = (
    Training("one number missing at step 40", "NaN in a batch", lambda: train(loss=at(40, one_missing), optimizer=adam(2e-3)), DATA, ("step 40 (batch 39)", "inputs", "NaN", "[3, 7]"), leads=True),
    Training("a sample divided by nothing, seldom", "NaN and infinity in a batch", lambda: train(loss=at(25, divided_by_nothing), optimizer=sgd(0.1), seldom=True), DATA, ("step 25 (batch 24)", "inputs", "infinite"), leads=True),
    Training("a target that is infinite", "one of a batch", lambda: by_hand(infinite_target, numbers, of_columns, times(1.0)), DATA, ("step 31", "targets", "infinite", "[2]"), leads=True),
    Training("an infinite pixel, noted after the step", "one of a batch", lambda: by_hand(infinite_pixel, every=4), DATA, ("step 31", "inputs", "[0, 0]"), leads=True),
)  # fmt: skip
SPOILT_CLEAN = (
    Training("missing numbers that are filled", "by the model", lambda: train(make=Fills, loss=at(40, one_missing), optimizer=adam(2e-3))),
)  # fmt: skip
