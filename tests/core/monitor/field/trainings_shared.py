"""Trainings that clip when there is nothing to clip, hold what another holds, or never update a copy; and sound ones."""

# ruff: noqa: E501

import copy
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.layers.field.case import one_of
from tests.core.monitor.field.helpers import itself
from tests.core.monitor.field.training import (
    Gru,
    Training,
    adam,
    clipped,
    convolutions,
    digits,
    looped,
    mlp,
    of_digits,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)

AHEAD, CUT, TWICE = one_of("clipped_late"), one_of("cut"), one_of("two_optimizers")

left_alone = partial(train, seldom=True, told=False, noted=itself)
normed = partial(mlp, 64, 48, 32, 10, norm=nn.BatchNorm1d)


def each_step(model, optimizer, step):
    """Watched by itself, on what `step(batch)` does and gives."""
    of = of_digits(model)
    return watched(model, lambda number: step(of), 160, optimizer, seldom=True)


# -- a clip that comes too early -------------------------------------------------------------------------------


def clipped_too_early(make, optimizer, limit):
    """There is no gradient yet when it is clipped."""
    torch.manual_seed(0)
    model = make()
    of, steps_of = of_digits(model), optimizer(model.parameters())
    with GradientMonitor(model, steps_of) as monitor:
        for step in range(120):
            steps_of.zero_grad()
            loss = of(step)
            clip_grad_norm_(model.parameters(), limit)
            loss.backward()
            monitor.note_loss(loss)
            steps_of.step()
    return diagnose(monitor.history, losses=monitor.losses)


def clipped_too_early_in_a_function():
    """The same where a function makes the step, and before the pass forward."""
    torch.manual_seed(0)
    model = convolutions()
    optimizer, of = torch.optim.SGD(model.parameters(), 0.1), of_digits(model)

    def one_step(step):
        optimizer.zero_grad(set_to_none=True)
        clip_grad_norm_(model.parameters(), 0.5)
        loss = of(step)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return watched(model, one_step, 120, optimizer, seldom=True)


def clipped_a_turn_later():
    """The backward pass comes last in the loop, and the clip first: of the gradient of the turn before."""
    torch.manual_seed(0)
    model = plain()
    optimizer, of = torch.optim.SGD(model.parameters(), 0.1), of_digits(model)
    with GradientMonitor(model, optimizer) as monitor:
        of(0).backward()
        for step in range(120):
            clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
            loss = of(step)
            loss.backward()
            monitor.note_loss(loss)
    return diagnose(monitor.history, losses=monitor.losses)


# -- copies that are to follow ---------------------------------------------------------------------------------


class Twins(nn.Module):
    """A net that learns, and a copy of it without a graph, whose outputs it is to foretell."""

    def __init__(self, make):
        super().__init__()
        self.net = make()
        self.slow, self.guess = copy.deepcopy(self.net), mlp(10, 24, 10)

    def forward(self, first, second):
        """How unlike the guess is."""
        with torch.no_grad():
            wanted = self.slow(second)
        return -F.cosine_similarity(self.guess(self.net(first)), wanted).mean()


def twins(make, follow=0.0):
    """The copy follows by so much a step."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = Twins(make)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)

    def one_step(step):
        some = inputs[rows_of(inputs, step, 64)]
        optimizer.zero_grad()
        loss = model(some + 0.1 * torch.randn(64, 64), some + 0.1 * torch.randn(64, 64))
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for one, other in zip(model.slow.parameters(), model.net.parameters(), strict=True):
                one.lerp_(other, follow)
        return loss.detach()

    return watched(model, one_step, 160, optimizer, seldom=True)


# -- optimizers that hold the same -----------------------------------------------------------------------------


def maker_and_critic(*, all_of_it):
    """The maker's optimizer is given its part, or all of the model."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = nn.ModuleDict({"maker": mlp(8, 32, 64), "critic": mlp(64, 32, 1)})
    critics = torch.optim.Adam(model["critic"].parameters(), 1e-3)
    makers = torch.optim.Adam((model if all_of_it else model["maker"]).parameters(), 1e-3)
    binary, true, false = F.binary_cross_entropy_with_logits, torch.ones(32, 1), torch.zeros(32, 1)

    def one_step(step):
        made = model["maker"](torch.randn(32, 8))
        critics.zero_grad()
        real = model["critic"](inputs[rows_of(inputs, step, 32)])
        (binary(real, true) + binary(model["critic"](made.detach()), false)).backward()
        critics.step()
        makers.zero_grad()
        loss = binary(model["critic"](made), true)
        loss.backward()
        makers.step()
        return loss.detach()

    return watched(model, one_step, 160, seldom=True)


def steps_again(each, *, clips=False):
    """A second optimizer of one layer steps by the gradient that the first has used, once in so many times."""
    torch.manual_seed(0)
    model = plain()
    first, second = torch.optim.SGD(model.parameters(), 0.05), torch.optim.Adam(model[2].parameters(), 1e-3)
    steps = iter(range(1000))

    def step(of):
        first.zero_grad()
        loss = of(0)
        loss.backward()
        first.step()
        if next(steps) % each == 0:
            if clips:
                clip_grad_norm_(model[2].parameters(), 1.0)
            second.step()
        return loss.detach()

    return each_step(model, None if clips else first, step)


def shared_body():
    """Two tasks on one body, each with an optimizer of the body and its own head."""
    torch.manual_seed(0)
    inputs, labels = digits()
    body, digit, ink = nn.Sequential(nn.Linear(64, 48), nn.ReLU()), nn.Linear(48, 10), nn.Linear(48, 1)
    of = {
        lambda some: F.cross_entropy(digit(body(inputs[some])), labels[some]): adam(1e-3)(
            [*body.parameters(), *digit.parameters()]
        ),
        lambda some: F.mse_loss(ink(body(inputs[some]))[:, 0], inputs[some].mean(1)): adam(1e-3)(
            [*body.parameters(), *ink.parameters()]
        ),
    }

    def one_step(step):
        for task, optimizer in of.items():
            optimizer.zero_grad()
            loss = task(rows_of(inputs, step, 32))
            loss.backward()
            optimizer.step()
        return loss.detach()

    return watched(nn.ModuleList([body, digit, ink]), one_step, 160, seldom=True)


def two_in_turn(every):
    """Body and head have an optimizer each, of which the monitor is told nothing."""
    torch.manual_seed(0)
    model = plain()
    both = torch.optim.Adam(model[:3].parameters(), 1e-3), torch.optim.SGD(model[3:].parameters(), 0.1)
    return looped(model, of_digits(model), 160, *both, every=every)


class LookAhead(torch.optim.Optimizer):
    """Around another one, whose steps it halves once in five."""

    def __init__(self, inner):
        super().__init__(inner.param_groups, {})
        self.inner, self.param_groups, self.steps = inner, inner.param_groups, 0
        self.slow = [one.detach().clone() for group in self.param_groups for one in group["params"]]

    @torch.no_grad()
    def step(self):
        """One of the inner's."""
        self.inner.step()
        self.steps += 1
        for one, slow in zip(self.param_groups[0]["params"], self.slow, strict=True):
            if self.steps % 5 == 0:
                one.copy_(slow.lerp_(one, 0.5))


SHARED_SICK = (
    Training("no gradient to clip yet", "the clip stands before backward()", lambda: clipped_too_early(plain, sgd(0.3), 0.1), AHEAD, ("before backward", "between backward() and")),
    Training("no gradient to clip yet, recurrent", "the clip stands before backward()", lambda: clipped_too_early(Gru, adam(3e-3), 0.01), AHEAD, ("before backward",)),
    Training("no gradient to clip yet, in a function", "the clip stands before the pass forward", clipped_too_early_in_a_function, AHEAD, ("before backward",)),
    Training("a copy that nothing updates", "it stays as it began", lambda: twins(normed), CUT, ("net.0", "same weights", "update")),
    Training("a copy of convolutions that nothing updates", "it stays as it began", lambda: twins(convolutions), CUT, ("net.1", "same weights", "update")),
    Training("the maker's optimizer holds the critic", "what the one does the other undoes", lambda: maker_and_critic(all_of_it=True), TWICE, ("critic", "undoes")),
    Training("a layer in two optimizers, seldom", "one gradient makes two steps", lambda: steps_again(4), TWICE, ("2.weight", "same gradient")),
    Training("a layer in two optimizers, clipped between", "one gradient makes two steps", lambda: steps_again(1, clips=True), TWICE, ("2.weight", "same gradient")),
)  # fmt: skip

SHARED_CLEAN = (
    Training("clipped in time, by a function of torch", "after the backward pass", lambda: left_alone(before_step=clipped(5.0))),
    Training("clipped a turn later", "what is clipped is there", clipped_a_turn_later),
    Training("a copy that follows", "a running mean of the net", lambda: twins(normed, 0.01)),
    Training("a copy of convolutions that follows", "a running mean of the net", lambda: twins(convolutions, 0.05)),
    Training("maker and critic apart", "each has its own", lambda: maker_and_critic(all_of_it=False)),
    Training("two tasks on one body", "both are to move it", shared_body),
    Training("two in turn, every fourth", "each is met", lambda: two_in_turn(4)),
    Training("two in turn, every second", "each is met", lambda: two_in_turn(2)),
    Training("a wrapper that looks ahead", "two optimizers are one", lambda: left_alone(optimizer=lambda some: LookAhead(torch.optim.Adam(some, 3e-3)))),
)  # fmt: skip
