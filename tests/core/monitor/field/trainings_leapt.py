"""Trainings whose loss leaps or whose gradient fades, with notes of losses and clips that are none."""

# ruff: noqa: E501

import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import Training, digits, mlp

LEAP, FADES, LATE, OUTPUTS = (frozenset((one,)) for one in ("leap", "fading", "clipped_late", "output_scale"))


def numbers_of(inputs):
    """Two numbers to be learned from a picture."""
    return torch.stack((inputs[:, :32].sum(1), inputs[:, 32:].sum(1)), 1) / 10


SLOW, USUAL = partial(torch.optim.SGD, lr=5e-3), partial(torch.optim.SGD, lr=0.02)
WITH_MOMENTUM = partial(torch.optim.SGD, lr=2e-3, momentum=0.9)


def regression(make=lambda: mlp(64, 32, 2), optimizer=USUAL, spoil=None, after=None, steps=300):
    """Learns numbers; `spoil(step, inputs, targets, optimizer)` may change what a step is given."""

    def run():
        model = make()
        rule, (inputs, _) = optimizer(model.parameters()), digits()
        with GradientMonitor(model, rule) as monitor:
            for step in range(1, steps + 1):
                rows = torch.randint(len(inputs), (32,))
                x, y = inputs[rows], numbers_of(inputs[rows])
                if spoil:
                    x, y = spoil(step, x, y, rule)
                rule.zero_grad()
                value = F.mse_loss(model(x), y)
                value.backward()
                monitor.note_loss(value)
                rule.step()
                if after:
                    after(model, monitor, value)
        return diagnose(monitor.history)

    return run


def one_target(at, more):
    """Targets of one batch that are read wrongly."""
    return lambda step, x, y, rule: (x, y + more if step == at else y)


def one_batch(at, times):
    """A batch that is not scaled."""
    return lambda step, x, y, rule: (x * times if step == at else x, y)


def tails(step, x, y, rule):
    """Targets with wild tails at every step."""
    wild = torch.randn(len(y), 1) / torch.randn(len(y), 1)
    return x, y + 0.1 * wild.clamp(-300, 300)


def harder(step, x, y, rule):
    """Twice as much is asked for from the middle on."""
    return x, y if step < 150 else y * 2


def measures(limit):
    """Clips, or measures, behind the step."""
    return lambda model, monitor, value: nn.utils.clip_grad_norm_(model.parameters(), limit)


def notes_again(model, monitor, value):
    """The same loss, noted behind the step as well."""
    monitor.note_loss(value)


def notes_a_validation(model, monitor, value):
    """Another loss, noted behind the step."""
    inputs, _ = digits()
    with torch.no_grad():
        monitor.note_loss(F.mse_loss(model(inputs[:200]), numbers_of(inputs[:200])))


class Growing(nn.Module):
    """A recurrent layer whose state is multiplied at each of 30 steps."""

    def __init__(self, times=1.25):
        super().__init__()
        self.rnn, self.head = nn.RNN(4, 24, batch_first=True, nonlinearity="relu"), nn.Linear(24, 1)
        with torch.no_grad():
            self.rnn.weight_hh_l0.copy_(torch.eye(24) * times)

    def forward(self, inputs):
        """The last state's number."""
        return self.head(self.rnn(inputs)[0][:, -1])


def sequences(make, told, rate=1e-2, clip=False, steps=60):
    """Learns the mean of a sequence."""

    def run():
        model = make()
        rule = torch.optim.SGD(model.parameters(), rate)
        with GradientMonitor(model, rule) as monitor:
            for _ in range(steps):
                x = torch.randn(16, 30, 4)
                y = x.mean((1, 2)).unsqueeze(1) * 5
                if told:
                    monitor.note_targets(y)
                rule.zero_grad()
                value = F.mse_loss(model(x), y)
                value.backward()
                monitor.note_loss(value)
                rule.step()
                if clip:
                    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return diagnose(monitor.history)

    return run


def drawn_large():
    """A last layer that is drawn a thousand times too large."""
    model = mlp(64, 32, 2)
    with torch.no_grad():
        model[-1].weight.mul_(1000)
    return model


def maker(saturated, critic_rate, optimizer=torch.optim.Adam, rate=1e-4, both=False, each=5, far=6.0, bce=False):
    """Makes points that a critic is to take for real."""

    def run():
        made = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
        critic = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
        pair = nn.ModuleDict({"maker": made, "critic": critic})
        ours = optimizer(made.parameters(), rate)
        theirs = torch.optim.Adam(critic.parameters(), critic_rate, betas=(0.5, 0.99))
        with GradientMonitor(pair) if both else GradientMonitor(made, ours) as monitor:
            for _ in range(300):
                for _ in range(each):
                    real = torch.randn(64, 2) * 0.3 + torch.tensor([far, -far])
                    fake = made(torch.randn(64, 2)).detach()
                    theirs.zero_grad()
                    (F.softplus(-critic(real)).mean() + F.softplus(critic(fake)).mean()).backward()
                    theirs.step()
                ours.zero_grad()
                told = critic(made(torch.randn(64, 2)))
                if bce:
                    value = -F.binary_cross_entropy_with_logits(told, torch.zeros_like(told))
                else:
                    value = -F.softplus(told).mean() if saturated else F.softplus(-told).mean()
                value.backward()
                monitor.note_loss(value)
                ours.step()
        return diagnose(monitor.history)

    return run


def whole(noise):
    """All of the data at each step, by which the gradient fades as the loss comes down to its noise."""

    def run():
        x = torch.randn(128, 4)
        y = x[:, :1] + noise * torch.randn(128, 1)
        model = nn.Linear(4, 1)
        rule = torch.optim.SGD(model.parameters(), 0.1)
        with GradientMonitor(model, rule) as monitor:
            for _ in range(300):
                rule.zero_grad()
                value = F.mse_loss(model(x), y)
                value.backward()
                monitor.note_loss(value)
                rule.step()
        return diagnose(monitor.history)

    return run


LEAPT_SICK = (
    Training("targets of one batch read wrongly", "the leap and its step", regression(optimizer=WITH_MOMENTUM, spoil=one_target(151, 50)), LEAP, ("batch of step 151", "leaps from", "clip"), True),
    Training("a batch that is not scaled, SGD", "the leap and its step", regression(optimizer=SLOW, spoil=one_batch(200, 8), steps=400), LEAP, ("step 20", "batch"), True),
    Training("a maker that is lost", "the non-saturating loss", maker(True, 2e-2), FADES, ("'0', '2'", "non-saturating"), True),
    Training("a maker that is lost, by SGD", "the non-saturating loss", maker(True, 2e-2, torch.optim.SGD, 1e-2, bce=True), FADES, ("softplus",), True),
    Training("a maker and its critic, it is lost", "the non-saturating loss", maker(True, 2e-2, torch.optim.SGD, 1e-2, both=True), FADES, ("non-saturating", "the loss that is noted"), True),
    Training("a late clip of a state that grows", "clip before the step", sequences(partial(Growing, 1.02), False, 1e-4, clip=True, steps=120), LATE, ("between backward() and optimizer.step()",), True),
    Training("a state that grows, targets untold", "the outputs are the large ones", sequences(Growing, False), OUTPUTS, ("rnn", "1.25"), True),
    Training("a state that grows, targets told", "the outputs are the large ones", sequences(Growing, True), OUTPUTS, ("where targets are about 0.",), True),
    Training("a last layer that is drawn large", "the outputs are the large ones", regression(drawn_large), OUTPUTS, ("2 gives about", "smaller"), True),
)  # fmt: skip

LEAPT_CLEAN = (
    Training("tails at every step", "they are over at the next", regression(spoil=tails)),
    Training("twice as much is asked for", "no leap", regression(spoil=harder, optimizer=partial(torch.optim.Adam, lr=1e-3))),
    Training("norms measured behind the step", "nothing is clipped", regression(after=measures(math.inf))),
    Training("a limit behind the step that is never reached", "nothing is clipped", regression(after=measures(1e3))),
    Training("a loss noted twice a step", "one backward pass", regression(after=notes_again)),
    Training("a validation noted at each step", "one backward pass", regression(after=notes_a_validation)),
    Training("a maker that learns", "neither has won", maker(False, 2e-3, rate=2e-3, each=1, far=1.0)),
    Training("all data, much noise", "it has converged", whole(3.0)),
    Training("all data, little noise", "it has converged", whole(0.1)),
    Training("a state that keeps its size", "outputs are small", sequences(partial(Growing, 0.9), True)),
)  # fmt: skip
