"""Trainings whose gradients are touched between the passes of a step, or that stand aside for some of their steps."""

# ruff: noqa: E501

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import (
    Gru,
    Training,
    clipped,
    convolutions,
    cross_entropy,
    digits,
    mlp,
    plain,
    sgd,
    train,
)


def added(passes, between, *, make=plain, optimizer=torch.optim.SGD, lr=0.1, steps=40, each=8):
    """Several passes for a step, each with its loss noted, and something done to the gradients behind each."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = make()
    made = optimizer(model.parameters(), lr)
    with GradientMonitor(model, made) as monitor:
        for _ in range(steps):
            made.zero_grad()
            for part in range(passes):
                some = torch.randint(len(inputs), (each,))
                loss = cross_entropy(model, inputs[some], labels[some])
                (loss / passes).backward()
                monitor.note_loss(loss)
                between(model, part)
            made.step()
    return diagnose(monitor.history, losses=monitor.losses)


def clip(limit):
    """Behind each pass."""
    return lambda model, part: nn.utils.clip_grad_norm_(model.parameters(), limit)


def let_go(model, part):
    """All but the last are taken away."""
    if part < 2:
        for one in model.parameters():
            one.grad = None


def two_by_two(model, part):
    """Zeros behind every second one, but for the last."""
    if part in (1, 3):
        for one in model.parameters():
            one.grad.zero_()


def scaled_by_hand(model, part):
    """A clip without torch's own."""
    norm = torch.stack([one.grad.norm() for one in model.parameters()]).norm()
    for one in model.parameters():
        one.grad.mul_((0.02 / norm).clamp(max=1.0))


def without_nan(model, part):
    """Other memory, the same numbers."""
    for one in model.parameters():
        one.grad = torch.nan_to_num(one.grad)


def in_place(model, part):
    """The same memory and numbers."""
    for one in model.parameters():
        torch.nan_to_num_(one.grad)


def mean_of_all(model, part):
    """What is there is the mean of the passes so far."""
    for one in model.parameters():
        one.grad.mul_((part + 1) / (part + 2))


def surgery():
    """The gradient of each of two losses by itself, and of both what does not contradict the other."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(60):
            some, kept = torch.randint(len(inputs), (32,)), []
            for wanted in (labels[some], labels[some] // 2):
                optimizer.zero_grad()
                loss = cross_entropy(model, inputs[some], wanted)
                loss.backward()
                monitor.note_loss(loss)
                kept.append([one.grad.clone() for one in model.parameters()])
            for one, a, b in zip(model.parameters(), *kept, strict=True):
                along = (a * b).sum().clamp(max=0) / b.square().sum().clamp(min=1e-12)
                one.grad = a - along * b + b
            optimizer.step()
    return diagnose(monitor.history, losses=monitor.losses)


def uphill():
    """Two passes for a step, the second from weights that are moved by way of `.data`."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(60):
            some, moved = torch.randint(len(inputs), (32,)), []
            for turn in range(2):
                optimizer.zero_grad()
                loss = cross_entropy(model, inputs[some], labels[some])
                loss.backward()
                monitor.note_loss(loss)
                if not turn:
                    moved = [0.02 * one.grad for one in model.parameters()]
                    for one, far in zip(model.parameters(), moved, strict=True):
                        one.data.add_(far)
            for one, far in zip(model.parameters(), moved, strict=True):
                one.data.sub_(far)
            optimizer.step()
    return diagnose(monitor.history, losses=monitor.losses)


def dropping():
    """Drops a third."""
    return nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Dropout(0.3), nn.Linear(48, 10))


def validated(every, epoch, *, back, steps=140, until=0):
    """Looks at other data every so many steps, and trains on."""

    def before(model, optimizer, step):
        if step % epoch == 0:
            model.train()
        if step % every == every - 1:
            model.eval()
            if back:
                model.train()
        if until:
            model.train(step >= until)

    return train(dropping, sgd(0.1), steps=steps, told=False, seldom=True, after_step=before)


class Rows(nn.Module):
    """A picture, with norms of some kind over all its places."""

    def __init__(self, norm):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), norm(12), nn.ReLU(), nn.Conv2d(12, 12, 3), norm(12), nn.ReLU()
        )
        self.head = nn.Linear(12, 10)

    def forward(self, inputs):
        return self.head(self.body(inputs.reshape(-1, 1, 8, 8)).mean((2, 3)))


def epochs(rows, size, norm=nn.BatchNorm2d, *, noise=0.0, rate=1e-2, count=14):
    """Whole epochs of so many rows, the last batch of each with what is left."""
    torch.manual_seed(0)
    inputs, labels = digits()
    inputs, labels = inputs[:rows] + noise * torch.randn(rows, 64), labels[:rows]
    model = Rows(norm)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(count):
            for some in torch.randperm(rows).split(size):
                loss = cross_entropy(model, inputs[some], labels[some])
                optimizer.zero_grad()
                loss.backward()
                monitor.note_loss(loss)
                optimizer.step()
    return diagnose(monitor.history, losses=monitor.losses)


def masked(how, at=20, steps=50):
    """Some rows have no label, and at one step none has."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = mlp(64, 32, 10)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    with GradientMonitor(model, optimizer) as monitor:
        for step in range(steps):
            some = torch.randint(len(inputs), (16,))
            there = (torch.rand(16) < 0.5) & (step != at)
            each = F.cross_entropy(model(inputs[some]), labels[some], reduction="none")
            loss = how(each, there)
            optimizer.zero_grad()
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history, losses=monitor.losses)


def undivided(passes, rate, divided):
    """Many small batches are added up, by a rate that is too large for their sum."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(120):
            for _ in range(passes):
                some = torch.randint(len(inputs), (16,))
                loss = cross_entropy(model, inputs[some], labels[some])
                (loss / passes if divided else loss).backward()
            monitor.note_loss(loss)
            optimizer.step()
            optimizer.zero_grad()
    return diagnose(monitor.history, losses=monitor.losses)


def ahead():
    """The clip comes first, then zeros and the backward pass."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with GradientMonitor(model, optimizer) as monitor:
        for _ in range(80):
            some = torch.randint(len(inputs), (32,))
            loss = cross_entropy(model, inputs[some], labels[some])
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.zero_grad()
            loss.backward()
            monitor.note_loss(loss)
            optimizer.step()
    return diagnose(monitor.history, losses=monitor.losses)


def always(rule, lr, **settings):
    """Clipped at each step."""
    return partial(train, optimizer=lambda some: rule(some, lr, **settings), before_step=clipped(0.01), told=False)


THROWN, PARTS = frozenset({"thrown_away"}), frozenset({"clipped_in_parts"})

BETWEEN_SICK = (
    Training("let go among three", "two of three are lost", lambda: added(3, let_go, make=convolutions), THROWN, ("2 of 3", "once a step"), leads=True),
    Training("zeros behind every second of six", "four of six are lost", lambda: added(6, two_by_two), THROWN, ("4 of 6", "the last 2"), leads=True),
    Training("clipped at each of five", "the sum is clipped in parts", lambda: added(5, clip(0.05), make=Gru), PARTS, ("clip once",), never=("thrown_away",)),
    Training("scaled by hand at each of three", "the sum is clipped in parts", lambda: added(3, scaled_by_hand, optimizer=torch.optim.AdamW, lr=1e-3), PARTS, ("clip once",), never=("thrown_away",)),
    Training("evaluation in the middle of epochs", "dropout is off until the epoch ends", lambda: validated(15, 40, back=False), frozenset({"evaluation"}), ("step 16", "of 140 steps")),
    Training("evaluation after each epoch's half, ends in training", "dropout is off until the epoch ends", lambda: validated(20, 35, back=False, steps=143), frozenset({"evaluation"}), ("step 21", "of 143 steps")),
    Training("one row is left of an epoch", "its norms go by one sample", lambda: epochs(513, 32, noise=0.2), frozenset({"small_batch"}), ("drop_last",)),
    Training("one row is left of a smaller epoch", "its norms go by one sample", lambda: epochs(385, 24, noise=0.2), frozenset({"small_batch"}), ("drop_last",)),
    Training("nothing to divide by", "0 / 0", lambda: masked(lambda each, there: (each * there).sum() / there.sum()), frozenset({"non_finite"}), ("step 21", "0 / 0", "clamp", "from step 22 on")),
    Training("a mean of nothing", "0 / 0", lambda: masked(lambda each, there: each[there].mean(), at=33), frozenset({"non_finite"}), ("step 34", "no number at all")),
    Training("twelve passes, undivided", "the rate is twelve times as large", lambda: undivided(12, 0.3, False), frozenset({"guessing", "diverging", "died", "large_updates", "non_finite"}), ("12 backward passes", "divide the loss")),
    Training("a clip ahead of the pass", "it clips what the last step has used", ahead, frozenset({"clipped_late"}), ("between backward() and",)),
    Training("plain descent, clipped at each step", "all steps are of one length", always(torch.optim.SGD, 0.1), frozenset({"always_clipped"})),
)  # fmt: skip

BETWEEN_CLEAN = (
    Training("other memory without NaN", "the same numbers", lambda: added(4, without_nan)),
    Training("the same memory without NaN", "the same numbers", lambda: added(4, in_place, make=Gru)),
    Training("a clip that is never reached, at each of four", "as if there were none", lambda: added(4, clip(1e6), optimizer=torch.optim.Adam, lr=1e-3)),
    Training("the mean of the passes so far", "a mean", lambda: added(4, mean_of_all)),
    Training("gradients made of two", "each by itself, and something of both", surgery),
    Training("uphill by way of data", "two passes for a step", uphill),
    Training("RMSprop, clipped at each step", "it divides the factor out", always(torch.optim.RMSprop, 1e-4)),
    Training("AdamW, clipped at each step", "it divides the factor out", always(torch.optim.AdamW, 3e-4)),
    Training("looks, and trains on", "training mode comes back", lambda: validated(15, 40, back=True)),
    Training("without dropout at first", "a stretch at the beginning, by intention", lambda: validated(1000, 1000, back=True, until=40)),
    Training("eight rows are left of an epoch", "enough for the norms", lambda: epochs(520, 32, noise=0.2)),
    Training("one row is left, norms of groups", "they go by each sample itself", lambda: epochs(513, 32, partial(nn.GroupNorm, 3), noise=0.2)),
    Training("a divisor that is held", "no step is lost", lambda: masked(lambda each, there: (each * there).sum() / there.sum().clamp(min=1))),
    Training("twelve passes, divided", "a mean", lambda: undivided(12, 0.1, True)),
)  # fmt: skip
