"""Trainings above a guess, clipped while they are scaled, or of a rate far too high; and look-alikes."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.monitor.field.helpers import itself
from tests.core.monitor.field.training import Training, adam, cross_entropy, digits, mlp, rows_of, sgd, watched
from tests.core.monitor.field.trainings_seldom import seldom

CLIPPED, GUESSING = frozenset({"always_clipped"}), frozenset({"guessing"})


def by_norm(limit):
    """Clips the whole norm."""
    return lambda model: nn.utils.clip_grad_norm_(model.parameters(), limit)


def by_value(limit):
    """Clips each element."""
    return lambda model: nn.utils.clip_grad_value_(model.parameters(), limit)


def scaled(clip, *, rate=0.1, unscaled=False, scale=2.0**16, interval=2000):
    """A loop with a scaler, which clips before or after the scale is taken away."""

    def run():
        torch.manual_seed(0)
        model, (inputs, labels) = mlp(64, 48, 10), digits()
        optimizer = torch.optim.SGD(model.parameters(), rate)
        scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=interval)

        def one_step(step):
            some = rows_of(inputs, step, 32)
            loss = cross_entropy(model, inputs[some], labels[some])
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            if unscaled:
                scaler.unscale_(optimizer)
            clip(model)
            scaler.step(optimizer)
            scaler.update()
            return loss.detach()

        return watched(model, one_step, 60, optimizer)

    return run


def in_order(some, step, size):
    """The rows one after the other, as a loader gives them that does not shuffle."""
    return torch.arange(step * size, (step + 1) * size) % len(some)


def clouds():
    """Six clouds of points, one after the other."""
    labels = torch.arange(6).repeat_interleave(96)
    return 1.2 * torch.randn(6, 20)[labels] + torch.randn(len(labels), 20), labels


def with_a_norm():
    return mlp(20, 64, 6, norm=nn.BatchNorm1d)


class Block(nn.Module):
    """A picture's rows through an encoder that normalises behind each part."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(8, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.block = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.out = nn.Linear(16, 10)

    def forward(self, inputs):
        """Logits."""
        return self.out(self.block(self.start(inputs.reshape(-1, 8, 8))).mean(1))


def smoothed(model, inputs, labels):
    """Its floor is far above 0."""
    return F.cross_entropy(model(inputs), labels, label_smoothing=0.3)


LEVEL_SICK = (
    Training("clipped to 1 while scaled", "the limit is the scale's", scaled(by_norm(1.0)), CLIPPED, ("unscale_",)),
    Training(
        "clipped to 5 while the scale grows", "the same", scaled(by_norm(5.0), interval=15), CLIPPED, ("unscale_",)
    ),
    Training("by value while scaled", "the same", scaled(by_value(0.1), scale=2.0**14), CLIPPED, ("unscale_",)),
    Training(
        "class after class, norms",
        "batches undo each other",
        seldom(
            make=with_a_norm,
            optimizer=sgd(0.1, momentum=0.9),
            rows=in_order,
            data=clouds,
            steps=180,
            told=False,
            noted=itself,
        ),
        GUESSING,
        ("shuffle",),
    ),
    Training(
        "an encoder, Adam, 0.1",
        "far too high a rate",
        seldom(make=Block, optimizer=adam(0.1), told=False, steps=100),
        frozenset({"guessing", "diverging", "large_updates"}),
        ("lower the learning rate",),
    ),
)

LEVEL_CLEAN = (
    Training("clipped to 1 after unscale_", "as it should be", scaled(by_norm(1.0), unscaled=True)),
    Training("scaled and never clipped", "as it should be", scaled(lambda model: None)),
    Training("smoothed by 0.3", "a floor", seldom(loss=smoothed, optimizer=adam(5e-3), steps=200)),
    Training("an encoder, Adam, 3e-3", "it learns", seldom(make=Block, optimizer=adam(3e-3), steps=100)),
)
