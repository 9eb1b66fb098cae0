"""Trainings by rates far too high, broken optimizers, classes in a row, another loss's gradients; and look-alikes."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.distributions import StudentT
from torch.nn import functional as F
from torch.optim import lr_scheduler

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import Gru, Training, adam, convolutions, cross_entropy, digits, mlp, plain, sgd

FAR, ORDER = frozenset({"diverging"}), frozenset({"one_class_a_batch"})
BROKEN, LEFT = frozenset({"beyond_rule"}), frozenset({"left_over"})


def clouds(classes=4):
    """Clouds of points, drawn at random."""
    labels = torch.randint(classes, (1024,))
    return 1.5 * torch.randn(classes, 16)[labels] + torch.randn(1024, 16), labels


def by_chance(labels, size):
    return lambda step: torch.randint(len(labels), (size,))


def one_after_the_other(labels, size):
    """Rows in the order of their classes."""
    order = labels.argsort(stable=True)
    return lambda step: order[torch.arange(step * size, (step + 1) * size) % len(order)]


def as_they_come(labels, size):
    return lambda step: torch.arange(step * size, (step + 1) * size) % len(labels)


def seldom_ones(labels, size):
    """Two classes that are nearly all, and others that are rare."""
    weights = torch.where(labels < 2, 20.0, 0.2)
    return lambda step: torch.multinomial(weights, size, replacement=True)


def loop(
    optimizer,
    make=plain,
    data=digits,
    rows=by_chance,
    size=32,
    steps=240,
    loss=cross_entropy,
    before=None,
    schedule=None,
):
    """A loop as it is usually written, of which the monitor is told the losses alone."""

    def run():
        torch.manual_seed(0)
        inputs, labels = data()
        model, some = make(), rows(labels, size)
        steps_of = optimizer(model.parameters())
        scheduled = schedule(steps_of) if schedule else None
        with GradientMonitor(model, steps_of, every=4) as monitor:
            for step in range(steps):
                if before:
                    before(step, steps_of)
                batch = some(step)
                steps_of.zero_grad()
                value = loss(model, inputs[batch], labels[batch])
                value.backward()
                steps_of.step()
                monitor.note_loss(value.item())
        del scheduled
        return diagnose(monitor.history)

    return run


def small():
    return mlp(16, 32, 32, 4)


def number_of(model, inputs, labels):
    return F.mse_loss(model(inputs)[:, 0], labels / 5)


def wild_targets(model, inputs, labels):
    return F.mse_loss(model(inputs)[:, 0], StudentT(1.2).sample((len(inputs),)))


def squares_times(factor, when):
    """The optimizer's averages of squares, spoilt at one step."""

    def before(step, optimizer):
        if step == when:
            for kept in optimizer.state.values():
                kept["exp_avg_sq"].mul_(factor)

    return before


def through_half(step, optimizer):
    """What is kept of squares goes through float16, as in a file that is to be small."""
    if step == 150:
        state = copy.deepcopy(optimizer.state_dict())
        for kept in state["state"].values():
            kept["exp_avg_sq"] = (kept["exp_avg_sq"] * 1e-4).half().float() * 1e4
        optimizer.load_state_dict(state)


def loaded(step, optimizer):
    if step == 100:
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


def begun_anew(step, optimizer):
    if step == 100:
        optimizer.state.clear()


def up_and_down(step, optimizer):
    if step % 60 == 0:
        optimizer.param_groups[0]["lr"] = 1e-4 if step % 120 else 1e-2


def critic(zero, *, told=True):
    """A critic and its maker; the critic's gradients go "before" its own loss's backward, "after" its step, or never."""

    def run():
        torch.manual_seed(0)
        maker, judge = mlp(4, 32, 2), mlp(2, 32, 1)
        of_maker, of_judge = (torch.optim.Adam(one.parameters(), 1e-3) for one in (maker, judge))
        true, binary = torch.ones(64, 1), F.binary_cross_entropy_with_logits
        with GradientMonitor(judge, of_judge if told else None) as monitor:
            for _ in range(120):
                made, real = maker(torch.randn(64, 4)), torch.randn(64, 2) / 2 + 1
                if zero == "before":
                    of_judge.zero_grad()
                value = binary(judge(real), true) + binary(judge(made.detach()), 1 - true)
                value.backward()
                monitor.note_loss(value.item())
                of_judge.step()
                if zero == "after":
                    of_judge.zero_grad()
                of_maker.zero_grad()
                binary(judge(made), true).backward()
                of_maker.step()
        return diagnose(monitor.history)

    return run


def policy(*, zero, told=True):
    """A value of actions, and a policy that is trained through it."""

    def run():
        torch.manual_seed(0)
        value, actor = mlp(6, 32, 1), nn.Sequential(mlp(4, 32, 2), nn.Tanh())
        of_value, of_actor = (torch.optim.Adam(one.parameters(), 1e-3) for one in (value, actor))
        with GradientMonitor(value, of_value if told else None) as monitor:
            for _ in range(120):
                state, action = torch.randn(64, 4), 2 * torch.rand(64, 2) - 1
                if zero:
                    of_value.zero_grad()
                reward = -(action - state[:, :2].tanh()).square().sum(1)
                loss = F.mse_loss(value(torch.cat((state, action), 1))[:, 0], reward)
                loss.backward()
                of_value.step()
                monitor.note_loss(loss.item())
                of_actor.zero_grad()
                (-value(torch.cat((state, actor(state)), 1)).mean()).backward()
                of_actor.step()
        return diagnose(monitor.history)

    return run


def two_parts(*, first, clip=0.0, none=True):
    """One loss, and an optimizer for each of two parts, of which one steps before the other."""

    def run():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
        parts = [model[0], model[2]] if first else [model[2], model[0]]
        optimizers = [torch.optim.Adam(part.parameters(), 2e-3) for part in parts]
        (inputs, labels), watched = digits(), optimizers[1]
        with GradientMonitor(model, watched) as monitor:
            for _ in range(120):
                some = torch.randint(len(inputs), (32,))
                for one in optimizers:
                    one.zero_grad(set_to_none=none)
                value = cross_entropy(model, inputs[some], labels[some])
                value.backward()
                for part, one in zip(parts, optimizers, strict=True):
                    if clip:
                        nn.utils.clip_grad_norm_(part.parameters(), clip)
                    one.step()
                monitor.note_loss(value.item())
        return diagnose(monitor.history)

    return run


RMS = lambda parameters: torch.optim.RMSprop(parameters, 0.3)  # noqa: E731

SECOND_SICK = (
    Training("Adam of 0.5 on clouds", "lower the rate", loop(adam(0.5), small, clouds), FAR, ("lower the learning rate",), True),
    Training("Adam of 5 on clouds", "lower the rate", loop(adam(5.0), small, clouds), FAR, ("lower the learning rate",), True),
    Training("Adam of 1 on digits", "lower the rate", loop(adam(1.0)), FAR, ("lower the learning rate",), True),
    Training("RMSprop of 0.3 on digits", "lower the rate", loop(RMS), FAR, ("lower the learning rate",), True),
    Training("Adam of 1, convolutions", "lower the rate", loop(adam(0.3), convolutions), FAR, ("lower the learning rate",), True),
    Training("Adam of 2 on numbers", "lower the rate", loop(adam(2.0), lambda: mlp(64, 48, 1), loss=number_of), FAR, ("lower the learning rate",), True),
    Training("clouds in a row", "shuffle", loop(sgd(0.05, momentum=0.9), small, clouds, one_after_the_other, 16), ORDER, ("shuffle",), True),
    Training("digits in a row by Adam", "shuffle", loop(adam(3e-3), rows=one_after_the_other, size=16, steps=400), ORDER, ("shuffle",), True),
    Training("squares through float16", "the state is broken", loop(adam(1e-3), before=through_half), BROKEN, ("steps 149 to 152", "float32"), True),
    Training("squares that are lost", "the state is broken", loop(adam(1e-3), before=squares_times(1e-8, 150)), BROKEN, ("state",), True),
    Training("a critic that is never cleared", "zero_grad before its backward", critic("never"), LEFT, ("zero_grad",), True),
    Training("a critic cleared too early", "zero_grad before its backward", critic("after"), LEFT, ("zero_grad",), True),
    Training("a value that is never cleared", "zero_grad before its backward", policy(zero=False), LEFT, ("zero_grad",), True),
    Training("a warm-up nobody takes on", "scheduler.step()", loop(adam(1e-3), schedule=lambda o: lr_scheduler.LambdaLR(o, lambda k: min(1.0, k / 20))), frozenset({"no_rate"}), ("call scheduler.step()",), True),
)  # fmt: skip

SECOND_CLEAN = (
    Training("Adam of 0.03", "high, and it learns", loop(adam(0.03))),
    Training("Adam of 0.05 on clouds", "high, and it learns", loop(adam(0.05), small, clouds)),
    Training("targets with wild tails", "the spikes are theirs", loop(adam(3e-3), lambda: mlp(64, 48, 1), loss=wild_targets)),
    Training("one sample at a time", "each asks for its own class", loop(sgd(0.01), size=1, steps=600)),
    Training("two samples at a time", "they come by chance", loop(sgd(0.01), size=2, steps=600)),
    Training("two classes that are nearly all", "they come by chance", loop(adam(1e-3), rows=seldom_ones, size=16, steps=400)),
    Training("two classes, one by one", "they come by chance", loop(adam(1e-3), rows=seldom_ones, size=1, steps=400)),
    Training("in the order of the file", "all classes are in each batch", loop(adam(1e-3), rows=as_they_come, steps=300)),
    Training("a state that is loaded", "it is the right one", loop(adam(3e-3), before=loaded)),
    Training("a state begun anew", "steps are of the usual size", loop(adam(1e-3), Gru, before=begun_anew)),
    Training("a rate up and down", "steps go by it", loop(adam(1e-3), before=up_and_down)),
    Training("Adam without momentum", "steps may be longer", loop(adam(2e-3, betas=(0.0, 0.99)))),
    Training("a critic that is cleared", "each loss has its own", critic("before")),
    Training("a critic, no optimizer told", "each loss has its own", critic("before", told=False)),
    Training("a value that is cleared", "each loss has its own", policy(zero=True)),
    Training("body first, then head", "one loss for both", two_parts(first=True)),
    Training("head first, then body, clipped", "one loss for both", two_parts(first=False, clip=5.0)),
    Training("head first, cleared in place", "one loss for both", two_parts(first=False, clip=3.0, none=False)),
)  # fmt: skip
